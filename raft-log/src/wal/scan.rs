//! Finding frames in the bytes of a segment: the next of the chain, and witnesses beyond a break.

use bytes::Bytes;

use super::body::Body;
use super::format::{self, HEADER_BYTES, Header, HeaderError, MIN_BLOCK_BYTES};
use super::segment;
use crate::error::WalError;

/// What the next frame of the chain must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// The first frame that is read: whether segments before it were dropped, and which log this is, if
    /// frames behind it tell.
    First { dropped: bool, log_id: Option<u64> },
    /// The frame that follows another one.
    Next {
        log_id: u64,
        batch: u64,
        previous: u32,
    },
}

/// A frame that is whole and follows the one before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) header: Header,
    pub(super) checksum: u32,
    /// `None` if it is not what its header says it is, although it is what was written.
    pub(super) body: Option<Body>,
    /// Where it starts and ends in its segment.
    pub(super) offset: usize,
    pub(super) end: usize,
}

/// A part of a segment, as it was read. Offsets are counted from the start of the segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Part {
    bytes: Bytes,
    /// Where it begins.
    at: usize,
    /// How long the segment is.
    length: usize,
}

impl Part {
    /// All of a segment.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let length = bytes.len();
        Self {
            bytes,
            at: 0,
            length,
        }
    }

    /// What a read of `asked` bytes at `at` found in a segment that is listed with this length.
    pub(super) fn of_read(bytes: Bytes, at: usize, asked: usize, length: usize) -> Self {
        let end = at.saturating_add(bytes.len());
        let length = if bytes.len() < asked { end } else { length };
        Self { bytes, at, length }
    }

    /// Another part of the same segment.
    pub(super) const fn beside(&self, bytes: Bytes, at: usize) -> Self {
        let length = self.length;
        Self { bytes, at, length }
    }

    /// All of the segment, if it is that.
    pub(super) fn as_whole(&self) -> Option<&Bytes> {
        (self.at == 0 && self.is_to_the_end()).then_some(&self.bytes)
    }

    pub(super) const fn segment_length(&self) -> usize {
        self.length
    }

    /// Whether it is all of the segment from `offset` on.
    pub(super) fn is_all_from(&self, offset: usize) -> bool {
        self.at <= offset && self.is_to_the_end()
    }

    /// What was read from `offset` on.
    pub(super) fn from(&self, offset: usize) -> &[u8] {
        let at = offset.checked_sub(self.at);
        at.and_then(|at| self.bytes.get(at..)).unwrap_or(&[])
    }

    /// How many bytes must be read from `offset` on to tell what stands there, if they were not.
    pub(super) fn lacks(&self, offset: usize) -> Option<usize> {
        if self.is_to_the_end() {
            return None;
        }
        let rest = self.from(offset);
        let needed = match Header::decode(rest) {
            Ok((header, _)) => header.frame_bytes().unwrap_or(u64::MAX),
            Err(_) => HEADER_BYTES as u64,
        };
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        let needed = needed.min(self.length.saturating_sub(offset));
        (rest.len() < needed).then_some(needed)
    }

    /// What stands between these offsets, if it was read.
    fn slice(&self, start: usize, end: usize) -> Option<Bytes> {
        let (start, end) = (start.checked_sub(self.at)?, end.checked_sub(self.at)?);
        (start <= end && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }

    pub(super) fn is_to_the_end(&self) -> bool {
        self.end() >= self.length
    }

    fn end(&self) -> usize {
        self.at.saturating_add(self.bytes.len())
    }
}

/// Where the chain breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Break {
    pub(super) offset: usize,
    /// From where on to look for a witness.
    pub(super) resume: usize,
    /// Whether nothing was written there since the segment began, as at its end.
    pub(super) is_end: bool,
    pub(super) found: String,
}

impl Expected {
    /// The first frame of the oldest segment, if there is one, of a log that begins after segment
    /// `given_up`.
    pub(super) fn first(oldest: Option<u64>, given_up: u64) -> Self {
        let dropped = oldest.is_some_and(|oldest| oldest > given_up.saturating_add(1));
        Self::First {
            dropped,
            log_id: None,
        }
    }

    /// Without a first frame, this is what the others tell.
    pub(super) fn tell_log(&mut self, told: Option<u64>) {
        if let Self::First { log_id, .. } = self {
            *log_id = told;
        }
    }

