//! What the topics `udp` and `dot` compare: our server and the peers, each around the same signed
//! fleet, on the server's core.

use crate::certificate;
use crate::machine;
use crate::ours::{Ours, serve_ours};
use crate::peers::{Peer, Peers, Ports, Running, Scratch};
use crate::population::Population;

/// Servers that run until this is dropped.
pub(crate) struct Servers {
    pub(crate) population: Population,
    pub(crate) peers: Peers,
    pub(crate) ours: Ours,
    pub(crate) running: Vec<(Peer, Running)>,
    // Removed after the servers have ended.
    pub(crate) scratch: Scratch,
}

impl Servers {
    /// Signs the fleet, and starts ours and these peers over it, with one certificate.
    pub(crate) fn start(population: Population, wanted: &[Peer]) -> anyhow::Result<Self> {
        let peers = Peers::find()?;
        machine::note_peers(peers.versions());
        let scratch = peers.scratch()?;
        certificate::make(scratch.path())?;
        let ours = serve_ours("ours", population, &scratch, Some("zone.db"))?;
        let serve = |peer: &Peer| Ok((*peer, peers.serve(*peer, &scratch, Ports::free()?)?));
        let running = wanted.iter().map(serve).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            population,
            peers,
            ours,
            running,
            scratch,
        })
    }
}
