//! Makes what is left calmer: defaults instead of drawn values, one field at a time; shorter spans;
//! faults that do less; events that come sooner.

use std::time::Duration;

use raft_core::configuration::DEFAULT_PRIORITY;

use super::attempt::Attempts;
use crate::nemesis::{Fault, Loss, Occasion};
use crate::plan::{Codecs, Delay, Families, Fate, Limits, Plan, Quirks};

/// Puts calm defaults, one field at a time, and lets faults do less.
pub(super) fn calm(attempts: &mut Attempts<'_>) {
    // Often nothing of it matters.
    if !attempts.change(|plan| FIELDS.iter().for_each(|field| field(plan))) {
        for field in FIELDS {
            attempts.change_with_luck(1, field);
        }
    }
    for sync in [EVEN_SYNC, even(attempts.plan().disk.sync)] {
        if attempts.change_with_luck(2, |plan| plan.disk.sync = sync) {
            break;
        }
    }
    for place in 0..attempts.plan().faults.len() {
        for milder in MILDER {
            change_fault(attempts, place, milder);
        }
    }
}

/// Lets all messages take the same time, and arrive once.
pub(super) fn calm_network(attempts: &mut Attempts<'_>, luck: u64) {
    if attempts.size().is_spelled_out {
        return;
    }
    for delay in delays(attempts.plan()) {
        let calmed = attempts.change_with_luck(luck / 2, |plan| {
            let network = &mut plan.network;
            network.drop_per_mille = 0;
            network.double_per_mille = 0;
            network.straggle_per_mille = 0;
            network.slow_kind = None;
            network.delay = delay;
        });
        if calmed {
            return;
        }
    }
    for field in FIELDS.iter().take(6) {
        attempts.change_with_luck(luck / 8, field);
    }
    let delay = even(attempts.plan().network.delay);
    attempts.change_with_luck(luck / 4, |plan| plan.network.delay = delay);
}

/// Halves spans, and lets later events come sooner.
pub(super) fn shorten(attempts: &mut Attempts<'_>) {
    attempts.change(|plan| plan.duration /= 2);
    let most = attempts.plan().faults.len();
    for place in 0..most {
        for span in 0..SPANS {
            for _ in 0..HALVINGS {
                let halved = change_fault(attempts, place, |fault, delay| {
                    if let Some(span) = fault.spans_mut().into_iter().chain([delay]).nth(span) {
                        *span /= 2;
                    }
                });
                if !halved {
                    break;
                }
            }
        }
    }
    pull(attempts);
}

/// Lets all that comes after a pause come sooner.
fn pull(attempts: &mut Attempts<'_>) {
    let mut times = times_of(attempts.plan());
    times.push(attempts.plan().duration);
    let mut before = Duration::ZERO;
    let mut place = 0;
    while let Some(&at) = times.get(place) {
        let gap = at.saturating_sub(before);
        let mut pulled = false;
        for by in [gap, gap * 3 / 4, gap / 2, gap / 4] {
            if by < LEAST_PULL {
                break;
            }
            if attempts.change(|plan| come_sooner(plan, at, by)) {
                pulled = true;
                break;
            }
        }
        if pulled {
            times = times_of(attempts.plan());
            times.push(attempts.plan().duration);
        }
        before = times.get(place).copied().unwrap_or(at);
        place += 1;
    }
}

