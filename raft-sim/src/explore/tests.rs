//! Small worlds, whole.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use raft_core::ids::NodeId;

use super::search::{Search, side_by_side};
use super::state::{Bound, State};
use super::table::{Deed, fingerprint};
use super::*;
use crate::script;

/// The states of all nodes together, and what was committed.
type Joint = (Vec<[u32; 4]>, Vec<(u64, u64)>);

fn all_of(world: World) -> Explored {
    let explored = explore(&world, None, |_| Ok(())).unwrap();
    assert!(
        matches!(explored.verdict, Verdict::Complete),
        "{:?}",
        explored.verdict
    );
    explored
}

/// Figure 8 without crash and copy.
fn bare() -> World {
    World {
        crashes: 0,
        doubles: 0,
        ..World::figure_8()
    }
}

/// Two elections of three nodes: small enough for every push.
fn small() -> World {
    World {
        elections: 2,
        ..bare()
    }
}

#[test]
fn a_world_without_elections_is_one_state() {
    let world = World {
        elections: 0,
        ..bare()
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
        ..bare()
    };
    let explored = all_of(world);
    assert!(explored.progress.states > 1_000);
}

/// Two voters and a witness, and a leader that waits for the other voter in vain.
#[test]
fn everything_holds_with_a_witness() {
    let world = World {
        crashes: 0,
        stalls: 0,
        ..World::witness()
    };
    assert!(all_of(world).situations.two_leaders > 0);
}

/// Two voters and one that may join them: smaller than the world that is named so.
fn changing() -> World {
    World {
        nodes: 3,
        crashes: 0,
        ..World::reconfigure()
    }
}

#[test]
fn everything_holds_when_members_change() {
    let situations = all_of(changing()).situations;
    assert!(situations.members_changed > 0);
    assert!(situations.elected_in_joint > 0);
}

#[test]
fn a_configuration_is_cut_off_when_its_leader_is_replaced() {
    let world = World {
        changes: 2,
        ..changing()
    };
    assert!(all_of(world).situations.configuration_cut > 0);
}

/// One election is too few for anything to be removed, and two are too many for a test without optimisation.
#[test]
fn everything_holds_when_a_disk_is_damaged() {
    let world = World {
        elections: 2,
        slots: 0,
        ticks: 0,
        in_flight: Some(1),
        ..World::repair()
    };
    let situations = all_of(world).situations;
    assert!(situations.committed_lost > 0);
    assert!(situations.removed_again > 0);
    assert!(situations.repaired > 0);
}

#[test]
fn everything_holds_when_clients_read() {
    let world = World {
        ticks: 0,
        slots: 0,
        ..World::reads()
    };
    let situations = all_of(world).situations;
    assert!(situations.reads_answered > 0);
    assert!(situations.asked_too_late > 0);
}

#[test]
fn everything_holds_with_snapshots() {
    let world = World {
        crashes: 0,
        in_flight: Some(1),
        ..World::snapshots()
    };
    let situations = all_of(world).situations;
    assert!(situations.installed > 0);
    assert!(situations.installed_over_others > 0);
}

