//! One node: a disk, a clock and an identity that last, and a process that comes and goes.
//!
//! The process is the real thing: the write-ahead log opened over the simulated disk, then the
//! driver over it. A crash drops it at once, wherever it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use raft_core::configuration::{Member, MemberRole};
use raft_core::hull::Hull;
use raft_core::ids::{Incarnation, LogIndex, NodeId, Peer, Term};
use raft_core::states::Role;
use raft_core::trace::Event as HullEvent;
use raft_log::store::StoreSettings;
use raft_log::wal::WalSettings;
use raft_node::codec::PayloadCodec;
use raft_node::driver::{Driver, Parts};
use raft_node::error::{Exit, StartError};
use raft_node::frame::FORMAT_VERSION;
use raft_node::settings::{NodeSettings, NodeSetup};
use raft_node::state_machine::StateMachine;
use raft_node::status::Status;

use crate::client::NodeHandle;
use crate::clock::{Schedule, SimClock};
use crate::disk::{Disk, SimFs};
use crate::lot::Key;
use crate::network::{Dialect, Network, SimComms, node_id};
use crate::node_log::{
    LogMaker, NodeLog, NotOpened, Opening, OpeningAll, open_in_memory, open_wal, with_store,
};
use crate::plan::{Plan, Tuning};
use crate::rare::Rare;
use crate::script::print;
use crate::spy::{Journal, SpyLog, SpyMachine, SpyStore, Watched};
use crate::subject::Subject;
use crate::trace::Recorder;
use crate::witness::Witness;

/// The driver of a node that runs `M`.
type NodeDriver<M> = Driver<SpyLog<NodeLog>, SimComms, SimClock, SpyMachine<M>>;

/// One node.
pub(crate) struct Node<M> {
    pub(crate) number: usize,
    /// What it is called among lots.
    pub(crate) key: u64,
    pub(crate) disk: Disk,
    pub(crate) clock: SimClock,
    /// What it is asked to do that it rarely does.
    pub(crate) rare: Rare,
    pub(crate) waker: Waker,
    pub(crate) process: Process<M>,
    pub(crate) journal: Journal,
    /// How often it was taken down.
    pub(crate) downs: u32,
    starts: u64,
    /// How many groups of writes its log has had under way at most, in any of its lives.
    pub(crate) groups: usize,
    /// How many faults have paused it.
    pub(crate) pauses: u32,
    /// Whether it was woken while it was paused.
    pub(crate) woken: bool,
    /// The fault that slows it, and by how much at most.
    pub(crate) slow: Option<(usize, Duration)>,
    /// The fault that makes its clock run at another rate.
    pub(crate) racing: Option<usize>,
    /// Whether its late reaction is under way.
    pub(crate) reacting: bool,
    /// How often it has reacted late.
    pub(crate) reactions: u64,
    /// How it looked after its last step.
    pub(crate) glimpse: Option<Glimpse>,
    /// Itself in the life of its folder, as far as that is known outside.
    pub(crate) me: Option<Peer>,
    /// Whether it ever had a hull: it then knows its cluster.
    pub(crate) founded: bool,
    /// Whether a bit of its disk was flipped.
    pub(crate) spoiled: bool,
    /// The last term in which it led.
    pub(crate) led: Term,
    /// How often its whole disk was lost.
    pub(crate) wipes: u32,
    /// Whether it is without a hull since its disk was lost.
    pub(crate) wiped: bool,
    /// If it is started as another build: because of which fault, and what version that writes.
    pub(crate) build: Option<(usize, u16)>,
    /// How many letters of another cluster its process had refused at the last look.
    pub(crate) others_refused: u64,
    /// Whether its disk was ever made to fail.
    pub(crate) failing: bool,
    /// How long it stays down when it stops by itself.
    pub(crate) rest: Duration,
    /// Who listens.
    pub(crate) recorder: Option<Recorder>,
    /// How many of its hull's events are kept between two looks.
    pub(crate) kept_events: usize,
}

/// What a node's process is at.
pub(crate) enum Process<M> {
    /// There is none.
    Down,
    /// The log is being opened, on this disk.
    Starting(Opening, SimFs, SimComms),
    /// The log and the store of snapshots are being opened.
    Opening(OpeningAll<SpyMachine<M>>, SimComms),
    /// It runs.
    Running(Box<NodeDriver<M>>, NodeHandle<M>),
    /// It refuses to start, for good.
    Lost,
}

