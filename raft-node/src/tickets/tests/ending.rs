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
