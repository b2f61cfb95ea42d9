//! The simulator as a product: your own state machine and log under a thousand seeds.
//!
//! Each seed is a world: three to seven nodes, seldom fewer, that run the real driver over the real
//! write-ahead log (or over your own), clients that submit your commands, and a minute of faults of
//! whatever kinds the seed draws. What clients saw must be linearizable with your state machine
//! itself as the meaning of its commands; it must answer alike on every node; nothing acknowledged
//! may be lost; and when the faults end there must be progress.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::log::{Log, LogError, Recovered};
use raft_node::codec::PayloadCodec;
use raft_node::state_machine::{App, StateMachine};

use crate::checkers::Violation;
use crate::disk::SimFs;
use crate::history::History;
use crate::key_value::{KeyValue, KeyValueWorkload};
use crate::lot::{Lot, mix};
use crate::markers::Reached;
use crate::nemesis::Fault;
use crate::node_log::LogMaker;
use crate::parallel::in_order;
use crate::plan::{Plan, Swarm};
use crate::shrink::{Budget, Shrunk, shrink};
use crate::subject::{AppSubject, MachineSubject, StateLook, Subject};
use crate::trace::{Recorder, Recording};
use crate::workload::{OperationPlan, Step, Workload};
use crate::world::{Bounds, Counters, Outcome, Trace, World};

mod check;
mod finding;

pub use finding::{Also, Finding};

/// Runs a state machine of yours in simulated worlds.
///
/// ```
/// use raft_node::state_machine::App;
/// use raft_sim::sim::Sim;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Counter(u64);
///
/// impl App for Counter {
///     type Command = u64;
///     type Reply = u64;
///     fn apply(&mut self, add: u64) -> u64 {
///         self.0 += add;
///         self.0
///     }
/// }
///
/// let report = Sim::new(Counter::default, |lot| 1 + lot.below(9))
///     .nodes(3)
///     .run(0..2)
///     .expect("no seed breaks the counter");
/// assert!(report.totals.answered > 100);
/// ```
///
/// What you hand in runs on several threads at once, a world on each: closures are `Send + Sync`,
/// and must depend on nothing but their arguments. A state machine that is no function of its
/// commands is found out, and the command named at which it first differs.
#[derive(Clone)]
pub struct Sim {
    subject: Arc<dyn Fn(Stage<'_>) -> Outcome + Send + Sync>,
    swarm: Swarm,
    options: Options,
}

/// What a [`Sim`] is told beside its state machine.
#[derive(Clone, Debug, Default)]
struct Options {
    codec: Option<PayloadCodec>,
    log: Option<LogMaker>,
    rot: bool,
    jobs: Option<NonZeroUsize>,
}

/// One world to run.
struct Stage<'a> {
    plan: Plan,
    options: &'a Options,
    bounds: Bounds,
    trace: Option<&'a mut dyn Trace>,
    recorder: Option<&'a Recorder>,
}

impl Stage<'_> {
    fn run<S: Subject>(self, subject: S) -> Outcome {
        let mut world = World::of(self.plan, subject);
        if let Some(log) = &self.options.log {
            world = world.with_log(log.clone());
        }
        world = world.within(self.bounds);
        if let Some(recorder) = self.recorder {
            world = world.recorded_by(recorder);
        }
        match self.trace {
            Some(trace) => world.told_to(trace).run(),
            None => world.run(),
        }
    }
}

impl Sim {
    /// An [`App`] as each node starts with it, and a way to draw a command.
    pub fn new<A: App>(
        make: impl Fn() -> A + Send + Sync + 'static,
        command: impl Fn(&mut Lot) -> A::Command + Send + Sync + 'static,
    ) -> Self {
        let command: Draw<A::Command> = Arc::new(command);
        Self::with_workload(make, move || Commands(command.clone()))
    }

