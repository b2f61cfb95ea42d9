//! The tunables, with their units, bounds and relations to each other.

use alloc::vec::Vec;
use core::time::Duration;

use crate::chunk::ChunkLimits;
use crate::record::ClientHeader;
use crate::rules::lease;
use crate::time::Millis;

/// What can be tuned. All limits are checked together by [`Settings::validate`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long a follower waits for its leader before it campaigns, at least; each wait is drawn
    /// anew between this and twice this (paper 5.2). At least three [`Self::heartbeat_interval`]s.
    /// Choose ten times the slower of a round trip and a sync.
    pub election_timeout: Duration,
    /// How often a leader speaks to followers that hear nothing else from it. At least 1 ms. Choose a
    /// tenth of [`Self::election_timeout`]: more often only costs, and of seldomer ones a few that
    /// are lost start an election.
    pub heartbeat_interval: Duration,
    /// How long a leader waits for an answer to entries before it sends them again. At least one
    /// [`Self::heartbeat_interval`]; choose more than a round trip and a sync take.
    pub resend_after: Duration,
    /// How long a write may be outstanding before the disk counts as stalled and a leader steps
    /// down. At least one [`Self::election_timeout`]. Choose several times the longest sync that the
    /// disk needs when it is well: another leader costs more than a slow write.
    pub stalled_write_after: Duration,
    /// How long a follower of a higher priority must have kept up without a break before the leader
    /// hands over to it (thesis 3.10); after an attempt that failed twice that, and so on. At least
    /// two [`Self::election_timeout`]s. Choose more than a node needs to show whether it is well:
    /// while it is handed over to, no proposals are taken. `None`: only when asked to.
    pub hand_over_after: Option<Duration>,
    /// How long nobody may want anything of a leader before it falls silent: it sends no heartbeats
    /// and its followers wait for none, until somebody wants something of any of them. Then a failure
    /// is found out as it always is, from that moment on and not before. Only while all members
    /// answer, and only with [`Self::pre_vote`]. At least one [`Self::election_timeout`]. Whoever leads
    /// decides by its own. Choose a few seconds where a process holds many groups that rest most of
    /// the time; `None`: never (docs/leadership.md).
    pub quiescent_after: Option<Duration>,
    /// How long a new member that is to vote may make no progress before the change of members is
    /// given up (thesis 4.2.1). At least one [`Self::election_timeout`]; choose longer than the
    /// largest message takes to send and sync.
    pub catch_up_timeout: Duration,
    /// Ask before campaigning, so that a node that was cut off disturbs nobody when it returns
    /// (thesis 9.6).
    pub pre_vote: bool,
    /// A leader that has not heard from a quorum for an election timeout steps down, and nodes
    /// that hear a leader refuse votes (thesis 4.2.3, 6.2). Turn off only with [`Self::pre_vote`]
    /// off: a vote refused for the sake of a leader that can't commit would be refused for ever.
    pub check_quorum: bool,
    /// Whether this node promises leaders to give no vote for a while, and as a leader answers reads
    /// on the strength of such promises, without asking anybody (thesis 6.4.1). `None`: reads ask a
    /// majority, and nothing depends on clocks. Nodes that differ in this get on with each other.
    pub lease: Option<Lease>,
    /// Writes that may be outstanding at the log. At least 1. More hides the latency of a sync; what
    /// comes meanwhile goes together into the next, so that a few are enough.
    pub max_writes_in_flight: usize,
    /// AppendEntries that may be unanswered by one follower, or parts of a snapshot, of which as many
    /// may wait for the follower's store. At least 1. After a refusal only half
    /// of what was under way may be, and one more with each that is answered: over a network that
    /// reorders, all that overtakes is sent for nothing.
    pub max_appends_in_flight: usize,
    /// Bytes of memory that unanswered entries to one follower may keep alive, or parts of a snapshot:
    /// those that are unanswered, the one that is read ahead, and on the follower those that wait for
    /// its store. At least [`Self::max_append_bytes`]. Choose what the link carries in a round trip and a
    /// sync. All followers together may cost half of [`Self::max_memory_bytes`], in even shares.
    pub max_bytes_in_flight: usize,
    /// Bytes of payload in one AppendEntries; a single larger entry still goes alone, so that any
    /// number will do. Choose what the link carries in a few milliseconds: heartbeats have a lane of
    /// their own, but share the link. Also the bytes of one part of a
    /// snapshot.
    pub max_append_bytes: usize,
    /// Bytes of payload proposed and not yet committed, beyond which proposals are refused. At
    /// least [`Self::max_payload_bytes`]. Choose what may wait at once: it stays in memory until a
    /// majority has it, for as long as there is none.
    pub max_uncommitted_bytes: usize,
    /// Reads that may wait for this leader to be confirmed, beyond which they are refused. At least
    /// one. Choose as many as may come within a heartbeat interval, which is what one lost heartbeat
    /// costs.
    pub max_pending_reads: usize,
    /// Bytes of one command. Larger ones are refused. At most [`Self::max_uncommitted_bytes`], and
    /// with what a record carries at most what [`Self::chunk_limits`] allow. Choose the largest that
    /// the state machine means to take: it is copied, checksummed and sent as one.
    pub max_payload_bytes: usize,
    /// Bytes of recent entries kept in memory for followers that lag a little; what is needed
    /// for durability, for apply or for a reply stays beyond it. Any number will do; with none, what
    /// a follower lacks is read back from disk. Choose what is written while a follower restarts.
    pub max_cached_bytes: usize,
    /// Bytes that this node keeps in memory of entries and of parts of snapshots, whatever for. Followers
    /// that hang, or a snapshot that comes in, have half of it, a state machine that hangs a quarter, and
    /// a disk that hangs what is left, so that all together cost this much. What comes alone is taken
    /// beyond it, so that nothing stops for ever: one message of [`Self::max_append_bytes`] for each
    /// follower and for the state machine, where it is read back, and one batch of proposals. What is
    /// durable and goes beyond is let go of, and read back from disk for whoever needs it. What is not
    /// durable can't be: while it would go beyond, a leader refuses proposals and a follower takes no
    /// entries. At least [`Self::max_bytes_in_flight`] and [`Self::max_cached_bytes`]. Choose what the
    /// process can spare for it.
    pub max_memory_bytes: usize,
    /// Bytes of payload handed to the state machine and not yet applied, and no more than keeps a quarter
    /// of [`Self::max_memory_bytes`] in memory. At least 1; an entry that goes beyond is handed out
    /// alone. Choose what it applies in some tens of milliseconds.
    pub max_applying_bytes: usize,
    /// When to take a snapshot without being asked; `None` for never, and then the log grows for
    /// ever.
    pub snapshots: Option<SnapshotPolicy>,
    /// Of the entries that the newest snapshot stands for, how many of the latest to keep: a
    /// follower that lags by no more gets entries and needs no snapshot. Any number; choose some
    /// minutes' worth, or what weighs as much as a snapshot.
    pub snapshot_margin: u64,
    /// Bytes of commands that [`Self::snapshot_margin`] may come to: of larger entries fewer are kept. They are
    /// counted from one snapshot to the next, as far as this node has applied them since it started. Any
    /// number; choose what the disk can spare.
    pub snapshot_margin_bytes: u64,
    /// What a chunk may hold that this node makes. At least one entry, and a command of
    /// [`Self::max_payload_bytes`]. At most what all others take in, which is for the transport to say: it
    /// refuses larger ones, and a follower that is sent one falls behind.
    pub chunk_limits: ChunkLimits,
}

