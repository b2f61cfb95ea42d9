//! The sessions, driven by entries as a log would hold them.

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::ids::Term;
use raft_core::time::LogTime;

use super::*;
use crate::state_machine::{StateError, StateReader, StateWriter, WholeReader, WholeWriter};

/// Keeps what was applied; replies how much that is, as one byte.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Journal(pub(super) Vec<Vec<u8>>);

impl StateMachine for Journal {
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        self.0.push(command.payload.to_vec());
        vec![u8::try_from(self.0.len()).unwrap()].into()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        let lengths = self.0.iter().map(|command| command.len() as u8);
        let bytes = lengths.chain(self.0.concat()).collect::<Vec<u8>>();
        let count = [self.0.len() as u8];
        Ok(Box::new(WholeReader::new(
            [&count, &bytes[..]].concat().into(),
        )))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|bytes: &[u8]| {
            let (count, rest) = bytes.split_first().ok_or(StateError::Length)?;
            let (lengths, mut rest) = rest
                .split_at_checked(usize::from(*count))
                .ok_or(StateError::Length)?;
            let mut commands = Vec::new();
            for length in lengths {
                let (command, after) = rest
                    .split_at_checked(usize::from(*length))
                    .ok_or(StateError::Length)?;
                commands.push(command.to_vec());
                rest = after;
            }
            Ok(Self(commands))
        }))
    }
}

/// A log that is applied as it is written.
pub(super) struct Log {
    pub(super) sessions: Sessions<Journal>,
    next: LogIndex,
    /// What the next entry is stamped with.
    pub(super) time: LogTime,
    /// Everything so far, with what came of it here.
    pub(super) history: Vec<(Chunk, Result<Applied, Halt>)>,
}

pub(super) const SMALL: SessionLimits = SessionLimits {
    max_sessions: 2,
    max_answers: 3,
    max_answer_bytes: 1_000,
    idle_time: None,
};

impl Log {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self {
            sessions: Sessions::new(Journal::default(), limits),
            next: LogIndex::new(1),
            time: LogTime::ZERO,
            history: Vec::new(),
        }
    }

    pub(super) fn append(&mut self, fill: impl FnOnce(&mut ChunkBuilder)) -> Result<Applied, Halt> {
        let mut builder = ChunkBuilder::new();
        fill(&mut builder);
        let chunk: Chunk = builder
            .seal(Term::new(1), self.next, self.time, crc32c)
            .unwrap();
        self.next = self.next.next();
        let applied = self.sessions.apply(chunk.entries().next().unwrap());
        self.history.push((chunk, applied.clone()));
        applied
    }

    pub(super) fn open(&mut self, serial: u64) -> u64 {
        let control = Control::Open {
            incarnation: Incarnation::new(7),
            boot: Boot::new(1),
        };
        let header = ClientHeader {
            session: CONTROL_SESSION,
            serial,
            settled: 0,
        };
        let applied = self.append(|chunk| chunk.push_client(header, &control.encode()).unwrap());
        match applied {
            Ok(Applied::Opened { opener, session }) => {
                assert_eq!(opener.serial, serial);
                session
            }
            other => panic!("opened nothing: {other:?}"),
        }
    }

    pub(super) fn command(&mut self, session: u64, serial: u64, settled: u64) -> Answer {
        let header = ClientHeader {
            session,
            serial,
            settled,
        };
        let applied = self.append(|chunk| chunk.push_client(header, b"x").unwrap());
        match applied {
            Ok(Applied::Command { answer, .. }) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    fn applied(&self) -> usize {
        self.sessions.machine().0.len()
    }
}

fn reply(number: u8) -> Answer {
    Answer::Reply(Bytes::copy_from_slice(&[number]))
}

/// [T6.3.44]
#[test]
fn a_session_is_numbered_by_its_entry() {
    let mut log = Log::new(SMALL);
    log.append(|chunk| chunk.push_no_op().unwrap()).unwrap();
    assert_eq!(log.open(1), 2);
    assert_eq!(log.sessions.applied(), LogIndex::new(2));
}

/// [S8.10] [S8.11]
#[test]
fn a_command_that_comes_again_gets_the_first_answer() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    assert_eq!(log.command(session, 1, 1), reply(1));
    assert_eq!(log.command(session, 2, 1), reply(2));
    assert_eq!(log.command(session, 1, 1), reply(1));
    assert_eq!(log.applied(), 2);
}

