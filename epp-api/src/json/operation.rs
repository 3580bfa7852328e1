//! What can be asked of the door, as data: a row is a method of a resource. Reading requests, the
//! client's writing of them, `Allow`, discovery, the OpenAPI description and the readable page all
//! come from the rows in [`operations`](super::operations).

use http::Method;

use crate::command::{Command, JOB_PART_OCTETS_MAX};
use crate::json::BODY_OCTETS_MAX;
use crate::json::answer_header::AnswerHeader;
use crate::json::given::{Given, PathParameter, QueryParameter};
use crate::json::refusal::Refusal;
use crate::json::schema::Document;
use crate::scope::Scope;

/// A method of a resource.
pub(crate) struct Operation {
    /// Its name in the description and in discovery.
    pub(crate) id: &'static str,
    /// The method; GET answers HEAD as well.
    pub(crate) method: Verb,
    /// Path below the base path; `{…}` are the names of [`PathParameter`]s.
    pub(crate) template: &'static str,
    /// One sentence about it.
    pub(crate) summary: &'static str,
    /// What a token has to be made for.
    pub(crate) scope: Scope,
    /// Whether it changes state, so that it needs a client transaction id.
    pub(crate) changes: bool,
    /// Parameters of the query.
    pub(crate) query: &'static [QueryParameter],
    /// Whether the header `RPP-Authorization` has a meaning.
    pub(crate) takes_auth_info: bool,
    /// Which conditions have a meaning.
    pub(crate) condition: Condition,
    /// What it takes.
    pub(crate) body: Body,
    /// What it answers with when it succeeds.
    pub(crate) answers: &'static [Answer],
    /// What it asks of the registry.
    pub(crate) action: Action,
}

/// A method of HTTP that the door has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Conditional requests (RFC 9110 §13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// None.
    No,
    /// `ETag` and `If-None-Match`.
    Read,
    /// `If-Match`.
    Change,
}

/// What an operation takes.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Nothing.
    Nothing,
    /// Nothing, or an object without members.
    Empty,
    /// This document.
    Document(&'static Document),
    /// One of these documents; a member that all of them have tells which.
    OneOf(&'static [&'static Document]),
    /// Nothing, or this document.
    OptionalDocument(&'static Document),
    /// Lines of JSON.
    Rows,
}

/// A success.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: Content,
    pub(crate) about: &'static str,
    /// Header fields beside those that all answers of the operation have.
    pub(crate) headers: &'static [AnswerHeader],
}

/// What a success carries.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    Nothing,
    Document(&'static Document),
    /// Lines of such documents.
    Lines(&'static Document),
    /// The zone's text.
    Zone,
    /// Messages as server-sent events.
    Events,
}

/// What an operation asks of the registry.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// A command that the head says.
    Plain(fn(Given) -> Command),
    /// A command that needs the body.
    WithBody(fn(Given, &[u8]) -> Result<Command, Refusal>),
    /// To be told of messages.
    Events,
}

impl Verb {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn answers(self, method: &Method) -> bool {
        *method == self.method() || (self == Self::Get && *method == Method::HEAD)
    }
}

impl Body {
    /// Longest body, in octets.
    pub(crate) fn octets_max(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Rows => JOB_PART_OCTETS_MAX,
            Self::Empty | Self::Document(_) | Self::OneOf(_) | Self::OptionalDocument(_) => {
                BODY_OCTETS_MAX
            }
        }
    }

    /// The documents that it may be.
    pub(crate) fn documents(&self) -> &[&'static Document] {
        match self {
            Self::Document(document) | Self::OptionalDocument(document) => {
                std::slice::from_ref(document)
            }
            Self::OneOf(documents) => documents,
            Self::Nothing | Self::Empty | Self::Rows => &[],
        }
    }
}

/// A row that others are varied from: a query without anything.
pub(super) const QUERY: Operation = Operation {
    id: "",
    method: Verb::Get,
    template: "",
    summary: "",
    scope: Scope::DeviceRead,
    changes: false,
    query: &[],
    takes_auth_info: false,
    condition: Condition::No,
    body: Body::Nothing,
    answers: &[],
    action: Action::Events,
};

/// A row that others are varied from: a POST that changes state.
pub(super) const CHANGE: Operation = Operation {
    method: Verb::Post,
    changes: true,
    body: Body::Empty,
    ..QUERY
};

