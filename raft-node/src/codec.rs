//! Codecs for what has no format of our own: the user's commands and replies, and the small parts
//! of messages.
//!
//! Every codec refuses bytes left over, and none allocates much more than it was given (beyond 256
//! MiB it may). Which one a connection uses is written in each frame; which one a cluster's payloads
//! use is fixed in its genesis record, since the same bytes read by another codec can be a valid
//! wrong command.

use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Turns values into bytes and back.
pub trait Codec {
    /// Appends the encoded value to `out`.
    ///
    /// # Errors
    ///
    /// The value can't be encoded, or the codec is not built in; `out` may hold a part of it.
    fn encode<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads a value from exactly these bytes.
    ///
    /// # Errors
    ///
    /// The bytes are not the encoding of a `T`, or more than that, or the codec is not built in.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// bincode 2.0.1 in its standard configuration (little-endian, variable-length integers).
#[cfg(feature = "bincode")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BincodeCodec;

/// postcard 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PostcardCodec;

/// The codec of a cluster's commands and replies; part of its genesis record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadCodec {
    /// `BincodeCodec`; needs the feature `bincode`.
    Bincode,
    /// [`PostcardCodec`].
    Postcard,
}

/// The codec of the bodies of frames; named in each frame.
pub type WireCodec = PayloadCodec;

impl PayloadCodec {
    /// The best codec built in.
    pub const DEFAULT: Self = if cfg!(feature = "bincode") {
        Self::Bincode
    } else {
        Self::Postcard
    };

    /// Its number in formats.
    pub const fn tag(self) -> u8 {
        match self {
            Self::Bincode => 1,
            Self::Postcard => 2,
        }
    }

    /// The codec of this number.
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Bincode),
            2 => Some(Self::Postcard),
            _ => None,
        }
    }

    /// Whether this build has it.
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::Bincode => cfg!(feature = "bincode"),
            Self::Postcard => true,
        }
    }
}

impl Default for PayloadCodec {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for PayloadCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bincode => "bincode",
            Self::Postcard => "postcard",
        })
    }
}

impl Codec for PayloadCodec {
    fn encode<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => BincodeCodec.encode(value, out),
            #[cfg(not(feature = "bincode"))]
            Self::Bincode => Err(CodecError::NotBuiltIn { codec: *self }),
            Self::Postcard => PostcardCodec.encode(value, out),
        }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => BincodeCodec.decode(bytes),
            #[cfg(not(feature = "bincode"))]
            Self::Bincode => Err(CodecError::NotBuiltIn { codec: *self }),
            Self::Postcard => PostcardCodec.decode(bytes),
        }
    }
}

#[cfg(feature = "bincode")]
impl Codec for BincodeCodec {
    fn encode<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        bincode::serde::encode_into_writer(value, Appender(out), bincode::config::standard())
            .map_err(|_| CodecError::Encode {
                codec: PayloadCodec::Bincode,
            })
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let decoded = match claim_limit(bytes.len()) {
            CLAIMS_OF_A_KIB => decode_within::<T, CLAIMS_OF_A_KIB>(bytes),
            CLAIMS_OF_64_KIB => decode_within::<T, CLAIMS_OF_64_KIB>(bytes),
            CLAIMS_OF_A_MIB => decode_within::<T, CLAIMS_OF_A_MIB>(bytes),
            CLAIMS_OF_16_MIB => decode_within::<T, CLAIMS_OF_16_MIB>(bytes),
            CLAIMS_OF_256_MIB => decode_within::<T, CLAIMS_OF_256_MIB>(bytes),
            _ => decode_within::<T, CLAIMS_OF_MORE>(bytes),
        };
        let (value, consumed) = decoded.map_err(|_| CodecError::Decode {
            codec: PayloadCodec::Bincode,
        })?;
        match bytes.len().saturating_sub(consumed) {
            0 => Ok(value),
            left_over => Err(CodecError::LeftOver { left_over }),
        }
    }
}

/// How much a value may claim whose encoding has so many bytes.
///
/// The limit is part of bincode's type, and it counts what the value claims, not what is there: a
/// few bytes may claim terabytes. So it grows with the input, in steps, each sixty-four times its
/// longest input. What was encoded claims sixteen times its length at most, since an integer of 16 bytes may
/// take a single one: however large an app is, its snapshot can be read. What is longer than all
/// but snapshots, whose bytes were hashed before they are read, may claim anything.
#[cfg(feature = "bincode")]
const fn claim_limit(length: usize) -> usize {
    match length {
        0..=0x400 => CLAIMS_OF_A_KIB,
        0x401..=0x1_0000 => CLAIMS_OF_64_KIB,
        0x1_0001..=0x10_0000 => CLAIMS_OF_A_MIB,
        0x10_0001..=0x100_0000 => CLAIMS_OF_16_MIB,
        0x100_0001..=0x1000_0000 => CLAIMS_OF_256_MIB,
        _ => CLAIMS_OF_MORE,
    }
}

#[cfg(feature = "bincode")]
fn decode_within<T: DeserializeOwned, const LIMIT: usize>(
    bytes: &[u8],
) -> Result<(T, usize), bincode::error::DecodeError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    bincode::serde::decode_from_slice(bytes, config)
}

/// Lets bincode append to a vector.
#[cfg(feature = "bincode")]
struct Appender<'a>(&'a mut Vec<u8>);

#[cfg(feature = "bincode")]
impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Codec for PostcardCodec {
    fn encode<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let encoded = postcard::to_extend(value, core::mem::take(out));
        *out = encoded.map_err(|_| CodecError::Encode {
            codec: PayloadCodec::Postcard,
        })?;
        Ok(())
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let (value, rest) = postcard::take_from_bytes(bytes).map_err(|_| CodecError::Decode {
            codec: PayloadCodec::Postcard,
        })?;
        match rest.len() {
            0 => Ok(value),
            left_over => Err(CodecError::LeftOver { left_over }),
        }
    }
}

/// Why a value could not be encoded or decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// The value has a form this codec can't express (a sequence of unknown length, say).
    #[error("{codec} can't encode this value")]
    Encode {
        /// Which codec.
        codec: PayloadCodec,
    },
    /// The bytes are not what the type needs, or claim more than they hold.
    #[error("bytes are not a value of the type, in {codec}")]
    Decode {
        /// Which codec.
        codec: PayloadCodec,
    },
    /// There are bytes after the value.
    #[error("{left_over} bytes are left over after the value")]
    LeftOver {
        /// How many.
        left_over: usize,
    },
    /// This build does not have the codec.
    #[error("{codec} is not built in (feature `bincode`)")]
    NotBuiltIn {
        /// Which codec.
        codec: PayloadCodec,
    },
}

#[cfg(feature = "bincode")]
const CLAIMS_OF_A_KIB: usize = 64 << 10;
#[cfg(feature = "bincode")]
const CLAIMS_OF_64_KIB: usize = 4 << 20;
#[cfg(feature = "bincode")]
const CLAIMS_OF_A_MIB: usize = 64 << 20;
#[cfg(feature = "bincode")]
const CLAIMS_OF_16_MIB: usize = 1 << 30;
/// Where memory has so many addresses.
#[cfg(feature = "bincode")]
const CLAIMS_OF_256_MIB: usize = CLAIMS_OF_16_MIB.saturating_mul(16);
#[cfg(feature = "bincode")]
const CLAIMS_OF_MORE: usize = usize::MAX;

#[cfg(test)]
mod tests;
