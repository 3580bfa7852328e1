//! Many connections that ask once and then stay silent, from many addresses.

use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::ClientConnection;

use crate::certificate;
use crate::kernel::connect_from;
use crate::population::Population;
use crate::queries::{Asked, QuerySet};
use crate::stream_client::exchange;

/// Connections from one address: fewer than a limit for each client would allow.
const PER_ADDRESS: usize = 8;

/// Opens the connections, says so, and for every line on standard input says how many are open.
#[allow(clippy::print_stdout)] // the answers of the conversation
pub(crate) fn run(
    population: &Population,
    to: SocketAddr,
    count: usize,
    tls: &Path,
) -> anyhow::Result<()> {
    let SocketAddr::V4(to) = to else {
        bail!("an IPv4 address is needed");
    };
    let config = Arc::new(certificate::client(tls)?);
    let set = QuerySet::new(population, 1_000, false);
    let name = rustls::pki_types::ServerName::try_from(certificate::NAME)?;
    let mut held: Vec<(TcpStream, ClientConnection)> = Vec::with_capacity(count);
    for number in 0..count {
        let [_, _, high, low] = ((number / PER_ADDRESS + 1) as u32).to_be_bytes();
        let mut socket = connect_from(Ipv4Addr::new(127, 77, high, low), to)
            .with_context(|| format!("connection {number}"))?;
        let mut session = ClientConnection::new(config.clone(), name.clone())?;
        exchange(
            &mut session,
            &mut socket,
            set.query(Asked::Present, number as u64),
        )?;
        socket.set_nonblocking(true)?;
        held.push((socket, session));
    }
    println!("{}", open(&mut held));
    for line in std::io::stdin().lock().lines() {
        line?;
        println!("{}", open(&mut held));
    }
    Ok(())
}

/// How many connections the server has not ended.
fn open(held: &mut [(TcpStream, ClientConnection)]) -> usize {
    let is_open = |(socket, session): &mut (TcpStream, ClientConnection)| {
        loop {
            match session.read_tls(socket) {
                Ok(0) => return false,
                Ok(_) => match session.process_new_packets() {
                    Ok(state) if !state.peer_has_closed() => {}
                    _ => return false,
                },
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    };
    held.iter_mut().map(is_open).filter(|open| *open).count()
}
