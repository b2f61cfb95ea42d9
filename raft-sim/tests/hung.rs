//! One follower that hangs costs the others nothing: worlds with one are compared with worlds without.
//!
//! Both are of one plan, calm and alike but for the one fault, so that what clients see must be alike
//! too. The bound is stated here: as many operations are answered, none takes more than twice as long as
//! the slowest where nobody hangs, and half of them take at most a quarter longer: a majority without the
//! one that hangs may be one of slower nodes.

use std::time::Duration;

use raft_core::time::Time;
use raft_sim::history::Outcome as Fate;
use raft_sim::nemesis::{Fault, FaultPlan, Occasion, Target};
use raft_sim::plan::{Delay, Ending, Plan, Swarm};
use raft_sim::sim::run_plan;
use raft_sim::world::Outcome;

/// When somebody hangs, in milliseconds.
const HANGS: (u64, u64) = (4_000, 9_000);

/// Where anybody waits longer for an answer though nobody hangs, clients ask for more than can be done:
/// such worlds are no measure.
const WAITING: Duration = Duration::from_millis(100);

/// A calm world whose clients all turn to another node than this one.
fn plan(seed: u64, nodes: u8, hung: u8) -> Plan {
    let swarm = Swarm {
        nodes: Some(nodes),
        duration: Duration::from_secs(10),
        faults: false,
        ..Swarm::default()
    };
    let mut plan = Plan::draw(seed, &swarm);
    let delay = Duration::from_millis(5);
    plan.network.delay = Delay::Even(delay, delay);
    plan.disk.sync = Delay::Even(delay, delay);
    plan.disk.other_most = Duration::from_micros(1);
    plan.disk.slow = None;
    plan.ending = Ending::PLAIN;
    plan.tuning.quiescent_after = None;
    for client in &mut plan.clients {
        client.home = (hung + 1) % nodes;
    }
    plan
}

fn with(mut plan: Plan, fault: Fault) -> Outcome {
    plan.faults.push(FaultPlan {
        number: 0,
        at: Duration::from_millis(HANGS.0),
        occasion: Occasion::None,
        delay: Duration::ZERO,
        fault,
    });
    run_plan(plan)
}

/// How long each operation took that was asked for while somebody hung, in order.
fn latencies(outcome: &Outcome) -> Vec<Duration> {
    let meanwhile = |at: Time| at >= Time::from_millis(HANGS.0) && at < Time::from_millis(HANGS.1);
    let operations = outcome.history.operations().iter();
    let mut all: Vec<Duration> = operations
        .filter(|operation| meanwhile(operation.invoked.time))
        .filter_map(|operation| match &operation.outcome {
            Fate::Answered(at, _) => Some(at.time.since(operation.invoked.time)),
            Fate::Unknown | Fate::Refused => None,
        })
        .collect();
    all.sort_unstable();
    all
}

/// Compares worlds in which each node hangs that leads nobody; answers how many there were.
fn compare(nodes: u8, fault: impl Fn(Target, Duration) -> Fault) -> u32 {
    let lasts = Duration::from_millis(HANGS.1 - HANGS.0);
    let mut compared = 0;
    for seed in 0..6 {
        for hung in 0..nodes {
            let calm = run_plan(plan(seed, nodes, hung));
            let other = with(plan(seed, nodes, hung), fault(Target::Node(hung), lasts));
            assert_eq!((&calm.violation, &other.violation), (&None, &None));
            if other.counters.elections != calm.counters.elections {
                // It was the leader.
                continue;
            }
            let (usual, then) = (latencies(&calm), latencies(&other));
            let Some((most, worst)) = usual.last().zip(then.last()) else {
                continue;
            };
            if *most > WAITING {
                continue;
            }
            let text = || format!("seed {seed}, node {hung}: {usual:?}, and then {then:?}");
            assert_eq!(usual.len(), then.len(), "{}", text());
            assert!(*worst <= *most * 2, "{}", text());
            let [half, half_usually] = [&then, &usual].map(|all| all[all.len() / 2]);
            assert!(half <= half_usually * 5 / 4, "{}", text());
            compared += 1;
        }
    }
    compared
}

#[test]
fn who_takes_nothing_in_costs_the_others_nothing() {
    let pause = |target, lasts| Fault::Pause { target, lasts };
    assert!(compare(3, pause) >= 6);
    assert!(compare(5, pause) >= 12);
}

#[test]
fn whose_disk_answers_nothing_costs_the_others_nothing() {
    let stall = |target, lasts| Fault::Stall { target, lasts };
    assert!(compare(3, stall) >= 6);
    assert!(compare(5, stall) >= 12);
}
