//! Section 7 and Figure 13: parts of a snapshot that follow each other without waiting for answers.

use std::sync::Arc;
use std::time::Duration;

use raft_core::error::Dropped;
use raft_core::hull::{Input, SnapshotAnswer, SnapshotDone, SnapshotWork};
use raft_core::ids::NodeId;
use raft_core::message::{Body, InstallSnapshot};
use raft_core::settings::Settings;
use raft_core::snapshot::Snapshot;

use crate::f13_receiving::snapshot;
use crate::s7_sending::{lagging_with, length, part, parts};
use crate::s7_taking::snapshotting;
use crate::support::{Node, heartbeat, heartbeat_reply, install, installed, setup, stored};

/// Settings under which a snapshot after four entries is sent ten bytes at a time, and so many bytes
/// and requests may be under way.
fn window(bytes: usize, requests: usize) -> Settings {
    Settings {
        max_append_bytes: 10,
        max_bytes_in_flight: bytes,
        max_appends_in_flight: requests,
        ..snapshotting(4, 0)
    }
}

/// A leader whose node 3 has said that it holds nothing of the snapshot it is to get.
fn asked(settings: Settings) -> Node {
    let mut node = lagging_with(settings);
    let question = part(&mut node);
    node.receive(3, 1, stored(question.request, 0));
    node
}

/// Where the parts begin that node 3 is sent now.
fn offsets(parts: &[InstallSnapshot]) -> Vec<u64> {
    parts.iter().map(|part| part.offset).collect()
}

/// [F13.IS.10]
#[test]
fn parts_follow_each_other_without_waiting_for_answers() {
    let mut node = asked(window(40, 64));
    let first = parts(&mut node);
    assert_eq!(offsets(&first), [0, 10, 20, 30]);
    node.receive(3, 1, stored(first[0].request, 10));
    let second = parts(&mut node);
    assert_eq!(offsets(&second), [40]);
    // One answer stands for all before it.
    node.receive(3, 1, stored(first[2].request, 30));
    let third = parts(&mut node);
    assert_eq!(offsets(&third), [50, 60]);
    let content = node.store.newest().unwrap().1.clone();
    for part in first.iter().chain(&second).chain(&third) {
        let start = part.offset as usize;
        assert_eq!(part.part, content[start..start + 10]);
    }
}

/// [F13.IS.20a]
#[test]
fn no_more_is_under_way_and_in_memory_than_the_settings_allow() {
    for (bytes, requests, expected) in [(40, 64, 4), (49, 64, 4), (1_000, 3, 3), (10, 64, 1)] {
        let mut node = asked(window(bytes, requests));
        assert_eq!(parts(&mut node).len(), expected, "{bytes} and {requests}");
        let in_memory = node.hull.bytes_in_flight(NodeId::new(3)).unwrap();
        assert!(in_memory <= bytes, "{in_memory} of {bytes}");
    }
}

/// All of it goes, however it is cut, and what follows the last part is waited for.
#[test]
fn all_of_it_arrives_in_order() {
    let mut node = asked(window(40, 64));
    let (mut received, mut last) = (Vec::new(), 0);
    loop {
        let sent = parts(&mut node);
        if sent.is_empty() {
            break;
        }
        for part in sent {
            assert_eq!(part.offset, received.len() as u64);
            received.extend_from_slice(&part.part);
            last = part.request;
        }
        node.receive(3, 1, stored(last, received.len() as u64));
    }
    assert_eq!(received, node.store.newest().unwrap().1);
    node.receive(3, 1, installed(last, 4));
    assert_eq!(node.appends_to(3).len(), 1);
}

#[test]
fn after_a_gap_all_from_there_on_goes_again_and_less_at_a_time() {
    let mut node = asked(window(60, 64));
    let first = parts(&mut node);
    assert_eq!(first.len(), 6);
    node.receive(3, 1, stored(first[0].request, 10));
    parts(&mut node);
    node.drops();
    // The second was lost: the third, and each behind it, is told so.
    node.receive(3, 1, stored(first[2].request, 10));
    let again = parts(&mut node);
    assert_eq!(offsets(&again), [10, 20, 30]);
    assert_eq!(node.drops(), []);
    node.receive(3, 1, stored(first[3].request, 10));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    assert_eq!(parts(&mut node), []);
    // Each that is taken makes room for it, and for one more.
    node.receive(3, 1, stored(again[0].request, 20));
    assert_eq!(offsets(&parts(&mut node)), [40, 50]);
}

/// However little at a time: where nothing were under way no answer could make it more again.
#[test]
fn after_the_only_part_is_refused_one_goes() {
    let mut node = asked(window(10, 64));
    let first = parts(&mut node);
    assert_eq!(offsets(&first), [0]);
    node.receive(3, 1, stored(first[0].request, 5));
    assert_eq!(offsets(&parts(&mut node)), [5]);
}

