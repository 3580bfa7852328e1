//! The NSEC record of a name, held against the names and types that are there.

use std::collections::BTreeSet;

use iot_identity::ZoneName;

use super::{Complete, Problem};
use crate::name::NameKey;
use crate::nsec;
use crate::presentation::{self, split_name};
use crate::record_type::{TYPE_NSEC, TYPE_RRSIG};

/// Every name has one NSEC, which lists its types and points to the next; the last to the apex. Where
/// the next name is not known, it may be without.
pub(super) fn chain(apex: &ZoneName, complete: &mut Complete, next: Option<&NameKey>) {
    let Complete { name, problems, .. } = complete;
    let nsecs = name.rrsets.get(&TYPE_NSEC);
    let nsecs: &[Vec<u8>] = nsecs.map_or(&[], |rrset| &rrset.rdatas);
    if next.is_none() && nsecs.is_empty() {
        return;
    }
    let [nsec] = nsecs else {
        problems.push(Problem::NsecCount(nsecs.len()));
        return;
    };
    let Some((points_to, bitmap)) = split_name(nsec) else {
        problems.push(Problem::Bitmap);
        return;
    };
    if next.is_some_and(|next| points_to != next.wire(apex)) {
        let points_to = presentation::name(points_to);
        problems.push(Problem::BrokenChain(points_to));
    }
    let mut types: BTreeSet<u16> = name.rrsets.keys().copied().collect();
    if !name.signatures.is_empty() {
        types.insert(TYPE_RRSIG);
    }
    if nsec::parse_bitmap(bitmap) != Some(types.into_iter().collect()) {
        problems.push(Problem::Bitmap);
    }
}
