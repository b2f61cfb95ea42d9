//! Crashes, disks that lag or fail, and messages that come twice (paper 5.5; Figure 2 State).

use raft_core::error::Fault;
use raft_core::hull::{Doubt, Input, Outcome, Refusal};
use raft_core::ids::{NodeId, Term};
use raft_core::log::LogError;
use raft_core::message::Message;
use raft_core::states::Role;

use crate::support::{
    Node, append, append_numbered, chunks, every_body, id, index, matched, peer, request_vote,
    settings, vote_reply,
};

/// [F2.STATE.4]
#[test]
fn term_vote_and_log_outlive_a_restart() {
    let mut node = Node::holding(5, &[1, 2]);
    node.receive(2, 6, request_vote(id(2, 2)));
    node.receive(2, 6, append(id(2, 2), chunks(3, &[6]), 3));
    node.restart();
    assert_eq!((node.term(), node.terms()), (6, vec![1, 2, 6]));
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
}

/// [F2.STATE.5]
#[test]
fn the_commit_index_is_learned_anew_after_a_restart() {
    let mut node = Node::holding(5, &[1, 2]);
    node.receive(2, 5, append(id(2, 2), Vec::new(), 2));
    node.restart();
    assert_eq!(node.commit(), 0);
}

/// [F2.STATE.4]
#[test]
fn each_start_is_counted_before_anything_is_said() {
    let mut node = Node::holding(5, &[1]);
    let before = node.boot();
    node.auto_sync = false;
    node.restart();
    assert!(node.boot() > before);
    node.settle();
    node.hear(2, 5);
    assert_eq!(node.sent(), []);
    assert_eq!(node.writes[0].hard.boot, node.boot());
    node.sync();
    assert_eq!(node.sent().len(), 1);
}

/// [S5.5.6]
#[test]
fn entries_that_arrive_twice_are_appended_once_and_answered_twice_the_same() {
    let mut node = Node::holding(5, &[1]);
    let request = append(id(1, 1), chunks(2, &[5, 5]), 1);
    node.receive(2, 5, request.clone());
    let first = node.sent_to(2);
    node.receive(2, 5, request);
    assert_eq!(node.sent_to(2), first);
    assert_eq!(node.terms(), [1, 5, 5]);
}

/// [S5.5.6] It says no more of the log than it did: later entries may be another leader's.
#[test]
fn a_request_that_comes_again_after_later_ones_is_answered_as_before() {
    let mut node = Node::holding(5, &[1]);
    let first = append_numbered(1, id(1, 1), chunks(2, &[5]), 0);
    node.receive(2, 5, first.clone());
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
    node.receive(2, 5, append_numbered(2, id(2, 5), chunks(3, &[5, 5]), 0));
    assert_eq!(node.sent_to(2), [matched(2, 4)]);
    node.receive(2, 5, first);
    assert_eq!(node.sent_to(2), [matched(1, 2)]);
    assert_eq!(node.terms(), [1, 5, 5, 5]);
}

/// [S5.5.6]
#[test]
fn a_vote_that_is_asked_for_twice_is_given_once_and_answered_twice_the_same() {
    let mut node = Node::holding(5, &[1]);
    for _ in 0..2 {
        node.receive(2, 6, request_vote(id(1, 1)));
        assert_eq!(node.sent_to(2), [vote_reply(true)]);
    }
    assert_eq!(node.hull.vote(), Some(NodeId::new(2)));
}

/// [S5.5.6]
#[test]
fn every_message_that_comes_twice_leaves_what_it_left_the_first_time() {
    for role in [
        Role::Follower,
        Role::PreCandidate,
        Role::Candidate,
        Role::Leader,
    ] {
        for body in every_body() {
            let mut node = Node::in_role(role);
            let term = node.term();
            node.receive(2, term, body.clone());
            let state = |node: &Node| {
                (
                    node.hull.role(),
                    node.term(),
                    node.hull.vote(),
                    node.terms(),
                )
            };
            let (once, commit) = (state(&node), node.commit());
            node.receive(2, term, body.clone());
            assert_eq!(state(&node), once, "{role:?} {}", body.name());
            assert_eq!(node.commit(), commit, "{role:?} {}", body.name());
        }
    }
}

#[test]
fn a_proof_that_comes_after_a_truncation_does_not_cover_what_was_written_since() {
    let mut node = Node::holding(1, &[]);
    node.auto_sync = false;
    node.receive(2, 1, append_numbered(1, id(0, 0), chunks(1, &[1, 1, 1]), 0));
    node.receive(3, 2, append_numbered(9, id(0, 0), chunks(1, &[2, 2, 2]), 0));
    assert_eq!(node.writes.len(), 2);
    node.write_one();
    node.settle();
    assert_eq!(
        node.hull.durable_index(),
        index(0),
        "the same indexes, other entries"
    );
    assert_eq!(node.sent(), []);
    node.sync();
    assert_eq!(node.hull.durable_index(), index(3));
    assert_eq!(node.sent_to(3), [matched(9, 3)]);
    assert_eq!(
        node.sent_to(2),
        [],
        "what was to be said in the old term is gone"
    );
}

/// Several writes may be under way when a log is cut: none of them proves more than is left.
#[test]
fn a_truncation_caps_what_each_write_under_way_proves() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5, 5]), 0));
    node.receive(2, 5, append_numbered(2, id(3, 5), chunks(4, &[5]), 0));
    assert_eq!(node.writes.len(), 2);
    node.receive(3, 6, append(id(1, 1), chunks(2, &[6]), 0));
    for durable in [1, 1, 2] {
        assert!(node.write_one());
        node.settle();
        assert_eq!(node.hull.durable_index(), index(durable));
    }
}

