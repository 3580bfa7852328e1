//! The database at the start: is it the right one, and what did the last process leave in it?

use std::time::Duration;

use iot_dns_zone::{CommitRecord, Role, ZoneKeys};
use iot_epp_api::{BearerToken, Scopes};
use tokio::runtime::Handle;

use super::StartError;
use crate::clock::unix_now;
use crate::config::Config;
use crate::csr;
use crate::detached;
use crate::directory::{self, Directory};
use crate::init::OPERATOR_ACCOUNT;
use crate::store::{CreateAccount, Identity, NewToken, Opened, Origin, StartUp, Store, StoreError};

/// Life of the first operator's token: who reads its file is the operator as long as it lies there.
const OPERATOR_TOKEN_SECS: u64 = 20 * 366 * 24 * 3600;

/// Furthest that the clock may be behind the last time written down.
const CLOCK_BEHIND_MAX_SECS: u64 = 3600;
/// Longest time that a registry can have stood still without anybody saying so.
const CLOCK_AHEAD_MAX_SECS: u64 = 30 * 24 * 3600;

/// What the database knows the key signing key by.
pub(super) fn ksk_hash(keys: &ZoneKeys) -> [u8; 32] {
    csr::key_hash(keys.public().of(Role::Ksk).rdata())
}

/// The zone's public keys as points, hashed: no device may have them either.
pub(super) fn zone_key_hashes(keys: &ZoneKeys) -> Result<[[u8; 32]; 2], StartError> {
    let public = keys.public();
    let [ksk, zsk] = [Role::Ksk, Role::Zsk].map(|role| {
        // DNSKEY RDATA: four octets, then the point without its first octet (RFC 6605 §4).
        let point = [
            &[0x04],
            public.of(role).rdata().get(4..).unwrap_or_default(),
        ]
        .concat();
        csr::key_hash(&point)
    });
    if ksk == zsk {
        return Err(StartError::SameKey);
    }
    Ok([ksk, zsk])
}

/// The operators' token, from its file.
pub(super) fn operator_token(directory: &Directory) -> Result<BearerToken, StartError> {
    let octets = directory::read_secret(&directory.operator_token())?;
    let text = std::str::from_utf8(&octets).unwrap_or_default();
    BearerToken::parse(text.trim()).map_err(|_| StartError::OperatorToken)
}

/// Holds a database against the zone that was published, and its clock against ours, before anything
/// is written: writing could make an older copy look newer.
pub(super) async fn check_before_writing(
    store: &Store,
    keys: &ZoneKeys,
    last: Option<&CommitRecord>,
    now: u64,
) -> Result<(), StartError> {
    check(store.identity().await?, keys, last, now)
}

/// The same for what the database says of itself.
pub(super) fn check(
    identity: Option<Identity>,
    keys: &ZoneKeys,
    last: Option<&CommitRecord>,
    now: u64,
) -> Result<(), StartError> {
    let Some(identity) = identity else {
        return if last.is_some() {
            Err(StartError::OtherDatabase)
        } else {
            Ok(())
        };
    };
    let Identity { seen_at, .. } = identity;
    if identity.ksk_hash != ksk_hash(keys) {
        return Err(StartError::OtherKey);
    }
    if now + CLOCK_BEHIND_MAX_SECS < seen_at || now > seen_at + CLOCK_AHEAD_MAX_SECS {
        return Err(StartError::Clock {
            shown: now,
            seen_at,
        });
    }
    match last {
        Some(last) if last.database_id != identity.database_id => Err(StartError::OtherDatabase),
        Some(last)
            if last.applied > identity.journal_head
                || last.fencing_token > identity.fencing_token =>
        {
            let (zone, database) = (last.applied, identity.journal_head);
            Err(StartError::OlderDatabase { zone, database })
        }
        _ => Ok(()),
    }
}

/// Opens the database, checks it and reads what the last process left, where that takes no longer than
/// `patience`. An opening that is given up goes on by itself and ends by closing the database: a change
/// of its schema is not begun in vain again and again.
pub(super) async fn open_within(
    patience: Option<Duration>,
    directory: &Directory,
    config: &Config,
    keys: &ZoneKeys,
    last: Option<&CommitRecord>,
) -> Result<(Store, Opened), StartError> {
    let path = directory.database();
    let runtime = Handle::current();
    let opening = detached::run(move || runtime.block_on(Store::open(&path)));
    let work = async {
        let store = opening.await.unwrap_or(Err(StoreError::Stopped))?;
        check_before_writing(&store, keys, last, unix_now()).await?;
        let opened = open(&store, keys, directory, config).await?;
        Ok((store, opened))
    };
    let Some(patience) = patience else {
        return work.await;
    };
    let waited_secs = patience.as_secs();
    let in_time = tokio::time::timeout(patience, work).await;
    in_time.unwrap_or(Err(StartError::SilentDatabase { waited_secs }))
}

/// Reads what the last process left, and makes the operators' account in a new database.
pub(super) async fn open(
    store: &Store,
    keys: &ZoneKeys,
    directory: &Directory,
    config: &Config,
) -> Result<Opened, StartError> {
    let now = unix_now();
    let step = StartUp {
        zone: config.zone.apex.clone(),
        ksk_hash: ksk_hash(keys),
        new_database_id: crate::service::random_octets(),
        now,
    };
    let opened = store.commit(step).await?;
    if opened.voided > 0 {
        tracing::info!(
            count = opened.voided,
            "voided registrations that were never answered"
        );
    }
    let origin = Origin {
        account: OPERATOR_ACCOUNT.to_owned(),
        door: "command-line",
        verb: "account.create",
        client_transaction_id: None,
        server_transaction_id: "init".to_owned(),
        digest: [0; 32],
    };
    let (name, role) = (OPERATOR_ACCOUNT.to_owned(), iot_epp_api::Role::Operator);
    let token = NewToken {
        token: operator_token(directory)?,
        scopes: Scopes::ALL,
        expires_at: now + OPERATOR_TOKEN_SECS,
    };
    store
        .commit(CreateAccount {
            origin,
            name,
            role,
            token,
            now,
        })
        .await?;
    Ok(opened)
}