    /// An [`App`] as each node starts with it, and a [`Workload`], for one that also reads, or
    /// learns from replies, or tells independent parts of the state apart so that histories are
    /// quicker to check. Each world has a workload of its own.
    pub fn with_workload<A: App, W: Workload<A> + 'static>(
        make: impl Fn() -> A + Send + Sync + 'static,
        workload: impl Fn() -> W + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        Self::of(move |stage| {
            let make = make.clone();
            let codec = stage.options.codec.unwrap_or(PayloadCodec::Postcard);
            let subject = AppSubject::new(move || make(), workload())
                .in_codec(codec)
                .comparing_states();
            stage.run(subject)
        })
    }

    /// A [`StateMachine`] as each node starts with it, and a way to draw a command's bytes. Copies
    /// of the machine say whether what clients saw can be explained.
    pub fn machine<M: StateMachine + Clone>(
        make: impl Fn() -> M + Send + Sync + 'static,
        command: impl Fn(&mut Lot) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        Self::machine_with(make, command, None)
    }

    /// The same, with a look at the machine's state as bytes, the same bytes for the same state:
    /// it is then compared between nodes after each command, not only its answers.
    pub fn machine_with_state<M: StateMachine + Clone>(
        make: impl Fn() -> M + Send + Sync + 'static,
        command: impl Fn(&mut Lot) -> Bytes + Send + Sync + 'static,
        state: impl Fn(&M) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let look = StateLook::new(move |machine: &M| Some(state(machine)));
        Self::machine_with(make, command, Some(look))
    }

    fn machine_with<M: StateMachine + Clone>(
        make: impl Fn() -> M + Send + Sync + 'static,
        command: impl Fn(&mut Lot) -> Bytes + Send + Sync + 'static,
        look: Option<StateLook<M>>,
    ) -> Self {
        let (make, command) = (Arc::new(make), Arc::new(command));
        Self::of(move |stage| {
            let (make, command) = (make.clone(), command.clone());
            let subject = MachineSubject::new(move || make(), move |lot: &mut Lot| command(lot));
            stage.run(subject.comparing(look.clone()))
        })
    }

    fn of(subject: impl Fn(Stage<'_>) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            subject: Arc::new(subject),
            swarm: Swarm {
                custom: true,
                ..Swarm::default()
            },
            options: Options::default(),
        }
    }

    /// As many nodes in every world, 1 to 7. Otherwise each seed draws 3 to 7, seldom 1 or
    /// 2.
    #[must_use]
    pub const fn nodes(mut self, nodes: u8) -> Self {
        self.swarm.nodes = Some(nodes);
        self
    }

    /// So long do faults and clients go on, in simulated time. Otherwise a minute.
    #[must_use]
    pub const fn lasting(mut self, duration: Duration) -> Self {
        self.swarm.duration = duration;
        self
    }

    /// Whether there are faults. Otherwise there are.
    #[must_use]
    pub const fn faults(mut self, faults: bool) -> Self {
        self.swarm.faults = faults;
        self
    }

    /// The codec of an app's commands and replies, as your nodes have it. Otherwise postcard.
    #[must_use]
    pub const fn codec(mut self, codec: PayloadCodec) -> Self {
        self.options.codec = Some(codec);
        self
    }

    /// Your own [`Log`] instead of the write-ahead log. `open` is called at every start of a node,
    /// with the node's disk as the last crash left it; a log that needs no files keeps what is
    /// durable in [`SimFs::lasting`]. An error of storage lets the node try again later; any other
    /// is a refusal to start, and a finding.
    ///
    /// No bits of its files are flipped, which [`Log`] asks no log to survive; see [`Sim::rot`].
    #[must_use]
    pub fn log<L, F>(mut self, open: impl Fn(SimFs) -> F + Send + Sync + 'static) -> Self
    where
        L: Log + 'static,
        F: Future<Output = Result<(L, Recovered), LogError>> + Send + 'static,
    {
        self.options.log = Some(LogMaker::new(open));
        self
    }

    /// Flips bits of your own log's files too: it has to notice, and refuse with
    /// [`LogError::Corrupt`].
    #[must_use]
    pub const fn rot(mut self, rot: bool) -> Self {
        self.options.rot = rot;
        self
    }

    /// As many worlds at a time. Otherwise as many as there are cores. What comes out is the same.
    #[must_use]
    pub const fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.options.jobs = Some(jobs);
        self
    }

    /// Runs these seeds.
    ///
    /// # Errors
    ///
    /// The first seed whose world violated a property; [`Sim::run_seed`] shows it again.
    pub fn run(&self, seeds: Range<u64>) -> Result<Report, Failed> {
        let (report, failed) = self.run_until(seeds, 1);
        failed.into_iter().next().map_or(Ok(report), Err)
    }

    /// Runs these seeds until so many have failed; answers those that did, in order.
    fn run_until(&self, seeds: Range<u64>, most: usize) -> (Report, Vec<Failed>) {
        let mut report = Report::default();
        let mut failed = Vec::new();
        let work = |seed| Outcome {
            history: History::new(),
            ..self.run_seed(seed)
        };
        in_order(seeds, self.options.jobs, work, |seed, outcome| {
            report.add(&outcome);
            failed.extend(
                outcome
                    .violation
                    .map(|violation| Failed { seed, violation }),
            );
            match failed.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        (report, failed)
    }

    /// Runs one seed.
    pub fn run_seed(&self, seed: u64) -> Outcome {
        self.run_plan(self.plan(seed))
    }

    /// Runs a plan, such as one that [`Sim::plan`] drew and that was edited or shrunk since.
    pub fn run_plan(&self, plan: Plan) -> Outcome {
        (self.subject)(self.stage(plan))
    }

    /// Runs one seed and tells what happens.
    pub fn replay(&self, seed: u64, trace: &mut dyn Trace) -> Outcome {
        (self.subject)(Stage {
            trace: Some(trace),
            ..self.stage(self.plan(seed))
        })
    }

    /// Runs a plan and records the last happenings, at most `kept` of them.
    pub fn record_plan(&self, plan: Plan, kept: usize) -> (Outcome, Recording) {
        let recorder = Recorder::new(kept);
        let outcome = (self.subject)(Stage {
            recorder: Some(&recorder),
            ..self.stage(plan)
        });
        (outcome, recorder.take())
    }

    /// Shrinks a seed's plan to a small one whose world violates the same property. Answers `None`
    /// when nothing is violated.
    pub fn shrink(&self, seed: u64, budget: Budget<'_>) -> Option<Shrunk> {
        self.shrink_plan(&self.plan(seed), budget)
    }

    /// Shrinks a plan to a small one whose world violates the same property. Answers `None` when
    /// nothing is violated.
    pub fn shrink_plan(&self, plan: &Plan, budget: Budget<'_>) -> Option<Shrunk> {
        let run = |plan, bounds| {
            (self.subject)(Stage {
                bounds,
                ..self.stage(plan)
            })
        };
        shrink(plan, &run, budget)
    }

    fn stage(&self, plan: Plan) -> Stage<'_> {
        Stage {
            plan,
            options: &self.options,
            bounds: Bounds::default(),
            trace: None,
            recorder: None,
        }
    }

    /// What happens in the world of a seed.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::draw(seed, &self.swarm);
        if self.options.log.is_some() && !self.options.rot {
            for planned in &mut plan.faults {
                if let Fault::Crash { rot, .. } = &mut planned.fault {
                    *rot = false;
                }
            }
        }
        plan
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("swarm", &self.swarm)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Runs one seed with the simulator's own key-value workload.
pub fn run_seed(seed: u64, swarm: &Swarm) -> Outcome {
    run_plan(Plan::draw(seed, swarm))
}

/// Runs one seed with the simulator's own key-value workload, and tells what happens.
pub fn replay_seed(seed: u64, swarm: &Swarm, trace: &mut dyn Trace) -> Outcome {
    replay_plan(Plan::draw(seed, swarm), trace)
}

/// Runs a plan with the simulator's own key-value workload, and tells what happens.
pub fn replay_plan(plan: Plan, trace: &mut dyn Trace) -> Outcome {
    World::new(plan, KeyValue::default, KeyValueWorkload::default())
        .told_to(trace)
        .run()
}

/// Runs a plan with the simulator's own key-value workload.
pub fn run_plan(plan: Plan) -> Outcome {
    World::new(plan, KeyValue::default, KeyValueWorkload::default()).run()
}

/// Runs a plan with the simulator's own key-value workload, no further than this.
pub fn run_plan_within(plan: Plan, bounds: Bounds) -> Outcome {
    World::new(plan, KeyValue::default, KeyValueWorkload::default())
        .within(bounds)
        .run()
}

/// Runs a plan with the simulator's own key-value workload, and records the last happenings, at
/// most `kept` of them.
pub fn record_plan(plan: Plan, kept: usize) -> (Outcome, Recording) {
    let recorder = Recorder::new(kept);
    let outcome = World::new(plan, KeyValue::default, KeyValueWorkload::default())
        .recorded_by(&recorder)
        .run();
    (outcome, recorder.take())
}

/// A caller's commands as a workload.
struct Commands<C>(Draw<C>);

/// A way to draw a command.
type Draw<C> = Arc<dyn Fn(&mut Lot) -> C + Send + Sync>;

impl<A: App> Workload<A> for Commands<A::Command> {
    fn step(&mut self, _number: u64, _operation: &OperationPlan, mut lot: Lot) -> Step<A> {
        Step::Submit((self.0)(&mut lot))
    }

    fn partition(&self, _command: &A::Command) -> Option<u64> {
        None
    }
}

/// What became of several worlds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How many worlds.
    pub seeds: u64,
    /// A hash over all events of all worlds.
    pub hash: u64,
    /// The sums of what happened in them.
    pub totals: Counters,
    /// Worlds whose history was too tangled to judge.
    pub undecided: u64,
    /// The rare states seen in them.
    pub reached: Reached,
}

impl Report {
    /// Adds what became of one world.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.hash = mix(self.hash.rotate_left(9) ^ outcome.hash);
        self.totals.add(&outcome.counters);
        self.undecided += u64::from(outcome.undecided);
        self.reached.add(&outcome.reached);
    }

    /// Whether so many histories were too tangled to judge (more than one in twenty) that nobody
    /// can say that clients saw what they should.
    pub const fn is_undecided(&self) -> bool {
        self.undecided * 20 > self.seeds
    }
}

/// A seed whose world violated a property.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("seed {seed}: {violation}")]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub violation: Violation,
}
