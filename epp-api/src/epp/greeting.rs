//! `<greeting>` (RFC 5730 §2.4): who we are, what can be logged in for, and what becomes of data.

use time::OffsetDateTime;

use crate::epp::namespace::{EXTENSIONS, Name, OBJECTS, epp};
use crate::epp::reason::short_token;
use crate::epp::xml::{XmlWriter, instant};

/// The protocol version.
pub const VERSION: &str = "1.0";
/// The language of messages.
pub const LANGUAGE: &str = "en";

/// The greeting of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    server_id: String,
}

impl Greeting {
    /// A greeting with this name of the server (`svID`, 3 to 64 characters; none when the text,
    /// without white space at its ends, has fewer; cut when it has more).
    pub fn new(server_id: &str) -> Option<Self> {
        let server_id = short_token(server_id, 64);
        (server_id.chars().count() >= 3).then_some(Self { server_id })
    }

    /// The document, at this time.
    pub fn write(&self, now: OffsetDateTime) -> String {
        XmlWriter::document(epp("epp"), |writer| {
            writer.within(epp("greeting"), &[], |writer| {
                writer.element(epp("svID"), &self.server_id);
                writer.element(epp("svDate"), &instant(now));
                write_services(writer);
                write_data_collection_policy(writer);
            });
        })
    }
}

fn write_services(writer: &mut XmlWriter) {
    writer.within(epp("svcMenu"), &[], |writer| {
        writer.element(epp("version"), VERSION);
        writer.element(epp("lang"), LANGUAGE);
        for uri in OBJECTS {
            writer.element(epp("objURI"), uri);
        }
        writer.within(epp("svcExtension"), &[], |writer| {
            for uri in EXTENSIONS {
                writer.element(epp("extURI"), uri);
            }
        });
    });
}

/// No data of natural persons: access to all of it, for provisioning and administration, by us and
/// (the DNS) by everybody, for as long as the business goes.
fn write_data_collection_policy(writer: &mut XmlWriter) {
    let choice = |writer: &mut XmlWriter, name: Name, chosen: &[&'static str]| {
        writer.within(name, &[], |writer| {
            for chosen in chosen {
                writer.empty(epp(chosen), &[]);
            }
        });
    };
    writer.within(epp("dcp"), &[], |writer| {
        choice(writer, epp("access"), &["all"]);
        writer.within(epp("statement"), &[], |writer| {
            choice(writer, epp("purpose"), &["admin", "prov"]);
            choice(writer, epp("recipient"), &["ours", "public"]);
            choice(writer, epp("retention"), &["business"]);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_id_has_3_to_64_characters() {
        assert_eq!(Greeting::new(" ab "), None);
        let long = Greeting::new(&"r".repeat(70)).unwrap();
        assert_eq!(long.server_id.len(), 64);
        let greeting = Greeting::new("IoT \n registry").unwrap();
        let document = greeting.write(OffsetDateTime::UNIX_EPOCH);
        assert!(document.contains("<svID>IoT registry</svID>"));
        assert!(document.contains("<svDate>1970-01-01T00:00:00Z</svDate>"));
    }
}
