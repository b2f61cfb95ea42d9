//! Operations on real files, one kind after the other.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

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
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path().join("a/b")).unwrap();
    let create = Operation::Create {
        name: name(),
        length: 8,
    };
    assert_eq!(run(&fs, create.clone()), Ok(Answer::Done));
    assert!(matches!(run(&fs, create), Err(FsError::Exists { .. })));
    assert_eq!(read(&fs, 0, 100), bytes(&[0; 8]));
    let write = Operation::Write {
        name: name(),
        offset: 6,
        parts: vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")],
    };
    assert_eq!(run(&fs, write), Ok(Answer::Done));
    assert_eq!(run(&fs, Operation::Sync { name: name() }), Ok(Answer::Done));
    assert_eq!(read(&fs, 5, 100), bytes(b"\0abc"));
    assert_eq!(read(&fs, 50, 1), bytes(b""));
    let cut = Operation::SetLength {
        name: name(),
        length: 7,
    };
    assert_eq!(run(&fs, cut), Ok(Answer::Done));
    assert_eq!(run(&fs, Operation::Sync { name: name() }), Ok(Answer::Done));
    let rename = |from: &str, to: &str| Operation::Rename {
        from: String::from(from),
        to: String::from(to),
    };
    assert_eq!(run(&fs, rename("file", "other")), Ok(Answer::Done));
    assert!(matches!(read(&fs, 0, 1), Err(FsError::NotFound { .. })));
    let names = vec![(String::from("other"), 7)];
    assert_eq!(run(&fs, Operation::List), Ok(Answer::Names(names)));
    let remove = Operation::Remove {
        name: String::from("other"),
    };
    assert_eq!(run(&fs, remove), Ok(Answer::Done));
    assert_eq!(run(&fs, Operation::SyncFolder), Ok(Answer::Done));
    assert_eq!(run(&fs, Operation::List), Ok(Answer::Names(Vec::new())));
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

#[test]
fn many_files_are_open_at_once_only_while_they_are_unsynced() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Disk {
        folder: folder.path().to_owned(),
        open: BTreeMap::new(),
        lock: None,
        failed_sync: None,
    };
    for number in 0..300 {
        let name = number.to_string();
        disk.create(&name, 1).unwrap();
        disk.sync(&name).unwrap();
        assert!(disk.open.len() <= MAX_OPEN_FILES);
    }
    assert!(disk.open.len() > 1, "those used last stay open");
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
