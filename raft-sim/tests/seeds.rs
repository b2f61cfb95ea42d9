//! Some seeds in every test run: no property is violated, and the same seed is the same world.
//! Many more run from the command line (`raft-sim run`).

use std::time::Duration;

use raft_sim::markers::{Marker, Reached};
use raft_sim::plan::Swarm;
use raft_sim::sim::run_seed;

/// Runs a seed of this swarm twice, and adds the rare states it saw; answers how many operations it had.
fn twice(seed: u64, swarm: &Swarm, reached: &mut Reached) -> u64 {
    let outcome = run_seed(seed, swarm);
    reached.add(&outcome.reached);
    let words = format!(
        "raft-sim replay {seed} --for {}ms",
        swarm.duration.as_millis()
    );
    assert_eq!(outcome.violation, None, "{words}");
    let again = run_seed(seed, swarm);
    assert_eq!(outcome.hash, again.hash, "{words} differs from itself");
    assert_eq!(
        outcome.counters, again.counters,
        "{words} differs from itself"
    );
    outcome.counters.answered
}

#[test]
fn short_worlds_hold_all_properties_and_repeat_themselves() {
    let swarm = Swarm {
        duration: Duration::from_secs(6),
        ..Swarm::default()
    };
    let mut reached = Reached::default();
    let answered: u64 = (0..24).map(|seed| twice(seed, &swarm, &mut reached)).sum();
    assert!(
        answered > 24 * 20,
        "only {answered} operations were answered"
    );
    // A thousand whole worlds see all of them; these few must see most.
    let missed: Vec<&str> = reached.missed().map(Marker::sentence).collect();
    assert!(missed.len() * 2 < Marker::ALL.len(), "never: {missed:#?}");
}

#[test]
fn a_whole_world_of_each_size_does_too() {
    for nodes in [1, 3, 5, 7] {
        let swarm = Swarm {
            nodes: Some(nodes),
            duration: Duration::from_secs(20),
            ..Swarm::default()
        };
        twice(u64::from(nodes), &swarm, &mut Reached::default());
    }
}

#[test]
fn calm_worlds_crash_nobody_and_answer_nearly_everything() {
    let swarm = Swarm {
        duration: Duration::from_secs(10),
        faults: false,
        ..Swarm::default()
    };
    for seed in 0..6 {
        let outcome = run_seed(seed, &swarm);
        assert_eq!(
            outcome.violation, None,
            "raft-sim replay {seed} --no-faults"
        );
        assert_eq!(outcome.counters.crashes, 0);
        // The slowest of disks may be too slow for the most impatient of clients.
        let counters = outcome.counters;
        assert!(
            counters.answered * 10 >= counters.operations * 9,
            "{counters:?}"
        );
    }
}
