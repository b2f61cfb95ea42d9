//! Small worlds, whole.

use raft_core::ids::NodeId;

use super::search::Search;
use super::*;
use crate::script;

fn all_of(world: World) -> Explored {
    let explored = explore(&world, |_| Ok(())).unwrap();
    assert!(
        matches!(explored.verdict, Verdict::Complete),
        "{:?}",
        explored.verdict
    );
    explored
}

/// Two elections of three nodes: small enough for every push.
fn small() -> World {
    World {
        elections: 2,
        ..World::figure_8()
    }
}

#[test]
fn a_world_without_elections_is_one_state() {
    let world = World {
        elections: 0,
        ..World::figure_8()
    };
    assert_eq!(all_of(world).progress.states, 1);
}

#[test]
fn everything_holds_in_all_states_of_two_elections() {
    let situations = all_of(small()).situations;
    assert!(situations.two_leaders > 0);
    assert!(situations.figure_8_e > 0);
}

#[test]
fn everything_holds_when_a_disk_stalls_and_a_node_crashes() {
    let world = World {
        elections: 1,
        ..World::two_entries()
    };
    assert!(all_of(world).situations.lost_writes > 0);
}

#[test]
fn everything_holds_with_pre_votes_and_heartbeats() {
    let world = World {
        elections: 2,
        slots: 0,
        pre_vote: true,
        heartbeats: true,
        ..World::figure_8()
    };
    let explored = all_of(world);
    assert!(explored.progress.states > 1_000);
}

#[test]
fn a_limit_is_told() {
    let explored = explore(&small(), |progress| {
        if progress.states > 1 {
            Err(Stop::Limit)
        } else {
            Ok(())
        }
    });
    let explored = explored.unwrap();
    assert!(matches!(explored.verdict, Verdict::BoundedOut(Stop::Limit)));
    assert!(explored.progress.expanded < explored.progress.states);
}

#[test]
fn bounds_out_of_range_are_refused() {
    let world = World {
        nodes: 6,
        ..small()
    };
    let error = world.validate().unwrap_err();
    assert_eq!((error.bound, error.most), ("nodes", 5));
    assert!(World::named("figure-8").unwrap().validate().is_ok());
    assert!(World::named("two-entries").unwrap().validate().is_ok());
}

/// A script takes the cluster of scripts to where the exploration was.
#[test]
fn a_way_played_as_a_script_ends_in_the_same_state() {
    let world = World {
        doubles: 1,
        crashes: 1,
        ..small()
    };
    let mut search = Search::new(world, true).unwrap();
    let _ = search.run(&mut |progress: &Progress| {
        if progress.states > 20_000 {
            Err(Stop::Limit)
        } else {
            Ok(())
        }
    });
    let count = u32::try_from(search.progress().states).unwrap();
    for state in (0..count).rev().step_by(997) {
        let way = search.way_to(state);
        let text = story::script(&search, &way, None).unwrap();
        let played = script::run(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let played = played.text;
        for node in 0..3 {
            let view = &search.table.local(search.local_of(state, node)).view;
            let id = NodeId::new(node as u64 + 1);
            let last = view.log.last().map_or("0@T0".to_owned(), Entry::to_string);
            let line = played
                .lines()
                .filter_map(|line| line.strip_prefix("  "))
                .find(|line| line.starts_with(&format!("{id} ")) && line.contains(" in T"))
                .unwrap();
            assert!(
                line.contains(&format!(" in T{}, ", view.term)),
                "{line}\n{played}"
            );
            assert!(line.contains(&format!("last {last}, ")), "{line}\n{played}");
        }
    }
}
