//! Nodes that nobody wants anything of: they sleep, and whoever is asked first finds out what has
//! become of the others.

use std::time::Duration;

use super::world::World;
use super::{outcome, payload, reply};

/// Three nodes that have fallen quiet, after one command, and who leads them.
fn quiet_world() -> (World, u64) {
    let quiescent_after = Some(Duration::from_secs(2));
    let mut world = World::with(3, |settings| {
        settings.raft.quiescent_after = quiescent_after;
    });
    let leader = world.elect();
    let submission = world.handle(leader).submit(payload("a"));
    assert_eq!(outcome(&mut world, submission), reply(1));
    world.run(5_000);
    for id in [1, 2, 3] {
        assert!(world.driver(id).hull().unwrap().is_quiet(), "{id}");
    }
    (world, leader)
}

#[test]
fn quiet_nodes_say_nothing_and_set_no_alarm() {
    let (mut world, _) = quiet_world();
    let before = world.stir();
    world.run(60_000);
    assert_eq!(world.stir(), before);
}

#[test]
fn a_command_on_any_node_wakes_whom_it_needs() {
    for offset in 0..3 {
        let (mut world, leader) = quiet_world();
        world.run(10_000);
        let asked = (leader + offset) % 3 + 1;
        let submission = world.handle(asked).submit(payload("b"));
        assert_eq!(outcome(&mut world, submission), reply(2), "on {asked}");
        assert_eq!(world.elect(), leader, "nobody else need lead");
        world.run(5_000);
        assert!(world.driver(asked).hull().unwrap().is_quiet());
    }
}

#[test]
fn a_leader_that_died_unnoticed_is_replaced_on_the_next_use() {
    let (mut world, leader) = quiet_world();
    world.crash(leader);
    world.run(60_000);
    let follower = leader % 3 + 1;
    assert!(world.driver(follower).hull().unwrap().is_quiet());
    let submission = world.handle(follower).submit(payload("b"));
    assert_eq!(outcome(&mut world, submission), reply(2));
    world.start(leader);
    assert_ne!(world.elect(), leader);
}

#[test]
fn a_node_that_comes_back_to_a_quiet_cluster_finds_its_leader() {
    let (mut world, leader) = quiet_world();
    let follower = leader % 3 + 1;
    world.crash(follower);
    world.run(10_000);
    world.start(follower);
    assert_eq!(world.elect(), leader);
    world.run(10_000);
    for id in [1, 2, 3] {
        assert!(world.driver(id).hull().unwrap().is_quiet(), "{id}");
    }
}
