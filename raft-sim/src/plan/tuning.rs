//! The settings that a world's nodes run with, drawn so that limits are met often.

use std::time::Duration;

use raft_core::settings::{Settings, SnapshotPolicy};
use raft_node::session::SessionLimits;
use raft_node::settings::NodeSettings;
use serde::{Deserialize, Serialize};

use crate::lot::{Key, Lot};
use crate::plan::{LeasePlan, Limits, Swarm, span};

/// What a plan tunes of [`Settings`], and of the log; the rest stays as it is by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// [`Settings::election_timeout`].
    #[serde(with = "span")]
    pub election_timeout: Duration,
    /// [`Settings::heartbeat_interval`].
    #[serde(with = "span")]
    pub heartbeat_interval: Duration,
    /// [`Settings::resend_after`].
    #[serde(with = "span")]
    pub resend_after: Duration,
    /// [`Settings::stalled_write_after`].
    #[serde(with = "span")]
    pub stalled_write_after: Duration,
    /// [`Settings::quiescent_after`].
    #[serde(default, with = "span::optional")]
    pub quiescent_after: Option<Duration>,
    /// [`Settings::hand_over_after`].
    #[serde(default, with = "span::optional")]
    pub hand_over_after: Option<Duration>,
    /// [`Settings::pre_vote`] and [`Settings::check_quorum`]: both or neither.
    pub pre_vote: bool,
    /// [`Settings::max_writes_in_flight`].
    pub max_writes_in_flight: usize,
    /// [`Settings::max_appends_in_flight`].
    pub max_appends_in_flight: usize,
    /// [`Settings::max_append_bytes`].
    pub max_append_bytes: usize,
    /// [`Settings::max_bytes_in_flight`].
    pub max_bytes_in_flight: usize,
    /// [`Settings::max_cached_bytes`].
    pub max_cached_bytes: usize,
    /// [`Settings::max_memory_bytes`].
    #[serde(default = "usual_memory")]
    pub max_memory_bytes: usize,
    /// [`Settings::max_applying_bytes`].
    pub max_applying_bytes: usize,
    /// How long a node tries a request before its outcome is unknown.
    #[serde(with = "span")]
    pub request_timeout: Duration,
    /// Client sessions that the cluster keeps open; one more ends another.
    pub max_sessions: u32,
    /// Answers that it keeps for one session.
    pub max_answers: u32,
    /// [`Settings::lease`].
    #[serde(default)]
    pub lease: Option<LeasePlan>,
    /// [`SessionLimits::idle_time`].
    #[serde(default, with = "span::optional")]
    pub idle_time: Option<Duration>,
    /// Bytes of one file of the write-ahead log.
    pub segment_bytes: u64,
    /// Snapshots that nodes take by themselves.
    #[serde(default)]
    pub snapshots: Option<Snapshots>,
    /// Limits that are rarely met unless they are small.
    #[serde(default)]
    pub limits: Limits,
    /// Whether each process draws settings of its own, with every start, where nodes need not agree: as if they
    /// were set anew node by node.
    #[serde(default)]
    pub differ: bool,
}

/// When nodes take snapshots by themselves, and what they keep of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshots {
    /// [`SnapshotPolicy::after_entries`].
    pub after_entries: u64,
    /// [`SnapshotPolicy::after_bytes`].
    pub after_bytes: u64,
    /// [`Settings::snapshot_margin`].
    pub margin: u64,
    /// [`Settings::snapshot_margin_bytes`]; `None`: as many as there are.
    #[serde(default)]
    pub margin_bytes: Option<u64>,
}

impl Snapshots {
    fn draw(lot: &mut Lot) -> Self {
        let after_entries = lot.pick(2, &[5, 20, 100]);
        let after_bytes = lot.pick(1 << 20, &[50, 1_000, 1 << 20]);
        let margin = lot.pick(0, &[0, 1, 10, 50]);
        Self {
            after_entries,
            after_bytes,
            margin,
            // In some worlds the wider margins are too heavy.
            margin_bytes: (margin >= 10 && after_entries <= 20).then_some(margin * 6),
        }
    }
}

