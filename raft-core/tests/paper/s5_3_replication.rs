//! What a follower does with entries (paper 5.3; Figure 2 AppendEntries).

use raft_core::chunk::Chunk;
use raft_core::error::Dropped;
use raft_core::hull::Input;
use raft_core::ids::{EntryId, LogIndex};
use raft_core::trace::EventKind;

use crate::support::{
    Node, append, append_numbered, chunks, conflict, heartbeat, heartbeat_reply, id, ids_of,
    matched,
};

/// [F2.STATE.3]
#[test]
fn entries_are_numbered_from_one_and_carry_the_term_they_were_received_in() {
    let mut node = Node::new(1, 3);
    node.receive(2, 3, append(id(0, 0), chunks(1, &[1, 1, 3]), 3));
    assert_eq!(node.terms(), [1, 1, 3]);
    let applied: Vec<_> = node.applied.iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, ids_of(1, &[1, 1, 3]));
    assert_eq!(node.applied[2].1, b"3@3");
}

/// [F2.AE.2]
#[test]
fn rejects_entry_whose_predecessor_is_missing() {
    let mut node = Node::holding(2, &[1, 1]);
    node.receive(2, 2, append(id(3, 2), chunks(4, &[2]), 4));
    assert_eq!(node.sent_to(2), [conflict(1, 3, id(2, 1))]);
    assert_eq!((node.terms(), node.commit()), (vec![1, 1], 0));
}

/// [F2.AE.2]
#[test]
fn rejects_entry_whose_predecessor_has_another_term() {
    let mut node = Node::holding(3, &[1, 1]);
    node.receive(2, 3, append(id(2, 2), chunks(3, &[3]), 3));
    assert_eq!(node.sent_to(2), [conflict(1, 2, id(2, 1))]);
    assert_eq!((node.terms(), node.commit()), (vec![1, 1], 0));
}

/// [F2.AE.2]
#[test]
fn accepts_an_entry_right_after_its_predecessor() {
    let mut node = Node::holding(3, &[1, 2]);
    node.receive(2, 3, append(id(2, 2), chunks(3, &[3]), 0));
    assert_eq!(node.sent_to(2), [matched(1, 3)]);
    assert_eq!(node.terms(), [1, 2, 3]);
}

/// [F2.AE.3]
#[test]
fn removes_a_conflicting_entry_and_all_that_follow_it() {
    let mut node = Node::holding(3, &[1, 1, 1, 1]);
    node.receive(2, 3, append(id(1, 1), chunks(2, &[2]), 0));
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
    assert_eq!(node.terms(), [1, 2]);
    node.restart();
    assert_eq!(node.terms(), [1, 2], "on disk too");
}

/// [F2.AE.3]
#[test]
fn removes_only_from_the_first_conflict_on() {
    let mut node = Node::holding(4, &[1, 2, 2, 3]);
    node.auto_sync = false;
    node.receive(2, 4, append(id(0, 0), chunks(1, &[1, 2, 4]), 0));
    assert_eq!(node.terms(), [1, 2, 4]);
    let write = &node.writes[0];
    assert_eq!(write.truncate_from, Some(LogIndex::new(3)));
    assert_eq!(write.append[0].first_index(), LogIndex::new(3));
    assert_eq!(node.writes.len(), 1, "removal and append are one write");
}

/// [F2.AE.3]
#[test]
fn never_removes_what_is_committed() {
    let mut node = Node::holding(2, &[1, 1]);
    node.receive(2, 2, append(id(2, 1), Vec::new(), 2));
    assert_eq!(node.commit(), 2);
    node.sent();
    node.drops();
    let offered = [
        append(id(1, 1), chunks(2, &[2]), 2),
        append(id(0, 0), chunks(1, &[2, 2]), 2),
        append(id(2, 2), chunks(3, &[2]), 3),
    ];
    for body in offered {
        node.receive(2, 2, body);
        let drops = node.drops();
        assert!(matches!(drops[..], [Dropped::OverwritesCommitted { .. }]));
        assert_eq!((node.terms(), node.commit()), (vec![1, 1], 2));
        assert_eq!(node.sent(), []);
    }
}

/// [F2.AE.4]
#[test]
fn appends_only_what_is_not_in_the_log_yet() {
    let mut node = Node::holding(2, &[1, 2]);
    node.auto_sync = false;
    node.receive(2, 2, append(id(0, 0), chunks(1, &[1, 2, 2, 2]), 0));
    let write = &node.writes[0];
    assert_eq!(write.truncate_from, None);
    let written: Vec<u64> = write.append.iter().map(first_index).collect();
    assert_eq!(written, [3]);
    node.sync();
    assert_eq!(node.sent_to(2), [matched(1, 4)]);
    assert_eq!(node.terms(), [1, 2, 2, 2]);
}

