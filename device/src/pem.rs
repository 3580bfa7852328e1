//! PEM (RFC 7468), written only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Characters in a line (RFC 7468 §2).
const LINE_CHARACTERS: usize = 64;

/// The PEM text of one DER object; `label` as in `CERTIFICATE`.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE_CHARACTERS) {
        pem.extend(line.iter().map(|octet| char::from(*octet)));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
