//! A node to drive by hand: a hull, its log in memory, and a disk that waits to be told.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its own part of this, and a test may panic"
)]

mod bodies;
mod entries;
mod loss;
mod members;
mod store;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use raft_core::checksum::crc32c;
use raft_core::chunk::Chunk;
use raft_core::configuration::Configuration;
use raft_core::error::Dropped;
use raft_core::hull::{
    Hull, Input, Load, Loaded, Outcome, Proposals, Resolved, Setup, SnapshotJob, Transfer,
};
use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex, NodeId, Peer, Term, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, LogError, Recovered, Write};
use raft_core::message::{AppendEntries, Body, Lane, Message, PreVote, PreVoteReply};
use raft_core::record::{ClientHeader, Record};
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::Time;
use raft_core::trace::{Event, EventKind};

#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use bodies::*;
#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use entries::{chunks, ids, ids_of};
#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use loss::*;
#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use members::*;
#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use store::{Store, empty_snapshot};

/// One node, driven by hand.
pub(crate) struct Node {
    pub(crate) hull: Hull,
    pub(crate) log: MemoryLog,
    pub(crate) now: Time,
    setup: Setup,
    /// The log as it was before each of the last writes, the oldest first, where that is kept.
    pub(crate) past: Option<VecDeque<MemoryLog>>,
    /// How far the log reached when some of it was lost.
    pub(super) lost: Option<EntryId>,
    /// Writes taken from the hull and not yet durable.
    pub(crate) writes: VecDeque<Write>,
    /// When false, writes wait in `writes` until `sync` is called.
    pub(crate) auto_sync: bool,
    /// Reads asked for and not yet answered.
    pub(crate) loads: VecDeque<Load>,
    /// When false, reads wait in `loads` until `load` is called.
    pub(crate) auto_load: bool,
    /// When false, what is to be applied stays in the hull.
    pub(crate) auto_apply: bool,
    /// Whether the test wants the hull stopped.
    pub(crate) may_stop: bool,
    pub(crate) applied: Vec<(EntryId, Vec<u8>)>,
    /// The state machine: all commands applied so far, also before a snapshot.
    pub(crate) machine: Vec<(EntryId, Vec<u8>)>,
    pub(crate) store: Store,
    /// What is to be done with snapshots and is not done yet.
    pub(crate) jobs: VecDeque<(SnapshotJob, Vec<u8>)>,
    /// When false, jobs wait in `jobs` until `store_one` is called.
    pub(crate) auto_store: bool,
    pub(crate) resolved: Vec<Resolved>,
    pub(crate) events: Vec<Event>,
    pub(super) next_ticket: u64,
    last_attempt: u64,
    /// The number of the last AppendEntries sent to each node.
    last_requests: BTreeMap<NodeId, u64>,
}

pub(crate) fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 1000))
}

pub(crate) fn id(index: u64, term: u64) -> EntryId {
    EntryId::new(Term::new(term), LogIndex::new(index))
}

pub(crate) fn index(index: u64) -> LogIndex {
    LogIndex::new(index)
}

/// The settings tests reckon with: heartbeats each 100 ms, elections after 1 to 2 s.
pub(crate) fn settings() -> Settings {
    Settings::default()
}

impl Node {
    /// Node `me` of a cluster of `size` voters, with an empty log.
    pub(crate) fn new(me: u64, size: u64) -> Self {
        Self::with_log(me, size, MemoryLog::new())
    }

    /// Node 1 of three, in `term`, whose log holds entries of these terms: built by writing them
    /// to its log as an earlier boot would have.
    pub(crate) fn holding(term: u64, terms: &[u64]) -> Self {
        let mut log = MemoryLog::new();
        let mut first = Self::with_log(1, 3, log.clone());
        first.settle();
        log = first.log;
        let mut node = Self::with_log(1, 3, log);
        node.settle();
        if term > 0 {
            node.receive(2, term, append(id(0, 0), chunks(1, terms), 0));
            node.settle();
        }
        let log = node.log;
        let mut node = Self::with_log(1, 3, log);
        node.settle();
        node.events.clear();
        node
    }

    pub(crate) fn with_log(me: u64, size: u64, log: MemoryLog) -> Self {
        Self::with_setup(setup(me, size), log)
    }

    pub(crate) fn with_setup(setup: Setup, log: MemoryLog) -> Self {
        Self::with_store(setup, log, Store::default())
    }

    pub(crate) fn with_store(setup: Setup, log: MemoryLog, store: Store) -> Self {
        Self::having_lost(setup, log, store, None)
    }

