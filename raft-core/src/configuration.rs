//! Who belongs to the cluster, and how a configuration is written down (paper 6, thesis 4).
//!
//! A [`Configuration`] is one set of members, or two while a joint change is under way, or one and
//! the target that it is to become. It knows nothing of votes or indexes: counting is
//! [`crate::quorum`]'s, and what may follow what is [`crate::rules::reconfigure`]'s.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::iter;

use serde::{Deserialize, Serialize};

use crate::ids::{Incarnation, NodeId, Peer};

mod encoding;
mod members;

pub use encoding::ConfigurationError;
pub use members::Members;

/// The members of a cluster: one set, or the incoming and the outgoing one while a joint change
/// is under way (paper 6), or one and the target that it is to become (thesis 4.2.1).
///
/// Of those that stand in a log ([`Configuration::decode`] refuses others):
///
/// - A node appears at most once in each set, and everywhere in the same life; it is a witness in
///   all sets that hold it, or in none.
/// - Each set has at least one voting member.
/// - A joint configuration has no target: it is on its way to its incoming half.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// The members; in a joint configuration the incoming half (the paper's C_new).
    pub members: Members,
    /// In a joint configuration the outgoing half (the paper's C_old).
    pub outgoing: Option<Members>,
    /// What the members are to become once those of the target that are new have caught up. Until
    /// then these receive the log and count for nothing.
    pub target: Option<Members>,
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
    /// Votes and stores entry ids but no payloads, for as long as its data folder lives; never
    /// leads ([`crate::rules::witness`]).
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

    /// Whether the member keeps the ids of entries only.
    pub const fn is_witness(self) -> bool {
        match self {
            Self::Witness => true,
            Self::Voter | Self::Learner => false,
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
            target: None,
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

    /// Whether no change is under way: it is what somebody wanted it to be.
    pub const fn is_settled(&self) -> bool {
        self.outgoing.is_none() && self.target.is_none()
    }

    /// The member `id`: as the incoming half knows it, else the outgoing one, else the target.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.sets().find_map(|set| set.get(&id))
    }

    /// Whether exactly this life of the node is a member, or is to become one.
    pub fn admits(&self, peer: Peer) -> bool {
        let is_it = |member: &Member| member.incarnation == peer.incarnation;
        self.sets().any(|set| set.get(&peer.id).is_some_and(is_it))
    }

    /// Whether exactly this life of the node may become leader.
    pub fn may_lead(&self, peer: Peer) -> bool {
        let may =
            |member: &Member| member.role.may_lead() && member.incarnation == peer.incarnation;
        self.halves()
            .any(|half| half.get(&peer.id).is_some_and(may))
    }

    /// Whether node `id` counts in an election or a commitment: in one of the halves it does.
    pub fn votes(&self, id: NodeId) -> bool {
        self.halves()
            .any(|half| half.get(&id).is_some_and(|member| member.role.votes()))
    }

    /// Whether node `id` is a witness. It is one in all sets that hold it, or in none.
    pub fn is_witness(&self, id: NodeId) -> bool {
        self.member(id)
            .is_some_and(|member| member.role.is_witness())
    }

    /// Whether any of those that receive the log is a witness.
    pub fn has_witnesses(&self) -> bool {
        let mut members = self.sets().flat_map(Members::values);
        members.any(|member| member.role.is_witness())
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

    /// The ids of all that receive the log, ascending: the members of both halves and of the
    /// target.
    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.sets().flat_map(|set| set.keys().copied()).collect()
    }

    /// All that receive the log, each in the life that was admitted.
    pub fn peers(&self) -> impl Iterator<Item = Peer> {
        let peer = |id| Some(Peer::new(id, self.member(id)?.incarnation));
        self.ids().into_iter().filter_map(peer)
    }

    /// [S6.16] The one or two sets of members that must each agree, by its own majority.
    pub fn halves(&self) -> impl Iterator<Item = &Members> {
        iter::once(&self.members).chain(self.outgoing.as_ref())
    }

    /// The sets of all that receive the log.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &Members> {
        self.halves().chain(self.target.as_ref())
    }
}

