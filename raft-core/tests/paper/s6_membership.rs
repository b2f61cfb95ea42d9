//! Changing the members: joint consensus, one entry after the other (paper 6; thesis 4.1, 4.3).

use raft_core::configuration::{Configuration, Member, MemberRole, Members};
use raft_core::hull::{Doubt, Outcome, Refusal, Withdrawal};
use raft_core::ids::{Incarnation, NodeId};
use raft_core::message::Body;
use raft_core::rules::reconfigure::TargetProblem;
use raft_core::states::Role;

use crate::support::{
    Node, append, chunks, configuration_entry, heartbeat_reply, id, index, peer, vote_reply,
};

/// [S6.20] [S6.12] Nobody new is to vote: the joint configuration comes at once, and the new one
/// only when that is committed.
#[test]
fn a_removal_goes_through_the_joint_configuration() {
    let mut node = Node::leading();
    let ticket = node.reconfigure(voters([1, 2]));
    assert_eq!(shape(&node), (vec![1, 2], Some(vec![1, 2, 3]), None));
    assert_eq!(node.outcome(ticket), None);
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    assert_eq!(shape(&node), (vec![1, 2], None, None));
    assert_eq!((node.hull.last(), node.outcome(ticket)), (id(3, 1), None));
    node.sent();
    node.acknowledge(2, 3);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(3, 1))));
}

/// [S6.28] Complete is what the new majority holds: the old one's word for the last entry counts
/// for nothing.
#[test]
fn a_change_is_complete_when_the_new_majority_holds_the_new_configuration() {
    let mut node = Node::leading();
    node.grow_to([1, 4, 5]);
    let ticket = node.last_ticket();
    node.answer_all(&[2, 3, 4, 5]);
    // Joint is committed, and the new members' entry is the last; 2 and 3 are out.
    assert_eq!(shape(&node), (vec![1, 4, 5], None, None));
    assert_eq!(node.outcome(ticket), None);
    let last = node.hull.last().index.get();
    node.acknowledge(2, last);
    node.acknowledge(3, last);
    assert_eq!(node.outcome(ticket), None);
    node.sent();
    node.acknowledge(4, last);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(last, 1))));
}

/// [S6.14] Who is in either half is sent the log; who is in none is not.
#[test]
fn entries_go_to_both_halves_while_joint_and_to_the_new_members_after() {
    let mut node = Node::leading();
    node.grow_to([1, 2, 4]);
    assert_eq!(shape(&node), (vec![1, 2, 4], Some(vec![1, 2, 3]), None));
    node.sent();
    node.propose(b"joint");
    assert_eq!(node.destinations(), [2, 3, 4].map(NodeId::new));
    node.answer_all(&[2, 3, 4]);
    node.answer_all(&[2, 4]);
    assert_eq!(shape(&node), (vec![1, 2, 4], None, None));
    node.sent();
    node.propose(b"after");
    assert_eq!(node.destinations(), [2, 4].map(NodeId::new));
}

/// The follower tells late requests from new ones by their numbers. Had they begun anew, what it is asked now
/// would count as a copy of what it was asked before it was removed, and would never be answered.
#[test]
fn who_was_removed_and_is_added_again_is_asked_under_new_numbers() {
    let mut node = Node::leading();
    node.answer_all(&[2, 3]);
    node.propose(b"before");
    let asked = |node: &mut Node| node.appends_to(3).into_iter().map(|append| append.request);
    let before = asked(&mut node).max().unwrap();
    node.answer_all(&[2, 3]);
    node.reconfigure(voters([1, 2]));
    node.answer_all(&[2, 3]);
    node.answer_all(&[2]);
    assert_eq!(shape(&node), (vec![1, 2], None, None));
    node.sent();
    node.reconfigure(voters([1, 2, 3]));
    let after = asked(&mut node).min().unwrap();
    assert!(after > before, "{after} after {before}");
}

