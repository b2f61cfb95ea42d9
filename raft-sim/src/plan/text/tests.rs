//! Plans as text: read back as they were written, and never a panic for what somebody makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::nemesis::{Fault, FaultPlan, Occasion, Target};
use crate::plan::{Delay, RarePlan, RareSite, Swarm};
use crate::sim::run_plan;

fn short() -> Plan {
    let swarm = Swarm {
        nodes: Some(3),
        duration: Duration::from_secs(2),
        ..Swarm::default()
    };
    Plan::draw(5, &swarm)
}

/// What is wrong with a plan in whose text the first `from` is replaced.
fn flaw_of(from: &str, to: &str) -> String {
    let text = short().to_text();
    assert!(text.contains(from), "no {from:?} in {text}");
    let edited = text.replacen(from, to, 1);
    Plan::parse(&edited).expect_err("it is edited").to_string()
}

#[test]
fn a_thousand_plans_are_read_back_as_they_were() {
    for seed in 0..1_000 {
        let swarm = Swarm {
            duration: Duration::from_secs(1 + seed % 20),
            faults: seed % 10 > 0,
            custom: seed % 7 == 0,
            nodes: None,
        };
        let plan = Plan::draw(seed, &swarm);
        assert_eq!(plan.validate(), Ok(()), "seed {seed}");
        let text = plan.to_text();
        assert_eq!(Plan::parse(&text), Ok(plan), "seed {seed}");
    }
}

#[test]
fn each_thing_has_a_line_of_its_own() {
    let plan = short();
    let text = plan.to_text();
    for (begin, count) in [
        (
            "    (number:",
            plan.nodes.len() + plan.operations.len() + plan.faults.len(),
        ),
        ("    (home:", plan.clients.len()),
    ] {
        let lines = text.lines().filter(|line| line.starts_with(begin));
        assert_eq!(lines.count(), count, "{text}");
    }
}

#[test]
fn a_flaw_is_told_with_its_place() {
    let text = short().to_text();
    let line = 1 + text
        .lines()
        .position(|line| line.contains("operations: ["))
        .unwrap();
    let edited = text.replacen(
        "operations: [\n    (",
        "operations: [\n  /* , */  (at: \"1s\", client: 999, number: 777777, action: Get(1)),\n  (",
        1,
    );
    let error = Plan::parse(&edited).unwrap_err();
    let place = Place {
        line: line + 1,
        column: 12,
    };
    assert_eq!(error.place, Some(place), "{error}");
    assert!(matches!(
        *error.flaw,
        Flaw::NoSuchClient { client: 999, .. }
    ));
    let unreadable = Plan::parse("(\n  seed: \"x\",\n)").unwrap_err();
    assert_eq!(unreadable.place.map(|place| place.line), Some(2));
}

#[test]
fn plans_that_no_world_can_have_are_refused_with_what_to_do() {
    for (from, to, told) in [
        ("seed: 5", "seed: -5", "line 4"),
        ("duration: \"2s\"", "duration: \"-2s\"", "without a sign"),
        (
            "duration: \"2s\"",
            "duration: \"2\"",
            "needs one of the units",
        ),
        ("duration: \"2s\"", "duration: \"900000s\"", "at most 3600s"),
        (
            "duration: \"2s\"",
            "duration: \"1000000000000000000s\"",
            "at most 1000000s",
        ),
        ("nodes: [", "nodes: [], more: [", "more"),
        ("clock_drift: ", "clock_drift: 900", "clock_drift"),
        ("number: 1", "number: 0", "give each its own"),
        (
            "heartbeat_interval: ",
            "heartbeat_interval: \"1us\", // ",
            "heartbeat_interval",
        ),
        (
            "segment_bytes: ",
            "segment_bytes: 1000000000000000000, // ",
            "segment_bytes",
        ),
        ("max_answers: ", "max_answers: 0, // ", "max_answers"),
        ("client: ", "client: 99", "counted from 0"),
    ] {
        let flaw = flaw_of(from, to);
        assert!(flaw.contains(told), "{from} to {to}: {flaw}");
    }
    let mut plan = short();
    plan.nodes.clear();
    assert_eq!(plan.validate().unwrap_err().flaw, Box::new(Flaw::NoNodes));
}

/// A world in which everything is at work that happens in so many of a thousand cases.
fn with_all_rates() -> Plan {
    let mut plan = short();
    let (short, long) = (Duration::from_millis(1), Duration::from_millis(2));
    plan.network.delay = Delay::Two(short, long, 501);
    plan.disk.sync = Delay::Two(short, long, 502);
    plan.network.slow_kind = Some((1, 503));
    plan.rare = RareSite::all()
        .map(|site| RarePlan { site, per_mille: 9 })
        .collect();
    plan.faults.clear();
    let target = Target::Leader;
    let (late, lasts) = (short, long);
    for fault in [
        Fault::Storm {
            drop_per_mille: 10,
            late,
            lasts,
        },
        Fault::Rate {
            target,
            per_mille: 2_000,
            lasts,
        },
    ] {
        plan.faults.push(FaultPlan {
            number: plan.faults.len() as u32,
            at: short,
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault,
        });
    }
    plan
}

