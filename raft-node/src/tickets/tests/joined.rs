//! Requests that somebody else waits for, too, and what they wait for that is gone.

use super::*;
use crate::session::{SessionLimits, Sessions};
use crate::state_machine::{
    Command, StateError, StateMachine, StateReader, StateWriter, WholeWriter,
};

#[test]
fn who_joins_a_request_has_as_long_as_anybody() {
    let mut node = Node::new();
    let first = node.submit_as(SESSION, 1);
    node.wait(6_000);
    let second = node.submit_as(SESSION, 1);
    node.wait(6_000);
    assert_eq!(
        node.outcomes(),
        [(first, NOT_SENT)],
        "the other: six of ten"
    );
    node.wait(4_000);
    assert_eq!(node.outcomes(), [(second, NOT_SENT)]);
}

/// However often somebody else asks for the same.
#[test]
fn who_is_joined_again_and_again_is_told_when_its_own_time_is_over() {
    let mut node = Node::new();
    let first = node.submit_as(SESSION, 1);
    node.wait(6_000);
    let second = node.submit_as(SESSION, 1);
    node.wait(4_000);
    assert_eq!(node.outcomes(), [(first, NOT_SENT)]);
    node.wait(2_000);
    let _third = node.submit_as(SESSION, 1);
    assert_eq!(node.forward().0, [(SESSION, 1)], "for those who wait");
    node.wait(4_000);
    assert_eq!(node.outcomes(), [(second, unknown(1))]);
}

/// Its serial is settled when nobody waits for it any more, or it would be taken for one that
/// nobody asks for again.
#[test]
fn a_command_of_the_own_session_lives_on_for_who_joined_it() {
    let mut node = Node::with_session();
    let first = node.submit(b"a");
    assert_eq!(node.propose(), 1);
    node.wait(6_000);
    let joined = node.submit_as(SESSION, 2);
    node.wait(4_000);
    assert_eq!(node.outcomes(), [(first, unknown(2))]);
    assert_eq!(
        node.tickets
            .own
            .settled(node.tickets.lowest_under_way(SESSION)),
        2
    );
    node.wait(6_000);
    assert_eq!(node.outcomes(), [(joined, unknown(2))]);
    assert_eq!(node.tickets.own.settled(None), 2, "somebody may ask again");
}

/// It named the session; who named none was told that its command's fate is unknown, and the
/// command must not go under another name for nobody.
#[test]
fn who_is_left_waiting_for_a_command_of_an_ended_own_session_is_told_so() {
    let mut node = Node::with_session();
    let first = node.submit(b"a");
    assert_eq!(node.propose(), 1);
    node.wait(6_000);
    let joined = node.submit_as(SESSION, 2);
    node.wait(4_000);
    assert_eq!(node.outcomes(), [(first, unknown(2))]);
    node.tickets.on_applied(SESSION, 2, Answer::Expired);
    let (session, serial) = (SESSION, 2);
    let expired = Err(SubmitError::SessionExpired { session, serial });
    assert_eq!(node.outcomes(), [(joined, expired)]);
    assert_eq!(node.tickets.under_way(), 0);
}

#[test]
fn who_joined_a_command_of_the_own_session_is_told_that_it_has_ended() {
    let mut node = Node::with_session();
    node.submit(b"a");
    let joined = node.submit_as(SESSION, 2);
    node.propose();
    node.tickets.on_applied(SESSION, 2, Answer::Expired);
    let (session, serial) = (SESSION, 2);
    let expired = Err(SubmitError::SessionExpired { session, serial });
    assert_eq!(node.outcomes(), [(joined, expired)]);
}

/// The opening is among the entries that a snapshot stands for, and so is the end of what it opened.
#[test]
fn an_own_session_that_came_and_went_unseen_is_opened_anew() {
    let mut node = Node::new();
    node.submit(b"x");
    assert_eq!(node.propose(), 1, "the opening");
    node.resolve(COMMITTED);
    let sessions = Sessions::new(Nothing, SessionLimits::DEFAULT);
    node.tickets.on_restored(&sessions);
    assert_eq!(node.propose(), 1, "the opening again");
}

pub(super) struct Nothing;

impl StateMachine for Nothing {
    fn apply(&mut self, _: Command<'_>) -> Bytes {
        Bytes::new()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        Err(StateError::Length)
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|_: &[u8]| Ok(Self)))
    }
}
