//! The world as the spies saw it: every node's log, and every submission.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Peer};
use raft_core::log::{BatchNumber, HardState};
use raft_core::snapshot::SnapshotId;
use raft_core::time::Time;

use super::client::{ClientFact, Fate, SubmissionId};
use super::observation::{Observation, Runs};
use super::{Violation, property, words};
use crate::by_node::ByNode;
use crate::spy::{AppliedFact, EntryFact, Fact, Found, Journal, WriteFact, fingerprint, mix};

/// All that was seen of a world so far.
#[derive(Debug, Default)]
pub struct Model {
    nodes: ByNode<NodeModel>,
    submissions: Vec<ClientFact>,
    applied: Vec<AppliedFact>,
    payloads: BTreeMap<u64, Count>,
    /// What was removed from disks that held it whole: whoever is told its id alone may write that later.
    removed: BTreeMap<EntryId, EntryFact>,
}

impl Model {
    /// What was seen of one node.
    pub fn node(&self, node: NodeId) -> Option<&NodeModel> {
        self.nodes.find(&node)
    }

    /// All nodes seen so far.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeModel)> {
        self.nodes.iter()
    }

    /// All submissions, in order.
    pub fn submissions(&self) -> &[ClientFact] {
        &self.submissions
    }

    /// What any node's state machine has applied, in order: the longest sequence seen.
    pub fn applied(&self) -> &[AppliedFact] {
        &self.applied
    }

    /// How often this command was submitted, and with what success.
    pub fn count(&self, payload: u64) -> Count {
        self.payloads.get(&payload).copied().unwrap_or_default()
    }

    /// Where this command was first applied, if it was.
    pub fn applied_at(&self, payload: &[u8]) -> Option<LogIndex> {
        self.count(fingerprint(payload)).first.map(|id| id.index)
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> &mut NodeModel {
        self.nodes.or_default(node)
    }

    pub(crate) fn starting(&mut self, node: NodeId, incarnation: Incarnation) {
        let model = self.nodes.or_default(node);
        let another = model.incarnation.is_some_and(|old| old != incarnation);
        if another {
            let mut former = std::mem::take(&mut model.former);
            former.push(std::mem::take(&mut model.durable));
            model.journal.be(None);
            *model = NodeModel {
                journal: model.journal.clone(),
                lives_before: former.len(),
                longest: model.longest,
                former,
                damages: model.damages,
                ..NodeModel::default()
            };
        }
        model.incarnation = Some(incarnation);
    }

    pub(crate) fn stopped(&mut self, node: NodeId) {
        let model = self.node_mut(node);
        model.observation = None;
        model.running = false;
        // What the spies noted since the last look belongs to a boot that nobody can ask about.
        let mut unread = Vec::new();
        model.journal.drain_into(&mut unread, &mut Vec::new());
        for fact in &unread {
            self.remember_removed(node, fact);
            let (fact, prefix) = self.understood(node, fact);
            self.node_mut(node).note_with(&fact, prefix);
        }
        self.node_mut(node).lost = None;
    }

    /// Enters one fact.
    pub(crate) fn note(&mut self, now: Time, node: NodeId, fact: &Fact) -> Result<(), Violation> {
        self.remember_removed(node, fact);
        let (understood, prefix) = self.understood(node, fact);
        let model = self.nodes.or_default(node);
        model.note_with(&understood, prefix);
        if let Fact::Applied(applied) = fact {
            if model.applied_count > self.applied.len() {
                self.applied.push(*applied);
                let count = self.payloads.entry(applied.payload).or_default();
                count.applied += 1;
                count.first = count.first.or(Some(applied.id));
            }
        }
        match model.lost.take() {
            None => Ok(()),
            Some(text) => Err(Violation {
                property: property::DURABILITY,
                node: Some(node),
                time: now,
                text,
            }),
        }
    }

    /// Whether this entry was removed from a disk that held it whole.
    pub(super) fn was_removed(&self, id: EntryId) -> bool {
        self.removed.contains_key(&id)
    }

    /// Remembers what a write removes of what is on a node's disk.
    fn remember_removed(&mut self, node: NodeId, fact: &Fact) {
        let from = match fact {
            Fact::Begun(write) => write.truncate_from,
            _ => None,
        };
        let disk = self.nodes.find(&node).map(|own| &own.durable);
        let indexes = std::iter::successors(from, |index| Some(index.next()));
        let entries = indexes.map_while(|index| disk?.entry(index));
        let whole = entries
            .map(|found| found.entry)
            .filter(|entry| !entry.absent);
        self.removed.extend(whole.map(|entry| (entry.id, entry)));
    }

    /// A fact with all that is known of what it speaks of, and what a snapshot in it stands for.
    fn understood<'a>(
        &self,
        node: NodeId,
        fact: &'a Fact,
    ) -> (Cow<'a, Fact>, Option<Vec<Chained>>) {
        let Fact::Begun(write) = fact else {
            return (Cow::Borrowed(fact), None);
        };
        let prefix = self.prefix_for(node, write);
        let is_stripped = write.append.iter().any(|entry| entry.absent);
        if !is_stripped {
            return (Cow::Borrowed(fact), prefix);
        }
        let completed = Fact::Begun(Box::new(self.completed(write)));
        (Cow::Owned(completed), prefix)
    }

    /// What is written without payloads, with those that others have under the same id.
    fn completed(&self, write: &WriteFact) -> WriteFact {
        let mut completed = write.clone();
        for entry in completed.append.iter_mut().filter(|entry| entry.absent) {
            let known = self.logs().find_map(|log| {
                let there = log.entry(entry.id.index)?.entry;
                let same = there.id == entry.id && there.time == entry.time;
                (same && !there.absent).then_some(there)
            });
            let removed = || self.removed.get(&entry.id).copied();
            *entry = known.or_else(removed).unwrap_or(*entry);
        }
        completed
    }

    /// All logs that there are or were.
    pub(super) fn logs(&self) -> impl Iterator<Item = &LogModel> {
        self.nodes.values().flat_map(|node| {
            let past = node.former.iter().chain([&node.durable]);
            past.chain([&node.log])
        })
    }

    /// What a snapshot stands for that takes the place of a node's log: the log of whoever held its
    /// last entry, up to there (Log Matching, which is looked at elsewhere, makes them all alike).
    fn prefix_for(&self, node: NodeId, write: &WriteFact) -> Option<Vec<Chained>> {
        let base = write.base?;
        let own = self.nodes.find(&node);
        if own.is_some_and(|own| own.log.will_hold(base, write)) {
            return None;
        }
        let known = self
            .logs()
            .find(|log| log.entry(base.index).is_some_and(|at| at.entry.id == base));
        let length = usize::try_from(base.index.get()).unwrap_or(usize::MAX);
        Some(known.map_or_else(Vec::new, |log| log.entries[..length].to_vec()))
    }

    pub(crate) fn begun(&mut self, payload: &[u8]) {
        let count = self.payloads.entry(fingerprint(payload)).or_default();
        count.begun += 1;
    }

    pub(crate) fn submitted(&mut self, now: Time, node: NodeId, payload: &[u8]) -> SubmissionId {
        let id = SubmissionId(self.submissions.len());
        let payload = fingerprint(payload);
        self.payloads.entry(payload).or_default().submitted += 1;
        self.submissions.push(ClientFact {
            id,
            node,
            payload,
            submitted: now,
            fate: None,
        });
        id
    }

    pub(crate) fn resolved(
        &mut self,
        now: Time,
        id: SubmissionId,
        fate: Fate,
    ) -> Result<ClientFact, Violation> {
        let wrong = |node, text| Violation {
            property: property::TICKETS,
            node,
            time: now,
            text,
        };
        let Some(fact) = self.submissions.get_mut(id.0) else {
            let text = format!("{} was resolved but never made", words::submission(id));
            return Err(wrong(None, text));
        };
        if let Some(earlier) = fact.fate {
            let (id, first, second) = (
                words::submission(id),
                words::fate(earlier),
                words::fate(fate),
            );
            let text = format!("{id} was resolved twice: {first}, then {second}");
            return Err(wrong(Some(fact.node), text));
        }
        fact.fate = Some(fate);
        let count = self.payloads.entry(fact.payload).or_default();
        match fate {
            Fate::Answered => count.answered += 1,
            Fate::Refused => count.refused += 1,
            Fate::Unknown | Fate::Lost => {}
        }
        Ok(*fact)
    }
}

