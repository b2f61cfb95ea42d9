//! Who speaks, to whom, about which cluster: settled before the first frame.
//!
//! Whoever connects sends a [`Hello`]; whoever listens answers with a [`Welcome`] or a typed
//! [`Refusal`] that says what it is itself. Both are of fixed length and end in a checksum, so
//! that a stranger's bytes cost one small read. A peer's address follows its hello: who does not
//! know it as a member yet could not answer it otherwise. After a welcome, frames follow: a peer's frames
//! flow from the one that connected to the one that listens, a client's both ways.
//!
//! ```text
//! hello    0 magic[8] · 8 version u16 · 10 kind u8 (1 peer, 2 client) · 11 lane u8
//!         12 cluster known u8 · 13 zero u8 · 14 bytes of the address u16 · 16 cluster u128
//!         32 from u64 · 40 incarnation u128 · 56 to u64 · 64 CRC-32C u32 of all before it;
//!         then, if it has any bytes, the address at which the caller is reached, and its CRC-32C u32
//! welcome  0 magic[8] · 8 version u16 · 10 verdict u8 (0 welcome, else the refusal)
//!         11 payload codec u8 · 12 cluster known u8 · 13 zero[3] · 16 cluster u128 · 32 node u64
//!         40 CRC-32C u32
//! ```
//! Numbers are little-endian.

use raft_core::configuration::MAX_ADDRESS_BYTES;
use raft_core::ids::{ClusterId, Incarnation, NodeId, Peer};
use raft_core::message::Lane;

/// What a connection begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    /// The cluster that a peer belongs to, or that a client's open session is of, if it knows one.
    pub(crate) cluster: Option<ClusterId>,
    /// Who calls.
    pub(crate) caller: Caller,
    /// How long the address is that follows.
    pub(crate) address_bytes: u16,
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Caller {
    /// Another node, with messages of one lane.
    Peer {
        /// The node, in the life of its data folder that calls.
        from: Peer,
        /// The node it believes it calls.
        to: NodeId,
        /// What the connection carries.
        lane: Lane,
    },
    /// A remote client.
    Client,
}

/// The answer to a [`Hello`]: who listens, and whether it will talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Welcome {
    /// The listener's protocol version.
    pub(crate) version: u16,
    /// The cluster of the listener, if it knows one yet.
    pub(crate) cluster: Option<ClusterId>,
    /// The listener.
    pub(crate) node: NodeId,
    /// The tag of the cluster's payload codec.
    pub(crate) payload_codec: u8,
    /// Why it will not talk, if so.
    pub(crate) refusal: Option<Refusal>,
}

/// Why a listener refused to talk. It says this to the caller, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// The caller speaks another version of the protocol. Update the older side.
    #[error("it speaks another version of the protocol; update the older side")]
    Version,
    /// The caller belongs to another cluster. Check the addresses on both sides.
    #[error("it belongs to another cluster; check the addresses on both sides")]
    WrongCluster,
    /// The caller takes the listener for another node. Check the caller's list of members.
    #[error("it is another node than was called; check the caller's list of members")]
    WrongNode,
    /// The caller is no member, or claims to be the listener itself.
    #[error("it does not count the caller among the members")]
    Stranger,
    /// The listener has as many connections as it may. Try again later.
    #[error("it has as many connections as it may; try again later")]
    TooManyConnections,
    /// A refusal that this version does not know.
    #[error("it refused for a reason that this version does not know")]
    Other,
}

impl Refusal {
    /// The same from the side of the node that refused.
    pub(crate) const fn of_caller(self) -> &'static str {
        match self {
            Self::Version => "it speaks another version of the protocol; update the older side",
            Self::WrongCluster => {
                "it belongs to another cluster; check the addresses on both sides"
            }
            Self::WrongNode => "it takes this node for another; check its list of members",
            Self::Stranger => {
                "it is no member of this node's cluster: if it joins, add it (reconfigure, asked of the \
                 leader); otherwise check its list of members and this node's"
            }
            Self::TooManyConnections => "there are as many connections as may be",
            Self::Other => "it asked for what is not given here",
        }
    }
}

/// Why bytes are no handshake of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the bytes do not begin as this protocol does")]
    Magic,
    #[error("the checksum is wrong")]
    Checksum,
    #[error("version {0} of the protocol is not known here")]
    Version(u16),
    #[error("a field holds what it can't")]
    Field,
}

