//! The second account of sessions, told logs and what was applied from them.

use raft_core::ids::Term;

use super::super::model::Chained;
use super::*;

const LIMITS: SessionLimits = SessionLimits {
    max_sessions: 2,
    max_answers: 3,
    max_answer_bytes: 10,
    idle_time: Some(Duration::from_millis(100)),
};

/// A log, what was applied of it, and the account of both.
struct Tale {
    log: LogModel,
    applied: Vec<AppliedFact>,
    sessions: Sessions,
    time: u64,
}

impl Tale {
    fn new() -> Self {
        let mut sessions = Sessions::default();
        sessions.expect(LIMITS);
        Self {
            log: LogModel::default(),
            applied: Vec::new(),
            sessions,
            time: 0,
        }
    }

    fn append(&mut self, session: u64, serial: u64, settled: u64, payload: u64) -> EntryId {
        let index = LogIndex::new(self.log.entries.len() as u64 + 1);
        let entry = EntryFact {
            id: EntryId::new(Term::new(1), index),
            content: 0,
            payload,
            session,
            serial,
            settled,
            bytes: 1,
            time: LogTime::from_millis(self.time),
            absent: false,
        };
        self.log.entries.push(Chained { entry, chain: 0 });
        entry.id
    }

    /// The entry that opens a session: its number.
    fn open(&mut self, serial: u64) -> u64 {
        self.append(0, serial, 0, 77).index.get()
    }

    /// A command that is only written.
    fn write(&mut self, session: u64, serial: u64, settled: u64) -> &mut Self {
        self.append(session, serial, settled, 5);
        self
    }

    /// A command that is written, and applied with a reply of so many bytes.
    fn apply(&mut self, session: u64, serial: u64, settled: u64, reply: u64) -> &mut Self {
        let id = self.append(session, serial, settled, 5);
        self.sessions.replied(id.index, reply);
        let time = LogTime::from_millis(self.time);
        self.applied.push(AppliedFact {
            id,
            time,
            payload: 5,
        });
        self
    }

    fn verdict(&mut self) -> Result<(), String> {
        let last = self.log.last_index();
        self.sessions.committed(&self.log, last, &self.applied)
    }

    fn is_wrong(&mut self, with: &str) {
        let text = self.verdict().unwrap_err();
        assert!(text.contains(with), "{text}");
    }
}

#[test]
fn what_is_new_is_applied_and_what_is_not_is_not() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    tale.append(0, 0, 0, 0);
    tale.apply(session, 1, 1, 1).write(session, 1, 1);
    tale.apply(session, 2, 2, 1).write(session, 1, 1);
    tale.write(99, 1, 1).write(session, 0, 0);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.seen, LogIndex::new(8));
}

#[test]
fn a_command_applied_again_is_found() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    tale.apply(session, 1, 1, 1).apply(session, 1, 1, 1);
    tale.is_wrong("answered before");
    let mut tale = Tale::new();
    let session = tale.open(1);
    tale.apply(session, 3, 3, 1).apply(session, 2, 2, 1);
    tale.is_wrong("settled");
}

#[test]
fn a_command_left_out_is_found_when_the_next_is_applied() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    tale.write(session, 1, 1);
    assert_eq!(tale.verdict(), Ok(()), "it may be applied yet");
    assert_eq!(tale.sessions.seen, LogIndex::new(1));
    tale.apply(session, 2, 1, 1);
    tale.is_wrong("is new in an open session");
}

#[test]
fn the_least_recently_used_session_ends() {
    let mut tale = Tale::new();
    let (first, second) = (tale.open(1), tale.open(2));
    tale.apply(first, 1, 1, 1);
    assert_eq!(tale.open(1), 4, "an opening that comes again");
    let third = tale.open(3);
    tale.write(second, 1, 1)
        .apply(first, 2, 1, 1)
        .apply(third, 1, 1, 1);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.told(second, 1, Ending::Expired), Ok(()));
    assert!(tale.sessions.told(first, 1, Ending::Expired).is_err());
    tale.apply(second, 2, 1, 1);
    tale.is_wrong("not open");
}

#[test]
fn a_session_ends_when_it_was_unused_for_too_long_and_not_before() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    tale.time = 100;
    tale.apply(session, 1, 1, 1);
    tale.time = 200;
    tale.apply(session, 2, 1, 1);
    tale.time = 301;
    tale.write(session, 3, 1);
    assert_eq!(tale.verdict(), Ok(()));
    let Reached { idle, kept_up } = tale.sessions.reached;
    assert_eq!((idle, kept_up), (1, 1));
    tale.apply(session, 4, 1, 1);
    tale.is_wrong("not open");
}

#[test]
fn too_many_answers_end_a_session_whole() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    for serial in 1..=3 {
        tale.apply(session, serial, 1, 1);
    }
    tale.write(session, 4, 1).write(session, 5, 5);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.told(session, 4, Ending::Expired), Ok(()));
    let mut tale = Tale::new();
    let session = tale.open(1);
    for serial in 1..=4 {
        tale.apply(session, serial, 1, 1);
    }
    tale.is_wrong("ends its session");
}

#[test]
fn replies_are_forgotten_beyond_the_bound_only() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    tale.apply(session, 1, 1, 4).apply(session, 2, 1, 6);
    assert_eq!(tale.verdict(), Ok(()));
    assert!(tale.sessions.told(session, 1, Ending::Forgotten).is_err());
    tale.apply(session, 3, 1, 1);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.told(session, 1, Ending::Forgotten), Ok(()));
    assert!(tale.sessions.told(session, 2, Ending::Forgotten).is_err());
    assert!(tale.sessions.told(session, 1, Ending::Settled).is_err());
    tale.write(session, 1, 2);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.told(session, 1, Ending::Settled), Ok(()));
}

#[test]
fn a_session_is_kept_by_a_word_of_its_client_alone() {
    let mut tale = Tale::new();
    let session = tale.open(1);
    assert!(tale.sessions.told_kept(session).is_err(), "no word came");
    for time in [90, 180, 270] {
        tale.time = time;
        tale.write(session, 0, 1);
    }
    tale.time = 360;
    tale.apply(session, 1, 1, 1);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.told_kept(session), Ok(()));
    assert!(tale.sessions.told(session, 0, Ending::Expired).is_err());
    tale.time = 461;
    tale.write(session, 0, 1);
    assert_eq!(tale.verdict(), Ok(()));
    assert_eq!(tale.sessions.told(session, 0, Ending::Expired), Ok(()));
    assert!(tale.sessions.told_kept(99).is_err(), "never opened");
}
