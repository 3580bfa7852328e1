//! Valid device ids, many of them neighbours in the zone's order, so that their NSEC records change
//! together.

use std::collections::HashSet;

use iot_identity::DeviceId;

use crate::draws::Draws;

/// Places in the order of ids around which a run's ids lie.
const REGIONS: u64 = 8;
/// Fewest ids that one lane can have of one region.
const REGION_IDS_MIN: u32 = 16;

/// Ids for one lane of a run: never the same as another lane's, often next to them.
#[derive(Debug)]
pub struct DeviceIds {
    regions: Vec<Region>,
    lane: u64,
    lanes: u64,
    region_ids: u32,
    given: HashSet<DeviceId>,
}

/// Where a region begins, without check digits.
#[derive(Clone, Copy, Debug)]
enum Region {
    /// EIDs: 30 digits.
    Eid(u128),
    /// ICCIDs of 19 digits and the filler: 18 digits.
    Filled(u64),
    /// ICCIDs of 20 digits: 19 digits.
    Full(u64),
}

impl DeviceIds {
    /// Ids for lane number `lane` of `lanes`, at most about `wanted`, in the regions of a seed.
    pub fn new(seed: u64, lane: u64, lanes: u64, wanted: u32) -> Self {
        let regions = (0..REGIONS / 4).flat_map(|number| {
            let mut draws = Draws::seeded(seed, 1_000 + number);
            let mut digits = || u64::from(draws.below(1_000_000_000));
            let high = 89 * 10_u128.pow(28) + u128::from(digits()) * 10_u128.pow(18);
            let filled = 89 * 10_u64.pow(16) + digits() * 1_000_000;
            [
                Region::Eid(high),
                Region::Eid(high + u128::from(digits()) * 10_u128.pow(9)),
                Region::Filled(filled),
                // Beginning with the digits of the region before: the two forms alternate.
                Region::Full(filled * 10),
            ]
        });
        Self {
            regions: regions.collect(),
            lane,
            lanes,
            region_ids: (wanted / 2).max(REGION_IDS_MIN),
            given: HashSet::new(),
        }
    }

    /// An id that was not given before.
    pub fn next(&mut self, draws: &mut Draws) -> DeviceId {
        loop {
            let offset = u64::from(draws.below(self.region_ids)) * self.lanes + self.lane;
            let region = draws.pick(&self.regions).expect("there are regions");
            let device_id = region.id(offset);
            if self.given.insert(device_id) {
                return device_id;
            }
            // A region that is nearly full would make this loop long.
            self.region_ids += 1;
        }
    }
}

impl Region {
    fn id(self, offset: u64) -> DeviceId {
        let text = match self {
            Self::Eid(body) => {
                let body = body + u128::from(offset);
                format!("{body}{:02}", 98 - body * 100 % 97)
            }
            Self::Filled(body) => format!("{}f", with_luhn_digit(body + offset)),
            Self::Full(body) => with_luhn_digit(body + offset),
        };
        DeviceId::parse(&text).expect("the check digits were computed")
    }
}

/// The number and the digit that makes its Luhn sum a multiple of ten (ISO/IEC 7812-1).
fn with_luhn_digit(body: u64) -> String {
    let mut sum = 0;
    let mut rest = body;
    let mut doubled = true;
    while rest > 0 {
        let digit = rest % 10 * if doubled { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
        doubled = !doubled;
        rest /= 10;
    }
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iot_identity::DeviceIdKind;

    #[test]
    fn lanes_never_share_an_id_and_have_all_forms() {
        let mut all = HashSet::new();
        for lane in 0..3 {
            let mut ids = DeviceIds::new(7, lane, 3, 200);
            let mut draws = Draws::seeded(7, lane);
            for _ in 0..400 {
                assert!(all.insert(ids.next(&mut draws)));
            }
        }
        let count = |wanted: &dyn Fn(&DeviceId) -> bool| all.iter().filter(|id| wanted(id)).count();
        assert!(count(&|id| id.kind() == DeviceIdKind::Eid) > 400);
        assert!(count(&|id| id.as_str().ends_with('f')) > 200);
        let full = |id: &DeviceId| id.kind() == DeviceIdKind::Iccid && !id.as_str().ends_with('f');
        assert!(count(&full) > 200);
    }
}
