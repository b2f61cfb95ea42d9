//! Group commit: what the disk is doing, step by step, and whose writes it makes durable.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use raft_core::ids::{EntryId, LogIndex};
use raft_core::log::{LogError, Receipt};

use super::frame::Frame;
use super::segment;
use super::spares::Spares;
use crate::fs::{Completion, Fs, FsError, Operation};
use crate::rare::Site;

/// Stages of operations: all of one stage run at once, and the next begins when they succeeded.
pub(super) struct Stages {
    waiting: VecDeque<Vec<Task>>,
    running: Vec<(&'static str, Completion)>,
}

/// An operation, and what to call it in an error.
pub(super) type Task = (&'static str, Operation);

/// Frames on their way to one segment, which become durable together.
pub(super) struct Group {
    pub(super) stages: Stages,
    pub(super) segment: u64,
    /// The length of the segment, if it is new with this group.
    pub(super) creates: Option<u64>,
    /// The newest frame in it.
    pub(super) batch: u64,
    pub(super) receipts: Vec<Receipt>,
    pub(super) appended: Option<LogIndex>,
    /// The last entry of the log with the newest frame.
    pub(super) end: EntryId,
    pub(super) needed_from: LogIndex,
    /// Whether its segment then says twice what it repeats of older ones.
    pub(super) makes_safe: bool,
}

impl Stages {
    /// Starts the first stage.
    pub(super) fn start<F: Fs>(fs: &F, stages: impl IntoIterator<Item = Vec<Task>>) -> Self {
        let mut stages = Self {
            waiting: stages.into_iter().collect(),
            running: Vec::new(),
        };
        stages.advance(fs);
        stages
    }

    /// Waits for something that was started elsewhere, too, before the first stage is over.
    pub(super) fn join(&mut self, action: &'static str, completion: Completion) {
        self.running.push((action, completion));
    }

    /// Goes on as far as it can. Ready when all stages succeeded, or one operation failed.
    pub(super) fn poll<F: Fs>(
        &mut self,
        fs: &F,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), LogError>> {
        loop {
            // One is waited for at a time, from the last on: it is a sync, and whoever waits is
            // not woken for each write that is over before.
            while let Some((action, completion)) = self.running.last_mut() {
                match completion.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(log_error(action, &error)));
                    }
                }
                self.running.pop();
            }
            if !self.advance(fs) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn advance<F: Fs>(&mut self, fs: &F) -> bool {
        let Some(stage) = self.waiting.pop_front() else {
            return false;
        };
        self.running.extend(
            stage
                .into_iter()
                .map(|(action, operation)| (action, fs.start(operation))),
        );
        true
    }
}

/// Takes the frames at the front of the queue that go to one segment, completes their headers and
/// starts to write them. `None` when the queue is empty.
pub(super) fn start_group<F: Fs>(
    fs: &F,
    queue: &mut VecDeque<Frame>,
    chain: &mut Chain,
    spares: &mut Spares,
) -> Option<Group> {
    let first = queue.front()?;
    let (segment, offset, creates) = (first.header.segment, first.offset, first.creates);
    let end = first.end;
    // A new segment's first frame is written after all before it was synced; another frame may
    // follow a closing frame that was not.
    let watermark = if creates.is_some() {
        chain.written
    } else {
        chain.durable
    };
    let mut parts: Vec<Bytes> = Vec::new();
    let mut group = Group {
        stages: Stages {
            waiting: VecDeque::new(),
            running: Vec::new(),
        },
        segment,
        creates,
        batch: chain.written,
        receipts: Vec::new(),
        appended: None,
        end,
        needed_from: LogIndex::ZERO,
        makes_safe: false,
    };
    while let Some(frame) = queue.front_mut() {
        if frame.header.segment != segment {
            break;
        }
        chain.previous = frame.write_to(chain.previous, watermark, &mut parts);
        group.batch = frame.header.batch;
        group.end = frame.end;
        group.appended = group.appended.max(frame.appended);
        group.needed_from = group.needed_from.max(frame.needed_from);
        group.makes_safe |= frame.makes_safe;
        group.receipts.extend(frame.receipt.take());
        queue.pop_front();
        if !queue.is_empty() && fs.rarely(Site::OneFrame) {
            break;
        }
    }
    chain.written = group.batch;
    let write = ("write", write(segment, offset, parts));
    let apart = fs.rarely(Site::SyncApart);
    let begin = creates.map(|length| begin_segment(segment, length, spares));
    group.stages = Stages::start(fs, stages(segment, begin, write, apart));
    Some(group)
}

/// Writes a closing frame without a sync: it says nothing that a crash must not lose.
pub(super) fn start_closing<F: Fs>(fs: &F, mut frame: Frame, chain: &mut Chain) -> Completion {
    let mut parts = Vec::new();
    chain.previous = frame.write_to(chain.previous, chain.durable, &mut parts);
    chain.written = frame.header.batch;
    fs.start(write(frame.header.segment, frame.offset, parts))
}

/// What ties each frame to the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Chain {
    /// The header checksum of the newest frame written.
    pub(super) previous: u32,
    /// The newest frame written.
    pub(super) written: u64,
    /// The newest frame known to be durable.
    pub(super) durable: u64,
}

/// A write to the newest segment is synced; a new one must also be in its folder, and what the
/// segment before it ends with must be durable first.
fn stages(segment: u64, begin: Option<Task>, write: Task, apart: bool) -> Vec<Vec<Task>> {
    let name = segment::name(segment);
    let sync = ("sync", Operation::Sync { name: name.clone() });
    let Some(begin) = begin else {
        return match apart {
            true => vec![vec![write], vec![sync]],
            false => vec![vec![write, sync]],
        };
    };
    vec![
        vec![begin],
        vec![write, sync, ("sync the folder", Operation::SyncFolder)],
    ]
}

/// A spare becomes the segment, if there is one.
fn begin_segment(segment: u64, length: u64, spares: &mut Spares) -> Task {
    let to = segment::name(segment);
    match spares.take(length) {
        Some(from) => ("take a spare segment", Operation::Rename { from, to }),
        None => ("create a segment", Operation::Create { name: to, length }),
    }
}

fn write(segment: u64, offset: u64, parts: Vec<Bytes>) -> Operation {
    Operation::Write {
        name: segment::name(segment),
        offset,
        parts,
    }
}

fn log_error(action: &'static str, error: &FsError) -> LogError {
    match error {
        FsError::NoSpace { detail } => LogError::Full {
            detail: detail.clone(),
        },
        FsError::NotFound { .. }
        | FsError::Exists { .. }
        | FsError::Locked { .. }
        | FsError::Denied { .. }
        | FsError::Io { .. }
        | FsError::Stopped => LogError::Storage {
            action,
            detail: error.to_string(),
        },
    }
}
