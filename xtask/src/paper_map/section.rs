//! A section of the paper, sentence by sentence: each is a rule, says a rule again, or is none.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::BOOK;
use super::book::Book;
use crate::findings::Findings;

/// One section or box of the paper.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    /// What its keys begin with.
    pub(crate) id: String,
    /// Which text, which section.
    pub(crate) edition: String,
    /// How many sentences it has.
    pub(crate) sentences: usize,
    /// Its rules that have a name instead of a number.
    #[serde(default)]
    named: Vec<String>,
    /// What some of its sentences begin with, so that a reader counts as we did.
    #[serde(default)]
    begins: BTreeMap<String, String>,
    /// Sentences that say what a keyed rule says.
    #[serde(default)]
    again: BTreeMap<String, Vec<String>>,
    /// Sentences that are no rules, and why.
    #[serde(default)]
    not: BTreeMap<String, String>,
    /// Where it stands in the file.
    #[serde(skip)]
    pub(crate) line: usize,
}

impl Section {
    /// Whether `key` is one of this section's.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.rest(key).is_some_and(|rest| !rest.contains('.'))
    }

    /// How many sentences say a rule again, and how many are none.
    pub(crate) fn others(&self) -> (usize, usize) {
        let count = |numbers: &String| span(numbers).map_or(0, Iterator::count);
        (
            self.again.keys().map(count).sum(),
            self.not.keys().map(count).sum(),
        )
    }

    /// The number of the sentence that `key` stands for; none for a sentence's second rule, and
    /// for keys that are names.
    fn first_key_of_sentence(&self, key: &str) -> Option<usize> {
        let rest = self.rest(key)?;
        rest.strip_suffix('a').unwrap_or(rest).parse().ok()
    }

    fn rest<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.id)?.strip_prefix('.')
    }

    /// Whether it is running text: a figure's lines are counted by looking at it.
    fn is_prose(&self) -> bool {
        self.id.starts_with(['S', 'T'])
    }

    /// The spans of sentences that are no rules of their own.
    fn spans(&self) -> impl Iterator<Item = &String> {
        self.again.keys().chain(self.not.keys())
    }
}

/// Every section that the project promises is there once, and every sentence in one list.
pub(crate) fn check_all(book: &Book, findings: &mut Findings) {
    for id in PROMISED {
        let found = book.sections.iter().filter(|section| section.id == *id);
        match found.count() {
            0 => findings.add(
                BOOK,
                1,
                "section-missing",
                format!("nothing is said of {id}"),
            ),
            1 => {}
            _ => findings.add(BOOK, 1, "section-twice", format!("{id} stands here twice")),
        }
    }
    for section in &book.sections {
        check_sentences(book, section, findings);
        check_words(book, section, findings);
        check_anchors(section, findings);
    }
}

fn check_sentences(book: &Book, section: &Section, findings: &mut Findings) {
    let mut add = |rule, text: String| {
        findings.add(BOOK, section.line, rule, format!("{}: {text}", section.id));
    };
    let mut counts = vec![0_usize; section.sentences];
    let keys = book.rules.iter().map(|rule| &rule.key);
    let of_rules = keys.filter_map(|key| section.first_key_of_sentence(key));
    let mut numbers: Vec<usize> = of_rules.collect();
    for text in section.spans() {
        match span(text) {
            Some(found) => numbers.extend(found),
            None => add("sentence-unknown", format!("`{text}` is no sentence")),
        }
    }
    for number in numbers {
        match number.checked_sub(1).and_then(|at| counts.get_mut(at)) {
            Some(count) => *count += 1,
            None => add(
                "sentence-unknown",
                format!("{number} is beyond its {} sentences", section.sentences),
            ),
        }
    }
    for (number, count) in (1..).zip(counts) {
        if count == 0 {
            let text = format!("nothing is said of sentence {number}");
            add("sentence-missing", text);
        }
        if count > 1 {
            let text = format!("sentence {number} is listed {count} times");
            add("sentence-twice", text);
        }
    }
}

/// Whatever is said of a sentence says something, and names rules that there are.
fn check_words(book: &Book, section: &Section, findings: &mut Findings) {
    let mut add = |rule, text: String| {
        findings.add(BOOK, section.line, rule, format!("{}: {text}", section.id));
    };
    for (numbers, keys) in &section.again {
        if keys.is_empty() {
            add("reason-missing", format!("sentence {numbers} says no rule"));
        }
        for key in keys.iter().filter(|key| book.rule(key).is_none()) {
            add("key-unknown", format!("sentence {numbers} names `{key}`"));
        }
    }
    for (numbers, _) in section.not.iter().filter(|(_, why)| why.trim().is_empty()) {
        let text = format!("sentence {numbers}: say why it is no rule");
        add("reason-missing", text);
    }
    for name in &section.named {
        let key = format!("{}.{name}", section.id);
        if book.rule(&key).is_none() {
            add(
                "key-unknown",
                format!("`{key}` is named and stands nowhere"),
            );
        }
    }
}

/// A section of any length tells where its first and its last sentence begin, and one in ten
/// between them.
fn check_anchors(section: &Section, findings: &mut Findings) {
    let mut add = |text: String| {
        let text = format!("{}: {text}", section.id);
        findings.add(BOOK, section.line, "sentences-uncountable", text);
    };
    let mut anchors: Vec<usize> = Vec::new();
    for (number, words) in &section.begins {
        match number.parse() {
            Ok(number) if (1..=section.sentences).contains(&number) && !words.is_empty() => {
                anchors.push(number);
            }
            _ => add(format!("`{number} = {words}` is no sentence's beginning")),
        }
    }
    anchors.sort_unstable();
    let ends = anchors.first() == Some(&1) && anchors.last() == Some(&section.sentences);
    let is_wide = |pair: &[usize]| matches!(pair, [from, to] if to - from > ANCHORED_EVERY);
    if section.is_prose() && (!ends || anchors.windows(2).any(is_wide)) {
        add(format!(
            "say in `begins` how sentence 1, the last and one of each {ANCHORED_EVERY} begin"
        ));
    }
}

/// `7` or `7-12`.
fn span(numbers: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

/// The figures and sections that must be there whole.
const PROMISED: &[&str] = &[
    "F2", "F2.STATE", "F2.RV", "F2.AE", "F2.ALL", "F2.FOL", "F2.CAN", "F2.LEAD", "F3", "F4",
    "F13.IS", "S5", "S5.1", "S5.2", "S5.3", "S5.4", "S5.4.1", "S5.4.2", "S5.4.3", "S5.5", "S5.6",
    "S6", "S7", "S8", "T3.8", "T3.10", "T4", "T4.1", "T4.2", "T4.2.1", "T4.2.2", "T4.2.3",
    "T4.2.4", "T4.3", "T4.4", "T4.5", "T6.2", "T6.3", "T6.4", "T6.4.1", "T9.6", "T10.2.1",
];

/// At most so many sentences from one that tells how it begins to the next.
const ANCHORED_EVERY: usize = 10;
