//! Letters as bytes.
//!
//! A frame is our own header, a table of chunk lengths, the packet's body in a codec, and then the
//! chunks' bytes as they are in memory and on disk (all numbers little-endian):
//!
//! ```text
//! header, 84 bytes   magic "QRFM" · version u16 · kind u8 · codec u8 · whole length u32 ·
//!                    body length u32 · chunks u32 · flags u16 (1: has a cluster) · 0 u16 ·
//!                    cluster u128 · from u64 · incarnation u128 · boot u64 · to u64 ·
//!                    checksum u32 (over the 80 bytes before it, table and body)
//! table, 4 a chunk   length u32
//! body               in the codec; empty for Hello
//! chunks             one after the other, each with checksums of its own
//! ```
//!
//! Nothing is believed before it is checked: lengths against the limits before anything is
//! allocated, the checksum before the body is decoded.

use bytes::{Buf, Bytes};
use raft_core::chunk::{Chunk, ChunkError, ChunkLimits};
use raft_core::few::Few;
use raft_core::ids::{Boot, ClusterId, Incarnation, NodeId, Peer};
use raft_core::message::{Body, Message};

use crate::codec::{Codec, CodecError, WireCodec};
use crate::letter::{Letter, Packet};

/// The bytes of a letter, as parts for one vectored write; the chunks' bytes are shared, not
/// copied.
///
/// # Errors
///
/// The codec is not built in, or the letter is longer than a frame can say. Nothing was sent.
pub fn encode(letter: &Letter, codec: WireCodec) -> Result<Vec<Bytes>, FrameError> {
    let chunks: Vec<Bytes> = chunks_of(&letter.packet)
        .iter()
        .map(|chunk| chunk.encode(crc32c::crc32c_append))
        .collect();
    let mut front = Vec::with_capacity(HEADER_BYTES + 4 * chunks.len() + 128);
    front.extend_from_slice(&[0; HEADER_BYTES]);
    for chunk in &chunks {
        front.extend_from_slice(&length_u32(chunk.len())?.to_le_bytes());
    }
    let body_start = front.len();
    match &letter.packet {
        Packet::Hello => {}
        Packet::Raft(message) => codec.encode(message, &mut front)?,
        Packet::Genesis(news) => codec.encode(news, &mut front)?,
        Packet::Forward(forward) => codec.encode(forward, &mut front)?,
        Packet::ForwardReply(reply) => codec.encode(reply, &mut front)?,
    }
    let chunk_bytes: usize = chunks.iter().map(Bytes::len).sum();
    let header = Header {
        kind: kind_of(&letter.packet),
        codec,
        length: length_u32(front.len().saturating_add(chunk_bytes))?,
        body_length: length_u32(front.len() - body_start)?,
        chunks: length_u32(chunks.len())?,
        cluster: letter.cluster,
        from: letter.from,
        boot: letter.boot,
        to: letter.to,
    };
    header.write(&mut front);
    let mut parts = Vec::with_capacity(1 + chunks.len());
    parts.push(Bytes::from(front));
    parts.extend(chunks);
    Ok(parts)
}

/// Reads the letter that exactly these bytes hold, sharing the chunks' bytes.
///
/// # Errors
///
/// Says what is wrong; nothing of the bytes is used.
pub fn decode(mut bytes: Bytes, limits: &FrameLimits) -> Result<Letter, FrameError> {
    let header = Header::read(&bytes)?;
    limits.check(&header)?;
    if header.length as usize != bytes.len() {
        return Err(FrameError::Length {
            claimed: u64::from(header.length),
            found: bytes.len() as u64,
        });
    }
    let front = header.front_length().ok_or(FrameError::Malformed)?;
    let checked = bytes
        .get(HEADER_BYTES..front)
        .ok_or(FrameError::Malformed)?;
    if header_checksum(&bytes, checked) != header.stored_checksum(&bytes) {
        return Err(FrameError::Checksum);
    }
    let table = checked
        .get(..4 * header.chunks as usize)
        .ok_or(FrameError::Malformed)?;
    let lengths: Vec<u32> = table.chunks_exact(4).map(le_u32).collect();
    let body_start = HEADER_BYTES + table.len();
    let mut packet = decode_body(&header, bytes.get(body_start..front).unwrap_or(&[]))?;
    bytes.advance(front);
    let chunks = decode_chunks(bytes, &lengths, limits.chunk_limits)?;
    place_chunks(&mut packet, chunks)?;
    if let Packet::Raft(message) = &packet {
        if message.from != header.from || message.to.id != header.to {
            return Err(FrameError::Malformed);
        }
    }
    Ok(Letter {
        cluster: header.cluster,
        from: header.from,
        boot: header.boot,
        to: header.to,
        packet,
    })
}

