//! Handshakes in memory between the two sides built here.

use std::io::{Read, Write};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, HandshakeKind, ServerConnection};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sluice-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    /// Paths of a certificate for `localhost` and its key.
    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("generated");
        let (cert, key) = (self.0.join(format!("{name}.pem")), self.0.join(format!("{name}.key")));
        std::fs::write(&cert, pair.cert.pem()).expect("written");
        std::fs::write(&key, pair.signing_key.serialize_pem()).expect("written");
        (cert, key)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Carries bytes both ways until neither side has any.
fn shake(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("into memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("from memory");
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("into memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("from memory");
            client.process_new_packets()?;
        }
    }
    Ok(())
}

fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(client.clone(), name)?;
    let mut server = ServerConnection::new(server.clone())?;
    shake(&mut client, &mut server)?;
    Ok((client, server))
}

#[test]
fn a_client_that_trusts_the_ca_talks_http_1_1_and_resumes() {
    let folder = Folder::new("resumes");
    let (cert, key) = folder.pair("a");
    let server_config = server(&cert, &key).expect("server");
    let client_config = ClientConfigs::default().get(Some(&cert)).expect("client");
    let (mut client, mut server) = connect(&client_config, &server_config).expect("a handshake");
    assert_eq!((client.alpn_protocol(), server.alpn_protocol()), (Some(ALPN), Some(ALPN)));
    client.writer().write_all(b"ping").expect("buffered");
    shake(&mut client, &mut server).expect("carried");
    let mut got = [0; 4];
    server.reader().read_exact(&mut got).expect("four bytes");
    assert_eq!(&got, b"ping");
    let (client, _) = connect(&client_config, &server_config).expect("a handshake");
    assert_eq!(client.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn a_certificate_of_an_unknown_issuer_is_refused() {
    let folder = Folder::new("unknown");
    let (cert, key) = folder.pair("a");
    let (other, _) = folder.pair("b");
    let client_config = ClientConfigs::default().get(Some(&other)).expect("client");
    assert!(connect(&client_config, &server(&cert, &key).expect("server")).is_err());
}

#[test]
fn one_client_configuration_per_distinct_ca() {
    let folder = Folder::new("distinct");
    let (a, _) = folder.pair("a");
    let (b, _) = folder.pair("b");
    let mut clients = ClientConfigs::default();
    let first = clients.get(Some(&a)).expect("client");
    assert!(Arc::ptr_eq(&first, &clients.get(Some(&a)).expect("client")));
    assert!(!Arc::ptr_eq(&first, &clients.get(Some(&b)).expect("client")));
}

#[test]
fn files_that_do_not_belong_together_or_hold_nothing_are_named() {
    let folder = Folder::new("named");
    let (cert, key) = folder.pair("a");
    let (_, other_key) = folder.pair("b");
    let fault = server(&cert, &other_key).expect_err("another's key");
    assert!(fault.starts_with(&format!("{} and {}: ", cert.display(), other_key.display())), "{fault}");
    let fault = server(&key, &key).expect_err("a key is no certificate");
    assert_eq!(fault, format!("{}: no certificate read: the file holds none in PEM form", key.display()));
    let fault = server(&cert, &cert).expect_err("a certificate is no key");
    assert_eq!(fault, format!("{}: no private key read: the file holds none in PEM form", cert.display()));
    let fault = server(&folder.0.join("none"), &key).expect_err("no file");
    assert!(fault.ends_with("none: no certificate read: No such file or directory (os error 2)"), "{fault}");
}
