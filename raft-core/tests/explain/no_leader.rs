//! Why a node neither leads nor hears a leader.

use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::explain::{Ballot, Half, NoLeader, OldestWrite};
use raft_core::hull::Input;
use raft_core::ids::{NodeId, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::settings::{Lease, Settings};
use raft_core::states::Role;
use raft_core::time::Time;

use crate::support::{
    self, Node, append, chunks, heartbeat_reply, id, index, peer, removed, request_vote, settings,
    setup_with_witness, vote_reply,
};

fn node_id(id: u64) -> NodeId {
    NodeId::new(id)
}

fn node_ids(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What the node says now.
fn why(node: &Node) -> Vec<NoLeader> {
    node.hull.why_no_leader(node.now)
}

/// What a follower says of its patience, now.
fn waits(node: &Node) -> NoLeader {
    let after = node.hull.deadline().unwrap().since(node.now);
    NoLeader::Waits { after }
}

#[test]
fn who_leads_or_hears_a_leader_has_nothing_to_explain() {
    let mut node = Node::leading();
    assert_eq!(why(&node), []);
    node.hear(2, 3);
    assert_eq!(node.hull.role(), Role::Follower);
    assert_eq!(why(&node), []);
    let until = node.now.after(millis(999));
    assert_eq!(node.hull.why_no_leader(until), []);
}

#[test]
fn a_leader_is_silent_from_an_election_timeout_on() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.now = node.now.after(millis(1_000));
    let silent = NoLeader::LeaderSilent {
        leader: node_id(2),
        term: Term::new(5),
        silent: millis(1_000),
    };
    assert_eq!(why(&node), [silent, waits(&node)]);
}

#[test]
fn without_check_quorum_a_heard_leader_is_a_leader_too() {
    let mut setup = support::setup(1, 3);
    setup.settings = Arc::new(Settings {
        pre_vote: false,
        check_quorum: false,
        ..settings()
    });
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.hear(2, 5);
    assert_eq!(why(&node), []);
}

#[test]
fn a_lost_connection_to_the_leader_is_told_until_it_is_heard_again() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.step(Input::ConnectionLost(node_id(3)));
    assert_eq!(why(&node), [], "not the leader");
    node.step(Input::ConnectionLost(node_id(2)));
    let (leader, term) = (node_id(2), Term::new(5));
    let lost = NoLeader::ConnectionLost { leader, term };
    assert_eq!(why(&node), [lost, waits(&node)]);
    node.hear(2, 5);
    assert_eq!(why(&node), []);
}

#[test]
fn a_new_term_whose_leader_was_not_heard() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    node.receive(3, 6, heartbeat_reply(1));
    let term = Term::new(6);
    assert_eq!(why(&node), [NoLeader::NoneHeard { term }, waits(&node)]);
}

#[test]
fn a_vote_given_to_another_is_told_until_a_leader_is_heard() {
    let mut node = Node::holding(5, &[1]);
    node.receive(3, 6, request_vote(id(1, 1)));
    let (candidate, term) = (node_id(3), Term::new(6));
    let given = NoLeader::VoteGiven { candidate, term };
    assert_eq!(why(&node), [given, waits(&node)]);
    // After a restart it is still this node's vote.
    node.restart();
    node.settle();
    let given = NoLeader::VoteGiven { candidate, term };
    assert_eq!(why(&node), [given, waits(&node)]);
    node.hear(3, 6);
    assert_eq!(why(&node), []);
}

#[test]
fn a_leader_that_gave_up_says_so() {
    let mut node = Node::leading();
    node.wait(millis(1_000));
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 1));
    let term = Term::new(1);
    assert_eq!(why(&node), [NoLeader::GaveUp { term }, waits(&node)]);
    node.hear(2, 2);
    assert_eq!(why(&node), []);
}

/// A candidate that never won has its own vote too, and may hold entries of the term.
#[test]
fn a_candidate_that_lost_did_not_lead() {
    let mut node = Node::holding(5, &[1]);
    let term = node.stand();
    node.receive(2, term, append(id(1, 1), chunks(2, &[term]), 0));
    assert_eq!(node.terms(), [1, term]);
    node.restart();
    node.settle();
    let none = NoLeader::NoneHeard {
        term: Term::new(term),
    };
    assert_eq!(node.hull.vote(), Some(node_id(1)));
    assert_eq!(why(&node), [none, waits(&node)]);
}

