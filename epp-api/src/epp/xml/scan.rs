//! The look at a document before it is parsed: one pass over its octets, without memory.
//!
//! It decides nothing about well-formedness that the parser decides too; it makes sure that the
//! parser is never given what could cost more than it is worth.

use crate::epp::read_error::ReadError;
use crate::epp::xml::{ATTRIBUTES_MAX, DEPTH_MAX, DocumentLimits};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The document as text without byte order mark, when it is within all limits.
pub(super) fn admit(octets: &[u8], limits: DocumentLimits) -> Result<&str, ReadError> {
    if octets.len() > limits.octets_max {
        return Err(ReadError::TooLong);
    }
    let octets = octets.strip_prefix(BYTE_ORDER_MARK).unwrap_or(octets);
    let text = std::str::from_utf8(octets).map_err(|error| ReadError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    // UTF-16 of ASCII without a mark is valid UTF-8 full of NUL.
    if let Some(offset) = octets.iter().position(|octet| *octet == 0) {
        return Err(ReadError::NotUtf8 { offset });
    }
    if !text.chars().all(is_xml_character) {
        return Err(ReadError::ForbiddenCharacter);
    }
    Scan {
        octets,
        position: 0,
        elements: 0,
        elements_max: limits.elements_max,
        depth: 0,
    }
    .run()?;
    Ok(text)
}

/// Whether XML 1.0 §2.2 allows the character.
pub(crate) fn is_xml_character(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => character >= ' ',
    }
}

struct Scan<'x> {
    octets: &'x [u8],
    position: usize,
    elements: usize,
    elements_max: usize,
    depth: usize,
}

impl Scan<'_> {
    fn run(mut self) -> Result<(), ReadError> {
        while let Some(distance) = find(&self.octets[self.position..], b"<") {
            self.position += distance;
            let markup = &self.octets[self.position..];
            if markup.starts_with(b"<!--") {
                self.skip_past(4, b"-->")?;
            } else if markup.starts_with(b"<![CDATA[") {
                return Err(ReadError::CharacterDataSection);
            } else if markup.starts_with(b"<!") {
                return Err(ReadError::DocumentType);
            } else if markup.starts_with(b"<?") {
                self.declaration()?;
            } else if markup.starts_with(b"</") {
                self.depth = self.depth.checked_sub(1).ok_or(self.not_well_formed())?;
                self.skip_past(2, b">")?;
            } else {
                self.start_tag()?;
            }
        }
        Ok(())
    }

    /// Only the XML declaration looks like a processing instruction and is none.
    fn declaration(&mut self) -> Result<(), ReadError> {
        let is_declaration = self.position == 0
            && self.octets.starts_with(b"<?xml")
            && self.octets.get(5).is_some_and(u8::is_ascii_whitespace);
        if !is_declaration {
            return Err(ReadError::ProcessingInstruction);
        }
        self.skip_past(5, b"?>")
    }

    fn start_tag(&mut self) -> Result<(), ReadError> {
        self.elements += 1;
        if self.elements > self.elements_max {
            return Err(ReadError::TooManyElements);
        }
        let (mut attributes, mut quote, mut previous) = (0, None, b'<');
        for (offset, &octet) in self.octets[self.position..].iter().enumerate().skip(1) {
            match (quote, octet) {
                (_, b'<') => return Err(self.not_well_formed()),
                (Some(open), _) if open == octet => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => {
                    attributes += 1;
                    quote = Some(octet);
                }
                (None, b'>') => {
                    self.position += offset + 1;
                    return self.opened(previous == b'/');
                }
                // A value ends in white space or in the tag's end; the parser would not mind.
                (None, _) if matches!(previous, b'"' | b'\'') && !follows_value(octet) => {
                    return Err(self.not_well_formed());
                }
                (None, _) => {}
            }
            if attributes > ATTRIBUTES_MAX {
                return Err(ReadError::TooManyAttributes);
            }
            // Inside a value the closing quote alone is of interest.
            previous = octet;
        }
        Err(self.not_well_formed())
    }

    fn opened(&mut self, empty: bool) -> Result<(), ReadError> {
        if self.depth == DEPTH_MAX {
            return Err(ReadError::TooDeep);
        }
        self.depth += usize::from(!empty);
        Ok(())
    }

    fn skip_past(&mut self, begin: usize, end: &[u8]) -> Result<(), ReadError> {
        let rest = self.octets.get(self.position + begin..).unwrap_or(&[]);
        let distance = find(rest, end).ok_or(self.not_well_formed())?;
        self.position += begin + distance + end.len();
        Ok(())
    }

    fn not_well_formed(&self) -> ReadError {
        ReadError::NotWellFormed {
            offset: self.position,
        }
    }
}

