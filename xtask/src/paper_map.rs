//! `cargo xtask paper-map`: from each sentence of the paper to its rule, from the rule to its one
//! home in the code and to its tests.
//!
//! docs/rules.toml lists the keys; comments in the code carry them; docs/paper-map.md is what a
//! reader follows, written here with `--write`.

use std::collections::BTreeMap;
use std::fs;

use crate::error::TaskError;
use crate::findings::Findings;
use crate::tree::Tree;

mod book;
mod render;
mod section;
mod tags;

use book::{Book, Rule};
use tags::{Kind, Tag};

const BOOK: &str = "docs/rules.toml";
const MAP: &str = "docs/paper-map.md";

/// How an exception begins that ends with the first line of code for its rule.
const NOT_BUILT: &str = "not built yet";

/// Checks keys, homes and tests, and that docs/paper-map.md says the same; writes it if asked to.
pub(crate) fn run(tree: &Tree, write: bool) -> Result<Findings, TaskError> {
    let mut findings = Findings::default();
    let book = Book::read(tree.file(BOOK)?)?;
    book.check(&mut findings);
    let mut tags = Vec::new();
    for file in tree.rust() {
        tags.extend(tags::find(file, &|key| book.home_of(key)));
    }
    check_known(&book, &tags, &mut findings);
    let places = gather(&tags);
    for rule in &book.rules {
        let found = places.get(rule.key.as_str());
        check_rule(rule, found.unwrap_or(&Places::default()), &mut findings);
    }
    let map = render::map(&book, &places);
    if write {
        let path = tree.root.join(MAP);
        fs::write(&path, map).map_err(|source| TaskError::File { path, source })?;
    } else if tree.file(MAP).map(|file| file.text.as_str()).ok() != Some(map.as_str()) {
        let advice = "does not say what the code says: `cargo xtask paper-map --write`";
        findings.add(MAP, 1, "map-stale", advice);
    }
    Ok(findings)
}

/// Where a key stands.
#[derive(Default)]
pub(crate) struct Places<'a> {
    homes: Vec<&'a Tag>,
    tests: Vec<&'a Tag>,
}

fn gather(tags: &[Tag]) -> BTreeMap<&str, Places<'_>> {
    let mut places: BTreeMap<&str, Places<'_>> = BTreeMap::new();
    for tag in tags {
        let place = places.entry(&tag.key).or_default();
        match tag.kind {
            Kind::Home => place.homes.push(tag),
            Kind::Test => place.tests.push(tag),
            Kind::Mention => {}
        }
    }
    places
}

fn check_known(book: &Book, tags: &[Tag], findings: &mut Findings) {
    for tag in tags {
        if book.rule(&tag.key).is_none() {
            let text = format!(
                "`{}` is no key of {BOOK}: mend it, or add the rule",
                tag.key
            );
            findings.add(&tag.path, tag.line, "key-unknown", text);
        }
    }
}