/// Reads on the strength of promises. What makes them right is that clocks run as steadily as is said
/// here, also while a machine is suspended: a clock that stands still, jumps back, or gains more than
/// that lets a leader that was replaced answer reads with what is old.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// For how long a follower that answers a heartbeat promises to give nobody its vote. At least
    /// two [`Settings::heartbeat_interval`]s and the margin for clocks, at most
    /// [`Settings::election_timeout`] and an hour. Choose little less than that: a leader that keeps
    /// its followers needs no more, and one that dies is replaced no later.
    pub duration: Duration,
    /// By how many thousandths any node's clock may gain on any other's. At least 1, at most 1,000.
    /// No default: choose ten times what the clocks of these machines are known to do (a quartz
    /// gains 0.1 thousandths; 1 leaves room for what steers it).
    pub max_drift_per_mille: u16,
}

impl Lease {
    /// What is promised: whole milliseconds, which is what a log can keep.
    pub(crate) fn promise(self) -> Millis {
        Millis::of(self.duration)
    }

    /// For how long that counts with a leader.
    fn counts_for(self) -> Duration {
        lease::counts_for(self.promise().span(), self.max_drift_per_mille)
    }
}

impl Settings {
    /// All that is wrong with these settings; empty when they can be used.
    pub fn validate(&self) -> Vec<SettingsProblem> {
        let checks = self
            .checks_of_times()
            .into_iter()
            .chain(self.checks_of_zeros())
            .chain(self.checks_of_limits());
        let checks = checks.chain(self.lease.into_iter().flat_map(|one| self.checks_of(one)));
        checks
            .filter(|(holds, _)| !holds)
            .map(|(_, problem)| problem)
            .collect()
    }

