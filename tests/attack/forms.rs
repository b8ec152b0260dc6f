//! Forms that two parsers read differently: the model that is checked is the model that is called.

use super::*;

/// A form with these parts; a part is all that stands between two delimiters.
fn form(parts: &[&str]) -> String {
    let body: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
    let head = "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\ncontent-type: multipart/form-data; boundary=b\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}--b--\r\n", body.len() + 7)
}

const MODEL: &str = "content-disposition: form-data; name=\"model\"\r\n\r\nup/allowed";

/// Scenario: a second model, before or after the first, at once or behind a large file, in the spellings that some
/// parsers know; parts that end in bare LF.
/// Guarantees: refused; the provider never gets a whole form with two models in it.
#[test]
fn a_form_has_one_model() {
    let others = [
        "content-disposition: form-data; name=\"model\"\r\n\r\nforbidden",
        "Content-Disposition: form-data; NAME=\"model\"\r\n\r\nforbidden",
        "content-disposition: form-data;\r\n name=\"model\"\r\n\r\nforbidden",
        "content-disposition: form-data; name*=utf-8''model\r\n\r\nforbidden",
        "content-disposition: form-data; name=\"x\"\r\n\r\n\n--b\ncontent-disposition: form-data; name=\"model\"\n\nforbidden",
    ];
    let file =
        format!("content-disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n{}", "x".repeat(300_000));
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        for other in others {
            for parts in [vec![MODEL, other], vec![other, MODEL], vec![MODEL, &file, other]] {
                let mut connection = Connection::open(bench.gateway.address);
                connection.try_send(form(&parts).as_bytes());
                let response = connection.response();
                let code = response.json()["error"]["code"].clone();
                assert_eq!((response.status, code.as_str()), (400, Some("ambiguous_model")), "{other:?}");
                assert!(connection.is_closed());
            }
        }
        let fine = form(&[&file[..1000], MODEL]);
        let mut connection = Connection::open(bench.gateway.address);
        connection.send(fine.as_bytes());
        assert_eq!(connection.response().status, 200);
        assert!(bench.upstream.request().contains("\r\n\r\nallowed\r\n--b--"));
        bench.saw_nothing();
    }
}
