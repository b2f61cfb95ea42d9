//! What belongs to each node of a world, found at its number.

use raft_core::ids::NodeId;

use crate::network::node_number;

/// A map from nodes, ascending by id. Worlds count their nodes from one, so that mostly an item stands
/// where its node's number says; where not, it is searched for.
#[derive(Clone, Debug)]
pub(crate) struct ByNode<T>(Vec<(NodeId, T)>);

impl<T> ByNode<T> {
    /// The item of this node.
    pub(crate) fn find(&self, node: &NodeId) -> Option<&T> {
        let place = self.place_of(*node).ok()?;
        self.0.get(place).map(|(_, item)| item)
    }

    /// The item of this node, to be changed.
    pub(crate) fn find_mut(&mut self, node: &NodeId) -> Option<&mut T> {
        let place = self.place_of(*node).ok()?;
        self.0.get_mut(place).map(|(_, item)| item)
    }

    /// Sets the item of this node. The one before is given back.
    pub(crate) fn insert(&mut self, node: NodeId, item: T) -> Option<T> {
        match self.place_of(node) {
            Ok(place) => {
                let (_, kept) = self.0.get_mut(place)?;
                Some(std::mem::replace(kept, item))
            }
            Err(place) => {
                self.0.insert(place, (node, item));
                None
            }
        }
    }

    /// Takes out the item of this node.
    pub(crate) fn remove(&mut self, node: &NodeId) -> Option<T> {
        let place = self.place_of(*node).ok()?;
        Some(self.0.remove(place).1)
    }

    /// All items, with their nodes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &T)> {
        self.0.iter().map(|(node, item)| (*node, item))
    }

    /// All items.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, item)| item)
    }

    /// Where the item of this node stands, or where it would.
    fn place_of(&self, node: NodeId) -> Result<usize, usize> {
        let number = node_number(node);
        match self.0.get(number) {
            Some((there, _)) if *there == node => Ok(number),
            _ => self.0.binary_search_by_key(&node, |(there, _)| *there),
        }
    }
}

impl<T: Default> ByNode<T> {
    /// The item of this node, made if there is none.
    pub(crate) fn or_default(&mut self, node: NodeId) -> &mut T {
        let place = self.place_of(node).unwrap_or_else(|place| {
            self.0.insert(place, (node, T::default()));
            place
        });
        &mut self.0[place].1
    }
}

impl<T> Default for ByNode<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_whatever_their_nodes_are_called() {
        let mut items = ByNode::default();
        for id in [7, 2, 1, 900, 3] {
            assert_eq!(items.insert(NodeId::new(id), id), None);
        }
        *items.or_default(NodeId::new(5)) += 5;
        assert_eq!(items.remove(&NodeId::new(2)), Some(2));
        let ids: Vec<_> = items.iter().map(|(node, _)| node.get()).collect();
        assert_eq!(ids, [1, 3, 5, 7, 900]);
        for id in ids {
            assert_eq!(items.find(&NodeId::new(id)), Some(&id));
            assert_eq!(items.insert(NodeId::new(id), id), Some(id));
        }
        assert!(items.find(&NodeId::new(2)).is_none());
    }
}
