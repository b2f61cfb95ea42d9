//! The log in a folder of the operating system.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;
use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Log, Recovered, Write};
use raft_log::{FsError, StdFs, Wal, WalError, WalSettings};
use support::{append, chunk, empty, entries, hard, proof};

/// Parks the thread until the disk thread wakes it.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn open(folder: &tempfile::TempDir) -> Result<(Wal<StdFs>, Recovered), WalError> {
    wait(Wal::open(
        StdFs::open(folder.path()).unwrap(),
        WalSettings::default(),
    ))
}

fn write(log: &mut Wal<StdFs>, write: Write) -> Durable {
    log.begin(write);
    wait(poll_fn(|cx| log.poll_durable(cx))).unwrap()
}

#[test]
fn what_is_durable_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, recovered) = open(&folder).unwrap();
    assert_eq!(recovered, Recovered::default());
    let first = Write {
        identity: Some(Bytes::from("who")),
        hard: hard(1, 2, Some(3)),
        ..append(1, vec![chunk(1, 1, &[5, 50_000]), chunk(2, 3, &[0])])
    };
    assert_eq!(write(&mut log, first), proof(1));
    drop(log);
    for boot in 2..5 {
        let (mut log, recovered) = open(&folder).unwrap();
        assert_eq!(recovered.hard.term.get(), 2);
        assert_eq!(recovered.identity, Some(Bytes::from("who")));
        assert_eq!(recovered.last, LogIndex::new(3));
        let all = LogIndex::new(1)..LogIndex::new(9);
        let loaded = wait(log.load(all, 1 << 20)).unwrap();
        let written = [chunk(1, 1, &[5, 50_000]), chunk(2, 3, &[0])];
        assert_eq!(entries(&loaded), entries(&written));
        write(
            &mut log,
            Write {
                hard: hard(boot, 2, Some(3)),
                ..empty(boot)
            },
        );
    }
}

/// A frame may be longer than a segment.
#[test]
fn large_writes_get_segments_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = open(&folder).unwrap();
    let chunks = [
        chunk(1, 1, &[1 << 20]),
        chunk(1, 2, &[64 << 20]),
        chunk(1, 3, &[10]),
    ];
    for (chunk, number) in chunks.iter().zip(1..) {
        write(&mut log, append(number, vec![chunk.clone()]));
    }
    drop(log);
    let (log, recovered) = open(&folder).unwrap();
    assert_eq!(recovered.last, LogIndex::new(3));
    for (chunk, index) in chunks.iter().zip(1..) {
        let range = LogIndex::new(index)..LogIndex::new(index + 1);
        let loaded = wait(log.load(range, 1 << 30)).unwrap();
        assert!(loaded == [chunk.clone()], "entry {index}");
    }
}

#[test]
fn a_folder_in_use_is_refused_and_says_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let held = open(&folder).unwrap();
    let refused = open(&folder).unwrap_err();
    assert!(
        matches!(
            &refused,
            WalError::Fs {
                cause: FsError::Locked { .. },
                ..
            }
        ),
        "{refused}"
    );
    let text = refused.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    drop(held);
    assert!(open(&folder).is_ok());
}