#[test]
fn a_limit_is_told() {
    let explored = explore(&small(), None, |progress| {
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
    let error = World {
        witnesses: 2,
        ..World::witness()
    };
    assert_eq!(error.validate().unwrap_err().bound, "witnesses");
    assert!(World::named("reconfigure").unwrap().validate().is_ok());
    let error = World {
        joiners: 1,
        ..World::witness()
    };
    assert_eq!(error.validate().unwrap_err().bound, "joiners");
    assert!(World::named("repair").unwrap().validate().is_ok());
    assert!(World::named("reads").unwrap().validate().is_ok());
    assert!(World::named("snapshots").unwrap().validate().is_ok());
    let error = World {
        snapshots: 1,
        ..World::repair()
    };
    assert_eq!(error.validate().unwrap_err().bound, "snapshots");
    let error = World {
        damages: 1,
        ..World::witness()
    };
    assert_eq!(error.validate().unwrap_err().bound, "damages");
}

/// All states of all nodes together that are met, under all names, and those right after a crash.
fn joint_states(world: World, reductions: Reductions, jobs: usize) -> (BTreeSet<Joint>, usize) {
    let mut search = Search::new(world, reductions, NonZeroUsize::new(jobs)).unwrap();
    let end = search.run(&mut |_| Ok(()));
    assert!(end.is_ok(), "{end:?}");
    assert!(search.known.table.confirm(jobs));
    let nodes = usize::from(world.nodes);
    let met = std::mem::take(&mut search.met);
    let mut all = BTreeSet::new();
    for State {
        locals,
        spent,
        past,
        ..
    } in &met
    {
        let crashes = spent.of(Bound::Crashes) < world.crashes;
        for crashing in 0..if crashes { nodes + 1 } else { 1 } {
            let mut locals = *locals;
            if let Some(local) = crashing.checked_sub(1).map(|node| &mut locals[node]) {
                let step = search.known.table.take(*local, Deed::Crash).unwrap();
                *local = search.known.table.step(step).next;
            }
            let known = &search.known;
            for renaming in 0..known.table.renamings.count() {
                let mut renamed = vec![[0; 4]; nodes];
                for (node, local) in locals[..nodes].iter().enumerate() {
                    let image = known.table.local_image(*local, renaming);
                    let name = known.table.renamings.node(renaming, node);
                    renamed[name] = fingerprint(&known.table.local(image).node);
                }
                let committed = known.pasts.get(*past).committed().iter();
                let committed = committed.map(|(entry, _)| (entry.index, entry.term));
                all.insert((renamed, committed.collect()));
            }
        }
    }
    (all, met.len())
}

const NONE: Reductions = Reductions {
    renames: false,
    simplifies: false,
    fuses: false,
    dominates: false,
};

/// Each reduction by itself, and all at once.
const EACH: [Reductions; 5] = [
    Reductions {
        renames: true,
        ..NONE
    },
    Reductions {
        simplifies: true,
        ..NONE
    },
    Reductions {
        fuses: true,
        ..NONE
    },
    Reductions {
        dominates: true,
        ..NONE
    },
    Reductions::ALL,
];

/// What the reductions rest on is said where they are; that they miss nothing is seen here.
fn reductions_miss_nothing(world: World, kinds: &[Reductions]) {
    let (all, most) = joint_states(world, NONE, 2);
    for reductions in kinds.iter().copied() {
        let (reduced, states) = joint_states(world, reductions, 2);
        assert!(reduced == all, "{reductions:?}");
        assert!(states <= most, "{reductions:?}: {states}, not {most}");
    }
}

#[test]
fn reductions_miss_nothing_of_an_election_and_a_command() {
    let world = World {
        elections: 1,
        doubles: 1,
        ..small()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_a_crash_between_two_elections() {
    let world = World {
        elections: 2,
        slots: 0,
        crashes: 1,
        in_flight: Some(1),
        ..bare()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_a_stalled_disk() {
    let world = World {
        elections: 1,
        slots: 1,
        in_flight: Some(1),
        ..World::two_entries()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_a_witness() {
    let world = World {
        elections: 1,
        crashes: 0,
        stalls: 0,
        ..World::witness()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_a_change_of_members() {
    let world = World {
        elections: 1,
        crashes: 1,
        ..changing()
    };
    reductions_miss_nothing(world, &[Reductions::of(&world)]);
}

#[test]
fn reductions_miss_nothing_of_a_damaged_disk() {
    let world = World {
        elections: 1,
        crashes: 1,
        ticks: 0,
        heartbeats: false,
        in_flight: Some(1),
        ..World::repair()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_a_read() {
    let world = World {
        elections: 1,
        slots: 0,
        ticks: 0,
        ..World::reads()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_a_snapshot() {
    let world = World {
        elections: 1,
        in_flight: Some(1),
        ..World::snapshots()
    };
    reductions_miss_nothing(world, &EACH);
}

#[test]
fn reductions_miss_nothing_of_pre_votes() {
    // There a node that only waited does more when it hears anything at all.
    let world = World {
        elections: 2,
        slots: 0,
        pre_vote: true,
        ..bare()
    };
    reductions_miss_nothing(
        world,
        &[Reductions {
            simplifies: false,
            ..Reductions::ALL
        }],
    );
}

#[test]
fn what_is_found_does_not_depend_on_how_many_work() {
    let of = |jobs| {
        let explored = explore(&small(), NonZeroUsize::new(jobs), |_| Ok(())).unwrap();
        explored.progress
    };
    let (one, many) = (of(1), of(3));
    assert_eq!(
        (one.states, one.transitions, one.depth, one.locals),
        (many.states, many.transitions, many.depth, many.locals)
    );
}

/// What a thread had in hand when it panicked was not looked at: nothing is complete then.
#[test]
fn a_panic_of_one_thread_is_a_panic_of_all() {
    let here = std::thread::current().id();
    let told = std::panic::catch_unwind(|| {
        side_by_side(2, || {
            assert_eq!(std::thread::current().id(), here, "a helper");
        });
    });
    assert!(told.is_err());
}

/// A script takes the cluster of scripts to where the exploration was.
#[test]
fn a_way_played_as_a_script_ends_in_the_same_state() {
    plays_as_found(&World {
        doubles: 1,
        crashes: 1,
        ..small()
    });
}

#[test]
fn a_change_of_members_played_as_a_script_ends_in_the_same_state() {
    plays_as_found(&World::reconfigure());
}

fn plays_as_found(world: &World) {
    let mut search = Search::new(*world, Reductions::of(world), None).unwrap();
    let _ = search.run(&mut |progress: &Progress| {
        if progress.states > 20_000 {
            Err(Stop::Limit)
        } else {
            Ok(())
        }
    });
    let latest = search.latest();
    assert!(latest.len() > 100);
    for found in latest.iter().step_by(latest.len() / 20) {
        let (way, state) = way::way_to(&mut search, found).unwrap();
        let happened = way::replay(&search, &way).unwrap();
        let text = story::script(world, &happened, None).unwrap();
        let played = script::run(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let played = played.text;
        for (node, local) in state
            .locals
            .iter()
            .enumerate()
            .take(usize::from(world.nodes))
        {
            let view = &search.known.table.local(*local).view;
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
