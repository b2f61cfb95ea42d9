//! The write-ahead log: all that must survive a crash, in one stream of checksummed frames.

use std::ops::Range;
use std::task::{Context, Poll};

use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Loading, Log, LogError, Recovered, Write};

use crate::error::WalError;
use crate::fs::Fs;

/// A durable log in one folder.
#[derive(Debug)]
pub struct Wal<F: Fs> {
    fs: F,
    settings: WalSettings,
}

impl<F: Fs> Wal<F> {
    /// Takes the folder, reads what survived, and durably cuts off what was never promised.
    ///
    /// # Errors
    ///
    /// The folder can't be used, or holds damage that a crash can't explain. See [`WalError`].
    #[expect(clippy::unused_async, reason = "draft of the signature")]
    pub async fn open(fs: F, settings: WalSettings) -> Result<(Self, Recovered), WalError> {
        settings.check()?;
        Ok((Self { fs, settings }, Recovered::default()))
    }

    /// The settings the log was opened with.
    pub const fn settings(&self) -> &WalSettings {
        &self.settings
    }

    /// The folder the log is in.
    pub const fn fs(&self) -> &F {
        &self.fs
    }
}

impl<F: Fs> Log for Wal<F> {
    fn begin(&mut self, _write: Write) {}

    fn poll_durable(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        Poll::Pending
    }

    fn load(&self, _range: Range<LogIndex>, _max_bytes: usize) -> Loading {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// What can be tuned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalSettings {
    /// Bytes of one segment file. A frame that is longer gets a segment of its own. At least one
    /// block. Smaller ones let space be freed earlier; larger ones cost fewer creations.
    pub segment_bytes: u64,
    /// Bytes of one block, which belongs to one frame and is never written twice: at least the
    /// unit the disk writes at once. A power of two from 256 to 65536. May change between openings.
    pub block_bytes: u32,
    /// Marks the frames of a log that is created, so that they can't be taken for another log's;
    /// an existing log keeps its own. Draw it at random where there is randomness.
    pub log_id: u64,
}

impl WalSettings {
    fn check(&self) -> Result<(), WalError> {
        let valid =
            self.block_bytes.is_power_of_two() && (256..=65_536).contains(&self.block_bytes);
        if !valid {
            return Err(WalError::Settings {
                reason: "block_bytes must be a power of two from 256 to 65536",
            });
        }
        if self.segment_bytes < u64::from(self.block_bytes) {
            return Err(WalError::Settings {
                reason: "segment_bytes must be at least block_bytes",
            });
        }
        Ok(())
    }
}

impl Default for WalSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            block_bytes: 4096,
            log_id: 0,
        }
    }
}
