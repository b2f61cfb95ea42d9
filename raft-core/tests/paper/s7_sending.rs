//! Section 7 and Figure 13, the leader: sending a snapshot to who lacks what was forgotten.

use std::sync::Arc;
use std::time::Duration;

use raft_core::error::Dropped;
use raft_core::explain::Sending;
use raft_core::hull::Input;
use raft_core::ids::{EntryId, NodeId};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Body, InstallSnapshot, Message};
use raft_core::settings::Settings;

use crate::s7_taking::snapshotting;
use crate::support::{
    self, Node, conflict, heartbeat_reply, id, ids, ids_of, index, installed, stored,
};

/// Settings under which a snapshot after four entries is sent 40 bytes at a time, one part after the
/// other.
fn in_parts() -> Settings {
    Settings {
        max_append_bytes: 40,
        max_bytes_in_flight: 40,
        ..snapshotting(4, 0)
    }
}

fn lagging() -> Node {
    lagging_with(in_parts())
}

/// A leader of term 1 with five entries, of which it has forgotten four. Node 3 has said that it
/// holds only the first.
pub(crate) fn lagging_with(settings: Settings) -> Node {
    let mut node = Node::leading_with(settings);
    for last in 2..=5 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
    }
    assert_eq!(node.hull.forgotten(), id(4, 1));
    let lost = || Input::ConnectionLost(NodeId::new(3));
    node.step(lost());
    for probe in node.appends_to(3) {
        let refused = probe.previous.index.get();
        node.receive(3, 1, conflict(probe.request, refused, id(1, 1)));
    }
    // What it was sent meanwhile was lost.
    node.step(lost());
    node
}

/// What node 3 is sent of snapshots now.
pub(crate) fn parts(node: &mut Node) -> Vec<InstallSnapshot> {
    let mut parts = Vec::new();
    // What is to be sent may have to be read first.
    let mut rounds_without = 0;
    while rounds_without < 3 {
        let sent = node.sent_to(3).into_iter();
        let before = parts.len();
        parts.extend(sent.filter_map(|body| match body {
            Body::InstallSnapshot(part) => Some(*part),
            _ => None,
        }));
        rounds_without = if parts.len() > before {
            0
        } else {
            rounds_without + 1
        };
    }
    parts
}

/// The one part that node 3 is sent now.
pub(crate) fn part(node: &mut Node) -> InstallSnapshot {
    let mut parts = parts(node);
    assert_eq!(parts.len(), 1, "{parts:?}");
    parts.remove(0)
}

pub(crate) fn length(node: &Node) -> u64 {
    node.hull.stored_snapshot().unwrap().id.length
}

/// [S7.20]
#[test]
fn who_lacks_what_is_forgotten_is_sent_a_snapshot() {
    let mut node = lagging();
    let first = part(&mut node);
    assert_eq!(first.snapshot.id.last, id(4, 1));
    assert_eq!(
        (first.offset, first.part.len()),
        (0, 0),
        "what does it have?"
    );
    assert_eq!(node.appends_to(3), []);
}

/// [F13.IS.10]
#[test]
fn parts_follow_each_other_in_order() {
    let mut node = lagging();
    let mut received = Vec::new();
    let mut request = part(&mut node).request;
    while (received.len() as u64) < length(&node) {
        node.receive(3, 1, stored(request, received.len() as u64));
        let next = part(&mut node);
        assert_eq!(next.offset, received.len() as u64);
        assert!(parts(&mut node).is_empty(), "one at a time");
        received.extend_from_slice(&next.part);
        request = next.request;
    }
    assert_eq!(received, node.store.newest().unwrap().1);
}

/// [F13.IS.13]
#[test]
fn each_part_names_the_last_entry_that_the_snapshot_stands_for() {
    let mut node = lagging();
    let first = part(&mut node);
    node.receive(3, 1, stored(first.request, 0));
    let second = part(&mut node);
    assert_eq!(second.snapshot, first.snapshot);
    assert_eq!(second.snapshot.id.last, id(4, 1));
}

/// [F13.IS.20a]
#[test]
fn parts_are_as_long_as_the_settings_and_the_room_allow() {
    let mut node = lagging();
    let first = part(&mut node);
    node.receive(3, 1, stored(first.request, 0));
    let second = part(&mut node);
    assert_eq!(second.part.len(), 40);
    node.receive(3, 1, stored(second.request, 40));
    let to = NodeId::new(3);
    let lane = raft_core::message::Lane::Snapshot;
    assert_eq!(node.hull.next_send(to, lane, 7), None, "it is read first");
    node.settle();
    let Some(Message {
        body: Body::InstallSnapshot(third),
        ..
    }) = node.hull.next_send(to, lane, 7)
    else {
        unreachable!("a part is sent");
    };
    assert_eq!((third.offset, third.part.len()), (40, 7));
    // The rest of what was read goes next.
    node.receive(3, 1, stored(third.request, 47));
    let fourth = part(&mut node);
    assert_eq!((fourth.offset, fourth.part.len()), (47, 33));
    assert!(node.hull.bytes_in_flight(to).unwrap() <= 40);
}

