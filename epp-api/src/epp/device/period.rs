//! `<device:period>`: how long a registration is to last.

use crate::epp::device::read_optional;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::period::{Period, PeriodUnit};

pub(super) fn read_period(reader: &mut XmlReader<'_>) -> Result<Option<Period>, ReadError> {
    if !reader.try_enter(device("period"))? {
        return Ok(None);
    }
    let unit = reader.required_attribute("unit")?;
    let unit = unit.one_of(&[("y", PeriodUnit::Years), ("m", PeriodUnit::Months)])?;
    let count: u16 = reader.value("period")?.parse()?;
    let period = u8::try_from(count)
        .ok()
        .and_then(|count| Period::new(count, unit));
    let out_of_range = || ReadError::range("period", "has to be 1 to 99");
    period.ok_or_else(out_of_range).map(Some)
}

pub(super) fn write_period(period: Option<Period>, writer: &mut XmlWriter) {
    let Some(period) = period else {
        return;
    };
    let unit = match period.unit() {
        PeriodUnit::Years => "y",
        PeriodUnit::Months => "m",
    };
    writer.text(
        device("period"),
        &[("unit", unit)],
        &period.count().to_string(),
    );
}

/// `exDate` as a client repeats it: the day alone.
pub(super) fn read_date(
    reader: &mut XmlReader<'_>,
    local: &'static str,
) -> Result<time::Date, ReadError> {
    let date = read_optional(reader, local, |value| {
        let token = value.token();
        // A zone other than UTC would be another day.
        let day = token.strip_suffix('Z').unwrap_or(&token);
        let parsed = time::Date::parse(day, DATE).ok();
        parsed
            .ok_or_else(|| ReadError::syntax(local, "has to be a date such as 2027-11-22, in UTC"))
    })?;
    date.ok_or(ReadError::MissingElement { element: local })
}

const DATE: &[time::format_description::BorrowedFormatItem<'_>] =
    time::macros::format_description!("[year repr:full sign:automatic]-[month]-[day]");

pub(super) fn date_text(date: time::Date) -> String {
    let (year, month, day) = date.to_calendar_date();
    format!(
        "{:04}-{:02}-{:02}",
        year.clamp(1, 9999),
        u8::from(month),
        day
    )
}