#[test]
fn a_proof_that_comes_after_a_truncation_still_covers_what_was_kept() {
    let mut node = Node::holding(1, &[]);
    node.auto_sync = false;
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1, 1, 1]), 0));
    node.receive(3, 2, append(id(1, 1), chunks(2, &[2]), 0));
    node.write_one();
    node.settle();
    assert_eq!(node.hull.durable_index(), index(1));
}

#[test]
fn entries_removed_before_they_were_written_are_never_written() {
    let mut node = Node::holding(1, &[]);
    node.auto_sync = false;
    for at in 0..6 {
        // The disk takes four writes at a time: the rest is pending.
        node.receive(
            2,
            1,
            append(id(at, u64::from(at > 0)), chunks(at + 1, &[1]), 0),
        );
    }
    assert_eq!(node.writes.len(), settings().max_writes_in_flight);
    node.receive(3, 2, append(id(4, 1), chunks(5, &[2]), 0));
    node.write_one();
    node.settle();
    let write = node.writes.back().unwrap();
    assert_eq!((write.hard.term.get(), write.truncate_from), (2, None));
    node.sync();
    assert_eq!(node.terms(), [1, 1, 1, 1, 2]);
    node.restart();
    assert_eq!(node.terms(), [1, 1, 1, 1, 2]);
}

#[test]
fn a_proof_of_another_boot_proves_nothing() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, request_vote(id(1, 1)));
    let write = node.writes.pop_front().unwrap();
    node.restart();
    node.settle();
    node.receive(3, 6, request_vote(id(1, 1)));
    node.step(Input::Durable(write.receipt.synced()));
    assert_eq!(node.sent(), []);
    node.sync();
    assert_eq!(node.sent_to(3), [vote_reply(true)]);
}

#[test]
fn proofs_in_the_wrong_order_prove_the_prefix() {
    let mut node = Node::holding(5, &[]);
    node.auto_sync = false;
    node.receive(2, 5, append_numbered(1, id(0, 0), chunks(1, &[5]), 0));
    node.receive(2, 5, append_numbered(2, id(1, 5), chunks(2, &[5]), 0));
    let first = node.writes.pop_front().unwrap();
    let second = node.writes.pop_front().unwrap();
    let first = node.log.write(first).unwrap();
    let second = node.log.write(second).unwrap();
    node.step(Input::Durable(second));
    assert_eq!(node.hull.durable_index(), index(2));
    node.step(Input::Durable(first));
    assert_eq!(node.hull.durable_index(), index(2));
    assert_eq!(node.sent_to(2), [matched(2, 2)]);
}

#[test]
fn a_failed_write_stops_the_node_for_good() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(2, 6, request_vote(id(1, 1)));
    node.fail_write();
    let full = LogError::Full {
        detail: String::from("no space left"),
    };
    assert_eq!(node.hull.fault(), Some(&Fault::Log(full.clone())));
    assert_eq!(
        node.sent(),
        [],
        "the vote was not durable, so it is not given"
    );
    node.receive(3, 7, request_vote(id(9, 6)));
    node.step(Input::WriteFailed(LogError::Storage {
        action: "write",
        detail: String::new(),
    }));
    assert_eq!(node.sent(), []);
    assert_eq!(node.writes.len(), 0, "and nothing is written");
    assert_eq!(node.hull.deadline(), None);
    assert_eq!(
        node.hull.fault(),
        Some(&Fault::Log(full)),
        "the first counts"
    );
    let ticket = node.propose(b"x");
    assert_eq!(
        node.outcome(ticket),
        Some(Outcome::Refused(Refusal::Stopped))
    );
}

#[test]
fn a_failed_write_deposes_a_leader_and_leaves_its_commands_in_doubt() {
    let mut node = Node::leading();
    node.auto_sync = false;
    let ticket = node.propose(b"x");
    node.fail_write();
    assert_eq!(node.hull.role(), Role::Follower);
    let doubt = Outcome::Unknown {
        id: id(2, 1),
        why: Doubt::Stopped,
    };
    assert_eq!(node.outcome(ticket), Some(doubt));
    assert_eq!(node.sent(), []);
}

#[test]
fn a_read_that_fails_stops_the_node() {
    let mut node = Node::holding(5, &[1]);
    node.auto_load = false;
    node.may_stop = true;
    node.receive(2, 5, append(id(1, 1), Vec::new(), 1));
    let number = node.loads.pop_front().unwrap().number;
    let error = LogError::Storage {
        action: "read",
        detail: String::new(),
    };
    node.step(Input::Loaded(raft_core::hull::Loaded {
        number,
        result: Err(error.clone()),
    }));
    assert_eq!(node.hull.fault(), Some(&Fault::Log(error)));
    assert_eq!(node.applied, []);
}

#[test]
fn a_stopped_node_neither_says_nor_writes_what_was_on_its_way() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.may_stop = true;
    node.hear(2, 5);
    let message = Message {
        from: peer(2),
        to: node.hull.me(),
        term: Term::new(5),
        body: append(id(1, 1), chunks(2, &[5]), 2),
    };
    node.hull.step(node.now, Input::Message(message));
    let error = LogError::Full {
        detail: String::new(),
    };
    node.hull.step(node.now, Input::WriteFailed(error));
    node.settle();
    assert_eq!(node.sent(), []);
    assert_eq!(node.writes.len(), 0);
    assert_eq!(node.applied, []);
}
