//! What a node says of itself at a handshake, and whom it listens to.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use raft_core::ids::{ClusterId, NodeId};

use crate::handshake::{Caller, Hello, Refusal, VERSION, Welcome};

/// Shared by the comms, which learn the cluster's id when it is founded, and the listener.
#[derive(Debug)]
pub(crate) struct Identity {
    id: NodeId,
    members: BTreeMap<NodeId, String>,
    payload_codec: u8,
    cluster: Mutex<Option<ClusterId>>,
}

impl Identity {
    pub(crate) const fn new(
        id: NodeId,
        members: BTreeMap<NodeId, String>,
        payload_codec: u8,
        cluster: Option<ClusterId>,
    ) -> Self {
        Self {
            id,
            members,
            payload_codec,
            cluster: Mutex::new(cluster),
        }
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Where a node listens, by the list of members.
    pub(crate) fn address(&self, id: NodeId) -> Option<&str> {
        self.members.get(&id).map(String::as_str)
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
        if from.id == self.id || !self.members.contains_key(&from.id) {
            return Err(Refusal::Stranger);
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use raft_core::ids::{Incarnation, Peer};
    use raft_core::message::Lane;

    use super::*;

    fn judge(cluster: Option<u128>, from: u64, to: u64) -> Result<(), Refusal> {
        let members = (1..=3).map(|id| (NodeId::new(id), String::new())).collect();
        let identity = Identity::new(NodeId::new(1), members, 0, Some(ClusterId::new(7)));
        identity.judge(&Hello {
            cluster: cluster.map(ClusterId::new),
            caller: Caller::Peer {
                from: Peer::new(NodeId::new(from), Incarnation::new(1)),
                to: NodeId::new(to),
                lane: Lane::Control,
            },
        })
    }

    #[test]
    fn members_of_this_cluster_may_speak_and_nobody_else() {
        assert_eq!(judge(Some(7), 2, 1), Ok(()));
        assert_eq!(judge(None, 2, 1), Ok(()));
        assert_eq!(judge(Some(8), 2, 1), Err(Refusal::WrongCluster));
        assert_eq!(judge(Some(7), 2, 3), Err(Refusal::WrongNode));
        assert_eq!(judge(Some(7), 4, 1), Err(Refusal::Stranger));
        assert_eq!(judge(Some(7), 1, 1), Err(Refusal::Stranger));
    }
}
