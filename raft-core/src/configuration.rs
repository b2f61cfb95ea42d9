//! Who belongs to the cluster, and how a configuration is written down (paper 6, thesis 4).
//!
//! A [`Configuration`] is one set of members, or two while a joint change is under way. It knows
//! nothing of votes or indexes: counting is [`crate::quorum`]'s.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::ids::{Incarnation, NodeId, Peer};

/// The members of a cluster: one set, or the incoming and the outgoing one while a joint change
/// is under way (paper 6).
///
/// - A node appears at most once in each half.
/// - Both halves have at least one voting member; [`Configuration::decode`] refuses others.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// The members; in a joint configuration the incoming half (the paper's C_new).
    pub members: BTreeMap<NodeId, Member>,
    /// In a joint configuration the outgoing half (the paper's C_old).
    pub outgoing: Option<BTreeMap<NodeId, Member>>,
}

/// One member and what the cluster must know of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Member {
    /// What it takes part in.
    pub role: MemberRole,
    /// The life of its data folder that was admitted. Another life under the same name is a
    /// stranger.
    pub incarnation: Incarnation,
    /// Where it can be reached, in whatever form the transport understands; at most
    /// [`MAX_ADDRESS_BYTES`].
    pub address: String,
    /// Whom to prefer as a leader: higher is preferred. Never refuses a vote.
    pub priority: u8,
}

/// What a member takes part in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MemberRole {
    /// Votes, stores everything, may lead.
    Voter,
    /// Stores everything, counts for nothing.
    Learner,
    /// Votes and stores entry ids but no payloads; never leads.
    Witness,
}

impl MemberRole {
    /// Whether the member counts in elections and commitment.
    pub const fn votes(self) -> bool {
        match self {
            Self::Voter | Self::Witness => true,
            Self::Learner => false,
        }
    }

    /// Whether the member may become leader.
    pub const fn may_lead(self) -> bool {
        match self {
            Self::Voter => true,
            Self::Learner | Self::Witness => false,
        }
    }
}

impl Member {
    /// A voter without address and with the middle priority.
    pub const fn voter(incarnation: Incarnation) -> Self {
        Self {
            role: MemberRole::Voter,
            incarnation,
            address: String::new(),
            priority: DEFAULT_PRIORITY,
        }
    }
}

impl Configuration {
    /// The configuration of these members, not joint.
    pub fn new(members: impl IntoIterator<Item = (NodeId, Member)>) -> Self {
        Self {
            members: members.into_iter().collect(),
            outgoing: None,
        }
    }

    /// The configuration in which each of `peers` is a voter.
    pub fn of_voters(peers: impl IntoIterator<Item = Peer>) -> Self {
        Self::new(
            peers
                .into_iter()
                .map(|peer| (peer.id, Member::voter(peer.incarnation))),
        )
    }