/// The longest address a member may have, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// The priority of a member that was given none.
pub const DEFAULT_PRIORITY: u8 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn peer(id: u64) -> Peer {
        Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) * 100))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut configuration = Configuration::of_voters([peer(1), peer(2), peer(3)]);
        configuration.outgoing = Some(Configuration::of_voters([peer(3), peer(4)]).members);
        if let Some(member) = configuration.members.named_mut(&NodeId::new(2)) {
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
    fn only_those_that_may_lead_are_preferred_to_anybody() {
        let mut configuration = Configuration::of_voters((1..=5).map(peer));
        let priorities = [5, 7, 9, 9, 9].into_iter();
        for (member, priority) in configuration.members.values_mut().zip(priorities) {
            member.priority = priority;
        }
        assert_eq!(configuration.preferred_to(NodeId::new(1)), (4, 5));
        for (id, role) in [(3, MemberRole::Learner), (4, MemberRole::Witness)] {
            configuration
                .members
                .named_mut(&NodeId::new(id))
                .unwrap()
                .role = role;
        }
        assert_eq!(configuration.preferred_to(NodeId::new(1)), (2, 3));
        assert_eq!(configuration.preferred_to(NodeId::new(2)), (1, 3));
        assert_eq!(configuration.preferred_to(NodeId::new(6)), (0, 1));
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
    fn golden_bytes_of_version_2() {
        let mut configuration = Configuration::of_voters([peer(7)]);
        configuration.target = Some(Configuration::of_voters([peer(8)]).members);
        let mut bytes = vec![];
        configuration.encode(&mut bytes);
        let mut expected = vec![2, 0, 3, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 128];
        expected.extend_from_slice(&700u128.to_le_bytes());
        expected.extend_from_slice(&[0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 128]);
        expected.extend_from_slice(&800u128.to_le_bytes());
        expected.extend_from_slice(&[0, 0]);
        assert_eq!(bytes, expected);
        assert_eq!(Configuration::decode(&bytes), Ok(configuration));
        // The shape is none that the first version had.
        bytes[0] = 1;
        let refused = Configuration::decode(&bytes);
        assert_eq!(refused, Err(ConfigurationError::Malformed));
        bytes[0] = 3;
        let refused = Configuration::decode(&bytes);
        assert_eq!(
            refused,
            Err(ConfigurationError::UnknownVersion { version: 3 })
        );
    }

    #[test]
    fn refuses_two_lives_of_one_node() {
        let other_life = [(NodeId::new(1), Member::voter(Incarnation::new(9)))];
        let mut joint = Configuration::of_voters([peer(1)]);
        joint.outgoing = Some(other_life.clone().into());
        let mut growing = Configuration::of_voters([peer(1)]);
        growing.target = Some(other_life.into());
        for configuration in [joint, growing] {
            let mut bytes = vec![];
            configuration.encode(&mut bytes);
            let node = NodeId::new(1);
            let refused = Configuration::decode(&bytes);
            assert_eq!(refused, Err(ConfigurationError::TwoLives { node }));
        }
    }

    #[test]
    fn the_target_receives_the_log_and_counts_for_nothing() {
        let mut configuration = Configuration::of_voters([peer(1)]);
        configuration.target = Some(Configuration::of_voters([peer(1), peer(2)]).members);
        assert!(configuration.admits(peer(2)));
        let peers: Vec<Peer> = configuration.peers().collect();
        assert_eq!(peers, [peer(1), peer(2)]);
        assert!(configuration.votes(NodeId::new(1)));
        assert!(!configuration.votes(NodeId::new(2)));
        assert!(!configuration.may_lead(peer(2)));
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
            .filter(|id| configuration.may_lead(Peer::new(NodeId::new(*id), Incarnation::new(1))))
            .collect();
        assert_eq!(leaders, [1, 4], "the last one votes in the outgoing half");
        let another_life = Peer::new(NodeId::new(1), Incarnation::new(2));
        assert!(!configuration.may_lead(another_life));
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
