//! What a node is told when it starts: who it is, who founds the cluster, and its limits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft_core::ids::NodeId;
use raft_core::settings::{Settings, SnapshotPolicy};

use crate::codec::PayloadCodec;
use crate::session::SessionLimits;

mod problem;

pub use problem::{Listed, SettingsProblem};

/// Who a node is.
#[derive(Clone, Debug)]
pub struct NodeSetup {
    /// This node's name.
    pub id: NodeId,
    /// The founding members, this node among them, each with its address in the form the
    /// transport understands. The same on every founder; not looked at any more once the cluster
    /// is founded.
    pub members: BTreeMap<NodeId, String>,
    /// Whether the node was not there when the cluster was founded. Then `members` are those that
    /// it asks how the cluster began: some that are members when it is added, itself not needed
    /// among them. It waits until a leader has added it, in the life that
    /// [`Status::me`](crate::status::Status::me) names.
    pub joins: bool,
    /// Which founders are witnesses, the same on every founder; of a node that joins, whether it is
    /// one. A witness votes, keeps no payloads and answers nobody (docs/witness.md), for as long as
    /// its data folder lives. Fewer than the other founders.
    pub witnesses: BTreeSet<NodeId>,
    /// The limits.
    pub settings: NodeSettings,
    /// The codec of commands and replies; the same on every founder, for ever.
    pub payload_codec: PayloadCodec,
    /// Where this node's randomness starts. Must differ between nodes and between starts.
    pub seed: u64,
    /// Fresh randomness: a new data folder's incarnation and, on the founder with the lowest id,
    /// the cluster's id are drawn from it.
    pub entropy: u128,
}

/// A node's limits: those of its hull, and its own. [`NodeSettings::validate`] checks them
/// together, and [`FrameLimits::validate`](crate::frame::FrameLimits::validate) what must fit into
/// a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeSettings {
    /// The hull's. By default, unlike a bare hull, a node takes snapshots.
    pub raft: Settings,
    /// Bounds of client sessions. Used only by the founder that writes the genesis record; from
    /// then on the record's hold on every node, because all must agree on them.
    pub sessions: SessionLimits,
    /// How long a submission or a read is tried before its outcome is given as unknown (or as
    /// not sent). Choose several election timeouts.
    pub request_timeout: Duration,
    /// How long a forwarded command or read is waited for before it is sent again, under the same
    /// session and serial: twice as long with each attempt, eight times at most. What opens the
    /// node's own session, for which others wait, is sent again after this long each time. Choose
    /// more than a round trip, a sync and a batch take.
    pub forward_retry: Duration,
    /// How long a refused command or read rests before it is tried again.
    pub refused_pause: Duration,
    /// How often what is in flight is looked through for what has timed out. At least 1 ms.
    pub sweep_interval: Duration,
    /// How often a founder tells its news while others are missing.
    pub genesis_interval: Duration,
    /// Submissions, open sessions and reads that may be under way at this node, those forwarded
    /// to it not counted. More are refused with
    /// [`SubmitError::Overloaded`](crate::error::SubmitError::Overloaded).
    pub max_requests: usize,
    /// Bytes of commands that may be under way at this node.
    pub max_request_bytes: usize,
    /// Commands and reads forwarded to this node that may be under way; more are dropped, and
    /// their sender tries again.
    pub max_forwarded: usize,
    /// Bytes of commands in one letter to the leader.
    pub max_forward_bytes: usize,
    /// Letters taken in before the timers and the log are looked at again.
    pub max_letters_per_turn: usize,
    /// Bytes of payload applied before the network, the timers and the log are looked at again.
    pub max_apply_bytes_per_turn: usize,
    /// Hull events kept for [`Driver::take_events`](crate::driver::Driver::take_events); the
    /// oldest go first. Zero keeps none.
    pub kept_events: usize,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            raft: Settings {
                snapshots: Some(SnapshotPolicy {
                    after_entries: 100_000,
                    after_bytes: 64 << 20,
                }),
                ..Settings::default()
            },
            sessions: SessionLimits::default(),
            request_timeout: Duration::from_secs(10),
            forward_retry: Duration::from_millis(500),
            refused_pause: Duration::from_millis(20),
            sweep_interval: Duration::from_millis(20),
            genesis_interval: Duration::from_millis(200),
            max_requests: 65_536,
            max_request_bytes: 64 << 20,
            max_forwarded: 65_536,
            max_forward_bytes: 1 << 20,
            max_letters_per_turn: 64,
            max_apply_bytes_per_turn: 1 << 20,
            kept_events: 0,
        }
    }
}
