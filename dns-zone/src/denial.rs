//! The chain of names: devices from the store and fixed names from memory, merged on the way out.
//! Where a name stands in it, what follows, and which names' NSEC records prove that something is
//! not there (RFC 4035 §3.1.3).

use std::cell::OnceCell;

use crate::canonical::{self, Canonical, shared_labels};
use crate::fixed::{FixedName, FixedNames};
use crate::position::{DeviceName, Key, Position};
use crate::query::{HEADER_OCTETS, Question};
use crate::render::{NextName, OwnLabels, Owner, Prepared, Templates};
use crate::store::page::Damaged;
use crate::store::record::RecordView;
use crate::store::tree::{Cursor, Tree};

/// The devices' keys begin with the code of a digit, 1 at least.
const FIRST_KEY_OCTET_MIN: u8 = 0x10;

/// A name at or below the apex that is asked for, or the wildcard that could stand in for it.
pub(crate) struct Name<'q> {
    question: &'q Question<'q>,
    /// The question's labels from here up to the apex are the name's.
    first: usize,
    /// Where the apex begins among the question's labels.
    apex: usize,
    /// One more label, `*`, in front.
    wildcard: bool,
    position: Position,
    canonical: OnceCell<Canonical>,
}

/// Where a name stands in the chain.
pub(crate) struct Place<'a> {
    /// The last name with records that is the name or comes before it.
    pub(crate) holder: Holder<'a>,
    /// The holder is the name itself.
    pub(crate) is_name: bool,
    /// The last device at or before the name.
    device: Option<Cursor>,
    /// The last fixed name at or before the name, by its place; not known at a device.
    fixed: Option<usize>,
}

/// A name with records.
#[derive(Clone, Copy)]
pub(crate) enum Holder<'a> {
    Device(RecordView<'a>),
    Fixed(&'a FixedName),
}

/// One version of the zone, as a chain.
pub(crate) struct Chain<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) fixed: &'a FixedNames,
    pub(crate) tree: Tree<'a>,
    first_device: OnceCell<Option<Key>>,
    /// Place of the last fixed name at or before the wildcard of the apex, and whether it is that.
    apex_wildcard: OnceCell<(usize, bool)>,
    pub(crate) apex: ApexDenial,
}

/// What denials take from the apex, once it was rendered; nothing in it when it has to be rendered
/// each time.
#[derive(Default)]
pub(crate) struct ApexDenial {
    pub(crate) soa: OnceCell<Option<Prepared>>,
    pub(crate) nsec: OnceCell<Option<Prepared>>,
}

impl<'q> Name<'q> {
    /// The name of a question whose labels from `apex` on are the apex's.
    #[inline]
    pub(crate) fn asked(question: &'q Question<'q>, apex: usize, position: Position) -> Self {
        Self {
            question,
            first: 0,
            apex,
            wildcard: false,
            position,
            canonical: OnceCell::new(),
        }
    }

    /// The place of a question's name among the devices.
    #[inline]
    pub(crate) fn position_of(question: &Question<'_>, apex: usize) -> Position {
        Position::of((0..apex).rev().map(|index| question.label(index)))
    }

    /// `*` below the last `depth` labels of this name.
    fn wildcard_below(&self, depth: usize) -> Self {
        let mut name = Self {
            question: self.question,
            first: self.apex - depth,
            apex: self.apex,
            wildcard: true,
            position: Position::APEX,
            canonical: OnceCell::new(),
        };
        name.position = Position::of(name.labels_downwards());
        name
    }

    /// Labels below the apex.
    #[inline]
    fn depth(&self) -> usize {
        self.apex - self.first + usize::from(self.wildcard)
    }

