//! What is checked before a driver exists.

use raft_core::configuration::{MAX_ADDRESS_BYTES, Member, MemberRole, Members};
use raft_core::ids::{ClusterId, Incarnation, LogIndex, NodeId, Peer};
use raft_core::log::{HardState, Recovered};
use raft_core::rules::reconfigure::{self, TargetProblem};

use crate::error::StartError;
use crate::genesis::{FoundingTerms, Genesis};
use crate::identity::{Identity, SharedSettings};
use crate::settings::NodeSetup;

/// The founding, from where the data folder says it stands.
pub(super) fn genesis(setup: &NodeSetup, recovered: &Recovered) -> Result<Genesis, StartError> {
    check(setup)?;
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
        if let Some(problem) = of_founders(setup) {
            return Err(StartError::Founders(problem));
        }
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

fn check(setup: &NodeSetup) -> Result<(), StartError> {
    let id = setup.id;
    if setup.joins && setup.members.keys().all(|member| *member == id) {
        return Err(StartError::NobodyToJoin { id });
    }
    if !setup.joins && !setup.members.contains_key(&id) {
        return Err(StartError::NotAMember { id });
    }
    for (id, address) in &setup.members {
        if address.len() > MAX_ADDRESS_BYTES {
            return Err(StartError::AddressTooLong {
                id: *id,
                bytes: address.len(),
                limit: MAX_ADDRESS_BYTES,
            });
        }
    }
    let codec = setup.payload_codec;
    if !codec.is_built_in() {
        return Err(StartError::CodecNotBuiltIn { codec });
    }
    let problems = setup.settings.validate();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(StartError::Settings { problems })
    }
}

/// What speaks against the founders as members, if this node is one of them.
fn of_founders(setup: &NodeSetup) -> Option<TargetProblem> {
    let founder = |id: &NodeId| {
        let mut member = Member::voter(Incarnation::new(0));
        if setup.witnesses.contains(id) {
            member.role = MemberRole::Witness;
        }
        (*id, member)
    };
    let founders: Members = setup.members.keys().map(founder).collect();
    let problem = reconfigure::objection(&Members::new(), &founders);
    problem.filter(|_| !setup.joins)
}

/// One of several numbers that are as random as the entropy, each by its own odd multiplier: an
/// incarnation and a cluster id drawn at one start must not be alike.
const fn drawn(entropy: u128, which: u128) -> u128 {
    let odd = which.wrapping_mul(2).wrapping_add(MULTIPLIER);
    let mixed = entropy.wrapping_mul(odd);
    mixed ^ (mixed >> 67)
}

const MULTIPLIER: u128 = 0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15;
