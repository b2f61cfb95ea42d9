//! One node of a directed cluster: a hull, a disk in memory, and what the hull would have a driver
//! do, one piece at a time, so that a cluster can be stopped between any two.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::chunk::Chunk;
use raft_core::configuration::Configuration;
use raft_core::few::Few;
use raft_core::hull::{Hull, Input, Loaded, Proposals, Resolved, Setup};
use raft_core::ids::{EntryId, Incarnation, LogIndex, Peer, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, LogError, Recovered, Write};
use raft_core::message::{Lane, Message};
use raft_core::record::ClientHeader;
use raft_core::settings::Settings;
use raft_core::time::Time;
use raft_core::trace::Event;

use super::action::Disk;
use super::error::DirectedError;
use super::shelf::Shelf;
use crate::spy::{Fact, Found, Journal, Passing, WriteFact};

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) me: Peer,
    founding: Configuration,
    settings: Settings,
    /// This node's clock.
    pub(super) now: Time,
    /// Present while the node runs.
    pub(super) hull: Option<Hull>,
    /// Whether the disk makes nothing durable.
    pub(super) stalled: bool,
    /// Whether the node takes nothing in and does nothing.
    pub(super) paused: bool,
    /// How the next write is to fail.
    pub(super) failing_write: Option<LogError>,
    /// How the next load is to fail.
    pub(super) failing_load: Option<LogError>,
    /// All that was written.
    pub(super) log: MemoryLog,
    /// What of it would survive a crash.
    pub(super) disk: MemoryLog,
    unsynced: VecDeque<(Write, Durable)>,
    /// What it has applied, and snapshots of that.
    shelf: Shelf,
    lives: u64,
    journal: Journal,
}

/// One piece of work that a node did.
#[derive(Debug)]
pub(super) enum Piece {
    /// Nobody outside sees it.
    Inside,
    /// It sent this.
    Sent(Message),
    /// It knows what became of a proposal.
    Resolved(Resolved),
    /// It applied these.
    Applied(Few<Chunk>),
}

impl Node {
    pub(super) fn new(
        me: Peer,
        founding: Configuration,
        settings: Settings,
        journal: Journal,
    ) -> Self {
        Self {
            me,
            founding,
            settings,
            now: Time::from_millis(1),
            hull: None,
            stalled: false,
            paused: false,
            failing_write: None,
            failing_load: None,
            log: MemoryLog::new(),
            disk: MemoryLog::new(),
            unsynced: VecDeque::new(),
            shelf: Shelf::default(),
            lives: 0,
            journal,
        }
    }

    /// Starts from what is on the disk.
    pub(super) fn open(&mut self) -> Result<(), DirectedError> {
        let node = self.me.id;
        if self.hull.is_some() {
            let what = "running";
            return Err(DirectedError::Running { node, what });
        }
        let recovered = Recovered {
            stored: self.shelf.newest().cloned(),
            ..self.disk.recovered()
        };
        let base = recovered.snapshot.as_ref();
        let found = Found {
            base: base.map_or(EntryId::ORIGIN, |mark| mark.last),
            stored: recovered.stored.as_ref().map(|stored| stored.id),
            hard: recovered.hard,
            runs: recovered.runs.clone(),
            last: recovered.last,
            lost_through: recovered.lost_through,
        };
        let setup = Setup {
            me: self.me,
            founding: self.founding.clone(),
            settings: self.settings.into(),
            seed: (node.get() << 32) ^ (recovered.hard.boot.get() << 48) ^ self.lives,
            checksum: crc32c,
            witness: self.founding.is_witness(self.me.id),
        };
        let hull = Hull::open(setup, recovered, self.now)
            .map_err(|error| DirectedError::NotOpened { node, error })?;
        self.journal.note(Fact::Opened(Box::new(found)));
        self.shelf.open(&self.journal);
        self.log = self.disk.clone();
        self.hull = Some(hull);
        Ok(())
    }

