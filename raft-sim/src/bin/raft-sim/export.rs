//! `raft-sim replay --export`, `script --export`: one world in the format of another tool.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use raft_sim::export;
use raft_sim::page;
use raft_sim::plan::Plan;
use raft_sim::sim::record_plan;
use raft_sim::trace::{KEPT, Recording};

/// Whether and how a world is exported.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Writes what happens in this format, instead of telling it.
    #[arg(long, value_name = "FORMAT")]
    export: Option<Format>,
    /// Where the export goes; otherwise to the standard output.
    #[arg(long, value_name = "FILE", requires = "export")]
    out: Option<PathBuf>,
    /// How many happenings are exported, the last ones.
    #[arg(long, value_name = "N", requires = "export", default_value_t = KEPT)]
    last: usize,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// JSON lines: what `raft-sim open` and programs read.
    Jsonl,
    /// A Mermaid sequence diagram.
    Mermaid,
    /// A PlantUML sequence diagram.
    Plantuml,
    /// A log for ShiViz, with vector clocks.
    Shiviz,
    /// The page that `raft-sim open` opens.
    Html,
}

impl Export {
    /// Whether an export is asked for.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.export.is_some()
    }

    /// Runs the plan and writes the export; answers whether all is well with the world.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub(crate) fn write(&self, plan: Plan, replay: String) -> Result<bool, io::Error> {
        let (outcome, mut recording) = record_plan(plan, self.last);
        recording.replay = replay;
        self.put(&recording)?;
        Ok(outcome.violation.is_none())
    }

    /// How many happenings are wanted, the last ones.
    pub(crate) const fn last(&self) -> usize {
        self.last
    }

    /// Writes the export of a recording.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub(crate) fn put(&self, recording: &Recording) -> Result<(), io::Error> {
        let text = self.text(recording);
        match &self.out {
            None => io::stdout().lock().write_all(text.as_bytes()),
            Some(out) => fs::write(out, text).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", out.display()))
            }),
        }
    }

    fn text(&self, recording: &Recording) -> String {
        match self.export.unwrap_or(Format::Jsonl) {
            Format::Jsonl => export::json_lines(recording),
            Format::Mermaid => export::mermaid(recording),
            Format::Plantuml => export::plantuml(recording),
            Format::Shiviz => export::shiviz(recording),
            Format::Html => page::html(recording, &page::title(recording)),
        }
    }
}
