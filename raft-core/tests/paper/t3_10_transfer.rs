//! Handing over leadership (thesis 3.10).

use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::error::Dropped;
use raft_core::hull::{NotHandedOver, Outcome, Refusal};
use raft_core::ids::{EntryId, NodeId, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Body, RequestVote, TimeoutNow};
use raft_core::states::Role;
use raft_core::trace::EventKind;

use crate::support::{
    self, Node, append, chunks, heartbeat, heartbeat_reply, id, matched, peer, request_vote,
    settings, vote_reply,
};

/// [T3.10.17]
#[test]
fn who_holds_the_whole_log_is_told_at_once() {
    let mut node = Node::leading();
    node.hand_over(Some(2));
    assert_eq!(told(&mut node), [(2, id(1, 1))]);
    assert_eq!(told(&mut node), [], "once");
}

/// [T3.10.16]
#[test]
fn who_lacks_entries_is_sent_them_first_and_told_when_they_are_on_its_disk() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.propose(b"y");
    node.hand_over(Some(2));
    let sent = node.sent();
    let appends = sent.iter().filter(
        |message| matches!(&message.body, Body::AppendEntries(append) if !append.chunks.is_empty()),
    );
    assert!(appends.count() >= 2, "to all as ever: {sent:?}");
    assert!(!sent.iter().any(|message| is_takeover(&message.body)));
    node.receive(2, 1, heartbeat_reply(0));
    node.acknowledge(2, 2);
    assert_eq!(told(&mut node), [], "one entry is missing");
    node.acknowledge(2, 3);
    assert_eq!(told(&mut node), [(2, id(3, 1))]);
}

/// [T3.10.23] Who hands over appends nothing, and goes on with a change of members when that is over: at once, not
/// with the next heartbeats.
#[test]
fn a_change_of_members_goes_on_when_handing_over_has_failed() {
    let mut node = Node::leading();
    let members = Configuration::of_voters([peer(1), peer(2)]).members;
    node.reconfigure(members);
    node.wait(Duration::from_millis(50));
    node.hand_over(Some(2));
    node.sent();
    node.acknowledge(2, 2);
    assert!(node.commit() == 2 && node.hull.configuration().is_joint());
    for _ in 0..9 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 1, heartbeat_reply(0));
    }
    assert_eq!(node.hull.last(), id(2, 1), "it may be handed over still");
    node.wait(Duration::from_millis(99));
    assert_eq!(node.hull.last(), id(2, 1));
    node.wait(Duration::from_millis(1));
    assert_eq!(node.hull.transferring_to(), None);
    assert_eq!(node.hull.last(), id(3, 1), "the new members alone");
}

/// [T3.10.17]
#[test]
fn a_word_that_was_lost_is_said_again_in_the_next_round() {
    let mut node = Node::leading();
    node.hand_over(Some(2));
    let first = takeover(&mut node, 2);
    node.receive(2, 1, heartbeat_reply(0));
    node.wait(settings().heartbeat_interval);
    let second = takeover(&mut node, 2);
    assert_eq!(second.last, first.last);
    assert_eq!(second.round, first.round + 1);
    assert_eq!(told(&mut node), []);
}

/// [T3.10.15]
#[test]
fn while_it_hands_over_a_leader_takes_nothing_new() {
    let mut node = Node::leading();
    node.hand_over(Some(2));
    let ticket = node.propose(b"x");
    let to = NodeId::new(2);
    let refused = Some(Outcome::Refused(Refusal::Transferring { to }));
    assert_eq!(node.outcome(ticket), refused);
    assert_eq!(node.hull.last(), id(1, 1));
    assert_eq!(node.hull.transferring_to(), Some(to));
    let second = node.hand_over(Some(3));
    assert_eq!(node.outcome(second), refused, "nor another request");
    assert_eq!(told(&mut node), [(2, id(1, 1))]);
}