impl Hello {
    pub(crate) fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut bytes = Layout::new();
        bytes.put(0, &MAGIC);
        bytes.put(8, &VERSION.to_le_bytes());
        bytes.put_cluster(self.cluster);
        bytes.put(14, &self.address_bytes.to_le_bytes());
        match self.caller {
            Caller::Peer { from, to, lane } => {
                bytes.put(10, &[PEER, lane_tag(lane)]);
                bytes.put(32, &from.id.get().to_le_bytes());
                bytes.put(40, &from.incarnation.get().to_le_bytes());
                bytes.put(56, &to.get().to_le_bytes());
            }
            Caller::Client => bytes.put(10, &[CLIENT, 0]),
        }
        bytes.sealed()
    }

    pub(crate) fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Self, HandshakeError> {
        let bytes = Layout::checked(*bytes)?;
        let version = u16::from_le_bytes(bytes.take(8));
        if version != VERSION {
            return Err(HandshakeError::Version(version));
        }
        let [kind, lane] = bytes.take(10);
        let caller = match kind {
            PEER => Caller::Peer {
                from: Peer::new(
                    NodeId::new(u64::from_le_bytes(bytes.take(32))),
                    Incarnation::new(u128::from_le_bytes(bytes.take(40))),
                ),
                to: NodeId::new(u64::from_le_bytes(bytes.take(56))),
                lane: lane_of(lane)?,
            },
            CLIENT => Caller::Client,
            _ => return Err(HandshakeError::Field),
        };
        let address_bytes = u16::from_le_bytes(bytes.take(14));
        if usize::from(address_bytes) > MAX_ADDRESS_BYTES {
            return Err(HandshakeError::Field);
        }
        Ok(Self {
            cluster: bytes.cluster()?,
            caller,
            address_bytes,
        })
    }
}

/// The bytes that follow a hello which says that an address does.
pub(crate) fn encode_address(address: &str) -> Vec<u8> {
    let mut bytes = address.as_bytes().to_vec();
    if !bytes.is_empty() {
        bytes.extend_from_slice(&crc32c::crc32c(address.as_bytes()).to_le_bytes());
    }
    bytes
}

/// Reads what [`encode_address`] wrote.
pub(crate) fn decode_address(bytes: &[u8]) -> Result<&str, HandshakeError> {
    if bytes.is_empty() {
        return Ok("");
    }
    let (address, checksum) = bytes.split_last_chunk().ok_or(HandshakeError::Field)?;
    if crc32c::crc32c(address) != u32::from_le_bytes(*checksum) {
        return Err(HandshakeError::Checksum);
    }
    core::str::from_utf8(address).map_err(|_| HandshakeError::Field)
}

impl Welcome {
    pub(crate) fn encode(&self) -> [u8; WELCOME_BYTES] {
        let mut bytes = Layout::new();
        bytes.put(0, &MAGIC);
        bytes.put(8, &self.version.to_le_bytes());
        let verdict = self.refusal.map_or(0, Refusal::tag);
        bytes.put(10, &[verdict, self.payload_codec]);
        bytes.put_cluster(self.cluster);
        bytes.put(32, &self.node.get().to_le_bytes());
        bytes.sealed()
    }

    /// Reads an answer. One of another version is read as far as all versions agree: it is a
    /// refusal, whatever else it says.
    pub(crate) fn decode(bytes: &[u8; WELCOME_BYTES]) -> Result<Self, HandshakeError> {
        let bytes = Layout::checked(*bytes)?;
        let version = u16::from_le_bytes(bytes.take(8));
        let [verdict, payload_codec] = bytes.take(10);
        let refusal = if version == VERSION {
            Refusal::from_tag(verdict)
        } else {
            Some(Refusal::Version)
        };
        Ok(Self {
            version,
            cluster: bytes.cluster()?,
            node: NodeId::new(u64::from_le_bytes(bytes.take(32))),
            payload_codec,
            refusal,
        })
    }
}

impl Refusal {
    const fn tag(self) -> u8 {
        match self {
            Self::Version => 1,
            Self::WrongCluster => 2,
            Self::WrongNode => 3,
            Self::Stranger => 4,
            Self::TooManyConnections => 5,
            Self::Other => u8::MAX,
        }
    }

    const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => None,
            1 => Some(Self::Version),
            2 => Some(Self::WrongCluster),
            3 => Some(Self::WrongNode),
            4 => Some(Self::Stranger),
            5 => Some(Self::TooManyConnections),
            _ => Some(Self::Other),
        }
    }
}

/// Bytes of fixed length whose last four are a checksum of the others.
struct Layout<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> Layout<LENGTH> {
    const fn new() -> Self {
        Self([0; LENGTH])
    }

    fn put(&mut self, at: usize, field: &[u8]) {
        for (byte, value) in self.0.iter_mut().skip(at).zip(field) {
            *byte = *value;
        }
    }

    fn put_cluster(&mut self, cluster: Option<ClusterId>) {
        if let Some(cluster) = cluster {
            self.put(12, &[1]);
            self.put(16, &cluster.get().to_le_bytes());
        }
    }

    fn sealed(mut self) -> [u8; LENGTH] {
        let checksum = self.checksum();
        self.put(LENGTH - CHECKSUM_BYTES, &checksum.to_le_bytes());
        self.0
    }

