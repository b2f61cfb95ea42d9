//! One hull with what a driver has around it: a log, and completions that come when told.

use std::collections::{BTreeMap, VecDeque};

use raft_core::configuration::Members;
use raft_core::error::Fault;
use raft_core::hull::{
    Hull, Input, Load, Loaded, Outcome, Proposals, Reconfigure, Setup, Transfer,
};
use raft_core::ids::{EntryId, LogIndex, NodeId, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, LogError, Recovered, Write};
use raft_core::message::{Lane, Message};
use raft_core::time::Time;

use crate::act::{Completion, Doing, Plan, Wish};
use crate::setup::Cast;
use crate::shelf::{Shelf, State};

/// One node.
pub(crate) struct Node {
    pub(crate) hull: Hull,
    pub(crate) now: Time,
    /// The last entries that were applied or restored, each with the state after it.
    pub(crate) applied: Vec<(EntryId, State)>,
    setup: Setup,
    disk: Disk,
    pub(crate) shelf: Shelf,
    manner: Manner,
    writes: VecDeque<Write>,
    loads: VecDeque<Load>,
    applies: VecDeque<LogIndex>,
    /// The last entry known to be committed in this boot: nothing may take its place.
    committed: EntryId,
    /// Tickets that are not resolved yet; of a read also what was committed when it was asked.
    open: BTreeMap<Ticket, LogIndex>,
    next_ticket: u64,
}

impl Node {
    pub(crate) fn new(id: u64, cast: &Cast, plan: &Plan) -> Self {
        let disk = Disk {
            past: plan.losses.then(VecDeque::new),
            ..Disk::default()
        };
        let now = Time::from_millis(1_000);
        let manner = Manner {
            eager: plan.eager,
            hears_lies: plan.lies,
        };
        Self::open(cast.setup(id, plan), disk, Shelf::default(), now, manner)
    }

    fn open(setup: Setup, disk: Disk, shelf: Shelf, now: Time, manner: Manner) -> Self {
        let recovered = Recovered {
            stored: shelf.newest().cloned(),
            ..disk.recovered()
        };
        let hull = Hull::open(setup.clone(), recovered, now);
        Self {
            hull: hull.expect("what the hull wrote opens again"),
            now,
            applied: Vec::new(),
            setup,
            disk,
            shelf,
            manner,
            writes: VecDeque::new(),
            loads: VecDeque::new(),
            applies: VecDeque::new(),
            committed: EntryId::ORIGIN,
            open: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// Crashes with the first `kept` of the writes under way on its disk, loses the last `lost` on
    /// it, and starts again.
    pub(crate) fn restart(&mut self, kept: u8, lost: u8) {
        for _ in 0..kept {
            self.write();
        }
        self.disk.lose(lost.into());
        let mut setup = self.setup.clone();
        setup.seed += 1_000;
        let (disk, shelf) = (std::mem::take(&mut self.disk), self.shelf.reopened());
        *self = Self::open(setup, disk, shelf, self.now, self.manner);
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.hull.step(self.now, input);
        if let Some(Fault::Invariant(broken)) = self.hull.fault() {
            panic!("broken invariant: {broken}");
        }
        let EntryId { term, index } = self.committed;
        // What a snapshot stands for is looked at when it is restored, where nobody lies.
        if index >= self.hull.forgotten().index {
            let present = self.hull.term_at(index);
            assert_eq!(present, Some(term), "committed entries stay");
        }
        let commit = self.hull.commit_index();
        let term = self
            .hull
            .term_at(commit)
            .expect("what is committed is there");
        self.committed = EntryId::new(term, commit);
    }

    /// Asks the hull for something. `committed` is what is committed anywhere.
    pub(crate) fn ask(&mut self, wish: &Wish, committed: LogIndex, cast: &Cast) {
        let input = match wish {
            Wish::Propose { lengths } => self.proposals(lengths.get(..8).unwrap_or(lengths)),
            Wish::ProposeNoOp => {
                let mut proposals = Proposals::new();
                let pushed = proposals.push_no_op(self.ticket());
                pushed.expect("a small batch is not full");
                Input::Propose(proposals)
            }
            Wish::Read { count } => {
                let tickets: Vec<Ticket> = (0..=count % 4).map(|_| self.ticket()).collect();
                let asked = tickets.iter().map(|ticket| (*ticket, committed));
                self.open.extend(asked);
                Input::Read(tickets)
            }
            Wish::Transfer { to } => Input::Transfer(Transfer {
                ticket: self.ticket(),
                to: (to % 7 > 0).then(|| NodeId::new(u64::from(to % 7))),
            }),
            Wish::Reconfigure { members } => {
                let members = members.iter().take(6);
                let wanted = members.map(|(id, role)| cast.wanted(*id, *role));
                self.change(wanted.collect())
            }
            Wish::Cancel => Input::CancelReconfigure(self.ticket()),
            Wish::TakeSnapshot => Input::TakeSnapshot,
            Wish::Rouse => Input::Rouse,
        };
        self.step(input);
    }

    pub(crate) fn change(&mut self, target: Members) -> Input {
        let ticket = self.ticket();
        Input::Reconfigure(Reconfigure { ticket, target })
    }

    fn proposals(&mut self, lengths: &[u8]) -> Input {
        let mut proposals = Proposals::new();
        for length in lengths {
            let ticket = self.ticket();
            let number = ticket.get().to_le_bytes();
            let payload = number.repeat(1 + usize::from(*length) / 8);
            let pushed = proposals.push_client(ticket, Default::default(), &payload);
            pushed.expect("a small batch is not full");
        }
        Input::Propose(proposals)
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket::new(self.next_ticket);
        self.open.insert(ticket, LogIndex::ZERO);
        ticket
    }

    /// Something comes to its end.
    pub(crate) fn complete(&mut self, what: &Completion) {
        match what {
            Completion::Sync { count } => (0..count % 4 + 1).for_each(|_| self.sync()),
            Completion::Load { which } => self.load(*which),
            Completion::Apply { index } => {
                let (last, commit) = (self.hull.last().index, self.hull.commit_index());
                self.apply(index.map(|index| index.of(last.get(), commit.get())));
            }
            Completion::Store { count, how } => {
                (0..count % 4 + 1).for_each(|_| self.shelf.work(*how));
            }
            Completion::Stored { which } => self.stored(*which),
            Completion::Fail { load } => self.fail(*load),
        }
    }

    /// Makes the oldest write durable. Whatever the hull writes, the log must accept.
    fn sync(&mut self) {
        if let Some(durable) = self.write() {
            self.step(Input::Durable(durable));
        }
    }

    fn write(&mut self) -> Option<Durable> {
        let write = self.writes.pop_front()?;
        Some(self.disk.write(write))
    }

    fn stored(&mut self, which: u8) {
        if let Some(done) = self.shelf.answer(which) {
            self.step(Input::Snapshot(done));
        }
    }

    fn load(&mut self, which: u8) {
        let Some(which) = usize::from(which).checked_rem(self.loads.len()) else {
            return;
        };
        if let Some(load) = self.loads.remove(which) {
            let result = self.disk.log.read(load.range, load.max_bytes);
            let number = load.number;
            self.step(Input::Loaded(Loaded { number, result }));
        }
    }

    fn apply(&mut self, index: Option<u64>) {
        let index = index.map(LogIndex::new);
        if let Some(index) = index.or_else(|| self.applies.pop_front()) {
            self.step(Input::Applied(index));
        }
    }

    /// The disk fails, in a write or in a read.
    fn fail(&mut self, load: bool) {
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
            if !self.manner.eager || self.is_idle() || self.hull.fault().is_some() {
                break;
            }
            self.complete_oldest();
        }
        let stopped = self.hull.fault().is_some();
        assert!(
            !stopped || self.open.is_empty(),
            "a stopped hull answers all"
        );
    }

    /// Disk, state machine and store each come a step further.
    pub(crate) fn complete_oldest(&mut self) {
        self.sync();
        self.load(0);
        self.apply(None);
        self.shelf.work(Doing::Well);
        self.stored(0);
    }

    pub(crate) fn is_idle(&self) -> bool {
        let nothing_begun = self.writes.is_empty() && self.loads.is_empty();
        nothing_begun && self.applies.is_empty() && self.shelf.is_idle()
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
            let asked = self.open.remove(&resolved.ticket);
            let asked = asked.unwrap_or_else(|| panic!("{} resolved twice", resolved.ticket));
            match resolved.outcome {
                Outcome::Committed(id) => assert!(id.index <= self.hull.commit_index()),
                Outcome::ReadAt(index) => assert!(
                    index >= asked || self.manner.hears_lies,
                    "read at {index}, and {asked} was committed before"
                ),
                _ => {}
            }
        }
    }

