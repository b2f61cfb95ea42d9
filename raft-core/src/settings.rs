//! The tunables, with their units, bounds and relations to each other.

use alloc::vec::Vec;
use core::time::Duration;

use crate::chunk::ChunkLimits;
use crate::record::ClientHeader;

/// What can be tuned. All limits are checked together by [`Settings::validate`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long a follower waits for its leader before it campaigns, at least; each wait is drawn
    /// anew between this and twice this (paper 5.2). At least three [`Self::heartbeat_interval`]s.
    /// Choose ten times the slower of a round trip and a sync.
    pub election_timeout: Duration,
    /// How often a leader speaks to followers that hear nothing else from it. At least 1 ms.
    pub heartbeat_interval: Duration,
    /// How long a leader waits for an answer to entries before it sends them again. At least one
    /// [`Self::heartbeat_interval`]; choose more than a round trip and a sync take.
    pub resend_after: Duration,
    /// How long a write may be outstanding before the disk counts as stalled and a leader steps
    /// down. At least one [`Self::election_timeout`].
    pub stalled_write_after: Duration,
    /// How long a follower of a higher priority must have kept up without a break before the leader
    /// hands over to it (thesis 3.10); after an attempt that failed twice that, and so on. At least
    /// two [`Self::election_timeout`]s. Choose more than a node needs to show whether it is well:
    /// while it is handed over to, no proposals are taken. `None`: only when asked to.
    pub hand_over_after: Option<Duration>,
    /// Ask before campaigning, so that a node that was cut off disturbs nobody when it returns
    /// (thesis 9.6).
    pub pre_vote: bool,
    /// A leader that has not heard from a quorum for an election timeout steps down, and nodes
    /// that hear a leader refuse votes (thesis 4.2.3, 6.2). Turn off only with [`Self::pre_vote`]
    /// off: a vote refused for the sake of a leader that can't commit would be refused for ever.
    pub check_quorum: bool,
    /// Writes that may be outstanding at the log. At least 1. More hides the latency of a sync.
    pub max_writes_in_flight: usize,
    /// AppendEntries that may be unanswered by one follower. At least 1. After a refusal only half
    /// of what was under way may be, and one more with each that is answered: over a network that
    /// reorders, all that overtakes is sent for nothing.
    pub max_appends_in_flight: usize,
    /// Bytes of memory that unanswered entries to one follower may keep alive. At least
    /// [`Self::max_append_bytes`].
    pub max_bytes_in_flight: usize,
    /// Bytes of payload in one AppendEntries; a single larger entry still goes alone.
    pub max_append_bytes: usize,
    /// Bytes of payload proposed and not yet committed, beyond which proposals are refused. At
    /// least [`Self::max_payload_bytes`].
    pub max_uncommitted_bytes: usize,
    /// Reads that may wait for this leader to be confirmed, beyond which they are refused. At least
    /// one. Choose as many as may come within a heartbeat interval, which is what one lost heartbeat
    /// costs.
    pub max_pending_reads: usize,
    /// Bytes of one command. Larger ones are refused.
    pub max_payload_bytes: usize,
    /// Bytes of recent entries kept in memory for followers that lag a little; what is needed
    /// for durability, for apply or for a reply stays beyond it.
    pub max_cached_bytes: usize,
    /// Bytes of payload handed to the state machine and not yet applied.
    pub max_applying_bytes: usize,
    /// What an arriving chunk may hold.
    pub chunk_limits: ChunkLimits,
}

impl Settings {
    /// All that is wrong with these settings; empty when they can be used.
    pub fn validate(&self) -> Vec<SettingsProblem> {
        let checks = self
            .checks_of_times()
            .into_iter()
            .chain(self.checks_of_limits());
        checks
            .filter(|(holds, _)| !holds)
            .map(|(_, problem)| problem)
            .collect()
    }

    /// What must hold between the spans of time, each with what is wrong if it does not.
    fn checks_of_times(&self) -> [(bool, SettingsProblem); 5] {
        let hand_over_after = self.hand_over_after.unwrap_or(Duration::MAX);
        [
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
        ]
    }

    /// What must hold between the limits.
    fn checks_of_limits(&self) -> [(bool, SettingsProblem); 6] {
        let chunk_bytes = self.chunk_limits.max_payload_bytes as usize;
        [
            (
                self.check_quorum == self.pre_vote,
                SettingsProblem::PreVoteWithoutCheckQuorum {
                    pre_vote: self.pre_vote,
                    check_quorum: self.check_quorum,
                },
            ),
            (
                self.max_writes_in_flight > 0 && self.max_appends_in_flight > 0,
                SettingsProblem::NothingInFlight,
            ),
            (self.max_pending_reads > 0, SettingsProblem::NoReads),
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            election_timeout: Duration::from_millis(1_000),
            heartbeat_interval: Duration::from_millis(100),
            resend_after: Duration::from_millis(300),
            stalled_write_after: Duration::from_secs(5),
            hand_over_after: Some(Duration::from_secs(10)),
            pre_vote: true,
            check_quorum: true,
            max_writes_in_flight: 4,
            max_appends_in_flight: 64,
            max_bytes_in_flight: 64 << 20,
            max_append_bytes: 1 << 20,
            max_uncommitted_bytes: 64 << 20,
            max_pending_reads: 65_536,
            max_payload_bytes: 8 << 20,
            max_cached_bytes: 16 << 20,
            max_applying_bytes: 4 << 20,
            chunk_limits: ChunkLimits::default(),
        }
    }
}

/// Two settings that can't both hold, with their values.
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
    /// With only one of the two, a cluster can be left without a leader for ever.
    #[error("pre_vote is {pre_vote} and check_quorum is {check_quorum}; set both or neither")]
    PreVoteWithoutCheckQuorum {
        /// The value given.
        pre_vote: bool,
        /// The value it disagrees with.
        check_quorum: bool,
    },
    /// Nothing could ever be written or sent.
    #[error("max_writes_in_flight and max_appends_in_flight must each be at least 1")]
    NothingInFlight,
    /// No read could ever be confirmed.
    #[error("max_pending_reads is 0; it must be at least 1")]
    NoReads,
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