#[test]
fn what_the_follower_has_already_is_not_sent_again() {
    let mut node = lagging();
    let first = part(&mut node);
    node.receive(3, 1, stored(first.request, 50));
    assert_eq!(part(&mut node).offset, 50);
}

/// [F13.IS.10]
#[test]
fn what_was_read_for_another_place_is_not_sent_there() {
    let mut node = lagging();
    let first = part(&mut node);
    node.auto_store = false;
    node.receive(3, 1, stored(first.request, 50));
    node.sent();
    // While what comes after that is read, the follower is restarted, and holds less.
    node.step(Input::ConnectionLost(NodeId::new(3)));
    let asked = part(&mut node);
    node.receive(3, 1, stored(asked.request, 10));
    node.auto_store = true;
    node.settle();
    let next = part(&mut node);
    let content = node.store.newest().unwrap().1.clone();
    assert_eq!(next.offset, 10);
    assert_eq!(next.part, content[10..50]);
}

#[test]
fn entries_follow_once_it_is_in_place_and_not_before() {
    let mut node = lagging();
    let first = part(&mut node);
    let all = length(&node);
    node.receive(3, 1, stored(first.request, all));
    assert_eq!(parts(&mut node), []);
    assert_eq!(node.appends_to(3), []);
    assert_eq!(node.hull.match_index(NodeId::new(3)), Some(index(1)));
    node.receive(3, 1, installed(first.request, 4));
    assert_eq!(node.hull.match_index(NodeId::new(3)), Some(index(4)));
    let appends = node.appends_to(3);
    assert_eq!(appends.len(), 1);
    assert_eq!(appends[0].previous, id(4, 1));
    assert_eq!(ids(&appends[0].chunks), ids_of(5, &[1]));
}

#[test]
fn a_part_without_answer_is_followed_by_the_question_what_is_there() {
    let mut node = lagging();
    let first = part(&mut node);
    node.receive(3, 1, stored(first.request, 0));
    let lost = part(&mut node);
    // Also when all was said to be there, and its being put in place is not answered.
    for stored_so_far in [40, length(&node)] {
        let mut asked = Vec::new();
        for _ in 0..4 {
            node.wait(Duration::from_millis(100));
            let term = node.term();
            for from in [2, 3] {
                node.receive(from, term, heartbeat_reply(0));
            }
            asked.extend(parts(&mut node));
        }
        assert_eq!(asked.len(), 1, "{stored_so_far}");
        assert_eq!((asked[0].offset, asked[0].part.len()), (0, 0));
        node.receive(3, 1, stored(lost.request, 7));
        assert_eq!(parts(&mut node), [], "a late answer");
        node.receive(3, 1, stored(asked[0].request, stored_so_far));
        if stored_so_far == 40 {
            assert_eq!(part(&mut node).offset, 40);
        }
    }
}

#[test]
fn more_than_there_is_can_not_be_stored() {
    let mut node = lagging();
    let first = part(&mut node);
    let too_much = length(&node) + 1;
    node.drops();
    node.receive(3, 1, stored(first.request, too_much));
    assert_eq!(node.drops(), [Dropped::Impossible]);
    node.receive(3, 1, installed(first.request, 6));
    assert_eq!(node.drops(), [Dropped::Impossible]);
}

#[test]
fn a_store_that_can_not_read_is_asked_again_later() {
    let mut node = lagging();
    let first = part(&mut node);
    node.store.is_broken = true;
    node.receive(3, 1, stored(first.request, 0));
    assert_eq!(parts(&mut node), []);
    node.store.is_broken = false;
    assert_eq!(parts(&mut node), [], "not at once");
    node.wait(Duration::from_millis(400));
    let again = part(&mut node);
    node.receive(3, 1, stored(again.request, 0));
    assert_eq!(part(&mut node).part.len(), 40);
}