    /// Whether a joint change is under way.
    pub const fn is_joint(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Whether `id` counts in an election or a commitment: in one of the halves it does.
    pub fn votes(&self, id: NodeId) -> bool {
        self.halves()
            .any(|half| half.get(&id).is_some_and(|member| member.role.votes()))
    }

    /// The member `id`; in a joint configuration the incoming half is asked first.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.get(&id).or_else(|| {
            self.outgoing
                .as_ref()
                .and_then(|outgoing| outgoing.get(&id))
        })
    }

    /// Whether exactly this life of the node is a member of either half.
    pub fn admits(&self, peer: Peer) -> bool {
        self.halves().any(|half| {
            half.get(&peer.id)
                .is_some_and(|member| member.incarnation == peer.incarnation)
        })
    }

    /// Whether `id` may become leader.
    pub fn may_lead(&self, id: NodeId) -> bool {
        self.halves()
            .any(|half| half.get(&id).is_some_and(|member| member.role.may_lead()))
    }

    /// How many of those that may lead are preferred to `id`, by their priority, and how many may
    /// lead at all. In a joint configuration the incoming half counts. `(0, …)` for who is not in
    /// it: nothing is known of how it compares.
    pub fn preferred_to(&self, id: NodeId) -> (u32, u32) {
        let Some(own) = self.members.get(&id) else {
            return (0, 1);
        };
        let able = self
            .members
            .values()
            .filter(|member| member.role.may_lead());
        able.fold((0, 0), |(ahead, all), member| {
            let is_ahead = u32::from(member.priority > own.priority);
            (ahead.saturating_add(is_ahead), all.saturating_add(1))
        })
    }

    /// The ids of all members of both halves, ascending.
    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.halves()
            .flat_map(|half| half.keys().copied())
            .collect()
    }

    /// [S6.16] The one or two sets of members that must each agree, by its own majority.
    pub fn halves(&self) -> impl Iterator<Item = &BTreeMap<NodeId, Member>> {
        core::iter::once(&self.members).chain(self.outgoing.as_ref())
    }

    /// Appends the encoded configuration to `out`. The layout is part of the log format: version
    /// (u16), number of halves (u8), then each half: number of members (u16), then each member:
    /// id (u64), role (u8), priority (u8), incarnation (u128), address length (u16), address.
    /// All little-endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&ENCODING_VERSION.to_le_bytes());
        out.push(if self.is_joint() { 2 } else { 1 });
        for half in self.halves() {
            let count = u16::try_from(half.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&count.to_le_bytes());
            for (id, member) in half.iter().take(usize::from(count)) {
                member.encode(*id, out);
            }
        }
    }

    /// Reads what [`Configuration::encode`] wrote. All bytes must be consumed.
    ///
    /// # Errors
    ///
    /// Says what was wrong with the bytes; nothing of them is used.
    pub fn decode(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        let mut reader = Reader { bytes };
        let version = u16::from_le_bytes(reader.take()?);
        if version != ENCODING_VERSION {
            return Err(ConfigurationError::UnknownVersion { version });
        }
        let [halves] = reader.take()?;
        let members = reader.half()?;
        let outgoing = match halves {
            1 => None,
            2 => Some(reader.half()?),
            _ => return Err(ConfigurationError::Malformed),
        };
        if !reader.bytes.is_empty() {
            return Err(ConfigurationError::Malformed);
        }
        Ok(Self { members, outgoing })
    }
}

impl Member {
    fn encode(&self, id: NodeId, out: &mut Vec<u8>) {
        out.extend_from_slice(&id.get().to_le_bytes());
        out.push(match self.role {
            MemberRole::Voter => 1,
            MemberRole::Learner => 2,
            MemberRole::Witness => 3,
        });
        out.push(self.priority);
        out.extend_from_slice(&self.incarnation.get().to_le_bytes());
        let address = self.address.as_bytes();
        let address = address.get(..MAX_ADDRESS_BYTES).unwrap_or(address);
        let length = u16::try_from(address.len()).unwrap_or(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(address);
    }
}

/// Why bytes are not a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// Written by a later version of this library.
    #[error("configuration has format version {version}; this build reads {ENCODING_VERSION}")]
    UnknownVersion {
        /// The version found.
        version: u16,
    },
    /// The bytes end early, go on too long, or hold an impossible value.
    #[error("configuration bytes are malformed")]
    Malformed,
    /// A half has no voting member, so that nothing could ever be decided.
    #[error("configuration has no voting member")]
    NoVoters,
}

/// Takes fixed-size fields off the front of a slice.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ConfigurationError> {
        let (head, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or(ConfigurationError::Malformed)?;
        self.bytes = rest;
        Ok(*head)
    }

    fn half(&mut self) -> Result<BTreeMap<NodeId, Member>, ConfigurationError> {
        let count = u16::from_le_bytes(self.take()?);
        let mut half = BTreeMap::new();
        for _ in 0..count {
            let (id, member) = self.member()?;
            if half.insert(id, member).is_some() {
                return Err(ConfigurationError::Malformed);
            }
        }
        if half.values().any(|member| member.role.votes()) {
            Ok(half)
        } else {
            Err(ConfigurationError::NoVoters)
        }
    }

    fn member(&mut self) -> Result<(NodeId, Member), ConfigurationError> {
        let id = NodeId::new(u64::from_le_bytes(self.take()?));
        let role = match self.take()? {
            [1] => MemberRole::Voter,
            [2] => MemberRole::Learner,
            [3] => MemberRole::Witness,
            _ => return Err(ConfigurationError::Malformed),
        };
        let [priority] = self.take()?;
        let incarnation = Incarnation::new(u128::from_le_bytes(self.take()?));
        let length = usize::from(u16::from_le_bytes(self.take()?));
        if length > MAX_ADDRESS_BYTES {
            return Err(ConfigurationError::Malformed);
        }
        let (address, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or(ConfigurationError::Malformed)?;
        self.bytes = rest;
        let address = core::str::from_utf8(address).map_err(|_| ConfigurationError::Malformed)?;
        Ok((
            id,
            Member {
                role,
                incarnation,
                address: String::from(address),
                priority,
            },
        ))
    }
}

