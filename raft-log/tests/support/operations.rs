//! A life of a log beside its model: all that can be asked of it and can befall it, in any order.
//!
//! Who draws the steps is another's: `model.rs` does at random, and the fuzz target `wal_operations`
//! by what they reach. Each number in a step is taken for what it can mean where the log happens to be,
//! so that every list of steps is a life.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Loading, Log, LogError};
use raft_core::time::Millis;
use raft_log::WalSettings;

use super::modelled::{Modelled, Spec};
use super::{Crash, Entries, MemFs, SETTINGS, chunk, configuration_chunk, entries, hard, mark};

/// What is done, or happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A write is begun.
    Write(Draft),
    /// A write is begun that breaks clause 4 or 5.
    Impossible(Impossible),
    /// An acknowledgement is asked for.
    Poll,
    /// The disk answers all that it was asked for.
    Answer,
    /// The disk answers some of it, by this seed.
    AnswerSome(u64),
    /// Entries are asked for; they come when the disk answers.
    Load(Span),
    /// Everything becomes durable, and the log falls idle.
    Rest,
    /// Of the operations on the disk that are still to come, this one fails.
    Fail(u8),
    /// The log ends, and is opened again.
    Reopen(Reopening),
}

/// A write whose positions are counted from where the log happens to end.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Whether a new term begins with it.
    pub term: bool,
    /// Who gets the vote, and what is promised with it.
    pub vote: Option<u8>,
    /// How many entries it removes.
    pub back: Option<u8>,
    /// How long the commands in each chunk are.
    pub chunks: Vec<Vec<u16>>,
    /// Whether the last of these chunks comes without its payloads, as witnesses get them.
    pub ids_only: bool,
    /// Whether a configuration follows.
    pub configuration: bool,
    /// How far before the second index after the end a snapshot ends.
    pub snapshot: Option<u8>,
    /// How far before the end of the newest snapshot nothing is needed.
    pub drop_before: Option<u8>,
    /// How many bytes say who the node is.
    pub identity: Option<u16>,
}

/// How a write breaks the contract.
#[derive(Clone, Copy, Debug)]
pub enum Impossible {
    /// It leaves a gap.
    Gap,
    /// It removes what the snapshot stands for.
    IntoSnapshot,
}

/// The entries that are asked for, counted from the second before the first one kept.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub first: u8,
    pub count: u8,
    pub max_bytes: u16,
}

/// How a log ends, and is opened again.
#[derive(Clone, Copy, Debug)]
pub struct Reopening {
    /// What the power failure leaves; `None` for a process that was killed.
    pub crash: Option<Crash>,
    /// What happens while it is opened, the first time.
    pub meanwhile: Meanwhile,
    /// Which settings it is opened with.
    pub settings: u8,
}

/// What happens while a log is opened.
#[derive(Clone, Copy, Debug)]
pub enum Meanwhile {
    Nothing,
    /// The power fails at this operation.
    PowerFails(u8, Crash),
    /// This operation fails.
    Fails(u8),
}

/// Lives through these steps, and one crash more.
pub fn live(steps: impl IntoIterator<Item = Step>) {
    let fs = MemFs::new();
    let modelled = Modelled::open(fs, SETTINGS, &[MemoryLog::new()])
        .unwrap()
        .unwrap();
    modelled.fs.hold();
    let mut life = Life {
        modelled,
        loads: Vec::new(),
        term: 1,
        boot: 1,
    };
    for step in steps {
        life = life.take(step);
    }
    life.rest();
    life.reopen(Reopening {
        crash: Some(Crash::LoseAll),
        meanwhile: Meanwhile::Nothing,
        settings: 0,
    });
}

struct Life {
    modelled: Modelled,
    /// Loads under way, each with what it was to find when it was asked for.
    loads: Vec<(Loading, Expected)>,
    term: u64,
    boot: u64,
}

/// What a load may answer: the error, or the beginning of these entries, of so many bytes at most.
struct Expected {
    model: Result<Vec<Chunk>, LogError>,
    max_bytes: usize,
}