    /// Stops at once, and leaves this much on the disk.
    pub(super) fn crash(&mut self, disk: Disk) -> Result<(), DirectedError> {
        let node = self.me.id;
        if self.hull.take().is_none() {
            return Err(DirectedError::Running { node, what: "down" });
        }
        let kept = match disk {
            Disk::Wiped | Disk::Durable => 0,
            Disk::First(count) => count,
            Disk::Everything => usize::MAX,
        };
        for (write, _) in std::mem::take(&mut self.unsynced).into_iter().take(kept) {
            self.disk
                .write(write)
                .map_err(|error| DirectedError::LogRefused { node, error })?;
        }
        if disk == Disk::Wiped {
            self.lives += 1;
            let life = (u128::from(self.lives) << 64) | u128::from(node.get());
            self.me = Peer::new(node, Incarnation::new(life));
            self.disk = MemoryLog::new();
            self.shelf = Shelf::default();
        }
        self.log = self.disk.clone();
        (self.paused, self.failing_write, self.failing_load) = (false, None, None);
        Ok(())
    }

    /// Hands the hull an input.
    pub(super) fn step(&mut self, input: Input) -> Result<(), DirectedError> {
        let (node, now) = (self.me.id, self.now);
        if self.paused {
            return Err(DirectedError::Paused { node });
        }
        let hull = self.hull.as_mut();
        let hull = hull.ok_or(DirectedError::Running { node, what: "down" })?;
        match &input {
            Input::Message(message) if message.to == self.me => self.journal.taken(message),
            Input::ConnectionLost(node) => self.journal.passed(Passing::ConnectionLost(*node)),
            _ => {}
        }
        hull.step(now, input);
        Ok(())
    }

    /// Moves the clock to the next deadline, which passes.
    pub(super) fn time_out(&mut self) -> Result<(), DirectedError> {
        let node = self.me.id;
        if self.paused {
            return Err(DirectedError::Paused { node });
        }
        let hull = self.hull.as_ref();
        let hull = hull.ok_or(DirectedError::Running { node, what: "down" })?;
        let deadline = hull.deadline();
        let deadline = deadline.ok_or(DirectedError::NoDeadline { node })?;
        self.now = self.now.max(deadline);
        self.step(Input::DeadlinePassed)
    }

    /// How long until something falls due; nothing does while the node is paused or down.
    pub(super) fn until_deadline(&self) -> Option<Duration> {
        let hull = self.hull.as_ref().filter(|_| !self.paused)?;
        Some(hull.deadline()?.since(self.now))
    }

    pub(super) fn propose(&mut self, first: u64, commands: &[Bytes]) -> Result<(), DirectedError> {
        let mut proposals = Proposals::new();
        for (number, command) in (first..).zip(commands) {
            proposals
                .push_client(Ticket::new(number), ClientHeader::default(), command)
                .map_err(DirectedError::TooLarge)?;
        }
        self.step(Input::Propose(proposals))
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&mut self) -> Result<(), DirectedError> {
        while self.sync_one()? {}
        Ok(())
    }

