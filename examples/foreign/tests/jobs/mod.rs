//! The job queue over its own log, as worlds run it.

use std::time::Duration;

use bytes::Bytes;
use job_queue::log::{FileLog, Flaw};
use job_queue::queue::JobQueue;
use quorate::raft_sim::lot::Lot;
use quorate::raft_sim::sim::Sim;

/// Three workers and forty jobs; the log makes this mistake, if any.
pub fn jobs(flaw: Option<Flaw>) -> Sim {
    Sim::machine_with_state(JobQueue::default, command, |queue| queue.state().into())
        .log(move |disk| FileLog::open_with(disk, flaw))
        .lasting(Duration::from_secs(20))
}

/// Something that a worker asks.
pub fn command(lot: &mut Lot) -> Bytes {
    let (job, worker) = (lot.below(40), lot.below(3));
    let text = match lot.below(3) {
        0 => format!("push job{job}"),
        1 => format!("take worker{worker}"),
        _ => format!("done worker{worker} job{job}"),
    };
    text.into()
}