/// It may have rotted: then nobody who needs it would ever be sent it.
#[test]
fn a_snapshot_that_can_not_be_read_is_taken_again() {
    let mut node = lagging();
    let first = part(&mut node);
    node.store.is_rotten = true;
    node.receive(3, 1, stored(first.request, 0));
    assert_eq!(parts(&mut node), []);
    assert!(!node.store.is_rotten, "it was written again");
    assert_eq!(node.hull.stored_snapshot().unwrap().id.last, id(5, 1));
    node.wait(Duration::from_millis(100));
    let again = part(&mut node);
    assert_eq!(again.part.len(), 0, "what is there?");
    assert_eq!(again.snapshot.id.last, id(5, 1));
    node.receive(3, 1, stored(again.request, 0));
    assert_eq!(part(&mut node).part.len(), 40);
    // Once more, though there is nothing new.
    node.store.is_rotten = true;
    node.receive(3, 1, stored(again.request + 1, 40));
    assert_eq!(parts(&mut node), []);
    assert!(!node.store.is_rotten, "it was written again");
    assert_eq!(node.hull.stored_snapshot().unwrap().id.last, id(5, 1));
    assert_eq!(node.store.stored.len(), 1);
}

/// Four more entries are committed, and node 3 says no more than that it is there.
fn go_on_to_nine(node: &mut Node) {
    for last in 6..=9 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
        node.receive(3, 1, heartbeat_reply(0));
    }
}

/// Entries after the snapshot that is being sent, and the snapshot itself, stay while it is.
#[test]
fn what_a_transfer_under_way_needs_is_kept() {
    let mut node = lagging();
    let first = part(&mut node);
    go_on_to_nine(&mut node);
    assert_eq!(node.hull.stored_snapshot().unwrap().id.last, id(8, 1));
    assert_eq!(node.hull.forgotten(), id(4, 1));
    assert_eq!(node.store.stored.len(), 2);
    node.receive(3, 1, stored(first.request, 40));
    let next = part(&mut node);
    assert_eq!(next.snapshot.id.last, id(4, 1));
    node.receive(3, 1, installed(next.request, 4));
    assert_eq!(node.store.stored.len(), 1);
    assert_eq!(node.hull.forgotten(), id(4, 1), "what comes after is");
    node.propose(b"x");
    assert_eq!(node.appends_to(3)[0].previous, id(4, 1));
    node.acknowledge(3, 6);
    assert_eq!(node.hull.forgotten(), id(6, 1));
    node.acknowledge(3, 9);
    assert_eq!(node.hull.forgotten(), id(8, 1), "it has what there was");
}

/// Of two that are sent snapshots the older one tells what is kept.
#[test]
fn what_two_transfers_under_way_need_is_kept() {
    let mut setup = support::setup(1, 5);
    setup.settings = Arc::new(in_parts());
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.elect();
    let commit_through = |node: &mut Node, last: u64| {
        while node.commit() < last {
            node.sent();
            let all = node.hull.last().index.get();
            node.acknowledge(4, all);
            node.acknowledge(5, all);
            node.propose(b"x");
        }
    };
    let offered = |node: &mut Node, to: u64| {
        node.step(Input::ConnectionLost(NodeId::new(to)));
        // What it lacks is looked for first, and found to be forgotten.
        let sent = [node.sent_to(to), node.sent_to(to)].concat().into_iter();
        let mut offers = sent.filter_map(|body| match body {
            Body::InstallSnapshot(part) => Some(part.snapshot.id.last),
            _ => None,
        });
        offers.next().unwrap()
    };
    commit_through(&mut node, 5);
    assert_eq!(offered(&mut node, 2), id(4, 1));
    commit_through(&mut node, 9);
    assert_eq!(offered(&mut node, 3), id(8, 1));
    commit_through(&mut node, 11);
    assert_eq!(node.hull.forgotten(), id(4, 1));
}

/// As with parts of the snapshot itself: who says nothing, or gets no further, has it kept for a while.
#[test]
fn what_follows_a_snapshot_is_not_kept_for_ever() {
    for talks in [false, true] {
        let mut node = lagging();
        let first = part(&mut node);
        go_on_to_nine(&mut node);
        let all = length(&node);
        node.receive(3, 1, stored(first.request, all));
        node.receive(3, 1, installed(first.request, 4));
        assert_eq!(node.hull.forgotten(), id(4, 1));
        for seconds in 1..=12 {
            for _ in 0..10 {
                node.wait(Duration::from_millis(100));
                node.receive(2, 1, heartbeat_reply(0));
                if talks {
                    node.receive(3, 1, heartbeat_reply(0));
                }
            }
            // One election timeout for who is silent, and ten for who gets no further.
            let is_kept = talks && seconds < 10;
            let forgotten = if is_kept { id(4, 1) } else { id(8, 1) };
            assert_eq!(node.hull.forgotten(), forgotten, "{talks}, {seconds} s");
        }
    }
}

