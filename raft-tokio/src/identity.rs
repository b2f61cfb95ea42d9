//! What a node says of itself at a handshake, and whom it listens to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::ids::{ClusterId, NodeId};

use crate::handshake::{Caller, Hello, Refusal, VERSION, Welcome};

/// Shared by the comms, which learn the cluster's id when it is founded, and the listener.
#[derive(Debug)]
pub(crate) struct Identity {
    id: NodeId,
    /// Where this node is reached.
    own: Arc<str>,
    addresses: Mutex<Addresses>,
    payload_codec: u8,
    cluster: Mutex<Option<ClusterId>>,
    /// Whether this node was not there when its cluster was founded.
    joins: bool,
    /// Who was refused last, and why: it calls again several times a second.
    refused: Mutex<BTreeSet<(Option<NodeId>, Refusal)>>,
}

/// Where other nodes are reached.
#[derive(Debug)]
struct Addresses {
    /// As the user has it, then as the configuration has it.
    members: BTreeMap<NodeId, String>,
    /// As nodes say themselves that are no members as far as this one knows.
    others: BTreeMap<NodeId, String>,
}

impl Identity {
    pub(crate) fn new(
        id: NodeId,
        own: &str,
        members: BTreeMap<NodeId, String>,
        payload_codec: u8,
        cluster: Option<ClusterId>,
    ) -> Self {
        let addresses = Addresses {
            members,
            others: BTreeMap::new(),
        };
        Self {
            id,
            own: own.into(),
            addresses: Mutex::new(addresses),
            payload_codec,
            cluster: Mutex::new(cluster),
            joins: false,
            refused: Mutex::default(),
        }
    }

    /// The same of a node that joins.
    pub(crate) const fn joining(mut self, joins: bool) -> Self {
        self.joins = joins;
        self
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Where this node is reached.
    pub(crate) fn own(&self) -> Arc<str> {
        self.own.clone()
    }

    /// Where a node listens: by the configuration, or, of no member, by what it said itself.
    pub(crate) fn address(&self, id: NodeId) -> Option<String> {
        let addresses = self.addresses();
        let known = addresses.members.get(&id);
        known.or_else(|| addresses.others.get(&id)).cloned()
    }

    /// The configuration in force has this member there.
    pub(crate) fn reach(&self, member: NodeId, address: &str) {
        let mut addresses = self.addresses();
        addresses.others.remove(&member);
        addresses.members.insert(member, address.to_owned());
    }

    /// A node that was let in says where it is reached itself. Of members, the configuration
    /// knows better.
    pub(crate) fn heard(&self, id: NodeId, address: &str) {
        let mut addresses = self.addresses();
        let full = addresses.others.len() >= MAX_OTHERS && !addresses.others.contains_key(&id);
        if !address.is_empty() && !full && !addresses.members.contains_key(&id) {
            addresses.others.insert(id, address.to_owned());
        }
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster, once it is founded.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster was founded, or is known from before.
    pub(crate) fn learn_cluster(&self, cluster: ClusterId) {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
    }

    /// Whether to talk to whoever said this.
    pub(crate) fn judge(&self, hello: &Hello) -> Result<(), Refusal> {
        if let (Some(ours), Some(theirs)) = (self.cluster(), hello.cluster) {
            if ours != theirs {
                return Err(Refusal::WrongCluster);
            }
        }
        let Caller::Peer { from, to, .. } = hello.caller else {
            return Ok(());
        };
        if to != self.id {
            return Err(Refusal::WrongNode);
        }
        // Who is no member here may be one already where the log goes on: it must know the cluster.
        // Who joins knows none yet: there the driver takes only what is meant for its very life.
        let is_ours = match (self.cluster(), hello.cluster) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, Some(_)) => self.joins,
            (_, None) => false,
        };
        let is_known = self.addresses().members.contains_key(&from.id);
        if from.id == self.id || !(is_known || is_ours) {
            return Err(Refusal::Stranger);
        }
        Ok(())
    }

    /// Whether this refusal is worth telling: the first of its kind to this caller, or the first
    /// since so many were told that nothing is known any more of who was.
    pub(crate) fn is_news(&self, caller: Option<NodeId>, refusal: Refusal) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MAX_OTHERS {
            refused.clear();
        }
        refused.insert((caller, refusal))
    }

    /// A caller was let in: the next refusal is news again.
    pub(crate) fn let_in(&self, caller: Option<NodeId>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|(refused, _)| *refused != caller);
    }

    /// The answer to a hello.
    pub(crate) fn welcome(&self, verdict: Result<(), Refusal>) -> Welcome {
        Welcome {
            version: VERSION,
            cluster: self.cluster(),
            node: self.id,
            payload_codec: self.payload_codec,
            refusal: verdict.err(),
        }
    }
}

