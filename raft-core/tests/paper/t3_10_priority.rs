//! Who is preferred as a leader (thesis 3.10, section 5.2).

use std::sync::Arc;
use std::time::Duration;

use raft_core::hull::Setup;
use raft_core::ids::NodeId;
use raft_core::log::memory::MemoryLog;
use raft_core::message::Body;
use raft_core::settings::Settings;
use raft_core::states::Role;

use crate::support::{
    self, Node, append, chunks, heartbeat_reply, id, pre_vote, request_vote, settings, vote_reply,
};

/// [T3.10.10]
#[test]
fn a_leader_hands_over_to_a_more_suitable_follower_that_keeps_up() {
    let mut node = leading([1, 1, 2]);
    let began = node.now;
    node.propose(b"x");
    live_until(&mut node, |node| node.hull.transferring_to().is_some());
    assert_eq!(node.hull.transferring_to(), Some(NodeId::new(3)));
    let waited = node.now.since(began);
    let patience = settings().hand_over_after.unwrap();
    assert!(waited >= patience, "{waited:?}");
    assert!(waited <= patience + 2 * settings().heartbeat_interval);
    node.wait(settings().heartbeat_interval);
    let told = node.sent_to(3);
    assert!(told.iter().any(is_takeover), "{told:?}");
}

/// [T3.10.10]
#[test]
fn equals_and_lesser_ones_are_not_handed_over_to() {
    for priorities in [[1, 1, 1], [2, 1, 1], [128, 128, 128], [255, 0, 254]] {
        let mut node = leading(priorities);
        for _ in 0..240 {
            // An attempt would be over within an election timeout.
            live(&mut node, Duration::from_millis(250), &[2, 3]);
            assert_eq!(node.hull.transferring_to(), None, "{priorities:?}");
        }
        assert_eq!(node.hull.role(), Role::Leader);
    }
}

/// [T3.10.10]
#[test]
fn who_breaks_off_or_lags_has_to_keep_up_anew() {
    // It is silent for an election timeout, just before its time.
    let mut node = leading([1, 1, 2]);
    live(&mut node, Duration::from_millis(9_000), &[2, 3]);
    live(&mut node, Duration::from_millis(1_100), &[2]);
    let silent_until = node.now;
    live_until(&mut node, |node| node.hull.transferring_to().is_some());
    let waited = node.now.since(silent_until);
    assert!(waited >= settings().hand_over_after.unwrap(), "{waited:?}");
    // It answers, but holds nothing of what is committed.
    let mut node = leading([1, 1, 2]);
    node.propose(b"x");
    node.sent();
    node.acknowledge(2, 2);
    assert_eq!(node.commit(), 2);
    for _ in 0..400 {
        node.wait(Duration::from_millis(50));
        node.sent();
        node.receive(2, 1, heartbeat_reply(0));
        node.receive(3, 1, heartbeat_reply(0));
        assert_eq!(node.hull.transferring_to(), None);
    }
}

/// [T3.10.10] How long another kept up says nothing of it.
#[test]
fn who_takes_the_place_of_a_favourite_has_to_keep_up_itself() {
    let mut node = leading([1, 2, 3]);
    live(&mut node, Duration::from_millis(9_000), &[2]);
    let back = node.now;
    live_until(&mut node, |node| node.hull.transferring_to().is_some());
    assert_eq!(node.hull.transferring_to(), Some(NodeId::new(3)));
    let waited = node.now.since(back);
    assert!(waited >= settings().hand_over_after.unwrap(), "{waited:?}");
}

/// [T3.10.10]
#[test]
fn an_attempt_that_failed_is_repeated_only_after_twice_the_time() {
    let mut node = leading([1, 1, 2]);
    let mut begun = Vec::new();
    let start = node.now;
    while node.now.since(start) < Duration::from_secs(90) {
        live_until(&mut node, |node| node.hull.transferring_to().is_some());
        begun.push(node.now);
        live_until(&mut node, |node| node.hull.transferring_to().is_none());
    }
    let gaps: Vec<u64> = begun
        .windows(2)
        .map(|two| two[1].since(two[0]).as_secs())
        .collect();
    assert_eq!(
        begun.first().map(|first| first.since(start).as_secs()),
        Some(10)
    );
    assert_eq!(gaps, [20, 40, 80]);
    assert_eq!(node.resolved, [], "nobody asked for it");
}

