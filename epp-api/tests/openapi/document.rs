//! A description of a door (OpenAPI 3.1), read as a client would: which requests there are, and which
//! answers to them are documented. Needs nothing but the document, so that any server can be held
//! against its own description.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fmt;

use http::{Method, Request};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use serde_json::{Map, Value, json};

/// A description.
pub(crate) struct Description(Value);

/// An operation of it.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) template: String,
    described: Value,
}

impl fmt::Debug for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.template)
    }
}

/// What an answer to a generated request has to be held against.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) request: Request<Vec<u8>>,
    /// Whether the request keeps to the description.
    pub(crate) is_valid: bool,
}

impl Description {
    pub(crate) fn new(document: Value) -> Self {
        assert_eq!(document["openapi"], "3.1.0");
        Self(document)
    }

    /// Every operation.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        let of_path = |(template, path): (&String, &Value)| {
            let methods = path.as_object().unwrap().iter();
            let operation = |(method, described): (&String, &Value)| Operation {
                method: method.to_ascii_uppercase().parse().unwrap(),
                template: template.clone(),
                described: described.clone(),
            };
            methods.map(operation).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// The operation that a path below the base path belongs to; fixed words go before parameters.
    pub(crate) fn operation_of(&self, method: &Method, path: &str) -> Operation {
        let fits = |template: &str| {
            let segments = template.split('/').count() == path.split('/').count();
            let mut pairs = template.split('/').zip(path.split('/'));
            segments && pairs.all(|(known, given)| known == given || known.starts_with('{'))
        };
        let operations = self.operations().into_iter();
        let found = operations.filter(|one| one.method == *method && fits(&one.template));
        found
            .min_by_key(|one| one.template.matches('{').count())
            .expect("a documented operation")
    }

    /// Requests to an operation below a base path, some of them broken on purpose.
    pub(crate) fn requests(&self, base: &str, operation: &Operation) -> BoxedStrategy<Asked> {
        let parameters = operation.described["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let values: Vec<_> = parameters.iter().map(|one| self.parameter(one)).collect();
        let body = self.body(operation);
        let breakage = prop_oneof![3 => Just(Breakage::None), 2 => any_breakage()];
        let (base, operation) = (base.to_owned(), operation.clone());
        (values, body, breakage)
            .prop_map(move |(values, body, breakage)| {
                let parts = Parts {
                    base: &base,
                    operation: &operation,
                    parameters: &parameters,
                };
                parts.request(values, body, breakage)
            })
            .boxed()
    }

    /// A value of a parameter; none where it may be absent.
    fn parameter(&self, parameter: &Value) -> BoxedStrategy<Option<String>> {
        let value = self
            .value(&parameter["schema"])
            .prop_map(|value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            });
        match parameter["required"] == true {
            true => value.prop_map(Some).boxed(),
            false => prop::option::of(value).boxed(),
        }
    }

