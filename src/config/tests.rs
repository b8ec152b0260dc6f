//! What is accepted, what is refused and how it is said.

use super::*;

fn environment() -> Env {
    Env::of(&[])
}

#[test]
fn the_embedded_configuration_serves_the_mock_on_loopback() {
    let snapshot = embedded(&environment()).expect("loads");
    assert_eq!(snapshot.process.listen, ["127.0.0.1:8080".parse().expect("address")]);
    assert_eq!(snapshot.process.auth, Auth::None);
    assert_eq!(snapshot.accounts.len(), 1);
    assert_eq!(snapshot.accounts[0].upstream.host, "mock");
    assert_eq!(snapshot.accounts[0].upstream.port, 0);
    assert!(snapshot.accounts[0].pass_any_model);
    println!("{}", print_effective(&snapshot));
}
