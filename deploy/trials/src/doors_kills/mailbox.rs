//! An account's queue of messages: each event is told once, in an unbroken row of numbers.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, ensure};
use iot_epp_api::command::{Command, MessageCommand};
use iot_epp_api::message::Event;
use iot_epp_api::{ClientTransactionId, ResultCode};

use super::worker::{Moment, given_by};
use crate::accounts::Transactions;
use crate::doors::{Line, Told};
use crate::draws::Draws;
use crate::report::{Counts, add};

/// How many of a hundred messages that were read under load are taken out of the queue.
const ACKNOWLEDGED_PERCENT: u32 = 80;

/// The reader of one queue, and what it has to find there.
pub struct Mailbox {
    draws: Draws,
    transactions: Transactions,
    /// The newest message that is out of the queue.
    gone: u64,
    /// The next one was to be taken out, and no answer came.
    is_gone_unanswered: bool,
    /// Every message that was read.
    seen: BTreeMap<u64, Told>,
    /// Events less messages: what is not 0 is missing or doubled.
    balance: HashMap<Told, i64>,
    /// Commands that were answered with "pending", and whether their end was told.
    pending: HashMap<ClientTransactionId, bool>,
    /// Ends that were told, by both names of the command.
    ends: HashSet<(ClientTransactionId, String)>,
    /// What was read.
    pub counts: Counts,
}

impl Mailbox {
    /// A reader of an empty queue.
    pub fn new(draws: Draws, name: String) -> Self {
        Self {
            draws,
            transactions: Transactions::new(name),
            gone: 0,
            is_gone_unanswered: false,
            seen: BTreeMap::new(),
            balance: HashMap::new(),
            pending: HashMap::new(),
            ends: HashSet::new(),
            counts: Counts::new(),
        }
    }

    /// Something happened that the account is told of.
    pub fn expect(&mut self, told: Told) {
        self.add(told, 1);
    }

    /// The account was told that a command is pending: a message says when it is not any more.
    pub fn expect_end_of(&mut self, id: ClientTransactionId) {
        self.pending.entry(id).or_insert(false);
    }

    fn add(&mut self, told: Told, number: i64) {
        let entry = self.balance.entry(told);
        let count = entry.or_default();
        *count += number;
        if *count == 0 {
            self.balance.retain(|_, count| *count != 0);
        }
    }

    /// Reads and takes out without pause, until the registry is gone.
    ///
    /// # Errors
    /// A gap, a message that changed, no answer from a registry that was not killed.
    pub async fn load(mut self, mut lines: [Line; 2], moment: Moment) -> anyhow::Result<Self> {
        loop {
            let at = self.draws.below(2) as usize;
            let acknowledges = self.draws.chance(ACKNOWLEDGED_PERCENT);
            match self.turn(&mut lines[at], acknowledges, &moment).await? {
                Turn::Read => {}
                Turn::Empty => tokio::time::sleep(super::IDLE_PAUSE).await,
                Turn::Over => return Ok(self),
            }
        }
    }

