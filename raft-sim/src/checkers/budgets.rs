//! What a node keeps in memory while it works: no more than its settings say, and what comes alone.
//!
//! At rest a bound is easily kept. So these are looked at when something was added: what is unanswered when
//! requests go out, what is uncommitted when a leader appends; and what is in memory all the time, where
//! that is scarce. Whatever would go beyond must have been refused, sent later or let go of; only one
//! request, or one batch, may be larger than a budget by itself.

use raft_core::hull::Hull;
use raft_core::ids::NodeId;
use raft_core::settings::Settings;
use raft_core::states::Role;

use super::timers::Wrong;
use super::{LogModel, NodeModel, property};
use crate::spy::{Fact, Passing, Says, Talk};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// What the largest request or write of this world kept alive.
    largest: usize,
}

impl Budgets {
    /// Looks at a step in which a node's spies saw this.
    pub(super) fn step(
        &mut self,
        hull: &Hull,
        own: Option<&NodeModel>,
        facts: &[Fact],
        passings: &[Passing],
    ) -> Option<Wrong> {
        let unanswered = self.unanswered(hull, passings);
        let mut appended = false;
        for fact in facts {
            if let Fact::Begun(write) = fact {
                appended |= !write.append.is_empty();
                self.largest = self.largest.max(write.pinned);
            }
        }
        if hull.fault().is_some() {
            return unanswered;
        }
        let log = own.filter(|_| appended).map(|own| &own.log);
        unanswered
            .or_else(|| self.uncommitted(hull, log?))
            .or_else(|| self.in_memory(hull.settings(), || in_memory(hull)))
    }

    /// What is unanswered when requests have gone out: each went while there was room, so that only the
    /// last one to a follower may lie beyond.
    fn unanswered(&mut self, hull: &Hull, passings: &[Passing]) -> Option<Wrong> {
        let mut wrong = None;
        let mut seen: Vec<NodeId> = Vec::new();
        for passing in passings.iter().rev() {
            let (Passing::Sent(talk) | Passing::Taken(talk)) = passing else {
                continue;
            };
            let pinned = pinned_by(talk);
            self.largest = self.largest.max(pinned);
            let sent = pinned > 0 && matches!(passing, Passing::Sent(_));
            if sent && !seen.contains(&talk.peer) {
                seen.push(talk.peer);
                let kept = hull.bytes_in_flight(talk.peer).unwrap_or(0);
                let most = hull.settings().max_bytes_in_flight;
                wrong = wrong.or_else(|| too_much("unanswered", kept, most, pinned));
            }
        }
        wrong
    }

    /// What a leader has appended in its term and not committed.
    fn uncommitted(&self, hull: &Hull, log: &LogModel) -> Option<Wrong> {
        if hull.role() != Role::Leader {
            return None;
        }
        let (term, commit) = (hull.term(), hull.commit_index());
        let entries = log.entries.iter().rev().map(|there| there.entry);
        let open = entries.take_while(|entry| entry.id.index > commit && entry.id.term == term);
        let bytes: u64 = open.map(|entry| entry.bytes).sum();
        let most = hull.settings().max_uncommitted_bytes.max(self.largest);
        too_much("uncommitted", bytes as usize, most, 0)
    }

    /// What is kept alive of entries and of snapshots, for so many. Where there is plenty nobody counts.
    fn in_memory(&self, settings: &Settings, kept: impl Fn() -> (usize, usize)) -> Option<Wrong> {
        let most = settings.max_memory_bytes;
        if most > PLENTY {
            return None;
        }
        let (bytes, readers) = kept();
        // A message goes to each of them, whatever else there is.
        let messages = self.largest.max(settings.max_append_bytes) * readers;
        // A part of one chunk may be durable, and no-ops are always taken.
        too_much("in memory", bytes, most, messages + self.largest * 2 + FEW)
    }
}

/// What a node keeps alive, and for how many: the other members and its state machine.
fn in_memory(hull: &Hull) -> (usize, usize) {
    (hull.bytes_in_memory(), hull.configuration().ids().len())
}

/// The memory that the entries of a message keep alive; zero without any.
const fn pinned_by(talk: &Talk) -> usize {
    match talk.says {
        Says::Append { pinned, .. } => pinned,
        _ => 0,
    }
}

fn too_much(what: &str, bytes: usize, most: usize, beside: usize) -> Option<Wrong> {
    (bytes > most.saturating_add(beside)).then(|| {
        let text = format!(
            "keeps {bytes} bytes of entries {what}, of {most} at most, and {beside} beside it"
        );
        (property::IDLE, text)
    })
}

/// More memory than worlds are drawn with to run short of it.
const PLENTY: usize = 1 << 20;

/// Of no-ops and configurations, which no budget may stop.
const FEW: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_alone_may_be_too_much_and_nothing_else() {
        assert!(too_much("uncommitted", 100, 100, 0).is_none());
        assert!(too_much("uncommitted", 101, 100, 0).is_some());
        assert!(too_much("unanswered", 150, 100, 50).is_none());
        assert!(too_much("unanswered", 151, 100, 50).is_some());
    }

    #[test]
    fn memory_is_counted_where_it_is_scarce() {
        let budgets = Budgets { largest: 300 };
        let wrong = |most, cached| {
            let settings = Settings {
                max_memory_bytes: most,
                max_append_bytes: 200,
                ..Settings::default()
            };
            budgets.in_memory(&settings, || (cached, 3)).is_some()
        };
        assert!(!wrong(1_000, 1_000 + 1_500 + FEW));
        assert!(wrong(1_000, 1_001 + 1_500 + FEW));
        assert!(!wrong(PLENTY + 1, usize::MAX));
    }
}