/// What one poll of a process came to.
pub(crate) enum Polled {
    /// It waits.
    Waits,
    /// It could not start.
    NotOpened(NotOpened),
    /// It could not start, but for another reason than its log.
    NotStarted(StartError),
    /// It ended.
    Ended(Exit),
}

/// What matters of a node to the world: compared before and after each step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Glimpse {
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) commit: LogIndex,
    pub(crate) last: LogIndex,
    /// The term of the last entry.
    pub(crate) last_term: Term,
    pub(crate) applied: LogIndex,
    /// Whether it lacks entries that it once had.
    pub(crate) in_repair: bool,
}

impl Glimpse {
    fn of(hull: &Hull) -> Self {
        Self {
            role: hull.role(),
            term: hull.term(),
            vote: hull.vote(),
            commit: hull.commit_index(),
            last: hull.last().index,
            last_term: hull.last().term,
            applied: hull.applied_index(),
            in_repair: hull.lost_through().is_some(),
        }
    }
}

impl fmt::Display for Glimpse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", print::role(self.role), self.term)?;
        if let Some(vote) = self.vote {
            write!(f, " (voted {vote})")?;
        }
        let Self {
            last,
            commit,
            applied,
            ..
        } = self;
        write!(f, ", last {last}, commit {commit}, applied {applied}")
    }
}

impl<M: StateMachine> Node<M> {
    pub(crate) fn new(
        number: usize,
        plan: &Plan,
        schedule: &Schedule,
        waker: Waker,
        journal: Journal,
    ) -> Self {
        let id = node_id(number);
        let key = plan.key_of(number);
        let rare = Rare::new(plan, key);
        Self {
            number,
            key,
            disk: Disk::new(id, plan, schedule.clone()),
            clock: SimClock::new(id, plan, schedule.clone(), rare.clone()),
            rare,
            waker,
            process: Process::Down,
            journal,
            downs: 0,
            starts: 0,
            groups: 1,
            pauses: 0,
            woken: false,
            slow: None,
            racing: None,
            reacting: false,
            reactions: 0,
            glimpse: None,
            me: None,
            founded: false,
            spoiled: false,
            led: Term::ZERO,
            wipes: 0,
            wiped: false,
            build: None,
            others_refused: 0,
            failing: false,
            rest: REST,
            recorder: None,
            kept_events: 0,
        }
    }

    /// The node's name.
    pub(crate) const fn id(&self) -> NodeId {
        node_id(self.number)
    }

    /// Starts a process: opens the log.
    pub(crate) fn start(&mut self, plan: &Plan, network: &Network, log: Option<&LogMaker>) {
        self.starts += 1;
        self.rest = REST;
        self.reacting = false;
        let name = [self.key, self.starts];
        let groups = Key::Groups.lot(plan.seed, &name).pick(1, &[1, 2, 4]);
        self.groups = self.groups.max(groups as usize);
        let settings = WalSettings {
            segment_bytes: self.tuning(plan).segment_bytes,
            spare_segments: Key::Spares.lot(plan.seed, &name).pick(2, &[0, 1]),
            groups_in_flight: groups,
            block_bytes: plan.tuning.limits.block_bytes,
            ..WalSettings::default()
        };
        let disk = self.disk.mount().with_rare(self.rare.clone());
        let opening = match log {
            Some(log) => log.open(disk.clone()),
            None if plan.keeps_in_memory(self.number) => open_in_memory(disk.clone()),
            None => open_wal(disk.clone(), settings),
        };
        let dialect = Dialect {
            codec: plan.codecs.wire(&mut Key::Wire.lot(plan.seed, &name)),
            version: self.build.map_or(FORMAT_VERSION, |(_, version)| version),
        };
        let limits = plan.tuning.limits.frames();
        let comms = network.connect(self.number, limits, dialect, self.journal.clone());
        self.process = Process::Starting(opening, disk, comms);
        self.waker.wake_by_ref();
    }

