//! Operations on real files, one kind after the other.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use bytes::Bytes;

use super::disk::LOCK_FILE;
use super::*;
use crate::rare::Site;

/// Parks the thread until the disk thread wakes it.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
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

fn run(fs: &StdFs, operation: Operation) -> Result<Answer, FsError> {
    wait(fs.start(operation))
}

fn name() -> String {
    String::from("file")
}

fn read(fs: &StdFs, offset: u64, length: usize) -> Result<Answer, FsError> {
    run(
        fs,
        Operation::Read {
            name: name(),
            offset,
            length,
        },
    )
}

fn bytes(content: &[u8]) -> Result<Answer, FsError> {
    Ok(Answer::Bytes(Bytes::copy_from_slice(content)))
}

#[test]
fn files_are_created_written_read_cut_renamed_and_removed() {
    for run_on in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let settings = FsSettings {
            run_on,
            ..FsSettings::default()
        };
        all_operations(&StdFs::open_with(folder.path().join("a/b"), settings).unwrap());
    }
}

fn all_operations(fs: &StdFs) {
    let run = |operation| run(fs, operation);
    let read = |offset, length| read(fs, offset, length);
    let create = Operation::Create {
        name: name(),
        length: 8,
    };
    assert_eq!(run(create.clone()), Ok(Answer::Done));
    assert!(matches!(run(create), Err(FsError::Exists { .. })));
    assert_eq!(read(0, 100), bytes(&[0; 8]));
    let write = Operation::Write {
        name: name(),
        offset: 6,
        parts: vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")],
    };
    assert_eq!(run(write), Ok(Answer::Done));
    assert_eq!(run(Operation::Sync { name: name() }), Ok(Answer::Done));
    assert_eq!(read(5, 100), bytes(b"\0abc"));
    assert_eq!(read(50, 1), bytes(b""));
    let cut = Operation::SetLength {
        name: name(),
        length: 7,
    };
    assert_eq!(run(cut), Ok(Answer::Done));
    assert_eq!(run(Operation::Sync { name: name() }), Ok(Answer::Done));
    let rename = |from: &str, to: &str| Operation::Rename {
        from: String::from(from),
        to: String::from(to),
    };
    assert_eq!(run(rename("file", "other")), Ok(Answer::Done));
    assert!(matches!(read(0, 1), Err(FsError::NotFound { .. })));
    let names = vec![(String::from("other"), 7)];
    assert_eq!(run(Operation::List), Ok(Answer::Names(names)));
    let remove = Operation::Remove {
        name: String::from("other"),
    };
    assert_eq!(run(remove), Ok(Answer::Done));
    assert_eq!(run(Operation::SyncFolder), Ok(Answer::Done));
    assert_eq!(run(Operation::List), Ok(Answer::Names(Vec::new())));
}

#[test]
fn a_locked_folder_names_its_holder_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let holder = StdFs::open(folder.path()).unwrap();
    assert_eq!(run(&holder, Operation::Lock), Ok(Answer::Done));
    assert_eq!(
        run(&holder, Operation::Lock),
        Ok(Answer::Done),
        "ours already"
    );
    let other = StdFs::open(folder.path()).unwrap();
    let refused = run(&other, Operation::Lock).unwrap_err();
    let expected = format!("process {}", std::process::id());
    assert!(matches!(&refused, FsError::Locked { holder, .. } if *holder == expected));
    drop(holder);
    assert_eq!(run(&other, Operation::Lock), Ok(Answer::Done));
}

#[test]
fn a_holder_that_left_no_number_is_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let holder = StdFs::open(folder.path()).unwrap();
    assert_eq!(run(&holder, Operation::Lock), Ok(Answer::Done));
    for content in ["", "me"] {
        fs::write(folder.path().join(LOCK_FILE), content).unwrap();
        let other = StdFs::open(folder.path()).unwrap();
        let refused = run(&other, Operation::Lock).unwrap_err();
        assert!(matches!(&refused, FsError::Locked { holder, .. } if holder == "another process"));
    }
}

#[test]
fn errors_of_the_system_keep_what_the_operator_has_to_know() {
    let told = |kind: io::ErrorKind| fs_error(Path::new("folder/file"), &kind.into());
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        assert!(matches!(told(kind), FsError::NoSpace { .. }), "{kind}");
    }
    let readonly = io::ErrorKind::ReadOnlyFilesystem;
    for kind in [io::ErrorKind::PermissionDenied, readonly] {
        assert!(matches!(told(kind), FsError::Denied { .. }), "{kind}");
    }
    let other = told(io::ErrorKind::TimedOut);
    assert!(matches!(other, FsError::Io { detail } if detail.starts_with("folder/file: ")));
}

