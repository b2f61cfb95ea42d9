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
