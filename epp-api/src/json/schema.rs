//! What documents look like, as data: the OpenAPI description is written from it, and tests hold it
//! against the types that documents are read and written with.

use serde_json::{Map, Value, json};

/// What a value may be.
#[derive(Clone, Copy)]
pub(crate) enum Schema {
    /// A string.
    Text(&'static Text),
    /// One of these strings.
    Names(fn() -> Vec<&'static str>),
    /// A whole number.
    Whole {
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// true or false.
    Boolean,
    /// An array.
    List {
        /// Its items.
        of: &'static Schema,
        /// Fewest of them.
        fewest: usize,
        /// Most of them, where that is bounded.
        most: Option<usize>,
    },
    /// An object.
    Document(&'static Document),
}

/// A kind of string.
pub(crate) struct Text {
    /// Name of the format: registered with JSON Schema, or ours.
    pub(crate) format: Option<&'static str>,
    /// Regular expression for the whole of it.
    pub(crate) pattern: Option<&'static str>,
    /// Most characters, where that is bounded.
    pub(crate) most: Option<usize>,
    /// One of them.
    pub(crate) example: &'static str,
}

/// A kind of object.
pub(crate) struct Document {
    /// Its name in the description.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    /// Its members.
    pub(crate) members: &'static [Member],
    /// Whether it has exactly one of its members.
    pub(crate) is_choice: bool,
}

/// A member of an object.
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) schema: Schema,
    /// Whether it has to be there.
    pub(crate) required: bool,
    /// What it says.
    pub(crate) about: &'static str,
}

/// A member that has to be there.
pub(crate) const fn required(name: &'static str, schema: Schema, about: &'static str) -> Member {
    Member {
        name,
        schema,
        required: true,
        about,
    }
}

/// A member that may be absent.
pub(crate) const fn optional(name: &'static str, schema: Schema, about: &'static str) -> Member {
    Member {
        name,
        schema,
        required: false,
        about,
    }
}

/// A string without further rule.
pub(crate) const ANY_TEXT: Schema = Schema::Text(&Text {
    format: None,
    pattern: None,
    most: None,
    example: "text",
});
/// A number without sign.
pub(crate) const ANY_NUMBER: Schema = Schema::Whole {
    least: 0,
    most: u64::MAX,
};
/// A moment (RFC 3339).
pub(crate) const TIMESTAMP: Schema = Schema::Text(&Text {
    format: Some("date-time"),
    pattern: None,
    most: None,
    example: "2026-11-22T01:00:00Z",
});
/// Certificates (RFC 7468).
pub(crate) const PEM: Schema = Schema::Text(&Text {
    format: Some("pem"),
    pattern: None,
    most: None,
    example: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
});

impl Document {
    /// An object with these members.
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        members: &'static [Member],
    ) -> Self {
        Self {
            name,
            about,
            members,
            is_choice: false,
        }
    }

    /// An object with exactly one of these members.
    pub(crate) const fn choice(
        name: &'static str,
        about: &'static str,
        members: &'static [Member],
    ) -> Self {
        Self {
            name,
            about,
            members,
            is_choice: true,
        }
    }

    /// Reference to the document within the description.
    pub(crate) fn reference(&self) -> Value {
        json!({ "$ref": format!("#/components/schemas/{}", self.name) })
    }

    /// Writes the document, and those that it refers to, as JSON Schemas.
    pub(crate) fn write(&self, into: &mut Map<String, Value>) {
        if into.contains_key(self.name) {
            return;
        }
        let property = |member: &Member| {
            let mut schema = member.schema.to_json();
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), member.about.into());
            }
            (member.name.to_owned(), schema)
        };
        let properties: Map<String, Value> = self.members.iter().map(property).collect();
        let required = self.members.iter().filter(|member| member.required);
        let required: Vec<&str> = required.map(|member| member.name).collect();
        let mut schema = json!({
            "type": "object",
            "description": self.about,
            "properties": properties,
            "additionalProperties": false,
        });
        if self.is_choice {
            schema["minProperties"] = 1.into();
            schema["maxProperties"] = 1.into();
        } else if !required.is_empty() {
            schema["required"] = required.into();
        }
        into.insert(self.name.to_owned(), schema);
        for member in self.members {
            member.schema.write_documents(into);
        }
    }
}

impl Schema {
    /// The JSON Schema.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Text(text) => text.to_json(),
            Self::Names(names) => json!({ "type": "string", "enum": names() }),
            Self::Whole { least, most } => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Self::Boolean => json!({ "type": "boolean" }),
            Self::List { of, fewest, most } => {
                let mut schema = json!({ "type": "array", "items": of.to_json() });
                if fewest > 0 {
                    schema["minItems"] = fewest.into();
                }
                if let Some(most) = most {
                    schema["maxItems"] = most.into();
                }
                schema
            }
            Self::Document(document) => document.reference(),
        }
    }

    fn write_documents(self, into: &mut Map<String, Value>) {
        match self {
            Self::Document(document) => document.write(into),
            Self::List { of, .. } => of.write_documents(into),
            Self::Text(_) | Self::Names(_) | Self::Whole { .. } | Self::Boolean => {}
        }
    }
}

impl Text {
    fn to_json(&self) -> Value {
        let mut schema = json!({ "type": "string", "examples": [self.example] });
        if let Some(format) = self.format {
            schema["format"] = format.into();
        }
        if let Some(pattern) = self.pattern {
            schema["pattern"] = pattern.into();
        }
        if let Some(most) = self.most {
            schema["maxLength"] = most.into();
        }
        schema
    }
}
