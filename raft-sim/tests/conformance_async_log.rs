//! The kit for logs on an `AsyncLog`: a log in one file, each write a record and a sync, one after the other.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what it wrote is there, or it fails"
)]

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use raft_core::chunk::{Chunk, ChunkLimits};
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, HardState, LogError, Recovered, SnapshotMark, Write};
use raft_log::{Adapted, Answer, AsyncLog, Fs, FsError, Operation};
use raft_node::codec::{Codec, PostcardCodec};
use raft_sim::conformance::{TestDisk, wait};
use serde::{Deserialize, Serialize};

/// A log in one file.
struct FileLog {
    disk: TestDisk,
    held: MemoryLog,
    end: u64,
}

/// A write on the disk.
#[derive(Serialize, Deserialize)]
struct Record {
    hard: HardState,
    truncate_from: Option<LogIndex>,
    append: Vec<Vec<u8>>,
    identity: Option<Vec<u8>>,
    snapshot: Option<SnapshotMark>,
}

#[async_trait]
impl AsyncLog for FileLog {
    async fn write(&mut self, write: Write) -> Result<Durable, LogError> {
        let record = record_of(&write);
        let durable = self.held.write(write)?;
        let (offset, parts) = (self.end, vec![record.clone()]);
        self.end += record.len() as u64;
        let write = Operation::Write {
            name: name(),
            offset,
            parts,
        };
        for operation in [write, Operation::Sync { name: name() }] {
            let done = self.disk.start(operation).await;
            done.map_err(|error| LogError::Storage {
                action: "write",
                detail: error.to_string(),
            })?;
        }
        Ok(durable)
    }

    async fn load(&mut self, range: Range<LogIndex>, max: usize) -> Result<Vec<Chunk>, LogError> {
        self.held.read(range, max)
    }
}

async fn open(disk: TestDisk) -> Result<(Adapted<FileLog>, Recovered), FsError> {
    let created = disk
        .start(Operation::Create {
            name: name(),
            length: 0,
        })
        .await;
    if !matches!(created, Ok(_) | Err(FsError::Exists { .. })) {
        created?;
    }
    let read = Operation::Read {
        name: name(),
        offset: 0,
        length: usize::MAX,
    };
    let bytes = match disk.start(read).await? {
        Answer::Bytes(bytes) => bytes,
        Answer::Done | Answer::Names(_) => Bytes::new(),
    };
    let (mut held, mut end) = (MemoryLog::new(), 0);
    while let Some((record, length)) = next_record(&bytes[end..]) {
        held.write(write_of(record)).unwrap();
        end += length;
    }
    let length = end as u64;
    let cut = Operation::SetLength {
        name: name(),
        length,
    };
    for operation in [cut, Operation::Sync { name: name() }, Operation::SyncFolder] {
        disk.start(operation).await?;
    }
    let recovered = held.recovered();
    let log = FileLog {
        disk,
        held,
        end: length,
    };
    Ok((Adapted::new(log), recovered))
}

fn record_of(write: &Write) -> Bytes {
    let chunks = write.append.iter();
    let record = Record {
        hard: write.hard,
        truncate_from: write.truncate_from,
        append: chunks
            .map(|chunk| chunk.encode(crc32c::crc32c_append).to_vec())
            .collect(),
        identity: write.identity.as_ref().map(|bytes| bytes.to_vec()),
        snapshot: write.snapshot.as_deref().cloned(),
    };
    let mut body = Vec::new();
    PostcardCodec.encode(&record, &mut body).unwrap();
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(crc32c::crc32c(&body).to_le_bytes());
    bytes.extend(body);
    bytes.into()
}

fn next_record(bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length)?;
    let is_right = crc32c::crc32c(body) == u32::from_le_bytes(*checksum);
    let record = PostcardCodec.decode(body).ok().filter(|_| is_right)?;
    Some((record, length + 8))
}

fn write_of(record: Record) -> Write {
    let mut write = Write::of_identity(record.hard, Bytes::new());
    write.identity = record.identity.map(Bytes::from);
    write.truncate_from = record.truncate_from;
    write.snapshot = record.snapshot.map(Box::new);
    let parsed =
        |bytes: Vec<u8>| Chunk::parse(bytes.into(), ANY_SIZE, crc32c::crc32c_append).unwrap();
    write.append = record.append.into_iter().map(parsed).collect();
    write
}

fn name() -> String {
    "log".to_owned()
}

const ANY_SIZE: ChunkLimits = ChunkLimits {
    max_entries: u32::MAX,
    max_payload_bytes: u32::MAX,
};

raft_sim::log_conformance!(|disk| wait(open(disk)));
