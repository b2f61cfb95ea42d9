//! Reading segments from their start, one after the other: while one block is looked at, the next ones are
//! being read.
//!
//! Blocks end anywhere. A frame that goes on in the next one is put together from both; all others are
//! looked at where they were read to.

use std::collections::VecDeque;

use bytes::Bytes;

use super::recover::{File, Folder, READ, bytes_read, in_memory, no_answer};
use super::scan::{self, Break, Expected, Found, Part};
use super::segment;
use crate::error::WalError;
use crate::fs::{Completion, Fs};
use crate::rare::Site;

/// The segments of a log, as they are read.
pub(super) struct Ahead<'a, F: Fs> {
    folder: &'a Folder<'a, F>,
    /// Those of which not all was asked for, oldest first.
    files: VecDeque<File>,
    /// How much of the first of them was.
    asked_to: usize,
    under_way: VecDeque<Reading>,
    /// The segment that is looked at.
    number: u64,
    /// What is looked at: the block that was read last, or a frame that ends in it.
    part: Part,
    block: Part,
}

/// A block that is being read.
struct Reading {
    number: u64,
    at: usize,
    asked: usize,
    /// How long its segment is.
    length: usize,
    read: Completion,
}

impl<'a, F: Fs> Ahead<'a, F> {
    /// The segments, oldest first. Nothing is read yet.
    pub(super) fn new(folder: &'a Folder<'a, F>, files: &[File]) -> Self {
        Self {
            folder,
            files: files.iter().copied().collect(),
            asked_to: 0,
            under_way: VecDeque::new(),
            number: 0,
            part: Part::whole(Bytes::new()),
            block: Part::whole(Bytes::new()),
        }
    }

    /// Begins with a segment, and leaves out what was not yet looked at of those before it.
    pub(super) async fn begin(&mut self, number: u64) -> Result<(), WalError> {
        self.under_way.retain(|block| block.number >= number);
        while self.files.front().is_some_and(|file| file.number < number) {
            self.files.pop_front();
            self.asked_to = 0;
        }
        self.number = number;
        self.next_block().await?;
        self.part = self.block.clone();
        Ok(())
    }

    /// The frame of the chain at `offset`, or why the chain breaks there. Reads on where that can't be
    /// told from what was read.
    pub(super) async fn frame_at(
        &mut self,
        offset: usize,
        expected: &Expected,
    ) -> Result<Result<Found, Break>, WalError> {
        loop {
            let found = scan::frame_at(&self.part, offset, self.number, expected)?;
            let lacking = found.as_ref().err().and_then(|_| self.part.lacks(offset));
            let Some(bytes) = lacking else {
                return Ok(found);
            };
            self.go_on(offset, bytes).await?;
        }
    }

    /// What was looked at last.
    pub(super) fn part(&self) -> Part {
        self.part.clone()
    }

    /// Looks at what stands from `offset` on: at so many bytes, unless the segment ends before.
    async fn go_on(&mut self, offset: usize, bytes: usize) -> Result<(), WalError> {
        if self.block.from(offset).len() > self.part.from(offset).len() {
            self.part = self.block.clone();
            return Ok(());
        }
        let mut frame = Vec::with_capacity(bytes);
        frame.extend_from_slice(self.part.from(offset));
        loop {
            let rest = self.block.from(offset.saturating_add(frame.len()));
            let missing = bytes.saturating_sub(frame.len()).min(rest.len());
            frame.extend_from_slice(rest.get(..missing).unwrap_or(rest));
            if frame.len() >= bytes || self.block.is_to_the_end() {
                break;
            }
            self.next_block().await?;
            if frame.is_empty() {
                self.part = self.block.clone();
                return Ok(());
            }
        }
        self.part = self.block.beside(frame.into(), offset);
        Ok(())
    }

    /// Waits for the next block of the segment, with the ones after it under way.
    async fn next_block(&mut self) -> Result<(), WalError> {
        self.ask()?;
        let next = self.under_way.pop_front();
        let Some(next) = next.filter(|next| next.number == self.number) else {
            return Err(no_answer(READ));
        };
        let bytes = bytes_read(next.read).await?;
        self.block = Part::of_read(bytes, next.at, next.asked, next.length);
        Ok(())
    }

    /// Has so many blocks under way, if there are any more.
    fn ask(&mut self) -> Result<(), WalError> {
        while self.under_way.len() < BLOCKS_AHEAD {
            let Some(file) = self.files.front() else {
                break;
            };
            let name = segment::name(file.number);
            let length = in_memory(&name, file.length)?;
            let at = self.asked_to;
            let most = match self.folder.fs.rarely(Site::ReadLess) {
                true => LITTLE_BYTES,
                false => BLOCK_BYTES,
            };
            let asked = most.min(length.saturating_sub(at));
            self.under_way.push_back(Reading {
                number: file.number,
                at,
                asked,
                length,
                read: self.folder.start_read(&name, at as u64, asked),
            });
            self.asked_to = at.saturating_add(asked);
            if self.asked_to >= length {
                self.files.pop_front();
                self.asked_to = 0;
            }
        }
        Ok(())
    }
}

/// How much of a segment is read at a time: little enough that it is still in the processor's own memory when
/// it is looked at, and so much that few frames end in another block than they begin in.
const BLOCK_BYTES: usize = 1 << 20;
/// The same, where little is read.
const LITTLE_BYTES: usize = 300;
/// How many blocks are under way while one of them is waited for: when that is there, whoever reads has the
/// next one to do already.
const BLOCKS_AHEAD: usize = 2;
