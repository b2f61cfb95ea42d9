//! Which log a folder holds, where frames of another one stand among its own.
//!
//! A crash leaves no frame of another log in a segment: new files are zeros, and what is written anew held
//! frames of this log. Where one stands with the number of its segment, a disk or a person has put it there.
//! Behind frames of ours it means nothing. But at the front nothing stands before it that could speak
//! against it, and it would be taken for the log, and all of ours for a torn tail.

use std::collections::BTreeMap;

use super::recover::{End, File, Folder};
use super::scan::{self, Expected, Part};
use super::segment;
use crate::error::WalError;
use crate::fs::Fs;

/// What stands behind the chain.
#[derive(Default)]
struct Behind {
    /// How many frames of each log.
    frames: BTreeMap<u64, u64>,
    /// The logs whose frames later segments begin with.
    heads: Vec<u64>,
}

impl Behind {
    fn take(&mut self, part: &Part, from: usize, segment: u64) {
        for (offset, log_id) in scan::frames_of_any_log(part, from, segment) {
            let frames = self.frames.entry(log_id).or_default();
            *frames = frames.saturating_add(1);
            if offset == 0 {
                self.heads.push(log_id);
            }
        }
    }

    /// The log of which there are more than of all others.
    fn most(&self) -> Option<u64> {
        let all = self
            .frames
            .values()
            .fold(0, |all: u64, one| all.saturating_add(*one));
        let most = self.frames.iter().max_by_key(|(_, frames)| **frames)?;
        (*most.1 > all / 2).then_some(*most.0)
    }

    /// Another log that this one might be, as far as its frames tell.
    fn rival(&self, end: &End, expected: &Expected, is_damaged: bool) -> Option<u64> {
        let Some(ours) = expected.log_id() else {
            return self.frames.keys().next().copied();
        };
        if let Some(head) = self.heads.iter().find(|head| **head != ours) {
            if !is_damaged {
                return Some(*head);
            }
        }
        let behind = self.frames.get(&ours).copied().unwrap_or_default();
        let own = end.frames.saturating_add(behind);
        let others = self.frames.iter().filter(|(log_id, _)| **log_id != ours);
        let (log_id, most) = others.max_by_key(|(_, frames)| **frames)?;
        (*most >= own).then_some(*log_id)
    }
}

impl<F: Fs> Folder<'_, F> {
    /// Whose log it is that begins with no frame, by the others.
    pub(super) async fn most_of(&self, end: &End, rest: &[File]) -> Result<Option<u64>, WalError> {
        Ok(self.behind(end, rest).await?.most())
    }

    async fn behind(&self, end: &End, rest: &[File]) -> Result<Behind, WalError> {
        let mut behind = Behind::default();
        behind.take(&end.part, end.broken.offset, end.file);
        for file in rest {
            let part = Part::whole(self.read(file).await?);
            behind.take(&part, 0, file.number);
        }
        Ok(behind)
    }

    /// Refuses a folder of which it can't be told whose log it holds.
    pub(super) async fn check_whose(
        &self,
        end: &End,
        rest: &[File],
        expected: &Expected,
        is_damaged: bool,
    ) -> Result<(), WalError> {
        // A log of several segments, nothing of which stands behind what follows its first frame.
        if rest.is_empty() && !is_damaged && !end.is_oldest {
            return Ok(());
        }
        let behind = self.behind(end, rest).await?;
        let Some(rival) = behind.rival(end, expected, is_damaged) else {
            return Ok(());
        };
        let expected = match expected.log_id() {
            Some(log_id) => format!("frames of log {log_id:016x} alone"),
            None => String::from("frames of one log"),
        };
        Err(WalError::Corrupt {
            file: segment::name(end.file),
            offset: end.broken.offset as u64,
            expected,
            found: format!("frames of log {rival:016x} here or behind it, among others"),
        })
    }
}