/// Who is told late that less is there than it knows of believes what it knows.
#[test]
fn answers_that_overtake_each_other_take_nothing_back() {
    let mut node = asked(window(40, 64));
    let first = parts(&mut node);
    node.receive(3, 1, stored(first[1].request, 20));
    assert_eq!(offsets(&parts(&mut node)), [40, 50]);
    node.drops();
    node.receive(3, 1, stored(first[0].request, 10));
    assert_eq!(node.drops(), [Dropped::StaleReply]);
    assert_eq!(parts(&mut node), []);
}

/// A follower that was restarted says that it holds less, in answer to whatever comes next.
#[test]
fn who_lost_parts_is_sent_them_again() {
    let mut node = asked(window(40, 64));
    let first = parts(&mut node);
    node.receive(3, 1, stored(first[3].request, 40));
    let second = parts(&mut node);
    node.receive(3, 1, stored(second[0].request, 15));
    assert_eq!(offsets(&parts(&mut node)), [15, 25]);
}

/// Also where all of it was there, and was found damaged.
#[test]
fn what_is_found_damaged_goes_again() {
    let mut node = asked(window(1_000, 64));
    let sent = parts(&mut node);
    let (last, length) = (sent.last().unwrap().request, length(&node));
    node.receive(3, 1, stored(last, length));
    assert_eq!(parts(&mut node), []);
    node.receive(3, 1, stored(last, 0));
    assert_eq!(offsets(&parts(&mut node)), offsets(&sent));
}

/// A slow disk answers one part after the other: that nothing is said for long is what counts.
#[test]
fn parts_that_wait_for_each_other_are_not_taken_for_lost() {
    let mut node = asked(window(40, 64));
    let mut waiting = parts(&mut node);
    for _ in 0..6 {
        node.wait(Duration::from_millis(200));
        node.receive(2, 1, heartbeat_reply(0));
        let answered = waiting.remove(0);
        node.receive(3, 1, stored(answered.request, answered.offset + 10));
        waiting.extend(parts(&mut node));
        assert_eq!(waiting.len(), 4);
        assert!(waiting.iter().all(|part| !part.part.is_empty()));
    }
    for _ in 0..4 {
        node.wait(Duration::from_millis(100));
        node.receive(2, 1, heartbeat_reply(0));
        node.receive(3, 1, heartbeat_reply(0));
    }
    let question = part(&mut node);
    assert_eq!((question.offset, question.part.len()), (0, 0));
    // It goes on where it was: what waited meanwhile may have been written.
    node.receive(3, 1, stored(question.request, 90));
    assert_eq!(parts(&mut node).first().map(|part| part.offset), Some(90));
}

/// What a follower with a window of its own makes of parts: node 1, whose store works by hand.
struct Follower {
    node: Node,
    snapshot: Snapshot,
    content: Vec<u8>,
}

impl Follower {
    /// It was asked, and has nothing.
    fn new(settings: Settings) -> Self {
        let mut setup = setup(1, 3);
        setup.settings = Arc::new(settings);
        let mut node = Node::with_setup(setup, Default::default());
        node.settle();
        let (snapshot, content) = snapshot(&[1, 2, 2, 2, 2]);
        node.receive(2, 5, install(1, &snapshot, 0, &[]));
        assert_eq!(node.sent_to(2), [stored(1, 0)]);
        node.auto_store = false;
        Self {
            node,
            snapshot,
            content,
        }
    }

    /// Gets ten bytes from `offset` on.
    fn get(&mut self, request: u64, offset: usize) {
        let part = &self.content[offset..offset + 10];
        let part = install(request, &self.snapshot, offset as u64, part);
        self.node.receive(2, 5, part);
    }

    /// Where the parts begin that its store was given and has not written.
    fn writes(&mut self) -> Vec<u64> {
        self.node.settle();
        let jobs = self.node.jobs.iter();
        jobs.map(|(job, _)| match job.work {
            SnapshotWork::Write { offset, .. } => offset,
            _ => unreachable!("nothing else is to be done: {job:?}"),
        })
        .collect()
    }

    /// What it says once its store has written one more.
    fn write_one(&mut self) -> Vec<Body> {
        self.node.store_one();
        self.node.sent_to(2)
    }
}

/// [F13.IS.3]
#[test]
fn parts_that_come_while_others_are_written_are_written_too() {
    let mut follower = Follower::new(window(40, 64));
    for (request, offset) in [(2, 0), (3, 10), (4, 20)] {
        follower.get(request, offset);
    }
    assert_eq!(follower.writes(), [0, 10, 20]);
    assert_eq!(follower.node.sent_to(2), [], "nothing is there yet");
    assert_eq!(follower.write_one(), [stored(2, 10)]);
    assert_eq!(follower.write_one(), [stored(3, 20)]);
    follower.get(5, 30);
    assert_eq!(follower.write_one(), [stored(4, 30)]);
    assert_eq!(follower.write_one(), [stored(5, 40)]);
}