fn follows_value(octet: u8) -> bool {
    octet.is_ascii_whitespace() || octet == b'/'
}

fn find(octets: &[u8], pattern: &[u8]) -> Option<usize> {
    octets
        .windows(pattern.len())
        .position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epp::framing::FRAME_OCTETS_MAX;
    use crate::epp::xml::ELEMENTS_MAX;

    fn admitted(document: &[u8]) -> Result<&str, ReadError> {
        admit(document, DocumentLimits::COMMANDS)
    }

    fn refused(document: &[u8]) -> ReadError {
        admitted(document).unwrap_err()
    }

    #[test]
    fn limits_hold_exactly() {
        let attributes = |count| format!("<a{}/>", " b='='".repeat(count));
        assert!(admitted(attributes(ATTRIBUTES_MAX).as_bytes()).is_ok());
        let beyond = refused(attributes(ATTRIBUTES_MAX + 1).as_bytes());
        assert_eq!(beyond, ReadError::TooManyAttributes);

        let nested = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(admitted(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(
            refused(nested(DEPTH_MAX + 1).as_bytes()),
            ReadError::TooDeep
        );
        let leaf = format!("{}<a/>", "<a>".repeat(DEPTH_MAX));
        assert_eq!(refused(leaf.as_bytes()), ReadError::TooDeep);

        let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
        assert!(admitted(many(ELEMENTS_MAX).as_bytes()).is_ok());
        let beyond = refused(many(ELEMENTS_MAX + 1).as_bytes());
        assert_eq!(beyond, ReadError::TooManyElements);

        let long = " ".repeat(FRAME_OCTETS_MAX + 1);
        assert_eq!(refused(long.as_bytes()), ReadError::TooLong);
    }

    #[test]
    fn other_encodings_are_refused() {
        let utf_16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(refused(&utf_16), ReadError::NotUtf8 { offset: 0 });
        let utf_16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(refused(&utf_16), ReadError::NotUtf8 { offset: 1 });
        for (document, offset) in [
            (&b"\xfe\xff\0<\0a"[..], 0),
            (b"\xff\xfe<\0a\0", 0),
            (b"<a>\xc0\xaf</a>", 3),
            (b"<a>\xed\xa0\x80</a>", 3),
            (b"<a>\0</a>", 3),
        ] {
            assert_eq!(refused(document), ReadError::NotUtf8 { offset });
        }
        assert_eq!(admitted(b"\xef\xbb\xbf<a/>"), Ok("<a/>"));
    }

    #[test]
    fn markup_that_is_no_element_is_refused_by_cause() {
        for (document, error) in [
            (
                "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
                ReadError::DocumentType,
            ),
            ("<a/><!ENTITY b 'c'>", ReadError::DocumentType),
            ("<a><![CDATA[b]]></a>", ReadError::CharacterDataSection),
            (
                "<?xml-stylesheet href='b'?><a/>",
                ReadError::ProcessingInstruction,
            ),
            (
                "<a/><?xml version='1.0'?>",
                ReadError::ProcessingInstruction,
            ),
            ("<a>\u{1}</a>", ReadError::ForbiddenCharacter),
            ("<a>\u{ffff}</a>", ReadError::ForbiddenCharacter),
        ] {
            assert_eq!(refused(document.as_bytes()), error, "{document}");
        }
        for torn in [
            "<",
            "<a",
            "<a b='",
            "<!-- a",
            "<a b='<'/>",
            "<a b='c'd='e'/>",
            "</a>",
        ] {
            let error = refused(torn.as_bytes());
            assert!(matches!(error, ReadError::NotWellFormed { .. }), "{torn}");
        }
    }
}
