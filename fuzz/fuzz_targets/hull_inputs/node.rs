//! One hull with what a driver has around it: a log, and completions that come when told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft_core::checksum::crc32c;
use raft_core::configuration::Configuration;
use raft_core::error::Fault;
use raft_core::hull::{Hull, Input, Load, Loaded, Outcome, Proposals, Setup, Transfer};
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Peer, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{LogError, Write};
use raft_core::message::{Lane, Message};
use raft_core::settings::{Lease, Settings};
use raft_core::time::Time;

use crate::act::Plan;

/// One node.
pub(crate) struct Node {
    pub(crate) hull: Hull,
    pub(crate) now: Time,
    setup: Setup,
    log: MemoryLog,
    eager: bool,
    writes: VecDeque<Write>,
    loads: VecDeque<Load>,
    applies: VecDeque<LogIndex>,
    /// The last entry handed out to be applied in this boot.
    handed_out: LogIndex,
    /// What was handed out, whenever: index, id, and whatever stands there.
    pub(crate) applied: BTreeMap<u64, (EntryId, String)>,
    /// The last entry known to be committed in this boot: nothing may take its place.
    committed: EntryId,
    /// Tickets that are not resolved yet.
    open: BTreeSet<Ticket>,
    next_ticket: u64,
}

pub(crate) fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 1000))
}

impl Node {
    pub(crate) fn new(id: u64, voters: u64, plan: &Plan) -> Self {
        let setup = Setup {
            me: peer(id),
            founding: Configuration::of_voters((1..=voters).map(peer)),
            settings: settings(plan).into(),
            seed: id,
            checksum: crc32c,
            witness: false,
        };
        Self::open(
            setup,
            MemoryLog::new(),
            Time::from_millis(1_000),
            plan.eager,
        )
    }

    fn open(setup: Setup, log: MemoryLog, now: Time, eager: bool) -> Self {
        let hull = Hull::open(setup.clone(), log.recovered(), now);
        Self {
            hull: hull.expect("what the hull wrote opens again"),
            now,
            setup,
            log,
            eager,
            writes: VecDeque::new(),
            loads: VecDeque::new(),
            applies: VecDeque::new(),
            handed_out: LogIndex::ZERO,
            applied: BTreeMap::new(),
            committed: EntryId::ORIGIN,
            open: BTreeSet::new(),
            next_ticket: 0,
        }
    }

    /// Crashes with the first `kept` of the writes under way on its disk, and starts again.
    pub(crate) fn restart(&mut self, kept: u8) {
        for _ in 0..kept {
            self.write();
        }
        let mut setup = self.setup.clone();
        setup.seed += 1_000;
        *self = Self::open(setup, self.log.clone(), self.now, self.eager);
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.hull.step(self.now, input);
        if let Some(Fault::Invariant(broken)) = self.hull.fault() {
            panic!("broken invariant: {broken}");
        }
        let EntryId { term, index } = self.committed;
        assert_eq!(
            self.hull.term_at(index),
            Some(term),
            "committed entries stay"
        );
        let commit = self.hull.commit_index();
        let term = self
            .hull
            .term_at(commit)
            .expect("what is committed is there");
        self.committed = EntryId::new(term, commit);
    }

    /// Hands in these records, if a batch takes them.
    pub(crate) fn propose(&mut self, lengths: &[u8], no_op: bool) {
        let mut proposals = Proposals::new();
        for length in lengths {
            let ticket = self.ticket();
            let payload = ticket
                .get()
                .to_le_bytes()
                .repeat(1 + usize::from(*length) / 8);
            proposals
                .push_client(ticket, Default::default(), &payload)
                .expect("a small batch is not full");
        }
        if no_op {
            let ticket = self.ticket();
            proposals
                .push_no_op(ticket)
                .expect("a small batch is not full");
        }
        self.step(Input::Propose(proposals));
    }

    /// Asks to hand over leadership.
    pub(crate) fn transfer(&mut self, to: u8) {
        let ticket = self.ticket();
        let to = (to > 0).then(|| NodeId::new(to.into()));
        self.step(Input::Transfer(Transfer { ticket, to }));
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket::new(self.next_ticket);
        self.open.insert(ticket);
        ticket
    }

    /// Makes the oldest write durable. Whatever the hull writes, the log must accept.
    pub(crate) fn sync(&mut self) {
        if let Some(durable) = self.write() {
            self.step(Input::Durable(durable));
        }
    }