    /// What must hold between the spans of time, each with what is wrong if it does not.
    fn checks_of_times(&self) -> [(bool, SettingsProblem); 7] {
        let hand_over_after = self.hand_over_after.unwrap_or(Duration::MAX);
        let quiescent_after = self.quiescent_after.unwrap_or(Duration::MAX);
        [
            (
                quiescent_after >= self.election_timeout,
                SettingsProblem::QuietTooSoon {
                    quiescent_after,
                    election_timeout: self.election_timeout,
                },
            ),
            (
                self.heartbeat_interval >= Duration::from_millis(1),
                SettingsProblem::HeartbeatTooShort {
                    heartbeat_interval: self.heartbeat_interval,
                },
            ),
            // [S5.6.7] Several heartbeats must fit into the shortest election timeout.
            (
                self.heartbeat_interval.saturating_mul(3) <= self.election_timeout,
                SettingsProblem::ElectionTimeoutTooShort {
                    election_timeout: self.election_timeout,
                    heartbeat_interval: self.heartbeat_interval,
                },
            ),
            (
                self.resend_after >= self.heartbeat_interval,
                SettingsProblem::ResendTooEarly {
                    resend_after: self.resend_after,
                    heartbeat_interval: self.heartbeat_interval,
                },
            ),
            (
                self.stalled_write_after >= self.election_timeout,
                SettingsProblem::StalledWriteTooEarly {
                    stalled_write_after: self.stalled_write_after,
                    election_timeout: self.election_timeout,
                },
            ),
            (
                hand_over_after >= self.election_timeout.saturating_mul(2),
                SettingsProblem::HandsOverTooSoon {
                    hand_over_after,
                    election_timeout: self.election_timeout,
                },
            ),
            (
                self.catch_up_timeout >= self.election_timeout,
                SettingsProblem::CatchUpTooImpatient {
                    catch_up_timeout: self.catch_up_timeout,
                    election_timeout: self.election_timeout,
                },
            ),
        ]
    }

    /// What must hold of a lease.
    fn checks_of(&self, lease: Lease) -> [(bool, SettingsProblem); 4] {
        let Lease {
            duration,
            max_drift_per_mille,
        } = lease;
        let longest = self.election_timeout.min(LONGEST_LEASE);
        let (election_timeout, heartbeat_interval) =
            (self.election_timeout, self.heartbeat_interval);
        [
            (
                duration <= longest,
                SettingsProblem::LeaseTooLong {
                    duration,
                    election_timeout,
                },
            ),
            (
                lease.counts_for() >= heartbeat_interval.saturating_mul(2),
                SettingsProblem::LeaseTooShort {
                    counts_for: lease.counts_for(),
                    heartbeat_interval,
                },
            ),
            // Without a bound on drift there is no lease.
            (
                (1..=1_000).contains(&max_drift_per_mille),
                SettingsProblem::LeaseWithoutDriftBound {
                    max_drift_per_mille,
                },
            ),
            (
                self.check_quorum && self.pre_vote,
                SettingsProblem::LeaseWithoutCheckQuorum,
            ),
        ]
    }

    /// What must not be zero, each with what could never be done if it were.
    fn checks_of_zeros(&self) -> [(bool, SettingsProblem); 5] {
        let positive =
            |name, value: usize, never| (value > 0, SettingsProblem::Zero { name, never });
        let max_entries = self.chunk_limits.max_entries as usize;
        [
            positive("max_writes_in_flight", self.max_writes_in_flight, "written"),
            positive("max_appends_in_flight", self.max_appends_in_flight, "sent"),
            positive("max_pending_reads", self.max_pending_reads, "read"),
            positive("max_applying_bytes", self.max_applying_bytes, "applied"),
            positive("chunk_limits.max_entries", max_entries, "appended"),
        ]
    }

