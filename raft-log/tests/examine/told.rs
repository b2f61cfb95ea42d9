//! Logs that are whole, and folders that hold none.

use std::future::poll_fn;
use std::task::{Context, Waker};

use bytes::Bytes;
use expect_test::expect;
use raft_core::chunk::ChunkBuilder;
use raft_core::ids::{LogIndex, Term};
use raft_core::log::{Log, Write};
use raft_core::record::ClientHeader;
use raft_core::time::LogTime;
use raft_log::examine::{self, Dump, ExamineError, Folders, Verdict};
use raft_log::{StdFs, Wal, WalError};
use tempfile::TempDir;

use crate::support::idle::Image;
use crate::support::*;
use crate::{dump, folder_of, image_of, inspect, rehearse, verify};

/// A log in a real folder, written and closed by a node: two segments, a snapshot's mark, a client's
/// session, a configuration, and entries that were removed again.
pub(crate) fn written() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fs = StdFs::open(folder.path()).unwrap();
    let (mut log, _) = wait(Wal::open(fs, SETTINGS)).unwrap();
    let mut write = |write| {
        log.begin(write);
        wait(poll_fn(|cx| log.poll_durable(cx))).unwrap();
    };
    write(Write {
        identity: Some(Bytes::from("who")),
        hard: hard(1, 2, Some(3)),
        ..append(
            1,
            vec![chunk(1, 1, &[2, 0]), configuration_chunk(2, 3, "host:1")],
        )
    });
    write(append(2, vec![chunk(2, 4, &[1, 1])]));
    write(Write {
        truncate_from: Some(LogIndex::new(5)),
        hard: hard(1, 4, None),
        ..append(3, vec![chunk(4, 5, &[1200])])
    });
    write(append(4, vec![chunk(4, 6, &[3])]));
    for _ in 0..20 {
        let polled = log.poll_durable(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    drop(log);
    folder
}

#[test]
fn a_whole_log_is_told_in_full() {
    let folder = written();
    let (verdict, text) = inspect(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        in use      by nobody
        segments    0000000000000001.wal  2048 bytes, frames 1 to 2 in 768 of them: entries 1 to 5, identity in 2
                    0000000000000002.wal  2048 bytes, frames 3 to 5 in 2048 of them: entries 5 to 6, identity in 2
        snapshots   none
        log id      123456789abcdef0
        identity    3 bytes
        hard state  boot 1, term 1, no vote, no promise to leaders
        begins      with the first entry of all
        entries     1 to 6, the latest log time is 7 ms
                    term 1: entries 1 to 2
                    term 2: entries 3 to 4
                    term 4: entries 5 to 6
        members     from 3 on: voter 1 at host:1
        ends        with frame 5, which closes the log: all before it was durable
        opening     it finds the log whole
                    the node starts with last index 6, boot 1, term 1, no vote, no promise to leaders
    "#]].assert_eq(&text);
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        0000000000000001.wal: frames 1 to 2 whole, 768 bytes
        0000000000000002.wal: frames 3 to 5 whole, 2048 bytes
        whole
    "#]]
    .assert_eq(&text);
    let (_, text) = rehearse(folder.path()).unwrap();
    expect![[r#"
        opening would, in this order:
          take LOCK, and write the new process's id to it
        it finds the log whole
        the node starts with last index 6, boot 1, term 1, no vote, no promise to leaders
    "#]]
    .assert_eq(&text);
}

#[test]
fn entries_are_told_one_a_line() {
    let folder = written();
    let (verdict, text) = dump(folder.path(), Dump::default()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        1        term 1           2 bytes at 7 ms  client, no session
        2        term 1           0 bytes at 7 ms  client, no session
        3        term 2          39 bytes at 3 ms  config: voter 1 at host:1
        4        term 2           1 bytes at 7 ms  client, no session
        5        term 4        1200 bytes at 7 ms  client, no session
        6        term 4           3 bytes at 7 ms  client, no session
    "#]]
    .assert_eq(&text);
    let some = Dump {
        from: Some(2),
        to: Some(4),
        json: true,
        payload: true,
    };
    let (_, text) = dump(folder.path(), some).unwrap();
    expect![[r#"
        {"index":2,"term":1,"time":7,"kind":"client","session":0,"serial":2,"settled":0,"bytes":0,"payload":""}
        {"index":3,"term":2,"time":3,"kind":"config","members":[{"node":1,"role":"voter"}],"bytes":39,"payload":"010001010001000000000000000180cdab00000000000000000000000000000600686f73743a31"}
        {"index":4,"term":2,"time":7,"kind":"client","session":0,"serial":4,"settled":0,"bytes":1,"payload":"68"}
    "#]].assert_eq(&text);
    let none = Dump {
        from: Some(7),
        ..Dump::default()
    };
    assert_eq!(dump(folder.path(), none).unwrap().1, "");
}

/// It has no body, as one that closes a log has none.
#[test]
fn a_frame_that_holds_a_vote_alone_closes_no_log() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append_as("who", 1, vec![chunk(1, 1, &[10])]));
    write(&mut log, empty(2));
    let vote = Write {
        hard: hard(1, 2, Some(3)),
        ..empty(3)
    };
    write(&mut log, vote);
    let (_, text) = inspect(folder_of(&fs.image()).path()).unwrap();
    let end = "ends        with frame 3, not closed";
    assert!(text.contains(end), "{text}");
}

/// A crash can leave a segment that was made and not yet written.
#[test]
fn a_file_of_zeros_is_a_log_without_frames() {
    let image = Image::from([(String::from("0000000000000001.wal"), vec![0; 2048])]);
    let folder = folder_of(&image);
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        0000000000000001.wal: no frame that follows those before
        whole
    "#]]
    .assert_eq(&text);
    let (_, text) = rehearse(folder.path()).unwrap();
    expect![[r#"
        opening would, in this order:
          take LOCK, and write the new process's id to it
          remove 0000000000000001.wal
        it finds the log whole
        the node starts with last index 0, boot 0, term 0, no vote, no promise to leaders
    "#]]
    .assert_eq(&text);
}

/// The folder whose bytes are written down: it begins after a snapshot that is not there.
#[test]
fn golden_bytes_are_told() {
    let segments = [
        include_str!("../golden/v1-twice-segment-1.hex"),
        include_str!("../golden/v1-twice-segment-2.hex"),
    ];
    let names = ["0000000000000001.wal", "0000000000000002.wal"].map(String::from);
    let folder = folder_of(&names.into_iter().zip(segments.map(of_hex)).collect());
    let (verdict, text) = inspect(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        in use      by nobody
        segments    0000000000000001.wal  2048 bytes, frames 1 to 2 in 1536 of them: entries 1 to 3, identity in 2
                    0000000000000002.wal  2048 bytes, frames 3 to 4 in 1280 of them: entry 4, identity in 1
        snapshots   none
        log id      123456789abcdef0
        identity    8 bytes
        hard state  boot 1, term 1, no vote, no promise to leaders
        begins      after the snapshot of all up to 1 of term 1
        entries     2 to 4, the latest log time is 7 ms
                    term 1: entry 2
                    term 4: entries 3 to 4
        members     as of the snapshot: voter 1 at somewhere
        ends        with frame 4, which closes the log: all before it was durable
        opening     entries 1 to 4 at most are given up and come again from the other nodes; until the log reaches 4 of term 4, whoever lacks that gets no vote
                    no intact snapshot is here of all up to 1 of term 1, after which the log begins: if there is another folder of snapshots, give that; a witness needs none; else the log is of no use alone
                    the node starts with last index 0, boot 1, term 1, no vote, no promise to leaders
    "#]].assert_eq(&text);
    let (_, text) = dump(folder.path(), Dump::default()).unwrap();
    expect![[r#"
        2        term 1           0 bytes at 7 ms  client, no session
        3        term 4         700 bytes at 7 ms  client, no session
        4        term 4         600 bytes at 7 ms  client, no session
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let nothing = Image::new();
    let other = Image::from([(String::from("notes.txt"), b"hello".to_vec())]);
    for image in [nothing, other] {
        let folder = folder_of(&image);
        for said in [inspect, verify, rehearse] {
            let error = said(folder.path()).unwrap_err();
            assert!(matches!(error, ExamineError::NoLog { .. }), "{error}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let folders = Folders {
        log: &nowhere,
        snapshots: None,
    };
    let error = examine::verify(&folders, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().ends_with("nowhere not found"), "{error}");
    assert!(!nowhere.exists());
}

#[test]
fn bytes_of_a_later_version_are_left_alone() {
    let mut image = image_of(written().path());
    let header = &mut image.get_mut("0000000000000001.wal").unwrap()[..128];
    header[4] = 2;
    let checksum = crc32c::crc32c(&header[..124]);
    header[124..].copy_from_slice(&checksum.to_le_bytes());
    let folder = folder_of(&image);
    let error = verify(folder.path()).unwrap_err();
    assert!(
        matches!(error, ExamineError::Log(WalError::UnknownVersion { .. })),
        "{error}"
    );
}

#[test]
fn each_kind_of_entry_is_told_apart() {
    let mut builder = ChunkBuilder::new();
    builder.push_no_op().unwrap();
    let header = ClientHeader {
        session: 5,
        serial: 9,
        settled: 8,
    };
    builder.push_client(header, b"ab").unwrap();
    builder.push_raw(9, b"later").unwrap();
    let time = LogTime::from_millis(70);
    let whole = builder.seal(Term::new(1), LogIndex::new(1), time, crc32c::crc32c_append);
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    let left_out = chunk(1, 4, &[4]).ids_only(crc32c::crc32c_append);
    write(
        &mut log,
        append_as("who", 1, vec![whole.unwrap(), left_out]),
    );
    let folder = folder_of(&fs.image());
    let (_, text) = dump(folder.path(), Dump::default()).unwrap();
    expect![[r#"
        1        term 1           0 bytes at 70 ms  no-op
        2        term 1           2 bytes at 70 ms  client, session 5, serial 9, settled below 8
        3        term 1           5 bytes at 70 ms  of unknown kind 9
        4        term 1           0 bytes at 7 ms  of kind 2, payload left out
    "#]]
    .assert_eq(&text);
    let json = Dump {
        json: true,
        ..Dump::default()
    };
    let (_, text) = dump(folder.path(), json).unwrap();
    expect![[r#"
        {"index":1,"term":1,"time":70,"kind":"no-op","bytes":0}
        {"index":2,"term":1,"time":70,"kind":"client","session":5,"serial":9,"settled":8,"bytes":2}
        {"index":3,"term":1,"time":70,"kind":"unknown","tag":9,"bytes":5}
        {"index":4,"term":1,"time":7,"kind":"absent","tag":2}
    "#]]
    .assert_eq(&text);
}
