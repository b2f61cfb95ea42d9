//! Requests that the node itself ends, and those that it does not.

use super::*;

#[test]
fn the_end_gives_every_request_an_outcome() {
    let mut node = Node::with_session();
    let sent = node.submit(b"sent");
    node.forward();
    let unsent = node.submit(b"unsent");
    node.tickets.end_all(Uncertain::Stopped);
    let stopped = Err(SubmitError::Unknown {
        session: SESSION,
        serial: 2,
        why: Uncertain::Stopped,
    });
    let mut outcomes = node.outcomes();
    outcomes.sort_by_key(|(ask, _)| *ask != sent);
    assert_eq!(outcomes, [(sent, stopped), (unsent, Err(STOPPED))]);
}

/// What is committed will be applied here, and what became of the rest that it appended it hears.
#[test]
fn a_removed_leader_ends_nothing_that_it_still_answers() {
    let mut node = Node::with_session();
    let committed = node.submit(b"committed");
    let appended = node.submit(b"appended");
    node.tickets.read(1, node.now, node.now);
    assert_eq!(node.propose(), 3);
    node.resolve(Outcome::Committed(EntryId::new(
        Term::new(1),
        LogIndex::new(7),
    )));
    let read = node.proposed.remove(1);
    node.proposed.insert(0, read);
    node.resolve(Outcome::ReadAt(LogIndex::new(7)));
    let at_seven = (1, ReadVerdict::At(LogIndex::new(7)));
    assert_eq!(core::mem::take(&mut node.tickets.reads), [at_seven]);
    let waiting = node.submit(b"waiting");
    node.tickets.end_all(Uncertain::Removed);
    let not_sent = (waiting, Err(SubmitError::NotSent(NotSent::Removed)));
    assert_eq!(node.outcomes(), [not_sent], "neither is over");
    assert_eq!(node.tickets.reads, []);
    node.applied(2, b"done");
    assert_eq!(node.outcomes(), [(committed, reply(b"done"))]);
    node.tickets.end_read(1);
    let unknown = Outcome::Unknown {
        id: EntryId::new(Term::new(1), LogIndex::new(8)),
        why: Doubt::LeadershipLost,
    };
    node.resolve(unknown);
    node.tickets.end_all(Uncertain::Removed);
    let removed = Err(SubmitError::Unknown {
        session: SESSION,
        serial: 3,
        why: Uncertain::Removed,
    });
    assert_eq!(node.outcomes(), [(appended, removed)]);
    assert_eq!(node.tickets.under_way(), 0);
}

/// The numbers of reads are each node's own.
#[test]
fn a_forwarded_read_takes_no_own_one_of_its_number_with_it() {
    let mut node = Node::new();
    node.tickets
        .accept(other(), Boot::new(5), forwarded(&[], &[4]), node.now);
    node.tickets.read(4, node.now, node.now);
    assert_eq!(node.propose(), 2);
    node.resolve(REFUSED);
    node.resolve(Outcome::ReadAt(LogIndex::new(9)));
    let at_nine = (4, ReadVerdict::At(LogIndex::new(9)));
    assert_eq!(core::mem::take(&mut node.tickets.reads), [at_nine]);
    assert_eq!(node.tickets.under_way(), 1);
    node.tickets.end_read(4);
    assert_eq!(node.tickets.under_way(), 0);
    assert!(node.tickets.by_read.is_empty());
}

#[test]
fn what_was_forwarded_here_is_forgotten_in_time_unless_the_hull_has_it() {
    let mut node = Node::new();
    let forward = || forwarded(&[(SESSION, 1)], &[]);
    let boot = Boot::new(5);
    node.tickets.accept(other(), boot, forward(), node.now);
    node.wait(10_000);
    assert_eq!(node.tickets.under_way(), 0, "nobody took it");
    node.tickets.accept(other(), boot, forward(), node.now);
    assert_eq!(node.propose(), 1);
    node.wait(10_000);
    assert_eq!(node.tickets.under_way(), 1);
    node.tickets.accept(other(), boot, forward(), node.now);
    assert_eq!(node.propose(), 0, "a second copy need not go");
    node.resolve(COMMITTED);
    node.applied(1, b"done");
    assert_eq!(node.tickets.under_way(), 0);
}

/// What a hull can never take is not tried for ever; but an earlier try may stand in a log.
#[test]
fn what_is_too_large_for_the_hull_is_refused_once_and_for_all_if_it_was_never_in_doubt() {
    let too_large = Outcome::Refused(Refusal::TooLarge { payload_bytes: 1 });
    for in_doubt in [false, true] {
        let mut node = Node::with_session();
        let ask = node.submit(b"x");
        assert_eq!(node.propose(), 1);
        if in_doubt {
            node.resolve(IN_DOUBT);
            assert_eq!(node.propose(), 1);
        }
        node.resolve(too_large);
        let limit = node.tickets.limits.max_payload_bytes;
        let outcome = match in_doubt {
            false => Err(SubmitError::TooLarge { bytes: 1, limit }),
            true => Err(SubmitError::Unknown {
                session: SESSION,
                serial: 2,
                why: Uncertain::TimedOut,
            }),
        };
        assert_eq!(node.outcomes(), [(ask, outcome)]);
        assert_eq!(node.propose(), 0);
        assert_eq!(node.tickets.under_way(), 0);
    }
}

/// What has no place in a log by then has none to go to.
#[test]
fn a_removed_node_gives_up_its_own_session_and_opens_another_when_it_is_asked_again() {
    let mut node = Node::new();
    let first = node.submit(b"first");
    assert_eq!(node.forward().0, [(CONTROL_SESSION, 1)]);
    node.tickets.end_all(Uncertain::Removed);
    let removed = Err(SubmitError::NotSent(NotSent::Removed));
    assert_eq!(node.outcomes(), [(first, removed)]);
    assert_eq!(node.tickets.under_way(), 0);
    node.wait(50);
    assert_eq!(node.tickets.deadline(), None);
    let second = node.submit(b"second");
    assert_eq!(node.forward().0, [(CONTROL_SESSION, 2)], "added again");
    // The first was opened, too: nobody goes by it.
    node.opened(1, 99);
    node.opened(2, SESSION);
    assert_eq!(node.propose(), 1);
    node.applied(1, b"done");
    assert_eq!(node.outcomes(), [(second, reply(b"done"))]);
}

/// Its hull hands it back, or it is applied here.
#[test]
fn a_removed_leader_keeps_the_opening_of_its_session_that_it_proposed() {
    for outcome in [COMMITTED, IN_DOUBT] {
        let mut node = Node::new();
        node.submit(b"first");
        assert_eq!(node.propose(), 1);
        node.tickets.end_all(Uncertain::Removed);
        assert_eq!(node.tickets.under_way(), 1);
        node.resolve(outcome);
        node.tickets.end_all(Uncertain::Removed);
        node.opened(1, SESSION);
        assert_eq!(node.tickets.under_way(), 0);
    }
}
