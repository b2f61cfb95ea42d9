//! Stories that are too long for a script: the same thing again and again, on bare hulls that are
//! moved by hand. What is random here is drawn from a number in the test, so that it stays.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test whose cluster can't do what it is told fails"
)]

use std::time::Duration;

use raft_core::hull::Outcome;
use raft_core::ids::{LogIndex, NodeId, Ticket};
use raft_core::record::Record;
use raft_core::states::Role;
use raft_sim::directed::{
    Action, Cluster, Condition, Disk, Happening, MessageKind, Pattern, Trigger, Watch,
};
use raft_sim::lot::Lot;

const MINUTE: Duration = Duration::from_secs(60);

fn leader(cluster: &Cluster) -> Option<NodeId> {
    let looks = |id: &NodeId| cluster.look(*id).unwrap();
    let leads = |id: &NodeId| looks(id).is_some_and(|look| look.role == Role::Leader);
    let leaders = cluster.ids().filter(leads);
    leaders.max_by_key(|id| looks(id).map(|look| look.term))
}

/// Lets the cluster elect a leader and commit one more entry; answers the leader.
fn progress(cluster: &mut Cluster) -> NodeId {
    let commits = |cluster: &Cluster| {
        let looks = cluster.ids().filter_map(|id| cluster.look(id).unwrap());
        looks.map(|look| look.commit).max()
    };
    let next = commits(cluster).unwrap_or(LogIndex::ZERO).next();
    let committed = Trigger::state(None, Condition::Committed(next));
    for _ in 0..20 {
        cluster.run_until(Trigger::elected(), MINUTE).unwrap();
        let Some(leader) = leader(cluster) else {
            continue;
        };
        cluster.propose(leader, ["progress"]).unwrap();
        if cluster.run_until(committed.clone(), MINUTE / 10).is_ok() {
            return leader;
        }
    }
    panic!("no progress");
}

/// All entries of all nodes, as text: they must be the same on all.
fn logs(cluster: &Cluster) -> Vec<Vec<String>> {
    let entries = |id| {
        let chunks = cluster.log(id).unwrap();
        let texts = chunks.iter().flat_map(|chunk| {
            let entries: Vec<String> = chunk.entries().map(|e| format!("{e:?}")).collect();
            entries
        });
        texts.collect()
    };
    cluster.ids().map(entries).collect()
}

fn assert_alike(cluster: &mut Cluster) {
    cluster.run(Duration::from_secs(5)).unwrap();
    let logs = logs(cluster);
    assert!(logs.windows(2).all(|pair| pair[0] == pair[1]), "{logs:?}");
    assert_eq!(cluster.violation(), None);
}

#[test]
fn a_thousand_leaders_crash_one_after_the_other() {
    let mut cluster = Cluster::of(3).unwrap();
    let mut longest = LogIndex::ZERO;
    for round in 0..1_000 {
        let leader = progress(&mut cluster);
        let commit = cluster.look(leader).unwrap().unwrap().commit;
        assert!(commit > longest, "round {round}");
        longest = commit;
        cluster.crash(leader, Disk::Durable).unwrap();
        // The others have to be enough for the next one.
        cluster.run_until(Trigger::elected(), MINUTE).unwrap();
        cluster.restart(leader).unwrap();
        cluster.take_happenings();
    }
    progress(&mut cluster);
    assert_alike(&mut cluster);
}

#[test]
fn a_kind_of_message_that_is_lost_for_a_while_keeps_nobody_from_going_on() {
    for kind in MessageKind::ALL {
        let mut cluster = Cluster::of(3).unwrap();
        progress(&mut cluster);
        let lose = Action::Lose(Pattern::kind(kind).into());
        let sent = Trigger::sent(Pattern::kind(kind));
        let id = cluster.watch(Watch::whenever(sent, [lose])).unwrap();
        cluster.run(Duration::from_secs(5)).unwrap();
        cluster.forget(id).unwrap();
        progress(&mut cluster);
        assert_alike(&mut cluster);
    }
}

#[test]
fn a_kind_of_message_that_arrives_twice_does_no_harm() {
    for kind in MessageKind::ALL {
        let mut cluster = Cluster::of(3).unwrap();
        // Each is doubled when it is sent, and the copies are not.
        for from in cluster.ids().collect::<Vec<_>>() {
            let pattern = Pattern::kind(kind).from(from);
            let double = Action::Double(pattern.clone().first());
            let sent = Trigger::sent(pattern);
            cluster.watch(Watch::whenever(sent, [double])).unwrap();
        }
        let leader = progress(&mut cluster);
        cluster.crash(leader, Disk::Durable).unwrap();
        progress(&mut cluster);
        cluster.restart(leader).unwrap();
        progress(&mut cluster);
        assert_alike(&mut cluster);
    }
}