#[test]
fn a_leader_that_learned_a_later_term_did_not_give_up() {
    let mut node = Node::leading();
    node.receive(3, 4, heartbeat_reply(1));
    let term = Term::new(4);
    assert_eq!(why(&node), [NoLeader::NoneHeard { term }, waits(&node)]);
    let mut gone = Node::leading();
    gone.wait(millis(1_000));
    gone.receive(3, 4, heartbeat_reply(1));
    assert_eq!(why(&gone)[0], NoLeader::NoneHeard { term });
}

#[test]
fn a_candidate_that_was_started_anew_did_not_lead() {
    let mut node = Node::holding(5, &[1]);
    let term = Term::new(node.stand());
    node.restart();
    node.settle();
    assert_eq!(node.hull.vote(), Some(node_id(1)));
    assert_eq!(why(&node), [NoLeader::NoneHeard { term }, waits(&node)]);
}

#[test]
fn a_pre_candidate_says_who_has_not_answered_and_who_refused() {
    let mut node = Node::new(1, 5);
    node.settle();
    node.ask();
    node.pre_vote(2, true);
    node.pre_vote(4, false);
    let half = Half::All(node_ids(&[1, 2, 3, 4, 5]));
    let missing = NoLeader::VotesMissing {
        ballot: Ballot::PreVote,
        half,
        needed: 3,
        granted: node_ids(&[1, 2]),
        refused: node_ids(&[4]),
        silent: node_ids(&[3, 5]),
    };
    assert_eq!(why(&node), [missing]);
}

#[test]
fn a_candidate_says_whose_votes_it_has() {
    let mut node = Node::new(1, 5);
    node.settle();
    let term = node.stand();
    node.receive(3, term, vote_reply(true));
    node.receive(5, term, vote_reply(false));
    let missing = NoLeader::VotesMissing {
        ballot: Ballot::Vote {
            term: Term::new(term),
        },
        half: Half::All(node_ids(&[1, 2, 3, 4, 5])),
        needed: 3,
        granted: node_ids(&[1, 3]),
        refused: node_ids(&[5]),
        silent: node_ids(&[2, 4]),
    };
    assert_eq!(why(&node), [missing]);
}

#[test]
fn a_candidate_whose_own_vote_is_not_durable_says_so_first() {
    let mut node = Node::holding(5, &[1]);
    node.ask();
    node.auto_sync = false;
    node.pre_vote(2, true);
    assert_eq!(node.hull.role(), Role::Candidate);
    node.now = node.now.after(millis(250));
    let term = Term::new(6);
    let expected = [
        NoLeader::OwnVoteNotDurable {
            term,
            write: OldestWrite::Outstanding(millis(250)),
        },
        NoLeader::VotesMissing {
            ballot: Ballot::Vote { term },
            half: Half::All(node_ids(&[1, 2, 3])),
            needed: 2,
            granted: Vec::new(),
            refused: Vec::new(),
            silent: node_ids(&[2, 3]),
        },
    ];
    assert_eq!(why(&node), expected);
    node.sync();
    assert!(matches!(
        why(&node).as_slice(),
        [NoLeader::VotesMissing { .. }]
    ));
}

#[test]
fn of_a_joint_configuration_only_the_half_that_lacks_votes_is_told() {
    let mut setup = support::setup(1, 3);
    setup.founding = Configuration {
        members: Configuration::of_voters([1, 4, 5].map(peer)).members,
        outgoing: Some(Configuration::of_voters([1, 2, 3].map(peer)).members),
        target: None,
    };
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.ask();
    node.pre_vote(2, true);
    let missing = NoLeader::VotesMissing {
        ballot: Ballot::PreVote,
        half: Half::Incoming(node_ids(&[1, 4, 5])),
        needed: 2,
        granted: node_ids(&[1]),
        refused: Vec::new(),
        silent: node_ids(&[4, 5]),
    };
    assert_eq!(why(&node), [missing]);
}

