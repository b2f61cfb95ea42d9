//! The checks that run after every step of a world, and what they look at.
//!
//! [`Checks`] is fed by whoever runs the world: spies write into each node's [`Journal`], the hull's
//! getters are read after each poll, and clients say what they asked and what they were told. From
//! these it keeps a [`Model`] of every node's log, and asks each [`Checker`] about what changed.
//!
//! Nothing here uses `raft_core::rules`, or knows how the hull comes to its decisions: a mistake
//! there must not be repeated by what looks for it.

use raft_core::configuration::{Configuration, Members as MemberSet};
use raft_core::hull::Hull;
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId};
use raft_core::time::Time;

use crate::clock::SimClock;
use crate::markers::{Marker, Reached, Watch};
use crate::spy::{Fact, Habits, Journal, Passing};

mod answers;
mod budgets;
pub mod client;
pub mod convergence;
pub mod durability;
pub mod election_restriction;
pub mod election_safety;
pub mod exactly_once;
mod instant;
pub mod leader_append_only;
pub mod leader_completeness;
mod lives;
pub mod log_matching;
mod log_times;
pub(crate) mod members;
pub mod model;
pub mod monotonic;
mod newcomers;
pub mod no_panic;
pub mod observation;
mod often;
mod parcels;
pub(crate) mod plans;
pub mod property;
mod reads;
mod repairs;
pub(crate) mod sessions;
mod snapshots;
mod stale;
pub mod state_machine_safety;
#[cfg(test)]
mod story;
pub mod tickets;
mod timers;
mod vigils;
mod witnesses;
mod words;

use answers::Answers;
use budgets::Budgets;
pub use client::{ClientFact, Fate, SubmissionId};
use lives::Lives;
pub(crate) use lives::Newcomer;
use log_times::LogTimes;
use members::Members;
pub use model::{LogModel, Model, NodeModel};
use newcomers::Newcomers;
pub use observation::Observation;
use observation::unchanged;
use parcels::Parcels;
pub(crate) use reads::Due;
use reads::Reads;
use sessions::Sessions;
use snapshots::Snapshots;
use stale::Stale;
use timers::{Pace, Stand, Step, Timers, Wrong};
use vigils::{Outlook, Vigils};

/// All checks of one world.
#[derive(Debug)]
pub struct Checks {
    model: Model,
    checkers: Vec<Box<dyn Checker>>,
    facts: Vec<Fact>,
    passings: Vec<Passing>,
    habits: Habits,
    watch: Watch,
    timers: Timers,
    vigils: Vigils,
    lives: Lives,
    members: Members,
    reads: Reads,
    sessions: Sessions,
    snapshots: Snapshots,
    answers: Answers,
    budgets: Budgets,
    order: witnesses::Order,
    repairs: repairs::Repairs,
    parcels: Parcels,
    stale: Stale,
    newcomers: Newcomers,
    log_times: LogTimes,
}

impl Checks {
    /// All checks, for a world in which nothing has happened.
    pub fn new() -> Self {
        Self {
            model: Model::default(),
            checkers: all(),
            facts: Vec::new(),
            passings: Vec::new(),
            habits: Habits::default(),
            watch: Watch::default(),
            timers: Timers::default(),
            vigils: Vigils::default(),
            lives: Lives::default(),
            members: Members::default(),
            reads: Reads::default(),
            sessions: Sessions::default(),
            snapshots: Snapshots::default(),
            answers: Answers::default(),
            budgets: Budgets::default(),
            order: witnesses::Order::default(),
            repairs: repairs::Repairs::default(),
            parcels: Parcels::default(),
            stale: Stale::default(),
            newcomers: Newcomers::default(),
            log_times: LogTimes::default(),
        }
    }

    /// The checks that mean something where bare hulls are moved by hand, without a driver, clients
    /// or an end: all but those of sessions, tickets and convergence.
    pub fn of_hulls() -> Self {
        let mut checks = Self::new();
        checks.checkers.retain(|checker| {
            ![
                property::EXACTLY_ONCE,
                property::TICKETS,
                property::CONVERGENCE,
            ]
            .contains(&checker.name())
        });
        checks
    }

    /// The journal for the spies of `node`: the same one for all its boots.
    pub fn journal(&mut self, node: NodeId) -> Journal {
        self.model.node_mut(node).journal.clone()
    }

    /// A node's clock: what it has promised for a time is compared with what others make of it.
    pub(crate) fn clock_of(&mut self, node: NodeId, clock: SimClock) {
        self.timers.clock_of(node, clock);
        self.vigils.time();
    }

