//! Whether what opening a log found is what may be there.

use raft_core::chunk::Chunk;
use raft_core::log::{HardState, Recovered};

use super::life::{Found, spans};
use super::{Broken, Clause};

/// Whether this is one of the states that a log was in, none before `durable`: which one.
pub(super) fn is_one_of(found: &Found, states: &[Found], durable: usize) -> Result<usize, Broken> {
    let is_it = |state: &Found| state == found;
    if let Some(number) = states.iter().rposition(is_it) {
        if number >= durable {
            return Ok(number);
        }
        let text = format!(
            "write {durable} was called durable, and it was opened as it was after write {number}"
        );
        let expected = format!("as after write {durable} or a later one");
        let mut broken = Broken::new(Clause::Durable, text, expected);
        broken.after = beside(found, states, durable);
        return Err(broken);
    }
    Err(explained(found, states, durable))
}

/// Which clause is broken by a state in which the log never was.
fn explained(found: &Found, expected: &[Found], durable: usize) -> Broken {
    let parts: Vec<(&str, Vec<usize>)> = PARTS
        .iter()
        .map(|(name, same)| {
            let fitting = expected
                .iter()
                .enumerate()
                .filter(|(_, state)| same(found, state));
            (*name, fitting.map(|(number, _)| number).collect())
        })
        .collect();
    let mut lines: Vec<String> = Vec::new();
    for (name, writes) in &parts {
        lines.push(match writes.as_slice() {
            [] => format!("its {name} is as after no write"),
            some => format!("its {name} is as after writes {some:?}"),
        });
    }
    lines.extend(beside(found, expected, durable));
    let each_was_once = parts.iter().all(|(_, writes)| !writes.is_empty());
    let (clause, what) = match () {
        () if each_was_once => (
            Clause::Atomic,
            "it holds a part of a write and not the rest",
        ),
        () if found.recovered.lost_through.is_some() => {
            (Clause::Durable, "it says that it lost what it had promised")
        }
        () if is_part_of_a_write(found, expected) => (
            Clause::Atomic,
            "it holds what a write left in place, and not all that the write put behind it",
        ),
        () if revived(found, expected) => (
            Clause::TruncationFirst,
            "it holds an entry that was removed",
        ),
        () => (
            Clause::InOrder,
            "it was opened in a state in which it never was",
        ),
    };
    let newest = expected.len() - 1;
    let expected = match durable < newest {
        true => format!("the state after one of writes {durable} to {newest}"),
        false => format!("the state after write {newest}"),
    };
    let mut broken = Broken::new(clause, what, expected);
    broken.after = lines;
    broken
}

/// What was found beside that state, among those that may be, which is most like it.
fn beside(found: &Found, states: &[Found], durable: usize) -> Vec<String> {
    let likeness = |state: &Found| PARTS.iter().filter(|(_, same)| same(found, state)).count();
    let allowed = states.iter().enumerate().skip(durable);
    let closest = allowed.max_by_key(|(_, state)| likeness(state));
    let mut lines = vec![
        format!("found: it says {}", shown(&found.recovered)),
        format!("  and holds {}", spans(&found.entries)),
    ];
    if let Some((number, state)) = closest {
        let says = shown(&state.recovered);
        lines.push(format!(
            "expected, if write {number} was the last: it says {says}"
        ));
        lines.push(format!("  and holds {}", spans(&state.entries)));
    }
    lines
}

/// Whether an entry is there that the last state does not have and an earlier one had.
fn revived(found: &Found, expected: &[Found]) -> bool {
    let held_by = |state: &Found, entry: &Chunk| state.entries.contains(entry);
    let newest = expected.last();
    found.entries.iter().any(|entry| {
        let was_there = expected.iter().any(|state| held_by(state, entry));
        was_there && !newest.is_some_and(|newest| held_by(newest, entry))
    })
}

/// Whether a write removed what it was to remove, and only some of its entries are there, or none.
fn is_part_of_a_write(found: &Found, expected: &[Found]) -> bool {
    let held = &found.entries;
    let was_once = expected.iter().any(|state| state.entries == *held);
    let steps = expected.iter().zip(expected.iter().skip(1));
    let mut steps = steps.map(|(before, after)| (&before.entries, &after.entries));
    !was_once
        && steps.any(|(before, after)| {
            let same = before
                .iter()
                .zip(after)
                .take_while(|(one, other)| one == other);
            held.len() >= same.count() && after.starts_with(held)
        })
}

/// A part of what is found, and whether it is the same in two states.
type Part = (&'static str, fn(&Found, &Found) -> bool);

const PARTS: [Part; 5] = [
    ("hard state", |one, other| {
        one.recovered.hard == other.recovered.hard
    }),
    ("identity", |one, other| {
        one.recovered.identity == other.recovered.identity
    }),
    ("snapshot mark", |one, other| {
        one.recovered.snapshot == other.recovered.snapshot
    }),
    ("list of entries", |one, other| one.entries == other.entries),
    ("account of its entries", |one, other| {
        let account = |found: &Found| Recovered {
            hard: HardState::default(),
            identity: None,
            snapshot: None,
            ..found.recovered.clone()
        };
        account(one) == account(other)
    }),
];

/// What opening said, without what is long.
fn shown(recovered: &Recovered) -> String {
    let Recovered {
        hard,
        snapshot,
        runs,
        last,
        time,
        holds_ids_only,
        lost_through,
        identity,
        ..
    } = recovered;
    let identity = identity.as_ref().map_or(0, bytes::Bytes::len);
    let snapshot = snapshot.as_ref().map(|mark| mark.last);
    let configurations: Vec<_> = recovered.configurations.iter().map(|(at, _)| *at).collect();
    format!(
        "{hard:?}, identity of {identity} bytes, snapshot {snapshot:?}, runs {runs:?}, last {last}, {time:?}, without payloads: \
         {holds_ids_only}, configurations at {configurations:?}, lost through {lost_through:?}"
    )
}