impl super::Checks {
    /// A bit of a node's disk was flipped, or the node holds as much again as it did then.
    pub(crate) fn rotten(&mut self, node: NodeId, rotten: bool) {
        self.model.node_mut(node).rotten = rotten;
    }
}

/// A write as it was seen, with what a snapshot in it stands for.
type Seen = (WriteFact, Option<Vec<Chained>>);

/// How often one command was submitted, and with what success.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Operations that clients began, each of which may be submitted several times under one
    /// session and serial; zero where nobody says.
    pub begun: usize,
    /// Submissions.
    pub submitted: usize,
    /// Of these, refused for good.
    pub refused: usize,
    /// Of these, answered.
    pub answered: usize,
    /// How often a state machine that was ahead of all others applied it.
    pub applied: usize,
    /// The entry from which it was first applied.
    pub first: Option<EntryId>,
}

/// What was seen of one node, across all its boots on one folder.
#[derive(Debug, Default)]
pub struct NodeModel {
    /// Which life of the folder; absent before the first start.
    pub incarnation: Option<Incarnation>,
    /// Whether the node's log is open.
    pub running: bool,
    /// The log as begun: what `load` must answer from.
    pub log: LogModel,
    /// The log as far as it was called durable.
    pub durable: LogModel,
    /// The same of each earlier life of the folder, as it was when it was lost, and of this life as it
    /// was whenever it was found damaged.
    pub former: Vec<LogModel>,
    /// How many of these are of earlier lives.
    pub lives_before: usize,
    /// How far its log ever reached durably, in all its lives.
    pub longest: LogIndex,
    /// What this life of the folder calls itself, once it has a hull.
    pub me: Option<Peer>,
    /// Whether it is a witness: the payloads in its logs here are those of other nodes.
    pub witness: bool,
    /// How often it was found damaged, or not yet repaired, in all its lives: what it said of that may
    /// come late.
    pub damages: u32,
    /// The entry of the last command that the node's state machine has applied.
    pub last_applied: Option<EntryId>,
    /// How many commands the node's state machine has applied since the node started.
    pub applied_count: usize,
    /// The hull's getters after its last step; absent while there is no hull.
    pub observation: Option<Box<Observation>>,
    /// The newest snapshot that the node's store called durable.
    pub stored: Option<SnapshotId>,
    /// Whether a bit of its disk was flipped, and it was not found whole since.
    pub rotten: bool,
    /// The last entry that the node had durably when it was found damaged, until it holds as much
    /// again.
    pub damaged: Option<EntryId>,
    /// Whether the log began after a snapshot when it was last found damaged, and that was gone.
    pub lost_snapshot: bool,
    pub(crate) journal: Journal,
    pending: VecDeque<Seen>,
    /// All writes of this life that are durable: what damage may leave is what some of them left.
    settled: Vec<Seen>,
    lost: Option<String>,
}

