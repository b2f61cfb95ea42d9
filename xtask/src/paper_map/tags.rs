//! Keys in the code: `// [F2.AE.3] …` at a rule's home, `[F2.AE.3]` in a test's comment.
//!
//! A home is a comment outside tests: in raft-core, for Figure 3's properties in raft-sim's
//! checkers, for others where docs/rules.toml says. In documentation only the keys it begins with
//! are at home; others, and those of a file's header, are mentions. In test code a key counts only
//! in the documentation of what is marked as a test: in a helper or in a body it proves nothing.
//! Keys in strings (what a trace event names as its cause) are mentions too, so that they can't be
//! misspelt.

use std::ops::RangeInclusive;

use syn::spanned::Spanned;

use crate::tree::File;

/// A key found in the code.
#[derive(Debug)]
pub(crate) struct Tag {
    /// The key.
    pub(crate) key: String,
    /// The file.
    pub(crate) path: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// For a test's key: the test.
    pub(crate) function: Option<String>,
    /// What the key says there.
    pub(crate) kind: Kind,
}

/// What a key says where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// This line is the rule.
    Home,
    /// This test is of the rule.
    Test,
    /// A word about it.
    Mention,
}

/// All keys in one file; `home_of` says what the path of a key's home begins with.
pub(crate) fn find(file: &File, home_of: &dyn Fn(&str) -> String) -> Vec<Tag> {
    if file.path.starts_with("xtask/") {
        return Vec::new(); // samples
    }
    let tests = test_lines(file);
    let mut tags = Vec::new();
    for (number, line) in file.lines() {
        let in_test = file.is_test() || tests.iter().any(|lines| lines.contains(&number));
        let test = in_test.then(|| test_after(&file.text, number)).flatten();
        let mut add = |key: &str, kind| {
            tags.push(Tag {
                key: key.to_owned(),
                path: file.path.clone(),
                line: number,
                function: test.clone(),
                kind,
            });
        };
        let (code, comment) = split(line);
        for key in quoted_keys(code) {
            add(key, Kind::Mention);
        }
        let Some(comment) = comment else { continue };
        let leading = leading_keys(comment.text);
        for key in bracketed_keys(comment.text) {
            let is_there = file.path.starts_with(&home_of(key));
            let is_home = is_there && may_be_home(&comment, key, leading.contains(&key));
            add(
                key,
                match (in_test, is_home) {
                    (true, _) if test.is_some() => Kind::Test,
                    (false, true) => Kind::Home,
                    (true | false, _) => Kind::Mention,
                },
            );
        }
    }
    tags
}

fn may_be_home(comment: &Comment<'_>, key: &str, leads: bool) -> bool {
    match comment.form {
        // Each of Figure 3's properties is a file of its own.
        Form::Header => key.starts_with("F3.") && leads,
        Form::Plain => leads || !key.starts_with("F3."),
        Form::Documentation => leads,
    }
}

/// What follows `//` on a line.
struct Comment<'a> {
    text: &'a str,
    form: Form,
}

/// How a comment begins.
#[derive(Clone, Copy)]
enum Form {
    /// `//`
    Plain,
    /// `///`
    Documentation,
    /// `//!`
    Header,
}

fn split(line: &str) -> (&str, Option<Comment<'_>>) {
    let Some((code, comment)) = line.split_once("//") else {
        return (line, None);
    };
    let form = match comment.chars().next() {
        Some('/') => Form::Documentation,
        Some('!') => Form::Header,
        Some(_) | None => Form::Plain,
    };
    let text = comment.trim_start_matches(['/', '!']).trim_start();
    (code, Some(Comment { text, form }))
}

/// The keys in brackets at the very beginning: `[A] [B] text`, `[A], [B]: text`.
fn leading_keys(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        if !is_key(inside) {
            break;
        }
        keys.push(inside);
        rest = after.trim_start_matches([' ', ',']);
    }
    keys
}

fn bracketed_keys(text: &str) -> impl Iterator<Item = &str> {
    let inside = text.split('[').skip(1);
    inside
        .filter_map(|part| part.split_once(']').map(|(inside, _)| inside))
        .filter(|inside| is_key(inside))
}

fn quoted_keys(code: &str) -> impl Iterator<Item = &str> {
    code.split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| is_key(text))
}

/// Whether `text` has the form of a key: `F2.AE.3`, `S5.4.1.12`, `T9.6.8a`.
fn is_key(text: &str) -> bool {
    let mut parts = text.split('.');
    let head = parts.next().unwrap_or_default();
    let mut letters = head.chars();
    let edition = letters.next().is_some_and(|letter| "FST".contains(letter));
    let number = letters.as_str();
    let is_number = !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit());
    let is_part = |part: &str| !part.is_empty() && part.chars().all(char::is_alphanumeric);
    let rest: Vec<&str> = parts.collect();
    edition && is_number && !rest.is_empty() && rest.iter().all(|part| is_part(part))
}

/// The test that the documentation on this line belongs to: only more of it, and attributes of which
/// one says that it is a test, stand between them.
fn test_after(text: &str, number: usize) -> Option<String> {
    let mut is_test = false;
    let lines = text.lines().map(str::trim_start);
    let mut lines = lines.skip(number.saturating_sub(1)).peekable();
    if !lines.peek()?.starts_with("///") {
        return None;
    }
    for line in lines {
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
        } else if !line.starts_with("///") {
            let (before, after) = line.split_once("fn ")?;
            let end = after.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
            let is_plain = matches!(before.trim(), "" | "async" | "pub" | "pub async");
            return (is_test && is_plain).then(|| after[..end].to_owned());
        }
    }
    None
}

