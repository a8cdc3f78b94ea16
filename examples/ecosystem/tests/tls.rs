//! rustls, client and server, over `gander::net::TcpStream`.

use std::io::{Read, Write};
use std::sync::Arc;

use gander::net::{TcpListener, TcpStream};
use gander::{run, spawn};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// A server's and a client's configuration that fit together.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

#[test]
fn echo_over_tls() {
    run(|| {
        let (server_config, client_config) = configs();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        gander::go(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&server_config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                gander::go(move || {
                    let mut buf = [0; 5000];
                    // A client that hangs up without a word is an error of rustls's.
                    while let Ok(len @ 1..) = stream.read(&mut buf) {
                        stream.write_all(&buf[..len]).unwrap();
                    }
                });
            }
        });
        let clients: Vec<_> = (0..20u8)
            .map(|id| {
                let config = Arc::clone(&client_config);
                spawn(move || {
                    let name = ServerName::try_from("localhost").unwrap();
                    let connection = ClientConnection::new(config, name).unwrap();
                    let mut stream = StreamOwned::new(connection, TcpStream::connect(addr).unwrap());
                    for round in 0..10 {
                        // Less than a record, and several.
                        let sent = vec![id; 1 + round * 4000];
                        stream.write_all(&sent).unwrap();
                        let mut back = vec![0; sent.len()];
                        stream.read_exact(&mut back).unwrap();
                        assert_eq!(back, sent);
                    }
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}
