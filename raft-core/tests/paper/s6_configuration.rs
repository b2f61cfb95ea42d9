//! Which configuration is in force, and who counts in it (paper 6).

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::hull::{Outcome, Refusal};
use raft_core::ids::{EntryId, NodeId, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Body, PreVoteReply};
use raft_core::states::Role;
use raft_core::time::LogTime;

use crate::support::{
    self, Node, append, chunks, heartbeat_reply, id, ids, index, matched, peer, request_vote,
    settings, vote_reply,
};

/// [S6.21]
#[test]
fn a_configuration_is_in_force_as_soon_as_it_is_appended() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), vec![configuration(2, 5, 5)], 0));
    assert_eq!((node.commit(), members(&node)), (0, vec![1, 2, 3, 4, 5]));
    // Three of five elect now, no longer two of three.
    let term = node.stand();
    node.receive(2, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Candidate);
    node.receive(5, term, vote_reply(true));
    assert_eq!(node.hull.role(), Role::Leader);
}

/// [S6.21]
#[test]
fn entries_of_other_kinds_leave_the_configuration_as_it_is() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), chunks(2, &[5, 5]), 0));
    assert_eq!(members(&node), [1, 2, 3]);
}

/// [S6.21]
#[test]
fn of_several_configurations_in_the_log_the_latest_is_in_force() {
    let mut node = Node::holding(5, &[1]);
    for (at, size) in [(2, 5), (3, 4), (4, 3)] {
        let previous = id(at - 1, if at == 2 { 1 } else { 5 });
        node.receive(
            2,
            5,
            append(previous, vec![configuration(at, 5, size)], at - 1),
        );
        assert_eq!(members(&node).len() as u64, size, "entry {at}");
    }
    node.restart();
    assert_eq!(members(&node), [1, 2, 3]);
}

/// [T4.1.35]
#[test]
fn a_configuration_that_is_overwritten_gives_way_to_the_one_before_it() {
    let mut node = Node::holding(5, &[1]);
    let grown = vec![configuration(2, 5, 4), configuration(3, 5, 5)];
    node.receive(2, 5, append(id(1, 1), grown, 0));
    assert_eq!(members(&node), [1, 2, 3, 4, 5]);
    // What stands before the overwritten entry stays in force.
    node.receive(3, 6, append(id(2, 5), chunks(3, &[6]), 0));
    assert_eq!(members(&node), [1, 2, 3, 4]);
    node.receive(3, 7, append(id(1, 1), chunks(2, &[7, 7]), 0));
    assert_eq!(
        (members(&node), node.terms()),
        (vec![1, 2, 3], vec![1, 7, 7])
    );
}

/// [T4.1.37] Its own configuration may be older than the entry that made the sender a member.
#[test]
fn entries_of_a_leader_outside_the_configuration_are_taken() {
    let mut node = Node::holding(5, &[1]);
    node.receive(4, 6, append(id(1, 1), vec![configuration(2, 6, 4)], 2));
    assert_eq!(node.hull.leader(), Some(NodeId::new(4)));
    assert_eq!((node.terms(), node.commit()), (vec![1, 6], 2));
    assert_eq!(members(&node), [1, 2, 3, 4]);
    assert_eq!(node.sent_to(4), [matched(1, 2)]);
}

/// [T4.1.39]
#[test]
fn a_candidate_outside_the_configuration_gets_the_vote_it_deserves() {
    for (last, granted) in [(id(2, 2), true), (id(9, 1), false)] {
        let mut node = Node::holding(5, &[1, 2]);
        node.receive(4, 6, request_vote(last));
        assert_eq!(node.sent_to(4), [vote_reply(granted)]);
        let vote = granted.then(|| NodeId::new(4));
        assert_eq!((node.term(), node.hull.vote()), (6, vote));
    }
}

/// [T4.1.39] Whoever asks may know of its promotion already, and need its vote.
#[test]
fn a_learner_that_is_asked_for_its_vote_gives_it() {
    let mut setup = support::setup(1, 3);
    setup
        .founding
        .members
        .named_mut(&NodeId::new(1))
        .unwrap()
        .role = MemberRole::Learner;
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.receive(2, 1, support::pre_vote(7, id(0, 0)));
    assert!(matches!(
        node.sent_to(2)[..],
        [Body::PreVoteReply(PreVoteReply { granted: true, .. })]
    ));
    node.receive(2, 1, request_vote(id(0, 0)));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    node.receive(3, 1, request_vote(id(9, 1)));
    assert_eq!(
        node.sent_to(3),
        [vote_reply(false)],
        "once a term, like all"
    );
    assert_eq!(node.hull.role(), Role::Follower);
}

/// [S6.33b] It holds nothing that is not committed: it may be asked for its vote by a configuration that it does not
/// know of, and would refuse it for an entry that nobody holds who may lead.
#[test]
fn a_learner_is_sent_what_is_committed_and_commits_nothing() {
    let mut setup = support::setup(1, 3);
    let member = |id: u64| Member::voter(peer(id).incarnation);
    let learner = Member {
        role: MemberRole::Learner,
        ..member(4)
    };
    setup.founding.members.insert(NodeId::new(4), learner);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.elect();
    node.propose(b"x");
    let sent = |node: &mut Node| -> Vec<EntryId> {
        let appends = node.appends_to(4);
        appends
            .iter()
            .flat_map(|append| ids(&append.chunks))
            .collect()
    };
    assert_eq!(sent(&mut node), []);
    node.acknowledge(4, 0);
    assert_eq!(sent(&mut node), []);
    node.acknowledge(3, 1);
    assert_eq!((node.commit(), sent(&mut node)), (1, vec![id(1, 1)]));
    node.acknowledge(4, 2);
    assert_eq!(node.hull.match_index(NodeId::new(4)), Some(index(2)));
    assert_eq!(
        node.commit(),
        1,
        "a voter and a learner are no majority of three"
    );
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
}

