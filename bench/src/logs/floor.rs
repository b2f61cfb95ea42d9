//! The bare disk: one file, written before, in which each append is one write and one sync.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::Appender;
use crate::clusters::Failure;
use crate::log_case::Load;

pub(crate) struct Floor {
    file: File,
    /// Whether writes go past the cache, and last when they return.
    direct: bool,
    buffer: Vec<u8>,
    /// Where in it a block of memory begins, and how many bytes are written from there.
    aligned: usize,
    bytes: usize,
    offset: u64,
    entries: u64,
}

impl Floor {
    pub(crate) fn open(folder: &Path, load: &Load, direct: bool) -> Result<Self, Failure> {
        let path = folder.join("file");
        let bytes = load.bytes();
        let mut file = File::create_new(&path)?;
        let zeros = vec![0; bytes];
        for _ in 0..load.before + load.times {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        let mut options = OpenOptions::new();
        options.write(true);
        if direct {
            options.custom_flags(libc::O_DIRECT | libc::O_DSYNC);
        }
        let buffer = vec![7_u8; bytes + ALIGNMENT];
        let aligned = buffer.as_ptr().align_offset(ALIGNMENT);
        let (file, offset, entries) = (options.open(path)?, 0, 0);
        Ok(Self {
            file,
            direct,
            buffer,
            aligned,
            bytes,
            offset,
            entries,
        })
    }
}

impl Appender for Floor {
    fn append(&mut self, _: &[u8], count: usize) -> Result<(), Failure> {
        let block = self.buffer.get(self.aligned..self.aligned + self.bytes);
        self.file
            .write_all_at(block.unwrap_or_default(), self.offset)?;
        if !self.direct {
            self.file.sync_data()?;
        }
        self.offset += self.bytes as u64;
        self.entries += count as u64;
        Ok(())
    }

    fn compact(&mut self, _: u64) -> Result<(), Failure> {
        Ok(())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        Ok(self.entries)
    }
}

const ALIGNMENT: usize = 4_096;
