//! Reads that bypass the log (paper 8; thesis 6.4): when a leader may say from which index on the
//! state machine may be read.

use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::error::Dropped;
use raft_core::hull::{Input, Outcome, Refusal};
use raft_core::ids::{NodeId, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Body, HeartbeatReply};
use raft_core::settings::{Settings, SettingsProblem};
use raft_core::states::Role;

use crate::support::{
    Node, append, chunks, heartbeat, heartbeat_reply, id, index, peer, settings, setup, vote_reply,
};

fn read_at(at: u64) -> Option<Outcome> {
    Some(Outcome::ReadAt(index(at)))
}

fn refused(refusal: Refusal) -> Option<Outcome> {
    Some(Outcome::Refused(refusal))
}

/// The round of the heartbeats that go out now, which must be one and the same to all.
fn round(node: &mut Node) -> u64 {
    let rounds = node.rounds();
    let (_, round) = rounds[0];
    assert!(
        rounds.iter().all(|(_, other)| *other == round),
        "{rounds:?}"
    );
    round
}

/// Leader of five, whose no-op is committed.
fn leading_five() -> Node {
    let mut node = Node::new(1, 5);
    node.elect();
    for from in 2..=5 {
        node.acknowledge(from, 1);
    }
    node.sent();
    assert_eq!(node.commit(), 1);
    node
}

/// [S8.20]
#[test]
fn a_read_is_confirmed_by_a_majority_in_a_round_begun_after_it() {
    let mut node = Node::leading();
    let read = node.read();
    assert_eq!(node.outcome(read), None, "nobody has answered yet");
    let round = round(&mut node);
    node.receive(2, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), read_at(1));
}

/// [S8.20]
#[test]
fn an_answer_to_an_earlier_round_confirms_nothing() {
    let mut node = Node::leading();
    node.time_out();
    let earlier = round(&mut node);
    let read = node.read();
    let later = round(&mut node);
    assert!(later > earlier);
    for from in [2, 3] {
        node.receive(from, 1, heartbeat_reply(earlier));
    }
    assert_eq!(node.outcome(read), None, "these were said before the read");
    node.receive(3, 1, heartbeat_reply(later));
    assert_eq!(node.outcome(read), read_at(1));
}

/// [S8.20]
#[test]
fn one_follower_counts_once_however_often_it_answers() {
    let mut node = leading_five();
    let read = node.read();
    let round = round(&mut node);
    for _ in 0..4 {
        node.receive(2, 1, heartbeat_reply(round));
    }
    assert_eq!(node.outcome(read), None);
    node.receive(4, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), read_at(1));
}

/// [S8.20]
#[test]
fn an_answer_to_a_later_round_confirms_the_earlier_one() {
    let mut node = leading_five();
    let read = node.read();
    let lost = round(&mut node);
    node.receive(2, 1, heartbeat_reply(lost));
    node.time_out();
    let later = round(&mut node);
    assert_eq!(node.outcome(read), None);
    node.receive(3, 1, heartbeat_reply(later));
    assert_eq!(node.outcome(read), read_at(1), "one answered each");
}

/// [S8.20]
#[test]
fn learners_strangers_and_other_lives_confirm_nothing() {
    let voter = |id: u64| (NodeId::new(id), Member::voter(peer(id).incarnation));
    let learner = |id: u64| {
        let (id, member) = voter(id);
        let role = MemberRole::Learner;
        (id, Member { role, ..member })
    };
    let mut setup = setup(1, 3);
    setup.founding = Configuration::new([voter(1), voter(2), voter(3), learner(4), learner(5)]);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.elect();
    node.acknowledge(2, 1);
    node.sent();
    let read = node.read();
    let asked = node.rounds();
    let (_, round) = asked[0];
    assert_eq!(asked, [(2, round), (3, round)], "learners are not asked");
    for from in [4, 5, 6, 7] {
        node.receive(from, 1, heartbeat_reply(round));
    }
    assert_eq!(node.outcome(read), None);
    node.receive(3, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), read_at(1));
}

/// [S8.20]
#[test]
fn in_a_joint_configuration_neither_majority_confirms_alone() {
    for (half, other) in [([2, 3], 4), ([4, 5], 2)] {
        let mut node = Node::leading();
        node.grow_to([1, 4, 5]);
        node.sent();
        let read = node.read();
        let at = node.commit();
        let round = round(&mut node);
        for from in half {
            node.receive(from, 1, heartbeat_reply(round));
        }
        assert_eq!(node.outcome(read), None, "{half:?} alone");
        node.receive(other, 1, heartbeat_reply(round));
        assert!(node.hull.configuration().is_joint());
        assert_eq!(node.outcome(read), read_at(at));
    }
}

/// [S8.20]
#[test]
fn a_leader_that_leaves_counts_for_the_outgoing_majority_only() {
    let mut node = Node::leading();
    node.grow_to([2, 3, 4]);
    node.sent();
    let read = node.read();
    let at = node.commit();
    let round = round(&mut node);
    node.receive(2, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), None, "of the incoming ones only 2");
    node.receive(4, 1, heartbeat_reply(round));
    assert!(node.hull.configuration().is_joint());
    assert_eq!(node.outcome(read), read_at(at));
}