/// [T6.3.26]
#[test]
fn five_after_six_is_no_duplicate() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    assert_eq!(log.command(session, 6, 5), reply(1));
    assert_eq!(log.command(session, 5, 5), reply(2));
    assert_eq!(log.applied(), 2);
}

/// [T6.3.27]
#[test]
fn what_is_settled_is_forgotten_and_not_applied_again() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    for serial in 1..20 {
        assert!(matches!(
            log.command(session, serial, serial),
            Answer::Reply(_)
        ));
    }
    assert_eq!(log.command(session, 4, 4), Answer::Settled);
    // An older command does not bring `settled` back down.
    assert_eq!(log.command(session, 18, 1), Answer::Settled);
    assert_eq!(log.applied(), 19);
}

/// [T6.3.45]
/// The lowest that is not settled may still be on its way: nobody may be told otherwise.
#[test]
fn what_is_recalled_is_settled_below_what_the_client_has_said_and_not_at_it() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    log.command(session, 1, 0);
    assert_eq!(log.command(session, 3, 2), reply(2));
    let settled = Recalled::Answered(Answer::Settled);
    assert_eq!(log.sessions.recall(session, 1), settled);
    assert_eq!(log.sessions.recall(session, 2), Recalled::NotYet);
}

#[test]
fn a_session_may_be_to_come_only_beyond_what_is_applied() {
    let mut log = Log::new(SMALL);
    log.open(1);
    log.command(99, 1, 0);
    let applied = log.sessions.applied().get();
    let recalled = |session| log.sessions.recall(session, 1);
    assert_eq!(recalled(applied), Recalled::SessionGone);
    assert_eq!(recalled(applied + 1), Recalled::NotYet);
}

#[test]
fn an_unknown_session_is_told_so_and_its_command_is_not_applied() {
    let mut log = Log::new(SMALL);
    assert_eq!(log.command(99, 1, 0), Answer::Expired);
    assert_eq!((log.applied(), log.sessions.open_sessions()), (0, 0));
}

/// [T6.3.34]
#[test]
fn the_session_used_least_recently_goes_first() {
    let mut log = Log::new(SMALL);
    let (first, second) = (log.open(1), log.open(2));
    assert_eq!(log.command(first, 1, 1), reply(1));
    let third = log.open(3);
    assert_eq!(log.command(second, 1, 1), Answer::Expired);
    assert_eq!(log.command(first, 1, 1), reply(1));
    assert_eq!(log.command(third, 1, 1), reply(2));
    assert_eq!(log.sessions.open_sessions(), 2);
}

/// [T6.3.33] Also a command that changes nothing counts as use, everywhere.
#[test]
fn whoever_applies_the_log_anew_ends_the_same_sessions() {
    let mut log = Log::new(SMALL);
    let mut open = vec![log.open(1), log.open(2)];
    for step in 0..200 {
        let session = open[step % open.len()];
        let serial = (step / 3) as u64 + 1;
        log.command(session, serial, serial.saturating_sub(1));
        if step % 7 == 6 {
            open.push(log.open(step as u64));
        }
    }
    let mut anew = Sessions::new(Journal::default(), SMALL);
    for (chunk, applied) in &log.history {
        assert_eq!(&anew.apply(chunk.entries().next().unwrap()), applied);
    }
    let ended = |(_, applied): &&(Chunk, Result<Applied, Halt>)| {
        matches!(
            applied,
            Ok(Applied::Command {
                answer: Answer::Expired,
                ..
            })
        )
    };
    assert!(log.history.iter().filter(ended).count() > 10);
    assert_eq!(anew.machine().0, log.sessions.machine().0);
    // What was used last stays, be it by a command that is settled already.
    let mut log = Log::new(SMALL);
    let (first, second) = (log.open(1), log.open(2));
    assert_eq!(log.command(first, 1, 2), Answer::Settled);
    log.open(3);
    assert_eq!(log.command(second, 1, 1), Answer::Expired);
    assert_eq!(log.command(first, 2, 2), reply(1));
}

/// What ends a session by time in these tests.
const IDLE: Duration = Duration::from_millis(100);

fn log_with_time() -> Log {
    Log::new(SessionLimits {
        idle_time: Some(IDLE),
        ..SMALL
    })
}

