//! Section 7: taking snapshots, forgetting what they stand for, and starting from one.

use std::sync::Arc;

use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::Configuration;
use raft_core::error::{Dropped, OpenError};
use raft_core::hull::{Hull, Input};
use raft_core::ids::EntryId;
use raft_core::log::{LogError, Recovered};
use raft_core::message::{Body, Removed};
use raft_core::settings::{Settings, SettingsProblem, SnapshotPolicy};
use raft_core::states::Role;
use raft_core::time::{LogTime, Time};

use crate::support::{
    self, Node, append, chunks, id, ids_of, index, matched, peer, pre_vote, settings,
};

/// A snapshot after every `after` entries, of which `margin` stay in the log.
pub(crate) fn snapshotting(after: u64, margin: u64) -> Settings {
    Settings {
        snapshots: Some(SnapshotPolicy {
            after_entries: after,
            after_bytes: u64::MAX,
        }),
        snapshot_margin: margin,
        ..settings()
    }
}

/// Node 1 of three, a follower with these settings and nothing in its log.
pub(crate) fn follower(settings: Settings) -> Node {
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(settings);
    let mut node = Node::with_setup(setup, Default::default());
    node.settle();
    node
}

fn newest(node: &Node) -> Option<EntryId> {
    node.store.newest().map(|(snapshot, _)| snapshot.id.last)
}

fn config_at(at: u64, term: u64, size: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    builder.push_config(&voters(size)).unwrap();
    let term = raft_core::ids::Term::new(term);
    let chunk = builder.seal(term, index(at), LogTime::ZERO, raft_core::checksum::crc32c);
    chunk.unwrap()
}

fn voters(size: u64) -> Configuration {
    Configuration::of_voters((1..=size).map(peer))
}

/// [S7.42]
#[test]
fn one_is_taken_when_the_log_has_grown_by_as_much_as_the_settings_say() {
    let mut node = Node::leading_with(snapshotting(4, 0));
    for last in 2..=9 {
        node.propose(b"x");
        node.sent();
        node.acknowledge(2, last);
        let expected = [None, Some(id(4, 1)), Some(id(8, 1))][(last / 4) as usize];
        assert_eq!(newest(&node), expected, "after {last}");
    }
}

#[test]
fn one_is_taken_when_the_commands_since_the_last_weigh_as_much_as_the_settings_say() {
    let mut settings = snapshotting(u64::MAX, 0);
    // Two commands of ten bytes, with what a record carries.
    settings.snapshots.as_mut().unwrap().after_bytes = 68;
    let mut node = Node::leading_with(settings);
    for (last, expected) in [(2, None), (3, Some(3)), (4, Some(3)), (5, Some(5))] {
        node.propose(b"0123456789");
        node.sent();
        node.acknowledge(2, last);
        let expected = expected.map(|last| id(last, 1));
        assert_eq!(newest(&node), expected, "after {last}");
    }
}

/// [S7.13a]
#[test]
fn a_follower_takes_them_of_its_own_accord() {
    let mut node = follower(snapshotting(3, 0));
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1]), 3));
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(newest(&node), Some(id(3, 1)));
}

/// [S7.13b]
#[test]
fn it_stands_for_what_was_applied_and_not_for_what_is_merely_in_the_log() {
    let mut node = follower(snapshotting(2, 0));
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1, 1]), 2));
    let (snapshot, content) = node.store.newest().unwrap();
    assert_eq!(snapshot.id.last, id(2, 1));
    assert_eq!(*content, support::Store::content(&node.machine));
    assert_eq!(node.machine.len(), 2);
}

/// [S7.5]
#[test]
fn nothing_is_forgotten_before_the_snapshot_is_durable() {
    let mut node = follower(snapshotting(3, 0));
    node.auto_store = false;
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1]), 3));
    assert_eq!(node.jobs.len(), 1);
    assert_eq!(node.hull.forgotten(), EntryId::ORIGIN);
    assert_eq!(node.log.recovered().snapshot, None);
    node.store_one();
    node.settle();
    assert_eq!(node.hull.forgotten(), id(3, 1));
    let mark = node.log.recovered().snapshot.unwrap();
    assert_eq!(mark.last, id(3, 1));
}

