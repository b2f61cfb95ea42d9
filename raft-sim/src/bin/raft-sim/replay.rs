//! `raft-sim replay`: the story of one seed, one event a line; of a failure also on one screen.

use std::fmt;
use std::io::{self, BufWriter, Write};

use raft_core::ids::NodeId;
use raft_core::time::Time;
use raft_sim::key_value::{KeyValue, KeyValueWorkload};
use raft_sim::story::one_screen;
use raft_sim::trace::{KEPT, Recorder};
use raft_sim::world::{Trace, World};

use crate::arguments::Replay;

/// Replays a seed; answers whether all is well.
pub(crate) fn replay(arguments: &Replay) -> Result<bool, io::Error> {
    let plan = arguments.source.plan()?;
    if arguments.print_plan {
        io::stdout().lock().write_all(plan.to_text().as_bytes())?;
        return Ok(true);
    }
    if arguments.export.is_wanted() {
        return arguments.export.write(plan, arguments.source.replay());
    }
    let recorder = Recorder::new(KEPT);
    let mut story = Story {
        out: BufWriter::new(io::stdout().lock()),
        failed: None,
    };
    writeln!(story.out, "{}", plan.to_text())?;
    let world = World::new(plan, KeyValue::default, KeyValueWorkload::default());
    let outcome = world.recorded_by(&recorder).told_to(&mut story).run();
    if let Some(error) = story.failed {
        return Err(error);
    }
    let counters = outcome.counters;
    writeln!(
        story.out,
        "\n{} events, {} operations of which {} answered, {} elections, {} crashes, hash {:016x}",
        counters.events,
        counters.operations,
        counters.answered,
        counters.elections,
        counters.crashes,
        outcome.hash
    )?;
    match &outcome.violation {
        None => writeln!(story.out, "no property is violated")?,
        Some(violation) => write!(story.out, "{}", one_screen(&recorder.take(), violation))?,
    }
    story.out.flush()?;
    Ok(outcome.violation.is_none())
}

/// Writes a world's events as they come. The first failure to write ends the writing.
struct Story<W> {
    out: W,
    failed: Option<io::Error>,
}

impl<W: Write> Trace for Story<W> {
    fn line(&mut self, now: Time, node: Option<NodeId>, text: fmt::Arguments<'_>) {
        if self.failed.is_some() {
            return;
        }
        let node = node.map_or_else(String::new, |node| node.to_string());
        self.failed = writeln!(self.out, "{:>12} {node:<3} {text}", format!("{now:?}")).err();
    }
}
