//! Snapshots among whole nodes.

use raft_core::ids::LogIndex;
use raft_core::settings::SnapshotPolicy;
use raft_core::store::StartReader;

use super::*;
use crate::driver::tests::world::Journal;
use crate::error::{StartError, Uncertain};
use crate::first_state::FirstState;
use crate::settings::NodeSettings;
use crate::state_machine::StateError;

/// A cluster that takes a snapshot of every so many entries and keeps none of those.
fn eager(after_entries: u64) -> World {
    World::with(3, |settings| tune(settings, after_entries))
}

fn tune(settings: &mut NodeSettings, after_entries: u64) {
    settings.raft.snapshots = Some(SnapshotPolicy {
        after_entries,
        after_bytes: u64::MAX,
    });
    settings.raft.snapshot_margin = 0;
    // Nothing goes in one piece.
    settings.max_apply_bytes_per_turn = 7;
    settings.raft.max_append_bytes = 16;
}

/// Has commands done, one after the other, and returns how many there were ever.
fn submit(world: &mut World, at: u64, count: usize) {
    for number in 0..count {
        let submission = world.handle(at).submit(payload(&format!("{at}: {number}")));
        assert!(outcome(world, submission).is_ok());
    }
}

/// A cluster at rest that has done so many commands and takes a snapshot of every fifth, and its leader.
fn grown(commands: usize) -> (World, u64) {
    let mut world = eager(5);
    let leader = world.elect();
    submit(&mut world, leader, commands);
    world.run(1_000);
    (world, leader)
}

fn snapshot_of(world: &World, id: u64) -> Option<LogIndex> {
    world.handle(id).status().snapshot.map(|last| last.index)
}

#[test]
fn logs_forget_what_snapshots_stand_for() {
    let (world, _) = grown(40);
    for id in [1, 2, 3] {
        let status = world.handle(id).status();
        let snapshot = status.snapshot.unwrap().index;
        assert!(snapshot.get() > 30, "on {id}: {snapshot}");
        assert_eq!(status.first_index, snapshot.next(), "on {id}");
        assert_eq!(world.journal(id).len(), 40, "on {id}");
        let kept = world.disk(id).recovered().snapshot.unwrap().last.index;
        assert_eq!(kept, snapshot, "on the disk of {id}");
    }
}

/// [T3.8.9]
#[test]
fn a_start_begins_with_the_snapshot_and_applies_what_follows() {
    let (mut world, leader) = grown(23);
    let journals = world.journal(leader);
    for id in [1, 2, 3] {
        world.crash(id);
    }
    for id in [1, 2, 3] {
        world.start(id);
        assert_eq!(world.handle(id).status().phase, Phase::Restoring);
    }
    world.elect();
    submit(&mut world, 1, 1);
    world.run(1_000);
    for id in [1, 2, 3] {
        assert_eq!(world.journal(id)[..23], journals, "on {id}");
        assert_eq!(world.journal(id).len(), 24, "on {id}");
    }
}

/// A store that looks through its snapshot when it is opened has it read then, and not again.
#[test]
fn what_was_read_when_the_store_was_opened_is_the_state() {
    let (mut world, _) = grown(23);
    let journal = world.journal(1);
    world.crash(1);
    let recovered = world.recovered(1);
    let stored = recovered.stored.clone().unwrap();
    let content = world.shelf(1).content(stored.id);
    let mut state = FirstState::new(Journal(vec![]));
    // Another one comes first, which turns out to be damaged.
    state.begin(&stored);
    state.read(&content[..20]);
    state.begin(&stored);
    for part in content.chunks(5) {
        state.read(part);
    }
    world.start_with(1, recovered, state);
    assert_eq!(world.handle(1).status().phase, Phase::Running);
    let applied = world.journal(1).len() as u64;
    assert!(applied > 15 && world.journal(1)[..] == journal[..applied as usize]);
    world.until(|world| (world.journal(1).len() == 23).then_some(()));
    assert_eq!(world.journal(1), journal);
}

#[test]
fn what_was_read_and_can_not_be_the_state_stops_the_start() {
    let (mut world, _) = grown(10);
    world.crash(1);
    let recovered = world.recovered(1);
    let stored = recovered.stored.clone().unwrap();
    let content = world.shelf(1).content(stored.id);
    let read = |content: &[u8]| {
        let mut state = FirstState::new(Journal(vec![]));
        state.begin(&stored);
        state.read(content);
        state.read(&[]);
        world
            .try_start_with(world.setup(1), recovered.clone(), state)
            .err()
    };
    let mut later = content.to_vec();
    later[0] += 1;
    let version = later[0];
    let unknown = StateError::UnknownVersion { version };
    assert_eq!(read(&later), Some(StartError::Restore(unknown)));
    let mut longer = content.to_vec();
    longer.push(0);
    for wrong in [
        &longer[..],
        &content[1..],
        &content[..content.len() - 1],
        &[],
    ] {
        let found = read(wrong);
        assert!(matches!(found, Some(StartError::Restore(_))), "{found:?}");
    }
    assert_eq!(read(&content), None);
}

