//! `raft-sim run`: many worlds on all cores, told in the order of their seeds.

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use cpu_time::ProcessTime;
use indicatif::{ProgressBar, ProgressStyle};
use raft_sim::checkers::Violation;
use raft_sim::history::History;
use raft_sim::parallel::in_order;
use raft_sim::plan::{Plan, Swarm};
use raft_sim::sim::run_plan;
use raft_sim::world::Outcome;

use crate::arguments::Run;
use crate::report::{self, Failed};
use crate::source;
use crate::summary::{Failure, Summary};

/// Runs the seeds; answers whether all is well.
pub(crate) fn run(arguments: &Run) -> Result<bool, io::Error> {
    let cpu = ProcessTime::now();
    let what = What::of(arguments)?;
    let mut teller = Teller::new(arguments, what.seeds.clone());
    let mut told = Ok(());
    let work = |seed| world(what.plan(seed), arguments);
    in_order(what.seeds.clone(), arguments.jobs, work, |_, result| {
        told = teller.tell(&result);
        match arguments.stop_at_first && teller.summary.failed() || told.is_err() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    told?;
    let ended = teller.end(cpu.elapsed())?;
    report::failures(&ended.failed, &what, arguments)?;
    Ok(ended.well)
}

/// What is run: the plans of some seeds, or one plan.
pub(crate) struct What {
    /// A plan's own seed, if there is one plan.
    seeds: Range<u64>,
    plan: Option<Plan>,
    swarm: Swarm,
}

impl What {
    fn of(arguments: &Run) -> Result<Self, io::Error> {
        let plan = arguments.plan.as_deref().map(source::read).transpose()?;
        let seeds = match &plan {
            Some(plan) => plan.seed..plan.seed.saturating_add(1),
            None => arguments.seeds.clone().unwrap_or(0..0),
        };
        Ok(Self {
            seeds,
            plan,
            swarm: arguments.world.swarm(),
        })
    }

    pub(crate) fn plan(&self, seed: u64) -> Plan {
        let drawn = || Plan::draw(seed, &self.swarm);
        self.plan.clone().unwrap_or_else(drawn)
    }
}

/// One world's result. What its clients saw is not kept.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    /// Whether it ran twice, and both times the same happened.
    pub(crate) alike: bool,
    pub(crate) failure: Option<Failure>,
}

/// Runs one plan, once or twice.
fn world(plan: Plan, arguments: &Run) -> Ran {
    let again = arguments.twice.then(|| plan.clone());
    let mut outcome = run_plan(plan);
    let mut failure = outcome.violation.as_ref().map(failure_of);
    let mut alike = false;
    if let Some(plan) = again.filter(|_| failure.is_none()) {
        failure = difference(&outcome, &run_plan(plan));
        alike = failure.is_none();
    }
    outcome.history = History::new();
    Ran {
        outcome,
        alike,
        failure,
    }
}

pub(crate) fn failure_of(violation: &Violation) -> Failure {
    Failure {
        property: violation.property.to_owned(),
        text: violation.to_string(),
    }
}

/// What differs between two runs of one seed.
fn difference(first: &Outcome, second: &Outcome) -> Option<Failure> {
    let equal = first.hash == second.hash && first.counters == second.counters;
    (!equal).then(|| Failure {
        property: "determinism".to_owned(),
        text: format!(
            "two runs differ: {:016x} with {:?}, then {:016x} with {:?}",
            first.hash, first.counters, second.hash, second.counters
        ),
    })
}

/// Tells results.
struct Teller<'a> {
    arguments: &'a Run,
    summary: Summary,
    progress: Progress,
    failed: Failed,
}

/// How a run ended.
struct Ended {
    well: bool,
    failed: Failed,
}

impl<'a> Teller<'a> {
    fn new(arguments: &'a Run, seeds: Range<u64>) -> Self {
        let count = seeds.end - seeds.start;
        Self {
            arguments,
            summary: Summary::new(seeds, arguments.twice),
            progress: Progress::new(count, arguments.json),
            failed: Failed::default(),
        }
    }

    fn tell(&mut self, result: &Ran) -> io::Result<()> {
        self.summary.add(result);
        if let Some(failure) = &result.failure {
            self.failed.add(result.outcome.seed, &failure.property);
            let text = if self.arguments.json {
                failure.json(result.outcome.seed)
            } else {
                let words = report::words(result.outcome.seed, self.arguments);
                failure.text(result.outcome.seed, &words)
            };
            self.progress.print(&text)?;
        } else if result.outcome.undecided {
            let text = undecided(result.outcome.seed, self.arguments.json);
            self.progress.print(&text)?;
        }
        self.progress.step(&self.summary);
        Ok(())
    }

    fn end(self, cpu: Duration) -> Result<Ended, io::Error> {
        self.progress.clear();
        let text = if self.arguments.json {
            self.summary.json(cpu)
        } else {
            let mut text = self.summary.text(cpu);
            let all = self.arguments.markers;
            let wanted = all || self.arguments.require_markers;
            text.push_str(&self.summary.markers(all, wanted));
            text
        };
        self.progress.print(&text)?;
        let missed = self.arguments.require_markers && self.summary.missed() > 0;
        let undecided = self.summary.is_undecided();
        if undecided {
            eprintln!("raft-sim: {TOO_TANGLED}");
        }
        Ok(Ended {
            well: !self.summary.failed() && !missed && !undecided,
            failed: self.failed,
        })
    }
}

fn undecided(seed: u64, json: bool) -> String {
    if json {
        format!("{{\"kind\":\"undecided\",\"seed\":{seed}}}")
    } else {
        format!("seed {seed}: what clients saw is too tangled to judge")
    }
}

/// A bar on a terminal, a line now and then elsewhere, nothing for programs.
enum Progress {
    Bar(ProgressBar),
    Lines { count: u64, each: u64 },
    Nothing,
}

impl Progress {
    fn new(count: u64, json: bool) -> Self {
        if json {
            return Self::Nothing;
        }
        if !io::stderr().is_terminal() {
            let each = (count / LINES).max(1);
            return Self::Lines { count, each };
        }
        let bar = ProgressBar::new(count);
        let style = ProgressStyle::with_template(
            "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left, {msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn step(&self, summary: &Summary) {
        let failures = summary.failures();
        match self {
            Self::Bar(bar) => {
                bar.set_message(format!("{failures} failures"));
                bar.inc(1);
            }
            Self::Lines { count, each } if summary.seeds() % each == 0 => {
                eprintln!("{} of {count} seeds, {failures} failures", summary.seeds());
            }
            Self::Lines { .. } | Self::Nothing => {}
        }
    }

    fn print(&self, text: &str) -> io::Result<()> {
        let write = || {
            let mut out = io::stdout().lock();
            writeln!(out, "{text}").and_then(|()| out.flush())
        };
        match self {
            Self::Bar(bar) => bar.suspend(write),
            Self::Lines { .. } | Self::Nothing => write(),
        }
    }

    fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Said where nobody knows whether the clients of these worlds saw what they should.
const TOO_TANGLED: &str =
    "too many histories are too tangled to judge: make the worlds shorter (--for)";

/// How many lines of progress a run prints where there is no terminal.
const LINES: u64 = 20;