#[test]
fn what_is_not_there_can_not_be_synced() {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path().join("gone")).unwrap();
    let sync = run(&fs, Operation::Sync { name: name() });
    assert!(matches!(sync, Err(FsError::NotFound { .. })));
    fs::remove_dir(folder.path().join("gone")).unwrap();
    let sync = run(&fs, Operation::SyncFolder);
    assert!(matches!(sync, Err(FsError::NotFound { .. })));
}

/// Another one may create the folder at the same time; what is in its place may be no folder.
#[test]
#[cfg(unix)]
fn a_link_to_nowhere_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    assert!(matches!(StdFs::open(link), Err(FsError::Io { .. })));
}

#[test]
fn nothing_rare_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path()).unwrap();
    assert!(Site::ALL.iter().all(|site| !fs.rarely(*site)));
}

#[test]
fn names_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path()).unwrap();
    for name in ["../x", "/tmp/x", "a/b", "..", ""] {
        let create = Operation::Create {
            name: String::from(name),
            length: 0,
        };
        assert!(
            matches!(run(&fs, create), Err(FsError::Io { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_file_is_no_folder() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(StdFs::open(file.path()), Err(FsError::Io { .. })));
}

/// The system says it once, and takes for written what is not.
#[test]
fn after_a_failed_sync_of_the_folder_they_all_fail_until_it_is_opened_anew() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("folder");
    let fs = StdFs::open(&folder).unwrap();
    fs::remove_dir(&folder).unwrap();
    let failed = run(&fs, Operation::SyncFolder);
    assert!(
        matches!(failed, Err(FsError::NotFound { .. })),
        "{failed:?}"
    );
    fs::create_dir(&folder).unwrap();
    assert_eq!(run(&fs, Operation::SyncFolder), failed);
    drop(fs);
    let fs = StdFs::open(&folder).unwrap();
    assert_eq!(run(&fs, Operation::SyncFolder), Ok(Answer::Done));
}

#[test]
fn files_that_were_closed_are_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path()).unwrap();
    for number in 0..300 {
        let name = number.to_string();
        let create = Operation::Create {
            name: name.clone(),
            length: 1,
        };
        assert_eq!(run(&fs, create), Ok(Answer::Done));
        if number % 2 == 0 {
            assert_eq!(run(&fs, Operation::Sync { name }), Ok(Answer::Done));
        }
    }
    let Ok(Answer::Names(names)) = run(&fs, Operation::List) else {
        panic!("no names");
    };
    assert_eq!(names.len(), 300);
}

fn settings(writes: Writes, run_on: RunOn) -> FsSettings {
    FsSettings { writes, run_on }
}

/// On a thread that may block nobody has to wait for a completion.
#[test]
fn on_the_callers_thread_an_operation_is_over_when_it_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let here = settings(Writes::Auto, RunOn::CallersThread);
    let fs = StdFs::open_with(folder.path(), here).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let create = Operation::Create {
        name: name(),
        length: 10,
    };
    let mut created = fs.start(create);
    let mut read = fs.clone().start(Operation::Read {
        name: name(),
        offset: 8,
        length: 9,
    });
    // Asked in any order, and done in that in which they were started.
    assert_eq!(read.as_mut().poll(&mut cx), Poll::Ready(bytes(&[0; 2])));
    let created = created.as_mut().poll(&mut cx);
    assert_eq!(created, Poll::Ready(Ok(Answer::Done)));
}

/// Files are made beside all else, but what concerns one waits until it is there.
#[test]
fn what_is_done_to_a_file_that_is_being_made_is_done_afterwards() {
    for run_on in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let fs = StdFs::open_with(folder.path(), settings(Writes::Auto, run_on)).unwrap();
        let create = |name: &str| Operation::Create {
            name: String::from(name),
            length: LONG,
        };
        // Nobody waits for these; before and after the one that is read others are begun.
        drop(fs.start(create("other")));
        drop(fs.start(create("file")));
        drop(fs.start(create("another")));
        assert_eq!(read(&fs, LONG - 2, 9), bytes(&[0; 2]));
        drop(fs.start(Operation::Rename {
            from: String::from("other"),
            to: String::from("another"),
        }));
        drop(fs.start(Operation::Remove { name: name() }));
        drop(fs.start(create("file")));
        let again = run(&fs, create("file"));
        assert!(matches!(again, Err(FsError::Exists { .. })), "{again:?}");
        drop(fs);
        let found = fs::read_dir(folder.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name(), entry.metadata().unwrap().len())
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        assert_eq!(found, [("another".into(), LONG), ("file".into(), LONG)]);
    }
}

