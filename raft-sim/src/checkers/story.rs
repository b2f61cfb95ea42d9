//! Hand-made histories for the checkers' tests: one checker, fed step by step.

use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex, NodeId, Peer, Term};
use raft_core::log::{BatchNumber, HardState};
use raft_core::snapshot::SnapshotId;
use raft_core::states::Role;
use raft_core::time::{LogTime, Time};

use super::observation::Runs;
use super::{Checker, Checks, Fate, LogModel, Observation, SubmissionId, Violation};
use crate::spy::{EntryFact, Fact, Found, Promise, RestoredFact, WriteFact, fingerprint};

/// An entry: term, index, command.
pub(crate) type Row = (u64, u64, char);

/// A world told step by step. Once something is found wrong, the rest is not looked at.
#[derive(Debug)]
pub(crate) struct Story {
    checks: Checks,
    boots: u64,
    /// Whether stores are empty when they are opened again.
    loses_snapshots: bool,
    found: Option<Violation>,
}

pub(crate) fn id(term: u64, index: u64) -> EntryId {
    EntryId::new(Term::new(term), LogIndex::new(index))
}

impl Story {
    /// A world that only `checker` looks at.
    pub(crate) fn of(checker: impl Checker + 'static) -> Self {
        let mut checks = Checks::new();
        checks.checkers = vec![Box::new(checker)];
        Self {
            checks,
            boots: 1,
            loses_snapshots: false,
            found: None,
        }
    }

    /// The node is in this life of its folder from now on; if it was in another, its disk was lost.
    pub(crate) fn life(&mut self, node: u64, life: u128) -> &mut Self {
        let (node, life) = (NodeId::new(node), Incarnation::new(life));
        self.checks.starting(node, life);
        self.checks.model.node_mut(node).me = Some(Peer::new(node, life));
        self
    }

    /// From now on whatever a store had is gone when its node comes back.
    pub(crate) fn lose_snapshots(&mut self) -> &mut Self {
        self.loses_snapshots = true;
        self
    }

