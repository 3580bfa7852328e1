//! Accounts that were recognised a moment ago: the same token or certificate comes with every command,
//! and is looked up in the database once; so is the password that sessions have logged in with.
//!
//! All changes of accounts pass through this process, which holds the directory's lock; whoever makes
//! one has everything forgotten before it is answered. Steps look again in their own transaction.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use iot_epp_api::server::Credential;
use iot_epp_api::server::epp::PasswordMark;
use iot_epp_api::{AccountName, Caller};
use ring::digest;

/// Credentials that are kept; when there are more, all are looked up again.
const KNOWN_MAX: usize = 4096;

/// Digest of what an account has proven itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proof([u8; 32]);

impl Proof {
    /// None of a certificate chain without certificates.
    pub(super) fn of(credential: Credential<'_>) -> Option<Self> {
        let (kind, octets) = match credential {
            Credential::Token(token) => (b't', token.as_bytes()),
            Credential::Certificate(chain) => (b'c', chain.first()?.as_ref()),
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[kind]);
        context.update(octets);
        let hash = context.finish();
        Some(Self(
            hash.as_ref().try_into().expect("SHA-256 has 32 octets"),
        ))
    }
}

/// Who was recognised since accounts changed last.
#[derive(Debug, Default)]
pub(super) struct Recognition(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Grows with every change of an account.
    generation: u64,
    callers: HashMap<Proof, Lasting>,
    /// What marks the present passwords.
    passwords: HashMap<AccountName, PasswordMark>,
}

#[derive(Debug)]
struct Lasting {
    caller: Caller,
    /// Last second at which the credential is valid.
    valid_until: u64,
}

/// The state of accounts that a lookup has seen, or an older one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generation(u64);

impl Recognition {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is locked, and what is in it is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who it is, when that is known.
    pub(super) fn caller(&self, proof: &Proof, now: u64) -> Option<Caller> {
        let known = self.known();
        let lasting = known.callers.get(proof);
        let lasting = lasting.filter(|lasting| now <= lasting.valid_until)?;
        Some(lasting.caller.clone())
    }

    /// To be asked for before a lookup.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.known().generation)
    }

    /// Keeps what a lookup has found, unless accounts have changed since it began.
    pub(super) fn keep(&self, proof: Proof, caller: &Caller, valid_until: u64, since: Generation) {
        let mut known = self.known();
        if known.generation != since.0 {
            return;
        }
        if known.callers.len() >= KNOWN_MAX {
            known.callers.clear();
        }
        let lasting = Lasting {
            caller: caller.clone(),
            valid_until,
        };
        known.callers.insert(proof, lasting);
    }

    /// Which password an account has, when that is known.
    pub(super) fn password(&self, account: &AccountName) -> Option<PasswordMark> {
        self.known().passwords.get(account).copied()
    }

    /// Keeps which password a lookup has found, unless accounts have changed since it began.
    pub(super) fn keep_password(
        &self,
        account: &AccountName,
        mark: PasswordMark,
        since: Generation,
    ) {
        let mut known = self.known();
        if known.generation != since.0 {
            return;
        }
        if known.passwords.len() >= KNOWN_MAX {
            known.passwords.clear();
        }
        known.passwords.insert(account.clone(), mark);
    }

    /// Accounts or their passwords have changed.
    pub(super) fn forget(&self) {
        let mut known = self.known();
        known.generation += 1;
        known.callers.clear();
        known.passwords.clear();
    }
}

#[cfg(test)]
mod tests {
    use iot_epp_api::{Role, Scopes};

    use super::*;

    fn caller() -> Caller {
        Caller {
            account: AccountName::parse("mno-a").unwrap(),
            role: Role::Mno,
            scopes: Scopes::ALL,
        }
    }

    fn proof(token: &str) -> Proof {
        Proof::of(Credential::Token(token)).unwrap()
    }

    #[test]
    fn an_account_is_known_until_its_credential_ends() {
        let recognition = Recognition::default();
        let one = proof("one");
        assert_eq!(recognition.caller(&one, 1000), None);
        let since = recognition.generation();
        recognition.keep(one, &caller(), 1000, since);
        assert_eq!(recognition.caller(&one, 1000), Some(caller()));
        assert_eq!(recognition.caller(&one, 1001), None);
        assert_eq!(recognition.caller(&proof("two"), 1000), None);
    }

    #[test]
    fn after_a_change_nobody_is_known_not_even_by_a_lookup_that_began_before() {
        let recognition = Recognition::default();
        let before = recognition.generation();
        recognition.keep(proof("one"), &caller(), 1000, before);
        recognition.forget();
        recognition.keep(proof("two"), &caller(), 1000, before);
        for token in ["one", "two"] {
            assert_eq!(recognition.caller(&proof(token), 1), None, "{token}");
        }
    }

    #[test]
    fn a_password_is_known_until_accounts_change() {
        let recognition = Recognition::default();
        let (account, mark) = (caller().account, PasswordMark([1; 16]));
        let before = recognition.generation();
        recognition.keep_password(&account, mark, before);
        assert_eq!(recognition.password(&account), Some(mark));
        recognition.forget();
        recognition.keep_password(&account, mark, before);
        assert_eq!(recognition.password(&account), None);
    }

    #[test]
    fn a_token_is_never_taken_for_a_certificate_of_the_same_octets() {
        let certificate = [rustls::pki_types::CertificateDer::from(b"one".to_vec())];
        let certificate = Proof::of(Credential::Certificate(&certificate)).unwrap();
        assert_ne!(certificate, proof("one"));
        assert_eq!(Proof::of(Credential::Certificate(&[])), None);
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let recognition = Recognition::default();
        let since = recognition.generation();
        for number in 0..=KNOWN_MAX {
            recognition.keep(proof(&number.to_string()), &caller(), 1000, since);
        }
        assert_eq!(recognition.known().callers.len(), 1);
    }
}
