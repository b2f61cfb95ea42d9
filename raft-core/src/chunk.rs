//! Chunks: runs of entries encoded once, in one layout for memory, disk and wire.
//!
//! A chunk is contiguous and of one term. Its bytes are laid out as (all numbers little-endian):
//!
//! ```text
//! header, 48 bytes   magic "QRCK" · version u16 · flags u16 · term u64 · first index u64 ·
//!                    count u32 · payload bytes u32 · log time u64 · payload checksum u32 ·
//!                    id checksum u32 (over the 44 bytes before it and the table)
//! payloads           one after the other
//! table, 8 a entry   kind u8 · 0 u8 · 0 u16 · end of the payload u32 (from the payloads' start)
//! ```
//!
//! Ids and payloads are checksummed apart, so that a lost payload leaves its id. A client's
//! payload begins with session, serial and settled (u64 each). In a chunk of ids only (flag 1)
//! the payloads are left out and the table keeps where they ended.
//!
//! The bytes stand behind one reference count: clones and views copy nothing. A view trims either
//! end and knows its base, so [`Chunk::pinned_bytes`] can say what a small view keeps alive.
//! [`Chunk::parse`] is the only gate in: a `Chunk` that exists is well formed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Range;

use bytes::Bytes;

use crate::configuration::{Configuration, ConfigurationError};
use crate::ids::{EntryId, LogIndex, Term};
use crate::record::{ClientHeader, Entry, Record, kind};
use crate::time::LogTime;

mod builder;
mod layout;
pub use builder::{ChunkBuilder, PushError};
use layout::{
    FLAG_IDS_ONLY, Header, ID_CHECKSUM_AT, ROW_BYTES, TableRow, id_checksum, stored_checksum,
    stored_time, table_row,
};
pub use layout::{FORMAT_VERSION, HEADER_BYTES};

/// CRC-32C of `bytes`, continued from the checksum of what came before (0 to begin). A parameter
/// because the fast one needs the standard library; the `crc32c` crate's `crc32c_append` is one.
pub type Checksum = fn(u32, &[u8]) -> u32;

/// A run of entries of one term, or a view of one.
#[derive(Clone)]
pub struct Chunk {
    base: Arc<Base>,
    /// How many of the base's entries come before the view.
    skipped: u32,
    /// How many entries the view has; never zero.
    count: u32,
}

/// The whole chunk that views share: its bytes, and what all ask of them.
struct Base {
    buffer: Bytes,
    term: Term,
    /// The index right before the first entry.
    before: LogIndex,
    count: u32,
    /// How many bytes of payload stand before the table in the buffer.
    before_table: u32,
    /// Whether the payloads were left out.
    ids_only: bool,
    /// Whether it is a single configuration entry.
    config: bool,
}

impl Chunk {
    /// Reads a chunk from exactly these bytes, sharing them.
    ///
    /// # Errors
    ///
    /// Says which part is damaged: when only the payloads are, the ids can still be had by
    /// [`Chunk::parse_ids`].
    pub fn parse(
        bytes: Bytes,
        limits: ChunkLimits,
        checksum: Checksum,
    ) -> Result<Self, ChunkError> {
        let (chunk, payload_checksum) = Self::parse_frame(bytes, limits, checksum)?;
        chunk.check_payloads(payload_checksum, checksum)?;
        Ok(chunk)
    }

    /// Reads only the ids of a chunk whose payloads may be damaged, as [`Chunk::ids_only`] would
    /// leave it. A configuration is kept only if it is whole.
    ///
    /// # Errors
    ///
    /// Says what is wrong with header or table.
    pub fn parse_ids(
        bytes: Bytes,
        limits: ChunkLimits,
        checksum: Checksum,
    ) -> Result<Self, ChunkError> {
        let (chunk, payload_checksum) = Self::parse_frame(bytes, limits, checksum)?;
        let is_whole = chunk.check_payloads(payload_checksum, checksum).is_ok();
        Ok(if chunk.is_config() && !is_whole {
            chunk.encoded_anew(true, checksum)
        } else {
            chunk.ids_only(checksum)
        })
    }

    /// How long the chunk that starts with these bytes claims to be, or `None` when they are
    /// fewer than a header or no chunk's header. The claim is unchecked: bound it before trusting.
    pub fn claimed_length(prefix: &[u8]) -> Option<usize> {
        Some(Header::read(prefix).ok()?.total_length())
    }

