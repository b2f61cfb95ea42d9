//! What a leader tells a witness, and when (docs/witness.md).

use std::sync::Arc;
use std::time::Duration;

use raft_core::chunk::Chunk;
use raft_core::configuration::{Member, MemberRole, Members};
use raft_core::explain::{Lag, NotCommitted};
use raft_core::hull::{Input, Outcome, Refusal};
use raft_core::ids::{EntryId, NodeId};
use raft_core::log::memory::MemoryLog;
use raft_core::message::Body;
use raft_core::record::Record;
use raft_core::rules::plan::Warning;
use raft_core::rules::reconfigure::TargetProblem;
use raft_core::settings::SnapshotPolicy;

use crate::support::{
    Node, conflict, heartbeat_reply, id, index, installed, lost, matched, peer, setup_with_witness,
};

/// Node 1, which leads nodes 2 and, a witness, 3. Its no-op is committed and known to be by all.
fn leading() -> Node {
    let mut node = Node::with_setup(setup_with_witness(1), MemoryLog::new());
    node.settle();
    node.elect();
    node.acknowledge(2, 1);
    node.sent();
    node.acknowledge(3, 1);
    node.sent();
    assert_eq!((node.term(), node.commit()), (1, 1));
    node
}

/// The entries that node `to` is sent now.
fn told(node: &mut Node, to: u64) -> Vec<EntryId> {
    let appends = node.appends_to(to);
    let chunks = appends.iter().flat_map(|append| append.chunks.iter());
    chunks
        .flat_map(Chunk::entries)
        .map(|entry| entry.id)
        .collect()
}

const HALF_A_TIMEOUT: Duration = Duration::from_millis(500);

/// Waits, while node 3 answers heartbeats, and node 2 where that is said.
fn wait(node: &mut Node, span: Duration, two_answers: bool) {
    let step = Duration::from_millis(50);
    for _ in 0..span.as_millis() / step.as_millis() {
        node.wait(step);
        let term = node.term();
        node.receive(3, term, heartbeat_reply(0));
        if two_answers {
            node.receive(2, term, heartbeat_reply(0));
        }
    }
}

#[test]
fn a_witness_is_told_of_an_entry_once_the_other_voter_holds_it() {
    let mut node = leading();
    node.propose(b"x");
    assert_eq!(told(&mut node, 3), []);
    assert_eq!(node.commit(), 1);
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2, "nobody waits for the witness");
    assert_eq!(told(&mut node, 3), [id(2, 1)]);
}

#[test]
fn what_a_witness_is_sent_has_no_payloads_but_configurations() {
    let mut node = leading();
    node.propose(b"x");
    let mut target = node.hull.configuration().members.clone();
    target.named_mut(&NodeId::new(2)).unwrap().address = "elsewhere".into();
    node.reconfigure(target);
    node.sent();
    node.acknowledge(2, 3);
    let appends = node.appends_to(3);
    let chunks = appends.iter().flat_map(|append| append.chunks.iter());
    let records: Vec<_> = chunks
        .flat_map(Chunk::entries)
        .map(|entry| entry.record)
        .collect();
    assert_eq!(records[0], Record::Absent { kind: 2 });
    assert!(matches!(records[1..], [Record::Config(_)]));
}

/// What is committed may be held by others alone so far.
#[test]
fn a_witness_that_does_not_vote_yet_is_told_nothing_that_is_not_durable_on_the_leader_either() {
    let mut node = Node::leading();
    node.auto_sync = false;
    let mut target = node.hull.configuration().members.clone();
    role(&mut target, 4, MemberRole::Witness);
    node.reconfigure(target);
    node.sent();
    for (from, last) in [(4, 1), (2, 2), (3, 2)] {
        node.acknowledge(from, last);
    }
    assert_eq!(node.commit(), 2);
    assert!(!node.hull.configuration().votes(NodeId::new(4)));
    assert_eq!(told(&mut node, 4), []);
    node.sync();
    assert_eq!(told(&mut node, 4), [id(2, 1)]);
}

/// An id that nobody has the payload of could never be got rid of by the others.
#[test]
fn a_witness_is_told_nothing_that_is_not_durable_on_the_leader() {
    let mut node = leading();
    node.auto_sync = false;
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(told(&mut node, 3), []);
    node.step(Input::ConnectionLost(NodeId::new(2)));
    wait(&mut node, HALF_A_TIMEOUT * 2, false);
    assert_eq!(told(&mut node, 3), [], "however long it takes");
    node.sync();
    assert_eq!(told(&mut node, 3), [id(2, 1)]);
}