    /// Goes on to open the store of snapshots, which makes the state machine what it was.
    fn open(&mut self, plan: &Plan, subject: &impl Subject<Machine = M>, witness: &Witness) {
        let process = std::mem::replace(&mut self.process, Process::Down);
        let Process::Starting(log, disk, comms) = process else {
            return;
        };
        let store = StoreSettings {
            block_bytes: plan.tuning.limits.store_block_bytes,
            sync_bytes: plan.tuning.limits.store_sync_bytes,
        };
        let watched = Watched {
            journal: self.journal.clone(),
            node: self.id(),
            witness: witness.clone(),
            look: subject.state(),
            look_at_snapshots: subject.state_in_snapshots(),
        };
        let machine = SpyMachine::new(subject.machine(), watched);
        let is_witness = plan.is_witness(self.number);
        let opening = with_store(log, disk, store, is_witness, machine);
        self.process = Process::Opening(opening, comms);
    }

    /// Ends the process, wherever it stands.
    pub(crate) fn stop(&mut self, network: &Network) {
        self.process = Process::Down;
        self.downs += 1;
        self.glimpse = None;
        self.clock.silence();
        network.disconnect(self.number);
    }

    /// Lets the process do what it can.
    pub(crate) fn poll(
        &mut self,
        plan: &Plan,
        subject: &impl Subject<Machine = M>,
        witness: &Witness,
    ) -> Polled {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        if let Process::Starting(..) = &self.process {
            self.open(plan, subject, witness);
        }
        if let Process::Opening(opening, _) = &mut self.process {
            let opened = match opening.as_mut().poll(&mut cx) {
                Poll::Pending => return Polled::Waits,
                Poll::Ready(opened) => opened,
            };
            let Process::Opening(_, comms) = std::mem::replace(&mut self.process, Process::Down)
            else {
                return Polled::Waits;
            };
            let (log, store, recovered, state) = match opened {
                Ok(opened) => opened,
                Err(error) => return Polled::NotOpened(error),
            };
            if let Some(recorder) = &self.recorder {
                recorder.opened(self.id(), &recovered);
            }
            let parts = Parts {
                log: SpyLog::new(log, &recovered, self.journal.clone())
                    .recorded_by(self.id(), self.recorder.as_ref()),
                snapshots: Box::new(SpyStore::new(store, self.journal.clone())),
                comms,
                clock: self.clock.clone(),
                state,
            };
            match Driver::start(self.setup(plan, subject.codec()), parts, recovered) {
                Ok((driver, handle)) => {
                    self.process = Process::Running(Box::new(driver), handle);
                }
                Err(error) => return Polled::NotStarted(error),
            }
        }
        let Process::Running(driver, _) = &mut self.process else {
            return Polled::Waits;
        };
        match Pin::new(driver).poll(&mut cx) {
            Poll::Pending => Polled::Waits,
            Poll::Ready(exit) => Polled::Ended(exit),
        }
    }

    /// The hull, if there is one.
    pub(crate) fn hull(&self) -> Option<&Hull> {
        match &self.process {
            Process::Running(driver, _) => driver.hull(),
            Process::Down | Process::Starting(..) | Process::Opening(..) | Process::Lost => None,
        }
    }

    /// What its hull said since the last look.
    pub(crate) fn take_events(&mut self) -> Vec<HullEvent> {
        match &mut self.process {
            Process::Running(driver, _) => driver.take_events(),
            Process::Down | Process::Starting(..) | Process::Opening(..) | Process::Lost => {
                Vec::new()
            }
        }
    }

    /// The handle, if the process runs and is not paused.
    pub(crate) fn handle(&self) -> Option<&NodeHandle<M>> {
        match &self.process {
            Process::Running(_, handle) => Some(handle),
            Process::Down | Process::Starting(..) | Process::Opening(..) | Process::Lost => None,
        }
    }

    /// How it looks now.
    pub(crate) fn look(&self) -> Option<Glimpse> {
        self.hull().map(Glimpse::of)
    }

    /// Loses all that it ever wrote. Its process must be down.
    pub(crate) fn wipe(&mut self) {
        self.disk.wipe();
        self.wipes += 1;
        self.wiped = true;
        self.spoiled = false;
        self.me = None;
    }

