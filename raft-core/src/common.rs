//! What a node has in every role: Figure 2's "state on all servers", and the ways out.
//!
//! The roles in [`crate::states`] change it through the methods here, so that what must go
//! together does: a new term clears the vote and what was about to be said in the old one; an
//! append reaches the log, the disk and the configuration alike.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use crate::chunk::{Checksum, Chunk, ChunkBuilder};
use crate::configuration::Configuration;
use crate::error::Fault;
use crate::hull::Setup;
use crate::ids::{EntryId, LogIndex, NodeId, Peer, Term};
use crate::log::{BatchNumber, Durable, HardState, Recovered};
use crate::message::{Body, Message};
use crate::random::Random;
use crate::record::Record;
use crate::rules::repair as rule;
use crate::settings::{Lease, Settings};
use crate::time::{LogTime, Millis, Time};
use crate::trace::{EventKind, RuleKey};

pub(crate) mod applying;
mod aside;
mod budget;
mod compaction;
pub(crate) mod configurations;
pub(crate) mod disk;
pub(crate) mod entries;
pub(crate) mod events;
pub(crate) mod hard;
pub(crate) mod loads;
pub(crate) mod out;
pub(crate) mod outbox;
mod promises;
pub(crate) mod receiving;
pub(crate) mod repair;
pub(crate) mod resolved;
pub(crate) mod rest;
pub(crate) mod snapshots;

use applying::Applying;
use aside::Aside;
use configurations::Configurations;
use disk::Disk;
use entries::Entries;
use hard::Hard;
use out::Out;
use outbox::Waiting;
use repair::Repair;
use snapshots::Snapshots;

/// What a node has in every role.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) me: Peer,
    /// Whether this node keeps ids only, for as long as its folder lives.
    pub(crate) witness: bool,
    pub(crate) settings: Arc<Settings>,
    pub(crate) checksum: Checksum,
    random: Random,
    /// When the present input was taken.
    pub(crate) now: Time,
    /// When something was last appended or committed.
    busy: Time,
    /// Figure 2's persistent state, as it stands in memory; `disk` knows how much is durable.
    pub(crate) hard: Hard,
    pub(crate) entries: Entries,
    pub(crate) disk: Disk,
    /// Figure 2's commitIndex.
    pub(crate) commit_index: LogIndex,
    /// Figure 2's lastApplied, and what is handed out before it.
    pub(crate) applying: Applying,
    pub(crate) configurations: Configurations,
    pub(crate) snapshots: Snapshots,
    pub(crate) out: Aside<Out>,
    /// The number of the last read from the log that was asked for.
    last_load: u64,
    pub(crate) fault: Option<Box<Fault>>,
    /// What became of entries that were lost, until the log is whole again.
    pub(crate) repair: Option<Box<Repair>>,
    /// Until when this node gives nobody its vote, unless its leader asks for it: it has promised.
    pub(crate) promised_until: Time,
}

impl Common {
    pub(crate) fn new(setup: Setup, recovered: Recovered, now: Time) -> Self {
        let before = recovered.hard;
        let stored = recovered.stored.clone();
        let own = setup.settings.lease.map_or(Millis::ZERO, Lease::promise);
        let mut hard = Hard::new(before);
        *hard.change() = HardState {
            // What was read back is of the boot before: the first batch is pending from the start.
            boot: before.boot.next(),
            // Until what was promised before this start is over, it must not be forgotten either.
            promise: before.promise.max(own),
            ..before
        };
        let configurations = Configurations::new(setup.me, setup.founding, &recovered);
        let repair = Repair::of(&recovered).map(Box::new);
        let entries = Entries::new(recovered);
        // [F2.STATE.5] [F2.STATE.6] Both begin at zero, or at the snapshot that stands for what
        // is before it.
        let start = entries.snapshot().index;
        let mut common = Self {
            me: setup.me,
            witness: setup.witness,
            settings: setup.settings,
            checksum: setup.checksum,
            random: Random::new(setup.seed),
            now,
            busy: now,
            hard,
            disk: Disk::new(entries.last().index),
            entries,
            commit_index: start,
            applying: Applying::new(start),
            configurations,
            snapshots: Snapshots::new(None),
            out: Aside::new(),
            last_load: 0,
            fault: None,
            repair,
            // What was promised right before this start holds still.
            promised_until: now.after(before.promise.span()),
        };
        if let Some(snapshot) = stored {
            common.start_from(snapshot);
        }
        common
    }

