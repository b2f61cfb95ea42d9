//! Leases from outside (thesis 6.4.1): who has promised a leader to give no vote gives none, also
//! after a restart; and while a leader says that it has a lease, nobody has been elected after it.

use std::collections::BTreeMap;

use raft_core::hull::Hull;
use raft_core::ids::{Boot, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use super::{Stand, Step, Wrong};
use crate::checkers::property;
use crate::markers::Marker;
use crate::spy::{Passing, Says, Talk};

/// What is remembered of all nodes.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// The latest term in which anybody was elected.
    elected: Term,
    nodes: BTreeMap<NodeId, Pledge>,
    marks: Vec<Marker>,
}

/// What one node has promised, by its own clock, which goes on while it is down.
#[derive(Clone, Copy, Debug)]
struct Pledge {
    boot: Boot,
    stopped: bool,
    /// When it last took in a heartbeat of its own term.
    beat: Option<Time>,
    /// Until when it gives no vote.
    until: Time,
    /// Until when it says that it has a lease.
    claim: Option<Time>,
}

/// What a leader says of its lease.
pub(super) fn claim(hull: &Hull) -> Option<Time> {
    hull.lease_end().filter(|_| hull.role() == Role::Leader)
}

impl Leases {
    /// The node was stopped.
    pub(super) fn stopped(&mut self, node: NodeId) {
        if let Some(pledge) = self.nodes.get_mut(&node) {
            pledge.stopped = true;
        }
    }

    /// What was noticed since the last call.
    pub(super) fn take_marks(&mut self) -> Vec<Marker> {
        core::mem::take(&mut self.marks)
    }

    /// Looks at a step of a node that stood so before it (in this boot), granted a pre-vote in it,
    /// and after it says so of its lease.
    pub(super) fn step(
        &mut self,
        was: Option<Stand>,
        step: &Step<'_>,
        pre_vote_granted: Option<NodeId>,
        claim: Option<Time>,
    ) -> Option<Wrong> {
        if step.after.role == Role::Leader {
            self.elected = self.elected.max(step.after.term);
        }
        let mut pledge = self.pledge_of(step);
        let broken = was.and_then(|was| pledge.is_broken(was, step, pre_vote_granted));
        self.watch(&pledge, step, claim);
        pledge.note(step);
        pledge.claim = claim;
        self.nodes.insert(step.node, pledge);
        let claims = claim.is_some_and(|end| step.local < end) && !step.after.stopped;
        let replaced = claims && self.elected > step.after.term;
        let too_late = || {
            let text = format!(
                "says that it has a lease in {} until {claim:?} of its clock, though another was \
                 elected in {}",
                step.after.term, self.elected
            );
            (property::LEASES, text)
        };
        broken.or_else(|| replaced.then(too_late))
    }

    /// What the node has promised. A wiped disk begins with the first boot again.
    fn pledge_of(&mut self, step: &Step<'_>) -> Pledge {
        let fresh = Pledge {
            boot: step.after.boot,
            stopped: false,
            beat: None,
            until: Time::ZERO,
            claim: None,
        };
        let Some(known) = self.nodes.get(&step.node).copied() else {
            return fresh;
        };
        if !known.stopped {
            return known;
        }
        if step.after.boot <= known.boot {
            return fresh;
        }
        if step.local < known.until {
            self.marks.push(Marker::PromiseAfterRestart);
        }
        Pledge {
            until: known.until,
            ..fresh
        }
    }

    fn watch(&mut self, pledge: &Pledge, step: &Step<'_>, claim: Option<Time>) {
        let asked = |passing: &Passing| {
            matches!(passing, Passing::Taken(talk) if talk.term > step.after.term
                && matches!(talk.says, Says::RequestVote { transfer: false, .. }))
        };
        if step.local < pledge.until && step.passings.iter().any(asked) {
            self.marks.push(Marker::PromiseKept);
        }
        let holds = |claim: Option<Time>| claim.is_some_and(|end| step.local < end);
        let had = pledge.claim.is_some_and(|end| end > Time::ZERO);
        if holds(claim) && !had {
            self.marks.push(Marker::LeaseTaken);
        }
        if had && claim.is_some() && !holds(claim) {
            self.marks.push(Marker::LeaseLapsed);
        }
    }
}

