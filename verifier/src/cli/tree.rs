//! The signatures that a verdict rests on, drawn as a tree: each zone below the one that vouches for it,
//! with what its keys signed.

use std::fmt::Write;

use iot_verifier::message::type_name;
use iot_verifier::signature::CheckedSignature;

use super::report::{moment, rfc3339};

/// The tree, a line for each zone and each signature; they come in the order of the chain.
pub(super) fn tree(signatures: &[CheckedSignature], now: i64) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for (index, signature) in signatures.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &signatures[before]);
        if before.is_none_or(|before| before.signer != signature.signer) {
            depth += usize::from(before.is_some());
            let label = if before.is_none() { "chain" } else { "" };
            let branch = if before.is_none() { "" } else { "└─ " };
            let indent = "   ".repeat(depth.saturating_sub(1));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<12} {indent}{branch}{}", signature.signer);
        }
        let indent = "   ".repeat(depth);
        let _ = writeln!(text, "  {:<12} {indent}{}", "", said(signature, now));
    }
    text
}

/// What is signed, by which key, from when until when.
fn said(signature: &CheckedSignature, now: i64) -> String {
    let name = match signature.owner == signature.signer {
        true => String::new(),
        false => format!(" of {}", signature.owner),
    };
    format!(
        "{}{name}: key {} ({}), {} to {}",
        type_name(signature.record_type),
        signature.key_tag,
        algorithm_name(signature.algorithm),
        rfc3339(signature.inception),
        moment(signature.expiration, now)
    )
}

/// Mnemonics of the algorithms that are accepted (RFC 8624 §3.1).
pub(super) fn algorithm_name(algorithm: u8) -> &'static str {
    match algorithm {
        8 => "RSASHA256",
        10 => "RSASHA512",
        13 => "ECDSAP256SHA256",
        14 => "ECDSAP384SHA384",
        15 => "ED25519",
        _ => "unknown algorithm",
    }
}
