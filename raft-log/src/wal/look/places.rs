//! All places of a log that are damaged, and which entries stood there at most.

use raft_core::ids::{EntryId, LogIndex};

use super::super::format::Header;
use super::super::recover::{End, Folder, ReadChain};
use super::super::replay;
use super::super::scan::{self, Part, Survivor};
use super::super::segment;
use crate::error::WalError;
use crate::fs::Fs;

/// A damaged place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) offset: u64,
    pub(crate) what: String,
    /// What it did to the log, if frames before and behind it tell.
    pub(crate) lost: Option<Lost>,
}

/// What frames did to the log that can't be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lost {
    /// The log's last index before them.
    pub(crate) before: LogIndex,
    /// The last index after them.
    pub(crate) after: LogIndex,
    /// From where on they removed entries before they added any, if their headers say so; nothing, if
    /// these are lost as well.
    pub(crate) removed_from: Option<Option<LogIndex>>,
}

impl Place {
    /// The place that an error names.
    pub(crate) fn of(error: &WalError) -> Self {
        let (file, offset, what) = match error {
            WalError::Corrupt {
                file,
                offset,
                expected,
                found,
            } => (
                file.as_str(),
                *offset,
                format!("expected {expected}, found {found}"),
            ),
            WalError::Fs { .. } | WalError::UnknownVersion { .. } | WalError::Settings { .. } => {
                ("the folder", 0, error.to_string())
            }
        };
        Self {
            file: String::from(file),
            offset,
            what,
            lost: None,
        }
    }
}

/// All that is damaged from the end of the chain on. What is behind the last frame that a later one
/// calls durable is a torn tail, not damage.
pub(super) async fn behind<F: Fs>(
    folder: &Folder<'_, F>,
    chain: &ReadChain,
    end: &End,
    error: &WalError,
) -> Result<Vec<Place>, WalError> {
    let batch = chain.expected.batch();
    let mut walk = Walk {
        next: batch,
        // Nothing is known of what stood before the first frame, if older segments were dropped.
        last: (!chain.expected.is_after_dropped()).then(|| chain.replay.end().1.index),
        at: (end.file, end.broken.offset as u64),
        broken: Some(Broken {
            batch,
            place: Place::of(error),
            removed_from: None,
        }),
        watermark: 0,
        found: Vec::new(),
    };
    let from = end.broken.offset;
    for survivor in scan::survivors(&end.part, from, end.file, &chain.expected)? {
        walk.take(end.file, survivor);
    }
    for file in &chain.rest {
        let part = Part::whole(folder.read(file).await?);
        for survivor in scan::survivors(&part, 0, file.number, &chain.expected)? {
            walk.take(file.number, survivor);
        }
    }
    Ok(walk.finish())
}

/// Goes over the frames behind a break.
///
/// - `broken` is a damage of which it is not yet known what it did to the log: the next header tells.
struct Walk {
    /// The number of the next frame.
    next: u64,
    /// The last index of the log before it, if that is known.
    last: Option<LogIndex>,
    /// The segment and the offset where it should stand.
    at: (u64, u64),
    broken: Option<Broken>,
    watermark: u64,
    /// Damaged places, each with the number of its first frame.
    found: Vec<(u64, Place)>,
}

struct Broken {
    batch: u64,
    place: Place,
    removed_from: Option<Option<LogIndex>>,
}

impl Walk {
    fn take(&mut self, segment: u64, survivor: Survivor) {
        let Survivor {
            offset,
            header,
            frame,
        } = survivor;
        if header.batch < self.next {
            return;
        }
        self.watermark = self.watermark.max(header.watermark);
        match &mut self.broken {
            // The frame that breaks the chain: its header can be read all the same.
            Some(broken) if broken.batch == header.batch => {
                broken.removed_from = Some(header.truncate_from);
            }
            Some(_) => self.settle(header.last),
            None if header.batch > self.next => {
                self.broken = Some(self.missing(&header, segment, offset));
                self.settle(header.last);
            }
            None => {}
        }
        self.last = Some(header.last);
        self.next = header.batch.saturating_add(1);
        let told = match &frame {
            Ok(frame) => replay::told(frame).ok_or("a body that is not divided as it should be"),
            Err(torn) => Err(torn.found.as_str()),
        };
        match told {
            Ok(told) => {
                let from = header.truncate_from.map_or(header.last, LogIndex::previous);
                let left = EntryId::new(header.hard.term, from.min(header.last));
                self.last = Some(told.ending.after(left).index);
            }
            Err(found) => {
                let what = format!("expected frame {}, found {found}", header.batch);
                self.broken.get_or_insert(Broken {
                    batch: header.batch,
                    place: place((segment, offset as u64), what),
                    removed_from: Some(header.truncate_from),
                });
            }
        }
        let end = frame.map_or(offset, |frame| frame.end);
        self.at = (segment, end as u64);
    }

    /// The frames between the last one and this, of which not even the headers are there. Each segment
    /// begins with a frame: where that is among them, it is what is damaged.
    fn missing(&self, header: &Header, segment: u64, offset: usize) -> Broken {
        let last = header.batch.saturating_sub(1);
        let following = self.at.0.saturating_add(1);
        let at = match (segment == self.at.0, segment > following, offset) {
            (true, ..) | (_, false, 0) => self.at,
            (_, true, _) => (following, 0),
            (..) => (segment, 0),
        };
        let what = match self.next == last {
            true => format!("expected frame {last}, found none"),
            false => format!("expected frames {} to {last}, found none", self.next),
        };
        Broken {
            batch: self.next,
            place: place(at, what),
            removed_from: None,
        }
    }

    /// Takes down what is damaged, now that it is known where the log ended after it.
    fn settle(&mut self, after: LogIndex) {
        if let Some(mut broken) = self.broken.take() {
            broken.place.lost = self.last.map(|before| Lost {
                before,
                after,
                removed_from: broken.removed_from,
            });
            self.found.push((broken.batch, broken.place));
        }
    }

    /// The first place is damaged in any case; others, if a frame says that they were durable.
    fn finish(self) -> Vec<Place> {
        let Self {
            broken,
            watermark,
            found,
            ..
        } = self;
        let last = broken.map(|broken| (broken.batch, broken.place));
        let all = found.into_iter().chain(last).enumerate();
        all.filter(|(number, (batch, _))| *number == 0 || *batch <= watermark)
            .map(|(_, (_, place))| place)
            .collect()
    }
}

fn place((file, offset): (u64, u64), what: String) -> Place {
    Place {
        file: segment::name(file),
        offset,
        what,
        lost: None,
    }
}