#[test]
fn no_more_wait_for_its_store_than_its_own_settings_allow() {
    for (bytes, requests) in [(20, 64), (1_000, 2)] {
        let mut follower = Follower::new(window(bytes, requests));
        for (request, offset) in [(2, 0), (3, 10), (4, 20), (5, 30)] {
            follower.get(request, offset);
        }
        assert_eq!(follower.writes(), [0, 10]);
        assert_eq!(follower.write_one(), [stored(2, 10)]);
        // The others begin beyond that: their sender finds out where to go on.
        assert_eq!(follower.write_one(), [stored(5, 20)]);
    }
}

#[test]
fn what_comes_behind_a_gap_is_told_where_the_gap_is() {
    let mut follower = Follower::new(window(1_000, 64));
    follower.get(2, 0);
    follower.get(4, 20);
    assert_eq!(follower.writes(), [0]);
    assert_eq!(follower.write_one(), [stored(4, 10)]);
    follower.get(5, 30);
    assert_eq!(follower.node.sent_to(2), [stored(5, 10)]);
    // Late is better than never.
    follower.get(3, 10);
    assert_eq!(follower.writes(), [10]);
    assert_eq!(follower.write_one(), [stored(5, 20)]);
}

#[test]
fn a_part_that_comes_twice_is_written_once() {
    let mut follower = Follower::new(window(1_000, 64));
    for (request, offset) in [(2, 0), (3, 10), (2, 0), (3, 10), (4, 0)] {
        follower.get(request, offset);
    }
    assert_eq!(follower.writes(), [0, 10]);
    assert_eq!(follower.write_one(), [stored(2, 10)]);
    assert_eq!(follower.write_one(), [stored(4, 20)]);
    // A copy of what was answered long ago, behind which others were.
    follower.get(3, 10);
    assert_eq!(
        (follower.writes(), follower.node.sent_to(2)),
        (vec![], vec![])
    );
}

/// What is there has no holes, whatever a store says first.
#[test]
fn a_later_part_counts_when_those_before_it_do() {
    let mut follower = Follower::new(window(1_000, 64));
    for (request, offset) in [(2, 0), (3, 10), (4, 20)] {
        follower.get(request, offset);
    }
    follower.writes();
    let numbers: Vec<u64> = follower
        .node
        .jobs
        .iter()
        .map(|(job, _)| job.number)
        .collect();
    let mut written = |place: usize| {
        let answer = SnapshotAnswer::Written;
        let number = numbers[place];
        let done = SnapshotDone { number, answer };
        follower.node.step(Input::Snapshot(done));
        follower.node.sent_to(2)
    };
    assert_eq!(written(1), []);
    assert_eq!(written(0), [stored(3, 20)]);
    assert_eq!(written(0), [], "said twice");
    assert_eq!(written(2), [stored(4, 30)]);
}

#[test]
fn after_a_write_that_failed_the_store_is_asked_what_it_has() {
    let mut follower = Follower::new(window(1_000, 64));
    for (request, offset) in [(2, 0), (3, 10), (4, 20)] {
        follower.get(request, offset);
    }
    assert_eq!(follower.writes().len(), 3);
    assert_eq!(follower.write_one(), [stored(2, 10)]);
    follower.node.store.is_broken = true;
    assert_eq!(follower.write_one(), []);
    assert_eq!(follower.write_one(), []);
    follower.node.store.is_broken = false;
    follower.node.auto_store = true;
    follower.get(5, 30);
    assert_eq!(follower.node.sent_to(2), [stored(5, 10)]);
    follower.get(6, 10);
    assert_eq!(follower.node.sent_to(2), [stored(6, 20)]);
}

/// A new leader counts its requests anew: it is told of none that another one made.
#[test]
fn another_leader_is_answered_what_it_asked() {
    let mut follower = Follower::new(window(1_000, 64));
    for (request, offset) in [(2, 0), (3, 10)] {
        follower.get(request, offset);
    }
    assert_eq!(follower.writes().len(), 2);
    follower.node.receive(3, 6, heartbeat(1, 0));
    let question = install(1, &follower.snapshot, 0, &[]);
    follower.node.receive(3, 6, question);
    follower.node.sent();
    assert_eq!(follower.write_one(), []);
    follower.node.store_one();
    assert_eq!(follower.node.sent_to(3), [stored(1, 20)]);
    assert_eq!(follower.node.sent_to(2), []);
}