impl Pledge {
    /// Takes note of what the node promises in this step.
    fn note(&mut self, step: &Step<'_>) {
        for passing in step.passings {
            match passing {
                Passing::Taken(Talk {
                    term,
                    says: Says::Heartbeat { .. },
                    ..
                }) if *term == step.after.term => self.beat = Some(step.local),
                Passing::Sent(Talk {
                    says: Says::HeartbeatReply { promise },
                    ..
                }) if !promise.is_zero() => {
                    let until = self.beat.map(|beat| beat.after(*promise));
                    self.until = self.until.max(until.unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn is_broken(
        &self,
        was: Stand,
        step: &Step<'_>,
        pre_vote_granted: Option<NodeId>,
    ) -> Option<Wrong> {
        let is = step.after;
        if step.local >= self.until || is.stopped {
            return None;
        }
        let taken = |wanted: &dyn Fn(&Talk) -> bool| {
            let mut passings = step.passings.iter();
            passings.any(|passing| matches!(passing, Passing::Taken(talk) if wanted(talk)))
        };
        let wished = taken(&|talk| {
            talk.term == is.term && matches!(talk.says, Says::RequestVote { transfer: true, .. })
        });
        let told = taken(&|talk| matches!(talk.says, Says::TimeoutNow { .. }));
        let voted = (is.term, is.vote) != (was.term, was.vote);
        let for_another = is.vote.filter(|vote| voted && *vote != step.node);
        let campaigns = was.role == Role::Follower && is.role != Role::Follower;
        let what = match (for_another, pre_vote_granted) {
            (Some(other), _) if !wished => format!("voted for {other} in {}", is.term),
            (_, Some(other)) => format!("granted {other} a pre-vote"),
            _ if campaigns && !told => format!("campaigns in {}", is.term),
            _ => return None,
        };
        let left = self.until.since(step.local);
        let text = format!("{what}, though for {left:?} still it has promised to give no vote");
        Some((property::LEASES, text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raft_core::ids::{EntryId, LogIndex};

    use super::*;
    use crate::checkers::timers::Pace;

    const ME: NodeId = NodeId::new(1);
    const OTHER: NodeId = NodeId::new(2);

    /// One node and its steps: a follower of term 5 that at 100 ms of its clock has promised to give
    /// no vote for 80 ms.
    struct Tale {
        leases: Leases,
        stand: Stand,
        found: Option<&'static str>,
    }

    impl Tale {
        fn new() -> Self {
            let stand = Stand {
                boot: Boot::new(3),
                role: Role::Follower,
                term: Term::new(5),
                vote: None,
                leader: Some(OTHER),
                configured_by: EntryId::ORIGIN,
                may_lead: true,
                stopped: false,
            };
            let mut tale = Self {
                leases: Leases::default(),
                stand,
                found: None,
            };
            let commit = LogIndex::ZERO;
            let promise = Duration::from_millis(80);
            let quiet = false;
            let beat = Passing::Taken(talk(5, Says::Heartbeat { commit, quiet }));
            tale.at(100, &[beat], |_| {});
            let reply = Passing::Sent(talk(5, Says::HeartbeatReply { promise }));
            tale.at(110, &[reply], |_| {});
            tale
        }

        fn at(&mut self, millis: u64, passings: &[Passing], change: impl FnOnce(&mut Stand)) {
            let was = self.stand;
            change(&mut self.stand);
            let same = (was.boot == self.stand.boot).then_some(was);
            let step = step(ME, millis, self.stand, passings);
            let wrong = self.leases.step(same, &step, None, None);
            self.found = self.found.or(wrong.map(|(property, _)| property));
        }
    }

    fn step(node: NodeId, millis: u64, after: Stand, passings: &[Passing]) -> Step<'_> {
        Step {
            node,
            local: Time::from_millis(millis),
            after,
            pace: Pace {
                election_timeout: Duration::from_millis(100),
                heartbeat_interval: Duration::from_millis(20),
                stalled_write_after: Duration::from_secs(9),
                check_quorum: true,
            },
            passings,
            written: true,
            oldest_write: None,
            left_letters: false,
        }
    }

    const fn talk(term: u64, says: Says) -> Talk {
        Talk {
            peer: OTHER,
            term: Term::new(term),
            says,
        }
    }

    const fn asks(transfer: bool) -> Passing {
        let last = EntryId::ORIGIN;
        Passing::Taken(talk(6, Says::RequestVote { last, transfer }))
    }

    fn votes(stand: &mut Stand) {
        (stand.term, stand.vote) = (Term::new(6), Some(OTHER));
    }

    #[test]
    fn who_has_promised_gives_no_vote_before_the_time_is_over() {
        for (millis, found) in [(179, Some(property::LEASES)), (180, None)] {
            let mut tale = Tale::new();
            tale.at(millis, &[asks(false)], votes);
            assert_eq!(tale.found, found, "{millis}");
        }
        let mut wished = Tale::new();
        wished.at(150, &[asks(true)], votes);
        assert_eq!(wished.found, None);
    }

    #[test]
    fn a_restart_ends_no_promise_and_another_disk_has_given_none() {
        for (boot, found) in [(4, Some(property::LEASES)), (1, None)] {
            let mut tale = Tale::new();
            tale.leases.stopped(ME);
            tale.at(120, &[], |stand| stand.boot = Boot::new(boot));
            tale.at(150, &[asks(false)], votes);
            assert_eq!(tale.found, found, "boot {boot}");
        }
    }

    #[test]
    fn who_has_promised_campaigns_only_when_its_leader_says_so() {
        let last = EntryId::ORIGIN;
        let told = Passing::Taken(talk(5, Says::TimeoutNow { last }));
        for (passings, found) in [(vec![], Some(property::LEASES)), (vec![told], None)] {
            let mut tale = Tale::new();
            tale.at(150, &passings, |stand| stand.role = Role::PreCandidate);
            assert_eq!(tale.found, found);
        }
    }

    #[test]
    fn a_pre_vote_is_a_vote() {
        let mut tale = Tale::new();
        let step = step(ME, 150, tale.stand, &[]);
        let wrong = tale.leases.step(Some(tale.stand), &step, Some(OTHER), None);
        assert!(wrong.is_some());
    }

    #[test]
    fn nobody_says_that_it_has_a_lease_once_another_was_elected() {
        let leader = |term| Stand {
            boot: Boot::new(1),
            role: Role::Leader,
            term: Term::new(term),
            vote: None,
            leader: None,
            configured_by: EntryId::ORIGIN,
            may_lead: true,
            stopped: false,
        };
        let claims = |other: u64, until: u64| {
            let mut leases = Leases::default();
            let (one, two) = (leader(5), leader(other));
            assert_eq!(
                leases.step(None, &step(OTHER, 90, two, &[]), None, None),
                None
            );
            let until = Some(Time::from_millis(until));
            leases.step(None, &step(ME, 100, one, &[]), None, until)
        };
        assert!(claims(6, 101).is_some());
        assert_eq!(claims(6, 100), None, "it is over");
        assert_eq!(claims(4, 101), None);
    }
}
