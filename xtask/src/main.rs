//! The repository's own checks, run as `cargo xtask TASK`.
//!
//! No part of the product: nothing may depend on this crate, and it depends on none of ours.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod error;
mod findings;
mod museum;
mod no_std;
mod paper_map;
mod tidy;
mod tree;

use error::TaskError;
use tree::Tree;

#[derive(Parser)]
#[command(about = "Checks of this repository", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// How we write: sizes, names, words, and who may depend on whom.
    Tidy,
    /// The core without std, and with few crates: linked into a static library and run.
    NoStd,
    /// Historic bugs, put back one at a time: does the simulator find them?
    Museum(museum::MuseumOptions),
    /// The paper's rules: each key of docs/rules.toml has one home and a test.
    PaperMap {
        /// Write docs/paper-map.md anew.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the task found everything in order.
fn run(task: &Task) -> Result<bool, TaskError> {
    let tree = Tree::open(workspace_root())?;
    match task {
        Task::Tidy => Ok(tidy::run(&tree)?.report("tidy")),
        Task::NoStd => no_std::run(&tree),
        Task::Museum(options) => museum::run(&tree, options),
        Task::PaperMap { write } => Ok(paper_map::run(&tree, *write)?.report("paper-map")),
    }
}

/// The workspace this binary was built in: its crate's parent.
fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