    /// A body with its media type.
    fn body(&self, operation: &Operation) -> BoxedStrategy<Option<(String, Vec<u8>)>> {
        let body = &operation.described["requestBody"];
        let Some(content) = body["content"].as_object() else {
            return Just(None).boxed();
        };
        let (media_type, content) = content.iter().next().unwrap();
        let media_type = media_type.clone();
        let is_lines = media_type == "application/x-ndjson";
        let octets = self
            .value(&content["schema"])
            .prop_map(move |value| match value {
                Value::String(text) if is_lines => text.into_bytes(),
                other => other.to_string().into_bytes(),
            });
        octets
            .prop_map(move |octets| Some((media_type.clone(), octets)))
            .boxed()
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').unwrap();
                self.0
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("{reference} leads nowhere"))
            }
            None => schema,
        }
    }

    /// A value that keeps to a schema.
    fn value(&self, schema: &Value) -> BoxedStrategy<Value> {
        let schema = self.resolved(schema).clone();
        if let Some(names) = schema["enum"].as_array() {
            return select(names.clone()).boxed();
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let choices = choices.iter().map(|one| self.value(one));
            return prop::strategy::Union::new(choices).boxed();
        }
        match schema["type"].as_str().unwrap() {
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "integer" => integer(&schema),
            "string" => text(&schema),
            "array" => {
                let fewest = schema["minItems"].as_u64().unwrap_or(0) as usize;
                let items = self.value(&schema["items"]);
                prop::collection::vec(items, fewest..fewest + 3)
                    .prop_map(Value::from)
                    .boxed()
            }
            "object" => self.object(&schema),
            other => panic!("no value of type {other}"),
        }
    }

    fn object(&self, schema: &Value) -> BoxedStrategy<Value> {
        let properties = schema["properties"].as_object().unwrap();
        let member = |(name, schema): (&String, &Value)| {
            let name = name.clone();
            self.value(schema)
                .prop_map(move |value| (name.clone(), value))
                .boxed()
        };
        let members: Vec<_> = properties.iter().map(member).collect();
        if schema["maxProperties"] == 1 {
            let one = prop::strategy::Union::new(members);
            return one.prop_map(|(name, value)| json!({ name: value })).boxed();
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let kept = prop::collection::vec(any::<bool>(), members.len());
        (members, kept)
            .prop_map(move |(members, kept)| {
                let pairs = members.into_iter().zip(kept);
                let pairs = pairs.filter(|((name, _), kept)| {
                    *kept || required.contains(&Value::from(name.as_str()))
                });
                Value::Object(pairs.map(|(member, _)| member).collect())
            })
            .boxed()
    }

    /// Why a value does not keep to a schema; none when it does.
    pub(crate) fn fault(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = self.resolved(schema);
        let fault = |what: &str| Some(format!("{what}: {value} against {schema}"));
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices
                .iter()
                .filter(|one| self.fault(one, value).is_none());
            return match fitting.count() {
                1 => None,
                _ => fault("not exactly one of the choices"),
            };
        }
        if let Some(names) = schema["enum"].as_array()
            && !names.contains(value)
        {
            return fault("none of the names");
        }
        match (schema["type"].as_str().unwrap(), value) {
            ("boolean", Value::Bool(_)) => None,
            ("integer", Value::Number(number)) => {
                let number = number.as_u64();
                let least = schema["minimum"].as_u64().unwrap();
                let most = schema["maximum"].as_u64().unwrap();
                match number.is_some_and(|number| (least..=most).contains(&number)) {
                    true => None,
                    false => fault("out of range"),
                }
            }
            ("string", Value::String(text)) => {
                let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
                match text.chars().count() as u64 <= most {
                    true => None,
                    false => fault("too long"),
                }
            }
            ("array", Value::Array(items)) => items
                .iter()
                .find_map(|item| self.fault(&schema["items"], item)),
            ("object", Value::Object(members)) => self.fault_of_object(schema, members),
            _ => fault("another type"),
        }
    }

    fn fault_of_object(&self, schema: &Value, members: &Map<String, Value>) -> Option<String> {
        let properties = schema["properties"].as_object().unwrap();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let missing = required
            .iter()
            .find(|name| !members.contains_key(name.as_str().unwrap()));
        if let Some(name) = missing {
            return Some(format!("{name} is missing"));
        }
        if schema["maxProperties"] == 1 && members.len() != 1 {
            return Some(format!("{} members of a choice", members.len()));
        }
        members
            .iter()
            .find_map(|(name, value)| match properties.get(name) {
                Some(schema) => self
                    .fault(schema, value)
                    .map(|fault| format!("{name}: {fault}")),
                None => Some(format!("{name} is not documented")),
            })
    }

    /// Why the header fields of an answer are not as documented; none when they are.
    pub(crate) fn fault_of_headers(
        &self,
        operation: &Operation,
        status: u16,
        headers: &http::HeaderMap,
    ) -> Option<String> {
        let documented = &operation.described["responses"][status.to_string()]["headers"];
        let none = Map::new();
        let documented = documented.as_object().unwrap_or(&none);
        let tells_of = |name: &str| documented.keys().any(|one| one.eq_ignore_ascii_case(name));
        let mut untold = headers.keys().map(http::HeaderName::as_str);
        if let Some(name) = untold.find(|name| is_described(name) && !tells_of(name)) {
            return Some(format!(
                "{status} has the header {name}, which is not documented"
            ));
        }
        documented.iter().find_map(|(name, reference)| {
            let header = self.resolved(reference);
            let values: Vec<_> = headers.get_all(name.as_str()).iter().collect();
            match &values[..] {
                [] if header["required"] == true => Some(format!("{status} has no {name}")),
                [] => None,
                [value] => self.fault_of_header(name, &header["schema"], value),
                _ => Some(format!("{status} has {name} twice")),
            }
        })
    }

    fn fault_of_header(
        &self,
        name: &str,
        schema: &Value,
        value: &http::HeaderValue,
    ) -> Option<String> {
        let text = value.to_str().unwrap();
        let is_fitting = match schema["type"].as_str().unwrap() {
            "integer" => text.parse::<u64>().is_ok(),
            _ => !text.is_empty(),
        };
        (!is_fitting).then(|| format!("{name} is {text:?}"))
    }

    /// Why an answer is not as documented; none when it is.
    pub(crate) fn fault_of_answer(
        &self,
        operation: &Operation,
        status: u16,
        media_type: &str,
        body: &[u8],
    ) -> Option<String> {
        if status >= 500 {
            return Some(format!("{status} is a failure"));
        }
        let documented = &operation.described["responses"][status.to_string()];
        if documented.is_null() {
            return Some(format!("{status} is not documented"));
        }
        let Some(content) = documented["content"].as_object() else {
            return (!body.is_empty()).then(|| format!("{status} has no documented body"));
        };
        let media_type = media_type.split(';').next().unwrap_or("");
        let Some(content) = content.get(media_type) else {
            return Some(format!("{status} as {media_type:?} is not documented"));
        };
        let schema = &content["schema"];
        let judge = |octets: &[u8]| match serde_json::from_slice(octets) {
            Ok(value) => self.fault(schema, &value),
            Err(error) => Some(error.to_string()),
        };
        match media_type {
            "application/x-ndjson" => {
                let lines = body
                    .split(|octet| *octet == b'\n')
                    .filter(|line| !line.is_empty());
                lines.map(judge).find_map(|fault| fault)
            }
            text if text.ends_with("json") => judge(body),
            _ => None,
        }
    }
}

