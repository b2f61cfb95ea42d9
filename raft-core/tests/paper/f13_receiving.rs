//! Figure 13, the receiver: taking a snapshot part by part, and putting it in place of the log.

use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::error::Dropped;
use raft_core::hull::{Input, SnapshotAnswer, SnapshotDone, SnapshotWork};
use raft_core::ids::EntryId;
use raft_core::log::SnapshotMark;
use raft_core::message::{Body, InstallSnapshotReply, InstallVerdict};
use raft_core::settings::{Settings, SnapshotPolicy};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::states::Role;
use raft_core::time::LogTime;

use crate::s7_taking::{follower, snapshotting};
use crate::support::{
    self, Node, Store, append, chunks, heartbeat, id, ids_of, index, install, installed, matched,
    peer, stored,
};

/// A snapshot of commands with these terms, the first at index 1, of the founding cluster.
pub(crate) fn snapshot(terms: &[u64]) -> (Snapshot, Vec<u8>) {
    let machine = ids_of(1, terms)
        .into_iter()
        .map(|id| {
            (
                id,
                format!("{}@{}", id.index.get(), id.term.get()).into_bytes(),
            )
        })
        .collect();
    let content = Store::content(&machine);
    let id = SnapshotId {
        last: machine.last().unwrap().0,
        length: content.len() as u64,
        digest: Store::digest(&content),
    };
    let configuration = Configuration::of_voters((1..=3).map(peer));
    let snapshot = Snapshot {
        id,
        configuration,
        time: LogTime::from_millis(3_000),
    };
    (snapshot, content)
}

/// What node 1, whose log holds entries of `terms`, makes of a snapshot that is sent at once.
fn sent_whole(terms: &[u64], offered: &[u64]) -> (Node, Vec<Body>) {
    let mut node = Node::holding(5, terms);
    let (snapshot, content) = snapshot(offered);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.sent();
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    let said = node.sent_to(2);
    (node, said)
}

/// [F13.IS.1]
#[test]
fn an_offer_of_an_earlier_term_is_refused_at_once() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 4, install(7, &snapshot, 0, &content));
    let verdict = InstallVerdict::StaleTerm;
    let reply = InstallSnapshotReply {
        request: 7,
        verdict,
    };
    let sent = node.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body, Body::InstallSnapshotReply(reply));
    assert_eq!(sent[0].term, node.hull.term());
    assert_eq!(
        (node.hull.leader(), node.store.incoming.is_some()),
        (None, false)
    );
}

/// [F13.IS.2]
#[test]
fn a_first_request_makes_a_place_for_it_and_finds_out_what_is_there() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(2), [stored(1, 0)]);
    node.receive(2, 5, install(2, &snapshot, 0, &content[..10]));
    assert_eq!(node.sent_to(2), [stored(2, 10)]);
    // A restart keeps what is written.
    node.restart();
    node.settle();
    node.receive(3, 6, install(1, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(3), [stored(1, 10)]);
}

/// [F13.IS.3]
#[test]
fn a_part_is_written_only_right_after_what_is_there() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.receive(2, 5, install(2, &snapshot, 0, &content[..10]));
    node.sent();
    for (request, range) in [(3, 0..10), (4, 5..15), (5, 11..15)] {
        let (offset, part) = (range.start as u64, &content[range]);
        node.receive(2, 5, install(request, &snapshot, offset, part));
        assert_eq!(node.sent_to(2), [stored(request, 10)]);
    }
    node.receive(2, 5, install(6, &snapshot, 10, &content[10..15]));
    assert_eq!(node.sent_to(2), [stored(6, 15)]);
    let (_, written) = node.store.incoming.as_ref().unwrap();
    assert_eq!(written[..], content[..15]);
}

/// [F13.IS.4]
#[test]
fn nothing_is_put_in_place_before_the_last_part_is_there() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    let last = content.len() - 1;
    node.receive(2, 5, install(2, &snapshot, 0, &content[..last]));
    assert_eq!(node.sent_to(2).last(), Some(&stored(2, last as u64)));
    assert_eq!((node.hull.last(), node.commit()), (id(1, 1), 0));
    node.receive(2, 5, install(3, &snapshot, last as u64, &content[last..]));
    assert_eq!(node.sent_to(2), [installed(3, 3)]);
    assert_eq!((node.hull.last(), node.commit()), (id(3, 2), 3));
}