/// [F2.AE.4]
#[test]
fn writes_nothing_for_what_it_holds() {
    let mut node = Node::holding(2, &[1, 2]);
    node.auto_sync = false;
    node.receive(2, 2, append(id(0, 0), chunks(1, &[1, 2]), 0));
    assert_eq!(node.writes.len(), 0);
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
}

/// [F2.AE.4]
#[test]
fn a_late_shorter_request_removes_nothing() {
    let mut node = Node::holding(1, &[1, 1, 1]);
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1]), 0));
    assert_eq!(node.sent_to(2), [matched(1, 1)]);
    node.receive(2, 1, append(id(0, 0), Vec::new(), 0));
    assert_eq!(node.sent_to(2), [matched(1, 0)]);
    node.receive(2, 1, append(id(1, 1), chunks(2, &[1]), 0));
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
    assert_eq!(node.terms(), [1, 1, 1]);
}

/// [F2.AE.5]
#[test]
fn commits_no_further_than_the_request_has_verified() {
    let mut node = Node::holding(2, &[1, 1, 1]);
    node.receive(2, 2, append(id(1, 1), Vec::new(), 3));
    assert_eq!(node.commit(), 1);
    node.receive(2, 2, append(id(1, 1), chunks(2, &[1]), 3));
    assert_eq!(node.commit(), 2);
}

/// [F2.AE.5]
#[test]
fn commits_no_further_than_the_leader_has() {
    let mut node = Node::holding(2, &[1, 1, 1]);
    node.receive(2, 2, append(id(3, 1), Vec::new(), 2));
    assert_eq!(node.commit(), 2);
}

/// [F2.AE.5]
#[test]
fn a_refused_request_commits_nothing() {
    let mut node = Node::holding(3, &[1, 1]);
    node.receive(2, 3, append(id(2, 2), Vec::new(), 2));
    assert_eq!(node.commit(), 0);
}

/// [S5.3.15]
#[test]
fn a_heartbeat_tells_the_commit_index() {
    let mut node = Node::holding(2, &[1, 1]);
    node.receive(2, 2, heartbeat(1, 1));
    assert_eq!(node.commit(), 1);
    node.receive(2, 2, heartbeat(2, 99));
    assert_eq!(node.commit(), 2, "no further than there are entries");
}

/// [F2.STATE.5]
#[test]
fn the_commit_index_starts_at_zero_and_never_falls() {
    let mut node = Node::holding(2, &[1, 1, 1]);
    assert_eq!(node.commit(), 0);
    node.receive(2, 2, append(id(3, 1), Vec::new(), 3));
    node.receive(2, 2, append(id(3, 1), Vec::new(), 1));
    node.receive(2, 2, append(id(1, 1), Vec::new(), 3));
    node.receive(2, 2, heartbeat(1, 2));
    assert_eq!(node.commit(), 3);
}

/// [F2.STATE.5]
#[test]
fn the_commit_index_is_reported_when_it_rises_and_only_then() {
    let mut node = Node::holding(2, &[1, 1]);
    let told = |node: &mut Node| {
        let events = std::mem::take(&mut node.events).into_iter();
        let rises =
            events.filter(|event| matches!(event.kind, EventKind::AdvanceCommitIndex { .. }));
        rises.count()
    };
    node.receive(2, 2, heartbeat(1, 0));
    assert_eq!(told(&mut node), 0);
    node.receive(2, 2, heartbeat(2, 2));
    assert_eq!(told(&mut node), 1);
    node.receive(2, 2, heartbeat(3, 2));
    assert_eq!(told(&mut node), 0);
}

/// [F2.STATE.6]
#[test]
fn the_applied_index_starts_at_zero_and_never_falls() {
    let mut node = Node::holding(2, &[1, 1]);
    assert_eq!(node.hull.applied_index(), LogIndex::ZERO);
    node.receive(2, 2, append(id(2, 1), Vec::new(), 2));
    assert_eq!(node.hull.applied_index(), LogIndex::new(2));
    let late = Input::Applied(LogIndex::new(1));
    node.step(late);
    assert_eq!(node.hull.applied_index(), LogIndex::new(2));
    let never_handed_out = Input::Applied(LogIndex::new(9));
    node.step(never_handed_out);
    assert_eq!(node.hull.applied_index(), LogIndex::new(2));
}

