//! The bytes of a frame, as `docs/log-format.md` lays them down. Knows no files and no order of
//! frames; what a frame may follow is [`super::recover`]'s.

use raft_core::configuration::Configuration;
use raft_core::ids::{Boot, EntryId, LogIndex, NodeId, Term};
use raft_core::log::{HardState, SnapshotMark};
use raft_core::time::Millis;

use crate::reader::Reader;

/// The fixed front of a frame. What follows it, `body`, is the snapshot mark, the identity and
/// the chunks, then zeros up to the next block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// Whether this is the first frame of its segment, which repeats what earlier segments hold.
    pub(super) head: bool,
    /// Which log this is.
    pub(super) log_id: u64,
    /// The segment the frame was written to.
    pub(super) segment: u64,
    /// The frame's number; the first of a log has 1.
    pub(super) batch: u64,
    /// The highest batch known to be durable when the frame was laid out.
    pub(super) watermark: u64,
    /// The hard state after this frame.
    pub(super) hard: HardState,
    /// Entries from here on are removed, before the chunks are added.
    pub(super) truncate_from: Option<LogIndex>,
    /// Entries before this one may be forgotten.
    pub(super) drop_before: LogIndex,
    /// The log's last index before this frame.
    pub(super) last: LogIndex,
    /// The block size the frame was padded to.
    pub(super) block_bytes: u32,
    /// How the body is divided.
    pub(super) body: BodyShape,
    /// The header checksum of the frame before, zero for the first of a log.
    pub(super) previous: u32,
    /// The checksum of the body.
    pub(super) body_checksum: u32,
}

/// How long the parts of a frame's body are. An absent part has length zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct BodyShape {
    /// Bytes of the snapshot mark.
    pub(super) snapshot: u32,
    /// Whether there is an identity, which may be empty.
    pub(super) has_identity: bool,
    /// Bytes of the identity.
    pub(super) identity: u32,
    /// How many chunks follow.
    pub(super) chunks: u32,
    /// Bytes of all of it.
    pub(super) total: u64,
}

/// Why bytes are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    /// Nothing but zeros: nothing was ever written here, or it was lost.
    Zeros,
    /// Not a header.
    Magic,
    /// A header by its magic, with a wrong checksum.
    Checksum { stored: u32, computed: u32 },
    /// A whole header of another version.
    Version(u16),
    /// A whole header that says what no header of ours says.
    Malformed,
}

impl Header {
    /// The bytes of the header, and the checksum in them that the next frame repeats.
    pub(super) fn encode(&self) -> ([u8; HEADER_BYTES], u32) {
        let mut writer = Writer {
            bytes: [0; HEADER_BYTES],
            at: 0,
        };
        writer.put(&MAGIC);
        writer.put(&FORMAT_VERSION.to_le_bytes());
        writer.put(&self.flags().to_le_bytes());
        let vote = self.hard.vote.map_or(0, NodeId::get);
        let truncate_from = self.truncate_from.map_or(0, LogIndex::get);
        for number in [
            self.log_id,
            self.segment,
            self.batch,
            self.watermark,
            self.hard.boot.get(),
            self.hard.term.get(),
            vote,
            truncate_from,
            self.drop_before.get(),
            self.last.get(),
        ] {
            writer.put(&number.to_le_bytes());
        }
        writer.put(&self.block_bytes.to_le_bytes());
        writer.put(&self.body.snapshot.to_le_bytes());
        writer.put(&self.body.identity.to_le_bytes());
        writer.put(&self.body.chunks.to_le_bytes());
        writer.put(&self.body.total.to_le_bytes());
        writer.put(&self.previous.to_le_bytes());
        writer.put(&self.body_checksum.to_le_bytes());
        writer.put(&self.hard.promise.get().to_le_bytes());
        let checksum = checksum(writer.bytes.get(..CHECKSUM_AT).unwrap_or(&[]));
        writer.put(&checksum.to_le_bytes());
        (writer.bytes, checksum)
    }

