//! Tickets on their way back to the driver.

use alloc::collections::VecDeque;

use crate::few::{Few, IntoIter};
use crate::hull::{Doubt, Outcome, Refusal, Resolved};
use crate::ids::{EntryId, LogIndex, Ticket};

/// Tickets that are resolved and not yet taken, in runs of consecutive entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResolvedQueue {
    runs: VecDeque<Run>,
}

#[derive(Clone, Debug)]
struct Run {
    tickets: IntoIter<Ticket>,
    verdict: Verdict,
}

/// What became of all tickets of a run; `first` is the entry of the next one to be taken.
#[derive(Clone, Debug)]
enum Verdict {
    Committed {
        first: EntryId,
    },
    ReadAt(LogIndex),
    Refused(Refusal),
    Unknown {
        first: EntryId,
        why: Doubt,
    },
    /// Not of an entry.
    Plain(Outcome),
}

impl ResolvedQueue {
    pub(crate) fn committed(&mut self, tickets: impl Into<Few<Ticket>>, first: EntryId) {
        self.push(tickets, Verdict::Committed { first });
    }

    pub(crate) fn read_at(&mut self, tickets: impl Into<Few<Ticket>>, index: LogIndex) {
        self.push(tickets, Verdict::ReadAt(index));
    }

    pub(crate) fn refused(&mut self, tickets: impl Into<Few<Ticket>>, refusal: Refusal) {
        self.push(tickets, Verdict::Refused(refusal));
    }

    pub(crate) fn unknown(&mut self, tickets: impl Into<Few<Ticket>>, first: EntryId, why: Doubt) {
        self.push(tickets, Verdict::Unknown { first, why });
    }

    /// What became of something that is no proposal.
    pub(crate) fn decided(&mut self, ticket: Ticket, outcome: Outcome) {
        self.push(ticket, Verdict::Plain(outcome));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Option<Resolved> {
        loop {
            let run = self.runs.front_mut()?;
            if let Some(ticket) = run.tickets.next() {
                return Some(Resolved {
                    ticket,
                    outcome: run.verdict.next(),
                });
            }
            self.runs.pop_front();
        }
    }

    fn push(&mut self, tickets: impl Into<Few<Ticket>>, verdict: Verdict) {
        let tickets = tickets.into();
        if !tickets.is_empty() {
            self.runs.push_back(Run {
                tickets: tickets.into_iter(),
                verdict,
            });
        }
    }
}

impl Verdict {
    /// The outcome of the next ticket of the run.
    fn next(&mut self) -> Outcome {
        match self {
            Self::Committed { first } => Outcome::Committed(step(first)),
            Self::ReadAt(index) => Outcome::ReadAt(*index),
            Self::Refused(refusal) => Outcome::Refused(*refusal),
            Self::Plain(outcome) => *outcome,
            Self::Unknown { first, why } => Outcome::Unknown {
                id: step(first),
                why: *why,
            },
        }
    }
}

/// The id, which then moves on to the next entry.
fn step(id: &mut EntryId) -> EntryId {
    let present = *id;
    id.index = id.index.next();
    present
}
