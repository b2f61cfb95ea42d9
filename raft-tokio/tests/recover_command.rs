//! The command `quorate-recover`, on folders of nodes that ran.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use raft_tokio::Node;
use raft_tokio::recover::{RecoverError, look};
use support::{Heap, alone_with_all, stopped};
use tempfile::TempDir;

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-recover"));
    command.arg(folder).args(words).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All files with what is in them, but for the one that says who has the folder.
fn files(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "LOCK")
        .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn it_tells_what_there_is_and_how_to_force_it_and_that_works() {
    let (folders, addresses) = stopped().await;
    let folder = folders[1].path();
    let standing = look(folder).await.unwrap();
    let before = files(folder);
    let told = run(folder, &[]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert_eq!(files(folder), before, "it only looked");
    let text = printed(&told);
    assert!(text.contains(&standing.last.to_string()), "{text}");
    let cluster = standing.cluster.get().to_string();
    let line = text.lines().find(|line| line.contains("--force")).unwrap();
    assert!(line.contains(&format!("--node 2 --cluster {cluster}")));

    let reason = "the cellar is flooded; Ada decided it";
    let force = ["--force", "--node", "2", "--cluster", &cluster];
    let done = run(folder, &[&force[..], &["--reason", reason]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", complaint(&done));
    let record = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .find(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("RECOVERED-c")
        })
        .unwrap();
    let kept = std::fs::read_to_string(record.path()).unwrap();
    assert!(kept.contains(&format!("because: {reason}\n")), "{kept}");
    assert!(printed(&done).starts_with(&kept), "it prints what it keeps");
    assert_ne!(look(folder).await.unwrap().cluster, standing.cluster);

    let node = alone_with_all(folder, &addresses[1]).await;
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_refuses_whoever_does_not_force_it_or_names_something_else() {
    let (folders, _) = stopped().await;
    let folder = folders[1].path();
    let cluster = look(folder).await.unwrap().cluster.get().to_string();
    let before = files(folder);
    let all = ["--node", "2", "--cluster", &cluster, "--reason", "a test"];
    let unforced = run(folder, &all);
    assert_eq!(unforced.status.code(), Some(2), "{unforced:?}");
    assert!(complaint(&unforced).contains("--force"), "{unforced:?}");
    for left_out in 0..3 {
        let mut words: Vec<&str> = all.to_vec();
        words.drain(2 * left_out..2 * left_out + 2);
        words.push("--force");
        let refused = run(folder, &words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {refused:?}");
    }
    for (place, other, says) in [
        (1, "3", "n2's"),
        (3, "7", "name that one"),
        (5, "  ", "who decided it"),
    ] {
        let mut words: Vec<&str> = all.to_vec();
        words[place] = other;
        words.push("--force");
        let refused = run(folder, &words);
        assert_ne!(refused.status.code(), Some(0), "{words:?}");
        assert!(complaint(&refused).contains(says), "{refused:?}");
    }
    assert_eq!(files(folder), before, "nothing has changed");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("data-2");
    let refused = run(&folder, &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(complaint(&refused).contains("there is no folder"));
    assert!(!folder.exists());
    let refused = look(&folder).await;
    assert!(matches!(refused, Err(RecoverError::NoFolder { .. })));
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = TempDir::new().unwrap();
    let node = Node::builder(1)
        .members([(1, String::from("127.0.0.1:0"))])
        .data_dir(folder.path())
        .start(Heap::default())
        .await
        .unwrap();
    assert_eq!(node.submit(1).await.unwrap(), 1);
    let refused = run(folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_a_damaged_log_lacks_is_told_and_kept_in_the_record() {
    let (folders, _) = stopped().await;
    let folder = folders[1].path();
    let whole = look(folder).await.unwrap();
    let segment = folder.join("0000000000000001.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[7 * 4096 + 50] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let told = printed(&run(folder, &[]));
    let damaged = look(folder).await.unwrap();
    assert!(damaged.last < whole.last, "{told}");
    assert!(damaged.lost_through >= Some(whole.last), "{told}");
    assert!(told.contains("its log was damaged"), "{told}");

    let cluster = whole.cluster.get().to_string();
    let force = ["--force", "--node", "2", "--cluster", &cluster];
    let done = run(folder, &[&force[..], &["--reason", "a test"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", complaint(&done));
    let lost = format!("had reached up to {}", damaged.lost_through.unwrap());
    assert!(printed(&done).contains(&lost), "{}", printed(&done));
    assert_eq!(look(folder).await.unwrap().lost_through, None, "it is over");
}