/// The times at which a plan lets something happen, each once.
fn times_of(plan: &Plan) -> Vec<Duration> {
    let operations = plan.operations.iter().map(|operation| operation.at);
    let faults = plan.faults.iter().map(|fault| fault.at);
    let mut times: Vec<Duration> = operations.chain(faults).collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn come_sooner(plan: &mut Plan, from: Duration, by: Duration) {
    let operations = plan
        .operations
        .iter_mut()
        .map(|operation| &mut operation.at);
    let faults = plan.faults.iter_mut().map(|fault| &mut fault.at);
    for at in operations.chain(faults).chain([&mut plan.duration]) {
        if *at >= from {
            *at = at.saturating_sub(by);
        }
    }
}

/// Makes the plan easy to read: round times, and no word of what does not matter.
pub(super) fn tidy(attempts: &mut Attempts<'_>) {
    attempts.change(|plan| plan.families = Families::default());
    for unit in UNITS {
        if attempts.change(|plan| {
            spans_of(plan)
                .into_iter()
                .for_each(|span| round(span, unit));
        }) {
            return;
        }
    }
    for unit in UNITS {
        if attempts.change(|plan| round_delay(plan, unit)) {
            break;
        }
    }
    let count = spans_of(&mut attempts.plan().clone()).len();
    for place in 0..count {
        for unit in UNITS {
            let rounded = attempts.change(|plan| {
                if let Some(span) = spans_of(plan).into_iter().nth(place) {
                    round(span, unit);
                }
            });
            if rounded {
                break;
            }
        }
    }
}

/// The spans of a plan that a reader stumbles over.
fn spans_of(plan: &mut Plan) -> Vec<&mut Duration> {
    let tuning = &mut plan.tuning;
    let mut spans = vec![
        &mut plan.duration,
        &mut tuning.election_timeout,
        &mut tuning.heartbeat_interval,
        &mut tuning.resend_after,
        &mut tuning.stalled_write_after,
        &mut tuning.request_timeout,
    ];
    spans.extend(&mut tuning.quiescent_after);
    spans.extend(&mut tuning.hand_over_after);
    spans.extend(plan.clients.iter_mut().map(|client| &mut client.patience));
    spans.extend(
        plan.operations
            .iter_mut()
            .map(|operation| &mut operation.at),
    );
    for fault in &mut plan.faults {
        spans.push(&mut fault.at);
        spans.push(&mut fault.delay);
        spans.extend(fault.fault.spans_mut());
    }
    for fate in &mut plan.fates {
        match &mut fate.fate {
            Fate::Lost => {}
            Fate::Takes(delay) => spans.push(delay),
            Fate::Twice(delay, again) => spans.extend([delay, again]),
        }
    }
    spans
}

/// Rounds what messages take, if all take the same.
fn round_delay(plan: &mut Plan, unit: Duration) {
    if let Delay::Even(least, most) = &mut plan.network.delay {
        if least == most && *least > unit {
            round(least, unit);
            *most = *least;
        }
    }
}

fn round(span: &mut Duration, unit: Duration) {
    let unit = unit.as_nanos().max(1);
    let whole = (span.as_nanos() + unit / 2) / unit * unit;
    *span = Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX));
}

/// Changes one fault, and how long after its occasion it strikes.
fn change_fault(
    attempts: &mut Attempts<'_>,
    place: usize,
    change: impl FnOnce(&mut Fault, &mut Duration),
) -> bool {
    attempts.change(|plan| {
        if let Some(planned) = plan.faults.get_mut(place) {
            change(&mut planned.fault, &mut planned.delay);
            if planned.occasion == Occasion::None {
                planned.delay = Duration::ZERO;
            }
        }
    })
}

/// Equal delays to try: about what it is, and quick ones.
fn delays(plan: &Plan) -> [Delay; 3] {
    let quick = plan.tuning.election_timeout / 50;
    let slow = plan.tuning.election_timeout / 10;
    [
        Delay::Even(quick, quick),
        even(plan.network.delay),
        Delay::Even(slow, slow),
    ]
}

/// A delay that is always the same, about as long.
pub(super) fn even(delay: Delay) -> Delay {
    let about = match delay {
        Delay::Even(least, most) => (least + most) / 2,
        Delay::LongTailed(mean) => mean,
        Delay::Two(common, ..) => common,
    };
    Delay::Even(about, about)
}

