//! Disks that are lost as a whole, at the worst moments: while the founders of a cluster agree, and
//! after they have.

use std::time::Duration;

use raft_sim::markers::{Marker, Reached};
use raft_sim::nemesis::{Fault, FaultPlan, Occasion, Shape, Target};
use raft_sim::plan::{Plan, Swarm};
use raft_sim::sim::run_plan;
use raft_sim::world::Outcome;

/// A short world of three nodes with these faults, from these times on, and nothing else.
fn world(seed: u64, faults: &[(u64, Fault)]) -> Outcome {
    run_plan(plan(seed, faults))
}

/// Its plan.
fn plan(seed: u64, faults: &[(u64, Fault)]) -> Plan {
    let swarm = Swarm {
        nodes: Some(3),
        duration: Duration::from_secs(3),
        faults: false,
        ..Swarm::default()
    };
    let mut plan = Plan::draw(seed, &swarm);
    for (number, &(at, fault)) in (0..).zip(faults) {
        plan.faults.push(FaultPlan {
            number,
            at: Duration::from_millis(at),
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault,
        });
    }
    plan
}

const fn wipe(node: u8, beyond: bool) -> Fault {
    Fault::Wipe {
        target: Target::Node(node),
        down: Duration::from_millis(5),
        beyond,
    }
}

/// Founders A and B may know what C does not when A's disk is lost: A must not found a second
/// cluster with C, whoever hears whom. Whoever is lost when nobody knew anything founds the cluster
/// with the others after all.
#[test]
fn whenever_a_founder_loses_its_disk_there_is_one_cluster() {
    let mut reached = Reached::default();
    let mut unowed = 0;
    for at in 0..50 {
        let node = (at % 3) as u8;
        let apart = Fault::Cut {
            shape: Shape::Isolate(Target::Node((node + 1 + (at / 3 % 2) as u8) % 3)),
            lasts: Duration::from_millis(400),
            held: false,
            flap: None,
        };
        let mut faults = vec![(at * 10, wipe(node, true))];
        if at % 2 == 0 {
            faults.push((at * 10 - at % 7 * 10 / 7, apart));
        }
        let outcome = world(at, &faults);
        assert_eq!(outcome.violation, None, "at {at}: {faults:?}");
        reached.add(&outcome.reached);
        unowed += outcome.counters.unowed;
    }
    assert!(reached.of(Marker::WipedFounds).worlds > 4, "{reached:?}");
    assert!(reached.of(Marker::WipedRefused).worlds > 4, "{reached:?}");
    assert!(unowed > 0, "no founding was ever in vain");
}

/// Two of three lose their disks while the third can't hear what they agreed on. If that was
/// everything there was to agree on, there was a cluster already, and now there are two.
#[test]
fn no_cluster_is_founded_before_every_founder_keeps_its_record() {
    let mut reached = Reached::default();
    for at in 0..40 {
        let deaf = Fault::Cut {
            shape: Shape::Deafen(Target::Node(2)),
            lasts: Duration::from_millis(900),
            held: false,
            flap: None,
        };
        let from = 100 + at * 8;
        let wiped = [0, 1].map(|node| (from + 500, wipe(node, true)));
        let outcome = world(at, &[(from, deaf), wiped[0], wiped[1]]);
        assert_eq!(outcome.violation, None, "deaf from {from} ms on");
        reached.add(&outcome.reached);
    }
    assert!(reached.of(Marker::WipedFounds).worlds > 0, "{reached:?}");
}

#[test]
fn a_cluster_goes_on_without_one_whose_disk_was_lost() {
    for node in 0..3 {
        let outcome = world(40, &[(1_000, wipe(node, false))]);
        assert_eq!(outcome.violation, None);
        assert_eq!(outcome.counters.unowed, 0);
        assert_eq!(outcome.reached.of(Marker::WipedRefused).times, 1);
    }
}

/// The second disk would be one too many.
#[test]
fn the_atlas_keeps_lost_disks_to_a_minority() {
    let faults = [(1_000, wipe(0, false)), (1_500, wipe(1, false))];
    let outcome = world(41, &faults);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counters.unowed, 0);
    assert_eq!(outcome.reached.of(Marker::WipedRefused).times, 1);
}

/// Beyond it nothing is promised but to tell no lie, and one disk is always left.
#[test]
fn beyond_the_atlas_no_progress_is_owed() {
    let faults = [0, 1, 2].map(|node| (1_000 + u64::from(node) * 100, wipe(node, true)));
    let outcome = world(42, &faults);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counters.unowed, 1);
    assert_eq!(outcome.reached.of(Marker::WipedRefused).times, 2);
}

/// Three found a cluster; one loses its disk, is removed, added as a learner, and votes again.
#[test]
fn a_node_that_lost_its_disk_is_removed_added_again_and_votes() {
    let ask = |voters, learners| Fault::Reconfigure {
        target: Target::Leader,
        voters,
        learners,
    };
    let mut reached = Reached::default();
    for seed in 0..6 {
        let own = 1 << (seed % 3);
        let mut faults = vec![(800, wipe((seed % 3) as u8, false))];
        // Whoever leads then: asked often enough, somebody does.
        let steps = [
            (0b111, 0),
            (0b111 & !own, 0),
            (0b111 & !own, own),
            (0b111, 0),
        ];
        for (number, (voters, learners)) in (0..).zip(steps) {
            for again in 0..6 {
                let at = 1_200 + number * 3_000 + again * 500;
                faults.push((at, ask(voters, learners)));
            }
        }
        let outcome = world_of_members(seed, &faults);
        assert_eq!(outcome.violation, None, "seed {seed}");
        assert_eq!(outcome.counters.unowed, 0);
        reached.add(&outcome.reached);
    }
    for marker in [
        Marker::WipedJoined,
        Marker::WipedVotes,
        Marker::OtherLifeRefused,
    ] {
        assert!(reached.of(marker).worlds > 2, "{marker:?}: {reached:?}");
    }
}

/// Where members change, no disk is lost without which nobody could decide.
#[test]
fn the_atlas_counts_who_decides_where_members_change() {
    let faults = [(1_000, wipe(0, false)), (1_500, wipe(1, true))];
    let outcome = world_of_members(43, &faults);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counters.unowed, 0);
    assert_eq!(outcome.reached.of(Marker::WipedJoined).times, 1);
}

/// As [`world`], and whoever loses its disk may be added again.
fn world_of_members(seed: u64, faults: &[(u64, Fault)]) -> Outcome {
    run_plan(Plan {
        duration: Duration::from_secs(15),
        founders: 3,
        ..plan(seed, faults)
    })
}
