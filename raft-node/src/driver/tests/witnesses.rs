//! Witnesses among whole nodes.

use raft_core::chunk::Chunk;
use raft_core::configuration::{Member, MemberRole};
use raft_core::error::OpenError;
use raft_core::ids::LogIndex;
use raft_core::log::Log;
use raft_core::rules::reconfigure::TargetProblem;
use raft_core::settings::SnapshotPolicy;

use super::*;
use crate::error::StartError;

/// Two nodes and a witness.
fn small() -> World {
    World::with_witnesses(3, &[3], |_| {})
}

fn submit(world: &mut World, count: usize, on: &[u64]) {
    for number in 0..count {
        let on = world.handle(on[number % on.len()]);
        let submission = on.submit(payload(&format!("command {number}")));
        assert!(outcome(world, submission).is_ok(), "{number}");
    }
}

/// Whatever stands in the log of a node has payloads, or has none.
fn keeps_payloads(world: &World, id: u64) -> Vec<bool> {
    let log = world.disk(id);
    let first = log
        .recovered()
        .snapshot
        .map_or(LogIndex::ZERO, |mark| mark.last.index);
    let mut loading = log.load(first.next()..LogIndex::new(u64::MAX), usize::MAX);
    let chunks = poll(&mut loading).unwrap().unwrap();
    let all = chunks.iter().filter(|chunk| !chunk.is_config());
    all.map(|chunk: &Chunk| !chunk.is_ids_only()).collect()
}

#[test]
fn either_of_two_nodes_may_fail_beside_a_witness() {
    for lost in [1, 2] {
        let mut world = small();
        world.elect();
        submit(&mut world, 20, &[1, 2]);
        world.run(500);
        world.crash(lost);
        let left = 3 - lost;
        submit(&mut world, 20, &[left]);
        assert_eq!(world.handle(left).status().role, Some(Role::Leader));
        world.start(lost);
        submit(&mut world, 5, &[lost, left]);
        world.run(500);
        assert_eq!(world.journal(1), world.journal(2));
        assert_eq!(world.journal(1).len(), 45);
        assert!(world.journal(3).is_empty());
        assert!(keeps_payloads(&world, 3).iter().all(|has| !has));
        assert!(keeps_payloads(&world, left).iter().all(|has| *has));
    }
}

#[test]
fn a_witness_answers_nobody() {
    let mut world = small();
    world.elect();
    let submission = world.handle(3).submit(payload("x"));
    let refused = Err(SubmitError::NotSent(NotSent::Witness));
    assert_eq!(outcome(&mut world, submission), refused);
    for reading in [
        world.handle(3).read(|_| ()),
        world.handle(3).read_stale(|_| ()),
    ] {
        let mut reading = reading;
        assert_eq!(poll(&mut reading), Some(Err(ReadError::Witness)));
    }
}

/// With one of the two away it is the witness that decides; the log of nobody grows for that.
#[test]
fn a_witness_forgets_what_it_knew_and_is_told_of_snapshots_without_their_content() {
    let mut world = World::with_witnesses(3, &[3], |settings| {
        settings.raft.snapshots = Some(SnapshotPolicy {
            after_entries: 5,
            after_bytes: u64::MAX,
        });
        settings.raft.snapshot_margin = 0;
    });
    world.elect();
    submit(&mut world, 30, &[1, 2]);
    world.run(1_000);
    let first = |world: &World, id| world.handle(id).status().first_index.get();
    assert!(first(&world, 3) > 20, "{}", first(&world, 3));
    assert_eq!(world.handle(3).status().snapshot, None);
    world.crash(3);
    submit(&mut world, 30, &[1, 2]);
    // It finds what it had, and what it lacks is in no log any more.
    world.start(3);
    world.run(1_000);
    assert!(first(&world, 3) > 50, "{}", first(&world, 3));
    world.crash(1);
    submit(&mut world, 5, &[2]);
    assert_eq!(world.journal(2).len(), 65);
}

#[test]
fn a_witness_that_joins_is_sent_ids() {
    let mut world = World::of(2);
    let leader = world.elect();
    submit(&mut world, 10, &[1, 2]);
    world.witnesses.insert(3);
    world.join(3, &[1, 2]);
    world.run(500);
    let mut target = world.handle(leader).status().configuration.members.clone();
    let me = world.handle(3).status().me.unwrap();
    let member = Member {
        role: MemberRole::Witness,
        address: "host3".into(),
        ..Member::voter(me.incarnation)
    };
    target.insert(me.id, member);
    let mut request = world.handle(leader).reconfigure(target);
    let changed = world.until(|_| poll(&mut request));
    assert!(changed.is_ok(), "{changed:?}");
    submit(&mut world, 10, &[1, 2]);
    world.crash(leader);
    submit(&mut world, 10, &[3 - leader]);
    assert!(keeps_payloads(&world, 3).iter().all(|has| !has));
    assert!(keeps_payloads(&world, 3).len() > 10);
}

#[test]
fn what_can_not_be_is_refused_at_the_start() {
    let world = World::with_witnesses(3, &[3], |_| {});
    let mut setup = world.setup(1);
    setup.witnesses.insert(NodeId::new(2));
    let refused = world.try_start(setup, Recovered::default());
    let problem = TargetProblem::TooManyWitnesses { witnesses: 2 };
    assert_eq!(refused.err(), Some(StartError::Founders(problem)));
    let mut world = small();
    world.elect();
    world.run(500);
    world.crash(3);
    let mut setup = world.setup(3);
    setup.witnesses.clear();
    let refused = world.try_start(setup, world.recovered(3));
    let other = OpenError::OtherRole { witness: false };
    assert_eq!(refused.err(), Some(StartError::Hull(other)));
}
