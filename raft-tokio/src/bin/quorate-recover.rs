//! The command line of [`raft_tokio::recover`]: tells what a data folder holds, and, when it is
//! forced to, lets its node go on alone.
//!
//! Exit status: 0 when it was told or done, 1 when it was refused, 2 when the arguments make no
//! sense.

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use raft_tokio::raft_core::ids::{ClusterId, NodeId};
use raft_tokio::recover::{Audit, RecoverError, Recovery, Standing, look, recover};

/// Lets one node go on alone, as another cluster, when a majority is lost for good.
///
/// Without --force it tells what the folder holds: choose the node whose log ends last, in the
/// higher term, and in the same term at the higher index. Its node must not be running. The log is
/// opened as a start of the node would do it: what a crash tore is cut off.
#[derive(Parser, Debug)]
#[command(name = "quorate-recover", version)]
struct Arguments {
    /// The data folder of a node that is stopped.
    folder: PathBuf,
    /// Accepts that acknowledged commands may be lost, and refused or unanswered ones may take
    /// effect.
    #[arg(long, requires_all = ["node", "cluster", "reason"])]
    force: bool,
    /// The node whose folder it is.
    #[arg(long, value_name = "ID", requires = "force", value_parser = node)]
    node: Option<NodeId>,
    /// The cluster that is lost.
    #[arg(long, value_name = "ID", requires = "force", value_parser = cluster)]
    cluster: Option<ClusterId>,
    /// Why, and who decided it: kept in the record.
    #[arg(long, value_name = "TEXT", requires = "force", value_parser = reason)]
    reason: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quorate-recover: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Wrong> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let folder = &arguments.folder;
    let text = match wish(arguments) {
        None => told(&runtime.block_on(look(folder))?, arguments),
        Some(wish) => done(&runtime.block_on(recover(folder, &wish))?, arguments)?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// What is to be done, if anything is.
fn wish(arguments: &Arguments) -> Option<Recovery> {
    Some(Recovery {
        survivor: arguments.node?,
        reason: arguments.reason.clone()?,
        cluster: Some(arguments.cluster?),
        accept_loss: arguments.force,
    })
}

/// What stands in the folder, and what would force it.
fn told(standing: &Standing, arguments: &Arguments) -> String {
    format!(
        "{standing}\n\
         nothing is given up. If the others are lost for good, and no other node's log ends later:\n\
         \n  quorate-recover {folder:?} --force --node {node} --cluster {cluster} --reason \"WHY, AND WHO DECIDED IT\"\n",
        folder = arguments.folder,
        node = standing.node.id.get(),
        cluster = standing.cluster.get(),
    )
}

/// The record as it was kept, and what comes next.
fn done(audit: &Audit, arguments: &Arguments) -> io::Result<String> {
    let path = arguments.folder.join(&audit.record);
    let record = std::fs::read_to_string(&path)?;
    Ok(format!(
        "{record}\nthis is kept in {path}\nstart node {id} with itself as the only member, and add \
         the others anew, with empty folders\n",
        path = path.display(),
        id = audit.survivor.id.get(),
    ))
}

fn node(text: &str) -> Result<NodeId, String> {
    let digits = text.strip_prefix('n').unwrap_or(text);
    let number = digits.parse().map_err(|_| format!("{text:?} is no node"))?;
    Ok(NodeId::new(number))
}

fn cluster(text: &str) -> Result<ClusterId, String> {
    let digits = text.strip_prefix('c').unwrap_or(text);
    let number = digits
        .parse()
        .map_err(|_| format!("{text:?} is no cluster"))?;
    Ok(ClusterId::new(number))
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(String::from("say why, and who decided it")),
        text => Ok(String::from(text)),
    }
}

/// Why nothing was done, or that what was done could not be told.
enum Wrong {
    Refused(RecoverError),
    System(io::Error),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl From<RecoverError> for Wrong {
    fn from(error: RecoverError) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
