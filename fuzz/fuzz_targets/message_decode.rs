//! Frames from strangers: any bytes as they are, or a body and chunks of any bytes in a frame that
//! is right, so that what stands behind lengths and checksums is looked at too.
#![no_main]

use bytes::Bytes;
use crc32c::crc32c_append;
use libfuzzer_sys::fuzz_target;
use raft_core::message::Message;
use raft_node::codec::{Codec, PayloadCodec, WireCodec};
use raft_node::frame::{self, FrameLimits, HEADER_BYTES};
use raft_node::identity::GenesisRecord;

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first_chunk() else {
        return;
    };
    let frame = match how[0] % 4 {
        0 => bytes.to_vec(),
        _ => framed(*how, bytes),
    };
    // A record may be refused; what is taken is the same when it is read again.
    if let Ok(record) = GenesisRecord::decode(bytes) {
        assert_eq!(GenesisRecord::decode(&record.encode()), Ok(record));
    }
    check(frame);
});

/// Reads a frame, and what it says through both codecs again.
fn check(bytes: Vec<u8>) {
    let limits = FrameLimits::default();
    let claimed = frame::claimed_length(&bytes, &limits);
    let length = bytes.len();
    let Ok(letter) = frame::decode(Bytes::from(bytes), &limits) else {
        return;
    };
    assert_eq!(
        claimed,
        Ok(Some(length)),
        "what decodes says how long it is"
    );
    for codec in [WireCodec::Bincode, WireCodec::Postcard] {
        let parts = frame::encode(&letter, codec).expect("what was decoded can be encoded");
        let whole = Bytes::from(parts.concat());
        let again = frame::decode(whole, &limits).expect("what was encoded can be decoded");
        assert_eq!(again, letter);
    }
}

/// A frame whose kind, codec, chunks and body these bytes choose; the rest of its front is right.
fn framed([how, body_length, chunks]: [u8; 3], bytes: &[u8]) -> Vec<u8> {
    let body_length = usize::from(body_length).min(bytes.len());
    let (body, rest) = bytes.split_at(body_length);
    let chunks = chunks_of(usize::from(chunks % 4), rest);
    let codec = if how & 4 == 0 {
        WireCodec::Bincode
    } else {
        WireCodec::Postcard
    };
    let kind = how / 8 % 6;
    let chunk_bytes: usize = chunks.iter().map(Vec::len).sum();
    let front = HEADER_BYTES + 4 * chunks.len() + body.len();
    let mut frame = Vec::new();
    frame.extend_from_slice(b"QRFM");
    frame.extend_from_slice(&frame::FORMAT_VERSION.to_le_bytes());
    frame.extend_from_slice(&[kind, codec.tag()]);
    for length in [front + chunk_bytes, body.len(), chunks.len()] {
        frame.extend_from_slice(&(length as u32).to_le_bytes());
    }
    frame.extend_from_slice(&[how >> 7, 0, 0, 0]);
    frame.extend_from_slice(&[how >> 7; 16]);
    frame.extend_from_slice(&addresses_of(body, codec));
    frame.extend_from_slice(&[0; 4]);
    for chunk in &chunks {
        frame.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
    }
    frame.extend_from_slice(body);
    let checksum = crc32c_append(crc32c::crc32c(&frame[..80]), &frame[HEADER_BYTES..]);
    frame[80..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    frame.extend(chunks.into_iter().flatten());
    frame
}

/// Sender, its life and boot, and receiver, as the message in the body has them, if it is one.
fn addresses_of(body: &[u8], codec: PayloadCodec) -> Vec<u8> {
    let Ok(message) = codec.decode::<Message>(body) else {
        return vec![1; 40];
    };
    let from = message.from;
    let mut addresses = from.id.get().to_le_bytes().to_vec();
    addresses.extend_from_slice(&from.incarnation.get().to_le_bytes());
    addresses.extend_from_slice(&7_u64.to_le_bytes());
    addresses.extend_from_slice(&message.to.id.get().to_le_bytes());
    addresses
}

/// The bytes shared among so many chunks, whose lengths and checksums are right and which follow
/// each other.
fn chunks_of(count: usize, bytes: &[u8]) -> Vec<Vec<u8>> {
    let Some(share) = bytes.len().checked_div(count).filter(|share| *share >= 18) else {
        return Vec::new();
    };
    let mut next = u64::from(bytes[0]) + 1;
    let mut signed = |bytes: &[u8]| {
        let rows = u64::from(bytes[0] % 4) + 1;
        let chunk = chunk_of(next, rows as usize, &bytes[1..]);
        next += rows;
        chunk
    };
    bytes
        .chunks_exact(share)
        .take(count)
        .map(&mut signed)
        .collect()
}

/// A chunk of so many rows: term, flags and time, then kinds and payloads.
fn chunk_of(first: u64, rows: usize, bytes: &[u8]) -> Vec<u8> {
    let (fixed, rest) = bytes.split_at(8);
    let (kinds, payloads) = rest.split_at(rows);
    let ids_only = fixed[0] == 1;
    let mut chunk = b"QRCK\x01\x00".to_vec();
    chunk.extend_from_slice(&[u8::from(ids_only), 0]);
    chunk.extend_from_slice(&(u64::from(fixed[1]) + 1).to_le_bytes());
    chunk.extend_from_slice(&first.to_le_bytes());
    chunk.extend_from_slice(&(rows as u32).to_le_bytes());
    chunk.extend_from_slice(&(payloads.len() as u32).to_le_bytes());
    chunk.extend_from_slice(&fixed[..8]);
    if !ids_only {
        chunk.extend_from_slice(&crc32c::crc32c(payloads).to_le_bytes());
        chunk.extend_from_slice(&[0; 4]);
        chunk.extend_from_slice(payloads);
    } else {
        chunk.extend_from_slice(&[0; 8]);
    }
    let table = chunk.len();
    for (row, kind) in (1..=rows).zip(kinds) {
        // The payloads end in even steps.
        let end = payloads.len() * row / rows;
        chunk.extend_from_slice(&[*kind, 0, 0, 0]);
        chunk.extend_from_slice(&(end as u32).to_le_bytes());
    }
    let checksum = crc32c_append(crc32c::crc32c(&chunk[..44]), &chunk[table..]);
    chunk[44..48].copy_from_slice(&checksum.to_le_bytes());
    chunk
}