/// [T6.3.37] Unused for as long as that it is open; a moment more, and it has ended.
#[test]
fn a_session_unused_for_too_long_ends() {
    for (unused, ends) in [(99, false), (100, false), (101, true), (u64::MAX, true)] {
        let mut log = log_with_time();
        let session = log.open(1);
        log.time = LogTime::from_millis(unused);
        let expected = if ends { Answer::Expired } else { reply(1) };
        assert_eq!(log.command(session, 1, 1), expected, "after {unused} ms");
        assert_eq!(log.sessions.open_sessions(), usize::from(!ends));
        assert_eq!(log.applied(), usize::from(!ends));
    }
}

/// [T6.3.37] Whatever it is that brings the stamp: the leader's first entry, or another's command.
#[test]
fn any_entry_ends_what_is_over_by_its_time() {
    let mut log = log_with_time();
    let (first, second) = (log.open(1), log.open(2));
    log.time = LogTime::from_millis(60);
    assert_eq!(log.command(second, 1, 1), reply(1));
    log.time = LogTime::from_millis(101);
    log.append(|chunk| chunk.push_no_op().unwrap()).unwrap();
    assert_eq!(log.sessions.open_sessions(), 1);
    assert_eq!(log.command(first, 1, 1), Answer::Expired);
    assert_eq!(log.command(second, 1, 1), reply(1));
    log.time = LogTime::from_millis(202);
    // An opening that comes again finds its session gone, and opens another.
    let again = log.open(2);
    assert_ne!(again, second);
    assert_eq!(log.sessions.open_sessions(), 1);
}

/// [T6.3.38]
#[test]
fn a_client_that_says_it_is_there_keeps_its_session() {
    let mut log = log_with_time();
    let (kept, silent) = (log.open(1), log.open(2));
    assert_eq!(log.command(kept, 1, 1), reply(1));
    for time in [80, 160, 240] {
        log.time = LogTime::from_millis(time);
        assert_eq!(log.command(kept, NO_SERIAL, 1), Answer::Settled);
    }
    assert_eq!(log.command(kept, 1, 1), reply(1), "its answers are kept");
    assert_eq!(log.command(silent, NO_SERIAL, 1), Answer::Expired);
    assert_eq!(log.applied(), 1, "it is no command");
    // What it has settled, it has settled.
    assert_eq!(log.command(kept, NO_SERIAL, 2), Answer::Settled);
    assert_eq!(log.command(kept, 1, 1), Answer::Settled);
}

/// [T6.3.45] A retry that comes after the end is told so, whether its command was applied or not.
#[test]
fn a_retry_after_the_end_is_not_applied_again() {
    let mut log = log_with_time();
    let session = log.open(1);
    assert_eq!(log.command(session, 1, 1), reply(1));
    log.time = LogTime::from_millis(101);
    assert_eq!(log.command(session, 1, 1), Answer::Expired);
    assert_eq!(log.command(session, 2, 2), Answer::Expired);
    assert_eq!(log.applied(), 1);
}

/// [T6.3.33] [T6.3.37]
#[test]
fn sessions_end_alike_by_time_wherever_the_log_is_applied() {
    let limits = SessionLimits {
        idle_time: Some(IDLE),
        max_sessions: 4,
        ..SMALL
    };
    let mut log = Log::new(limits);
    let mut open: Vec<u64> = (1..=4).map(|serial| log.open(serial)).collect();
    for step in 0..300_u64 {
        log.time = log.time.after(Duration::from_millis(step * 7 % 15));
        let session = open[(step * step % 7) as usize % open.len()];
        log.command(session, step / 3 + 1, step / 3);
        if step % 9 == 8 {
            open.push(log.open(step));
            open.remove(0);
        }
        assert_eq!(log.sessions.by_use.len(), log.sessions.sessions.len());
    }
    let mut anew = Sessions::new(Journal::default(), limits);
    for (chunk, applied) in &log.history {
        assert_eq!(&anew.apply(chunk.entries().next().unwrap()), applied);
    }
    let ended = |(_, applied): &&(Chunk, Result<Applied, Halt>)| {
        matches!(
            applied,
            Ok(Applied::Command {
                answer: Answer::Expired,
                ..
            })
        )
    };
    assert!(log.history.iter().filter(ended).count() > 10);
    assert!(log.applied() > 10);
}

