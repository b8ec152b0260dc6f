//! The provider simulated inside the process, for accounts of `provider-account/mock` that name no server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::config::{Api, Snapshot};
use crate::telemetry::Target;

/// Runs from the first configuration that needs it to the end of the process.
#[derive(Default)]
pub struct Mock {
    address: Option<SocketAddr>,
}

impl Mock {
    /// Puts its address into the accounts that wait for it (port 0), starting it when it is not there yet.
    pub fn place(&mut self, snapshot: &mut Snapshot) -> std::io::Result<()> {
        for account in &mut snapshot.accounts {
            if account.api != Api::Mock || account.upstream.port != 0 {
                continue;
            }
            let address = match self.address {
                Some(address) => address,
                None => loadtest::mock::spawn(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?,
            };
            self.address = Some(address);
            account.upstream.host = address.ip().to_string();
            account.upstream.port = address.port();
            account.upstream.authority = address.to_string();
            for target in account.models.values_mut() {
                let host = account.upstream.host.as_str().into();
                *target = Arc::new(Target { host, port: address.port(), ..Target::clone(target) });
            }
        }
        Ok(())
    }
}
