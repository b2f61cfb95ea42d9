//! A connection that a peer opened: frames in, letters out.

use std::task::{Context, Poll};

use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_node::frame::{self, FrameError, FrameLimits};
use raft_node::letter::Letter;
use tokio::net::TcpStream;

use crate::metrics::{Counters, Mishap};
use crate::stream::{FrameFailure, FrameReader, Framing};

/// A connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) peer: NodeId,
    pub(crate) lane: Lane,
    pub(crate) stream: TcpStream,
}

/// Frames of letters, within limits.
#[derive(Clone, Copy, Debug)]
struct Letters(FrameLimits);

impl Framing for Letters {
    type Error = FrameError;

    fn claimed_length(&self, bytes: &[u8]) -> Result<Option<usize>, FrameError> {
        frame::claimed_length(bytes, &self.0)
    }
}

/// Reads letters from one connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    accepted: Accepted,
    reader: FrameReader<Letters>,
    limits: FrameLimits,
}

impl Incoming {
    pub(crate) fn new(accepted: Accepted, limits: FrameLimits) -> Self {
        Self {
            accepted,
            reader: FrameReader::new(Letters(limits)),
            limits,
        }
    }

    pub(crate) const fn peer(&self) -> NodeId {
        self.accepted.peer
    }

    pub(crate) fn is_of(&self, peer: NodeId, lane: Lane) -> bool {
        self.accepted.peer == peer && self.accepted.lane == lane
    }

    /// The next letter; `None` when the connection has ended, for whatever reason. Whoever sends
    /// what can't be read is cut off, since nothing after it can be trusted to be a frame.
    pub(crate) fn poll_letter(
        &mut self,
        cx: &mut Context<'_>,
        counters: &Counters,
    ) -> Poll<Option<Letter>> {
        loop {
            let polled = self.reader.poll_frame(&mut self.accepted.stream, cx);
            let frame = match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(frame))) => frame,
                Poll::Ready(Ok(None)) => {
                    counters.count(Mishap::ConnectionLost);
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(failure)) => {
                    self.report(&failure, counters);
                    return Poll::Ready(None);
                }
            };
            match frame::decode(frame, &self.limits) {
                Ok(letter) if letter.from.id == self.accepted.peer => {
                    return Poll::Ready(Some(letter));
                }
                Ok(_) => counters.count(Mishap::FalseSender),
                Err(error) => {
                    self.report(&FrameFailure::Frame(error), counters);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn report(&self, failure: &FrameFailure<FrameError>, counters: &Counters) {
        let peer = self.accepted.peer;
        match failure {
            FrameFailure::Stream(kind) => {
                counters.count(Mishap::ConnectionLost);
                tracing::debug!(%peer, %kind, "connection lost");
            }
            FrameFailure::Frame(error) => {
                counters.count(match error {
                    FrameError::TooLong { .. } => Mishap::HostileLength,
                    _ => Mishap::BadFrame,
                });
                tracing::warn!(%peer, %error, "connection closed: senseless frame");
            }
        }
    }
}
