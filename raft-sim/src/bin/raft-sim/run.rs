//! `raft-sim run`: many worlds on all cores, told in the order of their seeds.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use cpu_time::ProcessTime;
use indicatif::{ProgressBar, ProgressStyle};
use raft_sim::checkers::Violation;
use raft_sim::history::History;
use raft_sim::plan::Swarm;
use raft_sim::sim::run_seed;
use raft_sim::world::Outcome;

use crate::arguments::Run;
use crate::summary::{Failure, Summary};

/// Runs the seeds; answers whether all is well.
pub(crate) fn run(arguments: &Run) -> Result<bool, io::Error> {
    let cpu = ProcessTime::now();
    let jobs = arguments
        .jobs
        .or_else(|| thread::available_parallelism().ok())
        .map_or(1, std::num::NonZeroUsize::get);
    let next = AtomicU64::new(arguments.seeds.start);
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::sync_channel(jobs * 4);
    let mut teller = Teller::new(arguments);
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !arguments.seeds.contains(&seed)
                        || send.send(world(seed, arguments)).is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(send);
        for result in receive {
            teller.take(result)?;
            if arguments.stop_at_first && teller.summary.failed() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        teller.end(cpu.elapsed())
    })
}

/// One world's result. What its clients saw is not kept.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) failure: Option<Failure>,
}

/// Runs one seed, once or twice.
fn world(seed: u64, arguments: &Run) -> Ran {
    let swarm: Swarm = arguments.world.swarm();
    let mut outcome = run_seed(seed, &swarm);
    let mut failure = outcome.violation.as_ref().map(failure_of);
    if arguments.twice && failure.is_none() {
        failure = difference(&outcome, &run_seed(seed, &swarm));
    }
    outcome.history = History::new();
    Ran { outcome, failure }
}

fn failure_of(violation: &Violation) -> Failure {
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

/// Tells results in the order of their seeds, whatever the order they come in.
struct Teller<'a> {
    arguments: &'a Run,
    waiting: BTreeMap<u64, Ran>,
    next: u64,
    summary: Summary,
    progress: Progress,
}

impl<'a> Teller<'a> {
    fn new(arguments: &'a Run) -> Self {
        let count = arguments.seeds.end - arguments.seeds.start;
        Self {
            arguments,
            waiting: BTreeMap::new(),
            next: arguments.seeds.start,
            summary: Summary::new(arguments.seeds.clone()),
            progress: Progress::new(count, arguments.json),
        }
    }

    fn take(&mut self, result: Ran) -> io::Result<()> {
        self.waiting.insert(result.outcome.seed, result);
        while let Some(result) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.tell(&result)?;
        }
        Ok(())
    }

    fn tell(&mut self, result: &Ran) -> io::Result<()> {
        self.summary.add(result);
        if let Some(failure) = &result.failure {
            let text = if self.arguments.json {
                failure.json(result.outcome.seed)
            } else {
                let words = self.arguments.world.words();
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

    /// What still waits was run, though a seed before it was not.
    fn end(mut self, cpu: std::time::Duration) -> Result<bool, io::Error> {
        for (_, result) in std::mem::take(&mut self.waiting) {
            self.tell(&result)?;
        }
        self.progress.clear();
        let text = if self.arguments.json {
            self.summary.json(cpu)
        } else {
            let mut text = self.summary.text(cpu);
            text.push_str(&self.summary.markers(self.arguments.markers));
            text
        };
        self.progress.print(&text)?;
        let missed = self.arguments.require_markers && self.summary.missed() > 0;
        Ok(!self.summary.failed() && !missed)
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

/// How many lines of progress a run prints where there is no terminal.
const LINES: u64 = 20;