impl Life {
    fn take(mut self, step: Step) -> Self {
        match step {
            Step::Write(draft) => self.write(draft),
            Step::Impossible(how) => self.break_contract(how),
            Step::Poll => self.modelled.poll(),
            Step::Answer => self.modelled.fs.release(),
            Step::AnswerSome(seed) => self.modelled.fs.release_some(seed),
            Step::Load(span) => self.load(span),
            Step::Rest => self.rest(),
            Step::Fail(after) => {
                let fs = &self.modelled.fs;
                fs.fail_at(fs.started() + usize::from(after));
                self.modelled.may_fail = true;
            }
            Step::Reopen(reopening) => return self.reopen(reopening),
        }
        self.finish_loads();
        self
    }

    fn write(&mut self, draft: Draft) {
        self.term += u64::from(draft.term);
        let vote = draft.vote.map(u64::from);
        let spec = Spec {
            hard: HardState {
                to_other_life: vote == Some(2),
                promise: Millis::new(u32::from(draft.vote.unwrap_or(0)) * 700),
                ..hard(self.boot, self.term, vote)
            },
            ..draft.spec(self.modelled.newest(), self.term)
        };
        self.modelled.begin(&spec);
    }

    fn break_contract(&mut self, how: Impossible) {
        if self.modelled.failure().is_some() {
            return;
        }
        let before = self.modelled.newest().recovered();
        let hard = hard(self.boot, self.term, None);
        let spec = match how {
            Impossible::Gap => Spec {
                append: vec![chunk(self.term, before.last.get() + 2, &[1])],
                hard,
                ..Spec::default()
            },
            Impossible::IntoSnapshot => Spec {
                truncate_from: Some(
                    before
                        .snapshot
                        .map_or(LogIndex::ZERO, |mark| mark.last.index),
                ),
                hard,
                ..Spec::default()
            },
        };
        self.modelled.may_fail = true;
        self.modelled.log.begin(spec.write(0));
        self.modelled.poll();
        let failure = self.modelled.failure();
        assert!(
            matches!(failure, Some(LogError::Impossible { .. })),
            "{how:?} was taken: {failure:?}"
        );
    }

    fn load(&mut self, span: Span) {
        let model = self.modelled.newest();
        let first = model.recovered().snapshot;
        let first = first.map_or(1, |mark| mark.last.index.get() + 1);
        let from = (first + u64::from(span.first)).saturating_sub(2);
        let range = LogIndex::new(from)..LogIndex::new(from + u64::from(span.count));
        let max_bytes = usize::from(span.max_bytes);
        let model = match self.modelled.failure() {
            Some(failure) => Err(failure.clone()),
            None => model.read(range.clone(), usize::MAX),
        };
        let loading = self.modelled.log.load(range, max_bytes);
        self.loads.push((loading, Expected { model, max_bytes }));
    }

    /// Looks at the loads that are over.
    fn finish_loads(&mut self) {
        let may_fail = self.modelled.may_fail;
        let mut cx = Context::from_waker(Waker::noop());
        self.loads
            .retain_mut(|(loading, expected)| match loading.as_mut().poll(&mut cx) {
                Poll::Pending => true,
                Poll::Ready(found) => {
                    expected.check(found, may_fail);
                    false
                }
            });
    }

    /// What was begun is durable, unless the log failed, and what was asked for is there.
    fn rest(&mut self) {
        self.modelled.rest();
        self.modelled.fs.unhold();
        self.finish_loads();
        assert!(self.loads.is_empty(), "a load never ends");
        if self.modelled.failure().is_none() {
            assert_eq!(self.modelled.undecided(), 0);
            self.modelled.fs.safely(|| self.modelled.check_loads());
        }
        self.modelled.fs.hold();
    }

