//! Each ticket comes back exactly once, with what became of its proposal: committed, refused, or
//! unknown. `Node::outcome` fails when one comes back twice.

use raft_core::checksum::crc32c;
use raft_core::chunk::ChunkBuilder;
use raft_core::hull::{Doubt, Input, Outcome, Proposals, Refusal};
use raft_core::ids::{LogIndex, NodeId, Term, Ticket};
use raft_core::record::{ClientHeader, Record};
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::LogTime;

use crate::support::{Node, append, chunks, heartbeat_reply, id, settings};

#[test]
fn a_ticket_is_open_until_its_entry_is_committed() {
    let mut node = Node::leading();
    let ticket = node.propose(b"x");
    node.sent();
    assert_eq!(node.outcome(ticket), None);
    node.acknowledge(2, 2);
    node.acknowledge(3, 2);
    node.acknowledge(3, 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
    node.receive(3, 2, heartbeat_reply(1));
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
}

#[test]
fn each_proposal_of_a_batch_is_committed_as_its_own_entry() {
    let mut node = Node::leading();
    let batch = [Ticket::new(10), Ticket::new(11), Ticket::new(12)];
    let mut proposals = Proposals::new();
    for ticket in batch {
        proposals
            .push_client(ticket, ClientHeader::default(), b"x")
            .unwrap();
    }
    assert_eq!((proposals.len(), proposals.is_empty()), (3, false));
    node.step(Input::Propose(proposals));
    node.sent();
    // The others acknowledge the batch in parts.
    node.acknowledge(2, 3);
    assert_eq!(node.outcome(batch[0]), Some(Outcome::Committed(id(2, 1))));
    assert_eq!(node.outcome(batch[1]), Some(Outcome::Committed(id(3, 1))));
    assert_eq!(node.outcome(batch[2]), None);
    node.acknowledge(2, 4);
    assert_eq!(node.outcome(batch[2]), Some(Outcome::Committed(id(4, 1))));
}

#[test]
fn a_no_op_that_was_proposed_resolves_like_a_command() {
    let mut node = Node::leading();
    let mut proposals = Proposals::with_capacity(1, 0);
    proposals.push_no_op(Ticket::new(9)).unwrap();
    node.step(Input::Propose(proposals));
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(
        node.outcome(Ticket::new(9)),
        Some(Outcome::Committed(id(2, 1)))
    );
}

#[test]
fn proposing_nothing_appends_nothing() {
    let mut node = Node::leading();
    node.step(Input::Propose(Proposals::new()));
    assert_eq!(node.terms(), [1]);
    assert_eq!(node.resolved, []);
}

#[test]
fn a_ticket_open_when_a_later_term_is_learned_is_in_doubt_as_the_entry_it_was_appended_as() {
    let mut node = Node::leading();
    let first = node.propose(b"x");
    let second = node.propose(b"y");
    node.receive(3, 7, heartbeat_reply(1));
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 7));
    let why = Doubt::LeadershipLost;
    let doubt = |id| Some(Outcome::Unknown { id, why });
    assert_eq!(node.outcome(first), doubt(id(2, 1)));
    assert_eq!(node.outcome(second), doubt(id(3, 1)));
}

#[test]
fn a_ticket_in_doubt_stays_so_whether_its_entry_survives_or_not() {
    let mut node = Node::leading();
    let kept = node.propose(b"x");
    let lost = node.propose(b"y");
    node.receive(3, 7, append(id(2, 1), chunks(3, &[7]), 3));
    assert_eq!(node.terms(), [1, 1, 7]);
    assert_eq!(node.commit(), 3);
    let why = Doubt::LeadershipLost;
    for (ticket, id) in [(kept, id(2, 1)), (lost, id(3, 1))] {
        assert_eq!(node.outcome(ticket), Some(Outcome::Unknown { id, why }));
    }
}

#[test]
fn a_leader_that_loses_its_quorum_leaves_its_tickets_in_doubt() {
    let mut node = Node::leading();
    let ticket = node.propose(b"x");
    node.wait(settings().election_timeout * 2);
    assert_ne!(node.hull.role(), Role::Leader);
    let doubt = Outcome::Unknown {
        id: id(2, 1),
        why: Doubt::LeadershipLost,
    };
    assert_eq!(node.outcome(ticket), Some(doubt));
}

