//! No needless elections: who hears a leader or has just voted waits, who meets a leader gives
//! way, who has the votes leads, who is answered goes on leading, who hears nobody gives up (paper
//! 5.2; thesis 6.2, 9.6, 4.2.3).
//!
//! Mistakes here cost neither data nor, for good, progress; they cost elections, and a count of
//! elections over many worlds tells too little too late. So each is looked for where it happens: in
//! the step of one node, by that node's own clock and by the letters that it took in. What is
//! demanded is less than what the code does: wherever it depends on the order within a step, on a
//! stop of the process or on a hint that a connection is lost, nothing is demanded.

use std::collections::BTreeMap;

use raft_core::hull::Hull;
use raft_core::ids::{Incarnation, NodeId};
use raft_core::log::BatchNumber;
use raft_core::states::Role;
use raft_core::time::Time;

use super::observation::{voters_of, voting_lives_of};
use super::{property, words};
use crate::by_node::ByNode;
use crate::clock::SimClock;
use crate::script::print::role;
use crate::spy::{Passing, Says, Talk};

mod absences;
mod addressees;
mod confirmations;
mod hanging;
mod leases;
mod letters;
mod office;
#[cfg(test)]
pub(super) mod plain;
mod refusals;
mod silence;
mod stand;
mod terms;
mod transfers;

use absences::Absences;
pub(crate) use confirmations::Asked;
use confirmations::Rounds;
use hanging::Hanging;
use leases::Leases;
use letters::{is_answer, leader_of, lost_leader, only_asked_for_votes};
use office::Office;
use silence::Silence;
pub(crate) use stand::{Pace, Stand};
use terms::Terms;
use transfers::Transfers;

/// Follows every node's timers from outside.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    nodes: ByNode<Course>,
    leases: Leases,
    terms: Terms,
    /// How many offices have ended, or changed.
    turns: u64,
    /// How often a leader has begun to hand over by itself since anybody asked.
    yields: u64,
}

/// One step of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) node: NodeId,
    /// What the node's own clock shows.
    pub(crate) local: Time,
    pub(crate) after: Stand,
    pub(crate) pace: Pace,
    /// What it took in and sent.
    pub(crate) passings: &'a [Passing],
    /// Whether all that its log was asked for is durable.
    pub(crate) written: bool,
    /// The oldest write that is not.
    pub(crate) oldest_write: Option<BatchNumber>,
    /// Whether it looked at its disk and clock before it had taken in all letters.
    pub(crate) left_letters: bool,
}

/// What is remembered of one node since its hull opened. Times are of its own clock.
#[derive(Debug)]
struct Course {
    stand: Stand,
    /// Its last step.
    stepped: Time,
    /// When it last went on after having been stopped for longer than a heartbeat interval.
    woke: Time,
    /// When it last had reason to wait: its leader spoke, or it gave its vote. A lost connection
    /// takes the reason away.
    patient: Option<Time>,
    /// When the leader of its present term last spoke.
    heard: Option<Time>,
    /// While it leads: since when, among whom, and when each last answered.
    office: Option<Office>,
    /// Who has granted it a vote in its present term.
    votes: Vec<NodeId>,
    /// When all that its log was asked for was last durable: whatever is not was begun after that.
    written: Time,
    /// Whether that was so after its last step.
    all_written: bool,
    /// Who asked it for a pre-vote and has no answer yet.
    asked_by: Vec<NodeId>,
    transfers: Transfers,
    hanging: Hanging<BatchNumber>,
}

