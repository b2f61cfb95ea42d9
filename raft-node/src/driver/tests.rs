//! Whole nodes in one thread: real hulls over memory logs, letters as frames, time by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use bytes::Bytes;
use raft_core::configuration::Members;
use raft_core::error::Fault;
use raft_core::ids::{ClusterId, EntryId, Incarnation, NodeId, Peer};
use raft_core::states::Role;
use raft_core::trace::EventKind;

use super::*;
use crate::error::{NotSent, ReadError, ReconfigureError, SubmitError, Uncertain};
use crate::handle::{SessionCommand, Submission};
use crate::session::Halt;

mod explaining;
mod members;
mod quiet;
mod reads;
mod rejoining;
mod snapshots;
mod starts;
mod transfers;
mod witnesses;
mod world;
use world::World;

fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(future).poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn payload(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Runs the world until the submission has its outcome.
fn outcome(world: &mut World, mut submission: Submission) -> Result<Bytes, SubmitError> {
    for _ in 0..30_000 {
        if let Some(outcome) = poll(&mut submission) {
            return outcome;
        }
        world.run(1);
    }
    panic!("the submission has no outcome after 30 s");
}

fn reply(number: u64) -> Result<Bytes, SubmitError> {
    Ok(payload(&number.to_string()))
}

#[test]
fn three_founders_agree_elect_and_answer_on_every_node() {
    let mut world = World::of(3);
    let leader = world.elect();
    for (number, id) in (1..).zip([1, 2, 3]) {
        let submission = world.handle(id).submit(payload("x"));
        assert_eq!(outcome(&mut world, submission), reply(number), "on {id}");
    }
    let cluster = world.handle(1).status().cluster;
    assert!(cluster.is_some());
    for id in [1, 2, 3] {
        assert_eq!(world.handle(id).status().cluster, cluster);
        assert_eq!(world.handle(id).status().leader, Some(NodeId::new(leader)));
    }
    world.run(500);
    for id in [1, 2, 3] {
        assert_eq!(world.journal(id).len(), 3);
    }
}

#[test]
fn one_founder_is_a_cluster() {
    let mut world = World::of(1);
    world.elect();
    let submission = world.handle(1).submit(payload("x"));
    assert_eq!(outcome(&mut world, submission), reply(1));
}

#[test]
fn nobody_votes_while_a_founder_is_missing() {
    let mut world = World::of(3);
    world.crash(3);
    world.run(5_000);
    let status = world.handle(1).status();
    assert_eq!(status.phase, Phase::Founding);
    assert_eq!(status.missing_founders, [NodeId::new(3)]);
    let refused = world.handle(1).submit(payload("x"));
    assert_eq!(
        outcome(&mut world, refused),
        Err(SubmitError::NotSent(NotSent::NoLeader))
    );
    world.start(3);
    world.elect();
}

#[test]
fn commands_on_a_follower_survive_the_loss_of_the_leader_exactly_once() {
    let mut world = World::of(3);
    let leader = world.elect();
    let follower = leader % 3 + 1;
    let mut submissions: Vec<Submission> = vec![];
    for number in 0..200 {
        let command = payload(&format!("command {number}"));
        submissions.push(world.handle(follower).submit(command));
        if number == 100 {
            world.run(3);
            world.crash(leader);
        }
    }
    for submission in submissions {
        assert!(outcome(&mut world, submission).is_ok());
    }
    world.start(leader);
    world.run(3_000);
    let mut applied = world.journal(follower);
    for id in [1, 2, 3] {
        assert_eq!(world.journal(id), applied, "on {id}");
    }
    assert_eq!(applied.len(), 200);
    applied.sort();
    applied.dedup();
    assert_eq!(applied.len(), 200);
}

#[test]
fn doubled_letters_apply_nothing_twice() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.net.borrow_mut().doubles = true;
    let follower = leader % 3 + 1;
    for number in 1..=50 {
        let submission = world.handle(follower).submit(payload("x"));
        assert_eq!(outcome(&mut world, submission), reply(number));
    }
    let before = world.driver(follower).applier.sessions.open_sessions();
    assert_eq!(before, 1);
}

