//! What a failing test says, of a log that acknowledges too early: `cargo run --example early`.

use std::process::ExitCode;

use job_queue::log::Flaw;

#[path = "../tests/jobs/mod.rs"]
mod jobs;

fn main() -> ExitCode {
    match jobs::jobs(Some(Flaw::AcknowledgesEarly)).try_check(0..200) {
        Ok(_) => {
            eprintln!("no seed finds it");
            ExitCode::FAILURE
        }
        Err(finding) => {
            println!("{finding}");
            ExitCode::SUCCESS
        }
    }
}