/// Nodes that are no members and whose addresses are remembered; refusals that were told.
const MAX_OTHERS: usize = 128;

#[cfg(test)]
mod tests {
    use raft_core::ids::{Incarnation, Peer};
    use raft_core::message::Lane;

    use super::*;

    fn judge(cluster: Option<u128>, from: u64, to: u64) -> Result<(), Refusal> {
        let members = (1..=3).map(|id| (NodeId::new(id), String::new())).collect();
        let ours = Some(ClusterId::new(7));
        let identity = Identity::new(NodeId::new(1), "", members, 0, ours);
        identity.judge(&Hello {
            address_bytes: 0,
            cluster: cluster.map(ClusterId::new),
            caller: Caller::Peer {
                from: Peer::new(NodeId::new(from), Incarnation::new(1)),
                to: NodeId::new(to),
                lane: Lane::Control,
            },
        })
    }

    #[test]
    fn members_and_who_knows_the_cluster_may_speak_and_nobody_else() {
        assert_eq!(judge(Some(7), 2, 1), Ok(()));
        assert_eq!(judge(None, 2, 1), Ok(()));
        assert_eq!(judge(Some(8), 2, 1), Err(Refusal::WrongCluster));
        assert_eq!(judge(Some(7), 2, 3), Err(Refusal::WrongNode));
        assert_eq!(judge(Some(7), 4, 1), Ok(()));
        assert_eq!(judge(None, 4, 1), Err(Refusal::Stranger));
        assert_eq!(judge(Some(7), 1, 1), Err(Refusal::Stranger));
    }

    #[test]
    fn who_joins_listens_to_whoever_has_a_cluster() {
        for (joins, cluster, heard) in [
            (true, true, true),
            (true, false, false),
            (false, true, false),
        ] {
            let identity = Identity::new(NodeId::new(4), "", BTreeMap::new(), 0, None);
            let judged = identity.joining(joins).judge(&Hello {
                address_bytes: 0,
                cluster: cluster.then_some(ClusterId::new(7)),
                caller: Caller::Peer {
                    from: Peer::new(NodeId::new(2), Incarnation::new(1)),
                    to: NodeId::new(4),
                    lane: Lane::Control,
                },
            });
            assert_eq!(judged.is_ok(), heard, "{joins} {cluster}");
        }
    }

    #[test]
    fn the_configuration_knows_better_than_who_calls() {
        let node = NodeId::new;
        let identity = Identity::new(node(1), "a:1", BTreeMap::new(), 0, None);
        assert_eq!(identity.address(node(4)), None);
        identity.heard(node(4), "");
        assert_eq!(identity.address(node(4)), None);
        identity.heard(node(4), "d:4");
        assert_eq!(identity.address(node(4)).as_deref(), Some("d:4"));
        identity.reach(node(4), "d:5");
        identity.heard(node(4), "d:6");
        assert_eq!(identity.address(node(4)).as_deref(), Some("d:5"));
        for id in 10..1_000 {
            identity.heard(node(id), "x:1");
        }
        assert_eq!(identity.addresses().others.len(), MAX_OTHERS);
    }

    #[test]
    fn a_refusal_is_news_once_and_again_after_the_caller_was_let_in() {
        let identity = Identity::new(NodeId::new(1), "", BTreeMap::new(), 0, None);
        let caller = Some(NodeId::new(4));
        assert!(identity.is_news(caller, Refusal::Stranger));
        assert!(!identity.is_news(caller, Refusal::Stranger));
        assert!(identity.is_news(caller, Refusal::WrongCluster));
        assert!(identity.is_news(Some(NodeId::new(5)), Refusal::Stranger));
        identity.let_in(caller);
        assert!(identity.is_news(caller, Refusal::Stranger));
        assert!(!identity.is_news(Some(NodeId::new(5)), Refusal::Stranger));
    }

    #[test]
    fn callers_under_ever_new_names_do_not_fill_the_memory() {
        let identity = Identity::new(NodeId::new(1), "", BTreeMap::new(), 0, None);
        for id in 0..10 * MAX_OTHERS as u64 {
            identity.is_news(Some(NodeId::new(id)), Refusal::Stranger);
        }
        assert!(identity.refused.lock().unwrap().len() <= MAX_OTHERS);
    }
}