    /// Whether it is the first of a log of which older segments were dropped.
    pub(super) const fn is_after_dropped(&self) -> bool {
        matches!(self, Self::First { dropped: true, .. })
    }

    /// Goes on to what must follow this frame.
    pub(super) fn follow(&mut self, frame: &Found) {
        *self = Self::Next {
            log_id: frame.header.log_id,
            batch: frame.header.batch.saturating_add(1),
            previous: frame.checksum,
        };
    }

    pub(super) const fn is_first(&self) -> bool {
        matches!(self, Self::First { .. })
    }

    /// The number of the frame; of the first of a log, when none was read.
    pub(super) const fn batch(&self) -> u64 {
        match self {
            Self::First { .. } => 1,
            Self::Next { batch, .. } => *batch,
        }
    }

    /// The checksum the frame repeats.
    pub(super) const fn previous(&self) -> u32 {
        match self {
            Self::First { .. } => 0,
            Self::Next { previous, .. } => *previous,
        }
    }

    /// Which log this is, if frames said so.
    pub(super) const fn log_id(&self) -> Option<u64> {
        match self {
            Self::First { log_id, .. } => *log_id,
            Self::Next { log_id, .. } => Some(*log_id),
        }
    }

    /// Whether a frame with this header can stand in this segment, at the expected frame's place or
    /// after it.
    fn is_due_by(&self, header: &Header, segment: u64) -> bool {
        let ours = self.log_id().is_none_or(|log_id| log_id == header.log_id);
        ours && header.segment == segment && header.batch >= self.batch()
    }

    /// Why a header is not the expected one, if it isn't.
    fn refuse(&self, header: &Header, segment: u64, offset: usize) -> Option<String> {
        if header.segment != segment {
            return Some(format!("a frame of segment {}", header.segment));
        }
        if header.head != (offset == 0) {
            return Some(String::from("a frame that belongs elsewhere in a segment"));
        }
        let follows = match *self {
            Self::First { dropped: true, .. } => true,
            Self::First { dropped: false, .. } => header.batch == 1 && header.previous == 0,
            Self::Next {
                log_id,
                batch,
                previous,
            } => (header.log_id, header.batch, header.previous) == (log_id, batch, previous),
        };
        (!follows).then(|| {
            let Header {
                log_id,
                batch,
                previous,
                ..
            } = header;
            format!("frame {batch} of log {log_id:016x} after one with checksum {previous:08x}")
        })
    }
}

/// The frame of the chain at `offset`, or why the chain breaks there. A whole header of a later
/// version is an error: it may mean anything.
pub(super) fn frame_at(
    part: &Part,
    offset: usize,
    segment: u64,
    expected: &Expected,
) -> Result<Result<Found, Break>, WalError> {
    let rest = part.from(offset);
    let broken = |resume: usize, found: String| {
        Ok(Err(Break {
            offset,
            resume,
            is_end: found == NOTHING || is_left_over(rest, segment),
            found,
        }))
    };
    let next = offset.saturating_add(MIN_BLOCK_BYTES as usize);
    let (header, checksum) = match Header::decode(rest) {
        Ok(decoded) => decoded,
        Err(HeaderError::Version(version)) => return Err(later_version(segment, version)),
        Err(error) => return broken(next, describe(error)),
    };
    if let Some(found) = expected.refuse(&header, segment, offset) {
        return broken(next, found);
    }
    match whole(part, offset, header, checksum) {
        Ok(frame) => Ok(Ok(frame)),
        Err(Torn { end, found }) => broken(end.unwrap_or(next), found),
    }
}

/// Whether a frame of an older segment stands here, in a file that is written anew.
pub(super) fn is_left_over(bytes: &[u8], segment: u64) -> bool {
    Header::decode(bytes).is_ok_and(|(header, _)| header.segment < segment)
}

/// A frame whose header is right and whose body is not there.
pub(super) struct Torn {
    /// Where the frame ends, if that is within the segment.
    end: Option<usize>,
    pub(super) found: String,
}

/// A frame behind a break, of which the header can be read.
pub(super) struct Survivor {
    #[cfg_attr(
        not(all(feature = "cli", unix)),
        expect(dead_code, reason = "only who looks at a log tells places")
    )]
    pub(super) offset: usize,
    pub(super) header: Header,
    pub(super) frame: Result<Found, Torn>,
}

