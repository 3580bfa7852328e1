//! Values that documents hold as strings in the one spelling that their parser accepts.

/// A value with `Display` and `FromStr`.
pub(crate) mod spelled {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserializer, Serializer};

    use super::SpelledVisitor;

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_str(SpelledVisitor::new())
    }
}

/// The same where the value may be absent.
pub(crate) mod optional_spelled {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// A member that is there has a value: `null` is refused, absence is the field's default.
    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        super::spelled::deserialize(deserializer).map(Some)
    }
}

/// A day, such as `2027-11-22` (RFC 3339 `full-date`).
pub(crate) mod day {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};
    use time::Date;
    use time::format_description::BorrowedFormatItem;
    use time::macros::format_description;

    const FULL_DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

    pub(crate) fn serialize<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        let text = day.format(FULL_DATE).map_err(ser::Error::custom)?;
        serializer.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Date, D::Error> {
        let text = String::deserialize(deserializer)?;
        let day = Date::parse(&text, FULL_DATE).ok();
        // Signs and other spellings that the parser takes are not those of RFC 3339.
        let day = day.filter(|day| day.format(FULL_DATE).is_ok_and(|spelled| spelled == text));
        day.ok_or_else(|| de::Error::custom("not a day such as 2027-11-22"))
    }
}

/// Authorization information and passwords: written out here and in the header alone.
pub(crate) mod secret {
    use serde::Serializer;

    use crate::account::BearerToken;
    use crate::secret::{AuthInfo, Secret};

    /// A value that hides itself from everything else.
    pub(crate) trait Exposed {
        fn exposed(&self) -> &str;
    }

    impl Exposed for AuthInfo {
        fn exposed(&self) -> &str {
            self.expose()
        }
    }

    impl Exposed for Secret {
        fn exposed(&self) -> &str {
            self.expose()
        }
    }

    impl Exposed for BearerToken {
        fn exposed(&self) -> &str {
            self.expose()
        }
    }

    pub(crate) fn serialize<T: Exposed, S: Serializer>(
        secret: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.exposed())
    }

    pub(crate) mod auth_info {
        use serde::Deserializer;

        pub(crate) use super::serialize;
        use crate::json::document::text::spelled;
        use crate::secret::AuthInfo;

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<AuthInfo, D::Error> {
            spelled::deserialize(deserializer)
        }
    }

    pub(crate) mod optional_auth_info {
        use serde::{Deserializer, Serializer};

        use super::Exposed;
        use crate::secret::AuthInfo;

        pub(crate) fn serialize<S: Serializer>(
            secret: &Option<AuthInfo>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match secret {
                Some(secret) => serializer.serialize_str(secret.exposed()),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<AuthInfo>, D::Error> {
            super::auth_info::deserialize(deserializer).map(Some)
        }
    }

    pub(crate) mod token {
        use serde::{Deserialize, Deserializer, de};
        use zeroize::Zeroizing;

        pub(crate) use super::serialize;
        use crate::account::BearerToken;

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<BearerToken, D::Error> {
            let text = Zeroizing::new(String::deserialize(deserializer)?);
            BearerToken::parse(&text).map_err(de::Error::custom)
        }
    }

    pub(crate) mod password {
        use serde::{Deserialize, Deserializer};
        use zeroize::Zeroizing;

        pub(crate) use super::serialize;
        use crate::secret::Secret;

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Secret, D::Error> {
            let text = Zeroizing::new(String::deserialize(deserializer)?);
            Ok(Secret::from_zeroizing(text))
        }
    }
}

/// Reads a string without keeping a copy of it.
struct SpelledVisitor<T>(std::marker::PhantomData<T>);

impl<T> SpelledVisitor<T> {
    fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T> serde::de::Visitor<'_> for SpelledVisitor<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
