//! A durable log in one file: each write is one checksummed record at its end, and one sync.
//!
//! Entries stay in memory too (a [`MemoryLog`] answers all reads), so that the file is only read
//! when a node starts. It never gets shorter, whatever snapshots stand for: good for a while, and easy
//! to understand.
//!
//! ```text
//! record = length of body (u32) · CRC-32C of body (u32) · body
//! ```

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quorate::LogIndex;
use quorate::raft_core::chunk::{Chunk, ChunkLimits};
use quorate::raft_core::log::memory::MemoryLog;
use quorate::raft_core::log::{
    Durable, HardState, Loading, Log, LogError, Recovered, SnapshotMark, Write,
};
use quorate::raft_log::fs::{Answer, Completion, Fs, FsError, Operation};
use quorate::raft_node::codec::{Codec, PostcardCodec};
use serde::{Deserialize, Serialize};

/// The log of one node, in the folder that `F` is.
pub struct FileLog<F> {
    fs: F,
    /// All entries, also those that are not durable yet.
    entries: MemoryLog,
    /// Where the next record begins.
    end: u64,
    /// What is being written, in order.
    under_way: VecDeque<UnderWay>,
    failure: Option<LogError>,
    flaw: Option<Flaw>,
}

/// A mistake that this log can be told to make. Each was made in a real log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// Says that a write is durable when the operating system has it, not when the disk has.
    AcknowledgesEarly,
    /// Keeps what it finds when it is opened, and forgets that some of it was removed later.
    ForgetsTruncation,
    /// Leaves what a crash left of a record behind the last whole one, where the next may make it whole.
    LeavesTheTornTail,
}

/// One write on its way to the disk.
struct UnderWay {
    write: Option<Completion>,
    sync: Option<Completion>,
    proof: Durable,
}

/// What stands in the file of one write.
#[derive(Serialize, Deserialize)]
struct Record {
    hard: HardState,
    truncate_from: Option<LogIndex>,
    append: Vec<Vec<u8>>,
    identity: Option<Vec<u8>>,
    snapshot: Option<SnapshotMark>,
}

impl<F: Fs> FileLog<F> {
    /// Reads what survived, cuts off a record that a crash left unfinished, and makes the rest last.
    pub async fn open(fs: F) -> Result<(Self, Recovered), LogError> {
        Self::open_with(fs, None).await
    }

    /// The same, with a mistake.
    pub async fn open_with(fs: F, flaw: Option<Flaw>) -> Result<(Self, Recovered), LogError> {
        let start = |operation| fs.start(operation);
        start(Operation::Lock)
            .await
            .map_err(failed("lock the folder"))?;
        let bytes = read_file(&fs).await?;
        let mut entries = MemoryLog::new();
        let mut end = 0;
        while let Some((record, length)) = next_record(&bytes[end..]) {
            replay(&mut entries, record, flaw)?;
            end += length;
        }
        if end < bytes.len() && flaw != Some(Flaw::LeavesTheTornTail) {
            let (name, length) = (NAME.to_owned(), end as u64);
            let cut = start(Operation::SetLength { name, length }).await;
            cut.map_err(failed("cut the tail"))?;
        }
        // What is found may have been written by a process that was killed before its sync.
        let name = NAME.to_owned();
        for sync in [Operation::Sync { name }, Operation::SyncFolder] {
            start(sync).await.map_err(failed("sync what was found"))?;
        }
        let recovered = entries.recovered();
        let log = Self {
            fs,
            entries,
            end: end as u64,
            under_way: VecDeque::new(),
            failure: None,
            flaw,
        };
        Ok((log, recovered))
    }

    fn fail(&mut self, failure: LogError) {
        self.under_way.clear();
        self.failure.get_or_insert(failure);
    }
}

impl<F: Fs> Log for FileLog<F> {
    fn begin(&mut self, write: Write) {
        if self.failure.is_some() {
            return;
        }
        let record = match encode(&write) {
            Ok(record) => record,
            Err(error) => return self.fail(error),
        };
        let proof = match self.entries.write(write) {
            Ok(proof) => proof,
            Err(error) => return self.fail(error),
        };
        let (name, offset) = (NAME.to_owned(), self.end);
        self.end += record.len() as u64;
        let parts = vec![record];
        let write = self.fs.start(Operation::Write {
            name,
            offset,
            parts,
        });
        let name = NAME.to_owned();
        let sync = self.fs.start(Operation::Sync { name });
        let waits = self.flaw != Some(Flaw::AcknowledgesEarly);
        self.under_way.push_back(UnderWay {
            write: Some(write),
            sync: waits.then_some(sync),
            proof,
        });
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        if let Some(failure) = &self.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let Some(first) = self.under_way.front_mut() else {
            return Poll::Pending;
        };
        let written = ready!(poll(&mut first.write, cx));
        let synced = match written {
            Ok(()) => ready!(poll(&mut first.sync, cx)),
            Err(error) => Err(error),
        };
        let proof = first.proof;
        match synced {
            Ok(()) => {
                self.under_way.pop_front();
                Poll::Ready(Ok(proof))
            }
            Err(error) => {
                let error = failed("write a record")(error);
                self.fail(error.clone());
                Poll::Ready(Err(error))
            }
        }
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        self.entries.load(range, max_bytes)
    }
}

