//! What checkers say they have seen, in words.

use core::fmt::Display;

use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_core::log::HardState;
use raft_core::time::Millis;

use super::client::{Fate, SubmissionId};
use crate::spy::{AppliedFact, Found, Promise};

/// A hard state, such as `boot 2, T3, voted for n1`.
pub(super) fn hard(hard: HardState) -> String {
    let HardState {
        boot,
        term,
        vote,
        promise,
        ..
    } = hard;
    let promise = match promise == Millis::ZERO {
        true => String::new(),
        false => format!(", promises {:?}", promise.span()),
    };
    format!("boot {}, {}{promise}", boot.get(), vote_in((term, vote)))
}

/// A vote and its term, such as `T3, voted for n1`.
pub(super) fn vote_in((term, vote): (Term, Option<NodeId>)) -> String {
    format!("{term}, voted for {}", or(vote, "nobody"))
}

/// What opening a log found.
pub(super) fn found(found: &Found) -> String {
    let last = match found.runs.last() {
        Some(run) => format!("up to {}", EntryId::new(run.term, found.last)),
        None if found.last == LogIndex::ZERO => "empty".to_owned(),
        None => format!("up to {}", found.last),
    };
    let lost = found.lost_through;
    let lost = lost.map_or(String::new(), |lost| format!(", of one up to {lost}"));
    format!("{} with the log {last}{lost}", hard(found.hard))
}

/// What a message promises.
pub(super) fn promise(promise: Promise) -> String {
    match promise {
        Promise::Vote => "its vote".to_owned(),
        Promise::Holds(index) => format!("to hold all up to {index}"),
    }
}

/// A command as it was applied.
pub(super) fn applied(fact: &AppliedFact) -> String {
    let AppliedFact { id, time, payload } = fact;
    format!(
        "{id} (command {payload:016x}, log time {})",
        time.as_millis()
    )
}

/// A submission, such as `submission 5`.
pub(super) fn submission(id: SubmissionId) -> String {
    format!("submission {}", id.0)
}

/// What a client learned.
pub(super) const fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Answered => "answered",
        Fate::Refused => "refused",
        Fate::Unknown => "unknown",
        Fate::Lost => "lost",
    }
}

/// Something, or what stands for its absence.
pub(super) fn or(value: Option<impl Display>, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), |value| value.to_string())
}

/// One after the other, such as `n1 n2`.
pub(super) fn list(values: impl IntoIterator<Item = impl Display>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    match words.as_slice() {
        [] => "none".to_owned(),
        some => some.join(" "),
    }
}

/// Each node with something of its own, such as `n1 at 3@T1, n2 at 4@T1`.
pub(super) fn each<'a, T: 'a>(
    of: impl IntoIterator<Item = (&'a NodeId, &'a T)>,
    word: impl Fn(&T) -> String,
) -> String {
    let words = of
        .into_iter()
        .map(|(id, value)| format!("{id} at {}", word(value)));
    let words: Vec<String> = words.collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use raft_core::ids::Boot;

    use super::*;

    #[test]
    fn a_hard_state_and_what_was_found_are_told_without_names_of_the_code() {
        let state = HardState {
            boot: Boot::new(2),
            term: Term::new(3),
            vote: None,
            ..HardState::default()
        };
        assert_eq!(hard(state), "boot 2, T3, voted for nobody");
        let opened = |last, runs| Found {
            base: EntryId::ORIGIN,
            stored: None,
            hard: HardState {
                vote: Some(NodeId::new(1)),
                ..state
            },
            runs,
            last: LogIndex::new(last),
            lost_through: None,
        };
        let run = EntryId::new(Term::new(2), LogIndex::new(4));
        let whole = found(&opened(7, vec![run]));
        assert!(
            whole.ends_with("T3, voted for n1 with the log up to 7@T2"),
            "{whole}"
        );
        assert!(found(&opened(0, Vec::new())).ends_with("with the log empty"));
        assert_eq!(list(Vec::<NodeId>::new()), "none");
    }
}