/// Whoever drops the folder finds all of what was started.
#[test]
fn a_file_that_is_being_made_is_there_when_the_folder_is_dropped() {
    for run_on in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let fs = StdFs::open_with(folder.path(), settings(Writes::Auto, run_on)).unwrap();
        let length = LONG;
        drop(fs.start(Operation::Create {
            name: name(),
            length,
        }));
        drop(fs);
        let found = fs::metadata(folder.path().join(name())).unwrap().len();
        assert_eq!(found, LONG);
    }
}

#[test]
fn the_lock_is_given_up_with_the_last_clone_on_the_callers_thread_too() {
    let folder = tempfile::tempdir().unwrap();
    let here = settings(Writes::Auto, RunOn::CallersThread);
    let open = || StdFs::open_with(folder.path(), here).unwrap();
    let (first, other) = (open(), open());
    assert_eq!(run(&first, Operation::Lock), Ok(Answer::Done));
    let clone = first.clone();
    drop(first);
    let refused = run(&other, Operation::Lock);
    assert!(matches!(refused, Err(FsError::Locked { .. })));
    drop(clone);
    assert_eq!(run(&other, Operation::Lock), Ok(Answer::Done));
}

/// No file can be made in this folder, so that nothing direct can be tried either.
#[test]
#[cfg(target_os = "linux")]
fn where_direct_writes_are_refused_they_are_buffered_or_it_is_said() {
    let open = |writes| StdFs::open_with("/proc/self", settings(writes, RunOn::OWN_THREAD));
    for writes in [Writes::Auto, Writes::Buffered] {
        assert_eq!(open(writes).unwrap().writes(), WritePath::Buffered);
    }
    let refused = open(Writes::Direct).unwrap_err().to_string();
    assert!(refused.contains("/proc/self"), "{refused}");
    assert!(refused.contains("choose Writes::Auto"), "{refused}");
}

/// The probe leaves nothing behind, and what was chosen is told in words.
#[test]
fn the_way_of_writes_is_chosen_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let open = |writes| StdFs::open_with(folder.path(), settings(writes, RunOn::OWN_THREAD));
    let buffered = open(Writes::Buffered).unwrap();
    assert_eq!(buffered.writes(), WritePath::Buffered);
    assert_eq!(buffered.writes().to_string(), "buffered, then fdatasync");
    let expected = match open(Writes::Direct) {
        Ok(fs) => fs.writes(),
        Err(error) => {
            println!("no direct writes here: {error}");
            WritePath::Buffered
        }
    };
    let chosen = open(Writes::Auto).unwrap();
    assert_eq!(chosen.writes(), expected);
    assert_eq!(StdFs::open(folder.path()).unwrap().writes(), expected);
    assert_eq!(run(&chosen, Operation::List), Ok(Answer::Names(Vec::new())));
}

/// A renamed file goes on as it was, with both of its descriptors.
#[test]
fn whole_blocks_are_written_again_and_again_under_any_name() {
    for writes in [Writes::Auto, Writes::Buffered] {
        let folder = tempfile::tempdir().unwrap();
        let fs = StdFs::open_with(folder.path(), settings(writes, RunOn::OWN_THREAD)).unwrap();
        let create = Operation::Create {
            name: name(),
            length: 3 * 4096,
        };
        assert_eq!(run(&fs, create), Ok(Answer::Done));
        let mut now = name();
        let mut expected = vec![0; 3 * 4096];
        for (turn, at) in (1_u8..).zip([0, 4096, 4096, 8192, 0]) {
            let write = Operation::Write {
                name: now.clone(),
                offset: at as u64,
                parts: vec![Bytes::from(vec![turn; 96]), Bytes::from(vec![turn; 4000])],
            };
            assert_eq!(run(&fs, write), Ok(Answer::Done));
            let sync = Operation::Sync { name: now.clone() };
            assert_eq!(run(&fs, sync), Ok(Answer::Done));
            expected[at..at + 4096].fill(turn);
            let to = format!("file-{turn}");
            let rename = Operation::Rename {
                from: now,
                to: to.clone(),
            };
            assert_eq!(run(&fs, rename), Ok(Answer::Done));
            now = to;
            assert!(fs::read(folder.path().join(&now)).unwrap() == expected);
        }
    }
}

