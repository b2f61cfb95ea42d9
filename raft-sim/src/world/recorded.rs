//! What a world tells those who listen to it. Nothing here changes a world, and nothing is done
//! where nobody listens.

use std::fmt;

use raft_core::ids::NodeId;

use super::World;
use crate::checkers::Violation;
use crate::nemesis::Fault;
use crate::network::{Links, node_id};
use crate::script::print;
use crate::subject::Subject;
use crate::trace::{Recorder, Struck, What};

impl<S: Subject> World<'_, S> {
    /// Tells a recorder what happens while it happens.
    #[must_use]
    pub fn recorded_by(mut self, recorder: &Recorder) -> Self {
        recorder.begin(&self.plan);
        self.network.recorded_by(recorder.clone());
        for node in &mut self.nodes {
            node.recorder = Some(recorder.clone());
        }
        self.recorder = Some(recorder.clone());
        self.keep_events();
        self
    }

    /// Lets nodes keep what their hulls say until it is told.
    pub(super) fn keep_events(&mut self) {
        for node in &mut self.nodes {
            node.kept_events = MOST_EVENTS_OF_A_POLL;
        }
    }

    /// Tells the recorder, if there is one.
    pub(super) fn record(&self, node: Option<usize>, what: impl FnOnce() -> What) {
        if let Some(recorder) = &self.recorder {
            recorder.note(self.schedule.now(), node.map(node_id), what());
        }
    }

    /// Tells the recorder a line.
    pub(super) fn record_note(&self, node: Option<usize>, text: fmt::Arguments<'_>) {
        self.record(node, || What::Note {
            text: text.to_string(),
        });
    }

    /// Tells what a node did in its last poll.
    pub(super) fn record_step(&mut self, number: usize) {
        if self.trace.is_none() && self.recorder.is_none() {
            return;
        }
        let Some(node) = self.nodes.get_mut(number) else {
            return;
        };
        let events = node.take_events();
        if let Some(recorder) = &self.recorder {
            recorder.stepped(self.schedule.now(), node.id(), node.hull(), &events);
        }
        if self.trace.is_some() {
            for event in &events {
                self.tell(Some(number), format_args!("{}", print::event(event)));
            }
        }
    }

    /// Tells that a fault strikes.
    pub(super) fn record_fault(&self, place: usize, node: Option<usize>, fault: &Fault) {
        self.record_cut(place, node, fault, Links::default());
    }

    /// Tells that a fault strikes and takes these links away.
    pub(super) fn record_cut(
        &self,
        place: usize,
        node: Option<usize>,
        fault: &Fault,
        links: Links,
    ) {
        self.record(node, || {
            let written = format!("{fault:?}");
            let name = written.split(|letter: char| !letter.is_ascii_alphanumeric());
            What::Struck(Struck {
                fault: place as u64,
                name: name.take(1).collect(),
                links: pairs(links, self.nodes.len()),
                text: fault.in_words(self.nodes.len()),
            })
        });
    }

    /// Tells how the world ended.
    pub(super) fn record_end(&self, violation: Option<&Violation>) {
        if let (Some(recorder), Some(violation)) = (&self.recorder, violation) {
            recorder.violated(violation);
        }
    }
}

fn pairs(links: Links, nodes: usize) -> Vec<(NodeId, NodeId)> {
    let all = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
    all.filter(|&(from, to)| links.has(from, to))
        .map(|(from, to)| (node_id(from), node_id(to)))
        .collect()
}

/// More events than any one poll of a driver causes.
const MOST_EVENTS_OF_A_POLL: usize = 10_000;
