//! What a run ends with: sums, medians, speed, and what failed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use raft_sim::failure::Files;
use raft_sim::markers::Marker;
use raft_sim::sim::Report;
use raft_sim::world::Counters;
use serde::Serialize;

use crate::run::Ran;

/// All that was counted over a run.
pub(crate) struct Summary {
    range: Range<u64>,
    report: Report,
    each: Vec<Counters>,
    failures: u64,
    /// Whether each seed runs twice, and how many were alike.
    twice: bool,
    alike: u64,
}

impl Summary {
    pub(crate) fn new(range: Range<u64>, twice: bool) -> Self {
        Self {
            range,
            report: Report::default(),
            each: Vec::new(),
            failures: 0,
            twice,
            alike: 0,
        }
    }

    pub(crate) fn add(&mut self, ran: &Ran) {
        self.report.add(&ran.outcome);
        self.each.push(ran.outcome.counters);
        self.failures += u64::from(ran.failure.is_some());
        self.alike += u64::from(ran.alike);
    }

    pub(crate) const fn failed(&self) -> bool {
        self.failures > 0
    }

    pub(crate) const fn failures(&self) -> u64 {
        self.failures
    }

    pub(crate) const fn seeds(&self) -> u64 {
        self.report.seeds
    }

    /// Whether too much of what clients saw could not be judged.
    pub(crate) const fn is_undecided(&self) -> bool {
        self.report.is_undecided()
    }

    /// How many rare states were never seen.
    pub(crate) fn missed(&self) -> usize {
        self.report.reached.missed().count()
    }

    /// How many rare states were seen, and a line each for those that never were; with `all` one for
    /// each, with how often. Few worlds see few of them: then nobody who did not ask for it is told
    /// which.
    pub(crate) fn markers(&self, all: bool, wanted: bool) -> String {
        let count = Marker::ALL.len();
        let mut text = format!(
            "\n{:<26}{:>16}",
            "rare states seen",
            format!("{} of {count}", count - self.missed())
        );
        if !wanted && self.seeds() < ENOUGH && self.missed() > 0 {
            text.push_str("  (--markers lists them)");
            return text;
        }
        for marker in Marker::ALL {
            let seen = self.report.reached.of(*marker);
            let sentence = marker.sentence();
            if seen.times == 0 {
                text.push_str(&format!("\n  never: {sentence}"));
            } else if all {
                let (worlds, times) = (seen.worlds, seen.times);
                text.push_str(&format!(
                    "\n  {worlds:>8} seeds {times:>10} times: {sentence}"
                ));
            }
        }
        text
    }

    /// The summary as a table.
    pub(crate) fn text(&self, cpu: Duration) -> String {
        let line = self.line(cpu);
        let mut text = String::new();
        let mut row = |name: &str, total: String, median: Option<u64>| {
            let median = median.map_or_else(String::new, |median| format!("{median:>12}"));
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name:<26}{total:>16}{median}");
        };
        let whole = |figure: f64| format!("{figure:.0}");
        row("", "total".to_owned(), None);
        row("seeds", line.seeds.to_string(), None);
        if line.twice {
            row("  run twice, alike", line.alike.to_string(), None);
        }
        row("events", line.events.to_string(), Some(line.median_events));
        row(
            "operations",
            line.operations.to_string(),
            Some(line.median_operations),
        );
        row("answered", line.answered.to_string(), None);
        row(
            "elections",
            line.elections.to_string(),
            Some(line.median_elections),
        );
        row("  needless", line.needless(), None);
        row(
            "crashes",
            line.crashes.to_string(),
            Some(line.median_crashes),
        );
        row(
            "  losing unsynced data",
            line.unsynced_crashes.to_string(),
            Some(line.median_unsynced_crashes),
        );
        row("faults", line.faults.to_string(), None);
        row("owed no progress", line.unowed.to_string(), None);
        row("simulated seconds", whole(line.simulated_seconds), None);
        row("CPU seconds", format!("{:.1}", line.cpu_seconds), None);
        row(
            "seeds / CPU second",
            format!("{:.1}", line.seeds_per_cpu_second),
            None,
        );
        row(
            "simulated s / CPU second",
            whole(line.simulated_seconds_per_cpu_second),
            None,
        );
        row(
            "events / CPU second",
            whole(line.events_per_cpu_second),
            None,
        );
        row("undecided histories", line.undecided.to_string(), None);
        row("hash over all events", line.hash.clone(), None);
        row("failures", line.failures.to_string(), None);
        text = text.replacen("total", "total      median", 1);
        text.trim_end().to_owned()
    }

    /// The summary as one line of JSON.
    pub(crate) fn json(&self, cpu: Duration) -> String {
        json(&self.line(cpu))
    }

    fn line(&self, cpu: Duration) -> Line {
        let totals = self.report.totals;
        let seconds = cpu.as_secs_f64().max(f64::MIN_POSITIVE);
        Line {
            kind: "summary",
            first_seed: self.range.start,
            end_seed: self.range.end,
            seeds: self.report.seeds,
            twice: self.twice,
            alike: self.alike,
            events: totals.events,
            median_events: self.median(|each| each.events),
            operations: totals.operations,
            median_operations: self.median(|each| each.operations),
            answered: totals.answered,
            elections: totals.elections,
            median_elections: self.median(|each| each.elections),
            crashes: totals.crashes,
            median_crashes: self.median(|each| each.crashes),
            unsynced_crashes: totals.unsynced_crashes,
            median_unsynced_crashes: self.median(|each| each.unsynced_crashes),
            calm_minutes: totals.calm_minutes(),
            needless_elections: totals.needless_elections,
            faults: totals.faults,
            lost_nodes: totals.lost_nodes,
            unowed: totals.unowed,
            simulated_seconds: Duration::from_nanos(totals.nanoseconds).as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            seeds_per_cpu_second: self.report.seeds as f64 / seconds,
            simulated_seconds_per_cpu_second: Duration::from_nanos(totals.nanoseconds)
                .as_secs_f64()
                / seconds,
            events_per_cpu_second: totals.events as f64 / seconds,
            undecided: self.report.undecided,
            hash: format!("{:016x}", self.report.hash),
            failures: self.failures,
            markers: Marker::ALL.iter().map(|one| self.marker(*one)).collect(),
        }
    }

    fn marker(&self, marker: Marker) -> (&'static str, MarkerLine) {
        let seen = self.report.reached.of(marker);
        let line = MarkerLine {
            sentence: marker.sentence(),
            worlds: seen.worlds,
            times: seen.times,
        };
        (marker.name(), line)
    }

    fn median(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        let mut all: Vec<u64> = self.each.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0)
    }
}

