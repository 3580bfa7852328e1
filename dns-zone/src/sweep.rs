//! The hand that walks the whole zone in key order, again and again, and has signatures renewed.
//!
//! A lap takes one interval of the profile, at an even pace whatever was loaded when: names passed
//! are proportional to time. On its way it renews the signatures that are older than half an
//! interval, so none gets older than one and a half, and no minute holds more than the mean. Where a
//! zone grows before a name, the hand comes by later in the next lap; so it also renews what would
//! not live until the end of that.
//!
//! The hand keeps a time of its own, the moment up to which its work is done. Each name that it
//! passes moves that time on by the rest of the lap divided by the names that are left. Where it
//! lags behind the clock there is work to do; a stop of a day is one lag. A lap is as late as the
//! names at its beginning are: an interval after they were passed it should have begun. That is at
//! most one interval, and nothing behind a lap that was walked within one, however late that lap was:
//! catching up takes no more than two laps, also where a lap takes nearly an interval.

use crate::position::Key;
use crate::profile::{INCEPTION_SKEW_SECS, Profile};
use crate::serial;
use crate::store::Sweep;

impl Sweep {
    /// The key before every device.
    pub(crate) const START: Key = [0; 18];
}

/// Where the hand is.
#[derive(Clone, Debug)]
pub(crate) struct Hand {
    sweep: Sweep,
    /// The hand's own time, milliseconds since 1970.
    time_ms: u64,
    interval_secs: u64,
    /// When the first name of this lap was passed in fact; not later where that is not known.
    began_at: u64,
}

impl Hand {
    /// A hand at the beginning of its first lap.
    pub(crate) fn started(profile: Profile, names: u64, now: u64) -> Self {
        Self::pacing(u64::from(profile.resign_after_secs()), names, now)
    }

    /// A hand whose laps take so long.
    pub(crate) fn pacing(interval_secs: u64, names: u64, now: u64) -> Self {
        let sweep = Sweep {
            key: Sweep::START,
            lap_started_at: now,
            names_passed: 0,
            lap_names: names,
        };
        Self::at(interval_secs, sweep)
    }

    /// A hand as it was committed.
    pub(crate) fn resumed(profile: Profile, sweep: Sweep) -> Self {
        Self::at(u64::from(profile.resign_after_secs()), sweep)
    }

    fn at(interval_secs: u64, sweep: Sweep) -> Self {
        let passed = u128::from(sweep.names_passed.min(sweep.lap_names));
        let of_lap_ms =
            u128::from(interval_secs) * 1000 * passed / u128::from(sweep.lap_names.max(1));
        let time_ms = sweep
            .lap_started_at
            .saturating_mul(1000)
            .saturating_add(u64::try_from(of_lap_ms).unwrap_or(u64::MAX));
        Self {
            sweep,
            time_ms,
            interval_secs,
            began_at: sweep.lap_started_at,
        }
    }

    /// The hand's place, to be committed.
    pub(crate) fn sweep(&self) -> Sweep {
        self.sweep
    }

    /// Seconds since the time came to pass so many names.
    pub(crate) fn behind_secs(&self, names: u64, now: u64) -> u64 {
        now.saturating_sub(self.due_at(names))
    }

    /// Whether the time has come to pass so many names.
    pub(crate) fn is_due(&self, names: u64, now: u64) -> bool {
        self.time_after(names) <= now.saturating_mul(1000)
    }

    /// When the time comes to pass so many names, seconds since 1970.
    pub(crate) fn due_at(&self, names: u64) -> u64 {
        self.time_after(names).div_ceil(1000)
    }

    /// Age of the signatures that the hand renews where it is now: half an interval, or less when one
    /// that it leaves could expire before it comes by again, at the latest when the next lap ends.
    pub(crate) fn renew_age_secs(&self, profile: Profile, now: u64) -> u32 {
        let latest = self.end_expected_at(now).saturating_add(self.interval_secs);
        let lag_secs = self.interval_secs / 16;
        let wait_secs = latest.saturating_sub(now).saturating_add(lag_secs);
        let left_secs = u64::from(profile.validity_secs()).saturating_sub(wait_secs);
        let half = profile.resign_after_secs() / 2;
        u32::try_from(left_secs).map_or(half, |left_secs| half.min(left_secs))
    }

