//! Where in a body something stands.

/// One step into a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of this name.
    Member(String),
    /// The item of this index.
    Item(usize),
}

/// JSONPath (RFC 9535 §2) of a place, outermost step first. It ends before a name that the
/// shorthand cannot write, or that is long: such a name is the client's own invention.
pub(super) fn json_path<'a>(steps: impl IntoIterator<Item = &'a Step>) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        match step {
            Step::Member(name) if is_shorthand(name) => {
                path.push('.');
                path.push_str(name);
            }
            Step::Member(_) => break,
            Step::Item(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

fn is_shorthand(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_end_before_names_that_they_cannot_write() {
        let member = |name: &str| Step::Member(name.to_owned());
        let path = [
            member("changes"),
            Step::Item(3),
            member("bind"),
            member("slot"),
        ];
        assert_eq!(json_path(&path), "$.changes[3].bind.slot");
        assert_eq!(json_path(&[member("a"), member("b c"), member("d")]), "$.a");
        assert_eq!(json_path(&[member(&"n".repeat(41))]), "$");
        assert_eq!(json_path(&[]), "$");
    }
}
