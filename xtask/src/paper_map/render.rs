//! docs/paper-map.md: by section, each rule with its home and its tests.
//!
//! Files and functions, no line numbers: the map changes when a rule moves, not when a line does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Places;
use super::book::{Book, Rule};
use super::section::Section;
use super::tags::Tag;

const OPENING: &str = "\
# From the paper to the code

Written by `cargo xtask paper-map --write` from [rules.toml](rules.toml) and from the keys in the
code; do not edit. Each rule of the paper has one home: search there for its key in brackets. What
each sentence of the paper became, also those that are no rules, is in rules.toml; where we do
otherwise than the paper, in [deviations.md](deviations.md).
";

/// The whole page.
pub(super) fn map(book: &Book, places: &BTreeMap<&str, Places<'_>>) -> String {
    let mut page = OPENING.to_owned();
    for section in &book.sections {
        let rules: Vec<&Rule> = section_rules(book, section).collect();
        let _ = write!(page, "\n## {}: {}\n\n", section.id, section.edition);
        let _ = writeln!(page, "{}", counts(section, rules.len()));
        if rules.is_empty() {
            continue;
        }
        page.push('\n');
        page.push_str("| key | rule | home | tests |\n|---|---|---|---|\n");
        for rule in rules {
            page.push_str(&row(rule, places.get(rule.key.as_str())));
        }
    }
    page
}

/// How the section's sentences divide, so that a reader can count them.
fn counts(section: &Section, rules: usize) -> String {
    let (again, none) = section.others();
    format!(
        "Sentences: {}. Rules: {rules}. Sentences that say a rule again: {again}; that are none: {none}.",
        section.sentences
    )
}

fn section_rules<'a>(book: &'a Book, section: &'a Section) -> impl Iterator<Item = &'a Rule> {
    book.rules.iter().filter(|rule| section.holds(&rule.key))
}

fn row(rule: &Rule, places: Option<&Places<'_>>) -> String {
    let (homes, tests) = places.map_or((&[][..], &[][..]), |found| (&found.homes, &found.tests));
    let home = homes.first().map(|tag| link(&tag.path));
    let mut tests = list(tests);
    if let Some(exception) = &rule.exception {
        tests = [tests, format!("exception: {exception}")].join(" ");
    }
    let Rule { key, says, .. } = rule;
    let home = home.unwrap_or_default();
    format!("| {key} | {says} | {home} | {} |\n", tests.trim())
}

/// Each file once, with the tests in it.
fn list(tags: &[&Tag]) -> String {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for tag in tags {
        let names = files.entry(&tag.path).or_default();
        names.extend(tag.function.as_deref());
    }
    let parts = files.into_iter().map(|(path, names)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("{} {}", link(path), names.join(", "))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn link(path: &str) -> String {
    let short = path.rsplit('/').next().unwrap_or(path);
    format!("[{short}](../{path})")
}
