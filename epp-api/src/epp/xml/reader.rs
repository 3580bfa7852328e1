//! Pulls one document apart, element by element, in the order of the schema.
//!
//! The caller enters an element, takes its attributes, reads its children or its value, and leaves it;
//! whatever it did not ask for is an error by then: nothing is skipped or guessed.

use std::mem;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, PrefixDeclaration, ResolveResult};
use quick_xml::reader::NsReader;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::epp::namespace::{Name, SCHEMA_INSTANCE};
use crate::epp::read_error::{ReadError, excerpt};
use crate::epp::xml::scan::{admit, is_xml_character};
use crate::epp::xml::{DocumentLimits, Value};

/// Attributes that say where schemas are; they may stand anywhere and mean nothing here.
const SCHEMA_HINTS: [&str; 2] = ["schemaLocation", "noNamespaceSchemaLocation"];

/// Room for a value at first: every password and authInfo, whatever its characters.
const VALUE_OCTETS_EXPECTED: usize = 512;

/// A document and the place up to which it was read.
pub(crate) struct XmlReader<'x> {
    parser: NsReader<&'x [u8]>,
    /// What follows in the present element.
    next: Next,
    /// Attributes of the element entered last that nobody took yet.
    attributes: Vec<Attribute>,
    /// Elements entered and not left.
    depth: usize,
    /// Elements read so far.
    elements: usize,
}

/// What follows in the present element, white space and comments left out.
enum Next {
    /// Nobody looked yet.
    Unread,
    /// A child, whose start tag was read.
    Child(Start),
    /// The element's end, whose tag was read; outside the root, the document's end.
    End,
}

/// A start tag.
struct Start {
    namespace: String,
    local: String,
    attributes: Vec<Attribute>,
}

struct Attribute {
    namespace: String,
    local: String,
    value: Zeroizing<String>,
}

impl Start {
    fn is(&self, name: Name) -> bool {
        self.namespace == name.namespace && self.local == name.local
    }
}

impl<'x> XmlReader<'x> {
    /// Looks the document over; the first element to enter is its root.
    pub(crate) fn open(document: &'x [u8], limits: DocumentLimits) -> Result<Self, ReadError> {
        let mut parser = NsReader::from_str(admit(document, limits)?);
        let config = parser.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        config.check_end_names = true;
        Ok(Self {
            parser,
            next: Next::Unread,
            attributes: Vec::new(),
            depth: 0,
            elements: 0,
        })
    }

    /// Elements read so far: what the work is measured by.
    pub(crate) fn elements(&self) -> usize {
        self.elements
    }

    /// Namespace and local name of the next child; none at the end of the present element.
    pub(crate) fn peek(&mut self) -> Result<Option<(&str, &str)>, ReadError> {
        let child = self.child()?;
        Ok(child.map(|start| (start.namespace.as_str(), start.local.as_str())))
    }

    /// Enters the next child if it has this name.
    pub(crate) fn try_enter(&mut self, name: Name) -> Result<bool, ReadError> {
        if !self.child()?.is_some_and(|start| start.is(name)) {
            return Ok(false);
        }
        if let Next::Child(start) = mem::replace(&mut self.next, Next::Unread) {
            self.attributes = start.attributes;
        }
        self.depth += 1;
        Ok(true)
    }

    /// Enters the next child, which has to have this name.
    pub(crate) fn enter(&mut self, name: Name) -> Result<(), ReadError> {
        if self.try_enter(name)? {
            return Ok(());
        }
        Err(match self.child()? {
            Some(start) if start.namespace != name.namespace => unexpected(start),
            // Another element of the same schema: most likely this one was forgotten before it.
            _ => ReadError::MissingElement {
                element: name.local,
            },
        })
    }

    /// Leaves the present element, which has to have no further child.
    pub(crate) fn leave(&mut self) -> Result<(), ReadError> {
        if let Some(start) = self.child()? {
            return Err(unexpected(start));
        }
        self.next = Next::Unread;
        self.depth -= 1;
        Ok(())
    }

