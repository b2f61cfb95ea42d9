//! A world: real nodes, simulated surroundings, one history.
//!
//! The loop is short: take the earliest event, let it have its effect, poll what it woke until
//! nothing is awake, look at what changed after each poll. When the plan's time is over all
//! faults end, and the world has to come to rest with everything done. A world is a
//! function of its plan: the same plan gives the same events, which their hash shows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::{EntryId, NodeId};
use raft_core::time::{LogTime, Time};
use raft_node::rare::Site as NodeSite;
use raft_node::state_machine::App;

use crate::checkers::{Checks, Violation, property};
use crate::client::Client;
use crate::clock::Schedule;
use crate::executor::{Ready, TaskId};
use crate::history::History;
use crate::lot::{Key, mix, nanos};
use crate::markers::{Marker, Reached};
use crate::nemesis::Occasion;
use crate::network::{Network, node_id, node_number};
use crate::node_log::LogMaker;
use crate::plan::{FatePlan, Plan, RareSite};
use crate::process::Node;
use crate::subject::{AppSubject, Subject};
use crate::trace::{Recorder, What, letter};
use crate::window::Shared;
use crate::witness::Witness;
use crate::workload::Workload;

mod answers;
mod calm;
mod clients;
pub(crate) mod event;
mod faults;
mod healing;
mod idle;
mod keeping;
mod machines;
mod members;
mod preference;
mod progress;
mod recorded;
mod recovery;
mod rest;
mod shapes;
mod steps;

use event::{Event, Frame};
use healing::Healing;

/// One world while it runs.
pub struct World<'a, S: Subject> {
    plan: Arc<Plan>,
    schedule: Schedule,
    ready: Ready,
    network: Network,
    nodes: Vec<Node<S::Machine>>,
    clients: Vec<Client<S::Machine>>,
    subject: S,
    checks: Checks,
    witness: Witness,
    /// How logs are opened that are not the real one.
    log: Option<LogMaker>,
    history: History<Asked, Bytes>,
    undecided: bool,
    /// Whether a disk was lost before any node knew that the cluster was founded.
    early_wipe: bool,
    /// Faults that wait for their occasion, by place in the plan.
    armed: Vec<usize>,
    /// Set when all faults are over.
    healing: Option<Healing>,
    /// Who asks for other members.
    operator: members::Operator,
    counters: Counters,
    hash: u64,
    trace: Option<&'a mut dyn Trace>,
    recorder: Option<Recorder>,
    bounds: Bounds,
}

/// How far a world is run at most, and what is written down of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The world's time from which on nothing happens any more.
    pub until: Duration,
    /// The most events.
    pub events: u64,
    /// Writes down the fate of every message that does not just take this long.
    pub usual_delay: Option<Duration>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            until: Duration::MAX,
            events: u64::MAX,
            usual_delay: None,
        }
    }
}

/// Hears what happens in a world, one line at a time.
pub trait Trace {
    /// Something happened, at a node or to the world as a whole.
    fn line(&mut self, now: Time, node: Option<NodeId>, text: fmt::Arguments<'_>);
}

/// What happened in a world, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Events.
    pub events: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Operations that were answered.
    pub answered: u64,
    /// Times that a node became leader.
    pub elections: u64,
    /// Times that a process was started.
    pub starts: u64,
    /// Times that a process ended, whatever the reason.
    pub crashes: u64,
    /// Crashes that had something to lose which was not synced, and lost some of it.
    pub unsynced_crashes: u64,
    /// Frames that were handed to a process.
    pub frames: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Nodes that refused to start because their disk was damaged.
    pub lost_nodes: u64,
    /// Worlds at whose end no progress was owed: a majority of their nodes was lost.
    pub unowed: u64,
    /// Virtual time that passed, in nanoseconds.
    pub nanoseconds: u64,
    /// Virtual time in which all faults were over and all nodes that ran had one leader, in
    /// nanoseconds.
    pub calm_nanoseconds: u64,
    /// Elections in that time: nobody needed them.
    pub needless_elections: u64,
}

