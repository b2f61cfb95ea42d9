//! Case `growth`: whether a proposal costs the same after thousands and after millions of others, and
//! in the only group of a process and in one of thousands.
//!
//! Each size is measured several times, and all sizes take turns, so that a slow moment of the
//! machine falls on all.

use std::error::Error;
use std::sync::Arc;

use clap::{Args, value_parser};

use crate::clusters::chunks_alone::ChunksAlone;
use crate::clusters::quorate::{Quorate, Shared};
use crate::clusters::{Cluster, Failure, Shape};
use crate::meter::{Cost, cost_of, median};
use crate::report::{Figure, Report};

/// What can be chosen.
#[derive(Debug, Args)]
pub(crate) struct GrowthOptions {
    /// Entries in the log before a proposal is measured, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000,10000,100000,1000000,10000000",
        value_parser = value_parser!(u32).range(1_000..=20_000_000)
    )]
    entries: Vec<u32>,
    /// Groups in the process, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,10,100,1000,10000",
        value_parser = value_parser!(u32).range(1..=20_000)
    )]
    groups: Vec<u32>,
    /// Proposals handed in at a time.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=4096))]
    at: u32,
    /// Rounds, each of which measures each size.
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// Some clusters that take turns.
struct Sample<C> {
    name: String,
    clusters: Vec<C>,
    /// How many entries to begin each round with anew, if a round would change that number much.
    anew: Option<u32>,
    /// Batches in a round.
    batches: usize,
    nanoseconds: Vec<f64>,
}

/// Measures all sizes.
pub(crate) fn run(options: &GrowthOptions) -> Result<Report, Box<dyn Error>> {
    let entries = || options.entries.iter().copied();
    let mut figures = measure(
        options,
        entries().map(log).collect::<Result<_, _>>()?,
        entries().map(log).collect::<Result<_, _>>()?,
    )?;
    let shared = Shared::new(SHAPE, Arc::default());
    let counts = || options.groups.iter().copied();
    let ours = counts().map(|count| groups(count, || Quorate::found_with(&shared)));
    let floor = counts().map(|count| groups(count, || ChunksAlone::found(SHAPE)));
    figures.extend(measure(
        options,
        ours.collect::<Result<_, _>>()?,
        floor.collect::<Result<_, _>>()?,
    )?);
    let notes = vec![
        format!(
            "three voters a group, logs in memory, {} proposals of {PAYLOAD} B at a time; medians of \
             {} alternated rounds, and the least and the most",
            options.at, options.rounds
        ),
        "of many groups each takes one batch in turn: none of what it needs is in the processor's \
         caches when its turn comes"
            .to_owned(),
    ];
    Ok(Report {
        bench: "growth",
        notes,
        figures,
    })
}

/// One group whose log has so many entries.
fn log<C: Cluster>(entries: u32) -> Result<Sample<C>, Failure> {
    Ok(Sample {
        name: format!("{entries} entries"),
        clusters: vec![with_log_of(entries)?],
        anew: (entries < LARGE).then_some(entries),
        batches: LOG_BATCHES,
        nanoseconds: Vec::new(),
    })
}

fn with_log_of<C: Cluster>(entries: u32) -> Result<C, Failure> {
    let mut cluster = C::found(SHAPE)?;
    for _ in 0..entries.div_ceil(FILLED_AT) {
        cluster.commit(&[7; 8], FILLED_AT as usize)?;
    }
    Ok(cluster)
}

/// So many groups, each with a log that is hardly begun.
fn groups<C>(count: u32, found: impl Fn() -> Result<C, Failure>) -> Result<Sample<C>, Failure> {
    let clusters: Result<_, Failure> = (0..count).map(|_| found()).collect();
    Ok(Sample {
        name: format!("{count} groups"),
        clusters: clusters?,
        anew: None,
        batches: GROUP_BATCHES,
        nanoseconds: Vec::new(),
    })
}

/// Each size of each system, in turns.
fn measure(
    options: &GrowthOptions,
    mut ours: Vec<Sample<Quorate>>,
    mut floor: Vec<Sample<ChunksAlone>>,
) -> Result<Vec<Figure>, Failure> {
    for round in 0..=options.rounds {
        for (ours, floor) in ours.iter_mut().zip(&mut floor) {
            ours.take_turn(round, options.at as usize)?;
            floor.take_turn(round, options.at as usize)?;
        }
    }
    let mut figures = figures("quorate", ours);
    figures.extend(self::figures("chunks alone, no protocol", floor));
    Ok(figures)
}

fn figures<C: Cluster>(system: &str, samples: Vec<Sample<C>>) -> Vec<Figure> {
    let mut first = None;
    let samples = samples.into_iter();
    samples
        .flat_map(|sample| sample.figures(system, &mut first))
        .collect()
}

impl<C: Cluster> Sample<C> {
    fn take_turn(&mut self, round: u32, at: usize) -> Result<(), Failure> {
        let cost = self.round(at)?;
        // The first round warms up.
        if round > 0 {
            let proposals = (self.batches * at) as f64;
            self.nanoseconds.push(cost.nanoseconds as f64 / proposals);
        }
        Ok(())
    }

    /// As many proposals as a round has, batch by batch, each to the next group.
    fn round(&mut self, at: usize) -> Result<Cost, Failure> {
        if let Some(entries) = self.anew {
            self.clusters = vec![with_log_of(entries)?];
        }
        let (mut outcome, count, batches) = (Ok(()), self.clusters.len(), self.batches);
        let clusters = &mut self.clusters;
        let cost = cost_of(|| {
            outcome =
                (0..batches).try_for_each(|turn| clusters[turn % count].commit(&[7; PAYLOAD], at));
        });
        outcome.map(|()| cost)
    }

    fn figures(self, system: &str, first: &mut Option<f64>) -> [Figure; 4] {
        let least = self.nanoseconds.iter().copied().fold(f64::MAX, f64::min);
        let most = self.nanoseconds.iter().copied().fold(0.0, f64::max);
        let median = median(self.nanoseconds);
        let share = median / *first.get_or_insert(median);
        let figure = |value, unit| Figure {
            case: self.name.clone(),
            system: system.to_owned(),
            value,
            unit,
        };
        [
            figure(median, "ns/proposal"),
            figure(least, "ns/proposal, least"),
            figure(most, "ns/proposal, most"),
            figure(share, "of the first"),
        ]
    }
}

const SHAPE: Shape = Shape { voters: 3, at: 1 };
/// The size of each payload measured.
const PAYLOAD: usize = 64;
/// Batches in a round of one group: few, or they would be most of a short log.
const LOG_BATCHES: usize = 64;
/// Batches in a round of many groups: one for each, or more.
const GROUP_BATCHES: usize = 20_000;
/// How many at a time fill a log before it is measured.
const FILLED_AT: u32 = 500;
/// Logs of so many entries hardly grow by what is measured.
const LARGE: u32 = 1_000_000;
