//! Who a fault's target is at the moment it strikes, and which links a shape takes away.

use raft_core::states::Role;

use super::World;
use crate::nemesis::{Shape, Target};
use crate::network::Links;
use crate::subject::Subject;

impl<S: Subject> World<'_, S> {
    /// Who a target is at this moment.
    pub(super) fn victim(&self, target: Target, cause: Option<usize>) -> usize {
        let count = self.nodes.len().max(1);
        let leader = self
            .nodes
            .iter()
            .filter_map(|node| node.glimpse.map(|glimpse| (glimpse, node.number)))
            .filter(|(glimpse, _)| glimpse.role == Role::Leader)
            .max_by_key(|(glimpse, _)| glimpse.term)
            .map(|(_, number)| number);
        match target {
            Target::Node(number) => usize::from(number) % count,
            Target::Cause => cause.or(leader).unwrap_or(0),
            Target::Leader => leader.unwrap_or(0),
            Target::Follower(place) => {
                let others = count.saturating_sub(1).max(1);
                (leader.unwrap_or(0) + 1 + usize::from(place) % others) % count
            }
        }
    }

    /// Which links a shape takes away.
    pub(super) fn links(&self, shape: Shape, cause: Option<usize>) -> Links {
        let count = self.nodes.len();
        let victim = |target| self.victim(target, cause);
        match shape {
            Shape::Isolate(target) => {
                let node = victim(target);
                cut_if(count, |from, to| from == node || to == node)
            }
            Shape::Mute(target) => {
                let node = victim(target);
                cut_if(count, |from, _| from == node)
            }
            Shape::Deafen(target) => {
                let node = victim(target);
                cut_if(count, |_, to| to == node)
            }
            Shape::Link(target) => {
                let one = victim(target);
                let other = (one + 1) % count.max(1);
                cut_if(count, |from, to| {
                    (from, to) == (one, other) || (from, to) == (other, one)
                })
            }
            Shape::From(target, place) => {
                let node = victim(target);
                let friend = friend_of(node, place, count);
                cut_if(count, |from, to| from == friend && to == node)
            }
            Shape::With(target, place) => {
                let node = victim(target);
                let friend = friend_of(node, place, count);
                let side = |number: usize| number == node || number == friend;
                cut_if(count, |from, to| side(from) != side(to))
            }
            Shape::Bridge(set, target) => {
                let bridge = victim(target);
                cut_if(count, |from, to| {
                    within(set, from) != within(set, to) && from != bridge && to != bridge
                })
            }
            Shape::Star(target) => {
                let hub = victim(target);
                cut_if(count, |from, to| from != hub && to != hub)
            }
            Shape::Split(_) | Shape::OneWay(_) | Shape::Ring | Shape::Chain | Shape::Majorities => {
                links_of_nobody(shape, count)
            }
        }
    }
}

/// Which links a shape takes away that has no target.
fn links_of_nobody(shape: Shape, count: usize) -> Links {
    let around = |from: usize, to: usize| {
        let apart = from.abs_diff(to);
        apart.min(count.saturating_sub(apart))
    };
    match shape {
        Shape::Split(set) => cut_if(count, |from, to| within(set, from) != within(set, to)),
        Shape::OneWay(set) => cut_if(count, |from, to| within(set, from) && !within(set, to)),
        Shape::Ring => cut_if(count, |from, to| around(from, to) != 1),
        Shape::Chain => cut_if(count, |from, to| from.abs_diff(to) != 1),
        Shape::Majorities => {
            // A majority counts the node itself: half of the others, on both sides.
            let reach = (count / 2).div_ceil(2);
            cut_if(count, |from, to| around(from, to) > reach)
        }
        _ => Links::default(),
    }
}

/// The links between different nodes for which `condition` holds.
fn cut_if(count: usize, condition: impl Fn(usize, usize) -> bool) -> Links {
    let mut links = Links::default();
    for from in 0..count {
        for to in 0..count {
            if from != to && condition(from, to) {
                links.add(from, to);
            }
        }
    }
    links
}

const fn within(set: u8, node: usize) -> bool {
    set & (1 << node) != 0
}

/// One of the other nodes.
fn friend_of(node: usize, place: u8, count: usize) -> usize {
    let others = count.saturating_sub(1).max(1);
    (node + 1 + usize::from(place) % others) % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom each node can still talk to.
    fn left(shape: Shape, count: usize) -> Vec<Vec<usize>> {
        let cut = links_of_nobody(shape, count);
        (0..count)
            .map(|from| {
                (0..count)
                    .filter(|&to| to != from && !cut.has(from, to))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn in_a_chain_each_node_has_its_neighbours() {
        assert_eq!(
            left(Shape::Chain, 4),
            [vec![1], vec![0, 2], vec![1, 3], vec![2]]
        );
    }

    #[test]
    fn in_a_ring_of_majorities_each_node_sees_one_and_no_two_the_same() {
        for count in [5, 7] {
            let seen = left(Shape::Majorities, count);
            for (node, others) in seen.iter().enumerate() {
                assert!(others.len() + 1 > count / 2 && others.len() + 1 < count);
                let mut mine = others.clone();
                mine.push(node);
                mine.sort_unstable();
                for other in (0..count).filter(|&other| other != node) {
                    let mut theirs = seen[other].clone();
                    theirs.push(other);
                    theirs.sort_unstable();
                    assert_ne!(mine, theirs, "{node} and {other} of {count}");
                }
            }
        }
    }
}