/// [F13.IS.5]
#[test]
fn it_is_stored_before_it_counts_and_an_older_one_goes() {
    let mut node = Node::holding(5, &[1]);
    let (older, content) = snapshot(&[1, 2]);
    node.receive(2, 5, install(1, &older, 0, &[]));
    node.receive(2, 5, install(2, &older, 0, &content));
    assert_eq!(node.store.stored.len(), 1);
    let (newer, content) = snapshot(&[1, 2, 2]);
    node.auto_store = false;
    node.receive(2, 5, install(3, &newer, 0, &[]));
    node.store_one();
    node.receive(2, 5, install(4, &newer, 0, &content));
    node.store_one();
    node.settle();
    node.sent();
    assert_eq!(
        node.hull.last(),
        id(2, 2),
        "the last part is not yet durable"
    );
    assert!(matches!(node.jobs[0].0.work, SnapshotWork::Finish(_)));
    node.auto_store = true;
    node.settle();
    assert_eq!(node.sent_to(2), [installed(4, 3)]);
    assert_eq!(node.hull.last(), id(3, 2));
    assert_eq!(node.store.stored.len(), 1);
    assert_eq!(node.hull.stored_snapshot(), Some(&newer));
}

/// [F13.IS.6]
#[test]
fn a_log_that_holds_its_last_entry_keeps_what_follows() {
    let (mut node, said) = sent_whole(&[1, 2, 2, 3], &[1, 2, 2]);
    assert_eq!(said, [installed(2, 3)]);
    assert_eq!(node.hull.last(), id(4, 3));
    assert_eq!(node.commit(), 3, "what a snapshot stands for is committed");
    assert!(node.store.stored.is_empty() && node.store.incoming.is_none());
    node.restart();
    assert_eq!(node.hull.last(), id(4, 3));
}

/// [F13.IS.7]
#[test]
fn any_other_log_goes_as_a_whole() {
    for terms in [&[1][..], &[1, 1, 1], &[1, 1, 1, 1, 4], &[1, 2], &[]] {
        let (mut node, said) = sent_whole(terms, &[1, 2, 2]);
        assert_eq!(said, [installed(2, 3)], "{terms:?}");
        for _ in 0..2 {
            assert_eq!(node.hull.last(), id(3, 2), "{terms:?}");
            assert_eq!(node.hull.forgotten(), id(3, 2), "{terms:?}");
            assert_eq!(node.log.recovered().runs, []);
            node.restart();
            node.settle();
        }
    }
}

/// [F13.IS.8a]
#[test]
fn the_state_machine_goes_on_from_its_state() {
    let (mut node, _) = sent_whole(&[1], &[1, 2, 2]);
    assert_eq!(node.hull.applied_index(), index(3));
    assert_eq!(node.machine, node.store.machine());
    node.receive(2, 5, append(id(3, 2), chunks(4, &[5]), 4));
    let applied: Vec<EntryId> = node.machine.iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, ids_of(1, &[1, 2, 2, 5]));
}

/// [S7.42]
#[test]
fn the_next_one_is_taken_when_the_log_has_grown_beyond_it() {
    let mut node = follower(snapshotting(3, 0));
    let (received, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &received, 0, &[]));
    node.sent();
    node.receive(2, 5, install(2, &received, 0, &content));
    for (last, before, newest) in [
        (4, id(3, 2), id(3, 2)),
        (5, id(4, 5), id(3, 2)),
        (6, id(5, 5), id(6, 5)),
    ] {
        node.receive(2, 5, append(before, chunks(last, &[5]), last));
        let stored = node.hull.stored_snapshot().map(|stored| stored.id.last);
        assert_eq!(stored, Some(newest), "after {last}");
    }
}

/// [S7.42] Nor does what it stands for count in bytes, whether that was applied before it came or is
/// applied after it, from the log.
#[test]
fn what_a_received_one_stands_for_does_not_count_for_the_next() {
    let bytes = chunks(1, &[1, 1, 1])[0].payload_bytes() as u64;
    for commit in 0..=3 {
        let mut settings = snapshotting(u64::MAX, 0);
        settings.snapshots = settings.snapshots.map(|policy| SnapshotPolicy {
            after_bytes: bytes + 1,
            ..policy
        });
        let mut node = follower(settings);
        let (received, content) = snapshot(&[1, 1, 1]);
        node.auto_store = false;
        node.receive(2, 5, install(1, &received, 0, &[]));
        node.store_one();
        node.receive(2, 5, install(2, &received, 0, &content));
        node.store_one();
        // While the store is at it comes what was sent before.
        let early = chunks(1, &[1, 1, 1, 5]);
        node.receive(2, 5, append(EntryId::ORIGIN, early, commit));
        node.auto_store = true;
        node.settle();
        assert_eq!(node.hull.stored_snapshot(), Some(&received));
        for (last, newest) in [(4, 3), (5, 3), (6, 3), (7, 7)] {
            let before = id(last - 1, if last == 4 { 1 } else { 5 });
            node.receive(2, 5, append(before, chunks(last, &[5]), last));
            let stored = node.hull.stored_snapshot().map(|stored| stored.id.last);
            assert_eq!(
                stored.map(|last| last.index),
                Some(index(newest)),
                "committed {commit} before, after {last}"
            );
        }
    }
}

