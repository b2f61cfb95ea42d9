//! The minimiser: that it keeps what matters and nothing else, and stops when it should.

use std::cell::Cell;
use std::time::Duration;

use raft_core::time::Time;
use raft_node::rare::Site;

use super::*;
use crate::checkers::property;
use crate::history::History;
use crate::plan::{RarePlan, RareSite, Swarm};
use crate::sim::run_plan_within;
use crate::workload::Action;
use crate::world::Counters;

/// What a world would come to that violates this property, or none, after all that is planned.
fn outcome(plan: &Plan, violated: Option<&'static str>) -> Outcome {
    let time = Duration::from_secs(60);
    Outcome {
        seed: plan.seed,
        hash: 0,
        counters: Counters::default(),
        violation: violated.map(|property| Violation {
            property,
            node: None,
            time: Time::from_nanos(time.as_nanos() as u64),
            text: String::new(),
        }),
        undecided: false,
        reached: crate::markers::Reached::default(),
        history: History::new(),
        fates: Vec::new(),
    }
}

/// What matters in the plans of these tests: two faults, one operation, two nodes.
fn matters(plan: &Plan) -> bool {
    let fault = |number| plan.faults.iter().any(|fault| fault.number == number);
    let operation = plan
        .operations
        .iter()
        .any(|operation| operation.number == 17);
    fault(3) && fault(7) && operation && plan.nodes.len() >= 2
}

fn plan() -> Plan {
    let swarm = Swarm {
        nodes: Some(5),
        duration: Duration::from_secs(30),
        ..Swarm::default()
    };
    let plan = Plan::draw(5, &swarm);
    assert!(matters(&plan));
    plan
}

#[test]
fn keeps_what_matters_and_nothing_else() {
    let site = RareSite::Node(Site::OneSend);
    let rare = RareSite::all().map(|site| RarePlan { site, per_mille: 9 });
    let rare = rare.collect();
    let run = |plan: Plan, _| {
        let bad = matters(&plan) && plan.rare.iter().any(|one| one.site == site);
        outcome(&plan, bad.then_some(property::LOG_MATCHING))
    };
    let plan = Plan { rare, ..plan() };
    let shrunk = shrink(&plan, &run, Budget::runs(20_000)).unwrap();
    let sites: Vec<_> = shrunk.plan.rare.iter().map(|one| one.site).collect();
    assert_eq!(sites, [site]);
    let faults: Vec<u32> = shrunk.plan.faults.iter().map(|one| one.number).collect();
    assert_eq!(faults, [3, 7]);
    let numbers = shrunk.plan.operations.iter().map(|one| one.number);
    assert_eq!(numbers.collect::<Vec<_>>(), [17]);
    assert_eq!(shrunk.plan.nodes.len(), 2);
    assert_eq!(shrunk.plan.clients.len(), 1);
    assert_eq!(shrunk.after.events(), 3);
    assert!(shrunk.after.is_spelled_out);
    assert!(shrunk.done);
    assert_eq!(Plan::parse(&shrunk.plan.to_text()), Ok(shrunk.plan));
}

#[test]
fn another_property_violated_is_another_bug() {
    let run = |plan: Plan, _| {
        let violated = match matters(&plan) {
            true => property::LOG_MATCHING,
            false => property::LIVENESS,
        };
        outcome(&plan, Some(violated))
    };
    let shrunk = shrink(&plan(), &run, Budget::runs(2_000)).unwrap();
    assert_eq!(shrunk.violation.property, property::LOG_MATCHING);
    assert!(matters(&shrunk.plan));
}

#[test]
fn what_comes_after_the_violation_is_cut_off() {
    let run = |plan: Plan, _| {
        let mut outcome = outcome(&plan, Some(property::TICKETS));
        if let Some(violation) = &mut outcome.violation {
            violation.time = Time::from_nanos(2_000_000_000);
        }
        outcome
    };
    let shrunk = shrink(&plan(), &run, Budget::runs(1)).unwrap();
    let two = Duration::from_secs(2);
    assert!(shrunk.plan.operations.iter().all(|one| one.at <= two));
    assert!(shrunk.plan.faults.iter().all(|one| one.at <= two));
    assert_eq!(shrunk.plan.duration, two + Duration::from_nanos(1));
    assert!(!shrunk.plan.operations.is_empty());
}

#[test]
fn a_budget_is_kept() {
    let runs = Cell::new(0);
    let run = |plan: Plan, _| {
        runs.set(runs.get() + 1);
        outcome(&plan, matters(&plan).then_some(property::TICKETS))
    };
    let shrunk = shrink(&plan(), &run, Budget::runs(50)).unwrap();
    assert_eq!((runs.get(), shrunk.tried), (50, 50));
    assert!(!shrunk.done);
    let spent = Budget {
        most: Duration::from_secs(1),
        spent: &|| Duration::from_secs(1),
        runs: u64::MAX,
    };
    runs.set(0);
    shrink(&plan(), &run, spent).unwrap();
    assert_eq!(runs.get(), 1);
}

#[test]
fn a_world_without_violation_is_not_shrunk() {
    let run = |plan: Plan, _| outcome(&plan, None);
    assert!(shrink(&plan(), &run, Budget::runs(50)).is_none());
}

#[test]
fn a_world_is_the_same_when_its_fates_are_spelled_out() {
    let swarm = Swarm {
        nodes: Some(3),
        duration: Duration::from_secs(2),
        ..Swarm::default()
    };
    let mut lossy = 0;
    for seed in 0..30 {
        let mut plan = Plan::draw(seed, &swarm);
        let network = &mut plan.network;
        if network.double_per_mille > 0 {
            // Copies and losses free their room in lanes at other times when they are named.
            continue;
        }
        network.drop_per_mille = 0;
        // These are as late as messages are, but are none.
        network.loss_hints = false;
        plan.faults.clear();
        let usual = Duration::from_millis(1);
        let bounds = Bounds {
            usual_delay: Some(usual),
            ..Bounds::default()
        };
        let drawn = run_plan_within(plan.clone(), bounds);
        lossy += usize::from(!drawn.fates.is_empty());
        plan.network.delay = Delay::Even(usual, usual);
        plan.network.straggle_per_mille = 0;
        plan.network.slow_kind = None;
        plan.fates = drawn.fates;
        let spelled = run_plan_within(plan, Bounds::default());
        assert_eq!(drawn.counters, spelled.counters, "seed {seed}");
    }
    assert!(lossy > 3, "only {lossy} worlds had anything to spell out");
}

#[test]
fn a_test_to_paste_holds_the_plan() {
    let mut plan = plan();
    plan.operations.truncate(3);
    for operation in &mut plan.operations {
        operation.action = Action::Put(1);
    }
    let test = test_of(&plan, property::LOG_MATCHING);
    assert!(test.starts_with("/// Once violated log_matching.\n#[test]\nfn log_matching_holds_in"));
    let begin = test.find("r#\"").unwrap() + 3;
    let end = test.find("\"#").unwrap();
    assert_eq!(Plan::parse(&test[begin..end]), Ok(plan));
}
