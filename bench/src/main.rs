//! What Quorate costs, beside its peers, in one run.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml -- CASE [--json]` prints a table, or one
//! object a line. Nothing here judges: a figure is printed with what it was measured beside.

mod clusters;
mod core_case;
mod growth_case;
mod idle_case;
mod log_case;
mod log_growth_case;
mod logs;
mod meter;
mod nodes_case;
mod open_case;
mod report;

use std::error::Error;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use core_case::CoreOptions;
use growth_case::GrowthOptions;
use idle_case::IdleOptions;
use log_case::LogOptions;
use log_growth_case::LogGrowthOptions;
use nodes_case::NodesOptions;
use open_case::OpenOptions;
use report::Report;

/// Measures what Quorate costs, beside its peers in the same run.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    case: Case,
    /// Print one JSON object a line instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "CASE", subcommand_help_heading = "Cases")]
enum Case {
    /// Three nodes in one thread, log in memory, messages handed over: CPU time and allocations
    /// per committed proposal, beside raft-rs and OmniPaxos.
    Core(CoreOptions),
    /// Three nodes at rest: bytes of memory, and how often each is woken.
    Idle(IdleOptions),
    /// The cost of a proposal after thousands and millions of entries, and in one and in thousands of
    /// groups.
    Growth(GrowthOptions),
    /// Durable appends to one log on a disk, as a share of what the disk takes for the same bytes, beside
    /// raft-engine, redb and fjall.
    Log(LogOptions),
    /// The cost of an append and of a read after thousands and after millions of entries in the log.
    LogGrowth(LogGrowthOptions),
    /// Opening a long log, reading all of it and verifying it: time and memory, beside raft-engine.
    Open(OpenOptions),
    /// Three real nodes over TCP and files: commands a second, and how long clients wait, beside the bare
    /// disk and the bare network.
    Nodes(NodesOptions),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    match measure(&arguments) {
        Ok(report) => {
            report.print(arguments.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what is wrong with the command line, and which cases there are; or the help asked for.
fn explain(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp => return ExitCode::SUCCESS,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {}
        _ => {
            let command = Arguments::command();
            let cases: Vec<&str> = command
                .get_subcommands()
                .map(|case| case.get_name())
                .collect();
            eprintln!("Cases: {}", cases.join(", "));
        }
    }
    ExitCode::from(2)
}

fn measure(arguments: &Arguments) -> Result<Report, Box<dyn Error>> {
    match &arguments.case {
        Case::Core(options) => core_case::run(options),
        Case::Idle(options) => idle_case::run(options),
        Case::Growth(options) => growth_case::run(options),
        Case::Log(options) => log_case::run(options),
        Case::LogGrowth(options) => log_growth_case::run(options),
        Case::Open(options) => open_case::run(options),
        Case::Nodes(options) => nodes_case::run(options),
    }
}