/// The longest address a member may have, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// The priority of a member that was given none.
pub const DEFAULT_PRIORITY: u8 = 128;

/// The version [`Configuration::encode`] writes.
const ENCODING_VERSION: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn peer(id: u64) -> Peer {
        Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 100))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut configuration = Configuration::of_voters([peer(1), peer(2), peer(3)]);
        configuration.outgoing = Some(Configuration::of_voters([peer(3), peer(4)]).members);
        if let Some(member) = configuration.members.get_mut(&NodeId::new(2)) {
            member.role = MemberRole::Witness;
            member.address = "10.0.0.2:7000".into();
        }
        let mut bytes = vec![];
        configuration.encode(&mut bytes);
        assert_eq!(Configuration::decode(&bytes), Ok(configuration));
        for end in 0..bytes.len() {
            assert!(
                Configuration::decode(&bytes[..end]).is_err(),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let configuration = Configuration::of_voters([peer(7)]);
        let mut bytes = vec![];
        configuration.encode(&mut bytes);
        let mut expected = vec![1, 0, 1, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 128];
        expected.extend_from_slice(&700u128.to_le_bytes());
        expected.extend_from_slice(&[0, 0]);
        assert_eq!(bytes, expected);
        assert_eq!(Configuration::decode(&bytes), Ok(configuration));
    }

    #[test]
    fn an_address_is_read_back_up_to_its_limit_and_refused_beyond() {
        let mut member = Member::voter(Incarnation::new(1));
        member.address = "a".repeat(MAX_ADDRESS_BYTES);
        let longest = Configuration::new([(NodeId::new(1), member)]);
        let mut bytes = vec![];
        longest.encode(&mut bytes);
        assert_eq!(Configuration::decode(&bytes), Ok(longest));
        // One byte more, and the length before the address says so.
        let length = bytes.len() - MAX_ADDRESS_BYTES - 2;
        bytes[length..length + 2].copy_from_slice(&257u16.to_le_bytes());
        bytes.push(b'a');
        let refused = Configuration::decode(&bytes);
        assert_eq!(refused, Err(ConfigurationError::Malformed));
    }

    #[test]
    fn of_all_members_only_voters_may_lead_and_each_half_counts() {
        let member = |id: u64, role| {
            let mut member = Member::voter(Incarnation::new(1));
            member.role = role;
            (NodeId::new(id), member)
        };
        let mut configuration = Configuration::new([
            member(1, MemberRole::Voter),
            member(2, MemberRole::Learner),
            member(3, MemberRole::Witness),
            member(4, MemberRole::Learner),
        ]);
        configuration.outgoing = Some([member(4, MemberRole::Voter)].into());
        let leaders: Vec<u64> = (1..=5)
            .filter(|id| configuration.may_lead(NodeId::new(*id)))
            .collect();
        assert_eq!(leaders, [1, 4], "the last one votes in the outgoing half");
    }

    #[test]
    fn refuses_a_configuration_nobody_can_decide_in() {
        let mut learner = Member::voter(Incarnation::new(1));
        learner.role = MemberRole::Learner;
        let mut bytes = vec![];
        Configuration::new([(NodeId::new(1), learner)]).encode(&mut bytes);
        assert_eq!(
            Configuration::decode(&bytes),
            Err(ConfigurationError::NoVoters)
        );
    }

    #[test]
    fn another_life_under_a_members_name_is_not_admitted() {
        let configuration = Configuration::of_voters([peer(1)]);
        assert!(configuration.admits(peer(1)));
        assert!(!configuration.admits(Peer::new(NodeId::new(1), Incarnation::new(9))));
    }
}
