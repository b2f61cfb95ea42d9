//! Case `core`: what a committed proposal costs in the state machine alone.
//!
//! Rounds alternate between the systems, so that a slow moment of the machine falls on all, and
//! every round founds its clusters anew, so that no log grows beyond one round.

use std::error::Error;
use std::hint::black_box;

use clap::{Args, value_parser};

use crate::clusters::chunks_alone::ChunksAlone;
use crate::clusters::omni_paxos::Omni;
use crate::clusters::quorate::Quorate;
use crate::clusters::raft_rs::RaftRs;
use crate::clusters::{Cluster, Digest, Failure, Shape};
use crate::meter::{Cost, cost_of, keep_freed_memory, median};
use crate::report::{Figure, Report};

mod prices;

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct CoreOptions {
    /// Bytes of each payload. With none raft-rs is left out: it takes an empty one for a no-op.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(0..=1 << 20))]
    payload: u32,
    /// Proposals handed in at a time, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,16,64,256",
        value_parser = value_parser!(u32).range(1..=4096)
    )]
    at: Vec<u32>,
    /// How many nodes vote.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(3..=9))]
    voters: u32,
    /// Rounds, each of which measures each system.
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Measure one system only, for a profiler.
    #[arg(long, value_enum)]
    only: Option<System>,
    /// Measure Quorate alone, and say what each further follower and each byte of payload costs.
    #[arg(long, conflicts_with_all = ["payload", "voters", "only"])]
    prices: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum System {
    Quorate,
    RaftRs,
    RaftRsTogether,
    OmniPaxos,
    OmniPaxosBatching,
    ChunksAlone,
    Copies,
    SummedCopies,
}

impl System {
    const ALL: [Self; SYSTEMS] = [
        Self::Quorate,
        Self::RaftRs,
        Self::RaftRsTogether,
        Self::OmniPaxos,
        Self::OmniPaxosBatching,
        Self::ChunksAlone,
        Self::Copies,
        Self::SummedCopies,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Quorate => "quorate",
            Self::RaftRs => "raft-rs 0.7",
            Self::RaftRsTogether => "raft-rs 0.7, proposed as one message",
            Self::OmniPaxos => "omnipaxos 0.2",
            Self::OmniPaxosBatching => "omnipaxos 0.2, batching",
            Self::ChunksAlone => "chunks alone, no protocol",
            Self::Copies => "memcpy alone, once",
            Self::SummedCopies => "memcpy and CRC-32C alone, once",
        }
    }

    /// Whether it can be measured with payloads of so many bytes.
    const fn takes(self, payload: usize) -> bool {
        match self {
            // An empty entry is a no-op there, which nobody proposed.
            Self::RaftRs | Self::RaftRsTogether => payload > 0,
            Self::Copies | Self::SummedCopies => payload > 0,
            Self::Quorate | Self::OmniPaxos | Self::OmniPaxosBatching | Self::ChunksAlone => true,
        }
    }
}

/// What one round hands in.
#[derive(Clone, Copy)]
struct Load {
    payload: usize,
    shape: Shape,
    /// How often.
    times: usize,
}

impl Load {
    fn of(payload: usize, voters: u64, at: usize) -> Self {
        Self {
            payload,
            shape: Shape { voters, at },
            times: times(payload, at),
        }
    }

    /// The nanoseconds that each proposal cost.
    fn each(&self, cost: &Cost) -> f64 {
        cost.nanoseconds as f64 / (self.times * self.shape.at) as f64
    }
}

/// What a proposal cost, round by round.
#[derive(Default)]
struct Rounds {
    nanoseconds: Vec<f64>,
    allocations: Vec<f64>,
}

/// Measures all systems.
pub(crate) fn run(options: &CoreOptions) -> Result<Report, Box<dyn Error>> {
    keep_freed_memory();
    let mut figures = Vec::new();
    for at in &options.at {
        figures.extend(if options.prices {
            prices::measure(options.rounds, *at as usize)?
        } else {
            measure(options, *at as usize)?
        });
    }
    Ok(Report {
        bench: "core",
        notes: notes(options),
        figures,
    })
}

fn notes(options: &CoreOptions) -> Vec<String> {
    if options.prices {
        return prices::notes(options.rounds);
    }
    vec![
        format!(
            "{} voters in one thread, logs in memory, messages handed over; {} B payloads; \
             medians of {} alternated rounds",
            options.voters, options.payload, options.rounds
        ),
        "per committed proposal: copied in, on all logs, applied by all state machines, \
         answered; CPU time of the thread"
            .to_owned(),
        "checksums: quorate CRC-32C over every payload and id (crc32c crate, hardware where there \
         is any), invariants checked after each step; raft-rs and omnipaxos none"
            .to_owned(),
        "chunks alone: copied in, summed once, written to all logs, applied by all state machines; \
         nobody asks, answers, counts or waits"
            .to_owned(),
        MEMCPY.to_owned(),
    ]
}

