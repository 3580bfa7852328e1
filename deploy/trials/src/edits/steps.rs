//! What a sequence of edits does: drawn before it begins, so that its clock can end now, when the
//! outside judges look.

use std::collections::BTreeMap;

use iot_dns_zone::{Change, Profile};
use iot_identity::{DeviceId, Fingerprint, PackedKey, Publication, Slot};

use crate::device_ids::DeviceIds;
use crate::draws::Draws;

/// What the zone publishes, in the order of its names.
pub type State = BTreeMap<PackedKey, Publication>;

/// Slot numbers whose order as text is not their order as numbers.
const SLOTS: [u16; 6] = [1, 2, 10, 11, 99, 9999];
/// Most steps of a sequence.
const STEPS_MAX: u32 = 24;
/// Names in the zone at the start: of most sequences, and of those that fill several blocks.
const NAMES_MAX: u32 = 24;
const MANY_NAMES: u32 = 400;
/// Changes in one batch.
const BATCH_MAX: u32 = 6;
/// Names of one mass change.
const MASS_MAX: u32 = 60;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A batch of changes.
    Apply(Vec<Change>),
    /// Time passes, and the zone is re-signed as its schedule wants.
    Work {
        /// Seconds.
        secs: u64,
    },
    /// So much time passes that signatures expire; then everything is caught up with.
    Sleep {
        /// Seconds.
        secs: u64,
    },
    /// The writer ends, and another one opens what is on the disk.
    OpenAgain,
    /// The clock is set back.
    Back {
        /// Seconds.
        secs: u64,
    },
}

/// A sequence.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Times of the zone.
    pub profile: Profile,
    /// What the zone is built from.
    pub start: State,
    /// Steps in order.
    pub steps: Vec<Step>,
}

/// What may be done next.
#[derive(Clone, Copy)]
enum Kind {
    Put,
    Deactivate,
    Reactivate,
    Remove,
    RemoveFirst,
    RemoveLast,
    AddFirstAndLast,
    RemoveAndAddAgain,
    Several,
    Same,
    MassAdd,
    MassRemove,
    RemoveAll,
    Work,
    Sleep,
    OpenAgain,
    Back,
}

const KINDS: [(u32, Kind); 17] = [
    (14, Kind::Put),
    (10, Kind::Deactivate),
    (10, Kind::Reactivate),
    (10, Kind::Remove),
    (5, Kind::RemoveFirst),
    (5, Kind::RemoveLast),
    (4, Kind::AddFirstAndLast),
    (6, Kind::RemoveAndAddAgain),
    (12, Kind::Several),
    (3, Kind::Same),
    (3, Kind::MassAdd),
    (3, Kind::MassRemove),
    (1, Kind::RemoveAll),
    (12, Kind::Work),
    (2, Kind::Sleep),
    (3, Kind::OpenAgain),
    (2, Kind::Back),
];

struct Drawing {
    draws: Draws,
    ids: DeviceIds,
    known: Vec<DeviceId>,
    profile: Profile,
    state: State,
}

/// Draws the sequence with this number.
pub fn plan(seed: u64, number: u32) -> Plan {
    let mut draws = Draws::seeded(seed, u64::from(number));
    let many = draws.chance(3);
    let names = draws.below(if many { MANY_NAMES } else { NAMES_MAX });
    let profiles = [
        (60, Profile::Standard),
        (20, Profile::Strict),
        (20, Profile::Archive),
    ];
    let mut drawing = Drawing {
        ids: DeviceIds::new(seed ^ u64::from(number) << 20, 0, 1, names + 40),
        profile: draws.weighted(&profiles),
        draws,
        known: Vec::new(),
        state: State::new(),
    };
    let start = (0..names).map(|_| drawing.put()).collect::<Vec<_>>();
    drawing.note(&start);
    let start = drawing.state.clone();
    let steps = 1 + drawing.draws.below(STEPS_MAX);
    let steps = (0..steps).map(|_| drawing.step()).collect();
    Plan {
        profile: drawing.profile,
        start,
        steps,
    }
}

/// What a state becomes by a change.
pub fn follow(state: &mut State, change: &Change) {
    let key = PackedKey::new(change.device_id, change.slot);
    match change.publication {
        Publication::Absent => state.remove(&key),
        publication => state.insert(key, publication),
    };
}

impl Drawing {
    fn note(&mut self, changes: &[Change]) {
        for change in changes {
            follow(&mut self.state, change);
        }
    }

    fn step(&mut self) -> Step {
        let interval_secs = self.profile.resign_after_secs();
        match self.draws.weighted(&KINDS) {
            Kind::Work => Step::Work {
                secs: u64::from(self.draws.below(interval_secs / 2)),
            },
            Kind::Sleep => {
                let validity_secs = self.profile.validity_secs();
                let secs = validity_secs + self.draws.below(validity_secs);
                Step::Sleep {
                    secs: u64::from(secs),
                }
            }
            Kind::Back => Step::Back {
                secs: u64::from(self.draws.below(60)),
            },
            Kind::OpenAgain => Step::OpenAgain,
            kind => {
                let changes = self.changes(kind);
                self.note(&changes);
                Step::Apply(changes)
            }
        }
    }

