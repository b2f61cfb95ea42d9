//! Leadership handed over among whole nodes.

use raft_core::hull::{NotHandedOver, Refusal};

use super::*;
use crate::error::TransferError;
use crate::transfer::HandingOver;

/// Runs the world until it is known what became of the request.
fn handed_over(world: &mut World, mut request: HandingOver) -> Result<NodeId, TransferError> {
    for _ in 0..30_000 {
        if let Some(outcome) = poll(&mut request) {
            return outcome;
        }
        world.run(1);
    }
    panic!("nothing became of the request in 30 s");
}

#[test]
fn leadership_goes_to_whom_it_is_handed_over_and_no_command_is_lost_or_doubled() {
    let mut world = World::of(3);
    let leader = world.elect();
    let (next, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let mut submissions: Vec<Submission> = vec![];
    let mut request = None;
    for number in 0..90 {
        let asked = [leader, next, other][number % 3];
        let command = payload(&format!("command {number}"));
        submissions.push(world.handle(asked).submit(command));
        if number == 30 {
            request = Some(world.handle(leader).hand_over(Some(NodeId::new(next))));
        }
        if number % 10 == 0 {
            world.run(1);
        }
    }
    let outcome_of_it = handed_over(&mut world, request.unwrap());
    assert_eq!(outcome_of_it, Ok(NodeId::new(next)));
    for submission in submissions {
        assert!(outcome(&mut world, submission).is_ok());
    }
    world.run(1_000);
    let mut applied = world.journal(other);
    for id in [1, 2, 3] {
        let status = world.handle(id).status();
        assert_eq!(status.leader, Some(NodeId::new(next)), "on {id}");
        assert_eq!(status.transferring_to, None);
        assert_eq!(world.journal(id), applied, "on {id}");
    }
    applied.sort();
    applied.dedup();
    assert_eq!(applied.len(), 90);
}

#[test]
fn commands_wait_for_a_target_that_is_gone_and_then_go_on_here() {
    let mut world = World::of(3);
    let leader = world.elect();
    let next = leader % 3 + 1;
    world.crash(next);
    let request = world.handle(leader).hand_over(Some(NodeId::new(next)));
    world.run(2);
    let to = NodeId::new(next);
    let submission = world.handle(leader).submit(payload("x"));
    world.run(20);
    assert_eq!(world.handle(leader).status().transferring_to, Some(to));
    assert_eq!(world.journal(leader).len(), 0, "it waits");
    let failed = TransferError::Failed(NotHandedOver::TimedOut { to });
    assert_eq!(handed_over(&mut world, request), Err(failed));
    assert_eq!(outcome(&mut world, submission), reply(1));
    assert_eq!(world.handle(leader).status().role, Some(Role::Leader));
}

#[test]
fn only_the_leader_hands_over_and_others_say_who_that_is() {
    let mut world = World::of(3);
    let early = world.handle(1).hand_over(None);
    assert_eq!(
        handed_over(&mut world, early),
        Err(TransferError::NotFounded)
    );
    let leader = world.elect();
    world.run(500);
    let follower = leader % 3 + 1;
    let asked = world.handle(follower).hand_over(None);
    let leads = Some(NodeId::new(leader));
    let refused = TransferError::Refused(Refusal::NotLeader { leader: leads });
    assert_eq!(handed_over(&mut world, asked), Err(refused));
    let first = world.handle(leader).hand_over(None);
    let second = world.handle(leader).hand_over(None);
    let to = handed_over(&mut world, first).unwrap();
    let refused = TransferError::Refused(Refusal::Transferring { to });
    assert_eq!(handed_over(&mut world, second), Err(refused));
}

#[test]
fn a_node_that_stops_says_so_to_who_asked_it_to_hand_over() {
    let mut world = World::of(3);
    let leader = world.elect();
    let next = leader % 3 + 1;
    world.crash(next);
    let handle = world.handle(leader);
    let mut under_way = handle.hand_over(Some(NodeId::new(next)));
    world.run(2);
    assert_eq!(poll(&mut under_way), None);
    handle.shutdown();
    world.run(2);
    assert_eq!(
        handed_over(&mut world, under_way),
        Err(TransferError::Stopped)
    );
    let late = handle.hand_over(None);
    assert_eq!(handed_over(&mut world, late), Err(TransferError::Stopped));
}
