//! Laying out frames: a write becomes a header, the parts behind it, and padding.

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::ids::{EntryId, LogIndex};
use raft_core::log::{LogError, Receipt, Write};

use super::WalSettings;
use super::checksum;
use super::contents::Contents;
use super::extents::Place;
use super::format::{self, BodyShape, HEADER_BYTES, Header};

/// A frame with its place in the log, whose header waits for what is known only when it is
/// written: the predecessor's checksum and the watermark.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) header: Header,
    pub(super) offset: u64,
    /// The length to create the segment with, if this is its first frame.
    pub(super) creates: Option<u64>,
    /// Mark and identity.
    front: Vec<u8>,
    chunks: Vec<Bytes>,
    /// `None` for a frame that only closes an idle log.
    pub(super) receipt: Option<Receipt>,
    /// The highest index it appends, if any.
    pub(super) appended: Option<LogIndex>,
    /// The last entry of the log with this frame.
    pub(super) end: EntryId,
    /// The first index whose segment is needed once this frame is durable.
    pub(super) needed_from: LogIndex,
    /// Whether its segment then says twice what it repeats of older ones.
    pub(super) makes_safe: bool,
}

/// Where the next frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tail {
    /// The newest segment; zero when there is none.
    pub(super) segment: u64,
    /// Where the next frame goes in it.
    pub(super) offset: u64,
    /// How long it is. Zero after opening: nothing is ever added to a segment of an earlier life.
    pub(super) length: u64,
    /// The number of the newest frame.
    pub(super) batch: u64,
    /// Whether the newest segment says in one frame alone so far who the node is.
    pub(super) says_once: bool,
}

impl Tail {
    /// Takes room for a frame of `bytes`, in this segment or a new one. Returns whether it is new.
    fn take(&mut self, bytes: u64) -> Option<bool> {
        let end = self.offset.checked_add(bytes)?;
        let fits = end <= self.length;
        if fits {
            self.offset = end;
            self.batch = self.batch.checked_add(1)?;
        }
        Some(fits)
    }

    fn roll(&mut self, length: u64) -> Option<()> {
        self.segment = self.segment.checked_add(1)?;
        self.offset = 0;
        self.length = length;
        Some(())
    }
}

/// Lays a write out at the tail, and applies it to the contents.
pub(super) fn lay_out(
    contents: &mut Contents,
    tail: &mut Tail,
    settings: &WalSettings,
    write: Write,
) -> Result<Frame, LogError> {
    contents.hard = write.hard;
    let before = contents.last();
    let chunks: Vec<Bytes> = write.append.iter().map(encode).collect();
    let mut body = Body {
        mark: write.snapshot.as_deref().map(format::encode_mark),
        identity: write.identity.clone(),
        chunks,
    };
    let (offset, creates) = place(&mut body, contents, tail, settings).ok_or(TOO_LONG)?;
    if let Some(from) = write.truncate_from {
        contents.truncate(from)?;
    }
    let front = body.front();
    let mut checksum = format::checksum(&front);
    let mut at = offset.saturating_add(body.chunks_at());
    for (chunk, bytes) in write.append.into_iter().zip(&body.chunks) {
        let place = Place {
            segment: tail.segment,
            offset: at,
            length: bytes.len(),
        };
        contents.append(&chunk, place)?;
        checksum = checksum::append_chunk(checksum, &chunk, bytes);
        contents.keep_until_durable(tail.batch, chunk);
        at = at.saturating_add(bytes.len() as u64);
    }
    let appended = (!body.chunks.is_empty()).then_some(contents.last());
    if let Some(mark) = write.snapshot {
        contents.compact(*mark)?;
    }
    contents.identity = write.identity.or(contents.identity.take());
    contents.drop_before = contents.drop_before.max(write.drop_before);
    let shape = body.shape().ok_or(TOO_LONG)?;
    Ok(Frame {
        header: Header {
            head: creates.is_some(),
            truncate_from: write.truncate_from,
            last: before,
            body: shape,
            body_checksum: checksum,
            ..header(contents, tail, settings)
        },
        offset,
        creates,
        front,
        chunks: body.chunks,
        receipt: Some(write.receipt),
        appended,
        end: contents.last_id(),
        needed_from: contents.needed_from(),
        makes_safe: !tail.says_once,
    })
}

/// Lays out a frame that says nothing but that all before it is durable; `None` if the segment
/// has no room for it.
pub(super) fn lay_out_closing(
    contents: &Contents,
    tail: &mut Tail,
    settings: &WalSettings,
) -> Option<Frame> {
    let offset = tail.offset;
    tail.take(format::frame_bytes(0, settings.block_bytes)?)
        .filter(|fits| *fits)?;
    Some(Frame {
        header: header(contents, tail, settings),
        offset,
        creates: None,
        front: Vec::new(),
        chunks: Vec::new(),
        receipt: None,
        appended: None,
        end: contents.last_id(),
        needed_from: LogIndex::ZERO,
        makes_safe: false,
    })
}