    /// The property found violated, if one was.
    pub(crate) fn verdict(&self) -> Option<&'static str> {
        self.found.as_ref().map(|violation| violation.property)
    }

    /// The node's log is asked to remove and to append.
    pub(crate) fn write(&mut self, node: u64, from: Option<u64>, rows: &[Row]) -> &mut Self {
        let append = rows.iter().map(|row| entry(*row, 0, 0)).collect();
        self.begin(node, None, from, append)
    }

    /// The node's log is asked to append entries without their payloads.
    pub(crate) fn write_ids(&mut self, node: u64, ids: &[(u64, u64)]) -> &mut Self {
        let stripped = |&(term, index): &(u64, u64)| EntryFact {
            content: 0,
            payload: 0,
            absent: true,
            ..entry((term, index, ' '), 0, 0)
        };
        let append = ids.iter().map(stripped).collect();
        self.begin(node, None, None, append)
    }

    /// The node's log is asked to append a session's command.
    pub(crate) fn write_as(&mut self, node: u64, row: Row, session: u64, serial: u64) -> &mut Self {
        self.begin(node, None, None, vec![entry(row, session, serial)])
    }

    /// The node's log is asked to keep a vote.
    pub(crate) fn vote(&mut self, node: u64, term: u64, candidate: u64) -> &mut Self {
        let hard = HardState {
            term: Term::new(term),
            vote: Some(NodeId::new(candidate)),
            ..self.hard(node)
        };
        self.begin(node, Some(hard), None, Vec::new())
    }

    /// All that the node's log was asked for is durable.
    pub(crate) fn durable(&mut self, node: u64) -> &mut Self {
        // Numbers of writes are the core's to give; under the first number each answer stands for
        // one write.
        for _ in 0..PENDING {
            self.note(node, Fact::Durable(BatchNumber::default()));
        }
        self.look(node, |_| {})
    }

    pub(crate) fn promise(&mut self, node: u64, to: u64, term: u64, promise: Promise) -> &mut Self {
        let fact = Fact::Promised {
            to: NodeId::new(to),
            term: Term::new(term),
            promise,
        };
        self.note(node, fact).look(node, |_| {})
    }

    /// The node asks for votes.
    pub(crate) fn ask(&mut self, node: u64, term: u64, last: EntryId) -> &mut Self {
        let term = Term::new(term);
        self.note(node, Fact::Asked { term, last })
            .look(node, |_| {})
    }

    /// The node becomes leader in a configuration of these voters.
    pub(crate) fn elect_among(&mut self, node: u64, term: u64, voters: &[u64]) -> &mut Self {
        let voters = voters.iter().map(|id| NodeId::new(*id)).collect();
        self.look(node, |seen| {
            seen.role = Role::Leader;
            seen.term = Term::new(term);
            seen.elected_with = Some(Runs::default());
            seen.voters = vec![voters];
        })
    }

    pub(crate) fn apply(&mut self, node: u64, (term, index, command): Row) -> &mut Self {
        let journal = self.checks.journal(NodeId::new(node));
        journal.applied(id(term, index), LogTime::ZERO, &payload(command));
        self.look(node, |_| {})
    }

    pub(crate) fn begin_operation(&mut self, command: char) {
        self.checks.begun(&payload(command));
    }

    pub(crate) fn submit(&mut self, node: u64, command: char) -> SubmissionId {
        self.checks
            .submitted(Time::ZERO, NodeId::new(node), &payload(command))
    }

    pub(crate) fn tell(&mut self, ask: SubmissionId, fate: Fate) -> &mut Self {
        let told = self.checks.resolved(Time::ZERO, ask, fate);
        self.keep(told)
    }

    pub(crate) fn end(&mut self, live: &[u64]) -> &mut Self {
        let live: Vec<NodeId> = live.iter().map(|id| NodeId::new(*id)).collect();
        let told = self.checks.at_end(Time::ZERO, &live);
        self.keep(told)
    }

    /// The node crashes and comes back with what was durable.
    pub(crate) fn restart(&mut self, node: u64) -> &mut Self {
        let ids: Vec<(u64, u64)> = self.model(node, |log| {
            let rows = log.entries.iter().map(|row| row.entry.id);
            rows.map(|id| (id.term.get(), id.index.get())).collect()
        });
        let hard = self.model(node, |log| log.hard);
        self.open(node, hard, &ids)
    }

    /// The node crashes and comes back with these entries and the hard state written last.
    pub(crate) fn reopen(&mut self, node: u64, ids: &[(u64, u64)]) -> &mut Self {
        let hard = self.hard(node);
        self.open(node, hard, ids)
    }

    /// The node's hull changes as told.
    pub(crate) fn observe(
        &mut self,
        node: u64,
        change: impl FnOnce(&mut Observation),
    ) -> &mut Self {
        self.look(node, change)
    }

    /// The node becomes leader with this log.
    pub(crate) fn elect(&mut self, node: u64, term: u64, log: &[(u64, u64)]) -> &mut Self {
        let runs = Runs::gather(log.iter().map(|row| id(row.0, row.1)));
        self.look(node, |seen| {
            seen.role = Role::Leader;
            seen.term = Term::new(term);
            seen.last = log.last().map_or(EntryId::ORIGIN, |row| id(row.0, row.1));
            seen.elected_with = Some(runs);
        })
    }

    /// The node learns that these entries, from the first on, are committed.
    pub(crate) fn commit(&mut self, node: u64, log: &[(u64, u64)]) -> &mut Self {
        self.commit_among(node, log, &[])
    }

    /// The same in a configuration of these voters.
    pub(crate) fn commit_among(
        &mut self,
        node: u64,
        log: &[(u64, u64)],
        voters: &[u64],
    ) -> &mut Self {
        let ids: Vec<EntryId> = log.iter().map(|row| id(row.0, row.1)).collect();
        let voters = voters.iter().map(|id| NodeId::new(*id)).collect::<Vec<_>>();
        self.look(node, |seen| {
            let known = seen.commit;
            seen.committed = ids.into_iter().filter(|id| id.index > known).collect();
            seen.commit = seen.committed.last().map_or(known, |last| last.index);
            seen.voters = if voters.is_empty() {
                Vec::new()
            } else {
                vec![voters]
            };
        })
    }

    fn begin(
        &mut self,
        node: u64,
        hard: Option<HardState>,
        from: Option<u64>,
        append: Vec<EntryFact>,
    ) -> &mut Self {
        let write = WriteFact {
            batch: BatchNumber::default(),
            hard: hard.unwrap_or_else(|| self.hard(node)),
            truncate_from: from.map(LogIndex::new),
            append,
            base: None,
            pinned: 0,
            configurations: Vec::new(),
        };
        self.note(node, Fact::Begun(Box::new(write)))
            .look(node, |_| {})
    }

    /// The node's store calls a snapshot durable that ends there.
    pub(crate) fn store(&mut self, node: u64, (term, index): (u64, u64)) -> &mut Self {
        let last = id(term, index);
        let stored = SnapshotId {
            last,
            length: 0,
            digest: 0,
        };
        self.note(node, Fact::Stored(stored)).look(node, |_| {})
    }

    /// The node writes that its log begins after this entry.
    pub(crate) fn forget(&mut self, node: u64, (term, index): (u64, u64)) -> &mut Self {
        let write = WriteFact {
            batch: BatchNumber::default(),
            hard: self.hard(node),
            truncate_from: None,
            append: Vec::new(),
            base: Some(id(term, index)),
            pinned: 0,
            configurations: Vec::new(),
        };
        self.note(node, Fact::Begun(Box::new(write)))
            .look(node, |_| {})
    }

    /// The node's state machine becomes one that has applied so many commands, the last one there.
    pub(crate) fn restore(&mut self, node: u64, commands: usize, last: (u64, u64)) -> &mut Self {
        let last = Some(id(last.0, last.1));
        let restored = RestoredFact { commands, last };
        self.note(node, Fact::Restored(restored)).look(node, |_| {})
    }

    fn open(&mut self, node: u64, hard: HardState, ids: &[(u64, u64)]) -> &mut Self {
        self.find(node, hard, ids, None)
    }

    /// The node's log is opened anew and says that it reached as far as `lost_through` before.
    pub(crate) fn reopen_damaged(
        &mut self,
        node: u64,
        ids: &[(u64, u64)],
        lost_through: EntryId,
    ) -> &mut Self {
        let hard = self.hard(node);
        self.find(node, hard, ids, Some(lost_through))
    }

    /// The node's log is opened anew, with a hard state of its own.
    pub(crate) fn find(
        &mut self,
        node: u64,
        hard: HardState,
        ids: &[(u64, u64)],
        lost_through: Option<EntryId>,
    ) -> &mut Self {
        self.checks.stopped(NodeId::new(node));
        self.boots += 1;
        let runs = Runs::gather(ids.iter().map(|row| id(row.0, row.1)));
        let base = self.model(node, |log| log.base.index.get());
        let base = base.checked_sub(1).map_or(EntryId::ORIGIN, |place| {
            let row = ids.get(place as usize).copied().unwrap_or_default();
            id(row.0, row.1)
        });
        let kept = ids.iter().map(|row| id(row.0, row.1));
        let runs = Runs {
            firsts: Runs::gather(kept.filter(|id| *id > base)).firsts,
            ..runs
        };
        let stored = self
            .checks
            .model()
            .node(NodeId::new(node))
            .and_then(|node| node.stored);
        let found = Found {
            base,
            stored: if self.loses_snapshots { None } else { stored },
            hard,
            runs: runs.firsts,
            last: runs.last,
            lost_through,
        };
        self.note(node, Fact::Opened(Box::new(found)));
        let told = self
            .checks
            .after_step(Time::ZERO, Time::ZERO, NodeId::new(node), None);
        self.keep(told)
    }

    fn note(&mut self, node: u64, fact: Fact) -> &mut Self {
        self.checks.journal(NodeId::new(node)).note(fact);
        self
    }

    fn look(&mut self, node: u64, change: impl FnOnce(&mut Observation)) -> &mut Self {
        let id = NodeId::new(node);
        let before = self.checks.model.node_mut(id).observation.take();
        let mut after = before
            .clone()
            .unwrap_or_else(|| Box::new(fresh(id, self.boots)));
        after.committed.clear();
        after.elected_with = None;
        after.voters.clear();
        change(&mut after);
        let checks = &mut self.checks;
        checks.model.node_mut(id).witness = after.witness;
        let told = checks
            .read_journal(Time::ZERO, id, before.as_deref())
            .and_then(|()| checks.compare(Time::ZERO, id, before.as_deref(), Some(after)));
        self.keep(told)
    }

    fn keep(&mut self, told: Result<(), Violation>) -> &mut Self {
        if let (Err(violation), None) = (told, &self.found) {
            self.found = Some(violation);
        }
        self
    }

    fn hard(&self, node: u64) -> HardState {
        let node = self.checks.model().node(NodeId::new(node));
        node.map(|node| node.log.hard).unwrap_or_default()
    }

    fn model<R: Default>(&self, node: u64, read: impl FnOnce(&LogModel) -> R) -> R {
        let node = self.checks.model().node(NodeId::new(node));
        node.map(|node| read(&node.durable)).unwrap_or_default()
    }
}

fn fresh(node: NodeId, boot: u64) -> Observation {
    Observation {
        me: Peer::new(node, Incarnation::new(7)),
        boot: Boot::new(boot),
        witness: false,
        role: Role::Follower,
        term: Term::ZERO,
        vote: None,
        leader: None,
        commit: LogIndex::ZERO,
        applied: LogIndex::ZERO,
        last: EntryId::ORIGIN,
        forgotten: EntryId::ORIGIN,
        stored: None,
        committed: Vec::new(),
        voters: Vec::new(),
        lives: std::sync::Arc::default(),
        elected_with: None,
        matches: Vec::new(),
        quiet: false,
        configured_by: EntryId::ORIGIN,
        fault: None,
    }
}

pub(crate) fn entry((term, index, command): Row, session: u64, serial: u64) -> EntryFact {
    EntryFact {
        id: id(term, index),
        content: fingerprint(&payload(command)),
        payload: fingerprint(&payload(command)),
        session,
        serial,
        settled: 0,
        bytes: 1,
        time: LogTime::ZERO,
        absent: false,
    }
}

fn payload(command: char) -> Vec<u8> {
    command.to_string().into_bytes()
}

/// More writes than any story leaves pending.
const PENDING: usize = 8;
