//! Figures against their goals.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Serialize;

const GOALS: &str = include_str!("../goals.toml");

/// Something that was measured.
pub(crate) struct Figure {
    pub(crate) id: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) scale: String,
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
    versions: &'a BTreeMap<&'static str, String>,
}

/// Prints every figure; true when all goals are met.
pub(crate) fn report(topic: &str, quick: bool, figures: &[Figure]) -> anyhow::Result<bool> {
    let goals = goals(topic, quick)?;
    let versions = crate::machine::versions();
    let mut all_met = true;
    for (id, goal) in &goals {
        let figure = figures
            .iter()
            .find(|figure| figure.id == id)
            .with_context(|| format!("the figure {id} of goals.toml was not measured"))?;
        let met = is_met(figure.value, goal)?;
        all_met &= met.unwrap_or(true);
        let line = Line {
            figure: id,
            value: figure.value,
            unit: figure.unit,
            goal,
            met,
            scale: &figure.scale,
            peer: None,
            versions: &versions,
        };
        println!("{}", serde_json::to_string(&line)?);
    }
    match figures.iter().find(|figure| !goals.contains_key(figure.id)) {
        Some(stray) => bail!("the figure {} is not in goals.toml", stray.id),
        None => Ok(all_met),
    }
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
    fn every_topic_has_quick_goals() {
        let table: toml::Table = GOALS.parse().unwrap();
        for topic in table.keys() {
            assert!(!goals(topic, true).unwrap().is_empty(), "{topic}");
            assert!(!goals(topic, false).unwrap().is_empty(), "{topic}");
        }
    }
}