/// [T6.3.45]
#[test]
fn a_client_that_settles_nothing_loses_its_session() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    for serial in 1..=3 {
        assert!(matches!(log.command(session, serial, 1), Answer::Reply(_)));
    }
    assert_eq!(log.command(session, 4, 1), Answer::Expired);
    // Gone whole: a doubled copy finds nothing that would let it through.
    assert_eq!(log.command(session, 4, 4), Answer::Expired);
    assert_eq!(log.applied(), 3);
}

/// [T6.3.44] What it was answered is there, however full its session.
#[test]
fn a_copy_ends_no_session_that_is_full() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    for serial in 1..=3 {
        log.command(session, serial, 1);
    }
    assert_eq!(log.command(session, 2, 1), reply(2));
    assert_eq!(log.command(session, 2, 2), reply(2));
    assert_eq!(log.command(session, 4, 2), reply(4));
}

/// [S8.11]
#[test]
fn replies_beyond_the_bytes_kept_are_forgotten_and_nothing_is_applied_twice() {
    let mut log = Log::new(SessionLimits {
        max_answers: 100,
        max_answer_bytes: 2,
        ..SMALL
    });
    let session = log.open(1);
    for serial in 1..=4 {
        assert_eq!(log.command(session, u64::from(serial), 1), reply(serial));
    }
    assert_eq!(log.command(session, 1, 1), Answer::Forgotten);
    assert_eq!(log.command(session, 2, 1), Answer::Forgotten);
    assert_eq!(log.command(session, 3, 1), reply(3));
    assert_eq!(log.command(session, 2, 4), Answer::Settled);
    assert_eq!(log.command(session, 4, 4), reply(4));
    assert_eq!(log.applied(), 4);
}

#[test]
fn a_reply_larger_than_may_be_kept_is_given_once() {
    let mut log = Log::new(SessionLimits {
        max_answer_bytes: 0,
        ..SMALL
    });
    let session = log.open(1);
    assert_eq!(log.command(session, 1, 1), reply(1));
    assert_eq!(log.command(session, 1, 1), Answer::Forgotten);
    assert_eq!(log.applied(), 1);
}

/// [T6.3.27]
#[test]
fn what_is_forgotten_counts_among_the_answers_until_it_is_settled() {
    let mut log = Log::new(SessionLimits {
        max_answer_bytes: 1,
        ..SMALL
    });
    let session = log.open(1);
    for serial in 1..=20 {
        let settled = serial.max(3) - 2;
        assert!(matches!(
            log.command(session, serial, settled),
            Answer::Reply(_)
        ));
    }
    assert_eq!(log.command(session, 21, 18), Answer::Expired);
}

/// [T6.3.44]
#[test]
fn an_opening_that_comes_twice_opens_one_session() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    assert_eq!(log.open(1), session);
    assert_ne!(log.open(2), session);
    assert_eq!(log.sessions.open_sessions(), 2);
}

#[test]
fn an_unknown_record_kind_halts_before_it_and_names_itself() {
    let mut log = Log::new(SMALL);
    let session = log.open(1);
    let id = EntryId::new(Term::new(1), LogIndex::new(2));
    let halt = log.append(|chunk| chunk.push_raw(77, b"later").unwrap());
    assert_eq!(halt, Err(Halt::UnknownKind { id, kind: 77 }));
    assert_eq!(log.sessions.applied(), LogIndex::new(session));
}

#[test]
fn an_unknown_control_halts_too() {
    let mut log = Log::new(SMALL);
    let id = EntryId::new(Term::new(1), LogIndex::new(1));
    let header = ClientHeader::default();
    let halt = log.append(|chunk| chunk.push_client(header, &[9, 9]).unwrap());
    let tag = Some(9);
    assert_eq!(halt, Err(Halt::UnknownControl { id, tag }));
}

#[test]
fn golden_bytes_of_an_opening() {
    let control = Control::Open {
        incarnation: Incarnation::new(0x0102),
        boot: Boot::new(3),
    };
    let mut golden = vec![1, 2, 1];
    golden.extend_from_slice(&[0; 14]);
    golden.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(control.encode(), golden);
    assert_eq!(Control::decode(&golden), Some(control));
    for end in 0..golden.len() {
        assert_eq!(Control::decode(&golden[..end]), None);
    }
    golden.push(0);
    assert_eq!(Control::decode(&golden), None);
}