/// [S7.15]
#[test]
fn it_names_the_last_entry_with_its_own_term() {
    let mut node = follower(snapshotting(3, 0));
    node.receive(2, 7, append(id(0, 0), chunks(1, &[1, 2, 2, 5]), 3));
    assert_eq!((newest(&node), node.term()), (Some(id(3, 2)), 7));
}

/// [S7.16]
#[test]
fn the_entry_after_it_is_checked_against_its_last_entry() {
    let mut node = follower(snapshotting(3, 0));
    node.receive(2, 2, append(id(0, 0), chunks(1, &[1, 1, 2]), 3));
    node.sent();
    assert_eq!(node.log.recovered().runs, []);
    node.receive(2, 2, append(id(3, 1), chunks(4, &[2]), 3));
    assert!(matches!(
        node.drops()[..],
        [Dropped::OverwritesCommitted { .. }]
    ));
    node.receive(2, 2, append(id(3, 2), chunks(4, &[2]), 3));
    assert_eq!(node.sent_to(2), [matched(1, 4)]);
    node.restart();
    node.settle();
    assert_eq!(node.hull.last(), id(4, 2));
    node.receive(2, 2, append(id(4, 2), chunks(5, &[2]), 3));
    assert_eq!(node.sent_to(2), [matched(1, 5)]);
}

/// [S7.17]
#[test]
fn it_holds_the_configuration_as_of_its_last_entry() {
    let mut node = follower(snapshotting(3, 0));
    let mut entries = chunks(1, &[1, 1, 1]);
    entries.push(config_at(4, 1, 5));
    node.receive(2, 1, append(id(0, 0), entries, 3));
    let (snapshot, _) = node.store.newest().unwrap();
    assert_eq!(snapshot.configuration, voters(3));
    assert_eq!(node.hull.configuration(), &voters(5));
    // Later ones, in the log, stay in force.
    node.restart();
    node.settle();
    assert_eq!(node.hull.forgotten(), id(3, 1));
    assert_eq!(node.hull.configuration(), &voters(5));
    node.receive(2, 1, append(id(4, 1), chunks(5, &[1, 1]), 6));
    let (snapshot, _) = node.store.newest().unwrap();
    assert_eq!(
        (snapshot.id.last, &snapshot.configuration),
        (id(6, 1), &voters(5))
    );
    node.restart();
    assert_eq!(node.hull.configuration(), &voters(5), "from the snapshot");
}

/// The configuration's own entry is forgotten, and what it says is not.
#[test]
fn who_was_removed_is_told_also_when_the_entry_for_it_is_forgotten() {
    let mut node = follower(snapshotting(3, 0));
    let mut entries = chunks(1, &[1]);
    entries.push(config_at(2, 1, 2));
    entries.extend(chunks(3, &[1]));
    node.receive(2, 1, append(id(0, 0), entries, 3));
    assert_eq!(node.hull.forgotten(), id(3, 1));
    let removed = |at| {
        Body::Removed(Removed {
            configuration: index(at),
        })
    };
    node.receive(3, 1, pre_vote(1, id(9, 1)));
    assert!(node.sent_to(3).contains(&removed(3)));
    // And what came before it removes nobody who is in it.
    node.drops();
    node.receive(2, 1, removed(3));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    node.ask();
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

/// [S7.18a]
#[test]
fn of_what_it_stands_for_a_margin_is_kept() {
    let mut node = follower(snapshotting(5, 2));
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1, 1, 1, 1]), 5));
    assert_eq!(newest(&node), Some(id(5, 1)));
    assert_eq!(node.hull.forgotten(), id(3, 1));
    let first = index(4);
    let compacted = Err(LogError::Compacted { first });
    assert_eq!(node.log.read(index(3)..index(9), 99), compacted);
    assert_eq!(
        support::ids(&node.log.read(first..index(9), 999).unwrap()),
        ids_of(4, &[1, 1, 1])
    );
    // What was kept is not applied twice.
    node.restart();
    node.receive(2, 1, append(id(6, 1), Vec::new(), 6));
    assert_eq!(node.hull.applied_index(), index(6));
    let applied: Vec<EntryId> = node.machine.iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, ids_of(1, &[1, 1, 1, 1, 1, 1]));
}