/// [S6.16] A command in a joint configuration is committed when both halves hold it, and neither
/// alone decides.
#[test]
fn neither_half_commits_alone() {
    for (half, other) in [([2, 3], [4, 5]), ([4, 5], [2, 3])] {
        let mut node = Node::leading();
        node.grow_to([1, 4, 5]);
        node.sent();
        let joint = node.hull.last().index.get();
        for from in half {
            node.acknowledge(from, joint);
        }
        assert!(node.commit() < joint, "{half:?} alone");
        node.acknowledge(other[0], joint);
        assert_eq!(node.commit(), joint);
    }
}

/// [S6.16] The same for elections; [S6.15] either half's voters may lead.
#[test]
fn neither_half_elects_alone() {
    for (me, own_half, other_half) in [(2, vec![1], [4, 5]), (4, vec![5], [1, 2])] {
        let mut node = follower_of_joint(me);
        let term = node.stand_with(&[1, 2, 3, 4, 5]);
        for from in own_half {
            node.receive(from, term, vote_reply(true));
        }
        node.receive(other_half[0], term, vote_reply(true));
        assert_eq!(
            node.hull.role(),
            Role::Candidate,
            "n{me}: the own half alone"
        );
        node.receive(other_half[1], term, vote_reply(true));
        assert_eq!(node.hull.role(), Role::Leader, "n{me}");
    }
}

/// [S6.33a] Who is new to voting first receives the log and counts for nothing.
#[test]
fn new_voters_wait_as_learners() {
    let mut node = Node::leading();
    let ticket = node.reconfigure(voters([1, 2, 3, 4, 5]));
    assert_eq!(
        shape(&node),
        (vec![1, 2, 3], None, Some(vec![1, 2, 3, 4, 5]))
    );
    assert_eq!(node.destinations(), [2, 3, 4, 5].map(NodeId::new));
    node.sent();
    node.propose(b"x");
    node.sent();
    // Three of five hold it, and two of the three that count do not.
    node.acknowledge(4, 3);
    node.acknowledge(5, 3);
    assert_eq!(node.commit(), 1);
    node.acknowledge(2, 3);
    assert_eq!(node.commit(), 3);
    assert_eq!(node.outcome(ticket), None);
}

/// [S6.33a] Until they vote they hold what is committed, and nothing that could keep them from voting for somebody
/// else; from then on they are sent all.
#[test]
fn new_voters_are_sent_what_is_committed_until_they_vote() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    let sent = |node: &mut Node| -> Vec<u64> {
        let appends = node.appends_to(4);
        let chunks = appends.iter().flat_map(|append| append.chunks.iter());
        chunks.map(|chunk| chunk.last_index().get()).collect()
    };
    node.sent();
    node.acknowledge(4, 1);
    assert_eq!(
        sent(&mut node),
        [],
        "who it is to vote with is not committed"
    );
    node.acknowledge(2, 2);
    assert_eq!((node.commit(), sent(&mut node)), (2, vec![2]));
    node.acknowledge(4, 2);
    assert!(node.hull.configuration().is_joint());
    assert_eq!((node.commit(), sent(&mut node)), (2, vec![3]));
}

/// [S6.34] Once all of them have caught up, and not before, the joint configuration comes.
#[test]
fn a_change_waits_until_every_new_voter_has_caught_up() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4, 5]));
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    node.acknowledge(4, 2);
    assert!(!node.hull.configuration().is_joint());
    node.acknowledge(5, 2);
    assert_eq!(
        shape(&node),
        (vec![1, 2, 3, 4, 5], Some(vec![1, 2, 3]), None)
    );
}

/// [S6.33b] A learner of the target waits for nobody and nobody waits for it.
#[test]
fn a_learner_joins_with_one_entry_and_counts_for_nothing() {
    let mut node = Node::leading();
    let mut target = voters([1, 2, 3, 4]);
    set_role(&mut target, 4, MemberRole::Learner);
    let ticket = node.reconfigure(target.clone());
    assert_eq!(node.hull.configuration(), &Configuration::new(target));
    node.sent();
    node.acknowledge(4, 2);
    assert_eq!(node.commit(), 1);
    node.acknowledge(2, 2);
    assert_eq!(node.outcome(ticket), Some(Outcome::Committed(id(2, 1))));
}

