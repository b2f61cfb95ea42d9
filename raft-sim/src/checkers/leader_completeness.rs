//! [F3.LC] Leader Completeness (Figure 3): if a log entry is committed in a given term, then that entry
//! will be present in the logs of the leaders for all higher-numbered terms.

use raft_core::ids::{EntryId, LogIndex, Peer, Term};

use super::observation::Runs;
use super::{Checker, View, Violation, property};

/// See the module. An entry and a leader may become known in either order.
#[derive(Debug, Default)]
pub struct LeaderCompleteness {
    /// By index less one: what is committed there, and the earliest term it was seen committed in.
    committed: Vec<(EntryId, Term)>,
    elected: Vec<Elected>,
}

#[derive(Debug)]
struct Elected {
    who: Peer,
    term: Term,
    log: Runs,
}

impl Elected {
    fn lacks(&self, entry: EntryId, committed_in: Term) -> bool {
        // What a leader's log begins after is compared, and stands for all before it: Log Matching.
        self.term > committed_in
            && !self.log.has_forgotten(entry.index)
            && self.log.term_at(entry.index) != Some(entry.term)
    }
}

impl Checker for LeaderCompleteness {
    fn name(&self) -> &'static str {
        property::LEADER_COMPLETENESS
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after else {
            return Ok(());
        };
        for entry in &after.committed {
            if let Some(elected) = self.commit(*entry, after.term) {
                let text = missing(elected, *entry, after.term);
                return Err(view.violation(self.name(), text));
            }
        }
        let Some(log) = &after.elected_with else {
            return Ok(());
        };
        let elected = Elected {
            who: after.me,
            term: after.term,
            log: log.clone(),
        };
        let missed = self
            .committed
            .iter()
            .find(|(entry, term)| elected.lacks(*entry, *term))
            .map(|(entry, term)| missing(&elected, *entry, *term));
        self.elected.push(elected);
        match missed {
            Some(text) => Err(view.violation(self.name(), text)),
            None => Ok(()),
        }
    }
}

impl LeaderCompleteness {
    /// Learns that an entry is committed; answers a leader of a later term that was elected
    /// without it.
    fn commit(&mut self, entry: EntryId, term: Term) -> Option<&Elected> {
        let at = usize::try_from(entry.index.previous().get()).ok()?;
        let next = LogIndex::new(self.committed.len() as u64).next();
        match self.committed.get_mut(at) {
            Some((known, earliest)) if *known == entry && term < *earliest => *earliest = term,
            // Two entries at one index are the business of State Machine Safety.
            Some(_) => return None,
            None if entry.index == next => self.committed.push((entry, term)),
            None => return None,
        }
        self.elected
            .iter()
            .find(|elected| elected.lacks(entry, term))
    }
}

fn missing(elected: &Elected, entry: EntryId, term: Term) -> String {
    format!(
        "{:?} was elected in {} with {} in the place of {entry}, which was committed in {term}",
        elected.who,
        elected.term,
        match elected.log.term_at(entry.index) {
            Some(other) => format!("an entry of {other}"),
            None => "nothing".to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    #[test]
    fn leaders_may_lack_what_is_not_committed() {
        let mut story = Story::of(LeaderCompleteness::default());
        story
            .elect(1, 1, &[])
            .commit(1, &[(1, 1)])
            .elect(2, 2, &[(1, 1), (1, 2)])
            .elect(3, 3, &[(1, 1)]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_late_leader_of_an_earlier_term_may_lack_what_was_committed_since() {
        let mut story = Story::of(LeaderCompleteness::default());
        story.elect(1, 3, &[]).commit(1, &[(3, 1)]).elect(2, 2, &[]);
        assert_eq!(story.verdict(), None);
    }

    /// [F3.LC]
    #[test]
    fn a_later_leader_may_not() {
        let mut story = Story::of(LeaderCompleteness::default());
        story
            .elect(1, 1, &[])
            .commit(1, &[(1, 1), (1, 2)])
            .elect(2, 2, &[(1, 1)]);
        assert_eq!(story.verdict(), Some(property::LEADER_COMPLETENESS));
    }

    /// [F3.LC]
    #[test]
    fn nor_hold_another_entry_there() {
        let mut story = Story::of(LeaderCompleteness::default());
        story
            .elect(1, 2, &[])
            .commit(1, &[(2, 1)])
            .elect(2, 3, &[(1, 1)]);
        assert_eq!(story.verdict(), Some(property::LEADER_COMPLETENESS));
    }

    /// [F3.LC]
    #[test]
    fn nor_when_the_commitment_becomes_known_later() {
        let mut story = Story::of(LeaderCompleteness::default());
        story.elect(1, 2, &[]).elect(2, 3, &[]).commit(1, &[(2, 1)]);
        assert_eq!(story.verdict(), Some(property::LEADER_COMPLETENESS));
    }
}
