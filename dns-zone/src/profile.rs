//! How long what the zone says can be believed.
//!
//! Validity is the revocation clock: an old signed answer can be replayed until its signature
//! expires, so a profile fixes every time the zone uses and nothing else may lengthen one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Seconds by which a signature's inception lies before the moment of signing, so that resolvers
/// with a slow clock accept it.
pub(crate) const INCEPTION_SKEW_SECS: u32 = 300;

/// The times of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Signatures of five minutes.
    Strict,
    /// Signatures of an hour.
    #[default]
    Standard,
    /// Signatures of six hours.
    Fleet,
    /// Signatures of seven days.
    Archive,
}

/// The text names no profile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is not a profile; there are strict, standard, fleet and archive")]
pub struct ProfileError {
    /// The text as given.
    pub text: String,
}

impl Profile {
    /// Every profile, shortest validity first.
    pub const ALL: [Self; 4] = [Self::Strict, Self::Standard, Self::Fleet, Self::Archive];

    /// TTL of positive answers.
    pub fn ttl_secs(self) -> u32 {
        match self {
            Self::Strict => 15,
            Self::Standard => 60,
            Self::Fleet => 300,
            Self::Archive => 3600,
        }
    }

    /// SOA MINIMUM: how long a denial may be cached (RFC 2308), and with it how long a fresh
    /// activation may stay unseen by honest caches.
    pub fn negative_ttl_secs(self) -> u32 {
        match self {
            Self::Strict => 15,
            Self::Standard | Self::Fleet => 60,
            Self::Archive => 300,
        }
    }

    /// TTL of every NSEC record: the smaller of SOA TTL and SOA MINIMUM (RFC 9077).
    pub fn nsec_ttl_secs(self) -> u32 {
        self.ttl_secs().min(self.negative_ttl_secs())
    }

    /// TTL of DNSKEY, CDS and CDNSKEY. They change with keys, not with devices; a longer TTL spares
    /// resolvers a query in front of every validation.
    pub fn key_ttl_secs(self) -> u32 {
        3600
    }

    /// From signing to expiration.
    pub fn validity_secs(self) -> u32 {
        match self {
            Self::Strict => 300,
            Self::Standard => 3600,
            Self::Fleet => 6 * 3600,
            Self::Archive => 7 * 86_400,
        }
    }

    /// A round of signing the whole zone again; no signature gets older than one and a half of it.
    pub fn resign_after_secs(self) -> u32 {
        match self {
            Self::Strict => 120,
            Self::Standard => 1800,
            Self::Fleet => 3 * 3600,
            Self::Archive => 3 * 86_400,
        }
    }

    /// How late signing again may be before whatever can wait is refused: half of what a signature
    /// has left when it is renewed at the latest.
    pub fn lag_max_secs(self) -> u32 {
        (self.validity_secs() - self.resign_after_secs() / 2 * 3) / 2
    }

    /// From signing to expiration of DNSKEY, CDS and CDNSKEY.
    pub fn key_validity_secs(self) -> u32 {
        3 * 86_400
    }

    /// Times of signing are multiples of this, so that a store can keep them as small numbers.
    pub(crate) fn signing_unit_secs(self) -> u32 {
        if self.validity_secs() > 43_200 { 16 } else { 1 }
    }

    /// From signing to signing again of DNSKEY, CDS and CDNSKEY.
    pub fn key_resign_after_secs(self) -> u32 {
        self.key_validity_secs() / 2
    }

    /// SOA EXPIRE: a secondary without contact stops answering before its signatures run out.
    pub fn soa_expire_secs(self) -> u32 {
        match self {
            Self::Strict => 180,
            Self::Standard => 1800,
            Self::Fleet => 3 * 3600,
            Self::Archive => 4 * 86_400,
        }
    }

    /// SOA REFRESH: secondaries that missed a NOTIFY look six times before they expire.
    pub fn soa_refresh_secs(self) -> u32 {
        self.soa_expire_secs() / 6
    }

    /// SOA RETRY.
    pub fn soa_retry_secs(self) -> u32 {
        self.soa_expire_secs() / 12
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.to_string() == text)
            .ok_or_else(|| ProfileError {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Fleet => "fleet",
            Self::Archive => "archive",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_read_back_from_its_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("Standard".parse::<Profile>().is_err());
        assert_eq!(Profile::default(), Profile::Standard);
    }

    #[test]
    fn secondaries_expire_and_signers_renew_before_signatures_run_out() {
        for profile in Profile::ALL {
            let validity_secs = profile.validity_secs();
            assert!(profile.resign_after_secs() < validity_secs);
            assert!(
                profile.soa_expire_secs() + profile.resign_after_secs() <= validity_secs,
                "{profile}: what a secondary holds when it expires is still valid"
            );
            assert!(profile.nsec_ttl_secs() <= profile.ttl_secs());
            assert!(profile.soa_retry_secs() < profile.soa_refresh_secs());
        }
    }
}
