//! Direct writes to one file that are done side by side: where they do not meet, no reader can tell in which
//! order they were done, and whoever waits for a sync waits for those before it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::direct::{self, BLOCK_BYTES, Gathered};
use super::open_file::bytes_of;
use super::{Reply, answer, fs_error};
use crate::fs::{Answer, FsError};

/// Those that were begun and are not over.
#[derive(Debug, Default)]
pub(super) struct Flights {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next one.
    next: u64,
    under_way: Vec<UnderWay>,
    syncs: Vec<Sync>,
    /// The files of those that failed, until somebody has looked.
    failed: Vec<String>,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    name: String,
    range: Range<u64>,
}

/// A sync of a file, which is over with the writes to it that were begun before.
#[derive(Debug)]
struct Sync {
    name: String,
    before: u64,
    reply: Reply,
    failure: Option<FsError>,
}

/// A write that was begun. Whoever has it does it ([`Flight::fly`]).
#[derive(Debug)]
pub(super) struct Flight {
    number: u64,
    flights: Arc<Flights>,
    blocks: Blocks,
    reply: Reply,
}

/// Whole blocks, and where they go.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) parts: Vec<Bytes>,
}

impl Flights {
    /// Begins a write, once no other is under way to any part of where it goes.
    pub(super) fn begin(self: &Arc<Self>, name: String, blocks: Blocks, reply: Reply) -> Flight {
        let range = blocks.offset..blocks.offset.saturating_add(bytes_of(&blocks.parts));
        let meets = |other: &UnderWay| {
            other.name == name && other.range.start < range.end && range.start < other.range.end
        };
        let mut state = self.wait_while(meets);
        let number = state.next;
        state.next = number.saturating_add(1);
        state.under_way.push(UnderWay {
            number,
            name,
            range,
        });
        Flight {
            number,
            flights: Arc::clone(self),
            blocks,
            reply,
        }
    }

    /// Waits until no write to this file is under way.
    pub(super) fn wait_for(&self, name: &str) {
        drop(self.wait_while(|other| other.name == name));
    }

    /// Whether a write to this file has failed since this was asked last.
    pub(super) fn take_failed(&self, name: &str) -> bool {
        let mut state = self.state();
        let before = state.failed.len();
        state.failed.retain(|failed| failed != name);
        state.failed.len() < before
    }

    /// Replies when the writes to this file are over that are under way now: at once if none is.
    pub(super) fn sync(&self, name: String, reply: Reply) {
        let mut state = self.state();
        let before = state.next;
        state.syncs.push(Sync {
            name,
            before,
            reply,
            failure: None,
        });
        let over = state.take_over();
        drop(state);
        over.into_iter().for_each(Sync::answer);
    }

    fn land(&self, number: u64, failure: Option<&FsError>) {
        let mut state = self.state();
        if let Some(place) = state.under_way.iter().position(|one| one.number == number) {
            let UnderWay { name, .. } = state.under_way.swap_remove(place);
            if let Some(failure) = failure {
                for sync in &mut state.syncs {
                    if sync.name == name && number < sync.before {
                        sync.failure.get_or_insert_with(|| failure.clone());
                    }
                }
                state.failed.push(name);
            }
        }
        let over = state.take_over();
        drop(state);
        self.landed.notify_all();
        over.into_iter().for_each(Sync::answer);
    }

    fn wait_while(&self, is_in_the_way: impl Fn(&UnderWay) -> bool) -> MutexGuard<'_, State> {
        let busy = |state: &mut State| state.under_way.iter().any(&is_in_the_way);
        let waited = self.landed.wait_while(self.state(), busy);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody panics with half of a change made.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The syncs that wait for nothing any more.
    fn take_over(&mut self) -> Vec<Sync> {
        let under_way = &self.under_way;
        let is_over = |sync: &Sync| {
            let waits_for = |one: &UnderWay| one.name == sync.name && one.number < sync.before;
            !under_way.iter().any(waits_for)
        };
        let (over, left) = std::mem::take(&mut self.syncs)
            .into_iter()
            .partition(is_over);
        self.syncs = left;
        over
    }
}

impl Sync {
    fn answer(self) {
        answer(self.reply, self.failure.map_or(Ok(Answer::Done), Err));
    }
}

impl Flight {
    /// Does the write, and replies.
    pub(super) fn fly(self, gathered: &mut Gathered) {
        let blocks = &self.blocks;
        let written = blocks.write(gathered);
        let written = written.map_err(|error| fs_error(&blocks.path, &error));
        self.flights.land(self.number, written.as_ref().err());
        answer(self.reply, written.map(|()| Answer::Done));
    }
}

impl Blocks {
    fn write(&self, gathered: &mut Gathered) -> io::Result<()> {
        let mut bytes = gathered.gather(&self.parts);
        let mut offset = self.offset;
        while !bytes.is_empty() {
            let written = direct::write(&self.file, bytes, offset)?;
            (bytes, offset) = rest(bytes, offset, written)?;
        }
        Ok(())
    }
}

