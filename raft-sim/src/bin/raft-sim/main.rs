//! The simulator's command line: `run` many seeds, `replay` one as a story, `shrink` a
//! failing one, play a `script`, `explore` all that can happen in a small world.
//!
//! Exit status: 0 when all is well, 1 when a seed violates a property or a script ends otherwise
//! than checked in, 2 when the arguments make no sense, 141 when nobody reads the output any more.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser as _;

mod arguments;
mod bench;
mod explore;
mod export;
mod open;
mod replay;
mod report;
mod run;
mod script;
mod shrink;
mod source;
mod summary;

use arguments::{Arguments, Command};

/// Worlds take and give back small pieces of memory all the time, on many threads: with the
/// system's allocator a world takes a twelfth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verdict = match Arguments::parse().command {
        Command::Run(run) => run::run(&run),
        Command::Replay(replay) => replay::replay(&replay),
        Command::Open(open) => open::open(&open),
        Command::Bench(bench) => bench::bench(&bench),
        Command::Shrink(shrink) => shrink::run(&shrink),
        Command::Script(script) => script::script(&script),
        Command::Explore(explore) => explore::explore(&explore),
    };
    match verdict {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
        Err(error) => {
            eprintln!("raft-sim: {error}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

/// Whoever read what is printed has gone, such as `head`: a shell shows the same of programs that
/// the system ends for that. Whether all is well with the world is not known.
const NOBODY_READS: u8 = 128 + 13;

/// What clap itself exits with.
const BAD_ARGUMENTS: u8 = 2;