    /// Somebody asks a node to hand over leadership.
    pub(crate) fn asked_to_hand_over(&mut self, node: NodeId) {
        self.timers.asked_to_hand_over(node);
    }

    /// A node starts on a data folder of this incarnation, before its log is opened. Another
    /// incarnation than the last one means that the folder was wiped.
    pub fn starting(&mut self, node: NodeId, incarnation: Incarnation) {
        self.timers.starting(node, incarnation);
        self.model.starting(node, incarnation);
    }

    /// A node on a data folder of this life has opened a hull, as a member of this cluster.
    ///
    /// # Errors
    ///
    /// There is another cluster, or the node is none of its founders.
    pub(crate) fn has_hull(
        &mut self,
        now: Time,
        newcomer: Newcomer,
        hull: &Hull,
    ) -> Result<(), Violation> {
        let founders = hull.configuration();
        let opened = self.lives.opened(newcomer, hull.me(), founders);
        // A founder's name is told at once how the cluster began: whoever is none must be a member.
        let named = founders.member(hull.me().id).is_some();
        let wanted = !newcomer.joins || named || self.members.was_wanted(hull.me());
        let unknown = || format!("{:?} joined, and nobody has asked for it", hull.me());
        let opened = opened.and_then(|()| wanted.then_some(()).ok_or_else(unknown));
        opened.map_err(|text| Violation {
            property: property::ONE_CLUSTER,
            node: Some(hull.me().id),
            time: now,
            text,
        })
    }

    /// A node was crashed, shut down, or stopped by itself.
    pub fn stopped(&mut self, node: NodeId) {
        if let Some(own) = self.model.node(node) {
            self.watch.stopping(node, own);
        }
        self.answers.stopped(node);
        self.timers.stopped(node);
        self.vigils.stopped(node);
        self.stale.stopped(node);
        self.snapshots.stopped(node);
        self.newcomers.stopped(node);
        self.model.stopped(node);
    }

    /// Looks at a node after its driver was polled. `local` is what the node's own clock shows;
    /// `hull` is absent before the cluster is founded.
    ///
    /// # Errors
    ///
    /// The first property found violated. The world must stop: what follows means nothing.
    pub fn after_step(
        &mut self,
        now: Time,
        local: Time,
        node: NodeId,
        hull: Option<&Hull>,
    ) -> Result<(), Violation> {
        let own = self.model.node_mut(node);
        own.witness = hull.map_or(own.witness, Hull::is_witness);
        let me = hull.map_or(own.me, |hull| Some(hull.me()));
        if me != own.me {
            own.me = me;
            own.journal.be(me);
        }
        let mut before = own.observation.take();
        self.read_journal(now, node, before.as_deref())?;
        let wrong = hull.and_then(|hull| {
            let members = &mut self.members;
            let wrong = members.step(hull, &self.model, &self.facts, &mut self.watch.reached);
            let snapshots = &mut self.snapshots;
            let wrong =
                wrong.or_else(|| snapshots.step(hull, &self.facts, &self.model, &self.members));
            let (stale, passings) = (&mut self.stale, &self.passings);
            let own = self.model.node(node);
            let now = (local, own.is_some_and(|own| own.writes_under_way() == 0));
            let wrong = wrong.or_else(|| stale.step(before.as_deref(), hull, now, passings));
            wrong.or_else(|| self.wrong_now(local, node, hull))
        });
        if let Some((property, text)) = wrong {
            return Err(Violation {
                property,
                node: Some(node),
                time: now,
                text,
            });
        }
        if self.facts.is_empty() && unchanged(before.as_deref(), hull) {
            if let Some(before) = &mut before {
                before.settle();
            }
            self.model.node_mut(node).observation = before;
            return Ok(());
        }
        let after = hull.map(|hull| Box::new(Observation::of(hull, before.as_deref())));
        self.reads
            .committed(hull.map_or(LogIndex::ZERO, Hull::commit_index));
        self.compare(now, node, before.as_deref(), after)
    }

