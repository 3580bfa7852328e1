//! Documents that name files and addresses beyond themselves: the program that reads them opens nothing
//! and connects to nobody, as strace sees it.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::{EID, Registry, Serving, judge, program, succeed};
use iot_dns_zone::Profile;
use iot_epp_api::epp::namespace::DEVICE;
use iot_epp_api::epp::{EppCommand, Frame, FrameDecoder, Login, encode_frame};
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, ClientTransactionId};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const ACCOUNT: &str = "mno-a";
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls that name a file, those by which one turns to somebody, and that by which clients come in.
const TRACED: &str = "trace=%file,connect,sendto,sendmsg,sendmmsg,accept4";

/// A file and a listener that nobody has a reason to touch.
struct Bait {
    file: PathBuf,
    port: u16,
    visitors: Arc<AtomicUsize>,
}

impl Bait {
    fn lay(registry: &Registry) -> Self {
        let file = registry.scratch.path().join("outside-reference");
        std::fs::copy(registry.dir.join("client.token"), &file).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let visitors = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&visitors);
        std::thread::spawn(move || {
            for visitor in listener.incoming() {
                seen.fetch_add(1, Ordering::SeqCst);
                drop(visitor);
            }
        });
        Self {
            file,
            port,
            visitors,
        }
    }

    fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }

    /// Lines of a trace in which the file is named.
    fn opened<'a>(&self, trace: &'a str) -> Vec<&'a str> {
        let name = self.file.file_name().unwrap().to_str().unwrap();
        trace.lines().filter(|line| line.contains(name)).collect()
    }

    /// Lines of a trace in which the listener is named.
    fn visited<'a>(&self, trace: &'a str) -> Vec<&'a str> {
        with_port(trace, self.port)
    }

    /// The file and the listener, as a document may name them.
    fn places(&self) -> [String; 4] {
        let (file, port) = (self.file.display(), self.port);
        [
            format!("file://{file}"),
            file.to_string(),
            format!("http://127.0.0.1:{port}/a"),
            format!("http://localhost:{port}/a"),
        ]
    }

    /// Documents that refer to them in ways that are refused.
    fn documents(&self) -> Vec<String> {
        let mut documents = Vec::new();
        for place in self.places() {
            let declared = |subset: &str, id: &str| about(&format!("<!DOCTYPE {subset}>"), id);
            documents.extend([
                declared(&format!("epp SYSTEM \"{place}\""), EID),
                declared(&format!("epp PUBLIC \"-//x\" \"{place}\""), EID),
                declared(&format!("epp [<!ENTITY a SYSTEM \"{place}\">]"), "&a;"),
                declared(&format!("epp [<!ENTITY % a SYSTEM \"{place}\"> %a;]"), EID),
                declared(
                    &format!("epp [<!NOTATION n SYSTEM \"{place}\">]"),
                    EID,
                ),
                about(&format!("<?xml-stylesheet href=\"{place}\"?>"), EID),
                about(&format!("<?xml-model href=\"{place}\"?>"), EID),
                about("", &format!("<x:include xmlns:x=\"http://www.w3.org/2001/XInclude\" parse=\"text\" href=\"{place}\"/>")),
                about("", &format!("<x xmlns=\"{place}\"/>")),
            ]);
        }
        documents
    }

    /// Documents that say where their schema is, which is allowed, and of no interest to who has it.
    fn with_hints(&self) -> Vec<String> {
        let hinted = |place: String| {
            let hint = format!(
                "<command xmlns:s=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 s:schemaLocation=\"urn:ietf:params:xml:ns:epp-1.0 {place}\">"
            );
            about("", EID).replacen("<command>", &hint, 1)
        };
        self.places().map(hinted).to_vec()
    }
}

/// Lines of a trace with an address of this port.
fn with_port(trace: &str, port: u16) -> Vec<&str> {
    let port = format!("htons({port})");
    trace.lines().filter(|line| line.contains(&port)).collect()
}

/// An info command with this before its root element and this in place of an id.
fn about(head: &str, id: &str) -> String {
    format!(
        "{head}<epp xmlns=\"urn:ietf:params:xml:ns:epp-1.0\"><command><info>\
         <d:info xmlns:d=\"{DEVICE}\"><d:id>{id}</d:id></d:info></info>\
         <clTRID>REFERS-1</clTRID></command></epp>"
    )
}

/// What a running process does, until it is dropped or read.
struct Watch {
    strace: Option<Child>,
    file: PathBuf,
}

