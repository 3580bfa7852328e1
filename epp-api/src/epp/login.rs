//! `<login>` (RFC 5730 §2.9.1.1) with its extension for long passwords (RFC 8807 §4.1).
//!
//! Limits: passwords of 6 to 16 characters, with the extension up to [`LONG_PASSWORD_CHARACTERS_MAX`];
//! [`SERVICES_MAX`] services of either kind.

use crate::account::AccountName;
use crate::epp::greeting::{LANGUAGE, VERSION};
use crate::epp::namespace::{EXTENSIONS, Name, OBJECTS, epp, login_security};
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::secret::Secret;

/// Longest password of the extension, in characters: more would only feed the hash.
pub const LONG_PASSWORD_CHARACTERS_MAX: usize = 128;
/// Most object and most extension URIs that a login may list.
pub const SERVICES_MAX: usize = 64;
/// Stands in `<pw>` and `<newPW>` where the extension has the password (RFC 8807 §4.1).
const SENTINEL: &str = "[LOGIN-SECURITY]";

/// Who logs in, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// `clID`, 3 to 16 characters; not yet known to be an account's name.
    pub client_id: String,
    /// The password.
    pub password: Secret,
    /// The password from now on.
    pub new_password: Option<Secret>,
    /// Protocol version.
    pub version: String,
    /// Language of messages (BCP 47).
    pub language: String,
    /// Namespaces of the objects to be managed.
    pub object_uris: Vec<String>,
    /// Namespaces of the extensions to be used.
    pub extension_uris: Vec<String>,
    /// What the client runs on, where it says so.
    pub user_agent: Option<UserAgent>,
}

/// The client's software (RFC 8807 §4.1); at least one part is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// Application and its version.
    pub application: Option<String>,
    /// Technology, such as a language and its version.
    pub technology: Option<String>,
    /// Operating system.
    pub operating_system: Option<String>,
}

/// The passwords as `<login>` has them, before the extension was seen.
pub(crate) struct ShortLogin {
    login: Login,
    password_is_in_extension: bool,
    new_password_is_in_extension: bool,
}

/// What the extension adds.
#[derive(Default)]
pub(crate) struct LoginSecurity {
    user_agent: Option<UserAgent>,
    password: Option<Secret>,
    new_password: Option<Secret>,
}

impl ShortLogin {
    /// Reads the children of `<login>`, which was entered, and leaves it.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let client_id = reader.required(epp("clID"))?.bounded_token(3, 16)?;
        let password = short_password(reader, epp("pw"))?;
        let password = password.ok_or(ReadError::MissingElement { element: "pw" })?;
        let new_password = short_password(reader, epp("newPW"))?;
        reader.enter(epp("options"))?;
        let version = reader.required(epp("version"))?.bounded_token(3, 16)?;
        let language = reader.required(epp("lang"))?.bounded_token(1, 35)?;
        reader.leave()?;
        reader.enter(epp("svcs"))?;
        let object_uris = services(reader, epp("objURI"))?;
        let mut extension_uris = Vec::new();
        if reader.try_enter(epp("svcExtension"))? {
            extension_uris = services(reader, epp("extURI"))?;
            reader.leave()?;
        }
        reader.leave()?;
        reader.leave()?;
        let is_sentinel = |secret: &Secret| secret.expose() == SENTINEL;
        Ok(Self {
            password_is_in_extension: is_sentinel(&password),
            new_password_is_in_extension: new_password.as_ref().is_some_and(is_sentinel),
            login: Login {
                client_id: client_id.to_string(),
                password,
                new_password,
                version: version.to_string(),
                language: language.to_string(),
                object_uris,
                extension_uris,
                user_agent: None,
            },
        })
    }

    /// Puts in place what the extension has. A password stands in one of the two, never in both.
    pub(crate) fn complete(self, extension: LoginSecurity) -> Result<Login, ReadError> {
        let mut login = self.login;
        login.user_agent = extension.user_agent;
        check_place("pw", self.password_is_in_extension, &extension.password)?;
        check_place(
            "newPW",
            self.new_password_is_in_extension,
            &extension.new_password,
        )?;
        if let Some(password) = extension.password {
            login.password = password;
        }
        if extension.new_password.is_some() {
            login.new_password = extension.new_password;
        }
        Ok(login)
    }
}

fn check_place(
    name: &'static str,
    announced: bool,
    long: &Option<Secret>,
) -> Result<(), ReadError> {
    match (announced, long) {
        (true, None) => Err(ReadError::MissingElement { element: name }),
        (false, Some(_)) => Err(ReadError::ValuePolicy {
            name,
            reason: "beside a password in the extension it has to be [LOGIN-SECURITY] (RFC 8807)",
        }),
        _ => Ok(()),
    }
}

