//! What both logs share: a thread of its own for the database, and the contract's arithmetic.
//!
//! A database does one thing after the other and blocks while it does; a log must not block. So the
//! database lives on a thread of its own ([`Threaded`]), which serves writes and reads in the order in which
//! they were asked for. Reads that come after a write see it, as clause 7 of [`Log`] has it, since they are
//! served after it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use quorate::LogIndex;
use quorate::raft_core::chunk::Chunk;
use quorate::raft_core::log::{Durable, Loading, Log, LogError, Recovered, Write};

/// A database that keeps a log, and blocks while it works.
pub trait Store: Send + 'static {
    /// Makes a write durable, which is possible and leaves the log with these bounds: all of it in one
    /// transaction.
    fn commit(&mut self, write: &Write, after: Bounds) -> Result<(), LogError>;

    /// Reads entries of a range that begins with one that is kept: see clause 8 of [`Log`].
    fn found(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Chunk>, LogError>;
}

/// A [`Store`] on a thread of its own: a [`Log`].
///
/// Dropping it waits until everything begun is done.
pub struct Threaded {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    answers: Arc<Mutex<Answers>>,
}

enum Request {
    Write(Write),
    Read(Range<LogIndex>, usize, oneshot::Sender<Found>),
}

type Found = Result<Vec<Chunk>, LogError>;

/// What the thread has to say.
#[derive(Default)]
struct Answers {
    durable: VecDeque<Durable>,
    failure: Option<LogError>,
    waker: Option<Waker>,
}

impl Threaded {
    /// Starts the thread, for a store in which this was found.
    pub fn start(store: impl Store, recovered: &Recovered) -> std::io::Result<Self> {
        let bounds = Bounds::of(recovered);
        let (requests, inbox) = channel();
        let answers = Arc::new(Mutex::new(Answers::default()));
        let last_words = LastWords(Arc::clone(&answers));
        let thread = thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || serve((store, bounds), &inbox, &last_words))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
            answers,
        })
    }

    fn ask(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // A thread that is gone has left its failure behind.
            let _ = requests.send(request);
        }
    }
}

impl Log for Threaded {
    fn begin(&mut self, write: Write) {
        self.ask(Request::Write(write));
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        let mut answers = locked(&self.answers);
        if let Some(durable) = answers.durable.pop_front() {
            return Poll::Ready(Ok(durable));
        }
        if let Some(failure) = &answers.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        answers.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        let (answer, found) = oneshot::channel();
        self.ask(Request::Read(range, max_bytes, answer));
        let answers = Arc::clone(&self.answers);
        Box::pin(async move {
            found.await.unwrap_or_else(|_gone| {
                let failure = locked(&answers).failure.clone();
                Err(failure.unwrap_or_else(thread_ended))
            })
        })
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, its last words say so.
            let _ = thread.join();
        }
    }
}

/// Serves requests until there are no more or a write fails: a failure is final (clause 6).
fn serve(
    (mut store, mut bounds): (impl Store, Bounds),
    inbox: &Receiver<Request>,
    last_words: &LastWords,
) {
    for request in inbox {
        match request {
            Request::Read(range, max_bytes, answer) => {
                let checked = bounds.check(&range);
                // Whoever asked may have gone.
                let _ = answer.send(checked.and_then(|()| store.found(range, max_bytes)));
            }
            Request::Write(write) => {
                let after = bounds.after(&write);
                let committed = after.and_then(|after| store.commit(&write, after).map(|()| after));
                match committed {
                    Ok(after) => {
                        bounds = after;
                        let durable = write.receipt.synced();
                        last_words.say(|answers| answers.durable.push_back(durable));
                    }
                    Err(error) => {
                        // Closed before anybody hears of it: nothing is written after that.
                        drop(store);
                        return last_words.say(|answers| answers.failure = Some(error));
                    }
                }
            }
        }
    }
}

/// Tells whoever polls; also that the thread has panicked.
struct LastWords(Arc<Mutex<Answers>>);

impl LastWords {
    fn say(&self, what: impl FnOnce(&mut Answers)) {
        let mut answers = locked(&self.0);
        what(&mut answers);
        let waker = answers.waker.take();
        drop(answers);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.say(|answers| {
            answers.failure.get_or_insert_with(thread_ended);
        });
    }
}

fn thread_ended() -> LogError {
    LogError::Storage {
        action: "reach the database",
        detail: "its thread has ended".to_owned(),
    }
}

fn locked(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// The last entry that a snapshot stands for.
    pub snapshot: LogIndex,
    /// The last entry; the snapshot's if none is kept.
    pub last: LogIndex,
}

impl Bounds {
    /// The bounds of a log in which this was found.
    fn of(recovered: &Recovered) -> Self {
        let mark = recovered.snapshot.as_ref();
        Self {
            snapshot: mark.map_or(LogIndex::ZERO, |mark| mark.last.index),
            last: recovered.last,
        }
    }

    /// The bounds after a write, if it is possible: clauses 4 and 5.
    fn after(self, write: &Write) -> Result<Self, LogError> {
        let impossible = |reason| Err(LogError::Impossible { reason });
        let mut last = self.last;
        if let Some(from) = write.truncate_from {
            if from <= self.snapshot {
                return impossible("clause 4: truncation into a snapshot");
            }
            last = last.min(from.previous());
        }
        for chunk in &write.append {
            if chunk.first_index() != last.next() {
                return impossible("clause 5: append leaves a gap");
            }
            last = chunk.last_index();
        }
        let mark = write.snapshot.as_ref();
        let snapshot = mark.map_or(self.snapshot, |mark| mark.last.index);
        let last = last.max(snapshot);
        Ok(Self { snapshot, last })
    }

    /// The first entry that may be read; one before it is not there any more.
    fn check(self, range: &Range<LogIndex>) -> Result<(), LogError> {
        let first = self.snapshot.next();
        match range.start < first {
            true => Err(LogError::Compacted { first }),
            false => Ok(()),
        }
    }
}

/// What a read has found, and how many bytes more it may.
pub struct Portion {
    found: Vec<Chunk>,
    room: usize,
}

impl Portion {
    /// Nothing yet, and so many bytes to come.
    pub const fn new(max_bytes: usize) -> Self {
        Self {
            found: Vec::new(),
            room: max_bytes,
        }
    }

    /// Takes what there is room for, and one entry at least. Whether there is room for more.
    pub fn take(&mut self, chunk: &Chunk) -> bool {
        if !self.found.is_empty() && chunk.payload_bytes() > self.room {
            return false;
        }
        let part = chunk.prefix(self.room);
        let is_whole = part.len() == chunk.len();
        self.room = self.room.saturating_sub(part.payload_bytes());
        self.found.push(part);
        is_whole && self.room > 0
    }

    /// All that was taken.
    pub fn found(self) -> Vec<Chunk> {
        self.found
    }
}
