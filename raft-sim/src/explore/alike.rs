//! Nodes are alike: whatever may happen may happen with their names exchanged.
//!
//! A renaming gives each node another's name. What it makes of a node's state, of a message and of
//! a past is noted when these are first met (`table.rs`, `past.rs`), and of all states that differ
//! by a renaming only, the one whose numbers come first stands for all. That nodes are alike is
//! not taken for granted: each step of a hull is taken under every renaming, and compared. If one
//! differs (a hull that prefers one name to another), the world is explored anew without this.

use super::worlds::MAX_NODES;

/// All ways to exchange names, the first of which changes nothing.
#[derive(Debug)]
pub(super) struct Renamings {
    all: Vec<[u8; MAX_NODES]>,
    /// Which renaming it is to apply one after another: `[after * count + first]`.
    products: Vec<usize>,
}

impl Renamings {
    /// All renamings of so many nodes, of which the last ones are witnesses: those are alike among
    /// themselves.
    pub(super) fn of(nodes: usize, witnesses: usize) -> Self {
        let is_witness = |node: usize| node + witnesses >= nodes;
        let mut all: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..nodes {
            let longer = |some: &Vec<u8>| {
                let some = some.clone();
                let kind = is_witness(some.len());
                let alike = move |name: &u8| is_witness(usize::from(*name)) == kind;
                let free = (0..nodes as u8).filter(move |name| !some.contains(name) && alike(name));
                free.collect::<Vec<u8>>()
            };
            all = all
                .iter()
                .flat_map(|some| {
                    longer(some).into_iter().map(move |name| {
                        let mut some = some.clone();
                        some.push(name);
                        some
                    })
                })
                .collect();
        }
        let all = all.into_iter().map(|names| {
            let mut padded = [0; MAX_NODES];
            padded[..nodes].copy_from_slice(&names);
            padded
        });
        Self::with(nodes, all.collect())
    }

    /// None but the one that changes nothing.
    pub(super) fn none(nodes: usize) -> Self {
        let mut same = [0; MAX_NODES];
        for (name, place) in (0..nodes as u8).zip(&mut same) {
            *place = name;
        }
        Self::with(nodes, vec![same])
    }

    fn with(nodes: usize, all: Vec<[u8; MAX_NODES]>) -> Self {
        let mut products = Vec::new();
        for after in &all {
            for first in &all {
                let product = |node: usize| after[usize::from(first[node])];
                let same =
                    |one: &[u8; MAX_NODES]| (0..nodes).all(|node| one[node] == product(node));
                products.push(all.iter().position(same).unwrap_or(0));
            }
        }
        Self { all, products }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// The place of the node that takes the name of `node`.
    pub(super) fn node(&self, renaming: usize, node: usize) -> usize {
        usize::from(self.all[renaming][node])
    }

    pub(super) fn product(&self, after: usize, first: usize) -> usize {
        self.products[after * self.count() + first]
    }
}

/// What each renaming makes of things that have numbers.
#[derive(Debug, Default)]
pub(super) struct Images {
    images: Vec<u32>,
}

impl Images {
    /// What a renaming makes of a thing.
    pub(super) fn get(&self, thing: u32, renaming: usize, renamings: &Renamings) -> u32 {
        self.images[thing as usize * renamings.count() + renaming]
    }

    /// Notes that these are the same but for names, `orbit[r]` being what renaming `r` makes of the
    /// first; answers whether that agrees with all that was noted before.
    pub(super) fn note(&mut self, orbit: &[u32], renamings: &Renamings) -> bool {
        let count = renamings.count();
        let known = self.images.len() / count;
        let mut fresh = orbit.iter().filter(|thing| **thing as usize >= known);
        if fresh.next().is_none() {
            return (0..count).all(|renaming| {
                let image = self.get(orbit[0], renaming, renamings);
                image == orbit[renaming]
            });
        }
        let most = orbit.iter().max().map_or(0, |most| *most as usize + 1);
        let agrees = orbit.iter().all(|thing| *thing as usize >= known);
        self.images.resize(most.max(known) * count, 0);
        for first in 0..count {
            for after in 0..count {
                let at = orbit[first] as usize * count + after;
                self.images[at] = orbit[renamings.product(after, first)];
            }
        }
        agrees
    }
}

#[cfg(test)]
mod tests {
    use super::{Images, Renamings};

    #[test]
    fn renamings_are_a_group() {
        let renamings = Renamings::of(3, 0);
        assert_eq!(renamings.count(), 6);
        assert_eq!([0, 1, 2].map(|node| renamings.node(0, node)), [0, 1, 2]);
        for after in 0..6 {
            let mut products: Vec<usize> = (0..6).map(|r| renamings.product(after, r)).collect();
            for node in 0..3 {
                let both = renamings.node(after, renamings.node(1, node));
                assert_eq!(renamings.node(products[1], node), both);
            }
            products.sort_unstable();
            assert_eq!(products, [0, 1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn witnesses_take_names_of_witnesses_only() {
        let renamings = Renamings::of(5, 2);
        assert_eq!(renamings.count(), 12);
        for renaming in 0..12 {
            let witnesses = (0..5).filter(|node| renamings.node(renaming, *node) >= 3);
            assert_eq!(witnesses.collect::<Vec<_>>(), [3, 4]);
        }
        assert_eq!(Renamings::of(3, 1).count(), 2);
    }

    #[test]
    fn images_that_contradict_what_was_noted_are_told() {
        let renamings = Renamings::of(2, 0);
        let mut images = Images::default();
        assert!(images.note(&[0, 1], &renamings));
        assert!(images.note(&[2, 3], &renamings));
        assert!(images.note(&[1, 0], &renamings));
        assert_eq!(images.get(3, 1, &renamings), 2);
        assert!(!images.note(&[0, 2], &renamings));
        assert!(!images.note(&[4, 2], &renamings));
    }
}
