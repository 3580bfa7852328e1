//! Where something is said in the product's code, found without knowing the language: text without
//! comments and tests, white space made even, and the function around it by its last `fn` before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{sources, workspace};

/// Folders of what runs in production.
const PRODUCT: [&str; 6] = [
    "identity", "dns-zone", "epp-api", "verifier", "device", "registry",
];
const TESTS_FOLLOW: &str = "#[cfg(test)]\n";

/// The product's code: path from the workspace, and text.
pub struct Code(Vec<(String, String)>);

impl Code {
    pub fn read() -> Self {
        let root = workspace();
        let mut paths: Vec<PathBuf> = Vec::new();
        for folder in PRODUCT {
            paths.extend(sources(&root.join(folder).join("src")));
        }
        paths.sort();
        let texts: Vec<(PathBuf, String)> = paths
            .into_iter()
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (path, text)
            })
            .collect();
        let of_tests: BTreeSet<PathBuf> = texts
            .iter()
            .flat_map(|(path, text)| test_modules(path, text))
            .collect();
        assert!(!of_tests.is_empty(), "modules of tests are recognised");
        let is_product = |path: &Path| {
            let mut above = path.ancestors();
            !of_tests.contains(&path.with_extension("")) && !above.any(|one| of_tests.contains(one))
        };
        let code = texts.iter().filter(|(path, _)| is_product(path));
        let code = code.map(|(path, text)| {
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap();
            (path.to_owned(), evened(&without_tests(text)))
        });
        Self(code.collect())
    }

    /// `file, function: words before it and the words` of each place, sorted; `is_meant` is asked with what
    /// stands before and behind.
    pub fn sites(&self, words: &str, is_meant: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.0 {
            for (at, _) in text.match_indices(words) {
                let (before, behind) = (&text[..at], &text[at + words.len()..]);
                let is_whole = !(before.ends_with(is_word) && words.starts_with(is_word));
                if is_whole && is_meant(before, behind) {
                    let (function, receiver) = (function_of(before), receiver_of(before));
                    found.push(format!("{path}, {function}: {receiver}{words}"));
                }
            }
        }
        found.sort();
        found
    }
}

/// Files (without ending) and folders of modules that are compiled for tests alone.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let folder = match stem {
        "mod" | "lib" | "main" => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let parts = text.split(TESTS_FOLLOW).skip(1);
    let modules = parts.filter_map(|part| {
        let line = part.lines().next()?;
        let declared = line.strip_prefix("pub(crate) ").unwrap_or(line);
        declared.strip_prefix("mod ")?.strip_suffix(';')
    });
    modules.map(|name| folder.join(name)).collect()
}

/// Without modules of tests in the file itself. What stands behind them stays.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&format!("{TESTS_FOLLOW}mod tests {{")) {
        kept.push_str(&rest[..at]);
        let end = rest[at..].find("\n}\n").expect("the module ends");
        rest = &rest[at + end + 3..];
    }
    kept + rest
}

/// Without comments, and the same however it is broken into lines.
fn evened(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with("//"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").replace(" .", ".").replace("( ", "(")
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn function_of(before: &str) -> &str {
    let name = before.rsplit_once(" fn ").map_or("", |(_, name)| name);
    name.split(|letter| !is_word(letter)).next().unwrap_or("")
}

/// What a method is called on: names, paths and calls without arguments.
fn receiver_of(before: &str) -> &str {
    let is_part = |letter: char| is_word(letter) || ".():".contains(letter);
    let receiver = before.trim_end_matches(is_part).len();
    before[receiver..].trim_start_matches('(')
}
