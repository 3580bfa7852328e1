//! Following the chain: at each name the zone above is asked what it says of it.

use iot_identity::ZoneName;

use super::no_delegation::{NoDelegation, NoDelegationFault, by_nsec, by_nsec3};
use super::nsec3::{Nsec3, Nsec3Fault};
use super::{ChainEnd, ChainFault, Delegation, Link};
use crate::anchor::{RootAnchor, ZoneAnchor};
use crate::dnskey::{Apex, KeyRing};
use crate::error::{Bogus, ValidationError};
use crate::evidence::{Answer, ResponseCode};
use crate::limits::{Budget, DS_RECORDS_MAX, Limit};
use crate::message::record_type;
use crate::name::Name;
use crate::nsec::Nsec;
use crate::policy::Policy;
use crate::public_key::Algorithms;
use crate::rrset::{Rrset, answered_rrset, denial_rrsets, expect_response_code};
use crate::signature::{CheckedSignature, Terms, verify_rrset};
use crate::trusted_key::TrustedKey;

/// What a zone says of a name below it.
enum Said {
    Delegated {
        keys: Vec<TrustedKey>,
        signature: CheckedSignature,
        keep_until: u64,
    },
    /// The zone itself goes on there.
    GoesOn {
        signatures: Vec<CheckedSignature>,
        keep_until: u64,
    },
    Ends(ChainEnd),
}

/// The way from the root, as far as it was gone.
pub(super) struct Walk<'a> {
    links: &'a [Link],
    policy: &'a Policy,
    now: u64,
    signatures: Vec<CheckedSignature>,
    keep_until: u64,
}

/// A zone above the registry's, with its keys.
struct Parent {
    name: Name,
    keys: KeyRing,
}

impl<'a> Walk<'a> {
    pub(super) fn new(links: &'a [Link], policy: &'a Policy, now: u64) -> Self {
        Self {
            links,
            policy,
            now,
            signatures: Vec::new(),
            keep_until: u64::MAX,
        }
    }

    /// Goes from the root to the zone, a name at a time.
    pub(super) fn follow(
        mut self,
        zone: &ZoneName,
        root: &RootAnchor,
        budget: &mut Budget,
    ) -> Result<Delegation, ValidationError> {
        let target = Name::from(zone);
        let mut parent = self.enter(target.suffix(0), root.keys(), budget)?;
        for labels in 1..=target.label_count() {
            let name = target.suffix(labels);
            let said = self.ask(&parent, &name, budget);
            match said.map_err(|fault| at(&name, fault))? {
                Said::Delegated {
                    keys,
                    signature,
                    keep_until,
                } => {
                    self.rests_on([signature], keep_until);
                    if name == target {
                        return Ok(Delegation {
                            anchor: ZoneAnchor::delegated(zone.clone(), keys),
                            root_digest: *root.digest(),
                            signatures: self.signatures,
                            keep_until: self.keep_until,
                        });
                    }
                    parent = self.enter(name, &keys, budget)?;
                }
                Said::GoesOn {
                    signatures,
                    keep_until,
                } => self.rests_on(signatures, keep_until),
                Said::Ends(end) => return Err(end.into()),
            }
        }
        Err(ChainEnd::NotDelegated { name: target }.into())
    }

    fn rests_on(
        &mut self,
        signatures: impl IntoIterator<Item = CheckedSignature>,
        keep_until: u64,
    ) {
        self.signatures.extend(signatures);
        self.keep_until = self.keep_until.min(keep_until);
    }

    fn link(&self, name: &Name) -> Result<&Link, ChainFault> {
        let mut found = self.links.iter().filter(|link| link.name == *name);
        match (found.next(), found.next()) {
            (Some(link), None) => Ok(link),
            _ => Err(ChainFault::Missing { name: name.clone() }),
        }
    }

    /// Authenticates the keys of a zone on the way.
    fn enter(
        &mut self,
        name: Name,
        trusted: &[TrustedKey],
        budget: &mut Budget,
    ) -> Result<Parent, Bogus> {
        let apex = Apex {
            zone: &name,
            trusted,
            algorithms: Algorithms::Parent,
        };
        let missing = || ChainFault::Missing { name: name.clone() };
        let answer = self.link(&name)?.keys.as_ref().ok_or_else(missing)?;
        let (keys, signature) = apex
            .authenticate(answer, self.policy, self.now, budget)
            .map_err(|fault| at(&name, fault))?;
        let keep_until = signature.keep_until(answer.received_at);
        self.rests_on([signature], keep_until);
        Ok(Parent { name, keys })
    }

    /// What a zone says of a name below it, proven by the zone's keys.
    fn ask(&self, parent: &Parent, name: &Name, budget: &mut Budget) -> Result<Said, Bogus> {
        let missing = || ChainFault::Missing { name: name.clone() };
        let answer = self.link(name)?.delegation.as_ref().ok_or_else(missing)?;
        if answer.record_type != record_type::DS {
            return Err(missing().into());
        }
        match answered_rrset(answer, name)? {
            Some(rrset) => self.delegated(parent, answer, &rrset, budget),
            None => self.not_delegated(parent, name, answer, budget),
        }
    }

