//! Splits a master-file line into words and quoted texts (RFC 1035 §5.1).

/// A field of a line, with its escapes resolved where they are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Outside quotes, as written; escapes are left for the field's own rules to refuse.
    Word(String),
    /// Inside quotes: octets after `\X` and `\DDD` were resolved.
    Quoted(Vec<u8>),
}

/// Splits a line; everything from a `;` outside quotes is a comment.
pub(crate) fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            ';' => break,
            '(' | ')' => return Err("parentheses are not supported: one record a line".into()),
            '"' => {
                let (text, after) = quoted(&rest[1..])?;
                tokens.push(Token::Quoted(text));
                if after.starts_with(|next: char| !next.is_ascii_whitespace() && next != ';') {
                    return Err("a quoted text ends at a space".into());
                }
                rest = after.trim_start();
            }
            _ => {
                let ends = |next: char| next.is_ascii_whitespace() || "\";()".contains(next);
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                if !word.bytes().all(|octet| octet.is_ascii_graphic()) {
                    return Err("only printable ASCII stands outside quotes".into());
                }
                tokens.push(Token::Word(word.to_owned()));
                rest = after.trim_start();
            }
        }
    }
    Ok(tokens)
}

/// Reads up to the closing quote and returns what follows it.
fn quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut octets = Vec::new();
    let mut characters = text.bytes().enumerate();
    while let Some((index, octet)) = characters.next() {
        match octet {
            b'"' => return Ok((octets, &text[index + 1..])),
            b'\\' => {
                let (_, escaped) = characters.next().ok_or("a backslash ends the line")?;
                if escaped.is_ascii_digit() {
                    let digits = text.get(index + 1..index + 4);
                    let octet = digits.and_then(|digits| digits.parse().ok());
                    octets.push(octet.ok_or("\\DDD wants three digits up to 255")?);
                    characters.nth(1);
                } else {
                    octets.push(escaped);
                }
            }
            _ => octets.push(octet),
        }
    }
    Err("a quote is not closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_quotes_and_comments_are_told_apart() {
        let word = |text: &str| Token::Word(text.into());
        let quote = |text: &[u8]| Token::Quoted(text.into());
        assert_eq!(
            tokens("a  b \"c ; \\\" \\195\\164\" ; d").unwrap(),
            [word("a"), word("b"), quote(b"c ; \" \xc3\xa4")]
        );
        assert_eq!(tokens("a\"b\"").unwrap(), [word("a"), quote(b"b")]);
        assert_eq!(tokens("  ; only").unwrap(), []);
        for bad in [
            "\"open",
            "\"\\",
            "\"\\25\"",
            "\"\\256\"",
            "\"a\"b",
            "(a",
            "ä",
        ] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_split_or_refused(line in "\\PC*|[\\\\\"0-9; a()]{0,30}") {
            let _ = tokens(&line);
        }
    }
}
