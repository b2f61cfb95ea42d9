//! Connections are lost, and made again.

use raft_core::ids::NodeId;
use raft_core::message::Lane;

use super::carried::body_for;
use super::group::{Group, NODES, Told};
use super::letters::pairs;
use super::{Broken, CommsClause, CommsKit, CommsReport, TestNetwork};

/// See [`CommsKit::connections`].
pub(super) fn check<N, F>(kit: &CommsKit<F>) -> Result<CommsReport, Broken<CommsClause>>
where
    N: TestNetwork,
    F: Fn() -> N,
{
    let mut group = kit.group()?;
    let largest = kit.payload;
    for turns in TURNS {
        let after = |broken: Broken<_>| broken.after(format!("after {turns} turns"));
        let burst = Burst { turns, largest };
        cut_and_mended(&mut group, burst)
            .map_err(|broken| after(broken).after("the way between nodes 1 and 2 is cut"))?;
        ends_and_begins(&mut group, burst)
            .map_err(|broken| after(broken).after("the process of node 2 ends"))?;
    }
    Ok(group.ledger.report())
}

/// The way between 1 and 2 is cut while much is on it.
fn cut_and_mended<N: TestNetwork>(
    group: &mut Group<N>,
    burst: Burst,
) -> Result<(), Broken<CommsClause>> {
    let [one, two, three] = NODES;
    talk(group, &pairs().collect::<Vec<_>>(), 10)?;
    let before = group.told.len();
    burst.send(group)?;
    if !group.network.cut(one, two) {
        return Ok(());
    }
    check_loss_is_told(group, before, one, two)?;
    check_loss_is_told(group, before, two, one)?;
    burst.send(group)?;
    talk(group, &[(one, three), (three, one), (three, two)], 5_000)
        .map_err(|broken| broken.after("messages between nodes that can reach each other"))?;
    let cut = [(one, two), (two, one)];
    check_losses_are_true(group, before, &cut)?;
    group.network.mend(one, two);
    talk(group, &cut, burst.largest).map_err(|broken| broken.after("the way is mended"))?;
    group.settle()
}

/// Node 2 ends while much is on its way to it, and begins anew.
fn ends_and_begins<N: TestNetwork>(
    group: &mut Group<N>,
    burst: Burst,
) -> Result<(), Broken<CommsClause>> {
    let [one, two, three] = NODES;
    talk(group, &pairs().collect::<Vec<_>>(), 10)?;
    let before = group.told.len();
    burst.send(group)?;
    group.close(two);
    check_loss_is_told(group, before, one, two)?;
    check_loss_is_told(group, before, three, two)?;
    burst.send(group)?;
    talk(group, &[(one, three), (three, one)], 5_000)
        .map_err(|broken| broken.after("messages between nodes that run"))?;
    check_losses_are_true(group, before, &[(one, two), (three, two)])?;
    group.open(two)?;
    talk(group, &pairs().collect::<Vec<_>>(), burst.largest)
        .map_err(|broken| broken.after("it begins anew"))?;
    group.settle()
}

/// Large messages both ways between 1 and 2.
#[derive(Clone, Copy)]
struct Burst {
    /// For how long they are under way when the connection is lost.
    turns: u32,
    largest: usize,
}

impl Burst {
    fn send<N: TestNetwork>(self, group: &mut Group<N>) -> Result<(), Broken<CommsClause>> {
        let [one, two, _] = NODES;
        for (from, to) in [(one, two), (two, one)] {
            for lane in Lane::ALL {
                for length in [self.largest, 10, self.largest] {
                    group.send(from, to, body_for(lane, length));
                }
            }
        }
        group.step(self.turns, |_| false)
    }
}

/// A message of so many bytes in each lane for each pair of these: each arrives.
fn talk<N: TestNetwork>(
    group: &mut Group<N>,
    pairs: &[(NodeId, NodeId)],
    length: usize,
) -> Result<(), Broken<CommsClause>> {
    let mut numbers = Vec::new();
    for (from, to) in pairs {
        for lane in Lane::ALL {
            let body = body_for(lane, length);
            numbers.push(group.ledger.message(*from, *to, body));
        }
    }
    group.deliver(&numbers)
}

/// Comms that tell of losses tell of this one. Some see it only when they send.
fn check_loss_is_told<N: TestNetwork>(
    group: &mut Group<N>,
    before: usize,
    at: NodeId,
    peer: NodeId,
) -> Result<(), Broken<CommsClause>> {
    if !group.network.tells_of_losses() {
        return group.settle();
    }
    let told = Told::Lost { at, peer };
    let is_told = |group: &Group<N>| group.told.iter().skip(before).any(|one| *one == told);
    for _ in 0..10 {
        group.send(at, peer, body_for(Lane::Control, 0));
        group.step(TURNS_TO_NOTICE, is_told)?;
        if is_told(group) {
            return Ok(());
        }
    }
    if group.until(is_told)? {
        return Ok(());
    }
    let text = format!("{at} had heard from {peer}, and is not told that the way is lost");
    let expected = "that it is told (`CommsEvent::ConnectionLost`)";
    Err(Broken::new(CommsClause::TrueLosses, text, expected))
}

/// No other losses were told than of these ways.
fn check_losses_are_true<N: TestNetwork>(
    group: &Group<N>,
    before: usize,
    lost: &[(NodeId, NodeId)],
) -> Result<(), Broken<CommsClause>> {
    for told in group.told.iter().skip(before) {
        if let Told::Lost { at, peer } = *told {
            if !lost.contains(&(at, peer)) {
                let text = format!("{at} is told that the way to {peer} is lost, and it is not");
                let expected = "to be told of ways that are lost alone";
                return Err(Broken::new(CommsClause::TrueLosses, text, expected));
            }
        }
    }
    Ok(())
}

/// For how many turns messages are under way before everything is lost: none, and some that reach comms which
/// need many for a message in the middle of one.
const TURNS: [u32; 4] = [0, 1, 5, 25];
/// Turns in which a loss is noticed, if sending makes it so.
const TURNS_TO_NOTICE: u32 = 20;
