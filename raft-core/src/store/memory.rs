//! A store in memory: the shortest correct one, and the model others are compared with.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::{ContentDigest, SnapshotAnswer, SnapshotDone, SnapshotStore, StoreJob, StoreWork};
use crate::log::SnapshotMark;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::time::LogTime;

/// A store that keeps everything in memory, calls it durable at once, and answers at once.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    stored: Vec<(Snapshot, Vec<u8>)>,
    taken: Option<(SnapshotMark, LogTime, Vec<u8>)>,
    received: Option<(Snapshot, Vec<u8>)>,
    answers: VecDeque<SnapshotDone>,
    waker: Option<Waker>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store again, as a start does: only the newest snapshot counts, and nobody waits
    /// for an answer.
    #[must_use]
    pub fn reopened(mut self) -> Self {
        let newest = self.newest().map(|snapshot| snapshot.id);
        self.stored
            .retain(|(snapshot, _)| Some(snapshot.id) == newest);
        self.taken = None;
        self.answers.clear();
        self
    }

    /// The newest snapshot that counts.
    pub fn newest(&self) -> Option<&Snapshot> {
        let stored = self.stored.iter().map(|(snapshot, _)| snapshot);
        stored.max_by_key(|snapshot| snapshot.id.last)
    }

    /// The content of a snapshot that counts.
    pub fn content(&self, id: SnapshotId) -> Option<&[u8]> {
        let mut stored = self.stored.iter();
        let (_, content) = stored.find(|(snapshot, _)| snapshot.id == id)?;
        Some(content)
    }

    /// Does a job and returns its answer, if it has one: the synchronous way, for drivers without
    /// tasks.
    pub fn work(&mut self, work: StoreWork) -> Option<SnapshotAnswer> {
        let answer = match work {
            StoreWork::Create { mark, time } => {
                self.taken = Some((mark, time, Vec::new()));
                Some(SnapshotAnswer::Written)
            }
            StoreWork::Append(part) => self.taken.as_mut().map(|(_, _, content)| {
                content.extend_from_slice(&part);
                SnapshotAnswer::Written
            }),
            StoreWork::Seal => self.seal(),
            StoreWork::Discard => {
                self.taken = None;
                return None;
            }
            StoreWork::Receive(snapshot) => Some(self.receive(snapshot)),
            StoreWork::Write { offset, part } => self.write(offset, &part),
            StoreWork::Finish(snapshot) => self.finish(snapshot.id),
            StoreWork::Read {
                id,
                offset,
                max_bytes,
            } => self.read(id, offset, max_bytes),
            StoreWork::Forget(id) => {
                self.stored.retain(|(snapshot, _)| snapshot.id != id);
                return None;
            }
        };
        Some(answer.unwrap_or(SnapshotAnswer::Failed))
    }

    fn seal(&mut self) -> Option<SnapshotAnswer> {
        let (mark, time, content) = self.taken.take()?;
        let (length, digest) = measure(&content);
        let id = SnapshotId {
            last: mark.last,
            length,
            digest,
        };
        let configuration = mark.configuration;
        self.keep(
            Snapshot {
                id,
                configuration,
                time,
            },
            content,
        );
        Some(SnapshotAnswer::Taken { length, digest })
    }

    fn keep(&mut self, snapshot: Snapshot, content: Vec<u8>) {
        self.stored.retain(|(other, _)| other.id != snapshot.id);
        self.stored.push((snapshot, content));
    }

    fn receive(&mut self, snapshot: Snapshot) -> SnapshotAnswer {
        let known = self.received.take();
        let known = known.filter(|(other, _)| other.id == snapshot.id);
        let content = known.map_or_else(Vec::new, |(_, content)| content);
        let stored = content.len() as u64;
        self.received = Some((snapshot, content));
        SnapshotAnswer::Begun { stored }
    }

    fn write(&mut self, offset: u64, part: &[u8]) -> Option<SnapshotAnswer> {
        let (snapshot, content) = self.received.as_mut()?;
        let end = offset.checked_add(part.len() as u64)?;
        let follows = offset == content.len() as u64 && end <= snapshot.id.length;
        follows.then(|| {
            content.extend_from_slice(part);
            SnapshotAnswer::Written
        })
    }

    fn finish(&mut self, id: SnapshotId) -> Option<SnapshotAnswer> {
        let (snapshot, content) = self.received.take_if(|(snapshot, _)| snapshot.id == id)?;
        if measure(&content) == (id.length, id.digest) {
            self.keep(snapshot, content);
            return Some(SnapshotAnswer::Finished);
        }
        self.received = Some((snapshot, Vec::new()));
        Some(SnapshotAnswer::Damaged)
    }

    fn read(&self, id: SnapshotId, offset: u64, max_bytes: usize) -> Option<SnapshotAnswer> {
        let content = self.content(id)?;
        let rest = content.get(usize::try_from(offset).ok()?..)?;
        let part = rest.get(..max_bytes).unwrap_or(rest);
        Some(SnapshotAnswer::Part(Bytes::copy_from_slice(part)))
    }
}

impl SnapshotStore for MemoryStore {
    fn begin(&mut self, StoreJob { number, work }: StoreJob) {
        if let Some(answer) = self.work(work) {
            self.answers.push_back(SnapshotDone { number, answer });
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<SnapshotDone> {
        if let Some(done) = self.answers.pop_front() {
            return Poll::Ready(done);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn measure(content: &[u8]) -> (u64, u64) {
    let mut digest = ContentDigest::new();
    digest.update(content);
    (digest.length(), digest.finish())
}

#[cfg(test)]
mod tests;
