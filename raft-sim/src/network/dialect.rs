//! What a process speaks: which codec, and which version of frames its build writes and reads.
//!
//! This build has one version. What another one would write is made of what this one writes: the
//! version changed, and the checksum made to fit, as that build's own would. What it would read is
//! what was written so. Between the two nothing may be understood: this build's decoder is asked,
//! the other one's refusal goes without saying.

use bytes::Bytes;
use raft_node::codec::WireCodec;
use raft_node::frame::{self, FORMAT_VERSION, FrameError, FrameLimits, HEADER_BYTES};
use raft_node::letter::Letter;

/// What a process speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dialect {
    /// The codec of what it sends.
    pub(crate) codec: WireCodec,
    /// The version of the frames that its build writes and reads.
    pub(crate) version: u16,
}

impl Dialect {
    /// The bytes of a letter.
    ///
    /// # Errors
    ///
    /// As [`frame::encode`] has them.
    pub(super) fn write(self, letter: &Letter) -> Result<Bytes, FrameError> {
        let parts = frame::encode(letter, self.codec)?;
        let front = parts.first().map_or(0, Bytes::len);
        let bytes = match parts.as_slice() {
            [whole] => whole.clone(),
            parts => parts.concat().into(),
        };
        Ok(match self.version == FORMAT_VERSION {
            true => bytes,
            false => in_version(&bytes, self.version, front),
        })
    }

    /// The letter in a frame that may come from another build; none, if it does.
    ///
    /// # Errors
    ///
    /// The frame is not read although it is of this build's version, or is not refused for its
    /// version although it is of another.
    pub(super) fn read(
        self,
        bytes: &Bytes,
        limits: &FrameLimits,
    ) -> Result<Option<Letter>, FrameError> {
        let written = version_of(bytes);
        if self.version == FORMAT_VERSION {
            return match frame::decode(bytes.clone(), limits) {
                Err(FrameError::UnknownVersion { version })
                    if version == written && written != FORMAT_VERSION =>
                {
                    Ok(None)
                }
                Ok(letter) if written == FORMAT_VERSION => Ok(Some(letter)),
                Ok(_) => Err(FrameError::UnknownVersion { version: written }),
                Err(error) => Err(error),
            };
        }
        if written != self.version {
            return Ok(None);
        }
        let own = in_version(bytes, FORMAT_VERSION, front_of(bytes));
        frame::decode(own, limits).map(Some)
    }
}

/// The frame as a build of another version would have written it.
fn in_version(bytes: &Bytes, version: u16, front: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    put(&mut bytes, VERSION_AT, &version.to_le_bytes());
    let header = bytes.get(..CHECKSUM_AT).unwrap_or_default();
    let after = bytes.get(HEADER_BYTES..front).unwrap_or_default();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(header), after);
    put(&mut bytes, CHECKSUM_AT, &checksum.to_le_bytes());
    bytes.into()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn version_of(bytes: &[u8]) -> u16 {
    let found = bytes.get(VERSION_AT..VERSION_AT + 2);
    found
        .and_then(|found| found.try_into().ok())
        .map_or(0, u16::from_le_bytes)
}

/// The length of the part that the first checksum is of: header, table of chunks and body.
fn front_of(bytes: &[u8]) -> usize {
    let number = |at: usize| {
        let found = bytes.get(at..at + 4);
        let found = found.and_then(|found| found.try_into().ok());
        found.map_or(0, u32::from_le_bytes) as usize
    };
    HEADER_BYTES + number(BODY_LENGTH_AT) + 4 * number(CHUNKS_AT)
}

const VERSION_AT: usize = 4;
const BODY_LENGTH_AT: usize = 12;
const CHUNKS_AT: usize = 16;
const CHECKSUM_AT: usize = HEADER_BYTES - 4;

#[cfg(test)]
mod tests {
    use raft_core::ids::{Boot, ClusterId, Incarnation, NodeId, Peer};
    use raft_node::letter::{News, Packet};

    use super::*;

    fn dialect(version: u16) -> Dialect {
        let codec = WireCodec::Postcard;
        Dialect { codec, version }
    }

    fn letter() -> Letter {
        Letter {
            cluster: Some(ClusterId::new(7)),
            from: Peer::new(NodeId::new(1), Incarnation::new(2)),
            boot: Boot::new(3),
            to: NodeId::new(2),
            packet: Packet::Genesis(News {
                to: None,
                keeps: Some(Bytes::from_static(b"a record")),
                founded: true,
                wants_answer: false,
            }),
        }
    }

    #[test]
    fn builds_of_one_version_understand_each_other_and_no_other() {
        let limits = FrameLimits::default();
        let versions = [FORMAT_VERSION - 1, FORMAT_VERSION, FORMAT_VERSION + 1];
        for writer in versions {
            let bytes = dialect(writer).write(&letter()).unwrap();
            for reader in versions {
                let heard = dialect(reader).read(&bytes, &limits);
                let expected = (writer == reader).then(letter);
                assert_eq!(heard, Ok(expected), "{reader} of {writer}");
            }
        }
    }

    /// What is refused would be a whole letter but for its version: nothing else keeps it out.
    #[test]
    fn another_version_is_whole_and_sound() {
        let bytes = dialect(FORMAT_VERSION + 1).write(&letter()).unwrap();
        let mut own = in_version(&bytes, FORMAT_VERSION, bytes.len());
        assert!(frame::decode(own.clone(), &FrameLimits::default()).is_ok());
        own = bytes.clone();
        let refused = frame::decode(own, &FrameLimits::default());
        let version = FORMAT_VERSION + 1;
        assert_eq!(refused, Err(FrameError::UnknownVersion { version }));
    }
}