/// What is wrong with a step: which property, and what was seen.
pub(crate) type Wrong = (&'static str, String);

impl Timers {
    /// The node was stopped.
    pub(crate) fn stopped(&mut self, node: NodeId) {
        let known = self.nodes.remove(&node);
        self.turns += u64::from(known.is_some_and(|known| known.office.is_some()));
        self.leases.stopped(node);
    }

    /// A node starts on a data folder of this life.
    pub(crate) fn starting(&mut self, node: NodeId, life: Incarnation) {
        self.terms.starting(node, life);
    }

    /// A node's clock, which is read when others speak of its promises.
    pub(crate) fn clock_of(&mut self, node: NodeId, clock: SimClock) {
        self.leases.clock_of(node, clock);
    }

    /// Looks at a step. `hull` is asked for its voters when it has become leader.
    pub(crate) fn step(&mut self, step: &Step<'_>, hull: &Hull) -> Result<(), Wrong> {
        let known = self.nodes.find(&step.node);
        let was = known.map(|course| course.stand);
        let was = was.filter(|stand| stand.boot == step.after.boot);
        let granted = known.and_then(|course| course.pre_vote_granted(step));
        let claim = leases::claim(hull);
        let voters: leases::Voters<'_> = &|| voting_lives_of(hull);
        let claim = claim.map(|claim| (claim, voters));
        if let Some(wrong) = self.leases.step(was, step, granted, claim) {
            return Err(wrong);
        }
        self.follow(step, || voters_of(hull))?;
        let Some(course) = self.nodes.find_mut(&step.node) else {
            return Ok(());
        };
        course.transfers.note(step);
        // Letters that are forged by hand say anything, and who writes them asks for anything.
        let is_real = self.leases.clock(step.node).is_some();
        if is_real {
            self.terms.step(was, step).map_or(Ok(()), Err)?;
        }
        let Some(was) = was else {
            return Ok(());
        };
        let under_way = transfers::under_way(hull, step.local);
        let began = under_way.filter(|_| is_real);
        let yielded = course.transfers.yields(was, step, began);
        self.yields += u64::from(yielded == Ok(true));
        let wrong = course.transfers.step(was, step, under_way);
        let wrong = wrong.or(yielded.err());
        let wrong = wrong.or(course.hanging.step(step.oldest_write, step, course.woke));
        let office = course.office.as_ref();
        let wrong = wrong
            .or_else(|| refusals::wrong(was, step, hull))
            .or_else(|| addressees::hands_over_to_nobody(office, step, under_way))
            .or_else(|| addressees::speaks_to_strangers(was, step, hull));
        wrong.map_or(Ok(()), Err)
    }

    fn follow(
        &mut self,
        step: &Step<'_>,
        voters: impl Fn() -> Vec<Vec<NodeId>>,
    ) -> Result<(), Wrong> {
        let known = self.nodes.find(&step.node);
        let Some(course) = known.filter(|known| known.stand.boot == step.after.boot) else {
            self.nodes.insert(step.node, Course::new(step));
            return Ok(());
        };
        let abandoned = self.abandoned(course, step);
        let Some(course) = self.nodes.find_mut(&step.node) else {
            return Ok(());
        };
        let wrong = course
            .defies_leader(step)
            .or_else(|| course.deposes_leader(step))
            .or_else(|| course.hurries(step))
            .or_else(|| course.gives_up_early(step))
            .or(abandoned);
        self.turns += u64::from(course.remember(step, &voters));
        wrong
            .or_else(|| course.leads_alone(step))
            .or_else(|| course.leads_from_afar(step))
            .or_else(|| course.disdains_votes(step, voters))
            .map_or(Ok(()), Err)
    }

    /// A leader that was stopped for long gives up in the very step in which it goes on, though a
    /// majority still follows it. (Two stops in a row may make it.)
    fn abandoned(&self, course: &Course, step: &Step<'_>) -> Option<Wrong> {
        let (was, is) = (course.stand, step.after);
        let gave_up = was.role == Role::Leader && is.role != Role::Leader && was.term == is.term;
        let stop = step.local.since(course.stepped);
        let first_stop = course.stepped.since(course.woke) >= step.pace.heartbeat_interval * 2;
        // Answers may be among the letters that it left for later.
        let removed = !is.may_lead;
        // Its disk may have answered what it had not looked at yet.
        if course.may_hang(step) {
            return None;
        }
        if !gave_up || removed || is.stopped || !step.written || step.left_letters || !first_stop {
            return None;
        }
        if stop < step.pace.election_timeout {
            return None;
        }
        let follows = |id: &NodeId| {
            *id == step.node
                || self.nodes.find(id).is_some_and(|other| {
                    other.stand.role == Role::Follower
                        && other.stand.term == was.term
                        && other.stand.leader == Some(step.node)
                })
        };
        let office = course.office.as_ref()?;
        if office.configured_by != is.configured_by
            || office.absences_with(course.stepped, step).excuse()
        {
            return None;
        }
        // Who had heard nobody for a while before it was stopped may have had its last chance.
        let answered = |id: &NodeId| {
            let recent = |at| course.stepped.since(at) * 2 < step.pace.election_timeout;
            *id == step.node || office.last_answer(*id).is_some_and(recent)
        };
        if !is_majority(&office.halves, answered) {
            return None;
        }
        is_majority(&office.halves, follows).then(|| {
            let text = format!(
                "led {} until it was stopped for {stop:?}, and gave up in the step in which it \
                 went on, before anyone could answer, though a majority follows it",
                was.term
            );
            (property::NEEDLESS_ELECTIONS, text)
        })
    }
}

impl Course {
    fn new(step: &Step<'_>) -> Self {
        Self {
            stand: step.after,
            stepped: step.local,
            woke: step.local,
            patient: None,
            heard: None,
            office: None,
            votes: Vec::new(),
            written: step.local,
            all_written: step.written,
            asked_by: Vec::new(),
            transfers: Transfers::default(),
            hanging: Hanging::new(),
        }
    }

    /// Whoever campaigns and hears a leader of its own term gives way.
    fn defies_leader(&self, step: &Step<'_>) -> Option<Wrong> {
        let is = step.after;
        let campaigns = matches!(is.role, Role::Candidate | Role::PreCandidate);
        if !campaigns || is.stopped || lost_leader(self.stand, step) {
            return None;
        }
        let spoke = |passing: &Passing| leader_of(passing, is.term);
        let leader = step.passings.iter().find_map(spoke)?;
        let text = format!(
            "is {} in {}, though it has just heard {leader}, who leads that term",
            role(is.role),
            is.term
        );
        Some((property::NEEDLESS_ELECTIONS, text))
    }

    /// Whoever hears its leader gives neither pre-vote nor vote to another, nor takes over the
    /// term in which it is asked for it.
    fn deposes_leader(&self, step: &Step<'_>) -> Option<Wrong> {
        let (was, is) = (self.stand, step.after);
        let silent = step.local.since(self.heard?);
        let leader = was.leader?;
        if !step.pace.check_quorum || was.role != Role::Follower {
            return None;
        }
        // Half of the time is far from any quarrel about its end.
        if silent * 2 >= step.pace.election_timeout || lost_leader(self.stand, step) {
            return None;
        }
        let what = if is.term > was.term {
            let asked = only_asked_for_votes(step.passings, was.term)?;
            format!("took over {} when {asked} asked for its vote", is.term)
        } else {
            let granted = self.pre_vote_granted(step)?;
            format!("granted {granted} a pre-vote")
        };
        let text = format!("{what}, though it had heard {leader}, its leader, {silent:?} before");
        Some((property::NEEDLESS_ELECTIONS, text))
    }

    /// To whom a pre-vote was granted in this step, having been asked for in it.
    fn pre_vote_granted(&self, step: &Step<'_>) -> Option<NodeId> {
        let granted = step.passings.iter().find_map(|passing| match passing {
            Passing::Sent(Talk {
                peer,
                says: Says::PreVoteReply { granted: true, .. },
                ..
            }) => Some(*peer),
            _ => None,
        })?;
        let asks = |passing: &&Passing| matches!(passing, Passing::Taken(talk) if talk.peer == granted && talk.says == Says::PreVote);
        // An answer that had to wait for room is as old as its question.
        let at_once = !self.asked_by.contains(&granted);
        (at_once && step.passings.iter().filter(asks).count() == 1).then_some(granted)
    }

    /// A follower campaigns when for a whole election timeout no leader spoke and it gave no vote.
    fn hurries(&self, step: &Step<'_>) -> Option<Wrong> {
        let campaigns = matches!(step.after.role, Role::Candidate | Role::PreCandidate);
        if self.stand.role != Role::Follower || !campaigns || step.after.stopped {
            return None;
        }
        let waited = step.local.since(self.patient?);
        let told = |passing: &Passing| {
            matches!(passing, Passing::Taken(talk)
                if talk.term == self.stand.term && matches!(talk.says, Says::TimeoutNow { .. }))
        };
        if waited >= step.pace.election_timeout
            || lost_leader(self.stand, step)
            || step.passings.iter().any(told)
        {
            return None;
        }
        let text = format!(
            "campaigns {waited:?} after its leader spoke or it gave its vote: its election timeout \
             is {:?} at least",
            step.pace.election_timeout
        );
        Some((property::NEEDLESS_ELECTIONS, text))
    }

    /// A leader that no majority answers gives up, or those that see only it wait for ever.
    fn leads_alone(&self, step: &Step<'_>) -> Option<Wrong> {
        let office = self.office.as_ref()?;
        // Whoever counts who was heard in windows of one timeout may need two, and some heartbeats
        // more until it looks.
        let patience = step.pace.election_timeout * 3;
        // Who was stopped has to listen again first.
        let awake = step.local.since(self.woke) >= step.pace.heartbeat_interval * 3;
        let silent = office.silence.is_kept(step.local, step.pace);
        if !step.pace.check_quorum || !awake || step.after.stopped || silent {
            return None;
        }
        let heard = |id: &NodeId| {
            // Who counts since the last change only has not had to be heard before it.
            let heard = office
                .heard
                .get(id)
                .map_or(office.since, |at| office.since.max(*at));
            *id == step.node || step.local.since(heard) <= patience
        };
        if is_majority(&office.halves, heard) {
            return None;
        }
        let text = format!(
            "leads {}, though for {patience:?} no majority has said a word: {}",
            step.after.term,
            words::each(&office.heard, |at| format!("{at:?}"))
        );
        Some((property::LIVENESS, text))
    }

    /// A leader that is stopped again and again gives up: its followers have to, each time.
    fn leads_from_afar(&self, step: &Step<'_>) -> Option<Wrong> {
        let office = self.office.as_ref()?;
        let alone = is_majority(&office.halves, |id| *id == step.node);
        let silent = office.silence.is_kept(step.local, step.pace);
        let must = step.pace.check_quorum && !alone && !step.after.stopped && !silent;
        (must && office.absences.are_too_many()).then(|| {
            let text = format!(
                "leads {}, though time and again it was away for an election timeout: {:?}",
                step.after.term, office.absences
            );
            (property::LIVENESS, text)
        })
    }

    /// A leader that a majority has answered lately, or that was elected only just now, goes on
    /// leading; but not without a disk.
    fn gives_up_early(&self, step: &Step<'_>) -> Option<Wrong> {
        let (was, is) = (self.stand, step.after);
        let gave_up = was.role == Role::Leader && is.role != Role::Leader && was.term == is.term;
        // Who is no member any more leads until the others can do without it.
        let removed = !is.may_lead && is.settled;
        if !gave_up || removed || is.stopped || self.may_hang(step) {
            return None;
        }
        let office = self.office.as_ref()?;
        // Who goes by another configuration since this step may hear nobody that counts there.
        if office.configured_by != is.configured_by {
            return None;
        }
        let lately = |at: &Time| step.local.since(*at) * 2 < step.pace.election_timeout;
        let answered =
            |id: &NodeId| *id == step.node || office.last_answer(*id).is_some_and(|at| lately(&at));
        is_majority(&office.halves, answered).then(|| {
            let text = format!(
                "gave up leading {}, though it leads since {:?} and was answered lately: {}",
                was.term,
                office.since,
                words::each(&office.answered, |at| format!("{at:?}"))
            );
            (property::NEEDLESS_ELECTIONS, text)
        })
    }

    /// A candidate that has the votes of a majority, its own durable among them, leads.
    fn disdains_votes(
        &self,
        step: &Step<'_>,
        voters: impl Fn() -> Vec<Vec<NodeId>>,
    ) -> Option<Wrong> {
        let is = step.after;
        if is.role != Role::Candidate || self.votes.is_empty() || is.stopped || !step.written {
            return None;
        }
        let granted = |id: &NodeId| *id == step.node || self.votes.contains(id);
        is_majority(&voters(), granted).then(|| {
            let text = format!(
                "is a candidate of {} still, though {} gave it their votes, and its own is \
                 durable",
                is.term,
                words::list(&self.votes)
            );
            (property::NEEDLESS_ELECTIONS, text)
        })
    }

    /// Whether a write may be under way for so long that its disk counts as stalled.
    fn may_hang(&self, step: &Step<'_>) -> bool {
        let long = step.local.since(self.written) * 2 >= step.pace.stalled_write_after;
        long && !self.all_written
    }

    /// Takes note of a step. Whether it ends the node's office, or changes what that stands on.
    fn remember(&mut self, step: &Step<'_>, voters: impl Fn() -> Vec<Vec<NodeId>>) -> bool {
        let (was, is) = (self.stand, step.after);
        self.all_written = step.written;
        if step.written {
            self.written = step.local;
        }
        if was.term != is.term || is.role != Role::Candidate {
            self.votes.clear();
        }
        if step.local.since(self.stepped) > step.pace.heartbeat_interval {
            self.woke = step.local;
        }
        let stepped = core::mem::replace(&mut self.stepped, step.local);
        if was.term != is.term || is.role != Role::Follower {
            self.heard = None;
        }
        if is.role != Role::Follower {
            self.patient = None;
        }
        if gave_vote(step.node, was, is) {
            self.patient = Some(step.local);
        }
        let mut turns = self.remember_office(stepped, step, voters);
        for passing in step.passings {
            turns |= self.remember_passing(step, passing);
        }
        self.stand = is;
        turns
    }

    /// Takes note of what a step makes of the node's office. Whether it ends, or changes what it
    /// stands on.
    fn remember_office(
        &mut self,
        stepped: Time,
        step: &Step<'_>,
        voters: impl Fn() -> Vec<Vec<NodeId>>,
    ) -> bool {
        let (was, is) = (self.stand, step.after);
        if let Some(office) = &mut self.office {
            office.absences = office.absences_with(stepped, step);
            if is_majority(&office.halves, |id| *id == step.node) {
                office.absences.missed_nobody();
            }
        }
        let led = self.office.is_some() && was.role == Role::Leader && was.term == is.term;
        let mut turns = self.office.is_some() && !(led && is.role == Role::Leader);
        if is.role != Role::Leader {
            self.office = None;
        } else if !led {
            self.office = Some(Office {
                since: step.local,
                configured_by: is.configured_by,
                changed: false,
                halves: voters(),
                heard: BTreeMap::new(),
                answered: BTreeMap::new(),
                rounds: Rounds::default(),
                absences: Absences::new(step.local),
                silence: Silence::new(step.local),
            });
        }
        if let Some(office) = &mut self.office {
            if office.configured_by != is.configured_by {
                office.configured_by = is.configured_by;
                let halves = voters();
                // Where others count, they are listened to from now on, and have not been asked yet.
                if office.halves != halves {
                    turns = true;
                    (office.halves, office.changed) = (halves, true);
                    office.since = step.local;
                }
            }
        }
        if let Some(office) = &mut self.office {
            match (was.quiet, is.quiet) {
                (_, true) => office.silence.fell(),
                (true, false) => office.silence.roused(step.local),
                (false, false) => {}
            }
        }
        turns
    }

    /// Takes note of what passed. Whether the node's office begins anew with it.
    fn remember_passing(&mut self, step: &Step<'_>, passing: &Passing) -> bool {
        let is = step.after;
        let mut turns = false;
        if let Some(office) = &mut self.office {
            turns = office.pass(passing, step.local, step.pace);
            office.rounds.pass(passing, step.local, is.term);
        }
        if leader_of(passing, is.term).is_some() && is.role == Role::Follower {
            self.heard = Some(step.local);
            self.patient = Some(step.local);
        }
        match passing {
            // It may be dead: whoever hopes for another leader need not wait.
            Passing::ConnectionLost(_) if lost_leader(self.stand, step) => {
                self.heard = None;
                self.patient = None;
            }
            Passing::Taken(talk) => {
                if let (Some(office), true) = (&mut self.office, talk.term == is.term) {
                    office.heard.insert(talk.peer, step.local);
                    if is_answer(talk.says) {
                        office.answered.insert(talk.peer, step.local);
                    }
                }
                let granted = talk.says == Says::RequestVoteReply { granted: true };
                if granted && is.role == Role::Candidate && talk.term == is.term {
                    self.votes.push(talk.peer);
                }
                if talk.says == Says::PreVote && !self.asked_by.contains(&talk.peer) {
                    self.asked_by.push(talk.peer);
                }
            }
            Passing::Sent(Talk {
                peer,
                says: Says::PreVoteReply { .. },
                ..
            }) => self.asked_by.retain(|other| other != peer),
            Passing::Sent(_)
            | Passing::ConnectionLost(_)
            | Passing::Read
            | Passing::Resumed
            | Passing::Garbled
            | Passing::NamedItself => {}
        }
        turns
    }
}

/// Whether a step gave the node's vote to another.
fn gave_vote(me: NodeId, was: Stand, is: Stand) -> bool {
    let new = (was.term, was.vote) != (is.term, is.vote);
    new && is.vote.is_some_and(|vote| vote != me)
}

fn is_majority<T>(halves: &[Vec<T>], counts: impl Fn(&T) -> bool) -> bool {
    let of = |half: &Vec<T>| half.iter().filter(|one| counts(one)).count() * 2 > half.len();
    !halves.is_empty() && halves.iter().all(of)
}

#[cfg(test)]
mod tests;
