//! Reading entries back: chunks in memory as they are, others from their files, checked anew.

use std::ops::Range;

use raft_core::chunk::{Chunk, ChunkLimits};
use raft_core::ids::LogIndex;
use raft_core::log::LogError;

use super::contents::Piece;
use super::extents::Place;
use super::segment;
use crate::fs::{Answer, Completion, Fs, Operation};

/// A piece with its read under way.
pub(super) enum Source {
    InMemory(Chunk),
    Reading {
        place: Place,
        entries: Range<LogIndex>,
        completion: Completion,
    },
}

/// Starts the reads that the pieces need, all at once, so that files removed later don't matter.
pub(super) fn start<F: Fs>(fs: &F, pieces: Vec<Piece>) -> Vec<Source> {
    let source = |piece| match piece {
        Piece::InMemory(chunk) => Source::InMemory(chunk),
        Piece::Stored { place, first, last } => Source::Reading {
            place,
            entries: first..last.next(),
            completion: fs.start(Operation::Read {
                name: segment::name(place.segment),
                offset: place.offset,
                length: place.length,
            }),
        },
    };
    pieces.into_iter().map(source).collect()
}

/// Gathers the chunks and cuts them to about `max_bytes` of payload.
pub(super) async fn gather(sources: Vec<Source>, max_bytes: usize) -> Result<Vec<Chunk>, LogError> {
    let mut room = max_bytes;
    let mut found: Vec<Chunk> = Vec::new();
    for source in sources {
        let view = match source {
            Source::InMemory(view) => view,
            Source::Reading {
                place,
                entries,
                completion,
            } => stored(place, entries, completion).await?,
        };
        let whole = view.payload_bytes() <= room;
        if !whole && !found.is_empty() {
            break;
        }
        let portion = view.prefix(room);
        room = room.saturating_sub(portion.payload_bytes());
        found.push(portion);
        if !whole {
            break;
        }
    }
    Ok(found)
}

async fn stored(
    place: Place,
    entries: Range<LogIndex>,
    completion: Completion,
) -> Result<Chunk, LogError> {
    let corrupt = |found: String| LogError::Corrupt {
        file: segment::name(place.segment),
        offset: place.offset,
        expected: format!(
            "entries {} to {} in a chunk of {} bytes",
            entries.start,
            entries.end.previous(),
            place.length
        ),
        found,
    };
    let answer = completion.await.map_err(|error| LogError::Storage {
        action: "read entries",
        detail: error.to_string(),
    })?;
    let Answer::Bytes(bytes) = answer else {
        return Err(corrupt(String::from("an answer to another question")));
    };
    if bytes.len() != place.length {
        return Err(corrupt(format!("only {} bytes", bytes.len())));
    }
    let chunk = Chunk::parse(bytes, ANY_CHUNK, crc32c::crc32c_append)
        .map_err(|error| corrupt(error.to_string()))?;
    let held = (chunk.first_index(), chunk.last_index());
    let count = entries.end.distance_from(entries.start);
    chunk
        .slice(entries.clone())
        .filter(|view| view.len() as u64 == count)
        .ok_or_else(|| corrupt(format!("entries {} to {}", held.0, held.1)))
}

/// No limits: what the log wrote is bounded by the length of its files.
pub(super) const ANY_CHUNK: ChunkLimits = ChunkLimits {
    max_entries: u32::MAX,
    max_payload_bytes: u32::MAX,
};
