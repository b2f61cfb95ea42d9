//! Where a plan comes from: drawn from a seed, or read from a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use raft_sim::plan::Plan;

use crate::arguments::{DRAWN, World, one_of};

/// One plan: a seed's, or a file's.
#[derive(Args, Debug)]
#[command(group(one_of(&["seed", "named", "plan"])))]
pub(crate) struct Source {
    /// The seed.
    #[arg(value_name = "SEED")]
    seed: Option<u64>,
    /// The seed, by name.
    #[arg(long = "seed", value_name = "N")]
    named: Option<u64>,
    /// A file with a plan, as `replay --print-plan` prints it, instead of a seed.
    #[arg(long, value_name = "FILE", conflicts_with_all = DRAWN)]
    plan: Option<PathBuf>,
    #[command(flatten)]
    world: World,
}

impl Source {
    /// The command that replays it.
    pub(crate) fn replay(&self) -> String {
        match &self.plan {
            Some(file) => format!("raft-sim replay --plan {}", file.display()),
            None => {
                let seed = self.seed.or(self.named).unwrap_or_default();
                format!("raft-sim replay {seed}{}", self.world.words())
            }
        }
    }

    /// The plan.
    ///
    /// # Errors
    ///
    /// The file can't be read, or is no plan.
    pub(crate) fn plan(&self) -> Result<Plan, io::Error> {
        match &self.plan {
            Some(file) => read(file),
            None => {
                let seed = self.seed.or(self.named).unwrap_or_default();
                Ok(Plan::draw(seed, &self.world.swarm()))
            }
        }
    }
}

/// Reads a plan from a file.
///
/// # Errors
///
/// The file can't be read, or is no plan.
pub(crate) fn read(file: &Path) -> Result<Plan, io::Error> {
    let told = |kind, error: &dyn std::error::Error| {
        io::Error::new(kind, format!("{}: {error}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|error| told(error.kind(), &error))?;
    Plan::parse(&text).map_err(|error| told(io::ErrorKind::InvalidData, &error))
}
