//! Which codecs a world's nodes speak.

use raft_node::codec::{PayloadCodec, WireCodec};
use serde::{Deserialize, Serialize};

use crate::lot::Lot;

/// Which codecs a world's nodes speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Codecs {
    /// The codec of commands and replies, where it is not the caller's to choose.
    pub payload: Named,
    /// The codec of letters between nodes; without one, each start of a node draws its own, as
    /// when nodes are brought over to another one by one.
    pub wire: Option<Named>,
}

/// A codec by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Named {
    /// `bincode`.
    Bincode,
    /// `postcard`.
    Postcard,
}

impl Codecs {
    pub(super) fn draw(lot: &mut Lot, custom: bool) -> Self {
        let payload = lot.pick(Named::Postcard, &[Named::Bincode]);
        Self {
            payload: if custom { Named::Postcard } else { payload },
            wire: lot.pick(
                Some(Named::Bincode),
                &[Some(Named::Bincode), Some(Named::Postcard), None],
            ),
        }
    }

    /// What a node speaks from this start on.
    pub(crate) fn wire(self, lot: &mut Lot) -> WireCodec {
        let named = self
            .wire
            .unwrap_or_else(|| lot.pick(Named::Bincode, &[Named::Postcard]));
        named.codec()
    }
}

impl Default for Codecs {
    fn default() -> Self {
        Self {
            payload: Named::Postcard,
            wire: Some(Named::Bincode),
        }
    }
}

impl Named {
    /// The codec of this name.
    pub const fn codec(self) -> PayloadCodec {
        match self {
            Self::Bincode => PayloadCodec::Bincode,
            Self::Postcard => PayloadCodec::Postcard,
        }
    }
}