/// Header fields that the description tells of, where an answer has them.
fn is_described(name: &str) -> bool {
    let others = [
        "etag",
        "location",
        "link",
        "retry-after",
        "www-authenticate",
    ];
    name.starts_with("rpp-") || others.contains(&name)
}

fn integer(schema: &Value) -> BoxedStrategy<Value> {
    let least = schema["minimum"].as_u64().unwrap();
    let most = schema["maximum"].as_u64().unwrap();
    let near = least..=least.saturating_add(9).min(most);
    prop_oneof![4 => near, 1 => least..=most]
        .prop_map(Value::from)
        .boxed()
}

/// A string by its format, by its pattern, or one of its examples.
fn text(schema: &Value) -> BoxedStrategy<Value> {
    let examples = schema["examples"].as_array().cloned().unwrap_or_default();
    let any_scope = [
        "device:read",
        "device:create",
        "device:update",
        "device:delete",
        "device:transfer",
        "message",
        "job",
        "account",
        "endpoint",
        "zone",
    ];
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("iot-device-id"), _) => device_id(),
        (Some("iot-scopes"), _) => select(any_scope.to_vec()).prop_map(Value::from).boxed(),
        (_, Some(pattern)) if !examples.is_empty() => {
            let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
            let generated = self::pattern(pattern);
            let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX) as usize;
            let generated = generated.prop_filter("length", move |text| text.len() <= most);
            prop_oneof![select(examples), generated.prop_map(Value::from)].boxed()
        }
        _ if !examples.is_empty() => select(examples).boxed(),
        _ => {
            let any = pattern("\\PC{0,40}");
            any.prop_map(Value::from).boxed()
        }
    }
}

/// Compiled once: a text as a strategy would be compiled for every value.
fn pattern(text: &str) -> prop::string::RegexGeneratorStrategy<String> {
    prop::string::string_regex(text).expect("a pattern")
}

/// A few ids, so that they meet again, and any other: thirty digits with their check digits.
fn device_id() -> BoxedStrategy<Value> {
    let digits = prop_oneof![
        pattern("890490321234512345123456789[0-9]00"),
        pattern("[0-9]{30}")
    ];
    let checked = digits.prop_map(|digits| {
        let digits = &digits[..30];
        let remainder = digits.bytes().chain(*b"00").fold(0, |remainder, digit| {
            (remainder * 10 + u32::from(digit - b'0')) % 97
        });
        Value::from(format!("{digits}{:02}", 98 - remainder))
    });
    let known = ["89049032123451234512345678901235", "8912230200031010008f"];
    prop_oneof![2 => select(known.to_vec()).prop_map(Value::from), 1 => checked].boxed()
}

/// How a request is broken.
#[derive(Clone, Debug)]
pub(crate) enum Breakage {
    None,
    /// One parameter of path, query or header is something else.
    Parameter(usize, String),
    /// One parameter is absent.
    WithoutParameter(usize),
    /// One octet of the body is another.
    Octet(usize, u8),
    /// The body ends early.
    Cut(usize),
    /// The body is something else.
    Body(Vec<u8>),
    /// One member of the body is something else.
    Member(usize, Value),
    /// The body has a member more.
    UnknownMember,
    /// The body is of another media type.
    MediaType,
    /// The query has a parameter more.
    UnknownParameter,
}

