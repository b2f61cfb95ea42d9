//! Leases from outside (thesis 6.4.1): who has promised a leader to give no vote gives none, also
//! after a restart; a leader says that it has a lease no longer than promises of a majority last,
//! whatever their clocks do meanwhile; and while it does, nobody has been elected after it.

use std::collections::BTreeMap;
use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{EntryId, Incarnation, NodeId, Peer, Term};
use raft_core::states::Role;
use raft_core::time::Time;
use raft_node::clock::Clock as _;

use super::{Stand, Step, Wrong, is_majority};
use crate::by_node::ByNode;
use crate::checkers::property;
use crate::clock::SimClock;
use crate::markers::Marker;
use crate::spy::{Passing, Says, Talk};

/// What is remembered of all nodes.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// The latest term in which anybody was elected.
    elected: Term,
    nodes: ByNode<Pledge>,
    /// Until when lives had promised whose disks are lost. They vote for nobody any more, so that what
    /// they promised holds.
    lost: BTreeMap<(NodeId, Incarnation), Time>,
    /// Where clocks can be read from outside.
    clocks: ByNode<SimClock>,
    marks: Vec<Marker>,
}

/// What one node has promised, by its own clock, which goes on while it is down.
#[derive(Clone, Copy, Debug)]
struct Pledge {
    life: Incarnation,
    stopped: bool,
    /// When it first took in a heartbeat of the latest round that it knows of, and which that is:
    /// its answer is to that one.
    beat: Option<(Term, u64, Time)>,
    /// Until when it gives no vote.
    until: Time,
    /// Until when it says that it has a lease.
    claim: Option<Time>,
    /// When it last said that it has one.
    held: Option<Time>,
    /// By which configuration it said so.
    claimed_by: EntryId,
    /// The last term in which it told another to take over: those who promised refuse that one
    /// nothing.
    gave_up: Option<Term>,
}

/// What a leader says of its lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    /// Until when it has one.
    until: Time,
    /// By how many thousandths another clock may gain on its own.
    drift: u16,
}

/// The voters of each half, in the lives that count.
pub(super) type Voters<'a> = &'a dyn Fn() -> Vec<Vec<Peer>>;

/// What a leader says of its lease.
pub(super) fn claim(hull: &Hull) -> Option<Claim> {
    let until = hull.lease_end().filter(|_| hull.role() == Role::Leader)?;
    let drift = hull.settings().lease?.max_drift_per_mille;
    Some(Claim { until, drift })
}

impl Leases {
    /// A node's clock, which is read when others speak of its promises.
    pub(super) fn clock_of(&mut self, node: NodeId, clock: SimClock) {
        self.clocks.insert(node, clock);
    }

    /// A node's clock, where it can be read.
    pub(super) fn clock(&self, node: NodeId) -> Option<&SimClock> {
        self.clocks.find(&node)
    }

    /// Whether the node has had a lease at some moment since `at` of its clock.
    pub(super) fn was_held(&self, node: NodeId, at: Time) -> bool {
        let pledge = self.nodes.find(&node);
        pledge.is_some_and(|pledge| pledge.held.is_some_and(|held| held >= at))
    }

    /// The node was stopped.
    pub(super) fn stopped(&mut self, node: NodeId) {
        if let Some(pledge) = self.nodes.find_mut(&node) {
            pledge.stopped = true;
        }
    }

    /// What was noticed since the last call.
    pub(super) fn take_marks(&mut self) -> Vec<Marker> {
        core::mem::take(&mut self.marks)
    }

