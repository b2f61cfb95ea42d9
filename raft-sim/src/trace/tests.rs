//! Recordings of real worlds: complete, bounded, and without effect on the world.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::nemesis::Fault;
use crate::plan::{Plan, Swarm};
use crate::sim::{record_plan, run_plan};
use crate::world::Outcome;

fn plan(seed: u64) -> Plan {
    let swarm = Swarm {
        duration: Duration::from_secs(5),
        ..Swarm::default()
    };
    Plan::draw(seed, &swarm)
}

fn record(seed: u64, kept: usize) -> (Outcome, Recording) {
    record_plan(plan(seed), kept)
}

#[test]
fn a_world_is_the_same_whether_or_not_it_is_recorded() {
    for seed in 0..3 {
        let (outcome, _) = record(seed, 1_000);
        let plain = run_plan(plan(seed));
        assert_eq!(outcome.hash, plain.hash, "seed {seed}");
        assert_eq!(outcome.counters, plain.counters, "seed {seed}");
    }
}

#[test]
fn what_falls_out_of_a_recording_is_how_the_nodes_were_at_its_start() {
    for seed in 0..2 {
        let (_, all) = record(seed, usize::MAX);
        let (_, last) = record(seed, 300);
        assert_eq!(last.happenings.len(), 300);
        assert_eq!(last.skipped, all.happenings.len() as u64 - 300);
        assert_eq!(all.skipped, 0);
        for place in [0, 150, 299] {
            let whole = place + all.happenings.len() - 300;
            assert_eq!(all.happenings[whole], last.happenings[place]);
            assert_eq!(all.views_after(whole), last.views_after(place));
        }
    }
}

#[test]
fn letters_sent_before_a_recording_begins_are_known_when_they_arrive() {
    let mut early = 0;
    for seed in 0..3 {
        let (_, recording) = record(seed, 300);
        let mut known: BTreeMap<u64, &Sent> = BTreeMap::new();
        for letter in &recording.letters {
            assert!(known.insert(letter.letter, letter).is_none());
        }
        for happening in &recording.happenings {
            match &happening.what {
                What::Sent(letter) => {
                    known.insert(letter.letter, letter);
                }
                What::Arrived { letter, .. } => {
                    assert_eq!(happening.node, Some(known[letter].to), "seed {seed}");
                    early += u32::from(recording.letters.contains(known[letter]));
                }
                _ => {}
            }
        }
        let (_, all) = record(seed, usize::MAX);
        assert!(all.letters.is_empty());
    }
    assert!(early > 0, "every letter was sent in time");
}

#[test]
fn every_letter_that_arrives_was_sent_and_did_not_get_lost() {
    let (mut copies, mut held) = (0, 0);
    let holds = |seed: &u64| {
        let faults = plan(*seed).faults;
        let mut faults = faults.iter().map(|planned| planned.fault);
        faults.any(|fault| matches!(fault, Fault::Cut { held: true, .. }))
    };
    for seed in (0..500).filter(holds).take(5) {
        let (_, recording) = record(seed, usize::MAX);
        let mut sent = BTreeMap::new();
        for happening in &recording.happenings {
            match &happening.what {
                What::Sent(letter) => {
                    assert!(sent.insert(letter.letter, letter.clone()).is_none());
                }
                What::Arrived { letter, .. } => {
                    let known = &sent[letter];
                    assert_eq!(happening.node, Some(known.to));
                    let fates = [Some(known.fate), known.copy];
                    let can = [Some(Fate::Travels), Some(Fate::Held)];
                    assert!(fates.iter().any(|fate| can.contains(fate)), "{known:?}");
                    copies += u64::from(known.copy.is_some());
                    held += u64::from(known.fate == Fate::Held);
                }
                _ => {}
            }
        }
    }
    assert!(copies > 0, "only {copies} copies arrived");
    assert!(held > 0, "only {held} held letters arrived");
}

#[test]
fn logs_hold_what_the_states_say_and_every_command_is_named() {
    for seed in 0..3 {
        let (_, recording) = record(seed, usize::MAX);
        let mut views = recording.start.clone();
        let mut rules = 0;
        for happening in &recording.happenings {
            advance(&mut views, happening);
            if let What::Stepped(step) = &happening.what {
                rules += step
                    .events
                    .iter()
                    .filter(|said| !said.rule.is_empty())
                    .count();
            }
        }
        for view in views.iter().filter(|view| view.state.is_some()) {
            let last = view.state.as_ref().map(|state| state.last.get());
            assert_eq!(last, Some(view.log.len() as u64), "seed {seed}");
            let named = |line: &&Line| line.text.starts_with('k');
            let commands = view.log.iter().filter(named).count();
            let absent = |line: &Line| line.text.starts_with("absent");
            let witness = view.log.iter().any(absent);
            assert!(
                (commands > 5) != witness,
                "seed {seed}: {commands} of {}",
                view.log.len()
            );
        }
        assert!(rules > 10, "seed {seed}: {rules} events");
    }
}

#[test]
fn a_log_keeps_what_no_snapshot_stands_for() {
    let takes = |seed: &u64| plan(*seed).tuning.snapshots.is_some();
    let mut forgot = 0;
    for seed in (0..100).filter(takes).take(8) {
        let (_, recording) = record(seed, usize::MAX);
        let mut views = recording.start.clone();
        for happening in &recording.happenings {
            if let What::Stepped(Step { log: Some(log), .. }) = &happening.what {
                let view = views.iter().find(|view| Some(view.node) == happening.node);
                let state = view.and_then(|view| view.state.as_ref());
                let applied = state.map_or(LogIndex::ZERO, |state| state.applied);
                assert!(log.from > applied, "seed {seed}: {happening:?}");
            }
            advance(&mut views, happening);
        }
        for view in &views {
            if let Some(state) = &view.state {
                assert_eq!(view.end(), state.last.next(), "seed {seed}: {}", view.node);
                assert_eq!(view.first, state.snapshot.next(), "seed {seed}");
                let terms: Vec<Term> = view.log.iter().map(|line| line.term).collect();
                assert!(terms.is_sorted(), "seed {seed}: {terms:?}");
                forgot += u64::from(view.first > LogIndex::ZERO.next());
            }
        }
    }
    assert!(forgot > 5, "only {forgot} logs have forgotten anything");
}

#[test]
fn a_recording_reads_back_from_json() {
    let (_, recording) = record(3, 2_000);
    let text = serde_json::to_string(&recording).unwrap();
    let back: Recording = serde_json::from_str(&text).unwrap();
    assert_eq!(back, recording);
}