impl Tuning {
    /// Draws the settings of a world.
    pub(super) fn of_world(seed: u64, swarm: &Swarm, lot: &mut Lot) -> Self {
        let mut tuning = Self::draw(lot);
        tuning.tighten_memory(&mut Key::Memory.lot(seed, &[]));
        tuning.limits = Limits::draw(seed, swarm.custom);
        tuning.draw_snapshots(&mut Key::Snapshots.lot(seed, &[]));
        tuning.draw_idle_time(&mut Key::IdleSessions.lot(seed, &[]));
        tuning.differ = swarm.faults && Key::Differ.lot(seed, &[]).chance(120);
        tuning
    }

    /// Draws what is not rare.
    fn draw(lot: &mut Lot) -> Self {
        let election_timeout =
            lot.span_of_any_scale(Duration::from_millis(200), Duration::from_millis(3_000));
        let heartbeat_interval = election_timeout / lot.pick(3, &[3, 4, 5, 8]);
        let max_append_bytes = lot.pick(1 << 20, &[1, 128, 4 << 10, 1 << 20]);
        // Small messages one at a time would be slower than clients ask.
        let max_appends_in_flight = match max_append_bytes {
            ..256 => lot.pick(64, &[8, 16]),
            _ => lot.pick(64, &[1, 2, 8]),
        };
        let few_sessions = lot.chance(200);
        let (max_sessions, max_answers) = match few_sessions {
            true => (lot.between(8, 20) as u32, lot.between(2, 16) as u32),
            false => (4_096, 65_536),
        };
        Self {
            election_timeout,
            heartbeat_interval,
            resend_after: heartbeat_interval * lot.between(1, 4) as u32,
            stalled_write_after: election_timeout * lot.between(1, 6) as u32,
            quiescent_after: None,
            hand_over_after: None,
            pre_vote: lot.chance(700),
            max_writes_in_flight: lot.between(1, 4) as usize,
            max_appends_in_flight,
            max_append_bytes,
            max_bytes_in_flight: max_append_bytes.max(256) * lot.pick(16, &[4, 64]),
            max_cached_bytes: lot.pick(16 << 20, &[0, 256, 4 << 10]),
            max_memory_bytes: usual_memory(),
            max_applying_bytes: lot.pick(4 << 20, &[1, 512, 4 << 20]),
            request_timeout: election_timeout * lot.between(2, 12) as u32,
            max_sessions,
            max_answers,
            idle_time: None,
            segment_bytes: lot.pick(64 << 10, &[32 << 10, 128 << 10]),
            lease: None,
            snapshots: None,
            limits: Limits::default(),
            differ: false,
        }
    }

    /// These settings as one start of a node (by its key) has them. What others count on stays as it is: how
    /// long they wait for each other, and the limits of sessions, of payloads and of chunks.
    pub(crate) fn of_start(&self, seed: u64, key: u64, start: u64) -> Self {
        if !self.differ {
            return *self;
        }
        let lot = &mut Key::Differ.lot(seed, &[key, start]);
        let own = Self::draw(lot);
        let snapshots = lot.chance(700).then(|| Snapshots::draw(lot));
        let mut tuning = Self {
            resend_after: self.heartbeat_interval * lot.between(1, 4) as u32,
            max_writes_in_flight: own.max_writes_in_flight,
            max_cached_bytes: own.max_cached_bytes.min(self.max_memory_bytes),
            max_applying_bytes: own.max_applying_bytes,
            segment_bytes: own.segment_bytes,
            ..*self
        };
        // Where there is no memory to spare, all of it is shared out.
        if self.max_memory_bytes == usual_memory() {
            tuning.max_appends_in_flight = own.max_appends_in_flight;
            tuning.max_append_bytes = own.max_append_bytes;
            tuning.max_bytes_in_flight = own.max_bytes_in_flight;
            tuning.send_parts();
        }
        // Who takes none may be sent one, and send it on.
        tuning.snapshots = self.snapshots.and(snapshots);
        tuning
    }