impl Watch {
    fn begin(serving: &Serving) -> Self {
        let file = serving.registry.scratch.path().join("trace");
        let mut strace = Command::new("strace")
            .args(["-f", "-s", "400", "-e", TRACED, "-o"])
            .arg(&file)
            .args(["-p", &serving.pid().to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
        let attached = lines.any(|line| line.unwrap().contains("attached"));
        assert!(attached, "strace cannot attach");
        // Read on, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            strace: Some(strace),
            file,
        }
    }

    fn end(mut self) -> String {
        self.let_go();
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// By a signal that it handles, it lets go of the program first.
    fn let_go(&mut self) {
        if let Some(mut strace) = self.strace.take() {
            let pid = strace.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &pid]).status();
            let _ = strace.wait();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A client at the EPP door that says what it likes.
struct Wire {
    stream: StreamOwned<ClientConnection, TcpStream>,
    decoder: FrameDecoder,
}

impl Wire {
    fn open(serving: &Serving, certificate: &Path, key: &KeyPair) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate_of(&serving.service_root())).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate_of(certificate)],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let host = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), host).unwrap();
        let socket = TcpStream::connect(serving.epp.unwrap()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut wire = Self {
            stream: StreamOwned::new(tls, socket),
            decoder: FrameDecoder::of_answers(),
        };
        assert!(wire.read().contains("<greeting"));
        wire
    }

    fn ask(&mut self, document: &str) -> String {
        self.stream.write_all(&encode_frame(document)).unwrap();
        self.read()
    }

    fn read(&mut self) -> String {
        let mut piece = [0; 4096];
        loop {
            if let Some(document) = self.decoder.next_document().unwrap() {
                return String::from_utf8(document.to_vec()).unwrap();
            }
            let octets = self.stream.read(&mut piece).unwrap();
            assert!(octets > 0, "the door was closed");
            self.decoder.push(&piece[..octets]);
        }
    }
}

fn certificate_of(pem: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(pem).unwrap()
}

/// A client certificate, its key and a password, made by the command line.
fn enrolled(serving: &Serving) -> (PathBuf, KeyPair, Secret) {
    let scratch = serving.registry.scratch.path();
    let [csr, certificate, password] =
        ["client.csr", "client.pem", "password"].map(|name| scratch.join(name));
    let key = KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key);
    std::fs::write(&csr, request.unwrap().der()).unwrap();
    let [csr_name, out, save] = [&csr, &certificate, &password].map(|path| path.to_str().unwrap());
    let add = ["account", "add-certificate", ACCOUNT, "--csr", csr_name];
    succeed(&serving.run(&[&add[..], &["--out", out]].concat()));
    succeed(&serving.run(&["account", "reset-password", ACCOUNT, "--save", save]));
    let password = std::fs::read_to_string(&password).unwrap();
    (certificate, key, Secret::new(password.trim()))
}

fn login(password: Secret) -> String {
    let account = AccountName::parse(ACCOUNT).unwrap();
    let login = Login::for_everything(&account, password);
    let frame = Frame::Command {
        command: Box::new(EppCommand::Login(login)),
        client_transaction_id: Some(ClientTransactionId::parse("login-1").unwrap()),
    };
    frame.write()
}

/// The same program as a client of the listener, with the file as its token: what a trace and the
/// listener show of somebody who does touch both.
fn touched(bait: &Bait, scratch: &Path) {
    let (trace, seen) = (scratch.join("trace-of-client"), bait.visitors());
    let mut client = Command::new("strace");
    client.args(["-f", "-s", "400", "-e", TRACED, "-o"]);
    let client = client
        .arg(&trace)
        .arg(program().get_program())
        .args(["device", "info", "--id", EID, "--token-file"])
        .arg(&bait.file)
        .arg("--roots")
        .arg(scratch.join("data/trust/service/root.cert.pem"))
        .env("IOT_REGISTRY_SERVER", format!("127.0.0.1:{}", bait.port))
        .output();
    assert!(!client.unwrap().status.success(), "nobody answers there");
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(!bait.opened(&trace).is_empty(), "{trace}");
    assert!(!bait.visited(&trace).is_empty(), "{trace}");
    let begin = Instant::now();
    while bait.visitors() == seen {
        assert!(begin.elapsed() < PATIENCE, "the listener sees nobody");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_documents_refer_to_is_neither_opened_nor_connected_to() {
    if judge("strace", &["--version"]).is_none() {
        return;
    }
    let registry = Registry::init(Profile::Standard);
    let bait = Bait::lay(&registry);
    let secret = std::fs::read_to_string(&bait.file).unwrap();
    let serving = registry.serve();
    let (certificate, key, password) = enrolled(&serving);
    let watch = Watch::begin(&serving);
    let mut wire = Wire::open(&serving, &certificate, &key);
    for (phase, read) in [
        ("before login", "code=\"2002\""),
        ("logged in", "code=\"2303\""),
    ] {
        if phase == "logged in" {
            let answer = wire.ask(&login(password.clone()));
            assert!(answer.contains("code=\"1000\""), "{answer}");
        }
        for document in bait.with_hints() {
            let answer = wire.ask(&document);
            assert!(answer.contains(read), "{phase}: {document}: {answer}");
        }
        for document in bait.documents() {
            let answer = wire.ask(&document);
            assert!(
                answer.contains("code=\"2001\""),
                "{phase}: {document}: {answer}"
            );
            assert!(!answer.contains(secret.trim()), "{phase}: {document}");
        }
    }
    // In order, so everything before has been done; and the session goes on.
    let answer = wire.ask(&about("", EID));
    assert!(answer.contains("code=\"2303\""), "{answer}");
    // Who comes in last is seen, so the trace is of this program and whole.
    let last = Wire::open(&serving, &certificate, &key);
    let last = last.stream.sock.local_addr().unwrap().port();
    let trace = watch.end();
    assert!(!with_port(&trace, last).is_empty(), "{trace}");
    assert_eq!(bait.opened(&trace), [""; 0]);
    assert_eq!(bait.visited(&trace), [""; 0]);
    let connects: Vec<&str> = trace
        .lines()
        .filter(|line| line.contains("connect("))
        .collect();
    assert_eq!(connects, [""; 0], "it turns to nobody at all");
    assert_eq!(bait.visitors(), 0);
    touched(&bait, serving.registry.scratch.path());
}
