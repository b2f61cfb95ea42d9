//! Triggers as text.

use raft_core::ids::Ticket;
use raft_core::states::Role;

use super::words::{PATTERN, Unexpected, Words, term};
use crate::directed::{Condition, Pattern, Trigger};
use crate::rules::rules;

/// Reads a trigger: parts joined by `then`, by `and` or by `or`. Where they mix, parts stand
/// between `(` and `)`.
pub(super) fn trigger(words: &mut Words<'_>) -> Result<Trigger, Unexpected> {
    joined(words, MAX_DEPTH)
}

fn joined(words: &mut Words<'_>, depth: usize) -> Result<Trigger, Unexpected> {
    let mut parts = vec![part(words, depth)?];
    let Some(word @ ("then" | "and" | "or")) = words.peek() else {
        return Ok(parts.remove(0));
    };
    while words.accept(word) {
        parts.push(part(words, depth)?);
    }
    if matches!(words.peek(), Some("then" | "and" | "or")) {
        return Err(words.unexpected(format!("{word:?} again, or parentheses around what mixes")));
    }
    Ok(match word {
        "then" => Trigger::in_order(parts),
        "and" => Trigger::all_of(parts),
        _ => Trigger::any_of(parts),
    })
}

fn part(words: &mut Words<'_>, depth: usize) -> Result<Trigger, Unexpected> {
    if words.accept("(") {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(words.unexpected("fewer parentheses inside each other"));
        };
        let inner = joined(words, depth)?;
        words.expect(")")?;
        return Ok(inner);
    }
    match words.peek() {
        Some("sent") => messages(words, Trigger::sent),
        Some("arrived") => messages(words, Trigger::arrived),
        Some("lost") => messages(words, Trigger::lost),
        Some("elected") => {
            words.next("elected")?;
            Ok(Trigger::elected())
        }
        Some("answered") => {
            words.next("answered")?;
            words.number().map(Ticket::new).map(Trigger::answered)
        }
        Some(_) | None => of_node(words, depth),
    }
}

fn messages(words: &mut Words<'_>, trigger: fn(Pattern) -> Trigger) -> Result<Trigger, Unexpected> {
    words.next(PATTERN)?;
    words.pattern().map(trigger)
}

/// `3 times PART`, or something about a node.
fn of_node(words: &mut Words<'_>, depth: usize) -> Result<Trigger, Unexpected> {
    let place = words.column();
    let Ok(node) = words.node_or_any() else {
        return Err(words.unexpected(PART));
    };
    if let (true, Some(count)) = (words.accept("times"), node) {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(words.unexpected("fewer counts inside each other"));
        };
        let count = u32::try_from(count.get()).map_err(|_| Unexpected {
            column: place,
            expected: "a smaller number".to_owned(),
            found: count.get().to_string(),
        })?;
        return Ok(part(words, depth)?.times(count));
    }
    if words.accept("rule") {
        return Ok(Trigger::rule(node, rule(words)?));
    }
    if words.accept("sends") {
        words.expect("commit")?;
        return Ok(Trigger::commit_sent(node, words.index()?));
    }
    condition(words).map(|condition| Trigger::state(node, condition))
}

/// A key that a rule has: a trigger on any other would wait for ever.
fn rule<'a>(words: &mut Words<'a>) -> Result<&'a str, Unexpected> {
    let found = words.peek().unwrap_or_default();
    if rules().any(|rule| rule.key == found) {
        return words.next("");
    }
    let mut keys: Vec<&str> = rules().map(|rule| rule.key).collect();
    keys.sort_by_key(|key| (distance(key, found), *key));
    keys.truncate(NEAREST);
    let nearest = keys.join(", ");
    Err(words.unexpected(format!(
        "a rule's key of docs/rules.toml (the nearest: {nearest})"
    )))
}

/// How many letters must be added, left out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut left = above + 1;
        let mut next = vec![left];
        for (corner, (top, wanted)) in row.iter().zip(row.iter().skip(1).zip(&other)) {
            let changed = corner + usize::from(letter != *wanted);
            left = changed.min(top + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn condition(words: &mut Words<'_>) -> Result<Condition, Unexpected> {
    let place = words.read(CONDITION, |word| CONDITIONS.iter().position(|c| *c == word))?;
    Ok(match CONDITIONS.get(place).copied().unwrap_or_default() {
        "is" => Condition::Role(words.read("follower, pre-candidate, candidate or leader", role)?),
        "in" => Condition::Term(words.read("a term such as T3", term)?),
        "votes" => Condition::Voted(words.node_or_any()?),
        "follows" => Condition::Follows(words.node_or_any()?),
        "last" => Condition::Last(words.index()?),
        "durable" => Condition::Durable(words.index()?),
        "committed" => Condition::Committed(words.index()?),
        "applied" => Condition::Applied(words.index()?),
        "stopped" => Condition::Stopped,
        _ => Condition::Down,
    })
}

fn role(word: &str) -> Option<Role> {
    match word {
        "follower" => Some(Role::Follower),
        "pre-candidate" => Some(Role::PreCandidate),
        "candidate" => Some(Role::Candidate),
        "leader" => Some(Role::Leader),
        _ => None,
    }
}

const CONDITIONS: [&str; 10] = [
    "is",
    "in",
    "votes",
    "follows",
    "last",
    "durable",
    "committed",
    "applied",
    "stopped",
    "down",
];
const CONDITION: &str = "is, in, votes, follows, last, durable, committed, applied, stopped, down, \
                         rule or sends";
const PART: &str = "sent, arrived, lost, elected, answered, a node such as 2, any, or \"(\"";
/// So many keys are named where one is not known.
const NEAREST: usize = 3;
/// Deeper ones can't be understood.
const MAX_DEPTH: usize = 8;