    /// A clock that went back before this lap: the rest of the lap begins now.
    pub(crate) fn follow_clock(&mut self, now: u64) {
        let latest_ms = now.saturating_add(self.interval_secs).saturating_mul(1000);
        if self.sweep.lap_started_at > now || self.time_ms > latest_ms {
            self.sweep.lap_names = self.left();
            self.sweep.names_passed = 0;
            self.sweep.lap_started_at = now;
            self.time_ms = now.saturating_mul(1000);
            self.began_at = now;
        }
    }

    /// The hand has passed so many names, up to `next`.
    pub(crate) fn pass(&mut self, names: u64, next: Key, now: u64) {
        if self.sweep.names_passed == 0 {
            self.began_at = now;
        }
        self.time_ms = self.time_after(names);
        self.sweep.names_passed = self.sweep.names_passed.saturating_add(names);
        self.sweep.key = next;
    }

    /// The hand has passed the last name.
    pub(crate) fn end_lap(&mut self, names: u64, now: u64) {
        let earliest = now.saturating_sub(self.interval_secs);
        let again_at = self.began_at.saturating_add(self.interval_secs);
        let started_at = self.lap_ends_at().max(again_at).clamp(earliest, now);
        self.sweep = Sweep {
            key: Sweep::START,
            lap_started_at: started_at,
            names_passed: 0,
            lap_names: names,
        };
        self.time_ms = started_at.saturating_mul(1000);
        self.began_at = now;
    }

    /// A name came into the zone, or went.
    pub(crate) fn note(&mut self, key: &Key, came: bool) {
        if *key >= self.sweep.key {
            let names = &mut self.sweep.lap_names;
            *names = if came {
                names.saturating_add(1)
            } else {
                names.saturating_sub(1)
            };
        }
    }

    fn lap_ends_at(&self) -> u64 {
        self.sweep.lap_started_at.saturating_add(self.interval_secs)
    }

    /// When this lap ends at its pace, or, where that is over, as fast as it went until now.
    fn end_expected_at(&self, now: u64) -> u64 {
        let passed = u128::from(self.sweep.names_passed.max(1));
        let so_far_secs = u128::from(now.saturating_sub(self.began_at));
        let rest_secs = so_far_secs * u128::from(self.left()) / passed;
        let rest_secs = u64::try_from(rest_secs).unwrap_or(u64::MAX);
        let late_end = now.saturating_add(rest_secs.min(self.interval_secs));
        if self.lap_ends_at() < now {
            late_end
        } else {
            self.lap_ends_at()
        }
    }

    fn left(&self) -> u64 {
        self.sweep.lap_names.saturating_sub(self.sweep.names_passed)
    }

    fn time_after(&self, names: u64) -> u64 {
        let left_ms = (self.lap_ends_at().saturating_mul(1000)).saturating_sub(self.time_ms);
        let step =
            u128::from(left_ms) * u128::from(names) / u128::from(self.left().max(names).max(1));
        // Not more than what is left of the lap.
        self.time_ms.saturating_add(step as u64)
    }
}

