//! The command line: how it exits, and what it refuses.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::fs;
use std::process::{Command, Output};

use support::idle::closed;
use tempfile::TempDir;

fn raft_log(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raft-log"))
        .args(words)
        .output()
        .unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The closed log in a folder, with a bit flipped in its second frame if it is to be damaged.
fn folder(is_damaged: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut image = closed().0;
    image.values_mut().next().unwrap()[512 + 300] ^= u8::from(is_damaged);
    for (name, content) in image {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

#[test]
fn the_exit_status_tells_whole_from_damaged_from_unreadable() {
    let nothing = tempfile::tempdir().unwrap();
    for command in [
        &["inspect"][..],
        &["verify"],
        &["dump"],
        &["repair", "--dry-run"],
    ] {
        for (folder, status) in [(folder(false), 0), (folder(true), 1)] {
            let words = [command, &[folder.path().to_str().unwrap()]].concat();
            let output = raft_log(&words);
            assert_eq!(output.status.code(), Some(status), "{output:?}");
            assert!(!output.stdout.is_empty());
        }
        let words = [command, &[nothing.path().to_str().unwrap()]].concat();
        let output = raft_log(&words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            complaint(&output).contains("there is no log in"),
            "{output:?}"
        );
    }
    assert_eq!(raft_log(&["mend", "."]).status.code(), Some(2));
    assert_eq!(raft_log(&["verify"]).status.code(), Some(2));
}

#[test]
fn there_is_no_repair_but_opening() {
    let folder = folder(true);
    let output = raft_log(&["repair", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let text = complaint(&output);
    assert!(
        text.contains("opening the node repairs its folder"),
        "{text}"
    );
}

#[test]
fn entries_go_to_programs_and_remarks_to_people() {
    let folder = folder(true);
    let output = raft_log(&["dump", "--json", folder.path().to_str().unwrap()]);
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(
        lines.lines().all(|line| line.starts_with("{\"index\":")),
        "{lines}"
    );
    let remarks = complaint(&output);
    assert!(
        remarks.contains("behind the damage is not shown"),
        "{remarks}"
    );
}
