//! How long a registration is to last.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Years or months, 1 to 99 of them (`pLimitType`, RFC 5731 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    count: u8,
    unit: PeriodUnit,
}

/// What a period is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodUnit {
    /// Calendar years.
    Years,
    /// Calendar months.
    Months,
}

/// The text is no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a period is P1Y to P99Y or P1M to P99M (ISO 8601), such as P2Y")]
pub struct PeriodError;

impl Period {
    /// Most units of a period.
    pub const COUNT_MAX: u8 = 99;

    /// A period; none when the count is outside 1 to 99.
    pub fn new(count: u8, unit: PeriodUnit) -> Option<Self> {
        let in_range = (1..=Self::COUNT_MAX).contains(&count);
        in_range.then_some(Self { count, unit })
    }

    /// How many units.
    pub fn count(self) -> u8 {
        self.count
    }

    /// The unit.
    pub fn unit(self) -> PeriodUnit {
        self.unit
    }

    /// Its length in calendar months.
    pub fn months(self) -> u32 {
        let months_of_unit = match self.unit {
            PeriodUnit::Years => 12,
            PeriodUnit::Months => 1,
        };
        u32::from(self.count) * months_of_unit
    }

    /// For the digest of a command.
    pub(crate) fn octets(self) -> [u8; 2] {
        let unit = match self.unit {
            PeriodUnit::Years => b'y',
            PeriodUnit::Months => b'm',
        };
        [self.count, unit]
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            PeriodUnit::Years => 'Y',
            PeriodUnit::Months => 'M',
        };
        write!(formatter, "P{}{unit}", self.count)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let counted = text.strip_prefix('P').ok_or(PeriodError)?;
        let (digits, unit) = if let Some(digits) = counted.strip_suffix('Y') {
            (digits, PeriodUnit::Years)
        } else if let Some(digits) = counted.strip_suffix('M') {
            (digits, PeriodUnit::Months)
        } else {
            return Err(PeriodError);
        };
        let plain = digits.bytes().all(|octet| octet.is_ascii_digit()) && !digits.starts_with('0');
        let count = digits.parse().ok().filter(|_| plain);
        count
            .and_then(|count| Self::new(count, unit))
            .ok_or(PeriodError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_one_spelling() {
        for good in ["P1Y", "P99Y", "P1M", "P99M"] {
            assert_eq!(good.parse::<Period>().unwrap().to_string(), good);
        }
        for bad in [
            "", "P", "P0Y", "P100Y", "P01Y", "P+1Y", "1Y", "P1", "P1D", "p1y", "P1Y ",
        ] {
            assert_eq!(bad.parse::<Period>(), Err(PeriodError), "{bad}");
        }
        assert_eq!("P2Y".parse::<Period>().unwrap().months(), 24);
    }
}
