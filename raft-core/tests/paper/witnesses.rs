//! A node that is a witness: it votes, keeps ids, and nothing else (docs/witness.md).

use std::sync::Arc;

use raft_core::checksum::crc32c;
use raft_core::chunk::Chunk;
use raft_core::configuration::{Configuration, MemberRole, Members};
use raft_core::error::{Dropped, OpenError};
use raft_core::explain::NotReadable;
use raft_core::hull::{Hull, Input};
use raft_core::ids::{EntryId, LogIndex, NodeId};
use raft_core::log::Recovered;
use raft_core::log::memory::MemoryLog;
use raft_core::message::{AppendVerdict, Body, InstallVerdict, RequestVoteReply, TimeoutNow};
use raft_core::record::Record;
use raft_core::settings::SnapshotPolicy;
use raft_core::states::Role;
use raft_core::time::Time;

use crate::support::{
    Node, append, chunks, configuration_entry, empty_snapshot, heartbeat, id, index, install, peer,
    pre_vote, request_vote, setup_with_witness,
};

/// Node 3, a witness whose log is empty.
fn witness() -> Node {
    let mut node = Node::with_setup(setup_with_witness(3), MemoryLog::new());
    node.settle();
    node
}

/// Entries as a witness is sent them.
fn stripped(first: u64, terms: &[u64]) -> Vec<Chunk> {
    let whole = chunks(first, terms);
    whole.iter().map(|chunk| chunk.ids_only(crc32c)).collect()
}

/// The last verdict on entries that node 1 was told.
fn verdict(node: &mut Node) -> Option<AppendVerdict> {
    let told = node.sent_to(1).into_iter();
    told.filter_map(|body| match body {
        Body::AppendEntriesReply(reply) => Some(reply.verdict),
        _ => None,
    })
    .last()
}

#[test]
fn a_witness_keeps_ids_acknowledges_them_and_applies_nothing() {
    let mut node = witness();
    node.receive(1, 2, append(id(0, 0), stripped(1, &[1, 2, 2]), 3));
    assert_eq!(verdict(&mut node), Some(AppendVerdict::Matched(index(3))));
    assert_eq!((node.terms(), node.commit()), (vec![1, 2, 2], 3));
    assert_eq!(node.hull.next_apply(usize::MAX), None);
    assert_eq!(node.applied, []);
    let kept = node.log.read(index(1)..index(4), usize::MAX).unwrap();
    let records = kept
        .iter()
        .flat_map(Chunk::entries)
        .map(|entry| entry.record);
    assert!(records.eq([Record::Absent { kind: 2 }; 3]));
    assert_eq!(node.hull.why_not_readable(), [NotReadable::Witness]);
}

#[test]
fn a_witness_takes_no_payloads_and_others_take_nothing_without() {
    let mut node = witness();
    node.receive(1, 1, append(id(0, 0), chunks(1, &[1]), 1));
    assert_eq!(
        (node.terms(), node.drops()),
        (vec![], vec![Dropped::OtherRole])
    );
    assert_eq!(
        node.hull.leader(),
        Some(NodeId::new(1)),
        "it leads all the same"
    );
    let mut full = Node::with_setup(setup_with_witness(2), MemoryLog::new());
    full.settle();
    full.receive(1, 1, append(id(0, 0), stripped(1, &[1]), 1));
    assert_eq!(
        (full.terms(), full.drops()),
        (vec![], vec![Dropped::OtherRole])
    );
}

/// Otherwise a leader could take what it holds for what it would have to hold.
#[test]
fn a_node_takes_no_configuration_that_has_it_in_the_other_role() {
    let voters = Configuration::of_voters([1, 2, 3].map(peer));
    let mut node = witness();
    let entry = |configuration| vec![configuration_entry(1, 1, configuration)];
    node.receive(1, 1, append(id(0, 0), entry(&voters), 1));
    assert_eq!(
        (node.terms(), node.drops()),
        (vec![], vec![Dropped::OtherRole])
    );
    let founding = setup_with_witness(3).founding;
    let mut full = Node::new(3, 3);
    full.settle();
    full.receive(1, 1, append(id(0, 0), entry(&founding), 1));
    assert_eq!(
        (full.terms(), full.drops()),
        (vec![], vec![Dropped::OtherRole])
    );
    // What names another life of it is not about this node.
    let mut others = founding.clone();
    others
        .members
        .named_mut(&NodeId::new(3))
        .unwrap()
        .incarnation = peer(9).incarnation;
    full.receive(1, 1, append(id(0, 0), entry(&others), 1));
    assert_eq!(full.terms(), [1]);
    // And a witness keeps configurations whole.
    node.receive(1, 1, append(id(0, 0), entry(&founding), 1));
    assert_eq!(node.hull.configured_by(), id(1, 1));
    let kept = node.log.read(index(1)..index(2), usize::MAX).unwrap();
    assert!(matches!(
        kept[0].entries().next().unwrap().record,
        Record::Config(_)
    ));
}

