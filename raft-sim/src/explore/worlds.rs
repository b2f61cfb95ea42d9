//! How often what may happen.

use std::time::Duration;

use raft_core::settings::Settings;

use super::members::wishes;
use super::state::Bound;

/// The bounds of a world to explore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct World {
    /// How many nodes: 1 to 5.
    pub nodes: u8,
    /// How many of them, the last ones, are witnesses: fewer than half.
    pub witnesses: u8,
    /// How many of them, the last ones, do not found the cluster and may join it. Not together with
    /// witnesses.
    pub joiners: u8,
    /// How often a leader is asked for other members: one more voter, one less, or one in place of
    /// another.
    pub changes: u8,
    /// How often an election timeout passes, on all nodes together.
    pub elections: u8,
    /// How many commands clients propose, beside the no-op of each new leader.
    pub slots: u8,
    /// How often a client asks a leader from which index on it may read; of each leader, one at a time. Answers
    /// need heartbeats.
    pub reads: u8,
    /// How often a node takes a snapshot, and forgets the entries that it stands for. Not together with
    /// witnesses, joiners or damaged disks.
    pub snapshots: u8,
    /// How often a node crashes and begins again.
    pub crashes: u8,
    /// How often a message arrives and stays on its way, to arrive again.
    pub doubles: u8,
    /// How often a disk stops making things durable until it is synced. What is unsynced is lost in
    /// a crash.
    pub stalls: u8,
    /// How often a disk is damaged: a node crashes, and of what was durable all from some write on is lost,
    /// as it finds when it begins again. Not together with witnesses or joiners.
    pub damages: u8,
    /// How often a leader's heartbeats fall due and what is unanswered is sent again, beyond what
    /// each sends at once when it is elected.
    pub ticks: u8,
    /// Whether heartbeats and their answers arrive at all.
    pub heartbeats: bool,
    /// How many messages are on their way at most; what is sent beyond that, any of them are lost.
    pub in_flight: Option<u8>,
    /// Whether there are pre-votes and check-quorum.
    pub pre_vote: bool,
    /// Whether leaders send one entry at a time.
    pub single: bool,
}

impl World {
    /// Three nodes, two elections and a command beside the no-ops, with two messages under way; nothing
    /// fails but messages. The named worlds are said as what they have otherwise.
    const SMALL: Self = Self {
        nodes: 3,
        witnesses: 0,
        joiners: 0,
        changes: 0,
        elections: 2,
        slots: 1,
        reads: 0,
        snapshots: 0,
        crashes: 0,
        doubles: 0,
        stalls: 0,
        damages: 0,
        ticks: 0,
        heartbeats: false,
        in_flight: Some(2),
        pre_vote: false,
        single: false,
    };

    /// The world that contains Figure 8 of the paper.
    pub const fn figure_8() -> Self {
        Self {
            elections: 4,
            crashes: 1,
            doubles: 1,
            single: true,
            ..Self::SMALL
        }
    }

    /// The world of two entries and two terms, with few messages under way.
    pub const fn two_entries() -> Self {
        Self {
            slots: 2,
            crashes: 1,
            stalls: 1,
            ..Self::SMALL
        }
    }

    /// The world of two voters and a witness, which is told of an entry when both voters hold it, or
    /// when the other one has kept its leader waiting: that is what ticks are for.
    pub const fn witness() -> Self {
        Self {
            witnesses: 1,
            crashes: 1,
            stalls: 1,
            ticks: 2,
            in_flight: Some(1),
            ..Self::SMALL
        }
    }

    /// The world in which members change: of four nodes three found the cluster, and the fourth may come
    /// in, beside them or in place of one, or one of them may go.
    pub const fn reconfigure() -> Self {
        Self {
            nodes: 4,
            joiners: 1,
            changes: 1,
            slots: 0,
            crashes: 1,
            ..Self::SMALL
        }
    }

    /// The world in which a disk is damaged: what a node acknowledged is gone, and what it had removed may
    /// stand there again.
    pub const fn repair() -> Self {
        Self {
            damages: 1,
            ticks: 1,
            heartbeats: true,
            ..Self::SMALL
        }
    }

    /// The world in which clients read from leaders that may have been replaced.
    pub const fn reads() -> Self {
        Self {
            reads: 1,
            ticks: 1,
            heartbeats: true,
            ..Self::SMALL
        }
    }

    /// The world in which nodes take snapshots, and send them to those that lack what is forgotten.
    pub const fn snapshots() -> Self {
        Self {
            snapshots: 1,
            crashes: 1,
            ticks: 1,
            ..Self::SMALL
        }
    }

