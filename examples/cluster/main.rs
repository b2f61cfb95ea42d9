//! The main job: three nodes in three processes agree on every line of a file, although their
//! leader is killed on the way.
//!
//! `cargo run --release --example cluster [FILE]` starts the nodes on loopback TCP with durable
//! data in a temporary folder, submits each line as a command through the remote client, kills the
//! leader with SIGKILL somewhere between 10 and 90 %, starts it again, waits until all agree, and
//! compares what each node holds with the file. The exit status is 0 only if everything fits.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::time::timeout;

mod app;
mod expected;
mod fleet;
mod node;
mod report;
mod run;
mod text;

/// Three durable nodes agree on the lines of a file while their leader is killed.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The file whose lines are the commands; the repository's own sources if there is none.
    file: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Commands in flight.
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
    /// Kill the leader when this many percent are acknowledged, 10 to 90; drawn if not given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(10..=90))]
    kill_at: Option<u64>,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 300)]
    limit: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// One node, as the example starts it in a process of its own.
    #[command(name = "__node", hide = true)]
    Node(node::NodeArguments),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("cluster: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn start(arguments: Arguments) -> Result<bool, Failure> {
    // One thread is enough for a node, and for a client: each further one costs more than it
    // brings, since the four processes share the machine.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if let Some(Role::Node(node)) = arguments.role {
        runtime.block_on(node::serve(node))?;
        return Ok(true);
    }
    let text = text::load(arguments.file.as_deref())?;
    let plan = run::Plan {
        in_flight: arguments.in_flight.max(1),
        kill_at: arguments.kill_at.unwrap_or_else(draw_percent),
    };
    let limit = Duration::from_secs(arguments.limit);
    let report = runtime.block_on(async {
        timeout(limit, run::run(&text, &plan))
            .await
            .map_err(|_| format!("not done after {limit:?}"))?
    })?;
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(report.is_good())
}

/// A number from 10 to 90, another one each time.
fn draw_percent() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    10 + RandomState::new().hash_one(0) % 81
}