    pub(crate) fn term(&self) -> Term {
        self.hard.term
    }

    pub(crate) fn last(&self) -> EntryId {
        self.entries.last()
    }

    /// How far the log reached, while it does not reach as far again.
    pub(crate) fn lost_through(&self) -> Option<EntryId> {
        self.repair.as_deref().map(Repair::lost_through)
    }

    /// The last entry by which candidates are measured.
    pub(crate) fn measure(&self) -> EntryId {
        rule::measure(self.last(), self.lost_through())
    }

    /// More is durable, and what waited for that may leave.
    pub(crate) fn take_durable(&mut self, durable: Durable) {
        self.disk.on_durable(durable, self.hard.boot);
        if let Some(out) = self.out.there_mut() {
            let disk = &self.disk;
            out.outbox.merge_ready(|batch| disk.is_durable(batch));
        }
    }

    /// Whether a snapshot stands for entries that this node need not keep; for a witness, whatever
    /// is durable does.
    pub(crate) fn stands_on_snapshot(&self) -> bool {
        self.witness || self.snapshots.stored().is_some()
    }

    /// Takes note of what is durable: a log that reaches as far as it once did is whole.
    pub(crate) fn check_repair(&mut self) {
        let Some(repair) = &self.repair else {
            return;
        };
        let durable = self.entries.id_at(self.disk.durable_index());
        if let Some(last) = durable.filter(|durable| repair.ends_at(*durable)) {
            self.repair = None;
            self.event("T3.8.11", EventKind::Repaired { last });
        }
    }

    pub(crate) fn configuration(&self) -> &Configuration {
        self.configurations.active()
    }

    /// All that receive the log, except this node.
    pub(crate) fn others(&self) -> Vec<Peer> {
        let peers = self.configuration().peers();
        peers.filter(|peer| peer.id != self.me.id).collect()
    }

    /// All whose votes count, except this node.
    pub(crate) fn other_voters(&self) -> Vec<Peer> {
        let configuration = self.configuration();
        let mut others = self.others();
        others.retain(|peer| configuration.votes(peer.id));
        others
    }

    /// Whether the member `id` of the configuration is this node, and not another life of it.
    pub(crate) fn is_me(&self, id: NodeId) -> bool {
        id == self.me.id && self.configurations.standing().admitted
    }

    /// Whether the configuration in force is known to be committed.
    pub(crate) fn is_configuration_committed(&self) -> bool {
        self.configurations.is_committed(self.commit_index)
    }

    /// An index as of which the present configuration is in force: that of its entry, if that is in
    /// the log, or of the last one forgotten.
    pub(crate) fn configured_at(&self) -> LogIndex {
        let since = self.configurations.active_since();
        since.unwrap_or(self.entries.snapshot().index)
    }

    /// Whether this node knows that it is removed.
    pub(crate) fn is_removed(&self) -> bool {
        let known_at = self.configured_at();
        self.configurations.is_removed(self.me, known_at)
    }

    /// Takes over a later term.
    pub(crate) fn adopt_term(&mut self, term: Term) {
        let hard = self.hard.change();
        // [F2.STATE.1] The term only grows.
        hard.term = hard.term.max(term);
        // [F2.STATE.2] A new term has a new vote; nothing else clears it.
        (hard.vote, hard.to_other_life) = (None, false);
        if let Some(out) = self.out.there_mut() {
            out.outbox.clear();
        }
        self.snapshots.forget_asker();
        self.event("F2.ALL.2", EventKind::UpdateTerm { term });
    }

    /// Opens a new term with this node's vote for itself.
    pub(crate) fn open_term(&mut self) {
        // [F2.CAN.1] To begin an election, raise the term;
        let term = self.hard.term.next();
        self.adopt_term(term);
        // [F2.CAN.2] and vote for oneself.
        self.hard.change().vote = Some(self.me.id);
    }

    /// Gives the vote of this term, which is durable before anyone hears of it.
    pub(crate) fn vote_for(&mut self, candidate: Peer) {
        let to_other_life = !self.configuration().admits(candidate);
        let hard = self.hard.change();
        (hard.vote, hard.to_other_life) = (Some(candidate.id), to_other_life);
        self.event(
            "F2.RV.2",
            EventKind::VoteGranted {
                candidate: candidate.id,
                term: self.hard.term,
            },
        );
    }

