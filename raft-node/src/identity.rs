//! Who a node is and how its cluster was founded: what stands beside the log on disk.
//!
//! Identity (all numbers little-endian; its durable home is
//! [`Write::identity`](raft_core::log::Write::identity)):
//!
//! ```text
//! magic "QRID" · version u16 · stage u8 (1 born, 2 keeps, 3 founded) · 0 u8 · node u64 ·
//! incarnation u128 · record length u32 (0 when born) · record · CRC-32C of all before it u32
//! ```
//!
//! Genesis record:
//!
//! ```text
//! version u16 · payload codec u8 · 0 u8 · cluster u128 · settings u16 · each setting: key u16,
//! value u64, keys rising · members: to the end, as Configuration encodes them
//! ```

use std::time::Duration;

use bytes::{Buf, Bytes};
use raft_core::configuration::{Configuration, ConfigurationError};
use raft_core::ids::{ClusterId, Incarnation, NodeId, Peer};

use crate::codec::PayloadCodec;
use crate::session::SessionLimits;

/// A node's identity, as it stands on its disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The node in the life of this data folder.
    pub me: Peer,
    /// How far the founding of its cluster has come.
    pub stage: Stage,
}

/// How far the founding has come, as far as this node knows durably.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The folder exists.
    Born,
    /// The node keeps this record and will never keep another.
    Keeps(GenesisRecord),
    /// Every founder keeps this record: the node may vote.
    Founded(GenesisRecord),
}

impl Stage {
    /// The record that is kept.
    pub const fn record(&self) -> Option<&GenesisRecord> {
        match self {
            Self::Born => None,
            Self::Keeps(record) | Self::Founded(record) => Some(record),
        }
    }

    /// Whether every founder is known to keep the record.
    pub const fn is_founded(&self) -> bool {
        matches!(self, Self::Founded(_))
    }
}

/// How a cluster begins: the same on every founder, for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GenesisRecord {
    /// The cluster's name, drawn at random.
    pub cluster: ClusterId,
    /// The codec of commands and replies.
    pub payload_codec: PayloadCodec,
    /// What all members must agree on.
    pub shared: SharedSettings,
    /// The founding members, with their incarnations.
    pub founders: Configuration,
}

/// Settings that all members must agree on, because they decide what is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SharedSettings {
    /// Bounds of client sessions.
    pub sessions: SessionLimits,
}

impl Identity {
    /// The bytes to keep.
    pub fn encode(&self) -> Bytes {
        let stage = match &self.stage {
            Stage::Born => BORN,
            Stage::Keeps(_) => KEEPS,
            Stage::Founded(_) => FOUNDED,
        };
        let record = self.stage.record().map(GenesisRecord::encode);
        let record = record.as_deref().unwrap_or(&[]);
        let mut out = Vec::with_capacity(HEADER_BYTES + record.len() + 4);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&IDENTITY_VERSION.to_le_bytes());
        out.extend_from_slice(&[stage, 0]);
        out.extend_from_slice(&self.me.id.get().to_le_bytes());
        out.extend_from_slice(&self.me.incarnation.get().to_le_bytes());
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(record);
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.into()
    }

    /// Reads what [`Identity::encode`] wrote. All bytes must be consumed.
    ///
    /// # Errors
    ///
    /// Says what is wrong; nothing of the bytes is used.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let (content, checksum) = bytes.split_last_chunk().ok_or(IdentityError::Malformed)?;
        if !content.starts_with(&MAGIC) || content.len() < HEADER_BYTES {
            return Err(IdentityError::Malformed);
        }
        let mut fields = content.get(MAGIC.len()..).unwrap_or(&[]);
        let version = fields.get_u16_le();
        if version != IDENTITY_VERSION {
            return Err(IdentityError::UnknownVersion { version });
        }
        if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
            return Err(IdentityError::Checksum);
        }
        let (stage, spare) = (fields.get_u8(), fields.get_u8());
        let id = NodeId::new(fields.get_u64_le());
        let incarnation = Incarnation::new(fields.get_u128_le());
        let length = fields.get_u32_le() as usize;
        if spare != 0 || length != fields.len() {
            return Err(IdentityError::Malformed);
        }
        let stage = match stage {
            BORN if length == 0 => Stage::Born,
            KEEPS => Stage::Keeps(GenesisRecord::decode(fields)?),
            FOUNDED => Stage::Founded(GenesisRecord::decode(fields)?),
            _ => return Err(IdentityError::Malformed),
        };
        Ok(Self {
            me: Peer::new(id, incarnation),
            stage,
        })
    }
}