/// [F13.IS.8b]
#[test]
fn its_configuration_comes_into_force() {
    let mut node = Node::holding(5, &[1]);
    let (mut snapshot, content) = snapshot(&[1, 2, 2]);
    let five = Configuration::of_voters((1..=5).map(peer));
    snapshot.configuration = five.clone();
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    for _ in 0..2 {
        assert_eq!(node.hull.configuration(), &five);
        node.restart();
    }
}

/// [F13.IS.20b]
#[test]
fn each_part_restarts_the_election_timer() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    for (request, byte) in (1..).zip(&content[..10]) {
        node.wait(Duration::from_millis(900));
        // Who has asked for pre-votes gives way to the next part, and nobody would notice.
        assert_eq!(node.hull.role(), Role::Follower, "before part {request}");
        node.receive(2, 5, install(request, &snapshot, request - 1, &[*byte]));
        assert_eq!(node.hull.leader(), Some(peer(2).id));
    }
    assert_eq!(node.term(), 5);
}

#[test]
fn a_copy_of_an_earlier_request_throws_nothing_away() {
    let mut node = Node::holding(5, &[1]);
    let (older, _) = snapshot(&[1, 2]);
    let (newer, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &older, 0, &[]));
    node.receive(2, 5, install(2, &newer, 0, &[]));
    node.receive(2, 5, install(3, &newer, 0, &content[..10]));
    node.sent();
    node.receive(2, 5, install(1, &older, 0, &[]));
    node.receive(2, 5, install(2, &newer, 0, &[]));
    assert_eq!(node.sent_to(2), []);
    node.receive(2, 5, install(4, &newer, 10, &content[10..]));
    assert_eq!(node.sent_to(2), [installed(4, 3)]);
}

#[test]
fn parts_of_two_snapshots_are_never_joined() {
    let mut node = Node::holding(5, &[1]);
    let (one, content) = snapshot(&[1, 2, 2]);
    let mut other = one.clone();
    other.id.digest += 1;
    node.receive(2, 5, install(1, &one, 0, &[]));
    node.receive(2, 5, install(2, &one, 0, &content[..10]));
    // Another leader wrote the same state down in other bytes.
    node.receive(3, 6, install(1, &other, 10, &content[10..]));
    assert_eq!(node.sent_to(3), [stored(1, 0)]);
    assert_eq!(node.store.incoming.as_ref().unwrap().1, b"");
}

#[test]
fn content_that_is_not_what_it_should_be_is_asked_for_again() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    let mut damaged = content.clone();
    damaged[7] ^= 1;
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.receive(2, 5, install(2, &snapshot, 0, &damaged));
    assert_eq!(node.sent_to(2), [stored(2, 0)]);
    assert_eq!(node.hull.last(), id(1, 1));
    node.receive(2, 5, install(3, &snapshot, 0, &content));
    assert_eq!(node.sent_to(2), [installed(3, 3)]);
}

#[test]
fn a_store_that_fails_is_asked_again_at_the_next_request() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.sent();
    node.store.is_broken = true;
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    node.receive(2, 5, install(3, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(2), []);
    node.store.is_broken = false;
    node.receive(2, 5, install(4, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(2), [stored(4, 0)]);
    node.receive(2, 5, install(5, &snapshot, 0, &content));
    assert_eq!(node.sent_to(2), [installed(5, 3)]);
}

/// What a request of an earlier term asked is not answered as one of this term, which counts its
/// requests anew.
#[test]
fn who_asked_in_an_earlier_term_is_told_nothing() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, _) = snapshot(&[1, 2, 2]);
    node.auto_store = false;
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.receive(2, 6, heartbeat(1, 0));
    node.sent();
    node.auto_store = true;
    node.settle();
    assert_eq!(node.sent_to(2), []);
}