#[test]
fn lost_letters_cost_time_and_nothing_else() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.net.borrow_mut().loses_percent = 30;
    let follower = leader % 3 + 1;
    let handle = world.handle(follower);
    let submissions: Vec<_> = (0..50).map(|_| handle.submit(payload("x"))).collect();
    for submission in submissions {
        assert!(outcome(&mut world, submission).is_ok());
    }
    assert_eq!(world.journal(follower).len(), 50);
}

#[test]
fn a_restarted_cluster_is_the_same_cluster_with_the_same_state() {
    let mut world = World::of(3);
    world.elect();
    let submission = world.handle(2).submit(payload("before"));
    assert_eq!(outcome(&mut world, submission), reply(1));
    let before = world.handle(1).status();
    for id in [1, 2, 3] {
        world.crash(id);
    }
    for id in [1, 2, 3] {
        world.start(id);
    }
    world.elect();
    let after = world.handle(1).status();
    assert_eq!((after.cluster, after.me), (before.cluster, before.me));
    assert!(after.boot > before.boot);
    let submission = world.handle(2).submit(payload("after"));
    assert_eq!(outcome(&mut world, submission), reply(2));
    assert_eq!(world.journal(2), [payload("before"), payload("after")]);
}

/// What is forwarded names the boot that forwards it, and so does its answer: a boot that a crash
/// could take back would come again, and take the answers of the one before for its own.
#[test]
fn nothing_is_forwarded_before_the_boot_is_durable() {
    let mut world = World::of(3);
    let leader = world.elect();
    let follower = leader % 3 + 1;
    world.crash(follower);
    world.disk(follower).stall(true);
    world.start(follower);
    let submission = world.handle(follower).submit(payload("x"));
    let before = world.driver(leader).hull().unwrap().last();
    world.until(|world| world.handle(follower).status().leader);
    world.run(100);
    assert_eq!(world.driver(leader).hull().unwrap().last(), before);
    world.disk(follower).stall(false);
    assert_eq!(outcome(&mut world, submission), reply(1));
}

#[test]
fn a_remote_session_is_answered_alike_on_every_node() {
    let mut world = World::of(3);
    world.elect();
    let mut opening = world.handle(2).open_session();
    let session = world.until(|_| poll(&mut opening)).unwrap();
    let command = |serial| SessionCommand {
        session,
        serial,
        settled: 1,
        payload: payload("x"),
    };
    let second = world.handle(1).submit_as(command(2));
    assert_eq!(outcome(&mut world, second), reply(1));
    // Pipelined: a lower serial that comes later is no duplicate.
    let first = world.handle(3).submit_as(command(1));
    assert_eq!(outcome(&mut world, first), reply(2));
    for id in [1, 2, 3] {
        let again = world.handle(id).submit_as(command(2));
        assert_eq!(outcome(&mut world, again), reply(1), "on {id}");
    }
    let stranger = SessionCommand {
        session: 99,
        ..command(1)
    };
    let refused = world.handle(1).submit_as(stranger);
    assert_eq!(
        outcome(&mut world, refused),
        Err(SubmitError::SessionExpired {
            session: 99,
            serial: 1
        })
    );
    assert_eq!(world.journal(2).len(), 2);
}

/// Such a session was asked for in nobody's name, so that nobody recognised it once it was open.
#[test]
fn a_session_asked_for_before_the_cluster_is_founded_is_opened_when_it_is() {
    let mut world = World::of(3);
    world.crash(3);
    let mut openings = [1, 2].map(|id| world.handle(id).open_session());
    world.run(20);
    world.start(3);
    let sessions = openings
        .each_mut()
        .map(|opening| world.until(|_| poll(opening)).unwrap());
    assert_ne!(sessions[0], sessions[1]);
}

