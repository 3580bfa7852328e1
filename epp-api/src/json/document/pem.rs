//! Certificates in text (RFC 7468): DER octets in base64 between two lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
const END: &str = "-----END CERTIFICATE-----\n";
/// Characters of a line (RFC 7468 §2).
const LINE_CHARACTERS: usize = 64;

/// Writes certificates one behind the other.
pub(crate) fn write<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for der in certificates {
        text.push_str(BEGIN);
        let base64 = STANDARD.encode(der);
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(rest.len().min(LINE_CHARACTERS));
            text.push_str(line);
            text.push('\n');
            rest = behind;
        }
        text.push_str(END);
    }
    text
}

/// Reads what [`write()`] has written; none when the text is anything else.
pub(crate) fn read(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut certificates = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (body, behind) = rest.strip_prefix(BEGIN)?.split_once(END)?;
        let base64: String = body.split('\n').collect();
        certificates.push(STANDARD.decode(base64).ok()?);
        rest = behind;
    }
    Some(certificates)
}

/// Reads exactly one certificate.
pub(crate) fn read_one(text: &str) -> Option<Vec<u8>> {
    let mut certificates = read(text)?;
    let one = certificates.pop()?;
    certificates.is_empty().then_some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_as_written() {
        let der: Vec<Vec<u8>> = [0, 1, 47, 48, 49, 500].map(|length| vec![7; length]).into();
        let text = write(der.iter().map(Vec::as_slice));
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(read(&text), Some(der));
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(read_one(&write([&[1, 2][..]])), Some(vec![1, 2]));
    }

    #[test]
    fn other_texts_are_none() {
        let one = write([&[1, 2][..]]);
        for bad in [
            "x".to_owned(),
            format!(" {one}"),
            format!("{one}x"),
            one.replace("AQI=", "AQI"),
            one.replace("END", "FIN"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        assert_eq!(read_one(""), None);
        assert_eq!(read_one(&format!("{one}{one}")), None);
    }
}
