//! Where answers come from: the zone, or what a test wants to see.

use std::sync::Arc;

use super::Clock;
use crate::answer::{Answering, Exchange, Patience, Transport, answer_batch};
use crate::reader::ZoneReader;
use crate::urgent::UrgentName;

/// Answers to batches of queries.
pub(super) trait Source: Send + 'static {
    /// Decides every exchange. Returns the version that the answers are from.
    fn answer(&mut self, exchanges: &mut [Exchange<'_>], patience: Patience) -> u64;

    /// Asks for a signature that an answer of now waits for. Returns at once; false when so many are
    /// asked for already that waiting is in vain.
    fn want(&mut self, name: UrgentName) -> bool;

    /// The version that would be answered from now.
    fn version(&self) -> u64;
}

/// Answers from the newest durable version of the zone, held for one batch.
#[derive(Clone)]
pub(super) struct ZoneSource {
    reader: ZoneReader,
    answering: Arc<Answering>,
    clock: Clock,
    transport: Transport,
}

impl ZoneSource {
    /// Answers for datagrams.
    pub(super) fn new(reader: ZoneReader, answering: Arc<Answering>, clock: Clock) -> Self {
        Self {
            reader,
            answering,
            clock,
            transport: Transport::Datagram,
        }
    }

    /// The same for another transport.
    pub(super) fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }
}

impl Source for ZoneSource {
    fn answer(&mut self, exchanges: &mut [Exchange<'_>], patience: Patience) -> u64 {
        let snapshot = self.reader.snapshot();
        let now = (self.clock)();
        let (answering, transport) = (&self.answering, self.transport);
        answer_batch(&snapshot, answering, exchanges, transport, patience, now);
        snapshot.zone_version()
    }

    fn want(&mut self, name: UrgentName) -> bool {
        self.reader.urgent().want(name)
    }

    fn version(&self) -> u64 {
        self.reader.snapshot().zone_version()
    }
}