#[test]
fn more_than_may_be_uncommitted_is_refused_until_some_is_committed() {
    let limit = 200;
    let mut node = Node::leading_with(Settings {
        max_uncommitted_bytes: limit,
        max_payload_bytes: limit,
        ..settings()
    });
    let first = node.propose(&[0; 150]);
    let second = node.propose(&[0; 150]);
    let refusal = Refusal::Busy {
        uncommitted_bytes: 174,
        limit,
    };
    assert_eq!(node.outcome(second), Some(Outcome::Refused(refusal)));
    assert_eq!(node.terms(), [1, 1], "nothing of it was appended");
    node.sent();
    node.acknowledge(2, 2);
    assert!(matches!(node.outcome(first), Some(Outcome::Committed(_))));
    let third = node.propose(&[0; 150]);
    assert_eq!(node.outcome(third), None);
    assert_eq!(node.terms(), [1, 1, 1]);
}

/// What stands in one batch leaves the budget when all of it is committed, and then once.
#[test]
fn a_batch_that_is_committed_in_part_weighs_what_it_did() {
    let limit = 400;
    let mut node = Node::leading_with(Settings {
        max_uncommitted_bytes: limit,
        max_payload_bytes: limit,
        ..settings()
    });
    let mut proposals = Proposals::new();
    for ticket in [10, 11] {
        let header = ClientHeader::default();
        let pushed = proposals.push_client(Ticket::new(ticket), header, &[0; 50]);
        pushed.unwrap();
    }
    node.step(Input::Propose(proposals));
    let other = node.propose(&[0; 150]);
    assert_eq!(node.outcome(other), None);
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    let refusal = |uncommitted_bytes| {
        Outcome::Refused(Refusal::Busy {
            uncommitted_bytes,
            limit,
        })
    };
    let more = node.propose(&[0; 150]);
    assert_eq!(node.outcome(more), Some(refusal(322)), "as before");
    node.acknowledge(2, 3);
    let more = node.propose(&[0; 250]);
    assert_eq!(node.outcome(more), Some(refusal(174)), "the other one");
}

#[test]
fn what_fits_exactly_is_taken_and_a_single_large_command_is_too() {
    let mut node = Node::leading_with(Settings {
        max_uncommitted_bytes: 200,
        max_payload_bytes: 200,
        ..settings()
    });
    // A record carries 24 bytes beside its payload.
    node.propose(&[0; 76]);
    let exact = node.propose(&[0; 76]);
    assert_eq!(node.outcome(exact), None);
    let more = node.propose(b"");
    assert!(matches!(node.outcome(more), Some(Outcome::Refused(_))));
    node.sent();
    node.acknowledge(2, 3);
    let large = node.propose(&[0; 200]);
    assert_eq!(
        node.outcome(large),
        None,
        "alone, or it would wait for ever"
    );
}

#[test]
fn a_no_op_weighs_nothing_and_is_taken_however_much_is_uncommitted() {
    let mut node = Node::leading_with(Settings {
        max_uncommitted_bytes: 100,
        max_payload_bytes: 100,
        ..settings()
    });
    node.propose(&[0; 100]);
    let mut proposals = Proposals::new();
    proposals.push_no_op(Ticket::new(9)).unwrap();
    node.step(Input::Propose(proposals));
    assert_eq!(node.outcome(Ticket::new(9)), None);
    assert_eq!(node.terms(), [1, 1, 1]);
}

#[test]
fn a_batch_larger_than_a_chunk_is_refused_whole() {
    let mut limited = settings();
    limited.chunk_limits.max_entries = 2;
    let mut node = Node::leading_with(limited);
    let mut proposals = Proposals::new();
    for ticket in 20..23 {
        proposals
            .push_client(Ticket::new(ticket), ClientHeader::default(), b"x")
            .unwrap();
    }
    let payload_bytes = proposals.payload_bytes();
    node.step(Input::Propose(proposals));
    for ticket in 20..23 {
        let refusal = Refusal::TooLarge { payload_bytes };
        let outcome = node.outcome(Ticket::new(ticket));
        assert_eq!(outcome, Some(Outcome::Refused(refusal)));
    }
    assert_eq!(node.terms(), [1]);
}