    /// Reads a header and its checksum from the start of `bytes`.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, u32), HeaderError> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(if bytes.iter().all(|byte| *byte == 0) {
                HeaderError::Zeros
            } else {
                HeaderError::Malformed
            });
        };
        if !header.starts_with(&MAGIC) {
            return Err(if header.iter().all(|byte| *byte == 0) {
                HeaderError::Zeros
            } else {
                HeaderError::Magic
            });
        }
        let (checked, stored) = header.split_last_chunk().ok_or(HeaderError::Malformed)?;
        let (stored, computed) = (u32::from_le_bytes(*stored), checksum(checked));
        if stored != computed {
            return Err(HeaderError::Checksum { stored, computed });
        }
        let mut reader = Reader(checked);
        let _magic: [u8; 4] = reader.take().ok_or(HeaderError::Malformed)?;
        let version = u16::from_le_bytes(reader.take().ok_or(HeaderError::Malformed)?);
        if version != FORMAT_VERSION {
            return Err(HeaderError::Version(version));
        }
        let header = Self::fields(&mut reader).ok_or(HeaderError::Malformed)?;
        Ok((header, computed))
    }

    /// The bytes the frame takes, with its padding; `None` if they can't be counted.
    pub(super) fn frame_bytes(&self) -> Option<u64> {
        frame_bytes(self.body.total, self.block_bytes)
    }

    fn flags(&self) -> u16 {
        let flag = |set, bit| if set { bit } else { 0 };
        flag(self.head, FLAG_HEAD)
            | flag(self.hard.vote.is_some(), FLAG_VOTE)
            | flag(self.hard.to_other_life, FLAG_OTHER_LIFE)
            | flag(self.truncate_from.is_some(), FLAG_TRUNCATE)
            | flag(self.body.has_identity, FLAG_IDENTITY)
    }

    /// Reads all fields after the version, in the order in which they stand.
    fn fields(reader: &mut Reader<'_>) -> Option<Self> {
        let flags = u16::from_le_bytes(reader.take()?);
        let (log_id, segment) = (reader.u64()?, reader.u64()?);
        let (batch, watermark) = (reader.u64()?, reader.u64()?);
        let (boot, term, vote) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (truncate_from, drop_before) = (reader.u64()?, reader.u64()?);
        let (last, block_bytes) = (reader.u64()?, reader.u32()?);
        let body = BodyShape {
            has_identity: flags & FLAG_IDENTITY != 0,
            snapshot: reader.u32()?,
            identity: reader.u32()?,
            chunks: reader.u32()?,
            total: reader.u64()?,
        };
        let (previous, body_checksum) = (reader.u32()?, reader.u32()?);
        let promise = Millis::new(reader.u32()?);
        let votes = flags & FLAG_VOTE != 0 || flags & FLAG_OTHER_LIFE == 0;
        let known = flags & !KNOWN_FLAGS == 0 && votes;
        if !known || !is_block_size(block_bytes) || !body.is_sound() {
            return None;
        }
        Some(Self {
            head: flags & FLAG_HEAD != 0,
            log_id,
            segment,
            batch,
            watermark,
            hard: HardState {
                boot: Boot::new(boot),
                term: Term::new(term),
                vote: (flags & FLAG_VOTE != 0).then_some(NodeId::new(vote)),
                to_other_life: flags & FLAG_OTHER_LIFE != 0,
                promise,
            },
            truncate_from: (flags & FLAG_TRUNCATE != 0).then_some(LogIndex::new(truncate_from)),
            drop_before: LogIndex::new(drop_before),
            last: LogIndex::new(last),
            block_bytes,
            body,
            previous,
            body_checksum,
        })
    }
}

impl BodyShape {
    fn is_sound(&self) -> bool {
        let front = u64::from(self.snapshot).saturating_add(u64::from(self.identity));
        front <= self.total && (self.has_identity || self.identity == 0)
    }
}

/// The bytes a frame with a body of `body` bytes takes.
pub(super) fn frame_bytes(body: u64, block_bytes: u32) -> Option<u64> {
    body.checked_add(HEADER_BYTES as u64)?
        .checked_next_multiple_of(u64::from(block_bytes))
}

/// Whether blocks may have this size.
pub(super) fn is_block_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(&bytes)
}

/// The bytes of a snapshot mark.
pub(super) fn encode_mark(mark: &SnapshotMark) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&mark.last.term.get().to_le_bytes());
    bytes.extend_from_slice(&mark.last.index.get().to_le_bytes());
    mark.configuration.encode(&mut bytes);
    bytes
}

/// Reads what [`encode_mark`] wrote.
pub(super) fn decode_mark(bytes: &[u8]) -> Option<SnapshotMark> {
    let mut reader = Reader(bytes);
    let (term, index) = (reader.u64()?, reader.u64()?);
    Some(SnapshotMark {
        last: EntryId::new(Term::new(term), LogIndex::new(index)),
        configuration: Configuration::decode(reader.0).ok()?,
    })
}

/// CRC-32C.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Puts fields into the header one after the other; the lengths above add up to its length.
struct Writer {
    bytes: [u8; HEADER_BYTES],
    at: usize,
}

impl Writer {
    fn put(&mut self, field: &[u8]) {
        let end = self.at.saturating_add(field.len());
        if let Some(room) = self.bytes.get_mut(self.at..end) {
            room.copy_from_slice(field);
        }
        self.at = end;
    }
}

/// The length of a header.
pub(super) const HEADER_BYTES: usize = 128;
/// Frames begin at multiples of this, whatever their block size is.
pub(super) const MIN_BLOCK_BYTES: u32 = 256;
pub(super) const MAX_BLOCK_BYTES: u32 = 65_536;
/// The version of the layout.
pub(super) const FORMAT_VERSION: u16 = 1;
const MAGIC: [u8; 4] = *b"QRWL";
const CHECKSUM_AT: usize = 124;
const FLAG_HEAD: u16 = 1;
const FLAG_VOTE: u16 = 2;
const FLAG_TRUNCATE: u16 = 4;
const FLAG_IDENTITY: u16 = 8;
const FLAG_OTHER_LIFE: u16 = 16;
const KNOWN_FLAGS: u16 = FLAG_HEAD | FLAG_VOTE | FLAG_TRUNCATE | FLAG_IDENTITY | FLAG_OTHER_LIFE;

#[cfg(test)]
mod tests;
