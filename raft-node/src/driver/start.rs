//! What is checked before a driver exists: what was told, and then whether the folder fits it.

use raft_core::configuration::{MAX_ADDRESS_BYTES, Member, MemberRole, Members};
use raft_core::ids::{ClusterId, Incarnation, LogIndex, NodeId, Peer};
use raft_core::log::{HardState, Recovered};
use raft_core::rules::reconfigure;

use crate::error::StartError;
use crate::genesis::{FoundingTerms, Genesis};
use crate::identity::{Identity, SharedSettings};
use crate::settings::NodeSetup;

/// The founding, from where the data folder says it stands.
pub(super) fn genesis(setup: &NodeSetup, recovered: &Recovered) -> Result<Genesis, StartError> {
    setup.check()?;
    let terms = FoundingTerms {
        members: setup.members.clone(),
        joins: setup.joins,
        witnesses: setup.witnesses.clone(),
        payload_codec: setup.payload_codec,
        shared: SharedSettings {
            sessions: setup.settings.sessions.as_recorded(),
        },
        cluster: ClusterId::new(drawn(setup.entropy, 2)),
        interval: setup.settings.genesis_interval,
    };
    let Some(identity) = &recovered.identity else {
        let used = recovered.hard != HardState::default() || recovered.last != LogIndex::ZERO;
        if used {
            return Err(StartError::IdentityMissing);
        }
        setup.check_founders()?;
        let incarnation = Incarnation::new(drawn(setup.entropy, 1));
        return Ok(Genesis::born(Peer::new(setup.id, incarnation), terms));
    };
    let identity = Identity::decode(identity)?;
    if identity.me.id != setup.id {
        return Err(StartError::FolderOfAnotherNode {
            owner: identity.me.id,
            id: setup.id,
        });
    }
    if let Some(record) = identity.stage.record() {
        if record.payload_codec != setup.payload_codec {
            return Err(StartError::OtherPayloadCodec {
                cluster: record.cluster,
                founded: record.payload_codec,
                given: setup.payload_codec,
            });
        }
    }
    Ok(Genesis::resumed(identity, terms))
}

impl NodeSetup {
    /// Whether a node can be started like this in some folder. Starting one asks the same: this is
    /// for who would know before there is a folder.
    ///
    /// # Errors
    ///
    /// What is wrong with the names, the addresses, the codec or the settings.
    pub fn check(&self) -> Result<(), StartError> {
        let id = self.id;
        if self.joins && self.members.keys().all(|member| *member == id) {
            return Err(StartError::NobodyToJoin { id });
        }
        if !self.joins && !self.members.contains_key(&id) {
            return Err(StartError::NotAMember { id });
        }
        for (id, address) in &self.members {
            if address.len() > MAX_ADDRESS_BYTES {
                return Err(StartError::AddressTooLong {
                    id: *id,
                    bytes: address.len(),
                    limit: MAX_ADDRESS_BYTES,
                });
            }
        }
        let codec = self.payload_codec;
        if !codec.is_built_in() {
            return Err(StartError::CodecNotBuiltIn { codec });
        }
        let problems = self.settings.validate();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(StartError::Settings { problems })
        }
    }

    /// Whether these members can found a cluster, if this node is to be one of them. Only a folder
    /// that is new asks this: a cluster that was founded has its members in its log.
    ///
    /// # Errors
    ///
    /// [`StartError::Founders`].
    pub fn check_founders(&self) -> Result<(), StartError> {
        let founder = |id: &NodeId| {
            let mut member = Member::voter(Incarnation::new(0));
            if self.witnesses.contains(id) {
                member.role = MemberRole::Witness;
            }
            (*id, member)
        };
        let founders: Members = self.members.keys().map(founder).collect();
        match reconfigure::objection(&Members::new(), &founders) {
            Some(problem) if !self.joins => Err(StartError::Founders(problem)),
            _ => Ok(()),
        }
    }
}

/// One of several numbers that are as random as the entropy, each by its own odd multiplier: an
/// incarnation and a cluster id drawn at one start must not be alike.
const fn drawn(entropy: u128, which: u128) -> u128 {
    let odd = which.wrapping_mul(2).wrapping_add(MULTIPLIER);
    let mixed = entropy.wrapping_mul(odd);
    mixed ^ (mixed >> 67)
}

const MULTIPLIER: u128 = 0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15;