/// [T3.10.23]
#[test]
fn what_has_not_come_about_in_an_election_timeout_is_given_up() {
    let mut node = Node::leading();
    let ticket = node.hand_over(Some(2));
    node.sent();
    keep_in_office(&mut node, Duration::from_millis(999));
    assert_eq!(node.hull.transferring_to(), Some(NodeId::new(2)));
    assert_eq!(node.outcome(ticket), None);
    node.sent();
    node.wait(Duration::from_millis(1));
    assert_eq!(node.hull.role(), Role::Leader);
    let to = NodeId::new(2);
    let failed = Outcome::NotHandedOver(NotHandedOver::TimedOut { to });
    assert_eq!(node.outcome(ticket), Some(failed));
    assert_eq!(node.hull.transferring_to(), None);
    assert_eq!(told(&mut node), [], "no more");
    let proposed = node.propose(b"x");
    assert_eq!(node.outcome(proposed), None, "it is taken");
    assert_eq!(node.hull.last(), id(2, 1));
}

/// [T3.10.23]
#[test]
fn the_end_of_an_attempt_is_a_deadline_of_its_own() {
    let mut node = Node::leading();
    keep_in_office(&mut node, Duration::from_millis(150));
    let began = node.now;
    node.hand_over(Some(2));
    let end = began.after(settings().election_timeout);
    loop {
        let deadline = node.hull.deadline().unwrap();
        if deadline >= end {
            assert_eq!(deadline, end);
            return;
        }
        node.time_out();
        node.receive(3, 1, heartbeat_reply(0));
    }
}

/// [T3.10.18]
#[test]
fn who_is_told_campaigns_at_once_in_a_new_term_and_says_by_whose_wish() {
    let mut node = following(2, &[1, 1]);
    node.auto_sync = false;
    node.receive(2, 5, takeover_in(0, id(2, 1)));
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
    assert_eq!(node.hull.vote(), Some(NodeId::new(1)));
    assert_eq!(node.sent(), [], "it asks when its own vote is durable");
    node.sync();
    let asked: Vec<Body> = node.sent().into_iter().map(|sent| sent.body).collect();
    let by_wish = Body::RequestVote(RequestVote {
        last: id(2, 1),
        transfer: true,
    });
    assert_eq!(asked, [by_wish.clone(), by_wish]);
    node.receive(3, 6, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// [T3.10.18]
#[test]
fn the_next_election_is_an_ordinary_one() {
    let mut node = following(2, &[1]);
    node.receive(2, 5, takeover_in(0, id(1, 1)));
    node.sent();
    node.time_out();
    assert_eq!(node.hull.role(), Role::PreCandidate, "it asks first");
    node.pre_vote(2, true);
    assert_eq!(node.hull.role(), Role::Candidate);
    for body in node.sent_to(3) {
        assert_eq!(body, request_vote(id(1, 1)));
    }
    // Nor does being leader, or follower, of another term keep anything.
    let mut node = following(2, &[1]);
    node.receive(2, 5, takeover_in(0, id(1, 1)));
    node.receive(3, 7, heartbeat(0, 0));
    node.sent();
    node.stand();
    assert_eq!(node.hull.role(), Role::Candidate);
    assert!(node.sent_to(2).contains(&request_vote(id(1, 1))));
}

/// [T3.10.18]
#[test]
fn a_word_of_an_earlier_term_or_of_another_than_the_leader_is_not_obeyed() {
    let mut node = following(2, &[1]);
    node.events.clear();
    node.receive(2, 4, takeover_in(9, id(1, 1)));
    node.receive(3, 5, takeover_in(9, id(1, 1)));
    node.receive(7, 5, takeover_in(9, id(1, 1)));
    let late = Dropped::LateTakeover;
    assert_eq!(node.drops(), [Dropped::StaleTerm, late, late]);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
    assert_eq!(node.sent(), [], "and not answered");
    node.receive(2, 6, takeover_in(0, id(1, 1)));
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 6));
    assert_eq!(
        node.drops(),
        [late],
        "who leads the later term is not known"
    );
}