/// [S7.18a] [S7.42] Large entries fill a disk as many do.
#[test]
fn the_margin_is_kept_as_far_as_its_bytes_go() {
    let two = chunks(17, &[1, 1]);
    let two: usize = two.iter().map(Chunk::payload_bytes).sum();
    let two = two as u64;
    // Nine snapshots of two entries each.
    for (most, first) in [(u64::MAX, 1), (two - 1, 19), (two, 17), (2 * two, 15)] {
        let mut node = follower(Settings {
            snapshot_margin_bytes: most,
            ..snapshotting(2, 100)
        });
        for last in (2..=18).step_by(2) {
            let previous = id(last - 2, (last > 2).into());
            node.receive(2, 1, append(previous, chunks(last - 1, &[1, 1]), last));
            assert_eq!(newest(&node), Some(id(last, 1)));
        }
        assert_eq!(
            node.hull.forgotten().index.next(),
            index(first),
            "{most} bytes"
        );
    }
}

/// [S7.18b]
#[test]
fn the_one_before_it_goes() {
    let mut node = follower(snapshotting(2, 0));
    for last in [2, 4, 6] {
        node.receive(
            2,
            1,
            append(
                id(last - 2, (last > 2).into()),
                chunks(last - 1, &[1, 1]),
                last,
            ),
        );
        assert_eq!(newest(&node), Some(id(last, 1)));
        assert_eq!(node.store.stored.len(), 1);
    }
}

#[test]
fn one_can_be_asked_for_but_not_of_nothing_new() {
    let mut node = Node::leading();
    node.step(Input::TakeSnapshot);
    assert_eq!(newest(&node), Some(id(1, 1)));
    node.step(Input::TakeSnapshot);
    assert_eq!(node.store.stored.len(), 1);
    assert_eq!(node.hull.forgotten(), EntryId::ORIGIN, "within the margin");
}

#[test]
fn one_that_could_not_be_taken_is_tried_again_when_the_log_has_grown_on() {
    let mut node = follower(snapshotting(2, 0));
    node.store.is_broken = true;
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1]), 2));
    node.store.is_broken = false;
    node.receive(2, 1, append(id(2, 1), chunks(3, &[1]), 3));
    assert_eq!(newest(&node), None);
    assert_eq!(node.hull.forgotten(), EntryId::ORIGIN);
    node.receive(2, 1, append(id(3, 1), chunks(4, &[1]), 4));
    assert_eq!(newest(&node), Some(id(4, 1)));
}

#[test]
fn only_one_is_taken_at_a_time_and_others_are_applied_meanwhile() {
    let mut node = follower(snapshotting(2, 0));
    node.auto_store = false;
    for last in [2, 4, 6] {
        node.receive(
            2,
            1,
            append(
                id(last - 2, (last > 2).into()),
                chunks(last - 1, &[1, 1]),
                last,
            ),
        );
    }
    assert_eq!((node.jobs.len(), node.hull.applied_index()), (1, index(6)));
    node.store_one();
    assert_eq!(newest(&node), Some(id(2, 1)), "as of when it was begun");
    assert_eq!(node.store.machine().len(), 2);
}

/// A request that comes late speaks of entries that are no longer there to be compared.
#[test]
fn what_is_forgotten_is_held() {
    let mut node = follower(snapshotting(4, 0));
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1, 1]), 4));
    node.sent();
    for (previous, entries) in [(0, 2), (1, 1), (2, 2), (3, 0)] {
        let terms = vec![1; entries];
        let previous_id = id(previous, (previous > 0).into());
        node.receive(2, 1, append(previous_id, chunks(previous + 1, &terms), 4));
        let end = previous + entries as u64;
        assert_eq!(node.sent_to(2), [matched(1, end)], "after {previous}");
    }
    // One that reaches beyond it brings what is new.
    node.receive(2, 1, append(id(2, 1), chunks(3, &[1, 1, 1]), 4));
    assert_eq!(node.sent_to(2), [matched(1, 5)]);
    assert_eq!(node.hull.last(), id(5, 1));
    assert_eq!(node.drops(), []);
}

