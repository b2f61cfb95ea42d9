//! Spare segments: files that are ready to become the next segment, so that nobody waits for one to be
//! made.
//!
//! Most are segments that nobody needs any more, which are written anew; one is made ahead where there
//! are none. A segment that is written anew still holds its old frames. None of them can be taken for a
//! frame of the new one: each says which segment it belongs to, and a number of which a frame was
//! durable is never given again. A spare has a name of its own, which says nothing to whoever opens the
//! folder but that it can go.
//!
//! One that can't be made, because the disk is full most likely, is no failure of the log: nothing that
//! anybody was promised stands in it. What was made of it is removed and never used, and there is no spare
//! until a segment was made without one. That one must not fail.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use raft_core::log::LogError;

use super::commit::{Stages, Task};
use super::segment::{self, Unneeded};
use crate::fs::{Fs, Operation};

/// The spare segments of a log, ready or on their way.
///
/// - Those that are `ready` are whole, and no crash brings their old names back.
/// - What could not be made is never `ready`, and no name is given twice.
/// - There are never more than `most` in all.
pub(super) struct Spares {
    /// Bytes of each.
    length: u64,
    most: usize,
    /// How many were named so far.
    named: u64,
    ready: VecDeque<u64>,
    making: Option<(u64, Stages)>,
    /// What could not be made is on its way out.
    clearing: Option<Stages>,
    /// None could be made; not tried again until a segment was made without.
    gave_up: bool,
    /// The segment that goes now, and whether it becomes a spare; and those that go after it.
    dropping: Option<(Option<u64>, Stages)>,
    to_drop: VecDeque<Unneeded>,
}

impl Spares {
    /// No spares yet, of a log with segments of this many bytes that keeps at most `most`.
    pub(super) fn new(length: u64, most: u32) -> Self {
        Self {
            length,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            named: 0,
            ready: VecDeque::new(),
            making: None,
            clearing: None,
            gave_up: false,
            dropping: None,
            to_drop: VecDeque::new(),
        }
    }

    /// Whether a segment of this length should wait: for a spare that is on its way, or for the room that
    /// is taken by what could not be made.
    pub(super) fn is_worth_waiting_for(&self, length: u64) -> bool {
        let is_coming = length == self.length && self.ready.is_empty() && self.coming() > 0;
        is_coming || self.clearing.is_some()
    }

    /// Takes a spare for a segment of this length. Without one, the segment is made.
    pub(super) fn take(&mut self, length: u64) -> Option<String> {
        self.gave_up = false;
        if length != self.length {
            return None;
        }
        self.ready.pop_front().map(name)
    }

    /// Begins to make a spare, unless there is one or will be, or none are kept.
    pub(super) fn make_ahead<F: Fs>(&mut self, fs: &F) {
        if self.most == 0 || self.gave_up || !self.ready.is_empty() || self.coming() > 0 {
            return;
        }
        let number = self.next_number();
        let create = Operation::Create {
            name: name(number),
            length: self.length,
        };
        let sync = Operation::Sync { name: name(number) };
        // The folder is synced with the segment that the spare becomes.
        let stages = [
            vec![("create a segment ahead", create)],
            vec![("sync a segment made ahead", sync)],
        ];
        self.making = Some((number, Stages::start(fs, stages)));
    }

    /// Whether segments are on their way out; others must wait until they are gone.
    pub(super) const fn are_dropping(&self) -> bool {
        self.dropping.is_some()
    }

    /// Lets segments go that nobody needs, oldest first, each durably before the next. Of those that
    /// can be written anew, as many as may be kept become spares.
    pub(super) fn drop_segments<F: Fs>(
        &mut self,
        fs: &F,
        unneeded: impl Iterator<Item = Unneeded>,
    ) {
        self.to_drop.extend(unneeded);
        self.drop_next(fs);
    }

