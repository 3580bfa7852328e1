//! Times in documents: RFC 3339 in UTC.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Writes the time in UTC.
pub(crate) fn serialize<S: Serializer>(
    time: &OffsetDateTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let utc = time.to_offset(UtcOffset::UTC);
    let text = utc.format(&Rfc3339).map_err(ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// Reads a time with any offset and keeps it in UTC.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<OffsetDateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
    // `to_offset` panics where the year leaves the supported range.
    time.checked_to_offset(UtcOffset::UTC)
        .ok_or_else(|| de::Error::custom("the time is out of range"))
}

/// The same for a time that may be absent.
pub(crate) mod optional {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Timestamp(#[serde(with = "super")] OffsetDateTime);

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Timestamp).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OffsetDateTime>, D::Error> {
        let time = Option::<Timestamp>::deserialize(deserializer)?;
        Ok(time.map(|Timestamp(time)| time))
    }
}
