//! Opening a hull from what its log recovered, and looking at one.

use alloc::sync::Arc;
use core::cmp::Ordering;

use super::*;
use crate::chunk::Checksum;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::states::leader::progress::Progress;

/// Who a hull is and how it is tuned.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This node in this life of its data folder.
    pub me: Peer,
    /// The configuration the cluster was founded with: in force until the log says otherwise. Hulls of
    /// one process that are given clones of one configuration share its members.
    pub founding: Configuration,
    /// The tunables. Hulls of one process may share them.
    pub settings: Arc<Settings>,
    /// Where this node's randomness starts. Must differ between nodes and between starts.
    pub seed: u64,
    /// CRC-32C, the fastest there is on this platform.
    pub checksum: Checksum,
    /// Whether it is a witness: one that keeps the ids of entries and no payloads, applies nothing
    /// and never leads. It stays one for as long as its data folder lives, and every configuration
    /// has it as one.
    pub witness: bool,
}

impl Hull {
    /// Starts from what the log recovered. The first write, which raises the boot count, is
    /// pending at once, and nothing leaves before it is durable.
    ///
    /// # Errors
    ///
    /// The settings contradict each other, or the recovered state contradicts itself, or is of a
    /// witness where the setup is of none. Nothing was changed.
    pub fn open(setup: Setup, recovered: Recovered, now: Time) -> Result<Self, OpenError> {
        let problems = setup.settings.validate();
        if !problems.is_empty() {
            return Err(OpenError::Settings { problems });
        }
        if let Some(reason) = contradiction(&recovered, setup.witness) {
            return Err(OpenError::Recovered { reason });
        }
        let holds_ids_only = recovered.holds_ids_only;
        let mut common = Common::new(setup, recovered, now);
        if (holds_ids_only && !common.witness) || !common.is_as_in(common.configuration()) {
            let witness = common.witness;
            return Err(OpenError::OtherRole { witness });
        }
        common.check_repair();
        // [S5.2.2] A node starts as a follower.
        let state = State::Follower(Follower::new(&mut common));
        Ok(Self {
            common,
            state,
            attempts: 0,
        })
    }

    /// This node.
    pub fn me(&self) -> Peer {
        self.common.me
    }

    /// Whether this node is a witness: it keeps ids only, and never leads.
    pub fn is_witness(&self) -> bool {
        self.common.witness
    }

    /// The tunables in force.
    pub fn settings(&self) -> &Settings {
        &self.common.settings
    }

    /// The role in the current term.
    pub fn role(&self) -> Role {
        self.state.role()
    }

    /// The current term, durable or not.
    pub fn term(&self) -> Term {
        self.common.hard.term
    }

    /// Whom this node voted for in the current term, durable or not.
    pub fn vote(&self) -> Option<NodeId> {
        self.common.hard.vote
    }