/// [T3.10.18]
#[test]
fn a_word_that_comes_late_or_again_is_not_obeyed() {
    let mut node = following(2, &[1]);
    node.receive(2, 5, heartbeat(4, 0));
    node.events.clear();
    node.receive(2, 5, takeover_in(3, id(1, 1)));
    assert_eq!(node.drops(), [Dropped::LateTakeover], "round 4 was heard");
    node.receive(2, 5, takeover_in(4, id(1, 1)));
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
    node.events.clear();
    node.receive(2, 5, takeover_in(4, id(1, 1)));
    node.receive(2, 6, takeover_in(4, id(1, 1)));
    assert_eq!(node.drops(), [Dropped::StaleTerm, Dropped::LateTakeover]);
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
}

/// [T3.10.18]
#[test]
fn a_word_about_another_log_is_not_obeyed() {
    for last in [id(2, 1), id(4, 1), id(3, 2)] {
        let mut node = following(2, &[1, 1, 1]);
        node.events.clear();
        node.receive(2, 5, takeover_in(9, last));
        assert_eq!(node.drops(), [Dropped::LateTakeover], "{last}");
        assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
    }
}

/// [T3.10.18]
#[test]
fn a_word_from_before_a_restart_is_not_obeyed() {
    let mut node = following(2, &[1]);
    node.restart();
    node.settle();
    node.events.clear();
    node.receive(2, 5, takeover_in(9, id(1, 1)));
    assert_eq!(node.drops(), [Dropped::LateTakeover]);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
}

/// [T3.10.18]
#[test]
fn only_a_follower_takes_over() {
    for role in [Role::PreCandidate, Role::Candidate, Role::Leader] {
        let mut node = Node::in_role(role);
        node.sent();
        let (term, last) = (node.term(), node.hull.last());
        node.events.clear();
        node.receive(2, term, takeover_in(9, last));
        assert_eq!((node.hull.role(), node.term()), (role, term));
        assert_eq!(node.drops().len(), 1);
        assert_eq!(node.sent(), []);
    }
}

/// [T3.10.18]
#[test]
fn learners_strangers_and_nodes_without_a_disk_do_not_take_over() {
    let mut setup = support::setup(1, 3);
    setup.founding = Configuration::new([
        (NodeId::new(1), member(1, MemberRole::Learner)),
        (NodeId::new(2), member(2, MemberRole::Voter)),
        (NodeId::new(3), member(3, MemberRole::Voter)),
    ]);
    refuses_to_take_over(Node::with_setup(setup, MemoryLog::new()));
    let mut setup = support::setup(1, 3);
    setup.founding = Configuration::of_voters([peer(2), peer(3)]);
    refuses_to_take_over(Node::with_setup(setup, MemoryLog::new()));

    let mut node = following(2, &[1]);
    node.auto_sync = false;
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5]), 0));
    for _ in 0..60 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 5, heartbeat(1, 0));
    }
    node.events.clear();
    node.receive(2, 5, takeover_in(1, id(2, 5)));
    assert_eq!(node.drops(), [Dropped::MayNotLead], "its disk is stalled");
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
}

