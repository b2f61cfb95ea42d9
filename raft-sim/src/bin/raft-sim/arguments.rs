//! The arguments and what they may be.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use raft_sim::plan::{MAX_NODES, MOST_DURATION, Swarm};

use crate::bench::Bench;
use crate::explore::Explore;
use crate::export::Export;
use crate::open::Open;
use crate::shrink::Shrink;
use crate::source::Source;

/// Simulated worlds of real nodes, each drawn from one seed.
#[derive(Parser, Debug)]
#[command(name = "raft-sim", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Runs worlds and checks each; ends with a summary.
    Run(Run),
    /// Runs one world and tells what happens in it, one event a line.
    Replay(Replay),
    /// Writes one world as a page to look at, and opens it.
    Open(Open),
    /// Measures how much happens in a second of a processor.
    Bench(Bench),
    /// Makes a failing world small: prints its plan, its story and how much is left.
    Shrink(Shrink),
    /// Plays a story with checked-in output and compares.
    Script(Script),
    /// Explores all that can happen in a small world of bare hulls.
    Explore(Explore),
}

#[derive(Args, Debug)]
#[command(group(one_of(&["seeds", "plan"])))]
pub(crate) struct Run {
    /// The seeds, the last one excluded: 0..2000.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// A file with one plan, instead of seeds.
    #[arg(long, value_name = "FILE", conflicts_with_all = DRAWN)]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) world: World,
    /// Runs every seed twice and compares the hashes of all events.
    #[arg(long)]
    pub(crate) twice: bool,
    /// Prints one JSON object a line, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Ends with the first seed that fails.
    #[arg(long)]
    pub(crate) stop_at_first: bool,
    /// Lists how often each rare state was seen.
    #[arg(long)]
    pub(crate) markers: bool,
    /// Fails when a rare state was never seen. Meant for a thousand seeds and more.
    #[arg(long)]
    pub(crate) require_markers: bool,
    /// Shrinks the world of the first seed that fails, within 30 s of processor time.
    #[arg(long)]
    pub(crate) shrink: bool,
    /// Where failures are written, the first ten and the first of each property: plan, page and
    /// recording. Otherwise to target/raft-sim, and nowhere with `--json`.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) report: Option<PathBuf>,
    /// How many worlds at a time; otherwise as many as there are cores.
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

#[derive(Args, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Prints the plan, as text that `--plan` takes, and runs nothing.
    #[arg(long, conflicts_with = "export")]
    pub(crate) print_plan: bool,
    #[command(flatten)]
    pub(crate) export: Export,
}

#[derive(Args, Debug)]
#[command(group(one_of(&["file", "commands"])))]
pub(crate) struct Script {
    /// The story.
    pub(crate) file: Option<PathBuf>,
    /// Lists the commands of scripts instead.
    #[arg(long, conflicts_with_all = ["update", "export"])]
    pub(crate) commands: bool,
    /// Writes what happens now into the file.
    #[arg(long, conflicts_with = "export")]
    pub(crate) update: bool,
    #[command(flatten)]
    pub(crate) export: Export,
}

/// What may be fixed of a world; the rest is drawn.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct World {
    /// How many nodes; otherwise each seed draws 3 to 7, seldom 1 or 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_NODES)))]
    nodes: Option<u8>,
    /// How long faults and clients go on in simulated time, such as 60s, 500ms or 2m.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "60s")]
    duration: Duration,
    /// No faults at all.
    #[arg(long)]
    no_faults: bool,
}

impl World {
    /// The swarm that is left to draw from.
    pub(crate) fn swarm(&self) -> Swarm {
        Swarm {
            nodes: self.nodes,
            duration: self.duration,
            faults: !self.no_faults,
            ..Swarm::default()
        }
    }

    /// The arguments that fix the same of a world.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        if let Some(nodes) = self.nodes {
            words.push_str(&format!(" --nodes {nodes}"));
        }
        if self.duration != Swarm::default().duration {
            words.push_str(&format!(" --for {}ms", self.duration.as_millis()));
        }
        if self.no_faults {
            words.push_str(" --no-faults");
        }
        words
    }
}

/// Of these arguments one is needed, and no two make sense.
pub(crate) fn one_of(arguments: &[&'static str]) -> ArgGroup {
    let group = ArgGroup::new("what").required(true);
    group.args(arguments.iter().copied())
}

/// What [`World`] fixes: nothing in a world that is not drawn.
pub(crate) const DRAWN: [&str; 3] = ["nodes", "duration", "no_faults"];

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text
        .split_once("..")
        .ok_or("seeds are written A..B, the last one excluded, such as 0..2000")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} is not a seed: seeds are numbers, such as in 0..2000"))
    };
    let seeds = number(first)?..number(end)?;
    if seeds.is_empty() {
        return Err(format!("{text} holds no seed: the last one is excluded"));
    }
    Ok(seeds)
}

pub(crate) fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not how many run at a time: give a number from 1 on"))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit());
    let (amount, unit) = text.split_at(split.unwrap_or(text.len()));
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(format!("{text:?} is not a time such as 60s, 500ms or 2m")),
    };
    let duration = amount
        .parse::<u64>()
        .ok()
        .and_then(|amount| amount.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .filter(|duration| SPANS.contains(duration));
    duration.ok_or_else(|| format!("{text:?} is not within 100ms and 60m"))
}

/// What worlds can last: shorter ones do nothing, longer ones outgrow memory and patience.
const SPANS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=MOST_DURATION;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn reads_ranges_of_seeds() {
        assert_eq!(seeds("3..7"), Ok(3..7));
        for bad in ["", "3", "7..7", "7..3", "a..b", "-1..3", "1..=3"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_times() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60m"), Ok(Duration::from_secs(3_600)));
        for bad in [
            "",
            "60",
            "s",
            "1h",
            "0s",
            "61m",
            "99999999999999999999s",
            "1.5s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