#[test]
fn a_kind_of_message_that_arrives_a_term_late_does_no_harm() {
    for kind in MessageKind::ALL {
        let mut cluster = Cluster::of(3).unwrap();
        let first = progress(&mut cluster);
        cluster.hold(Pattern::kind(kind)).unwrap();
        cluster.propose(first, ["held"]).unwrap();
        cluster.run(Duration::from_secs(3)).unwrap();
        // What was held stays under way, while all else goes on in the next term.
        let stuck: Vec<_> = cluster.under_way().cloned().collect();
        let link = |message: &raft_core::message::Message| {
            Pattern::link(message.from.id, message.to.id).term(message.term)
        };
        let late: Vec<_> = stuck.iter().map(link).collect();
        cluster.release(Pattern::any()).unwrap();
        for pattern in &late {
            cluster.hold(pattern.clone()).unwrap_or_default();
        }
        cluster.crash(first, Disk::Durable).unwrap();
        cluster.run(Duration::from_secs(5)).unwrap();
        cluster.restart(first).unwrap();
        cluster.release(Pattern::any()).unwrap_or_default();
        progress(&mut cluster);
        assert_alike(&mut cluster);
    }
}

/// Delivers one message, whichever; loses one in ten.
fn shuffle(cluster: &mut Cluster, lot: &mut Lot) {
    let count = cluster.under_way().count() as u64;
    if count == 0 {
        cluster.step().unwrap();
        return;
    }
    let at = usize::try_from(lot.below(count)).unwrap();
    let message = cluster.under_way().nth(at).unwrap();
    let mut pattern = Pattern::link(message.from.id, message.to.id).term(message.term);
    pattern.kind = Some(MessageKind::of(&message.body));
    pattern.indexes = Some(raft_sim::directed::indexes(message));
    if lot.below(10) == 0 {
        cluster.lose(pattern.first()).unwrap();
    } else {
        cluster.deliver(pattern.first()).unwrap();
    }
}

#[test]
fn in_any_order_and_with_losses_everybody_ends_alike() {
    let mut lot = Lot::of(7, &[]);
    let mut cluster = Cluster::of(5).unwrap();
    progress(&mut cluster);
    for round in 0..3_000 {
        if round % 10 == 0 {
            if let Some(leader) = leader(&cluster) {
                cluster.propose(leader, [format!("c{round}")]).unwrap();
            }
        }
        if round % 40 == 0 {
            cluster.advance(Duration::from_millis(30)).unwrap();
        }
        shuffle(&mut cluster, &mut lot);
    }
    progress(&mut cluster);
    assert_alike(&mut cluster);
}

#[test]
fn what_was_committed_survives_churn() {
    let mut lot = Lot::of(11, &[]);
    let mut cluster = Cluster::of(5).unwrap();
    let mut acknowledged = Vec::new();
    let mut proposed = 0;
    for round in 0..400 {
        let ids: Vec<NodeId> = cluster.ids().collect();
        let down = |cluster: &Cluster, id: &NodeId| cluster.look(*id).unwrap().is_none();
        let some = ids[usize::try_from(lot.below(5)).unwrap()];
        let lost = ids.iter().filter(|id| down(&cluster, id)).count();
        match (down(&cluster, &some), lost) {
            (true, _) => cluster.restart(some).unwrap(),
            (false, 0 | 1) => cluster.crash(some, Disk::First(round % 3)).unwrap(),
            (false, _) => {}
        }
        if let Some(leader) = leader(&cluster) {
            cluster.propose(leader, [format!("c{proposed}")]).unwrap();
            // Tickets count proposals from zero, in their order.
            proposed += 1;
        }
        cluster
            .run(Duration::from_millis(100 + lot.below(900)))
            .unwrap();
        for happening in cluster.take_happenings() {
            if let Happening::Resolved { resolved, .. } = happening {
                if let Outcome::Committed(_) = resolved.outcome {
                    acknowledged.push(resolved.ticket);
                }
            }
        }
    }
    for id in cluster.ids().collect::<Vec<_>>() {
        if cluster.look(id).unwrap().is_none() {
            cluster.restart(id).unwrap();
        }
    }
    progress(&mut cluster);
    assert_alike(&mut cluster);
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let log = cluster.log(NodeId::new(1)).unwrap();
    let held = |ticket: &Ticket| {
        let command = format!("c{}", ticket.get());
        log.iter().flat_map(raft_core::chunk::Chunk::entries).any(|entry| {
            matches!(entry.record, Record::Client { payload, .. } if payload == command.as_bytes())
        })
    };
    let lost: Vec<_> = acknowledged.iter().filter(|t| !held(t)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
