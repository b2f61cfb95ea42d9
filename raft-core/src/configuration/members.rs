//! A set of members, in one piece of memory.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use core::{fmt, slice};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Member;
use crate::by_id::ById;
use crate::ids::NodeId;

/// A set of members: each node at most once, ascending by id. It is used like a `BTreeMap`, and is
/// written as one.
///
/// A cluster has few members, and each message asks who is one: a look at each of them costs less
/// than a search, and a hull at rest keeps no room for more. Clones share what they hold until one of
/// them is changed: hulls that are opened with clones of one set keep it once.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Members(Arc<ById<Member>>);

impl Members {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member, or puts it in the place of the one of that name, which is given back.
    pub fn insert(&mut self, id: NodeId, member: Member) -> Option<Member> {
        self.change().insert(id, member)
    }

    /// Takes out the member of that name, if there is one.
    pub fn remove(&mut self, id: &NodeId) -> Option<Member> {
        self.change().remove(id)
    }

    /// Keeps only the members of which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&NodeId, &Member) -> bool) {
        self.change().retain(|id, member| keep(id, member));
    }

    /// The member of that name, if there is one.
    pub fn get(&self, id: &NodeId) -> Option<&Member> {
        self.0.find(id)
    }

    /// The member of that name, if there is one, to be changed.
    pub fn named_mut(&mut self, id: &NodeId) -> Option<&mut Member> {
        self.change().find_mut(id)
    }

    /// Whether there is a member of that name.
    pub fn contains_key(&self, id: &NodeId) -> bool {
        self.0.contains_key(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&NodeId, &Member)> + ExactSizeIterator + Clone {
        self.0.iter()
    }

    /// Their names.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &NodeId> + ExactSizeIterator + Clone {
        self.0.keys()
    }

    /// What is known of each.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Member> + ExactSizeIterator + Clone {
        self.0.values()
    }

    /// What is known of each, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Member> {
        self.change().values_mut()
    }

    /// The set, to be changed in this place alone.
    fn change(&mut self) -> &mut ById<Member> {
        Arc::make_mut(&mut self.0)
    }
}

impl FromIterator<(NodeId, Member)> for Members {
    fn from_iter<I: IntoIterator<Item = (NodeId, Member)>>(members: I) -> Self {
        let mut set = Self::new();
        set.extend(members);
        set
    }
}

impl<const N: usize> From<[(NodeId, Member); N]> for Members {
    fn from(members: [(NodeId, Member); N]) -> Self {
        members.into_iter().collect()
    }
}

impl Extend<(NodeId, Member)> for Members {
    fn extend<I: IntoIterator<Item = (NodeId, Member)>>(&mut self, members: I) {
        let set = self.change();
        for (id, member) in members {
            set.insert(id, member);
        }
    }
}

impl IntoIterator for Members {
    type Item = (NodeId, Member);
    type IntoIter = vec::IntoIter<(NodeId, Member)>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = (&'a NodeId, &'a Member);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter(self.0.as_slice().iter())
    }
}

impl<'a> IntoIterator for &'a mut Members {
    type Item = (&'a NodeId, &'a mut Member);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> IterMut<'a> {
        IterMut(self.change().as_mut_slice().iter_mut())
    }
}

/// The members of a set, one by one.
#[derive(Clone, Debug)]
pub struct Iter<'a>(slice::Iter<'a, (NodeId, Member)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a NodeId, &'a Member);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(id, member)| (id, member))
    }
}

/// The members of a set, one by one, to be changed.
#[derive(Debug)]
pub struct IterMut<'a>(slice::IterMut<'a, (NodeId, Member)>);

impl<'a> Iterator for IterMut<'a> {
    type Item = (&'a NodeId, &'a mut Member);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(id, member)| (&*id, member))
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = BTreeMap::deserialize(deserializer)?;
        Ok(members.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Incarnation;

    use alloc::format;
    use alloc::vec::Vec;

    fn member(life: u128) -> Member {
        Member::voter(Incarnation::new(life))
    }

    #[test]
    fn is_the_map_that_it_is_used_like() {
        let mut map = BTreeMap::new();
        let mut set = Members::new();
        for (id, life) in [(3, 1), (1, 2), (9, 3), (3, 4), (2, 5), (9, 6)] {
            let id = NodeId::new(id);
            assert_eq!(set.insert(id, member(life)), map.insert(id, member(life)));
        }
        let gone = NodeId::new(2);
        assert_eq!(set.remove(&gone), map.remove(&gone));
        assert_eq!(set.remove(&gone), None);
        for id in [1, 2, 3, 9].map(NodeId::new) {
            assert_eq!(set.contains_key(&id), map.contains_key(&id), "{id}");
        }
        assert!(set.iter().eq(map.iter()) && set.iter().rev().eq(map.iter().rev()));
        assert!(set.keys().eq(map.keys()) && set.values().eq(map.values()));
        assert_eq!(format!("{set:?}"), format!("{map:?}"));
        assert_eq!((set.len(), set.is_empty()), (3, false));
        let before = set.clone();
        assert!(
            Arc::ptr_eq(&before.0, &set.0),
            "clones share what they hold"
        );
        let of_map: Members = map.into_iter().collect();
        assert_eq!(set, of_map);
        set.retain(|id, _| id.get() < 9);
        assert_eq!(set.get(&NodeId::new(9)), None);
        let kept: Vec<u64> = set.into_iter().map(|(id, _)| id.get()).collect();
        assert_eq!(kept, [1, 3]);
        assert_eq!(before, of_map, "and are changed apart");
        assert!(Members::new().is_empty());
    }
}