#[test]
fn who_refused_is_told_until_the_next_attempt_or_a_leader() {
    let mut node = Node::holding(5, &[1]);
    node.ask();
    node.pre_vote(2, false);
    node.pre_vote(3, false);
    assert_eq!(node.hull.role(), Role::Follower);
    let refused = NoLeader::Refused {
        by: node_ids(&[2, 3]),
    };
    let none = NoLeader::NoneHeard { term: Term::new(5) };
    assert_eq!(why(&node), [none, refused, waits(&node)]);
    let mut heard = Node::holding(5, &[1]);
    heard.hull = node.hull.clone();
    node.ask();
    assert!(matches!(
        why(&node).as_slice(),
        [NoLeader::VotesMissing { .. }]
    ));
    heard.now = node.now;
    heard.hear(2, 5);
    heard.now = heard.now.after(millis(1_500));
    assert!(matches!(
        why(&heard).as_slice(),
        [NoLeader::LeaderSilent { .. }, NoLeader::Waits { .. }]
    ));
}

#[test]
fn a_stopped_hull_says_only_that() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(3, 6, request_vote(id(1, 1)));
    node.fail_write();
    let fault = node.hull.fault().unwrap().clone();
    assert_eq!(why(&node), [NoLeader::Stopped(fault)]);
}

#[test]
fn a_start_that_is_not_durable_says_whose_turn_it_is() {
    let mut node = Node::new(1, 3);
    node.auto_sync = false;
    let none = || NoLeader::NoneHeard { term: Term::ZERO };
    let not_begun = NoLeader::BootNotDurable(OldestWrite::NotBegun);
    assert_eq!(why(&node), [not_begun, none(), waits(&node)]);
    node.settle();
    node.now = node.now.after(millis(40));
    let outstanding = NoLeader::BootNotDurable(OldestWrite::Outstanding(millis(40)));
    assert_eq!(why(&node), [outstanding, none(), waits(&node)]);
    node.sync();
    assert_eq!(why(&node), [none(), waits(&node)]);
}

#[test]
fn a_disk_is_stalled_from_the_limit_on_and_then_nobody_waits_to_campaign() {
    let mut node = Node::holding(5, &[1]);
    node.auto_sync = false;
    node.receive(3, 6, request_vote(id(1, 1)));
    let limit = settings().stalled_write_after;
    node.wait(limit - millis(1));
    let is_stall = |why: &NoLeader| matches!(why, NoLeader::DiskStalled { .. });
    assert!(!why(&node).iter().any(is_stall));
    node.wait(millis(1));
    let stalled = NoLeader::DiskStalled {
        outstanding: limit,
        limit,
    };
    assert!(why(&node).contains(&stalled));
    // Once the attempt that was under way ends, this node only waits for others.
    node.wait(millis(2_000));
    assert_eq!(node.hull.role(), Role::Follower);
    let said = why(&node);
    assert!(said.iter().any(is_stall));
    assert!(!said.iter().any(|why| matches!(why, NoLeader::Waits { .. })));
}

/// Its vote counts once it has caught up, and not before.
#[test]
fn who_is_to_become_a_voter_is_a_learner_still() {
    let mut setup = support::setup(1, 3);
    let target = std::mem::take(&mut setup.founding.members);
    setup.founding = Configuration {
        target: Some(target),
        ..Configuration::of_voters([2, 3].map(peer))
    };
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    let role = Some(MemberRole::Learner);
    assert!(why(&node).contains(&NoLeader::MayNotLead { role }));
    assert_eq!(node.hull.status(node.now).member, role);
}

/// One half is enough to lead, and to be called what one is there.
#[test]
fn who_votes_in_either_half_is_a_voter() {
    let mut setup = support::setup(1, 3);
    let outgoing = setup.founding.members.clone();
    let learner = Member {
        role: MemberRole::Learner,
        ..Member::voter(peer(1).incarnation)
    };
    setup.founding.members.insert(node_id(1), learner);
    setup.founding.outgoing = Some(outgoing);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    let may_not = |why: &NoLeader| matches!(why, NoLeader::MayNotLead { .. });
    assert!(!why(&node).iter().any(may_not));
    let role = Some(MemberRole::Voter);
    assert_eq!(node.hull.status(node.now).member, role);
}

#[test]
fn who_may_not_lead_says_what_it_is() {
    let roles = [
        (Some(MemberRole::Learner), "a learner"),
        (Some(MemberRole::Witness), "a witness"),
        (None, "no member"),
    ];
    for (role, name) in roles {
        let mut setup = support::setup(1, 3);
        setup.founding = Configuration::of_voters([2, 3].map(peer));
        setup.witness = role == Some(MemberRole::Witness);
        if let Some(role) = role {
            let member = Member {
                role,
                ..Member::voter(peer(1).incarnation)
            };
            setup.founding.members.insert(node_id(1), member);
        }
        let mut node = Node::with_setup(setup, MemoryLog::new());
        node.settle();
        let none = NoLeader::NoneHeard { term: Term::ZERO };
        assert_eq!(why(&node), [NoLeader::MayNotLead { role }, none]);
        assert!(why(&node)[0].to_string().contains(name));
    }
}

