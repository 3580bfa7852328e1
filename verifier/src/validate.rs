//! From evidence to a verdict. Pure: the same evidence, anchor, policy and time give the same
//! verdict. [`ActiveDevice`] is made in one private place of this file and nowhere else.

use std::sync::Arc;

use iot_identity::{
    CertRecord, Fingerprint, OwnerName, RecordError, TYPE_CERT, TYPE_TLSA, TlsaRecord,
};

use crate::anchor::{TrustAnchor, ZoneAnchor};
use crate::chain::{ChainFault, Delegation, delegation_of};
use crate::denial::{Denial, DenialFault, prove};
use crate::dnskey::{ZoneKeys, authenticate};
use crate::error::{Bogus, ValidationError};
use crate::evidence::{Answer, Evidence, KeyEvidence, ResponseCode};
use crate::limits::Budget;
use crate::message::record_type;
use crate::name::Name;
use crate::nsec::Nsec;
use crate::policy::{NEGATIVE_LIFE_SECS_MAX, Policy};
use crate::public_key::Algorithms;
use crate::rrset::{AnswerFault, Rrset, answered_rrset, denial_rrsets, expect_response_code};
use crate::signature::{CheckedSignature, Terms, verify_rrset};

/// What is proven about a name. There is no fourth state: everything else is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The registry vouches for the credential with this fingerprint.
    Active(ActiveDevice),
    /// The registry knows the credential and has withdrawn it.
    Inactive(Denied),
    /// The registry knows no such credential.
    Absent(Denied),
}

/// The registry vouches for a credential, now. Only [`validate`] makes it:
///
/// ```compile_fail
/// fn forge(owner: iot_identity::OwnerName) -> iot_verifier::ActiveDevice {
///     iot_verifier::ActiveDevice {
///         owner,
///         fingerprint: iot_identity::Fingerprint::from_octets([0; 32]),
///         valid_until: u64::MAX,
///         signatures: Vec::new(),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveDevice {
    owner: OwnerName,
    fingerprint: Fingerprint,
    valid_until: u64,
    signatures: Vec<CheckedSignature>,
}

/// A proof that the registry does not vouch for a credential, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    owner: OwnerName,
    valid_until: u64,
    signatures: Vec<CheckedSignature>,
}

impl Verdict {
    /// The name in question.
    pub fn owner(&self) -> &OwnerName {
        match self {
            Self::Active(active) => &active.owner,
            Self::Inactive(denied) | Self::Absent(denied) => &denied.owner,
        }
    }

    /// Until when the verdict may be kept, in Unix seconds.
    pub fn valid_until(&self) -> u64 {
        match self {
            Self::Active(active) => active.valid_until,
            Self::Inactive(denied) | Self::Absent(denied) => denied.valid_until,
        }
    }

    /// The signatures it rests on, from the top: the chain's, if there is one, that over the zone's keys,
    /// those over the answers.
    pub fn signatures(&self) -> &[CheckedSignature] {
        match self {
            Self::Active(active) => &active.signatures,
            Self::Inactive(denied) | Self::Absent(denied) => &denied.signatures,
        }
    }
}

impl ActiveDevice {
    /// The one place where it is made.
    fn new(
        owner: OwnerName,
        fingerprint: Fingerprint,
        valid_until: u64,
        signatures: Vec<CheckedSignature>,
    ) -> Self {
        Self {
            owner,
            fingerprint,
            valid_until,
            signatures,
        }
    }

    /// The name of the credential.
    pub fn owner(&self) -> &OwnerName {
        &self.owner
    }

    /// SHA-256 of the certificate for which the registry vouches, the same in every record that was
    /// asked for.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Until when this may be believed without asking again, in Unix seconds: the least of TTL,
    /// original TTL and life of the signatures. Not after `now` when the signature was accepted
    /// within the clock skew.
    pub fn valid_until(&self) -> u64 {
        self.valid_until
    }
}

/// Judges evidence at the time `now` (Unix seconds).
///
/// # Errors
/// [`ValidationError`]; whatever it is, the device must not be admitted.
pub fn validate(
    evidence: &Evidence,
    anchor: &TrustAnchor,
    policy: &Policy,
    now: u64,
) -> Result<Verdict, ValidationError> {
    judge(evidence, anchor, policy, now).map(|judged| judged.verdict)
}