#[test]
fn who_does_not_answer_is_waited_for_so_long_and_then_no_more() {
    let mut node = leading();
    node.propose(b"x");
    node.sent();
    wait(&mut node, HALF_A_TIMEOUT - Duration::from_millis(100), true);
    assert_eq!(told(&mut node, 3), []);
    let withheld = Lag::Withheld {
        next: index(2),
        awaited: Some(NodeId::new(2)),
    };
    let why = node.hull.why_not_committed(index(2), node.now);
    let is_it =
        |why: &NotCommitted| matches!(why, NotCommitted::Lags { lag, .. } if *lag == withheld);
    assert!(why.iter().any(is_it), "{why:?}");
    wait(&mut node, Duration::from_millis(200), true);
    assert_eq!(told(&mut node, 3), [id(2, 1)]);
    node.acknowledge(3, 2);
    assert_eq!(
        node.commit(),
        2,
        "the witness and the leader are a majority"
    );
    // From now on nobody waits for node 2, and nothing takes longer for it.
    node.propose(b"y");
    assert_eq!(told(&mut node, 3), [id(3, 1)]);
    // To have caught up is not enough: it must have shown that it can be as fast.
    node.sent();
    node.acknowledge(2, 3);
    node.propose(b"z");
    assert_eq!(told(&mut node, 3), [id(4, 1)]);
    node.sent();
    node.acknowledge(2, 4);
    node.propose(b"waits");
    assert_eq!(told(&mut node, 3), []);
}

/// In the half that is to go it votes as before.
#[test]
fn a_voter_that_is_to_become_a_learner_is_waited_for_while_it_votes() {
    let mut node = leading();
    let mut target = node.hull.configuration().members.clone();
    target.remove(&NodeId::new(3));
    role(&mut target, 2, MemberRole::Learner);
    node.reconfigure(target);
    assert!(node.hull.configuration().is_joint());
    assert_eq!(told(&mut node, 3), []);
    node.acknowledge(2, 2);
    assert!(!node.hull.configuration().is_joint(), "its word was enough");
}

#[test]
fn whose_connection_is_lost_is_not_waited_for_at_all() {
    let mut node = leading();
    node.step(Input::ConnectionLost(NodeId::new(2)));
    node.propose(b"x");
    assert_eq!(told(&mut node, 3), [id(2, 1)]);
    node.sent();
    // It is there again, and holds something new.
    node.receive(2, 1, matched(node.last_request(2), 2));
    node.propose(b"y");
    assert_eq!(told(&mut node, 3), []);
}

/// What the witness was not sent yet only the leader holds then.
#[test]
fn a_witness_is_not_told_what_the_other_voter_has_lost() {
    let mut node = leading();
    // Its answer is waited for before it is sent more.
    node.step(Input::ConnectionLost(NodeId::new(3)));
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(told(&mut node, 3), [], "whether the logs agree");
    node.receive(2, 1, lost(0, 2, id(1, 1)));
    node.sent();
    node.acknowledge(3, 1);
    assert_eq!(told(&mut node, 3), []);
    node.acknowledge(2, 2);
    assert_eq!(told(&mut node, 3), [id(2, 1)]);
}

/// What is waited for then is the leader's own disk.
#[test]
fn who_is_late_is_not_named_as_waited_for() {
    let mut node = leading();
    node.step(Input::ConnectionLost(NodeId::new(2)));
    node.auto_sync = false;
    node.propose(b"x");
    node.sent();
    let withheld = Lag::Withheld {
        next: index(2),
        awaited: None,
    };
    let why = node.hull.why_not_committed(index(2), node.now);
    let is_it =
        |why: &NotCommitted| matches!(why, NotCommitted::Lags { lag, .. } if *lag == withheld);
    assert!(why.iter().any(is_it), "{why:?}");
}

/// A new leader knows nobody yet who is late: its predecessor may have been.
#[test]
fn a_new_leader_waits_for_everybody_at_first() {
    let mut node = leading();
    node.step(Input::ConnectionLost(NodeId::new(2)));
    node.hear(2, 2);
    let term = node.elect();
    // It was asked without entries whether the logs agree.
    node.acknowledge(3, 1);
    assert_eq!(told(&mut node, 3), []);
    wait(&mut node, HALF_A_TIMEOUT + Duration::from_millis(100), true);
    assert_eq!(told(&mut node, 3), [id(2, term)]);
}

