//! Who is removed: a leader goes on until the others can do without it, others are told and
//! disturb nobody (thesis 4.2.2, 4.2.3). And who never comes (thesis 4.2.1).

use std::time::Duration;

use raft_core::configuration::{Configuration, Members};
use raft_core::error::Dropped;
use raft_core::hull::{Doubt, Outcome, Withdrawal};
use raft_core::ids::NodeId;
use raft_core::message::Body;
use raft_core::states::Role;
use raft_core::trace::{Event, EventKind};

use crate::support::{
    Node, append, chunks, configuration_entry, heartbeat, heartbeat_reply, id, peer, pre_vote,
    removed, request_vote, settings, vote_reply,
};

/// [S6.36] Not when it appends the configuration without itself, but when that is committed.
#[test]
fn a_leader_that_is_removed_leads_until_the_new_configuration_is_committed() {
    let mut node = Node::leading();
    let ticket = node.reconfigure(voters([2, 3]));
    node.answer_all(&[2, 3]);
    assert_eq!(members(&node), [2, 3]);
    let last = node.hull.last().index.get();
    assert_eq!((node.hull.role(), node.commit()), (Role::Leader, last - 1));
    node.answer_all(&[2]);
    assert_eq!(node.hull.role(), Role::Leader, "one of two");
    node.answer_all(&[3]);
    assert_eq!((node.hull.role(), node.commit()), (Role::Follower, last));
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(last, 1))));
}

/// [S6.36] A leader that only loses its vote steps down just the same.
#[test]
fn a_leader_that_becomes_a_learner_steps_down_when_that_is_committed() {
    let mut node = Node::leading();
    let mut target = voters([1, 2, 3]);
    let role = raft_core::configuration::MemberRole::Learner;
    target.named_mut(&NodeId::new(1)).unwrap().role = role;
    node.reconfigure(target);
    node.answer_all(&[2, 3]);
    assert_eq!(node.hull.role(), Role::Leader);
    node.answer_all(&[2, 3]);
    assert_eq!(node.hull.role(), Role::Follower);
    node.wait(settings().election_timeout * 6);
    assert_eq!(
        node.hull.role(),
        Role::Follower,
        "it does not campaign either"
    );
}

/// Whoever has everything is told to take over with the last breath of office.
#[test]
fn a_leader_that_is_removed_hands_over() {
    let mut node = Node::leading();
    node.reconfigure(voters([2, 3]));
    node.answer_all(&[2, 3]);
    node.answer_all(&[2]);
    assert!(node.sent().iter().all(|message| !hands_over(&message.body)));
    node.answer_all(&[3]);
    let told: Vec<_> = node.sent();
    let told: Vec<u64> = told
        .iter()
        .filter(|message| hands_over(&message.body))
        .map(|message| message.to.id.get())
        .collect();
    assert_eq!(told, [2], "of equals the first");
    // Who lacks the last entry is not told: it would not be elected.
    let mut node = Node::leading();
    node.reconfigure(voters([2, 3, 4]));
    node.answer_all(&[2]);
    node.answer_all(&[4]);
    node.answer_all(&[2, 3, 4]);
    assert_eq!(members(&node), [2, 3, 4]);
    node.answer_all(&[3, 4]);
    assert_eq!(node.hull.role(), Role::Follower);
    let told = node.sent();
    let told = told.iter().filter(|message| hands_over(&message.body));
    assert!(told.clone().count() == 1 && told.clone().all(|message| message.to == peer(3)));
}

/// [S6.37] From the append on it counts itself for nothing: one of two others is no majority,
/// neither for an entry nor for staying in office.
#[test]
fn a_leader_that_is_removed_counts_itself_for_nothing() {
    let mut node = Node::leading();
    node.reconfigure(voters([2, 3]));
    node.answer_all(&[2, 3]);
    node.propose(b"x");
    let last = node.hull.last().index.get();
    node.answer_all(&[2]);
    assert_eq!(node.commit(), last - 2);
    // Hearing one of two is hearing no quorum.
    for _ in 0..15 {
        node.time_out();
        node.receive(2, 1, heartbeat_reply(1));
    }
    assert_ne!(node.hull.role(), Role::Leader);
}