#[test]
fn the_same_command_twice_at_one_node_gets_one_outcome_for_both() {
    let mut world = World::of(3);
    world.elect();
    let handle = world.handle(2);
    let mut opening = handle.open_session();
    let session = world.until(|_| poll(&mut opening)).unwrap();
    let command = SessionCommand {
        session,
        serial: 1,
        settled: 1,
        payload: payload("x"),
    };
    let first = handle.submit_as(command.clone());
    let second = handle.submit_as(command);
    assert_eq!(outcome(&mut world, first), reply(1));
    assert_eq!(outcome(&mut world, second), reply(1));
    assert_eq!(world.journal(2).len(), 1);
}

#[test]
fn every_submission_is_resolved_when_the_node_shuts_down() {
    let mut world = World::of(3);
    let leader = world.elect();
    let handle = world.handle(leader);
    let first = handle.submit(payload("x"));
    assert!(outcome(&mut world, first).is_ok());
    world.crash(leader % 3 + 1);
    world.crash((leader + 1) % 3 + 1);
    let mut sent = handle.submit(payload("sent"));
    let mut read = handle.read(|journal| journal.0.len());
    world.run(10);
    let mut unsent = handle.submit(payload("unsent"));
    handle.shutdown();
    world.run(1);
    assert_eq!(world.exit(leader), Some(Exit::Shutdown));
    assert!(matches!(
        poll(&mut sent),
        Some(Err(SubmitError::Unknown {
            why: Uncertain::Stopped,
            ..
        }))
    ));
    let stopped = Err(SubmitError::NotSent(NotSent::Stopped));
    assert_eq!(poll(&mut unsent), Some(stopped.clone()));
    assert_eq!(poll(&mut read), Some(Err(ReadError::Stopped)));
    assert_eq!(poll(&mut handle.submit(payload("late"))), Some(stopped));
    let mut late = handle.read(|journal| journal.0.len());
    assert_eq!(poll(&mut late), Some(Err(ReadError::Stopped)));
    assert_eq!(handle.status().phase, Phase::Stopped);
}

#[test]
fn every_other_request_is_resolved_when_the_node_shuts_down() {
    let mut world = World::of(3);
    let leader = world.elect();
    let handle = world.handle(leader);
    handle.shutdown();
    let mut early = (
        handle.hand_over(None),
        handle.reconfigure(Members::new()),
        handle.cancel_reconfigure(),
        handle.plan(Members::new()),
    );
    world.run(1);
    assert_eq!(world.exit(leader), Some(Exit::Shutdown));
    let stopped = Some(Err(ReconfigureError::Stopped));
    let mut late = (
        handle.hand_over(None),
        handle.reconfigure(Members::new()),
        handle.cancel_reconfigure(),
        handle.plan(Members::new()),
    );
    for (transfer, change, cancel, plan) in [&mut early, &mut late] {
        assert!(matches!(poll(transfer), Some(Err(_))));
        assert_eq!(poll(change), stopped);
        assert_eq!(poll(cancel), stopped);
        assert!(matches!(poll(plan), Some(Err(_))));
    }
}

#[test]
fn a_dropped_driver_leaves_nobody_waiting() {
    let mut world = World::of(3);
    world.elect();
    let mut submission = world.handle(1).submit(payload("x"));
    world.crash(1);
    assert!(matches!(poll(&mut submission), Some(Err(_))));
}

#[test]
fn an_outcome_that_may_still_come_is_unknown_and_a_retry_learns_it() {
    let mut world = World::of(3);
    let leader = world.elect();
    let handle = world.handle(leader);
    let first = handle.submit(payload("first"));
    assert!(outcome(&mut world, first).is_ok());
    world.net.borrow_mut().cut.insert(leader);
    let lost = handle.submit(payload("lost"));
    let Err(SubmitError::Unknown {
        session, serial, ..
    }) = outcome(&mut world, lost)
    else {
        panic!("the command may still be applied");
    };
    world.net.borrow_mut().cut.clear();
    world.elect();
    let retry = handle.submit_as(SessionCommand {
        session,
        serial,
        settled: 0,
        payload: payload("lost"),
    });
    assert_eq!(outcome(&mut world, retry), reply(2));
    let count = |journal: Vec<Bytes>| journal.iter().filter(|one| **one == "lost").count();
    assert_eq!(count(world.journal(leader)), 1);
}