/// The same in a snapshot: whoever took it could not be started again.
#[test]
fn a_node_takes_no_snapshot_that_has_it_in_the_other_role() {
    for (witness, told) in [(true, false), (false, true)] {
        let mut node = if witness {
            self::witness()
        } else {
            Node::new(3, 3)
        };
        node.settle();
        let mut snapshot = empty_snapshot(id(9, 2));
        let role = if told {
            MemberRole::Witness
        } else {
            MemberRole::Voter
        };
        snapshot.configuration = Configuration::new(members(role));
        node.receive(1, 2, install(7, &snapshot, 0, &[]));
        assert_eq!(node.drops(), [Dropped::OtherRole]);
        assert_eq!((node.hull.last(), node.jobs.len()), (id(0, 0), 0));
    }
}

/// It votes as any voter does: by the last id that it knows.
#[test]
fn a_witness_votes_only_for_who_holds_all_that_it_knows_of() {
    let mut node = witness();
    node.receive(1, 2, append(id(0, 0), stripped(1, &[1, 2]), 0));
    node.sent();
    node.wait(node.hull.settings().election_timeout * 2);
    let answer = |node: &mut Node, term, last| {
        node.receive(2, term, request_vote(last));
        let told = node.sent_to(2);
        told.iter()
            .any(|body| *body == Body::RequestVoteReply(RequestVoteReply { granted: true }))
    };
    assert!(!answer(&mut node, 3, id(1, 2)));
    assert!(!answer(&mut node, 4, id(9, 1)));
    assert!(answer(&mut node, 5, id(2, 2)));
    assert_eq!(node.hard().vote, Some(NodeId::new(2)));
}

#[test]
fn nothing_makes_a_witness_campaign() {
    let mut node = witness();
    node.receive(1, 1, append(id(0, 0), stripped(1, &[1]), 1));
    node.receive(1, 1, heartbeat(1, 1));
    node.sent();
    let last = id(1, 1);
    node.receive(1, 1, Body::TimeoutNow(TimeoutNow { round: 1, last }));
    assert_eq!(node.drops(), [Dropped::MayNotLead]);
    node.step(Input::ConnectionLost(NodeId::new(1)));
    node.wait(node.hull.settings().election_timeout * 20);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 1));
    // Nor does a configuration that it has never heard of, or no longer is in.
    let mut alone = setup_with_witness(3);
    alone.founding = Configuration::of_voters([1, 2].map(peer));
    let mut node = Node::with_setup(alone, MemoryLog::new());
    node.settle();
    node.wait(node.hull.settings().election_timeout * 20);
    assert_eq!((node.hull.role(), node.term()), (Role::Follower, 0));
}