#[test]
fn who_was_told_that_it_is_removed_says_by_which_configuration() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, removed(9));
    let configuration = index(9);
    let none = NoLeader::NoneHeard { term: Term::new(5) };
    assert_eq!(why(&node), [NoLeader::Removed { configuration }, none]);
}

#[test]
fn who_is_not_woken_says_so_from_an_election_timeout_on_leader_or_not() {
    for role in [Role::Leader, Role::Follower, Role::Candidate] {
        let node = Node::in_role(role);
        let deadline = node.hull.deadline().unwrap();
        let told = |now: Time| {
            let why = node.hull.why_no_leader(now).into_iter();
            why.filter(|why| matches!(why, NoLeader::NotDriven { .. }))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(deadline.after(millis(999))), []);
        let overdue = millis(1_000);
        let late = NoLeader::NotDriven { overdue };
        assert_eq!(told(deadline.after(overdue)), [late], "{role:?}");
    }
}

#[test]
fn an_earlier_time_counts_as_the_last_step() {
    let mut node = Node::holding(5, &[1]);
    node.hear(2, 5);
    assert_eq!(node.hull.why_no_leader(Time::ZERO), []);
}

#[test]
fn sentences_need_no_other() {
    let mut node = Node::new(1, 5);
    node.settle();
    node.ask();
    node.pre_vote(4, false);
    assert_eq!(
        why(&node)[0].to_string(),
        "a pre-vote must be granted by 3 of the voters (n1, n2, n3, n4, n5): \
         n1 did, n4 refused, n2, n3, n5 did not answer"
    );
    let mut silent = Node::holding(5, &[1]);
    silent.hear(2, 5);
    silent.now = silent.now.after(millis(1_200));
    assert_eq!(
        why(&silent)[0].to_string(),
        "n2, the leader of T5, has not been heard for 1.2s"
    );
}

#[test]
fn who_has_promised_to_give_no_vote_says_for_how_long() {
    let mut setup = support::setup(1, 3);
    Arc::make_mut(&mut setup.settings).lease = Some(Lease {
        duration: millis(900),
        max_drift_per_mille: 1,
    });
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.hear(2, 5);
    node.wait(millis(300));
    node.step(Input::ConnectionLost(node_id(2)));
    let left = millis(600);
    assert!(why(&node).contains(&NoLeader::Promised { left }));
    // It would look for another leader sooner, and may not.
    assert!(why(&node).contains(&NoLeader::Waits { after: left }));
    node.wait(millis(600));
    let promised = |why: &NoLeader| matches!(why, NoLeader::Promised { .. });
    assert!(!why(&node).iter().any(promised));
}

/// The case that witnesses are dear for: what a witness knows of nobody who is left holds.
#[test]
fn who_is_refused_by_a_witness_is_told_what_that_may_mean() {
    let of_three = |id| {
        let mut node = Node::with_setup(setup_with_witness(id), MemoryLog::new());
        node.settle();
        node.ask();
        node
    };
    let mut node = of_three(2);
    node.pre_vote(3, false);
    let witness = node_id(3);
    assert!(why(&node).contains(&NoLeader::RefusedByWitness { witness }));
    node.pre_vote(1, false);
    assert_eq!(node.hull.role(), Role::Follower);
    assert!(why(&node).contains(&NoLeader::RefusedByWitness { witness }));
    let mut node = of_three(2);
    node.pre_vote(1, false);
    let is_it = |why: &NoLeader| matches!(why, NoLeader::RefusedByWitness { .. });
    assert!(!why(&node).iter().any(is_it));
}

/// Both halves of a configuration may count the same witness.
#[test]
fn what_a_witness_s_refusal_may_mean_is_said_once() {
    let mut setup = setup_with_witness(2);
    setup.founding.outgoing = Some(setup.founding.members.clone());
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.ask();
    node.pre_vote(3, false);
    let said = why(&node);
    let by_witness = |why: &&NoLeader| matches!(why, NoLeader::RefusedByWitness { .. });
    assert_eq!(said.iter().filter(by_witness).count(), 1, "{said:?}");
}
