//! Finds what a question asks for and writes it.

use iot_identity::{TYPE_CERT, TYPE_TLSA, TYPE_TXT};

use crate::denial::{Chain, Holder, Name, Place};
use crate::record_type::{TYPE_ANY, TYPE_NSEC, TYPE_RRSIG, TYPE_SOA};
use crate::render::{Content, NextName, Prepared, Signed};
use crate::response::{Response, ResponseCode, Section};
use crate::serial;
use crate::store::page::Damaged;
use crate::store::record::StoredSignature;
use crate::store::tree::Cursor;
use crate::urgent::UrgentName;

/// Why a question about the zone cannot be answered.
#[derive(Debug)]
pub(super) enum Unanswerable {
    /// A signature has expired or was never made, and has to be made at this name.
    Expired(UrgentName),
    /// The store cannot be read there.
    Damaged,
}

impl From<Damaged> for Unanswerable {
    fn from(_: Damaged) -> Self {
        // Whoever reads the store counts and tells which page it is.
        Self::Damaged
    }
}

/// What a question about a name of the zone needs.
pub(super) struct Request<'a, 'q> {
    pub(super) chain: &'a Chain<'a>,
    pub(super) name: Name<'q>,
    pub(super) record_type: u16,
    pub(super) now: u64,
    /// Others of the same batch may need what this one needs.
    pub(super) is_one_of_many: bool,
}