    /// Has nodes take snapshots in some worlds.
    fn draw_snapshots(&mut self, lot: &mut Lot) {
        if !lot.chance(SNAPSHOTS) {
            return;
        }
        self.snapshots = Some(Snapshots::draw(lot));
        self.limits.store_block_bytes = lot.pick(256, &[256, 512, 16 << 10]);
        self.limits.store_sync_bytes = lot.pick(512, &[1, 512, 8 << 20]);
        self.send_parts();
    }

    /// Where there are snapshots, a letter a byte would take longer than the world lasts.
    fn send_parts(&mut self) {
        if self.snapshots.is_some() {
            self.max_append_bytes = self.max_append_bytes.max(LEAST_PART);
            self.max_bytes_in_flight = self.max_bytes_in_flight.max(LEAST_PART);
        }
    }

    /// Has sessions end soon in some worlds.
    fn draw_idle_time(&mut self, lot: &mut Lot) {
        if lot.chance(250) {
            let longer =
                lot.span_of_any_scale(Duration::from_millis(2), Duration::from_millis(5_000));
            self.idle_time = Some(self.request_timeout + longer);
        }
    }

    /// The settings as a hull takes them.
    pub fn settings(&self) -> Settings {
        self.limits.limit(Settings {
            election_timeout: self.election_timeout,
            heartbeat_interval: self.heartbeat_interval,
            resend_after: self.resend_after,
            stalled_write_after: self.stalled_write_after,
            quiescent_after: self.quiescent_after,
            hand_over_after: self.hand_over_after,
            pre_vote: self.pre_vote,
            check_quorum: self.pre_vote,
            lease: self.lease.map(LeasePlan::settings),
            max_writes_in_flight: self.max_writes_in_flight,
            max_appends_in_flight: self.max_appends_in_flight,
            max_bytes_in_flight: self.max_bytes_in_flight,
            max_append_bytes: self.max_append_bytes,
            max_cached_bytes: self.max_cached_bytes,
            max_memory_bytes: self.max_memory_bytes,
            max_applying_bytes: self.max_applying_bytes,
            snapshots: self.snapshots.map(|snapshots| SnapshotPolicy {
                after_entries: snapshots.after_entries,
                after_bytes: snapshots.after_bytes,
            }),
            snapshot_margin: self.snapshots.map_or(0, |snapshots| snapshots.margin),
            snapshot_margin_bytes: self
                .snapshots
                .map_or(0, |snapshots| snapshots.margin_bytes.unwrap_or(u64::MAX)),
            ..Settings::default()
        })
    }

    /// The settings as a node takes them.
    pub(crate) fn node_settings(&self) -> NodeSettings {
        let election = self.election_timeout;
        self.limits.limit_node(NodeSettings {
            raft: self.settings(),
            sessions: SessionLimits {
                max_sessions: self.max_sessions,
                max_answers: self.max_answers,
                idle_time: self.idle_time,
                ..SessionLimits::default()
            },
            request_timeout: self.request_timeout,
            forward_retry: election * 2,
            refused_pause: election / 20,
            sweep_interval: election / 8,
            genesis_interval: election / 4,
            ..NodeSettings::default()
        })
    }

    /// Leaves no more memory than the other limits need, in some worlds.
    fn tighten_memory(&mut self, lot: &mut Lot) {
        if lot.chance(150) {
            let least = self.max_bytes_in_flight.max(1_000);
            self.max_cached_bytes = self.max_cached_bytes.min(least);
            self.max_memory_bytes = least;
        }
    }
}

fn usual_memory() -> usize {
    Settings::default().max_memory_bytes
}

/// In how many of a thousand worlds nodes take snapshots.
const SNAPSHOTS: u32 = 400;

/// The least bytes of a message where there are snapshots.
pub(super) const LEAST_PART: usize = 512;
