//! A folder in a process that may have few files open. Alone in its process, which is limited for it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use raft_log::fs::{Answer, Fs, Operation};
use raft_log::{FsSettings, RunOn, StdFs};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn files_make_room_for_one_another_when_the_process_may_have_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let settings = FsSettings {
        run_on: RunOn::CallersThread,
        ..FsSettings::default()
    };
    let fs = StdFs::open_with(folder.path(), settings).unwrap();
    for number in 0..100_u8 {
        std::fs::write(folder.path().join(number.to_string()), [number]).unwrap();
    }
    let limit = Rlimit {
        current: Some(40),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    for number in (0..100_u8).cycle().take(300) {
        let read = fs.start(Operation::Read {
            name: number.to_string(),
            offset: 0,
            length: 1,
        });
        let found = support::wait(read).unwrap();
        assert_eq!(found, Answer::Bytes(vec![number].into()));
    }
}
