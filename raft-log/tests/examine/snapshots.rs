//! Snapshots beside a log, or in a folder of their own.

use std::fs;
use std::future::poll_fn;

use bytes::Bytes;
use expect_test::expect;
use raft_core::log::{Log, Write};
use raft_core::store::{SnapshotStore, StoreJob};
use raft_log::examine::{self, Dump, Folders, Verdict};
use raft_log::{FileStore, StdFs, Wal};
use tempfile::TempDir;

use crate::support::snapshots::{STORE_SETTINGS, content, taking};
use crate::support::*;
use crate::{dump, image_of, inspect, rehearse, verify};

/// A folder with a log and a snapshot of four blocks that it begins after.
fn with_snapshot() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path()).unwrap();
    let (mut log, _) = wait(Wal::open(fs.clone(), SETTINGS)).unwrap();
    let (mut store, _) = wait(FileStore::open(fs, STORE_SETTINGS)).unwrap();
    for (number, work) in (1..).zip(taking(5, &content(5, 1000), &[300])) {
        store.begin(StoreJob { number, work });
        wait(poll_fn(|cx| store.poll_done(cx)));
    }
    log.begin(Write {
        identity: Some(Bytes::from("who")),
        snapshot: Some(mark(2, 5).into()),
        ..empty(1)
    });
    wait(poll_fn(|cx| log.poll_durable(cx))).unwrap();
    let files = image_of(folder.path()).into_keys();
    let mut names = files.filter(|name| name.starts_with("snapshot-"));
    (folder, names.next_back().unwrap())
}

#[test]
fn snapshots_are_told_and_each_damaged_run_of_blocks_is_named() {
    let (folder, name) = with_snapshot();
    let (verdict, text) = inspect(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        in use      by nobody
        segments    0000000000000001.wal  2048 bytes, frame 1 in 256 of them: no entries, identity in 1
        snapshots   snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0  1272 bytes: stands for all up to 5 of term 2, 1000 bytes of content, log time 5 ms
        log id      123456789abcdef0
        identity    3 bytes
        hard state  boot 1, term 1, no vote, no promise to leaders
        begins      after the snapshot of all up to 5 of term 2
        entries     none; the last index is 5
        members     as of the snapshot: voter 1 at somewhere
        ends        with frame 1, not closed: none known to be durable, frame 1 may be torn unnoticed
        opening     it finds the log whole
                    the node starts with last index 5, boot 1, term 1, no vote, no promise to leaders
    "#]].assert_eq(&text);
    let path = folder.path().join(&name);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    for at in [256 + 3, 768 + 9, 1024 + 9] {
        damaged[at] ^= 1;
    }
    fs::write(&path, &damaged).unwrap();
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Damaged);
    expect![[r#"
        0000000000000001.wal: frame 1 whole, 256 bytes
        snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0: damaged
        no intact snapshot is here of all up to 5 of term 2, after which the log begins: if there is another folder of snapshots, give that; a witness needs none; else the log is of no use alone
        damage: snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0 at offset 256: expected blocks 0 to 0 with their checksums (content 0 to 252), found other bytes
        damage: snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0 at offset 768: expected blocks 2 to 3 with their checksums (content 504 to 1000), found other bytes
        damaged in 2 places
    "#]].assert_eq(&text);
    let (_, text) = rehearse(folder.path()).unwrap();
    expect![[r#"
        opening would, in this order:
          take LOCK, and write the new process's id to it
          cut 0000000000000001.wal from 2048 to 256 bytes
          rename snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0 to snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0.damaged
          write REPAIR.new, 4239 bytes
          rename REPAIR.new to REPAIR
          rename 0000000000000001.wal to 0000000000000001.wal.damaged
        damage: snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0 at offset 256: expected blocks 0 to 0 with their checksums (content 0 to 252), found other bytes
        damage: snapshot-0000000000000005-0000000000000002-00000000000003e8-79aed1a5b5b722b0 at offset 768: expected blocks 2 to 3 with their checksums (content 504 to 1000), found other bytes
        it sets a damaged snapshot aside
        entries 1 to 5 at most are given up and come again from the other nodes; until the log reaches 5 of term 2, whoever lacks that gets no vote
        no intact snapshot is here of all up to 5 of term 2, after which the log begins: if there is another folder of snapshots, give that; a witness needs none; else the log is of no use alone
        the node starts with last index 0, boot 1, term 1, no vote, no promise to leaders
    "#]].assert_eq(&text);
}

#[test]
fn entries_that_a_snapshot_stands_for_are_said_not_to_be_kept() {
    let (folder, _) = with_snapshot();
    let from = |from| Dump {
        from: Some(from),
        ..Dump::default()
    };
    let (_, text) = dump(folder.path(), from(5)).unwrap();
    assert_eq!(text, "entries before 6 are not kept\n");
    assert_eq!(dump(folder.path(), from(6)).unwrap().1, "");
}

#[test]
fn each_byte_of_a_snapshot_counts_but_zeros_before_the_first_block() {
    let (folder, name) = with_snapshot();
    let path = folder.path().join(&name);
    let whole = fs::read(&path).unwrap();
    let mut header = vec![0; 60];
    configuration("somewhere").encode(&mut header);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        // Zeros between the header and the first block carry nothing.
        let harmless = (header.len()..256).contains(&at);
        let (verdict, text) = verify(folder.path()).unwrap();
        assert_eq!(verdict == Verdict::Whole, harmless, "{at}: {text}");
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Damaged);
    assert!(text.contains("found one of"), "{text}");
}

#[test]
fn snapshots_may_be_in_another_folder() {
    let (folder, name) = with_snapshot();
    let other = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join(&name), other.path().join(&name)).unwrap();
    let (_, text) = rehearse(folder.path()).unwrap();
    assert!(text.contains("no intact snapshot is here"), "{text}");
    let folders = Folders {
        log: folder.path(),
        snapshots: Some(other.path()),
    };
    let mut out = Vec::new();
    let verdict = examine::rehearse(&folders, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    assert!(text.contains("it finds the log whole"), "{text}");
    assert!(!text.contains("given up"), "{text}");
}