/// [S6.26] Whoever leads when the joint configuration is committed appends the new one: here a
/// leader that only found it in its log.
#[test]
fn a_later_leader_finishes_the_change() {
    let mut node = follower_of_joint(2);
    let term = node.stand_with(&[1, 2, 3, 4, 5]);
    for from in [1, 4, 5] {
        node.receive(from, term, vote_reply(true));
    }
    assert_eq!(node.hull.role(), Role::Leader);
    node.sent();
    let no_op = node.hull.last().index.get();
    for from in [1, 4] {
        node.acknowledge(from, no_op - 1);
    }
    assert!(
        node.hull.configuration().is_joint(),
        "known to be held, not committed"
    );
    node.acknowledge(1, no_op);
    assert!(
        node.hull.configuration().is_joint(),
        "the new half holds it not"
    );
    node.acknowledge(4, no_op);
    node.acknowledge(5, no_op);
    assert_eq!(shape(&node), (vec![3, 4, 5], None, None));
    assert_eq!(node.hull.last(), id(no_op + 1, term));
}

/// The same from the catch-up: the target is in the log, and a later leader begins the rounds
/// anew.
#[test]
fn a_later_leader_goes_on_catching_up() {
    let mut node = Node::holding(5, &[1]);
    let mut waits = Configuration::new(voters([1, 2, 3]));
    waits.target = Some(voters([1, 2, 3, 4]));
    node.receive(
        2,
        5,
        append(id(1, 1), vec![configuration_entry(2, 5, &waits)], 0),
    );
    assert_eq!(node.hull.configuration(), &waits);
    let term = node.stand_with(&[2, 3]);
    node.receive(2, term, vote_reply(true));
    node.sent();
    let no_op = node.hull.last().index.get();
    node.acknowledge(4, no_op);
    assert!(
        node.hull.configuration().target.is_some(),
        "nothing committed yet"
    );
    node.acknowledge(2, no_op);
    assert_eq!(shape(&node), (vec![1, 2, 3, 4], Some(vec![1, 2, 3]), None));
}

/// [T4.1.31e] The bug of 2015: before the no-op of its term is committed, a leader changes nothing.
#[test]
fn no_change_begins_before_an_entry_of_the_own_term_is_committed() {
    let mut node = Node::holding(5, &[1, 2]);
    node.elect();
    let early = node.reconfigure(voters([1, 2]));
    let refused = Outcome::Refused(Refusal::TermNotCommitted);
    assert_eq!(node.outcome(early), Some(refused));
    // All of the earlier terms is held by all, and still nothing may begin.
    node.acknowledge(2, 2);
    node.acknowledge(3, 2);
    let still = node.reconfigure(voters([1, 2]));
    assert_eq!(node.outcome(still), Some(refused));
    assert_eq!(shape(&node), (vec![1, 2, 3], None, None));
    node.acknowledge(2, 3);
    let now = node.reconfigure(voters([1, 2]));
    assert_eq!(node.outcome(now), None);
    assert!(node.hull.configuration().is_joint());
}