/// How long the frame that starts with `prefix` is, to cut frames out of a stream; `None` while
/// there are too few bytes to say.
///
/// # Errors
///
/// The bytes do not begin a frame, or one beyond the limits. The stream can't be followed any
/// further.
pub fn claimed_length(prefix: &[u8], limits: &FrameLimits) -> Result<Option<usize>, FrameError> {
    let magic = prefix.get(..MAGIC.len().min(prefix.len())).unwrap_or(&[]);
    if !MAGIC.starts_with(magic) {
        return Err(FrameError::NotAFrame);
    }
    let Some(start) = prefix.first_chunk::<LENGTH_END>() else {
        return Ok(None);
    };
    let version = le_u16(&start[4..6]);
    if version != FORMAT_VERSION {
        return Err(FrameError::UnknownVersion { version });
    }
    let length = le_u32(&start[8..LENGTH_END]) as usize;
    if length < HEADER_BYTES {
        return Err(FrameError::Malformed);
    }
    if length > limits.max_frame_bytes {
        return Err(FrameError::TooLong {
            claimed: length as u64,
            limit: limits.max_frame_bytes as u64,
        });
    }
    Ok(Some(length))
}

/// How long a frame with one chunk can be.
pub(crate) const fn longest_with(body_bytes: usize, chunk_limits: ChunkLimits) -> usize {
    let front = body_bytes.saturating_add(HEADER_BYTES + 4);
    front.saturating_add(chunk_limits.max_length())
}

/// What an arriving frame may at most hold. Checked before anything is allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameLimits {
    /// Bytes of a whole frame. At least `max_body_bytes` and the longest chunk's length together.
    pub max_frame_bytes: usize,
    /// Bytes of the part that goes through the codec. At least what
    /// [`NodeSettings::max_forward_bytes`](crate::settings::NodeSettings::max_forward_bytes) and
    /// the largest command need.
    pub max_body_bytes: usize,
    /// Chunks in one frame.
    pub max_chunks: u32,
    /// Each chunk's own limits.
    pub chunk_limits: ChunkLimits,
}

impl FrameLimits {
    fn check(&self, header: &Header) -> Result<(), FrameError> {
        let too_long = |claimed: u32, limit: usize| {
            if claimed as usize > limit {
                Err(FrameError::TooLong {
                    claimed: u64::from(claimed),
                    limit: limit as u64,
                })
            } else {
                Ok(())
            }
        };
        too_long(header.length, self.max_frame_bytes)?;
        too_long(header.body_length, self.max_body_bytes)?;
        too_long(header.chunks, self.max_chunks as usize)
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            max_frame_bytes: 96 << 20,
            max_body_bytes: 16 << 20,
            max_chunks: 65_536,
            chunk_limits: ChunkLimits::default(),
        }
    }
}

