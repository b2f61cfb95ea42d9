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
    /// not sent), counted for each who asks from when it asked, also for one command that several
    /// ask for. Choose several election timeouts.
    pub request_timeout: Duration,
    /// How long a forwarded command or read is waited for before it is sent again, under the same
    /// session and serial: twice as long with each attempt, eight times at most. What opens the
    /// node's own session, for which others wait, is sent again after this long each time. Choose
    /// more than a round trip, a sync and a batch take.
    pub forward_retry: Duration,
    /// How long a refused command or read rests before it is tried again: twice as long with each
    /// attempt, eight times at most. Any span will do; it ends with the sweep that comes after it
    /// ([`Self::sweep_interval`]). Choose what a leader that is overloaded needs to make room, a few
    /// batches' time: shorter, and those who try again are its load; longer, and they wait for nothing.
    pub refused_pause: Duration,
    /// How often what is in flight is looked through for what has timed out, or has rested. At least
    /// 1 ms. Choose well below [`Self::forward_retry`] and [`Self::request_timeout`], each of which
    /// may last so much longer; each look costs time for each request in flight, and none is
    /// taken while there are none.
    pub sweep_interval: Duration,
    /// How often a founder tells its news while others are missing. At least 1 ms. Choose a few round
    /// trips: what is lost of it is said again after so long, and only a cluster's first start waits.
    pub genesis_interval: Duration,
    /// Submissions and sessions being opened that may be under way at this node, and as many reads,
    /// those forwarded to it not counted. At least 1. More are refused with
    /// [`SubmitError::Overloaded`](crate::error::SubmitError::Overloaded). Choose what the cluster
    /// answers within the time that anyone is willing to wait: beyond that a queue only grows.
    pub max_requests: usize,
    /// Bytes of commands that may be under way at this node, those forwarded to it not counted, which
    /// [`Self::max_forwarded`] bounds by their number. At least
    /// [`Settings::max_payload_bytes`](raft_core::settings::Settings::max_payload_bytes). Choose what
    /// memory can be spared: what waits for an answer is kept, to be sent again, beside
    /// what the hull keeps of it.
    pub max_request_bytes: usize,
    /// Commands and reads forwarded to this node that may be under way; more are dropped, and
    /// their sender tries again. At least 1, and at most as many as one letter can answer
    /// ([`FrameLimits`](crate::frame::FrameLimits)). Choose what the other nodes may have under way
    /// together, as far as a leader can serve it.
    pub max_forwarded: usize,
    /// Bytes of commands in one letter to the leader. At least 1; a single larger command goes alone.
    /// Choose as [`Settings::max_append_bytes`](raft_core::settings::Settings::max_append_bytes).
    pub max_forward_bytes: usize,
    /// Letters taken in before the timers and the log are looked at again. At least 1. Choose some
    /// tens: that many are answered with one write and one message, and the time they take is
    /// time in which no heartbeat leaves.
    pub max_letters_per_turn: usize,
    /// Bytes of payload applied before the network, the timers and the log are looked at again, and of
    /// one part of a snapshot that is taken or restored. At least 1; a single larger command is still
    /// applied. Choose what the state machine applies in a few milliseconds, well below a
    /// heartbeat interval.
    pub max_apply_bytes_per_turn: usize,
    /// Hull events kept for [`Driver::take_events`](crate::driver::Driver::take_events); the
    /// oldest go first. Any number will do; zero keeps none. Choose as many as one turn makes where
    /// something takes them after each, a few hundred, and zero elsewhere.
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
