//! Serial number arithmetic (RFC 1982), for SOA serials and for the 32-bit times of signatures
//! (RFC 4034 §3.1.5), which both wrap.

/// Whether `left` comes after `right`; of two numbers exactly 2^31 apart neither does.
pub fn is_after(left: u32, right: u32) -> bool {
    let step = left.wrapping_sub(right);
    step != 0 && step < 1 << 31
}

/// The later of two numbers.
pub fn later(left: u32, right: u32) -> u32 {
    if is_after(right, left) { right } else { left }
}

/// The later of a number and one that may not be known.
pub fn later_of(known: Option<u32>, other: u32) -> Option<u32> {
    Some(known.map_or(other, |known| later(known, other)))
}

/// The later of two numbers that may not be known.
pub fn latest(left: Option<u32>, right: Option<u32>) -> Option<u32> {
    match (left, right) {
        (Some(left), Some(right)) => Some(later(left, right)),
        (known, None) | (None, known) => known,
    }
}

/// Seconds since 1970 as signatures carry them: modulo 2^32.
pub fn wrapped(time_secs: u64) -> u32 {
    time_secs as u32
}

/// The full time of a signature time, taken as the one nearest to `now`.
pub fn unwrapped(time: u32, now: u64) -> u64 {
    let step = time.wrapping_sub(wrapped(now)) as i32;
    now.saturating_add_signed(i64::from(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(is_after(1, 0));
        assert!(is_after(0, u32::MAX));
        assert!(is_after(5, u32::MAX - 5));
        assert!(!is_after(u32::MAX, 0));
        assert!(!is_after(7, 7));
        assert!(!is_after(1 << 31, 0) && !is_after(0, 1 << 31));
        assert_eq!(later(u32::MAX, 3), 3);
        assert_eq!(latest(None, Some(3)), Some(3));
    }

    #[test]
    fn times_past_2106_unwrap_to_the_nearest() {
        let now = (1 << 32) + 10;
        assert_eq!(unwrapped(u32::MAX, now), (1 << 32) - 1);
        assert_eq!(unwrapped(3600, now), (1 << 32) + 3600);
        assert_eq!(unwrapped(1_800_000_000, 1_800_000_500), 1_800_000_000);
    }
}