impl Count {
    /// How often the command may be applied at most.
    pub(crate) fn most_applied(&self) -> usize {
        if self.begun > 0 {
            self.begun
        } else {
            self.submitted
        }
    }
}

impl NodeModel {
    /// What was durable in any life of the folder: what others may know of this node may stem from
    /// each of them.
    pub fn ever_durable(&self) -> impl Iterator<Item = &LogModel> {
        self.former.iter().chain([&self.durable])
    }

    /// What was durable in the life of the folder that this peer means. That is the present one, or
    /// one of those before.
    pub fn durable_as(&self, peer: Option<Peer>) -> impl Iterator<Item = &LogModel> {
        let present = peer.is_some() && peer == self.me;
        let from = if present { self.lives_before } else { 0 };
        self.ever_durable().skip(from)
    }

    /// The oldest write that was begun and not called durable.
    pub(super) fn oldest_write(&self) -> Option<BatchNumber> {
        self.pending.front().map(|(write, _)| write.batch)
    }

    /// Writes that were begun and not called durable.
    pub fn writes_under_way(&self) -> usize {
        self.pending.len()
    }

    fn note_with(&mut self, fact: &Fact, prefix: Option<Vec<Chained>>) {
        match fact {
            Fact::Opened(found) => self.opened(found),
            Fact::Begun(write) => {
                self.log.write(write, prefix.as_deref());
                self.pending.push_back(((**write).clone(), prefix));
            }
            Fact::Durable(batch) => self.became_durable(*batch),
            Fact::Applied(applied) => {
                self.applied_count += 1;
                self.last_applied = Some(applied.id);
            }
            Fact::Stored(id) => {
                let newer = self.stored.is_none_or(|known| known.last < id.last);
                self.stored = if newer { Some(*id) } else { self.stored };
            }
            Fact::Restored(restored) => {
                self.applied_count = restored.commands;
                self.last_applied = restored.last;
            }
            Fact::LogFailed
            | Fact::Asked { .. }
            | Fact::Promised { .. }
            | Fact::LetGo(_)
            | Fact::StandsFor(_)
            | Fact::StoreFailed => {}
        }
    }

