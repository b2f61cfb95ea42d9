//! A small map from node ids, in one piece of memory.

use alloc::vec::{self, Vec};
use core::mem;

use crate::ids::NodeId;

/// What belongs to each of a few nodes, ascending by id. It is read like a `BTreeMap`, and is faster
/// and smaller for as few nodes as a cluster has: a look at each costs less than a search, and no room
/// is kept for more.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ById<T>(Vec<(NodeId, T)>);

impl<T> ById<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn find(&self, id: &NodeId) -> Option<&T> {
        if self.0.len() <= A_HANDFUL {
            let mut all = self.0.iter();
            return all.find(|(other, _)| other == id).map(|(_, item)| item);
        }
        let place = self.place_of(*id).ok()?;
        self.0.get(place).map(|(_, item)| item)
    }

    pub(crate) fn find_mut(&mut self, id: &NodeId) -> Option<&mut T> {
        if self.0.len() <= A_HANDFUL {
            let mut all = self.0.iter_mut();
            return all.find(|(other, _)| other == id).map(|(_, item)| item);
        }
        let place = self.place_of(*id).ok()?;
        self.0.get_mut(place).map(|(_, item)| item)
    }

    pub(crate) fn contains_key(&self, id: &NodeId) -> bool {
        self.find(id).is_some()
    }

    /// Makes the item of this node, if there is none.
    pub(crate) fn ensure(&mut self, id: NodeId, make: impl FnOnce() -> T) {
        if let Err(place) = self.place_of(id) {
            self.put(place, id, make());
        }
    }

    /// Sets the item of this node. The one before is given back.
    pub(crate) fn insert(&mut self, id: NodeId, item: T) -> Option<T> {
        match self.place_of(id) {
            Ok(place) => {
                let (_, kept) = self.0.get_mut(place)?;
                Some(mem::replace(kept, item))
            }
            Err(place) => {
                self.put(place, id, item);
                None
            }
        }
    }

    /// Takes out the item of this node.
    pub(crate) fn remove(&mut self, id: &NodeId) -> Option<T> {
        let place = self.place_of(*id).ok()?;
        let (_, item) = self.0.remove(place);
        Some(item)
    }

    fn put(&mut self, place: usize, id: NodeId, item: T) {
        if self.0.len() < A_HANDFUL {
            self.0.reserve_exact(1);
        }
        self.0.insert(place, (id, item));
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&NodeId, &T) -> bool) {
        self.0.retain(|(id, item)| keep(id, item));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[(NodeId, T)] {
        &self.0
    }

    /// The items may be changed, and not the ids.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [(NodeId, T)] {
        &mut self.0
    }

    pub(crate) fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&NodeId, &T)> + ExactSizeIterator + Clone {
        self.0.iter().map(|(id, item)| (id, item))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut T)> {
        self.0.iter_mut().map(|(id, item)| (&*id, item))
    }

    pub(crate) fn keys(
        &self,
    ) -> impl DoubleEndedIterator<Item = &NodeId> + ExactSizeIterator + Clone {
        self.0.iter().map(|(id, _)| id)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, item)| item)
    }

    pub(crate) fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, item)| item)
    }
}

impl<T> IntoIterator for ById<T> {
    type Item = (NodeId, T);
    type IntoIter = vec::IntoIter<(NodeId, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
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