impl GenesisRecord {
    /// The bytes that are offered, kept and compared.
    pub fn encode(&self) -> Bytes {
        let sessions = self.shared.sessions;
        let mut settings = vec![
            (MAX_SESSIONS, u64::from(sessions.max_sessions)),
            (MAX_ANSWERS, u64::from(sessions.max_answers)),
            (MAX_ANSWER_BYTES, sessions.max_answer_bytes),
        ];
        if let Some(idle_time) = sessions.idle_time {
            let milliseconds = u64::try_from(idle_time.as_millis()).unwrap_or(u64::MAX);
            settings.push((IDLE_MILLISECONDS, milliseconds));
        }
        let mut out = Vec::new();
        out.extend_from_slice(&RECORD_VERSION.to_le_bytes());
        out.extend_from_slice(&[self.payload_codec.tag(), 0]);
        out.extend_from_slice(&self.cluster.get().to_le_bytes());
        let count = u16::try_from(settings.len()).unwrap_or(0);
        out.extend_from_slice(&count.to_le_bytes());
        for (key, value) in settings {
            out.extend_from_slice(&key.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
        self.founders.encode(&mut out);
        out.into()
    }

    /// Reads what [`GenesisRecord::encode`] wrote. All bytes must be consumed, and every setting
    /// must be known: one that is not would be decided differently here.
    ///
    /// # Errors
    ///
    /// Says what is wrong; nothing of the bytes is used.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let (front, mut rest) = bytes
            .split_first_chunk::<RECORD_FRONT_BYTES>()
            .ok_or(IdentityError::Malformed)?;
        let mut fields = front.as_slice();
        let version = fields.get_u16_le();
        if version != RECORD_VERSION {
            return Err(IdentityError::UnknownVersion { version });
        }
        let (tag, spare) = (fields.get_u8(), fields.get_u8());
        let payload_codec =
            PayloadCodec::from_tag(tag).ok_or(IdentityError::UnknownCodec { tag })?;
        let cluster = ClusterId::new(fields.get_u128_le());
        let mut shared = SharedSettings::default();
        // Records that do not name it are of clusters whose sessions never end by time.
        shared.sessions.idle_time = None;
        let mut previous = 0;
        for _ in 0..fields.get_u16_le() {
            let (setting, after) = rest
                .split_first_chunk::<SETTING_BYTES>()
                .ok_or(IdentityError::Malformed)?;
            let mut setting = setting.as_slice();
            let (key, value) = (setting.get_u16_le(), setting.get_u64_le());
            if key <= previous {
                return Err(IdentityError::Malformed);
            }
            shared.set(key, value)?;
            (previous, rest) = (key, after);
        }
        if spare != 0 {
            return Err(IdentityError::Malformed);
        }
        Ok(Self {
            cluster,
            payload_codec,
            shared,
            founders: Configuration::decode(rest)?,
        })
    }
}

impl SharedSettings {
    fn set(&mut self, key: u16, value: u64) -> Result<(), IdentityError> {
        let small = || u32::try_from(value).map_err(|_| IdentityError::Malformed);
        match key {
            MAX_SESSIONS => self.sessions.max_sessions = small()?,
            MAX_ANSWERS => self.sessions.max_answers = small()?,
            MAX_ANSWER_BYTES => self.sessions.max_answer_bytes = value,
            IDLE_MILLISECONDS => self.sessions.idle_time = Some(Duration::from_millis(value)),
            _ => return Err(IdentityError::UnknownSetting { key }),
        }
        Ok(())
    }
}

/// Why bytes are not an identity or a genesis record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Written by another version of this library.
    #[error("it has format version {version}, which this build does not read")]
    UnknownVersion {
        /// The version found.
        version: u16,
    },
    /// A codec this build does not know.
    #[error("it names an unknown payload codec, {tag}")]
    UnknownCodec {
        /// The codec's number.
        tag: u8,
    },
    /// A shared setting this build does not know, so that it would decide differently.
    #[error("it has an unknown shared setting, {key}")]
    UnknownSetting {
        /// The setting's key.
        key: u16,
    },
    /// The bytes are damaged.
    #[error("it does not match its checksum")]
    Checksum,
    /// The bytes end early, go on too long, or hold an impossible value.
    #[error("it is malformed")]
    Malformed,
    /// The founding members are not a configuration.
    #[error("founders: {0}")]
    Founders(#[from] ConfigurationError),
}

const MAGIC: [u8; 4] = *b"QRID";
/// The version of an identity that this build writes.
pub const IDENTITY_VERSION: u16 = 1;
/// The version of a genesis record that this build writes.
pub const RECORD_VERSION: u16 = 1;
const HEADER_BYTES: usize = 36;
const RECORD_FRONT_BYTES: usize = 22;
const SETTING_BYTES: usize = 10;
const BORN: u8 = 1;
const KEEPS: u8 = 2;
const FOUNDED: u8 = 3;
const MAX_SESSIONS: u16 = 1;
const MAX_ANSWERS: u16 = 2;
const MAX_ANSWER_BYTES: u16 = 3;
const IDLE_MILLISECONDS: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> GenesisRecord {
        GenesisRecord {
            cluster: ClusterId::new(0xc1),
            payload_codec: PayloadCodec::Postcard,
            shared: SharedSettings {
                sessions: SessionLimits {
                    max_sessions: 5,
                    max_answers: 6,
                    max_answer_bytes: 7,
                    idle_time: Some(Duration::from_millis(8)),
                },
            },
            founders: Configuration::of_voters([Peer::new(NodeId::new(1), Incarnation::new(2))]),
        }
    }

