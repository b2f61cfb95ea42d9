//! Entries by the terms they have.

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::ids::{EntryId, Term};
use raft_core::record::ClientHeader;
use raft_core::time::LogTime;

use super::{id, index};

/// Entries with these terms, from `first` on, as chunks of one term each. The payload of each is
/// its own id as text.
pub(crate) fn chunks(first: u64, terms: &[u64]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut at = 0;
    while at < terms.len() {
        let run = terms[at..]
            .iter()
            .take_while(|term| **term == terms[at])
            .count();
        let mut builder = ChunkBuilder::new();
        for offset in 0..run {
            let payload = format!("{}@{}", first + (at + offset) as u64, terms[at]);
            builder
                .push_client(ClientHeader::default(), payload.as_bytes())
                .unwrap();
        }
        let (term, start) = (Term::new(terms[at]), index(first + at as u64));
        chunks.push(builder.seal(term, start, LogTime::ZERO, crc32c).unwrap());
        at += run;
    }
    chunks
}

/// The ids of the entries in these chunks.
pub(crate) fn ids(chunks: &[Chunk]) -> Vec<EntryId> {
    let entries = chunks.iter().flat_map(Chunk::entries);
    entries.map(|entry| entry.id).collect()
}

/// The ids from `first` on with these terms.
pub(crate) fn ids_of(first: u64, terms: &[u64]) -> Vec<EntryId> {
    (first..)
        .zip(terms)
        .map(|(at, term)| id(at, *term))
        .collect()
}