    /// A reopened log must be as some write left it, and as none before the last durable one.
    fn opened(&mut self, found: &Found) {
        self.running = true;
        self.applied_count = 0;
        self.last_applied = None;
        let mut state = self.durable.clone();
        let mut writes = std::mem::take(&mut self.pending).into_iter();
        let settled = self.settled.len();
        while !state.is(found) {
            let Some(write) = writes.next() else {
                self.settled.truncate(settled);
                return self.opened_damaged(found);
            };
            state.write(&write.0, write.1.as_deref());
            self.settled.push(write);
        }
        self.keep(state, found);
    }

    /// Goes on from what was found.
    fn keep(&mut self, state: LogModel, found: &Found) {
        self.longest = self.longest.max(state.last_index());
        // What was damaged need not have held entries.
        self.damages += u32::from(found.lost_through.is_some());
        if let Some(stored) = self.stored {
            let kept = found.stored.is_some_and(|found| found.last >= stored.last);
            // A snapshot that rotted is of no use. Whether its log could do without is looked at there.
            if !kept && !self.rotten {
                self.lost = Some(format!(
                    "reopening found {}; a snapshot up to {} was stored durably",
                    words::found(found),
                    stored.last
                ));
                return;
            }
        }
        self.stored = found.stored;
        self.log = state.clone();
        self.durable = state;
        self.look_at_repair(found.lost_through);
    }

    /// A damaged log must be as some write left it, and say no less of what it promised than is
    /// so.
    fn opened_damaged(&mut self, found: &Found) {
        let (was, is) = (self.durable.hard, found.hard);
        let hard_kept = is.boot >= was.boot
            && (is.term > was.term
                || (is.term == was.term && (was.vote.is_none() || is.vote == was.vote)));
        let reached = self.damaged.max(Some(self.durable.last_id()));
        let left = self.left_by_a_write(found);
        let (Some(left), true, true) = (left, hard_kept, found.lost_through >= reached) else {
            self.lost = Some(format!(
                "reopening found {}; durable was {}, and no later write left that",
                words::found(found),
                self.durable
            ));
            return;
        };
        let began = self.durable.base.index;
        self.lost_snapshot = began
            > found
                .stored
                .map_or(LogIndex::ZERO, |stored| stored.last.index);
        self.former.push(std::mem::take(&mut self.durable));
        self.damaged = reached;
        self.keep(left, found);
    }

    /// The log that one of the durable writes left, if it is as found; those after it are forgotten.
    fn left_by_a_write(&mut self, found: &Found) -> Option<LogModel> {
        let mut state = LogModel::default();
        let mut left = None;
        for (number, (write, prefix)) in self.settled.iter().enumerate() {
            state.write(write, prefix.as_deref());
            if state.has_entries_of(found) {
                left = Some((number + 1, state.clone()));
            }
        }
        let (number, mut left) = left?;
        self.settled.truncate(number);
        left.hard = found.hard;
        Some(left)
    }

