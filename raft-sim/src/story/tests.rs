//! Stories fit a screen and tell what turned the course.

use std::time::Duration;

use super::*;
use crate::plan::{Plan, Swarm};
use crate::sim::record_plan;
use crate::trace::{KEPT, sample};

#[test]
fn a_small_failure_is_told_whole() {
    let recording = sample::recording();
    let broken = recording.violation.clone().unwrap();
    let story = of(&recording, &broken);
    let expected = "\
leader_completeness is violated at 0.010000s, seen on n2 (seed 47)
  A committed entry is in the log of every leader of a later term (Raft paper, Figure 3, Leader
  Completeness; section 5.4).
  > 1@T1 is committed, but n2 lacks it

Cast: nodes 2.

What led to it:
    0.001000s  n1  starts
    0.001000s  n2  starts
    0.002000s  n1  campaigns in T1, last entry 0
    0.003000s  n2  votes for n1 in T1
    0.005000s  n1  writes 1@T1 no-op
    0.005000s  n1  is elected leader of T1, last entry 1
    0.005000s  n1  knows 1@T1 no-op to be committed
    0.006000s      fault: Cut { .. }
    0.007000s      client 0 wants k1+5
    0.008000s  n2  crashes and loses all that was not synced
    0.009000s      fault 0 is over
    0.010000s  n2  leader_completeness is violated

How the nodes stand then:
  n1 leader in T1, last 1@T1, durable 0, committed 1@T1, applied 0
  n2 is down, its log ends at 0
";
    assert_eq!(story, expected);
}

#[test]
fn any_story_fits_the_screen_and_keeps_its_last_turns() {
    let swarm = Swarm {
        duration: Duration::from_secs(6),
        nodes: Some(3),
        ..Swarm::default()
    };
    for seed in 0..3 {
        let (_, recording) = record_plan(Plan::draw(seed, &swarm), KEPT);
        let violation = Violation {
            property: property::LIVENESS,
            node: None,
            time: Time::from_millis(1),
            text: "a long text about what is wrong ".repeat(40),
        };
        let story = one_screen(&recording, &violation);
        assert!(story.lines().count() <= LINES, "{story}");
        assert!(story.lines().count() >= LINES - 3, "{story}");
        for line in story.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        let (points, _) = points(&recording);
        assert!(
            story.contains(&clipped(&points.last().unwrap().text)[..12]),
            "{story}"
        );
    }
}

#[test]
fn what_was_seen_keeps_its_lines() {
    let broken = Broken {
        text: "not all is done:\n  n1: waits for votes\n  n2: knows no leader".to_owned(),
        ..sample::recording().violation.unwrap()
    };
    let story = of(&sample::recording(), &broken);
    let lines = "  > not all is done:\n  > n1: waits for votes\n  > n2: knows no leader\n";
    assert!(story.contains(lines), "{story}");
}

#[test]
fn every_property_has_words() {
    for name in property::ALL {
        assert!(!in_words(name).contains(name), "{name}");
    }
    assert_eq!(in_words("new"), "The property new holds.");
}
