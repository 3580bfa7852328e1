//! Times of signatures, which have 32 bits (RFC 4034 §3.1.5).

/// The moment nearest to `now` that 32 bits of seconds can mean (RFC 4034 §3.1.5, RFC 1982).
pub(crate) fn unfold(serial: u32, now: u64) -> i64 {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let difference = serial.wrapping_sub(now as u32) as i32;
    now.saturating_add(i64::from(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bits_mean_the_nearest_moment() {
        let in_2026 = 1_795_000_000;
        assert_eq!(unfold(1_795_000_100, in_2026), 1_795_000_100);
        // 2038: the sign bit is an ordinary bit.
        assert_eq!(unfold(0x8000_0010, 0x7fff_fff0), 0x8000_0010);
        // 2106: the count starts again.
        assert_eq!(unfold(0x10, 0xffff_fff0), 0x1_0000_0010);
        assert_eq!(unfold(0xffff_fff0, 0x1_0000_0010), 0xffff_fff0);
        // Half the circle away is the past.
        assert_eq!(unfold(0x8000_0000, 0), -0x8000_0000);
        assert_eq!(unfold(0, u64::MAX), unfold(0, i64::MAX as u64));
    }
}