impl Answer {
    pub(super) const fn document(
        status: u16,
        document: &'static Document,
        about: &'static str,
    ) -> Self {
        Self {
            status,
            content: Content::Document(document),
            about,
            headers: &[],
        }
    }

    pub(super) const fn nothing(about: &'static str) -> Self {
        Self {
            status: 204,
            content: Content::Nothing,
            about,
            headers: &[],
        }
    }

    /// The same with these header fields.
    pub(super) const fn with(self, headers: &'static [AnswerHeader]) -> Self {
        Self { headers, ..self }
    }
}

/// A resource with the rows of its methods.
pub(crate) struct Resource {
    template: &'static str,
    segments: Vec<String>,
}

impl Operation {
    /// The parameters of the path, in its order.
    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = PathParameter> {
        self.template
            .split('/')
            .filter_map(PathParameter::of_segment)
    }

    /// The path, and the query where there is one.
    pub(crate) fn target(&self, given: &Given) -> String {
        let mut target = crate::json::BASE_PATH.to_owned();
        for segment in self.template.split('/').skip(1) {
            target.push('/');
            match PathParameter::of_segment(segment) {
                Some(parameter) => target.push_str(&parameter.write(given)),
                None => target.push_str(segment),
            }
        }
        let mut separator = '?';
        for parameter in self.query {
            if let Some(value) = parameter.write(given) {
                target.push(separator);
                target.push_str(parameter.name());
                target.push('=');
                target.push_str(&value);
                separator = '&';
            }
        }
        target
    }

    /// The statuses of its refusals: what can go wrong follows from what it takes and does.
    pub(crate) fn refusals(&self) -> Vec<u16> {
        let takes_body = !matches!(self.body, Body::Nothing);
        let names_object =
            self.template.contains('{') || self.template.contains("/self") || self.changes;
        let mut statuses = vec![400, 401, 403, 408, 429, 431, 500, 503];
        let possible = [
            (404, names_object),
            (409, self.changes || self.template.contains("/processes/")),
            (412, self.condition == Condition::Change),
            (413, takes_body),
            (415, takes_body),
            (422, self.changes),
            (501, self.changes),
        ];
        statuses.extend(
            possible
                .iter()
                .filter(|(_, may)| *may)
                .map(|(status, _)| *status),
        );
        statuses.sort_unstable();
        statuses
    }
}

impl Resource {
    /// Finds the resource of a path below the base path: the first row whose template fits.
    pub(crate) fn find(below: &str) -> Result<Self, Refusal> {
        let fits = |template: &str| {
            let mut given = below.split('/');
            let fixed = template.split('/').all(|segment| {
                let given = given.next();
                given.is_some_and(|given| segment == given || segment.starts_with('{'))
            });
            fixed && given.next().is_none()
        };
        let found = super::operations::all().find(|row| fits(row.template));
        let row = found.ok_or_else(Refusal::no_resource)?;
        Ok(Self {
            template: row.template,
            segments: below.split('/').map(str::to_owned).collect(),
        })
    }

    /// The row of a method.
    pub(crate) fn operation(&self, method: &Method) -> Result<&'static Operation, Refusal> {
        let mut rows = super::operations::all().filter(|row| row.template == self.template);
        let found = rows.find(|row| row.method.answers(method));
        found.ok_or_else(|| Refusal::method(method, allow(self.template)))
    }

    /// Reads the parameters of the path.
    pub(crate) fn read_path(&self, given: &mut Given) -> Result<(), Refusal> {
        for (segment, text) in self.template.split('/').zip(&self.segments) {
            if let Some(parameter) = PathParameter::of_segment(segment) {
                parameter.read(text, given)?;
            }
        }
        Ok(())
    }
}

/// The methods of a resource, as the `Allow` header lists them.
pub(crate) fn allow(template: &str) -> String {
    let rows = super::operations::all().filter(|row| row.template == template);
    let mut verbs: Vec<Verb> = rows.map(|row| row.method).collect();
    verbs.sort_unstable();
    let named = |verb: &Verb| match verb {
        Verb::Get => "GET, HEAD",
        other => other.as_str(),
    };
    let names: Vec<&str> = verbs.iter().map(named).collect();
    names.join(", ")
}