    /// What must hold between the limits.
    fn checks_of_limits(&self) -> [(bool, SettingsProblem); 8] {
        let chunk_bytes = self.chunk_limits.max_payload_bytes as usize;
        let in_memory = |name, value| {
            let max_memory_bytes = self.max_memory_bytes;
            let problem = SettingsProblem::MemoryTooSmall {
                max_memory_bytes,
                name,
                value,
            };
            (max_memory_bytes >= value, problem)
        };
        [
            in_memory("max_bytes_in_flight", self.max_bytes_in_flight),
            in_memory("max_cached_bytes", self.max_cached_bytes),
            (
                self.quiescent_after.is_none() || self.pre_vote,
                SettingsProblem::QuietWithoutPreVote {
                    quiescent_after: self.quiescent_after.unwrap_or_default(),
                },
            ),
            (
                self.check_quorum == self.pre_vote,
                SettingsProblem::PreVoteWithoutCheckQuorum {
                    pre_vote: self.pre_vote,
                    check_quorum: self.check_quorum,
                },
            ),
            (
                self.snapshots
                    .is_none_or(|policy| policy.after_entries > 0 && policy.after_bytes > 0),
                SettingsProblem::SnapshotsWithoutEnd,
            ),
            (
                self.max_bytes_in_flight >= self.max_append_bytes,
                SettingsProblem::WindowSmallerThanMessage {
                    max_bytes_in_flight: self.max_bytes_in_flight,
                    max_append_bytes: self.max_append_bytes,
                },
            ),
            (
                self.max_uncommitted_bytes >= self.max_payload_bytes,
                SettingsProblem::PayloadNeverFits {
                    max_payload_bytes: self.max_payload_bytes,
                    max_uncommitted_bytes: self.max_uncommitted_bytes,
                },
            ),
            (
                chunk_bytes >= self.max_payload_bytes.saturating_add(ClientHeader::BYTES),
                SettingsProblem::PayloadExceedsChunk {
                    max_payload_bytes: self.max_payload_bytes,
                    chunk_bytes,
                },
            ),
        ]
    }
}

/// When to take a snapshot: as soon as either is reached. Choose so much that writing it down is
/// little beside it: several times what a snapshot weighs (paper 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotPolicy {
    /// Entries given to the state machine since the last snapshot. At least 1.
    pub after_entries: u64,
    /// Bytes of payload given to the state machine since the last snapshot. At least 1.
    pub after_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            election_timeout: Duration::from_millis(1_000),
            heartbeat_interval: Duration::from_millis(100),
            resend_after: Duration::from_millis(300),
            stalled_write_after: Duration::from_secs(5),
            hand_over_after: Some(Duration::from_secs(10)),
            quiescent_after: None,
            catch_up_timeout: Duration::from_secs(30),
            pre_vote: true,
            check_quorum: true,
            lease: None,
            max_writes_in_flight: 4,
            max_appends_in_flight: 64,
            max_bytes_in_flight: 64 << 20,
            max_append_bytes: 1 << 20,
            max_uncommitted_bytes: 64 << 20,
            max_pending_reads: 65_536,
            max_payload_bytes: 8 << 20,
            max_cached_bytes: 16 << 20,
            max_memory_bytes: 256 << 20,
            max_applying_bytes: 4 << 20,
            snapshots: None,
            snapshot_margin: 10_000,
            snapshot_margin_bytes: 256 << 20,
            chunk_limits: ChunkLimits::default(),
        }
    }
}