    /// A node whose log once reached as far as `lost`, and says so until it does again.
    pub(crate) fn having_lost(
        setup: Setup,
        log: MemoryLog,
        mut store: Store,
        lost: Option<EntryId>,
    ) -> Self {
        store.forget_old();
        let now = Time::from_millis(1_000);
        let lost = lost.filter(|lost| *lost > log_end(&log));
        let recovered = Recovered {
            stored: store.newest().map(|(snapshot, _)| snapshot.clone()),
            lost_through: lost,
            ..log.recovered()
        };
        let hull = Hull::open(setup.clone(), recovered, now).expect("opens");
        Self {
            hull,
            log,
            now,
            setup,
            past: None,
            lost,
            writes: VecDeque::new(),
            auto_sync: true,
            loads: VecDeque::new(),
            auto_load: true,
            auto_apply: true,
            may_stop: false,
            applied: Vec::new(),
            machine: store.machine(),
            store,
            jobs: VecDeque::new(),
            auto_store: true,
            resolved: Vec::new(),
            events: Vec::new(),
            next_ticket: 0,
            last_attempt: 0,
            last_requests: BTreeMap::new(),
        }
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.hull.step(self.now, input);
        self.settle();
    }

    /// Does all that the hull wants done but sending. It must come to an end: a hull that wants
    /// more and more is a bug, not a reason to wait.
    pub(crate) fn settle(&mut self) {
        let mut patience = PATIENCE;
        loop {
            let mut busy = false;
            while let Some(write) = self.hull.next_write() {
                self.writes.push_back(write);
                busy = true;
                wait_once(&mut patience);
            }
            if self.auto_sync {
                busy |= self.write_one();
            }
            while let Some(resolved) = self.hull.next_resolved() {
                self.resolved.push(resolved);
                wait_once(&mut patience);
            }
            while let Some(apply) = self.next_apply() {
                for entry in apply.chunks.iter().flat_map(Chunk::entries) {
                    let payload = match entry.record {
                        Record::Client { payload, .. } => payload.to_vec(),
                        _ => Vec::new(),
                    };
                    self.machine.push((entry.id, payload.clone()));
                    self.applied.push((entry.id, payload));
                }
                self.hull.step(self.now, Input::Applied(apply.last_index()));
                busy = true;
                wait_once(&mut patience);
            }
            // Between the entries applied so far and those to come.
            while let Some(job) = self.hull.next_snapshot_job() {
                self.take_job(job);
                busy = true;
                wait_once(&mut patience);
            }
            if self.auto_store {
                busy |= self.store_one();
            }
            // After the entries to apply, since asking for those may ask for a read.
            while let Some(load) = self.hull.next_load() {
                self.loads.push_back(load);
                busy = true;
                wait_once(&mut patience);
            }
            if self.auto_load {
                busy |= self.load_one();
            }
            while let Some(event) = self.hull.next_event() {
                self.events.push(event);
                wait_once(&mut patience);
            }
            assert!(
                self.may_stop || self.hull.fault().is_none(),
                "{:?}",
                self.hull.fault()
            );
            if !busy {
                return;
            }
            wait_once(&mut patience);
        }
    }

    fn next_apply(&mut self) -> Option<raft_core::hull::Apply> {
        self.auto_apply.then(|| self.hull.next_apply(1 << 20))?
    }

    /// Makes the oldest write durable.
    pub(crate) fn write_one(&mut self) -> bool {
        let Some(write) = self.writes.pop_front() else {
            return false;
        };
        if let Some(past) = &mut self.past {
            past.push_back(self.log.clone());
            past.drain(..past.len().saturating_sub(PAST));
        }
        let durable = self.log.write(write).expect("memory log accepts");
        self.hull.step(self.now, Input::Durable(durable));
        true
    }

    /// Answers the oldest read.
    pub(crate) fn load_one(&mut self) -> bool {
        let Some(load) = self.loads.pop_front() else {
            return false;
        };
        let result = self.log.read(load.range, load.max_bytes);
        let number = load.number;
        self.hull
            .step(self.now, Input::Loaded(Loaded { number, result }));
        true
    }

    /// The disk fails under the oldest write.
    pub(crate) fn fail_write(&mut self) {
        self.may_stop = true;
        self.writes.pop_front();
        self.step(Input::WriteFailed(LogError::Full {
            detail: String::from("no space left"),
        }));
    }

    /// Makes all writes durable.
    pub(crate) fn sync(&mut self) {
        while self.write_one() {
            self.settle();
        }
    }