/// A verdict, and what need not be asked for by the next lookup.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) delegation: Option<Arc<Delegation>>,
    pub(crate) keys: Arc<ZoneKeys>,
}

/// [`validate`], and what can be kept.
pub(crate) fn judge(
    evidence: &Evidence,
    anchor: &TrustAnchor,
    policy: &Policy,
    now: u64,
) -> Result<Judged, ValidationError> {
    policy.check_clock(now)?;
    if evidence.owner.zone() != anchor.zone() {
        return Err(ValidationError::ForeignZone {
            found: evidence.owner.zone().clone(),
            anchored: anchor.zone().clone(),
        });
    }
    let mut budget = Budget::new();
    match anchor {
        TrustAnchor::Zone(anchor) => {
            let court = Court::open(evidence, anchor, policy, now, &mut budget)?;
            let verdict = court.judge_all(evidence, &[], &mut budget)?;
            Ok(court.close(verdict, None))
        }
        TrustAnchor::Root { root, zone } => {
            let name = Name::from(zone);
            let chain = evidence.chain.as_ref();
            let chain = chain.ok_or(ChainFault::Missing { name })?;
            let delegation = delegation_of(zone, chain, root, policy, now, &mut budget)?;
            let anchor = delegation.anchor();
            let court = Court::open(evidence, anchor, policy, now, &mut budget)?;
            let verdict = court.judge_all(evidence, delegation.signatures(), &mut budget)?;
            Ok(court.close(verdict, Some(Arc::clone(&delegation))))
        }
    }
}

/// CERT, TLSA, or one of each.
fn check_questions(answers: &[Answer]) -> Result<(), Bogus> {
    let mut types: Vec<_> = answers.iter().map(|answer| answer.record_type).collect();
    types.sort_unstable();
    match types[..] {
        [TYPE_CERT] | [TYPE_TLSA] | [TYPE_CERT, TYPE_TLSA] => Ok(()),
        _ => Err(AnswerFault::Missing.into()),
    }
}

/// What one answer proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Published(Fingerprint),
    Denied(Denial),
}

/// A finding and what it rests on.
struct Proven {
    finding: Finding,
    keep_until: u64,
    signatures: Vec<CheckedSignature>,
}

/// One name before the keys of its zone.
struct Court {
    name: Name,
    zone: Name,
    keys: Arc<ZoneKeys>,
    now: u64,
    clock_skew_secs: u64,
    lifetime_max_secs: u64,
}