/// [T3.10.15]
#[test]
fn a_request_that_can_not_be_met_is_refused_with_the_reason() {
    let refused = |node: &mut Node, to: u64| {
        let ticket = node.hand_over(Some(to));
        assert_eq!(node.hull.transferring_to(), None);
        match node.outcome(ticket) {
            Some(Outcome::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let mut setup = support::setup(1, 3);
    let learner = (NodeId::new(4), member(4, MemberRole::Learner));
    let witness = (NodeId::new(5), member(5, MemberRole::Witness));
    setup.founding.members.extend([learner, witness]);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.elect();
    let may_not = |node| Refusal::MayNotLead {
        node: NodeId::new(node),
    };
    assert_eq!(refused(&mut node, 1), Refusal::AlreadyLeads);
    assert_eq!(
        [4, 5, 6].map(|to| refused(&mut node, to)),
        [4, 5, 6].map(may_not)
    );
    for _ in 0..10 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 1, heartbeat_reply(0));
        node.receive(5, 1, heartbeat_reply(0));
    }
    assert_eq!(refused(&mut node, 3), Refusal::NobodyToLead, "it is silent");

    let mut follower = following(2, &[1]);
    let leader = Some(NodeId::new(2));
    assert_eq!(refused(&mut follower, 3), Refusal::NotLeader { leader });
    let mut stopped = Node::leading();
    stopped.propose(b"x");
    stopped.auto_sync = false;
    stopped.propose(b"y");
    stopped.fail_write();
    assert_eq!(refused(&mut stopped, 2), Refusal::Stopped);
}

/// [T3.10.15] Who votes in the outgoing half alone would only have to hand over again.
#[test]
fn who_is_on_its_way_out_is_not_handed_over_to() {
    let mut node = Node::leading();
    node.grow_to([1, 2, 4]);
    let leaves = NodeId::new(3);
    let ticket = node.hand_over(Some(3));
    let refused = Outcome::Refused(Refusal::MayNotLead { node: leaves });
    assert_eq!(node.outcome(ticket), Some(refused));
}

/// [T3.10.15]
#[test]
fn whom_it_goes_to_is_the_fittest_if_nobody_is_named() {
    let begun = |heard: &[u64], priorities: [u8; 4]| {
        let mut setup = support::setup(1, 4);
        for (member, priority) in setup.founding.members.values_mut().zip(priorities) {
            member.priority = priority;
        }
        Arc::make_mut(&mut setup.settings).hand_over_after = None;
        let mut node = Node::with_setup(setup, MemoryLog::new());
        node.settle();
        node.elect();
        for follower in 2..=4 {
            node.acknowledge(follower, 1);
        }
        for _ in 0..10 {
            node.wait(Duration::from_millis(100));
            for follower in heard {
                node.receive(*follower, 1, heartbeat_reply(0));
            }
        }
        let ticket = node.hand_over(None);
        match node.outcome(ticket) {
            Some(Outcome::Refused(refusal)) => Err(refusal),
            _ => Ok(node.hull.transferring_to().unwrap().get()),
        }
    };
    assert_eq!(begun(&[2, 3, 4], [1, 1, 1, 1]), Ok(2));
    assert_eq!(begun(&[2, 3, 4], [1, 1, 5, 1]), Ok(3));
    assert_eq!(begun(&[2, 3, 4], [9, 1, 5, 7]), Ok(4));
    assert_eq!(begun(&[2, 3], [1, 1, 1, 9]), Ok(2), "4 is silent");
    let mut alone = Node::new(1, 1);
    alone.settle();
    alone.time_out();
    let ticket = alone.hand_over(None);
    let nobody = Some(Outcome::Refused(Refusal::NobodyToLead));
    assert_eq!(alone.outcome(ticket), nobody);
}

/// [T3.10.17]
#[test]
fn what_becomes_of_it_is_told_once_when_office_is_given_up() {
    // The other took over.
    let mut node = Node::leading();
    let ticket = node.hand_over(Some(2));
    node.sent();
    let by_wish = RequestVote {
        last: id(1, 1),
        transfer: true,
    };
    node.receive(2, 2, Body::RequestVote(by_wish));
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 2));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    let to = NodeId::new(2);
    assert_eq!(node.outcome(ticket), Some(Outcome::HandedOver { to }));
    assert_eq!(node.hull.transferring_to(), None);

    // Somebody else did before it was told.
    let mut node = Node::leading();
    node.propose(b"x");
    let ticket = node.hand_over(Some(2));
    node.receive(3, 2, heartbeat(0, 0));
    let lost = Outcome::NotHandedOver(NotHandedOver::LeadershipLost);
    assert_eq!(node.outcome(ticket), Some(lost));

    // The disk failed.
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    let ticket = node.hand_over(Some(2));
    node.fail_write();
    let stopped = Outcome::NotHandedOver(NotHandedOver::Stopped);
    assert_eq!(node.outcome(ticket), Some(stopped));
}

