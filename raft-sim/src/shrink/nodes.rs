//! Takes nodes out of a plan: who is left moves up, keeps its number and with it its lots.

use super::attempt::Attempts;
use crate::nemesis::Target;
use crate::plan::Plan;

/// Takes out nodes: at once down to three, then one by one. Each set of three is worth some luck.
pub(super) fn drop_nodes(attempts: &mut Attempts<'_>, luck: u64) {
    for size in FEW {
        let nodes = attempts.plan().nodes.len();
        if size >= nodes {
            continue;
        }
        for set in sets(nodes, size) {
            let tries = if size == 3 { luck } else { luck / 8 };
            if attempts.is_spent() {
                return;
            }
            if attempts.change_with_luck(tries, |plan| keep_nodes(plan, set)) {
                break;
            }
        }
    }
}

/// All sets of so many of these nodes, as bits.
fn sets(nodes: usize, size: usize) -> impl Iterator<Item = u8> {
    let all = 1_u32 << nodes;
    (1..all)
        .filter(move |set| set.count_ones() as usize == size)
        .map(|set| set as u8)
}

/// Keeps the nodes of this set.
fn keep_nodes(plan: &mut Plan, set: u8) {
    let kept = |place: u8| set & (1 << place) != 0;
    let moved = |place: u8| (set & ((1_u16 << place) - 1) as u8).count_ones() as u8;
    let count = set.count_ones() as u8;
    let squeezed = |nodes: u8| -> u8 {
        let kept = (0..8).filter(|&place| kept(place) && nodes & (1 << place) != 0);
        kept.map(|place| 1 << moved(place)).sum()
    };
    for fault in &mut plan.faults {
        if let Some(Target::Node(node)) = fault.fault.target_mut() {
            *node = match kept(*node) {
                true => moved(*node),
                // Somebody else's then: whether it is needed at all is for others to find out.
                false => *node % count,
            };
        }
        for nodes in fault.fault.sets_mut() {
            *nodes = squeezed(*nodes);
        }
    }
    for client in &mut plan.clients {
        let home = client.home % plan.nodes.len().max(1) as u8;
        client.home = match kept(home) {
            true => moved(home),
            false => home % count,
        };
    }
    plan.disk.slow = plan
        .disk
        .slow
        .filter(|&(node, _)| node < 8 && kept(node))
        .map(|(node, times)| (moved(node), times));
    let founders = (0..plan.founders.min(8))
        .filter(|&place| kept(place))
        .count();
    plan.founders = plan.founders.min(1).max(founders as u8);
    let mut place = 0;
    plan.nodes.retain(|_| {
        place += 1;
        kept(place - 1)
    });
    let nodes = &plan.nodes;
    let there = |number: u32| nodes.iter().any(|node| node.number == number);
    plan.fates.retain(|fate| there(fate.from) && there(fate.to));
}

/// How few nodes are tried, the most promising first: three have the shortest ways to a disaster.
const FEW: [usize; 6] = [3, 1, 2, 4, 5, 6];
