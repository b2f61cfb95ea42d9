//! A log beside its model: what may be found after a crash is known at each moment.

use std::task::Poll;

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Log, LogError, Recovered, SnapshotMark, Write};
use raft_log::{Wal, WalError, WalSettings};

use super::{Crash, Entries, MemFs, empty, entries, load_all, poll, proof, run};

/// A write that can be made more than once.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    pub hard: HardState,
    pub truncate_from: Option<LogIndex>,
    pub append: Vec<Chunk>,
    pub snapshot: Option<SnapshotMark>,
    pub drop_before: LogIndex,
    pub identity: Option<Bytes>,
}

impl Spec {
    /// The write, as the `number`th of a log's life.
    pub fn write(&self, number: u64) -> Write {
        let spec = self.clone();
        Write {
            hard: spec.hard,
            truncate_from: spec.truncate_from,
            append: spec.append.into(),
            snapshot: spec.snapshot.map(Box::new),
            drop_before: spec.drop_before,
            identity: spec.identity,
            receipt: empty(number).receipt,
        }
    }
}

/// A log, and the model as it was after each write.
pub struct Modelled {
    pub fs: MemFs,
    pub log: Wal<MemFs>,
    settings: WalSettings,
    /// The model when the log was opened, and after each write since.
    states: Vec<MemoryLog>,
    /// How many writes are durable.
    durable: usize,
    /// Whether it was asked for a failure: then it may fail at any time.
    pub may_fail: bool,
    failure: Option<LogError>,
}

impl Modelled {
    /// Opens a log that must be in one of these states. `None` if the power fails meanwhile.
    pub fn open(
        fs: MemFs,
        settings: WalSettings,
        candidates: &[MemoryLog],
    ) -> Option<Result<Self, WalError>> {
        let (log, recovered) = match run(Wal::open(fs.clone(), settings))? {
            Ok(opened) => opened,
            Err(error) => return Some(Err(error)),
        };
        let found = fs.safely(|| entries(&load_all(&log, &recovered)));
        let state = candidates
            .iter()
            .rev()
            .find(|model| is_found_in(model, &recovered, &found));
        let Some(state) = state else {
            let expected: Vec<_> = candidates.iter().map(found_in).collect();
            panic!("found {recovered:?} with {found:?}\nexpected one of {expected:#?}");
        };
        Some(Ok(Self {
            fs,
            log,
            settings,
            states: vec![state.clone()],
            durable: 0,
            may_fail: false,
            failure: None,
        }))
    }

    /// The model after all writes begun.
    pub fn newest(&self) -> &MemoryLog {
        self.states.last().unwrap()
    }

    /// Begins a write. One that failed starts nothing any more.
    pub fn begin(&mut self, spec: &Spec) {
        let number = self.states.len() as u64;
        if self.failure.is_some() {
            let started = self.fs.started();
            self.log.begin(spec.write(number));
            assert_eq!(self.fs.started(), started, "after a failure");
            return;
        }
        let mut model = self.newest().clone();
        model.write(spec.write(number)).unwrap();
        self.states.push(model);
        self.log.begin(spec.write(number));
    }

    /// Begins a write and polls until it is durable, on a disk that answers.
    pub fn write(&mut self, spec: &Spec) {
        self.fs.unhold();
        self.begin(spec);
        for _ in 0..1_000 {
            if self.undecided() == 0 {
                return;
            }
            self.poll();
        }
        panic!("the log never answers");
    }

    /// Polls once for an acknowledgement. A failure is final.
    pub fn poll(&mut self) {
        let started = self.fs.started();
        let answer = poll(&mut self.log);
        if let Some(failure) = &self.failure {
            assert_eq!(answer, Poll::Ready(Err(failure.clone())));
            assert_eq!(self.fs.started(), started, "after a failure");
            return;
        }
        match answer {
            Poll::Pending => {}
            Poll::Ready(Ok(durable)) => {
                self.durable = (self.durable + 1..self.states.len())
                    .find(|number| proof(*number as u64) == durable)
                    .expect("a proof of a write that is under way");
            }
            Poll::Ready(Err(error)) => {
                assert!(self.may_fail, "{error}");
                self.failure = Some(error);
            }
        }
    }

    /// Why it failed, if it did.
    pub const fn failure(&self) -> Option<&LogError> {
        self.failure.as_ref()
    }

    /// What is read back must be what the model has.
    pub fn check_loads(&self) {
        let recovered = self.newest().recovered();
        let found = entries(&load_all(&self.log, &recovered));
        assert_eq!(found, found_in(self.newest()).1);
    }

    /// As [`Self::check_loads`], for a disk that holds its answers back.
    pub fn check_loads_held(&self) {
        self.fs.unhold();
        self.check_loads();
        self.fs.hold();
    }

    /// Lets everything become durable, and the log fall idle.
    pub fn rest(&mut self) {
        self.fs.unhold();
        for _ in 0..self.states.len() * 4 + 30 {
            self.poll();
        }
        self.fs.hold();
    }

    /// The states that a crash may leave.
    pub fn possible(&self) -> &[MemoryLog] {
        &self.states[self.durable..]
    }

    /// What opening found, and would have found after each write since.
    pub fn history(&self) -> Vec<State> {
        self.states.iter().map(found_in).collect()
    }

    /// How many writes were begun and are not known to be durable.
    pub fn undecided(&self) -> usize {
        self.possible().len() - 1
    }

    /// Kills the process and opens the log again. What is found has to stay: others are told.
    pub fn kill(self) -> Self {
        let fs = self.fs.kill();
        Self::open(fs, self.settings, self.possible())
            .unwrap()
            .unwrap()
    }

    /// Fails the power and opens the log again.
    pub fn crash(self, crash: Crash) -> Self {
        let fs = self.fs.crash(crash);
        Self::open(fs, self.settings, self.possible())
            .unwrap()
            .unwrap()
    }
}

/// Whether opening a log in this state may find this.
fn is_found_in(model: &MemoryLog, recovered: &Recovered, found: &Entries) -> bool {
    let (expected, entries) = found_in(model);
    (&expected, &entries) == (recovered, found)
}

/// What opening a log finds, and its entries.
pub type State = (Recovered, Entries);

/// What opening a log in this state finds.
fn found_in(model: &MemoryLog) -> State {
    let mut recovered = model.recovered();
    let chunks = load_all(model, &recovered);
    recovered.time = chunks.iter().map(Chunk::time).max().unwrap_or_default();
    (recovered, entries(&chunks))
}