/// Polls an operation once more; one that is over stays so.
fn poll(operation: &mut Option<Completion>, cx: &mut Context<'_>) -> Poll<Result<(), FsError>> {
    if let Some(completion) = operation {
        let answer = ready!(Pin::new(completion).poll(cx));
        *operation = None;
        answer?;
    }
    Poll::Ready(Ok(()))
}

/// The whole file; an empty one is created if there is none.
async fn read_file<F: Fs>(fs: &F) -> Result<Bytes, LogError> {
    let name = NAME.to_owned();
    let names = match fs.start(Operation::List).await {
        Ok(Answer::Names(names)) => names,
        Ok(_) => Vec::new(),
        Err(error) => return Err(failed("list the folder")(error)),
    };
    let Some((_, length)) = names.into_iter().find(|(known, _)| *known == name) else {
        let length = 0;
        fs.start(Operation::Create { name, length })
            .await
            .map_err(failed("create the file"))?;
        return Ok(Bytes::new());
    };
    let (offset, length) = (0, length as usize);
    let read = Operation::Read {
        name,
        offset,
        length,
    };
    match fs.start(read).await {
        Ok(Answer::Bytes(bytes)) => Ok(bytes),
        Ok(_) => Ok(Bytes::new()),
        Err(error) => Err(failed("read the file")(error)),
    }
}

/// The bytes of a record.
fn encode(write: &Write) -> Result<Bytes, LogError> {
    let chunks = write
        .append
        .iter()
        .map(|chunk| chunk.encode(crc32c::crc32c_append));
    let record = Record {
        hard: write.hard,
        truncate_from: write.truncate_from,
        append: chunks.map(|bytes| bytes.to_vec()).collect(),
        identity: write.identity.as_ref().map(|bytes| bytes.to_vec()),
        snapshot: write.snapshot.as_deref().cloned(),
    };
    let mut body = Vec::new();
    let encoded = PostcardCodec.encode(&record, &mut body);
    encoded.map_err(|error| LogError::Storage {
        action: "encode a record",
        detail: error.to_string(),
    })?;
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(crc32c::crc32c(&body).to_le_bytes());
    bytes.extend(body);
    Ok(bytes.into())
}

/// The first record of these bytes with its length, if it is whole.
fn next_record(bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let record = PostcardCodec.decode(body).ok()?;
    Some((record, length + 8))
}

/// Does once more what a record says.
fn replay(entries: &mut MemoryLog, record: Record, flaw: Option<Flaw>) -> Result<(), LogError> {
    let mut write = Write::of_identity(record.hard, Bytes::new());
    write.identity = record.identity.map(Bytes::from);
    write.truncate_from = record.truncate_from;
    write.snapshot = record.snapshot.map(Box::new);
    for bytes in record.append {
        let chunk = Chunk::parse(bytes.into(), ANY_SIZE, crc32c::crc32c_append);
        write.append.push(chunk.map_err(|error| LogError::Corrupt {
            file: NAME.to_owned(),
            offset: 0,
            expected: "a chunk".to_owned(),
            found: error.to_string(),
        })?);
    }
    if flaw == Some(Flaw::ForgetsTruncation) {
        write.truncate_from = None;
        let next = entries.last_id().index.next();
        let new = |chunk: Chunk| chunk.slice(next..LogIndex::new(u64::MAX));
        write.append = write.append.into_iter().filter_map(new).collect();
    }
    entries.write(write).map(|_proof| ())
}

fn failed(action: &'static str) -> impl FnOnce(FsError) -> LogError {
    move |error| match error {
        FsError::NoSpace { detail } => LogError::Full { detail },
        other => LogError::Storage {
            action,
            detail: other.to_string(),
        },
    }
}

/// The file's name.
const NAME: &str = "jobs.log";

/// The log takes chunks of any size that the node makes.
const ANY_SIZE: ChunkLimits = ChunkLimits {
    max_entries: u32::MAX,
    max_payload_bytes: u32::MAX,
};
