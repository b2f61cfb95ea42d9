//! Why an entry does not count as committed.

use std::time::Duration;

use bytes::Bytes;
use raft_core::configuration::{Configuration, Member, MemberRole};
use raft_core::explain::{Half, Lag, NotCommitted, OldestWrite};
use raft_core::ids::NodeId;
use raft_core::log::Write;
use raft_core::log::memory::MemoryLog;
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{
    self, Node, Store, append, conflict, empty_snapshot, heartbeat_reply, id, index, peer, settings,
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

fn why(node: &Node, at: u64) -> Vec<NotCommitted> {
    node.hull.why_not_committed(index(at), node.now)
}

fn too_few(at: u64, holders: &[u64]) -> NotCommitted {
    NotCommitted::TooFewHold {
        index: index(at),
        half: Half::All(node_ids(&[1, 2, 3])),
        needed: 2,
        holders: node_ids(holders),
    }
}

fn lags(voter: u64, matched: u64, lag: Lag) -> NotCommitted {
    NotCommitted::Lags {
        voter: node_id(voter),
        matched: index(matched),
        lag,
    }
}

const AT_ONCE: Lag = Lag::Unanswered {
    unanswered: Duration::ZERO,
};

#[test]
fn what_is_committed_has_nothing_to_explain() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    assert_eq!(why(&node, 2), []);
    assert_eq!(why(&node, 1), []);
    assert_eq!(why(&node, 0), []);
}

#[test]
fn what_is_not_in_the_log_says_where_that_ends() {
    let node = Node::leading();
    let last = index(1);
    assert_eq!(why(&node, 2), [NotCommitted::NotInLog { last }]);
}

#[test]
fn who_follows_says_who_decides() {
    let mut node = Node::holding(5, &[1, 2]);
    node.hear(3, 5);
    let decides = || NotCommitted::LeaderDecides { leader: node_id(3) };
    assert_eq!(why(&node, 2), [decides()]);
    let last = index(2);
    assert_eq!(why(&node, 3), [NotCommitted::NotInLog { last }, decides()]);
    node.receive(3, 5, append(id(2, 2), Vec::new(), 2));
    assert_eq!(why(&node, 2), []);
}

#[test]
fn who_knows_no_leader_says_so() {
    for role in [Role::Follower, Role::PreCandidate, Role::Candidate] {
        let node = Node::in_role(role);
        assert_eq!(why(&node, 2), [NotCommitted::NobodyLeads], "{role:?}");
    }
}

#[test]
fn a_stopped_hull_says_only_that() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    node.fail_write();
    let fault = node.hull.fault().unwrap().clone();
    assert_eq!(why(&node, 2), [NotCommitted::Stopped(fault)]);
    assert_eq!(why(&node, 1), []);
}

#[test]
fn what_the_others_were_sent_and_have_not_acknowledged() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.now = node.now.after(millis(30));
    let unanswered = millis(30);
    let expected = [
        too_few(2, &[1]),
        lags(2, 1, Lag::Unanswered { unanswered }),
        lags(3, 1, Lag::Unanswered { unanswered }),
    ];
    assert_eq!(why(&node, 2), expected);
}

#[test]
fn of_several_requests_the_oldest_tells_how_long_no_answer_came() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.now = node.now.after(millis(30));
    node.propose(b"y");
    node.sent();
    node.now = node.now.after(millis(20));
    let unanswered = millis(50);
    let expected = [
        too_few(3, &[1]),
        lags(2, 1, Lag::Unanswered { unanswered }),
        lags(3, 1, Lag::Unanswered { unanswered }),
    ];
    assert_eq!(why(&node, 3), expected);
}

#[test]
fn what_is_not_durable_on_the_leader_itself() {
    let mut node = Node::leading();
    node.auto_sync = false;
    node.propose(b"x");
    node.sent();
    let expected = [
        too_few(2, &[]),
        lags(1, 1, Lag::OwnDisk(OldestWrite::Outstanding(Duration::ZERO))),
        lags(2, 1, AT_ONCE),
        lags(3, 1, AT_ONCE),
    ];
    assert_eq!(why(&node, 2), expected);
    node.acknowledge(3, 2);
    let expected = [
        too_few(2, &[3]),
        lags(1, 1, Lag::OwnDisk(OldestWrite::Outstanding(Duration::ZERO))),
        lags(2, 1, AT_ONCE),
    ];
    assert_eq!(why(&node, 2), expected);
    node.sync();
    assert_eq!(why(&node, 2), []);
}

