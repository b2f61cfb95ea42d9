//! The desk: slots used again, limits, and answers that reach exactly one asker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use raft_core::ids::NodeId;

use super::*;
use crate::error::NotSent;

fn desk() -> Desk {
    let limits = DeskLimits {
        requests: 3,
        bytes: 10,
        payload_bytes: 8,
        is_witness: false,
    };
    Desk::new(limits, Status::new(NodeId::new(1)))
}

fn submit(desk: &Desk, bytes: usize) -> Result<Ask, SubmitError> {
    let payload = vec![0; bytes].into();
    desk.ask(Sought::Submit { payload })
}

fn poll(desk: &Desk, ask: Ask) -> Poll<Result<Answered, SubmitError>> {
    desk.poll_answer(ask, &mut Context::from_waker(Waker::noop()))
}

fn answer(desk: &Desk, ask: Ask, session: u64) {
    desk.settle(&mut vec![(ask, Ok(Answered::Session(session)))], None);
}

#[test]
fn an_answer_reaches_its_asker_once() {
    let desk = desk();
    let (first, second) = (submit(&desk, 1).unwrap(), submit(&desk, 1).unwrap());
    assert_eq!(poll(&desk, first), Poll::Pending);
    answer(&desk, first, 5);
    assert_eq!(poll(&desk, first), Poll::Ready(Ok(Answered::Session(5))));
    assert_eq!(poll(&desk, second), Poll::Pending);
    // The slot is used again, and the first asker can't reach it any more.
    let third = submit(&desk, 1).unwrap();
    answer(&desk, third, 6);
    assert_eq!(poll(&desk, first), Poll::Ready(Err(STOPPED)));
    assert_eq!(poll(&desk, third), Poll::Ready(Ok(Answered::Session(6))));
}

#[test]
fn an_abandoned_slot_is_free_when_it_is_answered_and_not_before() {
    let desk = desk();
    let abandoned = submit(&desk, 1).unwrap();
    desk.abandon(abandoned);
    let next = submit(&desk, 1).unwrap();
    assert_ne!(next.slot, abandoned.slot);
    answer(&desk, abandoned, 1);
    answer(&desk, abandoned, 2);
    let again = submit(&desk, 1).unwrap();
    assert_eq!(again.slot, abandoned.slot);
    assert_eq!(poll(&desk, again), Poll::Pending);
    // Answered first, abandoned then.
    answer(&desk, again, 3);
    desk.abandon(again);
    assert_eq!(submit(&desk, 1).unwrap().slot, again.slot);
}

#[test]
fn requests_and_their_bytes_are_bounded() {
    let desk = desk();
    assert_eq!(
        submit(&desk, 9),
        Err(SubmitError::TooLarge { bytes: 9, limit: 8 })
    );
    let large = submit(&desk, 8).unwrap();
    assert_eq!(
        submit(&desk, 3),
        Err(SubmitError::Overloaded {
            under_way: 8,
            limit: 10
        })
    );
    submit(&desk, 1).unwrap();
    submit(&desk, 1).unwrap();
    assert_eq!(
        submit(&desk, 0),
        Err(SubmitError::Overloaded {
            under_way: 3,
            limit: 3
        })
    );
    answer(&desk, large, 1);
    assert!(submit(&desk, 8).is_ok(), "though nobody has fetched it yet");
}

#[test]
fn bytes_of_a_slot_used_again_are_given_back_again() {
    let desk = desk();
    for session in 1..=3 {
        let ask = submit(&desk, 8).unwrap();
        answer(&desk, ask, session);
        assert!(poll(&desk, ask).is_ready());
    }
}

/// How often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Two bells; what is asked for has moved from one task to another.
fn bells() -> [Arc<Bell>; 2] {
    Default::default()
}

#[test]
fn who_waits_is_woken_where_it_waits_now() {
    let desk = desk();
    let ask = submit(&desk, 1).unwrap();
    let [before, now] = bells();
    for bell in [&before, &now] {
        let waker = Waker::from(bell.clone());
        let polled = desk.poll_answer(ask, &mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Pending);
    }
    answer(&desk, ask, 1);
    assert_eq!((before.rung(), now.rung()), (0, 1));
}

#[test]
fn the_driver_is_woken_where_it_runs_now() {
    let desk = desk();
    let [before, now] = bells();
    for bell in [&before, &now] {
        let waker = Waker::from(bell.clone());
        desk.take(&mut Vec::new(), &mut Context::from_waker(&waker));
    }
    submit(&desk, 1).unwrap();
    assert_eq!((before.rung(), now.rung()), (0, 1));
}

#[test]
fn a_command_for_session_0_is_refused() {
    let command = SessionCommand {
        session: CONTROL_SESSION,
        serial: 1,
        settled: 0,
        payload: Bytes::new(),
    };
    let refused = desk().ask(Sought::SubmitAs(command));
    assert_eq!(refused, Err(SubmitError::NoSession));
}

#[test]
fn a_closed_desk_answers_at_once() {
    let desk = desk();
    let waiting = submit(&desk, 1).unwrap();
    desk.close();
    let stopped = Err(SubmitError::NotSent(NotSent::Stopped));
    assert_eq!(poll(&desk, waiting), Poll::Ready(stopped.clone()));
    assert_eq!(submit(&desk, 1).map(|_| Answered::Session(0)), stopped);
}