fn any_breakage() -> impl Strategy<Value = Breakage> {
    let any_text = || {
        prop_oneof![
            pattern("[!-~]{0,40}"),
            pattern("[0-9]{1,25}"),
            pattern("\\PC{0,10}")
        ]
    };
    let any_json = || {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(pattern("[a-zA-Z]{1,8}"), inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    };
    let octets = prop::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        3 => (any::<usize>(), any_text()).prop_map(|(at, text)| Breakage::Parameter(at, text)),
        1 => any::<usize>().prop_map(Breakage::WithoutParameter),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(at, octet)| Breakage::Octet(at, octet)),
        1 => any::<usize>().prop_map(Breakage::Cut),
        1 => octets.prop_map(Breakage::Body),
        1 => any_json().prop_map(|json| Breakage::Body(json.to_string().into_bytes())),
        3 => (any::<usize>(), any_json()).prop_map(|(at, json)| Breakage::Member(at, json)),
        1 => Just(Breakage::UnknownMember),
        1 => Just(Breakage::MediaType),
        1 => Just(Breakage::UnknownParameter),
    ]
}

struct Parts<'a> {
    base: &'a str,
    operation: &'a Operation,
    parameters: &'a [Value],
}

impl Parts<'_> {
    fn request(
        &self,
        mut values: Vec<Option<String>>,
        body: Option<(String, Vec<u8>)>,
        breakage: Breakage,
    ) -> Asked {
        let is_valid = matches!(breakage, Breakage::None);
        if !values.is_empty() {
            let count = values.len();
            match &breakage {
                Breakage::Parameter(at, text) => values[at % count] = Some(text.clone()),
                Breakage::WithoutParameter(at) => values[at % count] = None,
                _ => {}
            }
        }
        let (media_type, octets) = match body {
            Some((media_type, octets)) => (Some(media_type), broken_body(octets, &breakage)),
            None => match &breakage {
                Breakage::Body(octets) => (None, octets.clone()),
                _ => (None, Vec::new()),
            },
        };
        let mut builder = Request::builder()
            .method(self.operation.method.clone())
            .uri(self.target(&values, &breakage));
        for (parameter, value) in self.parameters.iter().zip(&values) {
            let name = parameter["name"].as_str().unwrap();
            if let (Some("header"), Some(value)) = (parameter["in"].as_str(), value)
                && let Ok(value) = http::HeaderValue::from_str(value)
            {
                builder = builder.header(name, value);
            }
        }
        if let Some(media_type) = media_type {
            let media_type = match breakage {
                Breakage::MediaType => "text/plain",
                _ => &media_type,
            };
            builder = builder.header("content-type", media_type);
        }
        Asked {
            operation: self.operation.clone(),
            request: builder.body(octets).unwrap(),
            is_valid,
        }
    }

    fn target(&self, values: &[Option<String>], breakage: &Breakage) -> String {
        let mut path = self.operation.template.clone();
        let mut query = Vec::new();
        for (parameter, value) in self.parameters.iter().zip(values) {
            let name = parameter["name"].as_str().unwrap();
            let value = value.as_deref().map(percent_encoded);
            match (parameter["in"].as_str().unwrap(), value) {
                ("path", value) => {
                    path = path.replace(&format!("{{{name}}}"), &value.unwrap_or_default());
                }
                ("query", Some(value)) => query.push(format!("{name}={value}")),
                _ => {}
            }
        }
        if let Breakage::UnknownParameter = breakage {
            query.push("nobody=1".to_owned());
        }
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{separator}{}", self.base, query.join("&"))
    }
}

fn percent_encoded(text: &str) -> String {
    let encoded = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(octet).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encoded).collect()
}

fn broken_body(mut octets: Vec<u8>, breakage: &Breakage) -> Vec<u8> {
    match breakage {
        Breakage::Octet(at, octet) if !octets.is_empty() => {
            let at = at % octets.len();
            octets[at] = *octet;
            octets
        }
        Breakage::Cut(at) if !octets.is_empty() => {
            octets.truncate(at % octets.len());
            octets
        }
        Breakage::Body(other) => other.clone(),
        Breakage::Member(at, json) => match serde_json::from_slice(&octets) {
            Ok(Value::Object(mut members)) if !members.is_empty() => {
                let name = members.keys().nth(at % members.len()).unwrap().clone();
                members.insert(name, json.clone());
                Value::Object(members).to_string().into_bytes()
            }
            _ => octets,
        },
        Breakage::UnknownMember => match serde_json::from_slice(&octets) {
            Ok(Value::Object(mut members)) => {
                members.insert("nobody".to_owned(), Value::Null);
                Value::Object(members).to_string().into_bytes()
            }
            _ => octets,
        },
        _ => octets,
    }
}