    /// Whether it is started as one that joins: it was not there at the founding, or what it was
    /// then is lost, and there is somebody who may add it again.
    pub(crate) fn joins(&self, plan: &Plan) -> bool {
        plan.joins(self.number) || (plan.founders > 0 && self.wipes > 0)
    }

    /// Which life of its folder this is, for those who look at it from outside.
    pub(crate) fn life(&self) -> Incarnation {
        Incarnation::new((self.number as u128 + 1) << 32 | u128::from(self.wipes))
    }

    /// Whether its cluster can no longer count on it: nothing brings back what it has forgotten.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self.process, Process::Lost) || (self.wiped && self.founded)
    }

    /// Which life of its folder it takes itself for, as far as that is known outside.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        self.me.map(|me| me.incarnation)
    }

    /// How the others are to know it as a member, once it knows its life itself.
    pub(crate) fn as_member(&self, role: MemberRole, priority: u8) -> Option<(NodeId, Member)> {
        let me = self.me?;
        let member = Member {
            role,
            address: format!("node-{}", me.id.get()),
            priority,
            ..Member::voter(me.incarnation)
        };
        Some((me.id, member))
    }

    /// Whether it lacks entries that it once had.
    pub(crate) fn is_in_repair(&self) -> bool {
        self.hull()
            .is_some_and(|hull| hull.lost_through().is_some())
    }

    /// What the driver says of itself, if there is one.
    pub(crate) fn status(&self) -> Option<&Status> {
        match &self.process {
            Process::Running(driver, _) => Some(driver.status()),
            Process::Down | Process::Starting(..) | Process::Opening(..) | Process::Lost => None,
        }
    }

    /// Ends one of the faults that have paused it.
    pub(crate) fn resume(&mut self) {
        self.pauses = self.pauses.saturating_sub(1);
        if self.pauses == 0 && std::mem::take(&mut self.woken) {
            self.waker.wake_by_ref();
        }
    }

    /// Ends all faults that have paused or slowed it, or changed its clock's rate.
    pub(crate) fn resume_for_good(&mut self) {
        self.slow = None;
        if self.racing.take().is_some() {
            self.clock.run_as_planned();
        }
        self.pauses = 0;
        self.waker.wake_by_ref();
    }

    /// Stays down for good.
    pub(crate) fn give_up(&mut self) {
        self.process = Process::Lost;
    }

    /// Whether there is no process, but could be.
    pub(crate) const fn is_down(&self) -> bool {
        matches!(self.process, Process::Down)
    }

    /// Whether there is a process.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(
            self.process,
            Process::Starting(..) | Process::Opening(..) | Process::Running(..)
        )
    }

    /// The settings of this start.
    fn tuning(&self, plan: &Plan) -> Tuning {
        plan.tuning.of_start(plan.seed, self.key, self.starts)
    }

    fn setup(&self, plan: &Plan, payload_codec: PayloadCodec) -> NodeSetup {
        let joins = self.joins(plan);
        // Who joins asks them all: who is a member by then is not known.
        let members: BTreeMap<NodeId, String> = (0..plan.nodes.len())
            .filter(|number| joins || !plan.joins(*number))
            .map(|number| (node_id(number), format!("node-{}", number + 1)))
            .collect();
        // Founders are told of each other, and who joins of itself alone.
        let told = |number: &usize| match joins {
            true => *number == self.number,
            false => !plan.joins(*number),
        };
        let witnesses = (0..plan.nodes.len()).filter(told);
        let witnesses = witnesses.filter(|number| plan.is_witness(*number));
        let witnesses: BTreeSet<NodeId> = witnesses.map(node_id).collect();
        let mut lot = Key::Node.lot(plan.seed, &[self.key, self.starts]);
        NodeSetup {
            id: self.id(),
            members,
            joins,
            witnesses,
            settings: NodeSettings {
                kept_events: self.kept_events,
                ..self.tuning(plan).node_settings()
            },
            payload_codec,
            seed: lot.number(),
            entropy: (u128::from(lot.number()) << 64) | u128::from(lot.number()),
        }
    }
}

/// How long a node stays down that stopped by itself, unless a fault says otherwise.
const REST: Duration = Duration::from_millis(700);