/// [F2.ALL.1]
#[test]
fn committed_entries_and_only_those_are_applied_once_and_in_order() {
    let mut node = Node::holding(2, &[1, 1, 2, 2]);
    node.receive(2, 2, append(id(4, 2), Vec::new(), 1));
    assert_eq!(applied(&node), ids_of(1, &[1]));
    node.receive(2, 2, append(id(4, 2), Vec::new(), 3));
    node.receive(2, 2, append(id(4, 2), Vec::new(), 3));
    assert_eq!(applied(&node), ids_of(1, &[1, 1, 2]));
}

/// [F2.ALL.1]
#[test]
fn entries_that_came_in_one_chunk_are_applied_once_each() {
    let mut node = Node::holding(2, &[1]);
    node.receive(2, 2, append(id(1, 1), chunks(2, &[2, 2, 2]), 3));
    assert_eq!(applied(&node), ids_of(1, &[1, 2, 2]));
    node.receive(2, 2, heartbeat(1, 4));
    assert_eq!(applied(&node), ids_of(1, &[1, 2, 2, 2]));
}

/// [F2.ALL.1]
#[test]
fn portions_of_any_size_skip_and_repeat_nothing() {
    let mut node = Node::holding(2, &[1, 1, 2, 2, 2]);
    node.auto_apply = false;
    node.receive(2, 2, append(id(5, 2), Vec::new(), 5));
    let mut taken = Vec::new();
    for _ in 0..20 {
        if let Some(apply) = node.hull.next_apply(1) {
            taken.push(apply.last_index().get());
        }
        node.settle();
    }
    assert_eq!(taken, [1, 2, 3, 4, 5]);
}

/// [S5.3.47]
#[test]
fn a_refusal_hints_at_the_last_entry_that_could_agree() {
    let hint = |terms: &[u64], previous| {
        let mut node = Node::holding(9, terms);
        node.receive(2, 9, append(previous, Vec::new(), 0));
        node.sent_to(2)
    };
    let short = hint(&[1, 1], id(9, 6));
    assert_eq!(short, [conflict(1, 9, id(2, 1))], "the log's end");
    let later = hint(&[1, 1, 4, 4, 4], id(5, 3));
    assert_eq!(later, [conflict(1, 5, id(2, 1))], "before a later term");
    let earlier = hint(&[1, 1, 2, 2], id(4, 3));
    assert_eq!(earlier, [conflict(1, 4, id(4, 2))], "an earlier term may");
    let nothing = hint(&[4, 4], id(2, 3));
    assert_eq!(nothing, [conflict(1, 2, id(0, 0))], "the beginning");
}

/// [F2.STATE.4] [T3.8.3]
#[test]
fn an_acknowledgement_leaves_only_when_the_entries_are_durable() {
    let mut node = Node::holding(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 2, append_numbered(1, id(1, 1), chunks(2, &[2]), 0));
    node.receive(2, 2, append_numbered(2, id(2, 2), chunks(3, &[2]), 0));
    assert_eq!(node.sent(), []);
    node.write_one();
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
    node.sync();
    assert_eq!(node.sent_to(2), [matched(2, 3)]);
}

/// [F2.STATE.4] [T3.8.3]
#[test]
fn an_acknowledgement_of_entries_held_waits_until_they_are_durable() {
    let mut node = Node::holding(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 2, append_numbered(1, id(1, 1), chunks(2, &[2]), 0));
    node.receive(2, 2, append_numbered(2, id(1, 1), chunks(2, &[2]), 0));
    assert_eq!(
        node.sent(),
        [],
        "it came twice, and is durable neither time"
    );
    node.sync();
    assert_eq!(node.sent_to(2), [matched(2, 2)]);
}

/// [F2.STATE.4]
#[test]
fn a_heartbeat_is_answered_while_the_disk_works() {
    let mut node = Node::holding(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 2, append(id(1, 1), chunks(2, &[2]), 0));
    node.receive(2, 2, heartbeat(4, 0));
    assert_eq!(node.sent_to(2), [heartbeat_reply(4)]);
}

/// [F2.STATE.4]
#[test]
fn what_was_not_durable_yet_is_not_applied() {
    let mut node = Node::holding(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 2, append(id(1, 1), chunks(2, &[2, 2]), 3));
    assert_eq!(node.commit(), 3);
    assert_eq!(applied(&node), ids_of(1, &[1]));
    node.sync();
    assert_eq!(applied(&node), ids_of(1, &[1, 2, 2]));
}

