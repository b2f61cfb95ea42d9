//! Sessions that go through a snapshot's bytes.

use std::time::Duration;

use super::super::tests::{Journal, Log, SMALL};
use super::super::{Answer, Recalled};
use super::*;

/// Sessions of all kinds: with answers, with forgotten ones, with settled ones.
fn filled() -> Log {
    let mut log = Log::new(SessionLimits {
        max_sessions: 3,
        max_answers: 10,
        max_answer_bytes: 2,
        idle_time: Some(Duration::from_millis(100)),
    });
    let first = log.open(1);
    log.time = LogTime::from_millis(30);
    for serial in 1..=4 {
        log.command(first, serial, 1);
    }
    log.open(2);
    let third = log.open(3);
    log.command(third, 6, 5);
    log.command(third, 5, 5);
    log.command(third, 7, 7);
    log
}

fn content(sessions: &Sessions<Journal>, part_bytes: usize) -> Vec<u8> {
    let mut reader = sessions.snapshot().unwrap();
    let mut content = Vec::new();
    while let Some(part) = reader.next_part(part_bytes) {
        assert!(!part.is_empty() && part.len() <= part_bytes);
        content.extend_from_slice(&part);
    }
    assert_eq!(reader.next_part(part_bytes), None);
    content
}

fn restored(content: &[u8], part_bytes: usize) -> Result<Sessions<Journal>, StateError> {
    let mut writer = Box::new(Log::new(SMALL).sessions.restore());
    for part in content.chunks(part_bytes) {
        writer.write(part)?;
    }
    writer.finish()
}

/// [T6.3.45]
#[test]
fn whoever_starts_from_a_snapshot_ends_the_same_sessions_and_gives_the_same_answers() {
    for part_bytes in [1, 2, 7, 64, 10_000] {
        let mut log = filled();
        let content = content(&log.sessions, part_bytes);
        let mut anew = restored(&content, part_bytes).unwrap();
        assert_eq!(anew.limits, SMALL, "those of whoever restores it");
        anew.set_limits(log.sessions.limits);
        assert_eq!(anew.sessions, log.sessions.sessions);
        assert_eq!(anew.applied(), log.sessions.applied());
        assert_eq!(anew.machine(), log.sessions.machine());
        assert_eq!(anew.by_use, log.sessions.by_use);
        let known = log.history.len();
        for serial in 1..12 {
            log.command(1, serial, 1);
            log.command(7, serial, 5);
        }
        log.time = LogTime::from_millis(131);
        log.command(1, 3, 3);
        log.open(4);
        log.command(1, 20, 1);
        log.command(6, 1, 1);
        for (chunk, applied) in log.history.iter().skip(known) {
            assert_eq!(&anew.apply(chunk.entries().next().unwrap()), applied);
        }
        assert_eq!(anew.machine(), log.sessions.machine());
    }
}

#[test]
fn what_is_read_is_the_state_when_the_reading_began() {
    let mut log = filled();
    let before = content(&log.sessions, 50);
    let mut reader = log.sessions.snapshot().unwrap();
    log.command(1, 5, 5);
    log.open(9);
    let mut read = Vec::new();
    while let Some(part) = reader.next_part(50) {
        read.extend_from_slice(&part);
    }
    assert_eq!(read, before);
    assert_ne!(content(&log.sessions, 50), before);
}

#[test]
fn what_is_still_known_of_a_command() {
    let log = filled();
    let sessions = &log.sessions;
    let answered = |answer| Recalled::Answered(answer);
    assert_eq!(sessions.recall(1, 1), answered(Answer::Forgotten));
    let last = Answer::Reply(Bytes::from_static(&[4]));
    assert_eq!(sessions.recall(1, 4), answered(last));
    assert_eq!(sessions.recall(1, 5), Recalled::NotYet);
    assert_eq!(sessions.recall(7, 5), answered(Answer::Settled));
    assert_eq!(sessions.recall(5, 1), Recalled::SessionGone);
    let later = sessions.applied().get() + 1;
    assert_eq!(sessions.recall(later, 1), Recalled::NotYet);
}

#[test]
fn every_cut_is_an_error() {
    let content = content(&filled().sessions, 10_000);
    for length in 0..content.len() {
        let error = restored(&content[..length], 10_000).unwrap_err();
        assert_eq!(error, StateError::Length, "cut to {length}");
    }
}

#[test]
fn another_version_is_told() {
    let mut content = content(&filled().sessions, 10_000);
    content[0] = 2;
    let error = restored(&content, 3).unwrap_err();
    assert_eq!(error, StateError::UnknownVersion { version: 2 });
}

#[test]
fn claims_of_more_than_there_is_cost_nothing() {
    let mut content = vec![VERSION];
    content.extend_from_slice(&[0; 8]);
    content.extend_from_slice(&u32::MAX.to_le_bytes());
    content.extend_from_slice(&[0xff; SESSION_BYTES + ANSWER_BYTES]);
    assert_eq!(restored(&content, 5).unwrap_err(), StateError::Length);
}

#[test]
fn golden_bytes() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    log.time = LogTime::from_millis(9);
    log.command(session, 2, 1);
    let mut expected = vec![1];
    expected.extend_from_slice(&2u64.to_le_bytes());
    expected.extend_from_slice(&1u32.to_le_bytes());
    expected.extend_from_slice(&1u64.to_le_bytes());
    expected.extend_from_slice(&7u128.to_le_bytes());
    for number in [1u64, 1, 2, 9, 1] {
        expected.extend_from_slice(&number.to_le_bytes());
    }
    expected.extend_from_slice(&1u32.to_le_bytes());
    expected.extend_from_slice(&0u32.to_le_bytes());
    expected.extend_from_slice(&2u64.to_le_bytes());
    expected.extend_from_slice(&1u32.to_le_bytes());
    expected.push(1);
    // The machine's own: one command of one byte.
    expected.extend_from_slice(&[1, 1, b'x']);
    assert_eq!(content(&log.sessions, 10_000), expected);
}