    /// What is wrong with a hull whether or not anything has changed.
    fn wrong_now(&mut self, local: Time, node: NodeId, hull: &Hull) -> Option<Wrong> {
        let own = self.model.node(node);
        let under_way = own.map_or(0, NodeModel::writes_under_way);
        let step = Step {
            node,
            local,
            after: Stand::of(hull),
            pace: Pace::of(hull),
            passings: &self.passings,
            written: own.is_some() && under_way == 0,
            oldest_write: own.and_then(NodeModel::oldest_write),
            left_letters: self.habits.left_letters,
        };
        self.answers.step(&step, hull, &self.facts);
        let timers = self.timers.step(&step, hull).err();
        for marker in self.timers.take_marks() {
            self.watch.reached.mark(marker);
        }
        let most_in_a_row = self.habits.most_in_a_row;
        let flooded = || instant::flooded(most_in_a_row);
        let others = || {
            let all = hull.configuration().ids().into_iter();
            all.filter(|id| *id != node).collect()
        };
        let vigils = self.vigils.step(&step, Outlook::of(hull), others);
        let budgets = self.budgets.step(hull, own, &self.facts, &self.passings);
        timers
            .or(vigils)
            .or(budgets)
            .or_else(|| instant::wrong(hull, &self.model))
            .or_else(|| instant::sent_wrongly(hull.settings(), &self.passings))
            .or_else(|| self.order.step(hull, local, &self.passings))
            .or_else(|| {
                let (model, passings) = (&self.model, &self.passings);
                self.repairs.step(hull, local, model, passings)
            })
            .or_else(|| self.parcels.step(node, hull.settings(), &self.passings))
            .or_else(|| self.newcomers.step(hull, &step))
            .or_else(|| self.log_times.step(hull, local, &self.facts))
            .or_else(flooded)
    }

    fn compare(
        &mut self,
        now: Time,
        node: NodeId,
        before: Option<&Observation>,
        after: Option<Box<Observation>>,
    ) -> Result<(), Violation> {
        let view = View {
            now,
            node,
            before,
            after: after.as_deref(),
            model: &self.model,
        };
        self.watch.look(&view);
        let verdict = self
            .checkers
            .iter_mut()
            .try_for_each(|checker| checker.observe(&view));
        let verdict = verdict.and_then(|()| self.check_sessions(now, node, after.as_deref()));
        self.model.node_mut(node).observation = after;
        verdict
    }

    /// Takes what the node's spies saw, one fact after the other.
    fn read_journal(
        &mut self,
        now: Time,
        node: NodeId,
        before: Option<&Observation>,
    ) -> Result<(), Violation> {
        self.facts.clear();
        self.passings.clear();
        let journal = &self.model.node_mut(node).journal;
        self.habits = journal.drain_into(&mut self.facts, &mut self.passings);
        if self.habits.replied {
            self.take_replies(node);
        }
        for passing in &self.passings {
            self.watch.passing(node, before, passing, &self.model);
        }
        for fact in &self.facts {
            self.watch.fact(node, self.model.node(node), fact);
            self.model.note(now, node, fact)?;
            let sight = Sight {
                now,
                node,
                model: &self.model,
            };
            self.checkers
                .iter_mut()
                .try_for_each(|checker| checker.noted(&sight, fact))?;
        }
        Ok(())
    }

    /// Whether this node is a member, by the last configuration known to be committed, in this life
    /// if that is known.
    pub(crate) fn belongs(&self, node: NodeId, life: Option<Incarnation>) -> bool {
        self.members.belongs(node, life)
    }

    /// All configurations that may yet decide.
    pub(crate) fn in_question(&self) -> impl Iterator<Item = &Configuration> {
        self.members.in_question()
    }

    /// A node is about to be asked to make these the members.
    pub(crate) fn wanted(&mut self, target: &MemberSet) {
        self.members.want(target);
    }

    /// Who asked for these members was told that since this entry there are no others.
    ///
    /// # Errors
    ///
    /// That is not so.
    pub(crate) fn changed(&self, entry: EntryId, target: &MemberSet) -> Result<(), String> {
        self.members.changed(entry, target)
    }

    /// A client begins an operation, which it may submit several times under one session and
    /// serial. Where nobody says so, each submission counts as an operation of its own.
    pub fn begun(&mut self, payload: &[u8]) {
        self.model.begun(payload);
    }

    /// A client submits a command on `node`. Say so before the node sees it.
    pub fn submitted(&mut self, now: Time, node: NodeId, payload: &[u8]) -> SubmissionId {
        self.model.submitted(now, node, payload)
    }

    /// A client learned the fate of its submission, or lost the node that would have told it.
    ///
    /// # Errors
    ///
    /// The client was told something untrue, or told twice.
    pub fn resolved(
        &mut self,
        now: Time,
        submission: SubmissionId,
        fate: Fate,
    ) -> Result<(), Violation> {
        let fact = self.model.resolved(now, submission, fate)?;
        self.checkers
            .iter_mut()
            .try_for_each(|checker| checker.told(now, &fact, &self.model))
    }

