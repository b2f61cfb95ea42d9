//! One node of an exploration: a hull, its disk, and what can be done to it.
//!
//! After each thing done to it a node does all that its hull wants at once. Its clock stands still
//! but where a deadline is let pass: what the hull does with spans of time is then the same on
//! every way to a state, and where the deadlines lie need not be told apart.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::chunk::Chunk;
use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::error::OpenError;
use raft_core::few::Few;
use raft_core::hull::{Hull, Input, Loaded, Outcome, Proposals, Reconfigure, Setup};
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Peer, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, HardState, LogError, Recovered, SnapshotMark, Write};
use raft_core::message::{Lane, Message};
use raft_core::record::{ClientHeader, Record};
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::Time;
use raft_core::trace::Event;

use super::World;
use super::members::{Sets, members_of};
use super::shelf::Shelf;

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    hull: Hull,
    founding: Configuration,
    witness: bool,
    clock: Time,
    stalled: bool,
    /// All that was written.
    log: MemoryLog,
    /// What of it would survive a crash.
    disk: MemoryLog,
    unsynced: VecDeque<Unsynced>,
    /// What the disk held before each write that changed its entries, where disks can be damaged.
    earlier: Option<Vec<MemoryLog>>,
    lost: Option<Lost>,
    shelf: Shelf,
    /// Whether somebody waits to hear from which index on to read.
    reading: bool,
    /// Whether anybody ever does.
    read: bool,
}

/// What the disk held before it was damaged, until the log reaches as far again.
#[derive(Clone, Hash, Debug)]
struct Lost {
    through: EntryId,
    entries: Vec<Entry>,
}

/// What was written and may be lost.
#[derive(Clone, Debug)]
struct Unsynced {
    hard: HardState,
    truncate_from: Option<LogIndex>,
    append: Few<Chunk>,
    snapshot: Option<Box<SnapshotMark>>,
    durable: Durable,
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act<'a> {
    /// A message arrives.
    Receive(&'a Message),
    /// The next deadline passes.
    TimeOut,
    /// The clock goes on to the deadline, but nobody looks at it: the leader's last word is old.
    Wait,
    /// A client proposes a command.
    Propose,
    /// A client wants to read.
    Read,
    /// A snapshot is to be taken.
    Snapshot,
    /// Somebody asks for these voters, each a bit at its place.
    Change(u8),
    /// From now on nothing that is written becomes durable.
    Stall,
    /// All that was written becomes durable, and from now on at once.
    Sync,
    /// The node loses all that is not durable, and begins again.
    Crash,
    /// The same, and of what changed the entries on its disk all after so many writes can't be read any
    /// more, which it finds when it begins again. A removal may be among that.
    Damage(u8),
}

/// What a node did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) sent: Vec<Message>,
    /// What was handed to the state machine.
    pub(super) applied: Vec<Entry>,
    /// What became of a read that was asked for.
    pub(super) read: Option<Read>,
    pub(super) events: Vec<Event>,
    /// How the log refused, if the hull broke its contract.
    pub(super) refused: Option<LogError>,
    /// Why what the disk holds can't be opened.
    pub(super) not_opened: Option<OpenError>,
}

/// What became of a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// It waits.
    Asked,
    /// It may be answered from this index on.
    At(u64),
    /// It will not be answered: it was refused, or the node crashed.
    Over,
}

/// One entry, as far as two can differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Entry {
    pub(super) index: u64,
    pub(super) term: u64,
    /// A command's text is its proposer's letter; 0 is a no-op, and 1 all else.
    pub(super) content: u8,
    /// Who votes, if it is a configuration.
    pub(super) sets: Option<Sets>,
}

impl Entry {
    /// Whether it is this very entry, as far as can be seen: of what a witness holds, that is the id.
    pub(super) fn is(&self, other: &Self) -> bool {
        let open = self.content == LEFT_OUT || other.content == LEFT_OUT;
        (self.index, self.term) == (other.index, other.term)
            && (open || (self.content, self.sets) == (other.content, other.sets))
    }
}

/// The ticket of reads: one waits at a time. All else has the ticket zero.
const READ: Ticket = Ticket::new(1);

/// What a witness has in place of an entry's content.
const LEFT_OUT: u8 = 2;

