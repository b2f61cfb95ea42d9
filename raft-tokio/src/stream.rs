//! Whole frames in and out of a byte stream, for peers and clients alike.
//!
//! A length that a stranger claims is judged before a byte is allocated for it. Each frame leaves
//! in an allocation of its own size, so that whoever keeps a part of it keeps nothing else alive.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// How frames are told apart.
pub(crate) trait Framing {
    /// Why bytes are no frame.
    type Error;

    /// How long the frame is that begins with these bytes, header and all; `None` when more bytes
    /// are needed to tell.
    ///
    /// # Errors
    ///
    /// The bytes begin no frame, or one that is longer than allowed. The connection has to end.
    fn claimed_length(&self, bytes: &[u8]) -> Result<Option<usize>, Self::Error>;
}

/// Cuts frames out of a stream.
#[derive(Debug)]
pub(crate) struct FrameReader<F> {
    framing: F,
    /// What was read and not yet cut.
    buffer: BytesMut,
    /// A frame that does not fit into the buffer, and its full length.
    large: Option<(BytesMut, usize)>,
}

impl<F: Framing> FrameReader<F> {
    pub(crate) fn new(framing: F) -> Self {
        Self {
            framing,
            buffer: BytesMut::with_capacity(READ_BYTES),
            large: None,
        }
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) fn poll_frame<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, FrameFailure<F::Error>>> {
        loop {
            if let Some(frame) = self.cut()? {
                return Poll::Ready(Ok(Some(frame)));
            }
            let read = match &mut self.large {
                Some((frame, length)) => {
                    if frame.len() == frame.capacity() {
                        *frame = grown(frame, *length);
                    }
                    let missing = *length - frame.len();
                    let room = missing.min(frame.capacity() - frame.len());
                    ready!(poll_append(stream, frame, room, cx))?
                }
                None => {
                    self.buffer.reserve(READ_BYTES / 2);
                    let room = self.buffer.capacity() - self.buffer.len();
                    ready!(poll_append(stream, &mut self.buffer, room, cx))?
                }
            };
            if read == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Takes a whole frame out of what was read, or prepares for one that is larger than the
    /// buffer.
    fn cut(&mut self) -> Result<Option<Bytes>, FrameFailure<F::Error>> {
        if let Some((frame, length)) = self.large.take() {
            if frame.len() == length {
                return Ok(Some(frame.freeze()));
            }
            self.large = Some((frame, length));
            return Ok(None);
        }
        let claimed = self.framing.claimed_length(&self.buffer);
        let Some(length) = claimed.map_err(FrameFailure::Frame)? else {
            return Ok(None);
        };
        if self.buffer.len() >= length {
            let frame = Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default());
            self.buffer.advance(length);
            return Ok(Some(frame));
        }
        if length > READ_BYTES / 2 {
            let mut frame = BytesMut::with_capacity(length.min(LARGE_BYTES));
            frame.extend_from_slice(&self.buffer);
            self.buffer.clear();
            self.large = Some((frame, length));
        }
        Ok(None)
    }
}

/// A frame with room for as much again as has come, but not for more than its length: who claims a
/// length has to send as much before it costs as much.
fn grown(frame: &BytesMut, length: usize) -> BytesMut {
    let mut larger = BytesMut::with_capacity(length.min(frame.len().saturating_mul(2)));
    larger.extend_from_slice(frame);
    larger
}

/// Appends at most `room` bytes of the stream to `into`, which has capacity for them.
fn poll_append<S: AsyncRead + Unpin>(
    stream: &mut S,
    into: &mut BytesMut,
    room: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = into.limit(room);
    // The future holds nothing but these references, so that nothing is lost with it.
    pin!(stream.read_buf(&mut space)).poll(cx)
}

/// Why no further frame comes out of a stream.
#[derive(Debug)]
pub(crate) enum FrameFailure<E> {
    /// The connection failed.
    Stream(io::ErrorKind),
    /// What stands where a frame must begin is none, or a longer one than is allowed.
    Frame(E),
}

impl<E> From<io::Error> for FrameFailure<E> {
    fn from(error: io::Error) -> Self {
        Self::Stream(error.kind())
    }
}

/// Bytes on their way into a stream, bounded by whoever pushes them.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    parts: VecDeque<Bytes>,
    bytes: usize,
}

impl SendQueue {
    /// Bytes not yet written.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything was written.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Adds a part; empty ones vanish.
    pub(crate) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.bytes += part.len();
            self.parts.push_back(part);
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.bytes = 0;
    }

    /// Writes until everything is written (ready) or the stream takes no more (pending).
    pub(crate) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.parts.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(&self.parts) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            let written = ready!(
                Pin::new(&mut *stream)
                    .poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
            )?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written.min(self.bytes);
        while let Some(part) = self.parts.front_mut() {
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            self.parts.pop_front();
        }
    }
}

/// What one read asks for.
const READ_BYTES: usize = 64 << 10;
/// What a large frame's first bytes are given room for.
const LARGE_BYTES: usize = 2 << 20;
/// Parts in one vectored write; the system's own limit is 1,024.
const MAX_SLICES: usize = 64;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[derive(Debug)]
    struct UpTo(usize);

    impl Framing for UpTo {
        type Error = ();

        fn claimed_length(&self, bytes: &[u8]) -> Result<Option<usize>, ()> {
            let Some(length) = bytes.first_chunk() else {
                return Ok(None);
            };
            let length = 4 + u32::from_le_bytes(*length) as usize;
            if length > self.0 {
                return Err(());
            }
            Ok(Some(length))
        }
    }

    async fn next(
        reader: &mut FrameReader<UpTo>,
        stream: &mut tokio::io::DuplexStream,
    ) -> Result<Option<Bytes>, FrameFailure<()>> {
        poll_fn(|cx| reader.poll_frame(stream, cx)).await
    }

    fn frame(byte: u8, length: u32) -> Vec<u8> {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(4 + length as usize, byte);
        bytes
    }

    #[tokio::test]
    async fn frames_of_all_sizes_come_out_as_they_went_in() {
        let (mut near, mut far) = tokio::io::duplex(1_000);
        let sizes = [0, 1, 900, 40_000, 70_000, 3, 1 << 20, 0, (9 << 20) + 1, 5];
        let sender = tokio::spawn(async move {
            let mut queue = SendQueue::default();
            for (number, size) in (0..).zip(sizes) {
                queue.push(Bytes::from(frame(number, size)));
            }
            poll_fn(|cx| queue.poll_flush(&mut near, cx)).await.unwrap();
            assert!(queue.is_empty());
        });
        let mut reader = FrameReader::new(UpTo(10 << 20));
        for (number, size) in (0..).zip(sizes) {
            let got = next(&mut reader, &mut far).await.unwrap().unwrap();
            assert!(got == frame(number, size), "frame {number} of {size} bytes");
        }
        sender.await.unwrap();
        assert!(next(&mut reader, &mut far).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_hostile_length_is_refused_before_it_costs_anything() {
        let (mut near, mut far) = tokio::io::duplex(1_000);
        let mut queue = SendQueue::default();
        queue.push(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0, 0]));
        poll_fn(|cx| queue.poll_flush(&mut near, cx)).await.unwrap();
        let mut reader = FrameReader::new(UpTo(1 << 20));
        let failure = next(&mut reader, &mut far).await.unwrap_err();
        assert!(matches!(failure, FrameFailure::Frame(())));
        assert!(reader.large.is_none());
    }
}