    fn identity(stage: Stage) -> Identity {
        Identity {
            me: Peer::new(NodeId::new(1), Incarnation::new(2)),
            stage,
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_no_part_of_it_is() {
        for stage in [
            Stage::Born,
            Stage::Keeps(record()),
            Stage::Founded(record()),
        ] {
            let bytes = identity(stage.clone()).encode();
            assert_eq!(Identity::decode(&bytes), Ok(identity(stage)));
            for end in 0..bytes.len() {
                assert!(Identity::decode(&bytes[..end]).is_err(), "cut at {end}");
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.to_vec();
                damaged[at] ^= 1;
                assert!(Identity::decode(&damaged).is_err(), "flipped at {at}");
            }
        }
    }

    #[test]
    fn bytes_with_a_right_checksum_may_still_be_no_identity() {
        let forged = |change: fn(&mut Vec<u8>)| {
            let mut bytes = identity(Stage::Keeps(record())).encode().to_vec();
            bytes.truncate(bytes.len() - 4);
            change(&mut bytes);
            let checksum = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(&checksum.to_le_bytes());
            Identity::decode(&bytes)
        };
        assert_eq!(forged(|_| {}), Ok(identity(Stage::Keeps(record()))));
        let malformed = Err(IdentityError::Malformed);
        assert_eq!(forged(|bytes| bytes[6] = BORN), malformed, "with a record");
        assert_eq!(forged(|bytes| bytes[6] = 9), malformed, "no stage");
        assert_eq!(forged(|bytes| bytes[7] = 1), malformed, "what is spare");
        assert_eq!(forged(|bytes| bytes[32] += 1), malformed, "its length");
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let mut expected = b"QRID".to_vec();
        expected.extend_from_slice(&[1, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(&2u128.to_le_bytes());
        let mut golden = vec![1, 0, 2, 0];
        golden.extend_from_slice(&0xc1u128.to_le_bytes());
        golden.extend_from_slice(&[4, 0]);
        for (key, value) in [(1u16, 5u64), (2, 6), (3, 7), (4, 8)] {
            golden.extend_from_slice(&key.to_le_bytes());
            golden.extend_from_slice(&value.to_le_bytes());
        }
        golden.extend_from_slice(&[1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 128]);
        golden.extend_from_slice(&2u128.to_le_bytes());
        golden.extend_from_slice(&[0, 0]);
        assert_eq!(record().encode(), golden);

        expected.push(u8::try_from(golden.len()).unwrap());
        expected.extend_from_slice(&[0, 0, 0]);
        expected.extend_from_slice(&golden);
        let encoded = identity(Stage::Founded(record())).encode();
        let (content, checksum) = encoded.split_at(encoded.len() - 4);
        assert_eq!(content, expected);
        assert_eq!(checksum, crc32c::crc32c(&expected).to_le_bytes());
    }

    #[test]
    fn a_record_that_names_no_time_is_of_sessions_that_need_none() {
        let mut record = record();
        record.shared.sessions.idle_time = None;
        let bytes = record.encode();
        assert_eq!(bytes[20..22], [3, 0]);
        assert_eq!(GenesisRecord::decode(&bytes), Ok(record));
    }

    /// A founder compares what it offered with what comes back.
    #[test]
    fn a_record_of_times_that_are_not_whole_is_read_back_as_it_is_kept() {
        let mut record = record();
        let sessions = &mut record.shared.sessions;
        sessions.idle_time = Some(Duration::from_nanos(8_765_432));
        assert_ne!(
            GenesisRecord::decode(&record.encode()).as_ref(),
            Ok(&record)
        );
        record.shared.sessions = record.shared.sessions.as_recorded();
        assert_eq!(GenesisRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn a_setting_that_is_not_known_is_an_error() {
        let mut bytes = record().encode().to_vec();
        bytes[42] = 9;
        assert_eq!(
            GenesisRecord::decode(&bytes),
            Err(IdentityError::UnknownSetting { key: 9 })
        );
    }
}
