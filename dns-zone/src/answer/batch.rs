//! Many queries at once, in phases: while one waits for memory, the others are worked on.

use super::admit::{Refusal, admit, admit_on_stream, name_unknown_key};
use super::resolve::{Request, Unanswerable};
use super::{Answering, Disposition, Patience, Transport};
use crate::denial::{Chain, Name};
use crate::position::{Key, Position};
use crate::query::{Fault, Query};
use crate::response::{ExtendedError, Response, ResponseCode};
use crate::snapshot::Snapshot;
use crate::store::page::{Damaged, PageNo};
use crate::store::tree::Cursor;

/// Exchanges that go through the phases together; more are taken in turns.
const TOGETHER: usize = 32;
/// How often a batch is answered again when pages of the zone are lost meanwhile.
const ATTEMPTS: usize = 4;

/// A query, room for its response, and what became of it.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The message as it came.
    pub query: &'a [u8],
    /// Room for the response.
    pub out: &'a mut [u8],
    /// What to do, once answered.
    pub disposition: Disposition,
}

impl<'a> Exchange<'a> {
    /// An exchange that is not answered yet.
    pub fn new(query: &'a [u8], out: &'a mut [u8]) -> Self {
        Self {
            query,
            out,
            disposition: Disposition::Drop,
        }
    }
}

/// How far a query has come.
struct Pending<'q> {
    query: Query<'q>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Refuse(Refusal),
    /// A name of the zone: its labels from `apex` on are the apex's.
    Find {
        apex: usize,
        position: Position,
        found: Result<Found, Damaged>,
    },
}

#[derive(Clone, Copy)]
enum Found {
    /// No device is at or before the name.
    Before,
    /// The last one is in this page.
    In(PageNo),
    At(Cursor),
}

/// Answers all exchanges from one version of the zone, as [`answer`](super::answer()) does one.
pub fn answer_batch(
    snapshot: &Snapshot,
    answering: &Answering,
    exchanges: &mut [Exchange<'_>],
    transport: Transport,
    patience: Patience,
    now: u64,
) {
    let tree = snapshot.version.tree();
    let batch = Batch {
        chain: Chain::new(&snapshot.shape.templates, &snapshot.fixed, tree),
        answering,
        transport,
        patience,
        now,
    };
    batch.answer_all(exchanges);
}

/// What all queries of a batch have in common.
pub(super) struct Batch<'a> {
    pub(super) chain: Chain<'a>,
    pub(super) answering: &'a Answering,
    pub(super) transport: Transport,
    pub(super) patience: Patience,
    pub(super) now: u64,
}

