//! Members changed among whole nodes: who joins, who leaves, and who comes back.

use raft_core::configuration::{Member, Members};
use raft_core::hull::{Refusal, Withdrawal};
use raft_core::rules::reconfigure::TargetProblem;

use super::*;
use crate::error::{PlanError, ReconfigureError};
use crate::membership::{Planning, Reconfiguring};

/// Runs the world until it is known what became of the request.
fn changed(world: &mut World, mut request: Reconfiguring) -> Result<EntryId, ReconfigureError> {
    world.until(|_| poll(&mut request))
}

fn planned(world: &mut World, mut planning: Planning) -> Result<usize, PlanError> {
    let plan = world.until(|_| poll(&mut planning));
    plan.map(|plan| plan.phases.len())
}

/// These nodes as voters, each as it says of itself, with its address.
fn voters(world: &World, ids: &[u64]) -> Members {
    let member = |id: &u64| {
        let me = world.handle(*id).status().me.unwrap();
        let member = Member {
            address: format!("host{id}"),
            ..Member::voter(me.incarnation)
        };
        (me.id, member)
    };
    ids.iter().map(member).collect()
}

/// Makes these the members; all of them must be up.
fn become_members(world: &mut World, ids: &[u64]) {
    let target = voters(world, ids);
    let leader = leader_of(world);
    let request = world.handle(leader).reconfigure(target.clone());
    let outcome = changed(world, request);
    assert!(outcome.is_ok(), "{ids:?}: {outcome:?}");
    // Those that are removed need not hear of it.
    world.until(|world| {
        let told = |id: &u64| world.handle(*id).status().configuration.members == target;
        ids.iter().all(told).then_some(())
    });
}

/// Who leads, once it has committed in its term.
fn leader_of(world: &mut World) -> u64 {
    world.until(|world| {
        let leads = |id: &u64| world.handle(*id).status().role == Some(Role::Leader);
        let leader = world.running().into_iter().find(leads)?;
        let hull = world.driver(leader).hull()?;
        (hull.term_at(hull.commit_index()) == Some(hull.term())).then_some(leader)
    })
}

fn submit_all(world: &mut World, count: usize, on: &[u64]) {
    for number in 0..count {
        let on = world.handle(on[number % on.len()]);
        let submission = on.submit(payload(&format!("command {number}")));
        assert!(outcome(world, submission).is_ok(), "{number}");
    }
}

#[test]
fn a_node_that_joins_waits_to_be_added_and_then_has_and_does_everything() {
    let mut world = World::of(3);
    world.elect();
    submit_all(&mut world, 20, &[1, 2, 3]);
    world.join(4, &[1, 2]);
    world.run(2_000);
    let status = world.handle(4).status();
    assert_eq!(status.phase, Phase::Joining);
    assert_eq!(status.missing_founders, [NodeId::new(1), NodeId::new(2)]);
    assert_eq!(status.cluster, None);
    let refused = world.handle(4).reconfigure(Members::new());
    let not_founded = Err(ReconfigureError::NotFounded);
    assert_eq!(changed(&mut world, refused), not_founded);
    become_members(&mut world, &[1, 2, 3, 4]);
    world.run(500);
    assert_eq!(world.journal(4), world.journal(1));
    assert_eq!(
        world.handle(4).status().cluster,
        world.handle(1).status().cluster
    );
    submit_all(&mut world, 8, &[4, 1]);
    // Its vote counts: of four, three are needed.
    world.crash(1);
    world.run(3_000);
    submit_all(&mut world, 3, &[4]);
    // And it comes back by itself, whomever it was told to ask.
    world.crash(4);
    world.start(1);
    world.start(4);
    world.run(1_000);
    assert_eq!(world.handle(4).status().phase, Phase::Running);
    submit_all(&mut world, 3, &[4]);
}