    /// The term all entries were created in.
    pub fn term(&self) -> Term {
        self.base.term
    }

    /// The log time all entries were stamped with.
    pub fn time(&self) -> LogTime {
        stored_time(&self.base.buffer)
    }

    /// The number of entries; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a chunk is never empty")]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// The index of the first entry.
    pub fn first_index(&self) -> LogIndex {
        let before = self.base.before.plus(u64::from(self.skipped));
        before.next()
    }

    /// The index of the last entry.
    pub fn last_index(&self) -> LogIndex {
        let entries = u64::from(self.skipped).saturating_add(u64::from(self.count));
        self.base.before.plus(entries)
    }

    /// The id of the last entry.
    pub fn last_id(&self) -> EntryId {
        EntryId::new(self.term(), self.last_index())
    }

    /// Whether the payloads were left out.
    pub fn is_ids_only(&self) -> bool {
        self.base.ids_only
    }

    /// The bytes the view's payloads take, or took where only the ids are left.
    pub fn payload_bytes(&self) -> usize {
        if self.is_whole() && !self.is_ids_only() {
            return self.base.before_table as usize;
        }
        let Range { start, end } = self.payload_range();
        end.saturating_sub(start)
    }

    /// The bytes this view keeps in memory: those of its whole base.
    pub fn pinned_bytes(&self) -> usize {
        self.base.buffer.len()
    }

    /// Whether its last entry is the last one of what it keeps in memory.
    pub(crate) fn ends_its_base(&self) -> bool {
        self.skipped.saturating_add(self.count) == self.base.count
    }

    /// Whether the chunk is a single configuration entry, which is in force from its append on.
    pub fn is_config(&self) -> bool {
        self.base.config
    }

    /// The entries in `range` (start inclusive, end exclusive) as a view that shares the bytes;
    /// `None` when the chunk has none of them.
    pub fn slice(&self, range: Range<LogIndex>) -> Option<Self> {
        let first = range.start.max(self.first_index());
        let last = range.end.previous().min(self.last_index());
        if first > last {
            return None;
        }
        let trimmed = u32::try_from(first.distance_from(self.first_index())).ok()?;
        let count = u32::try_from(last.next().distance_from(first)).ok()?;
        Some(Self {
            base: Arc::clone(&self.base),
            skipped: self.skipped.saturating_add(trimmed),
            count,
        })
    }

