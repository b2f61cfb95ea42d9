//! Random lives of a log, compared with [`raft_core::log::memory::MemoryLog`].

mod support;

use proptest::prelude::*;
use support::Crash;
use support::operations::{Draft, Impossible, Meanwhile, Reopening, Span, Step, live};

fn draft() -> impl Strategy<Value = Draft> {
    let length = prop_oneof![20 => 0..50_u16, 5 => 0..700_u16, 1 => 3000..5000_u16];
    let chunks = prop::collection::vec(prop::collection::vec(length, 1..4), 0..3);
    let rarely = |range: std::ops::Range<u8>| prop::option::weighted(0.2, range);
    let positions = (rarely(0..6), rarely(0..10), rarely(0..4));
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    (
        flags,
        prop::option::of(1..4_u8),
        positions,
        chunks,
        prop::option::weighted(0.1, 0..300_u16),
    )
        .prop_map(|(flags, vote, positions, chunks, identity)| {
            let (term, ids_only, configuration) = flags;
            let (back, snapshot, drop_before) = positions;
            Draft {
                term,
                vote,
                back,
                chunks,
                ids_only,
                configuration,
                snapshot,
                drop_before,
                identity,
            }
        })
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![
        Just(Crash::KeepAll),
        Just(Crash::LoseAll),
        any::<u64>().prop_map(Crash::Some),
        any::<u64>().prop_map(Crash::Some),
    ]
}

fn reopening() -> impl Strategy<Value = Reopening> {
    let meanwhile = prop_oneof![
        2 => Just(Meanwhile::Nothing),
        1 => (0..20_u8, crash()).prop_map(|(at, crash)| Meanwhile::PowerFails(at, crash)),
        1 => (0..20_u8).prop_map(Meanwhile::Fails),
    ];
    (prop::option::of(crash()), meanwhile, any::<u8>()).prop_map(|(crash, meanwhile, settings)| {
        Reopening {
            crash,
            meanwhile,
            settings,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let impossible = prop_oneof![Just(Impossible::Gap), Just(Impossible::IntoSnapshot)];
    let span = (0..40_u8, any::<u8>(), 0..3_000_u16);
    let span = span.prop_map(|(first, count, max_bytes)| Span {
        first,
        count,
        max_bytes,
    });
    prop_oneof![
        40 => draft().prop_map(Step::Write),
        24 => Just(Step::Poll),
        8 => Just(Step::Answer),
        8 => any::<u64>().prop_map(Step::AnswerSome),
        8 => span.prop_map(Step::Load),
        4 => Just(Step::Rest),
        1 => impossible.prop_map(Step::Impossible),
        2 => (0..12_u8).prop_map(Step::Fail),
        6 => reopening().prop_map(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_crash_leaves_is_a_state_between_the_last_durable_and_the_last_begun(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        live(steps);
    }
}
