//! What the audit log says of accounts: what was changed, and no secret.

use std::collections::BTreeSet;

use iot_epp_api::command::{AccountChange, AccountCommand, Command};
use iot_registry::store::AuditRow;
use serde_json::json;

use crate::audit::{rows_after, state};
use crate::stage::*;

/// The members that differ between the two states of a row.
fn differences(row: &AuditRow) -> serde_json::Value {
    let (before, after) = (state(&row.before), state(&row.after));
    let of = |state: &serde_json::Value, name: &str| state.get(name).cloned().unwrap_or_default();
    let both = [&before, &after]
        .into_iter()
        .filter_map(|one| one.as_object());
    let names: BTreeSet<&String> = both.flat_map(|members| members.keys()).collect();
    let changed = names.into_iter().filter_map(|name| {
        let (was, is) = (of(&before, name), of(&after, name));
        (was != is).then(|| (name.clone(), json!([was, is])))
    });
    serde_json::Value::Object(changed.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_an_account_says_what_was_changed_and_no_secret() {
    let stage = Stage::open().await;
    let begin = rows_after(&stage, 0).await.len() as u64;
    let mut mno = stage.mno("mno-a").await;
    let certificate_id = mno.enrol(&stage).await;
    let reader = [iot_epp_api::Scope::DeviceRead].into_iter().collect();
    let narrow = mno.token_for(&stage, reader, 3600).await;
    stage.asp("asp-one").await;
    for granted in [true, true, false] {
        let asp = account("asp-one");
        let consent = AccountCommand::Consent { asp, granted };
        mno.done(Command::Account(consent)).await;
    }
    let import = AccountCommand::ImportIds {
        name: mno.name.clone(),
        device_ids: vec![eid(1), eid(2)],
    };
    stage.operator.done(Command::Account(import)).await;
    let token_id = rows_after(&stage, begin).await.iter().find_map(|row| {
        let is_token = row.verb == "account.issue-token";
        is_token.then(|| state(&row.after)["token"]["tokenId"].as_u64().unwrap())
    });
    let token_id = token_id.unwrap();
    let prefix = iot_epp_api::IdPrefix::parse("89").unwrap();
    let made = rows_after(&stage, 0).await.len() as u64;
    for change in [
        AccountChange::RemoveIds(vec![eid(2), eid(3)]),
        AccountChange::AddPrefix(prefix.clone()),
        AccountChange::RemovePrefix(prefix),
        AccountChange::AllowIccids(true),
        AccountChange::SetDevicesMax(7),
        AccountChange::StrictTransactionIds(true),
        AccountChange::RevokeToken { token_id },
        AccountChange::RevokeCertificate { certificate_id },
        AccountChange::Disable,
        AccountChange::Enable,
    ] {
        stage.change("mno-a", change).await;
    }
    let changed = rows_after(&stage, made).await;
    let seen: Vec<_> = changed.iter().map(differences).collect();
    let [
        ids,
        same,
        prefix,
        iccids,
        most,
        strict,
        token,
        certificate,
        off,
        on,
    ] = &seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!(*ids, json!({"idsRemoved": [null, 1]}));
    assert_eq!(*same, json!({}), "it was there");
    assert_eq!(state(&changed[1].after)["prefix"], "89");
    assert_eq!(*prefix, json!({"prefix": ["89", null]}));
    assert_eq!(*iccids, json!({"iccidsAllowed": [false, true]}));
    assert_eq!(*most, json!({"devicesMax": [1_000_000_000, 7]}));
    assert_eq!(*strict, json!({"strictTransactionIds": [false, true]}));
    assert_eq!(*off, json!({"disabled": [false, true]}));
    assert_eq!(*on, json!({"disabled": [true, false]}));
    for (seen, what, number) in [
        (token, "token", token_id),
        (certificate, "certificate", certificate_id),
    ] {
        let [was, is] = [&seen[what][0], &seen[what][1]];
        assert_eq!(was[format!("{what}Id")], number, "{seen}");
        assert!(
            was["revokedAt"].is_null() && is["revokedAt"].is_u64(),
            "{seen}"
        );
    }

    let rows = rows_after(&stage, begin).await;
    let of =
        |verb: &str| -> Vec<&AuditRow> { rows.iter().filter(|row| row.verb == verb).collect() };
    let created = of("account.create")[0];
    assert!(created.before.is_none());
    assert_eq!(state(&created.after)["role"], "mno");
    assert!(state(&created.after)["token"]["expiresAt"].is_u64());
    let issued = differences(of("account.issue-certificate")[0]);
    assert_eq!(issued["certificate"][1]["certificateId"], certificate_id);
    let token = differences(of("account.issue-token")[0]);
    assert_eq!(token["token"][1]["scopes"], "device:read");
    let password = differences(of("account.reset-password")[0]);
    assert!(password["passwordSetAt"][1].is_u64(), "{password}");
    let imported = differences(of("account.import-ids")[0]);
    assert_eq!(imported, json!({"idsImported": [null, 2]}));
    let consents = of("account.consent").into_iter().map(differences);
    let granted = [
        json!({"consent": [false, true]}),
        json!({}),
        json!({"consent": [true, false]}),
    ];
    assert!(consents.eq(granted));

    let text = format!("{rows:?}");
    for secret in [
        mno.password.as_ref().unwrap().expose(),
        mno.token.expose(),
        narrow.token.expose(),
    ] {
        assert!(!text.contains(secret), "no secrets");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_a_login_sets_has_a_row_with_both_transaction_ids_of_the_login() {
    let stage = Stage::open().await;
    let mut mno = stage.mno("mno-a").await;
    mno.enrol(&stage).await;
    let before = rows_after(&stage, 0).await.len() as u64;
    let new = "the next password, 2026";
    let (mut talk, login) = stage.talk_with_new_password(&mut mno, new);
    talk.log_out();
    stage.talk(&mno).log_out();
    let rows = rows_after(&stage, before).await;
    let [row] = &rows[..] else {
        panic!("one login has set a password: {rows:?}");
    };
    assert_eq!(
        (row.verb.as_str(), row.door.as_str(), row.object.as_str()),
        ("session.login", "epp", "mno-a")
    );
    let client = login.client_transaction_id.unwrap();
    assert_eq!(row.client_transaction_id.as_deref(), Some(client.as_str()));
    assert_eq!(
        row.server_transaction_id,
        login.server_transaction_id.as_str()
    );
    assert!(state(&row.after)["passwordSetAt"].is_u64());
    assert!(!format!("{row:?}").contains(new));
    stage.close().await;
}
