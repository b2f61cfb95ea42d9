//! One follower that hangs, or is slow, costs the others nothing: worlds with one are compared with worlds without.
//!
//! Both are of one plan, calm and alike but for the one that hangs, so that what clients see must be alike
//! too. The bound is stated here: as many operations are answered, none takes more than twice as long as
//! the slowest where nobody hangs, and half of them (under load all together) take at most a quarter
//! longer: a majority without the one that hangs may be one of slower nodes.

use std::time::Duration;

use raft_core::time::Time;
use raft_sim::history::Outcome as Fate;
use raft_sim::nemesis::{Fault, FaultPlan, Occasion, Shape, Target};
use raft_sim::plan::{Delay, Ending, Plan, Swarm};
use raft_sim::sim::run_plan;
use raft_sim::workload::{Action, ClientPlan, Manner, OperationPlan};
use raft_sim::world::Outcome;

/// When somebody hangs, in milliseconds.
const HANGS: (u64, u64) = (4_000, 9_000);

/// Where anybody waits longer for an answer though nobody hangs, clients ask for more than can be done:
/// such worlds are no measure.
const WAITING: Duration = Duration::from_millis(100);

/// How many clients there are more in a busy world.
const WRITERS: u8 = 20;

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
    plan.network.redial_per_mille = 0;
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

/// The same with twenty clients more, each of which writes a key of its own ten times a second while somebody
/// hangs.
fn busy_plan(seed: u64, nodes: u8, hung: u8) -> Plan {
    let mut plan = plan(seed, nodes, hung);
    let drawn = plan.clients.len() as u32;
    let numbers = plan.operations.iter().map(|operation| operation.number + 1);
    let mut number = numbers.max().unwrap_or_default();
    for at in (HANGS.0..HANGS.1).step_by(100) {
        for writer in 0..WRITERS {
            plan.operations.push(OperationPlan {
                number,
                // Not all at once.
                at: Duration::from_millis(at) + Duration::from_micros(4_700) * u32::from(writer),
                client: drawn + u32::from(writer),
                action: Action::Put(100 + writer),
            });
            number += 1;
        }
    }
    plan.operations.sort_by_key(|operation| operation.at);
    let writers = (0..WRITERS).map(|writer| ClientPlan {
        home: (hung + 1 + writer % (nodes - 1)) % nodes,
        manner: Manner::Plain,
        window: drawn + u32::from(writer),
        patience: Duration::from_secs(2),
        lasting: false,
    });
    plan.clients.extend(writers);
    plan
}

/// What makes a follower slow for so long, and when each begins: its messages are held up both ways, it reacts late,
/// and its disk stands still for most of the time; but all of it goes on.
fn slowness(target: Target, lasts: Duration) -> Vec<(Duration, Fault)> {
    let part = Duration::from_millis(20);
    let held_up = Fault::Cut {
        shape: Shape::Isolate(target),
        lasts: part,
        held: true,
        flap: None,
    };
    let late = Fault::Slow {
        target,
        lasts,
        by: part,
    };
    let stall = Fault::Stall {
        target,
        lasts: part * 2,
    };
    let every = |span: Duration| {
        let times = (0..).map(move |count| span * count);
        times.take_while(move |at| *at < lasts)
    };
    let held_up = every(part * 2).map(|at| (at, held_up));
    let stalls = every(part * 3).map(|at| (at, stall));
    let late = [(Duration::ZERO, late)].into_iter();
    late.chain(held_up).chain(stalls).collect()
}

/// Runs a world with these faults, each so long after somebody begins to hang.
fn with(mut plan: Plan, faults: impl IntoIterator<Item = (Duration, Fault)>) -> Outcome {
    for (number, (after, fault)) in faults.into_iter().enumerate() {
        plan.faults.push(FaultPlan {
            number: number as u32,
            at: Duration::from_millis(HANGS.0) + after,
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault,
        });
    }
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
            let fault = (Duration::ZERO, fault(Target::Node(hung), lasts));
            let other = with(plan(seed, nodes, hung), [fault]);
            // Otherwise it was the leader.
            if other.counters.elections == calm.counters.elections {
                let text = format!("seed {seed}, node {hung}");
                compared += u32::from(costs_nothing((&calm, &other), median, &text));
            }
        }
    }
    compared
}

/// The same of slow nodes, under load. Who leads and is slow is not deposed for that: who leads is found out by a
/// pause.
fn compare_slow(nodes: u8, seeds: u64) -> u32 {
    let lasts = Duration::from_millis(HANGS.1 - HANGS.0);
    let mut compared = 0;
    for seed in 0..seeds {
        for slow in 0..nodes {
            let target = Target::Node(slow);
            let calm = run_plan(busy_plan(seed, nodes, slow));
            let pause = (Duration::ZERO, Fault::Pause { target, lasts });
            let paused = with(busy_plan(seed, nodes, slow), [pause]);
            if paused.counters.elections != calm.counters.elections {
                continue;
            }
            let other = with(busy_plan(seed, nodes, slow), slowness(target, lasts));
            let text = format!("seed {seed}, node {slow}");
            assert_eq!(other.counters.elections, calm.counters.elections, "{text}");
            compared += u32::from(costs_nothing((&calm, &other), mean, &text));
        }
    }
    compared
}

/// Fails if clients were worse off in the second world. Whether there was anything to compare.
fn costs_nothing(
    (calm, other): (&Outcome, &Outcome),
    typical: fn(&[Duration]) -> Duration,
    text: &str,
) -> bool {
    assert_eq!((&calm.violation, &other.violation), (&None, &None));
    let (usual, then) = (latencies(calm), latencies(other));
    let Some((most, worst)) = usual.last().zip(then.last()) else {
        return false;
    };
    if *most > WAITING {
        return false;
    }
    let text = || format!("{text}: {usual:?}, and then {then:?}");
    assert_eq!(usual.len(), then.len(), "{}", text());
    assert!(*worst <= *most * 2, "{}", text());
    assert!(typical(&then) <= typical(&usual) * 5 / 4, "{}", text());
    true
}

/// Where few ask: half of them wait no longer.
fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

/// Under load there are those that find the disk writing and those that do not, and which of them are the half
/// is chance.
fn mean(all: &[Duration]) -> Duration {
    all.iter().sum::<Duration>() / all.len() as u32
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

#[test]
fn whose_messages_and_disk_are_slow_costs_the_others_nothing() {
    assert!(compare_slow(3, 2) >= 4);
    assert!(compare_slow(5, 1) >= 4);
}