/// What is left after a write that was cut short. Within a block nothing can be gone on with.
fn rest(bytes: &[u8], offset: u64, written: usize) -> io::Result<(&[u8], u64)> {
    let moved = offset.checked_add(written as u64);
    let moved = moved.filter(|moved| written > 0 && moved % BLOCK_BYTES == 0);
    match (bytes.get(written..), moved) {
        (Some(left), Some(moved)) => Ok((left, moved)),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use futures_channel::oneshot;

    use super::*;

    type Answers = oneshot::Receiver<Result<Answer, FsError>>;

    const BLOCK: usize = 4096;

    /// A write that is begun, to a file that can be written to or not.
    fn begun(flights: &Arc<Flights>, offset: u64, fails: bool) -> (Flight, Answers) {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let file = OpenOptions::new()
            .read(true)
            .write(!fails)
            .open(&path)
            .unwrap();
        let (reply, answers) = oneshot::channel();
        let blocks = Blocks {
            path: path.to_path_buf(),
            file: Arc::new(file),
            offset,
            parts: vec![Bytes::from(vec![1; BLOCK])],
        };
        (flights.begin(String::from("file"), blocks, reply), answers)
    }

    fn sync(flights: &Flights, name: &str) -> Answers {
        let (reply, answers) = oneshot::channel();
        flights.sync(String::from(name), reply);
        answers
    }

    fn fly(flight: Flight) {
        flight.fly(&mut Gathered::default());
    }

    #[test]
    fn a_sync_waits_for_the_writes_before_it_and_for_no_others() {
        let flights = Arc::default();
        assert_eq!(
            sync(&flights, "file").try_recv(),
            Ok(Some(Ok(Answer::Done)))
        );
        let (first, mut written) = begun(&flights, 0, false);
        let mut waits = sync(&flights, "file");
        let (second, _) = begun(&flights, BLOCK as u64, false);
        let mut waits_for_both = sync(&flights, "file");
        assert_eq!(
            sync(&flights, "other").try_recv(),
            Ok(Some(Ok(Answer::Done)))
        );
        assert_eq!(waits.try_recv(), Ok(None));
        fly(first);
        assert_eq!(written.try_recv(), Ok(Some(Ok(Answer::Done))));
        assert_eq!(waits.try_recv(), Ok(Some(Ok(Answer::Done))));
        assert_eq!(waits_for_both.try_recv(), Ok(None));
        fly(second);
        assert_eq!(waits_for_both.try_recv(), Ok(Some(Ok(Answer::Done))));
    }

    #[test]
    fn a_failed_write_fails_the_syncs_after_it_and_is_told_once_more() {
        let flights = Arc::default();
        let mut before = sync(&flights, "file");
        let (first, mut written) = begun(&flights, 0, true);
        let mut waits = sync(&flights, "file");
        let (second, _) = begun(&flights, BLOCK as u64, false);
        let mut waits_for_both = sync(&flights, "file");
        fly(first);
        fly(second);
        assert_eq!(before.try_recv(), Ok(Some(Ok(Answer::Done))));
        for answers in [&mut written, &mut waits, &mut waits_for_both] {
            let answer = answers.try_recv().unwrap();
            assert!(
                matches!(answer, Some(Err(FsError::Io { .. }))),
                "{answer:?}"
            );
        }
        assert!(!flights.take_failed("other"));
        assert!(flights.take_failed("file"));
        assert!(!flights.take_failed("file"));
    }

    #[test]
    fn what_meets_waits_and_what_does_not_goes_on() {
        let flights = Arc::default();
        let (first, _) = begun(&flights, BLOCK as u64, false);
        fly(begun(&flights, 0, false).0);
        fly(begun(&flights, 2 * BLOCK as u64, false).0);
        flights.wait_for("other");
        let (done, over) = mpsc::channel();
        let others: Vec<_> = [Some(1), Some(BLOCK as u64), None]
            .map(|offset| {
                let (flights, done) = (Arc::clone(&flights), done.clone());
                thread::spawn(move || {
                    match offset {
                        Some(offset) => fly(begun(&flights, offset, false).0),
                        None => flights.wait_for("file"),
                    }
                    done.send(()).unwrap();
                })
            })
            .into();
        // None of them can be over; that they wait can't be seen sooner than never.
        assert!(over.recv_timeout(Duration::from_millis(50)).is_err());
        fly(first);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(over.try_iter().count(), 3);
    }

    #[test]
    fn a_write_that_was_cut_short_goes_on_at_a_block_only() {
        let bytes = [0; 3 * BLOCK];
        let (left, offset) = rest(&bytes, 8192, 2 * BLOCK).unwrap();
        assert_eq!((left.len(), offset), (BLOCK, 4 * BLOCK as u64));
        assert_eq!(rest(&bytes, 0, 3 * BLOCK).unwrap().0.len(), 0);
        for written in [0, 1, BLOCK - 1, BLOCK + 512, 4 * BLOCK] {
            let error = rest(&bytes, 0, written).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WriteZero, "{written}");
        }
    }
}
