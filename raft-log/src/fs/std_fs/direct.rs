//! Writes that go past the system's memory: what they ask of a buffer and of a file system.
//!
//! Linux has them (`O_DIRECT`, and `RWF_DSYNC` for a write that is durable when it returns); nothing
//! is tried elsewhere.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::io::IoSlice;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags};
#[cfg(target_os = "linux")]
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// Memory where the parts of a write are put together, from where a block may begin. It is kept, so
/// that the next write need not ask for any.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    memory: Vec<u8>,
}

impl Gathered {
    /// The parts in one piece that begins at a multiple of [`BLOCK_BYTES`]. Holds on to as much
    /// memory as the longest of them takes.
    pub(super) fn gather(&mut self, parts: &[Bytes]) -> &[u8] {
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        self.memory.clear();
        self.memory.reserve(bytes.saturating_add(ALIGNMENT));
        // Nothing moves from here on: there is room for all. The pointer is to single bytes, for which
        // there is always an offset.
        let start = self.memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        self.memory.resize(start, 0);
        for part in parts {
            self.memory.extend_from_slice(part);
        }
        self.memory.get(start..).unwrap_or(&[])
    }
}

/// Opens a file that is there for direct writes. [`io::ErrorKind::InvalidInput`] if its file system
/// has none.
#[cfg(target_os = "linux")]
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Writes some of `bytes`, and returns how many when they are durable.
#[cfg(target_os = "linux")]
pub(super) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    loop {
        match pwritev2(file, &[IoSlice::new(bytes)], offset, ReadWriteFlags::DSYNC) {
            Err(Errno::INTR) => {}
            written => return Ok(written?),
        }
    }
}

/// Tries a direct write to an unnamed file in the folder, whose blocks were written before and stand in
/// the system's memory, and reads it back through that memory.
///
/// # Errors
///
/// Why it can't be had here.
#[cfg(target_os = "linux")]
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(rustix::fs::open(folder, flags, mode)?);
    file.write_all_at(&[0; 2 * ALIGNMENT], 0)?;
    file.sync_all()?;
    let mut gathered = Gathered::default();
    let block = gathered.gather(&[Bytes::from_static(&[PATTERN; ALIGNMENT])]);
    rustix::fs::fcntl_setfl(&file, OFlags::DIRECT)?;
    let written = write(&file, block, BLOCK_BYTES)?;
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    let mut found = [PATTERN; 2 * ALIGNMENT];
    file.read_exact_at(&mut found, 0)?;
    let (before, after) = found.split_at(ALIGNMENT);
    let as_written = before.iter().all(|byte| *byte == 0) && after == block;
    if written == ALIGNMENT && as_written {
        Ok(())
    } else {
        Err(io::Error::other("a direct write is not read back"))
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn write(_: &File, _: &[u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn probe(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Direct writes are of whole blocks of so many bytes, and begin at a multiple of it, on the disk as
/// in memory: no disk asks for more.
pub(super) const BLOCK_BYTES: u64 = ALIGNMENT as u64;
/// The longest direct write. One that is longer takes the disk so long that a copy more does not
/// matter, and would hold on to as much memory for ever.
pub(super) const MOST_BYTES: u64 = 4 << 20;
const ALIGNMENT: usize = 4096;
/// What the probe writes.
#[cfg(target_os = "linux")]
const PATTERN: u8 = 0xa5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_where_a_block_may_begin() {
        let mut gathered = Gathered::default();
        for lengths in [[0, 1, 4095], [9000, 0, 3000], [1, 1, 1], [0, 0, 0]] {
            let parts: Vec<Bytes> = (1..)
                .zip(lengths)
                .map(|(fill, length)| Bytes::from(vec![fill; length]))
                .collect();
            let piece = gathered.gather(&parts);
            assert_eq!(piece, parts.concat());
            assert!(piece.is_empty() || piece.as_ptr().addr() % ALIGNMENT == 0);
        }
    }

    /// Whoever tests direct writes asks the probe whether there are any, and would never know.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_probe_finds_direct_writes_where_a_file_takes_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [0; 2 * ALIGNMENT]).unwrap();
        let mut gathered = Gathered::default();
        let block = gathered.gather(&[Bytes::from_static(&[PATTERN; ALIGNMENT])]);
        match open(&path).and_then(|file| write(&file, block, BLOCK_BYTES)) {
            Ok(written) => {
                assert_eq!(written, ALIGNMENT);
                let expected = [[0; ALIGNMENT], [PATTERN; ALIGNMENT]].concat();
                assert!(std::fs::read(&path).unwrap() == expected);
                probe(folder.path()).unwrap();
            }
            Err(error) => {
                println!("no direct writes here: {error}");
                probe(folder.path()).unwrap_err();
            }
        }
    }
}
