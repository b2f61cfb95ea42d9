//! Whoever was removed is told, and disturbs nobody (thesis 4.2.3).

use super::Hull;
use crate::configuration::Members;
use crate::error::Dropped;
use crate::ids::{LogIndex, Peer};
use crate::message::{Body, Removed};
use crate::rules::plan::{self, Plan};
use crate::rules::reconfigure::TargetProblem;
use crate::states::{Next, State};
use crate::trace::EventKind;

impl Hull {
    /// What a change to `target` would go through from here, what each phase needs and survives,
    /// and what is risky. Changes nothing. While another change is under way, the plan begins where
    /// that leads from; a leader knows how far behind members are, others don't.
    ///
    /// # Errors
    ///
    /// The target can't be; a leader would refuse it for the same reason.
    pub fn plan(&self, target: &Members) -> Result<Plan, TargetProblem> {
        let last = self.last().index;
        let behind = |node| Some(last.distance_from(self.match_index(node)?));
        plan::plan(&self.configuration().members, target, behind)
    }

    /// Tells who looks for a leader that a committed configuration does not hold it, if that is so.
    /// It is answered all the same: it may have been added again in one that is not known here.
    pub(super) fn tell_removed(&mut self, seeker: Peer) {
        let common = &mut self.common;
        let configuration = common.configured_at();
        if configuration == LogIndex::ZERO {
            // The founding one: who is not in it was never a member.
            return;
        }
        if !common.configuration().admits(seeker) && common.is_configuration_committed() {
            let removed = Removed { configuration };
            common.say(seeker, Body::Removed(removed));
        }
    }

    /// The committed configuration that removed this node, if it knows of one: others said so, or its own log
    /// does, and it knows of no later one. Nobody answers it then: what it asks of a leader has no end.
    pub fn removed_by(&self) -> Option<LogIndex> {
        let common = &self.common;
        match common.is_removed() {
            true => Some(common.configurations.told_removed()),
            false => common
                .configurations
                .left_by(common.me, common.commit_index),
        }
    }

    /// A member says that this node is none any more.
    pub(super) fn on_removed(&mut self, from: Peer, removed: Removed) -> Next {
        let common = &mut self.common;
        if !common.configuration().admits(from) {
            return self.drop_message(from, Dropped::Stranger, "T4.2.2.16");
        }
        let Removed { configuration } = removed;
        let was_removed = common.is_removed();
        common.configurations.on_removed(configuration);
        if !common.is_removed() {
            // It came late: this node knows of a later configuration.
            return self.drop_message(from, Dropped::StaleReply, "T4.2.2.16");
        }
        // Each member that was asked says so.
        if !was_removed {
            common.event("T4.2.2.16", EventKind::Removed { configuration });
        }
        match &self.state {
            State::PreCandidate(_) | State::Candidate(_) => Next::Follower,
            State::Follower(_) | State::Leader(_) => Next::Stay,
        }
    }
}