/// The frame with this header, if all of it is there.
fn whole(part: &Part, offset: usize, header: Header, checksum: u32) -> Result<Found, Torn> {
    let start = offset.saturating_add(HEADER_BYTES);
    let ends = |length: Option<u64>, from: usize| {
        let length = usize::try_from(length?).ok()?;
        from.checked_add(length).filter(|end| *end <= part.end())
    };
    let body_end = ends(Some(header.body.total), start);
    let frame_end = ends(header.frame_bytes(), offset);
    let bytes = body_end.and_then(|end| part.slice(start, end));
    let (Some(bytes), Some(end)) = (bytes, frame_end) else {
        let found = String::from("a frame cut short");
        return Err(Torn { end: None, found });
    };
    // What can't be taken apart may still be what was written.
    let body = Body::split(&header, offset, bytes.clone());
    let computed = body
        .as_ref()
        .map_or_else(|| format::checksum(&bytes), |body| body.checksum);
    if computed != header.body_checksum {
        let stored = header.body_checksum;
        let found = format!("a frame body with checksum {computed:08x} for {stored:08x}");
        let end = Some(end);
        return Err(Torn { end, found });
    }
    Ok(Found {
        header,
        checksum,
        body,
        offset,
        end,
    })
}

/// The frames from `from` on that can be read behind a break, those without their bodies too. They
/// are not tied to what stands before the break.
pub(super) fn survivors(
    part: &Part,
    from: usize,
    segment: u64,
    expected: &Expected,
) -> Result<Vec<Survivor>, WalError> {
    let mut found = Vec::new();
    let mut offset = from;
    while offset < part.end() {
        let mut next = offset.saturating_add(MIN_BLOCK_BYTES as usize);
        match Header::decode(part.from(offset)) {
            Ok((header, checksum)) if expected.is_due_by(&header, segment) => {
                let frame = whole(part, offset, header, checksum);
                // A header alone may stand where another frame was, and hide what follows that.
                if let Ok(frame) = &frame {
                    next = frame.end;
                }
                found.push(Survivor {
                    offset,
                    header,
                    frame,
                });
            }
            Err(HeaderError::Version(version)) => return Err(later_version(segment, version)),
            Ok(_) | Err(_) => {}
        }
        offset = next;
    }
    Ok(found)
}

/// The frames from `from` on of which the header can be read, of whichever log: where, and of which.
pub(super) fn frames_of_any_log(part: &Part, from: usize, segment: u64) -> Vec<(usize, u64)> {
    let mut found = Vec::new();
    let mut offset = from;
    while offset < part.end() {
        let mut next = offset.saturating_add(MIN_BLOCK_BYTES as usize);
        if let Ok((header, checksum)) = Header::decode(part.from(offset)) {
            if header.segment == segment {
                let log_id = header.log_id;
                if let Ok(frame) = whole(part, offset, header, checksum) {
                    next = frame.end;
                }
                found.push((offset, log_id));
            }
        }
        offset = next;
    }
    found
}

fn later_version(segment: u64, version: u16) -> WalError {
    WalError::UnknownVersion {
        file: segment::name(segment),
        version,
        supported: format::FORMAT_VERSION,
    }
}

/// Looks from `from` on for a frame that says that the expected frame was durable. The length of
/// a broken frame can't be trusted, so each place where a frame may begin is tried.
pub(super) fn witness(
    part: &Part,
    from: usize,
    segment: u64,
    expected: &Expected,
) -> Option<String> {
    (from..part.end())
        .step_by(MIN_BLOCK_BYTES as usize)
        .find_map(|offset| {
            let (header, _) = Header::decode(part.from(offset)).ok()?;
            let ours = expected
                .log_id()
                .is_none_or(|log_id| log_id == header.log_id);
            let covers = header.watermark >= expected.batch() && header.batch > header.watermark;
            (ours && covers && header.segment == segment).then(|| {
                format!(
                    "frame {} at offset {offset} of {} says that it was durable",
                    header.batch,
                    segment::name(segment)
                )
            })
        })
}

fn describe(error: HeaderError) -> String {
    match error {
        HeaderError::Zeros => String::from(NOTHING),
        HeaderError::Magic => String::from("bytes that are no frame"),
        HeaderError::Malformed => String::from("a header that says impossible things"),
        HeaderError::Version(version) => format!("a frame of version {version}"),
        HeaderError::Checksum { stored, computed } => {
            format!("a header with checksum {computed:08x} for {stored:08x}")
        }
    }
}

const NOTHING: &str = "nothing";
