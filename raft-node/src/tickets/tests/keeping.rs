//! A client's word that it is there, and a snapshot, which says nothing of such words.

use raft_core::checksum::crc32c;
use raft_core::chunk::ChunkBuilder;
use raft_core::time::LogTime;

use super::joined::Nothing;
use super::*;
use crate::session::{NO_SERIAL, SessionLimits, Sessions};

/// What a node knows that has applied the opening of session 1 and these commands of it: serials, and
/// up to where they say that all is settled.
fn sessions(commands: &[(u64, u64)]) -> Sessions<Nothing> {
    let opening = Control::Open {
        incarnation: other().incarnation,
        boot: Boot::new(1),
    };
    let header = |session, serial, settled| ClientHeader {
        session,
        serial,
        settled,
    };
    let mut entries = vec![(header(CONTROL_SESSION, 1, 0), opening.encode())];
    let commands = commands.iter();
    entries.extend(commands.map(|(serial, settled)| (header(1, *serial, *settled), Bytes::new())));
    let mut sessions = Sessions::new(Nothing, SessionLimits::DEFAULT);
    for (index, (header, payload)) in (1..).zip(entries) {
        let mut builder = ChunkBuilder::new();
        builder.push_client(header, &payload).unwrap();
        let index = LogIndex::new(index);
        let chunk = builder.seal(Term::new(1), index, LogTime::ZERO, crc32c);
        let chunk = chunk.unwrap();
        sessions.apply(chunk.entries().next().unwrap()).unwrap();
    }
    sessions
}

/// No entry says that the client is there, and its session may be about to end.
#[test]
fn a_word_that_was_never_sent_is_not_taken_for_said_after_a_snapshot() {
    let mut node = Node::new();
    let _word = node.submit_as(1, NO_SERIAL);
    node.tickets.on_restored(&sessions(&[(1, 1)]));
    assert_eq!(node.outcomes(), [], "it is still to be sent");
    assert_eq!(node.propose(), 1);
}

/// It is among the entries that the snapshot stands for, or it is not: nobody can say.
#[test]
fn a_word_that_is_committed_is_said_again_after_a_snapshot() {
    for settled in [0, 1] {
        let mut node = Node::new();
        let word = node.submit_as(1, NO_SERIAL);
        assert_eq!(node.propose(), 1);
        node.resolve(COMMITTED);
        let known = sessions(&[(1, settled), (NO_SERIAL, settled)]);
        node.tickets.on_restored(&known);
        assert_eq!(node.propose(), 1, "{settled}");
        node.tickets.on_applied(1, NO_SERIAL, Answer::Settled);
        let (session, serial) = (1, NO_SERIAL);
        let kept = Err(SubmitError::Settled { session, serial });
        assert_eq!(node.outcomes(), [(word, kept)]);
    }
}

/// The session came to its end among the entries that the snapshot stands for.
#[test]
fn a_word_of_a_session_that_a_snapshot_does_not_know_has_no_outcome() {
    let mut node = Node::new();
    let session = 2;
    let word = node.submit_as(session, NO_SERIAL);
    assert_eq!(node.propose(), 1);
    node.resolve(COMMITTED);
    node.tickets.on_restored(&sessions(&[(1, 1)]));
    let unknown = Err(SubmitError::Unknown {
        session,
        serial: NO_SERIAL,
        why: Uncertain::Skipped,
    });
    assert_eq!(node.outcomes(), [(word, unknown)]);
}
