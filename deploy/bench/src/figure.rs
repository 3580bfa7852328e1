//! Figures against their goals.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Serialize;

const GOALS: &str = include_str!("../goals.toml");

/// Something that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) id: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) scale: String,
    /// Name and version of what it is compared with, or was measured on instead of ours.
    pub(crate) peer: Option<String>,
}

impl Figure {
    pub(crate) fn new(
        id: impl Into<String>,
        value: f64,
        unit: &'static str,
        scale: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            value,
            unit,
            scale: scale.into(),
            peer: None,
        }
    }

    pub(crate) fn beside(mut self, peer: impl Into<String>) -> Self {
        self.peer = Some(peer.into());
        self
    }
}

#[derive(Serialize)]
struct Line<'a> {
    figure: &'a str,
    value: f64,
    unit: &'a str,
    goal: &'a str,
    met: Option<bool>,
    scale: &'a str,
    peer: Option<&'a str>,
    versions: &'a BTreeMap<String, String>,
}

/// Prints every figure; true when all goals are met. Figures without a row in `goals.toml`, and
/// rows without a figure unless only a part was measured, are errors, but what was measured is
/// printed first.
pub(crate) fn report(
    topic: &str,
    quick: bool,
    partial: bool,
    figures: &[Figure],
) -> anyhow::Result<bool> {
    let goals = goals(topic, quick)?;
    let versions = crate::machine::versions();
    let mut all_met = true;
    for figure in figures {
        let goal = goals.get(&figure.id).map_or("", String::as_str);
        let met = is_met(figure.value, goal)?;
        all_met &= met.unwrap_or(true);
        let line = Line {
            figure: &figure.id,
            value: rounded(figure.value),
            unit: figure.unit,
            goal,
            met,
            scale: &figure.scale,
            peer: figure.peer.as_deref(),
            versions: &versions,
        };
        println!("{}", serde_json::to_string(&line)?);
    }
    let measured = |id: &str| figures.iter().any(|figure| figure.id == id);
    let missing = goals.keys().find(|id| !measured(id));
    if let Some(id) = missing.filter(|_| !partial) {
        bail!("the figure {id} of goals.toml was not measured");
    }
    match figures
        .iter()
        .find(|figure| !goals.contains_key(&figure.id))
    {
        Some(stray) => bail!("the figure {} is not in goals.toml", stray.id),
        None => Ok(all_met),
    }
}

/// Four digits are more than any of this repeats to.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let factor = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * factor).round() / factor
}

fn goals(topic: &str, quick: bool) -> anyhow::Result<BTreeMap<String, String>> {
    let table: toml::Table = GOALS.parse()?;
    let topic_table = table
        .get(topic)
        .and_then(toml::Value::as_table)
        .context("no such topic")?;
    let rows = if quick {
        topic_table
            .get("quick")
            .and_then(toml::Value::as_table)
            .context("no quick goals")?
    } else {
        topic_table
    };
    let goal = |(id, goal): (&String, &toml::Value)| Some((id.clone(), goal.as_str()?.to_owned()));
    Ok(rows.iter().filter_map(goal).collect())
}

/// Whether a value meets a goal; `None` for a figure without one.
fn is_met(value: f64, goal: &str) -> anyhow::Result<Option<bool>> {
    if goal.is_empty() {
        return Ok(None);
    }
    let (operator, bound) = goal.split_at(goal.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
    let bound: f64 = bound.parse().with_context(|| format!("goal {goal:?}"))?;
    Ok(Some(match operator {
        "<" => value < bound,
        "<=" => value <= bound,
        ">" => value > bound,
        ">=" => value >= bound,
        _ => bail!("goal {goal:?} has no operator"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_compared_as_written() {
        assert_eq!(is_met(49.9, "<50").unwrap(), Some(true));
        assert_eq!(is_met(50.0, "<50").unwrap(), Some(false));
        assert_eq!(is_met(1.0, ">=1").unwrap(), Some(true));
        assert_eq!(is_met(7.0, "").unwrap(), None);
        assert!(is_met(1.0, "50").is_err());
    }

    #[test]
    fn values_are_rounded_to_four_digits() {
        assert_eq!(rounded(0.123_456), 0.123_5);
        assert_eq!(rounded(123_456.0), 123_500.0);
        assert_eq!(rounded(0.0), 0.0);
    }

    #[test]
    fn every_topic_has_quick_goals() {
        let table: toml::Table = GOALS.parse().unwrap();
        for topic in table.keys() {
            assert!(!goals(topic, true).unwrap().is_empty(), "{topic}");
            assert!(!goals(topic, false).unwrap().is_empty(), "{topic}");
        }
    }
}