    fn write(&mut self) -> Option<raft_core::log::Durable> {
        let write = self.writes.pop_front()?;
        Some(self.log.write(write).expect("the log takes every write"))
    }

    pub(crate) fn load(&mut self, which: u8) {
        let Some(which) = usize::from(which).checked_rem(self.loads.len()) else {
            return;
        };
        if let Some(load) = self.loads.remove(which) {
            let result = self.log.read(load.range, load.max_bytes);
            let number = load.number;
            self.step(Input::Loaded(Loaded { number, result }));
        }
    }

    pub(crate) fn apply(&mut self, index: Option<u64>) {
        let index = index.map(LogIndex::new);
        if let Some(index) = index.or_else(|| self.applies.pop_front()) {
            self.step(Input::Applied(index));
        }
    }

    /// The disk fails, in a write or in a read.
    pub(crate) fn fail(&mut self, load: bool) {
        let error = LogError::Full {
            detail: String::new(),
        };
        match self.loads.pop_front() {
            Some(asked) if load => self.step(Input::Loaded(Loaded {
                number: asked.number,
                result: Err(error),
            })),
            _ => self.step(Input::WriteFailed(error)),
        }
    }

    /// Pulls everything there is.
    pub(crate) fn pull(&mut self, wire: &mut VecDeque<Message>) {
        for round in 0.. {
            assert!(round < 100_000, "the hull never comes to rest");
            while let Some(write) = self.hull.next_write() {
                self.writes.push_back(write);
            }
            while let Some(load) = self.hull.next_load() {
                self.loads.push_back(load);
            }
            self.pull_sends(wire);
            self.pull_resolved();
            self.pull_applies();
            while self.hull.next_event().is_some() {}
            let idle = self.writes.is_empty() && self.loads.is_empty() && self.applies.is_empty();
            if !self.eager || idle || self.hull.fault().is_some() {
                break;
            }
            self.sync();
            self.load(0);
            self.apply(None);
        }
        let stopped = self.hull.fault().is_some();
        assert!(
            !stopped || self.open.is_empty(),
            "a stopped hull answers all"
        );
    }

    fn pull_sends(&mut self, wire: &mut VecDeque<Message>) {
        let mut after = None;
        while let Some(to) = self.hull.next_destination(after) {
            after = Some(to);
            for lane in Lane::ALL {
                for sent in 0.. {
                    assert!(sent < 10_000, "the hull never stops sending");
                    let Some(message) = self.hull.next_send(to, lane, 4_096) else {
                        break;
                    };
                    wire.push_back(message);
                }
            }
        }
        while wire.len() > 256 {
            wire.pop_front();
        }
    }

    fn pull_resolved(&mut self) {
        while let Some(resolved) = self.hull.next_resolved() {
            let known = self.open.remove(&resolved.ticket);
            assert!(known, "{} resolved twice", resolved.ticket);
            if let Outcome::Committed(id) = resolved.outcome {
                assert!(id.index <= self.hull.commit_index());
            }
        }
    }

    fn pull_applies(&mut self) {
        while let Some(apply) = self.hull.next_apply(300) {
            for entry in apply.chunks.iter().flat_map(|chunk| chunk.entries()) {
                assert_eq!(entry.id.index, self.handed_out.next(), "applied in order");
                self.handed_out = entry.id.index;
                let what = (entry.id, format!("{:?}", entry.record));
                self.applied.insert(entry.id.index.get(), what);
            }
            self.applies.push_back(apply.last_index());
        }
    }
}

fn settings(plan: &Plan) -> Settings {
    let mut settings = Settings {
        pre_vote: plan.pre_vote,
        check_quorum: plan.pre_vote,
        ..Settings::default()
    };
    let tiny = |bit: u8| plan.tiny & (1 << bit) != 0;
    if tiny(0) {
        settings.max_writes_in_flight = 1;
    }
    if tiny(1) {
        settings.max_appends_in_flight = 1;
    }
    if tiny(2) {
        settings.max_append_bytes = 100;
    }
    if tiny(3) {
        settings.max_bytes_in_flight = settings.max_append_bytes;
    }
    if tiny(4) {
        settings.max_cached_bytes = 0;
        settings.lease = plan.pre_vote.then_some(Lease {
            duration: settings.election_timeout,
            max_drift_per_mille: 100,
        });
    }
    if tiny(5) {
        settings.max_applying_bytes = 100;
    }
    if tiny(6) {
        settings.max_payload_bytes = 256;
        settings.max_uncommitted_bytes = 256;
    }
    settings
}