/// [S8.20] Who meets a heartbeat of an earlier term has followed no round of this one's leader.
#[test]
fn an_answer_to_a_heartbeat_of_an_earlier_term_names_no_round() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 4, heartbeat(9, 0));
    let expected = Body::HeartbeatReply(HeartbeatReply::NO_ROUND);
    assert_eq!(node.sent_to(2), [expected]);
}

/// [S8.20] Node 1 led an earlier term, too: an answer to its heartbeat of then, given in its
/// present term, is older than the round of the same number in this one.
#[test]
fn an_answer_that_names_no_round_confirms_nothing() {
    let mut node = Node::leading();
    let read = node.read();
    let round = round(&mut node);
    assert_eq!(round, 1, "such as there was one in each term it led");
    for from in [2, 3] {
        let nameless = Body::HeartbeatReply(HeartbeatReply::NO_ROUND);
        node.receive(from, 1, nameless);
    }
    assert_eq!(node.outcome(read), None);
}

/// [S8.20]
#[test]
fn a_round_that_never_began_can_not_be_answered() {
    let mut node = Node::leading();
    node.events.clear();
    for from in [2, 3] {
        node.receive(from, 1, heartbeat_reply(1));
    }
    assert_eq!(node.drops(), [Dropped::Impossible; 2]);
    let read = node.read();
    assert_eq!(node.outcome(read), None, "nor has it been answered before");
    assert_eq!(round(&mut node), 1);
}

/// [S8.20]
#[test]
fn answers_to_appends_confirm_nothing() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.appends_to(2);
    let read = node.read();
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    assert_eq!(node.outcome(read), None, "it may have been sent long ago");
}

/// [S8.15] What earlier leaders committed may be more than this one knows.
#[test]
fn a_new_leader_confirms_no_read_before_an_entry_of_its_own_term_is_committed() {
    let mut node = Node::holding(5, &[1, 2]);
    node.win();
    let first = round(&mut node);
    let read = node.read();
    assert_eq!(node.rounds(), [], "it would be too early to ask");
    for from in [2, 3] {
        node.receive(from, 6, heartbeat_reply(first));
    }
    node.time_out();
    let second = round(&mut node);
    for from in [2, 3] {
        node.receive(from, 6, heartbeat_reply(second));
    }
    assert_eq!(node.outcome(read), None, "the no-op at 3 is not committed");
    node.acknowledge(2, 3);
    assert_eq!((node.commit(), node.outcome(read)), (3, None));
    let third = round(&mut node);
    node.receive(2, 6, heartbeat_reply(third));
    assert_eq!(node.outcome(read), read_at(3));
}

/// [T6.4.17]
#[test]
fn a_read_sees_what_was_committed_when_its_round_began_and_need_not_wait_for_more() {
    let mut node = Node::leading();
    node.propose(b"before");
    node.appends_to(2);
    node.acknowledge(2, 2);
    let read = node.read();
    let round = round(&mut node);
    node.propose(b"after");
    node.appends_to(3);
    node.acknowledge(3, 3);
    assert_eq!((node.commit(), node.outcome(read)), (3, None));
    node.receive(2, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), read_at(2));
}

/// [T6.4.26]
#[test]
fn all_reads_that_come_while_a_round_is_on_its_way_share_the_next_one() {
    let mut node = Node::leading();
    let first = node.read();
    let earlier = round(&mut node);
    let others: Vec<Ticket> = (0..5).map(|_| node.read()).collect();
    assert_eq!(node.rounds(), [], "one round at a time");
    node.receive(2, 1, heartbeat_reply(earlier));
    assert_eq!(node.outcome(first), read_at(1));
    assert!(others.iter().all(|other| node.outcome(*other).is_none()));
    let later = round(&mut node);
    assert_eq!(later, earlier + 1);
    node.receive(3, 1, heartbeat_reply(later));
    assert!(
        others
            .iter()
            .all(|other| node.outcome(*other) == read_at(1))
    );
    assert_eq!(node.rounds(), [], "nobody waits any more");
}

/// [T6.4.26]
#[test]
fn reads_that_wait_go_with_the_heartbeats_that_are_due_anyway() {
    let mut node = leading_five();
    let first = node.read();
    round(&mut node);
    let second = node.read();
    node.time_out();
    let both = round(&mut node);
    for from in [4, 5] {
        node.receive(from, 1, heartbeat_reply(both));
    }
    assert_eq!(node.outcome(first), read_at(1));
    assert_eq!(node.outcome(second), read_at(1));
}

#[test]
fn reads_handed_in_together_are_resolved_each() {
    let mut node = Node::leading();
    let tickets: Vec<Ticket> = (7..10).map(Ticket::new).collect();
    node.step(Input::Read(tickets.clone()));
    let round = round(&mut node);
    node.receive(2, 1, heartbeat_reply(round));
    for ticket in tickets {
        assert_eq!(node.outcome(ticket), read_at(1));
    }
}

