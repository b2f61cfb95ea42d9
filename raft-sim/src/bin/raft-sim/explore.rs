//! `raft-sim explore`: all that can happen in a small world of bare hulls.

use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use clap::Args;
use raft_sim::explore::{
    Explored, Progress, Situations, Stop, Verdict, World, explore as explore_world,
};
use serde_json::json;

use crate::arguments::{duration, jobs};

#[derive(Args, Debug)]
pub(crate) struct Explore {
    /// Which world: figure-8, two-entries, witness, reconfigure, repair, reads or snapshots. The bounds below replace its own.
    #[arg(value_parser = World::NAMES)]
    world: String,
    /// How many nodes, 1 to 5.
    #[arg(long, value_name = "N")]
    nodes: Option<u8>,
    /// How many of them, the last ones, are witnesses: fewer than half.
    #[arg(long, value_name = "N")]
    witnesses: Option<u8>,
    /// How many of them, the last ones, do not found the cluster and may join it.
    #[arg(long, value_name = "N")]
    joiners: Option<u8>,
    /// How often a leader is asked for other members.
    #[arg(long, value_name = "N")]
    changes: Option<u8>,
    /// How often an election timeout passes, in all.
    #[arg(long, value_name = "N")]
    elections: Option<u8>,
    /// How many commands are proposed, beside each new leader's no-op.
    #[arg(long, value_name = "N")]
    slots: Option<u8>,
    /// How often a client asks a leader from where on it may read.
    #[arg(long, value_name = "N")]
    reads: Option<u8>,
    /// How often a node takes a snapshot, and forgets the entries that it stands for.
    #[arg(long, value_name = "N")]
    snapshots: Option<u8>,
    /// How often a node crashes and begins again.
    #[arg(long, value_name = "N")]
    crashes: Option<u8>,
    /// How often a message arrives and stays on its way, to arrive again.
    #[arg(long, value_name = "N")]
    doubles: Option<u8>,
    /// How often a disk stops making things durable until it is synced.
    #[arg(long, value_name = "N")]
    stalls: Option<u8>,
    /// How often a disk is damaged, and a node loses what was durable.
    #[arg(long, value_name = "N")]
    damages: Option<u8>,
    /// How often a leader's heartbeats fall due and it sends again what is unanswered.
    #[arg(long, value_name = "N")]
    ticks: Option<u8>,
    /// How many messages are on their way at most, any others being lost; 0 for no limit. Messages
    /// may always be lost.
    #[arg(long, value_name = "N")]
    in_flight: Option<u8>,
    /// Heartbeats and their answers arrive, too.
    #[arg(long)]
    heartbeats: bool,
    /// With pre-votes and check-quorum.
    #[arg(long)]
    pre_vote: bool,
    /// Ends after this many states, and says so.
    #[arg(long, value_name = "N")]
    states: Option<usize>,
    /// Ends after this time, such as 60s or 20m, and says so.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Ends when it takes more memory than this, and says so.
    #[arg(long, value_name = "MIB", default_value_t = 4_096)]
    memory: usize,
    /// On how many threads; as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<NonZeroUsize>,
    /// Prints one JSON object, for programs.
    #[arg(long)]
    json: bool,
}

impl Explore {
    fn world(&self) -> Result<World, io::Error> {
        let bad = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let named = World::named(&self.world);
        let named = named.ok_or_else(|| bad(format!("there is no world {:?}", self.world)))?;
        let world = World {
            nodes: self.nodes.unwrap_or(named.nodes),
            witnesses: self.witnesses.unwrap_or(named.witnesses),
            joiners: self.joiners.unwrap_or(named.joiners),
            changes: self.changes.unwrap_or(named.changes),
            elections: self.elections.unwrap_or(named.elections),
            slots: self.slots.unwrap_or(named.slots),
            reads: self.reads.unwrap_or(named.reads),
            snapshots: self.snapshots.unwrap_or(named.snapshots),
            crashes: self.crashes.unwrap_or(named.crashes),
            doubles: self.doubles.unwrap_or(named.doubles),
            stalls: self.stalls.unwrap_or(named.stalls),
            damages: self.damages.unwrap_or(named.damages),
            ticks: self.ticks.unwrap_or(named.ticks),
            in_flight: match self.in_flight {
                Some(0) => None,
                Some(limit) => Some(limit),
                None => named.in_flight,
            },
            heartbeats: self.heartbeats || named.heartbeats,
            pre_vote: self.pre_vote,
            ..named
        };
        world.validate().map_err(|error| bad(error.to_string()))?;
        Ok(world)
    }
}

/// Explores; answers whether all of the world was explored and everything holds.
pub(crate) fn explore(arguments: &Explore) -> Result<bool, io::Error> {
    let world = arguments.world()?;
    let begun = Instant::now();
    let mut told = begun;
    let talks = io::stderr().is_terminal() && !arguments.json;
    let explored = explore_world(&world, arguments.jobs, |progress| {
        if talks && told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            eprint!("\r{}", short(progress, begun.elapsed()));
        }
        let seen = arguments
            .states
            .is_some_and(|limit| progress.states >= limit);
        let late = arguments.time.is_some_and(|limit| begun.elapsed() >= limit);
        if seen || late {
            Err(Stop::Limit)
        } else if progress.bytes > arguments.memory << 20 {
            Err(Stop::Memory)
        } else {
            Ok(())
        }
    });
    let explored = explored.map_err(|error| io::Error::other(error.to_string()))?;
    if talks {
        eprintln!();
    }
    let elapsed = begun.elapsed();
    if arguments.json {
        let object = object(arguments, &explored, elapsed);
        writeln!(io::stdout().lock(), "{object}")?;
    } else {
        print(&explored, elapsed)?;
    }
    Ok(matches!(explored.verdict, Verdict::Complete))
}

