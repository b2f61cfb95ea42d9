//! Fields of messages as text, for those that are made up or corrupted.

use raft_core::chunk::Chunk;
use raft_core::ids::Incarnation;

use super::words::{Unexpected, Words, entry_id, index, term};
use crate::directed::{Change, forge};

/// Reads all that is left as `FIELD=VALUE`.
pub(super) fn changes(words: &mut Words<'_>) -> Result<Vec<Change>, Unexpected> {
    let mut changes = Vec::new();
    while !matches!(words.peek(), None | Some(";")) {
        changes.push(words.read(FIELDS, change)?);
    }
    Ok(changes)
}

fn change(word: &str) -> Option<Change> {
    let (field, value) = word.split_once('=')?;
    let number = |value: &str| value.parse::<u64>().ok();
    let life = |value: &str| number(value).map(|life| Incarnation::new(u128::from(life)));
    Some(match field {
        "term" => Change::Term(term(value)?),
        "from-life" => Change::FromLife(life(value)?),
        "to-life" => Change::ToLife(life(value)?),
        "attempt" => Change::Attempt(number(value)?),
        "asked" => Change::Asked(term(value)?),
        "last" => Change::Last(entry_id(value)?),
        "transfer" => Change::Transfer(yes_or_no(value)?),
        "granted" => Change::Granted(yes_or_no(value)?),
        "request" => Change::Request(number(value)?),
        "previous" => Change::Previous(entry_id(value)?),
        "commit" => Change::Commit(index(value)?),
        "entries" => Change::Entries(entries(value)?),
        "matched" => Change::Matched(index(value)?),
        "conflict" => {
            let (refused, hint) = value.split_once(',')?;
            Change::Conflict(index(refused)?, entry_id(hint)?)
        }
        "lost" => {
            let (refused, hint) = value.split_once(',')?;
            Change::Lost(index(refused)?, entry_id(hint)?)
        }
        "stale" => yes_or_no(value)?.then_some(Change::StaleTerm)?,
        "round" => Change::Round(number(value)?),
        _ => return None,
    })
}

/// Entries such as `2@T1:no-op,3@T1:x`; an empty text is none.
fn entries(text: &str) -> Option<Vec<Chunk>> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (id, record) = word.split_once(':')?;
            let command = (record != "no-op").then_some(record.as_bytes());
            forge::entry(entry_id(id)?, command).ok()
        })
        .collect()
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

const FIELDS: &str = "a field: term=T3, from-life=7, to-life=7, attempt=1, asked=T3, last=2@T1, \
                      transfer=yes, granted=yes, request=1, previous=2@T1, commit=2, \
                      entries=3@T1:x,4@T1:no-op, matched=2, conflict=4,2@T1, lost=4,2@T1, stale=yes or round=1";
