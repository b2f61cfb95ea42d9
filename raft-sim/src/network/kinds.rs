//! The kinds of messages, by which plans and lots name them.

use raft_core::message::Body;
use raft_node::letter::Packet;

/// The place of a packet's kind in [`KINDS`].
pub(super) fn kind_of(packet: &Packet) -> usize {
    let name = packet.name();
    KINDS.iter().position(|kind| *kind == name).unwrap_or(0)
}

/// Whether a packet carries entries of the log.
pub(super) fn has_entries(packet: &Packet) -> bool {
    let Packet::Raft(message) = packet else {
        return false;
    };
    matches!(&message.body, Body::AppendEntries(append) if !append.chunks.is_empty())
}

/// The kinds of messages, as links number them; the first stands for any other.
pub const KINDS: [&str; 17] = [
    "other",
    "PreVote",
    "PreVoteReply",
    "RequestVote",
    "RequestVoteReply",
    "AppendEntries",
    "AppendEntriesReply",
    "Heartbeat",
    "HeartbeatReply",
    "Hello",
    "Genesis",
    "Forward",
    "ForwardReply",
    "Removed",
    "InstallSnapshot",
    "InstallSnapshotReply",
    "TimeoutNow",
];
