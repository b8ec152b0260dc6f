//! Bytes from a provider while nobody has asked: response queue poisoning.

use super::*;

/// Scenario: after a proper answer the provider sends another one, unasked, on the idle connection.
/// Guarantees: that connection is closed; the next request is answered by another one, with its own answer.
#[test]
fn an_answer_nobody_asked_for_is_nobodys_answer() {
    for driver in DRIVERS {
        let (say, said) = std::sync::mpsc::channel::<()>();
        let (closed, is_closed) = std::sync::mpsc::channel::<()>();
        let said = std::sync::Mutex::new(said);
        let upstream = Upstream::start(move |peer| {
            if peer.number == 0 {
                peer.request();
                peer.send(&json(ANSWER));
                let _ = said.lock().expect("lock").recv();
                peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
                peer.until_closed();
                let _ = closed.send(());
                return;
            }
            while peer.request().is_some() && peer.send(&json(ANSWER)) {}
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let mut connection = Connection::open(gateway.address);
        assert_eq!(connection.post(PATH, &chat("up/gpt", false)).status, 200);
        say.send(()).expect("the provider listens");
        is_closed.recv_timeout(common::PATIENCE).expect("the gateway closes the connection");
        let response = connection.post(PATH, &chat("up/gpt", false));
        assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
        assert_eq!(gateway.metric("sluice_upstream_connects_total"), 2.0);
    }
}