impl Node {
    /// The node at a place of a world, which begins for the first time.
    pub(super) fn new(place: usize, world: &World) -> Result<(Self, Done), OpenError> {
        let peer = |place: usize| {
            let id = place as u64 + 1;
            Peer::new(NodeId::new(id), Incarnation::new(u128::from(id)))
        };
        let members = (0..world.founders()).map(|place| {
            let Peer { id, incarnation } = peer(place);
            let role = match world.is_witness(place) {
                true => MemberRole::Witness,
                false => MemberRole::Voter,
            };
            let member = Member {
                role,
                ..Member::voter(incarnation)
            };
            (id, member)
        });
        let founding = Configuration::new(members);
        let witness = world.is_witness(place);
        let (clock, disk) = (Time::from_millis(1), MemoryLog::new());
        let known = (peer(place), witness);
        let hull = open(known, &founding, world.settings(), disk.recovered(), clock)?;
        let mut node = Self {
            hull,
            founding,
            witness,
            clock,
            stalled: false,
            log: disk.clone(),
            disk,
            unsynced: VecDeque::new(),
            earlier: (world.damages > 0).then(Vec::new),
            lost: None,
            shelf: Shelf::default(),
            reading: false,
            read: world.reads > 0,
        };
        let mut done = Done::default();
        node.settle(&mut done);
        Ok((node, done))
    }

    pub(super) const fn hull(&self) -> &Hull {
        &self.hull
    }

    pub(super) const fn is_witness(&self) -> bool {
        self.witness
    }

    /// Who voted at the beginning.
    pub(super) fn founding(&self) -> Sets {
        Sets::of(&self.founding)
    }

    /// Whether clients read.
    pub(super) const fn is_read(&self) -> bool {
        self.read
    }

    pub(super) const fn is_reading(&self) -> bool {
        self.reading
    }

    pub(super) const fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Whether waiting would make a difference.
    pub(super) fn can_wait(&self) -> bool {
        let deadline = self.hull.deadline().unwrap_or(self.clock);
        self.hull.settings().check_quorum
            && self.hull.role() == Role::Follower
            && self.hull.leader().is_some()
            && self.clock < deadline
    }

    /// Up to where a snapshot stands for the log.
    pub(super) fn base(&self) -> usize {
        usize::try_from(base_of(&self.log).get()).unwrap_or(usize::MAX)
    }

    /// The log, as it was written.
    pub(super) fn entries(&self) -> Vec<Entry> {
        entries_of(&self.log, &self.shelf)
    }

    /// What of it is on the disk.
    pub(super) fn durable(&self) -> Vec<Entry> {
        entries_of(&self.disk, &self.shelf)
    }

    /// How many writes have changed the entries on the disk, where it can be damaged.
    pub(super) fn writes(&self) -> u8 {
        let writes = self.earlier.as_ref().map_or(0, Vec::len);
        u8::try_from(writes).unwrap_or(u8::MAX)
    }

    /// What the disk held before it was damaged, until the log reaches as far again.
    pub(super) fn lost(&self) -> Vec<Entry> {
        let lost = self.lost.as_ref();
        lost.map_or_else(Vec::new, |lost| lost.entries.clone())
    }

    /// The log in memory that writes to the disk become part of.
    pub(super) const fn disk(&self) -> &MemoryLog {
        &self.disk
    }

    /// Feeds all that decides what this node does next.
    pub(super) fn fingerprint(&self, into: &mut impl Hasher) {
        self.hull.fingerprint(into);
        (self.stalled, self.can_wait(), self.reading).hash(into);
        self.entries().hash(into);
        for earlier in self.earlier.iter().flatten() {
            entries_of(earlier, &self.shelf).hash(into);
        }
        self.lost.hash(into);
        self.shelf.fingerprint(into);
        if self.stalled {
            let hard = self.disk.recovered().hard;
            (self.durable(), hard.term, hard.vote).hash(into);
            for write in &self.unsynced {
                (write.hard.term, write.hard.vote).hash(into);
                (write.truncate_from, &write.append).hash(into);
            }
        }
    }

    /// Does one thing, and all that the hull wants after it.
    pub(super) fn act(&mut self, act: Act<'_>) -> Done {
        let mut done = Done::default();
        match act {
            Act::Receive(message) => self.step(Input::Message(message.clone())),
            Act::TimeOut => {
                self.clock = self.hull.deadline().unwrap_or(self.clock).max(self.clock);
                self.step(Input::DeadlinePassed);
            }
            Act::Wait => {
                self.clock = self.hull.deadline().unwrap_or(self.clock).max(self.clock);
            }
            Act::Propose => self.propose(),
            Act::Read => {
                (self.reading, done.read) = (true, Some(Read::Asked));
                self.step(Input::Read(vec![READ]));
            }
            Act::Change(voters) => self.step(Input::Reconfigure(Reconfigure {
                ticket: Ticket::new(0),
                target: members_of(voters),
            })),
            Act::Snapshot => self.step(Input::TakeSnapshot),
            Act::Stall => self.stalled = true,
            Act::Sync => self.stalled = false,
            Act::Crash => self.crash(&mut done),
            Act::Damage(writes) => {
                if let Err(error) = self.damage(usize::from(writes)) {
                    done.refused = Some(error);
                }
                self.crash(&mut done);
            }
        }
        self.settle(&mut done);
        done
    }