/// [T4.1.31e] To give a change up is one, too.
#[test]
fn no_change_is_given_up_before_an_entry_of_the_own_term_is_committed() {
    let mut node = Node::holding(5, &[1]);
    let mut waits = Configuration::new(voters([1, 2, 3]));
    waits.target = Some(voters([1, 2, 3, 4]));
    let entry = configuration_entry(2, 5, &waits);
    node.receive(2, 5, append(id(1, 1), vec![entry], 2));
    assert_eq!(node.commit(), 2);
    let term = node.stand_with(&[2, 3]);
    node.receive(2, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
    let early = node.cancel();
    let refused = Outcome::Refused(Refusal::TermNotCommitted);
    assert_eq!(node.outcome(early), Some(refused));
    assert_eq!(node.hull.configuration(), &waits);
    node.answer_all(&[2]);
    let now = node.cancel();
    assert_eq!(node.outcome(now), None);
    assert_eq!(shape(&node), (vec![1, 2, 3], None, None));
}

/// [T4.3.27] One change at a time, in each of its phases.
#[test]
fn a_change_is_refused_while_another_is_under_way() {
    let mut node = Node::leading();
    let first = node.reconfigure(voters([1, 2, 3, 4]));
    let refused = |node: &mut Node| {
        let ticket = node.reconfigure(voters([1, 2]));
        match node.outcome(ticket) {
            Some(Outcome::Refused(Refusal::ChangeUnderWay { since })) => since.get(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&mut node), 2, "the catch-up is not committed");
    node.answer_all(&[2]);
    assert_eq!(refused(&mut node), 2, "the new voter has not caught up");
    node.answer_all(&[4]);
    assert_eq!(
        refused(&mut node),
        3,
        "the joint configuration is not committed"
    );
    node.answer_all(&[2, 3, 4]);
    assert_eq!(
        refused(&mut node),
        4,
        "the new configuration is not committed"
    );
    assert_eq!(node.outcome(first), None);
    node.answer_all(&[2, 3, 4]);
    assert_eq!(node.outcome(first), Some(Outcome::Committed(id(4, 1))));
    let next = node.reconfigure(voters([1, 2]));
    assert_eq!(node.outcome(next), None);
}

#[test]
fn a_target_that_can_not_be_is_refused_with_the_reason() {
    let mut node = Node::leading();
    let ticket = node.reconfigure(Members::new());
    let nobody = Refusal::Target(TargetProblem::NobodyMayLead);
    assert_eq!(node.outcome(ticket), Some(Outcome::Refused(nobody)));
    let mut other_life = voters([1, 2, 3]);
    other_life.insert(NodeId::new(3), Member::voter(Incarnation::new(7)));
    let ticket = node.reconfigure(other_life);
    let refusal = Refusal::Target(TargetProblem::OtherLife {
        node: NodeId::new(3),
    });
    assert_eq!(node.outcome(ticket), Some(Outcome::Refused(refusal)));
    assert_eq!(node.hull.last(), id(1, 1), "nothing was appended");
}

#[test]
fn only_a_leader_changes_the_members_and_others_say_who_that_is() {
    for role in [Role::Follower, Role::PreCandidate, Role::Candidate] {
        let mut node = Node::in_role(role);
        let ticket = node.reconfigure(voters([1, 2]));
        let leader = node.hull.leader();
        let refused = Outcome::Refused(Refusal::NotLeader { leader });
        assert_eq!(node.outcome(ticket), Some(refused));
        let ticket = node.cancel();
        assert_eq!(node.outcome(ticket), Some(refused));
    }
    let mut node = Node::leading();
    node.propose(b"x");
    node.fail_write();
    let ticket = node.reconfigure(voters([1, 2]));
    let stopped = Some(Outcome::Refused(Refusal::Stopped));
    assert_eq!(node.outcome(ticket), stopped);
    let ticket = node.cancel();
    assert_eq!(node.outcome(ticket), stopped);
}

#[test]
fn a_leader_that_loses_office_leaves_the_change_in_doubt() {
    let mut node = Node::leading();
    let ticket = node.reconfigure(voters([1, 2]));
    node.receive(2, 9, append(id(0, 0), vec![], 0));
    let why = Doubt::LeadershipLost;
    let unknown = Outcome::Unknown { id: id(2, 1), why };
    assert_eq!(node.outcome(ticket), Some(unknown));
}

#[test]
fn a_change_is_cancelled_while_it_waits_and_not_later() {
    let mut node = Node::leading();
    let nothing = Some(Outcome::Refused(Refusal::NothingToCancel));
    let early = node.cancel();
    assert_eq!(node.outcome(early), nothing);
    let ticket = node.reconfigure(voters([1, 2, 3, 4]));
    let at_once = node.cancel();
    let since = index(2);
    let under_way = Outcome::Refused(Refusal::ChangeUnderWay { since });
    assert_eq!(node.outcome(at_once), Some(under_way));
    node.answer_all(&[2]);
    let cancelled = node.cancel();
    assert_eq!(shape(&node), (vec![1, 2, 3], None, None));
    let again = node.cancel();
    assert_eq!(node.outcome(again), nothing);
    assert_eq!(
        (node.outcome(ticket), node.outcome(cancelled)),
        (None, None)
    );
    node.answer_all(&[2]);
    let withdrawn = Outcome::Withdrawn(Withdrawal::Cancelled);
    assert_eq!(node.outcome(ticket), Some(withdrawn));
    let done = Outcome::Committed(id(3, 1));
    assert_eq!(node.outcome(cancelled), Some(done));
    assert_eq!(node.destinations_after_rest(), [2, 3].map(NodeId::new));
    let ticket = node.reconfigure(voters([1, 2]));
    let joint = node.cancel();
    assert_eq!(node.outcome(joint), nothing, "there is no way back");
    assert_eq!(node.outcome(ticket), None);
}

/// [T3.10.15] Who hands over appends nothing, a configuration no more than a command; what is under
/// way goes on when that has failed.
#[test]
fn a_change_waits_while_leadership_is_handed_over() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    node.answer_all(&[2, 3]);
    node.hand_over(Some(2));
    let to = NodeId::new(2);
    let handing_over = Some(Outcome::Refused(Refusal::Transferring { to }));
    let cancelled = node.cancel();
    assert_eq!(node.outcome(cancelled), handing_over);
    let waits = node.hull.configuration().clone();
    node.answer_all(&[4]);
    assert_eq!(node.hull.configuration(), &waits);
    while node.hull.transferring_to().is_some() {
        node.time_out();
        for from in [2, 3] {
            node.receive(from, 1, heartbeat_reply(1));
        }
    }
    node.answer_all(&[4]);
    assert!(node.hull.configuration().is_joint());
    node.answer_all(&[2, 3, 4]);
    node.answer_all(&[2, 3, 4]);
    node.hand_over(Some(2));
    let other = node.reconfigure(voters([1, 2]));
    assert_eq!(node.outcome(other), handing_over);
}

/// A plan is what then happens, and changes nothing by itself.
#[test]
fn what_is_planned_is_what_is_appended() {
    let mut node = Node::leading();
    let target = voters([1, 4, 5]);
    let plan = node.hull.plan(&target).unwrap();
    assert_eq!(node.hull.last(), id(1, 1));
    node.reconfigure(target);
    let mut phases = vec![node.hull.configuration().clone()];
    for _ in 0..6 {
        node.answer_all(&[2, 3]);
        node.answer_all(&[4, 5]);
        if phases.last() != Some(node.hull.configuration()) {
            phases.push(node.hull.configuration().clone());
        }
    }
    let planned: Vec<Configuration> = plan
        .phases
        .into_iter()
        .map(|phase| phase.configuration)
        .collect();
    assert_eq!(phases, planned);
    let nobody = node.hull.plan(&Members::new());
    assert_eq!(nobody, Err(TargetProblem::NobodyMayLead));
}

/// A leader knows its own life: under its name in another life it counts for nothing.
#[test]
fn another_life_of_this_node_is_not_this_node() {
    let mut node = Node::holding(5, &[1]);
    let mut members = voters([1, 2, 3]);
    members.insert(NodeId::new(1), Member::voter(Incarnation::new(7)));
    let other = Configuration::new(members);
    node.receive(
        2,
        5,
        append(id(1, 1), vec![configuration_entry(2, 5, &other)], 2),
    );
    assert_eq!(node.commit(), 2);
    node.wait(raft_core::settings::Settings::default().election_timeout * 5);
    assert_eq!(
        node.hull.role(),
        Role::Follower,
        "it is not the one that may lead"
    );
}

/// A configuration, once removed, sends nothing to who was in it, and what comes from there moves
/// nothing.
#[test]
fn a_removed_node_holds_nothing_that_counts() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2]));
    node.answer_all(&[2, 3]);
    assert_eq!(shape(&node), (vec![1, 2], None, None));
    node.sent();
    node.acknowledge(3, 3);
    assert_eq!(node.commit(), 2);
    assert_eq!(node.hull.match_index(NodeId::new(3)), None);
    node.acknowledge(2, 3);
    assert_eq!(node.commit(), 3);
}

