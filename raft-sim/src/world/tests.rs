//! Worlds as a whole: that they are functions of their plans, and what a calm one does.

use std::collections::BTreeMap;
use std::time::Duration;

use raft_core::states::Role;
use raft_core::time::Time;

use super::{Outcome, World};
use crate::key_value::{KeyValue, KeyValueWorkload};
use crate::markers::Marker;
use crate::nemesis::{Fault, FaultPlan, Loss, Occasion, Target};
use crate::plan::{Plan, RarePlan, RareSite, Snapshots, Swarm};
use crate::process::Node;
use crate::sim::{Sim, run_plan, run_seed};

fn short(faults: bool) -> Swarm {
    Swarm {
        nodes: Some(3),
        duration: Duration::from_secs(6),
        faults,
        ..Swarm::default()
    }
}

#[test]
fn a_world_runs_the_same_way_each_time_and_another_seed_another_way() {
    let hash = |seed| run_seed(seed, &short(true)).hash;
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3), hash(4));
}

#[test]
fn a_calm_world_elects_once_and_answers_everything() {
    let mut plan = Plan::draw(1, &short(false));
    // At rest its leader may be asked to hand over.
    plan.ending.rests = 0;
    let outcome = run_plan(plan);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counters.crashes, 0);
    assert_eq!(outcome.counters.elections, 1);
    assert_eq!(outcome.counters.answered, outcome.counters.operations);
    assert!(outcome.counters.operations > 30);
}

#[test]
fn what_is_kept_in_memory_outlives_a_blackout() {
    let mut plan = Plan::draw(1, &short(false));
    for node in &mut plan.nodes {
        node.in_memory = true;
    }
    plan.tuning.snapshots = Some(Snapshots {
        after_entries: 10,
        after_bytes: 1 << 20,
        margin: 0,
        margin_bytes: None,
    });
    plan.ending.blackout = Some(Loss::All);
    let outcome = run_plan(plan);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counters.crashes, 3);
    assert_eq!(outcome.counters.unsynced_crashes, 0);
    let again = outcome.reached.of(Marker::KeptInMemory);
    assert_eq!(again.times, 3);
}

#[test]
fn what_is_rare_happens_where_a_plan_asks_for_it_and_harms_nothing() {
    let mut plan = Plan::draw(1, &short(false));
    plan.tuning.max_cached_bytes = 0;
    let usual = run_plan(plan.clone());
    let rarely = |site| RarePlan {
        site,
        per_mille: 100,
    };
    plan.rare = RareSite::all().map(rarely).collect();
    let rare = run_plan(plan);
    assert_eq!(rare.violation, None);
    assert_eq!(rare.counters.answered, rare.counters.operations);
    let seen = |outcome: &Outcome| {
        let sites = RareSite::all();
        let seen = sites.filter(|site| outcome.reached.of(site.marker()).times > 0);
        seen.count()
    };
    assert_eq!(seen(&usual), 0);
    assert!(seen(&rare) > RareSite::all().count() * 2 / 3);
}

#[test]
fn a_world_without_a_leader_for_a_while_elects_another() {
    let mut plan = Plan::draw(1, &short(false));
    plan.faults.push(FaultPlan {
        number: 0,
        at: Duration::from_secs(2),
        occasion: Occasion::Proposed,
        delay: Duration::ZERO,
        fault: Fault::Crash {
            target: Target::Leader,
            loss: Loss::All,
            down: Duration::from_secs(3),
            rot: false,
        },
    });
    let outcome = run_plan(plan);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.counters.crashes, 1);
    assert_eq!(outcome.counters.unsynced_crashes, 1);
    assert!(outcome.counters.elections >= 2);
}

#[test]
fn worlds_of_one_node_and_of_seven_come_to_rest() {
    for nodes in [1, 2, 7] {
        let swarm = Swarm {
            nodes: Some(nodes),
            ..short(true)
        };
        let outcome = run_seed(9, &swarm);
        assert_eq!(outcome.violation, None, "{nodes} nodes");
    }
}

#[test]
fn a_world_that_lost_a_majority_owes_no_progress_and_one_that_lost_nobody_does() {
    for (lost, unowed) in [(0, 0), (2, 1)] {
        let plan = Plan::draw(1, &short(false));
        let mut world = World::new(plan, KeyValue::default, KeyValueWorkload::default());
        for node in world.nodes.iter_mut().take(lost) {
            node.give_up();
        }
        let outcome = world.run();
        assert_eq!(outcome.violation, None, "{lost} lost");
        assert_eq!(outcome.counters.unowed, unowed, "{lost} lost");
    }
}