    #[inline]
    fn labels_downwards(&self) -> impl Iterator<Item = &'q [u8]> {
        let question = self.question;
        let labels = (self.first..self.apex).rev();
        let wildcard = self.wildcard.then_some(&b"*"[..]);
        labels.map(|index| question.label(index)).chain(wildcard)
    }

    fn canonical(&self) -> &[u8] {
        self.canonical
            .get_or_init(|| Canonical::of(self.labels_downwards()))
            .as_octets()
    }

    /// Labels below the apex that this name and a device's share.
    #[inline]
    fn shared_with_device(&self, key: &Key) -> usize {
        if self.position.exact {
            return match self.position.key == *key {
                true => 2,
                false => usize::from(self.position.key[..16] == key[..16]),
            };
        }
        let device = DeviceName::of(key);
        self.labels_downwards()
            .zip([device.id(), device.slot()])
            .take_while(|(left, right)| left.eq_ignore_ascii_case(right))
            .count()
    }

    /// Labels below the apex that this name and a holder's share.
    #[inline]
    fn shared_with_holder(&self, holder: &Holder<'_>) -> usize {
        match holder {
            Holder::Device(record) => self.shared_with_device(record.key()),
            Holder::Fixed(name) => self.shared_with_octets(name.key.as_octets()),
        }
    }

    #[inline]
    fn shared_with_next(&self, next: &NextName<'_>) -> usize {
        match next {
            NextName::Apex => 0,
            NextName::Device(key) => self.shared_with_device(key),
            NextName::Canonical(octets) => self.shared_with_octets(octets),
        }
    }

    fn shared_with_octets(&self, octets: &[u8]) -> usize {
        if octets.is_empty() {
            return 0;
        }
        shared_labels(self.canonical(), octets)
    }

    /// A holder as the owner of a record in the response to this question: what both names share
    /// is pointed to.
    #[inline]
    pub(crate) fn owner<'a>(&self, templates: &Templates, holder: &Holder<'a>) -> Owner<'a> {
        let shared = self.shared_with_holder(holder);
        let (labels, depth) = match holder {
            Holder::Device(record) => {
                let labels = match shared {
                    0 => OwnLabels::Device(DeviceName::of(record.key())),
                    1 => OwnLabels::Slot(DeviceName::of(record.key())),
                    _ => OwnLabels::None,
                };
                (labels, 2)
            }
            Holder::Fixed(name) => {
                let own = canonical::below(name.key.as_octets(), shared);
                let labels = match own {
                    [] => OwnLabels::None,
                    own => OwnLabels::Canonical(own),
                };
                (labels, name.key.label_count())
            }
        };
        Owner {
            labels,
            rest_at: self.message_offset(self.apex - shared),
            apex_at: self.apex_at(),
            label_count: templates.apex_labels() + depth,
        }
    }

    /// Where the apex stands in the message.
    #[inline]
    pub(crate) fn apex_at(&self) -> u16 {
        self.message_offset(self.apex)
    }

    #[inline]
    fn message_offset(&self, label: usize) -> u16 {
        // A name starts behind the header and has at most 255 octets.
        (HEADER_OCTETS + self.question.start(label)) as u16
    }
}

impl Holder<'_> {
    /// Whether this is the apex.
    #[inline]
    pub(crate) fn is_apex(&self) -> bool {
        match self {
            Holder::Device(_) => false,
            Holder::Fixed(name) => name.key.as_octets().is_empty(),
        }
    }

    #[inline]
    pub(crate) fn is_same(&self, other: &Holder<'_>) -> bool {
        match (self, other) {
            (Holder::Device(left), Holder::Device(right)) => left.key() == right.key(),
            (Holder::Fixed(left), Holder::Fixed(right)) => left.key == right.key,
            _ => false,
        }
    }
}

impl<'a> Chain<'a> {
    /// The chain of a version's devices and fixed names.
    pub(crate) fn new(templates: &'a Templates, fixed: &'a FixedNames, tree: Tree<'a>) -> Self {
        Self {
            templates,
            fixed,
            tree,
            first_device: OnceCell::new(),
            apex_wildcard: OnceCell::new(),
            apex: ApexDenial::default(),
        }
    }