fn short_password(reader: &mut XmlReader<'_>, name: Name) -> Result<Option<Secret>, ReadError> {
    let Some(value) = reader.optional(name)? else {
        return Ok(None);
    };
    Ok(Some(Secret::from_zeroizing(value.bounded_token(6, 16)?)))
}

fn services(reader: &mut XmlReader<'_>, name: Name) -> Result<Vec<String>, ReadError> {
    let first = reader.required(name)?;
    let mut uris = vec![first.token().to_string()];
    while let Some(uri) = reader.optional(name)? {
        if uris.len() == SERVICES_MAX {
            let reason = format!("comes at most {SERVICES_MAX} times");
            return Err(ReadError::range(name.local, reason));
        }
        uris.push(uri.token().to_string());
    }
    Ok(uris)
}

impl LoginSecurity {
    /// Reads the children of `<loginSec:loginSec>`, which was entered, and leaves it.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let user_agent = UserAgent::read(reader)?;
        let password = long_password(reader, login_security("pw"))?;
        let new_password = long_password(reader, login_security("newPW"))?;
        reader.leave()?;
        Ok(Self {
            user_agent,
            password,
            new_password,
        })
    }
}

fn long_password(reader: &mut XmlReader<'_>, name: Name) -> Result<Option<Secret>, ReadError> {
    let Some(value) = reader.optional(name)? else {
        return Ok(None);
    };
    let text = value.bounded_token(6, LONG_PASSWORD_CHARACTERS_MAX)?;
    Ok(Some(Secret::from_zeroizing(text)))
}

impl UserAgent {
    fn read(reader: &mut XmlReader<'_>) -> Result<Option<Self>, ReadError> {
        if !reader.try_enter(login_security("userAgent"))? {
            return Ok(None);
        }
        let mut part = |local| -> Result<Option<String>, ReadError> {
            let Some(value) = reader.optional(login_security(local))? else {
                return Ok(None);
            };
            Ok(Some(value.bounded_token(0, 255)?.to_string()))
        };
        let agent = Self {
            application: part("app")?,
            technology: part("tech")?,
            operating_system: part("os")?,
        };
        if agent == Self::default() {
            return Err(ReadError::MissingElement { element: "app" });
        }
        reader.leave()?;
        Ok(Some(agent))
    }

    fn write(&self, writer: &mut XmlWriter) {
        writer.within(login_security("userAgent"), &[], |writer| {
            writer.optional(login_security("app"), self.application.as_deref());
            writer.optional(login_security("tech"), self.technology.as_deref());
            writer.optional(login_security("os"), self.operating_system.as_deref());
        });
    }
}

impl Login {
    /// A login for every object and extension that there is.
    pub fn for_everything(account: &AccountName, password: Secret) -> Self {
        let uris = |uris: &[&str]| uris.iter().map(|uri| (*uri).to_owned()).collect();
        Self {
            client_id: account.as_str().to_owned(),
            password,
            new_password: None,
            version: VERSION.to_owned(),
            language: LANGUAGE.to_owned(),
            object_uris: uris(&OBJECTS),
            extension_uris: uris(&EXTENSIONS),
            user_agent: None,
        }
    }

    /// Writes `<login>`; a password that is too long for it is left to the extension.
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        let new_password = self.new_password.as_ref();
        writer.within(epp("login"), &[], |writer| {
            writer.element(epp("clID"), &self.client_id);
            writer.element(epp("pw"), short(&self.password));
            writer.optional(epp("newPW"), new_password.map(short));
            writer.within(epp("options"), &[], |writer| {
                writer.element(epp("version"), &self.version);
                writer.element(epp("lang"), &self.language);
            });
            writer.within(epp("svcs"), &[], |writer| {
                for uri in &self.object_uris {
                    writer.element(epp("objURI"), uri);
                }
                if !self.extension_uris.is_empty() {
                    writer.within(epp("svcExtension"), &[], |writer| {
                        for uri in &self.extension_uris {
                            writer.element(epp("extURI"), uri);
                        }
                    });
                }
            });
        });
    }

    /// Writes `<extension>` where there is something to put into it.
    pub(crate) fn write_extension(&self, writer: &mut XmlWriter) {
        let long = |secret: &&Secret| short(secret) == SENTINEL;
        let password = Some(&self.password).filter(long);
        let new_password = self.new_password.as_ref().filter(long);
        if self.user_agent.is_none() && password.is_none() && new_password.is_none() {
            return;
        }
        writer.within(epp("extension"), &[], |writer| {
            writer.within(login_security("loginSec"), &[], |writer| {
                if let Some(agent) = &self.user_agent {
                    agent.write(writer);
                }
                writer.optional(login_security("pw"), password.map(Secret::expose));
                writer.optional(login_security("newPW"), new_password.map(Secret::expose));
            });
        });
    }
}

fn short(password: &Secret) -> &str {
    let text = password.expose();
    if text.chars().count() <= 16 {
        text
    } else {
        SENTINEL
    }
}
