//! `raft-sim bench`: how much happens in a second of a processor: in whole worlds, among bare
//! hulls, and in the judgement of long histories. On one thread; the median of several rounds, and
//! how far they spread.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use cpu_time::ThreadTime;
use raft_sim::plan::{Plan, Swarm};
use raft_sim::sim::run_plan;
use raft_sim::world::Counters;
use serde::Serialize;

mod hulls;
mod judge;

use hulls::{Happened, Hulls};

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Worlds a round, from seed 0 on.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    worlds: u64,
    /// Events a round among the hulls of each size.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    events: u64,
    /// Rounds, of which the median counts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Prints one JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// Measures and prints; always well, unless a world or a hull fails.
pub(crate) fn bench(arguments: &Bench) -> io::Result<bool> {
    let mut figures = Vec::new();
    let worlds = rounds(arguments, |_| worlds(arguments.worlds))?;
    let each_second = |of: fn(&Counters) -> f64| {
        let samples = worlds.iter();
        Figure::of(samples.map(|(counters, cpu)| of(counters) / cpu).collect())
    };
    let (seeds, seconds) = (arguments.worlds as f64, 1e9);
    figures.push((
        "seeds",
        Figure::of(worlds.iter().map(|(_, cpu)| seeds / cpu).collect()),
    ));
    figures.push((
        "simulated seconds",
        Figure::of(
            worlds
                .iter()
                .map(|(counters, cpu)| counters.nanoseconds as f64 / seconds / cpu)
                .collect(),
        ),
    ));
    figures.push((
        "events in worlds",
        each_second(|counters| counters.events as f64),
    ));
    for (size, name) in HULLS {
        let samples = rounds(arguments, |round| hulls(size, round, arguments.events))?;
        let rates = samples
            .iter()
            .map(|(happened, cpu)| happened.events as f64 / cpu);
        figures.push((name, Figure::of(rates.collect())));
    }
    let histories: Vec<_> = (0..arguments.rounds).map(judge::history).collect();
    let judged = rounds(arguments, |round| {
        let history = histories.get(round as usize);
        history.map_or(Ok(()), judge::judge)
    })?;
    let rates = judged.iter().map(|((), cpu)| 1.0 / cpu);
    figures.push(("histories of 10,000 judged", Figure::of(rates.collect())));
    print(arguments, &figures)?;
    Ok(true)
}

/// What each round came to, and the processor seconds it took.
fn rounds<T>(
    arguments: &Bench,
    mut round: impl FnMut(u64) -> io::Result<T>,
) -> io::Result<Vec<(T, f64)>> {
    (0..arguments.rounds)
        .map(|number| {
            let began = ThreadTime::now();
            let came = round(number)?;
            Ok((
                came,
                began.elapsed().max(Duration::from_nanos(1)).as_secs_f64(),
            ))
        })
        .collect()
}

/// The first seeds' worlds, as `raft-sim run` runs them.
fn worlds(count: u64) -> io::Result<Counters> {
    let mut totals = Counters::default();
    for seed in 0..count {
        let outcome = run_plan(Plan::draw(seed, &Swarm::default()));
        if let Some(violation) = outcome.violation {
            return Err(io::Error::other(format!("seed {seed}: {violation}")));
        }
        totals.add(&outcome.counters);
    }
    Ok(totals)
}

/// Several short lives of a cluster, so that logs stay as long as tests make them.
fn hulls(size: u64, round: u64, events: u64) -> io::Result<Happened> {
    let mut total = Happened::default();
    let mut life = round << 32;
    while total.events < events {
        let happened = Hulls::new(size, life)?.run(EVENTS_A_LIFE.min(events))?;
        total.events += happened.events;
        total.applied += happened.applied;
        total.elections += happened.elections;
        life += 1;
    }
    if total.applied == 0 || total.elections == 0 {
        return Err(io::Error::other("the hulls did nothing worth measuring"));
    }
    Ok(total)
}

/// One measured rate.
#[derive(Serialize)]
struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

impl Figure {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |place: usize| samples.get(place).copied().unwrap_or(0.0);
        Self {
            median: at(samples.len() / 2),
            least: at(0),
            most: at(samples.len().saturating_sub(1)),
        }
    }
}

fn print(arguments: &Bench, figures: &[(&'static str, Figure)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let all: std::collections::BTreeMap<_, _> = figures
            .iter()
            .map(|(name, figure)| (*name, figure))
            .collect();
        // Numbers and strings always have a JSON form.
        return writeln!(out, "{}", serde_json::to_string(&all).unwrap_or_default());
    }
    writeln!(
        out,
        "{:<30}{:>14}{:>14}{:>14}",
        "a CPU second", "median", "least", "most"
    )?;
    for (
        name,
        Figure {
            median,
            least,
            most,
        },
    ) in figures
    {
        writeln!(out, "{name:<30}{median:>14.1}{least:>14.1}{most:>14.1}")?;
    }
    Ok(())
}

/// Clusters of bare hulls, by size.
const HULLS: [(u64, &str); 2] = [(3, "events of 3 bare hulls"), (5, "events of 5 bare hulls")];

/// Events in one cluster before the next begins.
const EVENTS_A_LIFE: u64 = 50_000;
