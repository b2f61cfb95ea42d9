//! Whole worlds of real nodes whose plans are the fuzzer's bytes: what coverage finds interesting
//! decides which faults strike when.
//!
//! A failure prints its plan; saved as a file, `raft-sim shrink --plan FILE` makes it small.
#![no_main]

use std::sync::Once;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use raft_sim::plan::Plan;
use raft_sim::sim::run_plan_within;
use raft_sim::world::Bounds;

fuzz_target!(|bytes: &[u8]| {
    // A world catches the panics of its nodes and calls them violations. libfuzzer would abort at
    // the panic itself, before the plan is told.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    });
    let plan = Plan::from_bytes(bytes);
    let bounds = Bounds {
        until: Duration::from_secs(120),
        events: 200_000,
        ..Bounds::default()
    };
    let outcome = run_plan_within(plan.clone(), bounds);
    if let Some(violation) = outcome.violation {
        eprintln!("{violation}\n{}", plan.to_text());
        std::process::abort();
    }
});