#[test]
fn installing_is_acknowledged_only_when_the_log_has_it_durably() {
    let mut node = Node::holding(5, &[1, 1, 1, 1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.sent();
    node.auto_sync = false;
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    assert_eq!(node.sent_to(2), []);
    // What follows goes in a write of its own: a log takes entries only after its last one.
    node.receive(2, 5, append(id(3, 2), chunks(4, &[5]), 3));
    assert_eq!(node.writes.len(), 2);
    let SnapshotMark { last, .. } = node.writes[0].snapshot.as_deref().unwrap();
    assert_eq!((*last, node.writes[0].append.len()), (id(3, 2), 0));
    node.write_one();
    assert_eq!(node.sent_to(2), [installed(2, 3)]);
    node.sync();
    assert_eq!(node.sent_to(2), [matched(1, 4)]);
    assert_eq!(node.hull.durable_index(), index(4));
}

/// The same while the disk is so slow that the snapshot and what follows are one write behind.
#[test]
fn a_snapshot_that_waits_for_the_disk_and_entries_after_it_become_durable_in_order() {
    let mut setup = support::setup(1, 3);
    Arc::make_mut(&mut setup.settings).max_writes_in_flight = 1;
    let mut node = Node::with_setup(setup, Default::default());
    node.settle();
    node.auto_sync = false;
    node.receive(2, 5, append(id(0, 0), chunks(1, &[1, 1, 1, 1]), 0));
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(2, &snapshot, 0, &[]));
    node.receive(2, 5, install(3, &snapshot, 0, &content));
    node.receive(2, 5, append(id(3, 2), chunks(4, &[5, 5]), 4));
    assert_eq!(node.writes.len(), 1);
    assert_eq!(node.hull.applied_index(), index(3), "4 is not durable");
    node.sync();
    assert_eq!(node.log.last_id(), id(5, 5));
    assert_eq!(node.hull.applied_index(), index(4));
    let said = node.sent_to(2);
    assert!(
        said.contains(&installed(3, 3)) && said.contains(&matched(1, 5)),
        "{said:?}"
    );
}

/// The store has it, and the crash came before the log began after it.
#[test]
fn what_a_crash_interrupted_is_ended_at_the_next_start() {
    for terms in [&[1][..], &[1, 1, 1, 1, 4]] {
        let mut node = Node::holding(5, terms);
        let (snapshot, content) = snapshot(&[1, 2, 6]);
        node.receive(2, 6, install(1, &snapshot, 0, &[]));
        node.auto_sync = false;
        node.receive(2, 6, install(2, &snapshot, 0, &content));
        assert_eq!(node.store.stored.len(), 1);
        node.restart();
        assert_eq!(
            (node.hull.last(), node.commit()),
            (id(3, 6), 3),
            "{terms:?}"
        );
        assert_eq!(node.hull.applied_index(), index(3));
        assert_eq!(node.term(), 6, "no term is earlier than an entry's");
        node.settle();
        node.sync();
        let recovered = node.log.recovered();
        assert_eq!((recovered.last, recovered.runs), (index(3), vec![]));
    }
}

#[test]
fn entries_that_came_first_make_it_superfluous() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.auto_store = false;
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    node.store_one();
    node.receive(2, 5, append(id(1, 1), chunks(2, &[2, 2, 5]), 4));
    assert_eq!(node.hull.applied_index(), index(4));
    node.auto_store = true;
    node.settle();
    assert_eq!(node.hull.last(), id(4, 5), "nothing of it is lost");
    assert_eq!(node.hull.applied_index(), index(4));
    assert_eq!(node.machine.len(), 4);
    // It is stored all the same, and a restart goes on from it.
    assert_eq!(node.hull.stored_snapshot(), Some(&snapshot));
    node.restart();
    assert_eq!((node.hull.last(), node.commit()), (id(4, 5), 3));
}

/// [S7.18a]
#[test]
fn entries_go_once_they_are_applied_where_it_came_before_that() {
    let mut node = follower(snapshotting(100, 0));
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    (node.auto_store, node.auto_apply) = (false, false);
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    node.receive(2, 5, append(id(0, 0), chunks(1, &[1, 2, 2, 5]), 4));
    node.auto_store = true;
    node.settle();
    assert_eq!(node.hull.stored_snapshot(), Some(&snapshot));
    assert_eq!(node.hull.forgotten(), EntryId::ORIGIN, "nothing is applied");
    let apply = node.hull.next_apply(1_000).unwrap();
    node.hull.step(node.now, Input::Applied(apply.last_index()));
    assert_eq!(node.hull.forgotten(), id(3, 2));
}

/// The state machine was handed entries, and is done with them only after the snapshot came.
#[test]
fn what_was_applied_before_it_takes_nothing_back() {
    let mut node = Node::new(1, 3);
    node.settle();
    node.auto_apply = false;
    node.receive(2, 5, append(id(0, 0), chunks(1, &[1, 1]), 1));
    let apply = node.hull.next_apply(1_000).unwrap();
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(2, &snapshot, 0, &[]));
    node.receive(2, 5, install(3, &snapshot, 0, &content));
    assert_eq!(node.hull.applied_index(), index(3));
    node.step(Input::Applied(apply.last_index()));
    assert_eq!(node.hull.applied_index(), index(3));
}

