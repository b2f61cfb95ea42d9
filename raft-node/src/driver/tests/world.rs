//! A world for tests: queues for a network, a number for a clock, memory for disks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use raft_core::chunk::ChunkBuilder;
use raft_core::comms::{Comms, CommsEvent};
use raft_core::hull::SnapshotDone;
use raft_core::ids::NodeId;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, Loading, Log, LogError, Recovered, Write};
use raft_core::message::Lane;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::states::Role;
use raft_core::store::memory::MemoryStore;
use raft_core::store::{SnapshotStore, StoreJob};
use raft_core::time::Time;

use super::super::{Driver, Parts};
use super::poll;
use crate::clock::Clock;
use crate::codec::{Codec, PayloadCodec};
use crate::error::{Exit, StartError};
use crate::first_state::FirstState;
use crate::frame::{self, FrameLimits};
use crate::handle::Handle;
use crate::letter::Letter;
use crate::settings::{NodeSettings, NodeSetup};
use crate::state_machine::{
    Command, StateError, StateMachine, StateReader, StateWriter, WholeReader, WholeWriter,
};

type TestDriver = Driver<Disk, Wire, HandClock, Journal>;

pub(super) struct World {
    time: Arc<AtomicU64>,
    /// How often any driver asked to be woken at a time.
    alarms: Arc<AtomicU64>,
    pub(super) net: Rc<RefCell<Net>>,
    nodes: BTreeMap<u64, Node>,
    settings: NodeSettings,
    starts: u64,
    /// Nodes that join, and whom each asks.
    joiners: BTreeMap<u64, Vec<u64>>,
    /// Which nodes are witnesses.
    pub(super) witnesses: BTreeSet<u64>,
}

#[derive(Default)]
struct Node {
    driver: Option<TestDriver>,
    handle: Option<Handle<Journal>>,
    exit: Option<Exit>,
    disk: Disk,
    shelf: Shelf,
}

/// Keeps what was applied; replies how much that is.
pub(super) struct Journal(pub(super) Vec<Bytes>);

impl StateMachine for Journal {
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        self.0.push(Bytes::copy_from_slice(command.payload));
        self.0.len().to_string().into()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        let mut bytes = Vec::new();
        PayloadCodec::Postcard.encode(&self.0, &mut bytes)?;
        Ok(Box::new(WholeReader::new(bytes.into())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|bytes: &[u8]| {
            Ok(Self(PayloadCodec::Postcard.decode(bytes)?))
        }))
    }
}

impl World {
    pub(super) fn of(nodes: u64) -> Self {
        Self::with(nodes, |_| {})
    }

    pub(super) fn with(nodes: u64, tune: impl FnOnce(&mut NodeSettings)) -> Self {
        Self::with_witnesses(nodes, &[], tune)
    }

    pub(super) fn with_witnesses(
        nodes: u64,
        witnesses: &[u64],
        tune: impl FnOnce(&mut NodeSettings),
    ) -> Self {
        let mut settings = NodeSettings::default();
        tune(&mut settings);
        let mut world = Self {
            time: Arc::default(),
            alarms: Arc::default(),
            net: Rc::default(),
            nodes: (1..=nodes).map(|id| (id, Node::default())).collect(),
            settings,
            starts: 0,
            joiners: BTreeMap::new(),
            witnesses: witnesses.iter().copied().collect(),
        };
        for id in 1..=nodes {
            world.start(id);
        }
        world
    }

    pub(super) fn setup(&self, id: u64) -> NodeSetup {
        let founders = || {
            let all = self.nodes.keys().copied();
            all.filter(|id| !self.joiners.contains_key(id)).collect()
        };
        let joiner = self.joiners.get(&id);
        let members: Vec<u64> = joiner.cloned().unwrap_or_else(founders);
        NodeSetup {
            id: NodeId::new(id),
            members: members
                .iter()
                .map(|id| (NodeId::new(*id), format!("host{id}")))
                .collect(),
            joins: joiner.is_some(),
            witnesses: self.witnesses.iter().copied().map(NodeId::new).collect(),
            settings: self.settings,
            payload_codec: PayloadCodec::Postcard,
            seed: self.starts * 7919 + id,
            entropy: u128::from(self.starts * 1_000_003 + id),
        }
    }

