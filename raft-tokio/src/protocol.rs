//! What a remote client and a node tell each other, after the handshake.
//!
//! ```text
//! frame   0 length u32 (of all that follows it) · 4 CRC-32C u32 (of all that follows it) · 8 kind u8 · 9 body
//! to the node
//!   1 open     number u64                                     open a session
//!   2 submit   session u64 · serial u64 · settled u64 · payload
//! to the client
//!   1 opened   number u64 · session u64
//!   2 answer   session u64 · serial u64 · reply
//!   3 failed   session u64 · serial u64 · failure u8 · detail u64
//!   4 leader   address (UTF-8)                                another node leads: faster there
//! ```
//! Numbers are little-endian. A failed open has session zero and its number as serial.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::stream::Framing;

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// Open a session; the answer names the number.
    Open { number: u64 },
    /// Apply this once.
    Submit {
        session: u64,
        serial: u64,
        settled: u64,
        payload: Bytes,
    },
}

/// What a node answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Opened {
        number: u64,
        session: u64,
    },
    Applied {
        session: u64,
        serial: u64,
        reply: Bytes,
    },
    Failed {
        session: u64,
        serial: u64,
        failure: Failure,
    },
    Leader {
        address: String,
    },
}

/// Why there is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Try again, here or elsewhere; nothing may be concluded.
    Retry,
    /// Longer than a command may be; never applied.
    TooLarge { limit: u64 },
    /// The session is not known, or no longer: whether the command was applied is not known.
    SessionGone,
    /// The node can't serve any more.
    Stopped,
    /// Applied by an earlier attempt, and the reply was not kept.
    ReplyForgotten,
}

/// Why a frame is none of this protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("the checksum is wrong")]
    Checksum,
    #[error("kind {0} is not known")]
    Kind(u8),
    #[error("the frame ends early or late")]
    Length,
    #[error("the frame claims {claimed} bytes, of at most {limit}")]
    TooLong { claimed: usize, limit: usize },
}

impl Request {
    /// The frame, as parts for one vectored write.
    pub(crate) fn encode(&self) -> Vec<Bytes> {
        match self {
            Self::Open { number } => frame(1, &[*number], Bytes::new()),
            Self::Submit {
                session,
                serial,
                settled,
                payload,
            } => frame(2, &[*session, *serial, *settled], payload.clone()),
        }
    }

    pub(crate) fn decode(frame: Bytes) -> Result<Self, ProtocolError> {
        let (kind, mut body) = open(frame)?;
        match kind {
            1 => Ok(Self::Open {
                number: last_number(&mut body)?,
            }),
            2 => Ok(Self::Submit {
                session: number(&mut body)?,
                serial: number(&mut body)?,
                settled: number(&mut body)?,
                payload: body,
            }),
            _ => Err(ProtocolError::Kind(kind)),
        }
    }
}

impl Answer {
    /// The frame, as parts for one vectored write.
    pub(crate) fn encode(&self) -> Vec<Bytes> {
        match self {
            Self::Opened { number, session } => frame(1, &[*number, *session], Bytes::new()),
            Self::Applied {
                session,
                serial,
                reply,
            } => frame(2, &[*session, *serial], reply.clone()),
            Self::Failed {
                session,
                serial,
                failure,
            } => {
                let (tag, detail) = failure.parts();
                let mut body = BytesMut::with_capacity(9);
                body.put_u8(tag);
                body.put_u64_le(detail);
                frame(3, &[*session, *serial], body.freeze())
            }
            Self::Leader { address } => frame(4, &[], Bytes::copy_from_slice(address.as_bytes())),
        }
    }

    pub(crate) fn decode(frame: Bytes) -> Result<Self, ProtocolError> {
        let (kind, mut body) = open(frame)?;
        match kind {
            1 => Ok(Self::Opened {
                number: number(&mut body)?,
                session: last_number(&mut body)?,
            }),
            2 => Ok(Self::Applied {
                session: number(&mut body)?,
                serial: number(&mut body)?,
                reply: body,
            }),
            3 => Ok(Self::Failed {
                session: number(&mut body)?,
                serial: number(&mut body)?,
                failure: {
                    let tag = body.try_get_u8().map_err(|_| ProtocolError::Length)?;
                    Failure::from_parts(tag, last_number(&mut body)?)
                },
            }),
            4 => Ok(Self::Leader {
                address: String::from_utf8_lossy(&body).into_owned(),
            }),
            _ => Err(ProtocolError::Kind(kind)),
        }
    }
}

impl Failure {
    const fn parts(self) -> (u8, u64) {
        match self {
            Self::Retry => (0, 0),
            Self::TooLarge { limit } => (1, limit),
            Self::SessionGone => (2, 0),
            Self::Stopped => (3, 0),
            Self::ReplyForgotten => (4, 0),
        }
    }

    /// A failure that this version does not know is one to try again after.
    const fn from_parts(tag: u8, detail: u64) -> Self {
        match tag {
            1 => Self::TooLarge { limit: detail },
            2 => Self::SessionGone,
            3 => Self::Stopped,
            4 => Self::ReplyForgotten,
            _ => Self::Retry,
        }
    }
}

