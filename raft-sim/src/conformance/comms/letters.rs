//! Messages of all kinds and sizes.

use raft_core::ids::NodeId;
use raft_core::message::Lane;

use super::carried::{bodies, body_for};
use super::group::{Group, NODES};
use super::{Broken, CommsClause, CommsKit, CommsReport, TestNetwork};

/// See [`CommsKit::messages`].
pub(super) fn check<N, F>(kit: &CommsKit<F>) -> Result<CommsReport, Broken<CommsClause>>
where
    N: TestNetwork,
    F: Fn() -> N,
{
    let mut group = kit.group()?;
    one_by_one(&mut group).map_err(|broken| broken.after("one message at a time"))?;
    let largest = kit.payload;
    all_at_once(&mut group, largest)
        .map_err(|broken| broken.after("messages of all kinds between all nodes at a time"))?;
    Ok(group.ledger.report())
}

/// After each, nothing is under way: whoever is told of the next must be woken for it.
fn one_by_one<N: TestNetwork>(group: &mut Group<N>) -> Result<(), Broken<CommsClause>> {
    for (from, to) in pairs() {
        for lane in Lane::ALL {
            group.settle()?;
            let number = group.ledger.message(from, to, body_for(lane, 100));
            group.deliver(&[number])?;
        }
    }
    Ok(())
}

fn all_at_once<N: TestNetwork>(
    group: &mut Group<N>,
    largest: usize,
) -> Result<(), Broken<CommsClause>> {
    let mut numbers = Vec::new();
    let bodies = bodies(largest);
    for (from, to) in pairs() {
        for body in &bodies {
            numbers.push(group.ledger.message(from, to, body.clone()));
        }
        let others = (0..).map_while(|which| group.ledger.other(from, to, which));
        numbers.extend(others);
    }
    group.deliver(&numbers)?;
    // What else comes must be a double of one of them.
    group.settle()
}

/// From each node to each other one.
pub(super) fn pairs() -> impl Iterator<Item = (NodeId, NodeId)> {
    let to_others = |from| {
        let others = NODES.into_iter().filter(move |to| *to != from);
        others.map(move |to| (from, to))
    };
    NODES.into_iter().flat_map(to_others)
}