#[test]
fn letters_of_others_are_dropped_and_counted() {
    let mut world = World::of(3);
    world.elect();
    let cluster = world.handle(1).status().cluster;
    let me = world.handle(2).status().me.unwrap();
    let good = Letter {
        cluster,
        from: me,
        boot: Boot::new(1),
        to: NodeId::new(1),
        packet: Packet::Forward(crate::letter::Forward::default()),
    };
    let other_cluster = Letter {
        cluster: Some(ClusterId::new(1)),
        ..good.clone()
    };
    let stranger = Letter {
        from: Peer::new(me.id, Incarnation::new(5)),
        ..good.clone()
    };
    let not_for_me = Letter {
        to: NodeId::new(7),
        ..good.clone()
    };
    for letter in [good, other_cluster, stranger.clone(), not_for_me] {
        world.net.borrow_mut().put(NodeId::new(1), &letter);
    }
    world.run(1);
    let rejected = world.handle(1).status().rejected;
    assert_eq!((rejected.other_cluster, rejected.not_for_me), (1, 1));
    assert_eq!((rejected.stranger, rejected.total()), (1, 3));
    assert_eq!(
        rejected.last.map(|last| last.why),
        Some(crate::status::Rejection::NotForMe)
    );
}

#[test]
fn a_wiped_node_is_told_so_by_those_who_know_it() {
    let mut world = World::of(3);
    world.elect();
    world.wipe(3);
    world.start(3);
    world.run(2_000);
    assert!(matches!(
        world.exit(3),
        Some(Exit::Fault(NodeFault::Genesis(
            crate::genesis::GenesisFault::Wiped { .. }
        )))
    ));
}

#[test]
fn more_than_the_limit_under_way_is_refused_at_once() {
    let mut world = World::with(1, |settings| settings.max_requests = 2);
    let handle = world.handle(1);
    let first = handle.submit(payload("1"));
    let second = handle.submit(payload("2"));
    let overloaded = SubmitError::Overloaded {
        under_way: 2,
        limit: 2,
    };
    assert_eq!(
        poll(&mut handle.submit(payload("3"))),
        Some(Err(overloaded))
    );
    assert!(outcome(&mut world, first).is_ok());
    assert!(outcome(&mut world, second).is_ok());
    let third = handle.submit(payload("3"));
    assert_eq!(outcome(&mut world, third), reply(3));
}

#[test]
fn a_submission_that_nobody_waits_for_leaves_nothing_behind() {
    let mut world = World::of(1);
    world.elect();
    for _ in 0..5 {
        drop(world.handle(1).submit(payload("before its outcome")));
        world.run(10);
        let submission = world.handle(1).submit(payload("after"));
        world.run(10);
        drop(submission);
    }
    assert_eq!(world.journal(1).len(), 10);
    assert_eq!(world.driver(1).desk.slots(), 1, "used again each time");
}

#[test]
fn a_small_window_only_makes_commands_wait() {
    let mut world = World::with(3, |settings| settings.sessions.max_answers = 4);
    let leader = world.elect();
    let handle = world.handle(leader % 3 + 1);
    let submissions: Vec<_> = (0..100).map(|_| handle.submit(payload("x"))).collect();
    for (number, submission) in (1..).zip(submissions) {
        assert_eq!(outcome(&mut world, submission), reply(number));
    }
}

