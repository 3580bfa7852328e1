//! The command line: arguments, and one function a subcommand.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Parser, Subcommand};
use iot_device::applet::{Aid, Applet, CardOptions, IssuerDoor, ResponseDelivery, SystemRandom};
use iot_device::card::serve::serve;
use iot_device::csr::CertificateRequest;
use iot_device::payload::layout;
use iot_device::pem::pem;
use iot_device::signature::SignatureForm;
use iot_device::{IotSafe, VirtualCard};
use iot_identity::{DeviceId, OwnerName};

/// Time for a connection to a card, and for each of its answers.
const CARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest text that `sign` takes.
const TEXT_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// A virtual IoT SAFE card, and tools for any card that can be reached.
#[derive(Debug, Parser)]
#[command(name = "iot-device", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a virtual card that other programs on this machine reach over TCP.
    ///
    /// Each frame is two octets of length, big-endian, and an APDU. The card lives as long as the
    /// process; its keys are made by GENERATE KEY PAIR. Secure channel: none.
    Sim(SimArguments),
    /// Show the applet, the EID and all objects of a card.
    Info(CardArgument),
    /// Print random octets from a card, in hexadecimal.
    Random {
        #[command(flatten)]
        card: CardArgument,
        /// How many octets.
        #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..=127))]
        octets: u8,
    },
    /// Sign a text with the device's key; prints the signature, base64 of DER.
    Sign {
        #[command(flatten)]
        card: CardArgument,
        /// File with the text; standard input when left out.
        text: Option<PathBuf>,
    },
    /// Print a certificate request for the device's key, signed on the card.
    Csr {
        #[command(flatten)]
        card: CardArgument,
        /// The owner name: <slot>.<device id>.<zone>.
        #[arg(long)]
        name: String,
        /// Make a new key pair first, which replaces the old one.
        #[arg(long)]
        generate: bool,
    },
    /// Print the device's certificate.
    Cert(CardArgument),
}

#[derive(Debug, Args)]
struct SimArguments {
    /// Loopback address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The card's device id: an EID, or an ICCID.
    #[arg(long, default_value = "89049032123451234512345678901235")]
    eid: DeviceId,
    /// How signatures are written: `33-40`, `33-00-40` or `der`.
    #[arg(long, default_value = "33-40", value_parser = parse_signature_form)]
    signature_form: SignatureForm,
    /// Answer in the response itself instead of `61xx` and GET RESPONSE.
    #[arg(long)]
    direct_responses: bool,
    /// Refuse to write files (INSTALL and STORE DATA, which need no secure channel on this card).
    #[arg(long)]
    closed_door: bool,
}

#[derive(Debug, Args)]
struct CardArgument {
    /// The card: `tcp:<address>:<port>`.
    #[arg(long)]
    card: CardAddress,
}

/// A way to a card.
#[derive(Clone, Debug)]
enum CardAddress {
    Tcp(String),
}

impl FromStr for CardAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.to_owned())),
            _ => Err("a card is written tcp:<address>:<port>".to_owned()),
        }
    }
}

/// Runs the command that was asked for.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Sim(arguments) => simulate(&arguments),
        Command::Info(card) => info(&mut open(&card)?),
        Command::Random { card, octets } => {
            let random = open(&card)?.random(octets)?;
            print(&format!("{}\n", hexadecimal(&random)))
        }
        Command::Sign { card, text } => {
            let text = read_text(text)?;
            let signature = open(&card)?.sign(&layout::client_key().private, &text)?;
            print(&format!("{}\n", STANDARD.encode(signature.to_der())))
        }
        Command::Csr {
            card,
            name,
            generate,
        } => certificate_request(&mut open(&card)?, &name, generate),
        Command::Cert(card) => {
            let file = layout::object(layout::CLIENT_CERTIFICATE);
            print(&pem("CERTIFICATE", &open(&card)?.read_file(&file)?))
        }
    }
}

fn simulate(arguments: &SimArguments) -> anyhow::Result<()> {
    if !arguments.listen.ip().is_loopback() {
        bail!("a virtual card listens on loopback addresses only, since anybody may connect");
    }
    let options = CardOptions {
        signature_form: arguments.signature_form,
        response_delivery: match arguments.direct_responses {
            true => ResponseDelivery::Direct,
            false => ResponseDelivery::GetResponse,
        },
        issuer_door: match arguments.closed_door {
            true => IssuerDoor::Closed,
            false => IssuerDoor::OpenWithoutSecureChannel,
        },
    };
    let personalisation = layout::personalisation(arguments.eid, options);
    let applet = Applet::personalise(personalisation, Box::new(SystemRandom::new()))?;
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    print(&format!("tcp:{}\n", listener.local_addr()?))?;
    serve(&listener, &VirtualCard::new(applet), |error| {
        eprintln!("iot-device: a connection has failed: {error}");
    })?;
    Ok(())
}

fn info(card: &mut IotSafe) -> anyhow::Result<()> {
    let mut text = format!("applet  {}\n", hexadecimal(card.aid().as_octets()));
    match card.eid() {
        Ok(eid) => writeln!(text, "eid     {eid}")?,
        Err(error) => writeln!(text, "eid     unknown: {error}")?,
    }
    for object in card.objects()? {
        let kind = format!("{:?}", object.kind);
        let id = object.id.map_or("-".to_owned(), |id| hexadecimal(&id));
        let label = object.label.unwrap_or_default();
        let state = if object.activated { "set" } else { "empty" };
        let size = match object.file_octets {
            Some(octets) if object.activated => format!(", {octets} octets"),
            _ => String::new(),
        };
        writeln!(text, "{kind:<11} id {id:<4} {label:<12} {state}{size}")?;
    }
    print(&text)
}

fn certificate_request(card: &mut IotSafe, name: &str, generate: bool) -> anyhow::Result<()> {
    let owner_name = OwnerName::parse_in_any_zone(name)?;
    let key = layout::client_key();
    if generate {
        card.generate_key_pair(&key.private)?;
    }
    let request = CertificateRequest::sign(card, &key, &owner_name)?;
    print(&request.to_pem())
}

/// Connects and selects the applet.
fn open(card: &CardArgument) -> anyhow::Result<IotSafe> {
    let CardAddress::Tcp(address) = &card.card;
    let transport = iot_device::card::TcpCard::connect(address, CARD_TIMEOUT)
        .with_context(|| format!("cannot reach the card at {address}"))?;
    Ok(IotSafe::open(transport, &Aid::known())?)
}

fn read_text(file: Option<PathBuf>) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = |source: &mut dyn std::io::Read, text: &mut Vec<u8>| {
        source.take(TEXT_OCTETS_MAX + 1).read_to_end(text)
    };
    match file {
        Some(path) => {
            let mut file = std::fs::File::open(&path)
                .with_context(|| format!("cannot open {}", path.display()))?;
            read(&mut file, &mut text)?;
        }
        None => {
            read(&mut std::io::stdin().lock(), &mut text)?;
        }
    }
    if text.len() as u64 > TEXT_OCTETS_MAX {
        bail!("the text is longer than {TEXT_OCTETS_MAX} octets");
    }
    Ok(text)
}

fn parse_signature_form(text: &str) -> Result<SignatureForm, String> {
    match text {
        "33-40" => Ok(SignatureForm::OneOctetLength),
        "33-00-40" => Ok(SignatureForm::TwoOctetLength),
        "der" => Ok(SignatureForm::Der),
        _ => Err("one of 33-40, 33-00-40, der".to_owned()),
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}"); // writing to a String does not fail
        text
    })
}

/// Writes to standard output, and says so when nobody reads it any more.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}