/// The header of a frame that says nothing new, at the tail.
fn header(contents: &Contents, tail: &Tail, settings: &WalSettings) -> Header {
    Header {
        head: false,
        log_id: settings.log_id,
        segment: tail.segment,
        batch: tail.batch,
        watermark: 0,
        hard: contents.hard,
        truncate_from: None,
        drop_before: contents.drop_before,
        last: contents.last(),
        block_bytes: settings.block_bytes,
        body: BodyShape::default(),
        previous: 0,
        body_checksum: format::checksum(&[]),
    }
}

impl Frame {
    /// Completes the header and appends the frame's bytes to `parts`. Returns the checksum that
    /// the next frame repeats.
    pub(super) fn write_to(
        &mut self,
        previous: u32,
        watermark: u64,
        parts: &mut Vec<Bytes>,
    ) -> u32 {
        self.header.previous = previous;
        self.header.watermark = watermark;
        let (header, checksum) = self.header.encode();
        let mut front = Vec::with_capacity(HEADER_BYTES.saturating_add(self.front.len()));
        front.extend_from_slice(&header);
        front.append(&mut self.front);
        parts.push(front.into());
        parts.append(&mut self.chunks);
        let used = self.header.body.total.saturating_add(HEADER_BYTES as u64);
        let padding = self
            .header
            .frame_bytes()
            .unwrap_or(used)
            .saturating_sub(used);
        let padding = usize::try_from(padding).unwrap_or(0);
        parts.push(Bytes::from_static(ZEROS.get(..padding).unwrap_or(&[])));
        checksum
    }
}

/// What stands behind a header.
struct Body {
    mark: Option<Vec<u8>>,
    identity: Option<Bytes>,
    chunks: Vec<Bytes>,
}

impl Body {
    /// How the body is divided; `None` if a part is longer than the format can say.
    fn shape(&self) -> Option<BodyShape> {
        let chunks = self.chunks.iter().map(Bytes::len).sum::<usize>() as u64;
        let snapshot = self.mark.as_ref().map_or(0, Vec::len);
        let identity = self.identity.as_ref().map_or(0, Bytes::len);
        let shape = BodyShape {
            snapshot: u32::try_from(snapshot).ok()?,
            has_identity: self.identity.is_some(),
            identity: u32::try_from(identity).ok()?,
            chunks: u32::try_from(self.chunks.len()).ok()?,
            total: chunks
                .checked_add(snapshot as u64)?
                .checked_add(identity as u64)?,
        };
        Some(shape)
    }

    /// A new segment must repeat what its log begins after, so that older ones can be dropped.
    fn repeat_mark(&mut self, contents: &Contents) {
        if self.mark.is_none() {
            self.mark = contents.snapshot().map(format::encode_mark);
        }
    }

    /// And who the node is.
    fn repeat_identity(&mut self, contents: &Contents) {
        if self.identity.is_none() {
            self.identity.clone_from(&contents.identity);
        }
    }

    fn front(&self) -> Vec<u8> {
        let mut front = self.mark.clone().unwrap_or_default();
        front.extend_from_slice(self.identity.as_deref().unwrap_or(&[]));
        front
    }

    /// Where the first chunk stands, counted from the start of the frame.
    fn chunks_at(&self) -> u64 {
        let mark = self.mark.as_ref().map_or(0, Vec::len);
        let identity = self.identity.as_ref().map_or(0, Bytes::len);
        HEADER_BYTES.saturating_add(mark).saturating_add(identity) as u64
    }
}

/// Finds room for a frame with this body, in a new segment if need be. Returns its offset, and
/// the length to create the segment with.
fn place(
    body: &mut Body,
    contents: &Contents,
    tail: &mut Tail,
    settings: &WalSettings,
) -> Option<(u64, Option<u64>)> {
    let bytes = |body: &Body| format::frame_bytes(body.shape()?.total, settings.block_bytes);
    let offset = tail.offset;
    let own = body.identity.is_some();
    if tail.says_once {
        // Older segments go by and by, and one damaged frame must not hide who the node is.
        body.repeat_identity(contents);
    }
    if tail.take(bytes(body)?)? {
        // Who it has become stands here alone, whatever was said of it before.
        tail.says_once = own;
        return Some((offset, None));
    }
    body.repeat_identity(contents);
    body.repeat_mark(contents);
    let length = bytes(body)?.max(settings.segment_bytes);
    tail.roll(length)?;
    tail.says_once = body.identity.is_some();
    tail.take(bytes(body)?)?.then_some((0, Some(length)))
}

fn encode(chunk: &Chunk) -> Bytes {
    chunk.encode(crc32c::crc32c_append)
}

const TOO_LONG: LogError = LogError::Impossible {
    reason: "a write longer than the log format can say",
};
static ZEROS: [u8; 65_536] = [0; 65_536];
