//! The words of one line, with their columns, and what was expected where something else stands.

use core::ops::RangeInclusive;
use core::str::FromStr;
use std::time::Duration;

use raft_core::ids::{EntryId, LogIndex, NodeId, Term};

use crate::directed::{Link, MessageKind, Pattern, Which};

/// What stands in a line where something else was expected.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Unexpected {
    /// The column, counted from 1, in letters.
    pub column: usize,
    /// What was expected.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// The words that are left of a line.
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: Vec<(usize, &'a str)>,
    at: usize,
    end: usize,
}

impl<'a> Words<'a> {
    /// The words of `text`, whose first letter stands in `column`.
    pub(super) fn of(text: &'a str, column: usize) -> Self {
        let mut words = Vec::new();
        let mut rest = text;
        let mut place = column;
        while let Some(skipped) = rest.find(|letter: char| !letter.is_whitespace()) {
            let (space, from) = rest.split_at(skipped);
            place += space.chars().count();
            let length = from.find(char::is_whitespace).unwrap_or(from.len());
            let (word, after) = from.split_at(length);
            words.push((place, word));
            place += word.chars().count();
            rest = after;
        }
        Self {
            words,
            at: 0,
            end: place,
        }
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|(_, word)| *word)
    }

    /// The column of the next word.
    pub(super) fn column(&self) -> usize {
        self.words
            .get(self.at)
            .map_or(self.end, |(column, _)| *column)
    }

    /// The next word, if it is this one.
    pub(super) fn accept(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    /// The next word must be this one.
    pub(super) fn expect(&mut self, word: &str) -> Result<(), Unexpected> {
        if self.accept(word) {
            return Ok(());
        }
        Err(self.unexpected(format!("{word:?}")))
    }

    /// The next word, whatever it is.
    pub(super) fn next(&mut self, expected: &str) -> Result<&'a str, Unexpected> {
        let word = self.peek().ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(word)
    }

    /// Reads the next word with `read`; it stays when it can't be read.
    pub(super) fn read<T>(
        &mut self,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, Unexpected> {
        let value = self.peek().and_then(read);
        let value = value.ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(value)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Unexpected> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the line")),
        }
    }

    pub(super) fn unexpected(&self, expected: impl Into<String>) -> Unexpected {
        let found = self.peek().map(|word| format!("{word:?}"));
        Unexpected {
            column: self.column(),
            expected: expected.into(),
            found: found.unwrap_or_else(|| "the end of the line".to_owned()),
        }
    }

    pub(super) fn number<N: FromStr>(&mut self) -> Result<N, Unexpected> {
        self.read("a number", |word| word.parse().ok())
    }

    pub(super) fn node(&mut self) -> Result<NodeId, Unexpected> {
        self.read("a node such as 2", node)
    }

    /// A node, or `any`.
    pub(super) fn node_or_any(&mut self) -> Result<Option<NodeId>, Unexpected> {
        if self.accept("any") {
            return Ok(None);
        }
        self.read("a node such as 2, or any", |word| node(word).map(Some))
    }

    pub(super) fn link(&mut self) -> Result<Link, Unexpected> {
        self.read("a link such as 1->2", |word| {
            let (from, to) = word.split_once("->")?;
            Some(Link {
                from: node(from)?,
                to: node(to)?,
            })
        })
    }

    pub(super) fn span(&mut self) -> Result<Duration, Unexpected> {
        self.read("a time such as 300ms or 2s", span)
    }

    pub(super) fn index(&mut self) -> Result<LogIndex, Unexpected> {
        self.read("an index such as 3", index)
    }

    pub(super) fn kind(&mut self) -> Result<MessageKind, Unexpected> {
        self.read("a message's kind such as AppendEntries", MessageKind::named)
    }

    /// As many words as describe messages; none means all messages.
    pub(super) fn which(&mut self) -> Result<Which, Unexpected> {
        let first = self.accept("first");
        let pattern = self.pattern()?;
        Ok(Which { pattern, first })
    }

    pub(super) fn pattern(&mut self) -> Result<Pattern, Unexpected> {
        let mut pattern = Pattern::any();
        while let Some(word) = self.peek() {
            if let Some((from, to)) = word.split_once("->") {
                let expected = "a link such as 1->2, 1->* or *->2";
                let ends = end_of_link(from).zip(end_of_link(to));
                let ends = ends.ok_or_else(|| self.unexpected(expected))?;
                (pattern.from, pattern.to) = ends;
            } else if let Some(kind) = MessageKind::named(word) {
                pattern.kind = Some(kind);
            } else if let Some(term) = term(word) {
                pattern.term = Some(term);
            } else if let Some(range) = range(word) {
                pattern.indexes = Some(range);
            } else {
                break;
            }
            self.at += 1;
        }
        Ok(pattern)
    }
}

/// What [`Words::pattern`] reads, for error messages.
pub(super) const PATTERN: &str = "a link such as 1->2, a kind such as AppendEntries, a term such as T3, indexes such as i2 or i2..i5";

fn node(word: &str) -> Option<NodeId> {
    let digits = word.strip_prefix('n').unwrap_or(word);
    number(digits).map(NodeId::new)
}

#[expect(
    clippy::option_option,
    reason = "outside: whether the word is an end of a link; inside: whether it names a node"
)]
fn end_of_link(word: &str) -> Option<Option<NodeId>> {
    if word == "*" {
        return Some(None);
    }
    node(word).map(Some)
}

/// A term such as `T3`.
pub(super) fn term(word: &str) -> Option<Term> {
    number(word.strip_prefix('T')?).map(Term::new)
}

/// An index such as `3` or `i3`.
pub(super) fn index(word: &str) -> Option<LogIndex> {
    let digits = word.strip_prefix('i').unwrap_or(word);
    number(digits).map(LogIndex::new)
}

/// An entry such as `3@T1`.
pub(super) fn entry_id(word: &str) -> Option<EntryId> {
    let (at, of) = word.split_once('@')?;
    Some(EntryId::new(term(of)?, LogIndex::new(number(at)?)))
}

fn range(word: &str) -> Option<RangeInclusive<LogIndex>> {
    let word = word.strip_prefix('i')?;
    match word.split_once("..") {
        Some((start, end)) => Some(index(start)?..=index(end)?),
        None => index(word).map(|index| index..=index),
    }
}

fn span(word: &str) -> Option<Duration> {
    let split = word.find(|letter: char| !letter.is_ascii_digit())?;
    let (amount, unit) = word.split_at(split);
    match unit {
        "ms" => number(amount).map(Duration::from_millis),
        "s" => number(amount).map(Duration::from_secs),
        _ => None,
    }
}

/// Digits alone: no sign, which `parse` would take.
fn number(word: &str) -> Option<u64> {
    let digits = word.chars().all(|letter| letter.is_ascii_digit());
    digits.then(|| word.parse().ok()).flatten()
}