#[test]
fn an_own_session_that_was_evicted_is_replaced_without_a_word() {
    let mut world = World::with(3, |settings| settings.sessions.max_sessions = 2);
    world.elect();
    let first = world.handle(1).submit(payload("x"));
    assert_eq!(outcome(&mut world, first), reply(1));
    for _ in 0..3 {
        let mut opening = world.handle(2).open_session();
        assert!(world.until(|_| poll(&mut opening)).is_ok());
    }
    let second = world.handle(1).submit(payload("x"));
    assert_eq!(outcome(&mut world, second), reply(2));
}

#[test]
fn a_full_disk_ends_the_node_and_every_request_has_its_outcome() {
    let mut world = World::of(3);
    let leader = world.elect();
    let handle = world.handle(leader);
    world.disk(leader).fail();
    let submission = handle.submit(payload("x"));
    let failed = outcome(&mut world, submission);
    assert!(failed.is_err(), "{failed:?}");
    let fault = NodeFault::Hull(Fault::Log(world::full()));
    assert_eq!(world.exit(leader), Some(Exit::Fault(fault.clone())));
    assert_eq!(handle.status().fault, Some(fault));
    // The others go on.
    world.crash(leader);
    let other = leader % 3 + 1;
    let submission = world.handle(other).submit(payload("y"));
    assert!(outcome(&mut world, submission).is_ok());
}

#[test]
fn a_disk_that_fails_before_there_is_a_hull_ends_the_node_too() {
    let mut world = World::of(3);
    world.disk(1).fail();
    world.run(1);
    let fault = NodeFault::Log(world::full());
    assert_eq!(world.exit(1), Some(Exit::Fault(fault)));
}

#[test]
fn an_entry_of_an_unknown_kind_ends_the_node_and_names_the_kind() {
    let mut world = World::of(1);
    world.elect();
    let last = world.driver(1).hull().unwrap().last();
    world.append_unknown(1, 77);
    world.crash(1);
    world.start(1);
    world.run(5_000);
    let id = EntryId::new(last.term, last.index.next());
    let halt = Halt::UnknownKind { id, kind: 77 };
    let exit = world.exit(1);
    assert_eq!(exit, Some(Exit::Fault(NodeFault::Apply(halt))));
}

#[test]
fn a_flood_of_letters_starves_nobody() {
    let mut world = World::with(1, |settings| settings.max_letters_per_turn = 1);
    world.elect();
    let flood = Letter {
        cluster: None,
        from: Peer::new(NodeId::new(2), Incarnation::new(5)),
        boot: Boot::new(1),
        to: NodeId::new(1),
        packet: Packet::Hello,
    };
    for _ in 0..5_000 {
        world.net.borrow_mut().put(NodeId::new(1), &flood);
    }
    let submission = world.handle(1).submit(payload("x"));
    assert_eq!(outcome(&mut world, submission), reply(1));
    assert!(world.net.borrow().waiting(NodeId::new(1)) > 4_000);
    // It lets others have their turn, and comes back by itself.
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let driver = Pin::new(world.driver_mut(1));
    assert!(driver.poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(woken.0.load(Ordering::Relaxed));
}

/// Whether anybody was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_role_is_shown() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.run(10);
    assert_eq!(world.handle(leader).status().role, Some(Role::Leader));
}

#[test]
fn as_many_of_the_hulls_events_are_kept_as_the_settings_say_the_latest() {
    let mut world = World::with(1, |settings| settings.kept_events = 1_000);
    world.elect();
    let all = world.driver_mut(1).take_events();
    let leads = |event: &&Event| {
        matches!(
            event.kind,
            EventKind::BecameRole {
                role: Role::Leader,
                ..
            }
        )
    };
    assert_eq!(all.iter().filter(leads).count(), 1);
    assert_eq!(
        world.driver_mut(1).take_events(),
        [],
        "each is handed out once"
    );
    let mut world = World::with(1, |settings| settings.kept_events = 2);
    world.elect();
    assert_eq!(world.driver_mut(1).take_events(), all[all.len() - 2..]);
}