#[test]
fn no_rate_is_more_than_a_thousand_of_a_thousand() {
    let plan = with_all_rates();
    assert_eq!(plan.validate(), Ok(()));
    let text = plan.to_text();
    let mut seen = BTreeSet::new();
    // Whatever is called so is one; a new one is found here by itself.
    for (at, _) in text.match_indices("per_mille: ") {
        let begin = at + "per_mille: ".len();
        let rest = text[begin..].trim_start_matches(|letter: char| letter.is_ascii_digit());
        let edited = format!("{}1001{rest}", &text[..begin]);
        let is_rate = text[..at].ends_with("target: Leader, ");
        let name = text[..at].rsplit([' ', '(']).next().unwrap_or_default();
        let name = format!("{name}per_mille");
        match Plan::parse(&edited) {
            // How fast a clock runs is no share of anything.
            Ok(_) => assert!(is_rate, "{name}: {edited}"),
            Err(error) => assert!(error.to_string().contains(&name), "{name}: {error}"),
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    for unnamed in ["501)", "502)", "503)"] {
        assert_eq!(text.matches(unnamed).count(), 1, "{text}");
        let error = Plan::parse(&text.replace(unnamed, "1001)")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("is 1001: make it at most 1000"), "{told}");
    }
}

#[test]
fn a_lane_without_room_is_refused_and_one_with_the_least_serves() {
    let told = flaw_of("lane_bytes: ", "lane_bytes: 0, // ");
    assert!(
        told.contains("lane_bytes is 0: make it at least 1"),
        "{told}"
    );
    for seed in 0..3 {
        let swarm = Swarm {
            duration: Duration::from_secs(3),
            ..Swarm::default()
        };
        let mut plan = Plan::draw(seed, &swarm);
        plan.network.lane_bytes = 1;
        assert_eq!(run_plan(plan).violation, None, "seed {seed}");
    }
}

#[test]
fn a_plan_of_more_heartbeats_than_anybody_waits_for_is_refused() {
    let mut plan = short();
    plan.duration = Duration::from_secs(3_000);
    plan.ending.rests = 0;
    assert_eq!(plan.validate(), Ok(()));
    plan.tuning.heartbeat_interval = Duration::from_millis(1);
    let error = plan.validate().unwrap_err().to_string();
    assert!(error.contains("some 24000000 events"), "{error}");
    assert!(error.contains("shorten the duration"), "{error}");
}

#[test]
fn a_fault_of_a_node_that_does_not_exist_is_refused() {
    let mut plan = short();
    plan.faults.truncate(1);
    for fault in [
        "Pause(target: Node(3), lasts: \"1s\")",
        "Cut(shape: Split(8), lasts: \"1s\", held: false)",
    ] {
        let text =
            format!("(number: 9, at: \"1s\", occasion: Now, delay: \"0s\", fault: {fault}),");
        let whole = plan
            .to_text()
            .replacen("faults: [", &format!("faults: [{text}"), 1);
        let error = Plan::parse(&whole).unwrap_err();
        assert_eq!(
            *error.flaw,
            Flaw::NoSuchNode { node: 3, nodes: 3 },
            "{error}"
        );
    }
}

#[test]
fn a_text_without_end_is_refused_before_it_is_read() {
    let text = "(".repeat(MOST_TEXT + 1);
    let flaw = Plan::parse(&text).unwrap_err().flaw;
    assert!(matches!(*flaw, Flaw::TooLong { .. }));
    let deep = Plan::parse(&"(seed:[".repeat(100_000)).unwrap_err();
    assert!(matches!(*deep.flaw, Flaw::Unreadable(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_a_plan_or_an_error(text in "[ -~\n]{0,200}") {
        let _ = Plan::parse(&text);
    }

    /// Numbers of a drawn plan are replaced by others: what is still a plan has a world that ends.
    #[test]
    fn any_edited_plan_is_refused_or_runs(
        edits in prop::collection::vec((0_usize..4_000, hostile()), 1..4),
    ) {
        let mut text = short().to_text();
        for (place, value) in edits {
            text = with_number(&text, place, &value);
        }
        if let Ok(plan) = Plan::parse(&text) {
            // Most of what is left differs from a drawn one by little; one that lasts long would
            // take the test's time.
            if plan.duration <= Duration::from_secs(5) && plan.tuning.election_timeout <= Duration::from_secs(2) {
                run_plan(plan);
            }
        }
    }
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        Just("1000000000000000000".to_owned()),
        Just("-1".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("255".to_owned()),
        Just("1e400".to_owned()),
        (0_u64..2_000).prop_map(|number| number.to_string()),
    ]
}

/// The text with another number for the one at this place.
fn with_number(text: &str, place: usize, value: &str) -> String {
    let mut numbers = Vec::new();
    let mut begin = None;
    for (at, letter) in text.char_indices() {
        match (letter.is_ascii_digit(), begin) {
            (true, None) => begin = Some(at),
            (false, Some(from)) => {
                numbers.push(from..at);
                begin = None;
            }
            _ => {}
        }
    }
    let Some(range) = numbers.get(place % numbers.len().max(1)) else {
        return text.to_owned();
    };
    let mut edited = text.to_owned();
    edited.replace_range(range.clone(), value);
    edited
}
