//! Writes one document: every element that is opened is closed, every text is escaped, and every
//! namespace is declared where it begins.

use time::{OffsetDateTime, UtcOffset};

use crate::epp::namespace::Name;
use crate::epp::xml::is_xml_character;

/// Room for a document at first: every login and most answers, so that no password is left behind
/// where the text grew.
const DOCUMENT_OCTETS_EXPECTED: usize = 4 * 1024;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n";

/// A document being written.
pub(crate) struct XmlWriter {
    text: String,
    /// Namespaces of the open elements.
    namespaces: Vec<&'static str>,
}

impl XmlWriter {
    /// The document with this root.
    pub(crate) fn document(root: Name, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self {
            text: String::with_capacity(DOCUMENT_OCTETS_EXPECTED),
            namespaces: Vec::new(),
        };
        writer.text.push_str(DECLARATION);
        writer.within(root, &[], content);
        writer.text
    }

    /// An element with children.
    pub(crate) fn within(
        &mut self,
        name: Name,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        self.text.push('>');
        self.namespaces.push(name.namespace);
        content(self);
        self.namespaces.pop();
        self.text.push_str("</");
        self.qualified(name);
        self.text.push('>');
    }

    /// An element with text and attributes.
    pub(crate) fn text(&mut self, name: Name, attributes: &[(&str, &str)], text: &str) {
        if text.is_empty() {
            return self.empty(name, attributes);
        }
        self.within(name, attributes, |writer| writer.escaped(text, false));
    }

    /// An element with text.
    pub(crate) fn element(&mut self, name: Name, text: &str) {
        self.text(name, &[], text);
    }

    /// An element with text, where there is one.
    pub(crate) fn optional(&mut self, name: Name, text: Option<&str>) {
        if let Some(text) = text {
            self.element(name, text);
        }
    }

    /// An element with a time (`dateTime`), where there is one.
    pub(crate) fn optional_instant(&mut self, name: Name, time: Option<OffsetDateTime>) {
        if let Some(time) = time {
            self.element(name, &instant(time));
        }
    }

    /// An element without content.
    pub(crate) fn empty(&mut self, name: Name, attributes: &[(&str, &str)]) {
        self.open(name, attributes);
        self.text.push_str("/>");
    }

    fn open(&mut self, name: Name, attributes: &[(&str, &str)]) {
        self.text.push('<');
        self.qualified(name);
        if !self.namespaces.contains(&name.namespace) {
            self.text.push_str(" xmlns");
            if let Some(prefix) = name.prefix() {
                self.text.push(':');
                self.text.push_str(prefix);
            }
            self.text.push_str("=\"");
            self.escaped(name.namespace, true);
            self.text.push('"');
        }
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            self.escaped(value, true);
            self.text.push('"');
        }
    }

    fn qualified(&mut self, name: Name) {
        if let Some(prefix) = name.prefix() {
            self.text.push_str(prefix);
            self.text.push(':');
        }
        self.text.push_str(name.local);
    }

    /// In attributes white space has to be referred to, or it comes back as spaces.
    fn escaped(&mut self, text: &str, in_attribute: bool) {
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '\r' => self.text.push_str("&#13;"),
                '"' if in_attribute => self.text.push_str("&quot;"),
                '\n' if in_attribute => self.text.push_str("&#10;"),
                '\t' if in_attribute => self.text.push_str("&#9;"),
                other if is_xml_character(other) => self.text.push(other),
                _ => self.text.push('\u{fffd}'),
            }
        }
    }
}

/// A time as `dateTime` in UTC, to the second; years outside 1 to 9999 become the nearest of them.
pub(crate) fn instant(time: OffsetDateTime) -> String {
    let utc = time.checked_to_offset(UtcOffset::UTC).unwrap_or(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        utc.year().clamp(1, 9999),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epp::namespace::{device, epp};
    use crate::epp::xml::{DocumentLimits, XmlReader};

    #[test]
    fn every_text_comes_back_through_the_reader() {
        for text in [
            "<a>&amp;]]>",
            "\"'\t\n\r\r\n ",
            "ä\u{202e}🦀",
            "&#0;",
            "</epp>",
        ] {
            let document = XmlWriter::document(epp("epp"), |writer| {
                writer.text(device("id"), &[("a", text)], text);
            });
            let mut reader =
                XmlReader::open(document.as_bytes(), DocumentLimits::COMMANDS).unwrap();
            reader.enter(epp("epp")).unwrap();
            reader.enter(device("id")).unwrap();
            let attribute = reader.attribute("a").unwrap();
            let value = reader.value("id").unwrap();
            reader.leave().unwrap();
            reader.finish().unwrap();
            assert_eq!(attribute.raw(), text);
            assert_eq!(value.raw(), text);
        }
    }

    #[test]
    fn characters_that_xml_does_not_allow_are_replaced() {
        let document = XmlWriter::document(epp("a"), |writer| {
            writer.element(epp("b"), "x\0\u{1b}\u{ffff}y");
        });
        assert!(document.ends_with("<b>x\u{fffd}\u{fffd}\u{fffd}y</b></a>"));
    }

    #[test]
    fn namespaces_are_declared_where_they_begin() {
        let document = XmlWriter::document(epp("a"), |writer| {
            writer.within(device("b"), &[], |writer| {
                writer.empty(device("c"), &[]);
                writer.empty(epp("d"), &[]);
            });
            writer.empty(device("e"), &[]);
        });
        assert_eq!(document.matches("xmlns:device=").count(), 2);
        assert_eq!(document.matches("xmlns=").count(), 1);
    }

    #[test]
    fn instants_are_utc_to_the_second() {
        let time = time::macros::datetime!(2026-11-22 01:02:03.456 +02:00);
        assert_eq!(instant(time), "2026-11-21T23:02:03Z");
        let before_all = time::macros::datetime!(-0005-01-01 00:00 UTC);
        assert_eq!(instant(before_all), "0001-01-01T00:00:00Z");
    }
}
