//! What happened, kept for whoever watches; and the last inputs, kept for a report.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::ids::{NodeId, Term};
use crate::time::Time;
use crate::trace::{Event, EventKind, RuleKey};

/// Bounded queues of events and of the last inputs: when nobody takes them, the oldest go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    events: VecDeque<Event>,
    /// The last inputs, each in the place of the one that came as many before it as are kept.
    inputs: [InputNote; MAX_INPUT_NOTES],
    /// How many inputs there were.
    noted: usize,
}

/// Enough of an input to recognise it in a report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InputNote {
    pub(crate) now: Time,
    pub(crate) name: &'static str,
    pub(crate) from: Option<(NodeId, Term)>,
}

impl Events {
    #[inline]
    pub(crate) fn push(&mut self, rule: RuleKey, kind: EventKind) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(Event { rule, kind });
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    #[inline]
    pub(crate) fn note_input(&mut self, note: InputNote) {
        if let Some(place) = self.inputs.get_mut(self.noted % MAX_INPUT_NOTES) {
            *place = note;
        }
        self.noted = self.noted.wrapping_add(1);
    }

    /// Whether all events were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The last inputs, oldest first, as text.
    pub(crate) fn last_inputs(&self) -> Vec<String> {
        let line = |note: &InputNote| format!("{:?} {} {:?}", note.now, note.name, note.from);
        let next = self.noted % MAX_INPUT_NOTES;
        let oldest = self.inputs.iter().skip(next);
        let kept = oldest.chain(self.inputs.iter().take(next));
        // As long as there were fewer, some places are empty.
        let missing = MAX_INPUT_NOTES.saturating_sub(self.noted);
        kept.skip(missing).map(line).collect()
    }
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
        for second in 1..=50 {
            events.note_input(InputNote {
                now: Time::from_millis(second * 1_000),
                name: "Heartbeat",
                from: Some((NodeId::new(2), Term::new(7))),
            });
            let lines = events.last_inputs();
            assert_eq!(lines.len(), MAX_INPUT_NOTES.min(second as usize));
            for (line, at) in lines.iter().rev().zip((1..=second).rev()) {
                assert!(line.starts_with(&format!("{at}.")), "{at} in {lines:?}");
                for part in ["Heartbeat", "n2", "T7"] {
                    assert!(line.contains(part), "{part} in {line}");
                }
            }
        }
    }
}