#[test]
fn who_falls_silent_gets_the_newest_when_it_comes_back() {
    let mut node = lagging();
    part(&mut node);
    for last in 6..=9 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
    }
    assert_eq!(node.store.stored.len(), 2);
    for _ in 0..12 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 1, heartbeat_reply(0));
        node.sent();
    }
    assert_eq!(node.store.stored.len(), 1);
    assert_eq!(node.hull.forgotten(), id(8, 1));
    node.wait(Duration::from_millis(300));
    let asked = parts(&mut node);
    let last: Vec<EntryId> = asked.iter().map(|part| part.snapshot.id.last).collect();
    assert_eq!(last, [id(8, 1)]);
}

/// Whose store fails answers heartbeats for ever: for it, too, nothing is kept for ever.
#[test]
fn who_talks_and_gets_nowhere_gets_the_newest_after_a_while() {
    let mut node = lagging();
    part(&mut node);
    for last in 6..=9 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
    }
    let mut asked = Vec::new();
    for round in 0..150 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 1, heartbeat_reply(0));
        node.receive(3, 1, heartbeat_reply(0));
        for part in parts(&mut node) {
            // It always has the same to say: nothing came of anything.
            node.receive(3, 1, stored(part.request, 0));
            asked.push((round, part.snapshot.id.last.index.get()));
        }
    }
    assert_eq!(node.hull.forgotten(), id(8, 1), "what was kept for it");
    assert_eq!(node.store.stored.len(), 1);
    let changed = asked.iter().find(|(_, last)| *last == 8);
    assert!(changed.is_some_and(|(round, _)| *round >= 90), "{asked:?}");
    assert!(asked.last().is_some_and(|(_, last)| *last == 8));
}

/// Who gets on, however slowly, gets the snapshot that was begun.
#[test]
fn who_gets_on_slowly_is_not_begun_with_anew() {
    let mut node = lagging();
    let mut request = part(&mut node).request;
    for last in 6..=9 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
    }
    for had in 1..20 {
        for _ in 0..20 {
            node.wait(Duration::from_millis(100));
            node.receive(2, 1, heartbeat_reply(0));
            node.receive(3, 1, heartbeat_reply(0));
            for part in parts(&mut node) {
                assert_eq!(part.snapshot.id.last, id(4, 1));
                request = part.request;
            }
        }
        node.receive(3, 1, stored(request, had));
    }
    assert_eq!(node.hull.forgotten(), id(4, 1));
}

/// A leader may forget what a slow follower was about to be sent.
#[test]
fn a_follower_that_only_lags_may_need_one_too() {
    let mut node = Node::leading_with(in_parts());
    for last in 2..=3 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
    }
    node.receive(3, 1, conflict(node.last_request(3), 2, id(1, 1)));
    let (hull, now) = (&mut node.hull, node.now);
    hull.step(now, Input::DeadlinePassed);
    for last in 4..=5 {
        node.propose(b"x");
        // Nothing is sent to node 3 meanwhile.
        let request = last;
        node.receive(2, 1, support::matched(request, last));
    }
    assert_eq!(node.hull.forgotten(), id(4, 1));
    assert_eq!(part(&mut node).snapshot.id.last, id(4, 1));
}

#[test]
fn a_leader_that_steps_down_sends_no_more_of_it() {
    let mut node = lagging();
    let first = part(&mut node);
    node.auto_store = false;
    node.receive(3, 1, stored(first.request, 0));
    node.sent();
    node.receive(2, 2, support::heartbeat(1, 0));
    node.auto_store = true;
    node.settle();
    assert_eq!(parts(&mut node), []);
    // Elected again, it asks anew.
    node.elect();
    let request = node.last_request(3);
    let term = node.term();
    node.receive(3, term, conflict(request, 5, id(1, 1)));
    assert_eq!((part(&mut node).offset, node.term()), (0, 3));
}

#[test]
fn its_state_says_how_far_it_is() {
    let mut node = lagging();
    let first = part(&mut node);
    node.receive(3, 1, stored(first.request, 50));
    let status = node.hull.status(node.now);
    let follower = status
        .followers
        .iter()
        .find(|follower| follower.peer.id.get() == 3);
    let (last, length) = (id(4, 1), length(&node));
    let expected = Sending::Snapshot {
        last,
        stored: 50,
        length,
        unanswered: None,
    };
    assert_eq!(follower.unwrap().sending, expected);
}

/// Acknowledged is what is on its disk, also when a snapshot brought it: it counts for commitment.
#[test]
fn an_installed_snapshot_counts_for_the_majority() {
    let mut node = lagging();
    let first = part(&mut node);
    node.propose(b"x");
    assert_eq!(node.commit(), 5);
    node.receive(3, 1, installed(first.request, 4));
    node.sent();
    node.acknowledge(3, 6);
    assert_eq!(node.commit(), 6);
}
