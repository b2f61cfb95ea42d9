//! How a configuration is written down: part of the log format.
//!
//! Version (u16), shape (u8: 1 one set, 2 a joint pair, 3 one set and its target), then each set:
//! number of members (u16), then each member: id (u64), role (u8), priority (u8), incarnation
//! (u128), address length (u16), address. All little-endian. Shape 3 came with version 2; what an
//! earlier build can read is still written as version 1.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Configuration, MAX_ADDRESS_BYTES, Member, MemberRole, Members};
use crate::ids::{Incarnation, NodeId};

impl Configuration {
    /// Appends the encoded configuration to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (version, shape, second) = match (&self.outgoing, &self.target) {
            (None, None) => (FIRST_VERSION, ONE, None),
            (Some(outgoing), _) => (FIRST_VERSION, JOINT, Some(outgoing)),
            (None, Some(target)) => (VERSION, WITH_TARGET, Some(target)),
        };
        out.extend_from_slice(&version.to_le_bytes());
        out.push(shape);
        encode_set(&self.members, out);
        if let Some(second) = second {
            encode_set(second, out);
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
        if !(FIRST_VERSION..=VERSION).contains(&version) {
            return Err(ConfigurationError::UnknownVersion { version });
        }
        let [shape] = reader.take()?;
        let mut decoded = Self {
            members: reader.set()?,
            outgoing: None,
            target: None,
        };
        match shape {
            ONE => {}
            JOINT => decoded.outgoing = Some(reader.set()?),
            WITH_TARGET if version == VERSION => decoded.target = Some(reader.set()?),
            _ => return Err(ConfigurationError::Malformed),
        }
        if !reader.bytes.is_empty() {
            return Err(ConfigurationError::Malformed);
        }
        // Votes and acknowledgements are counted by name within one configuration: a name must
        // mean one life there.
        if let Some(node) = decoded.node_with_two(|member| member.incarnation) {
            return Err(ConfigurationError::TwoLives { node });
        }
        // What a node was sent without payloads it can never have with them.
        match decoded.node_with_two(|member| member.role.is_witness()) {
            Some(node) => Err(ConfigurationError::HalfWitness { node }),
            None => Ok(decoded),
        }
    }

    /// A node of which the sets know two different things.
    fn node_with_two<T: PartialEq>(&self, known: impl Fn(&Member) -> T) -> Option<NodeId> {
        let differs = |(id, member): (&NodeId, &Member)| {
            let other = self.members.get(id)?;
            (known(other) != known(member)).then_some(*id)
        };
        let second = self.outgoing.iter().chain(&self.target);
        second.flatten().find_map(differs)
    }
}

fn encode_set(set: &Members, out: &mut Vec<u8>) {
    let count = u16::try_from(set.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for (id, member) in set.iter().take(usize::from(count)) {
        member.encode(*id, out);
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
    #[error(
        "configuration has format version {version}; this build reads {FIRST_VERSION} to {VERSION}"
    )]
    UnknownVersion {
        /// The version found.
        version: u16,
    },
    /// The bytes end early, go on too long, or hold an impossible value.
    #[error("configuration bytes are malformed")]
    Malformed,
    /// A set has no voting member, so that nothing could ever be decided.
    #[error("configuration has no voting member")]
    NoVoters,
    /// A node is a witness in one set and keeps payloads in another.
    #[error("configuration has {node} as a witness and as none")]
    HalfWitness {
        /// The node.
        node: NodeId,
    },
    /// The sets of one configuration know a node in different lives of its data folder.
    #[error("configuration has two lives of {node}")]
    TwoLives {
        /// The node.
        node: NodeId,
    },
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

    fn set(&mut self) -> Result<Members, ConfigurationError> {
        let count = u16::from_le_bytes(self.take()?);
        let mut set = Members::new();
        for _ in 0..count {
            let (id, member) = self.member()?;
            if set.insert(id, member).is_some() {
                return Err(ConfigurationError::Malformed);
            }
        }
        if set.values().any(|member| member.role.votes()) {
            Ok(set)
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

/// The version that knows all shapes.
const VERSION: u16 = 2;

/// The version without a target.
const FIRST_VERSION: u16 = 1;

/// The shapes.
const ONE: u8 = 1;
const JOINT: u8 = 2;
const WITH_TARGET: u8 = 3;