/// Nothing is handed to the state machine before it is told to go on from the snapshot.
#[test]
fn entries_after_it_wait_for_the_state_machine_to_be_replaced() {
    let mut node = Node::holding(5, &[1]);
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    node.receive(2, 5, install(2, &snapshot, 0, &content[..5]));
    // By hand from here on: the state machine is slow.
    let message = |body| raft_core::message::Message {
        from: peer(2),
        to: peer(1),
        term: node.hull.term(),
        body,
    };
    let rest = message(install(3, &snapshot, 5, &content[5..]));
    let entries = message(append(id(3, 2), chunks(4, &[5]), 4));
    let (hull, now) = (&mut node.hull, node.now);
    hull.step(now, Input::Message(rest));
    while let Some(job) = hull.next_snapshot_job() {
        let number = job.number;
        let answer = match job.work {
            SnapshotWork::Write { .. } => SnapshotAnswer::Written,
            _ => SnapshotAnswer::Finished,
        };
        if hull.forgotten() == id(3, 2) {
            assert!(matches!(job.work, SnapshotWork::Restore(_)));
            break;
        }
        hull.step(now, Input::Snapshot(SnapshotDone { number, answer }));
        if hull.forgotten() == id(3, 2) {
            hull.step(now, Input::Message(entries.clone()));
            while let Some(write) = hull.next_write() {
                hull.step(now, Input::Durable(write.receipt.synced()));
            }
            assert_eq!(hull.next_apply(1_000), None);
        }
    }
    let apply = hull.next_apply(1_000).unwrap();
    assert_eq!(support::ids(&apply.chunks), [id(4, 5)]);
}

#[test]
fn what_can_not_be_a_part_of_a_snapshot_is_dropped() {
    let (good, content) = snapshot(&[1, 2, 2]);
    let mut nothing = good.clone();
    nothing.id.last = EntryId::ORIGIN;
    let mut nobody = good.clone();
    nobody.configuration = Configuration::default();
    let mut half = good.clone();
    half.configuration.outgoing = Some(nobody.configuration.members.clone());
    let too_long = install(1, &good, 1, &content);
    let overflowing = install(1, &good, u64::MAX, &content);
    let mut later = good.clone();
    later.id.last = id(3, 6);
    let bodies = [
        install(1, &nothing, 0, &[]),
        install(1, &nobody, 0, &[]),
        install(1, &half, 0, &[]),
        too_long,
        overflowing,
        install(1, &later, 0, &[]),
    ];
    for body in bodies {
        let mut node = Node::holding(5, &[1]);
        node.receive(2, 5, body.clone());
        assert_eq!(node.drops(), [Dropped::Impossible], "{body:?}");
        assert_eq!(node.sent(), []);
        assert_eq!(node.hull.leader(), None);
    }
}

#[test]
fn one_against_what_is_committed_is_dropped() {
    let mut node = Node::holding(5, &[1, 1, 1]);
    node.receive(2, 5, append(id(3, 1), Vec::new(), 3));
    node.sent();
    let (snapshot, content) = snapshot(&[1, 2, 2]);
    node.receive(2, 5, install(2, &snapshot, 0, &content));
    let [Dropped::OverwritesCommitted { committed, offered }] = node.drops()[..] else {
        unreachable!("it is dropped");
    };
    assert_eq!((committed, offered), (index(3), id(3, 2)));
    assert_eq!(node.sent_to(2), []);
}

#[test]
fn one_of_no_bytes_is_complete_at_once() {
    let mut node = Node::holding(5, &[1]);
    let (mut snapshot, _) = snapshot(&[1, 2, 2]);
    (snapshot.id.length, snapshot.id.digest) = (0, Store::digest(&[]));
    node.receive(2, 5, install(1, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(2), [installed(1, 3)]);
}

/// A node that holds nothing but a snapshot gives and gets votes by its last entry.
#[test]
fn elections_compare_its_last_entry() {
    let (mut node, _) = sent_whole(&[1], &[1, 2, 2]);
    node.restart();
    node.settle();
    for (last, granted) in [(id(2, 2), false), (id(9, 1), false), (id(3, 2), true)] {
        let term = node.term() + 1;
        node.receive(3, term, support::request_vote(last));
        assert_eq!(node.sent_to(3), [support::vote_reply(granted)], "{last}");
    }
    assert_eq!(Settings::default().snapshots, None);
}
