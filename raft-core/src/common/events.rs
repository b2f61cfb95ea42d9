//! What happened, kept for whoever watches; and the last inputs, kept for a report.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::rest::give_back;
use crate::ids::{NodeId, Term};
use crate::time::Time;
use crate::trace::{Event, EventKind, RuleKey};

/// Bounded queues of events and of the last inputs: when nobody takes them, the oldest go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    events: VecDeque<Event>,
    inputs: VecDeque<InputNote>,
}

/// Enough of an input to recognise it in a report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InputNote {
    pub(crate) now: Time,
    pub(crate) name: &'static str,
    pub(crate) from: Option<(NodeId, Term)>,
}

impl Events {
    pub(crate) fn push(&mut self, rule: RuleKey, kind: EventKind) {
        push_bounded(&mut self.events, Event { rule, kind }, MAX_EVENTS);
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn note_input(&mut self, note: InputNote) {
        push_bounded(&mut self.inputs, note, MAX_INPUT_NOTES);
    }

    /// Gives back the memory of what was taken, and forgets the inputs of a node at rest.
    pub(crate) fn give_back(&mut self) {
        give_back(&mut self.events);
        self.inputs.clear();
        give_back(&mut self.inputs);
    }

    /// The last inputs, oldest first, as text.
    pub(crate) fn last_inputs(&self) -> Vec<String> {
        let line = |note: &InputNote| format!("{:?} {} {:?}", note.now, note.name, note.from);
        self.inputs.iter().map(line).collect()
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Events kept until they are taken.
const MAX_EVENTS: usize = 256;
/// Inputs named in the report of a broken invariant.
const MAX_INPUT_NOTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LogIndex;

    #[test]
    fn events_nobody_takes_are_bounded_and_the_latest_stay() {
        let mut events = Events::default();
        let adopted = |term| EventKind::UpdateTerm {
            term: Term::new(term),
        };
        for term in 0..300 {
            events.push("F2.ALL.2", adopted(term));
        }
        let kept: Vec<Event> = core::iter::from_fn(|| events.next()).collect();
        assert_eq!(kept.len(), MAX_EVENTS);
        assert_eq!(kept.first().map(|event| event.kind), Some(adopted(44)));
        assert_eq!(kept.last().map(|event| event.kind), Some(adopted(299)));
        let from = LogIndex::new(1);
        events.push("F2.AE.3", EventKind::Truncated { from });
        assert_eq!(events.next().map(|event| event.rule), Some("F2.AE.3"));
        assert_eq!(events.next(), None);
    }

    #[test]
    fn a_report_names_the_last_inputs_oldest_first() {
        let mut events = Events::default();
        for second in 0..20 {
            events.note_input(InputNote {
                now: Time::from_millis(second * 1_000),
                name: "Heartbeat",
                from: Some((NodeId::new(2), Term::new(7))),
            });
        }
        let lines = events.last_inputs();
        assert_eq!(lines.len(), MAX_INPUT_NOTES);
        assert!(lines[0].starts_with("4."), "{lines:?}");
        assert!(lines[15].starts_with("19."), "{lines:?}");
        for part in ["Heartbeat", "n2", "T7"] {
            assert!(lines[0].contains(part), "{part} in {}", lines[0]);
        }
    }
}
