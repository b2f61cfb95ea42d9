//! How far the leader's witnesses may be told of its log (see [`crate::rules::witness`]).
//!
//! Without a witness in the configuration there is nothing here, and nothing is done.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::hash::{Hash, Hasher};

use crate::common::Common;
use crate::configuration::Member;
use crate::ids::{LogIndex, NodeId};
use crate::rules::witness::{self, Moment, Pace, Voter};

use super::Leader;
use super::progress::Progress;

/// How those keep up for whom witnesses wait.
///
/// - There is a pace for each follower that may lead by either half of the configuration in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses {
    paces: BTreeMap<NodeId, Pace>,
}

impl Witnesses {
    /// Whether witnesses wait for no word of `id`. The leader waits for its own disk in any case.
    fn is_late(&self, common: &Common, id: NodeId) -> bool {
        let pace = self.paces.get(&id);
        pace.map_or(!common.is_me(id), Pace::is_late)
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, common: &Common, into: &mut impl Hasher) {
        let Self { paces } = self;
        for (id, pace) in paces {
            (id, pace.age(moment(common))).hash(into);
        }
    }
}

impl Leader {
    /// The configuration in force has witnesses, or has none any more.
    pub(super) fn follow_witnesses(&mut self, common: &Common) {
        let configuration = common.configuration();
        for (id, progress) in self.followers.iter_mut() {
            let told = progress.witness.unwrap_or_default();
            progress.witness = configuration.is_witness(*id).then_some(told);
        }
        if !configuration.has_witnesses() {
            self.witnesses = None;
            return;
        }
        let before = self.witnesses.take().unwrap_or_default();
        let last = common.last().index;
        let pace = |id: &NodeId| {
            let known = before.paces.get(id).copied();
            (*id, known.unwrap_or(Pace::begin(last, common.now)))
        };
        // Who is to be a learner votes as before in the half that goes.
        let leads = |member: &Member| member.role.may_lead();
        let able = |id: &&NodeId| {
            let mut halves = configuration.halves();
            halves.any(|half| half.get(id).is_some_and(leads))
        };
        let paces = self.followers.keys().filter(able).map(pace).collect();
        self.witnesses = Some(Box::new(Witnesses { paces }));
        self.tend_witnesses(common);
    }

    /// Looks who keeps up, and how far witnesses may be told therefore.
    pub(super) fn tend_witnesses(&mut self, common: &Common) {
        let Some(mut witnesses) = self.witnesses.take() else {
            return;
        };
        let last = common.last().index;
        for (id, pace) in &mut witnesses.paces {
            let matched = self.matched(common, *id);
            pace.observe(matched, last, moment(common));
        }
        let voter = |id| Voter {
            matched: self.matched(common, id),
            is_late: witnesses.is_late(common, id),
        };
        let durable = common.disk.durable_index();
        let through = witness::told_through(common.configuration(), durable, voter);
        for progress in self.followers.values_mut() {
            progress.witness = progress.witness.map(|_| through);
        }
        self.witnesses = Some(witnesses);
    }

    /// The connection to a node is lost: witnesses do not wait for it.
    pub(super) fn lose_voter(&mut self, common: &Common, node: NodeId) {
        let Some(witnesses) = &mut self.witnesses else {
            return;
        };
        if let Some(pace) = witnesses.paces.get_mut(&node) {
            pace.lose(common.last().index, common.now);
        }
        self.tend_witnesses(common);
    }

    /// Whether this follower is a witness that may not be told of the entry at `index` yet.
    pub(crate) fn withholds(&self, progress: &Progress, index: LogIndex) -> bool {
        let told = progress.witness();
        told.is_some_and(|bound| bound < index && progress.next() <= index)
    }

    /// One of those for whom witnesses wait, because it lacks the entry at `index`.
    pub(crate) fn awaited_by_witnesses(&self, common: &Common, index: LogIndex) -> Option<NodeId> {
        let paces = self.witnesses.as_ref()?.paces.iter();
        let mut awaited = paces.filter(|(_, pace)| !pace.is_late());
        let lacks = |id| self.matched(common, id) < index;
        let awaited = awaited.find(|(id, _)| lacks(**id));
        awaited.map(|(id, _)| *id)
    }
}

fn moment(common: &Common) -> Moment {
    Moment {
        now: common.now,
        patience: witness::patience(common.settings.election_timeout),
    }
}
