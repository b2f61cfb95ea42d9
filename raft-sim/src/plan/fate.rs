//! What becomes of single messages, said outright instead of drawn.
//!
//! A drawn plan says how many of a thousand messages are lost or late; a shrunk one names the few
//! whose fate matters, and lets all others arrive in the same time.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::span;
use crate::network::KINDS;

/// What becomes of one message, instead of what would be drawn for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FatePlan {
    /// Who sends it: the node's number.
    pub from: u32,
    /// Who should get it: the node's number.
    pub to: u32,
    /// Its kind.
    pub kind: Kind,
    /// Its number among those of its kind on this link, counted from 1.
    pub number: u64,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a message, if no cut takes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fate {
    /// It is lost.
    Lost,
    /// It arrives after so long.
    Takes(#[serde(with = "span")] Duration),
    /// It arrives twice, each time after so long.
    Twice(
        #[serde(with = "span")] Duration,
        #[serde(with = "span")] Duration,
    ),
}

/// A kind of message: its place in [`KINDS`], in text its name there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kind(pub u8);

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        KINDS.get(usize::from(self.0)).copied().unwrap_or("other")
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(KindVisitor)
    }
}

struct KindVisitor;

impl Visitor<'_> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a kind of message, one of {}", KINDS.join(", "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
        let place = KINDS.iter().position(|kind| *kind == text);
        place
            .map(|place| Kind(place as u8))
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}
