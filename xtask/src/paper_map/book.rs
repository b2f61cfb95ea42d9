//! docs/rules.toml: the rules with their keys, and every sentence of every section.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::BOOK;
use crate::error::TaskError;
use crate::findings::Findings;
use crate::tree::File;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    /// The rules, in the file's order.
    #[serde(rename = "rule")]
    pub(crate) rules: Vec<Rule>,
    /// The sections, in the file's order.
    #[serde(rename = "section")]
    pub(crate) sections: Vec<Section>,
}

/// One rule of the paper.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its key, such as `F2.AE.3`.
    pub(crate) key: String,
    /// What it says, in our words.
    pub(crate) says: String,
    /// Why it has no home or no test, if that is so.
    pub(crate) exception: Option<String>,
    /// Where it stands in the file.
    #[serde(skip)]
    pub(crate) line: usize,
}

/// One section or box of the paper.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    /// What its keys begin with.
    pub(crate) id: String,
    /// Which text, which section.
    pub(crate) edition: String,
    /// How many sentences it has.
    sentences: usize,
    /// Why not all sentences are here yet, if that is so.
    pub(crate) partial: Option<String>,
    /// Sentences that say what a keyed rule says.
    #[serde(default)]
    again: BTreeMap<String, Vec<String>>,
    /// Sentences that are no rules, and why.
    #[serde(default)]
    not: BTreeMap<String, String>,
}

impl Book {
    /// Reads docs/rules.toml.
    pub(crate) fn read(file: &File) -> Result<Self, TaskError> {
        let malformed = |error: toml::de::Error| TaskError::malformed(BOOK, &error);
        let mut book: Self = toml::from_str(&file.text).map_err(malformed)?;
        for rule in &mut book.rules {
            let entry = format!("key = \"{}\"", rule.key);
            let position = file.lines().find(|(_, line)| line.trim() == entry);
            rule.line = position.map_or(1, |(number, _)| number);
        }
        Ok(book)
    }

    /// The rule with this key.
    pub(crate) fn rule(&self, key: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.key == key)
    }

    /// Every sentence must be a rule, say a rule again, or be no rule: one of the three.
    pub(crate) fn check_sections(&self, findings: &mut Findings) {
        for rule in &self.rules {
            let same = self.rules.iter().filter(|other| other.key == rule.key);
            if same.count() > 1 {
                let text = format!("`{}` stands here twice", rule.key);
                findings.add(BOOK, rule.line, "key-twice", text);
            }
            if !self.sections.iter().any(|section| section.holds(&rule.key)) {
                let text = format!("`{}` is of no section in this file", rule.key);
                findings.add(BOOK, rule.line, "key-without-section", text);
            }
        }
        for section in &self.sections {
            self.check_section(section, findings);
        }
    }

    fn check_section(&self, section: &Section, findings: &mut Findings) {
        let mut add = |rule, text: String| {
            findings.add(BOOK, 1, rule, format!("{}: {text}", section.id));
        };
        let mut counts = vec![0_usize; section.sentences];
        let mut count = |numbers: RangeInclusive<usize>| {
            for number in numbers {
                if let Some(slot) = number.checked_sub(1).and_then(|at| counts.get_mut(at)) {
                    *slot += 1;
                }
            }
        };
        for rule in &self.rules {
            if let Some(number) = section.first_key_of_sentence(&rule.key) {
                count(number..=number);
            }
        }
        for (numbers, keys) in &section.again {
            for key in keys.iter().filter(|key| self.rule(key).is_none()) {
                add("key-unknown", format!("sentence {numbers} names `{key}`"));
            }
            count(span(numbers).unwrap_or(0..=0));
        }
        for numbers in section.not.keys() {
            count(span(numbers).unwrap_or(0..=0));
        }
        for (number, count) in (1..).zip(counts) {
            if count == 0 && section.partial.is_none() {
                add(
                    "sentence-missing",
                    format!("nothing is said of sentence {number}"),
                );
            }
            if count > 1 {
                add(
                    "sentence-twice",
                    format!("sentence {number} is listed {count} times"),
                );
            }
        }
    }
}

impl Section {
    /// Whether `key` is one of this section's.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.rest(key).is_some_and(|rest| !rest.contains('.'))
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
}

/// `7` or `7-12`.
fn span(numbers: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
