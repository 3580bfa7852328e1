//! Texts for people in places where the schema has little room.

use crate::epp::namespace::Name;
use crate::epp::xml::XmlWriter;

/// Room of `eppcom:reasonType`, in characters.
const REASON_CHARACTERS_MAX: usize = 32;

/// Writes a reason as a token of at most 32 characters; an empty one is left out.
pub(crate) fn write_reason(name: Name, reason: Option<&str>, writer: &mut XmlWriter) {
    let reason = short_token(reason.unwrap_or_default(), REASON_CHARACTERS_MAX);
    if !reason.is_empty() {
        writer.element(name, &reason);
    }
}

/// The first characters of a text as a `token`: no white space at the ends, single spaces inside.
pub(crate) fn short_token(text: &str, characters_max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let short: String = words.join(" ").chars().take(characters_max).collect();
    short.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tokens_have_no_white_space_at_the_ends() {
        assert_eq!(short_token("  in \n use ", 32), "in use");
        assert_eq!(short_token("ab cd", 3), "ab");
        assert_eq!(short_token(" \t", 32), "");
        assert_eq!(short_token(&"ä".repeat(40), 32).chars().count(), 32);
    }
}
