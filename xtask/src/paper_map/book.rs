//! docs/rules.toml: the rules with their keys, and every sentence of every section.

use serde::Deserialize;

use super::BOOK;
use super::section::{self, Section};
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
    /// Whose sources hold its home, if not raft-core's.
    pub(crate) home: Option<String>,
    /// Why it has no home or no test, if that is so.
    pub(crate) exception: Option<String>,
    /// Where it stands in the file.
    #[serde(skip)]
    pub(crate) line: usize,
}

impl Book {
    /// Reads docs/rules.toml.
    pub(crate) fn read(file: &File) -> Result<Self, TaskError> {
        let malformed = |error: toml::de::Error| TaskError::malformed(BOOK, &error);
        let mut book: Self = toml::from_str(&file.text).map_err(malformed)?;
        let line_of = |entry: String| {
            let position = file.lines().find(|(_, line)| line.trim() == entry);
            position.map_or(1, |(number, _)| number)
        };
        for rule in &mut book.rules {
            rule.line = line_of(format!("key = \"{}\"", rule.key));
        }
        for section in &mut book.sections {
            section.line = line_of(format!("id = \"{}\"", section.id));
        }
        Ok(book)
    }

    /// The rule with this key.
    pub(crate) fn rule(&self, key: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.key == key)
    }

    /// Where the home of the rule with this key is looked for: the beginning of a path.
    pub(crate) fn home_of(&self, key: &str) -> String {
        if key.starts_with("F3.") {
            return CHECKERS.to_owned();
        }
        let home = self.rule(key).and_then(|rule| rule.home.as_deref());
        format!("{}/src/", home.unwrap_or("raft-core"))
    }

    /// Every rule is of one section, and every sentence of every section is accounted for.
    pub(crate) fn check(&self, findings: &mut Findings) {
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
        section::check_all(self, findings);
    }
}

const CHECKERS: &str = "raft-sim/src/checkers";