/// Why bytes are not a frame, or a letter can't become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The bytes do not begin like a frame: whoever sent them speaks something else.
    #[error("bytes do not begin with a frame's magic")]
    NotAFrame,
    /// Written by another version of this library.
    #[error("frame has format version {version}; this build reads {FORMAT_VERSION}")]
    UnknownVersion {
        /// The version found.
        version: u16,
    },
    /// A kind of packet this build does not know.
    #[error("frame carries an unknown kind of packet, {kind}")]
    UnknownKind {
        /// The kind found.
        kind: u8,
    },
    /// A codec this build does not know.
    #[error("frame names an unknown codec, {tag}")]
    UnknownCodec {
        /// The codec's number.
        tag: u8,
    },
    /// The frame claims more than the limits allow.
    #[error("frame claims {claimed} bytes or chunks, of at most {limit}")]
    TooLong {
        /// What was claimed.
        claimed: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes at hand are not one whole frame.
    #[error("frame claims {claimed} bytes, {found} are there")]
    Length {
        /// What the header says.
        claimed: u64,
        /// What is there.
        found: u64,
    },
    /// Header, table or body are damaged.
    #[error("frame does not match its checksum")]
    Checksum,
    /// The parts contradict each other.
    #[error("frame is malformed")]
    Malformed,
    /// The body can't be encoded or decoded.
    #[error("frame body: {0}")]
    Body(#[from] CodecError),
    /// A chunk is damaged or too large.
    #[error("frame chunk: {0}")]
    Chunk(#[from] ChunkError),
}

/// The fixed front of a frame.
struct Header {
    kind: u8,
    codec: WireCodec,
    length: u32,
    body_length: u32,
    chunks: u32,
    cluster: Option<ClusterId>,
    from: Peer,
    boot: Boot,
    to: NodeId,
}

impl Header {
    fn write(&self, front: &mut [u8]) {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        header.push(self.kind);
        header.push(self.codec.tag());
        header.extend_from_slice(&self.length.to_le_bytes());
        header.extend_from_slice(&self.body_length.to_le_bytes());
        header.extend_from_slice(&self.chunks.to_le_bytes());
        let flags = if self.cluster.is_some() {
            FLAG_CLUSTER
        } else {
            0
        };
        header.extend_from_slice(&flags.to_le_bytes());
        header.extend_from_slice(&[0; 2]);
        let cluster = self.cluster.map_or(0, ClusterId::get);
        header.extend_from_slice(&cluster.to_le_bytes());
        header.extend_from_slice(&self.from.id.get().to_le_bytes());
        header.extend_from_slice(&self.from.incarnation.get().to_le_bytes());
        header.extend_from_slice(&self.boot.get().to_le_bytes());
        header.extend_from_slice(&self.to.get().to_le_bytes());
        if let Some((room, rest)) = front.split_at_mut_checked(HEADER_BYTES) {
            let checksum = crc32c::crc32c_append(crc32c::crc32c(&header), rest);
            header.extend_from_slice(&checksum.to_le_bytes());
            room.copy_from_slice(&header);
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(FrameError::NotAFrame);
        }
        let mut bytes = bytes
            .get(MAGIC.len()..HEADER_BYTES)
            .ok_or(FrameError::Malformed)?;
        let fields = &mut bytes;
        let version = fields.get_u16_le();
        if version != FORMAT_VERSION {
            return Err(FrameError::UnknownVersion { version });
        }
        let kind = fields.get_u8();
        let tag = fields.get_u8();
        let (length, body_length) = (fields.get_u32_le(), fields.get_u32_le());
        let chunks = fields.get_u32_le();
        let (flags, spare) = (fields.get_u16_le(), fields.get_u16_le());
        let cluster = fields.get_u128_le();
        let has_cluster = flags == FLAG_CLUSTER;
        if flags & !FLAG_CLUSTER != 0 || spare != 0 || (!has_cluster && cluster != 0) {
            return Err(FrameError::Malformed);
        }
        let id = NodeId::new(fields.get_u64_le());
        let incarnation = Incarnation::new(fields.get_u128_le());
        Ok(Self {
            kind,
            codec: WireCodec::from_tag(tag).ok_or(FrameError::UnknownCodec { tag })?,
            length,
            body_length,
            chunks,
            cluster: has_cluster.then(|| ClusterId::new(cluster)),
            from: Peer::new(id, incarnation),
            boot: Boot::new(fields.get_u64_le()),
            to: NodeId::new(fields.get_u64_le()),
        })
    }

    /// The length of header, table and body.
    fn front_length(&self) -> Option<usize> {
        (self.chunks as usize)
            .checked_mul(4)?
            .checked_add(HEADER_BYTES)?
            .checked_add(self.body_length as usize)
    }

    fn stored_checksum(&self, bytes: &[u8]) -> u32 {
        bytes.get(CHECKSUM_AT..HEADER_BYTES).map_or(0, le_u32)
    }
}

fn header_checksum(bytes: &[u8], after_header: &[u8]) -> u32 {
    let header = bytes.get(..CHECKSUM_AT).unwrap_or(&[]);
    crc32c::crc32c_append(crc32c::crc32c(header), after_header)
}

fn decode_body(header: &Header, body: &[u8]) -> Result<Packet, FrameError> {
    let codec = header.codec;
    match header.kind {
        kind::HELLO if body.is_empty() => Ok(Packet::Hello),
        kind::HELLO => Err(FrameError::Malformed),
        kind::RAFT => Ok(Packet::Raft(codec.decode(body)?)),
        kind::GENESIS => Ok(Packet::Genesis(codec.decode(body)?)),
        kind::FORWARD => Ok(Packet::Forward(codec.decode(body)?)),
        kind::FORWARD_REPLY => Ok(Packet::ForwardReply(codec.decode(body)?)),
        kind => Err(FrameError::UnknownKind { kind }),
    }
}

fn decode_chunks(
    mut bytes: Bytes,
    lengths: &[u32],
    limits: ChunkLimits,
) -> Result<Few<Chunk>, FrameError> {
    let mut chunks = Few::with_capacity(lengths.len());
    for length in lengths {
        let length = *length as usize;
        if length > bytes.len() {
            return Err(FrameError::Malformed);
        }
        let chunk = bytes.split_to(length);
        chunks.push(Chunk::parse(chunk, limits, crc32c::crc32c_append)?);
    }
    if bytes.is_empty() {
        Ok(chunks)
    } else {
        Err(FrameError::Malformed)
    }
}

/// Puts the chunks back where they belong: contiguous in an AppendEntries, none elsewhere.
fn place_chunks(packet: &mut Packet, arrived: Few<Chunk>) -> Result<(), FrameError> {
    if arrived.is_empty() {
        return Ok(());
    }
    let contiguous = arrived
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.last_index().next() == b.first_index()));
    match packet {
        Packet::Raft(Message {
            body: Body::AppendEntries(append),
            ..
        }) if contiguous => {
            append.chunks = arrived;
            Ok(())
        }
        _ => Err(FrameError::Malformed),
    }
}

