//! The bytes of a snapshot file, as `docs/log-format.md` lays them down, and the names of such
//! files. Knows nothing of which files there are.

use raft_core::configuration::Configuration;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::time::LogTime;

use crate::reader::Reader;

/// Where things stand in a snapshot's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// Bytes before the content: the header and zeros up to the next block.
    header_bytes: u64,
    /// Bytes of a block, with its checksum.
    block_bytes: u32,
    /// What the checksums of the blocks begin with.
    last: EntryId,
}

/// The blocks that hold some part of the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    /// The first block.
    pub(super) block: u64,
    /// Where it stands in the file.
    pub(super) offset: u64,
    /// How much content comes before it.
    pub(super) content: u64,
}

impl Layout {
    /// The layout of a file for a snapshot that ends with `last`.
    pub(super) fn new(last: EntryId, configuration: &Configuration, block_bytes: u32) -> Self {
        let mut encoded = Vec::new();
        configuration.encode(&mut encoded);
        Self::of(last, encoded.len(), block_bytes)
    }

    fn of(last: EntryId, configuration_bytes: usize, block_bytes: u32) -> Self {
        let used = configuration_bytes.saturating_add(FRONT_BYTES + CHECKSUM_BYTES) as u64;
        let header_bytes = used.checked_next_multiple_of(u64::from(block_bytes));
        Self {
            header_bytes: header_bytes.unwrap_or(u64::MAX),
            block_bytes,
            last,
        }
    }

    /// How much content a full block holds.
    pub(super) const fn block_content(&self) -> usize {
        (self.block_bytes as usize).saturating_sub(CHECKSUM_BYTES)
    }

    /// The block that holds this place in the content.
    pub(super) fn span(&self, content: u64) -> Span {
        let block_content = self.block_content().max(1) as u64;
        let block = content.checked_div(block_content).unwrap_or(0);
        Span {
            block,
            offset: self.offset(block),
            content: self.content_before(block),
        }
    }

    /// How much content comes before a block.
    pub(super) fn content_before(&self, block: u64) -> u64 {
        block.saturating_mul(self.block_content().max(1) as u64)
    }

    /// Where a block begins in the file.
    pub(super) fn offset(&self, block: u64) -> u64 {
        let before = block.saturating_mul(u64::from(self.block_bytes));
        self.header_bytes.saturating_add(before)
    }

    /// The bytes of the whole file; `None` if they can't be counted.
    pub(super) fn file_bytes(&self, length: u64) -> Option<u64> {
        let blocks = length.div_ceil(self.block_content().max(1) as u64);
        let checksums = blocks.checked_mul(CHECKSUM_BYTES as u64)?;
        self.header_bytes
            .checked_add(length)?
            .checked_add(checksums)
    }

    /// The bytes of a block with so much content.
    pub(super) const fn bytes_of(content: usize) -> usize {
        content.saturating_add(CHECKSUM_BYTES)
    }

    /// The content of a block of so many bytes.
    pub(super) const fn content_of(bytes: usize) -> usize {
        bytes.saturating_sub(CHECKSUM_BYTES)
    }

    /// The checksum that follows a block's content: of which snapshot it is, which block, and all
    /// of the content.
    pub(super) fn checksum(&self, block: u64, content: &[u8]) -> u32 {
        let mut salt = [0; 24];
        let numbers = [self.last.term.get(), self.last.index.get(), block];
        for (place, number) in salt.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        crc32c::crc32c_append(crc32c::crc32c(&salt), content)
    }

    /// Whether these are a block's content and its checksum.
    pub(super) fn is_intact(&self, block: u64, bytes: &[u8]) -> bool {
        bytes.split_last_chunk().is_some_and(|(content, stored)| {
            self.checksum(block, content) == u32::from_le_bytes(*stored)
        })
    }
}

/// The header of a snapshot's file, with zeros up to the first block.
pub(super) fn encode_header(snapshot: &Snapshot, block_bytes: u32) -> Vec<u8> {
    let mut configuration = Vec::new();
    snapshot.configuration.encode(&mut configuration);
    let id = snapshot.id;
    let layout = Layout::of(id.last, configuration.len(), block_bytes);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&block_bytes.to_le_bytes());
    let length = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    for number in [
        id.last.term.get(),
        id.last.index.get(),
        snapshot.time.as_millis(),
        id.length,
        id.digest,
    ] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&configuration);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.resize(
        usize::try_from(layout.header_bytes).unwrap_or(bytes.len()),
        0,
    );
    bytes
}

/// Why bytes are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    /// Not a header, or not all of one, or one that says what no header of ours says.
    Malformed,
    /// A header by its magic, with a wrong checksum.
    Checksum { stored: u32, computed: u32 },
    /// A whole header of another version.
    Version(u16),
}

/// How many bytes must be read to have the whole header, by its front. What is read is checked by
/// [`decode_header`]; a damaged front may ask for anything up to the bound.
pub(super) fn header_bytes(front: &[u8]) -> usize {
    let length = front.get(12..16).and_then(|bytes| bytes.try_into().ok());
    let length = length
        .map_or(0, u32::from_le_bytes)
        .min(MAX_CONFIGURATION_BYTES);
    (length as usize).saturating_add(FRONT_BYTES + CHECKSUM_BYTES)
}

