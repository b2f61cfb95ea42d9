//! Who sleeps, and what wakes it ([`crate::settings::Settings::quiescent_after`]).

use super::Hull;
use super::input::Input;
use crate::message::Body;
use crate::states::State;

impl Hull {
    /// Whether this node neither sends heartbeats nor waits for any, because nobody wants anything.
    /// [`Input::Rouse`] and whatever is asked of it ends that.
    pub fn is_quiet(&self) -> bool {
        match &self.state {
            State::Follower(follower) => follower.is_quiet(),
            State::Leader(leader) => leader.is_quiet(),
            State::PreCandidate(_) | State::Candidate(_) => false,
        }
    }

    /// Wakes this node if this is something that somebody wants of it. A stopped one has no
    /// deadline either, and stays.
    pub(super) fn rouse_for(&mut self, input: &Input) {
        match input {
            Input::ConnectionLost(_)
            | Input::Propose(_)
            | Input::Read(_)
            | Input::Transfer(_)
            | Input::Reconfigure(_)
            | Input::CancelReconfigure(_)
            | Input::Rouse => self.rouse(),
            // Who speaks is known only then: it wakes nobody before it is admitted.
            Input::Message(_)
            | Input::DeadlinePassed
            | Input::Durable(_)
            | Input::WriteFailed(_)
            | Input::Loaded(_)
            | Input::Applied(_)
            | Input::TakeSnapshot
            | Input::Snapshot(_) => {}
        }
    }

    /// Wakes a leader for any message. A follower is woken by its leader's word, as its timer is
    /// restarted; by others only when they look for a leader: it looks after its own first.
    pub(super) fn rouse_by(&mut self, body: &Body) {
        let is_wanted = match &self.state {
            // An answer to its own word is no news, however late or often; one to nobody's is a call.
            State::Leader(_) => {
                !matches!(body, Body::HeartbeatReply(reply) if reply.round.is_some())
            }
            State::Follower(_) => body.seeks_leader(),
            State::PreCandidate(_) | State::Candidate(_) => false,
        };
        if is_wanted {
            self.rouse();
        }
    }

    /// Gives back what a hull at rest does not need: called whenever all of something was pulled.
    #[inline(never)]
    pub(super) fn rest(&mut self) {
        self.common.give_back();
        if let State::Leader(leader) = &mut self.state {
            leader.give_back();
        }
    }

    fn rouse(&mut self) {
        let common = &mut self.common;
        if common.fault.is_some() {
            return;
        }
        match &mut self.state {
            State::Follower(follower) => follower.rouse(common),
            State::Leader(leader) => leader.rouse(common),
            State::PreCandidate(_) | State::Candidate(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::crc32c;
    use crate::configuration::Configuration;
    use crate::hull::Setup;
    use crate::ids::{Incarnation, NodeId, Peer};
    use crate::log::Recovered;
    use crate::settings::Settings;
    use crate::time::Time;

    /// Whoever holds many hulls pays for each of them.
    #[test]
    fn a_hull_at_rest_keeps_no_room_for_what_waits_to_be_pulled() {
        let peer = |id| Peer::new(NodeId::new(id), Incarnation::new(1));
        let setup = Setup {
            me: peer(1),
            founding: Configuration::of_voters((1..=3).map(peer)),
            settings: Settings::default().into(),
            seed: 1,
            checksum: crc32c,
            witness: false,
        };
        let rest = setup.settings.election_timeout;
        let mut hull = Hull::open(setup, Recovered::default(), Time::ZERO).unwrap();
        let write = hull.next_write().unwrap();
        hull.step(Time::ZERO, Input::Durable(write.receipt.synced()));
        assert!(hull.next_event().is_none());
        assert!(hull.common.out.there().is_some(), "not at rest yet");
        hull.step(Time::ZERO.after(rest), Input::Rouse);
        assert!(hull.next_event().is_none());
        assert!(hull.common.out.there().is_none());
    }
}