    /// The longest view from the first entry on whose payloads take at most `max_bytes`, but at
    /// least one entry, so that whoever reads in portions always moves on.
    #[must_use]
    pub fn prefix(&self, max_bytes: usize) -> Self {
        if self.payload_bytes() <= max_bytes {
            return self.clone();
        }
        let start = self.payload_range().start;
        let fitting = self
            .table_rows()
            .take_while(|row| row.end().saturating_sub(start) <= max_bytes)
            .count()
            .max(1);
        // It has no more than there are.
        let count = u32::try_from(fitting).unwrap_or(self.count);
        Self {
            count,
            ..self.clone()
        }
    }

    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut start = self.payload_range().start;
        let mut id = EntryId::new(self.term(), self.first_index());
        let (payloads, time) = (self.payloads(), self.time());
        self.table_rows().map(move |row| {
            let payload = payloads.get(start..row.end()).unwrap_or(&[]);
            start = row.end();
            let entry = Entry {
                id,
                time,
                record: self.record(row.kind(), payload),
            };
            id.index = id.index.next();
            entry
        })
    }

    /// The same entries with the payloads left out: what a witness keeps. Configurations are
    /// kept whole, since they act on append.
    #[must_use]
    pub fn ids_only(&self, checksum: Checksum) -> Self {
        if self.is_ids_only() || self.is_config() {
            return self.clone();
        }
        self.encoded_anew(true, checksum)
    }

    /// The bytes for disk and wire. A whole chunk is its own encoding; a trimmed view is laid out
    /// anew, with checksums of its own.
    pub fn encode(&self, checksum: Checksum) -> Bytes {
        if self.is_whole() {
            self.base.buffer.clone()
        } else {
            let anew = self.encoded_anew(self.is_ids_only(), checksum);
            anew.base.buffer.clone()
        }
    }

    /// Where the payloads stand in the bytes for disk and wire, and the checksum that was sealed over
    /// them: whoever sums those bytes need not sum them again. `None` for a trimmed view, which is laid
    /// out anew, and for a chunk of ids only.
    pub fn sealed_payloads(&self) -> Option<(Range<usize>, u32)> {
        if !self.is_whole() || self.is_ids_only() {
            return None;
        }
        Some((
            HEADER_BYTES..self.table(),
            stored_checksum(&self.base.buffer),
        ))
    }

    /// Whether this is a whole chunk, not a trimmed view of one.
    pub fn is_whole(&self) -> bool {
        // As many as there are: none is skipped.
        self.count == self.base.count
    }

    fn encoded_anew(&self, ids_only: bool, checksum: Checksum) -> Self {
        let Range { start, end } = self.payload_range();
        let payload = self.payloads().get(start..end).unwrap_or(&[]);
        let mut header = Header {
            flags: if ids_only { FLAG_IDS_ONLY } else { 0 },
            term: self.term(),
            first: self.first_index(),
            count: self.count,
            payload_length: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX),
            time: self.time(),
            payload_checksum: 0,
        };
        let mut bytes = Vec::with_capacity(header.total_length());
        bytes.extend_from_slice(&[0; HEADER_BYTES]);
        if !ids_only {
            bytes.extend_from_slice(payload);
            header.payload_checksum = checksum(0, payload);
        }
        for row in self.table_rows() {
            let end = u32::try_from(row.end().saturating_sub(start)).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&table_row(row.kind(), end));
        }
        header.finish(bytes, checksum)
    }

    fn parse_frame(
        bytes: Bytes,
        limits: ChunkLimits,
        checksum: Checksum,
    ) -> Result<(Self, u32), ChunkError> {
        let header = Header::read(&bytes)?;
        if header.count == 0 {
            return Err(ChunkError::Malformed);
        }
        if header.count > limits.max_entries || header.payload_length > limits.max_payload_bytes {
            return Err(ChunkError::TooLarge {
                entries: header.count,
                payload_bytes: header.payload_length,
            });
        }
        let fits = header.total_length() == bytes.len();
        let last = header.first.get().checked_add(u64::from(header.count));
        if !fits || last.is_none() || header.first == LogIndex::ZERO || header.term == Term::ZERO {
            return Err(ChunkError::Malformed);
        }
        let table = header.table_offset();
        let stored = bytes
            .get(ID_CHECKSUM_AT..HEADER_BYTES)
            .ok_or(ChunkError::Malformed)?;
        if stored != id_checksum(&bytes, table, checksum).to_le_bytes() {
            return Err(ChunkError::IdChecksum);
        }
        let chunk = header.chunk(bytes);
        chunk.check_table(header.payload_length)?;
        Ok((chunk, header.payload_checksum))
    }

    /// The table's ends must not fall, its last must be the payloads' length, its spare bytes 0.
    fn check_table(&self, payload_length: u32) -> Result<(), ChunkError> {
        let mut previous = 0;
        for row in self.table_rows() {
            if row.end() < previous || row.spare() != [0; 3] {
                return Err(ChunkError::Malformed);
            }
            previous = row.end();
        }
        if previous == payload_length as usize {
            Ok(())
        } else {
            Err(ChunkError::Malformed)
        }
    }

    /// The payloads, where there are any, must be those that were sealed.
    fn check_payloads(&self, sealed: u32, checksum: Checksum) -> Result<(), ChunkError> {
        if !self.is_ids_only() && checksum(0, self.payloads()) != sealed {
            return Err(ChunkError::PayloadChecksum);
        }
        self.check_records()
    }

    /// Each kind this build knows must have the shape of its kind.
    fn check_records(&self) -> Result<(), ChunkError> {
        for entry in self.entries() {
            match entry.record {
                Record::Config(bytes) => {
                    if self.count != 1 {
                        return Err(ChunkError::ConfigNotAlone);
                    }
                    Configuration::decode(bytes).map_err(ChunkError::Configuration)?;
                }
                Record::Unknown {
                    kind: kind::NO_OP | kind::CLIENT,
                    ..
                } => {
                    return Err(ChunkError::Malformed);
                }
                Record::NoOp
                | Record::Client { .. }
                | Record::Unknown { .. }
                | Record::Absent { .. } => {}
            }
        }
        Ok(())
    }

    fn record<'a>(&self, kind: u8, payload: &'a [u8]) -> Record<'a> {
        match kind {
            _ if self.is_ids_only() => Record::Absent { kind },
            kind::NO_OP if payload.is_empty() => Record::NoOp,
            kind::CLIENT => match ClientHeader::split(payload) {
                Some((header, payload)) => Record::Client { header, payload },
                None => Record::Unknown { kind, payload },
            },
            kind::CONFIG => Record::Config(payload),
            _ => Record::Unknown { kind, payload },
        }
    }

    /// Where the table starts in the buffer.
    fn table(&self) -> usize {
        HEADER_BYTES.saturating_add(self.base.before_table as usize)
    }

    fn payloads(&self) -> &[u8] {
        let payloads = self.base.buffer.get(HEADER_BYTES..self.table());
        payloads.unwrap_or(&[])
    }

    /// Where the view's payloads stand, counted from the start of the payloads.
    fn payload_range(&self) -> Range<usize> {
        let start = match self.skipped.checked_sub(1) {
            None => 0,
            Some(before) => self.row(before).end(),
        };
        start
            ..self
                .row(self.skipped.saturating_add(self.count).saturating_sub(1))
                .end()
    }

    fn row(&self, number: u32) -> TableRow<'_> {
        let at = self
            .table()
            .saturating_add((number as usize).saturating_mul(ROW_BYTES));
        TableRow(
            self.base
                .buffer
                .get(at..)
                .and_then(<[u8]>::first_chunk)
                .unwrap_or(&[0; ROW_BYTES]),
        )
    }

    fn table_rows(&self) -> impl Iterator<Item = TableRow<'_>> {
        let start = self
            .table()
            .saturating_add((self.skipped as usize).saturating_mul(ROW_BYTES));
        let length = self.len().saturating_mul(ROW_BYTES);
        let rows = self
            .base
            .buffer
            .get(start..start.saturating_add(length))
            .unwrap_or(&[]);
        rows.chunks_exact(ROW_BYTES)
            .filter_map(|row| row.try_into().ok().map(TableRow))
    }
}