/// Frames of this protocol, up to a length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpTo {
    /// Bytes of the longest payload or reply.
    pub(crate) payload_bytes: usize,
}

impl Framing for UpTo {
    type Error = ProtocolError;

    fn claimed_length(&self, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(length) = bytes.first_chunk() else {
            return Ok(None);
        };
        let claimed = (u32::from_le_bytes(*length) as usize).saturating_add(4);
        let limit = self.payload_bytes.saturating_add(OVERHEAD_BYTES);
        if claimed > limit {
            return Err(ProtocolError::TooLong { claimed, limit });
        }
        Ok(Some(claimed))
    }
}

/// Bytes of a frame beside a payload, at most.
const OVERHEAD_BYTES: usize = 64;

fn frame(kind: u8, numbers: &[u64], tail: Bytes) -> Vec<Bytes> {
    let mut head = BytesMut::with_capacity(HEAD_BYTES + 8 * numbers.len());
    let length = HEAD_BYTES - 4 + 8 * numbers.len() + tail.len();
    head.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    head.put_u32_le(0);
    head.put_u8(kind);
    for number in numbers {
        head.put_u64_le(*number);
    }
    let checksum = crc32c::crc32c(head.get(8..).unwrap_or_default());
    let checksum = crc32c::crc32c_append(checksum, &tail);
    if let Some(field) = head.get_mut(4..8) {
        field.copy_from_slice(&checksum.to_le_bytes());
    }
    // A small tail is cheaper to copy than to carry along as a part of its own.
    if tail.len() <= COPIED_BYTES {
        head.extend_from_slice(&tail);
        return vec![head.freeze()];
    }
    vec![head.freeze(), tail]
}

/// The kind and body of a whole frame.
fn open(mut frame: Bytes) -> Result<(u8, Bytes), ProtocolError> {
    if frame.len() < HEAD_BYTES {
        return Err(ProtocolError::Length);
    }
    frame.advance(4);
    let checksum = frame.get_u32_le();
    if crc32c::crc32c(&frame) != checksum {
        return Err(ProtocolError::Checksum);
    }
    Ok((frame.get_u8(), frame))
}

fn number(body: &mut Bytes) -> Result<u64, ProtocolError> {
    body.try_get_u64_le().map_err(|_| ProtocolError::Length)
}

fn last_number(body: &mut Bytes) -> Result<u64, ProtocolError> {
    let number = number(body)?;
    if body.is_empty() {
        Ok(number)
    } else {
        Err(ProtocolError::Length)
    }
}

const HEAD_BYTES: usize = 9;
const COPIED_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed_length(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let framing = UpTo {
            payload_bytes: 10_000,
        };
        framing.claimed_length(bytes)
    }

    fn joined(parts: &[Bytes]) -> Bytes {
        parts.concat().into()
    }

    fn requests() -> Vec<Request> {
        let submit = |payload| Request::Submit {
            session: 1,
            serial: 2,
            settled: 3,
            payload,
        };
        vec![
            Request::Open { number: 7 },
            submit(Bytes::new()),
            submit(Bytes::from_static(b"small")),
            submit(Bytes::from(vec![9; 5_000])),
        ]
    }

    fn answers() -> Vec<Answer> {
        let failed = |failure| Answer::Failed {
            session: 1,
            serial: 2,
            failure,
        };
        vec![
            Answer::Opened {
                number: 1,
                session: 2,
            },
            Answer::Applied {
                session: 1,
                serial: 2,
                reply: Bytes::from(vec![1; 2_000]),
            },
            failed(Failure::Retry),
            failed(Failure::TooLarge { limit: 99 }),
            failed(Failure::SessionGone),
            failed(Failure::Stopped),
            failed(Failure::ReplyForgotten),
            Answer::Leader {
                address: "127.0.0.1:7001".to_owned(),
            },
        ]
    }

    #[test]
    fn requests_and_answers_arrive_as_they_were() {
        for request in requests() {
            let bytes = joined(&request.encode());
            assert_eq!(claimed_length(&bytes), Ok(Some(bytes.len())));
            assert_eq!(Request::decode(bytes), Ok(request));
        }
        for answer in answers() {
            let bytes = joined(&answer.encode());
            assert_eq!(claimed_length(&bytes), Ok(Some(bytes.len())));
            assert_eq!(Answer::decode(bytes), Ok(answer));
        }
    }

    #[test]
    fn what_is_cut_short_or_flipped_is_an_error() {
        for request in requests() {
            let bytes = joined(&request.encode());
            for length in 0..bytes.len().min(40) {
                assert!(Request::decode(bytes.slice(..length)).is_err());
            }
            for at in 4..bytes.len() {
                let mut bad = bytes.to_vec();
                bad[at] ^= 1;
                assert!(Request::decode(bad.into()).is_err());
            }
        }
    }

    #[test]
    fn a_submit_has_the_bytes_it_always_had() {
        let submit = Request::Submit {
            session: 1,
            serial: 2,
            settled: 3,
            payload: Bytes::from_static(b"x"),
        };
        let hex: String = joined(&submit.encode())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (length, rest) = hex.split_at(8);
        assert_eq!(length, "1e000000");
        assert_eq!(
            &rest[8..],
            "0201000000000000000200000000000000030000000000000078"
        );
    }
}
