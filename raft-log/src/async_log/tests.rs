//! The order of things, who is woken, and what a failure leaves. The clauses are the kit's, in raft-sim.

use std::sync::atomic::{AtomicUsize, Ordering};

use raft_core::log::{HardState, Receipt};

use super::*;

/// Each thing that it does waits until it is let through.
struct Gated(Arc<Mutex<Gate>>);

#[derive(Default)]
struct Gate {
    open: usize,
    done: Vec<&'static str>,
    waker: Option<Waker>,
    fails: bool,
}

impl Gated {
    async fn pass(&self, what: &'static str) {
        poll_fn(|cx| {
            let mut gate = locked(&self.0);
            if gate.open == 0 {
                gate.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            gate.open -= 1;
            gate.done.push(what);
            Poll::Ready(())
        })
        .await;
    }
}

#[async_trait]
impl AsyncLog for Gated {
    async fn write(&mut self, write: Write) -> Result<Durable, LogError> {
        self.pass("write").await;
        match locked(&self.0).fails {
            true => Err(broken()),
            false => Ok(write.receipt.synced()),
        }
    }

    async fn load(&mut self, _: Range<LogIndex>, _: usize) -> Result<Vec<Chunk>, LogError> {
        self.pass("load").await;
        Ok(Vec::new())
    }
}

fn broken() -> LogError {
    LogError::Storage {
        action: "write",
        detail: "broken".to_owned(),
    }
}

fn write(number: u64) -> Write {
    let receipt = Receipt::of_no_hull(number);
    Write {
        receipt,
        ..Write::of_identity(HardState::default(), Vec::new().into())
    }
}

fn everything(log: &impl Log) -> Loading {
    log.load(LogIndex::new(1)..LogIndex::new(9), 100)
}

/// Lets one thing through.
fn open(gate: &Mutex<Gate>) {
    let mut gate = locked(gate);
    gate.open += 1;
    let waker = gate.waker.take();
    drop(gate);
    waker.into_iter().for_each(Waker::wake);
}

fn gated() -> (Adapted<Gated>, Arc<Mutex<Gate>>) {
    let gate = Arc::<Mutex<Gate>>::default();
    (Adapted::new(Gated(Arc::clone(&gate))), gate)
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn all_is_done_in_the_order_in_which_it_was_asked_for() {
    let (mut log, gate) = gated();
    let mut cx = Context::from_waker(Waker::noop());
    log.begin(write(1));
    let mut reading = everything(&log);
    log.begin(write(2));
    for done in 0..3 {
        assert_eq!(locked(&gate).done.len(), done);
        open(&gate);
        let _ = reading
            .as_mut()
            .poll(&mut cx)
            .map(|_| reading = Box::pin(std::future::pending()));
        let _ = log.poll_durable(&mut cx);
    }
    assert_eq!(locked(&gate).done, ["write", "load", "write"]);
}

#[test]
fn whoever_polls_moves_the_queue_on_and_all_are_woken() {
    let (mut log, gate) = gated();
    let (driver, reader) = (Arc::<Count>::default(), Arc::<Count>::default());
    let woken = |count: &Count| count.0.swap(0, Ordering::Relaxed) > 0;
    log.begin(write(1));
    let mut reading = everything(&log);
    let waker = Waker::from(Arc::clone(&driver));
    assert!(
        log.poll_durable(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let reads = Waker::from(Arc::clone(&reader));
    assert!(
        reading
            .as_mut()
            .poll(&mut Context::from_waker(&reads))
            .is_pending()
    );
    open(&gate);
    assert!(woken(&driver) && woken(&reader));
    // The reader finds nothing yet; but the write is done, and its driver hears of it.
    let again = Waker::from(Arc::clone(&driver));
    locked(&log.queue).pollers.add(&again);
    assert!(
        reading
            .as_mut()
            .poll(&mut Context::from_waker(&reads))
            .is_pending()
    );
    assert!(woken(&driver));
    let durable = log.poll_durable(&mut Context::from_waker(&waker));
    assert_eq!(durable, Poll::Ready(Ok(Receipt::of_no_hull(1).synced())));
}

#[test]
fn a_failure_answers_all_that_waits_and_all_that_comes() {
    let (mut log, gate) = gated();
    let mut cx = Context::from_waker(Waker::noop());
    locked(&gate).fails = true;
    log.begin(write(1));
    let mut before = everything(&log);
    log.begin(write(2));
    open(&gate);
    open(&gate);
    for _ in 0..3 {
        assert_eq!(log.poll_durable(&mut cx), Poll::Ready(Err(broken())));
        log.begin(write(3));
    }
    assert_eq!(before.as_mut().poll(&mut cx), Poll::Ready(Err(broken())));
    assert_eq!(
        everything(&log).as_mut().poll(&mut cx),
        Poll::Ready(Err(broken()))
    );
    assert_eq!(locked(&gate).done, ["write"]);
}