impl PartialEq for Chunk {
    /// Two chunks are equal when they hold the same entries.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.entries().eq(other.entries())
    }
}

impl Eq for Chunk {}

impl Hash for Chunk {
    /// Equal chunks hold the same ids; others that do are rare.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.first_index(), self.count, self.term()).hash(state);
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first_index().get(), self.last_index().get());
        write!(f, "[{first}..={last}@{}]", self.term())
    }
}

/// What a chunk from outside may at most hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkLimits {
    /// Entries in one chunk.
    pub max_entries: u32,
    /// Bytes of payload in one chunk.
    pub max_payload_bytes: u32,
}

impl ChunkLimits {
    /// The length in bytes of the longest chunk these limits allow.
    pub const fn max_length(&self) -> usize {
        (self.max_payload_bytes as usize)
            .saturating_add(HEADER_BYTES)
            .saturating_add((self.max_entries as usize).saturating_mul(ROW_BYTES))
    }
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            max_entries: 65_536,
            max_payload_bytes: 64 << 20,
        }
    }
}

/// Why bytes are not a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChunkError {
    /// Not a chunk at all, cut short, or too long.
    #[error("bytes are not a chunk, or not a whole one")]
    Malformed,
    /// Written by a later version of this library.
    #[error("chunk has format version {version}; this build reads {FORMAT_VERSION}")]
    UnknownVersion {
        /// The version found.
        version: u16,
    },
    /// The header claims more than the limits allow.
    #[error("chunk claims {entries} entries and {payload_bytes} payload bytes, over the limit")]
    TooLarge {
        /// Entries claimed.
        entries: u32,
        /// Payload bytes claimed.
        payload_bytes: u32,
    },
    /// Header or table are damaged: the entries' ids can't be trusted.
    #[error("chunk header or id table does not match its checksum")]
    IdChecksum,
    /// The payloads are damaged; the ids are not.
    #[error("chunk payloads do not match their checksum")]
    PayloadChecksum,
    /// A configuration shares its chunk with other entries.
    #[error("a configuration entry must be alone in its chunk")]
    ConfigNotAlone,
    /// A configuration entry does not hold a configuration.
    #[error("configuration entry: {0}")]
    Configuration(ConfigurationError),
}

#[cfg(test)]
mod tests;