/// Whoever asks it is told so at once, and so is whoever waits when it learns of it: nobody in the cluster
/// answers it any more. What it has can still be looked at.
#[test]
fn a_node_that_was_removed_says_so_to_all_who_ask() {
    let mut world = World::of(3);
    world.elect();
    submit_all(&mut world, 5, &[1, 2, 3]);
    let leader = leader_of(&mut world);
    let removed = leader % 3 + 1;
    let rest: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != removed).collect();
    become_members(&mut world, &rest);
    let handle = world.handle(removed);
    let mut waits = handle.read(|journal| journal.0.len());
    let command = handle.submit(payload("late"));
    let read = world.until(|_| poll(&mut waits));
    assert_eq!(read, Err(ReadError::Removed));
    let command = outcome(&mut world, command);
    let is_told = |error: &SubmitError| {
        let unknown = matches!(
            error,
            SubmitError::Unknown {
                why: Uncertain::Removed,
                ..
            }
        );
        unknown || *error == SubmitError::NotSent(NotSent::Removed)
    };
    assert!(command.as_ref().is_err_and(is_told), "{command:?}");
    // Now it knows.
    let mut read = handle.read(|journal| journal.0.len());
    let command = handle.submit(payload("later"));
    world.run(1);
    assert_eq!(poll(&mut read), Some(Err(ReadError::Removed)));
    let not_sent = Err(SubmitError::NotSent(NotSent::Removed));
    assert_eq!(outcome(&mut world, command), not_sent);
    let mut stale = handle.read_stale(|journal| journal.0.len());
    assert_eq!(world.until(|_| poll(&mut stale)), Ok(5));
    assert_eq!(handle.status().requests, 0);
    // Added again in the same life, it is asked as before.
    become_members(&mut world, &[1, 2, 3]);
    submit_all(&mut world, 3, &[removed]);
}

#[test]
fn a_cluster_outlives_all_who_founded_it() {
    let mut world = World::of(3);
    world.elect();
    submit_all(&mut world, 10, &[1, 2, 3]);
    for (id, asks) in [(4, [1, 2]), (5, [1, 2]), (6, [2, 3])] {
        world.join(id, &asks);
    }
    world.run(500);
    become_members(&mut world, &[4, 5, 6]);
    for id in [1, 2, 3] {
        world.crash(id);
    }
    world.run(3_000);
    submit_all(&mut world, 10, &[4, 5, 6]);
    for id in [4, 5, 6] {
        world.crash(id);
        world.start(id);
    }
    submit_all(&mut world, 10, &[6, 4, 5]);
    // Who joins now asks those who joined before.
    world.join(7, &[5]);
    world.run(500);
    become_members(&mut world, &[4, 5, 6, 7]);
    world.run(500);
    assert_eq!(world.journal(7).len(), 30);
    assert_eq!(world.journal(7), world.journal(4));
}

#[test]
fn a_founder_that_lost_its_disk_is_a_member_again_when_it_was_added_again() {
    let mut world = World::of(3);
    world.elect();
    submit_all(&mut world, 5, &[1, 2, 3]);
    world.join(3, &[1, 2]);
    world.run(3_000);
    submit_all(&mut world, 3, &[1, 2]);
    // It knows its cluster, where it is a stranger.
    assert_eq!(world.handle(3).status().applied_index.get(), 0);
    let leader = leader_of(&mut world);
    let at_once = voters(&world, &[1, 2, 3]);
    let request = world.handle(leader).reconfigure(at_once);
    let node = NodeId::new(3);
    let refused = Err(ReconfigureError::Refused(Refusal::Target(
        TargetProblem::OtherLife { node },
    )));
    assert_eq!(changed(&mut world, request), refused);
    become_members(&mut world, &[1, 2]);
    become_members(&mut world, &[1, 2, 3]);
    world.run(500);
    assert_eq!(world.journal(3), world.journal(1));
    world.crash(if leader == 1 { 1 } else { 2 });
    world.run(3_000);
    submit_all(&mut world, 3, &[3]);
}

