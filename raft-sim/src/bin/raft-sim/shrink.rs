//! `raft-sim shrink`: a failing world made small, as a plan that can be kept, a story, and a test.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cpu_time::ProcessTime;
use raft_sim::failure::shrunk_title;
use raft_sim::plan::Plan;
use raft_sim::shrink::{Budget, Shrunk, Size, shrink, test_of};
use raft_sim::sim::{record_plan, run_plan_within};
use raft_sim::story::one_screen;
use raft_sim::trace::{KEPT, Recording};
use serde::Serialize;

use crate::arguments::duration;
use crate::source::Source;

#[derive(Args, Debug)]
pub(crate) struct Shrink {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The most processor time to spend.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) budget: Duration,
    /// Writes the plan into a file instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Writes a Rust test, ready to be kept, into a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    /// Prints one JSON object, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shrinks a failing world; answers whether it was fine all along.
pub(crate) fn run(arguments: &Shrink) -> Result<bool, io::Error> {
    let plan = arguments.source.plan()?;
    let seed = plan.seed;
    let (shrunk, cpu) = within(&plan, arguments.budget);
    let mut out = io::stdout().lock();
    let Some(shrunk) = shrunk else {
        let text = match arguments.json {
            true => "{\"kind\":\"nothing\"}",
            false => "no property is violated",
        };
        writeln!(out, "{text}")?;
        return Ok(true);
    };
    let text = shrunk.plan.to_text();
    write_to(arguments.out.as_deref(), &text)?;
    let test = test_of(&shrunk.plan, shrunk.violation.property);
    write_to(arguments.test.as_deref(), &test)?;
    if arguments.json {
        writeln!(out, "{}", json(seed, &shrunk, cpu))?;
        return Ok(false);
    }
    if arguments.out.is_none() {
        writeln!(out, "{text}")?;
    }
    writeln!(out, "{}", told(seed, &shrunk, cpu))?;
    Ok(false)
}

/// A shrunk world's story on one screen, and what shrinking came to; `seed` is the one that failed.
pub(crate) fn told(seed: u64, shrunk: &Shrunk, cpu: Duration) -> String {
    let story = one_screen(&recording(seed, shrunk), &shrunk.violation);
    format!("{story}\n{}", summary(shrunk, cpu))
}

/// What happens in a shrunk world, called by the seed that failed.
pub(crate) fn recording(seed: u64, shrunk: &Shrunk) -> Recording {
    let (_, mut recording) = quietly(|| record_plan(shrunk.plan.clone(), KEPT));
    recording.name = shrunk_title(seed, &shrunk.plan);
    recording
}

/// What shrinking came to, the plan included, as one line of JSON; `seed` is the one that failed.
pub(crate) fn json(seed: u64, shrunk: &Shrunk, cpu: Duration) -> String {
    let text = shrunk.plan.to_text();
    // Numbers and strings always have a JSON form.
    serde_json::to_string(&Line::new(seed, shrunk, cpu, &text)).unwrap_or_default()
}

/// Shrinks a plan within so much processor time; answers also how much was spent.
pub(crate) fn within(plan: &Plan, budget: Duration) -> (Option<Shrunk>, Duration) {
    let cpu = ProcessTime::now();
    let budget = Budget {
        runs: u64::MAX,
        spent: &|| cpu.elapsed(),
        most: budget,
    };
    let shrunk = quietly(|| shrink(plan, &run_plan_within, budget));
    (shrunk, cpu.elapsed())
}

/// Worlds in which nodes panic are run again and again: each time they would say so.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = act();
    std::panic::set_hook(told);
    done
}

/// What shrinking came to, for people.
fn summary(shrunk: &Shrunk, cpu: Duration) -> String {
    let end = match shrunk.done {
        true => "nothing more can be taken out",
        false => "the budget is spent",
    };
    format!(
        "shrunk in {:.1} s of a processor, {} worlds; {end}\n  before  {}\n  after   {}",
        cpu.as_secs_f64(),
        shrunk.tried,
        in_words(shrunk.before),
        in_words(shrunk.after)
    )
}

fn in_words(size: Size) -> String {
    let chance = match size.is_spelled_out {
        true => "no message by chance",
        false => "more messages by chance",
    };
    format!(
        "{} events in the plan ({} operations, {} faults, {} messages; {chance}), {} nodes, \
         {} clients; violated after {} happenings, {:?}",
        size.events(),
        size.operations,
        size.faults,
        size.fates,
        size.nodes,
        size.clients,
        size.happenings,
        size.time
    )
}

fn write_to(file: Option<&Path>, text: &str) -> Result<(), io::Error> {
    let Some(file) = file else {
        return Ok(());
    };
    std::fs::write(file, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

/// What shrinking came to, for programs.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    /// The seed that failed.
    seed: u64,
    /// The seed of the shrunk plan.
    plan_seed: u64,
    property: &'static str,
    text: &'a str,
    done: bool,
    tried: u64,
    cpu_seconds: f64,
    before: Measures,
    after: Measures,
    plan: &'a str,
}

#[derive(Serialize)]
struct Measures {
    events: usize,
    operations: usize,
    faults: usize,
    messages: usize,
    messages_by_chance: bool,
    nodes: usize,
    clients: usize,
    happenings: u64,
    seconds: f64,
}

impl<'a> Line<'a> {
    fn new(seed: u64, shrunk: &'a Shrunk, cpu: Duration, plan: &'a str) -> Self {
        Self {
            kind: "shrunk",
            seed,
            plan_seed: shrunk.plan.seed,
            property: shrunk.violation.property,
            text: &shrunk.violation.text,
            done: shrunk.done,
            tried: shrunk.tried,
            cpu_seconds: cpu.as_secs_f64(),
            before: Measures::of(shrunk.before),
            after: Measures::of(shrunk.after),
            plan,
        }
    }
}

impl Measures {
    fn of(size: Size) -> Self {
        Self {
            events: size.events(),
            operations: size.operations,
            faults: size.faults,
            messages: size.fates,
            messages_by_chance: !size.is_spelled_out,
            nodes: size.nodes,
            clients: size.clients,
            happenings: size.happenings,
            seconds: size.time.as_secs_f64(),
        }
    }
}
