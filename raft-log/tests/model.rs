//! Random lives of a log, compared with [`raft_core::log::memory::MemoryLog`].

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_log::WalSettings;
use support::modelled::{Modelled, Spec};
use support::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Draft),
    Poll,
    Release,
    Load,
    /// Lets everything become durable, and the log fall idle.
    Rest,
    Crash(Crash),
    Kill,
}

/// A write whose positions are counted from where the log happens to end.
#[derive(Clone, Debug)]
struct Draft {
    back: Option<u64>,
    chunks: Vec<Vec<usize>>,
    configuration: bool,
    snapshot: Option<u64>,
    drop_before: bool,
    vote: Option<u64>,
    identity: Option<Vec<u8>>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let length = prop_oneof![20 => 0..50usize, 5 => 0..700usize, 1 => 3000..5000usize];
    let chunks = prop::collection::vec(prop::collection::vec(length, 1..4), 0..3);
    let rarely = |strategy: std::ops::Range<u64>| prop::option::weighted(0.2, strategy);
    let identity = prop::option::weighted(0.1, prop::collection::vec(any::<u8>(), 0..300));
    (
        rarely(0..6),
        chunks,
        prop::bool::weighted(0.1),
        rarely(0..8),
        any::<bool>(),
        prop::option::of(1..4u64),
        identity,
    )
        .prop_map(
            |(back, chunks, configuration, snapshot, drop_before, vote, identity)| Draft {
                back,
                chunks,
                configuration,
                snapshot,
                drop_before,
                vote,
                identity,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let crash = prop_oneof![
        Just(Crash::KeepAll),
        Just(Crash::LoseAll),
        any::<u64>().prop_map(Crash::Some),
        any::<u64>().prop_map(Crash::Some),
    ];
    prop_oneof![
        10 => draft().prop_map(Step::Write),
        6 => Just(Step::Poll),
        4 => Just(Step::Release),
        1 => Just(Step::Load),
        1 => Just(Step::Rest),
        1 => crash.prop_map(Step::Crash),
        1 => Just(Step::Kill),
    ]
}

impl Draft {
    /// The write, at the end of this log, in this term.
    fn spec(self, model: &MemoryLog, term: u64) -> Spec {
        let before = model.recovered();
        let snapshot = before.snapshot.map_or(0, |mark| mark.last.index.get());
        let last = before.last.get();
        let truncate_from = self.back.map(|back| (last + 1).saturating_sub(back));
        let truncate_from = truncate_from.filter(|from| *from > snapshot);
        let mut next = truncate_from.unwrap_or(last + 1);
        let mut append = Vec::new();
        for lengths in self.chunks {
            append.push(chunk(term, next, &lengths));
            next += lengths.len() as u64;
        }
        if self.configuration {
            append.push(configuration_chunk(term, next, "anywhere"));
            next += 1;
        }
        let to = self.snapshot.map(|back| next.saturating_sub(back));
        let to = to.filter(|to| *to > snapshot);
        Spec {
            hard: hard(1, term, self.vote),
            truncate_from: truncate_from.map(LogIndex::new),
            append,
            snapshot: to.map(|to| mark(term, to)),
            drop_before: LogIndex::new(if self.drop_before {
                to.map_or(0, |to| to + 1)
            } else {
                0
            }),
            identity: self.identity.map(Bytes::from),
        }
    }
}

fn live(steps: Vec<Step>, settings: WalSettings) {
    let mut life = Modelled::open(MemFs::new(), settings, &[MemoryLog::new()])
        .unwrap()
        .unwrap();
    life.fs.hold();
    for (step, term) in steps.into_iter().zip(1..) {
        match step {
            Step::Write(draft) => {
                let spec = draft.spec(life.newest(), term);
                life.begin(&spec);
            }
            Step::Poll => life.poll(),
            Step::Release => life.fs.release(),
            Step::Load => life.check_loads_held(),
            Step::Rest => life.rest(),
            Step::Crash(crash) => {
                life = life.crash(crash);
                life.fs.hold();
            }
            Step::Kill => {
                life = life.kill();
                life.fs.hold();
            }
        }
    }
    life.rest();
    assert_eq!(life.undecided(), 0);
    life.crash(Crash::LoseAll);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_crash_leaves_is_a_state_between_the_last_durable_and_the_last_begun(
        steps in prop::collection::vec(step(), 1..80),
        spare_segments in 0..3_u32,
        groups_in_flight in 1..4_u32,
    ) {
        live(steps, WalSettings { spare_segments, groups_in_flight, ..SETTINGS });
    }
}