#[test]
fn a_leader_removes_itself_and_the_others_go_on() {
    let mut world = World::of(3);
    let leader = world.elect();
    let others = [leader % 3 + 1, (leader + 1) % 3 + 1];
    become_members(&mut world, &others);
    world.run(3_000);
    submit_all(&mut world, 4, &others);
    let removed = world.handle(leader).status();
    assert_ne!(removed.role, Some(Role::Leader));
    let terms = others.map(|id| world.handle(id).status().term);
    world.run(10_000);
    let later = others.map(|id| world.handle(id).status().term);
    assert_eq!(terms, later, "it disturbs nobody");
}

#[test]
fn one_change_at_a_time_and_one_that_waits_can_be_cancelled() {
    let mut world = World::of(3);
    let leader = world.elect();
    let handle = world.handle(leader);
    let nothing = handle.cancel_reconfigure();
    let refused = Err(ReconfigureError::Refused(Refusal::NothingToCancel));
    assert_eq!(changed(&mut world, nothing), refused);
    // Nobody is where the new member is said to be.
    let mut target = voters(&world, &[1, 2, 3]);
    let ghost = Member::voter(Incarnation::new(9));
    target.insert(NodeId::new(9), ghost);
    assert_eq!(planned(&mut world, handle.plan(target.clone())), Ok(3));
    assert!(matches!(
        planned(&mut world, handle.plan(Members::new())),
        Err(PlanError::Target(TargetProblem::NobodyMayLead))
    ));
    let first = handle.reconfigure(target.clone());
    world.run(100);
    let second = handle.reconfigure(target);
    assert!(matches!(
        changed(&mut world, second),
        Err(ReconfigureError::Refused(Refusal::ChangeUnderWay { .. }))
    ));
    let cancelled = handle.cancel_reconfigure();
    assert!(changed(&mut world, cancelled).is_ok());
    let withdrawn = Err(ReconfigureError::Withdrawn(Withdrawal::Cancelled));
    assert_eq!(changed(&mut world, first), withdrawn);
    assert_eq!(handle.status().configuration.members.len(), 3);
    let follower = leader % 3 + 1;
    let target = voters(&world, &[1, 2]);
    let asked = world.handle(follower).reconfigure(target);
    let leader = Some(NodeId::new(leader));
    let refused = Err(ReconfigureError::Refused(Refusal::NotLeader { leader }));
    assert_eq!(changed(&mut world, asked), refused);
}

#[test]
fn a_later_leader_goes_on_with_a_change_and_who_asked_is_told_to_look() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.join(4, &[1, 2, 3]);
    world.run(500);
    // The new member can't be reached yet, so that the change waits for it.
    world.net.borrow_mut().cut.insert(4);
    let target = voters(&world, &[1, 2, 3, 4]);
    let mut request = world.handle(leader).reconfigure(target.clone());
    world.run(100);
    assert_eq!(poll(&mut request), None);
    world.handle(leader).shutdown();
    let outcome = changed(&mut world, request);
    assert_eq!(outcome, Err(ReconfigureError::Stopped));
    world.net.borrow_mut().cut.clear();
    let others = [leader % 3 + 1, (leader + 1) % 3 + 1];
    world.until(|world| {
        let configuration = world.handle(others[0]).status().configuration;
        (configuration.members == target && configuration.is_settled()).then_some(())
    });
    world.start(leader);
    submit_all(&mut world, 4, &[leader, 4]);
}

/// It opens no session that nobody there opens for it; added again, it opens one when it is asked.
#[test]
fn a_node_that_was_removed_and_has_told_everybody_has_nothing_under_way() {
    let mut world = World::of(3);
    let leader = world.elect();
    submit_all(&mut world, 5, &[leader]);
    let leader = leader_of(&mut world);
    let removed = leader % 3 + 1;
    let rest: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != removed).collect();
    become_members(&mut world, &rest);
    let command = world.handle(removed).submit(payload("late"));
    assert!(outcome(&mut world, command).is_err());
    world.run(1_000);
    assert_eq!(world.handle(removed).status().requests, 0);
    let timer = world.driver(removed).tickets.deadline();
    assert_eq!(timer, None, "there is nothing to look for");
}
