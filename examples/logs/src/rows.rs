//! Chunks as rows of a table, and what the rows of a whole log come to.

use bytes::Bytes;
use quorate::raft_core::chunk::{Chunk, ChunkLimits};
use quorate::raft_core::configuration::Configuration;
use quorate::raft_core::ids::EntryId;
use quorate::raft_core::log::Recovered;
use quorate::raft_core::record::Record;

/// Adds these entries to what opening a log has found: they come in order.
pub fn account(recovered: &mut Recovered, chunk: &Chunk) {
    let first = EntryId::new(chunk.term(), chunk.first_index());
    if recovered
        .runs
        .last()
        .is_none_or(|run| run.term != first.term)
    {
        recovered.runs.push(first);
    }
    recovered.last = chunk.last_index();
    recovered.time = recovered.time.max(chunk.time());
    recovered.holds_ids_only |= chunk.is_ids_only();
    for entry in chunk.entries() {
        if let Record::Config(bytes) = entry.record {
            let configuration = Configuration::decode(bytes).ok();
            let found = configuration.map(|configuration| (entry.id.index, configuration));
            recovered.configurations.extend(found);
        }
    }
}

/// A chunk as it stands in a row.
pub fn row_of(chunk: &Chunk) -> Bytes {
    chunk.encode(crc32c::crc32c_append)
}

/// The chunk that stands in a row; or what is wrong with it.
pub fn chunk_of(row: &[u8]) -> Result<Chunk, String> {
    let chunk = Chunk::parse(Bytes::copy_from_slice(row), ANY_SIZE, crc32c::crc32c_append);
    chunk.map_err(|error| format!("a row of entries is damaged: {error}"))
}

/// The log takes chunks of any size that the node makes.
const ANY_SIZE: ChunkLimits = ChunkLimits {
    max_entries: u32::MAX,
    max_payload_bytes: u32::MAX,
};
