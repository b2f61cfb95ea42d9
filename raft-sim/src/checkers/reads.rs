//! Linearizable reads as they look from outside (paper 8): a read sees at least what any state
//! machine had applied, and may not begin before what any hull called committed, when it was asked
//! for.
//!
//! That is more than clients could notice: they must have been *answered* for what a read has to
//! show. But whatever was applied anywhere could have been answered, and a rule that is broken is
//! seen here at once, not only when somebody happened to look at the very command that is missing.
//! So is a leader that asks nobody and has no lease.

use std::collections::BTreeMap;

use raft_core::explain::NotReadable;
use raft_core::hull::{Hull, Outcome};
use raft_core::ids::{LogIndex, NodeId, Ticket};
use raft_core::time::Time;

use super::timers::Asked;
use super::{Checks, Violation, property};
use crate::markers::Marker;

/// What reads must see.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The highest commit index that a hull has ever shown.
    committed: LogIndex,
    /// Reads handed in to bare hulls, each with the commit index that it must see.
    asked: BTreeMap<(NodeId, Ticket), LogIndex>,
}

/// What a linearizable read must show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// So many commands.
    commands: usize,
    /// And that its node led after that, where that can be told.
    asked: Option<Asked>,
}

impl Checks {
    /// A client is about to ask `node` for a linearizable read: what its answer must show.
    pub(crate) fn read_wanted(&mut self, node: NodeId, hull: Option<&Hull>) -> Due {
        let full = |hull: &Hull| {
            let why = hull.why_not_readable();
            why.iter()
                .any(|why| matches!(why, NotReadable::Full { .. }))
        };
        let beyond = hull.is_some_and(full);
        self.watch.reached.mark_if(beyond, Marker::ReadBeyondLimit);
        self.watch.read_wanted(node, &self.model);
        Due {
            commands: self.model.applied().len(),
            asked: self.timers.asked(node),
        }
    }

    /// A client's read was answered on `node` by a state machine that had applied `seen` commands;
    /// it was asked for when it had to show what is `due`.
    ///
    /// # Errors
    ///
    /// It has not seen enough, or the node could not know whether it had.
    pub(crate) fn read_answered(
        &self,
        now: Time,
        node: NodeId,
        due: Due,
        seen: usize,
    ) -> Result<(), Violation> {
        judge(now, node, due.commands, seen)?;
        match due.asked {
            Some(asked) if !self.timers.may_answer(node, asked) => Err(unasked(now, node)),
            Some(_) | None => Ok(()),
        }
    }

    /// A read is handed in to a bare hull.
    pub(crate) fn read_asked(&mut self, node: NodeId, ticket: Ticket) {
        self.reads.asked(node, ticket);
    }

    /// A bare hull resolves a ticket, maybe that of a read.
    ///
    /// # Errors
    ///
    /// What it says of a read is wrong.
    pub(crate) fn read_resolved(
        &mut self,
        now: Time,
        node: NodeId,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Result<(), Violation> {
        self.reads.resolved(now, node, ticket, outcome)
    }
}

impl Reads {
    /// A hull shows this commit index.
    pub(super) fn committed(&mut self, commit: LogIndex) {
        self.committed = self.committed.max(commit);
    }

    /// A read is handed in to a bare hull.
    pub(super) fn asked(&mut self, node: NodeId, ticket: Ticket) {
        self.asked.insert((node, ticket), self.committed);
    }

    /// A bare hull resolves a ticket.
    pub(super) fn resolved(
        &mut self,
        now: Time,
        node: NodeId,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Result<(), Violation> {
        let due = self.asked.remove(&(node, ticket));
        let wrong = match (due, outcome) {
            (Some(due), Outcome::ReadAt(index)) if index < due => {
                format!("{ticket} may be read at {index}, but {due} was committed before")
            }
            (Some(_), Outcome::Committed(_) | Outcome::Unknown { .. }) => {
                format!("{ticket} is a read, and no entry")
            }
            (None, Outcome::ReadAt(_)) => format!("{ticket} is no read under way"),
            _ => return Ok(()),
        };
        Err(violation(now, node, wrong))
    }
}

/// A client was answered from a state machine that had applied `seen` commands, where `due` had been
/// applied somewhere when it asked.
pub(super) fn judge(now: Time, node: NodeId, due: usize, seen: usize) -> Result<(), Violation> {
    if seen >= due {
        return Ok(());
    }
    let text = format!(
        "a read was answered by a state machine that had applied {seen} commands; {due} had been applied when it was asked for"
    );
    Err(violation(now, node, text))
}

/// A leader has answered a read for which it asked nobody, and without a lease.
pub(super) fn unasked(now: Time, node: NodeId) -> Violation {
    let text = "answered a read without a lease, and no majority has answered a heartbeat that was \
                sent since it was asked for";
    violation(now, node, text.to_owned())
}

fn violation(now: Time, node: NodeId, text: String) -> Violation {
    Violation {
        property: property::READS,
        node: Some(node),
        time: now,
        text,
    }
}

#[cfg(test)]
mod tests {
    use raft_core::hull::Refusal;
    use raft_core::ids::{EntryId, Term};

    use super::*;

    const NODE: NodeId = NodeId::new(1);
    const TICKET: Ticket = Ticket::new(7);

    /// What a read that was asked for when 5 was committed is told, and whether that is right.
    fn told(outcome: Outcome) -> bool {
        let mut reads = Reads::default();
        reads.committed(LogIndex::new(5));
        reads.committed(LogIndex::new(3));
        reads.asked(NODE, TICKET);
        reads.committed(LogIndex::new(9));
        reads.resolved(Time::ZERO, NODE, TICKET, outcome).is_ok()
    }

    #[test]
    fn a_read_begins_where_anything_was_committed_when_it_came() {
        assert!(!told(Outcome::ReadAt(LogIndex::new(4))));
        assert!(told(Outcome::ReadAt(LogIndex::new(5))));
        assert!(told(Outcome::ReadAt(LogIndex::new(8))));
        assert!(told(Outcome::Refused(Refusal::LeadershipLost)));
        let id = EntryId::new(Term::new(1), LogIndex::new(6));
        assert!(!told(Outcome::Committed(id)));
    }

    #[test]
    fn a_read_is_resolved_once_where_it_was_handed_in() {
        let mut reads = Reads::default();
        reads.asked(NODE, TICKET);
        let mut resolve = |node| {
            let outcome = Outcome::ReadAt(LogIndex::ZERO);
            reads.resolved(Time::ZERO, node, TICKET, outcome).is_ok()
        };
        assert!(!resolve(NodeId::new(2)));
        assert!(resolve(NODE));
        assert!(!resolve(NODE));
    }

    #[test]
    fn an_answer_shows_all_that_was_applied_anywhere() {
        assert!(judge(Time::ZERO, NODE, 3, 3).is_ok());
        let violation = judge(Time::ZERO, NODE, 3, 2).unwrap_err();
        assert_eq!(violation.property, property::READS);
    }
}