    /// What a start of the node finds.
    pub(super) fn recovered(&self, id: u64) -> Recovered {
        let node = &self.nodes[&id];
        Recovered {
            stored: node.shelf.newest(),
            ..node.disk.recovered()
        }
    }

    pub(super) fn start(&mut self, id: u64) {
        self.start_from(id, self.recovered(id));
    }

    pub(super) fn start_from(&mut self, id: u64, recovered: Recovered) {
        self.start_with(id, recovered, FirstState::new(Journal(vec![])));
    }

    /// The same, with a state that was read when the store was opened.
    pub(super) fn start_with(&mut self, id: u64, recovered: Recovered, state: FirstState<Journal>) {
        self.starts += 1;
        let setup = self.setup(id);
        let node = self.nodes.get_mut(&id).unwrap();
        let parts = Parts {
            log: node.disk.clone(),
            snapshots: Box::new(node.shelf.reopened()),
            comms: Wire {
                me: setup.id,
                net: self.net.clone(),
            },
            clock: HandClock(self.time.clone(), self.alarms.clone()),
            state,
        };
        let (driver, handle) = Driver::start(setup, parts, recovered).unwrap();
        node.driver = Some(driver);
        node.handle = Some(handle);
        node.exit = None;
    }

    /// Starts a node that joins, on an empty disk, and asks these.
    pub(super) fn join(&mut self, id: u64, members: &[u64]) {
        if self.nodes.contains_key(&id) {
            self.wipe(id);
        }
        self.nodes.entry(id).or_default();
        self.joiners.insert(id, members.to_vec());
        self.start(id);
    }

    pub(super) fn crash(&mut self, id: u64) {
        self.nodes.get_mut(&id).unwrap().driver = None;
        self.net.borrow_mut().boxes.remove(&NodeId::new(id));
    }

    pub(super) fn wipe(&mut self, id: u64) {
        self.crash(id);
        let node = self.nodes.get_mut(&id).unwrap();
        node.disk = Disk::default();
        node.shelf = Shelf::default();
    }

