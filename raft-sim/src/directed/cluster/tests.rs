//! What a directed cluster can do, each shown once; triggers; and what is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::log::LogError;
use raft_core::states::Role;

use super::*;
use crate::checkers::property;
use crate::directed::{Change, Condition, Link, MessageKind, Movement, Pattern, Trigger};
use crate::trace::{KEPT, Recorder, What};

const N1: NodeId = NodeId::new(1);
const N2: NodeId = NodeId::new(2);
const N3: NodeId = NodeId::new(3);

const fn index(index: u64) -> LogIndex {
    LogIndex::new(index)
}

fn led_by_1() -> Cluster {
    let mut cluster = Cluster::of(3).unwrap();
    cluster.campaign(N1).unwrap();
    cluster.deliver_all().unwrap();
    assert_eq!(cluster.look(N1).unwrap().unwrap().role, Role::Leader);
    cluster.take_happenings();
    cluster
}

fn sent(kind: MessageKind) -> Trigger {
    Trigger::sent(Pattern::kind(kind))
}

#[test]
fn a_breakpoint_stops_between_two_messages_of_one_node() {
    let mut cluster = led_by_1();
    let first = Trigger::sent(Pattern::kind(MessageKind::AppendEntries).to(N2));
    cluster.watch(Watch::stop_at(first)).unwrap();
    cluster.propose(N1, ["x"]).unwrap();
    assert_eq!(cluster.under_way().count(), 1, "the second has not left");
    cluster
        .deliver(Pattern::kind(MessageKind::Heartbeat))
        .unwrap();
    assert_eq!(cluster.under_way().count(), 2, "the node went on");
}

#[test]
fn each_connective_waits_for_what_it_says() {
    let (vote, append) = (MessageKind::RequestVote, MessageKind::AppendEntries);
    let reached = |trigger: Trigger| {
        let mut cluster = Cluster::of(3).unwrap();
        cluster.campaign(N1).unwrap();
        cluster.deliver_until(trigger).map(|_| ())
    };
    assert_eq!(reached(sent(vote).then(sent(append))), Ok(()));
    let never = DirectedError::NotReached {
        waiting: "sent RequestVote".to_owned(),
        what: "nothing more can be delivered",
    };
    assert_eq!(reached(sent(append).then(sent(vote))), Err(never));
    assert_eq!(reached(Trigger::all_of([sent(append), sent(vote)])), Ok(()));
    let impossible = Trigger::rule(None, "no such rule");
    let any = Trigger::any_of([impossible.clone(), sent(append)]);
    assert_eq!(reached(any), Ok(()));
    let all = Trigger::all_of([impossible, sent(append)]);
    assert!(reached(all).is_err());
    assert_eq!(reached(sent(vote).times(2)), Ok(()));
    assert!(reached(sent(vote).times(3)).is_err());
}

#[test]
fn waiting_once_is_content_with_what_is_so_and_a_breakpoint_is_not() {
    let mut cluster = led_by_1();
    cluster
        .run_until(Trigger::elected(), Duration::ZERO)
        .unwrap();
    let id = cluster.watch(Watch::stop_at(Trigger::elected())).unwrap();
    assert_eq!(cluster.step().unwrap(), Reached::End);
    cluster.crash(N1, Disk::Durable).unwrap();
    let reached = cluster.run(Duration::from_secs(10)).unwrap();
    assert_eq!(reached, Reached::Breakpoint(id));
}

#[test]
fn what_is_attached_to_a_trigger_is_done_then() {
    let mut cluster = led_by_1();
    let committed = Trigger::state(Some(N1), Condition::Committed(index(2)));
    let crash = Action::Crash(N1, Disk::Durable);
    cluster.watch(Watch::when(committed, [crash])).unwrap();
    cluster.propose(N1, ["x"]).unwrap();
    cluster.deliver_all().unwrap();
    assert_eq!(cluster.look(N1).unwrap(), None);
    assert_eq!(cluster.look(N2).unwrap().unwrap().commit, index(1));
    assert_eq!(cluster.watches().count(), 0);
}

