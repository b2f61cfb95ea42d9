//! A state machine's state on its way into a snapshot and out of one, part by part.

use bytes::Bytes;

use crate::codec::CodecError;

/// Reads a state as it was when [`StateMachine::snapshot`](super::StateMachine::snapshot) was called.
pub trait StateReader: Send {
    /// The next part, of about `max_bytes` and at least one; `None` at the end, and ever after.
    /// The node does nothing else meanwhile.
    fn next_part(&mut self, max_bytes: usize) -> Option<Bytes>;
}

/// Makes a machine out of a snapshot's bytes.
pub trait StateWriter<S>: Send {
    /// Takes the next bytes, which may be cut anywhere. The node does nothing else meanwhile.
    ///
    /// # Errors
    ///
    /// They can't be what a snapshot of this machine holds. The node stops: it can't go on without.
    fn write(&mut self, part: &[u8]) -> Result<(), StateError>;

    /// All bytes were taken: the machine, as it was when the snapshot was taken.
    ///
    /// # Errors
    ///
    /// They were not all that a snapshot of this machine holds. The node stops.
    fn finish(self: Box<Self>) -> Result<S, StateError>;
}

/// Why a state can't be written down, or made out of what was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateError {
    /// The codec can't express the state, or the bytes are not what it made.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// The bytes end too early, or go on after the end.
    #[error("the content of the snapshot ends in the wrong place")]
    Length,
    /// A later version of this library wrote the snapshot. Update this node.
    #[error(
        "the snapshot's content has version {version}, which this build does not know: update this node"
    )]
    UnknownVersion {
        /// Its version.
        version: u8,
    },
    /// The content's length or hash is not what the snapshot says.
    #[error("the content of the snapshot is not what was stored")]
    Damaged,
    /// The store of snapshots could not read it.
    #[error("the store of snapshots could not read it")]
    Unreadable,
    /// What the machine says.
    #[error("{0}")]
    Machine(&'static str),
}

/// Reads a state that is in memory as a whole.
#[derive(Clone, Debug)]
pub struct WholeReader(Bytes);

impl WholeReader {
    /// Reads these bytes.
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl StateReader for WholeReader {
    fn next_part(&mut self, max_bytes: usize) -> Option<Bytes> {
        let length = self.0.len().min(max_bytes.max(1));
        (length > 0).then(|| self.0.split_to(length))
    }
}

/// Collects all bytes and makes the machine of them at the end.
pub struct WholeWriter<F> {
    bytes: Vec<u8>,
    make: F,
}

impl<F> WholeWriter<F> {
    /// `make` is called once, with all of them.
    pub const fn new(make: F) -> Self {
        Self {
            bytes: Vec::new(),
            make,
        }
    }
}

impl<S, F> StateWriter<S> for WholeWriter<F>
where
    F: FnOnce(&[u8]) -> Result<S, StateError> + Send,
{
    fn write(&mut self, part: &[u8]) -> Result<(), StateError> {
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<S, StateError> {
        let Self { bytes, make } = *self;
        make(&bytes)
    }
}

impl<F> core::fmt::Debug for WholeWriter<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let bytes = self.bytes.len();
        f.debug_struct("WholeWriter")
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}
