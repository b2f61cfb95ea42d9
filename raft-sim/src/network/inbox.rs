//! What has arrived at a node and not been taken in yet.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::ids::NodeId;
use raft_core::message::Lane;

use super::lane_number;

/// What waits at one node, in a queue for each lane, so that none holds up another.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Whether there is a process to take anything in.
    is_open: bool,
    queues: [VecDeque<Arrival>; Lane::ALL.len()],
    /// The lane whose turn it is.
    turn: usize,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub(super) enum Arrival {
    Frame(Received),
    Lost(NodeId),
    Room(NodeId, Lane),
}

#[derive(Debug)]
pub(super) struct Received {
    pub(super) lane: Lane,
    /// Whether another cluster sent it.
    pub(super) foreign: bool,
    pub(super) bytes: Bytes,
}

impl Inbox {
    /// That of a process that starts.
    pub(super) fn open() -> Self {
        Self {
            is_open: true,
            ..Self::default()
        }
    }

    /// Lets something wait here; whether anybody can take it in.
    pub(super) fn put(&mut self, arrival: Arrival) -> bool {
        let lane = match &arrival {
            Arrival::Frame(frame) if frame.bytes.is_empty() => return false,
            Arrival::Frame(frame) => frame.lane,
            Arrival::Lost(_) | Arrival::Room(..) => Lane::Control,
        };
        let queue = self.queues.get_mut(lane_number(lane));
        let has_room = |queue: &&mut VecDeque<Arrival>| queue.len() < MOST_ARRIVALS;
        let Some(queue) = queue.filter(has_room).filter(|_| self.is_open) else {
            return false;
        };
        queue.push_back(arrival);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        true
    }

    /// What is taken in next: the lanes take turns.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Arrival> {
        for _ in Lane::ALL {
            let queue = self.queues.get_mut(self.turn);
            self.turn = (self.turn + 1) % Lane::ALL.len();
            if let Some(arrival) = queue.and_then(VecDeque::pop_front) {
                return Poll::Ready(arrival);
            }
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// Arrivals that wait in one lane at one node (while it is paused); what comes after is lost.
const MOST_ARRIVALS: usize = 2_000;