    /// Where a name stands, given the last device at or before its position.
    #[inline]
    pub(crate) fn place(
        &self,
        name: &Name<'_>,
        device: Option<Cursor>,
    ) -> Result<Place<'a>, Damaged> {
        let record = match device {
            Some(cursor) => Some(self.tree.record(cursor)?),
            None => None,
        };
        if let Some(record) = record
            && name.position.exact
            && *record.key() == name.position.key
        {
            return Ok(Place {
                holder: Holder::Device(record),
                is_name: true,
                device,
                fixed: None,
            });
        }
        let (at, is_name) = self.fixed_at_or_before(name);
        let fixed = &*self.fixed.names()[at];
        let holder = match record {
            Some(record) if *record.key() > fixed.position.key => Holder::Device(record),
            _ => Holder::Fixed(fixed),
        };
        Ok(Place {
            holder,
            is_name,
            device,
            fixed: Some(at),
        })
    }

    /// The name with records after a place; after the last comes the apex.
    #[inline]
    pub(crate) fn next(&self, place: &Place<'a>) -> Result<NextName<'a>, Damaged> {
        let device = match place.device {
            Some(cursor) => self.tree.next_key(cursor)?,
            None => self.first_device()?,
        };
        let fixed = match (place.fixed, &place.holder) {
            (Some(at), _) => at,
            (None, Holder::Device(record)) => self.fixed.before_device(record.key()),
            (None, Holder::Fixed(name)) => self.fixed.floor(&name.key),
        };
        let fixed = self.fixed.names().get(fixed + 1);
        Ok(match (device, fixed) {
            (None, None) => NextName::Apex,
            (Some(key), Some(fixed)) if key > fixed.position.key => {
                NextName::Canonical(fixed.key.as_octets())
            }
            (Some(key), _) => NextName::Device(key),
            (None, Some(fixed)) => NextName::Canonical(fixed.key.as_octets()),
        })
    }

    /// Whether a name without records exists: the next one lies below it (RFC 4592 §2.2.2).
    #[inline]
    pub(crate) fn is_empty_non_terminal(&self, name: &Name<'_>, next: &NextName<'_>) -> bool {
        name.shared_with_next(next) == name.depth()
    }

    /// Where the wildcard stands that could have stood in for a name that is not there: directly
    /// below the longest name above it that exists. That one is above one of its neighbours too.
    pub(crate) fn wildcard_place(
        &self,
        name: &Name<'_>,
        place: &Place<'a>,
        next: &NextName<'_>,
    ) -> Result<Place<'a>, Damaged> {
        let encloser = name
            .shared_with_holder(&place.holder)
            .max(name.shared_with_next(next));
        if encloser == 0 {
            // Before every device, and the same for all names.
            let search = || self.fixed_at_or_before(&name.wildcard_below(0));
            let (at, is_name) = *self.apex_wildcard.get_or_init(search);
            return Ok(Place {
                holder: Holder::Fixed(&self.fixed.names()[at]),
                is_name,
                device: None,
                fixed: Some(at),
            });
        }
        let wildcard = name.wildcard_below(encloser);
        let device = if wildcard.position.key[0] < FIRST_KEY_OCTET_MIN {
            None
        } else {
            self.tree.floor(&wildcard.position.key)?
        };
        self.place(&wildcard, device)
    }

    /// Place of the last fixed name at or before a name, and whether it is the name.
    fn fixed_at_or_before(&self, name: &Name<'_>) -> (usize, bool) {
        let names = self.fixed.names();
        if name.position.exact {
            let key = &name.position.key;
            let at = names.partition_point(|fixed| fixed.position.key < *key);
            if names
                .get(at)
                .is_some_and(|fixed| fixed.position == name.position)
            {
                return (at, true);
            }
            // The apex comes before every other name.
            return (at.saturating_sub(1), false);
        }
        let octets = name.canonical();
        match names.binary_search_by(|fixed| fixed.key.as_octets().cmp(octets)) {
            Ok(at) => (at, true),
            Err(at) => (at.saturating_sub(1), false),
        }
    }

    #[inline]
    fn first_device(&self) -> Result<Option<Key>, Damaged> {
        if let Some(key) = self.first_device.get() {
            return Ok(*key);
        }
        let key = match self.tree.first()? {
            Some(cursor) => Some(*self.tree.record(cursor)?.key()),
            None => None,
        };
        Ok(*self.first_device.get_or_init(|| key))
    }
}