fn check_rule(rule: &Rule, places: &Places<'_>, findings: &mut Findings) {
    let key = &rule.key;
    let mut missing = Vec::new();
    if places.homes.is_empty() {
        let text = format!("`{key}` has no home: put `// [{key}] …` at the line that is the rule");
        missing.push(("key-without-home", text));
    }
    if places.tests.is_empty() {
        let text = format!("`{key}` has no test: put `[{key}]` into the comment of a test of it");
        missing.push(("key-without-test", text));
    }
    match rule.exception.as_deref() {
        Some(reason) if reason.trim().is_empty() => {
            let text = format!("`{key}`: an exception says why");
            findings.add(BOOK, rule.line, "exception-without-reason", text);
        }
        Some(_) if missing.is_empty() => {
            let text = format!("`{key}` has both home and test: drop its exception");
            findings.add(BOOK, rule.line, "exception-without-need", text);
        }
        Some(reason) if reason.starts_with(NOT_BUILT) && missing.len() < 2 => {
            for (what, text) in missing {
                findings.add(BOOK, rule.line, what, text);
            }
        }
        Some(_) => {}
        None => {
            for (what, text) in missing {
                findings.add(BOOK, rule.line, what, text);
            }
        }
    }
    for second in places.homes.iter().skip(1) {
        let first = places.homes.first().map_or("", |tag| tag.path.as_str());
        let text = format!("`{key}` has a home in {first} already: a rule stands in one place");
        findings.add(&second.path, second.line, "key-with-two-homes", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::File;

    const SMALL_BOOK: &str = "[[rule]]\nkey = \"F2.AE.1\"\nsays = \"x\"\n\
         [[section]]\nid = \"F2.AE\"\nedition = \"e\"\nsentences = 1\n";

    fn rules(book: &str, files: &[(&str, &str)]) -> Vec<&'static str> {
        let mut all = vec![(BOOK, book)];
        all.extend_from_slice(files);
        let files = all.into_iter().map(|(path, text)| File {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        let tree = Tree {
            root: std::path::PathBuf::new(),
            files: files.collect(),
        };
        let mut found = run(&tree, false).unwrap().rules();
        let of_the_whole = ["map-stale", "section-missing"];
        found.retain(|rule| !of_the_whole.contains(rule));
        found
    }

    const HOME: (&str, &str) = (
        "raft-core/src/rules/append.rs",
        "//! x\nfn f() {\n    // [F2.AE.1] Refuse.\n    g()\n}\n",
    );
    const TEST: (&str, &str) = (
        "raft-core/tests/paper/s5_3.rs",
        "//! x\n/// [F2.AE.1] An old leader.\n#[test]\nfn refuses() {}\n",
    );

    #[test]
    fn a_key_has_one_home_and_a_test() {
        assert!(rules(SMALL_BOOK, &[HOME, TEST]).is_empty());
        assert_eq!(rules(SMALL_BOOK, &[TEST]), ["key-without-home"]);
        assert_eq!(rules(SMALL_BOOK, &[HOME]), ["key-without-test"]);
        let second = ("raft-core/src/hull.rs", HOME.1);
        assert_eq!(
            rules(SMALL_BOOK, &[HOME, TEST, second]),
            ["key-with-two-homes"]
        );
    }

    #[test]
    fn a_key_that_is_not_in_the_book() {
        let stranger = ("raft-core/src/hull.rs", "// see [F2.AE.9] for more\n");
        assert_eq!(rules(SMALL_BOOK, &[HOME, TEST, stranger]), ["key-unknown"]);
        let event = ("raft-core/src/hull.rs", "const RULE: &str = \"F2.AE.9\";\n");
        assert_eq!(rules(SMALL_BOOK, &[HOME, TEST, event]), ["key-unknown"]);
    }

    #[test]
    fn an_exception_says_why_and_is_needed() {
        let with = |exception: &str| {
            let line = format!("says = \"x\"\nexception = \"{exception}\"");
            SMALL_BOOK.replace("says = \"x\"", &line)
        };
        assert!(rules(&with("comes later"), &[HOME]).is_empty());
        assert_eq!(rules(&with(" "), &[HOME]), ["exception-without-reason"]);
        assert_eq!(
            rules(&with("none"), &[HOME, TEST]),
            ["exception-without-need"]
        );
        let unbuilt = with("not built yet: reads");
        assert!(rules(&unbuilt, &[]).is_empty());
        assert_eq!(rules(&unbuilt, &[HOME]), ["key-without-test"]);
        assert_eq!(rules(&unbuilt, &[TEST]), ["key-without-home"]);
    }

    #[test]
    fn every_sentence_is_accounted_for_once() {
        let longer = SMALL_BOOK.replace("sentences = 1", "sentences = 2");
        assert_eq!(rules(&longer, &[HOME, TEST]), ["sentence-missing"]);
        let said = format!("{longer}[section.not]\n2 = \"heading\"\n");
        assert!(rules(&said, &[HOME, TEST]).is_empty());
        let twice = format!("{longer}[section.not]\n\"1-2\" = \"heading\"\n");
        assert_eq!(rules(&twice, &[HOME, TEST]), ["sentence-twice"]);
        let stranger = format!("{longer}[section.again]\n2 = [\"F9.9\"]\n");
        assert_eq!(rules(&stranger, &[HOME, TEST]), ["key-unknown"]);
        let beyond = format!("{said}3 = \"heading\"\n");
        assert_eq!(rules(&beyond, &[HOME, TEST]), ["sentence-unknown"]);
        let backwards = format!("{said}\"4-3\" = \"heading\"\n");
        assert_eq!(rules(&backwards, &[HOME, TEST]), ["sentence-unknown"]);
        let silent = format!("{longer}[section.not]\n2 = \" \"\n");
        assert_eq!(rules(&silent, &[HOME, TEST]), ["reason-missing"]);
        let empty = format!("{longer}[section.again]\n2 = []\n");
        assert_eq!(rules(&empty, &[HOME, TEST]), ["reason-missing"]);
        let named = SMALL_BOOK.replace("sentences", "named = [\"X\"]\nsentences");
        assert_eq!(rules(&named, &[HOME, TEST]), ["key-unknown"]);
    }

    #[test]
    fn running_text_says_how_its_sentences_begin() {
        let prose = |begins: &str| {
            format!(
                "rule = []\n[[section]]\nid = \"S6\"\nedition = \"e\"\nsentences = 12\n\
                 [section.begins]\n{begins}[section.not]\n\"1-12\" = \"heading\"\n"
            )
        };
        let ends = "1 = \"Up until\"\n12 = \"In Raft\"\n";
        assert_eq!(rules(&prose(ends), &[]), ["sentences-uncountable"]);
        assert!(rules(&prose(&format!("{ends}5 = \"In order\"\n")), &[]).is_empty());
        let no_end = "1 = \"Up until\"\n8 = \"It\"\n";
        assert_eq!(rules(&prose(no_end), &[]), ["sentences-uncountable"]);
    }

    #[test]
    fn no_promised_section_is_left_out() {
        let file = File {
            path: BOOK.to_owned(),
            text: SMALL_BOOK.to_owned(),
        };
        let tree = Tree {
            root: std::path::PathBuf::new(),
            files: vec![file],
        };
        let found = run(&tree, false).unwrap().rules();
        assert!(found.contains(&"section-missing"));
    }
}
