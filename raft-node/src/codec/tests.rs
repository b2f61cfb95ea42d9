//! Golden bytes of both codecs, and bytes that are out to harm.

use super::*;
use serde::Deserialize;

#[derive(PartialEq, Debug, Serialize, Deserialize)]
enum Sample {
    Empty,
    Full {
        small: u8,
        number: u64,
        text: String,
        list: Vec<u16>,
        maybe: Option<bool>,
    },
}

fn sample() -> Sample {
    Sample::Full {
        small: 7,
        number: 300,
        text: "log".into(),
        list: vec![1, 1000],
        maybe: Some(true),
    }
}

fn encoded(codec: PayloadCodec) -> Vec<u8> {
    let mut bytes = vec![];
    codec.encode(&sample(), &mut bytes).unwrap();
    bytes
}

#[test]
fn golden_bytes_of_postcard() {
    let golden = [1, 7, 0xac, 2, 3, b'l', b'o', b'g', 2, 1, 0xe8, 7, 1, 1];
    assert_eq!(encoded(PayloadCodec::Postcard), golden);
    assert_eq!(PayloadCodec::Postcard.decode(&golden), Ok(sample()));
}

#[cfg(feature = "bincode")]
#[test]
fn golden_bytes_of_bincode() {
    let golden = [
        1, 7, 251, 0x2c, 1, 3, b'l', b'o', b'g', 2, 1, 251, 0xe8, 3, 1, 1,
    ];
    assert_eq!(encoded(PayloadCodec::Bincode), golden);
    assert_eq!(PayloadCodec::Bincode.decode(&golden), Ok(sample()));
}

fn built_in() -> impl Iterator<Item = PayloadCodec> {
    [PayloadCodec::Bincode, PayloadCodec::Postcard]
        .into_iter()
        .filter(|codec| codec.is_built_in())
}

#[test]
fn every_cut_and_every_surplus_is_an_error() {
    for codec in built_in() {
        let mut bytes = encoded(codec);
        for end in 0..bytes.len() {
            assert!(
                codec.decode::<Sample>(&bytes[..end]).is_err(),
                "cut at {end}"
            );
        }
        bytes.push(0);
        assert_eq!(
            codec.decode::<Sample>(&bytes),
            Err(CodecError::LeftOver { left_over: 1 })
        );
    }
}

#[test]
fn a_few_bytes_that_claim_terabytes_are_an_error() {
    // A length of 2^40, in each codec's integers, for a vector of bytes, of numbers, of vectors.
    let claims: [&[u8]; 2] = [
        &[253, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1, 2, 3, 4],
    ];
    for codec in built_in() {
        for claim in claims {
            assert!(codec.decode::<bytes::Bytes>(claim).is_err());
            assert!(codec.decode::<String>(claim).is_err());
            assert!(codec.decode::<Vec<u64>>(claim).is_err());
            assert!(codec.decode::<Vec<Vec<u8>>>(claim).is_err());
        }
    }
}

/// An app of numbers that are all small may be as large as memory: its snapshot has a byte for each,
/// and the log that made it is gone by the time it is read.
#[cfg(feature = "bincode")]
#[test]
fn what_has_a_byte_for_each_number_may_be_of_any_length() {
    let most = bincode::config::standard().with_limit::<16>();
    let decoded = bincode::serde::decode_from_slice::<u128, _>(&[0], most);
    assert!(decoded.is_ok(), "no integer claims more");
    for length in (0..usize::BITS).map(|bits| usize::MAX >> bits) {
        let claimed = length.saturating_mul(16);
        assert!(claim_limit(length) >= claimed, "{length}");
    }
}

#[cfg(not(feature = "bincode"))]
#[test]
fn a_codec_that_is_not_built_in_says_so() {
    let codec = PayloadCodec::Bincode;
    assert_eq!(
        codec.decode::<u8>(&[0]),
        Err(CodecError::NotBuiltIn { codec })
    );
}
