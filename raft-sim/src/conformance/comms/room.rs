//! Room: what there is, what is taken, and that it is told.

use raft_core::ids::NodeId;
use raft_core::message::Lane;

use super::carried::body_for;
use super::group::{FILLING_BYTES, Filled, Group, NODES, Told};
use super::{Broken, CommsClause, CommsKit, CommsReport, TestNetwork};

/// See [`CommsKit::room`].
pub(super) fn check<N, F>(kit: &CommsKit<F>) -> Result<CommsReport, Broken<CommsClause>>
where
    N: TestNetwork,
    F: Fn() -> N,
{
    let mut group = kit.group()?;
    for lane in Lane::ALL {
        takes_what_fits(&mut group, lane)
            .map_err(|broken| broken.after(format!("the lane {lane:?} is empty")))?;
    }
    nobody_is_reached(&mut group)
        .map_err(|broken| broken.after("messages for a node that nobody knows"))?;
    let mut report = group.ledger.report();
    for lane in [Lane::Entries, Lane::Snapshot] {
        let mut group = kit.group()?;
        takes_no_more(&mut group, lane, kit.bound).map_err(|broken| {
            broken.after(format!(
                "node 1 fills the lane {lane:?} to node 2, which takes nothing in"
            ))
        })?;
        report = report.and(group.ledger.report());
    }
    Ok(report)
}

/// Half of what there is said to be room for, at once. Each of these messages must get through in one of many
/// attempts: one that never does is not lost by chance.
fn takes_what_fits<N: TestNetwork>(
    group: &mut Group<N>,
    lane: Lane,
) -> Result<(), Broken<CommsClause>> {
    let [from, to, _] = NODES;
    // Opens the connection, if that is how it is.
    let opening = group.ledger.message(from, to, body_for(lane, 1));
    group.deliver(&[opening])?;
    group.settle()?;
    let room = group.room(from, to, lane);
    // A message is its payload and less than a kilobyte.
    let count = (room / 2 / 2_048).clamp(1, MOST_AT_ONCE);
    let body = body_for(lane, 1_024);
    let mut arrived = vec![false; count];
    for _ in 0..ATTEMPTS {
        let numbers: Vec<u64> = (0..count)
            .map(|_| group.send(from, to, body.clone()))
            .collect();
        group.settle()?;
        for (number, arrived) in numbers.iter().zip(&mut arrived) {
            *arrived |= group.ledger.has_arrived(*number);
        }
        if arrived.iter().all(|arrived| *arrived) {
            return Ok(());
        }
    }
    group.check_nobody_overslept()?;
    let dropped = arrived.iter().filter(|arrived| !**arrived).count();
    let text = format!(
        "there is said to be room for {room} bytes; of {count} messages of 1 to 2 KiB, {dropped} were dropped each time"
    );
    let expected = "that what there is room for is taken, and arrives unless it is lost";
    Err(Broken::new(CommsClause::Room, text, expected))
}

/// There may be room for a node that nobody knows: it is only asked that nothing comes of it.
fn nobody_is_reached<N: TestNetwork>(group: &mut Group<N>) -> Result<(), Broken<CommsClause>> {
    for lane in Lane::ALL {
        group.room(NODES[0], NOBODY, lane);
        group.send(NODES[0], NOBODY, body_for(lane, 10));
    }
    group.settle()?;
    let number = group
        .ledger
        .message(NODES[0], NODES[1], body_for(Lane::Control, 0));
    group.deliver(&[number])
}

fn takes_no_more<N: TestNetwork>(
    group: &mut Group<N>,
    lane: Lane,
    bound: usize,
) -> Result<(), Broken<CommsClause>> {
    let [from, to, _] = NODES;
    group.deafen(to);
    let Filled { numbers, is_full } = group.fill(from, to, lane)?;
    let body = body_for(lane, FILLING_BYTES);
    let beyond = match is_full {
        true => (0..BEYOND)
            .map(|_| group.send(from, to, body.clone()))
            .collect(),
        false => Vec::new(),
    };
    let before = group.told.len();
    group.hear(to);
    if is_full {
        check_room_is_told(group, lane, before)?;
    }
    group.settle()?;
    let arrived = |numbers: &[u64]| {
        let arrived = |number: &&u64| group.ledger.has_arrived(**number);
        numbers.iter().filter(arrived).count()
    };
    // Some may have been made room for just then, on another thread.
    if arrived(&beyond) > BEYOND / 2 {
        let text = format!(
            "there was said to be no room; of {BEYOND} messages sent then, {} arrived",
            arrived(&beyond)
        );
        let expected = "that what there is no room for is dropped";
        return Err(Broken::new(CommsClause::Room, text, expected));
    }
    if !is_full && arrived(&numbers) == numbers.len() {
        let text = format!("{bound} bytes waited in it, and there was still room");
        let expected = "that room ends, and what waits has a bound";
        return Err(Broken::new(CommsClause::Room, text, expected));
    }
    let number = group.ledger.message(from, to, body_for(lane, 10));
    group.deliver(&[number])
}

/// Node 2 takes in what waits: node 1 is told that there is room, and there is.
fn check_room_is_told<N: TestNetwork>(
    group: &mut Group<N>,
    lane: Lane,
    before: usize,
) -> Result<(), Broken<CommsClause>> {
    let [at, to, _] = NODES;
    let told = Told::Room { at, to, lane };
    let is_told = |group: &Group<N>| group.told.iter().skip(before).any(|one| *one == told);
    let (text, expected) = if !group.until(is_told)? {
        (
            "the receiver takes in what waited, and it is never told that there is room again",
            "to be told (`CommsEvent::Room`)",
        )
    } else if group.room(at, to, lane) == 0 {
        (
            "it is told that there is room, and there is none, though nothing was sent since",
            "room",
        )
    } else {
        return Ok(());
    };
    Err(Broken::new(CommsClause::Room, text, expected))
}

/// A node that nobody knows.
const NOBODY: NodeId = NodeId::new(99);
const MOST_AT_ONCE: usize = 200;
const ATTEMPTS: usize = 40;
/// Messages sent where there is no room.
const BEYOND: usize = 1_000;