impl Court {
    /// Authenticates the zone's keys, or checks those again that are known.
    fn open(
        evidence: &Evidence,
        anchor: &ZoneAnchor,
        policy: &Policy,
        now: u64,
        budget: &mut Budget,
    ) -> Result<Self, ValidationError> {
        let keys = match &evidence.keys {
            KeyEvidence::Known(keys) => {
                keys.recheck(anchor, policy, now)?;
                Arc::clone(keys)
            }
            KeyEvidence::Answered(answer) => {
                Arc::new(authenticate(answer, anchor, policy, now, budget)?)
            }
        };
        Ok(Self {
            name: Name::from(&evidence.owner),
            zone: Name::from(anchor.zone()),
            keys,
            now,
            clock_skew_secs: policy.clock_skew_secs(),
            lifetime_max_secs: policy.lifetime_max_secs(anchor.lifetime_max_secs()),
        })
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            zone: &self.zone,
            algorithms: Algorithms::Registry,
            now: self.now,
            clock_skew_secs: self.clock_skew_secs,
            lifetime_max_secs: Some(self.lifetime_max_secs),
        }
    }

    fn judge_all(
        &self,
        evidence: &Evidence,
        chain: &[CheckedSignature],
        budget: &mut Budget,
    ) -> Result<Verdict, Bogus> {
        check_questions(&evidence.answers)?;
        let mut findings = Vec::with_capacity(evidence.answers.len());
        for answer in &evidence.answers {
            findings.push(self.judge(answer, budget)?);
        }
        self.agree(&evidence.owner, chain, findings)
    }

    fn close(self, verdict: Verdict, delegation: Option<Arc<Delegation>>) -> Judged {
        Judged {
            verdict,
            delegation,
            keys: self.keys,
        }
    }

    fn judge(&self, answer: &Answer, budget: &mut Budget) -> Result<Proven, Bogus> {
        match answered_rrset(answer, &self.name)? {
            Some(rrset) => self.judge_records(answer, &rrset, budget),
            None => self.judge_denial(answer, budget),
        }
    }

    fn judge_records(
        &self,
        answer: &Answer,
        rrset: &Rrset<'_>,
        budget: &mut Budget,
    ) -> Result<Proven, Bogus> {
        let [rdata] = rrset.records[..] else {
            return Err(AnswerFault::NotExactlyOne {
                record_type: rrset.record_type,
                found: rrset.records.len(),
            }
            .into());
        };
        let signature = verify_rrset(rrset, self.keys.ring(), &self.terms(), budget)?;
        let fingerprint =
            read_fingerprint(rrset.record_type, rdata).map_err(|fault| Bogus::Record {
                record_type: rrset.record_type,
                fault,
            })?;
        Ok(Proven {
            finding: Finding::Published(fingerprint),
            keep_until: signature.keep_until(answer.received_at),
            signatures: vec![signature],
        })
    }

    fn judge_denial(&self, answer: &Answer, budget: &mut Budget) -> Result<Proven, Bogus> {
        let mut nsecs = Vec::new();
        let mut signatures = Vec::new();
        for rrset in denial_rrsets(answer, record_type::NSEC)? {
            let owner = rrset.owner.clone();
            let [rdata] = rrset.records[..] else {
                return Err(DenialFault::Several { owner }.into());
            };
            signatures.push(verify_rrset(
                &rrset,
                self.keys.ring(),
                &self.terms(),
                budget,
            )?);
            let nsec = Nsec::parse(rrset.owner, rdata)
                .map_err(|fault| DenialFault::Malformed { owner, fault })?;
            nsecs.push(nsec);
        }
        let denial = prove(&self.name, &self.zone, &nsecs)?;
        let response_code = match denial {
            Denial::Inactive => ResponseCode::NoError,
            Denial::Absent => ResponseCode::NameError,
        };
        expect_response_code(answer, response_code)?;
        let keep_until = signatures
            .iter()
            .map(|signature| signature.keep_until(answer.received_at))
            .fold(u64::MAX, u64::min);
        Ok(Proven {
            finding: Finding::Denied(denial),
            keep_until,
            signatures,
        })
    }

    /// One verdict out of the answers to all types, which must find the same.
    fn agree(
        &self,
        owner: &OwnerName,
        chain: &[CheckedSignature],
        proven: Vec<Proven>,
    ) -> Result<Verdict, Bogus> {
        let first = proven.first().ok_or(AnswerFault::Missing)?.finding;
        for other in &proven {
            match (first, other.finding) {
                (one, other) if one == other => {}
                (Finding::Published(_), Finding::Published(_)) => {
                    return Err(Bogus::FingerprintsDiffer);
                }
                _ => return Err(AnswerFault::Disagree.into()),
            }
        }
        let mut signatures = chain.to_vec();
        signatures.push(self.keys.signature().clone());
        let ends = signatures.iter().map(|signature| signature.expiration);
        let vouched_until = u64::try_from(ends.min().unwrap_or(0)).unwrap_or(0);
        let keep_until = proven
            .iter()
            .map(|proven| proven.keep_until)
            .fold(vouched_until, u64::min);
        let valid_until = keep_until.max(self.now);
        signatures.extend(proven.into_iter().flat_map(|proven| proven.signatures));
        let owner = owner.clone();
        let denial = match first {
            Finding::Published(fingerprint) => {
                let active = ActiveDevice::new(owner, fingerprint, valid_until, signatures);
                return Ok(Verdict::Active(active));
            }
            Finding::Denied(denial) => denial,
        };
        let denied = Denied {
            owner,
            valid_until: valid_until.min(self.now.saturating_add(NEGATIVE_LIFE_SECS_MAX)),
            signatures,
        };
        Ok(match denial {
            Denial::Inactive => Verdict::Inactive(denied),
            Denial::Absent => Verdict::Absent(denied),
        })
    }
}

fn read_fingerprint(record_type: u16, rdata: &[u8]) -> Result<Fingerprint, RecordError> {
    match record_type {
        TYPE_TLSA => Ok(TlsaRecord::parse_rdata(rdata)?.fingerprint),
        _ => Ok(CertRecord::parse_rdata(rdata)?.fingerprint),
    }
}