    fn pull_applies(&mut self) {
        // A snapshot is taken and restored between two entries.
        loop {
            if let Some(job) = self.hull.next_snapshot_job() {
                let restored = self.shelf.take(job);
                if let Some(id) = restored {
                    self.applied.push((id, self.shelf.state));
                    self.applies.push_back(id.index);
                }
            } else if let Some(apply) = self.hull.next_apply(300) {
                let applied = &mut self.applied;
                self.shelf
                    .apply(&apply, |id, state| applied.push((id, state)));
                self.applies.push_back(apply.last_index());
            } else {
                break;
            }
        }
    }
}

/// What stays the same of a node.
#[derive(Clone, Copy)]
struct Manner {
    /// Whether all that it begins comes to its end at once.
    eager: bool,
    hears_lies: bool,
}

/// What survives a crash, unless it is lost.
#[derive(Default)]
struct Disk {
    log: MemoryLog,
    /// The log as it was before each of the last writes, if any may be lost.
    past: Option<VecDeque<MemoryLog>>,
    /// How far it reached before entries were lost, until it does so again.
    lost_through: Option<EntryId>,
}

impl Disk {
    fn recovered(&self) -> Recovered {
        Recovered {
            lost_through: self.lost_through,
            ..self.log.recovered()
        }
    }

    fn write(&mut self, write: Write) -> Durable {
        if let Some(past) = &mut self.past {
            past.push_back(self.log.clone());
            while past.len() > PAST {
                past.pop_front();
            }
        }
        let durable = self.log.write(write).expect("the log takes every write");
        self.forget_loss();
        durable
    }

    /// Loses the last writes but for the hard state, which later ones would tell.
    fn lose(&mut self, writes: usize) {
        let Some(past) = &mut self.past else { return };
        let left = past.len().saturating_sub(writes % PAST);
        if left == past.len() {
            return;
        }
        let lost: Vec<MemoryLog> = past.drain(left..).collect();
        let hard = self.log.recovered().hard;
        // Entries may stand here again that had been removed: so it is later than they are.
        let last = lost
            .iter()
            .chain([&self.log])
            .map(|log| log.last_id().index);
        let reached = last.max().map(|last| EntryId::new(hard.term, last));
        self.lost_through = self.lost_through.max(reached);
        self.log = lost[0].clone();
        let write = Write {
            identity: None,
            ..Write::of_identity(hard, Default::default())
        };
        self.log.write(write).expect("the log takes every write");
        self.forget_loss();
    }

    fn forget_loss(&mut self) {
        let last = self.log.last_id();
        self.lost_through = self.lost_through.filter(|lost| *lost > last);
    }
}

/// So many writes may be lost.
const PAST: usize = 12;