/// [F2.STATE.4]
#[test]
fn a_refusal_of_entries_waits_for_the_term_it_speaks_in() {
    let mut node = Node::holding(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 3, append(id(5, 3), Vec::new(), 0));
    assert_eq!(node.sent(), []);
    node.sync();
    assert_eq!(node.sent_to(2), [conflict(1, 5, id(1, 1))]);
}

/// [F2.STATE.4]
#[test]
fn acknowledgements_that_wait_for_one_write_leave_as_one_that_covers_both() {
    let mut node = Node::holding(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 2, append_numbered(2, id(1, 1), chunks(2, &[2, 2]), 0));
    node.receive(2, 2, append_numbered(1, id(1, 1), chunks(2, &[2]), 0));
    node.sync();
    assert_eq!(node.sent_to(2), [matched(2, 3)]);
}

/// However many there are while there is no room for any: the queue does not grow with them.
#[test]
fn acknowledgements_that_only_wait_for_room_leave_as_one() {
    for (count, at_once) in [(2, false), (5, false), (2, true), (4, true)] {
        let mut node = Node::holding(2, &[1]);
        node.auto_sync = !at_once;
        for last in 2..2 + count {
            let request = append_numbered(last, id(last - 1, 1), chunks(last, &[1]), 0);
            node.receive(2, 2, request);
        }
        // A proof for the last of several writes is one for those before it.
        let writes = std::mem::take(&mut node.writes).into_iter();
        let proofs = writes.map(|write| node.log.write(write).unwrap());
        if let Some(durable) = proofs.last() {
            node.step(Input::Durable(durable));
        }
        assert_eq!(node.sent_to(2), [matched(1 + count, 1 + count)]);
    }
}

#[test]
fn entries_that_leave_a_gap_or_fall_back_in_term_are_dropped() {
    let mut gap = chunks(2, &[1]);
    gap.extend(chunks(4, &[1]));
    let mut overlap = chunks(2, &[1, 1]);
    overlap.extend(chunks(3, &[1]));
    let mut falling = chunks(2, &[2]);
    falling.extend(chunks(3, &[1]));
    let impossible = [
        append(id(1, 1), gap, 9),
        append(id(1, 1), overlap, 9),
        append(id(1, 1), falling, 9),
        append(id(1, 1), chunks(3, &[2]), 9),
        append(id(1, 1), chunks(1, &[2]), 9),
        append(id(1, 1), chunks(2, &[3]), 9),
        append(id(1, 3), Vec::new(), 9),
        append(id(u64::MAX, 2), chunks(2, &[2]), 9),
        append(id(0, 1), chunks(1, &[2]), 9),
    ];
    for body in impossible {
        let mut node = Node::holding(2, &[1]);
        node.receive(2, 2, body.clone());
        assert_eq!(node.terms(), [1], "{body:?}");
        assert_eq!(node.commit(), 0, "{body:?}");
        assert_eq!(node.sent(), [], "{body:?}");
        assert_eq!(node.drops().len(), 1, "{body:?}");
    }
}

#[test]
fn a_probe_far_beyond_the_log_is_refused_with_its_end() {
    let mut node = Node::holding(2, &[1]);
    node.receive(2, 2, append(id(u64::MAX, 2), Vec::new(), u64::MAX));
    assert_eq!(node.sent_to(2), [conflict(1, u64::MAX, id(1, 1))]);
    assert_eq!(node.commit(), 0);
}

#[test]
fn requests_that_arrive_in_the_wrong_order_are_refused_or_taken_and_lose_nothing() {
    let mut node = Node::holding(1, &[1]);
    let second = append_numbered(2, id(2, 1), chunks(3, &[1]), 0);
    node.receive(2, 1, second.clone());
    assert_eq!(node.sent_to(2), [conflict(2, 2, id(1, 1))]);
    node.receive(2, 1, append_numbered(1, id(1, 1), chunks(2, &[1]), 0));
    node.receive(2, 1, second);
    assert_eq!(node.sent_to(2), [matched(2, 3)]);
    assert_eq!(node.terms(), [1, 1, 1]);
}

fn applied(node: &Node) -> Vec<EntryId> {
    node.applied.iter().map(|(id, _)| *id).collect()
}

fn first_index(chunk: &Chunk) -> u64 {
    chunk.first_index().get()
}