    fn checked(bytes: [u8; LENGTH]) -> Result<Self, HandshakeError> {
        let layout = Self(bytes);
        if layout.take(0) != MAGIC {
            return Err(HandshakeError::Magic);
        }
        if layout.take(LENGTH - CHECKSUM_BYTES) != layout.checksum().to_le_bytes() {
            return Err(HandshakeError::Checksum);
        }
        Ok(layout)
    }

    fn take<const COUNT: usize>(&self, at: usize) -> [u8; COUNT] {
        let mut field = [0; COUNT];
        for (byte, value) in field.iter_mut().zip(self.0.iter().skip(at)) {
            *byte = *value;
        }
        field
    }

    fn cluster(&self) -> Result<Option<ClusterId>, HandshakeError> {
        match self.take(12) {
            [0] => Ok(None),
            [1] => Ok(Some(ClusterId::new(u128::from_le_bytes(self.take(16))))),
            _ => Err(HandshakeError::Field),
        }
    }

    fn checksum(&self) -> u32 {
        let covered = self.0.get(..LENGTH - CHECKSUM_BYTES).unwrap_or_default();
        crc32c::crc32c(covered)
    }
}

const fn lane_tag(lane: Lane) -> u8 {
    match lane {
        Lane::Control => 0,
        Lane::Entries => 1,
        Lane::Snapshot => 2,
    }
}

const fn lane_of(tag: u8) -> Result<Lane, HandshakeError> {
    match tag {
        0 => Ok(Lane::Control),
        1 => Ok(Lane::Entries),
        2 => Ok(Lane::Snapshot),
        _ => Err(HandshakeError::Field),
    }
}

/// The version of the protocol that this build speaks.
pub(crate) const VERSION: u16 = 2;
/// Bytes of a [`Hello`].
pub(crate) const HELLO_BYTES: usize = 68;
/// Bytes of a [`Welcome`].
pub(crate) const WELCOME_BYTES: usize = 44;
const MAGIC: [u8; 8] = *b"quorate\n";
const PEER: u8 = 1;
const CLIENT: u8 = 2;
pub(crate) const CHECKSUM_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            cluster: Some(ClusterId::new(0xc1)),
            caller: Caller::Peer {
                from: Peer::new(NodeId::new(2), Incarnation::new(0xabcd)),
                to: NodeId::new(1),
                lane: Lane::Entries,
            },
            address_bytes: 9,
        }
    }

    fn welcome() -> Welcome {
        Welcome {
            version: VERSION,
            cluster: None,
            node: NodeId::new(7),
            payload_codec: 1,
            refusal: Some(Refusal::Stranger),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hello_has_the_bytes_it_always_had() {
        let golden = "71756f726174650a0200010101000900c1000000000000000000000000000000\
                      0200000000000000cdab00000000000000000000000000000100000000000000";
        let bytes = hello().encode();
        assert_eq!(hex(&bytes[..HELLO_BYTES - CHECKSUM_BYTES]), golden);
        assert_eq!(Hello::decode(&bytes), Ok(hello()));
    }

    #[test]
    fn an_address_follows_and_is_read_as_it_was_written_or_not_at_all() {
        assert_eq!(decode_address(&encode_address("")), Ok(""));
        let good = encode_address("[::1]:70");
        assert_eq!(decode_address(&good), Ok("[::1]:70"));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_address(&bad).is_err(), "bit {bit}");
        }
        let long = Hello {
            address_bytes: 257,
            ..hello()
        };
        assert_eq!(Hello::decode(&long.encode()), Err(HandshakeError::Field));
    }

    #[test]
    fn a_client_and_a_peer_are_told_apart() {
        let client = Hello {
            cluster: None,
            caller: Caller::Client,
            address_bytes: 0,
        };
        assert_eq!(Hello::decode(&client.encode()), Ok(client));
    }

    #[test]
    fn welcome_has_the_bytes_it_always_had() {
        let golden = "71756f726174650a020004010000000000000000000000000000000000000000\
                      0700000000000000";
        let bytes = welcome().encode();
        assert_eq!(hex(&bytes[..WELCOME_BYTES - CHECKSUM_BYTES]), golden);
        assert_eq!(Welcome::decode(&bytes), Ok(welcome()));
    }

    #[test]
    fn every_refusal_arrives_as_what_it_is() {
        let refusals = [
            None,
            Some(Refusal::Version),
            Some(Refusal::WrongCluster),
            Some(Refusal::WrongNode),
            Some(Refusal::Stranger),
            Some(Refusal::TooManyConnections),
            Some(Refusal::Other),
        ];
        for refusal in refusals {
            let said = Welcome {
                refusal,
                ..welcome()
            };
            assert_eq!(Welcome::decode(&said.encode()), Ok(said));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let good = hello().encode();
        for bit in 0..HELLO_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Hello::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_listener_of_another_version_is_understood_as_a_refusal() {
        let other = Welcome {
            version: 9,
            refusal: None,
            ..welcome()
        };
        let heard = Welcome::decode(&other.encode()).unwrap();
        assert_eq!(heard.refusal, Some(Refusal::Version));
    }
}