    /// A log that was damaged says so until it durably holds as much again.
    fn look_at_repair(&mut self, says: Option<EntryId>) {
        let whole = Some(self.durable.last_id()) >= self.damaged;
        if whole {
            self.damaged = None;
        } else if says < self.damaged {
            let damaged = self.damaged.unwrap_or_default();
            self.lost = Some(format!(
                "forgot that it had held up to {damaged}; it holds {}",
                self.durable
            ));
        }
    }

    fn became_durable(&mut self, batch: BatchNumber) {
        // Writes of the identity all bear the number before the first: each answer to one of them
        // proves only the oldest.
        let of_identity = batch == BatchNumber::default();
        while let Some((write, prefix)) = self.pending.front() {
            if write.batch > batch {
                return;
            }
            self.durable.write(write, prefix.as_deref());
            self.longest = self.longest.max(self.durable.last_index());
            self.settled.extend(self.pending.pop_front());
            if Some(self.durable.last_id()) >= self.damaged {
                self.damaged = None;
            }
            if of_identity {
                return;
            }
        }
    }
}

/// A log and the hard state beside it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogModel {
    /// The hard state.
    pub hard: HardState,
    /// What the log begins after: all up to here stands in a snapshot.
    pub base: EntryId,
    /// The entries; the first has index 1. Those that a snapshot stands for are among them: whoever
    /// has it holds them in another form.
    pub entries: Vec<Chained>,
}

/// An entry in its place in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chained {
    /// The entry.
    pub entry: EntryFact,
    /// A fingerprint of this entry and all before it in its log.
    pub chain: u64,
}

impl LogModel {
    /// The last entry's index.
    pub fn last_index(&self) -> LogIndex {
        self.last_id().index
    }

    /// The last entry's id.
    pub fn last_id(&self) -> EntryId {
        self.entries
            .last()
            .map_or(EntryId::ORIGIN, |last| last.entry.id)
    }

    /// The entry at `index`.
    pub fn entry(&self, index: LogIndex) -> Option<&Chained> {
        let at = usize::try_from(index.get()).ok()?.checked_sub(1)?;
        self.entries.get(at)
    }

    /// Whether the log holds this entry after the write, or would if nothing took its place.
    fn will_hold(&self, id: EntryId, write: &WriteFact) -> bool {
        let appended = write.append.iter().any(|entry| entry.id == id);
        let kept = write.truncate_from.is_none_or(|from| id.index < from);
        let held = self.entry(id.index).is_some_and(|held| held.entry.id == id);
        appended || (kept && held)
    }

    /// `prefix` is what a snapshot stands for that takes the place of everything.
    fn write(&mut self, write: &WriteFact, prefix: Option<&[Chained]>) {
        self.hard = write.hard;
        self.base = write.base.unwrap_or(self.base);
        if let Some(from) = write.truncate_from {
            let kept = usize::try_from(from.previous().get()).unwrap_or(usize::MAX);
            self.entries.truncate(kept);
        }
        for entry in &write.append {
            let before = self.entries.last().map_or(0, |last| last.chain);
            let id = mix(entry.id.term.get(), entry.id.index.get());
            self.entries.push(Chained {
                entry: *entry,
                chain: mix(mix(before, id), entry.content),
            });
        }
        if let Some(prefix) = prefix {
            self.entries = prefix.to_vec();
        }
    }

    fn is(&self, found: &Found) -> bool {
        self.hard == found.hard && self.has_entries_of(found)
    }

    fn has_entries_of(&self, found: &Found) -> bool {
        let forgotten = usize::try_from(self.base.index.get()).unwrap_or(usize::MAX);
        let kept = self.entries.iter().skip(forgotten);
        self.base == found.base
            && self.last_index() == found.last
            && Runs::gather(kept.map(|chained| chained.entry.id)).firsts == found.runs
    }
}

impl core::fmt::Display for LogModel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (hard, last) = (words::hard(self.hard), self.last_id());
        write!(f, "{hard} with the log up to {last}")
    }
}
