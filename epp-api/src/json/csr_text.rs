//! A certificate request inside JSON: PEM as it is (RFC 7468 §7), or DER in base64 (RFC 4648 §4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::command::CSR_OCTETS_MAX;
use crate::json::refusal::Refusal;
use crate::result_code::ResultCode;

const PEM_BEGIN: &str = "-----BEGIN ";

/// Text for octets that may be either form; [`from_text`] gives back the same octets.
pub(crate) fn to_text(csr: &[u8]) -> String {
    match std::str::from_utf8(csr) {
        Ok(pem) if pem.starts_with(PEM_BEGIN) => pem.to_owned(),
        _ => STANDARD.encode(csr),
    }
}

/// The octets that the client meant; whether they are a good request is the registry's to say.
pub(super) fn from_text(text: &str) -> Result<Vec<u8>, Refusal> {
    if text.starts_with(PEM_BEGIN) {
        return bounded(text.as_bytes().to_vec());
    }
    if text.len() > CSR_OCTETS_MAX.div_ceil(3) * 4 {
        return Err(too_long());
    }
    let der = STANDARD.decode(text).unwrap_or_default();
    if der.is_empty() {
        return Err(Refusal::new(
            ResultCode::ParameterSyntax,
            "the csr is neither PEM beginning with -----BEGIN nor base64 (padded, without line breaks) of DER",
        )
        .at("$.csr"));
    }
    bounded(der)
}

fn bounded(csr: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    if csr.len() > CSR_OCTETS_MAX {
        return Err(too_long());
    }
    Ok(csr)
}

fn too_long() -> Refusal {
    let reason = format!("the csr is longer than {CSR_OCTETS_MAX} octets");
    Refusal::new(ResultCode::ParameterRange, reason).at("$.csr")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_back_as_they_were() {
        let pem = b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n";
        for csr in [
            &pem[..],
            b"\x30\x82\x01\x00",
            b"Certificate Request:\n",
            &[0xff; 16384],
        ] {
            assert_eq!(from_text(&to_text(csr)).unwrap(), csr);
        }
    }

    #[test]
    fn length_is_bounded_in_both_forms() {
        let pem = format!("{PEM_BEGIN}{}", "A".repeat(CSR_OCTETS_MAX));
        for text in [
            pem,
            STANDARD.encode(vec![1; CSR_OCTETS_MAX + 1]),
            "A".repeat(60_000),
        ] {
            let refusal = from_text(&text).unwrap_err();
            assert_eq!(refusal.problem.code, ResultCode::ParameterRange);
            assert_eq!(refusal.problem.paths, ["$.csr"]);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "MII",
            "MIIB\nMIIB",
            "MIIB MIIB",
            " -----BEGIN X-----",
            "_-_-",
            "\0\0\0\0",
        ] {
            let refusal = from_text(text).unwrap_err();
            assert_eq!(
                refusal.problem.code,
                ResultCode::ParameterSyntax,
                "{text:?}"
            );
        }
    }
}