/// A new member is taken to hold nothing, whatever the leader holds.
#[test]
fn nothing_is_known_of_a_new_member() {
    let mut node = Node::leading();
    for command in [b"a", b"b", b"c"] {
        node.propose(command);
    }
    node.answer_all(&[2, 3]);
    node.reconfigure(voters([1, 2, 3, 4]));
    assert_eq!(node.hull.match_index(NodeId::new(4)), Some(index(0)));
    let next = node.hull.next_index(NodeId::new(4)).unwrap();
    assert!(next <= node.hull.last().index.next());
}

/// The whole change over a restart in its middle: the log says where it stands.
#[test]
fn a_restart_finds_the_change_where_it_was() {
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2, 3, 4]));
    let waits = node.hull.configuration().clone();
    node.restart();
    assert_eq!(node.hull.configuration(), &waits);
    let mut node = Node::leading();
    node.reconfigure(voters([1, 2]));
    node.restart();
    assert_eq!(shape(&node), (vec![1, 2], Some(vec![1, 2, 3]), None));
}

/// Only who may vote is asked to.
#[test]
fn nobody_asks_a_learner_for_its_vote() {
    let mut node = Node::holding(5, &[1]);
    let mut members = voters([1, 2, 3]);
    set_role(&mut members, 3, MemberRole::Learner);
    let entry = configuration_entry(2, 5, &Configuration::new(members));
    node.receive(2, 5, append(id(1, 1), vec![entry], 0));
    node.ask();
    let asked = |node: &mut Node| -> Vec<NodeId> {
        let sent = node.sent().into_iter();
        sent.filter(|message| matches!(message.body, Body::PreVote(_) | Body::RequestVote(_)))
            .map(|message| message.to.id)
            .collect()
    };
    assert_eq!(asked(&mut node), [NodeId::new(2)]);
    node.time_out();
    node.stand_with(&[2]);
    assert_eq!(node.hull.role(), Role::Candidate);
    // A learner's vote, given all the same, elects nobody.
    let term = node.term();
    node.receive(3, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(2, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// Node `me`, follower of a leader that has changed 1, 2, 3 to 3, 4, 5 as far as the joint
/// configuration.
fn follower_of_joint(me: u64) -> Node {
    let mut node = Node::new(me, 3);
    node.settle();
    let joint = Configuration {
        outgoing: Some(voters([1, 2, 3])),
        ..Configuration::new(voters([3, 4, 5]))
    };
    let entries = [chunks(1, &[1]), vec![configuration_entry(2, 1, &joint)]].concat();
    node.receive(1, 1, append(id(0, 0), entries, 0));
    assert_eq!(node.hull.configuration(), &joint);
    node
}

fn voters<const N: usize>(ids: [u64; N]) -> Members {
    Configuration::of_voters(ids.map(peer)).members
}

fn set_role(members: &mut Members, node: u64, role: MemberRole) {
    members.named_mut(&NodeId::new(node)).unwrap().role = role;
}

/// The ids of the configuration in force: members, outgoing half, target.
fn shape(node: &Node) -> (Vec<u64>, Option<Vec<u64>>, Option<Vec<u64>>) {
    let ids = |members: &Members| members.keys().map(|id| id.get()).collect();
    let configuration = node.hull.configuration();
    (
        ids(&configuration.members),
        configuration.outgoing.as_ref().map(ids),
        configuration.target.as_ref().map(ids),
    )
}