#[test]
fn what_the_driver_has_not_taken() {
    let mut node = Node::leading();
    let mut proposals = raft_core::hull::Proposals::new();
    let ticket = raft_core::ids::Ticket::new(99);
    proposals.push_no_op(ticket).unwrap();
    // Nothing is pulled after this.
    let input = raft_core::hull::Input::Propose(proposals);
    node.hull.step(node.now, input);
    let next = index(2);
    let expected = [
        too_few(2, &[]),
        lags(1, 1, Lag::OwnDisk(OldestWrite::NotBegun)),
        lags(2, 1, Lag::NotSent { next }),
        lags(3, 1, Lag::NotSent { next }),
    ];
    assert_eq!(why(&node, 2), expected);
}

#[test]
fn an_entry_of_an_earlier_term_waits_for_one_of_the_leaders_own() {
    let mut node = Node::holding(5, &[1, 2]);
    node.elect();
    node.sent();
    let term = node.term();
    assert_eq!(node.terms(), [1, 2, term]);
    // Both hold the old entries, but not the no-op.
    node.acknowledge(2, 2);
    node.acknowledge(3, 2);
    assert_eq!(node.commit(), 0);
    let said = why(&node, 2);
    let (entry, with) = (id(2, 2), index(3));
    assert_eq!(said[0], NotCommitted::EarlierTerm { entry, with });
    assert_eq!(said[1], too_few(3, &[1]));
    assert_eq!(said.len(), 4);
    let own = why(&node, 3);
    assert_eq!(own, said[1..], "the same but that it is of this term");
    node.sent();
    node.acknowledge(2, 3);
    assert_eq!((why(&node, 2), why(&node, 3)), (vec![], vec![]));
}

#[test]
fn a_voter_that_says_nothing_is_silent_whatever_else_it_lacks() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    for _ in 0..4 {
        node.wait(millis(250));
        node.receive(3, 1, heartbeat_reply(1));
    }
    let silent = millis(1_000);
    assert!(why(&node, 2).contains(&lags(2, 1, Lag::Silent { silent })));
    assert!(!why(&node, 2).contains(&lags(3, 1, Lag::Silent { silent })));
}

#[test]
fn a_probe_says_what_it_asks_about() {
    let mut node = Node::holding(5, &[1, 2]);
    node.win();
    let previous = index(2);
    let probing = |unanswered| Lag::Probing {
        previous,
        unanswered,
    };
    assert!(why(&node, 3).contains(&lags(2, 0, probing(None))));
    node.sent();
    node.now = node.now.after(millis(80));
    assert!(why(&node, 3).contains(&lags(2, 0, probing(Some(millis(80))))));
    let request = node.last_request(2);
    let term = node.term();
    node.receive(2, term, conflict(request, 2, id(1, 1)));
    let previous = index(1);
    let again = Lag::Probing {
        previous,
        unanswered: None,
    };
    assert!(why(&node, 3).contains(&lags(2, 0, again)));
}

#[test]
fn a_full_window_is_told_for_what_was_not_sent_yet() {
    let mut node = Node::leading_with(Settings {
        max_appends_in_flight: 1,
        ..settings()
    });
    node.propose(b"x");
    node.sent();
    node.propose(b"y");
    assert_eq!(node.appends_to(2), []);
    node.now = node.now.after(millis(20));
    let unanswered = millis(20);
    assert!(why(&node, 2).contains(&lags(2, 1, Lag::Unanswered { unanswered })));
    let full = Lag::WindowFull {
        requests: 1,
        bytes: node.hull.bytes_in_flight(node_id(2)).unwrap(),
        unanswered,
    };
    assert!(why(&node, 3).contains(&lags(2, 1, full)));
}

#[test]
fn what_is_read_back_from_disk_says_so() {
    let mut node = Node::holding(5, &[1, 2]);
    node.auto_load = false;
    node.elect();
    let term = node.term();
    let request = node.last_request(2);
    node.receive(2, term, conflict(request, 2, id(1, 1)));
    node.sent();
    // The logs agree, so entries follow, as soon as they are read.
    node.acknowledge(2, 1);
    node.sent();
    assert_eq!(node.loads.len(), 1);
    let loading = Lag::Loading { next: index(2) };
    assert!(why(&node, 3).contains(&lags(2, 1, loading)));
}

