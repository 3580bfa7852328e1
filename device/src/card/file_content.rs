//! Where the content of a file ends: cards pad files, so the content itself must say.

use crate::der;

/// Where the content at the head of a file ends, `None` while that is not in sight.
pub(super) fn content_octets(file: &[u8]) -> Option<usize> {
    match file.first()? {
        b'{' => json_object_octets(file),
        _ => der::sequence_octets(file).filter(|octets| *octets <= file.len()),
    }
}

/// Length of the JSON object at the head of `text`: up to the brace that closes the first one.
fn json_object_octets(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    for (place, octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_object_ends_at_its_own_brace() {
        assert_eq!(json_object_octets(b"{}\0\0"), Some(2));
        assert_eq!(json_object_octets(br#"{"a":{"b":"}\"}"}}}"#), Some(18));
        assert_eq!(json_object_octets(br#"{"a":"}"#), None);
    }

    #[test]
    fn a_certificate_ends_at_its_own_length() {
        assert_eq!(content_octets(&[0x30, 1, 5, 0, 0]), Some(3));
        assert_eq!(content_octets(&[0x30, 3, 5]), None);
        assert_eq!(content_octets(&[0; 255]), None);
    }
}