/// What the system refuses is the operation's own failure.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join(name())).unwrap();
    for run_on in WAYS {
        let fs = StdFs::open_with(folder.path(), settings(Writes::Auto, run_on)).unwrap();
        let write = Operation::Write {
            name: name(),
            offset: 0,
            parts: vec![Bytes::from(vec![1; 4096])],
        };
        let full = run(&fs, write).unwrap_err();
        assert!(matches!(&full, FsError::NoSpace { detail } if detail.contains("file")));
    }
}

/// Whatever is done side by side, each reads what was started before, and whoever waits for a sync has all of it.
#[test]
fn writes_that_meet_and_reads_are_done_in_order_on_any_number_of_threads() {
    for (writes, run_on) in [Writes::Auto, Writes::Buffered]
        .into_iter()
        .flat_map(|writes| WAYS.map(|run_on| (writes, run_on)))
    {
        let folder = tempfile::tempdir().unwrap();
        let fs = StdFs::open_with(folder.path(), settings(writes, run_on)).unwrap();
        let length = 16 * BLOCK;
        drop(fs.start(Operation::Create {
            name: name(),
            length,
        }));
        drop(fs.start(Operation::Sync { name: name() }));
        let mut expected = vec![0; usize::try_from(length).unwrap()];
        for turn in 1..=200_u8 {
            let (at, blocks) = (u64::from(turn) * 7 % 13, 1 + u64::from(turn) % 3);
            let (start, count) = (at * BLOCK, usize::try_from(blocks * BLOCK).unwrap());
            let write = Operation::Write {
                name: name(),
                offset: start,
                parts: vec![Bytes::from(vec![turn; count])],
            };
            drop(fs.start(write));
            let start = usize::try_from(start).unwrap();
            expected[start..start + count].fill(turn);
            if turn % 16 == 0 {
                let synced = run(&fs, Operation::Sync { name: name() });
                assert_eq!(synced, Ok(Answer::Done));
                assert!(fs::read(folder.path().join(name())).unwrap() == expected);
            }
            if turn % 21 == 0 {
                assert!(read(&fs, 0, expected.len()) == bytes(&expected));
            }
        }
        drop(fs);
        assert!(fs::read(folder.path().join(name())).unwrap() == expected);
    }
}

/// Whoever is woken by a completion may be the last owner: on the thread that has done the operation, while the
/// others wait for their turn.
#[test]
fn the_last_owner_may_be_dropped_by_a_completion() {
    let read_after_create = |fs: &StdFs| {
        // It takes a while, so that the read is not over before somebody waits for it.
        drop(fs.start(Operation::Create {
            name: name(),
            length: LONG,
        }));
        fs.start(Operation::Read {
            name: name(),
            offset: 0,
            length: 1,
        })
    };
    drop_last_owner_in(read_after_create);
}

/// A file is made on a thread of its own, which nobody may wait for on that thread.
#[test]
fn the_last_owner_may_be_dropped_by_a_file_that_is_made() {
    drop_last_owner_in(|fs| {
        fs.start(Operation::Create {
            name: name(),
            length: LONG,
        })
    });
}

/// Drops the last owner of a folder where this operation's completion wakes whoever waits for it.
fn drop_last_owner_in(start: impl Fn(&StdFs) -> Completion) {
    struct LastOwner(Mutex<Option<StdFs>>);
    impl Wake for LastOwner {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    for run_on in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let open = || StdFs::open_with(folder.path(), settings(Writes::Auto, run_on)).unwrap();
        let (fs, next) = (open(), open());
        assert_eq!(run(&fs, Operation::Lock), Ok(Answer::Done));
        let mut completion = start(&fs);
        let owner = Waker::from(Arc::new(LastOwner(Mutex::new(Some(fs)))));
        let _ = completion.as_mut().poll(&mut Context::from_waker(&owner));
        drop(owner);
        let is_free = || run(&next, Operation::Lock).is_ok();
        let tries = (0..1_000).find(|_| {
            thread::sleep(std::time::Duration::from_millis(10));
            is_free()
        });
        assert!(tries.is_some(), "{run_on:?}: the lock is never given up");
    }
}

/// Each way of running operations.
const WAYS: [RunOn; 3] = [
    RunOn::OWN_THREAD,
    RunOn::OwnThreads(NonZeroU8::new(3).unwrap()),
    RunOn::CallersThread,
];
const BLOCK: u64 = direct::BLOCK_BYTES;
/// Long enough to be under way when the next operation is started.
const LONG: u64 = 8 << 20;