    /// All nodes there may be something to send to.
    pub(crate) fn destinations(&self) -> Vec<NodeId> {
        let next = |to: &NodeId| self.hull.next_destination(Some(*to));
        let mut patience = PATIENCE;
        std::iter::successors(self.hull.next_destination(None), next)
            .inspect(|_| wait_once(&mut patience))
            .collect()
    }

    /// Everything the hull has to say now, to whomever.
    pub(crate) fn sent(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        let mut patience = PATIENCE;
        for to in self.destinations() {
            for lane in Lane::ALL {
                while let Some(message) = self.hull.next_send(to, lane, usize::MAX) {
                    wait_once(&mut patience);
                    if let Body::AppendEntries(append) = &message.body {
                        self.last_requests.insert(to, append.request);
                    }
                    sent.push(message);
                }
            }
        }
        // What was sent may have asked for entries to be read back.
        self.settle();
        sent
    }

    /// The bodies of what the hull has to say to node `to`.
    pub(crate) fn sent_to(&mut self, to: u64) -> Vec<Body> {
        let sent = self.sent().into_iter();
        sent.filter(|message| message.to == peer(to))
            .map(|message| message.body)
            .collect()
    }

    /// A message from node `from`, in `term`.
    pub(crate) fn receive(&mut self, from: u64, term: u64, body: Body) {
        let message = Message {
            from: peer(from),
            to: self.hull.me(),
            term: Term::new(term),
            body,
        };
        self.step(Input::Message(message));
    }

    /// Lets time pass to the hull's deadline, and past it.
    pub(crate) fn time_out(&mut self) {
        self.now = self.hull.deadline().expect("has a deadline").max(self.now);
        self.step(Input::DeadlinePassed);
    }