fn measure(options: &CoreOptions, at: usize) -> Result<Vec<Figure>, Failure> {
    let payload = options.payload as usize;
    let load = Load::of(payload, u64::from(options.voters), at);
    let mut rounds: [Rounds; SYSTEMS] = Default::default();
    for number in 0..=options.rounds {
        for (system, rounds) in System::ALL.into_iter().zip(&mut rounds) {
            let is_wanted = options.only.is_none_or(|only| only == system);
            if !is_wanted || !system.takes(payload) {
                continue;
            }
            let cost = round_of(system, &load)?;
            // The first round warms up the process: its memory comes from the kernel.
            if number > 0 {
                rounds.add(&cost, &load);
            }
        }
    }
    let case = format!("{} voters, {payload} B, {at} at a time", options.voters);
    Ok(figures(&case, rounds))
}

fn round_of(system: System, load: &Load) -> Result<Cost, Failure> {
    match system {
        System::Quorate => round::<Quorate>(load),
        System::RaftRs => round::<RaftRs<false>>(load),
        System::RaftRsTogether => round::<RaftRs<true>>(load),
        System::OmniPaxos => round::<Omni<false>>(load),
        System::OmniPaxosBatching => round::<Omni<true>>(load),
        System::ChunksAlone => round::<ChunksAlone>(load),
        System::Copies => Ok(copying(load, false)),
        System::SummedCopies => Ok(copying(load, true)),
    }
}

/// Founds a cluster, warms it up, measures it, and looks whether it did what it was asked.
fn round<C: Cluster>(load: &Load) -> Result<Cost, Failure> {
    let payload = vec![7; load.payload];
    let at = load.shape.at;
    let mut cluster = C::found(load.shape)?;
    for _ in 0..load.times / 8 + 1 {
        cluster.commit(&payload, at)?;
    }
    let mut outcome = Ok(());
    let cost = cost_of(|| {
        outcome = (0..load.times).try_for_each(|_| cluster.commit(&payload, at));
    });
    outcome?;
    let commands = ((load.times + load.times / 8 + 1) * at) as u64;
    let expected = Digest {
        commands,
        bytes: commands * load.payload as u64,
        first_bytes: commands * payload.first().copied().map_or(0, u64::from),
    };
    let (seen, answered) = (cluster.digests(), cluster.answered());
    let alike = seen.iter().all(|digest| *digest == expected);
    if !alike || seen.len() as u64 != load.shape.voters || answered != commands {
        return Err(format!("expected {expected:?}: {seen:?}, answered {answered}").into());
    }
    Ok(cost)
}

/// Copies each payload once to where it stays, and sums it there if that is asked for.
fn copying(load: &Load, sums: bool) -> Cost {
    let payload = black_box(vec![7; load.payload]);
    let mut kept = vec![1; load.times * load.shape.at * load.payload];
    let cost = cost_of(|| {
        let mut sum = 0;
        for place in kept.chunks_exact_mut(load.payload) {
            place.copy_from_slice(&payload);
            if sums {
                sum = crc32c::crc32c_append(sum, black_box(place));
            }
        }
        black_box(sum);
    });
    black_box(&kept);
    cost
}

/// Enough to measure, and little enough that rounds alternate quickly: about 8 MiB of payload.
fn times(payload: usize, at: usize) -> usize {
    let fitting = (8 << 20) / payload.max(256);
    (fitting / at).clamp(16, 16_384)
}

fn figures(case: &str, rounds: [Rounds; SYSTEMS]) -> Vec<Figure> {
    let figure = |system: &str, value, unit| Figure {
        case: case.to_owned(),
        system: system.to_owned(),
        value,
        unit,
    };
    let mut figures = Vec::new();
    let mut ours = None;
    for (system, rounds) in System::ALL.into_iter().zip(rounds) {
        if rounds.nanoseconds.is_empty() {
            continue;
        }
        let name = system.name();
        let nanoseconds = median(rounds.nanoseconds);
        figures.push(figure(name, nanoseconds, "ns/proposal"));
        let allocations = median(rounds.allocations);
        figures.push(figure(name, allocations, "allocations/proposal"));
        match (system, ours) {
            (System::Quorate, _) => ours = Some(nanoseconds),
            (_, None) => {}
            (_, Some(ours)) => {
                let share = ours / nanoseconds;
                figures.push(figure(
                    &format!("quorate / {name}"),
                    share,
                    "of the CPU time",
                ));
            }
        }
    }
    figures
}

impl Rounds {
    fn add(&mut self, cost: &Cost, load: &Load) {
        let proposals = (load.times * load.shape.at) as f64;
        self.nanoseconds.push(load.each(cost));
        self.allocations.push(cost.allocations as f64 / proposals);
    }
}

/// How many systems are compared.
const SYSTEMS: usize = 8;

/// What the rows of copies mean.
const MEMCPY: &str = "memcpy: each payload copied once, one after the other, into memory that was \
                      written before; with CRC-32C, summed where it then stands";