    /// The next thing that happened inside the hull.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.hull.as_mut().and_then(Hull::next_event)
    }

    /// Does one piece of what the hull wants; nothing is left when there is none.
    pub(super) fn pull(&mut self) -> Result<Option<Piece>, DirectedError> {
        let Some(hull) = self.hull.as_mut().filter(|_| !self.paused) else {
            return Ok(None);
        };
        if let Some(write) = hull.next_write() {
            self.begin(write)?;
            return Ok(Some(Piece::Inside));
        }
        if !self.stalled && self.sync_one()? {
            return Ok(Some(Piece::Inside));
        }
        if let Some(message) = self.send() {
            return Ok(Some(Piece::Sent(message)));
        }
        if self.load()? {
            return Ok(Some(Piece::Inside));
        }
        if let Some(resolved) = self.hull.as_mut().and_then(Hull::next_resolved) {
            return Ok(Some(Piece::Resolved(resolved)));
        }
        if let Some(chunks) = self.apply()? {
            return Ok(Some(Piece::Applied(chunks)));
        }
        let job = self.hull.as_mut().and_then(Hull::next_snapshot_job);
        if let Some(job) = job {
            if let Some(input) = self.shelf.work(job, &self.journal) {
                self.step(input)?;
            }
            return Ok(Some(Piece::Inside));
        }
        // What is to be applied may have to be loaded first.
        Ok(self.load()?.then_some(Piece::Inside))
    }

    fn begin(&mut self, write: Write) -> Result<(), DirectedError> {
        let node = self.me.id;
        if let Some(error) = self.failing_write.take() {
            self.journal.note(Fact::LogFailed);
            return self.step(Input::WriteFailed(error));
        }
        self.journal
            .note(Fact::Begun(Box::new(WriteFact::of(&write))));
        let copy = copy_of(&write);
        let durable = self
            .log
            .write(write)
            .map_err(|error| DirectedError::LogRefused { node, error })?;
        self.unsynced.push_back((copy, durable));
        Ok(())
    }

    /// Makes the oldest write durable; answers whether there was one.
    fn sync_one(&mut self) -> Result<bool, DirectedError> {
        let node = self.me.id;
        let Some((write, durable)) = self.unsynced.pop_front() else {
            return Ok(false);
        };
        self.disk
            .write(write)
            .map_err(|error| DirectedError::LogRefused { node, error })?;
        self.journal.note(Fact::Durable(durable.batch()));
        // The disk works on also while the process stands still.
        if let Some(hull) = &mut self.hull {
            hull.step(self.now, Input::Durable(durable));
        }
        Ok(true)
    }

    fn send(&mut self) -> Option<Message> {
        let hull = self.hull.as_mut()?;
        let mut after = None;
        while let Some(to) = hull.next_destination(after) {
            after = Some(to);
            for lane in Lane::ALL {
                if let Some(message) = hull.next_send(to, lane, usize::MAX) {
                    self.journal.sent(&message);
                    return Some(message);
                }
            }
        }
        None
    }

    fn load(&mut self) -> Result<bool, DirectedError> {
        let Some(load) = self.hull.as_mut().and_then(Hull::next_load) else {
            return Ok(false);
        };
        let result = match self.failing_load.take() {
            Some(error) => Err(error),
            None => self.log.read(load.range, load.max_bytes),
        };
        let loaded = Loaded {
            number: load.number,
            result,
        };
        self.step(Input::Loaded(loaded))?;
        Ok(true)
    }

    fn apply(&mut self) -> Result<Option<Few<Chunk>>, DirectedError> {
        let apply = self
            .hull
            .as_mut()
            .and_then(|hull| hull.next_apply(usize::MAX));
        let Some(apply) = apply else {
            return Ok(None);
        };
        self.shelf.apply(&apply.chunks, &self.journal);
        self.step(Input::Applied(apply.last_index()))?;
        Ok(Some(apply.chunks))
    }

    /// All entries that the log holds, durable or not.
    pub(super) fn entries(&self) -> Vec<Chunk> {
        let recovered = self.log.recovered();
        let base = recovered.snapshot.map(|mark| mark.last.index);
        let first = base.unwrap_or(LogIndex::ZERO).next();
        let all = first..LogIndex::new(u64::MAX);
        self.log.read(all, usize::MAX).unwrap_or_default()
    }
}

/// The same write for the disk. Its receipt proves nothing to the hull.
fn copy_of(write: &Write) -> Write {
    Write {
        truncate_from: write.truncate_from,
        append: write.append.clone(),
        snapshot: write.snapshot.clone(),
        drop_before: write.drop_before,
        identity: write.identity.clone(),
        ..Write::of_identity(write.hard, Bytes::new())
    }
}
