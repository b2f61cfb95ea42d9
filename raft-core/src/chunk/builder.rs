//! Laying out a chunk: payloads go where they will stay, and the leader stamps the whole at once.

use alloc::vec::Vec;

use super::{Checksum, Chunk, HEADER_BYTES, Header, ROW_BYTES, table_row};
use crate::configuration::Configuration;
use crate::few::Few;
use crate::ids::{LogIndex, Term};
use crate::record::{ClientHeader, kind};
use crate::time::LogTime;

/// Gathers records into the bytes of one chunk. Index, term and log time are stamped when it is
/// sealed, because only the leader that appends the records knows them.
#[derive(Clone, Debug, Default)]
pub struct ChunkBuilder {
    /// Room for the header, then the payloads.
    bytes: Vec<u8>,
    table: Few<[u8; ROW_BYTES]>,
    holds_config: bool,
}

impl ChunkBuilder {
    /// An empty builder.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            table: Few::new(),
            holds_config: false,
        }
    }

    /// An empty builder with room for `entries` entries and `payload_bytes` bytes of payload.
    pub fn with_capacity(entries: usize, payload_bytes: usize) -> Self {
        let table = entries.saturating_mul(ROW_BYTES);
        let headers = entries.saturating_mul(ClientHeader::BYTES);
        let bytes = HEADER_BYTES
            .saturating_add(headers)
            .saturating_add(payload_bytes)
            .saturating_add(table);
        Self {
            bytes: Vec::with_capacity(bytes),
            table: Few::with_capacity(entries),
            holds_config: false,
        }
    }

    /// Adds a no-op.
    ///
    /// # Errors
    ///
    /// See [`PushError`].
    pub fn push_no_op(&mut self) -> Result<(), PushError> {
        self.push(kind::NO_OP, [], &[])
    }

    /// Adds a client's command, copying it.
    ///
    /// # Errors
    ///
    /// See [`PushError`].
    pub fn push_client(&mut self, header: ClientHeader, payload: &[u8]) -> Result<(), PushError> {
        self.push(kind::CLIENT, header.encode(), payload)
    }

    /// Adds a configuration, which must be alone in its chunk.
    ///
    /// # Errors
    ///
    /// See [`PushError`].
    pub fn push_config(&mut self, configuration: &Configuration) -> Result<(), PushError> {
        if !self.is_empty() {
            return Err(PushError::ConfigNotAlone);
        }
        let mut encoded = Vec::new();
        configuration.encode(&mut encoded);
        self.push(kind::CONFIG, [], &encoded)?;
        self.holds_config = true;
        Ok(())
    }

    /// Adds a record of any kind as it is: what repair and tests need for kinds of other versions.
    ///
    /// # Errors
    ///
    /// See [`PushError`].
    pub fn push_raw(&mut self, kind: u8, payload: &[u8]) -> Result<(), PushError> {
        self.push(kind, [], payload)
    }

    /// The number of records so far.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The bytes of payload so far, with what each record carries beside the user's bytes.
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(HEADER_BYTES)
    }

    /// Stamps the records and closes the chunk. `None` when there is no record.
    pub fn seal(
        mut self,
        term: Term,
        first: LogIndex,
        time: LogTime,
        checksum: Checksum,
    ) -> Option<Chunk> {
        let count = u32::try_from(self.len()).ok()?;
        // The first record makes room for the header: without one there is nothing to close.
        let payloads = self.bytes.get(HEADER_BYTES..)?;
        let header = Header {
            flags: 0,
            term,
            first,
            count,
            payload_length: u32::try_from(payloads.len()).ok()?,
            time,
            payload_checksum: checksum(0, payloads),
        };
        self.bytes.extend_from_slice(self.table.as_flattened());
        Some(header.finish(self.bytes, checksum))
    }

    /// Adds a record: a head, whose length is known where it is built, and what follows it.
    #[inline]
    fn push<const HEAD: usize>(
        &mut self,
        kind: u8,
        head: [u8; HEAD],
        payload: &[u8],
    ) -> Result<(), PushError> {
        if self.holds_config {
            return Err(PushError::ConfigNotAlone);
        }
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        }
        let end = self
            .payload_bytes()
            .saturating_add(HEAD)
            .saturating_add(payload.len());
        let end = u32::try_from(end).map_err(|_| PushError::Full)?;
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(payload);
        self.table.push(table_row(kind, end));
        Ok(())
    }
}

/// Why a record can't go into this chunk. The builder is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PushError {
    /// The payloads would no longer fit 32 bits; seal this chunk and begin another.
    #[error("the chunk is full")]
    Full,
    /// A configuration must be alone in its chunk; begin another.
    #[error("a configuration entry must be alone in its chunk")]
    ConfigNotAlone,
}