    fn step(&mut self, input: Input) {
        self.hull.step(self.clock, input);
    }

    fn propose(&mut self) {
        let mut proposals = Proposals::new();
        let text = [letter(self.hull.me().id)];
        let pushed = proposals.push_client(Ticket::new(0), ClientHeader::default(), &text);
        // One byte always fits.
        if pushed.is_ok() {
            self.step(Input::Propose(proposals));
        }
    }

    fn crash(&mut self, done: &mut Done) {
        self.stalled = false;
        if std::mem::take(&mut self.reading) {
            done.read = Some(Read::Over);
        }
        self.unsynced.clear();
        self.shelf.open();
        self.log = self.disk.clone();
        let (me, settings) = (self.hull.me(), *self.hull.settings());
        let recovered = Recovered {
            lost_through: self.lost.as_ref().map(|lost| lost.through),
            stored: self.shelf.newest().cloned(),
            ..self.disk.recovered()
        };
        match open(
            (me, self.witness),
            &self.founding,
            settings,
            recovered,
            self.clock,
        ) {
            Ok(hull) => self.hull = hull,
            Err(error) => done.not_opened = Some(error),
        }
    }

    /// The entries are again what they were after so many writes. Term and vote are said again in each
    /// frame, and so is how far the log reached: that much is known (`raft_log`'s damage.rs).
    fn damage(&mut self, writes: usize) -> Result<(), LogError> {
        let Some(earlier) = self.earlier.as_mut().filter(|all| writes < all.len()) else {
            return Ok(());
        };
        let gone = earlier.split_off(writes);
        let Some(left) = gone.first() else {
            return Ok(());
        };
        let mut left = left.clone();
        let hard = self.disk.recovered().hard;
        left.write(Write {
            identity: None,
            ..Write::of_identity(hard, Bytes::new())
        })?;
        let mut entries = entries_of(&self.disk, &self.shelf);
        let before = self.lost.take();
        let ends = gone.iter().map(MemoryLog::last_id);
        let ends = ends.chain([self.disk.last_id()]);
        let through = ends.chain(before.as_ref().map(|lost| lost.through)).max();
        entries.extend(before.into_iter().flat_map(|lost| lost.entries));
        let kept = entries_of(&left, &self.shelf);
        entries.retain(|entry| !kept.contains(entry));
        self.lost = through.map(|through| Lost { through, entries });
        self.disk = left;
        Ok(())
    }

    fn settle(&mut self, done: &mut Done) {
        let mut quiet = false;
        while !quiet && done.refused.is_none() {
            let wrote = self.write(done);
            if !self.stalled {
                self.sync(done);
            }
            self.send(done);
            let loaded = self.load();
            while let Some(event) = self.hull.next_event() {
                done.events.push(event);
            }
            while let Some(resolved) = self.hull.next_resolved() {
                if resolved.ticket == READ {
                    self.reading = false;
                    done.read = Some(match resolved.outcome {
                        Outcome::ReadAt(index) => Read::At(index.get()),
                        _ => Read::Over,
                    });
                }
            }
            let applied = self.apply(done) | self.keep_snapshots(done);
            let loaded = self.load() || loaded;
            quiet = !wrote && !loaded && !applied;
        }
    }

    fn write(&mut self, done: &mut Done) -> bool {
        let mut any = false;
        while let Some(write) = self.hull.next_write() {
            any = true;
            let (hard, truncate_from) = (write.hard, write.truncate_from);
            let append = write.append.clone();
            let snapshot = write.snapshot.clone();
            match self.log.write(write) {
                Ok(durable) => self.unsynced.push_back(Unsynced {
                    hard,
                    truncate_from,
                    append,
                    snapshot,
                    durable,
                }),
                Err(error) => {
                    done.refused = Some(error);
                    return true;
                }
            }
        }
        any
    }