#[test]
fn snapshots_and_what_follows_them_survive_restarts() {
    let mut node = follower(snapshotting(3, 1));
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1, 1]), 3));
    for _ in 0..2 {
        node.restart();
        node.settle();
        assert_eq!((node.commit(), node.hull.applied_index()), (3, index(3)));
        assert_eq!(
            (node.hull.forgotten(), node.hull.last()),
            (id(2, 1), id(4, 1))
        );
        assert_eq!(node.machine.len(), 3);
    }
    node.receive(2, 1, append(id(4, 1), Vec::new(), 4));
    assert_eq!(node.applied, [(id(4, 1), b"4@1".to_vec())]);
    // It campaigns with the log it has, and leads.
    node.elect();
    assert_eq!(node.hull.last(), id(5, 2));
}

/// Log time goes on, also when no entry is left to tell it.
#[test]
fn log_time_goes_on_from_the_snapshot() {
    let mut node = follower(snapshotting(2, 0));
    let entries = chunks(1, &[1, 1]);
    let mut late = ChunkBuilder::new();
    late.push_no_op().unwrap();
    let term = raft_core::ids::Term::new(1);
    let time = LogTime::from_millis(7_000);
    let late = late.seal(term, index(3), time, raft_core::checksum::crc32c);
    node.receive(2, 1, append(id(0, 0), entries, 0));
    node.receive(2, 1, append(id(2, 1), vec![late.unwrap()], 3));
    assert_eq!(node.log.recovered().time, LogTime::ZERO);
    node.restart();
    node.win();
    let stamped = node.appends_to(2);
    let no_op = stamped.first().and_then(|append| append.chunks.first());
    assert!(no_op.unwrap().time() >= time);
}

#[test]
fn a_log_that_begins_after_a_snapshot_needs_it() {
    let mut node = follower(snapshotting(3, 0));
    node.receive(2, 2, append(id(0, 0), chunks(1, &[1, 2, 2]), 3));
    let recovered = node.log.recovered();
    let (snapshot, _) = node.store.newest().unwrap().clone();
    let open = |last: Option<EntryId>| {
        let stored = last.map(|last| {
            let mut stored = snapshot.clone();
            stored.id.last = last;
            stored
        });
        let recovered = Recovered {
            stored,
            ..recovered.clone()
        };
        Hull::open(support::setup(1, 3), recovered, Time::ZERO).err()
    };
    assert_eq!(open(Some(id(3, 2))), None);
    assert_eq!(open(Some(id(4, 2))), None, "a newer one will do");
    for last in [None, Some(id(2, 2)), Some(id(3, 1)), Some(id(4, 1))] {
        let refused = open(last);
        assert!(
            matches!(refused, Some(OpenError::Recovered { .. })),
            "{last:?}"
        );
    }
}

#[test]
fn settings_that_would_never_stop_taking_them_are_refused() {
    for (after_entries, after_bytes) in [(0, 1), (1, 0)] {
        let policy = SnapshotPolicy {
            after_entries,
            after_bytes,
        };
        let settings = Settings {
            snapshots: Some(policy),
            ..settings()
        };
        assert_eq!(settings.validate(), [SettingsProblem::SnapshotsWithoutEnd]);
    }
    assert_eq!(snapshotting(1, 0).validate(), []);
}

#[test]
fn a_hull_that_has_stopped_asks_for_none() {
    let mut node = follower(snapshotting(2, 0));
    node.auto_store = false;
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1]), 2));
    node.jobs.clear();
    node.auto_sync = false;
    node.receive(2, 1, append(id(2, 1), chunks(3, &[1]), 2));
    node.fail_write();
    node.step(Input::TakeSnapshot);
    assert_eq!(node.hull.next_snapshot_job(), None);
}