impl Batch<'_> {
    /// Answers all exchanges; again when a page was lost meanwhile, since any answer may have been
    /// made of what it turned to.
    pub(super) fn answer_all(&self, exchanges: &mut [Exchange<'_>]) {
        let mapping = self.chain.tree.mapping();
        let lost = mapping.lost();
        self.answer_once(exchanges);
        if mapping.has_lost_since(lost) {
            self.answer_again(exchanges);
        }
    }

    #[cold]
    fn answer_again(&self, exchanges: &mut [Exchange<'_>]) {
        let mapping = self.chain.tree.mapping();
        for _ in 0..ATTEMPTS {
            let lost = mapping.lost();
            self.anew().answer_once(exchanges);
            if !mapping.has_lost_since(lost) {
                return;
            }
        }
        // Page after page is lost: nothing that needs one is answered.
        for exchange in exchanges {
            exchange.disposition = match self.read(exchange.query) {
                Some(mut pending) => {
                    if let Step::Find { found, .. } = &mut pending.step {
                        *found = Err(Damaged { page: 0 });
                    }
                    self.render(&pending, false, exchange.query, exchange.out)
                }
                None => Disposition::Drop,
            };
        }
    }

    /// The same without what was rendered for many.
    fn anew(&self) -> Self {
        let Chain {
            templates,
            fixed,
            tree,
            ..
        } = self.chain;
        Self {
            chain: Chain::new(templates, fixed, tree),
            ..*self
        }
    }

    fn answer_once(&self, exchanges: &mut [Exchange<'_>]) {
        if let [exchange] = exchanges {
            self.answer::<1>(std::slice::from_mut(exchange));
            return;
        }
        for exchanges in exchanges.chunks_mut(TOGETHER) {
            self.answer::<TOGETHER>(exchanges);
        }
    }

    /// Takes at most `N` exchanges through the phases.
    fn answer<const N: usize>(&self, exchanges: &mut [Exchange<'_>]) {
        let mut pending: [Option<Pending<'_>>; N] = [const { None }; N];
        for (pending, exchange) in pending.iter_mut().zip(&*exchanges) {
            *pending = self.read(exchange.query);
        }
        // Looked at once for all, so that it costs datagrams nothing.
        if self.answering.keepalive_tenths.is_some() && self.transport != Transport::Datagram {
            for pending in pending.iter_mut().flatten() {
                if let (Step::Find { .. }, Err(refusal)) =
                    (&pending.step, admit_on_stream(&pending.query))
                {
                    pending.step = Step::Refuse(refusal);
                }
            }
        }
        self.locate(&mut pending);
        for pending in pending.iter_mut().flatten() {
            self.search(&mut pending.step);
        }
        for (pending, exchange) in pending.iter().zip(exchanges) {
            exchange.disposition = match pending {
                Some(pending) => self.render(pending, N > 1, exchange.query, exchange.out),
                None => Disposition::Drop,
            };
        }
    }

    /// Reads a query; `None` when it is not to be answered.
    #[inline]
    fn read<'q>(&self, message: &'q [u8]) -> Option<Pending<'q>> {
        let query = Query::parse(message)?;
        let step = match admit(&query) {
            Err(refusal) => Step::Refuse(refusal),
            Ok(question) => match self.chain.templates.labels_below(question) {
                None => Step::Refuse(Refusal::because(
                    ResponseCode::Refused,
                    ExtendedError::NotAuthoritative,
                )),
                Some(apex) => Step::Find {
                    apex,
                    position: Name::position_of(question, apex),
                    found: Ok(Found::Before),
                },
            },
        };
        Some(Pending { query, step })
    }

    /// Walks the index and calls for the heads of the blocks.
    #[inline]
    fn locate<const N: usize>(&self, pending: &mut [Option<Pending<'_>>; N]) {
        let tree = &self.chain.tree;
        let keys: [Option<&Key>; N] = std::array::from_fn(|at| match &pending[at] {
            Some(Pending {
                step: Step::Find { apex, position, .. },
                ..
            }) => (*apex != 0).then_some(&position.key), // no device sorts before the apex
            _ => None,
        });
        let located = tree.locate_all(&keys);
        for (pending, located) in pending.iter_mut().zip(located) {
            let Some(Pending {
                step: Step::Find { found, .. },
                ..
            }) = pending
            else {
                continue;
            };
            *found = located.map(|page| match page {
                None => Found::Before,
                Some(page) => {
                    tree.prefetch_head(page);
                    Found::In(page)
                }
            });
        }
    }

    /// Searches the block and calls for the record.
    #[inline]
    fn search(&self, step: &mut Step) {
        let Step::Find {
            position,
            found: found @ Ok(Found::In(_)),
            ..
        } = step
        else {
            return;
        };
        let Ok(Found::In(page)) = *found else {
            return;
        };
        let tree = &self.chain.tree;
        *found = tree.floor_in(page, &position.key).map(|cursor| {
            tree.prefetch_record(cursor);
            Found::At(cursor)
        });
    }

    #[inline]
    fn render(
        &self,
        pending: &Pending<'_>,
        is_one_of_many: bool,
        message: &[u8],
        out: &mut [u8],
    ) -> Disposition {
        let (query, transport) = (&pending.query, self.transport);
        let Some(mut response) = Response::new(query, self.answering, transport, &mut *out) else {
            return Disposition::Drop;
        };
        let resolved = match (&pending.step, &pending.query.question) {
            (Step::Refuse(refusal), _) => {
                if let Err(Fault::Signed(edns)) = query.edns {
                    response.set_edns(edns);
                }
                let mut octets = refusal.finish(response);
                if refusal.is_of_signature() {
                    octets = name_unknown_key(message, query, transport, out, octets);
                }
                return Disposition::Answer(octets);
            }
            // Only a question that was read is looked for.
            (Step::Find { .. }, None) => return Disposition::Drop,
            (Step::Find { found: Err(_), .. }, Some(_)) => Err(Unanswerable::Damaged),
            (
                Step::Find {
                    apex,
                    position,
                    found: Ok(found),
                },
                Some(question),
            ) => {
                let device = match found {
                    Found::At(cursor) => Some(*cursor),
                    Found::Before | Found::In(_) => None,
                };
                let request = Request {
                    chain: &self.chain,
                    name: Name::asked(question, *apex, *position),
                    record_type: question.record_type,
                    now: self.now,
                    is_one_of_many,
                };
                request.resolve(device, &mut response)
            }
        };
        let extended = match resolved {
            Ok(code) => return Disposition::Answer(response.finish(code)),
            Err(Unanswerable::Expired(name)) if self.patience == Patience::Wait => {
                return Disposition::Wait(name);
            }
            Err(Unanswerable::Expired(_)) => ExtendedError::SignatureExpired,
            Err(Unanswerable::Damaged) => ExtendedError::Other,
        };
        let refusal = Refusal::because(ResponseCode::ServFail, extended);
        Disposition::Answer(refusal.finish(response))
    }
}
