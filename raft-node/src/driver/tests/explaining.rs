//! What a node says of why it does not get on.

use raft_core::explain::{Lag, NoLeader, NotCommitted};
use raft_core::ids::{LogIndex, NodeId};

use super::*;
use crate::explain::{Explaining, Explanation};

fn told(world: &mut World, mut explaining: Explaining) -> Explanation {
    world
        .until(|_| poll(&mut explaining))
        .expect("the node answers")
}

fn lines(explanation: &Explanation) -> Vec<String> {
    let text = explanation.to_string();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_healthy_node_has_nothing_to_explain() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.run(500);
    for id in [1, 2, 3] {
        let explaining = world.handle(id).explain();
        let explanation = told(&mut world, explaining);
        assert_eq!(explanation.no_leader, []);
        assert_eq!(
            (explanation.entry, explanation.not_committed.len()),
            (None, 0)
        );
        assert_eq!(explanation.not_readable.is_empty(), id == leader);
        let hull = explanation.hull.as_ref().unwrap();
        assert_eq!(hull.leader, Some(NodeId::new(leader)));
        assert_eq!(lines(&explanation).len(), 1);
    }
}

#[test]
fn a_founder_names_those_it_waits_for() {
    let mut world = World::of(3);
    world.crash(3);
    world.run(1_000);
    let explaining = world.handle(1).explain();
    let explanation = told(&mut world, explaining);
    assert_eq!(explanation.hull, None);
    assert_eq!(
        explanation.to_string(),
        "n1 waits for the cluster to be founded, for which all founders must be up: n3 did not \
         agree yet"
    );
}

#[test]
fn a_node_that_joins_says_that_it_waits_to_be_added() {
    let mut world = World::of(3);
    world.elect();
    world.join(4, &[1, 2]);
    world.run(1_000);
    let explaining = world.handle(4).explain();
    let explanation = told(&mut world, explaining);
    let me = world.handle(4).status().me.unwrap();
    assert_eq!(
        explanation.to_string(),
        format!("n4 waits to be added to the cluster, as {me:?}: it asks n1 n2 how that began")
    );
}

#[test]
fn a_leader_without_a_majority_names_the_entry_that_waits_and_for_whom() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.run(500);
    for other in (1..=3).filter(|id| *id != leader) {
        world.crash(other);
    }
    let last = world.driver(leader).hull().unwrap().last().index;
    let _unanswered = world.handle(leader).submit(payload("x"));
    world.run(100);
    let explaining = world.handle(leader).explain();
    let explanation = told(&mut world, explaining);
    assert_eq!(explanation.no_leader, []);
    assert_eq!(explanation.entry, Some(last.next()));
    let sent = |why: &&NotCommitted| {
        matches!(
            why,
            NotCommitted::Lags {
                lag: Lag::Unanswered { .. },
                ..
            }
        )
    };
    assert_eq!(explanation.not_committed.iter().filter(sent).count(), 2);
    // Later it gives up, and says that as well.
    world.run(1_500);
    let explaining = world.handle(leader).explain();
    let explanation = told(&mut world, explaining);
    assert!(matches!(
        explanation.no_leader.first(),
        Some(NoLeader::GaveUp { .. } | NoLeader::VotesMissing { .. })
    ));
    assert_eq!(explanation.not_committed, [NotCommitted::NobodyLeads]);
    assert_eq!(lines(&explanation)[1], "it knows no leader that it hears:");
}

#[test]
fn an_entry_that_is_asked_about_is_explained_on_any_node() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.run(500);
    let follower = leader % 3 + 1;
    let beyond = LogIndex::new(1_000);
    let explaining = world.handle(follower).explain_entry(beyond);
    let explanation = told(&mut world, explaining);
    assert_eq!(explanation.entry, Some(beyond));
    let last = world.driver(follower).hull().unwrap().last().index;
    let decides = NotCommitted::LeaderDecides {
        leader: NodeId::new(leader),
    };
    let expected = [NotCommitted::NotInLog { last }, decides];
    assert_eq!(explanation.not_committed, expected);
    let explaining = world.handle(follower).explain_entry(LogIndex::new(1));
    let explanation = told(&mut world, explaining);
    assert_eq!(explanation.not_committed, []);
    assert_eq!(lines(&explanation).len(), 1);
}

#[test]
fn a_node_that_has_stopped_tells_its_fault_to_all_who_ask() {
    let mut world = World::of(3);
    let leader = world.elect();
    let handle = world.handle(leader);
    world.disk(leader).fail();
    let before = handle.explain();
    let _lost = handle.submit(payload("x"));
    world.run(100);
    assert!(world.exit(leader).is_some());
    told(&mut world, before);
    let explanation = told(&mut world, handle.explain());
    let fault = NodeFault::Hull(Fault::Log(world::full()));
    assert_eq!(explanation.status.fault, Some(fault));
    assert!(explanation.hull.is_some());
    assert!(
        explanation
            .to_string()
            .contains("it has stopped: the log failed")
    );
    let entry = LogIndex::new(2);
    let explanation = told(&mut world, handle.explain_entry(entry));
    assert_eq!(explanation.entry, Some(entry), "as it was asked");
}

#[test]
fn more_questions_than_requests_may_be_under_way_are_refused() {
    let world = World::with(3, |settings| settings.max_requests = 2);
    let handle = world.handle(1);
    let mut asked: Vec<Explaining> = (0..3).map(|_| handle.explain()).collect();
    assert_eq!(poll(&mut asked[0]), None);
    let refused = Err(ReadError::Overloaded {
        under_way: 2,
        limit: 2,
    });
    assert_eq!(poll(&mut asked[2]), Some(refused));
}

/// Node 4 does not exist: the change waits for it, and the leader says so.
#[test]
fn a_change_of_members_names_the_new_one_it_waits_for() {
    let mut world = World::of(3);
    let leader = world.elect();
    world.run(500);
    let status = world.handle(leader).status();
    let mut members = status.configuration.members.clone();
    let new = raft_core::configuration::Member::voter(Incarnation::new(44));
    members.insert(NodeId::new(4), new);
    let _changing = world.handle(leader).reconfigure(members);
    world.run(200);
    let explaining = world.handle(leader).explain();
    let explanation = told(&mut world, explaining);
    let text = explanation.to_string();
    assert!(
        text.contains("\na change of members is under way:\n- n4 is known to hold up to"),
        "{text}"
    );
}
