//! What a cluster of bare hulls says of itself is so; whatever is changed in it is found.

use std::cell::Cell;
use std::time::Duration;

use raft_core::explain::{Half, Lag, NoLeader, NotChanged, NotCommitted, NotReadable, Sending};
use raft_core::hull::Hull;
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::settings::Settings;

use super::{Likeness, Said, Seen, Unsent};
use crate::directed::Cluster;

/// What a node says is changed, and that is to be found.
type Lie = fn(&mut Said);

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

/// Three nodes: n1 leads and has proposed what n2 holds; n3 was cut off before, and looks for votes.
fn cluster() -> Cluster {
    let [n1, n2, n3] = [1, 2, 3].map(node);
    let mut cluster = Cluster::of(3).unwrap();
    cluster.campaign(n1).unwrap();
    cluster.deliver_all().unwrap();
    cluster.partition([[n3].into(), [n1, n2].into()]).unwrap();
    cluster.wait(Duration::from_secs(20), Some(n3)).unwrap();
    cluster.time_out(n3).unwrap();
    cluster.deliver_all().unwrap();
    let little = Duration::from_millis(10);
    cluster.wait(little, Some(n1)).unwrap();
    cluster.propose(n1, ["a", "b"]).unwrap();
    cluster.deliver_all().unwrap();
    cluster.partition([[n3].into(), [n2].into()]).unwrap();
    cluster.propose(n1, ["c"]).unwrap();
    cluster.deliver_all().unwrap();
    assert_eq!(cluster.violation(), None);
    cluster
}

/// What is found in what a node says, with a lie in it.
fn found(cluster: &Cluster, of: u64, lie: impl FnOnce(&mut Said)) -> Option<String> {
    let hull: &Hull = cluster.hull(node(of)).unwrap().unwrap();
    let checks = cluster.checks();
    let ear = checks.answers.ears.find(&node(of)).unwrap();
    let seen = Seen {
        now: ear.stepped,
        ear,
        own: checks.model.node(node(of)).unwrap(),
        model: &checks.model,
        hull,
        has_room: &|_| true,
    };
    let mut said = Said::of(hull, seen.now);
    lie(&mut said);
    said.judge(&seen)
}

/// What a leader says of the entry that nobody else has.
fn of_the_last(said: &mut Said) -> &mut Vec<NotCommitted> {
    let asked = said.not_committed.iter_mut();
    let mut open = asked.filter(|(_, why)| {
        why.iter()
            .any(|reason| matches!(reason, NotCommitted::TooFewHold { .. }))
    });
    &mut open.next().unwrap().1
}

#[test]
fn nobody_lies() {
    let cluster = cluster();
    for id in 1..=3 {
        assert_eq!(found(&cluster, id, |_| ()), None);
    }
}

#[test]
fn a_leader_that_lies_is_found() {
    let lies: [Lie; 14] = [
        |said| said.status.followers.clear(),
        |said| said.status.durable_index = said.status.durable_index.next(),
        |said| said.status.followers[0].matched = said.status.last.index,
        |said| said.status.followers[0].silent = Duration::from_secs(90),
        |said| said.status.followers[1].silent = Duration::ZERO,
        |said| {
            said.status.followers[0].sending = Sending::Replicate {
                requests: 0,
                bytes: 7,
                unanswered: None,
            };
        },
        |said| said.no_leader = vec![NoLeader::NoneHeard { term: Term::new(1) }],
        |said| of_the_last(said).clear(),
        |said| {
            let commit = said.status.commit_index;
            let known = said.not_committed.iter_mut();
            let mut known = known.filter(|(index, _)| *index == commit);
            known.next().unwrap().1.push(NotCommitted::NobodyLeads);
        },
        |said| {
            for reason in of_the_last(said) {
                if let NotCommitted::TooFewHold { holders, .. } = reason {
                    *holders = vec![node(3)];
                }
            }
        },
        |said| {
            for reason in of_the_last(said) {
                if let NotCommitted::TooFewHold { needed, .. } = reason {
                    *needed += 1;
                }
            }
        },
        |said| {
            for reason in of_the_last(said) {
                if let NotCommitted::Lags { lag, .. } = reason {
                    *lag = Lag::NeedsSnapshot {
                        next: LogIndex::new(1),
                    };
                }
            }
        },
        |said| {
            let first = said.status.commit_index;
            said.not_readable.push(NotReadable::NewLeader { first });
        },
        |said| said.not_changed.push(NotChanged::NobodyLeads),
    ];
    let cluster = cluster();
    for (place, lie) in lies.into_iter().enumerate() {
        assert!(found(&cluster, 1, lie).is_some(), "lie {place}");
    }
}

#[test]
fn a_follower_that_lies_is_found() {
    let lies: [Lie; 9] = [
        |said| said.status.leader = Some(said.status.me.id),
        |said| {
            said.no_leader.push(NoLeader::NoneHeard {
                term: said.status.term,
            });
        },
        |said| said.not_readable.clear(),
        |said| said.not_readable = vec![NotReadable::NobodyLeads],
        |said| {
            let leader = node(3);
            said.not_readable = vec![NotReadable::LeaderConfirms { leader }];
        },
        |said| said.status.uncommitted_bytes = 1,
        |said| said.status.is_boot_durable = false,
        |said| said.status.lost_through = Some(said.status.last),
        |said| {
            for (_, why) in &mut said.not_committed {
                why.extend(why.clone());
            }
        },
    ];
    let cluster = cluster();
    for (place, lie) in lies.into_iter().enumerate() {
        assert!(found(&cluster, 2, lie).is_some(), "lie {place}");
    }
}

