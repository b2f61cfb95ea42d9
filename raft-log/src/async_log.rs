//! A log as most would write one: two asynchronous methods, one thing after the other.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Loading, Log, LogError, Write};

/// A log that does one thing after the other. [`Adapted`] makes a [`Log`] of it, whose contract says what
/// the two methods owe; clauses 2, 6 and 7 hold by themselves, since nothing overlaps.
///
/// Its own `open` says what it found, which is not a part of this trait.
#[async_trait]
pub trait AsyncLog: Send + 'static {
    /// Makes a write durable, all of it or nothing, and returns its proof.
    ///
    /// # Errors
    ///
    /// The storage failed, or the write is impossible. It is the last thing that the log is asked for.
    async fn write(&mut self, write: Write) -> Result<Durable, LogError>;

    /// Reads entries back: clause 8.
    ///
    /// # Errors
    ///
    /// The range begins before the first entry kept, or the storage failed.
    async fn load(
        &mut self,
        range: Range<LogIndex>,
        max_bytes: usize,
    ) -> Result<Vec<Chunk>, LogError>;
}

/// What was read.
type Found = Result<Vec<Chunk>, LogError>;

/// An [`AsyncLog`] as a [`Log`].
///
/// - What is asked for waits in a queue, writes and reads alike, and runs in that order, one at a time.
/// - Whoever polls, for durability or for entries, moves the queue on; when there is something to do, all who
///   polled are woken.
/// - A write that fails is the last: its error answers all that is asked for after it.
///
/// A waker may not poll the log itself, but only see to it that it is polled: the queue is held meanwhile.
pub struct Adapted<L> {
    queue: Arc<Mutex<Queue<L>>>,
}

/// - The log is in `idle` or in `running`.
/// - After a failure nothing waits and nothing runs.
struct Queue<L> {
    idle: Option<L>,
    running: Option<Running<L>>,
    waiting: VecDeque<Ask>,
    durable: Option<Durable>,
    failure: Option<LogError>,
    pollers: Arc<Pollers>,
}

/// Something that the log does; it gives the log back.
type Running<L> = Pin<Box<dyn Future<Output = (L, Outcome)> + Send>>;

enum Ask {
    Write(Write),
    Load(Range<LogIndex>, usize, Slot),
}

enum Outcome {
    Written(Result<Durable, LogError>),
    Loaded(Found, Slot),
}

/// Where whoever asked for entries finds them.
type Slot = Arc<Mutex<Option<Found>>>;

impl<L: AsyncLog> Adapted<L> {
    /// Adapts this log, which is open.
    pub fn new(log: L) -> Self {
        let queue = Queue {
            idle: Some(log),
            running: None,
            waiting: VecDeque::new(),
            durable: None,
            failure: None,
            pollers: Arc::default(),
        };
        Self {
            queue: Arc::new(Mutex::new(queue)),
        }
    }
}

impl<L: AsyncLog> Log for Adapted<L> {
    fn begin(&mut self, write: Write) {
        locked(&self.queue).ask(Ask::Write(write));
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        let mut queue = locked(&self.queue);
        queue.turn(cx);
        match (queue.durable.take(), &queue.failure) {
            (Some(durable), _) => Poll::Ready(Ok(durable)),
            (None, Some(failure)) => Poll::Ready(Err(failure.clone())),
            (None, None) => Poll::Pending,
        }
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        let slot = Slot::default();
        locked(&self.queue).ask(Ask::Load(range, max_bytes, Arc::clone(&slot)));
        let queue = Arc::clone(&self.queue);
        Box::pin(poll_fn(move |cx| {
            locked(&queue).turn(cx);
            locked(&slot).take().map_or(Poll::Pending, Poll::Ready)
        }))
    }
}

impl<L: AsyncLog> Queue<L> {
    fn ask(&mut self, ask: Ask) {
        match (&self.failure, ask) {
            (None, ask) => self.waiting.push_back(ask),
            (Some(failure), Ask::Load(_, _, slot)) => {
                *locked(&slot) = Some(Err(failure.clone()));
            }
            (Some(_), Ask::Write(_)) => {}
        }
    }

    /// Does what can be done now; whoever polls is woken when there is more.
    fn turn(&mut self, cx: &Context<'_>) {
        self.pollers.add(cx.waker());
        let waker = Waker::from(Arc::clone(&self.pollers));
        let mut own = Context::from_waker(&waker);
        while let Some(running) = self.next() {
            let Poll::Ready((log, outcome)) = running.as_mut().poll(&mut own) else {
                return;
            };
            self.running = None;
            self.idle = Some(log);
            self.done(outcome);
            // It may be for another than who polls.
            waker.wake_by_ref();
        }
    }

    /// What runs, or what comes next.
    fn next(&mut self) -> Option<&mut Running<L>> {
        if self.running.is_none() {
            let ask = self.waiting.pop_front()?;
            let log = self.idle.take()?;
            self.running = Some(Box::pin(run(log, ask)));
        }
        self.running.as_mut()
    }

    fn done(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Written(Ok(durable)) => self.durable = Some(durable),
            Outcome::Written(Err(failure)) => {
                self.failure = Some(failure);
                for ask in std::mem::take(&mut self.waiting) {
                    self.ask(ask);
                }
            }
            Outcome::Loaded(found, slot) => *locked(&slot) = Some(found),
        }
    }
}

async fn run<L: AsyncLog>(mut log: L, ask: Ask) -> (L, Outcome) {
    let outcome = match ask {
        Ask::Write(write) => Outcome::Written(log.write(write).await),
        Ask::Load(range, max_bytes, slot) => {
            Outcome::Loaded(log.load(range, max_bytes).await, slot)
        }
    };
    (log, outcome)
}

/// All who have polled since they were woken last.
#[derive(Default)]
struct Pollers(Mutex<Vec<Waker>>);

impl Pollers {
    fn add(&self, waker: &Waker) {
        let mut wakers = locked(&self.0);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Wake for Pollers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = std::mem::take(&mut *locked(&self.0));
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