/// [S8.12]
#[test]
fn a_read_writes_nothing_and_waits_for_no_disk() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    let written = node.hull.last();
    let read = node.read();
    let round = round(&mut node);
    node.receive(2, 1, heartbeat_reply(round));
    assert_eq!(node.outcome(read), read_at(1));
    assert_eq!(node.hull.last(), written);
}

#[test]
fn who_leads_no_more_gives_its_reads_back() {
    let mut node = Node::leading();
    let asked = node.read();
    let waiting = node.read();
    node.receive(2, 2, vote_reply(false));
    assert_eq!(node.hull.role(), Role::Follower);
    for read in [asked, waiting] {
        assert_eq!(node.outcome(read), refused(Refusal::LeadershipLost));
    }
    node.receive(2, 2, heartbeat_reply(1));
    node.receive(2, 1, heartbeat_reply(1));
}

#[test]
fn a_leader_that_hears_no_majority_gives_its_reads_back() {
    let mut node = Node::leading();
    let read = node.read();
    node.wait(Duration::from_secs(1));
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(node.outcome(read), refused(Refusal::LeadershipLost));
}

#[test]
fn answers_of_an_earlier_term_in_office_count_for_nothing_in_a_later_one() {
    let mut node = Node::leading();
    node.read();
    let round_then = round(&mut node);
    node.receive(2, 2, vote_reply(false));
    node.elect();
    let term = node.term();
    assert!(term > 2);
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    node.sent();
    let read = node.read();
    assert_eq!(round(&mut node), round_then, "the same number again");
    for from in [2, 3] {
        node.receive(from, 1, heartbeat_reply(round_then));
    }
    assert_eq!(node.outcome(read), None);
}

#[test]
fn a_leader_that_stops_says_so_to_its_reads() {
    let mut node = Node::leading();
    let read = node.read();
    node.auto_sync = false;
    node.propose(b"x");
    node.fail_write();
    assert_eq!(node.outcome(read), refused(Refusal::Stopped));
    let late = node.read();
    assert_eq!(node.outcome(late), refused(Refusal::Stopped));
}

/// [S5.1.5]
#[test]
fn others_than_the_leader_say_who_that_is() {
    let mut follower = Node::holding(5, &[1]);
    follower.hear(2, 5);
    let mut candidate = Node::in_role(Role::Candidate);
    let mut asking = Node::in_role(Role::PreCandidate);
    let leader = Some(NodeId::new(2));
    for (node, leader) in [
        (&mut follower, leader),
        (&mut candidate, None),
        (&mut asking, None),
    ] {
        let read = node.read();
        assert_eq!(node.outcome(read), refused(Refusal::NotLeader { leader }));
    }
}

#[test]
fn a_single_voter_answers_at_once_but_not_before_its_first_entry_is_durable() {
    let mut node = Node::new(1, 1);
    node.settle();
    node.auto_sync = false;
    node.time_out();
    node.write_one();
    assert_eq!((node.hull.role(), node.commit()), (Role::Leader, 0));
    let early = node.read();
    node.time_out();
    assert_eq!(node.outcome(early), None);
    node.sync();
    assert_eq!((node.commit(), node.outcome(early)), (1, read_at(1)));
    let late = node.read();
    assert_eq!(node.outcome(late), read_at(1));
}

#[test]
fn more_reads_than_may_wait_are_refused_and_the_others_go_on() {
    let mut node = Node::leading_with(Settings {
        max_pending_reads: 2,
        ..settings()
    });
    let first = node.read();
    let tickets: Vec<Ticket> = (100..103).map(Ticket::new).collect();
    node.step(Input::Read(tickets.clone()));
    let refusal = Refusal::TooManyReads {
        pending: 1,
        limit: 2,
    };
    assert_eq!(node.outcome(tickets[0]), None);
    assert_eq!(node.outcome(tickets[1]), refused(refusal));
    assert_eq!(node.outcome(tickets[2]), refused(refusal));
    let earlier = round(&mut node);
    node.receive(2, 1, heartbeat_reply(earlier));
    let later = round(&mut node);
    node.receive(2, 1, heartbeat_reply(later));
    assert_eq!(node.outcome(first), read_at(1));
    assert_eq!(node.outcome(tickets[0]), read_at(1));
    let again = node.read();
    assert_eq!(node.outcome(again), None, "there is room again");
}

#[test]
fn settings_that_allow_no_read_are_refused() {
    let none = Settings {
        max_pending_reads: 0,
        ..settings()
    };
    let (name, never) = ("max_pending_reads", "read");
    assert_eq!(none.validate(), [SettingsProblem::Zero { name, never }]);
}

#[test]
fn a_follower_that_meets_heartbeats_out_of_order_answers_the_later_one() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5]), 0));
    node.sent();
    node.receive(2, 5, heartbeat(8, 0));
    node.receive(2, 5, heartbeat(7, 0));
    assert_eq!(node.sent_to(2), [heartbeat_reply(8)]);
    node.receive(2, 4, heartbeat(9, 0));
    node.receive(2, 5, heartbeat(9, 0));
    node.receive(2, 4, heartbeat(11, 0));
    assert_eq!(node.sent_to(2), [heartbeat_reply(9)]);
}
