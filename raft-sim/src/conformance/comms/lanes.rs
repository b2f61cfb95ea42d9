//! What waits holds up nothing else.

use raft_core::message::Lane;

use super::carried::body_for;
use super::group::{Group, NODES, Told};
use super::letters::pairs;
use super::{Broken, CommsClause, CommsKit, CommsReport, TestNetwork};

/// See [`CommsKit::lanes`].
pub(super) fn check<N, F>(kit: &CommsKit<F>) -> Result<CommsReport, Broken<CommsClause>>
where
    N: TestNetwork,
    F: Fn() -> N,
{
    let mut report = CommsReport::default();
    for held in [Lane::Entries, Lane::Snapshot] {
        let mut group = kit.group()?;
        others_go_past(&mut group, held)
            .map_err(|broken| broken.after(format!("what is in the lane {held:?} waits")))?;
        report = report.and(group.ledger.report());
    }
    let mut group = kit.group()?;
    who_does_not_listen_holds_up_nobody(&mut group)
        .map_err(|broken| broken.after("node 2 takes nothing in"))?;
    Ok(report.and(group.ledger.report()))
}

/// Much waits in one lane. What is sent in the others after it arrives before most of it. As any message may be late,
/// one of several is enough.
fn others_go_past<N: TestNetwork>(
    group: &mut Group<N>,
    held: Lane,
) -> Result<(), Broken<CommsClause>> {
    let [from, to, _] = NODES;
    // Opens the connections, if that is how it is.
    let opening = Lane::ALL.map(|lane| group.ledger.message(from, to, body_for(lane, 1)));
    group.deliver(&opening)?;
    group.deafen(to);
    let waiting = group.fill(from, to, held)?.numbers;
    let others = || Lane::ALL.into_iter().filter(|lane| *lane != held);
    let mut urgent = Vec::new();
    for lane in others() {
        if group.room(from, to, lane) == 0 {
            let text = format!("there is no room in the lane {lane:?}, in which nothing waits");
            return Err(Broken::new(CommsClause::Lanes, text, "room"));
        }
        let numbers = (0..SEVERAL).map(|_| group.send(from, to, body_for(lane, 50)));
        urgent.push((lane, numbers.collect::<Vec<_>>()));
    }
    group.settle()?;
    let before = group.told.len();
    group.hear(to);
    group.settle()?;
    let arrived: Vec<u64> = group.told.iter().skip(before).filter_map(number).collect();
    let held_up = |number: &u64| waiting.binary_search(number).is_ok();
    let of_held = arrived.iter().filter(|number| held_up(number)).count();
    for (lane, numbers) in urgent {
        let is_ours = |number: &u64| numbers.binary_search(number).is_ok();
        let Some(first) = arrived.iter().position(is_ours) else {
            // All were lost, as may be.
            group.deliver(&numbers)?;
            continue;
        };
        let came_before = arrived.iter().take(first).filter(|number| held_up(number));
        let came_before = came_before.count();
        if of_held >= FEW && came_before * 2 > of_held {
            let text = format!(
                "{SEVERAL} messages in the lane {lane:?} waited for {came_before} of {of_held} that waited in \
                 the lane {held:?}"
            );
            let expected = "that a lane waits for no other";
            return Err(Broken::new(CommsClause::Lanes, text, expected));
        }
    }
    Ok(())
}

/// All lanes to a node are full; nobody else notices.
fn who_does_not_listen_holds_up_nobody<N: TestNetwork>(
    group: &mut Group<N>,
) -> Result<(), Broken<CommsClause>> {
    let deaf = NODES[1];
    group.deafen(deaf);
    for from in [NODES[0], NODES[2]] {
        for lane in [Lane::Entries, Lane::Snapshot] {
            group.fill(from, deaf, lane)?;
        }
        for _ in 0..1_000 {
            group.send(from, deaf, body_for(Lane::Control, 0));
        }
    }
    group.settle()?;
    let mut numbers = Vec::new();
    for (from, to) in pairs().filter(|(from, to)| *from != deaf && *to != deaf) {
        for lane in Lane::ALL {
            let message = |_| group.ledger.message(from, to, body_for(lane, 5_000));
            numbers.extend((0..SEVERAL).map(message));
        }
    }
    group.deliver(&numbers).map_err(|broken| Broken {
        clause: broken.clause.map(as_held_up),
        ..broken
    })
}

/// What never arrives while a node does not listen is held up by that.
const fn as_held_up(clause: CommsClause) -> CommsClause {
    match clause {
        CommsClause::Room | CommsClause::NotAllLost => CommsClause::Lanes,
        other => other,
    }
}

const fn number(told: &Told) -> Option<u64> {
    match told {
        Told::Arrived { number, .. } => Some(*number),
        Told::Room { .. } | Told::Lost { .. } => None,
    }
}

const SEVERAL: usize = 20;
/// Of fewer messages nothing can be said.
const FEW: usize = 8;