#[test]
fn who_looks_for_votes_and_lies_is_found() {
    let lies: [Lie; 8] = [
        |said| said.no_leader.clear(),
        |said| {
            said.no_leader = vec![NoLeader::LeaderSilent {
                leader: node(1),
                term: said.status.term,
                silent: Duration::from_secs(3),
            }];
        },
        |said| {
            said.no_leader.push(NoLeader::GaveUp {
                term: said.status.term,
            });
        },
        |said| said.no_leader.push(NoLeader::Refused { by: vec![node(2)] }),
        |said| {
            said.no_leader
                .push(NoLeader::RefusedByWitness { witness: node(2) });
        },
        |said| {
            said.no_leader.push(NoLeader::Waits {
                after: Duration::ZERO,
            });
        },
        |said| change_votes(said, |granted, silent, _| granted.append(silent)),
        |said| {
            change_votes(said, |_, _, half| {
                *half = Half::All([1, 2].map(node).into());
            });
        },
    ];
    let cluster = cluster();
    for (place, lie) in lies.into_iter().enumerate() {
        assert!(found(&cluster, 3, lie).is_some(), "lie {place}");
    }
}

fn change_votes(said: &mut Said, change: fn(&mut Vec<NodeId>, &mut Vec<NodeId>, &mut Half)) {
    let votes = said.no_leader.iter_mut().find_map(|reason| match reason {
        NoLeader::VotesMissing {
            granted,
            silent,
            half,
            ..
        } => Some((granted, silent, half)),
        _ => None,
    });
    let (granted, silent, half) = votes.unwrap();
    change(granted, silent, half);
}

#[test]
fn a_voter_that_is_sent_nothing_is_found_after_a_while() {
    let cluster = cluster();
    let hull = cluster.hull(node(1)).unwrap().unwrap();
    let checks = cluster.checks();
    let mut ear = checks.answers.ears.find(&node(1)).unwrap().clone();
    let mut unsent = Unsent::default();
    let has_room = Cell::new(true);
    let mut late = |millis, next, answers: bool| {
        let now = ear.woke.after(Duration::from_millis(millis));
        ear.stepped = now;
        for id in [2, 3].map(node).into_iter().filter(|_| answers) {
            ear.heard.entry(id).or_default().at = now;
        }
        let seen = Seen {
            now,
            ear: &ear,
            own: checks.model.node(node(1)).unwrap(),
            model: &checks.model,
            hull,
            has_room: &|_| has_room.get(),
        };
        let mut said = Said::of(hull, now);
        for reason in of_the_last(&mut said) {
            if let NotCommitted::Lags { lag, .. } = reason {
                let next = LogIndex::new(next);
                *lag = Lag::NotSent { next };
            }
        }
        unsent.hear(&seen, &said).is_some()
    };
    let patience = hull.settings().election_timeout.as_millis() as u64;
    assert!(!late(100, 4, true), "for the first time");
    assert!(!late(100 + patience, 4, true), "not for long enough");
    assert!(!late(200 + patience, 5, true), "it was sent one meanwhile");
    assert!(!late(200 + patience * 2, 5, true), "not for long enough");
    assert!(!late(201 + patience * 2, 5, false), "it does not answer");
    assert!(late(201 + patience * 2, 5, true));
    has_room.set(false);
    assert!(
        !late(202 + patience * 2, 5, true),
        "there is no room for it"
    );
    has_room.set(true);
    assert!(
        !late(203 + patience * 2, 5, true),
        "there was none until now"
    );
    assert!(late(204 + patience * 3, 5, true));
}

#[test]
fn the_same_fingerprint_with_other_figures_is_found() {
    let cluster = cluster();
    let hull = cluster.hull(node(1)).unwrap().unwrap();
    let seen = cluster
        .checks()
        .answers
        .ears
        .find(&node(1))
        .unwrap()
        .stepped;
    let status = |span| hull.status(seen.after(Duration::from_millis(span)));
    let was = Likeness::of(hull, &status(0));
    assert_eq!(was.wrong(&Likeness::of(hull, &status(9))), None);
    let mut other = status(0);
    other.followers[0].matched = LogIndex::ZERO;
    assert!(was.wrong(&Likeness::of(hull, &other)).is_some());
}

/// A leader that is to vote again counts as a new member does, by its own disk.
#[test]
fn a_leader_that_waits_for_its_own_disk_says_how_far_that_holds() {
    let [n1, n2, n3, n4] = [1, 2, 3, 4].map(node);
    let mut cluster = Cluster::founded_by(3, 4, Settings::default()).unwrap();
    cluster.campaign(n1).unwrap();
    cluster.deliver_all().unwrap();
    cluster.reconfigure(n1, &[n1, n2, n3, n4], &[]).unwrap();
    let of_itself = |matched: fn(LogIndex) -> LogIndex| {
        move |said: &mut Said| {
            let status = &said.status;
            said.not_changed.push(NotChanged::CatchingUp {
                node: status.me.id,
                matched: matched(status.durable_index),
                last: status.last.index,
                long_rounds: 0,
                limit: 10,
                still: Duration::ZERO,
                patience: Duration::from_secs(30),
            });
        }
    };
    assert_eq!(found(&cluster, 1, of_itself(|durable| durable)), None);
    assert!(found(&cluster, 1, of_itself(LogIndex::next)).is_some());
}
