//! Frames from strangers: any bytes, as they are or with lengths and checksums made right, so that
//! what stands behind the checksums is looked at too.
#![no_main]

use bytes::Bytes;
use crc32c::crc32c_append;
use libfuzzer_sys::fuzz_target;
use raft_node::codec::WireCodec;
use raft_node::frame::{self, FrameLimits};
use raft_node::identity::GenesisRecord;

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if how & 1 == 1 {
        sign(&mut bytes, *how);
    }
    // Decoding any record may only fail.
    let _ = GenesisRecord::decode(&bytes);
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
});

/// Makes magic, version, lengths and checksums right, of the frame and of the chunks in it.
fn sign(bytes: &mut Vec<u8>, how: u8) {
    if bytes.len() < frame::HEADER_BYTES {
        return;
    }
    bytes[..4].copy_from_slice(b"QRFM");
    bytes[4..6].copy_from_slice(&frame::FORMAT_VERSION.to_le_bytes());
    let chunks = if how & 2 == 2 { bytes[16] % 4 } else { 0 };
    bytes[16..20].copy_from_slice(&u32::from(chunks).to_le_bytes());
    bytes[20..24].copy_from_slice(&[how >> 7, 0, 0, 0]);
    let table = frame::HEADER_BYTES + 4 * usize::from(chunks);
    if table > bytes.len() {
        return;
    }
    let rest = bytes.len() - table;
    let body = if chunks == 0 {
        rest
    } else {
        usize::from(bytes[12]).min(rest)
    };
    let front = table + body;
    sign_chunks(bytes, front, usize::from(chunks));
    let (length, body) = (bytes.len() as u32, body as u32);
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[12..16].copy_from_slice(&body.to_le_bytes());
    let checksum = crc32c_append(crc32c::crc32c(&bytes[..80]), &bytes[84..front]);
    bytes[80..84].copy_from_slice(&checksum.to_le_bytes());
}

/// Shares what follows the body among the chunks, and makes each one's lengths and checksums right.
fn sign_chunks(bytes: &mut [u8], front: usize, count: usize) {
    let Some(share) = (bytes.len() - front).checked_div(count) else {
        return;
    };
    for number in 0..count {
        let start = front + number * share;
        let end = if number + 1 == count {
            bytes.len()
        } else {
            start + share
        };
        let row = frame::HEADER_BYTES + 4 * number;
        bytes[row..row + 4].copy_from_slice(&((end - start) as u32).to_le_bytes());
        sign_chunk(&mut bytes[start..end]);
    }
}

fn sign_chunk(chunk: &mut [u8]) {
    if chunk.len() < 56 {
        return;
    }
    chunk[..4].copy_from_slice(b"QRCK");
    let flags = chunk[6] & 1;
    chunk[4..8].copy_from_slice(&[1, 0, flags, 0]);
    let rows = usize::from(chunk[24] % 4) + 1;
    let Some(payload) = (chunk.len() - 48).checked_sub(8 * rows) else {
        return;
    };
    chunk[24..28].copy_from_slice(&(rows as u32).to_le_bytes());
    chunk[28..32].copy_from_slice(&(payload as u32).to_le_bytes());
    let table = 48 + payload;
    // Ends that rise to the payloads' length, in even steps; the kinds stay what they are.
    for row in 0..rows {
        let at = table + 8 * row;
        let end = if row + 1 == rows {
            payload
        } else {
            payload / rows * (row + 1)
        };
        chunk[at + 1..at + 4].fill(0);
        chunk[at + 4..at + 8].copy_from_slice(&(end as u32).to_le_bytes());
    }
    let payloads = crc32c::crc32c(&chunk[48..table]);
    chunk[40..44].copy_from_slice(&payloads.to_le_bytes());
    let ids = crc32c_append(crc32c::crc32c(&chunk[..44]), &chunk[table..]);
    chunk[44..48].copy_from_slice(&ids.to_le_bytes());
}
