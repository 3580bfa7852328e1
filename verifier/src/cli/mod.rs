//! The command line: read what is given, check, report. One exit code for each kind of outcome, in
//! [`outcome`].

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use clap::Parser;
use clap::error::ErrorKind;
use iot_identity::OwnerName;
use iot_verifier::transport::dot::DotTransport;
use iot_verifier::transport::failover::{Failover, PATIENCE_DEFAULT};
use iot_verifier::transport::plain::PlainTransport;
use iot_verifier::{CheckError, Checker, PresentedCertificate, Transport, TrustAnchor, Verdict};

mod arguments;
mod outcome;
mod report;
mod roots;
mod tree;

use arguments::{Arguments, Server};
use outcome::{Outcome, State};

/// Parses the arguments, checks, prints, and says how it went.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse_arguments(&error),
    };
    match check(&arguments) {
        Ok(outcome) => {
            let text = if arguments.json {
                report::json(&outcome).to_string()
            } else {
                report::human(&outcome)
            };
            say(&text);
            outcome.state().exit_code().into()
        }
        Err(error) => {
            if arguments.json {
                say(&report::json_input_error(&format!("{error:#}")).to_string());
            }
            eprintln!("iot-verify: {error:#}");
            State::InputError.exit_code().into()
        }
    }
}

/// Prints a report. A reader that has gone does not change what was found: the exit code says it.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// clap's own exit code for errors is 2, which means *absent* here.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    // Nothing is left to say it with when that fails.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => State::InputError.exit_code().into(),
    }
}

/// Everything before the first query is input, and its faults are errors here; what comes after is
/// an outcome.
fn check(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let anchor = arguments.trust_anchor()?;
    let subject = Subject::read(&arguments.subject, &anchor)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the I/O runtime")?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let addresses = arguments.resolver.iter().copied();
    let result = match arguments.server()? {
        Server::Dot(identity) => {
            let transports = addresses.map(|one| DotTransport::new(one, identity.clone()));
            let transports = one_of(transports.collect::<Result<_, _>>()?)?;
            runtime.block_on(ask(arguments, transports, anchor, &subject, now))
        }
        Server::Plain => {
            let transports = one_of(addresses.map(PlainTransport::new).collect())?;
            runtime.block_on(ask(arguments, transports, anchor, &subject, now))
        }
    };
    Ok(Outcome::new(
        subject.owner,
        subject.certificate,
        result,
        now,
    ))
}

fn one_of<T>(transports: Vec<T>) -> anyhow::Result<Failover<T>> {
    Failover::new(transports, PATIENCE_DEFAULT).context("no --resolver")
}

async fn ask<T: Transport>(
    arguments: &Arguments,
    transport: T,
    anchor: TrustAnchor,
    subject: &Subject,
    now: u64,
) -> Result<Verdict, CheckError> {
    Checker::new(transport, anchor, arguments.policy())
        .with_deadline(Duration::from_secs(arguments.timeout))
        .check(&subject.owner, arguments.record.into(), now)
        .await
}

/// What is to be checked: a name, perhaps taken from a certificate.
struct Subject {
    owner: OwnerName,
    certificate: Option<PresentedCertificate>,
}

impl Subject {
    /// A name in the anchor's zone, or else the path of a PEM or DER file (`./` before a path that
    /// looks like a name).
    fn read(text: &str, anchor: &TrustAnchor) -> anyhow::Result<Self> {
        let not_a_name = match OwnerName::parse(text, anchor.zone()) {
            Ok(owner) => {
                return Ok(Self {
                    owner,
                    certificate: None,
                });
            }
            Err(error) => error,
        };
        let octets = std::fs::read(text).map_err(|error| {
            anyhow!("{text} is neither a name ({not_a_name}) nor a readable file ({error})")
        })?;
        let certificate = if octets.first() == Some(&DER_SEQUENCE) {
            PresentedCertificate::from_der(&octets)
        } else {
            PresentedCertificate::from_pem(&octets)
        };
        let certificate = certificate.with_context(|| text.to_owned())?;
        let owner = certificate.owner().clone();
        if owner.zone() != anchor.zone() {
            let found = owner.zone();
            return Err(anyhow!(
                "the certificate's zone is {found}, the trust anchor is for {}",
                anchor.zone()
            ));
        }
        Ok(Self {
            owner,
            certificate: Some(certificate),
        })
    }
}

/// First octet of every certificate in DER, and of no PEM text.
const DER_SEQUENCE: u8 = 0x30;