    /// Begins to let the next segment go. Only now it is settled what becomes of it, so that nobody waits for
    /// a spare behind others that go.
    fn drop_next<F: Fs>(&mut self, fs: &F) {
        self.dropping = self.to_drop.pop_front().map(|segment| {
            let room = self.ready.len().saturating_add(self.coming()) < self.most;
            let from = segment::name(segment.number);
            let kept = (room && segment.length == Some(self.length)).then(|| self.next_number());
            let go = match kept {
                Some(number) => {
                    let to = name(number);
                    let keep = Operation::Rename { from, to };
                    ("keep a segment to write it anew", keep)
                }
                None => ("remove a segment", Operation::Remove { name: from }),
            };
            // Before it is written to: a crash must not bring back the segment it was.
            let sync = ("sync the folder", Operation::SyncFolder);
            (kept, Stages::start(fs, [vec![go], vec![sync]]))
        });
    }

    /// Goes on with what is under way. Whether something is over that may have been waited for.
    pub(super) fn poll<F: Fs>(&mut self, fs: &F, cx: &mut Context<'_>) -> Result<bool, LogError> {
        let before = self.ready.len();
        if let Some((number, stages)) = &mut self.making {
            if let Poll::Ready(result) = stages.poll(fs, cx) {
                match result {
                    Ok(()) => self.ready.push_back(*number),
                    Err(_) => {
                        self.gave_up = true;
                        self.clearing = Some(clear(fs, *number));
                    }
                }
                self.making = None;
            }
        }
        let mut is_cleared = false;
        if let Some(stages) = &mut self.clearing {
            // There may be nothing to remove. What can't be removed goes with the next opening.
            if stages.poll(fs, cx).is_ready() {
                self.clearing = None;
                is_cleared = true;
            }
        }
        while let Some((kept, stages)) = &mut self.dropping {
            let Poll::Ready(result) = stages.poll(fs, cx) else {
                break;
            };
            result?;
            self.ready.extend(kept.take());
            self.drop_next(fs);
        }
        Ok(is_cleared || self.ready.len() > before)
    }

    /// How many are on their way.
    fn coming(&self) -> usize {
        let kept = self
            .dropping
            .as_ref()
            .is_some_and(|(kept, _)| kept.is_some());
        usize::from(kept).saturating_add(usize::from(self.making.is_some()))
    }

    fn next_number(&mut self) -> u64 {
        self.named = self.named.saturating_add(1);
        self.named
    }
}

/// Begins to remove what there is of a spare that could not be made.
fn clear<F: Fs>(fs: &F, number: u64) -> Stages {
    let name = name(number);
    let remove = Operation::Remove { name };
    Stages::start(fs, [vec![("remove a segment made in part", remove)]])
}

/// What removes the spares among these files, which an earlier life left.
pub(super) fn removals(names: &[(String, u64)]) -> Vec<Task> {
    let spares = names.iter().filter(|(name, _)| is_spare(name));
    let mut tasks: Vec<Task> = spares
        .map(|(name, _)| {
            let name = name.clone();
            ("remove a spare segment", Operation::Remove { name })
        })
        .collect();
    if !tasks.is_empty() {
        tasks.push(("sync the folder", Operation::SyncFolder));
    }
    tasks
}

fn name(number: u64) -> String {
    format!("{PREFIX}{number}{}", segment::SUFFIX)
}

fn is_spare(file: &str) -> bool {
    let number = file
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(segment::SUFFIX));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

const PREFIX: &str = "spare-";

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments are never grown: what is longer than one is made as long as it is.
    #[test]
    fn a_spare_is_taken_for_what_is_as_long_and_for_nothing_longer() {
        let mut spares = Spares::new(4_096, 2);
        spares.ready.push_back(7);
        assert_eq!(spares.take(8_192), None);
        assert_eq!(spares.take(4_096), Some(name(7)));
        assert_eq!(spares.take(4_096), None);
    }
}