    fn changes(&mut self, kind: Kind) -> Vec<Change> {
        let first = self.state.keys().next().copied();
        let last = self.state.keys().next_back().copied();
        match kind {
            Kind::Put => vec![self.put()],
            Kind::Deactivate => self.of_some(Publication::Inactive),
            Kind::Reactivate => {
                let publication = self.active();
                self.of_some(publication)
            }
            Kind::Remove => self.of_some(Publication::Absent),
            Kind::RemoveFirst => first
                .map(|key| change(key, Publication::Absent))
                .into_iter()
                .collect(),
            Kind::RemoveLast => last
                .map(|key| change(key, Publication::Absent))
                .into_iter()
                .collect(),
            Kind::AddFirstAndLast => self.first_and_last(),
            Kind::RemoveAndAddAgain => {
                let publication = self.active();
                let mut changes = self.of_some(Publication::Absent);
                let again = changes.first().map(|gone| Change {
                    publication,
                    ..*gone
                });
                changes.extend(again);
                changes
            }
            Kind::Several => {
                let count = 2 + self.draws.below(BATCH_MAX - 1);
                (0..count).map(|_| self.any_one()).collect()
            }
            Kind::Same => self.same(),
            Kind::MassAdd => {
                let count = self.draws.below(MASS_MAX);
                (0..count).map(|_| self.put()).collect()
            }
            Kind::MassRemove => self.neighbours(),
            Kind::RemoveAll => {
                let all = self.state.keys();
                all.map(|key| change(*key, Publication::Absent)).collect()
            }
            Kind::Work | Kind::Sleep | Kind::OpenAgain | Kind::Back => Vec::new(),
        }
    }

    /// A credential, of a device that is known already or of a new one.
    fn put(&mut self) -> Change {
        let device_id = match self.draws.pick(&self.known) {
            Some(known) if self.draws.chance(40) => *known,
            _ => {
                let device_id = self.ids.next(&mut self.draws);
                self.known.push(device_id);
                device_id
            }
        };
        let number = self.draws.pick(&SLOTS).copied().unwrap_or(1);
        let slot = Slot::new(number).expect("the numbers above are slots");
        let inactive = self.draws.chance(15);
        let publication = if inactive {
            Publication::Inactive
        } else {
            self.active()
        };
        Change {
            device_id,
            slot,
            publication,
        }
    }

    fn active(&mut self) -> Publication {
        let number = self.draws.below(1_000_000).to_be_bytes();
        Publication::Active(Fingerprint::of_certificate(&number))
    }

    /// One name of the zone, when there is any, published so.
    fn of_some(&mut self, publication: Publication) -> Vec<Change> {
        let count = self.state.len() as u32;
        let key = self.state.keys().nth(self.draws.below(count) as usize);
        key.map(|key| change(*key, publication))
            .into_iter()
            .collect()
    }

    /// A change of any kind, of names that are there, were there or never were.
    fn any_one(&mut self) -> Change {
        let put = self.put();
        let publication = match self.draws.below(4) {
            0 => Publication::Absent,
            1 => Publication::Inactive,
            _ => put.publication,
        };
        let some = self.of_some(publication).pop();
        some.filter(|_| self.draws.chance(60))
            .unwrap_or(Change { publication, ..put })
    }

    /// What is so already.
    fn same(&mut self) -> Vec<Change> {
        let count = self.state.len() as u32;
        let some = self.state.iter().nth(self.draws.below(count) as usize);
        some.map(|(key, publication)| change(*key, *publication))
            .into_iter()
            .collect()
    }

    /// A run of neighbours, removed.
    fn neighbours(&mut self) -> Vec<Change> {
        let count = self.state.len() as u32;
        let skipped = self.draws.below(count) as usize;
        let taken = self.draws.below(MASS_MAX) as usize;
        let keys = self.state.keys().skip(skipped).take(taken);
        keys.map(|key| change(*key, Publication::Absent)).collect()
    }

    /// The first and the last name that any device can have.
    fn first_and_last(&mut self) -> Vec<Change> {
        let ids = [
            "89000000000000000000000000000002",
            "89999999999999999999999999999917",
        ];
        let ids = ids.iter().filter_map(|id| DeviceId::parse(id).ok());
        let slot = Slot::FIRST;
        let publication = self.active();
        ids.map(|device_id| Change {
            device_id,
            slot,
            publication,
        })
        .collect()
    }
}

fn change(key: PackedKey, publication: Publication) -> Change {
    let (device_id, slot) = key.unpack().expect("the key of a credential");
    let slot = slot.expect("the key of a credential");
    Change {
        device_id,
        slot,
        publication,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_follows_from_seed_and_number() {
        let shown = |seed, number| format!("{:?}", plan(seed, number));
        assert_eq!(shown(1, 2), shown(1, 2));
        assert_ne!(shown(1, 2), shown(1, 3));
        assert_ne!(shown(1, 2), shown(2, 2));
    }

    #[test]
    fn sequences_grow_empty_fill_blocks_and_touch_both_ends() {
        let plans: Vec<Plan> = (0..400).map(|number| plan(9, number)).collect();
        let has = |wanted: &dyn Fn(&Plan) -> bool| plans.iter().filter(|plan| wanted(plan)).count();
        let step = |wanted: &dyn Fn(&Step) -> bool| has(&|plan| plan.steps.iter().any(wanted));
        assert!(has(&|plan| plan.start.is_empty()) > 5);
        assert!(has(&|plan| plan.start.len() > 100) > 2);
        assert!(step(&|step| matches!(step, Step::Sleep { .. })) > 20);
        assert!(step(&|step| matches!(step, Step::Work { .. })) > 100);
        let ends =
            |change: &Change| change.device_id.as_str() == "89999999999999999999999999999917";
        let touches =
            |step: &Step| matches!(step, Step::Apply(changes) if changes.iter().any(ends));
        assert!(step(&touches) > 20);
    }
}
