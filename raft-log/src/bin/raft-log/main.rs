//! The command line of a log: `inspect` a node's folder, `verify` every byte of it, `dump` its entries,
//! and ask what opening it would `repair`. None of them changes the folder.
//!
//! Exit status: 0 when all is whole, 1 when something is damaged, 2 when it can't be read or the
//! arguments make no sense, 141 when nobody reads the output any more.

#[cfg(unix)]
mod arguments;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    arguments::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("raft-log: logs are kept in files on Unix systems only");
    std::process::ExitCode::from(2)
}
