//! One life of a log under test, beside a model of it: what may be found after a failure is known at each
//! moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, Log, LogError, Receipt, Recovered};

use super::workload::Draft;
use super::{Broken, Clause, Opened};
use crate::conformance::disk::{Step, TestDisk};

/// A log that is open, and what it was asked for.
pub(super) struct Life<L> {
    pub(super) disk: TestDisk,
    pub(super) log: L,
    /// The model, and what opening a log in its state finds: when the log was opened, and after each write since.
    newest: MemoryLog,
    states: Vec<Found>,
    drafts: Vec<Draft>,
    durable: usize,
}

/// What opening a log found: what it says, and its entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) recovered: Recovered,
    pub(super) entries: Vec<Chunk>,
}

impl<L: Log> Life<L> {
    /// A log was opened, which is in this state.
    pub(super) fn new(disk: TestDisk, log: L, newest: MemoryLog) -> Self {
        let states = vec![Found::expected(&newest)];
        Self {
            disk,
            log,
            newest,
            states,
            drafts: Vec::new(),
            durable: 0,
        }
    }

    /// The model after all writes begun.
    pub(super) const fn newest(&self) -> &MemoryLog {
        &self.newest
    }

    /// All that the log has been, from when it was opened on.
    pub(super) fn states(&self) -> &[Found] {
        &self.states
    }

    /// The writes that were begun.
    pub(super) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// How many writes are durable.
    pub(super) const fn durable(&self) -> usize {
        self.durable
    }

    /// How many writes were begun.
    pub(super) fn begun(&self) -> usize {
        self.states.len() - 1
    }

    /// Begins a write.
    pub(super) fn begin(&mut self, draft: &Draft) -> Result<(), Broken> {
        let number = self.states.len();
        let written = self.newest.write(draft.write(number));
        written
            .map_err(|error| Broken::kit(format!("a write of the kit is impossible: {error}")))?;
        self.states.push(Found::expected(&self.newest));
        self.drafts.push(draft.clone());
        // What is begun may be on the disk before `begin` has returned.
        self.disk.note(Step::Begun(number));
        self.log.begin(draft.write(number));
        Ok(())
    }