/// The log before it began with the snapshot: the witness is told what that stands for, and none of
/// its content is read.
#[test]
fn a_witness_is_offered_a_snapshot_and_sent_nothing_of_it() {
    let mut setup = setup_with_witness(1);
    Arc::make_mut(&mut setup.settings).snapshot_margin = 0;
    Arc::make_mut(&mut setup.settings).snapshots = Some(SnapshotPolicy {
        after_entries: 3,
        after_bytes: u64::MAX,
    });
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.elect();
    for at in 1..=6 {
        node.acknowledge(2, at);
        node.propose(b"x");
        node.sent();
    }
    node.acknowledge(2, 7);
    assert!(node.hull.forgotten().index >= index(3));
    let last = node.hull.stored_snapshot().unwrap().id.last;
    // Where the logs agree is asked first; the witness has nothing.
    let request = node.last_request(3);
    node.receive(3, 1, conflict(request, 0, id(0, 0)));
    wait(&mut node, Duration::from_millis(400), true);
    let offers = |node: &mut Node| {
        let sent = node.sent_to(3).into_iter();
        let offers = sent.filter_map(|body| match body {
            Body::InstallSnapshot(offer) => Some((offer.request, offer.part.len())),
            _ => None,
        });
        offers.collect::<Vec<_>>()
    };
    node.receive(3, 1, conflict(node.last_request(3), 0, id(0, 0)));
    let offered = offers(&mut node);
    assert_eq!(offered.len(), 1, "{offered:?}");
    assert_eq!(offered[0].1, 0);
    node.receive(3, 1, installed(offered[0].0, last.index.get()));
    assert_eq!(node.hull.match_index(NodeId::new(3)), Some(last.index));
    let next = told(&mut node, 3);
    assert_eq!(
        next.first(),
        Some(&EntryId::new(last.term, last.index.next()))
    );
    assert_eq!(next.last(), Some(&id(7, 1)));
}

fn role(members: &mut Members, id: u64, role: MemberRole) {
    let member = Member {
        role,
        ..Member::voter(peer(id).incarnation)
    };
    members.insert(NodeId::new(id), member);
}

#[test]
fn nobody_becomes_a_witness_who_was_none_nor_the_other_way_round() {
    let mut node = leading();
    let refusal = |node: &mut Node, change: &dyn Fn(&mut Members)| {
        let mut target = node.hull.configuration().members.clone();
        change(&mut target);
        let ticket = node.reconfigure(target);
        node.outcome(ticket)
    };
    let refused = |problem| Some(Outcome::Refused(Refusal::Target(problem)));
    for (id, wanted) in [
        (3, MemberRole::Voter),
        (3, MemberRole::Learner),
        (2, MemberRole::Witness),
    ] {
        let outcome = refusal(&mut node, &|target| {
            role(target, 4, MemberRole::Voter);
            role(target, 5, MemberRole::Voter);
            role(target, id, wanted);
        });
        let node = NodeId::new(id);
        assert_eq!(outcome, refused(TargetProblem::OtherRole { node }));
    }
    let outcome = refusal(&mut node, &|target| role(target, 4, MemberRole::Witness));
    let too_many = TargetProblem::TooManyWitnesses { witnesses: 2 };
    assert_eq!(outcome, refused(too_many));
    // One that is to come is sent ids, too, once the others hold them.
    let outcome = refusal(&mut node, &|target| {
        role(target, 4, MemberRole::Voter);
        role(target, 5, MemberRole::Witness);
    });
    assert_eq!(outcome, None);
    node.sent();
    node.acknowledge(2, 2);
    node.receive(5, 1, conflict(node.last_request(5), 2, id(0, 0)));
    let appends = node.appends_to(5);
    let chunks = appends.iter().flat_map(|append| append.chunks.iter());
    assert!(chunks.clone().count() > 0);
    assert!(
        chunks
            .into_iter()
            .all(|chunk| chunk.is_ids_only() || chunk.is_config())
    );
}

#[test]
fn a_plan_says_on_how_few_disks_a_witness_lets_things_be() {
    let node = Node::new(1, 3);
    let warnings = |full: u64, witnesses: u64| {
        let mut target = Members::new();
        for id in 1..=full {
            role(&mut target, id, MemberRole::Voter);
        }
        for id in 11..11 + witnesses {
            role(&mut target, id, MemberRole::Witness);
        }
        node.hull.plan(&target).unwrap().warnings
    };
    let few = |away, disks| Warning::FewDisks { away, disks };
    assert_eq!(warnings(3, 0), []);
    assert_eq!(warnings(2, 1), [few(1, 1)]);
    assert_eq!(warnings(3, 2), [few(2, 1)]);
    assert_eq!(warnings(4, 1), [few(2, 2)]);
}