    /// Lets this much time pass, stopping at each deadline.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now.after(span);
        let mut patience = PATIENCE;
        while let Some(deadline) = self.hull.deadline().filter(|deadline| *deadline <= until) {
            wait_once(&mut patience);
            self.now = deadline.max(self.now);
            self.step(Input::DeadlinePassed);
        }
        self.now = until;
    }

    /// Makes the node leader, with the votes of all others, and loses what it said so far.
    pub(crate) fn elect(&mut self) -> u64 {
        self.win();
        self.sent();
        self.term()
    }

    /// Makes the node leader, with the votes of all others.
    pub(crate) fn win(&mut self) {
        self.stand();
        let voters = self.hull.configuration().ids().len() as u64;
        for from in 2..=voters {
            let term = self.term();
            self.receive(from, term, vote_reply(true));
        }
        assert_eq!(self.hull.role(), Role::Leader);
    }

    /// Makes the node a candidate, with the pre-votes of all others. Its term is returned.
    pub(crate) fn stand(&mut self) -> u64 {
        self.ask();
        let voters = self.hull.configuration().ids().len() as u64;
        for from in 2..=voters {
            if self.hull.role() == Role::PreCandidate {
                self.pre_vote(from, true);
            }
        }
        self.term()
    }

    /// Lets the election timeout pass, so that the node asks for pre-votes.
    pub(crate) fn ask(&mut self) {
        for _ in 0..10 {
            if self.hull.role() == Role::PreCandidate {
                return;
            }
            self.time_out();
        }
    }

    /// Node 1 of three in this role; it was in term 5 and holds two entries, of terms 1 and 2.
    pub(crate) fn in_role(role: Role) -> Self {
        let mut node = Self::holding(5, &[1, 2]);
        match role {
            Role::Follower => {}
            Role::PreCandidate => node.ask(),
            Role::Candidate => {
                node.stand();
            }
            Role::Leader => node.win(),
        }
        assert_eq!(node.hull.role(), role);
        node
    }

    /// Node 1 of three, leader of term 1, whose no-op is committed and known to be by all.
    pub(crate) fn leading() -> Self {
        Self::leading_with(settings())
    }

    /// The same with other settings.
    pub(crate) fn leading_with(settings: Settings) -> Self {
        let mut setup = setup(1, 3);
        setup.settings = Arc::new(settings);
        let mut node = Self::with_setup(setup, MemoryLog::new());
        node.settle();
        node.elect();
        node.acknowledge(2, 1);
        node.acknowledge(3, 1);
        node.sent();
        assert_eq!((node.term(), node.commit()), (1, 1));
        node
    }

    /// Node `from` says that it holds everything up to `at`, in answer to the last request.
    pub(crate) fn acknowledge(&mut self, from: u64, at: u64) {
        let request = self.last_request(from);
        let term = self.term();
        self.receive(from, term, matched(request, at));
    }

    /// The number of the last AppendEntries sent to node `to`.
    pub(crate) fn last_request(&self, to: u64) -> u64 {
        self.last_requests
            .get(&NodeId::new(to))
            .copied()
            .unwrap_or(0)
    }

    /// Hears a heartbeat of node `leader`, which leads `term`.
    pub(crate) fn hear(&mut self, leader: u64, term: u64) {
        self.receive(leader, term, heartbeat(1, 0));
    }

    /// The requests with which node `to` is sent entries now.
    pub(crate) fn appends_to(&mut self, to: u64) -> Vec<AppendEntries> {
        let sent = self.sent_to(to).into_iter();
        sent.filter_map(|body| match body {
            Body::AppendEntries(append) => Some(append),
            _ => None,
        })
        .collect()
    }

    /// Why messages were dropped since the last call.
    pub(crate) fn drops(&mut self) -> Vec<Dropped> {
        let events = std::mem::take(&mut self.events).into_iter();
        events
            .filter_map(|event| match event.kind {
                EventKind::MessageDropped { why, .. } => Some(why),
                _ => None,
            })
            .collect()
    }

    /// Node `from` answers the pre-vote that is under way.
    pub(crate) fn pre_vote(&mut self, from: u64, granted: bool) {
        let attempt = self
            .sent()
            .iter()
            .rev()
            .find_map(|message| match message.body {
                Body::PreVote(PreVote { attempt, .. }) => Some(attempt),
                _ => None,
            });
        let attempt = attempt.unwrap_or(self.last_attempt);
        self.last_attempt = attempt;
        let term = self.term();
        let reply = PreVoteReply {
            attempt,
            asked: Term::new(term + 1),
            granted,
        };
        self.receive(from, term, Body::PreVoteReply(reply));
    }

    /// Hands in one command; its ticket is returned.
    pub(crate) fn propose(&mut self, payload: &[u8]) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket::new(self.next_ticket);
        let mut proposals = Proposals::new();
        proposals
            .push_client(ticket, ClientHeader::default(), payload)
            .unwrap();
        self.step(Input::Propose(proposals));
        ticket
    }

    /// Asks for a read; its ticket is returned.
    pub(crate) fn read(&mut self) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket::new(self.next_ticket);
        self.step(Input::Read(vec![ticket]));
        ticket
    }

    /// The rounds of the heartbeats that go out now, each with whom it goes to.
    pub(crate) fn rounds(&mut self) -> Vec<(u64, u64)> {
        let sent = self.sent().into_iter();
        sent.filter_map(|message| match message.body {
            Body::Heartbeat(beat) => Some((message.to.id.get(), beat.round)),
            _ => None,
        })
        .collect()
    }

    /// Asks the node to hand over leadership, to whoever is fit if nobody is named.
    pub(crate) fn hand_over(&mut self, to: Option<u64>) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket::new(self.next_ticket);
        let to = to.map(NodeId::new);
        self.step(Input::Transfer(Transfer { ticket, to }));
        ticket
    }

    pub(crate) fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        let mut found = self
            .resolved
            .iter()
            .filter(|resolved| resolved.ticket == ticket);
        let outcome = found.next().map(|resolved| resolved.outcome);
        assert!(found.next().is_none(), "{ticket} resolved twice");
        outcome
    }

    pub(crate) fn term(&self) -> u64 {
        self.hull.term().get()
    }

    /// The terms of all entries.
    pub(crate) fn terms(&self) -> Vec<u64> {
        (1..=self.hull.last().index.get())
            .map(|at| self.hull.term_at(index(at)).expect("in the log").get())
            .collect()
    }

    pub(crate) fn commit(&self) -> u64 {
        self.hull.commit_index().get()
    }

    pub(crate) fn hard(&self) -> HardState {
        self.log.recovered().hard
    }

    pub(crate) fn boot(&self) -> Boot {
        self.hull.boot()
    }
}

/// More than any test asks of a hull at once.
const PATIENCE: u32 = 4_000;

fn wait_once(patience: &mut u32) {
    *patience -= 1;
    assert!(*patience > 0, "the hull never comes to rest");
}

pub(crate) fn setup(me: u64, size: u64) -> Setup {
    Setup {
        me: peer(me),
        founding: Configuration::of_voters((1..=size).map(peer)),
        settings: settings().into(),
        seed: me,
        checksum: crc32c,
        witness: false,
    }
}