    fn sync(&mut self, done: &mut Done) {
        while let Some(unsynced) = self.unsynced.pop_front() {
            // Its receipt proves nothing to the hull; that of the log's own write does.
            let write = Write {
                truncate_from: unsynced.truncate_from,
                append: unsynced.append,
                snapshot: unsynced.snapshot,
                identity: None,
                ..Write::of_identity(unsynced.hard, Bytes::new())
            };
            let changes = write.truncate_from.is_some() || !write.append.is_empty();
            if let Some(earlier) = self.earlier.as_mut().filter(|_| changes) {
                earlier.push(self.disk.clone());
            }
            match self.disk.write(write) {
                Ok(_) => self.step(Input::Durable(unsynced.durable)),
                Err(error) => done.refused = Some(error),
            }
            let reached = self.disk.last_id();
            if self
                .lost
                .as_ref()
                .is_some_and(|lost| lost.through <= reached)
            {
                self.lost = None;
            }
        }
    }

    fn send(&mut self, done: &mut Done) {
        let mut after = None;
        while let Some(to) = self.hull.next_destination(after) {
            after = Some(to);
            for lane in Lane::ALL {
                while let Some(message) = self.hull.next_send(to, lane, usize::MAX) {
                    done.sent.push(message);
                }
            }
        }
    }

    fn load(&mut self) -> bool {
        let mut any = false;
        while let Some(load) = self.hull.next_load() {
            any = true;
            let loaded = Loaded {
                number: load.number,
                result: self.log.read(load.range, load.max_bytes),
            };
            self.step(Input::Loaded(loaded));
        }
        any
    }

    fn keep_snapshots(&mut self, done: &mut Done) -> bool {
        let mut any = false;
        while let Some(job) = self.hull.next_snapshot_job() {
            any = true;
            let (input, restored) = self.shelf.work(job);
            done.applied.extend(restored);
            input.into_iter().for_each(|input| self.step(input));
        }
        any
    }

    fn apply(&mut self, done: &mut Done) -> bool {
        let Some(apply) = self.hull.next_apply(usize::MAX) else {
            return false;
        };
        let entries = apply.chunks.iter().flat_map(Chunk::entries);
        let entries: Vec<Entry> = entries.map(|entry| entry_of(&entry)).collect();
        self.shelf.apply(&entries);
        done.applied.extend(entries);
        self.step(Input::Applied(apply.last_index()));
        true
    }
}

/// What a node's clients propose.
pub(super) fn letter(id: NodeId) -> u8 {
    u8::try_from(id.get()).map_or(b'z', |id| b'`'.saturating_add(id))
}

fn open(
    (me, witness): (Peer, bool),
    founding: &Configuration,
    settings: Settings,
    recovered: Recovered,
    now: Time,
) -> Result<Hull, OpenError> {
    let setup = Setup {
        me,
        founding: founding.clone(),
        settings: settings.into(),
        seed: me.id.get(),
        checksum: crc32c,
        witness,
    };
    Hull::open(setup, recovered, now)
}

fn base_of(log: &MemoryLog) -> LogIndex {
    let mark = log.recovered().snapshot;
    mark.map_or(LogIndex::ZERO, |mark| mark.last.index)
}

/// All entries of a log, those first that a snapshot stands for.
fn entries_of(log: &MemoryLog, shelf: &Shelf) -> Vec<Entry> {
    let base = base_of(log);
    let chunks = log.read(base.next()..LogIndex::new(u64::MAX), usize::MAX);
    let mut entries = match base {
        LogIndex::ZERO => Vec::new(),
        _ => shelf.entries(),
    };
    entries.truncate(usize::try_from(base.get()).unwrap_or(usize::MAX));
    let chunks = chunks.unwrap_or_default();
    entries.extend(
        chunks
            .iter()
            .flat_map(Chunk::entries)
            .map(|entry| entry_of(&entry)),
    );
    entries
}

fn entry_of(entry: &raft_core::record::Entry<'_>) -> Entry {
    let sets = match entry.record {
        Record::Config(bytes) => Configuration::decode(bytes).ok(),
        _ => None,
    };
    let content = match entry.record {
        Record::NoOp => 0,
        Record::Client { payload, .. } => payload.first().copied().unwrap_or(1),
        Record::Absent { .. } => LEFT_OUT,
        Record::Config(_) | Record::Unknown { .. } => 1,
    };
    Entry {
        index: entry.id.index.get(),
        term: entry.id.term.get(),
        content,
        sets: sets.as_ref().map(Sets::of),
    }
}
