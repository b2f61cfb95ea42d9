//! Where each byte of a chunk stands: header, table rows, and what a client record begins with.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Base, Checksum, Chunk, ChunkError};
use crate::ids::{LogIndex, Term};
use crate::record::{ClientHeader, kind};
use crate::time::LogTime;

impl ClientHeader {
    /// The encoded length in bytes: what a command's record carries beside the user's bytes.
    pub const BYTES: usize = 24;

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (field, to) in [self.session, self.serial, self.settled]
            .iter()
            .zip(bytes.chunks_exact_mut(8))
        {
            to.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    pub(super) fn split(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = payload.split_first_chunk::<{ Self::BYTES }>()?;
        let mut fields = Fields(header);
        let header = Self {
            session: u64::from_le_bytes(fields.take()),
            serial: u64::from_le_bytes(fields.take()),
            settled: u64::from_le_bytes(fields.take()),
        };
        Some((header, rest))
    }
}

/// The fixed front of a chunk.
pub(super) struct Header {
    pub(super) flags: u16,
    pub(super) term: Term,
    pub(super) first: LogIndex,
    pub(super) count: u32,
    pub(super) payload_length: u32,
    pub(super) time: LogTime,
    pub(super) payload_checksum: u32,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ChunkError> {
        let (header, _) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(ChunkError::Malformed)?;
        let mut fields = Fields(header);
        if fields.take() != MAGIC {
            return Err(ChunkError::Malformed);
        }
        let version = u16::from_le_bytes(fields.take());
        if version != FORMAT_VERSION {
            return Err(ChunkError::UnknownVersion { version });
        }
        let flags = u16::from_le_bytes(fields.take());
        if flags & !FLAG_IDS_ONLY != 0 {
            return Err(ChunkError::Malformed);
        }
        Ok(Self {
            flags,
            term: Term::new(u64::from_le_bytes(fields.take())),
            first: LogIndex::new(u64::from_le_bytes(fields.take())),
            count: u32::from_le_bytes(fields.take()),
            payload_length: u32::from_le_bytes(fields.take()),
            time: LogTime::from_millis(u64::from_le_bytes(fields.take())),
            payload_checksum: u32::from_le_bytes(fields.take()),
        })
    }

    pub(super) fn ids_only(&self) -> bool {
        self.flags & FLAG_IDS_ONLY != 0
    }

    pub(super) fn table_offset(&self) -> usize {
        let payload = if self.ids_only() {
            0
        } else {
            self.payload_length as usize
        };
        HEADER_BYTES.saturating_add(payload)
    }

    pub(super) fn total_length(&self) -> usize {
        self.table_offset()
            .saturating_add((self.count as usize).saturating_mul(ROW_BYTES))
    }

    /// Writes the header into the room left for it at the front, and closes the chunk.
    pub(super) fn finish(self, mut bytes: Vec<u8>, checksum: Checksum) -> Chunk {
        let mut front = Front(bytes.get_mut(..HEADER_BYTES).unwrap_or_default());
        front.put(MAGIC);
        front.put(FORMAT_VERSION.to_le_bytes());
        front.put(self.flags.to_le_bytes());
        front.put(self.term.get().to_le_bytes());
        front.put(self.first.get().to_le_bytes());
        front.put(self.count.to_le_bytes());
        front.put(self.payload_length.to_le_bytes());
        front.put(self.time.as_millis().to_le_bytes());
        front.put(self.payload_checksum.to_le_bytes());
        let ids = id_checksum(&bytes, self.table_offset(), checksum);
        write_at(&mut bytes, ID_CHECKSUM_AT, &ids.to_le_bytes());
        self.chunk(bytes.into())
    }

    pub(super) fn chunk(&self, buffer: Bytes) -> Chunk {
        let first_row = buffer.get(self.table_offset()..);
        let first_kind = first_row.and_then(<[u8]>::first).copied();
        let base = Base {
            buffer,
            term: self.term,
            before: self.first.previous(),
            count: self.count,
            before_table: match self.ids_only() {
                true => 0,
                false => self.payload_length,
            },
            ids_only: self.ids_only(),
            config: self.count == 1 && first_kind == Some(kind::CONFIG),
        };
        Chunk {
            base: Arc::new(base),
            skipped: 0,
            count: self.count,
        }
    }
}

/// Takes fields off the front of a header, whose length fits them all.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                *head
            }
            None => [0; N],
        }
    }
}

/// Puts fields into the front of a chunk, where room is left for them all.
struct Front<'a>(&'a mut [u8]);

impl Front<'_> {
    fn put<const N: usize>(&mut self, field: [u8; N]) {
        if let Some((room, rest)) = core::mem::take(&mut self.0).split_first_chunk_mut() {
            *room = field;
            self.0 = rest;
        }
    }
}

/// One row of the id table.
#[derive(Clone, Copy)]
pub(super) struct TableRow<'a>(pub(super) &'a [u8; ROW_BYTES]);

impl TableRow<'_> {
    pub(super) const fn kind(self) -> u8 {
        let [kind, ..] = *self.0;
        kind
    }

    pub(super) const fn spare(self) -> [u8; 3] {
        let [_, a, b, c, ..] = *self.0;
        [a, b, c]
    }

    pub(super) const fn end(self) -> usize {
        let [_, _, _, _, a, b, c, d] = *self.0;
        u32::from_le_bytes([a, b, c, d]) as usize
    }
}

pub(super) const fn table_row(kind: u8, end: u32) -> [u8; ROW_BYTES] {
    // Kind and end in one number: it is written at once.
    (kind as u64 | (end as u64) << u32::BITS).to_le_bytes()
}

/// The log time in the header of a chunk.
pub(super) fn stored_time(bytes: &[u8]) -> LogTime {
    let stored = bytes.get(TIME_AT..).and_then(<[u8]>::first_chunk);
    LogTime::from_millis(u64::from_le_bytes(*stored.unwrap_or(&[0; 8])))
}

/// The payloads' checksum in the header of a chunk.
pub(super) fn stored_checksum(bytes: &[u8]) -> u32 {
    let stored = bytes
        .get(PAYLOAD_CHECKSUM_AT..)
        .and_then(<[u8]>::first_chunk);
    u32::from_le_bytes(*stored.unwrap_or(&[0; 4]))
}

pub(super) fn id_checksum(bytes: &[u8], table: usize, checksum: Checksum) -> u32 {
    let front = checksum(0, bytes.get(..ID_CHECKSUM_AT).unwrap_or(&[]));
    checksum(front, bytes.get(table..).unwrap_or(&[]))
}

fn write_at(bytes: &mut [u8], at: usize, content: &[u8]) {
    if let Some(room) = bytes.get_mut(at..at.saturating_add(content.len())) {
        room.copy_from_slice(content);
    }
}

/// The length of a chunk's header: what [`Chunk::claimed_length`] needs.
pub const HEADER_BYTES: usize = 48;
pub(super) const ROW_BYTES: usize = 8;
pub(super) const ID_CHECKSUM_AT: usize = 44;
const TIME_AT: usize = 32;
const PAYLOAD_CHECKSUM_AT: usize = 40;
const MAGIC: [u8; 4] = *b"QRCK";
/// The version of the layout above.
pub const FORMAT_VERSION: u16 = 1;
pub(super) const FLAG_IDS_ONLY: u16 = 1;