    /// The world has healed and come to rest: what must hold at the end, of the nodes that live.
    ///
    /// # Errors
    ///
    /// The first property found violated.
    pub fn at_end(&mut self, now: Time, live: &[NodeId]) -> Result<(), Violation> {
        let end = End {
            now,
            live,
            model: &self.model,
        };
        self.checkers
            .iter_mut()
            .try_for_each(|checker| checker.at_end(&end))
    }

    /// Counts a rare state that only the world sees.
    pub(crate) fn mark(&mut self, marker: Marker) {
        self.watch.reached.mark(marker);
    }

    /// Counts a rare state that only the world sees, as often as it was seen.
    pub(crate) fn mark_times(&mut self, marker: Marker, times: u64) {
        self.watch.reached.mark_times(marker, times);
    }

    /// The rare states seen so far.
    pub const fn reached(&self) -> &Reached {
        &self.watch.reached
    }

    /// What the spies saw so far.
    pub const fn model(&self) -> &Model {
        &self.model
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::new()
    }
}

/// Watches one property.
pub trait Checker: core::fmt::Debug + Send {
    /// The property's name, one of [`property`].
    fn name(&self) -> &'static str;

    /// Looks at one thing that a spy saw; the model knows it already.
    ///
    /// # Errors
    ///
    /// The property does not hold.
    fn noted(&mut self, _sight: &Sight<'_>, _fact: &Fact) -> Result<(), Violation> {
        Ok(())
    }

    /// Looks at what one step changed in a hull, after all that its spies saw.
    ///
    /// # Errors
    ///
    /// The property does not hold.
    fn observe(&mut self, _view: &View<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// Looks at what a client was told.
    ///
    /// # Errors
    ///
    /// The property does not hold.
    fn told(&mut self, _now: Time, _fact: &ClientFact, _model: &Model) -> Result<(), Violation> {
        Ok(())
    }

    /// Looks at the world at rest.
    ///
    /// # Errors
    ///
    /// The property does not hold.
    fn at_end(&mut self, _end: &End<'_>) -> Result<(), Violation> {
        Ok(())
    }
}

/// The world at the moment of one fact.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// When, on the world's clock.
    pub now: Time,
    /// Whose spies saw it.
    pub node: NodeId,
    /// All nodes, this fact included.
    pub model: &'a Model,
}

impl<'a> Sight<'a> {
    /// A violation by this node at this time.
    pub fn violation(&self, property: &'static str, text: String) -> Violation {
        Violation {
            property,
            node: Some(self.node),
            time: self.now,
            text,
        }
    }

    /// What was seen of the node so far.
    pub fn own(&self) -> Option<&'a NodeModel> {
        self.model.node(self.node)
    }
}

/// One step of one node: what a checker sees of it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// When, on the world's clock.
    pub now: Time,
    /// Whose step it was.
    pub node: NodeId,
    /// The node before the step; absent when its hull has only now opened.
    pub before: Option<&'a Observation>,
    /// The node after the step; absent while it has no hull.
    pub after: Option<&'a Observation>,
    /// All nodes, this step's facts included.
    pub model: &'a Model,
}

impl View<'_> {
    /// A violation by this node at this time.
    pub fn violation(&self, property: &'static str, text: String) -> Violation {
        Violation {
            property,
            node: Some(self.node),
            time: self.now,
            text,
        }
    }
}

/// The world at rest: what a checker sees at the end.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// When, on the world's clock.
    pub now: Time,
    /// The nodes that run and can reach each other.
    pub live: &'a [NodeId],
    /// All nodes.
    pub model: &'a Model,
}

/// A property that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{property} is violated at {time:?}: {text}")]
pub struct Violation {
    /// Which, one of [`property`].
    pub property: &'static str,
    /// The node it was seen on, if it was one.
    pub node: Option<NodeId>,
    /// When, on the world's clock.
    pub time: Time,
    /// What was seen, and what it contradicts.
    pub text: String,
}

/// One of each, the cheap and telling ones first.
fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(no_panic::NoPanic),
        Box::new(election_safety::ElectionSafety::default()),
        Box::new(leader_append_only::LeaderAppendOnly::default()),
        Box::new(log_matching::LogMatching::default()),
        Box::new(leader_completeness::LeaderCompleteness::default()),
        Box::new(election_restriction::ElectionRestriction::default()),
        Box::new(state_machine_safety::StateMachineSafety::default()),
        Box::new(durability::Durability::default()),
        Box::new(monotonic::Monotonic::default()),
        Box::new(exactly_once::ExactlyOnce::default()),
        Box::new(tickets::Tickets),
        Box::new(witnesses::Witnesses),
        Box::new(convergence::Convergence),
    ]
}