impl Counters {
    /// Adds another world's.
    pub const fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.operations += other.operations;
        self.answered += other.answered;
        self.elections += other.elections;
        self.starts += other.starts;
        self.crashes += other.crashes;
        self.unsynced_crashes += other.unsynced_crashes;
        self.frames += other.frames;
        self.faults += other.faults;
        self.lost_nodes += other.lost_nodes;
        self.unowed += other.unowed;
        self.nanoseconds += other.nanoseconds;
        self.calm_nanoseconds += other.calm_nanoseconds;
        self.needless_elections += other.needless_elections;
    }

    /// The minutes in which nobody needed an election.
    pub fn calm_minutes(&self) -> f64 {
        Duration::from_nanos(self.calm_nanoseconds).as_secs_f64() / 60.0
    }
}

/// What a client asked, as the history has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The part of the app's state that it touches, when it touches no other.
    pub partition: Option<u64>,
    /// The command, in the payload codec.
    pub command: Bytes,
    /// Where and at which log time it was applied, if its machine looks at that.
    pub stamp: Option<(EntryId, LogTime)>,
}

/// What became of a world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed of its plan.
    pub seed: u64,
    /// A hash over all events: equal for equal plans, on every platform.
    pub hash: u64,
    /// What happened, in numbers.
    pub counters: Counters,
    /// The first property that did not hold, if any.
    pub violation: Option<Violation>,
    /// Whether the check of the clients' history was given up.
    pub undecided: bool,
    /// The rare states that were seen.
    pub reached: Reached,
    /// What clients saw.
    pub history: History<Asked, Bytes>,
    /// What became of messages, if [`Bounds`] asked for it.
    pub fates: Vec<FatePlan>,
}

impl<A: App, W: Workload<A> + 'static> World<'_, AppSubject<A, W>> {
    /// A world of this plan in which nodes run an app, before anything has happened.
    pub fn new(plan: Plan, make: impl Fn() -> A + 'static, workload: W) -> Self {
        let codec = plan.codecs.payload.codec();
        Self::of(plan, AppSubject::new(make, workload).in_codec(codec))
    }
}

impl<'a, S: Subject> World<'a, S> {
    /// A world of this plan in which nodes run this subject, before anything has happened.
    pub fn of(plan: Plan, subject: S) -> Self {
        let plan = Arc::new(plan);
        let schedule = Schedule::default();
        let ready = Ready::default();
        let network = Network::new(&plan, schedule.clone());
        let mut checks = Checks::new();
        checks.expect_sessions(plan.tuning.node_settings().sessions);
        if subject.has_one_form() {
            checks.expect_equal_snapshots();
        }
        let unasked = RareSite::Node(NodeSite::TakeSnapshot);
        if plan.rare.iter().any(|rare| rare.site == unasked) {
            checks.expect_snapshots_at_any_time();
        }
        let nodes: Vec<Node<S::Machine>> = (0..plan.nodes.len())
            .map(|number| {
                let journal = checks.journal(node_id(number));
                let waker = ready.waker(TaskId::Node(number));
                let node = Node::new(number, &plan, &schedule, waker, journal);
                checks.clock_of(node_id(number), node.clock.clone());
                node
            })
            .collect();
        let mut windows: BTreeMap<u32, Shared> = BTreeMap::new();
        let clients = plan
            .clients
            .iter()
            .enumerate()
            .map(|(number, &client)| {
                let window = windows.entry(client.window).or_default().clone();
                Client::new(client, ready.waker(TaskId::Client(number)), window)
            })
            .collect();
        let world = Self {
            plan,
            schedule,
            ready,
            network,
            nodes,
            clients,
            subject,
            checks,
            witness: Witness::default(),
            log: None,
            history: History::new(),
            undecided: false,
            early_wipe: false,
            armed: Vec::new(),
            healing: None,
            operator: members::Operator::default(),
            counters: Counters::default(),
            hash: 0,
            trace: None,
            recorder: None,
            bounds: Bounds::default(),
        };
        world.schedule_plan();
        world
    }

    /// With logs of the caller's instead of the real write-ahead log.
    #[must_use]
    pub fn with_log(mut self, log: LogMaker) -> Self {
        self.log = Some(log);
        self
    }

    /// Tells what happens while it happens.
    #[must_use]
    pub fn told_to(mut self, trace: &'a mut dyn Trace) -> Self {
        self.trace = Some(trace);
        self.keep_events();
        self
    }