#[test]
fn a_stall_names_who_could_lead_and_what_each_waits_for() {
    let plan = Plan::draw(1, &short(false));
    let mut world = World::new(plan, KeyValue::default, KeyValueWorkload::default());
    while world.schedule.now() < Time::from_millis(3_000) {
        let event = world.schedule.next().unwrap();
        world.happen(event).unwrap();
        world.run_woken().unwrap();
    }
    let leads = |node: &Node<_>| node.glimpse.is_some_and(|one| one.role == Role::Leader);
    let leader = world.nodes.iter().position(leads).unwrap();
    let (lost, left) = ((leader + 1) % 3, (leader + 2) % 3);
    world.nodes[lost].give_up();
    let text = world.describe();
    let lost_for_good = format!("n{}: lost for good", lost + 1);
    for part in [
        "these could lead: n",
        "follows n",
        "its timer fires in",
        &lost_for_good,
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(text.contains("waits for answers: n"), "{text}");
    // Whoever is left alone says whom it lacks, and what waits for that.
    world.nodes[leader].give_up();
    let asks = |node: &Node<_>| {
        node.glimpse
            .is_some_and(|one| one.role == Role::PreCandidate)
    };
    while !asks(&world.nodes[left]) {
        let event = world.schedule.next().unwrap();
        world.happen(event).unwrap();
        world.run_woken().unwrap();
    }
    let text = world.describe();
    let (one, other) = (lost.min(leader) + 1, lost.max(leader) + 1);
    let ballot = format!(
        "a pre-vote must be granted by 2 of the voters (n1, n2, n3): n{} did, nobody refused, \
         n{one}, n{other} did not answer",
        left + 1
    );
    assert!(text.contains(&ballot), "no {ballot:?} in {text}");
}

#[test]
fn an_app_that_differs_from_node_to_node_is_found_out() {
    use raft_node::state_machine::App;
    use serde::{Deserialize, Serialize};

    /// Counts, and forgets: what it answers depends on where it runs.
    #[derive(Serialize, Deserialize)]
    struct Forgetful(u64, BTreeMap<u64, u64>);

    impl App for Forgetful {
        type Command = u64;
        type Reply = u64;
        fn apply(&mut self, key: u64) -> u64 {
            let count = self.1.entry(key).or_default();
            *count += 1;
            if self.1.len() > 3 {
                self.1.clear();
            }
            *self.1.entry(key).or_default() + self.0
        }
    }

    let births = std::sync::atomic::AtomicU64::new(0);
    let make = move || {
        let before = births.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Forgetful(before, BTreeMap::new())
    };
    let failed = Sim::new(make, |lot| lot.below(9))
        .nodes(3)
        .lasting(Duration::from_secs(6))
        .run(0..5)
        .expect_err("replies differ from node to node");
    assert_eq!(failed.violation.property, "app_determinism");
}

/// A calm world of five nodes that three found, in which these things are asked of the leader.
fn asked(faults: &[(u64, Fault)]) -> Outcome {
    let swarm = Swarm {
        nodes: Some(5),
        duration: Duration::from_secs(20),
        ..short(false)
    };
    let mut plan = Plan::draw(3, &swarm);
    plan.founders = 3;
    let planned = faults
        .iter()
        .zip(0..)
        .map(|((at, fault), number)| FaultPlan {
            number,
            at: Duration::from_millis(*at),
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault: *fault,
        });
    plan.faults = planned.collect();
    World::new(plan, KeyValue::default, KeyValueWorkload::default()).run()
}

#[test]
fn members_are_asked_for_and_come_and_go() {
    let target = Target::Leader;
    let of = |voters, learners| Fault::Reconfigure {
        target,
        voters,
        learners,
    };
    let outcome = asked(&[(6_000, of(0b11111, 0)), (12_000, of(0b11000, 0b00001))]);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.reached.of(Marker::MembersChanged).times, 2);
    assert_eq!(outcome.reached.of(Marker::NodeJoined).times, 2);
    // Two things at once, one of which is refused.
    let outcome = asked(&[(6_000, of(0b00001, 0)), (6_000, of(0b00011, 0))]);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.reached.of(Marker::MembersChanged).times, 1);
    assert_eq!(outcome.reached.of(Marker::ChangeRefused).times, 1);
    // Without being asked for, nobody joins.
    let outcome = asked(&[]);
    assert_eq!(outcome.violation, None);
    assert_eq!(outcome.reached.of(Marker::NodeJoined).times, 0);
}