/// Reads the header that `bytes` begin with.
pub(super) fn decode_header(bytes: &[u8]) -> Result<(Snapshot, Layout), HeaderError> {
    let Some((front, rest)) = bytes.split_first_chunk::<FRONT_BYTES>() else {
        return Err(HeaderError::Malformed);
    };
    if !front.starts_with(&MAGIC) {
        return Err(HeaderError::Malformed);
    }
    let mut reader = Reader(front);
    let fields = Fields::read(&mut reader).ok_or(HeaderError::Malformed)?;
    let configuration = usize::try_from(fields.configuration_bytes)
        .ok()
        .and_then(|length| rest.split_at_checked(length));
    let (configuration, rest) = configuration.ok_or(HeaderError::Malformed)?;
    let stored = rest.first_chunk().ok_or(HeaderError::Malformed)?;
    let stored = u32::from_le_bytes(*stored);
    let computed = crc32c::crc32c_append(crc32c::crc32c(front), configuration);
    if stored != computed {
        return Err(HeaderError::Checksum { stored, computed });
    }
    if fields.version != FORMAT_VERSION {
        return Err(HeaderError::Version(fields.version));
    }
    let layout = Layout::of(fields.id.last, configuration.len(), fields.block_bytes);
    let sound = fields.spare == 0
        && is_block_size(fields.block_bytes)
        && layout.file_bytes(fields.id.length).is_some();
    let configuration = Configuration::decode(configuration)
        .ok()
        .filter(|_| sound)
        .ok_or(HeaderError::Malformed)?;
    let snapshot = Snapshot {
        id: fields.id,
        configuration,
        time: fields.time,
    };
    Ok((snapshot, layout))
}

/// The name of the file of a snapshot that counts.
pub(super) fn name(id: SnapshotId) -> String {
    let (term, index) = (id.last.term.get(), id.last.index.get());
    let mut name = String::with_capacity(NAME_BYTES);
    name.push_str(PREFIX);
    for (number, end) in [(index, "-"), (term, "-"), (id.length, "-"), (id.digest, "")] {
        push_hex(&mut name, number);
        name.push_str(end);
    }
    name
}

/// Sixteen digits: parts of a snapshot are read one by one, each out of a file of this name.
fn push_hex(name: &mut String, number: u64) {
    for byte in number.to_be_bytes() {
        for digit in [byte >> 4, byte & 15] {
            name.extend(char::from_digit(u32::from(digit), 16));
        }
    }
}

/// As long are names about.
const NAME_BYTES: usize = 80;

/// The snapshot that a file of this name is; `None` for a file of another kind.
pub(super) fn id(name: &str) -> Option<SnapshotId> {
    let mut numbers = name.strip_prefix(PREFIX)?.split('-').map(|part| {
        let canonical = part.len() == 16
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(part, 16).ok().filter(|_| canonical)
    });
    let (index, term) = (numbers.next()??, numbers.next()??);
    let (length, digest) = (numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(SnapshotId {
        last: EntryId::new(Term::new(term), LogIndex::new(index)),
        length,
        digest,
    })
}

/// Whether blocks may have this size.
pub(super) fn is_block_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(&bytes)
}

/// The numbers in a header's front.
struct Fields {
    version: u16,
    spare: u16,
    block_bytes: u32,
    configuration_bytes: u32,
    id: SnapshotId,
    time: LogTime,
}

impl Fields {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let _magic: [u8; 4] = reader.take()?;
        let version = u16::from_le_bytes(reader.take()?);
        let spare = u16::from_le_bytes(reader.take()?);
        let (block_bytes, configuration_bytes) = (reader.u32()?, reader.u32()?);
        let (term, index) = (Term::new(reader.u64()?), LogIndex::new(reader.u64()?));
        let time = LogTime::from_millis(reader.u64()?);
        let (length, digest) = (reader.u64()?, reader.u64()?);
        let last = EntryId::new(term, index);
        Some(Self {
            version,
            spare,
            block_bytes,
            configuration_bytes,
            id: SnapshotId {
                last,
                length,
                digest,
            },
            time,
        })
    }
}

/// The bytes of a header before its configuration.
pub(super) const FRONT_BYTES: usize = 56;
/// The version of the layout.
pub(super) const FORMAT_VERSION: u16 = 1;
/// The file of a snapshot that is being taken.
pub(super) const TAKEN: &str = "snapshot-taken.draft";
/// The file of a snapshot that is being received.
pub(super) const RECEIVED: &str = "snapshot-received.draft";
const PREFIX: &str = "snapshot-";
const CHECKSUM_BYTES: usize = 4;
const MAGIC: [u8; 4] = *b"QRSN";
pub(super) const MIN_BLOCK_BYTES: u32 = 256;
pub(super) const MAX_BLOCK_BYTES: u32 = 1 << 20;
/// Far more than any configuration takes.
const MAX_CONFIGURATION_BYTES: u32 = 1 << 24;

#[cfg(test)]
mod tests;
