//! A life of a write-ahead log beside its model: writes of every kind, polls, loads, answers of the disk
//! in any order, failures, crashes in the middle of anything, and openings with other settings.
//!
//! What must hold is the model's to say (`raft-log/tests/support/operations.rs`), which the property test
//! `model.rs` of that crate draws at random.
#![no_main]

#[path = "../../raft-log/tests/support/mod.rs"]
mod support;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use support::Crash;
use support::operations::{Draft, Impossible, Meanwhile, Reopening, Span, Step, live};

fuzz_target!(|life: Life| live(life.0));

/// All steps of one life.
#[derive(Debug)]
struct Life(Vec<Step>);

impl<'a> Arbitrary<'a> for Life {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut steps = Vec::new();
        while !bytes.is_empty() && steps.len() < MOST_STEPS {
            steps.push(step(bytes)?);
        }
        Ok(Self(steps))
    }
}

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match u8::arbitrary(bytes)? % 16 {
        0..=4 => Step::Write(draft(bytes)?),
        5..=7 => Step::Poll,
        8 => Step::Answer,
        9 => Step::AnswerSome(u16::arbitrary(bytes)?.into()),
        10 => Step::Load(Span {
            first: u8::arbitrary(bytes)? % 64,
            count: u8::arbitrary(bytes)?,
            max_bytes: u16::arbitrary(bytes)? % 4_096,
        }),
        11 => Step::Rest,
        12 => Step::Fail(u8::arbitrary(bytes)? % 16),
        13 => Step::Impossible(match bool::arbitrary(bytes)? {
            true => Impossible::Gap,
            false => Impossible::IntoSnapshot,
        }),
        _ => Step::Reopen(Reopening {
            crash: match bool::arbitrary(bytes)? {
                true => Some(crash(bytes)?),
                false => None,
            },
            meanwhile: match u8::arbitrary(bytes)? % 4 {
                0 => Meanwhile::PowerFails(u8::arbitrary(bytes)? % 32, crash(bytes)?),
                1 => Meanwhile::Fails(u8::arbitrary(bytes)? % 32),
                _ => Meanwhile::Nothing,
            },
            settings: u8::arbitrary(bytes)?,
        }),
    })
}

fn crash(bytes: &mut Unstructured<'_>) -> Result<Crash> {
    Ok(match u16::arbitrary(bytes)? {
        0 => Crash::LoseAll,
        1 => Crash::KeepAll,
        seed => Crash::Some(seed.into()),
    })
}

/// A byte says what is in it, so that most of what a write can have costs the fuzzer nothing.
fn draft(bytes: &mut Unstructured<'_>) -> Result<Draft> {
    let shape = u8::arbitrary(bytes)?;
    let mut position = |bit: u8, most: u8| -> Result<Option<u8>> {
        match shape & bit {
            0 => Ok(None),
            _ => Ok(Some(u8::arbitrary(bytes)? % most)),
        }
    };
    let (back, snapshot) = (position(1, 8)?, position(2, 10)?);
    let (drop_before, vote) = (position(4, 4)?, position(8, 4)?);
    let chunks = match shape & 16 {
        0 => Vec::new(),
        _ => chunks(bytes)?,
    };
    let identity = match shape & 128 {
        0 => None,
        _ => Some(u16::arbitrary(bytes)? % 300),
    };
    let odd = u8::arbitrary(bytes)?;
    Ok(Draft {
        term: shape & 32 != 0,
        vote,
        back,
        chunks,
        ids_only: odd % 16 == 1,
        configuration: shape & 64 != 0,
        snapshot,
        drop_before,
        identity,
    })
}

/// One to three chunks, of one to three commands each.
fn chunks(bytes: &mut Unstructured<'_>) -> Result<Vec<Vec<u16>>> {
    let shape = u8::arbitrary(bytes)?;
    let lengths = |count: u8, bytes: &mut Unstructured<'_>| -> Result<Vec<u16>> {
        let one = |_| Ok(u16::from(u8::arbitrary(bytes)?).pow(2) / 13);
        (0..=count % 3).map(one).collect()
    };
    (0..=shape % 3)
        .map(|number| lengths(shape >> (2 + 2 * number), bytes))
        .collect()
}

/// Longer lives take long and show little more.
const MOST_STEPS: usize = 300;
