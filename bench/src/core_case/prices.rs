//! What a further follower costs, and a byte of payload.

use super::{Load, MEMCPY, System, round_of};
use crate::clusters::Failure;
use crate::meter::median;
use crate::report::Figure;

/// A proposal's nanoseconds, round by round.
type Rounds = Vec<f64>;

/// Measures Quorate with several numbers of voters and several payloads, in alternated rounds.
pub(super) fn measure(rounds: u32, at: usize) -> Result<Vec<Figure>, Failure> {
    let quorate = |payload, voters| (System::Quorate, Load::of(payload, voters, at));
    let followers = VOTERS.map(|voters| quorate(USUAL, voters));
    let payloads = PAYLOADS.map(|payload| quorate(payload, 3));
    let copies = PAYLOADS.map(|payload| (System::Copies, Load::of(payload, 3, at)));
    let summed = PAYLOADS.map(|payload| (System::SummedCopies, Load::of(payload, 3, at)));
    let [mut by_voters, mut by_payload, mut copied, mut both] =
        [VOTERS.len(), PAYLOADS.len(), PAYLOADS.len(), PAYLOADS.len()]
            .map(|count| vec![Rounds::new(); count]);
    let mut empty = [Rounds::new()];
    for number in 0..=rounds {
        // The first round warms up the process.
        let counts = number > 0;
        take(&[quorate(0, 3)], &mut empty, counts)?;
        take(&followers, &mut by_voters, counts)?;
        take(&payloads, &mut by_payload, counts)?;
        take(&copies, &mut copied, counts)?;
        take(&summed, &mut both, counts)?;
    }
    let mut figures = of_followers(at, &by_voters);
    let [empty] = empty;
    figures.push(Figure {
        case: format!("3 voters, 0 B, {at} at a time"),
        system: "quorate".to_owned(),
        value: median(empty.clone()),
        unit: "ns/proposal",
    });
    for (which, payload) in PAYLOADS.into_iter().enumerate() {
        let [taken, copied, both] =
            [&by_payload, &copied, &both].map(|rounds| rounds[which].as_slice());
        figures.extend(of_bytes((payload, at), (&empty, taken), (copied, both)));
    }
    Ok(figures)
}

/// How the figures were come by.
pub(super) fn notes(rounds: u32) -> Vec<String> {
    vec![
        format!("all nodes in one thread, CPU time; medians of {rounds} alternated rounds"),
        "a further follower: the difference between two numbers of voters in the same round, \
         by the followers that one has more"
            .to_owned(),
        "a byte: what the payload adds to an empty proposal in the same round, by its bytes, on \
         all three nodes; as a multiple of what a byte of the same payloads costs to copy once"
            .to_owned(),
        MEMCPY.to_owned(),
    ]
}

/// One round of each.
fn take(loads: &[(System, Load)], rounds: &mut [Rounds], counts: bool) -> Result<(), Failure> {
    for ((system, load), rounds) in loads.iter().zip(rounds) {
        let cost = round_of(*system, load)?;
        if counts {
            rounds.push(load.each(&cost));
        }
    }
    Ok(())
}

fn of_followers(at: usize, by_voters: &[Rounds]) -> Vec<Figure> {
    let figure = |voters: &str, system: &str, value| Figure {
        case: format!("{voters} voters, {USUAL} B, {at} at a time"),
        system: system.to_owned(),
        value,
        unit: "ns/proposal",
    };
    let mut figures = Vec::new();
    for (voters, rounds) in VOTERS.iter().zip(by_voters) {
        figures.push(figure(
            &voters.to_string(),
            "quorate",
            median(rounds.clone()),
        ));
    }
    for (voters, rounds) in VOTERS.windows(2).zip(by_voters.windows(2)) {
        let (&[fewer, more], [before, after]) = (voters, rounds) else {
            continue;
        };
        let each = per(before, after, |fewer_cost, cost| {
            (cost - fewer_cost) / (more - fewer) as f64
        });
        let from = format!("{fewer} to {more}");
        figures.push(figure(&from, "each further follower", each));
    }
    figures
}

fn of_bytes(
    (payload, at): (usize, usize),
    (empty, taken): (&[f64], &[f64]),
    (copied, both): (&[f64], &[f64]),
) -> Vec<Figure> {
    let figure = |system: &str, value, unit| Figure {
        case: format!("3 voters, {payload} B, {at} at a time"),
        system: system.to_owned(),
        value,
        unit,
    };
    let added: Rounds = empty
        .iter()
        .zip(taken)
        .map(|(no, some)| some - no)
        .collect();
    let share = |copy: &[f64]| per(copy, &added, |copy, added| added / copy);
    let byte = median(added.clone()) / payload as f64;
    vec![
        figure("quorate", median(taken.to_vec()), "ns/proposal"),
        figure("each byte of payload", byte, "ns/byte"),
        figure("each byte of payload", share(copied), "of a memcpy"),
        figure(
            "each byte of payload",
            share(both),
            "of a memcpy and CRC-32C",
        ),
    ]
}

/// The median of what two figures of the same round make together.
fn per(one: &[f64], other: &[f64], together: impl Fn(f64, f64) -> f64) -> f64 {
    let rounds = one.iter().zip(other);
    median(rounds.map(|(one, other)| together(*one, *other)).collect())
}

/// The bytes of payload with which followers are counted.
const USUAL: usize = 256;

/// The numbers of voters that are compared.
const VOTERS: [u64; 3] = [3, 5, 7];

/// The payloads that are compared with an empty one.
const PAYLOADS: [usize; 3] = [64, 256, 4096];