    /// Who leads the current term, as far as this node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.state.leader(&self.common)
    }

    /// Which start of the data folder this is.
    pub fn boot(&self) -> Boot {
        self.common.hard.boot
    }

    /// Whether a crash can no longer take back which start this is. The hull says nothing before
    /// that; whoever names the boot elsewhere must wait for it, too.
    pub fn is_boot_durable(&self) -> bool {
        self.common.is_boot_durable()
    }

    /// The highest index known to be committed.
    pub fn commit_index(&self) -> LogIndex {
        self.common.commit_index
    }

    /// The highest index the state machine has applied.
    pub fn applied_index(&self) -> LogIndex {
        self.common.applying.applied()
    }

    /// The highest index that is durable on this node.
    pub fn durable_index(&self) -> LogIndex {
        self.common.disk.durable_index()
    }

    /// The last entry of the log, durable or not.
    pub fn last(&self) -> EntryId {
        self.common.last()
    }

    /// The term of the entry at `index`, if the log holds it or begins right after it.
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.common.entries.term_at(index)
    }

    /// How far the log reached before entries of it were lost, until it does so again: meanwhile
    /// this node does not campaign, and votes only for who holds as much.
    pub fn lost_through(&self) -> Option<EntryId> {
        self.common.lost_through()
    }

    /// The configuration in force: the latest in the log, committed or not.
    pub fn configuration(&self) -> &Configuration {
        self.common.configuration()
    }

    /// The entry that put that configuration in force, or the last one of the snapshot that it is
    /// from; [`EntryId::ORIGIN`] for the founding one.
    pub fn configured_by(&self) -> EntryId {
        let index = self.common.configured_at();
        EntryId::new(self.term_at(index).unwrap_or_default(), index)
    }

    /// For a leader: how far a follower is known to hold the log durably.
    pub fn match_index(&self, follower: NodeId) -> Option<LogIndex> {
        self.progress_of(follower).map(Progress::matched)
    }

    /// For a leader: the next entry that it would send to a follower.
    pub fn next_index(&self, follower: NodeId) -> Option<LogIndex> {
        self.progress_of(follower).map(Progress::next)
    }

    /// For a leader: the bytes of memory that appends to a follower keep alive until they are
    /// answered.
    pub fn bytes_in_flight(&self, follower: NodeId) -> Option<usize> {
        self.progress_of(follower).map(Progress::bytes_in_flight)
    }

    /// For a leader: the snapshot that a follower is being sent, and how much of it that one is known
    /// to have.
    pub fn snapshot_sent(&self, follower: NodeId) -> Option<(SnapshotId, u64)> {
        self.progress_of(follower)?.snapshot_sent()
    }

    /// For a leader: to whom it is handing over, taking no proposals meanwhile.
    pub fn transferring_to(&self) -> Option<NodeId> {
        match &self.state {
            State::Leader(leader) => leader.transferring_to(),
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => None,
        }
    }

    /// The last entry that is no longer in the log: what the log begins after.
    pub fn forgotten(&self) -> EntryId {
        self.common.entries.snapshot()
    }

    /// The newest snapshot that is stored.
    pub fn stored_snapshot(&self) -> Option<&Snapshot> {
        self.common.snapshots.stored()
    }

    /// For a leader with leases in its settings: until when it answers reads without asking anybody,
    /// by its own clock. The origin of time while it has none.
    pub fn lease_end(&self) -> Option<Time> {
        match &self.state {
            State::Leader(leader) if self.common.settings.lease.is_some() => {
                Some(leader.lease_end(&self.common))
            }
            State::Leader(_)
            | State::Follower(_)
            | State::PreCandidate(_)
            | State::Candidate(_) => None,
        }
    }

    /// The bytes of memory that entries keep alive here, for whoever still has to get them. Looks
    /// at each chunk in memory.
    pub fn cached_bytes(&self) -> usize {
        let (chunks, _) = self.common.entries.cache();
        chunks.iter().map(Chunk::pinned_bytes).sum()
    }

    /// The bytes of memory that this node keeps alive of its log and of snapshots: entries, and beside
    /// them what is under way to followers, to the state machine and to the store of snapshots.
    pub fn bytes_in_memory(&self) -> usize {
        let beside = self.common.bytes_beside_entries();
        let under_way = self.state.bytes_under_way(&self.common);
        self.cached_bytes()
            .saturating_add(beside)
            .saturating_add(under_way)
    }

    fn progress_of(&self, follower: NodeId) -> Option<&Progress> {
        match &self.state {
            State::Leader(leader) => leader.followers().find(&follower),
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => None,
        }
    }

    /// What stopped the hull, if anything.
    pub fn fault(&self) -> Option<&Fault> {
        self.common.fault.as_deref()
    }

    pub(crate) const fn parts(&self) -> (&Common, &State) {
        (&self.common, &self.state)
    }

    pub(crate) const fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

/// What does not fit in a recovered state, if anything.
fn contradiction(recovered: &Recovered, witness: bool) -> Option<&'static str> {
    let snapshot = recovered
        .snapshot
        .as_ref()
        .map_or(EntryId::ORIGIN, |mark| mark.last);
    let stored = recovered.stored.as_ref().map(|snapshot| snapshot.id.last);
    let covers = |stored: EntryId| match stored.index.cmp(&snapshot.index) {
        Ordering::Less => false,
        Ordering::Equal => stored.term == snapshot.term,
        Ordering::Greater => stored.term >= snapshot.term,
    };
    // What a witness keeps of a snapshot stands in the log.
    if recovered.snapshot.is_some() && !witness && !stored.is_some_and(covers) {
        return Some("the log begins after a snapshot that is not stored");
    }
    let mut previous = snapshot;
    for (number, run) in recovered.runs.iter().enumerate() {
        if number == 0 && run.index != snapshot.index.next() {
            return Some("the first entry does not follow the snapshot");
        }
        let rises = run.index > previous.index
            && (run.term > previous.term || (number == 0 && run.term >= previous.term));
        if !rises {
            return Some("the terms of the entries do not rise");
        }
        previous = *run;
    }
    if recovered.last < previous.index {
        return Some("the last index lies before a recovered entry");
    }
    if recovered.runs.is_empty() && recovered.last != snapshot.index {
        return Some("there are entries without a term");
    }
    if recovered.hard.term < previous.term {
        return Some("the hard state's term is earlier than the last entry's");
    }
    if recovered
        .lost_through
        .is_some_and(|lost| lost.term > recovered.hard.term)
    {
        return Some("the hard state's term is earlier than that of an entry that was lost");
    }
    let indexes = recovered.configurations.iter().map(|(index, _)| *index);
    let sorted = indexes.clone().is_sorted_by(|a, b| a < b);
    let inside = indexes
        .clone()
        .all(|index| index > snapshot.index && index <= recovered.last);
    if !sorted || !inside {
        return Some("the configurations do not stand in the log in order");
    }
    None
}