/// Whether a signature is older than `secs`, or not valid yet: of a clock that was ahead.
pub(crate) fn is_old_by(signed_at: u32, secs: u32, now: u64) -> bool {
    let now = serial::wrapped(now);
    if serial::is_after(signed_at, now) {
        signed_at.wrapping_sub(now) > INCEPTION_SKEW_SECS
    } else {
        now.wrapping_sub(signed_at) >= secs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn pass_all_due(hand: &mut Hand, blocks: u64, now: u64) -> u64 {
        let mut passed = 0;
        while hand.is_due(16, now) {
            hand.pass(16, [1; 18], now);
            passed += 16;
            if hand.sweep.names_passed >= blocks * 16 {
                hand.end_lap(blocks * 16, now);
            }
        }
        passed
    }

    #[test]
    fn names_passed_are_proportional_to_time() {
        let mut hand = Hand::started(Profile::Standard, 1800 * 16, NOW);
        for second in 1..=5400 {
            let passed = pass_all_due(&mut hand, 1800, NOW + second);
            assert!((0..=32).contains(&passed), "{second}: {passed}");
            assert_eq!(hand.behind_secs(16, NOW + second), 0);
        }
        assert!(hand.sweep.lap_started_at.abs_diff(NOW + 5400) <= 1800);
    }

    #[test]
    fn a_long_stop_costs_two_laps_at_most() {
        let mut hand = Hand::started(Profile::Standard, 1800 * 16, NOW);
        pass_all_due(&mut hand, 1800, NOW + 900);
        let back = NOW + 86_400;
        assert!(hand.behind_secs(16, back) >= 86_400 - 1800);
        let passed = pass_all_due(&mut hand, 1800, back);
        assert!((1800 * 16..=2 * 1800 * 16).contains(&passed), "{passed}");
        assert_eq!(hand.behind_secs(16, back), 0);
    }

    /// Seconds until the hand is level with the clock, where a lap takes so long at most speed.
    fn secs_to_catch_up(hand: &mut Hand, blocks: u64, lap_secs: u64, back: u64) -> u64 {
        let mut passed = 0;
        for second in 1..=20 * lap_secs {
            let now = back + second;
            while passed < blocks * second / lap_secs && hand.is_due(16, now) {
                hand.pass(16, [1; 18], now);
                passed += 1;
                if hand.left() == 0 {
                    hand.end_lap(blocks * 16, now);
                }
            }
            if hand.behind_secs(16, now) == 0 {
                return second;
            }
        }
        20 * lap_secs
    }

    #[test]
    fn a_lap_that_takes_nearly_an_interval_is_caught_up_in_two() {
        let (blocks, lap_secs) = (1800, 1300);
        for (before_secs, laps) in [(0, 1), (900, 2)] {
            let mut hand = Hand::started(Profile::Standard, blocks * 16, NOW);
            pass_all_due(&mut hand, blocks, NOW + before_secs);
            let back = NOW + 86_400;
            let secs = secs_to_catch_up(&mut hand, blocks, lap_secs, back);
            assert!(secs <= laps * lap_secs + 2, "{before_secs}: {secs} s");
            for second in 1..=7200 {
                let now = back + secs + second;
                pass_all_due(&mut hand, blocks, now);
                assert_eq!(hand.behind_secs(16, now), 0, "{before_secs}: {second}");
            }
        }
    }

    #[test]
    fn names_that_come_ahead_of_the_hand_are_passed_within_the_lap() {
        let mut hand = Hand::started(Profile::Standard, 160, NOW);
        pass_all_due(&mut hand, 1_000, NOW + 900);
        for _ in 0..160 {
            hand.note(&[2; 18], true);
            hand.note(&[0; 18], true);
        }
        assert_eq!(hand.sweep.lap_names, 320);
        let passed: Vec<u64> = (901..=1800)
            .map(|second| pass_all_due(&mut hand, 20, NOW + second))
            .collect();
        assert_eq!(passed.iter().sum::<u64>(), 240);
        assert_eq!(passed.iter().max(), Some(&16), "at an even pace");
        assert_eq!(hand.sweep.lap_started_at, NOW + 1800);
    }

    #[test]
    fn what_the_hand_leaves_lives_until_the_next_lap_has_ended() {
        for profile in Profile::ALL {
            let interval = u64::from(profile.resign_after_secs());
            let hand = Hand::started(profile, 160, NOW);
            for passed in (0..=interval).step_by(interval as usize / 24) {
                let age = u64::from(hand.renew_age_secs(profile, NOW + passed));
                assert!(age <= interval / 2);
                // The oldest that is left is a second younger.
                let expires = NOW + passed + u64::from(profile.validity_secs()) - age;
                assert!(
                    age == 0 || expires >= NOW + 2 * interval,
                    "{profile}: {passed}"
                );
            }
        }
    }

    #[test]
    fn a_committed_hand_resumes_where_it_was() {
        let mut hand = Hand::started(Profile::Fleet, 1600, NOW);
        pass_all_due(&mut hand, 100, NOW + 3000);
        let resumed = Hand::resumed(Profile::Fleet, hand.sweep());
        assert!(resumed.time_ms.abs_diff(hand.time_ms) < 1000);
        let mut back = resumed.clone();
        back.follow_clock(NOW - 400 * 86_400);
        assert_eq!(back.behind_secs(16, NOW - 400 * 86_400), 0);
        assert!(back.due_at(16) <= NOW - 400 * 86_400 + 200);
    }

    #[test]
    fn signatures_of_a_clock_that_was_ahead_are_old() {
        let at = |secs: i64| serial::wrapped(NOW.saturating_add_signed(secs));
        assert!(is_old_by(at(-900), 900, NOW));
        assert!(!is_old_by(at(-899), 900, NOW));
        assert!(!is_old_by(at(300), 900, NOW));
        assert!(is_old_by(at(301), 900, NOW));
    }
}