    /// The world of a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "figure-8" => Some(Self::figure_8()),
            "two-entries" => Some(Self::two_entries()),
            "witness" => Some(Self::witness()),
            "reconfigure" => Some(Self::reconfigure()),
            "repair" => Some(Self::repair()),
            "reads" => Some(Self::reads()),
            "snapshots" => Some(Self::snapshots()),
            _ => None,
        }
    }

    /// The names that [`World::named`] knows.
    pub const NAMES: [&str; 7] = [
        "figure-8",
        "two-entries",
        "witness",
        "reconfigure",
        "repair",
        "reads",
        "snapshots",
    ];

    /// Whether the bounds can be explored.
    ///
    /// # Errors
    ///
    /// Which bound is too small or too large.
    pub fn validate(&self) -> Result<(), WorldError> {
        let bounds = [
            ("nodes", self.nodes, 1, MAX_NODES as u8),
            (
                "witnesses",
                self.witnesses,
                0,
                self.nodes.saturating_sub(1) / 2,
            ),
            ("joiners", self.joiners, 0, self.most_joiners()),
            ("changes", self.changes, 0, MAX_BOUND),
            ("elections", self.elections, 0, MAX_BOUND),
            ("slots", self.slots, 0, MAX_BOUND),
            ("reads", self.reads, 0, MAX_BOUND),
            ("snapshots", self.snapshots, 0, self.most_snapshots()),
            ("crashes", self.crashes, 0, MAX_BOUND),
            ("doubles", self.doubles, 0, MAX_BOUND),
            ("stalls", self.stalls, 0, MAX_BOUND),
            ("damages", self.damages, 0, self.most_damages()),
            ("ticks", self.ticks, 0, MAX_BOUND),
            ("in-flight", self.in_flight.unwrap_or(1), 1, MAX_BOUND),
        ];
        match bounds
            .into_iter()
            .find(|(_, value, least, most)| value < least || value > most)
        {
            Some((bound, value, least, most)) => Err(WorldError {
                bound,
                value,
                least,
                most,
            }),
            None => Ok(()),
        }
    }

    const fn most_snapshots(&self) -> u8 {
        match self.damages {
            0 => self.most_damages(),
            _ => 0,
        }
    }

    const fn most_damages(&self) -> u8 {
        match (self.witnesses, self.joiners, self.changes) {
            (0, 0, 0) => MAX_BOUND,
            _ => 0,
        }
    }

    const fn most_joiners(&self) -> u8 {
        match self.witnesses {
            0 => self.nodes.saturating_sub(1),
            _ => 0,
        }
    }

    /// How many nodes found the cluster, the first ones.
    pub(super) fn founders(&self) -> usize {
        usize::from(self.nodes - self.joiners)
    }

    /// What members a leader may be asked for that has these.
    pub(super) fn wishes(&self, voters: u8) -> impl Iterator<Item = u8> {
        let wishes = (self.changes > 0).then(|| wishes(voters, usize::from(self.nodes)));
        wishes.into_iter().flatten()
    }

    /// Whether the node at a place is a witness.
    pub(super) const fn is_witness(&self, node: usize) -> bool {
        node + self.witnesses as usize >= self.nodes as usize
    }

    pub(super) const fn limit(&self, bound: Bound) -> u8 {
        match bound {
            Bound::Elections => self.elections,
            Bound::Slots => self.slots,
            Bound::Crashes => self.crashes,
            Bound::Doubles => self.doubles,
            Bound::Stalls => self.stalls,
            Bound::Ticks => self.ticks,
            Bound::Changes => self.changes,
            Bound::Damages => self.damages,
            Bound::Reads => self.reads,
            Bound::Snapshots => self.snapshots,
        }
    }

    /// The settings of the nodes. Heartbeats come as often as they may, so that ages of what was
    /// heard take few values; what is unanswered is sent again at each; no disk counts as stalled.
    pub(super) fn settings(&self) -> Settings {
        let heartbeat_interval = Duration::from_millis(100);
        let usual = Settings {
            election_timeout: 3 * heartbeat_interval,
            heartbeat_interval,
            resend_after: heartbeat_interval,
            stalled_write_after: Duration::from_secs(1 << 32),
            pre_vote: self.pre_vote,
            check_quorum: self.pre_vote,
            snapshot_margin: 0,
            ..Settings::default()
        };
        if self.single {
            Settings {
                max_append_bytes: 1,
                max_appends_in_flight: 1,
                ..usual
            }
        } else {
            usual
        }
    }
}

/// A bound that can't be explored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{bound} is {value}; it must be {least} to {most}")]
pub struct WorldError {
    /// Which.
    pub bound: &'static str,
    /// The value given.
    pub value: u8,
    /// The least it may be.
    pub least: u8,
    /// The most it may be.
    pub most: u8,
}

/// More nodes make more states than any memory holds.
pub(super) const MAX_NODES: usize = 5;
/// Each bound is counted in three bits.
const MAX_BOUND: u8 = 7;
