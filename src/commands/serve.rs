//! `sluice serve`: everything is made here, in order, and then belongs to one thread each.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use sluice::config::{Env, Snapshot};
use sluice::control::{self, Mock, Setup, Source, Store};
use sluice::{mesh, shard};

use super::cores::Cores;
use super::listen;

pub fn run(paths: Vec<PathBuf>) -> ExitCode {
    let source = Source { paths, env: Env::process() };
    let snapshot = match source.load() {
        Ok(snapshot) => snapshot,
        Err(errors) => return super::check::faults(&errors),
    };
    control::log::init(snapshot.process.log);
    match start(source, snapshot).and_then(control::run) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(source: Source, mut snapshot: Snapshot) -> io::Result<Setup> {
    listen::raise_descriptor_limit();
    let cores = Cores::of_process();
    let shards = cores.shards(snapshot.process.shards);
    let (listeners, bound) = listen::bind(&snapshot.process.listen, shards)?;
    let admin = listen::bind_admin(snapshot.process.admin)?;
    let store = Store::open(&snapshot.process.storage)?;
    let mut mock = Mock::default();
    mock.place(&mut snapshot)?;
    let addresses = control::resolve_first(&snapshot)?;
    let (shard_ends, ends) = mesh::mesh(shards)?;
    let force_epoll = std::env::var("SLUICE_DRIVER").is_ok_and(|driver| driver == "epoll");
    for (index, (end, listeners)) in shard_ends.into_iter().zip(listeners).enumerate() {
        let spec = shard::Spec {
            index,
            cpu: cores.pin(index, shards),
            listeners,
            snapshot: Box::new(snapshot.for_shard()),
            addresses: addresses.clone(),
            end,
            force_epoll,
        };
        std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || shard::run(spec))?;
    }
    let admin_address = admin.local_addr()?;
    for address in &bound {
        tracing::info!(%address, tls = snapshot.process.tls.is_some(), shards, "listening");
    }
    tracing::info!(address = %admin_address, "admin listening");
    let greeting = std::io::stderr().is_terminal().then(|| greeting(&snapshot, &bound, admin_address));
    Ok(Setup { snapshot, source, addresses, ends, admin, mock, store, greeting })
}

/// For somebody who has just started it for the first time.
fn greeting(snapshot: &Snapshot, bound: &[SocketAddr], admin: SocketAddr) -> String {
    let scheme = if snapshot.process.tls.is_some() { "https" } else { "http" };
    let gateways: Vec<String> = bound.iter().map(|address| format!("{scheme}://{address}/v1")).collect();
    let mut text = format!("\n  Sluice serves at {}, its admin page is http://{admin}/\n", gateways.join(" and "));
    let model = snapshot.accounts.iter().find_map(|account| account.models.values().map(|target| &target.fqn).min());
    if let (Some(gateway), Some(model)) = (gateways.first(), model) {
        text.push_str(&format!(
            "  Try:  curl -N {gateway}/chat/completions -H 'content-type: application/json' \\\n        -d '{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n"
        ));
    }
    text
}