impl<'a> Request<'a, '_> {
    /// Writes the answer, given the last device at or before the name.
    pub(super) fn resolve(
        &self,
        device: Option<Cursor>,
        response: &mut Response<'_, '_>,
    ) -> Result<ResponseCode, Unanswerable> {
        response.set_authoritative();
        let place = self.chain.place(&self.name, device)?;
        if !place.is_name {
            return self.deny_name(&place, response);
        }
        if self.record_type == TYPE_RRSIG {
            self.signatures(&place, response)?;
            return Ok(ResponseCode::NoError);
        }
        match self.content(&place)? {
            Some(content) => {
                let ttl_secs = content.ttl_secs(self.chain.templates);
                self.push(Section::Answer, &place.holder, &content, ttl_secs, response)?;
            }
            None => {
                let next = self.chain.next(&place)?;
                self.deny(&[(place.holder, next)], response)?;
            }
        }
        Ok(ResponseCode::NoError)
    }

    /// The RRset that is asked for.
    #[inline]
    fn content(&self, place: &Place<'a>) -> Result<Option<Content<'a>>, Unanswerable> {
        let record_type = match (self.record_type, &place.holder) {
            (TYPE_ANY, Holder::Device(record)) if record.is_active() => TYPE_CERT,
            (TYPE_ANY, Holder::Device(_)) => TYPE_TXT,
            // A name without any record of its own would have its NSEC alone.
            (TYPE_ANY, Holder::Fixed(name)) => name.types().next().unwrap_or(TYPE_NSEC),
            (other, _) => other,
        };
        if record_type == TYPE_NSEC {
            let next = self.chain.next(place)?;
            return Ok(Some(nsec(&place.holder, next)));
        }
        Ok(match &place.holder {
            Holder::Device(record) => match (record_type, record.is_active()) {
                (TYPE_CERT, true) => Some(Content::Cert(record.fingerprint())),
                (TYPE_TLSA, true) => Some(Content::Tlsa(record.fingerprint())),
                (TYPE_TXT, false) => Some(Content::InactiveText),
                _ => None,
            },
            Holder::Fixed(name) => name.rrset(record_type).map(Content::Stored),
        })
    }

    /// The signatures at a name that are still valid.
    fn signatures(
        &self,
        place: &Place<'a>,
        response: &mut Response<'_, '_>,
    ) -> Result<(), Unanswerable> {
        let holder = &place.holder;
        let next = self.chain.next(place)?;
        let (device, stored) = match holder {
            Holder::Device(record) if record.is_active() => {
                let fingerprint = record.fingerprint();
                let contents = [Content::Cert(fingerprint), Content::Tlsa(fingerprint)];
                (contents.map(Some), &[][..])
            }
            Holder::Device(_) => ([Some(Content::InactiveText), None], &[][..]),
            Holder::Fixed(name) => ([None, None], &name.rrsets[..]),
        };
        let contents = device
            .into_iter()
            .flatten()
            .chain(stored.iter().map(Content::Stored))
            .chain([nsec(holder, next)]);
        let mut signatures = contents
            .filter_map(|content| Some((content, self.signed(holder, content.record_type())?)))
            .peekable();
        if signatures.peek().is_none() {
            return Err(expired(holder));
        }
        let owner = self.name.owner(self.chain.templates, holder);
        response.push_signatures(self.chain.templates, &owner, signatures);
        Ok(())
    }

    /// The name has no records: it may exist nevertheless.
    fn deny_name(
        &self,
        place: &Place<'a>,
        response: &mut Response<'_, '_>,
    ) -> Result<ResponseCode, Unanswerable> {
        let next = self.chain.next(place)?;
        let proof = (place.holder, next);
        if self.chain.is_empty_non_terminal(&self.name, &next) {
            self.deny(&[proof], response)?;
            return Ok(ResponseCode::NoError);
        }
        if !response.dnssec_ok() {
            self.deny(&[], response)?;
            return Ok(ResponseCode::NxDomain);
        }
        let wildcard = self.chain.wildcard_place(&self.name, place, &next)?;
        if wildcard.holder.is_same(&place.holder) {
            self.deny(&[proof], response)?;
        } else {
            let next = self.chain.next(&wildcard)?;
            self.deny(&[proof, (wildcard.holder, next)], response)?;
        }
        Ok(ResponseCode::NxDomain)
    }

    /// SOA, and with DNSSEC the NSEC records of the given names, all with the negative TTL (RFC
    /// 2308, RFC 9077).
    fn deny(
        &self,
        proofs: &[(Holder<'a>, NextName<'a>)],
        response: &mut Response<'_, '_>,
    ) -> Result<(), Unanswerable> {
        let ttl_secs = self.chain.templates.negative_ttl_secs();
        let apex = self.chain.fixed.apex();
        if let Some(soa) = apex.rrset(TYPE_SOA) {
            let (holder, soa) = (Holder::Fixed(apex), Content::Stored(soa));
            self.push_denial(&holder, &soa, ttl_secs, response)?;
        }
        if response.dnssec_ok() {
            for (holder, next) in proofs {
                let nsec = nsec(holder, *next);
                self.push_denial(holder, &nsec, ttl_secs, response)?;
            }
        }
        Ok(())
    }

    /// Adds an RRset to a denial; that of the apex is rendered by the first one in a batch.
    fn push_denial(
        &self,
        holder: &Holder<'a>,
        content: &Content<'a>,
        ttl_secs: u32,
        response: &mut Response<'_, '_>,
    ) -> Result<(), Unanswerable> {
        if self.is_one_of_many && response.dnssec_ok() && holder.is_apex() {
            let apex = &self.chain.apex;
            let place = match content {
                Content::FixedNsec { .. } => &apex.nsec,
                _ => &apex.soa,
            };
            let prepared = place.get_or_init(|| {
                let signed = self.signed(holder, content.record_type())?;
                let templates = self.chain.templates;
                let owner = self.name.owner(templates, holder);
                Prepared::new(templates, &owner, content, ttl_secs, &signed)
            });
            if let Some(prepared) = prepared {
                response.push_prepared(prepared, self.name.apex_at());
                return Ok(());
            }
        }
        self.push(Section::Authority, holder, content, ttl_secs, response)
    }

    #[inline]
    fn push(
        &self,
        section: Section,
        holder: &Holder<'a>,
        content: &Content<'a>,
        ttl_secs: u32,
        response: &mut Response<'_, '_>,
    ) -> Result<(), Unanswerable> {
        let signed = self
            .signed(holder, content.record_type())
            .ok_or_else(|| expired(holder))?;
        let templates = self.chain.templates;
        let owner = self.name.owner(templates, holder);
        response.push_rrset(section, templates, &owner, content, ttl_secs, &signed);
        Ok(())
    }

    /// The signature over an RRset, when it is valid now.
    #[inline]
    fn signed(&self, holder: &Holder<'a>, record_type: u16) -> Option<Signed<'a>> {
        let stored = match holder {
            Holder::Device(record) => match record_type {
                TYPE_NSEC => record.nsec(),
                TYPE_TLSA => record.tlsa(),
                _ => record.first(),
            },
            Holder::Fixed(name) => name
                .signature(record_type)
                .map(|StoredSignature { signed_at, octets }| (*signed_at, octets)),
        };
        let signed = self.chain.templates.signed(record_type, stored?);
        let now = serial::wrapped(self.now);
        (!serial::is_after(now, signed.expiration)).then_some(signed)
    }
}

#[inline]
fn nsec<'a>(holder: &Holder<'a>, next: NextName<'a>) -> Content<'a> {
    match holder {
        Holder::Device(record) => Content::DeviceNsec {
            next,
            active: record.is_active(),
        },
        Holder::Fixed(name) => Content::FixedNsec {
            next,
            rrsets: &name.rrsets,
        },
    }
}

fn expired(holder: &Holder<'_>) -> Unanswerable {
    Unanswerable::Expired(match holder {
        Holder::Device(record) => UrgentName::Device(*record.key()),
        Holder::Fixed(_) => UrgentName::Fixed,
    })
}