/// [T4.2.2.16] {1, 2} becomes {2}, and only node 1 holds that: without node 1 nobody could lead.
#[test]
fn a_node_campaigns_without_being_a_member_while_that_is_not_known_to_be_committed() {
    let mut node = removed_node(0);
    let term = node.stand_with(&[2]);
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(2, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
    // It leads to the end, and then never again.
    let last = node.hull.last().index.get();
    node.answer_all(&[2]);
    assert_eq!((node.hull.role(), node.commit()), (Role::Follower, last));
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::Follower);
}

/// [T4.2.2.16] The same where the committed configuration that holds it stands in its log, too.
#[test]
fn a_node_campaigns_by_the_last_committed_configuration_wherever_that_stands() {
    let mut node = removed_node(2);
    assert_eq!(node.commit(), 2, "both halves, of which one holds it");
    node.stand_with(&[2]);
    assert_eq!(node.hull.role(), Role::Candidate);
}

/// The other half of the rule: known to be committed, there is nothing left that needs it.
#[test]
fn a_node_does_not_campaign_once_its_removal_is_known_to_be_committed() {
    let mut node = removed_node(3);
    assert_eq!(node.commit(), 3);
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::Follower);
}

/// [T4.2.2.17] Its own vote is none of the new members'.
#[test]
fn a_candidate_that_is_no_member_does_not_count_its_own_vote() {
    let mut node = removed_node_of(voters([2, 3]), 0);
    let term = node.stand_with(&[2, 3]);
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(2, term, vote_reply(true));
    assert_eq!(
        node.hull.role(),
        Role::Candidate,
        "one of two, and its own for nothing"
    );
    node.receive(3, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// The same for pre-votes.
#[test]
fn a_pre_candidate_that_is_no_member_does_not_count_itself() {
    let mut node = removed_node_of(voters([2, 3]), 0);
    node.stand_with(&[2]);
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.stand_with(&[3]);
    assert_eq!(node.hull.role(), Role::Candidate);
}

/// Learners leave campaigns to voters, whatever they know to be committed.
#[test]
fn a_learner_never_campaigns() {
    for commit in [0, 2] {
        let mut node = Node::new(4, 0);
        node.settle();
        let mut growing = Configuration::new(voters([1, 2, 3]));
        growing.target = Some(voters([1, 2, 3, 4]));
        let entries = [chunks(1, &[1]), vec![configuration_entry(2, 1, &growing)]].concat();
        node.receive(1, 1, append(id(0, 0), entries, commit));
        node.wait(settings().election_timeout * 6);
        assert_eq!(node.hull.role(), Role::Follower);
        // A vote it gives all the same: its promotion may be on the way.
        node.receive(2, 2, request_vote(id(2, 1)));
        assert!(node.sent_to(2).contains(&vote_reply(true)));
    }
}

#[test]
fn a_node_that_knows_no_configuration_waits_to_be_told() {
    let mut node = Node::new(4, 0);
    node.settle();
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::Follower);
    assert!(node.sent().is_empty());
}

#[test]
fn who_asks_for_votes_is_told_that_it_was_removed() {
    for ask in [pre_vote(1, id(1, 1)), request_vote(id(1, 1))] {
        let mut node = Node::holding(1, &[1]);
        let smaller = Configuration::new(voters([1, 2]));
        let entry = configuration_entry(2, 1, &smaller);
        node.receive(2, 1, append(id(1, 1), vec![entry], 0));
        node.receive(3, 1, ask.clone());
        assert!(!node.sent_to(3).contains(&removed(2)), "not committed yet");
        node.receive(2, 1, heartbeat(1, 2));
        node.receive(3, 1, ask.clone());
        assert!(node.sent_to(3).contains(&removed(2)));
        node.receive(2, 1, ask);
        assert!(
            !node.sent_to(2).contains(&removed(2)),
            "a member is told nothing"
        );
    }
}

#[test]
fn a_node_stops_campaigning_when_it_is_told_and_starts_again_when_it_is_added() {
    let mut node = Node::holding(1, &[1]);
    node.ask();
    node.receive(2, 1, removed(7));
    assert_eq!(node.hull.role(), Role::Follower);
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::Follower);
    // It votes and follows as before.
    node.receive(2, 9, request_vote(id(5, 2)));
    assert!(node.sent_to(2).contains(&vote_reply(true)));
    let again = configuration_entry(8, 9, &Configuration::new(voters([1, 2, 3])));
    let entries = [chunks(2, &[1, 1, 1, 1, 1, 9]), vec![again]].concat();
    node.receive(2, 9, append(id(1, 1), entries, 0));
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

/// [T4.2.2.16] All members whom it asked tell it: it reports that once.
#[test]
fn a_node_that_is_told_by_several_that_it_was_removed_reports_it_once() {
    let mut node = Node::holding(1, &[1]);
    node.ask();
    for (teller, configuration) in [(2, 7), (3, 7), (2, 9)] {
        node.receive(teller, 1, removed(configuration));
    }
    let told = |event: &&Event| matches!(event.kind, EventKind::Removed { .. });
    assert_eq!(node.events.iter().filter(told).count(), 1);
}

/// [T4.2.2.16] What its log ends with may be what it is told of: then it knows that to be committed.
#[test]
fn a_node_that_holds_the_configuration_without_it_stops_campaigning_when_it_is_told() {
    let mut node = removed_node(0);
    node.ask();
    assert_eq!(node.hull.role(), Role::PreCandidate);
    node.receive(2, 1, removed(3));
    assert_eq!(node.hull.role(), Role::Follower);
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::Follower);
    // Of the joint one before it, it may not be told so: both halves decide there.
    let mut node = removed_node(0);
    node.ask();
    node.receive(2, 1, removed(2));
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

#[test]
fn being_told_of_an_earlier_configuration_changes_nothing() {
    let mut node = Node::holding(1, &[1]);
    let entry = configuration_entry(2, 1, &Configuration::new(voters([1, 2, 3])));
    node.receive(2, 1, append(id(1, 1), vec![entry], 2));
    node.ask();
    node.events.clear();
    node.receive(2, 1, removed(2));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

/// [T4.2.2.16] Members know of different configurations, and what they say comes in any order.
#[test]
fn of_two_who_say_that_it_was_removed_the_later_configuration_counts() {
    let mut node = Node::holding(1, &[1]);
    node.receive(2, 1, removed(7));
    node.receive(3, 1, removed(5));
    // In between it was added, of which it hears last.
    let added = configuration_entry(6, 1, &Configuration::new(voters([1, 2, 3])));
    let entries = [chunks(2, &[1, 1, 1, 1]), vec![added]].concat();
    node.receive(2, 1, append(id(1, 1), entries, 0));
    node.wait(settings().election_timeout * 6);
    assert_eq!(node.hull.role(), Role::Follower);
}

#[test]
fn a_stranger_tells_nobody_that_it_was_removed() {
    let mut node = Node::holding(1, &[1]);
    node.ask();
    node.events.clear();
    node.receive(9, 1, removed(7));
    assert_eq!(node.drops(), [Dropped::Stranger]);
    assert_eq!(node.hull.role(), Role::PreCandidate);
}

/// What is committed stays so: who was cut off campaigns in terms that the members never had.
#[test]
fn being_told_counts_in_whatever_term_the_member_is() {
    for term in [0, 5, 9] {
        let mut node = Node::in_role(Role::Candidate);
        node.receive(2, term, removed(7));
        assert_eq!(node.hull.role(), Role::Follower, "{term}");
        node.wait(settings().election_timeout * 6);
        assert_eq!(node.hull.role(), Role::Follower, "{term}");
    }
}

/// A leader goes on: what it leads with is later than what it is told of, or a later term ends it.
#[test]
fn being_told_in_its_own_term_deposes_no_leader() {
    let mut node = Node::leading();
    node.receive(2, 1, removed(7));
    assert_eq!((node.hull.role(), node.term()), (Role::Leader, 1));
}

/// [T4.2.1.15] Nobody answers under the name of the new member: the members stay what they were.
#[test]
fn a_change_is_given_up_when_a_new_member_never_answers() {
    let mut node = Node::leading();
    let ticket = node.reconfigure(voters([1, 2, 3, 4]));
    node.answer_all(&[2, 3]);
    let began = node.now;
    wait_hearing(&mut node, settings().catch_up_timeout / 2);
    assert!(node.hull.configuration().target.is_some());
    wait_hearing(&mut node, settings().catch_up_timeout);
    assert!(node.now.since(began) < settings().catch_up_timeout * 2);
    assert_eq!(
        node.hull.configuration(),
        &Configuration::new(voters([1, 2, 3]))
    );
    node.answer_all(&[2, 3]);
    let late = NodeId::new(4);
    let withdrawn = Outcome::Withdrawn(Withdrawal::NotCaughtUp { node: late });
    assert_eq!(node.outcome(ticket), Some(withdrawn));
    assert!(
        node.hull.next_index(late).is_none(),
        "it is sent nothing more"
    );
}

fn hands_over(body: &Body) -> bool {
    matches!(body, Body::TimeoutNow(_))
}

/// Node 1 of 1, 2 and 3 whose log goes by way of the joint configuration on to node 2 alone, and is
/// known to be committed as far as `commit`.
fn removed_node(commit: u64) -> Node {
    removed_node_of(voters([2]), commit)
}

/// Node 1 of 1, 2 and 3 whose log goes by way of the joint configuration on to `members`.
fn removed_node_of(target: Members, commit: u64) -> Node {
    let mut node = Node::new(1, 3);
    node.settle();
    let joint = Configuration {
        outgoing: Some(voters([1, 2, 3])),
        ..Configuration::new(target.clone())
    };
    let entries = [
        chunks(1, &[1]),
        vec![configuration_entry(2, 1, &joint)],
        vec![configuration_entry(3, 1, &Configuration::new(target))],
    ];
    node.receive(2, 1, append(id(0, 0), entries.concat(), commit));
    node
}

/// Lets time pass while nodes 2 and 3 answer each heartbeat.
fn wait_hearing(node: &mut Node, span: Duration) {
    let until = node.now.after(span);
    while node.now < until {
        node.time_out();
        for from in [2, 3] {
            let term = node.term();
            node.receive(from, term, heartbeat_reply(1));
        }
    }
}

fn voters<const N: usize>(ids: [u64; N]) -> Members {
    Configuration::of_voters(ids.map(peer)).members
}

fn members(node: &Node) -> Vec<u64> {
    let ids = node.hull.configuration().ids();
    ids.into_iter().map(NodeId::get).collect()
}

/// What goes to a node after its removal: nothing but answers.
#[test]
fn a_removed_node_is_sent_nothing_unasked() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2]));
    node.answer_all(&[2]);
    node.sent();
    node.propose(b"x");
    node.time_out();
    let sent = node.sent();
    assert!(sent.iter().all(|message| message.to == peer(2)), "{sent:?}");
    assert!(
        sent.iter()
            .any(|message| matches!(message.body, Body::AppendEntries(_)))
    );
}

/// Whoever waits is told something, whatever becomes of the leader.
#[test]
fn who_asked_to_give_a_change_up_learns_that_its_leader_is_lost() {
    let mut node = Node::leading();
    let wanted = node.reconfigure(voters([1, 2, 3, 4]));
    node.answer_all(&[2]);
    let cancelled = node.cancel();
    assert_eq!(node.outcome(cancelled), None);
    node.receive(2, 9, heartbeat(1, 0));
    let why = Doubt::LeadershipLost;
    let unknown = Some(Outcome::Unknown { id: id(3, 1), why });
    assert_eq!(
        (node.outcome(wanted), node.outcome(cancelled)),
        (unknown, unknown)
    );
}
