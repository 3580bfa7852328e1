//! delv, BIND's validator, asking our server itself.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::message::shown_name;
use super::question::Question;
use super::scene::Scene;
use crate::accounts::ZONE;

/// What delv says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Records, validated.
    Answer,
    /// A denial, validated; true when the name is denied and not only the type.
    Denial { name: bool },
    /// Anything else: its output.
    Failure(String),
}

/// Asks for the name and type of a question with the zone's key as anchor.
///
/// # Errors
/// When delv cannot be run.
pub(super) fn ask(scratch: &Path, scene: &Scene, question: &Question) -> anyhow::Result<Verdict> {
    let anchor = scratch.join("delv.anchor");
    std::fs::write(&anchor, statement(&scene.anchor)?)?;
    let output = Command::new("delv")
        .arg(format!("@{}", scene.udp.ip()))
        .args(["-p", &scene.udp.port().to_string()])
        .arg("-a")
        .arg(&anchor)
        .arg(format!("+root={ZONE}"))
        .args(["-t", &format!("TYPE{}", question.record_type)])
        .args(["-q", &shown_name(&question.name())])
        .output()
        .context("delv (./test installs it)")?;
    let text = [output.stdout, output.stderr].concat();
    Ok(verdict(&String::from_utf8_lossy(&text)))
}

/// A trust anchor as delv reads it, from the DS record.
fn statement(ds: &str) -> anyhow::Result<String> {
    let fields: Vec<&str> = ds.split_ascii_whitespace().collect();
    let [_, _, _, tag, algorithm, digest_type, digest] = fields[..] else {
        anyhow::bail!("not a DS record: {ds:?}");
    };
    Ok(format!(
        "trust-anchors {{ \"{ZONE}.\" static-ds {tag} {algorithm} {digest_type} \"{digest}\"; }};\n"
    ))
}

fn verdict(text: &str) -> Verdict {
    let validated = text.lines().any(|line| line == "; fully validated");
    let denied = text
        .lines()
        .any(|line| line == "; negative response, fully validated");
    let name = text.contains("resolution failed: ncache nxdomain");
    match (validated, denied) {
        (true, false) => Verdict::Answer,
        (false, true) => Verdict::Denial { name },
        _ => Verdict::Failure(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_validated_is_a_verdict() {
        assert_eq!(
            verdict("; fully validated\nz. 60 IN A 192.0.2.1\n"),
            Verdict::Answer
        );
        let denial =
            ";; resolution failed: ncache nxdomain\n; negative response, fully validated\n";
        assert_eq!(verdict(denial), Verdict::Denial { name: true });
        for failure in [
            "; unsigned answer\n",
            ";; resolution failed: RRSIG has expired\n",
            "",
        ] {
            assert!(matches!(verdict(failure), Verdict::Failure(_)), "{failure}");
        }
    }

    #[test]
    fn a_ds_record_becomes_a_trust_anchor() {
        let text = statement("iotregistry.example. IN DS 7 13 2 ab").unwrap();
        assert!(text.contains("static-ds 7 13 2 \"ab\""), "{text}");
        assert!(statement("iotregistry.example. IN DS 7").is_err());
    }
}