    /// Reads everything and takes it out.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn drain(&mut self, lines: &mut [Line; 2]) -> anyhow::Result<()> {
        let moment = Moment::default();
        loop {
            let at = self.draws.below(2) as usize;
            match self.turn(&mut lines[at], true, &moment).await? {
                Turn::Empty => return Ok(()),
                Turn::Read => {}
                // The machine stood still: what was lost is asked for again.
                Turn::Over => {}
            }
        }
    }

    async fn turn(
        &mut self,
        line: &mut Line,
        acknowledges: bool,
        moment: &Moment,
    ) -> anyhow::Result<Turn> {
        let head = Command::Message(MessageCommand::Head);
        let id = self.transactions.new_id();
        let Some(answer) = given_by(line.give(&head, &id).await, moment)? else {
            return Ok(Turn::Over);
        };
        let Some((message_id, told)) = answer.message() else {
            ensure!(
                answer.code == ResultCode::CompletedNoMessages,
                "a message that is not understood: {answer:?}"
            );
            if std::mem::take(&mut self.is_gone_unanswered) {
                self.gone += 1;
            }
            return Ok(Turn::Empty);
        };
        self.read(message_id, told)?;
        if !acknowledges {
            return Ok(Turn::Read);
        }
        let acknowledge = Command::Message(MessageCommand::Acknowledge { message_id });
        let id = self.transactions.new_id();
        self.is_gone_unanswered = true;
        let Some(answer) = given_by(line.give(&acknowledge, &id).await, moment)? else {
            add(&mut self.counts, "messages taken out without answer", 1);
            return Ok(Turn::Over);
        };
        ensure!(answer.code.is_success(), "taking out: {answer:?}");
        self.is_gone_unanswered = false;
        self.gone = message_id;
        Ok(Turn::Read)
    }

    fn read(&mut self, message_id: u64, told: Told) -> anyhow::Result<()> {
        let unanswered = std::mem::take(&mut self.is_gone_unanswered);
        if unanswered && message_id == self.gone + 2 {
            self.gone += 1;
        }
        ensure!(
            message_id == self.gone + 1,
            "the queue goes on with message {message_id} after {}",
            self.gone
        );
        match self.seen.get(&message_id) {
            Some(seen) => ensure!(
                *seen == told,
                "message {message_id} was {seen:?} and is {told:?}"
            ),
            None => {
                add(&mut self.counts, "messages", 1);
                self.seen.insert(message_id, told.clone());
                self.take_into_account(told)?;
            }
        }
        Ok(())
    }

    fn take_into_account(&mut self, told: Told) -> anyhow::Result<()> {
        if told.event == Event::PendingAction {
            let command = told.command.context("the end of an unnamed command")?;
            self.pending.insert(command.0.clone(), true);
            let is_new = self.ends.insert(command.clone());
            ensure!(is_new, "the end of {command:?} is told twice");
        } else {
            self.add(told, -1);
        }
        Ok(())
    }

    /// Once the queue was read to its end: each event was told once.
    ///
    /// # Errors
    /// What is missing or doubled.
    pub fn require_balance(&self) -> anyhow::Result<()> {
        ensure!(
            self.balance.is_empty(),
            "events less messages, which must be none: {:#?}",
            self.balance
        );
        Ok(())
    }

    /// Commands that were answered with "pending" and whose end was not told yet.
    pub fn open_ends(&self) -> usize {
        self.pending.values().filter(|is_told| !**is_told).count()
    }
}

enum Turn {
    /// A message was read.
    Read,
    /// There is none.
    Empty,
    /// The registry was killed.
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;
    use iot_identity::DeviceId;

    fn mailbox() -> Mailbox {
        Mailbox::new(Draws::seeded(1, 1), "reader".to_owned())
    }

    fn told(event: Event) -> Told {
        let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
        Told::of(event, Some(device_id))
    }

    #[test]
    fn a_message_that_is_missing_or_doubled_or_nobodys_is_a_breach() {
        let mut mailbox = mailbox();
        mailbox.expect(told(Event::Deleted));
        assert!(mailbox.require_balance().is_err(), "missing");
        mailbox.read(1, told(Event::Deleted)).unwrap();
        mailbox.require_balance().unwrap();
        mailbox.read(1, told(Event::Deleted)).unwrap();
        mailbox.require_balance().unwrap();
        mailbox.gone = 1;
        mailbox.read(2, told(Event::Deleted)).unwrap();
        assert!(mailbox.require_balance().is_err(), "doubled");
    }

    #[test]
    fn a_gap_and_another_content_are_breaches() {
        let mut mailbox = mailbox();
        assert!(mailbox.read(2, told(Event::Deleted)).is_err(), "a gap");
        mailbox.read(1, told(Event::Deleted)).unwrap();
        assert!(mailbox.read(1, told(Event::Restored)).is_err(), "changed");
        mailbox.is_gone_unanswered = true;
        mailbox.read(2, told(Event::Restored)).unwrap();
        assert!(mailbox.read(4, told(Event::Restored)).is_err(), "a gap");
    }

    #[test]
    fn the_end_of_a_pending_command_is_told_once() {
        let mut mailbox = mailbox();
        let id = ClientTransactionId::parse("pending-1").unwrap();
        let end = Told {
            command: Some((id.clone(), "IOTR-1".to_owned())),
            ..told(Event::PendingAction)
        };
        mailbox.expect_end_of(id);
        assert_eq!(mailbox.open_ends(), 1);
        mailbox.read(1, end.clone()).unwrap();
        assert_eq!(mailbox.open_ends(), 0);
        mailbox.gone = 1;
        assert!(mailbox.read(2, end).is_err());
    }
}