/// The lines of items that are only built for tests.
fn test_lines(file: &File) -> Vec<RangeInclusive<usize>> {
    let Ok(parsed) = syn::parse_file(&file.text) else {
        return Vec::new(); // tidy reports it
    };
    let modules = parsed.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(module),
        _ => None,
    });
    modules
        .filter(|module| module.attrs.iter().any(is_cfg_test))
        .map(|module| module.span().start().line..=module.span().end().line)
        .collect()
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(path: &str, text: &str) -> Vec<(String, Kind)> {
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let home_of = |key: &str| {
            let home = match key {
                _ if key.starts_with("F3.") => "raft-sim/src/checkers",
                "S8.11" => "raft-node/src/",
                _ => "raft-core/src/",
            };
            home.to_owned()
        };
        find(&file, &home_of)
            .into_iter()
            .map(|tag| (tag.key, tag.kind))
            .collect()
    }

    fn one(key: &str, kind: Kind) -> Vec<(String, Kind)> {
        vec![(key.to_owned(), kind)]
    }

    #[test]
    fn a_home_begins_with_its_key() {
        let path = "raft-core/src/rules/vote.rs";
        assert_eq!(
            kinds(path, "// [F2.RV.1] Refuse.\n"),
            one("F2.RV.1", Kind::Home)
        );
        assert_eq!(
            kinds(path, "/// [F2.RV.1] Refuse.\nfn f() {}\n"),
            one("F2.RV.1", Kind::Home)
        );
        assert_eq!(
            kinds(path, "f(); // [F2.RV.1] Refuse.\n"),
            one("F2.RV.1", Kind::Home)
        );
        assert_eq!(
            kinds(path, "//! [F2.RV.1] vote.rs\n"),
            one("F2.RV.1", Kind::Mention)
        );
        assert_eq!(
            kinds(path, "/// as [F2.RV.1] says\n"),
            one("F2.RV.1", Kind::Mention)
        );
        let two = kinds(path, "// [F2.RV.1] [S5.2.10] Refuse.\n");
        assert!(two.iter().all(|(_, kind)| *kind == Kind::Home) && two.len() == 2);
        assert_eq!(
            kinds("raft-node/src/a.rs", "// [F2.RV.1]\n"),
            one("F2.RV.1", Kind::Mention)
        );
    }

    #[test]
    fn properties_live_in_the_checkers() {
        let line = "//! [F3.ES] One leader a term.\n";
        let path = "raft-sim/src/checkers/election_safety.rs";
        assert_eq!(kinds(path, line), one("F3.ES", Kind::Home));
        assert_eq!(
            kinds("raft-core/src/hull.rs", line),
            one("F3.ES", Kind::Mention)
        );
    }

    #[test]
    fn a_rule_lives_where_the_book_says() {
        let line = "// [S8.11] Not twice.\n";
        assert_eq!(kinds("raft-node/src/a.rs", line), one("S8.11", Kind::Home));
        assert_eq!(
            kinds("raft-core/src/a.rs", line),
            one("S8.11", Kind::Mention)
        );
    }

    #[test]
    fn a_test_module_and_a_test_folder_are_tests() {
        let inside = "fn f() {}\n#[cfg(test)]\nmod tests {\n    /// [F2.RV.1]\n    #[test]\n    fn g() {}\n}\n";
        assert_eq!(
            kinds("raft-core/src/a.rs", inside),
            one("F2.RV.1", Kind::Test)
        );
        let whole = "/// [F2.RV.1]\n#[test]\nfn g() {}\n";
        assert_eq!(
            kinds("raft-core/tests/paper/a.rs", whole),
            one("F2.RV.1", Kind::Test)
        );
    }

    #[test]
    fn what_looks_like_a_key() {
        for key in ["F2.AE.3", "S5.4.1.12", "T9.6.8a", "F3.ES"] {
            assert!(is_key(key), "{key}");
        }
        for other in ["F2", "Fault", "S.5", "T9.", "Hull", "0..4", "crate::a"] {
            assert!(!is_key(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_test_proves_nothing() {
        let path = "raft-core/tests/paper/a.rs";
        for text in [
            "/// [F2.RV.1]\nfn helper() {}\n#[test]\nfn g() {}\n",
            "//! [F2.RV.1]\n\n#[test]\nfn g() {}\n",
            "#[test]\nfn g() {\n    // [F2.RV.1]\n    f();\n}\n#[test]\nfn h() {}\n",
            "#[test]\nfn g() {} // [F2.RV.1]\n",
        ] {
            assert_eq!(kinds(path, text), one("F2.RV.1", Kind::Mention), "{text}");
        }
    }

    #[test]
    fn a_key_names_its_test() {
        let name = |text| test_after(text, 1);
        let text = "/// [F2.RV.1] x\n#[test]\nfn refuses_the_past() {}\n";
        assert_eq!(name(text).as_deref(), Some("refuses_the_past"));
        let text =
            "/// [F2.RV.1] x\n/// y\n#[tokio::test(start_paused = true)]\nasync fn waits() {}\n";
        assert_eq!(name(text).as_deref(), Some("waits"));
        assert_eq!(name("/// [F2.RV.1] x\n#[test]\nstruct Fn;\n"), None);
    }
}