    /// Runs for so many milliseconds.
    pub(super) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            for _ in 0..3 {
                for node in self.nodes.values_mut() {
                    let exit = node.driver.as_mut().and_then(poll);
                    if exit.is_some() {
                        node.exit = exit;
                        node.driver = None;
                    }
                }
            }
            self.time.fetch_add(1_000_000, Ordering::Relaxed);
        }
    }

    /// Runs until there is an answer.
    pub(super) fn until<T>(&mut self, mut answer: impl FnMut(&mut Self) -> Option<T>) -> T {
        for _ in 0..30_000 {
            if let Some(answer) = answer(self) {
                return answer;
            }
            self.run(1);
        }
        panic!("nothing after 30 s");
    }

    /// Runs until all running nodes follow one leader that has committed in its term.
    pub(super) fn elect(&mut self) -> u64 {
        self.elect_among_others(0)
    }

    /// The same, whatever one node thinks.
    pub(super) fn elect_among_others(&mut self, but: u64) -> u64 {
        self.until(|world| {
            let others = world.nodes.iter().filter(|(id, _)| **id != but);
            let hulls: Vec<_> = others
                .filter_map(|(_, node)| node.driver.as_ref())
                .map(Driver::hull)
                .collect::<Option<_>>()?;
            let leader = hulls.iter().find(|hull| hull.role() == Role::Leader)?;
            let agreed = hulls
                .iter()
                .all(|hull| hull.leader() == Some(leader.me().id) && hull.term() == leader.term());
            let ready = leader.term_at(leader.commit_index()) == Some(leader.term());
            (agreed && ready).then(|| leader.me().id.get())
        })
    }

    pub(super) fn handle(&self, id: u64) -> Handle<Journal> {
        self.nodes[&id].handle.clone().unwrap()
    }

    /// The nodes that run.
    pub(super) fn running(&self) -> Vec<u64> {
        let runs = self.nodes.iter().filter(|(_, node)| node.driver.is_some());
        runs.map(|(id, _)| *id).collect()
    }

    pub(super) fn driver(&self, id: u64) -> &TestDriver {
        self.nodes[&id].driver.as_ref().unwrap()
    }

    pub(super) fn driver_mut(&mut self, id: u64) -> &mut TestDriver {
        self.nodes.get_mut(&id).unwrap().driver.as_mut().unwrap()
    }

    pub(super) fn journal(&self, id: u64) -> Vec<Bytes> {
        self.driver(id).state_machine().0.clone()
    }

    pub(super) fn shelf(&self, id: u64) -> Shelf {
        self.nodes[&id].shelf.clone()
    }

    pub(super) fn disk(&self, id: u64) -> Disk {
        self.nodes[&id].disk.clone()
    }

    /// Appends an entry of a later version's kind to a node's log, behind its back.
    pub(super) fn append_unknown(&self, id: u64, kind: u8) {
        let disk = self.disk(id);
        let recovered = disk.recovered();
        let term = recovered.runs.last().unwrap().term;
        let mut builder = ChunkBuilder::new();
        builder.push_raw(kind, b"later").unwrap();
        let first = recovered.last.next();
        let chunk = builder.seal(term, first, recovered.time, crc32c::crc32c_append);
        let identity = recovered.identity.unwrap();
        let write = Write {
            append: chunk.unwrap().into(),
            ..Write::of_identity(recovered.hard, identity)
        };
        disk.0.lock().unwrap().write(write).unwrap();
    }

    /// What a start of node `id` with this setup and this recovery comes to.
    pub(super) fn try_start(
        &self,
        setup: NodeSetup,
        recovered: Recovered,
    ) -> Result<(), StartError> {
        self.try_start_with(setup, recovered, FirstState::new(Journal(vec![])))
    }

    /// The same, with a state that was read when the store was opened.
    pub(super) fn try_start_with(
        &self,
        setup: NodeSetup,
        recovered: Recovered,
        state: FirstState<Journal>,
    ) -> Result<(), StartError> {
        let parts = Parts {
            log: Disk::default(),
            snapshots: Box::new(Shelf::default()),
            comms: Wire {
                me: setup.id,
                net: self.net.clone(),
            },
            clock: HandClock(self.time.clone(), self.alarms.clone()),
            state,
        };
        Driver::start(setup, parts, recovered).map(|_| ())
    }

    /// How often so far any driver asked to be woken at a time, and how many letters were sent.
    pub(super) fn stir(&self) -> (u64, u64) {
        (
            self.alarms.load(Ordering::Relaxed),
            self.net.borrow().letters,
        )
    }

    pub(super) fn exit(&self, id: u64) -> Option<Exit> {
        self.nodes[&id].exit.clone()
    }
}

/// A memory log that outlives its driver, and fails or stalls when told to.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<MemoryLog>>, Arc<AtomicBool>, Arc<AtomicBool>);

impl Disk {
    pub(super) fn recovered(&self) -> Recovered {
        self.0.lock().unwrap().recovered()
    }

    pub(super) fn fail(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// Whether nothing becomes durable for now.
    pub(super) fn stall(&self, stalls: bool) {
        self.2.store(stalls, Ordering::Relaxed);
    }
}

/// A store of snapshots that outlives its driver, and does nothing for a while when told to.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<MemoryStore>>, Arc<AtomicBool>);

impl Shelf {
    /// As the next start finds it.
    fn reopened(&self) -> Self {
        let mut store = self.0.lock().unwrap();
        *store = core::mem::take(&mut *store).reopened();
        self.clone()
    }

