//! What a decision wants written.

use iot_epp_api::message::Event;
use iot_identity::Slot;

use super::device::{Credential, Device, Facts};
use super::transfer::Transfer;

/// The state after a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The device afterwards.
    pub device: Device,
    /// All its credentials afterwards.
    pub credentials: Vec<Credential>,
    /// A transfer that began or ended with it.
    pub transfer: Option<Transfer>,
    /// The transfer that was pending and ended because another one was forced.
    pub interrupted: Option<Transfer>,
    /// Whom to tell.
    pub notices: Vec<Notice>,
    /// Every credential is published anew, not only those whose publication changed: the answer says
    /// by when a repeated command is believed.
    pub publishes_all: bool,
}

/// Somebody is told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Name of the account.
    pub to: String,
    /// What happened.
    pub event: Event,
    /// The credential that it is about.
    pub slot: Option<Slot>,
    /// It is about the transfer that was interrupted, whose sides learn nothing of the other one.
    pub is_of_interrupted: bool,
}

impl Outcome {
    /// Nothing has changed yet but the version.
    pub(super) fn of(device: &Device, facts: &Facts, now: u64) -> Self {
        let mut device = device.clone();
        device.updated_at = now;
        device.version += 1;
        Self {
            device,
            credentials: facts.credentials.clone(),
            transfer: None,
            interrupted: None,
            notices: Vec::new(),
            publishes_all: false,
        }
    }

    /// Tells an account.
    pub(super) fn tell(&mut self, to: &str, event: Event, slot: Option<Slot>) {
        self.notices.push(Notice {
            to: to.to_owned(),
            event,
            slot,
            is_of_interrupted: false,
        });
    }

    /// A transfer that was pending ends because another one is forced: its sides are told.
    pub(super) fn interrupt(&mut self, transfer: Transfer) {
        for side in [&transfer.losing, &transfer.gaining] {
            self.notices.push(Notice {
                to: side.clone(),
                event: Event::Transfer,
                slot: None,
                is_of_interrupted: true,
            });
        }
        self.interrupted = Some(transfer);
    }

    /// Tells every provider that a credential is bound to, once: a withdrawn one too, whose name comes
    /// and goes with the device, and which shows it to its provider as long as the binding stands.
    pub(super) fn tell_providers(&mut self, event: Event) {
        self.tell_providers_of(event, |_| true);
    }

    /// Tells every provider that a live credential is bound to, once, that a status came or went: to
    /// what is withdrawn it makes no difference.
    pub(super) fn tell_of_statuses(&mut self, now: u64) {
        self.tell_providers_of(Event::StatusChanged, |one| one.is_live(now));
    }

    fn tell_providers_of(&mut self, event: Event, is_concerned: impl Fn(&Credential) -> bool) {
        let concerned = self.credentials.iter().filter(|one| is_concerned(one));
        let mut providers: Vec<String> = concerned.filter_map(|one| one.asp.clone()).collect();
        providers.sort_unstable();
        providers.dedup();
        for provider in providers {
            self.tell(&provider, event, None);
        }
    }
}
