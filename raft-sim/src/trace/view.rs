//! How a node looks at one moment, and how a happening changes that.

use raft_core::ids::{LogIndex, NodeId};
use serde::{Deserialize, Serialize};

use super::{Happening, Line, LogChange, State, What};

/// How a node looks at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct View {
    /// Who.
    pub node: NodeId,
    /// Whether there is a process.
    pub up: bool,
    /// Its hull's state; `None` without a hull.
    pub state: Option<State>,
    /// The index of the first line of its log.
    pub first: LogIndex,
    /// Its log, as it was handed to the disk.
    pub log: Vec<Line>,
}

impl View {
    /// A node that was never started.
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            first: LogIndex::ZERO.next(),
            ..Self::default()
        }
    }

    /// The entry at this index, if the log holds it.
    pub fn line(&self, index: LogIndex) -> Option<&Line> {
        let place = index.get().checked_sub(self.first.get())?;
        self.log.get(usize::try_from(place).ok()?)
    }

    /// The index after its log's last line.
    pub(crate) fn end(&self) -> LogIndex {
        LogIndex::new(self.first.get() + self.log.len() as u64)
    }

    /// Applies what happened to the log. What stands before a gap is gone: a snapshot is in its place.
    pub(crate) fn change(&mut self, change: &LogChange) {
        if change.from < self.first || change.from > self.end() {
            self.log.clear();
            self.first = change.from;
        }
        let kept = change.from.get().saturating_sub(self.first.get());
        self.log
            .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        self.log.extend_from_slice(&change.lines);
        let dropped = change.first.get().saturating_sub(self.first.get());
        let dropped = usize::try_from(dropped).unwrap_or(usize::MAX);
        self.log.drain(..dropped.min(self.log.len()));
        self.first = self.first.max(change.first);
    }
}

/// Lets a happening change how the nodes look.
pub(crate) fn advance(views: &mut [View], happening: &Happening) {
    let view = views
        .iter_mut()
        .find(|view| Some(view.node) == happening.node);
    let Some(view) = view else {
        return;
    };
    match &happening.what {
        What::Started => view.up = true,
        What::Stopped { .. } => {
            view.up = false;
            view.state = None;
        }
        What::Stepped(step) => {
            if let Some(state) = &step.state {
                view.state = Some(state.clone());
            }
            if let Some(change) = &step.log {
                view.change(change);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use raft_core::ids::Term;
    use raft_core::time::Time;

    use super::super::Step;
    use super::*;

    fn lines(terms: &[u64]) -> Vec<Line> {
        let line = |&term: &u64| Line {
            term: Term::new(term),
            text: format!("of T{term}"),
        };
        terms.iter().map(line).collect()
    }

    fn change(first: u64, from: u64, terms: &[u64]) -> LogChange {
        LogChange {
            first: LogIndex::new(first),
            from: LogIndex::new(from),
            lines: lines(terms),
        }
    }

    #[test]
    fn a_log_changes_from_an_index_on_and_loses_what_lies_before_its_first() {
        let mut view = View::new(NodeId::new(1));
        view.change(&change(1, 1, &[1, 1, 1]));
        view.change(&change(1, 3, &[2, 2]));
        assert_eq!(view.log, lines(&[1, 1, 2, 2]));
        view.change(&change(1, 3, &[]));
        assert_eq!(view.log, lines(&[1, 1]));
        view.change(&change(2, 3, &[3]));
        assert_eq!(view.log, lines(&[1, 3]));
        assert_eq!(view.line(LogIndex::new(1)), None);
        assert_eq!(view.line(LogIndex::new(3)), lines(&[3]).first());
        view.change(&change(3, 4, &[]));
        assert_eq!(view.log, lines(&[3]), "only what lies before goes");
        view.change(&change(9, 9, &[]));
        assert_eq!(view.log, lines(&[]));
        view.change(&change(9, 9, &[4]));
        assert_eq!(view.line(LogIndex::new(9)), lines(&[4]).first());
        view.change(&change(20, 20, &[5, 5]));
        assert_eq!(view.log, lines(&[5, 5]), "a snapshot stands for the rest");
        assert_eq!(view.line(LogIndex::new(21)), lines(&[5]).first());
        view.change(&change(7, 7, &[4, 4]));
        assert_eq!((view.first.get(), view.end().get()), (7, 9), "another disk");
    }

    #[test]
    fn a_stop_takes_the_state_and_leaves_the_log() {
        let mut views = vec![View::new(NodeId::new(1)), View::new(NodeId::new(2))];
        let at = |what| Happening {
            number: 0,
            at: Time::ZERO,
            node: Some(NodeId::new(2)),
            what,
        };
        let step = Step {
            state: Some(State::default()),
            log: Some(change(1, 1, &[1])),
            ..Step::default()
        };
        advance(&mut views, &at(What::Started));
        advance(&mut views, &at(What::Stepped(step)));
        assert!(views[1].up && views[1].state.is_some());
        let why = "is down".to_owned();
        advance(&mut views, &at(What::Stopped { why }));
        assert!(!views[1].up && views[1].state.is_none());
        assert_eq!(views[1].log, lines(&[1]));
        assert_eq!(views[0], View::new(NodeId::new(1)));
    }
}
