//! What tells two hulls apart that go on from different pasts: for whoever explores all that can
//! happen, and wants to go on only once from each state.
//!
//! Each part destructures itself whole, so that a new field does not compile before somebody has
//! said whether it counts. What does not count:
//!
//! - where the deadlines lie, and what the next ones will be drawn from: whoever explores lets them
//!   pass in every order;
//! - which boot this is: what proves that its writes are durable names it, and comes to no other;
//! - the number of a batch: only how many are under way before something may be said;
//! - what is pulled and changes nothing by being pulled: events, tickets, loads. Pull it first.

use core::hash::{Hash, Hasher};

use super::Hull;
use crate::states::State;

impl Hull {
    /// Feeds all that decides what this hull does next. Of two hulls of one setup that feed the
    /// same, each does what the other does, if the same is stepped when their deadlines have
    /// passed alike. Log times differ by what has passed since the election, and count.
    pub fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            common,
            state,
            attempts,
        } = self;
        common.fingerprint(into);
        attempts.hash(into);
        self.role().hash(into);
        // The age of what was heard counts only in this.
        self.hears_leader().hash(into);
        match state {
            State::Follower(follower) => follower.fingerprint(into),
            State::PreCandidate(candidate) => candidate.fingerprint(into),
            State::Candidate(candidate) => candidate.fingerprint(common, into),
            State::Leader(leader) => leader.fingerprint(common, into),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use std::hash::DefaultHasher;

    use super::*;
    use crate::checksum::crc32c;
    use crate::configuration::Configuration;
    use crate::hull::{Input, Setup};
    use crate::ids::{EntryId, Incarnation, NodeId, Peer, Term};
    use crate::log::Recovered;
    use crate::message::{Body, Message, RequestVote};
    use crate::settings::Settings;
    use crate::time::Time;

    extern crate std;

    fn peer(id: u64) -> Peer {
        Peer::new(NodeId::new(id), Incarnation::new(u128::from(id)))
    }

    fn hull(seed: u64) -> Hull {
        let setup = Setup {
            me: peer(1),
            founding: Configuration::of_voters((1..=3).map(peer)),
            settings: Settings::default().into(),
            seed,
            checksum: crc32c,
            witness: false,
        };
        Hull::open(setup, Recovered::default(), Time::ZERO).unwrap()
    }

    fn fed(hull: &Hull) -> u64 {
        let mut hasher = DefaultHasher::new();
        hull.fingerprint(&mut hasher);
        hasher.finish()
    }

    fn times_out(hull: &mut Hull) {
        let deadline = hull.deadline().unwrap();
        hull.step(deadline, Input::DeadlinePassed);
    }

    #[test]
    fn deadlines_do_not_count_and_what_they_change_does() {
        let (mut one, mut other) = (hull(1), hull(2));
        assert_ne!(one.deadline(), other.deadline());
        assert_eq!(fed(&one), fed(&other));
        let before = fed(&one);
        times_out(&mut one);
        assert_ne!(fed(&one), before);
        times_out(&mut other);
        assert_eq!(fed(&one), fed(&other));
    }

    #[test]
    fn a_write_under_way_counts() {
        let mut hulls: Vec<Hull> = (0..2).map(|_| hull(1)).collect();
        let write = hulls[1].next_write().unwrap();
        assert_ne!(fed(&hulls[0]), fed(&hulls[1]));
        let under_way = fed(&hulls[1]);
        hulls[1].step(Time::ZERO, Input::Durable(write.receipt.synced()));
        assert_ne!(fed(&hulls[1]), under_way);
    }

    /// The same refusal, at once because the request's term is over, or only with the vote that
    /// it speaks of: until then another hull, since it leaves later.
    #[test]
    fn what_an_answer_waits_for_counts() {
        let asked_in = |second: u64| {
            let mut hull = hull(1);
            let request = |from, term| {
                Input::Message(Message {
                    from: peer(from),
                    to: peer(1),
                    term: Term::new(term),
                    body: Body::RequestVote(RequestVote {
                        last: EntryId::ORIGIN,
                        transfer: false,
                    }),
                })
            };
            hull.next_write().unwrap();
            hull.step(Time::ZERO, request(3, 5));
            hull.next_write().unwrap();
            hull.step(Time::ZERO, request(2, second));
            hull
        };
        assert_eq!(fed(&asked_in(5)), fed(&asked_in(5)));
        assert_ne!(fed(&asked_in(4)), fed(&asked_in(5)));
    }
}