/// What is calm, field by field.
const FIELDS: [fn(&mut Plan); 37] = [
    |plan| plan.network.drop_per_mille = 0,
    |plan| plan.network.double_per_mille = 0,
    |plan| plan.network.straggle_per_mille = 0,
    |plan| plan.network.slow_kind = None,
    |plan| plan.network.redial_per_mille = 0,
    |plan| plan.network.loss_hints = false,
    |plan| plan.network.lane_bytes = 1 << 20,
    |plan| plan.disk.slow = None,
    |plan| plan.disk.other_most = Duration::ZERO,
    |plan| plan.disk.sector_bytes = 4096,
    |plan| plan.nodes.iter_mut().for_each(|node| node.clock_drift = 0),
    |plan| {
        plan.nodes
            .iter_mut()
            .for_each(|node| node.clock_offset = Duration::ZERO);
    },
    |plan| {
        plan.nodes
            .iter_mut()
            .for_each(|node| node.start = Duration::ZERO);
    },
    |plan| {
        plan.clients
            .iter_mut()
            .for_each(|client| client.lasting = false);
    },
    |plan| {
        plan.nodes
            .iter_mut()
            .for_each(|node| node.in_memory = false);
    },
    |plan| {
        let priority = DEFAULT_PRIORITY;
        plan.nodes
            .iter_mut()
            .for_each(|node| node.priority = priority);
        plan.tuning.hand_over_after = None;
    },
    |plan| plan.tuning.differ = false,
    |plan| plan.tuning.quiescent_after = None,
    |plan| plan.tuning.lease = None,
    |plan| {
        plan.tuning.pre_vote = false;
        plan.tuning.lease = None;
    },
    |plan| plan.tuning.max_writes_in_flight = 4,
    |plan| {
        plan.tuning.max_append_bytes = 1 << 20;
        plan.tuning.max_bytes_in_flight = 64 << 20;
        plan.tuning.max_memory_bytes = 256 << 20;
        plan.tuning.max_appends_in_flight = 64;
    },
    |plan| plan.tuning.max_cached_bytes = 16 << 20,
    |plan| plan.tuning.max_memory_bytes = 256 << 20,
    |plan| plan.tuning.max_applying_bytes = 4 << 20,
    |plan| plan.tuning.stalled_write_after = plan.tuning.election_timeout * 5,
    |plan| plan.tuning.resend_after = plan.tuning.heartbeat_interval * 3,
    |plan| {
        plan.tuning.max_sessions = 4_096;
        plan.tuning.max_answers = 65_536;
    },
    |plan| plan.tuning.idle_time = None,
    |plan| plan.tuning.segment_bytes = 64 << 10,
    |plan| plan.quirks = Quirks::default(),
    |plan| plan.disk.any_order = false,
    |plan| plan.codecs = Codecs::default(),
    |plan| plan.tuning.limits = Limits::default(),
    |plan| plan.ending.all = true,
    |plan| plan.ending.blackout = None,
    |plan| plan.ending.rests = 0,
];

/// How a fault does less.
const MILDER: [fn(&mut Fault, &mut Duration); 4] = [
    |_, delay| *delay = Duration::ZERO,
    |fault, _| match fault {
        Fault::Crash { loss, .. } | Fault::Blackout { loss, .. } => *loss = Loss::Process,
        _ => {}
    },
    |fault, _| match fault {
        Fault::Crash { loss, .. } | Fault::Blackout { loss, .. } if *loss != Loss::Process => {
            *loss = Loss::All;
        }
        _ => {}
    },
    |fault, _| match fault {
        Fault::Crash { rot, .. } => *rot = false,
        Fault::Cut { held, flap, .. } => {
            *held = false;
            *flap = None;
        }
        Fault::Storm { late, .. } => *late = Duration::ZERO,
        Fault::Wipe { beyond, .. } => *beyond = false,
        _ => {}
    },
];

/// A quick disk.
const EVEN_SYNC: Delay = Delay::Even(Duration::from_millis(1), Duration::from_millis(1));

/// The most spans of one fault, the one before it strikes included.
const SPANS: usize = 3;

/// How often a span is halved in one round.
const HALVINGS: u32 = 4;

/// Pauses that are not worth shortening.
const LEAST_PULL: Duration = Duration::from_millis(5);

/// To what times are rounded, the coarsest first.
const UNITS: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(10),
    Duration::from_millis(1),
];