/// [S6.16]
#[test]
fn a_joint_election_needs_a_majority_of_each_half() {
    for (voters, role) in [
        (&[2, 3][..], Role::Candidate),
        (&[4, 5], Role::Candidate),
        (&[2, 4], Role::Candidate),
        (&[2, 4, 5], Role::Leader),
        (&[3, 4, 6], Role::Leader),
    ] {
        // 1 to 3 go, 4 to 6 come: node 1 counts among those who go only.
        let mut node = joint(&[1, 2, 3], &[4, 5, 6]);
        let term = node.stand();
        for from in voters {
            node.receive(*from, term, vote_reply(true));
        }
        assert_eq!(node.hull.role(), role, "{voters:?}");
    }
}

/// [S6.16]
#[test]
fn a_joint_pre_vote_needs_a_majority_of_each_half() {
    let mut node = joint(&[1, 2, 3], &[4, 5, 6]);
    node.ask();
    for from in [2, 3, 4] {
        node.pre_vote(from, true);
        assert_eq!((node.hull.role(), node.term()), (Role::PreCandidate, 5));
    }
    node.pre_vote(6, true);
    assert_eq!((node.hull.role(), node.term()), (Role::Candidate, 6));
}

/// [S6.16]
#[test]
fn a_joint_configuration_commits_with_a_majority_of_each_half() {
    let mut node = joint(&[1, 2, 3], &[3, 4, 5]);
    node.elect();
    for (from, committed) in [(2, 0), (4, 0), (3, 3)] {
        node.acknowledge(from, 3);
        assert_eq!(node.commit(), committed, "{from}");
    }
}

/// [S6.16]
#[test]
fn a_leader_of_a_joint_configuration_that_loses_either_half_steps_down() {
    for (heard, role) in [
        (&[2, 3][..], Role::Follower),
        (&[4, 5], Role::Follower),
        (&[3, 4], Role::Leader),
    ] {
        let mut node = joint(&[1, 2, 3], &[3, 4, 5]);
        let term = node.elect();
        for round in 0..6 {
            node.wait(settings().heartbeat_interval * 3);
            for from in heard {
                node.receive(*from, term, heartbeat_reply(round));
            }
        }
        assert_eq!(node.hull.role(), role, "{heard:?}");
    }
}

/// [S6.19] [S6.21] Only the log knows of it: nothing else is kept.
#[test]
fn a_configuration_outlives_a_restart_committed_or_not() {
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), vec![configuration(2, 5, 5)], 0));
    node.restart();
    assert_eq!((node.commit(), members(&node)), (0, vec![1, 2, 3, 4, 5]));
    node.receive(3, 6, append(id(1, 1), chunks(2, &[6]), 0));
    node.settle();
    node.restart();
    assert_eq!(members(&node), [1, 2, 3]);
}

/// No chunk could carry it: nobody would ever take the entry, and the leader could not take it back.
#[test]
fn a_change_that_fits_into_no_entry_is_refused() {
    let target = Configuration::of_voters((1..=9).map(peer)).members;
    let catch_up = Configuration {
        target: Some(target.clone()),
        ..Configuration::of_voters((1..=3).map(peer))
    };
    let mut encoded = Vec::new();
    catch_up.encode(&mut encoded);
    let payload_bytes = encoded.len();
    for spare in [0, 1] {
        let mut settings = settings();
        settings.max_payload_bytes = 100;
        settings.chunk_limits.max_payload_bytes = (payload_bytes - spare) as u32;
        let mut node = Node::leading_with(settings);
        let ticket = node.reconfigure(target.clone());
        let refused = Some(Outcome::Refused(Refusal::TooLarge { payload_bytes }));
        let expected = (spare > 0).then_some(refused).flatten();
        assert_eq!(node.outcome(ticket), expected);
        assert_eq!(node.hull.last(), id(2 - spare as u64, 1));
    }
}

/// Node 1 in term 5, whose log ends in a joint configuration of these.
fn joint(outgoing: &[u64], incoming: &[u64]) -> Node {
    let voters = |ids: &[u64]| Configuration::of_voters(ids.iter().map(|id| peer(*id)));
    let joint = Configuration {
        outgoing: Some(voters(outgoing).members),
        ..voters(incoming)
    };
    let mut builder = ChunkBuilder::new();
    builder.push_config(&joint).unwrap();
    let entry = builder.seal(Term::new(5), index(2), LogTime::ZERO, crc32c);
    let mut node = Node::holding(5, &[1]);
    node.receive(2, 5, append(id(1, 1), vec![entry.unwrap()], 0));
    node.sent();
    node
}

/// The ids of the configuration in force.
fn members(node: &Node) -> Vec<u64> {
    let ids = node.hull.configuration().ids();
    ids.into_iter().map(NodeId::get).collect()
}

/// An entry that makes nodes 1 to `size` the voters.
fn configuration(at: u64, term: u64, size: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    let voters = Configuration::of_voters((1..=size).map(peer));
    builder.push_config(&voters).unwrap();
    let sealed = builder.seal(Term::new(term), index(at), LogTime::ZERO, crc32c);
    sealed.unwrap()
}
