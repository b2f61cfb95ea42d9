//! What stands behind a frame's header, taken apart as the header says.

use bytes::Bytes;
use raft_core::chunk::{Chunk, HEADER_BYTES as CHUNK_HEADER_BYTES};
use raft_core::log::SnapshotMark;

use super::checksum;
use super::extents::Place;
use super::format::{self, HEADER_BYTES, Header};
use super::load::ANY_CHUNK;

/// The parts of a body. Each chunk is whole by its own checksums.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Body {
    pub(super) mark: Option<SnapshotMark>,
    pub(super) identity: Bytes,
    pub(super) chunks: Vec<(Chunk, Place)>,
    /// The checksum of all of it. No chunk was summed twice for it.
    pub(super) checksum: u32,
}

impl Body {
    /// The body of a frame with this header at `offset`; `None` if it is not divided like that, or a
    /// chunk is not whole.
    pub(super) fn split(header: &Header, offset: usize, mut bytes: Bytes) -> Option<Self> {
        let shape = header.body;
        let (snapshot, identity) = (shape.snapshot as usize, shape.identity as usize);
        let front = snapshot.checked_add(identity)?;
        let mut checksum = format::checksum(bytes.get(..front)?);
        let mark = match snapshot {
            0 => None,
            length => Some(format::decode_mark(&take(&mut bytes, length)?)?),
        };
        // Not a part of what was read, which would be kept in memory for it.
        let identity = Bytes::copy_from_slice(&take(&mut bytes, identity)?);
        let mut at = offset.checked_add(HEADER_BYTES)?.checked_add(front)?;
        let most = bytes.len() / CHUNK_HEADER_BYTES;
        let mut chunks = Vec::with_capacity(most.min(shape.chunks as usize));
        for _ in 0..shape.chunks {
            let length = Chunk::claimed_length(&bytes)?;
            let encoded = take(&mut bytes, length)?;
            let place = Place {
                segment: header.segment,
                offset: at as u64,
                length,
            };
            let chunk = Chunk::parse(encoded.clone(), ANY_CHUNK, crc32c::crc32c_append).ok()?;
            checksum = checksum::append_chunk(checksum, &chunk, &encoded);
            chunks.push((chunk, place));
            at = at.checked_add(length)?;
        }
        bytes.is_empty().then_some(Self {
            mark,
            identity,
            chunks,
            checksum,
        })
    }
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= bytes.len()).then(|| bytes.split_to(length))
}