    /// The whole text of the element entered last, which is left by this.
    pub(crate) fn value(&mut self, name: &'static str) -> Result<Value, ReadError> {
        self.refuse_attributes()?;
        // Enough for every secret, so that none is left behind where the text grew.
        let mut text = Zeroizing::new(String::with_capacity(VALUE_OCTETS_EXPECTED));
        loop {
            match self.event()? {
                Event::Text(part) => {
                    if part.contains("]]>") {
                        return Err(self.not_well_formed());
                    }
                    text.push_str(&part.xml10_content());
                }
                Event::GeneralRef(reference) => text.push(resolve(&reference)?),
                Event::Comment(_) => {
                    let element = name.to_owned();
                    return Err(ReadError::CommentInValue { element });
                }
                Event::Start(start) => return Err(unexpected(&self.start(&start)?)),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(Value::new(name, text));
                }
                other => return Err(self.refuse(&other)),
            }
        }
    }

    /// The value of the next child, which has to have this name.
    pub(crate) fn required(&mut self, name: Name) -> Result<Value, ReadError> {
        self.enter(name)?;
        self.value(name.local)
    }

    /// The value of the next child if it has this name.
    pub(crate) fn optional(&mut self, name: Name) -> Result<Option<Value>, ReadError> {
        if !self.try_enter(name)? {
            return Ok(None);
        }
        self.value(name.local).map(Some)
    }

    /// The time in the next child, which has to have this name.
    pub(crate) fn instant(&mut self, name: Name) -> Result<OffsetDateTime, ReadError> {
        self.required(name)?.instant()
    }

    /// The time in the next child if it has this name.
    pub(crate) fn optional_instant(
        &mut self,
        name: Name,
    ) -> Result<Option<OffsetDateTime>, ReadError> {
        self.optional(name)?
            .map(|value| value.instant())
            .transpose()
    }

    /// Whether the next child is an empty element of this name, which is then read.
    pub(crate) fn flag(&mut self, name: Name) -> Result<bool, ReadError> {
        let there = self.try_enter(name)?;
        if there {
            self.leave()?;
        }
        Ok(there)
    }

    /// Takes an attribute (without namespace) of the element entered last.
    pub(crate) fn attribute(&mut self, name: &'static str) -> Option<Value> {
        let is_it =
            |attribute: &Attribute| attribute.namespace.is_empty() && attribute.local == name;
        let place = self.attributes.iter().position(is_it)?;
        Some(Value::new(name, self.attributes.swap_remove(place).value))
    }

    /// Takes an attribute that has to be there.
    pub(crate) fn required_attribute(&mut self, name: &'static str) -> Result<Value, ReadError> {
        let missing = ReadError::MissingAttribute { attribute: name };
        self.attribute(name).ok_or(missing)
    }

    /// Reads over the next child with everything in it.
    pub(crate) fn skip(&mut self) -> Result<(), ReadError> {
        if self.child()?.is_none() {
            return Ok(());
        }
        self.next = Next::Unread;
        let mut open = 1_usize;
        while open > 0 {
            match self.event()? {
                Event::Start(_) => {
                    self.elements += 1;
                    open += 1;
                }
                Event::End(_) => open -= 1,
                Event::Eof => return Err(self.not_well_formed()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The end of the document, behind its root.
    pub(crate) fn finish(mut self) -> Result<(), ReadError> {
        self.child()?.map_or(Ok(()), |start| Err(unexpected(start)))
    }

    /// The next child, reading as far as its start tag or the end of the present element.
    fn child(&mut self) -> Result<Option<&Start>, ReadError> {
        self.refuse_attributes()?;
        while matches!(self.next, Next::Unread) {
            match self.event()? {
                Event::Start(start) => self.next = Next::Child(self.start(&start)?),
                Event::Text(text) if is_white_space(&text) => {}
                Event::Comment(_) => {}
                Event::Text(_) | Event::GeneralRef(_) => return Err(ReadError::UnexpectedText),
                Event::Decl(declaration) => check_declaration(&declaration)?,
                Event::End(_) if self.depth > 0 => self.next = Next::End,
                Event::Eof if self.depth == 0 => self.next = Next::End,
                other => return Err(self.refuse(&other)),
            }
        }
        Ok(match &self.next {
            Next::Child(start) => Some(start),
            Next::Unread | Next::End => None,
        })
    }

    fn event(&mut self) -> Result<Event<'x>, ReadError> {
        self.parser.read_event().map_err(|error| match error {
            quick_xml::Error::Namespace(_) => ReadError::Namespace,
            _ => self.not_well_formed(),
        })
    }

    /// Takes a start tag out of the parser, with its names resolved.
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<Start, ReadError> {
        self.elements += 1;
        let (namespace, local) = self.parser.resolver().resolve_element(tag.name());
        let mut start = Start {
            namespace: resolved(namespace)?,
            local: local.as_ref().to_owned(),
            attributes: Vec::new(),
        };
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| self.not_well_formed())?;
            match attribute.key.as_namespace_binding() {
                // The parser would take it for the default namespace.
                Some(PrefixDeclaration::Named("")) => return Err(ReadError::Namespace),
                Some(_) => continue,
                None => {}
            }
            let (namespace, local) = self.parser.resolver().resolve_attribute(attribute.key);
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|_| ReadError::UndefinedEntity)?;
            if !value.chars().all(is_xml_character) {
                return Err(ReadError::ForbiddenCharacter);
            }
            start.attributes.push(Attribute {
                namespace: resolved(namespace)?,
                local: local.as_ref().to_owned(),
                value: Zeroizing::new(value.into_owned()),
            });
        }
        Ok(start)
    }

    /// Attributes that nobody took are unknown ones; the same name twice is left over too.
    fn refuse_attributes(&mut self) -> Result<(), ReadError> {
        self.attributes.retain(|attribute| {
            attribute.namespace != SCHEMA_INSTANCE
                || !SCHEMA_HINTS.contains(&attribute.local.as_str())
        });
        self.attributes.first().map_or(Ok(()), |attribute| {
            let attribute = excerpt(&attribute.local);
            Err(ReadError::UnexpectedAttribute { attribute })
        })
    }

    fn refuse(&self, event: &Event<'_>) -> ReadError {
        match event {
            Event::CData(_) => ReadError::CharacterDataSection,
            Event::PI(_) => ReadError::ProcessingInstruction,
            Event::DocType(_) => ReadError::DocumentType,
            _ => self.not_well_formed(),
        }
    }

    fn not_well_formed(&self) -> ReadError {
        let offset = usize::try_from(self.parser.buffer_position()).unwrap_or(usize::MAX);
        ReadError::NotWellFormed { offset }
    }
}

