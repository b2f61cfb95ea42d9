//! The simulator as a product: your own state machine under a thousand seeds.
//!
//! Each seed is a world: three to seven nodes that run the real driver over the real write-ahead
//! log, clients that submit your commands, and a minute of faults of whatever kinds the seed
//! draws. What clients saw must be linearizable with your [`App`] itself as the meaning of its
//! commands, nothing acknowledged may be lost, and when the faults end there must be progress.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use raft_node::state_machine::App;

use crate::checkers::Violation;
use crate::key_value::{KeyValue, KeyValueWorkload};
use crate::lot::{Lot, mix};
use crate::markers::Reached;
use crate::plan::{Plan, Swarm};
use crate::shrink::{Budget, Shrunk, shrink};
use crate::subject::AppSubject;
use crate::trace::{Recorder, Recording};
use crate::workload::{OperationPlan, Step, Workload};
use crate::world::{Bounds, Counters, Outcome, Trace, World};

/// Runs an [`App`] in simulated worlds.
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
#[derive(Clone)]
pub struct Sim<A: App> {
    make: Arc<dyn Fn() -> A>,
    command: Draw<A>,
    swarm: Swarm,
}

impl<A: App> Sim<A> {
    /// The app as each node starts with it, and a way to draw a command. Both must depend on
    /// nothing but what they are given.
    pub fn new(
        make: impl Fn() -> A + 'static,
        command: impl Fn(&mut Lot) -> A::Command + 'static,
    ) -> Self {
        Self {
            make: Arc::new(make),
            command: Arc::new(command),
            swarm: Swarm {
                custom: true,
                ..Swarm::default()
            },
        }
    }

    /// As many nodes in every world, 1 to 7. Otherwise each seed draws 3 to 7.
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

    /// Runs these seeds, one after the other.
    ///
    /// # Errors
    ///
    /// The first seed whose world violated a property; [`Sim::run_seed`] shows it again.
    pub fn run(&self, seeds: Range<u64>) -> Result<Report, Failed> {
        let mut report = Report::default();
        for seed in seeds {
            let outcome = self.run_seed(seed);
            report.add(&outcome);
            if let Some(violation) = outcome.violation {
                return Err(Failed { seed, violation });
            }
        }
        Ok(report)
    }

    /// Runs one seed.
    pub fn run_seed(&self, seed: u64) -> Outcome {
        self.world(seed).run()
    }

    /// Runs one seed and tells what happens.
    pub fn replay(&self, seed: u64, trace: &mut dyn Trace) -> Outcome {
        self.world(seed).told_to(trace).run()
    }

    /// Shrinks a seed's plan to a small one whose world violates the same property. Answers `None`
    /// when nothing is violated.
    pub fn shrink(&self, seed: u64, budget: Budget<'_>) -> Option<Shrunk> {
        let plan = Plan::draw(seed, &self.swarm);
        let run = |plan, bounds| self.world_of(plan).within(bounds).run();
        shrink(&plan, &run, budget)
    }

    /// Runs a plan, such as one that was shrunk.
    pub fn run_plan(&self, plan: Plan) -> Outcome {
        self.world_of(plan).run()
    }

    fn world<'a>(&self, seed: u64) -> World<'a, AppSubject<A, Commands<A>>> {
        self.world_of(Plan::draw(seed, &self.swarm))
    }

    fn world_of<'a>(&self, plan: Plan) -> World<'a, AppSubject<A, Commands<A>>> {
        let make = self.make.clone();
        let commands = Commands(self.command.clone());
        World::new(plan, move || make(), commands)
    }
}

impl<A: App> fmt::Debug for Sim<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("swarm", &self.swarm)
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
struct Commands<A: App>(Draw<A>);

/// A way to draw a command.
type Draw<A> = Arc<dyn Fn(&mut Lot) -> <A as App>::Command>;

impl<A: App> Workload<A> for Commands<A> {
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
