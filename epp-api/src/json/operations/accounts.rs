//! Accounts, and how they prove who they are.

use crate::command::{AccountChange, AccountCommand, Command};
use crate::json::answer_header::AnswerHeader;
use crate::json::body;
use crate::json::csr_text;
use crate::json::document::account::{
    ACCOUNT_CREATE, ACCOUNT_CREATED, ACCOUNT_INFO, ACCOUNT_UPDATE, ACCOUNTS, AccountCreate,
    AccountUpdate, CERTIFICATE_ISSUE, CERTIFICATE_ISSUED, CertificateIssue, PASSWORD_RESET,
    TOKEN_ISSUE, TOKEN_ISSUED, TokenIssue,
};
use crate::json::document::id_list::{IDS_IMPORT, IDS_IMPORTED, IdsImport};
use crate::json::given::Given;
use crate::json::operation::{Action, Answer, Body, CHANGE, Operation, QUERY, Verb};
use crate::json::refusal::Refusal;
use crate::scope::Scope;

const ASKED: Operation = Operation {
    scope: Scope::Account,
    answers: ACCOUNT,
    ..QUERY
};
const CHANGED: Operation = Operation {
    scope: Scope::Account,
    answers: ACCOUNT,
    ..CHANGE
};
const ACCOUNT: &[Answer] = &[Answer::document(200, &ACCOUNT_INFO, "The account.")];
const DONE: &[Answer] = &[Answer::nothing("Done.")];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "accountList",
        template: "/accounts",
        summary: "All accounts, for the registry's operators.",
        answers: &[Answer::document(200, &ACCOUNTS, "The accounts.")],
        action: Action::Plain(|_| Command::Account(AccountCommand::List)),
        ..ASKED
    },
    Operation {
        id: "accountCreate",
        template: "/accounts",
        summary: "Makes an account and its first token.",
        body: Body::Document(&ACCOUNT_CREATE),
        answers: &[
            Answer::document(201, &ACCOUNT_CREATED, "The account, with its token.")
                .with(&[AnswerHeader::Location]),
        ],
        action: Action::WithBody(create),
        ..CHANGED
    },
    Operation {
        id: "accountSelf",
        template: "/accounts/self",
        summary: "The caller's own account.",
        action: Action::Plain(|_| Command::Account(AccountCommand::Info { name: None })),
        ..ASKED
    },
    Operation {
        id: "consentGrant",
        method: Verb::Put,
        template: "/accounts/self/consents/{accountName}",
        summary: "Lets an application service provider send certificate requests for slots bound to it.",
        answers: DONE,
        action: Action::Plain(|given| consent(given, true)),
        ..CHANGED
    },
    Operation {
        id: "consentWithdraw",
        method: Verb::Delete,
        template: "/accounts/self/consents/{accountName}",
        summary: "Lets the provider do so no longer.",
        body: Body::Nothing,
        answers: DONE,
        action: Action::Plain(|given| consent(given, false)),
        ..CHANGED
    },
    Operation {
        id: "accountInfo",
        template: "/accounts/{accountName}",
        summary: "One account: the caller's own, unless the caller is an operator.",
        action: Action::Plain(info),
        ..ASKED
    },
    Operation {
        id: "accountUpdate",
        method: Verb::Patch,
        template: "/accounts/{accountName}",
        summary: "Changes one thing about an account.",
        body: Body::Document(&ACCOUNT_UPDATE),
        action: Action::WithBody(update),
        ..CHANGED
    },
    Operation {
        id: "idsImport",
        template: "/accounts/{accountName}/ids",
        summary: "Gives an account device ids that it may register, beside its prefixes.",
        body: Body::Document(&IDS_IMPORT),
        answers: &[Answer::document(
            200,
            &IDS_IMPORTED,
            "They are in its list.",
        )],
        action: Action::WithBody(import),
        ..CHANGED
    },
    Operation {
        id: "tokenIssue",
        template: "/accounts/{accountName}/tokens",
        summary: "Makes a bearer token.",
        body: Body::Document(&TOKEN_ISSUE),
        answers: &[Answer::document(201, &TOKEN_ISSUED, "The token.")],
        action: Action::WithBody(issue_token),
        ..CHANGED
    },
    Operation {
        id: "tokenRevoke",
        method: Verb::Delete,
        template: "/accounts/{accountName}/tokens/{tokenId}",
        summary: "Makes a token void.",
        body: Body::Nothing,
        action: Action::Plain(revoke_token),
        ..CHANGED
    },
    Operation {
        id: "certificateIssue",
        template: "/accounts/{accountName}/certificates",
        summary: "Makes a client certificate under the account root.",
        body: Body::Document(&CERTIFICATE_ISSUE),
        answers: &[Answer::document(
            201,
            &CERTIFICATE_ISSUED,
            "The certificate.",
        )],
        action: Action::WithBody(issue_certificate),
        ..CHANGED
    },
    Operation {
        id: "certificateRevoke",
        method: Verb::Delete,
        template: "/accounts/{accountName}/certificates/{certificateId}",
        summary: "Makes a client certificate void.",
        body: Body::Nothing,
        action: Action::Plain(revoke_certificate),
        ..CHANGED
    },
    Operation {
        id: "passwordReset",
        template: "/accounts/{accountName}/processes/passwordResetProcesses",
        summary: "Makes a password for EPP logins; the present one is void.",
        answers: &[Answer::document(200, &PASSWORD_RESET, "The password.")],
        action: Action::Plain(reset_password),
        ..CHANGED
    },
];

fn create(_: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let AccountCreate { name, role } = body::read(octets)?;
    Ok(Command::Account(AccountCommand::Create { name, role }))
}

fn info(given: Given) -> Command {
    let name = Some(given.account());
    Command::Account(AccountCommand::Info { name })
}

fn change(given: &Given, change: AccountChange) -> Command {
    let name = given.account();
    Command::Account(AccountCommand::Update { name, change })
}

fn update(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: AccountUpdate = body::read(octets)?;
    Ok(change(&given, document.into_change()?))
}

fn import(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: IdsImport = body::read(octets)?;
    document.into_command(given.account())
}

fn issue_token(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: TokenIssue = body::read(octets)?;
    Ok(Command::Account(AccountCommand::IssueToken {
        name: given.account(),
        scopes: document.scopes,
        lifetime_secs: document.lifetime_secs,
    }))
}

fn revoke_token(given: Given) -> Command {
    let token_id = given.number();
    change(&given, AccountChange::RevokeToken { token_id })
}

fn issue_certificate(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: CertificateIssue = body::read(octets)?;
    Ok(Command::Account(AccountCommand::IssueCertificate {
        name: given.account(),
        csr: csr_text::from_text(&document.csr)?,
    }))
}

fn revoke_certificate(given: Given) -> Command {
    let certificate_id = given.number();
    change(&given, AccountChange::RevokeCertificate { certificate_id })
}

fn reset_password(given: Given) -> Command {
    let name = given.account();
    Command::Account(AccountCommand::ResetPassword { name })
}

fn consent(given: Given, granted: bool) -> Command {
    let asp = given.account();
    Command::Account(AccountCommand::Consent { asp, granted })
}
