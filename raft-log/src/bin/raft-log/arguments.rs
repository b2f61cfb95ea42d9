//! The arguments, and what they ask for.

use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use raft_log::examine::{self, Dump, ExamineError, Folders, Verdict};

/// Looks into the folder of a node's log, and changes nothing there.
#[derive(Parser, Debug)]
#[command(name = "raft-log", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Says what is in a folder, and what opening it would find.
    Inspect(Place),
    /// Reads all of it and checks every checksum.
    Verify(Place),
    /// Prints the entries, one a line.
    Dump(Entries),
    /// Says what opening the folder would change in it.
    Repair(Repair),
}

#[derive(Args, Debug)]
struct Place {
    /// The node's folder.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// The folder of its snapshots, if that is another.
    #[arg(long, value_name = "DIR")]
    snapshots: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Entries {
    /// The node's folder.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// The first index; otherwise the first that is kept.
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// The last index; otherwise the last that is kept.
    #[arg(long, value_name = "INDEX")]
    to: Option<u64>,
    /// Prints one JSON object a line, for programs.
    #[arg(long)]
    json: bool,
    /// Prints the payloads too, in hexadecimal digits.
    #[arg(long)]
    payload: bool,
}

#[derive(Args, Debug)]
struct Repair {
    #[command(flatten)]
    place: Place,
    /// Only says what would be done, which is all that this command does.
    #[arg(long)]
    dry_run: bool,
}

impl Place {
    fn folders(&self) -> Folders<'_> {
        Folders {
            log: &self.log,
            snapshots: self.snapshots.as_deref(),
        }
    }
}

/// Does what the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let verdict = run(&arguments.command, &mut out);
    let verdict = verdict.and_then(|verdict| {
        out.flush()?;
        Ok(verdict)
    });
    match verdict {
        Ok(Some(Verdict::Whole)) => ExitCode::SUCCESS,
        Ok(Some(Verdict::Damaged)) => ExitCode::FAILURE,
        Ok(None) => {
            eprintln!("{NO_REPAIR}");
            ExitCode::from(UNREADABLE)
        }
        Err(ExamineError::Print(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(NOBODY_READS)
        }
        Err(error) => {
            eprintln!("raft-log: {error}");
            ExitCode::from(UNREADABLE)
        }
    }
}

/// What was found; nothing, if what is asked for is not done here.
fn run(command: &Command, out: &mut dyn io::Write) -> Result<Option<Verdict>, ExamineError> {
    let verdict = match command {
        Command::Inspect(place) => examine::inspect(&place.folders(), out)?,
        Command::Verify(place) => examine::verify(&place.folders(), out)?,
        Command::Dump(entries) => {
            let dump = Dump {
                from: entries.from,
                to: entries.to,
                json: entries.json,
                payload: entries.payload,
            };
            let folders = Folders {
                log: &entries.log,
                snapshots: None,
            };
            examine::dump(&folders, &dump, out, &mut io::stderr())?
        }
        Command::Repair(repair) if !repair.dry_run => return Ok(None),
        Command::Repair(repair) => examine::rehearse(&repair.place.folders(), out)?,
    };
    Ok(Some(verdict))
}

const NO_REPAIR: &str = "raft-log: opening the node repairs its folder, and there is no other repair \
                         here; ask with --dry-run what opening would do";

/// What can't be read, and what clap itself exits with.
const UNREADABLE: u8 = 2;

/// Whoever read what is printed has gone, such as `head`: a shell shows the same of programs that
/// the system ends for that.
const NOBODY_READS: u8 = 128 + 13;