    /// Runs it no further than this. A world that is cut short violates nothing.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        if let Some(usual) = bounds.usual_delay {
            self.network.note_fates(usual);
        }
        self.bounds = bounds;
        self
    }

    /// Runs the world to its end.
    pub fn run(mut self) -> Outcome {
        let violation = self.run_all().err();
        self.record_end(violation.as_ref());
        self.ready.clear();
        if self.nodes.iter().any(|node| node.disk.cut_tails() > 0) {
            self.checks.mark(Marker::TornTailCut);
        }
        if self.nodes.iter().any(|node| node.disk.taken_spares() > 0) {
            self.checks.mark(Marker::SegmentWrittenAnew);
        }
        for (marker, times) in self.nodes.iter().flat_map(|node| node.rare.struck()) {
            self.checks.mark_times(marker, times);
        }
        if self.network.refused() > 0 {
            self.checks.mark(Marker::OtherVersionRefused);
        }
        self.counters.nanoseconds = self.schedule.now().as_nanos();
        Outcome {
            seed: self.plan.seed,
            hash: self.hash,
            counters: self.counters,
            violation,
            undecided: self.undecided,
            reached: self.checks.reached().clone(),
            history: self.history,
            fates: self.network.take_fates(),
        }
    }

    fn run_all(&mut self) -> Result<(), Violation> {
        // Whoever wants more than a minute gets more.
        let most = MOST_EVENTS * (self.plan.duration.as_secs() / 60).max(1);
        while let Some(event) = self.schedule.next() {
            let late = nanos(self.bounds.until) < self.schedule.now().as_nanos();
            if late || self.counters.events >= self.bounds.events {
                return Ok(());
            }
            self.counters.events += 1;
            if self.counters.events > most {
                return Err(self.violation(property::LIVENESS, "the world never rests".to_owned()));
            }
            self.happen(event)?;
            self.wake_for_nothing();
            self.run_woken()?;
            self.ask_in_turn()?;
            if self.healing.as_ref().is_some_and(Healing::is_over) {
                return self.end();
            }
        }
        Err(self.violation(property::LIVENESS, "nothing is left to happen".to_owned()))
    }

    /// Wakes a node without a reason, now and then, as runtimes may.
    fn wake_for_nothing(&self) {
        let per_mille = self.plan.quirks.spurious_polls_per_mille;
        if per_mille == 0 || self.healing.is_some() {
            return;
        }
        let now = self.schedule.now().as_nanos();
        let mut lot = Key::Wake.lot(self.plan.seed, &[now]);
        let number = lot.below(self.nodes.len() as u64) as usize;
        if let Some(node) = self.nodes.get(number).filter(|_| lot.chance(per_mille)) {
            node.waker.wake_by_ref();
        }
    }

    /// Lets one event have its effect.
    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        self.fold(self.schedule.now().as_nanos());
        self.fold(event.word());
        match event {
            Event::Start { node, downs } => {
                let known = self.nodes.get(node);
                if known.is_some_and(|known| known.downs == downs) {
                    self.start(node);
                }
                Ok(())
            }
            Event::Alarm { node } => {
                let now = self.schedule.now();
                if let Some(node) = self.nodes.get(node_number(node)) {
                    node.clock.ring(now);
                }
                Ok(())
            }
            Event::Disk { node, done } => {
                let disk = self.nodes.get(node_number(node)).map(|node| &node.disk);
                if let Some(at) = disk.and_then(|disk| disk.done(&done)) {
                    self.schedule.at(at, Event::Disk { node, done });
                }
                Ok(())
            }
            Event::Arrive(frame) => {
                self.arrive(frame);
                Ok(())
            }
            Event::Lost { node, peer } => {
                self.network.lose(node, peer);
                Ok(())
            }
            Event::Reopen { from, to } => {
                self.network.reopen(from, to);
                Ok(())
            }
            Event::Over { fault, node } => self.over(fault, node),
            Event::Heal => self.heal(),
            Event::React { node } => self.react_late(node),
            Event::Arm(fault) => self.arm(fault),
            Event::Strike { fault, cause } => self.strike(fault, cause),
            Event::Operation(operation) => self.operation(operation),
            Event::Patience { client, attempt } => self.lose_patience(client, attempt),
            Event::Look { client } => self.poll_client(client),
            Event::Inspect => self.inspect(),
        }
    }

    fn arrive(&mut self, frame: Frame) {
        let (from, to) = (frame.from, frame.to);
        let told = self.trace.is_some().then(|| frame.bytes.clone());
        let listed = !frame.bytes.is_empty() && !frame.foreign;
        let letter = listed.then_some(frame.letter);
        if frame.foreign {
            let from = node_id(from);
            self.record_note(
                Some(to),
                format_args!("a letter comes from the {from} of another cluster"),
            );
        }
        let taken = self.network.arrive(frame);
        self.counters.frames += u64::from(taken);
        if let Some(letter) = letter {
            self.record(Some(to), || What::Arrived {
                letter,
                from: node_id(from),
                taken,
            });
        }
        if let Some(bytes) = told {
            let text = letter::frame(&bytes);
            let lost = if taken { "" } else { " (nobody is there)" };
            let from = node_id(from);
            self.tell(Some(to), format_args!("<- {from} {text}{lost}"));
        }
    }

    /// Polls what is awake until nothing is.
    fn run_woken(&mut self) -> Result<(), Violation> {
        for _ in 0..MOST_POLLS {
            match self.ready.next() {
                None => return Ok(()),
                Some(TaskId::Node(node)) => self.poll_node(node)?,
                Some(TaskId::Client(client)) => self.poll_client(client)?,
            }
        }
        let text = "nodes or clients wake each other without end".to_owned();
        Err(self.violation(property::LIVENESS, text))
    }

    /// Puts everything of the plan that has a time into the queue.
    fn schedule_plan(&self) {
        let at = |span: Duration| Time::from_nanos(nanos(span));
        for (node, plan) in self.plan.nodes.iter().enumerate() {
            self.schedule
                .at(at(plan.start), Event::Start { node, downs: 0 });
        }
        for (number, operation) in self.plan.operations.iter().enumerate() {
            self.schedule.at(at(operation.at), Event::Operation(number));
        }
        for (place, fault) in self.plan.faults.iter().enumerate() {
            self.schedule.at(at(fault.at), Event::Arm(place));
        }
        self.schedule.at(at(self.plan.duration), Event::Heal);
    }

    /// The last look, at a world at rest.
    fn end(&mut self) -> Result<(), Violation> {
        if self.network.broken() > 0 {
            let text = "a frame could not be written or read, or another build's was".to_owned();
            return Err(self.violation(property::NO_PANIC, text));
        }
        if !self.is_progress_owed() {
            self.counters.unowed += 1;
            return self.judge_history();
        }
        let live: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.hull().is_some() && self.is_member(node.number))
            .map(Node::id)
            .collect();
        self.checks.at_end(self.schedule.now(), &live)?;
        self.replay_machines()?;
        self.judge_history()
    }

    /// Starts a node that is down.
    fn start(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else {
            return;
        };
        if !node.is_down() {
            return;
        }
        self.counters.starts += 1;
        self.checks.starting(node.id(), node.life());
        node.start(&self.plan, &self.network, self.log.as_ref());
        self.tell(Some(number), format_args!("starts"));
        self.record(Some(number), || What::Started);
        self.give(number, |occasion| occasion == Occasion::Opening);
    }

    /// Tells the trace, if there is one.
    fn tell(&mut self, node: Option<usize>, text: fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.line(self.schedule.now(), node.map(node_id), text);
        }
    }

    /// Adds to the hash over all events.
    fn fold(&mut self, word: u64) {
        self.hash = mix(self.hash.rotate_left(17) ^ word);
    }

    /// A violation by the world as a whole.
    fn violation(&self, property: &'static str, text: String) -> Violation {
        Violation {
            property,
            node: None,
            time: self.schedule.now(),
            text,
        }
    }
}

/// More events than any world has in a minute that rests at all.
const MOST_EVENTS: u64 = 20_000_000;

/// More polls than one event can cause.
const MOST_POLLS: u64 = 10_000;

#[cfg(test)]
mod tests;
