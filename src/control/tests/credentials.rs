//! Credentials that expire reach every shard, and before the configuration that needs them where they are known.

use super::*;
use crate::config::Secret;
use crate::provider::Fetched;

const PEM: &str = include_str!("../../provider/fixtures/test-only-rsa.pem");

/// A token server that answers once: whoever asks again waits in vain.
fn token_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let uri = format!("http://{}/token", listener.local_addr().expect("is bound"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepts");
        let mut asked = Vec::new();
        let mut chunk = [0; 4096];
        while !asked.windows(11).any(|window| window == b"&assertion=") {
            let read = stream.read(&mut chunk).expect("reads");
            assert_ne!(read, 0, "the request is whole");
            asked.extend_from_slice(&chunk[..read]);
        }
        let body = r#"{"access_token":"ya29.x","expires_in":3600}"#;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("answers");
    });
    uri
}

fn hear_credential(shard: &mut FakeShard) -> String {
    loop {
        match shard.hear() {
            Down::Credential { account, fetched } => {
                assert_eq!(*fetched, Fetched::Bearer(Secret::new("ya29.x".to_owned())));
                return account.to_string();
            }
            Down::Addresses { .. } => {}
            _ => panic!("a credential is next"),
        }
    }
}

#[test]
fn every_shard_hears_the_credentials_of_its_accounts() {
    let dir = TempDir::new();
    let file = dir.path().join("key.json");
    let key = serde_json::json!({
        "type": "service_account", "client_email": "robot@p", "private_key": PEM, "token_uri": token_server(),
    });
    std::fs::write(&file, key.to_string()).expect("writes");
    let account = |name: &str| {
        format!(
            "---\ntype: provider-account/google-vertex\nname: {name}\nproject: p\nlocation: global\n\
             base_url: http://127.0.0.1:9\nauth_data: {{type: service-account, key_file: {}}}\n",
            file.display()
        )
    };
    let mut world = World::serving(2, &account("one"));
    for shard in &mut world.shards {
        assert_eq!(hear_credential(shard), "one");
    }
    world.rewrite(&(account("one") + &account("two")));
    for shard in &mut world.shards {
        assert_eq!([hear_credential(shard), hear_credential(shard)], ["one", "two"]);
        assert!(matches!(shard.hear(), Down::Snapshot(_)), "then the configuration");
    }
    assert_eq!(world.end(), 0);
}
