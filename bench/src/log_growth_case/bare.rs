//! The files of a log, read without it: what the system alone takes for what a read of the log reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use raft_core::ids::LogIndex;
use raft_log::WalSettings;

use crate::clusters::Failure;

/// A log whose appends are all alike, so that it is known where each stands (`docs/log-format.md`).
pub(super) struct Bare {
    files: Vec<File>,
    /// Entries in an append.
    at: u64,
    /// Bytes of a frame, with its padding, and how many there are in a file.
    frame: u64,
    in_a_file: u64,
    chunk: Vec<u8>,
}

impl Bare {
    /// The files in this folder, of a log with so many entries in each append, which are a chunk of so
    /// many bytes.
    pub(super) fn open(folder: &Path, at: u64, chunk: usize) -> Result<Self, Failure> {
        let settings = WalSettings::default();
        let block = u64::from(settings.block_bytes);
        let frame = (FRAME_HEADER_BYTES + IDENTITY_BYTES + chunk as u64).next_multiple_of(block);
        let mut files = Vec::new();
        while let Ok(file) = File::open(folder.join(format!("{:016x}.wal", files.len() + 1))) {
            files.push(file);
        }
        Ok(Self {
            files,
            at,
            frame,
            in_a_file: settings.segment_bytes / frame,
            chunk: vec![0; chunk],
        })
    }

    /// Reads the chunk with this entry.
    pub(super) fn read(&mut self, index: LogIndex) -> Result<(), Failure> {
        let append = index.previous().get() / self.at;
        let (file, frame) = (append / self.in_a_file, append % self.in_a_file);
        // The first two frames of each segment say who the node is.
        let front = match frame {
            0 | 1 => FRAME_HEADER_BYTES + IDENTITY_BYTES,
            _ => FRAME_HEADER_BYTES,
        };
        let file = self.files.get(usize::try_from(file)?).ok_or(ELSEWHERE)?;
        file.read_exact_at(&mut self.chunk, frame * self.frame + front)?;
        match self.chunk.starts_with(b"QRCK") {
            true => Ok(()),
            false => Err(ELSEWHERE.into()),
        }
    }
}

const FRAME_HEADER_BYTES: u64 = 128;
/// Of what the bench calls itself.
const IDENTITY_BYTES: u64 = b"bench".len() as u64;
const ELSEWHERE: &str = "a chunk does not stand where it should";
