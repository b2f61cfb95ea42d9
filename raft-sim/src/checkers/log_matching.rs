//! [F3.LM] Log Matching (Figure 3): if two logs contain an entry with the same index and term, then the
//! logs are identical in all entries up through the given index.

use raft_core::ids::{LogIndex, NodeId, Term};

use super::{Checker, Sight, Violation, property};
use crate::spy::Fact;

/// See the module. Each entry's first log is remembered by a fingerprint of all that it holds up
/// to that entry, so that one comparison checks a whole prefix.
#[derive(Debug, Default)]
pub struct LogMatching {
    /// By index: each term's entry there.
    seen: Vec<Vec<First>>,
}

#[derive(Debug)]
struct First {
    term: Term,
    chain: u64,
    node: NodeId,
}

impl Checker for LogMatching {
    fn name(&self) -> &'static str {
        property::LOG_MATCHING
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        let (Fact::Begun(write), Some(own)) = (fact, sight.own()) else {
            return Ok(());
        };
        for entry in &write.append {
            let index = entry.id.index;
            let Some(chained) = own
                .log
                .entry(index)
                .filter(|found| found.entry.id == entry.id)
            else {
                let text = format!("{} was written where the log has no place for it", entry.id);
                return Err(sight.violation(self.name(), text));
            };
            let first = self.first(index, || First {
                term: entry.id.term,
                chain: chained.chain,
                node: sight.node,
            });
            if first.chain != chained.chain {
                let text = format!(
                    "{} holds {} after other entries, or with other content, than {} does",
                    sight.node, entry.id, first.node
                );
                return Err(sight.violation(property::LOG_MATCHING, text));
            }
        }
        Ok(())
    }
}

impl LogMatching {
    /// Whoever held an entry of this index and term first; `own` if nobody did.
    fn first(&mut self, index: LogIndex, own: impl FnOnce() -> First) -> &First {
        let own = own();
        let at = usize::try_from(index.get()).unwrap_or(usize::MAX);
        // Indexes are contiguous in every log, so that this grows by one at a time.
        while self.seen.len() <= at {
            self.seen.push(Vec::new());
        }
        let row = &mut self.seen[at];
        let place = row.iter().position(|first| first.term == own.term);
        let place = place.unwrap_or_else(|| {
            row.push(own);
            row.len() - 1
        });
        &row[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    #[test]
    fn logs_may_differ_after_the_last_common_entry() {
        let mut story = Story::of(LogMatching::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b'), (2, 3, 'c')])
            .write(2, None, &[(1, 1, 'a'), (1, 2, 'b'), (3, 3, 'd')])
            .write(1, Some(3), &[(3, 3, 'd')]);
        assert_eq!(story.verdict(), None);
    }

    /// [F3.LM]
    #[test]
    fn one_id_may_not_hold_two_commands() {
        let mut story = Story::of(LogMatching::default());
        story.write(1, None, &[(1, 1, 'a'), (1, 2, 'b')]).write(
            2,
            None,
            &[(1, 1, 'a'), (1, 2, 'x')],
        );
        assert_eq!(story.verdict(), Some(property::LOG_MATCHING));
    }

    /// [F3.LM]
    #[test]
    fn equal_entries_may_not_follow_different_ones() {
        let mut story = Story::of(LogMatching::default());
        story
            .write(1, None, &[(1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')])
            .write(2, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .write(2, None, &[(3, 3, 'c')]);
        assert_eq!(story.verdict(), Some(property::LOG_MATCHING));
    }

    /// A witness may be told of an entry when its leader, and nobody else, has removed it already.
    #[test]
    fn ids_alone_are_alike_after_the_entry_is_gone() {
        let mut story = Story::of(LogMatching::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .durable(1)
            .write(1, Some(2), &[(2, 2, 'c')])
            .durable(1)
            .write_ids(3, &[(1, 1), (1, 2)]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn nothing_may_be_written_after_a_gap() {
        let mut story = Story::of(LogMatching::default());
        story.write(1, None, &[(1, 2, 'b')]);
        assert_eq!(story.verdict(), Some(property::LOG_MATCHING));
    }
}