#[test]
fn a_node_that_was_away_for_long_gets_a_snapshot() {
    let mut world = eager(3);
    let leader = world.elect();
    let away = leader % 3 + 1;
    submit(&mut world, leader, 2);
    world.net.borrow_mut().cut.insert(away);
    submit(&mut world, leader, 30);
    let before = world.handle(away).status().applied_index;
    world.net.borrow_mut().cut.clear();
    world.until(|world| (world.journal(away).len() == 32).then_some(()));
    assert!(snapshot_of(&world, away).unwrap() > before);
    assert_eq!(world.journal(away), world.journal(leader));
    // And goes on from there, also after a restart.
    world.crash(away);
    world.start(away);
    submit(&mut world, leader, 1);
    world.until(|world| (world.journal(away).len() == 33).then_some(()));
    assert_eq!(world.journal(away), world.journal(leader));
}

/// [F13.IS.8a] Also where no entry follows that would tell.
#[test]
fn what_a_snapshot_stands_for_is_applied_once_it_is_in_place() {
    let mut world = World::with(3, |settings| settings.raft.snapshot_margin = 0);
    let leader = world.elect();
    let away = leader % 3 + 1;
    world.net.borrow_mut().cut.insert(away);
    submit(&mut world, leader, 3);
    world.handle(leader).take_snapshot();
    let last = world.until(|world| snapshot_of(world, leader));
    world.net.borrow_mut().cut.clear();
    world.until(|world| (world.journal(away).len() == 3).then_some(()));
    let hull = world.driver(away).hull().unwrap();
    assert_eq!((hull.forgotten().index, hull.commit_index()), (last, last));
    assert_eq!(hull.applied_index(), last);
}

/// [S7.44]
#[test]
fn a_store_that_hangs_holds_up_neither_entries_nor_elections() {
    let mut world = eager(3);
    let leader = world.elect();
    for id in [1, 2, 3] {
        world.shelf(id).stall(true);
    }
    submit(&mut world, leader, 20);
    assert_eq!(snapshot_of(&world, leader), None);
    world.crash(leader);
    let next = world.elect();
    submit(&mut world, next, 20);
    for id in [1, 2, 3].into_iter().filter(|id| *id != leader) {
        world.shelf(id).stall(false);
    }
    world.until(|world| snapshot_of(world, next));
}

/// A command that was taken in and not answered before its node got a snapshot in place of the
/// entry.
fn overtaken(world: &mut World) -> (u64, Submission) {
    let leader = world.elect();
    let away = leader % 3 + 1;
    let other = away % 3 + 1;
    submit(world, away, 1);
    world.run(100);
    // Nobody but the leader has it durably, so that nobody learns that it is committed.
    world.disk(away).stall(true);
    world.disk(other).stall(true);
    let submission = world.handle(away).submit(payload("overtaken"));
    world.run(50);
    world.net.borrow_mut().cut.insert(away);
    world.disk(other).stall(false);
    world.until(|world| (world.journal(leader).len() == 2).then_some(()));
    world.disk(away).stall(false);
    (away, submission)
}

/// [S8.11]
#[test]
fn who_waits_for_an_entry_that_a_snapshot_stands_for_is_answered_by_it() {
    let mut world = eager(3);
    let (away, mut submission) = overtaken(&mut world);
    let leader = world.elect_among_others(away);
    submit(&mut world, leader, 20);
    assert_eq!(poll(&mut submission), None);
    world.net.borrow_mut().cut.clear();
    let handed_in = world.driver(leader).hull().unwrap().last();
    let answer = world.until(|_| poll(&mut submission));
    assert_eq!(answer, reply(2));
    let last = world.driver(leader).hull().unwrap().last();
    assert_eq!(last, handed_in, "nothing was sent again for it");
}

/// [T6.3.45]
#[test]
fn who_waits_for_an_entry_of_a_session_that_ended_meanwhile_is_told_that_nobody_knows() {
    let mut world = World::with(3, |settings| {
        tune(settings, 3);
        settings.sessions.max_sessions = 1;
    });
    let (away, mut submission) = overtaken(&mut world);
    let leader = world.elect_among_others(away);
    // Ends the session of the other node.
    submit(&mut world, leader, 20);
    world.net.borrow_mut().cut.clear();
    let answer = world.until(|_| poll(&mut submission));
    let why = Uncertain::Skipped;
    assert!(
        matches!(answer, Err(SubmitError::Unknown { why: told, .. }) if told == why),
        "{answer:?}"
    );
    // Nothing of it is ever done again.
    submit(&mut world, away, 1);
    let twice = payload("overtaken");
    let done = world.journal(away);
    assert_eq!(done.iter().filter(|command| **command == twice).count(), 1);
}

#[test]
fn a_snapshot_is_taken_when_it_is_asked_for_and_there_is_news() {
    let mut world = World::of(1);
    world.elect();
    submit(&mut world, 1, 2);
    assert_eq!(snapshot_of(&world, 1), None);
    world.handle(1).take_snapshot();
    let first = world.until(|world| snapshot_of(world, 1));
    world.handle(1).take_snapshot();
    world.run(100);
    assert_eq!(snapshot_of(&world, 1), Some(first));
    assert_eq!(first, world.handle(1).status().applied_index);
}

#[test]
fn a_snapshot_that_is_not_what_was_stored_stops_the_node_at_its_start() {
    let mut world = eager(3);
    let leader = world.elect();
    submit(&mut world, leader, 10);
    world.crash(1);
    let mut recovered = world.recovered(1);
    recovered.stored.as_mut().unwrap().id.length += 1;
    world.start_from(1, recovered);
    world.until(|world| world.exit(1));
    let fault = NodeFault::Restore(StateError::Unreadable);
    assert_eq!(world.exit(1), Some(Exit::Fault(fault)));
}
