//! Case `idle`: what a hull costs that has nothing to do: memory, and how often it is woken.
//!
//! Nothing is estimated: the heap of a hull is what comes back when it is dropped, and each time
//! that a hull is stepped in a minute of rest is counted.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, value_parser};
use raft_core::settings::Settings;

use crate::clusters::quorate::{Quorate, Rest, Shared};
use crate::clusters::{Cluster, Shape};
use crate::report::{Figure, Report};

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct IdleOptions {
    /// Seconds of rest, by the hulls' own clock.
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Commands committed before the rest, one by one: those that stay in memory for followers that
    /// lag are in the figures.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(0..=1_000_000))]
    commands: u32,
}

/// Measures hulls at rest.
pub(crate) fn run(options: &IdleOptions) -> Result<Report, Box<dyn Error>> {
    let awake = Arc::new(Settings::default());
    let quiescent = Arc::new(Settings {
        quiescent_after: Some(QUIESCENT_AFTER),
        ..Settings::default()
    });
    let mut figures = measure(options, "", &awake)?;
    figures.extend(measure(options, ", quiescent", &quiescent)?);
    let notes = vec![
        format!(
            "three voters, {} commands of 256 B committed, then {} s of rest",
            options.commands, options.seconds
        ),
        format!("quiescent: with `quiescent_after` at {QUIESCENT_AFTER:?}, and once that is over"),
        "heap: bytes that dropping the hull gives back; payloads in memory belong to the log as well \
         and are not counted, nor are the settings and the members, which all hulls share"
            .to_owned(),
        "members: what they take, once for all hulls that are founded with the same ones; a hull that \
         has members of its own takes as much more"
            .to_owned(),
        "raft-rs 0.7 takes 3,769 B a replica (measured elsewhere, not in this run)".to_owned(),
    ];
    Ok(Report {
        bench: "idle",
        notes,
        figures,
    })
}

fn measure(
    options: &IdleOptions,
    mode: &str,
    settings: &Arc<Settings>,
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let shared = Shared::new(Shape { voters: 3, at: 1 }, Arc::clone(settings));
    let mut cluster = Quorate::found_with(&shared)?;
    for _ in 0..options.commands {
        cluster.commit(&[7; 256], 1)?;
    }
    cluster.rest(QUIESCENT_AFTER * 10)?;
    let rest = cluster.rest(Duration::from_secs(u64::from(options.seconds)))?;
    let leader = cluster.leader();
    let memory = cluster.memory();
    let mut figures = Vec::new();
    for (number, (memory, rest)) in memory.into_iter().zip(rest).enumerate() {
        let role = if number == leader {
            "leader"
        } else {
            "follower"
        };
        let case = format!("{role}{mode}");
        figures.extend(figures_of(&case, memory, &rest, options.seconds));
    }
    figures.push(Figure {
        case: format!("members{mode}"),
        system: "quorate".to_owned(),
        value: shared.bytes_of_members() as f64,
        unit: "bytes of heap",
    });
    Ok(figures)
}

fn figures_of(case: &str, memory: Memory, rest: &Rest, seconds: u32) -> [Figure; 5] {
    let figure = |value, unit| Figure {
        case: case.to_owned(),
        system: "quorate".to_owned(),
        value,
        unit,
    };
    let a_second = |times: u64| times as f64 / f64::from(seconds);
    [
        figure(memory.own as f64, "bytes, its own size"),
        figure(memory.heap as f64, "bytes of heap"),
        figure((memory.own + memory.heap) as f64, "bytes"),
        figure(a_second(rest.timers), "timers/s"),
        figure(a_second(rest.messages), "messages/s"),
    ]
}

/// What a hull takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Its own size.
    pub(crate) own: usize,
    /// What it keeps elsewhere.
    pub(crate) heap: usize,
}

/// Longer than the heartbeats' interval, and than most things last.
const QUIESCENT_AFTER: Duration = Duration::from_secs(3);