    /// Polls once for an acknowledgement.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Result<Option<LogError>, Broken> {
        match self.log.poll_durable(cx) {
            Poll::Pending => Ok(None),
            Poll::Ready(Err(error)) => Ok(Some(error)),
            Poll::Ready(Ok(durable)) => {
                self.durable = self.number_of(durable)?;
                self.disk.note(Step::Durable(self.durable));
                Ok(None)
            }
        }
    }

    /// Which write this proves durable, among those that are under way.
    fn number_of(&self, durable: Durable) -> Result<usize, Broken> {
        let is_proof = |number: &usize| Receipt::of_no_hull(*number as u64).synced() == durable;
        let mut open = self.durable + 1..self.states.len();
        open.find(is_proof).ok_or_else(|| {
            let (durable_before, begun) = (self.durable, self.begun());
            let text = format!(
                "it acknowledged {durable:?} when {durable_before} of {begun} writes were durable"
            );
            let expected = match durable_before < begun {
                true => format!(
                    "the proof of one of writes {} to {begun}",
                    durable_before + 1
                ),
                false => "nothing, since nothing is under way".to_owned(),
            };
            Broken::new(Clause::InOrder, text, expected)
        })
    }

    /// Polls until all that was begun is durable, and a while longer, as whoever drives it does. The error
    /// of the log, if it fails.
    pub(super) fn finish(&mut self) -> Result<Option<LogError>, Broken> {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        let mut cx = Context::from_waker(&waker);
        while self.durable < self.begun() {
            let before = self.durable;
            if let Some(error) = self.poll(&mut cx)? {
                return Ok(Some(error));
            }
            if self.durable == before && !alarm.wait() {
                let text = format!(
                    "write {} is neither durable nor failed after {PATIENCE:?}, and nobody was woken",
                    self.durable + 1
                );
                let expected = "its proof or an error from `poll_durable`";
                return Err(Broken::new(Clause::Durable, text, expected));
            }
        }
        self.poll_idly()
    }

    /// Waits for what it says next, as whoever drives it does; `None` if it says nothing.
    pub(super) fn answer(&mut self) -> Option<Result<Durable, LogError>> {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(answer) = self.log.poll_durable(&mut cx) {
                return Some(answer);
            }
            if !alarm.wait() {
                return None;
            }
        }
    }

    /// Polls a few times when there may be nothing to do.
    pub(super) fn poll_idly(&mut self) -> Result<Option<LogError>, Broken> {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..IDLE_POLLS {
            if let Some(error) = self.poll(&mut cx)? {
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// What is read back must be what the model holds.
    pub(super) fn check_loads(&self) -> Result<(), Broken> {
        let found = read_all(&self.log, &self.newest.recovered())?;
        let expected = entries_of(&self.newest);
        if found == expected {
            return Ok(());
        }
        let text = format!(
            "of what was begun, up to write {}, {} is read back",
            self.begun(),
            spans(&found)
        );
        Err(Broken::new(
            Clause::SeesWhatWasBegun,
            text,
            spans(&expected),
        ))
    }
}

impl Found {
    /// What a log that was just opened says and holds.
    pub(super) fn of<L: Log>((log, recovered): &Opened<L>) -> Result<Self, Broken> {
        let entries = read_all(log, recovered)?;
        Ok(Self {
            recovered: recovered.clone(),
            entries,
        })
    }

    /// What opening a log in this state finds.
    pub(super) fn expected(model: &MemoryLog) -> Self {
        let (recovered, entries) = (model.recovered(), entries_of(model));
        Self { recovered, entries }
    }

    /// A model in this state.
    pub(super) fn model(&self) -> MemoryLog {
        let Recovered {
            hard,
            snapshot,
            identity,
            ..
        } = self.recovered.clone();
        let begin = Draft {
            hard,
            snapshot,
            identity,
            ..Draft::default()
        };
        let append = self.entries.clone();
        let mut model = MemoryLog::new();
        for draft in [
            begin,
            Draft {
                hard,
                append,
                ..Draft::default()
            },
        ] {
            // Nothing is impossible that was once so.
            let _ = model.write(draft.write(0));
        }
        model
    }
}

fn entries_of(model: &MemoryLog) -> Vec<Chunk> {
    let first = after(first_missing(&model.recovered()));
    // From the first entry that it has on: it reads.
    let all = model.read(first..LogIndex::new(u64::MAX), usize::MAX);
    all.unwrap_or_default().iter().flat_map(singly).collect()
}

/// The last entry that a snapshot stands for.
fn first_missing(recovered: &Recovered) -> LogIndex {
    let mark = recovered.snapshot.as_ref();
    mark.map_or(LogIndex::ZERO, |mark| mark.last.index)
}

/// The entries of a chunk, one a chunk: logs may give them in chunks of any lengths.
fn singly(chunk: &Chunk) -> impl Iterator<Item = Chunk> {
    let indexes = chunk.first_index().get()..=chunk.last_index().get();
    indexes.filter_map(|index| chunk.slice(LogIndex::new(index)..LogIndex::new(index + 1)))
}

/// All entries from the first one on, in portions.
fn read_all<L: Log>(log: &L, recovered: &Recovered) -> Result<Vec<Chunk>, Broken> {
    let mut next = after(first_missing(recovered));
    let mut found = Vec::new();
    loop {
        let part = wait(log.load(next..LogIndex::new(u64::MAX), PORTION));
        let part = part.map_err(|error| {
            let text = format!("loading from {next} on fails: {error}");
            Broken::new(Clause::Bounded, text, "entries, or none at the end")
        })?;
        if part.is_empty() {
            return Ok(found);
        }
        for chunk in part {
            if chunk.first_index() != next {
                let text = format!("{} was loaded from {next} on", chunk.first_index());
                return Err(Broken::new(Clause::Bounded, text, next));
            }
            found.extend(singly(&chunk));
            next = after(chunk.last_index());
        }
    }
}

pub(super) fn after(index: LogIndex) -> LogIndex {
    LogIndex::new(index.get() + 1)
}

/// Which entries these are, for a person.
pub(super) fn spans(entries: &[Chunk]) -> String {
    match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => {
            let kinds = entries.iter().map(|entry| format!("{}", entry.last_id()));
            match entries.len() {
                0..=6 => kinds.collect::<Vec<_>>().join(" "),
                count => format!("{}..{} ({count} entries)", first.last_id(), last.last_id()),
            }
        }
        _ => "nothing".to_owned(),
    }
}

/// Runs a future to its end on this thread: for opening a log that is opened in a task.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        alarm.wait();
    }
}

/// Wakes the thread that waits.
#[derive(Debug)]
struct Alarm {
    rung: AtomicBool,
    thread: Thread,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            rung: AtomicBool::new(false),
            thread: std::thread::current(),
        }
    }
}

impl Alarm {
    /// Waits until it rings, or for as long as patience lasts: whether it rang.
    fn wait(&self) -> bool {
        let mut left = PATIENCE;
        while !self.rung.swap(false, Ordering::Acquire) {
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(MOMENT);
            left = left.saturating_sub(MOMENT);
        }
        true
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// How many bytes are asked for when entries are read: few, so that there are many portions.
const PORTION: usize = 600;
/// How long a log may take that works on other threads.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a thread sleeps that waits, at most.
const MOMENT: Duration = Duration::from_millis(50);
/// How often an idle log is polled: a log without a clock may count that.
const IDLE_POLLS: usize = 20;
