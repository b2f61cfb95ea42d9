//! The run itself: feed the lines, kill the leader in between, and measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate::{AppClient, Client};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::Failure;
use crate::app::{Lines, PutLine};
use crate::fleet::Fleet;
use crate::report::Report;
use crate::text::Text;

/// How the run goes.
pub(crate) struct Plan {
    /// Commands in flight.
    pub(crate) in_flight: usize,
    /// At which percentage of acknowledged commands the leader is killed.
    pub(crate) kill_at: u64,
}

/// Does all of it.
pub(crate) async fn run(text: &Text, plan: &Plan) -> Result<Report, Failure> {
    let mut fleet = Fleet::start().await?;
    let client = Client::connect(fleet.addresses().iter().cloned()).await?;
    let first_leader = fleet.leader().await?;
    eprintln!(
        "three nodes are up, node {} leads; {} lines of {}",
        first_leader + 1,
        text.lines.len(),
        text.source
    );
    let feed = Arc::new(Feed::new(&text.lines, plan.kill_at));
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..plan.in_flight {
        workers.spawn(Arc::clone(&feed).work(client.of_app()?));
    }
    let outage = strike(&mut fleet, &feed, begin).await?;
    let mut latencies = Vec::with_capacity(text.lines.len());
    while let Some(worked) = workers.join_next().await {
        latencies.append(&mut worked??);
    }
    let elapsed = begin.elapsed();
    let nodes = fleet.agree().await?;
    fleet.end().await?;
    latencies.sort_unstable();
    Ok(Report {
        source: text.source.clone(),
        lines: text.lines.len() as u64,
        expected: text.expected.clone(),
        elapsed,
        outage,
        latencies,
        in_flight: plan.in_flight,
        nodes,
    })
}

/// What happened to the leader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// Which node led.
    pub(crate) killed: usize,
    /// Lines acknowledged by then.
    pub(crate) acknowledged: usize,
    /// When, from the first line on.
    pub(crate) after: Duration,
    /// From the kill until a survivor led.
    pub(crate) leaderless: Duration,
}

/// Kills the leader when it is time, and starts it again when another leads.
async fn strike(fleet: &mut Fleet, feed: &Feed, begin: Instant) -> Result<Outage, Failure> {
    feed.time_to_strike().await;
    let leader = fleet.leader().await?;
    fleet.kill(leader).await?;
    let killed = Instant::now();
    let acknowledged = feed.acknowledged.load(Ordering::Relaxed);
    feed.release();
    let next = fleet.leader().await?;
    let leaderless = killed.elapsed();
    eprintln!(
        "killed node {} after {acknowledged} lines; node {} leads {leaderless:.1?} later",
        leader + 1,
        next + 1
    );
    fleet.restart(leader).await?;
    Ok(Outage {
        killed: leader + 1,
        acknowledged,
        after: killed - begin,
        leaderless,
    })
}

/// Lines to submit and how far it has come.
struct Feed {
    lines: Vec<Bytes>,
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    /// So many acknowledged lines are the time to strike.
    strike_at: usize,
    strike: Notify,
    /// How many lines may be submitted: the last tenth only after the strike.
    open: watch::Sender<usize>,
}

impl Feed {
    fn new(lines: &[Bytes], percent: u64) -> Self {
        let percent = usize::try_from(percent).unwrap_or(50);
        Self {
            lines: lines.to_vec(),
            next: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            strike_at: lines.len() * percent / 100,
            strike: Notify::new(),
            open: watch::channel(lines.len() * 9 / 10).0,
        }
    }

    /// Submits one line after the other until there are no more; returns how long each took.
    async fn work(self: Arc<Self>, client: AppClient<Lines>) -> Result<Vec<Duration>, Failure> {
        let mut latencies = Vec::new();
        let mut open = self.open.subscribe();
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(content) = self.lines.get(place) else {
                return Ok(latencies);
            };
            open.wait_for(|open| place < *open).await?;
            let line = PutLine {
                number: place as u64,
                content: content.clone(),
            };
            let begin = Instant::now();
            let times = client.submit(line).await?;
            latencies.push(begin.elapsed());
            if times != 1 {
                return Err(format!("line {place} was applied {times} times").into());
            }
            let acknowledged = self.acknowledged.fetch_add(1, Ordering::Relaxed) + 1;
            if acknowledged == self.strike_at {
                self.strike.notify_one();
            }
        }
    }

    async fn time_to_strike(&self) {
        if self.strike_at > 0 {
            self.strike.notified().await;
        }
    }

    fn release(&self) {
        self.open.send_replace(self.lines.len());
    }
}
