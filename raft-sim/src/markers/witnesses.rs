//! Rare states of witnesses.

use super::{Marker, Watch};
use crate::checkers::{Model, NodeModel, Observation, View};
use crate::spy::WriteFact;

impl Watch {
    /// A witness begins a write.
    pub(super) fn witness_begins(&mut self, own: &NodeModel, write: &WriteFact) {
        let told = write.append.iter().any(|entry| entry.absent);
        self.reached.mark_if(told, Marker::WitnessTold);
        let Some(base) = write.base else {
            return;
        };
        let there = own.log.entry(base.index).map(|there| there.entry.id);
        let marker = match there {
            Some(there) if there == base => Marker::WitnessForgot,
            Some(_) | None => Marker::WitnessSkipped,
        };
        self.reached.mark(marker);
    }

    /// A leader was elected: it may have needed the vote of a witness.
    pub(super) fn elected_by_witness(&mut self, view: &View<'_>, after: &Observation) {
        let voted = |node: &NodeModel| {
            let hard = node.durable.hard;
            (hard.term, hard.vote) == (after.term, Some(view.node))
        };
        let needed = after.voters.iter().any(|half| {
            let nodes = half.iter().filter_map(|id| view.model.node(*id));
            let whole = nodes.filter(|node| !node.witness && voted(node));
            whole.count() * 2 <= half.len()
        });
        let any = has_witnesses(view.model);
        self.reached.mark_if(any && needed, Marker::WitnessElects);
    }

    /// A leader has committed something: it may be the only one who can tell what.
    pub(super) fn committed_by_witness(&mut self, view: &View<'_>, after: &Observation) {
        let Some(last) = after.committed.last() else {
            return;
        };
        if !has_witnesses(view.model) {
            return;
        }
        let nodes = view.model.nodes().filter(|(_, node)| !node.witness);
        let holders = nodes.filter(|(_, node)| {
            let there = node.durable.entry(last.index);
            there.is_some_and(|there| there.entry.id == *last)
        });
        self.reached
            .mark_if(holders.count() < 2, Marker::WitnessDecided);
    }
}

fn has_witnesses(model: &Model) -> bool {
    model.nodes().any(|(_, node)| node.witness)
}