fn chunks_of(packet: &Packet) -> &[Chunk] {
    match packet {
        Packet::Raft(Message {
            body: Body::AppendEntries(append),
            ..
        }) => &append.chunks,
        _ => &[],
    }
}

const fn kind_of(packet: &Packet) -> u8 {
    match packet {
        Packet::Hello => kind::HELLO,
        Packet::Raft(_) => kind::RAFT,
        Packet::Genesis(_) => kind::GENESIS,
        Packet::Forward(_) => kind::FORWARD,
        Packet::ForwardReply(_) => kind::FORWARD_REPLY,
    }
}

fn length_u32(length: usize) -> Result<u32, FrameError> {
    u32::try_from(length).map_err(|_| FrameError::TooLong {
        claimed: length as u64,
        limit: u64::from(u32::MAX),
    })
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

fn le_u16(bytes: &[u8]) -> u16 {
    bytes.try_into().map_or(0, u16::from_le_bytes)
}

/// The numbers of the kinds of packet, as they stand on the wire.
mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const RAFT: u8 = 2;
    pub(super) const GENESIS: u8 = 3;
    pub(super) const FORWARD: u8 = 4;
    pub(super) const FORWARD_REPLY: u8 = 5;
}

/// The length of a frame's header.
pub const HEADER_BYTES: usize = 84;
/// The version of the layout above, and of what the bodies say.
///
/// What it promises: a build reads the frames of its own version and refuses all others with
/// [`FrameError::UnknownVersion`], so that no two builds misunderstand each other whose bytes differ. That
/// begins with the first release. Until then the number was raised when it was thought of (version 2 came
/// with the handing over of leadership), and not each time: within version 2 heartbeats have come to say
/// whether the leader takes leave, and whoever runs builds of two commits side by side may have them
/// misread each other. From the first release on the golden bytes of a version never change, and a test
/// compares them with what was released.
pub const FORMAT_VERSION: u16 = 2;
const CHECKSUM_AT: usize = 80;
/// Where the whole length ends, counted from the start: what [`claimed_length`] needs.
const LENGTH_END: usize = 12;
const MAGIC: [u8; 4] = *b"QRFM";
const FLAG_CLUSTER: u16 = 1;

#[cfg(test)]
mod tests;