/// [T3.10.10]
#[test]
fn a_leader_may_be_told_to_prefer_nobody() {
    let mut node = leading_with([1, 1, 2], |settings| settings.hand_over_after = None);
    live(&mut node, Duration::from_secs(60), &[2, 3]);
    assert_eq!(node.hull.transferring_to(), None);
    let ticket = node.hand_over(Some(3));
    assert_eq!(node.outcome(ticket), None, "but does it if asked");
    assert_eq!(node.hull.transferring_to(), Some(NodeId::new(3)));
}

#[test]
fn who_is_preferred_waits_less() {
    let longest = |priorities: [u8; 3]| {
        let waits = (0..200).map(|seed| {
            let mut setup = prioritized(priorities);
            setup.seed = seed;
            let mut node = Node::with_setup(setup, MemoryLog::new());
            node.settle();
            node.hull.deadline().unwrap().since(node.now)
        });
        let waits: Vec<Duration> = waits.collect();
        (
            waits.iter().min().copied().unwrap(),
            waits.iter().max().copied().unwrap(),
        )
    };
    let timeout = settings().election_timeout;
    let between = |(least, most): (Duration, Duration), from: Duration| {
        assert!(least >= from && least < from + timeout / 20, "{least:?}");
        assert!(
            most < from + timeout && most > from + timeout * 19 / 20,
            "{most:?}"
        );
    };
    between(longest([7, 7, 7]), timeout);
    between(longest([9, 1, 8]), timeout);
    between(longest([7, 8, 7]), timeout + timeout / 3);
    between(longest([7, 8, 9]), timeout + timeout * 2 / 3);
}

#[test]
fn a_vote_is_never_refused_for_the_sake_of_priority() {
    let mut setup = prioritized([9, 1, 5]);
    setup.me = support::peer(1);
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.receive(2, 0, pre_vote(1, id(0, 0)));
    let answer = node.sent_to(2);
    assert!(
        matches!(answer[..], [Body::PreVoteReply(reply)] if reply.granted),
        "{answer:?}"
    );
    node.receive(2, 1, request_vote(id(0, 0)));
    assert_eq!(node.sent_to(2), [vote_reply(true)]);
    node.receive(2, 1, append(id(0, 0), chunks(1, &[1]), 0));
    assert_eq!(node.hull.leader(), Some(NodeId::new(2)), "and it follows");
}

/// Lets time pass until something holds, while both others answer as they should.
fn live_until(node: &mut Node, holds: impl Fn(&Node) -> bool) {
    for _ in 0..20_000 {
        if holds(node) {
            return;
        }
        live(node, Duration::from_millis(50), &[2, 3]);
    }
    panic!("it never came to hold");
}

/// Lets this much time pass while these answer all that they are sent.
fn live(node: &mut Node, span: Duration, awake: &[u64]) {
    let until = node.now.after(span);
    while node.now < until {
        node.wait(Duration::from_millis(50).min(until.since(node.now)));
        let sent: Vec<u64> = node
            .sent()
            .iter()
            .map(|message| message.to.id.get())
            .collect();
        let last = node.hull.last().index.get();
        for follower in awake {
            if sent.contains(follower) {
                node.receive(*follower, 1, heartbeat_reply(0));
                node.acknowledge(*follower, last);
            }
        }
    }
}

fn prioritized(priorities: [u8; 3]) -> Setup {
    let mut setup = support::setup(1, 3);
    for (member, priority) in setup.founding.members.values_mut().zip(priorities) {
        member.priority = priority;
    }
    setup
}

/// Node 1 of three with these priorities, leader of term 1, whose no-op all hold.
fn leading(priorities: [u8; 3]) -> Node {
    leading_with(priorities, |_| {})
}

fn leading_with(priorities: [u8; 3], tune: impl Fn(&mut Settings)) -> Node {
    let mut setup = prioritized(priorities);
    tune(Arc::make_mut(&mut setup.settings));
    let mut node = Node::with_setup(setup, MemoryLog::new());
    node.settle();
    node.elect();
    node.acknowledge(2, 1);
    node.acknowledge(3, 1);
    node.sent();
    assert_eq!((node.term(), node.commit()), (1, 1));
    node
}

const fn is_takeover(body: &Body) -> bool {
    matches!(body, Body::TimeoutNow(_))
}