/// Why a seed failed.
pub(crate) struct Failure {
    /// The property that does not hold.
    pub(crate) property: String,
    /// What was seen.
    pub(crate) text: String,
}

impl Failure {
    /// The failure for people; `words` are the arguments that run it again.
    pub(crate) fn text(&self, seed: u64, words: &str) -> String {
        format!("seed {seed}: {}\n  raft-sim replay {words}", self.text)
    }

    /// The failure as one line of JSON.
    pub(crate) fn json(&self, seed: u64) -> String {
        json(&FailureLine {
            kind: "failure",
            seed,
            property: &self.property,
            text: &self.text,
        })
    }

    /// Where to look at the failure, as one line of JSON.
    pub(crate) fn report(&self, seed: u64, replay: &str, files: &Files) -> String {
        json(&ReportLine {
            kind: "report",
            seed,
            property: &self.property,
            text: &self.text,
            replay,
            plan: &files.plan,
            page: &files.page,
            recording: &files.recording,
        })
    }
}

#[derive(Serialize)]
struct ReportLine<'a> {
    kind: &'static str,
    seed: u64,
    property: &'a str,
    text: &'a str,
    replay: &'a str,
    plan: &'a Path,
    page: &'a Path,
    recording: &'a Path,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    kind: &'static str,
    seed: u64,
    property: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Line {
    kind: &'static str,
    first_seed: u64,
    end_seed: u64,
    seeds: u64,
    /// Whether each seed was to run twice, and how many did with the same hash.
    twice: bool,
    alike: u64,
    events: u64,
    median_events: u64,
    operations: u64,
    median_operations: u64,
    answered: u64,
    elections: u64,
    median_elections: u64,
    crashes: u64,
    median_crashes: u64,
    unsynced_crashes: u64,
    median_unsynced_crashes: u64,
    calm_minutes: f64,
    needless_elections: u64,
    faults: u64,
    lost_nodes: u64,
    unowed: u64,
    simulated_seconds: f64,
    cpu_seconds: f64,
    seeds_per_cpu_second: f64,
    simulated_seconds_per_cpu_second: f64,
    events_per_cpu_second: f64,
    undecided: u64,
    hash: String,
    failures: u64,
    /// By name: how often each rare state was seen.
    markers: BTreeMap<&'static str, MarkerLine>,
}

impl Line {
    /// Elections without a reason, and in how many minutes that had none.
    fn needless(&self) -> String {
        let (elections, minutes) = (self.needless_elections, self.calm_minutes);
        format!("{elections} in {minutes:.1} min")
    }
}

#[derive(Serialize)]
struct MarkerLine {
    sentence: &'static str,
    worlds: u64,
    times: u64,
}

fn json(line: &impl Serialize) -> String {
    // Numbers and strings always have a JSON form.
    serde_json::to_string(line).unwrap_or_default()
}

/// So many worlds are expected to see every rare state.
const ENOUGH: u64 = 1_000;
