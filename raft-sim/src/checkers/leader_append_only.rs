//! [F3.LAO] Leader Append-Only (Figure 3): a leader never overwrites or deletes entries in its log; it only
//! appends new entries.

use std::collections::BTreeMap;

use raft_core::ids::{Boot, EntryId, NodeId, Term};
use raft_core::states::Role;

use super::{Checker, Observation, Sight, View, Violation, property};
use crate::spy::Fact;

/// See the module.
#[derive(Debug, Default)]
pub struct LeaderAppendOnly {
    reigns: BTreeMap<NodeId, Reign>,
}

/// One node's time as leader of one term.
#[derive(Debug)]
struct Reign {
    boot: Boot,
    term: Term,
    /// The last entry it was seen with.
    last: EntryId,
    /// Its log on disk has been seen to be the one it leads with: from then on nothing that it
    /// writes stems from the time before its election.
    settled: bool,
    /// A truncation that was begun since it was settled.
    truncated: Option<u64>,
}

impl Reign {
    fn is_of(&self, node: &Observation) -> bool {
        node.role == Role::Leader && node.term == self.term && node.boot == self.boot
    }
}

impl Checker for LeaderAppendOnly {
    fn name(&self) -> &'static str {
        property::LEADER_APPEND_ONLY
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        let Some(reign) = self
            .reigns
            .get_mut(&sight.node)
            .filter(|reign| reign.settled)
        else {
            return Ok(());
        };
        if let Fact::Begun(write) = fact {
            if let Some(from) = write.truncate_from.filter(|from| *from <= reign.last.index) {
                reign.truncated = Some(from.get());
            }
        }
        Ok(())
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after.filter(|after| after.role == Role::Leader) else {
            self.reigns.remove(&view.node);
            return Ok(());
        };
        let on_disk = view.model.node(view.node).map(|node| node.log.last_id());
        let reign = self.reigns.entry(view.node).or_insert_with(|| Reign {
            boot: after.boot,
            term: after.term,
            last: after.last,
            settled: false,
            truncated: None,
        });
        if !reign.is_of(after) {
            *reign = Reign {
                boot: after.boot,
                term: after.term,
                last: after.last,
                settled: false,
                truncated: None,
            };
        }
        let shrunk = after.last.index < reign.last.index || after.last.term < reign.last.term;
        if shrunk || reign.truncated.is_some() {
            let removed = reign.truncated.map_or_else(String::new, |from| {
                format!("; it removed entries from {from} on")
            });
            let text = format!(
                "the leader of {} had its log up to {} and then up to {}{removed}",
                after.term, reign.last, after.last
            );
            return Err(view.violation(self.name(), text));
        }
        reign.last = after.last;
        reign.settled |= on_disk == Some(after.last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::{Story, id};

    #[test]
    fn a_leader_may_append_and_a_follower_may_truncate() {
        let mut story = Story::of(LeaderAppendOnly::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .elect(1, 2, &[(1, 1), (1, 2)])
            .write(1, None, &[(2, 3, 'c')])
            .observe(1, |node| node.last = id(2, 3))
            .observe(1, |node| {
                node.role = Role::Follower;
                node.term = Term::new(3);
                node.last = id(1, 1);
            })
            .write(1, Some(2), &[]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn what_a_leader_writes_late_may_stem_from_before() {
        let mut story = Story::of(LeaderAppendOnly::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .elect(1, 3, &[(1, 1), (2, 2)])
            .write(1, Some(2), &[(2, 2, 'c')])
            .observe(1, |_| {});
        assert_eq!(story.verdict(), None);
    }

    /// [F3.LAO]
    #[test]
    fn a_leader_may_not_get_shorter() {
        let mut story = Story::of(LeaderAppendOnly::default());
        story
            .elect(1, 2, &[(1, 1), (1, 2)])
            .observe(1, |node| node.last = id(1, 1));
        assert_eq!(story.verdict(), Some(property::LEADER_APPEND_ONLY));
    }

    /// [F3.LAO]
    #[test]
    fn a_leader_may_not_overwrite() {
        let mut story = Story::of(LeaderAppendOnly::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .elect(1, 2, &[(1, 1), (1, 2)])
            .write(1, Some(2), &[(2, 2, 'c')])
            .observe(1, |node| node.last = id(2, 2));
        assert_eq!(story.verdict(), Some(property::LEADER_APPEND_ONLY));
    }
}