    fn reopen(self, reopening: Reopening) -> Self {
        let Self {
            modelled,
            term,
            boot,
            ..
        } = self;
        let mut candidates = modelled.possible().to_vec();
        let mut fs = match reopening.crash {
            Some(crash) => modelled.fs.crash(crash),
            None => modelled.fs.restart(),
        };
        let settings = settings(reopening.settings);
        let open =
            |fs: &MemFs, candidates: &[MemoryLog]| Modelled::open(fs.clone(), settings, candidates);
        match reopening.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::PowerFails(at, _) => fs.crash_at(usize::from(at)),
            Meanwhile::Fails(at) => fs.fail_at(usize::from(at)),
        }
        if !matches!(reopening.meanwhile, Meanwhile::Nothing) {
            match (open(&fs, &candidates), reopening.meanwhile) {
                // What was found has to stay: others were told.
                (Some(Ok(found)), _) => {
                    candidates = found.possible().to_vec();
                    fs = fs.kill();
                }
                (None, Meanwhile::PowerFails(_, crash)) => fs = fs.crash(crash),
                (Some(Err(_)), Meanwhile::Fails(_)) => fs = fs.restart(),
                (opened, meanwhile) => panic!("{meanwhile:?}: {:?}", opened.map(|_| ())),
            }
        }
        let modelled = open(&fs, &candidates).unwrap().unwrap();
        modelled.fs.hold();
        Self {
            modelled,
            loads: Vec::new(),
            term,
            boot: boot + 1,
        }
    }
}

impl Draft {
    /// The write, at the end of this log, in this term, without its hard state.
    fn spec(self, model: &MemoryLog, term: u64) -> Spec {
        let before = model.recovered();
        let snapshot = before.snapshot.map_or(0, |mark| mark.last.index.get());
        let last = before.last.get();
        let removed = self.back.map(u64::from);
        let truncate_from = removed.map(|back| (last + 1).saturating_sub(back));
        let truncate_from = truncate_from.filter(|from| *from > snapshot);
        let mut next = truncate_from.unwrap_or(last + 1);
        let mut append = Vec::new();
        for lengths in self.chunks.iter().filter(|lengths| !lengths.is_empty()) {
            let lengths: Vec<usize> = lengths.iter().map(|length| usize::from(*length)).collect();
            append.push(chunk(term, next, &lengths));
            next += lengths.len() as u64;
        }
        if let Some(last) = append.last_mut().filter(|_| self.ids_only) {
            *last = last.ids_only(crc32c::crc32c_append);
        }
        if self.configuration {
            append.push(configuration_chunk(term, next, "anywhere"));
            next += 1;
        }
        let to = self
            .snapshot
            .map(|back| (next + 1).saturating_sub(back.into()));
        let to = to.filter(|to| *to > snapshot);
        let compacted = to.unwrap_or(snapshot) + 1;
        let drop_before = self.drop_before.map(u64::from);
        let drop_before = drop_before.map_or(0, |back| compacted.saturating_sub(back));
        Spec {
            truncate_from: truncate_from.map(LogIndex::new),
            append,
            snapshot: to.map(|to| mark(term, to)),
            drop_before: LogIndex::new(drop_before),
            identity: self
                .identity
                .map(|length| Bytes::from(vec![length as u8; length.into()])),
            ..Spec::default()
        }
    }
}

impl Expected {
    /// Clauses 7 and 8: what there was when it was asked for, from the first of the range on, at least one
    /// entry, and no more bytes than that has, or were asked for.
    fn check(&self, found: Result<Vec<Chunk>, LogError>, may_fail: bool) {
        let (found, model) = match (found, &self.model) {
            (Ok(found), Ok(model)) => (found, model),
            (Err(found), Err(expected)) => return assert_eq!(found, *expected),
            (Err(LogError::Storage { .. }), Ok(_)) if may_fail => return,
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        };
        let (found_entries, model_entries): (Entries, Entries) = (entries(&found), entries(model));
        assert!(
            model_entries.starts_with(&found_entries),
            "{found_entries:?}, not {model_entries:?}"
        );
        assert_eq!(found.is_empty(), model.is_empty());
        let bytes: usize = found.iter().map(Chunk::payload_bytes).sum();
        let is_one = found_entries.len() == 1;
        assert!(is_one || bytes <= self.max_bytes, "{bytes} bytes");
    }
}

/// Settings as different as they may be.
fn settings(which: u8) -> WalSettings {
    let block_bytes = [256, 256, 512, 4_096][usize::from(which % 4)];
    let segment_bytes = [2_048, 256, 5_000, 20_000][usize::from(which / 4 % 4)];
    WalSettings {
        segment_bytes: segment_bytes.max(u64::from(block_bytes)),
        block_bytes,
        spare_segments: u32::from(which / 16 % 4),
        groups_in_flight: 1 + u32::from(which / 64),
        // An existing log keeps its own.
        log_id: SETTINGS.log_id ^ u64::from(which),
    }
}
