//! Folders that a node has open.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use raft_core::ids::LogIndex;
use raft_core::log::{Log, Write};
use raft_log::examine::{self, Folders, Verdict};
use raft_log::{StdFs, Wal};

use crate::support::*;
use crate::{inspect, rehearse, verify};

/// A node that runs is not disturbed, and still alone in its folder.
#[test]
fn a_folder_in_use_is_looked_at_and_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let open = || wait(Wal::open(StdFs::open(folder.path()).unwrap(), SETTINGS));
    let (mut log, _) = open().unwrap();
    for number in 1..=3 {
        log.begin(append_as("who", number, vec![chunk(1, number, &[300])]));
        wait(poll_fn(|cx| log.poll_durable(cx))).unwrap();
        let by = format!("by process {}", std::process::id());
        for said in [inspect, verify, rehearse] {
            let (verdict, text) = said(folder.path()).unwrap();
            assert_eq!(verdict, Verdict::Whole);
            assert!(text.contains(&by), "{text}");
        }
        let refused = open().unwrap_err();
        assert!(
            refused.to_string().contains("is in use by process"),
            "{refused}"
        );
    }
    drop(log);
    let (_, text) = inspect(folder.path()).unwrap();
    assert!(text.starts_with("in use      by nobody\n"), "{text}");
    open().unwrap();
}

/// While a node appends and drops segments, nothing of it is ever taken for damage.
#[test]
fn what_a_running_node_writes_is_not_taken_for_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = wait(Wal::open(StdFs::open(folder.path()).unwrap(), SETTINGS)).unwrap();
    let mut append_one = |number: u64| {
        log.begin(Write {
            snapshot: (number > 9).then(|| mark(1, number - 9).into()),
            drop_before: LogIndex::new(number.saturating_sub(8)),
            ..append_as("who", number, vec![chunk(1, number, &[300])])
        });
        wait(poll_fn(|cx| log.poll_durable(cx))).unwrap();
    };
    append_one(1);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looked = 0;
            while !is_over.load(Ordering::Relaxed) || looked == 0 {
                let folders = Folders {
                    log: folder.path(),
                    snapshots: None,
                };
                let mut out = Vec::new();
                let verdict = examine::verify(&folders, &mut out);
                // It may be faster than whoever looks.
                if let Ok(verdict) = verdict {
                    let text = String::from_utf8(out).unwrap();
                    assert_eq!(verdict, Verdict::Whole, "{text}");
                    looked += 1;
                }
            }
            looked
        });
        for number in 2..600 {
            append_one(number);
        }
        is_over.store(true, Ordering::Relaxed);
        let looked = looking.join().unwrap();
        assert!(looked > 0);
    });
}