/// [T3.10.15]
#[test]
fn who_leads_again_hands_over_nothing() {
    let mut node = Node::leading();
    node.hand_over(Some(2));
    node.sent();
    node.receive(3, 2, heartbeat(0, 0));
    node.sent();
    node.elect();
    assert_eq!(node.hull.transferring_to(), None);
    assert_eq!(told(&mut node), []);
    let ticket = node.propose(b"x");
    assert_eq!(node.outcome(ticket), None, "proposals are taken");
}

#[test]
fn beginning_ending_and_obeying_are_reported() {
    let mut node = Node::leading();
    node.events.clear();
    node.hand_over(Some(3));
    node.sent();
    keep_in_office(&mut node, Duration::from_millis(1_000));
    let to = NodeId::new(3);
    let reported: Vec<EventKind> = node.events.iter().map(|event| event.kind).collect();
    let began = EventKind::TransferBegan { to };
    assert_eq!(reported, [began, EventKind::TransferEnded { to }]);
    let mut node = following(2, &[1]);
    node.events.clear();
    node.receive(2, 5, takeover_in(0, id(1, 1)));
    let (from, term) = (NodeId::new(2), Term::new(5));
    assert_eq!(node.events[0].kind, EventKind::TookOver { from, term });
}

/// Lets this much time pass, in which both followers answer.
fn keep_in_office(node: &mut Node, span: Duration) {
    let until = node.now.after(span);
    let step = Duration::from_millis(50);
    while node.now < until {
        node.wait(step.min(until.since(node.now)));
        for follower in [2, 3] {
            node.receive(follower, 1, heartbeat_reply(0));
        }
    }
}

fn takeover_in(round: u64, last: EntryId) -> Body {
    Body::TimeoutNow(TimeoutNow { round, last })
}

const fn is_takeover(body: &Body) -> bool {
    matches!(body, Body::TimeoutNow(_))
}

/// Who is told now to take over, and with which last entry.
fn told(node: &mut Node) -> Vec<(u64, EntryId)> {
    let sent = node.sent().into_iter();
    sent.filter_map(|message| match message.body {
        Body::TimeoutNow(told) => Some((message.to.id.get(), told.last)),
        _ => None,
    })
    .collect()
}

/// The word to take over that `to` is sent now.
fn takeover(node: &mut Node, to: u64) -> TimeoutNow {
    let sent = node.sent_to(to);
    match sent.iter().find(|body| is_takeover(body)) {
        Some(Body::TimeoutNow(told)) => *told,
        _ => panic!("{sent:?}"),
    }
}

/// Node 1 of three in term 5, which has heard node `leader` lead it and holds these entries.
fn following(leader: u64, terms: &[u64]) -> Node {
    let mut node = Node::holding(5, terms);
    node.receive(leader, 5, heartbeat(0, 0));
    node.sent();
    assert_eq!(node.hull.leader(), Some(NodeId::new(leader)));
    node
}

fn member(id: u64, role: MemberRole) -> Member {
    let voter = Member::voter(peer(id).incarnation);
    Member { role, ..voter }
}

/// The node, which holds nothing and is no voter, is told to take over.
fn refuses_to_take_over(mut node: Node) {
    node.settle();
    node.receive(2, 5, append(id(0, 0), chunks(1, &[5]), 0));
    assert_eq!(node.sent_to(2), [matched(1, 1)]);
    node.events.clear();
    node.receive(2, 5, takeover_in(0, id(1, 5)));
    assert_eq!(node.drops(), [Dropped::MayNotLead]);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 5));
}

/// [F2.FOL.2] A vote is a vote, whoever wished for the election.
#[test]
fn a_vote_for_who_takes_over_restarts_the_timer() {
    let mut node = Node::holding(5, &[1]);
    node.hear(3, 5);
    node.sent();
    let half = settings().election_timeout * 9 / 10;
    node.wait(half);
    let transfer = true;
    let last = id(1, 1);
    node.receive(2, 6, Body::RequestVote(RequestVote { last, transfer }));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    node.wait(half);
    assert_eq!(node.hull.role(), Role::Follower);
}