#[test]
fn a_crash_leaves_on_the_disk_what_it_is_told_to() {
    let last_after = |disk| {
        let mut cluster = led_by_1();
        cluster.stall(N2).unwrap();
        for command in ["x", "y"] {
            cluster.propose(N1, [command]).unwrap();
            cluster.deliver_all().unwrap();
        }
        assert_eq!(cluster.last(N2).unwrap(), index(3));
        cluster.crash(N2, disk).unwrap();
        let peer = cluster.peer(N2).unwrap();
        cluster.restart(N2).unwrap();
        assert_eq!(cluster.violation(), None);
        (
            cluster.last(N2).unwrap().get(),
            peer == led_by_1().peer(N2).unwrap(),
        )
    };
    assert_eq!(last_after(Disk::Wiped), (0, false));
    assert_eq!(last_after(Disk::Durable), (1, true));
    assert_eq!(last_after(Disk::First(1)), (2, true));
    assert_eq!(last_after(Disk::Everything), (3, true));
}

#[test]
fn a_paused_node_takes_nothing_in() {
    let mut cluster = led_by_1();
    cluster.pause(N2).unwrap();
    assert_eq!(cluster.pause(N2), Err(DirectedError::Paused { node: N2 }));
    assert_eq!(
        cluster.time_out(N2),
        Err(DirectedError::Paused { node: N2 })
    );
    cluster.propose(N1, ["x"]).unwrap();
    cluster.run(Duration::from_secs(3)).unwrap();
    assert_eq!(cluster.last(N2).unwrap(), index(1));
    cluster.resume(N2).unwrap();
    cluster.deliver_all().unwrap();
    assert_eq!(cluster.last(N2).unwrap(), index(2));
}

#[test]
fn a_pattern_can_be_held_by_kind_term_and_index() {
    let mut cluster = led_by_1();
    let second = Pattern::kind(MessageKind::AppendEntries)
        .to(N3)
        .term(Term::new(1))
        .indexes(index(2)..=index(2));
    cluster.hold(second.clone()).unwrap();
    for command in ["x", "y"] {
        cluster.propose(N1, [command]).unwrap();
    }
    cluster.deliver_all().unwrap();
    assert_eq!(cluster.last(N2).unwrap(), index(3));
    assert_eq!(
        cluster.last(N3).unwrap(),
        index(1),
        "3 without 2 is refused"
    );
    cluster.release(second.clone()).unwrap();
    let pattern = second.to_string();
    assert_eq!(
        cluster.release(second),
        Err(DirectedError::NotHeld { pattern })
    );
    cluster.deliver_all().unwrap();
    assert_eq!(cluster.last(N3).unwrap(), index(3));
}

#[test]
fn a_failed_disk_stops_its_node_for_good() {
    let mut cluster = led_by_1();
    let detail = String::new();
    let full = LogError::Full { detail };
    cluster.fail(N1, Operation::Write, full).unwrap();
    cluster.propose(N1, ["x"]).unwrap();
    assert!(cluster.look(N1).unwrap().unwrap().stopped);
    assert_eq!(
        cluster.time_out(N1),
        Err(DirectedError::NoDeadline { node: N1 })
    );
    assert_eq!(cluster.violation(), None);
}

#[test]
fn a_lie_of_a_member_is_found_out_by_the_checkers() {
    let mut cluster = Cluster::of(3).unwrap();
    let vote = |from, to, term| {
        let granted = [Change::Term(Term::new(term)), Change::Granted(true)];
        (Link { from, to }, MessageKind::RequestVoteReply, granted)
    };
    for leader in [N1, N3] {
        cluster.campaign(leader).unwrap();
        let link = Pattern::link;
        cluster.deliver(link(leader, N2)).unwrap();
        cluster.deliver(link(N2, leader)).unwrap();
        let (link, kind, granted) = vote(N2, leader, 1);
        cluster.forge(link, kind, granted).unwrap();
        cluster.deliver(Pattern::link(N2, leader)).unwrap();
    }
    let violated = cluster.violation().map(|violation| violation.property);
    assert_eq!(violated, Some(property::ELECTION_SAFETY));
}