fn unexpected(start: &Start) -> ReadError {
    let element = excerpt(&start.local);
    ReadError::UnexpectedElement { element }
}

fn resolved(namespace: ResolveResult<'_>) -> Result<String, ReadError> {
    match namespace {
        ResolveResult::Bound(Namespace(namespace)) => Ok(namespace.to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(_) => Err(ReadError::Namespace),
    }
}

fn is_white_space(text: &str) -> bool {
    let is_space = |octet| matches!(octet, b' ' | b'\t' | b'\n' | b'\r');
    text.bytes().all(is_space)
}

/// A character reference, or one of the five entities of XML.
fn resolve(reference: &BytesRef<'_>) -> Result<char, ReadError> {
    let character = match &**reference {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let character = reference.resolve_char_ref();
            let character = character.map_err(|_| ReadError::ForbiddenCharacter)?;
            character.ok_or(ReadError::UndefinedEntity)?
        }
    };
    if is_xml_character(character) {
        Ok(character)
    } else {
        Err(ReadError::ForbiddenCharacter)
    }
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), ReadError> {
    let version_is_1_0 = declaration.version().is_ok_and(|version| version == "1.0");
    let encoding_is_utf_8 = match declaration.encoding() {
        None => true,
        Some(encoding) => encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("UTF-8")),
    };
    if version_is_1_0 && encoding_is_utf_8 {
        Ok(())
    } else {
        Err(ReadError::Declaration)
    }
}
