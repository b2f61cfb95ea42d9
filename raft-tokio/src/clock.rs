//! The monotonic clock of this process, and the one timer that a driver needs.
//!
//! Wall time appears nowhere: it jumps, and nothing in Raft needs it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use raft_core::time::Time;
use raft_node::clock::Clock;
use tokio::time::{Instant, Sleep, sleep_until};

/// Time since this clock was made, by the operating system's monotonic clock.
#[derive(Debug)]
pub struct TokioClock {
    origin: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl TokioClock {
    /// A clock that starts now. Must be made inside a tokio runtime with its timer enabled.
    pub fn new() -> Self {
        let origin = Instant::now();
        Self {
            origin,
            sleep: Box::pin(sleep_until(origin)),
        }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }

    fn poll_until(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = deadline.since(self.now());
            if left.is_zero() {
                return Poll::Ready(());
            }
            // A timer that goes off too early is left as it is and set again then: deadlines
            // move at every message, and setting a timer costs more than looking at it.
            let wanted = Instant::now() + left.min(LONGEST_SLEEP);
            let early = self.sleep.deadline();
            if self.sleep.is_elapsed() || early > wanted {
                self.sleep.as_mut().reset(wanted);
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Far enough to cost nothing, near enough that no instant overflows.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use raft_node::rare::Site;

    use super::*;

    #[tokio::test]
    async fn waits_until_the_deadline_also_when_it_moves() {
        let mut clock = TokioClock::new();
        let begin = clock.now();
        let far = begin.after(Duration::from_secs(10_000));
        let near = begin.after(Duration::from_millis(5));
        poll_fn(|cx| {
            assert!(clock.poll_until(far, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| clock.poll_until(near, cx)).await;
        assert!(clock.now() >= near);
    }

    #[tokio::test]
    async fn asks_for_nothing_rare() {
        let clock = TokioClock::new();
        assert!(Site::ALL.iter().all(|site| !clock.rarely(*site)));
    }
}