/// Of a snapshot it keeps what the log keeps: what it stands for.
#[test]
fn a_witness_goes_on_from_a_snapshot_without_its_content() {
    let mut node = witness();
    node.receive(1, 2, append(id(0, 0), stripped(1, &[1, 1, 1]), 1));
    node.sent();
    let mut snapshot = empty_snapshot(id(9, 2));
    snapshot.configuration = setup_with_witness(3).founding;
    snapshot.id.length = 1_000;
    node.auto_sync = false;
    node.receive(1, 2, install(7, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(1), [], "nothing is said before it is durable");
    assert_eq!(node.jobs.len(), 0, "there is nothing to store");
    node.auto_sync = true;
    node.settle();
    let matched = |request| {
        let verdict = InstallVerdict::Matched(index(9));
        Body::InstallSnapshotReply(raft_core::message::InstallSnapshotReply { request, verdict })
    };
    assert_eq!(node.sent_to(1), [matched(7)]);
    assert_eq!((node.hull.last(), node.commit()), (id(9, 2), 9));
    assert_eq!((node.hull.forgotten(), node.applied.len()), (id(9, 2), 0));
    // Twice, or late, it says the same.
    node.receive(1, 2, install(8, &snapshot, 0, &[]));
    assert_eq!(node.sent_to(1), [matched(8)]);
    node.receive(1, 2, append(id(9, 2), stripped(10, &[2]), 10));
    assert_eq!(node.hull.last(), id(10, 2));
    // A start finds it again, without any store.
    let node = Node::with_setup(setup_with_witness(3), node.log);
    assert_eq!((node.hull.last(), node.commit()), (id(10, 2), 9));
}

#[test]
fn a_witness_forgets_ids_of_what_is_committed_and_no_others() {
    let mut setup = setup_with_witness(3);
    Arc::make_mut(&mut setup.settings).snapshot_margin = 100;
    Arc::make_mut(&mut setup.settings).snapshots = Some(SnapshotPolicy {
        after_entries: 5,
        after_bytes: u64::MAX,
    });
    let mut node = Node::with_setup(setup.clone(), MemoryLog::new());
    node.settle();
    node.receive(1, 1, append(id(0, 0), stripped(1, &[1; 8]), 4));
    assert_eq!(node.hull.forgotten(), EntryId::ORIGIN);
    node.receive(1, 1, append(id(8, 1), vec![], 7));
    assert_eq!(node.hull.forgotten(), id(7, 1));
    assert_eq!(node.hull.last(), id(8, 1));
    // Whenever somebody wishes; nothing is forgotten twice, and nothing that is not durable.
    node.auto_sync = false;
    node.receive(1, 1, append(id(8, 1), stripped(9, &[1]), 9));
    node.step(Input::TakeSnapshot);
    assert_eq!(node.hull.forgotten(), id(8, 1));
    node.auto_sync = true;
    node.settle();
    let again = Node::with_setup(setup, node.log);
    assert_eq!(
        (again.hull.forgotten(), again.hull.last()),
        (id(8, 1), id(9, 1))
    );
}

/// Nothing else may happen for long: a leader that is at rest says nothing more.
#[test]
fn a_witness_forgets_ids_as_soon_as_what_is_committed_is_durable_too() {
    let mut setup = setup_with_witness(3);
    Arc::make_mut(&mut setup.settings).snapshots = Some(SnapshotPolicy {
        after_entries: 5,
        after_bytes: u64::MAX,
    });
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.auto_sync = false;
    node.receive(1, 1, append(id(0, 0), stripped(1, &[1; 6]), 6));
    assert_eq!(node.hull.forgotten(), EntryId::ORIGIN);
    node.write_one();
    assert_eq!(node.hull.forgotten(), id(6, 1));
}

#[test]
fn a_folder_opens_only_as_what_it_is() {
    let open = |witness, recovered: Recovered, founding: &Configuration| {
        let mut setup = setup_with_witness(3);
        (setup.witness, setup.founding) = (witness, founding.clone());
        Hull::open(setup, recovered, Time::ZERO).map(|hull| hull.is_witness())
    };
    let mixed = setup_with_witness(3).founding;
    let voters = Configuration::of_voters([1, 2, 3].map(peer));
    let none = Configuration::of_voters([1, 2].map(peer));
    let refused = |witness| Err(OpenError::OtherRole { witness });
    assert_eq!(open(true, Recovered::default(), &mixed), Ok(true));
    assert_eq!(open(false, Recovered::default(), &mixed), refused(false));
    assert_eq!(open(true, Recovered::default(), &voters), refused(true));
    assert_eq!(
        open(true, Recovered::default(), &none),
        Ok(true),
        "it joins"
    );
    let mut node = witness();
    node.receive(1, 1, append(id(0, 0), stripped(1, &[1]), 1));
    let recovered = node.log.recovered();
    assert!(recovered.holds_ids_only);
    assert_eq!(open(false, recovered.clone(), &none), refused(false));
    assert_eq!(open(true, recovered, &none), Ok(true));
}

/// Two lives apart, a witness may be told from a voter by its folder alone; within one, it stays.
#[test]
fn a_pre_vote_of_a_witness_counts_what_it_knows() {
    let mut node = witness();
    node.receive(1, 2, append(id(0, 0), stripped(1, &[2, 2]), 0));
    node.sent();
    node.wait(node.hull.settings().election_timeout * 2);
    let granted = |node: &mut Node, attempt, last| {
        node.receive(2, 2, pre_vote(attempt, last));
        let told = node.sent_to(2);
        told.iter()
            .any(|body| matches!(body, Body::PreVoteReply(reply) if reply.granted))
    };
    assert!(!granted(&mut node, 1, id(1, 2)));
    assert!(granted(&mut node, 2, id(2, 2)));
}

/// The members of the cluster of three, node 3 a witness or a voter.
fn members(role: MemberRole) -> Members {
    let mut members = Configuration::of_voters([1, 2, 3].map(peer)).members;
    members.named_mut(&NodeId::new(3)).unwrap().role = role;
    members
}

#[test]
fn a_configuration_has_a_node_as_a_witness_everywhere_or_nowhere() {
    let mut joint = Configuration::new(members(MemberRole::Voter));
    joint.outgoing = Some(members(MemberRole::Witness));
    let mut bytes = vec![];
    joint.encode(&mut bytes);
    assert!(Configuration::decode(&bytes).is_err());
    joint.outgoing = Some(members(MemberRole::Learner));
    bytes.clear();
    joint.encode(&mut bytes);
    assert_eq!(Configuration::decode(&bytes), Ok(joint));
    assert_eq!(LogIndex::ZERO, index(0));
}
