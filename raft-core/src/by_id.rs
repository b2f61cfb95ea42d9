//! A small map from node ids, in one piece of memory.

use alloc::vec::Vec;

use crate::ids::NodeId;

/// What belongs to each of a few nodes, ascending by id. It is read like a `BTreeMap`, and is faster
/// and smaller for as few nodes as a cluster has: a look at each costs less than a search, and no room
/// is kept for more.
#[derive(Clone, Debug)]
pub(crate) struct ById<T>(Vec<(NodeId, T)>);

impl<T> ById<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn find(&self, id: &NodeId) -> Option<&T> {
        let place = self.place_of(*id).ok()?;
        self.0.get(place).map(|(_, item)| item)
    }

    pub(crate) fn find_mut(&mut self, id: &NodeId) -> Option<&mut T> {
        let place = self.place_of(*id).ok()?;
        self.0.get_mut(place).map(|(_, item)| item)
    }

    pub(crate) fn contains_key(&self, id: &NodeId) -> bool {
        self.find(id).is_some()
    }

    /// Makes the item of this node, if there is none.
    pub(crate) fn ensure(&mut self, id: NodeId, make: impl FnOnce() -> T) {
        if let Err(place) = self.place_of(id) {
            if self.0.len() < A_HANDFUL {
                self.0.reserve_exact(1);
            }
            self.0.insert(place, (id, make()));
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&NodeId, &T) -> bool) {
        self.0.retain(|(id, item)| keep(id, item));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NodeId, &T)> + Clone {
        self.0.iter().map(|(id, item)| (id, item))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut T)> {
        self.0.iter_mut().map(|(id, item)| (&*id, item))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &NodeId> + Clone {
        self.0.iter().map(|(id, _)| id)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.iter().map(|(_, item)| item)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, item)| item)
    }
}

impl<T> ById<T> {
    /// Where the item of this node stands, or where it would.
    fn place_of(&self, id: NodeId) -> Result<usize, usize> {
        if self.0.len() > A_HANDFUL {
            return self.0.binary_search_by_key(&id, |(other, _)| *other);
        }
        for (place, (other, _)) in self.0.iter().enumerate() {
            if *other >= id {
                return if *other == id { Ok(place) } else { Err(place) };
            }
        }
        Err(self.0.len())
    }
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> FromIterator<(NodeId, T)> for ById<T> {
    fn from_iter<I: IntoIterator<Item = (NodeId, T)>>(items: I) -> Self {
        let mut map = Self::new();
        for (id, item) in items {
            map.ensure(id, || item);
        }
        map
    }
}

/// Up to so many are looked at one by one.
const A_HANDFUL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_found_like_few() {
        let mut map = ById::new();
        for id in [5, 1, 9, 3, 7, 19, 11, 17, 13, 15, 5] {
            map.ensure(NodeId::new(id), || id);
            for sought in 0..=20 {
                let found = map.find(&NodeId::new(sought)).copied();
                let kept = map.keys().any(|id| id.get() == sought);
                assert_eq!(found, kept.then_some(sought));
            }
            assert!(map.keys().is_sorted());
        }
        assert_eq!(map.len(), 10);
    }

    #[test]
    fn keeps_what_came_first_in_the_order_of_ids() {
        let ids = [3, 1, 2, 3].map(NodeId::new);
        let mut map: ById<usize> = ids.into_iter().zip(0..).collect();
        let expected = [(1, 1), (2, 2), (3, 0)].map(|(id, item)| (NodeId::new(id), item));
        let found: Vec<(NodeId, usize)> = map.iter().map(|(id, item)| (*id, *item)).collect();
        assert_eq!(found, expected);
        assert_eq!((map.len(), map.find(&NodeId::new(4))), (3, None));
        for (id, item) in expected {
            assert!(map.contains_key(&id));
            assert_eq!(map.find(&id), Some(&item));
            assert_eq!(map.find_mut(&id).copied(), Some(item));
        }
        map.retain(|id, item| id.get() > 1 && *item > 0);
        assert_eq!(map.keys().copied().collect::<Vec<_>>(), [NodeId::new(2)]);
        map.values_mut().for_each(|item| *item += 5);
        assert_eq!(map.values().copied().collect::<Vec<_>>(), [7]);
    }
}