    /// Whether the configuration in force knows another life under this one's name.
    pub(crate) fn is_other_life(&self, peer: Peer) -> bool {
        let configuration = self.configuration();
        !configuration.admits(peer) && configuration.member(peer.id).is_some()
    }

    /// Adds entries right after the last one, in memory and on the way to disk.
    pub(crate) fn append(&mut self, chunk: Chunk) {
        self.busy = self.now;
        if chunk.is_config() {
            self.configurations.on_append(self.me, &chunk);
            if let Some(since) = self.configurations.active_since() {
                self.event("S6.21", EventKind::ConfigurationInForce { since });
            }
        }
        self.disk.append(chunk.clone());
        self.entries.append(chunk);
    }

    /// Removes `from` and all after it.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        let active_before = self.configurations.active_since();
        self.configurations.on_truncate(from);
        self.disk.truncate(from);
        self.entries.truncate(from);
        self.event("F2.AE.3", EventKind::Truncated { from });
        if self.configurations.active_since() != active_before {
            let since = self.configurations.active_since();
            let since = since.unwrap_or(LogIndex::ZERO);
            self.event("T4.1.35", EventKind::ConfigurationInForce { since });
        }
    }

    /// Seals records as the next entries of the current term and appends them. `None` when there
    /// are none.
    pub(crate) fn append_as_leader(
        &mut self,
        records: ChunkBuilder,
        time: LogTime,
    ) -> Option<EntryId> {
        // [S5.3.22] Each index of a leader's term is given to one entry: the one after its last.
        let first = self.last().index.next();
        let chunk = records.seal(self.hard.term, first, time, self.checksum)?;
        let last = chunk.last_id();
        self.append(chunk);
        self.event("F2.LEAD.2", EventKind::ClientRequest { last });
        Some(last)
    }

    /// Raises the commit index; it never falls.
    pub(crate) fn advance_commit(&mut self, commit: LogIndex, rule: RuleKey) {
        if commit > self.commit_index {
            self.busy = self.now;
            self.commit_index = commit;
            self.event(rule, EventKind::AdvanceCommitIndex { commit });
        }
    }

    /// Says something that promises nothing: it leaves as soon as this boot is durable.
    pub(crate) fn say(&mut self, to: Peer, body: Body) {
        self.post(Waiting {
            to,
            needs: BatchNumber::ZERO.next(),
            body,
        });
    }

    /// Says something that is true only once everything that holds now is durable, and leaves
    /// then.
    pub(crate) fn promise(&mut self, to: Peer, body: Body) {
        // [F2.STATE.4] What depends on term, vote and log is said when these are durable.
        self.post(Waiting {
            to,
            needs: self.covering_batch(),
            body,
        });
    }

    fn post(&mut self, waiting: Waiting) {
        let to_member = self.configuration().admits(waiting.to);
        self.out.needed().outbox.push(waiting, to_member);
    }

    /// The batch whose durability makes everything that holds now durable.
    pub(crate) fn covering_batch(&self) -> BatchNumber {
        self.disk.covering_batch(&self.hard)
    }

    /// A message from this node, in its current term.
    pub(crate) fn message(&self, to: Peer, body: Body) -> Message {
        // [S5.1.18] Every message carries its sender's term.
        Message {
            from: self.me,
            to,
            term: self.hard.term,
            body,
        }
    }

    /// How long to wait for a leader this time.
    pub(crate) fn draw_election_timeout(&mut self) -> Duration {
        // [S5.2.22] Drawn anew each time, so that nodes rarely campaign together.
        let drawn = self
            .random
            .between_once_and_twice(self.settings.election_timeout);
        self.defer(drawn, self.settings.election_timeout)
    }

    /// This wait, and longer than the most preferred node's, by at most `most`: so that one of
    /// those leads, if one is there. It only waits; it refuses nobody.
    fn defer(&self, wait: Duration, most: Duration) -> Duration {
        let (ahead, all) = self.configurations.standing().preferred;
        if ahead == 0 {
            return wait;
        }
        let longer = most.saturating_mul(ahead).checked_div(all);
        wait.saturating_add(longer.unwrap_or_default())
    }

    /// How long to wait for answers to a pre-vote: it disturbs nobody, so it may be repeated
    /// sooner than an election.
    pub(crate) fn draw_retry(&mut self) -> Duration {
        self.draw_election_timeout()
            .checked_div(2)
            .unwrap_or_default()
    }

    /// A short wait that differs between nodes.
    pub(crate) fn draw_stagger(&mut self) -> Duration {
        let shortest = self.settings.heartbeat_interval.checked_div(8);
        let shortest = shortest.unwrap_or_default();
        let drawn = self.random.between_once_and_twice(shortest);
        self.defer(drawn, shortest)
    }

    /// Whether this node may campaign: it may lead, as far as it knows, its disk answers, and its
    /// log is whole.
    pub(crate) fn may_campaign(&self) -> bool {
        self.may_lead() && !self.is_disk_stalled() && self.repair.is_none()
    }

    /// Whether this node may lead, as far as it knows.
    pub(crate) fn may_lead(&self) -> bool {
        !self.witness
            && self.configurations.may_lead(self.me, self.commit_index)
            && !self.is_removed()
    }

    pub(crate) fn is_disk_stalled(&self) -> bool {
        self.is_disk_stalled_at(self.now)
    }

    /// Whether the disk counts as stalled, if nothing becomes durable before `now`.
    pub(crate) fn is_disk_stalled_at(&self, now: Time) -> bool {
        self.disk
            .stalls_at(self.settings.stalled_write_after)
            .is_some_and(|at| at <= now)
    }

    /// Whether the write that opened this boot is durable.
    pub(crate) fn is_boot_durable(&self) -> bool {
        self.disk.is_durable(BatchNumber::ZERO.next())
    }

    /// Whether this node keeps entries as they are in this chunk: with their payloads, or without.
    /// Configurations are whole everywhere, but one that has this node in the other role is for
    /// another life of it: what it holds is not what it would be taken to hold.
    pub(crate) fn keeps(&self, chunk: &Chunk) -> bool {
        if !chunk.is_config() {
            return self.keeps_form(chunk);
        }
        let configurations = chunk.entries().filter_map(|entry| match entry.record {
            Record::Config(bytes) => Configuration::decode(bytes).ok(),
            _ => None,
        });
        configurations
            .into_iter()
            .all(|configuration| self.is_as_in(&configuration))
    }

    /// The same of a chunk that is in the log already.
    pub(crate) fn keeps_form(&self, chunk: &Chunk) -> bool {
        chunk.is_config() || chunk.is_ids_only() == self.witness
    }

    /// Whether this node is a witness if the configuration has it as one, and only then.
    pub(crate) fn is_as_in(&self, configuration: &Configuration) -> bool {
        !configuration.admits(self.me) || configuration.is_witness(self.me.id) == self.witness
    }

    /// Up to where this node itself has no more use for payloads.
    pub(crate) fn used_through(&self) -> LogIndex {
        match self.witness {
            // It has none, and applies nothing.
            true => self.applicable(),
            false => self.applying.handed_out(),
        }
    }

    /// Up to where entries may be applied here.
    pub(crate) fn applicable(&self) -> LogIndex {
        // [T10.2.1.8] A leader may have committed what is not durable on itself; that is not
        // applied before it is.
        let durable = self.disk.durable_index();
        // What a snapshot stands for is durable with it.
        self.commit_index
            .min(durable.max(self.entries.snapshot().index))
    }

    #[inline]
    pub(crate) fn event(&mut self, rule: RuleKey, kind: EventKind) {
        self.out.needed().events.push(rule, kind);
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            me,
            witness: _,
            hard,
            entries,
            disk,
            commit_index,
            applying,
            configurations,
            snapshots,
            out,
            fault,
            repair,
            promised_until: _,
            settings: _,
            checksum: _,
            random: _,
            now: _,
            busy: _,
            last_load: _,
        } = self;
        (
            me,
            hard.term,
            hard.vote,
            hard.to_other_life,
            entries,
            commit_index,
        )
            .hash(into);
        (applying, configurations, fault.is_some(), repair).hash(into);
        snapshots.fingerprint(into);
        disk.fingerprint(hard, into);
        (self.is_disk_stalled(), hard.promise).hash(into);
        // Within one setup a promise is always as long; what is left of it counts.
        self.promised_until.since(self.now).hash(into);
        match out.there() {
            Some(out) => out.outbox.fingerprint(disk, into),
            None => Out::default().outbox.fingerprint(disk, into),
        }
    }

    /// Stops for good. The first fault is the one that counts.
    pub(crate) fn stop(&mut self, fault: Fault) {
        if self.fault.is_none() {
            self.fault = Some(Box::new(fault));
            self.event("", EventKind::Stopped);
        }
    }
}