    /// Looks at a step of a node that stood so before it (in this boot), granted a pre-vote in it,
    /// and after it says so of its lease, among these voters.
    pub(super) fn step(
        &mut self,
        was: Option<Stand>,
        step: &Step<'_>,
        pre_vote_granted: Option<NodeId>,
        claim: Option<(Claim, Voters<'_>)>,
    ) -> Option<Wrong> {
        if step.after.role == Role::Leader {
            self.elected = self.elected.max(step.after.term);
        }
        let mut pledge = self.pledge_of(step);
        let broken = was.and_then(|was| pledge.is_broken(was, step, pre_vote_granted));
        let until = claim.map(|(claim, _)| claim.until);
        self.watch(&pledge, step, until);
        pledge.note(step);
        let by = step.after.configured_by;
        let is_new = (pledge.claim, pledge.claimed_by) != (until, by);
        let before = std::mem::replace(&mut pledge.claim, until);
        pledge.claimed_by = by;
        let held = claim.filter(|(claim, _)| step.local < claim.until && !step.after.stopped);
        // What it gave up in this step it may have answered by in this step, before.
        let had = before.is_some_and(|before| step.local < before && !step.after.stopped);
        let has_had = held.is_some() || had;
        pledge.held = has_had.then_some(step.local).or(pledge.held);
        self.nodes.insert(step.node, pledge);
        broken.or_else(|| {
            let (held, voters) = held?;
            let wrong = self.claimed_too_late(step, &pledge, held);
            // Nothing but another claim, or other voters, takes away what a claim stands on.
            wrong.or_else(|| self.unbacked(step, held, &voters()).filter(|_| is_new))
        })
    }

    /// A lease that ended with what happened.
    fn claimed_too_late(&self, step: &Step<'_>, pledge: &Pledge, claim: Claim) -> Option<Wrong> {
        let term = step.after.term;
        let what = if self.elected > term {
            format!("another was elected in {}", self.elected)
        } else if pledge.gave_up == Some(term) {
            "it has told another to take over".to_owned()
        } else {
            return None;
        };
        let text = format!(
            "says that it has a lease in {term} until {:?} of its clock, though {what}",
            claim.until
        );
        Some((property::LEASES, text))
    }

    /// A lease that lasts longer than what those have promised on whom it stands, if their clocks
    /// gain as much from now on as they may.
    fn unbacked(&self, step: &Step<'_>, claim: Claim, voters: &[Vec<Peer>]) -> Option<Wrong> {
        let left = claim.until.since(step.local);
        let needed = left * (1_000 + u32::from(claim.drift)) / 1_000;
        let backs = |voter: &Peer| {
            // Whose clock nobody can read is believed.
            let Some(clock) = self.clocks.find(&voter.id) else {
                return true;
            };
            let until = self.promised_by(*voter);
            let lasts = |until: Time| until.since(clock.now()) + ROUNDING >= needed;
            voter.id == step.node || until.is_some_and(lasts)
        };
        (!is_majority(voters, backs)).then(|| {
            let text = format!(
                "says that it has a lease in {} for {left:?} of its clock, and clocks may gain {} \
                 thousandths on it: no majority has promised to give no vote for as long",
                step.after.term, claim.drift
            );
            (property::LEASES, text)
        })
    }

    /// Until when this life of a node has promised, by the node's clock.
    fn promised_by(&self, voter: Peer) -> Option<Time> {
        let of_now = self.nodes.find(&voter.id);
        let of_now = of_now.filter(|pledge| pledge.life == voter.incarnation);
        let lost = || self.lost.get(&(voter.id, voter.incarnation)).copied();
        of_now.map(|pledge| pledge.until).or_else(lost)
    }

    /// What the node has promised. Another disk has promised nothing. (Boots don't tell: a start
    /// whose number was not durable when it ended is followed by another of the same.)
    fn pledge_of(&mut self, step: &Step<'_>) -> Pledge {
        let fresh = Pledge {
            life: step.after.life,
            stopped: false,
            beat: None,
            until: Time::ZERO,
            claim: None,
            held: None,
            claimed_by: EntryId::ORIGIN,
            gave_up: None,
        };
        let Some(known) = self.nodes.find(&step.node).copied() else {
            return fresh;
        };
        if !known.stopped {
            return known;
        }
        if step.after.life != known.life {
            self.lost.insert((step.node, known.life), known.until);
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
                    says: Says::Heartbeat { round, .. },
                    ..
                }) if *term == step.after.term => self.hear(*term, *round, step.local),
                Passing::Sent(Talk {
                    says: Says::HeartbeatReply { promise, .. },
                    ..
                }) if !promise.is_zero() => {
                    let until = self.beat.map(|(_, _, beat)| beat.after(*promise));
                    self.until = self.until.max(until.unwrap_or_default());
                }
                Passing::Sent(Talk {
                    term,
                    says: Says::TimeoutNow { .. },
                    ..
                }) => self.gave_up = self.gave_up.max(Some(*term)),
                _ => {}
            }
        }
    }

    fn hear(&mut self, term: Term, round: u64, now: Time) {
        let known = self.beat.map(|(term, round, _)| (term, round));
        if known < Some((term, round)) {
            self.beat = Some((term, round, now));
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

/// What two clocks may be apart by rounding alone.
const ROUNDING: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use raft_core::ids::LogIndex;

    use raft_core::ids::Boot;

    use super::*;

    use crate::checkers::timers::plain::{self, step};
    use crate::clock::Schedule;
    use crate::plan::{Plan, Swarm};
    use crate::rare::Rare;

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
                leader: Some(OTHER),
                ..plain::stand(5)
            };
            let mut tale = Self {
                leases: Leases::default(),
                stand,
                found: None,
            };
            let commit = LogIndex::ZERO;
            let promise = Duration::from_millis(80);
            let quiet = false;
            let says = Says::Heartbeat {
                round: 1,
                commit,
                quiet,
            };
            let beat = Passing::Taken(talk(5, says));
            tale.at(100, &[beat], |_| {});
            let round = Some(1);
            let reply = Passing::Sent(talk(5, Says::HeartbeatReply { round, promise }));
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
    fn a_lease_that_is_given_up_in_a_step_was_held_in_it() {
        for (claims, held) in [
            (&[Some(150), None][..], 120),
            (&[Some(115), None], 110),
            (&[Some(150), Some(0), Some(0)], 120),
            (&[Some(150), None, None], 120),
            (&[Some(150), Some(150)], 120),
            (&[None, None], 0),
        ] {
            let mut leases = Leases::default();
            let leads = Stand {
                role: Role::Leader,
                ..plain::stand(5)
            };
            for (claim, millis) in claims.iter().zip((110..).step_by(10)) {
                let step = step(ME, millis, leads, &[]);
                let claim = claim.map(|until| Claim {
                    until: Time::from_millis(until),
                    drift: 0,
                });
                let voters: Voters<'_> = &Vec::new;
                leases.step(Some(leads), &step, None, claim.map(|claim| (claim, voters)));
            }
            let at = |millis| leases.was_held(ME, Time::from_millis(millis));
            assert!(held == 0 || at(held), "{claims:?}");
            assert!(!at(held + 1), "{claims:?}");
        }
    }

    #[test]
    fn a_second_heartbeat_of_a_round_promises_nothing() {
        for (round, found) in [(1, None), (2, Some(property::LEASES))] {
            let mut tale = Tale::new();
            let (commit, quiet) = (LogIndex::ZERO, false);
            let says = Says::Heartbeat {
                round,
                commit,
                quiet,
            };
            let promise = Duration::from_millis(80);
            let reply = Passing::Sent(talk(
                5,
                Says::HeartbeatReply {
                    promise,
                    round: Some(round),
                },
            ));
            tale.at(120, &[Passing::Taken(talk(5, says)), reply], |_| {});
            tale.at(190, &[asks(false)], votes);
            assert_eq!(tale.found, found, "{round}");
        }
    }

    #[test]
    fn a_restart_ends_no_promise_and_another_disk_has_given_none() {
        // The same boot twice: the first one's number was not durable when it ended.
        let (same, another) = (Incarnation::new(1), Incarnation::new(2));
        let broken = Some(property::LEASES);
        for (life, boot, found) in [(same, 4, broken), (same, 3, broken), (another, 1, None)] {
            let mut tale = Tale::new();
            tale.leases.stopped(ME);
            tale.at(120, &[], |stand| {
                (stand.life, stand.boot) = (life, Boot::new(boot));
            });
            tale.at(150, &[asks(false)], votes);
            assert_eq!(tale.found, found, "{life:?}, boot {boot}");
        }
    }

    #[test]
    fn who_has_promised_campaigns_only_when_its_leader_says_so() {
        let last = EntryId::ORIGIN;
        let told = Passing::Taken(talk(5, Says::TimeoutNow { round: 1, last }));
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
        let granted = Some(OTHER);
        let wrong = tale.leases.step(Some(tale.stand), &step, granted, None);
        assert!(wrong.is_some());
    }

    fn leader(term: u64) -> Stand {
        Stand {
            role: Role::Leader,
            ..plain::stand(term)
        }
    }

    const fn until(millis: u64) -> Option<Claim> {
        Some(Claim {
            until: Time::from_millis(millis),
            drift: 100,
        })
    }

    #[test]
    fn nobody_says_that_it_has_a_lease_once_another_was_elected() {
        let claims = |other: u64, end: u64| {
            let mut leases = Leases::default();
            let (one, two) = (leader(5), leader(other));
            let elected = step(OTHER, 90, two, &[]);
            assert_eq!(leases.step(None, &elected, None, None), None);
            let voters = || vec![vec![first_life(ME)]];
            let claim = until(end).zip(Some(&voters as Voters<'_>));
            leases.step(None, &step(ME, 100, one, &[]), None, claim)
        };
        assert!(claims(6, 101).is_some());
        assert_eq!(claims(6, 100), None, "it is over");
        assert_eq!(claims(4, 101), None);
    }

    #[test]
    fn nobody_has_a_lease_who_told_another_to_take_over() {
        let claims = |told_in: u64| {
            let mut leases = Leases::default();
            let (round, last) = (1, EntryId::ORIGIN);
            let told = [Passing::Sent(talk(
                told_in,
                Says::TimeoutNow { round, last },
            ))];
            let voters = || vec![vec![first_life(ME)]];
            let step = step(ME, 100, leader(5), &told);
            leases.step(
                None,
                &step,
                None,
                until(101).zip(Some(&voters as Voters<'_>)),
            )
        };
        assert!(claims(5).is_some());
        assert_eq!(claims(4), None, "that was another time");
    }

    fn first_life(id: NodeId) -> Peer {
        Peer::new(id, Incarnation::new(1))
    }

    /// What is said of a leader that node 1, the only other of three that speaks, has promised to
    /// give no vote for `by` more milliseconds, if it says that its lease ends at `end`. Node 1 may have
    /// lost its disk since, and count in this life.
    fn claims(end: u64, by: u64, wiped: bool, life: u64) -> Option<Wrong> {
        let plan = Plan::draw(1, &Swarm::default());
        let clock = |id| SimClock::new(id, &plan, Schedule::default(), Rare::new(&plan, 1));
        let mut tale = Tale::new();
        let shown = clock(ME).now().as_nanos();
        let pledge = tale.leases.nodes.find_mut(&ME).unwrap();
        pledge.until = Time::from_nanos(shown).after(Duration::from_millis(by));
        tale.leases.clock_of(ME, clock(ME));
        let third = NodeId::new(3);
        tale.leases.clock_of(third, clock(ME));
        if wiped {
            tale.leases.stopped(ME);
            let anew = Stand {
                life: Incarnation::new(2),
                ..plain::stand(0)
            };
            let started = step(ME, 100, anew, &[]);
            assert_eq!(tale.leases.step(None, &started, None, None), None);
        }
        let mine = Peer::new(ME, Incarnation::new(life.into()));
        let others = || vec![vec![mine, first_life(OTHER), first_life(third)]];
        let step = step(OTHER, 100, leader(5), &[]);
        let claim = until(end).zip(Some(&others as Voters<'_>));
        tale.leases.step(None, &step, None, claim)
    }

    /// The others have promised 80 ms, of which some are over: what a leader may make of the rest.
    #[test]
    fn a_lease_is_shorter_than_the_promises_by_what_clocks_may_gain() {
        let claims = |end, by| claims(end, by, false, 1);
        assert_eq!(claims(140, 44), None);
        assert!(claims(141, 44).is_some(), "41 and a tenth");
        assert!(claims(140, 43).is_some());
    }

    /// Under its old name it votes for nobody any more.
    #[test]
    fn what_a_life_promised_holds_when_its_disk_is_lost_and_is_nothing_that_another_life_said() {
        assert_eq!(claims(140, 44, true, 1), None);
        assert!(claims(141, 44, true, 1).is_some());
        assert!(claims(140, 44, true, 2).is_some(), "that is another");
    }
}