    fn terms<'parent>(&self, parent: &'parent Parent) -> Terms<'parent> {
        Terms {
            zone: &parent.name,
            algorithms: Algorithms::Parent,
            now: self.now,
            clock_skew_secs: self.policy.clock_skew_secs(),
            lifetime_max_secs: None,
        }
    }

    fn delegated(
        &self,
        parent: &Parent,
        answer: &Answer,
        rrset: &Rrset<'_>,
        budget: &mut Budget,
    ) -> Result<Said, Bogus> {
        if rrset.records.len() > DS_RECORDS_MAX {
            return Err(Limit::DsRecords.into());
        }
        let signature = verify_rrset(rrset, &parent.keys, &self.terms(parent), budget)?;
        let keys: Vec<TrustedKey> = rrset
            .records
            .iter()
            .filter_map(|rdata| TrustedKey::from_ds(rdata))
            .filter(|key| Algorithms::Parent.has(key.algorithm()))
            .collect();
        if keys.is_empty() {
            let name = rrset.owner.clone();
            return Ok(Said::Ends(ChainEnd::Unsupported { name }));
        }
        Ok(Said::Delegated {
            keys,
            keep_until: signature.keep_until(answer.received_at),
            signature,
        })
    }

    fn not_delegated(
        &self,
        parent: &Parent,
        name: &Name,
        answer: &Answer,
        budget: &mut Budget,
    ) -> Result<Said, Bogus> {
        let denial = self.denial(parent, name, answer, budget)?;
        let name = name.clone();
        let end = match denial.said {
            NoDelegation::NoCut => {
                expect_response_code(answer, ResponseCode::NoError)?;
                return Ok(Said::GoesOn {
                    signatures: denial.signatures,
                    keep_until: denial.keep_until,
                });
            }
            NoDelegation::Unsigned => ChainEnd::Unsigned { name },
            NoDelegation::NoName => ChainEnd::NoName { name },
        };
        Ok(Said::Ends(end))
    }

    fn denial(
        &self,
        parent: &Parent,
        name: &Name,
        answer: &Answer,
        budget: &mut Budget,
    ) -> Result<Denial, Bogus> {
        let no_proof = |fault| {
            let name = name.clone();
            Bogus::from(ChainFault::NoDelegation { name, fault })
        };
        let by_nsec_type = denial_rrsets(answer, record_type::NSEC)?;
        let uses_nsec = !by_nsec_type.is_empty();
        let rrsets = match uses_nsec {
            true => by_nsec_type,
            false => denial_rrsets(answer, record_type::NSEC3)?,
        };
        let (mut signatures, mut keep_until) = (Vec::new(), u64::MAX);
        let (mut nsecs, mut nsec3s) = (Vec::new(), Vec::<Nsec3>::new());
        for rrset in &rrsets {
            let owner = rrset.owner.clone();
            let [rdata] = rrset.records[..] else {
                return Err(no_proof(NoDelegationFault::Several { owner }));
            };
            let signature = verify_rrset(rrset, &parent.keys, &self.terms(parent), budget)?;
            keep_until = keep_until.min(signature.keep_until(answer.received_at));
            signatures.push(signature);
            if uses_nsec {
                let nsec = Nsec::parse(rrset.owner, rdata)
                    .map_err(|fault| no_proof(NoDelegationFault::Nsec { owner, fault }))?;
                nsecs.push(nsec);
                continue;
            }
            let refused = |fault| no_proof(NoDelegationFault::Nsec3 { owner, fault });
            let nsec3 = match Nsec3::parse(rrset.owner, &parent.name, rdata) {
                Ok(nsec3) => nsec3,
                Err(fault) => return Err(refused(fault)),
            };
            if nsec3s
                .first()
                .is_some_and(|first| first.parameters != nsec3.parameters)
            {
                return Err(refused(Nsec3Fault::Parameters));
            }
            nsec3s.push(nsec3);
        }
        let said = match (uses_nsec, rrsets.is_empty()) {
            (_, true) => Err(NoDelegationFault::NoProof),
            (true, _) => by_nsec(name, &parent.name, &nsecs),
            (false, _) => by_nsec3(name, &parent.name, &nsec3s),
        };
        Ok(Denial {
            said: said.map_err(no_proof)?,
            signatures,
            keep_until,
        })
    }
}

/// A proof that there is no DS record.
struct Denial {
    said: NoDelegation,
    signatures: Vec<CheckedSignature>,
    keep_until: u64,
}

/// What is wrong, and at which name of the chain. Limits and what names the place itself stay as they are.
fn at(name: &Name, fault: Bogus) -> Bogus {
    match fault {
        Bogus::Chain(_) | Bogus::Limit(_) => fault,
        other => ChainFault::At {
            name: name.clone(),
            fault: Box::new(other),
        }
        .into(),
    }
}