/// A setting that can't be used, or two that can't both hold, with their values and what would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsProblem {
    /// Heartbeats would come more often than once a millisecond.
    #[error("heartbeat_interval is {heartbeat_interval:?}; it must be at least 1 ms")]
    HeartbeatTooShort {
        /// The value given.
        heartbeat_interval: Duration,
    },
    /// One lost heartbeat or two would start an election.
    #[error(
        "election_timeout is {election_timeout:?}; with heartbeat_interval {heartbeat_interval:?} it must be at least three times that"
    )]
    ElectionTimeoutTooShort {
        /// The value given.
        election_timeout: Duration,
        /// The value it disagrees with.
        heartbeat_interval: Duration,
    },
    /// Entries would be sent again before an answer can be expected.
    #[error(
        "resend_after is {resend_after:?}; it must be at least heartbeat_interval, {heartbeat_interval:?}"
    )]
    ResendTooEarly {
        /// The value given.
        resend_after: Duration,
        /// The value it disagrees with.
        heartbeat_interval: Duration,
    },
    /// Ordinary syncs would count as a stalled disk.
    #[error(
        "stalled_write_after is {stalled_write_after:?}; it must be at least election_timeout, {election_timeout:?}"
    )]
    StalledWriteTooEarly {
        /// The value given.
        stalled_write_after: Duration,
        /// The value it disagrees with.
        election_timeout: Duration,
    },
    /// Leadership would go to and fro with every hiccup.
    #[error(
        "hand_over_after is {hand_over_after:?}; it must be at least twice election_timeout, {election_timeout:?}"
    )]
    HandsOverTooSoon {
        /// The value given.
        hand_over_after: Duration,
        /// The value it disagrees with.
        election_timeout: Duration,
    },
    /// A leader would fall silent in the pauses between two commands.
    #[error(
        "quiescent_after is {quiescent_after:?}; it must be at least election_timeout, {election_timeout:?}"
    )]
    QuietTooSoon {
        /// The value given.
        quiescent_after: Duration,
        /// The value it disagrees with.
        election_timeout: Duration,
    },
    /// A node that was cut off from a silent cluster would depose its leader when it returns.
    #[error("quiescent_after is {quiescent_after:?}, and pre_vote is off; turn it on, or set None")]
    QuietWithoutPreVote {
        /// The value given.
        quiescent_after: Duration,
    },
    /// A new member would be given up before a lost message could be sent again.
    #[error(
        "catch_up_timeout is {catch_up_timeout:?}; it must be at least election_timeout, {election_timeout:?}"
    )]
    CatchUpTooImpatient {
        /// The value given.
        catch_up_timeout: Duration,
        /// The value it disagrees with.
        election_timeout: Duration,
    },
    /// With only one of the two, a cluster can be left without a leader for ever.
    #[error("pre_vote is {pre_vote} and check_quorum is {check_quorum}; set both or neither")]
    PreVoteWithoutCheckQuorum {
        /// The value given.
        pre_vote: bool,
        /// The value it disagrees with.
        check_quorum: bool,
    },
    /// A leader that died would be replaced late, or a log could not keep the promise.
    #[error(
        "lease.duration is {duration:?}; it must be at most election_timeout, {election_timeout:?}, and at most an hour"
    )]
    LeaseTooLong {
        /// The value given.
        duration: Duration,
        /// The value it disagrees with.
        election_timeout: Duration,
    },
    /// One lost heartbeat would end it.
    #[error(
        "lease.duration counts for {counts_for:?} on another clock; that must be at least twice heartbeat_interval, {heartbeat_interval:?}"
    )]
    LeaseTooShort {
        /// The value given, less the margin for drift.
        counts_for: Duration,
        /// The value it disagrees with.
        heartbeat_interval: Duration,
    },
    /// No clocks run alike, and none of use so differently.
    #[error(
        "lease.max_drift_per_mille is {max_drift_per_mille}; it must be from 1 to 1,000, and no less than what these machines' clocks do"
    )]
    LeaseWithoutDriftBound {
        /// The value given.
        max_drift_per_mille: u16,
    },
    /// Leaders would lead on with a lease that nobody extends, beside others.
    #[error("lease is set; it needs check_quorum and pre_vote")]
    LeaseWithoutCheckQuorum,
    /// A limit of nothing at all.
    #[error("{name} is 0; it must be at least 1, or nothing could ever be {never}")]
    Zero {
        /// The setting.
        name: &'static str,
        /// What could never be done.
        never: &'static str,
    },
    /// One snapshot would follow the other, of nothing new.
    #[error("snapshots.after_entries and snapshots.after_bytes must each be at least 1")]
    SnapshotsWithoutEnd,
    /// The window would never admit a full message.
    #[error(
        "max_bytes_in_flight is {max_bytes_in_flight}; it must be at least max_append_bytes, {max_append_bytes}"
    )]
    WindowSmallerThanMessage {
        /// The value given.
        max_bytes_in_flight: usize,
        /// The value it disagrees with.
        max_append_bytes: usize,
    },
    /// More may be under way to one follower, or kept for it, than may be in memory at all.
    #[error("max_memory_bytes is {max_memory_bytes}; it must be at least {name}, {value}")]
    MemoryTooSmall {
        /// The value given.
        max_memory_bytes: usize,
        /// The setting that it disagrees with.
        name: &'static str,
        /// Its value.
        value: usize,
    },
    /// A command of the allowed size would be refused for ever.
    #[error(
        "max_payload_bytes is {max_payload_bytes}; it must be at most max_uncommitted_bytes, {max_uncommitted_bytes}"
    )]
    PayloadNeverFits {
        /// The value given.
        max_payload_bytes: usize,
        /// The value it disagrees with.
        max_uncommitted_bytes: usize,
    },
    /// A command of the allowed size would be refused by every other node.
    #[error(
        "max_payload_bytes is {max_payload_bytes}; with what a record carries it must fit chunk_limits.max_payload_bytes, {chunk_bytes}"
    )]
    PayloadExceedsChunk {
        /// The value given.
        max_payload_bytes: usize,
        /// The value it disagrees with.
        chunk_bytes: usize,
    },
}

/// What a log has room for, with much to spare.
const LONGEST_LEASE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests;