#[test]
fn what_the_leader_no_longer_has_needs_a_snapshot() {
    let mut log = MemoryLog::new();
    let mut first = Node::holding(5, &[1, 2, 3]);
    std::mem::swap(&mut log, &mut first.log);
    // What a snapshot of the first two leaves.
    let snapshot = empty_snapshot(id(2, 2));
    log.write(Write {
        snapshot: Some(snapshot.mark().into()),
        identity: None,
        ..Write::of_identity(log.recovered().hard, Bytes::new())
    })
    .unwrap();
    let store = Store {
        stored: vec![(snapshot, Vec::new())],
        ..Store::default()
    };
    let mut node = Node::with_store(support::setup(1, 3), log, store);
    node.settle();
    node.elect();
    let term = node.term();
    let request = node.last_request(2);
    node.receive(2, term, conflict(request, 3, id(0, 0)));
    let next = index(1);
    let lacks = lags(2, 0, Lag::NeedsSnapshot { next });
    assert!(why(&node, 4).contains(&lacks), "{:?}", why(&node, 4));
    node.sent();
    let receives = Lag::ReceivesSnapshot {
        last: id(2, 2),
        stored: 0,
        length: 0,
    };
    assert!(why(&node, 4).contains(&lags(2, 0, receives)));
}

#[test]
fn of_a_joint_configuration_only_the_half_that_lacks_holders_is_told() {
    let mut setup = support::setup(1, 3);
    setup.founding = Configuration {
        members: Configuration::of_voters([1, 4, 5].map(peer)).members,
        outgoing: Some(Configuration::of_voters([1, 2, 3].map(peer)).members),
        target: None,
    };
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.elect();
    node.acknowledge(4, 1);
    let expected = [
        NotCommitted::TooFewHold {
            index: index(1),
            half: Half::Outgoing(node_ids(&[1, 2, 3])),
            needed: 2,
            holders: node_ids(&[1]),
        },
        lags(
            2,
            0,
            Lag::Probing {
                previous: index(0),
                unanswered: Some(Duration::ZERO),
            },
        ),
        lags(
            3,
            0,
            Lag::Probing {
                previous: index(0),
                unanswered: Some(Duration::ZERO),
            },
        ),
    ];
    assert_eq!(why(&node, 1), expected);
    node.acknowledge(3, 1);
    assert_eq!(why(&node, 1), []);
}

#[test]
fn a_learner_is_not_waited_for() {
    let mut setup = support::setup(1, 2);
    let learner = Member {
        role: MemberRole::Learner,
        ..Member::voter(peer(3).incarnation)
    };
    setup.founding.members.insert(node_id(3), learner);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.elect();
    let said = why(&node, 1);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(matches!(said[1], NotCommitted::Lags { voter, .. } if voter == node_id(2)));
}

#[test]
fn sentences_need_no_other() {
    let mut node = Node::leading();
    node.propose(b"x");
    node.sent();
    node.now = node.now.after(millis(30));
    let said: Vec<String> = why(&node, 2).iter().map(ToString::to_string).collect();
    let expected = [
        "i2 must be durable on 2 of the voters (n1, n2, n3): it is on n1",
        "n2 is known to hold up to i1: it was sent up to there, and has not acknowledged that for \
         30ms",
        "n3 is known to hold up to i1: it was sent up to there, and has not acknowledged that for \
         30ms",
    ];
    assert_eq!(said, expected);
    let earlier = NotCommitted::EarlierTerm {
        entry: id(2, 2),
        with: index(3),
    };
    assert_eq!(
        earlier.to_string(),
        "it is of an earlier term, T2, and is committed with i3, the first entry of this leader"
    );
}

#[test]
fn a_leader_that_hands_over_says_why_it_takes_no_proposals() {
    let mut node = Node::leading();
    node.hand_over(Some(2));
    let to = node_id(2);
    let last = index(1);
    let expected = [
        NotCommitted::NotInLog { last },
        NotCommitted::HandingOver { to },
    ];
    assert_eq!(why(&node, 2), expected);
    assert_eq!(why(&node, 1), []);
    assert_eq!(node.hull.status(node.now).transferring_to, Some(to));
    assert_eq!(
        expected[1].to_string(),
        "this leader hands over to n2 and takes no proposals until that has succeeded or failed"
    );
}

/// Node 2 goes, and with it the need for its word: what node 1 has on its disk is enough from then on.
#[test]
fn a_leader_with_fewer_voters_says_that_it_has_not_counted_yet() {
    let mut node = Node::leading();
    node.reconfigure(Configuration::of_voters([1].map(peer)).members);
    let joint = node.hull.last().index.get();
    node.propose(b"x");
    node.auto_sync = false;
    node.sent();
    node.acknowledge(2, joint);
    let since = node.hull.last().index;
    assert_eq!(since, index(joint + 2), "the new members alone go on");
    let not_counted = NotCommitted::NotCounted { since };
    assert_eq!(why(&node, joint + 1), [not_counted]);
    node.sync();
    assert_eq!(why(&node, joint + 1), []);
}