#[test]
fn a_field_that_a_message_lacks_is_an_error_and_changes_nothing() {
    let mut cluster = led_by_1();
    cluster.propose(N1, ["x"]).unwrap();
    let before: Vec<_> = cluster.under_way().cloned().collect();
    let changes = [Change::Term(Term::new(9)), Change::Granted(true)];
    let (field, kind) = ("granted", "AppendEntries");
    assert_eq!(
        cluster.corrupt(Pattern::any(), changes),
        Err(DirectedError::NoSuchField { field, kind })
    );
    assert_eq!(cluster.under_way().cloned().collect::<Vec<_>>(), before);
}

#[test]
fn what_is_impossible_is_refused() {
    let mut cluster = led_by_1();
    let nobody = NodeId::new(7);
    let node = nobody;
    assert_eq!(
        cluster.time_out(nobody),
        Err(DirectedError::NoSuchNode { node })
    );
    let groups = [BTreeSet::from([N1]), BTreeSet::from([N1, N2])];
    assert_eq!(
        cluster.partition(groups),
        Err(DirectedError::InTwoGroups { node: N1 })
    );
    assert_eq!(
        cluster.restart(N1),
        Err(DirectedError::Running {
            node: N1,
            what: "running"
        })
    );
    assert_eq!(
        cluster.forget(WatchId::new(1)),
        Err(DirectedError::NoSuchWatch { number: 1 })
    );
    let inside = Watch::when(Trigger::elected(), [Action::Go(Movement::Step)]);
    assert_eq!(cluster.watch(inside), Err(DirectedError::NotInside));
    let deep = (0..20).fold(Trigger::elected(), |inner, _| inner.times(2));
    assert!(matches!(
        cluster.watch(Watch::stop_at(deep)),
        Err(DirectedError::TooMany { .. })
    ));
}

#[test]
fn triggers_that_set_each_other_off_end_in_an_error() {
    let mut cluster = led_by_1();
    let down = Trigger::state(Some(N2), Condition::Down);
    let up = Trigger::state(Some(N2), Condition::Role(Role::Follower));
    let crash = Action::Crash(N2, Disk::Durable);
    cluster
        .watch(Watch::whenever(down, [Action::Restart(N2)]))
        .unwrap();
    cluster.watch(Watch::whenever(up, [crash])).unwrap();
    let what = "triggers keep firing";
    let restless = Err(DirectedError::Restless { what });
    assert_eq!(cluster.crash(N2, Disk::Durable), restless);
}

#[test]
fn a_recording_tells_what_is_cut_and_who_is_paused_and_until_when() {
    let mut cluster = led_by_1();
    let recorder = Recorder::new(KEPT);
    cluster.record(&recorder);
    let groups = [BTreeSet::from([N1, N2]), BTreeSet::from([N3])];
    cluster.partition(groups).unwrap();
    cluster.cut(Link { from: N1, to: N2 }).unwrap();
    cluster.pause(N3).unwrap();
    cluster.heal();
    cluster.crash(N3, Disk::Durable).unwrap();
    let told = recorder.take().happenings.into_iter();
    let faults: Vec<_> = told
        .filter_map(|happening| match happening.what {
            What::Struck(struck) => Some((struck.fault, Some((struck.name, struck.links.len())))),
            What::Over { fault } => Some((fault, None)),
            _ => None,
        })
        .collect();
    let struck = |name: &str, links| Some((name.to_owned(), links));
    let expected = [
        (0, struck("Cut", 4)),
        (0, None),
        (1, struck("Cut", 5)),
        (2, struck("Pause", 0)),
        (1, None),
        (2, None),
    ];
    assert_eq!(faults, expected);
}