    /// The content of a snapshot that is stored.
    pub(super) fn content(&self, id: SnapshotId) -> Vec<u8> {
        self.0.lock().unwrap().content(id).unwrap().to_vec()
    }

    pub(super) fn newest(&self) -> Option<Snapshot> {
        self.0.lock().unwrap().newest().cloned()
    }

    /// Whether nothing is answered for now.
    pub(super) fn stall(&self, stalls: bool) {
        self.1.store(stalls, Ordering::Relaxed);
    }
}

impl SnapshotStore for Shelf {
    fn begin(&mut self, job: StoreJob) {
        self.0.lock().unwrap().begin(job);
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<SnapshotDone> {
        if self.1.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.0.lock().unwrap().poll_done(cx)
    }
}

/// What a disk says that was told to fail.
pub(super) fn full() -> LogError {
    LogError::Full {
        detail: "no room".into(),
    }
}

impl Log for Disk {
    fn begin(&mut self, write: Write) {
        self.0.lock().unwrap().begin(write);
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        if self.1.load(Ordering::Relaxed) {
            return Poll::Ready(Err(full()));
        }
        if self.2.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.0.lock().unwrap().poll_durable(cx)
    }

    fn load(&self, range: Range<raft_core::ids::LogIndex>, max_bytes: usize) -> Loading {
        self.0.lock().unwrap().load(range, max_bytes)
    }
}

/// The queues between the nodes.
#[derive(Default)]
pub(super) struct Net {
    boxes: BTreeMap<NodeId, VecDeque<Bytes>>,
    dice: u64,
    /// How many letters were sent.
    letters: u64,
    pub(super) doubles: bool,
    pub(super) loses_percent: u64,
    /// Nodes that nothing reaches and nothing leaves.
    pub(super) cut: BTreeSet<u64>,
}

impl Net {
    /// Puts a letter into a node's box, whomever it names.
    pub(super) fn put(&mut self, to: NodeId, letter: &Letter) {
        let cut = |id: NodeId| self.cut.contains(&id.get());
        // Knuth's generator, so that no pattern of letters meets the same pattern of losses.
        self.dice = self
            .dice
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(1);
        self.letters += 1;
        let lost = (self.dice >> 33) % 100 < self.loses_percent;
        if cut(to) || cut(letter.from.id) || lost {
            return;
        }
        let parts = frame::encode(letter, PayloadCodec::DEFAULT).unwrap();
        let whole: BytesMut = parts.iter().flatten().copied().collect();
        let copies = if self.doubles { 2 } else { 1 };
        for _ in 0..copies {
            let letters = self.boxes.entry(to).or_default();
            letters.push_back(whole.clone().freeze());
        }
    }
}

impl Net {
    pub(super) fn waiting(&self, to: NodeId) -> usize {
        self.boxes.get(&to).map_or(0, VecDeque::len)
    }
}

/// One node's end of the network.
pub(super) struct Wire {
    me: NodeId,
    net: Rc<RefCell<Net>>,
}

impl Comms<Letter> for Wire {
    fn room(&self, _to: NodeId, _lane: Lane) -> usize {
        1 << 20
    }

    fn send(&mut self, to: NodeId, _lane: Lane, letter: Letter) {
        self.net.borrow_mut().put(to, &letter);
    }

    fn poll_event(&mut self, _cx: &mut Context<'_>) -> Poll<CommsEvent<Letter>> {
        let mut net = self.net.borrow_mut();
        let letters = net.boxes.entry(self.me).or_default();
        match letters.pop_front() {
            Some(bytes) => {
                let letter = frame::decode(bytes, &FrameLimits::default()).unwrap();
                Poll::Ready(CommsEvent::Arrived(letter))
            }
            None => Poll::Pending,
        }
    }
}

/// Time that is moved by hand.
pub(super) struct HandClock(Arc<AtomicU64>, Arc<AtomicU64>);

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn poll_until(&mut self, deadline: Time, _cx: &mut Context<'_>) -> Poll<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.now() >= deadline {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