#[test]
fn a_batch_as_large_as_a_chunk_may_be_is_taken() {
    let mut limited = settings();
    limited.max_payload_bytes = 100;
    limited.chunk_limits.max_payload_bytes = 2 * 124;
    limited.chunk_limits.max_entries = 2;
    let mut node = Node::leading_with(limited);
    let mut proposals = Proposals::new();
    for ticket in 20..22 {
        proposals
            .push_client(Ticket::new(ticket), ClientHeader::default(), &[0; 100])
            .unwrap();
    }
    node.step(Input::Propose(proposals));
    assert_eq!(node.terms(), [1, 1, 1]);
    let larger = node.propose(&[0; 2 * 124 - 24 + 1]);
    let refusal = Refusal::TooLarge { payload_bytes: 249 };
    assert_eq!(node.outcome(larger), Some(Outcome::Refused(refusal)));
}

#[test]
fn a_refused_ticket_names_the_leader_it_has() {
    let mut node = Node::leading();
    node.hear(2, 3);
    let ticket = node.propose(b"x");
    let leader = Some(NodeId::new(2));
    let refusal = Refusal::NotLeader { leader };
    assert_eq!(node.outcome(ticket), Some(Outcome::Refused(refusal)));
}

#[test]
fn a_ticket_is_answered_before_its_entry_is_applied() {
    let mut node = Node::leading();
    node.auto_apply = false;
    let ticket = node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
    assert_eq!(node.applied.len(), 1);
}

/// [T6.3.36]
#[test]
fn log_time_goes_on_with_the_leaders_clock_and_never_falls() {
    let mut node = Node::leading();
    let stamp = |node: &mut Node| {
        node.propose(b"x");
        let last = node
            .log
            .read(node.hull.last().index..index_after(node), 1 << 20);
        last.unwrap()[0].time().as_millis()
    };
    let first = stamp(&mut node);
    node.wait(std::time::Duration::from_millis(250));
    let second = stamp(&mut node);
    assert_eq!(second, first + 250);
    // A restart begins a clock of its own, and the log's time goes on from where it was.
    node.restart();
    node.settle();
    node.elect();
    assert!(stamp(&mut node) >= second);
}

/// [T6.3.36] Whoever stamped it: a leader's own clock may be far behind.
#[test]
fn a_leader_goes_on_from_the_highest_stamp_in_its_log() {
    let mut node = Node::holding(5, &[1]);
    for (at, time) in [(2, 70_000), (3, 60_000)] {
        let mut builder = ChunkBuilder::new();
        builder.push_no_op().unwrap();
        let time = LogTime::from_millis(time);
        let chunk = builder.seal(Term::new(5), LogIndex::new(at), time, crc32c);
        let previous = id(at - 1, if at == 2 { 1 } else { 5 });
        node.receive(2, 5, append(previous, vec![chunk.unwrap()], 0));
    }
    for restarted in [false, true] {
        if restarted {
            node.restart();
            node.settle();
        }
        node.elect();
        let last = node.hull.last().index;
        let no_op = node.log.read(last..last.next(), 1).unwrap();
        assert_eq!(no_op[0].time(), LogTime::from_millis(70_000));
    }
}

#[test]
fn a_command_reaches_the_log_with_its_header() {
    let mut node = Node::leading();
    let header = ClientHeader {
        session: 3,
        serial: 4,
        settled: 2,
    };
    let mut proposals = Proposals::new();
    proposals
        .push_client(Ticket::new(9), header, b"payload")
        .unwrap();
    node.step(Input::Propose(proposals));
    let chunk = &node.appends_to(2)[0].chunks[0];
    let payload: &[u8] = b"payload";
    let entry = chunk.entries().next().unwrap();
    assert_eq!(entry.record, Record::Client { header, payload });
}

fn index_after(node: &Node) -> LogIndex {
    node.hull.last().index.next()
}