fn print(explored: &Explored, elapsed: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (progress, situations) = (&explored.progress, &explored.situations);
    if let Verdict::Broken(found) = &explored.verdict {
        writeln!(
            out,
            "{} does not hold. A shortest way there:\n",
            found.property
        )?;
        for line in &found.story {
            writeln!(out, "{line}")?;
        }
        if let Some(script) = &found.script {
            writeln!(out, "\nThe same for `raft-sim script`:\n\n{script}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", short(progress, elapsed))?;
    writeln!(
        out,
        "{} ways between states, {} states of single nodes, {} steps of hulls, {} messages",
        progress.transitions, progress.locals, progress.steps, progress.messages
    )?;
    print_situations(&mut out, situations)?;
    match &explored.verdict {
        Verdict::Complete => writeln!(out, "complete: everything holds in all of them"),
        Verdict::BoundedOut(stop) => writeln!(
            out,
            "bounded out after {} states, {} of them left to go on from: {stop}",
            progress.states,
            progress.states - progress.expanded
        ),
        Verdict::Broken(found) => writeln!(out, "broken: {}: {}", found.property, found.text),
    }
}

/// How often the rare situations were seen that the world is made for.
fn print_situations(out: &mut impl io::Write, situations: &Situations) -> io::Result<()> {
    writeln!(
        out,
        "Figure 8: (c) {}, (d) {}, (e) {} times; two leaders at once {}, writes lost {} times",
        situations.figure_8_c,
        situations.figure_8_d,
        situations.figure_8_e,
        situations.two_leaders,
        situations.lost_writes
    )?;
    if situations.members_changed > 0 {
        writeln!(
            out,
            "Members: changed {}, leaders elected in joint configurations {}, configurations cut off {} times",
            situations.members_changed, situations.elected_in_joint, situations.configuration_cut
        )?;
    }
    if situations.committed_lost > 0 {
        writeln!(
            out,
            "Damage: committed entries lost {}, removed ones there again {}, logs whole again {} times",
            situations.committed_lost, situations.removed_again, situations.repaired
        )?;
    }
    if situations.reads_answered > 0 {
        writeln!(
            out,
            "Reads: answered {}, asked of a leader that was replaced {} times",
            situations.reads_answered, situations.asked_too_late
        )?;
    }
    if situations.installed > 0 {
        writeln!(
            out,
            "Snapshots: installed {}, over a log that held something else {} times",
            situations.installed, situations.installed_over_others
        )?;
    }
    Ok(())
}

fn short(progress: &Progress, elapsed: Duration) -> String {
    format!(
        "{} states, {} steps deep, in {:.1}s: {:.0} states/s, {} MiB",
        progress.states,
        progress.depth,
        elapsed.as_secs_f64(),
        rate(progress, elapsed),
        progress.bytes >> 20
    )
}

fn rate(progress: &Progress, elapsed: Duration) -> f64 {
    progress.states as f64 / elapsed.as_secs_f64().max(1e-9)
}

fn object(arguments: &Explore, explored: &Explored, elapsed: Duration) -> serde_json::Value {
    let (progress, situations) = (&explored.progress, &explored.situations);
    let (verdict, why) = match &explored.verdict {
        Verdict::Complete => ("complete", None),
        Verdict::BoundedOut(stop) => ("bounded out", Some(json!(stop.to_string()))),
        Verdict::Broken(found) => (
            "broken",
            Some(json!({
                "property": found.property,
                "text": found.text,
                "story": found.story,
                "script": found.script,
            })),
        ),
    };
    json!({
        "world": arguments.world,
        "verdict": verdict,
        "why": why,
        "states": progress.states,
        "expanded": progress.expanded,
        "transitions": progress.transitions,
        "depth": progress.depth,
        "bytes": progress.bytes,
        "seconds": elapsed.as_secs_f64(),
        "states_per_second": rate(progress, elapsed),
        "situations": {
            "figure_8_c": situations.figure_8_c,
            "figure_8_d": situations.figure_8_d,
            "figure_8_e": situations.figure_8_e,
            "two_leaders": situations.two_leaders,
            "lost_writes": situations.lost_writes,
            "members_changed": situations.members_changed,
            "elected_in_joint": situations.elected_in_joint,
            "configuration_cut": situations.configuration_cut,
            "committed_lost": situations.committed_lost,
            "removed_again": situations.removed_again,
            "repaired": situations.repaired,
            "asked_too_late": situations.asked_too_late,
            "reads_answered": situations.reads_answered,
            "installed": situations.installed,
            "installed_over_others": situations.installed_over_others,
        },
    })
}
