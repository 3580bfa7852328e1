//! What outside judges see: kdig, delv and openssl asked, and their answers taken apart.

#![allow(dead_code, unreachable_pub)] // every test uses its part

use std::net::SocketAddr;
use std::path::Path;

use crate::harness::{ZONE, judge, succeed};

/// True when all tools are there; false when some are missing and may be.
pub fn present(tools: &[&str]) -> bool {
    tools.iter().all(|tool| judge(tool, &["-V"]).is_some())
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// A server that kdig asks; `roots` and `name` are for TLS.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    pub address: SocketAddr,
    pub way: Way,
    pub roots: &'a Path,
    pub name: &'a str,
}

/// An answer as kdig shows it; records with single spaces, in lower case but for their data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: String,
    pub flags: Vec<String>,
    pub answer: Vec<String>,
    pub authority: Vec<String>,
    pub text: String,
}

impl Server<'_> {
    /// One query with DO and AD set; none when no answer came.
    pub fn ask(&self, owner: &str, record_type: &str) -> Option<Answer> {
        let port = self.address.port().to_string();
        let at = format!("@{}", self.address.ip());
        let roots = format!("+tls-ca={}", self.roots.display());
        let name = format!("+tls-hostname={}", self.name);
        let mut arguments = vec![at.as_str(), "-p", &port, "+dnssec", "+adflag", "+retry=1"];
        match self.way {
            Way::Udp => arguments.push("+notcp"),
            Way::Tcp => arguments.push("+tcp"),
            Way::Tls => arguments.extend(["+tls", &roots, &name]),
            Way::Https => arguments.extend(["+https=/dns-query", &roots, &name]),
        }
        arguments.extend([owner, record_type]);
        let output = judge("kdig", &arguments)?;
        Answer::parse(&String::from_utf8_lossy(&output.stdout))
    }
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let after = |marker: &str, end: char| {
            let start = text.find(marker)? + marker.len();
            text[start..]
                .split(end)
                .next()
                .map(str::trim)
                .map(str::to_owned)
        };
        let section = |name: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| !line.contains(name)).skip(1);
            let records = lines.take_while(|line| !line.is_empty() && !line.starts_with(";;"));
            records
                .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        Some(Self {
            status: after("opcode: QUERY; status: ", ';')?,
            flags: after("Flags: ", ';')?
                .split(' ')
                .map(str::to_owned)
                .collect(),
            answer: section(";; ANSWER SECTION:"),
            authority: section(";; AUTHORITY SECTION:"),
            text: text.to_owned(),
        })
    }

    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// Data of the only record of this type in the answer section.
    pub fn data(&self, record_type: &str) -> String {
        let marker = format!(" IN {record_type} ");
        let found: Vec<&str> = self
            .answer
            .iter()
            .filter_map(|record| Some(record.split_once(&marker)?.1))
            .collect();
        let [data] = found[..] else {
            panic!("not one {record_type}: {}", self.text);
        };
        data.to_owned()
    }

    /// True for a signed denial: no answer, and SOA and NSEC with their signatures.
    pub fn is_signed_denial(&self) -> bool {
        let has = |part: &str| self.authority.iter().any(|record| record.contains(part));
        self.answer.is_empty()
            && [" IN SOA ", " IN RRSIG SOA ", " IN NSEC ", " IN RRSIG NSEC "]
                .into_iter()
                .all(has)
    }

    /// Types in the bitmap of the NSEC record of this owner (without final dot).
    pub fn bitmap_of(&self, owner: &str) -> Vec<String> {
        let nsec = self.authority.iter().find(|record| {
            record.starts_with(&format!("{owner}. ")) && record.contains(" IN NSEC ")
        });
        let nsec = nsec.unwrap_or_else(|| panic!("no NSEC of {owner}: {}", self.text));
        nsec.split(' ').skip(5).map(str::to_owned).collect()
    }
}

/// What delv says about a name, validating with this trust anchor (a BIND statement).
pub fn delv(server: SocketAddr, anchor: &Path, owner: &str, record_type: &str) -> String {
    delv_below(ZONE, server, anchor, owner, record_type)
}

/// The same with the anchor of another zone, which is above the registry's.
pub fn delv_below(
    root: &str,
    server: SocketAddr,
    anchor: &Path,
    owner: &str,
    record_type: &str,
) -> String {
    let (at, port, root) = (
        format!("@{}", server.ip()),
        server.port().to_string(),
        format!("+root={root}"),
    );
    let anchor = anchor.to_str().unwrap();
    let output = judge(
        "delv",
        &[&at, "-p", &port, "-a", anchor, &root, record_type, owner],
    )
    .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// What openssl prints, having succeeded.
pub fn openssl(arguments: &[&str]) -> String {
    succeed(&judge("openssl", arguments).unwrap())
}

/// SHA-256 of a certificate's DER as openssl computes it: lower-case hex.
pub fn openssl_fingerprint(certificate: &Path) -> String {
    let line = openssl(&[
        "x509",
        "-in",
        certificate.to_str().unwrap(),
        "-noout",
        "-fingerprint",
        "-sha256",
    ]);
    let (_, digest) = line.trim().split_once('=').unwrap();
    digest.replace(':', "").to_ascii_lowercase()
}
