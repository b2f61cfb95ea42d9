//! What waits for a peer that takes nothing, while the disk is slow: bounded, and nothing is wrong with it.

use crate::support::*;
use raft_core::configuration::Configuration;
use raft_core::hull::Input;
use raft_core::log::memory::MemoryLog;
use raft_core::settings::{Settings, SnapshotPolicy};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::states::Role;
use raft_core::time::LogTime;

#[test]
fn a_peer_without_room_and_a_slow_disk_stop_nobody() {
    let mut setup = setup(1, 3);
    setup.settings = Settings {
        max_writes_in_flight: 1,
        snapshots: Some(SnapshotPolicy {
            after_entries: 1_000,
            after_bytes: u64::MAX,
        }),
        snapshot_margin: 0,
        ..settings()
    }
    .into();
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.ask();
    node.pre_vote(3, true);
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 1)); // RequestVote to 2
    node.receive(2, 1, request_vote(id(0, 0))); // RequestVoteReply
    node.receive(2, 0, pre_vote(1, id(0, 0))); // PreVoteReply, of one that was late
    node.receive(2, 1, heartbeat(1, 0)); // HeartbeatReply
    node.receive(2, 1, append_numbered(1, id(5, 1), Vec::new(), 0)); // Conflict
    // The first entry, applied and durable; a snapshot of it; and the request again.
    node.receive(2, 1, append_numbered(2, id(0, 0), chunks(1, &[1]), 1)); // acknowledgement
    node.step(Input::TakeSnapshot);
    assert_eq!(node.hull.forgotten(), id(1, 1));
    node.receive(2, 1, append_numbered(3, id(1, 1), Vec::new(), 1)); // acknowledgement
    // The leader is silent for a while.
    while node.hull.role() == Role::Follower {
        node.time_out(); // PreVote
    }
    node.receive(2, 1, heartbeat(2, 1));
    // From now on the disk is slow.
    node.auto_sync = false;
    node.receive(2, 1, append_numbered(4, id(1, 1), chunks(2, &[1]), 1)); // acknowledgement
    node.receive(2, 1, append_numbered(5, id(2, 1), chunks(3, &[1]), 1)); // acknowledgement
    let machine = ids_of(1, &[1; 9])
        .into_iter()
        .map(|id| (id, vec![7]))
        .collect();
    let content = Store::content(&machine);
    let snapshot = Snapshot {
        id: SnapshotId {
            last: id(9, 1),
            length: content.len() as u64,
            digest: Store::digest(&content),
        },
        configuration: Configuration::of_voters((1..=3).map(peer)),
        time: LogTime::ZERO,
    };
    node.receive(2, 1, install(6, &snapshot, 0, &[]));
    node.receive(2, 1, install(7, &snapshot, 0, &content)); // InstallSnapshotReply
    assert_eq!(node.hull.last(), id(9, 1));
    node.receive(2, 1, append_numbered(8, id(9, 1), chunks(10, &[1]), 9)); // acknowledgement
    assert_eq!(node.hull.fault(), None);
}
