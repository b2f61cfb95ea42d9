//! One open file, and what of it the disk may not have yet.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::direct::{self, BLOCK_BYTES, MOST_BYTES};

/// An open file.
///
/// - Direct writes are for files of which nothing is unsynced. Else a sync comes anyway, so that
///   they would save nothing; and so they never meet pages in the system's memory that the disk
///   does not have.
#[derive(Debug)]
pub(super) struct OpenFile {
    buffered: File,
    direct: DirectFile,
    unsynced: Unsynced,
    /// The file is at least so long.
    length: u64,
}

impl OpenFile {
    /// Opens one that is there already.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let buffered = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self {
            length: buffered.metadata()?.len(),
            buffered,
            direct: DirectFile::NotOpened,
            unsynced: Unsynced::Unknown,
        })
    }

    /// Fewer bytes than asked for, if the file ends before.
    pub(super) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let there = self.there(offset, length)?;
        // Not filled with zeros first: it is read into as it is.
        let mut bytes = Vec::with_capacity(there);
        while bytes.len() < there {
            let at = offset.saturating_add(bytes.len() as u64);
            match rustix::io::pread(&self.buffered, spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(there);
        Ok(bytes.into())
    }

    /// How many of these bytes the file has. Asks the system only where that is not known.
    fn there(&self, offset: u64, length: usize) -> io::Result<usize> {
        let end = offset.checked_add(length as u64);
        if end.is_some_and(|end| end <= self.length) {
            return Ok(length);
        }
        let size = self.buffered.metadata()?.len();
        let there = usize::try_from(size.saturating_sub(offset));
        Ok(there.map_or(length, |there| there.min(length)))
    }

    pub(super) fn write_buffered(&mut self, offset: u64, parts: &[Bytes]) -> io::Result<()> {
        self.unsynced = self.unsynced.max(Unsynced::Content);
        self.buffered.seek(SeekFrom::Start(offset))?;
        for parts in parts.chunks(MAX_PARTS) {
            let mut slices: Vec<IoSlice<'_>> =
                parts.iter().map(|part| IoSlice::new(part)).collect();
            write_all_vectored(&mut self.buffered, &mut slices)?;
        }
        self.length = self.length.max(offset.saturating_add(bytes_of(parts)));
        Ok(())
    }

    /// Whether a write is of whole blocks within the file, and nothing before it waits for a sync.
    pub(super) fn takes_direct(&self, offset: u64, parts: &[Bytes]) -> bool {
        let bytes = bytes_of(parts);
        let whole = |count: u64| count % BLOCK_BYTES == 0;
        let end = offset.checked_add(bytes);
        self.unsynced == Unsynced::Nothing
            && !matches!(self.direct, DirectFile::Refused)
            && (1..=MOST_BYTES).contains(&bytes)
            && whole(offset)
            && whole(bytes)
            && end.is_some_and(|end| end <= self.length)
    }

    /// What direct writes go to, unless the file refuses them. `path` is the file's.
    pub(super) fn direct(&mut self, path: &Path) -> io::Result<Option<Arc<File>>> {
        self.direct.opened(path)
    }

    pub(super) const fn has_direct(&self) -> bool {
        matches!(self.direct, DirectFile::Open(_))
    }

    /// Lets direct writes that are not begun yet open the file anew.
    pub(super) fn close_direct(&mut self) {
        self.direct = DirectFile::NotOpened;
    }

    /// A direct write failed: what the disk has is not known, and a later sync must not pass for done already.
    pub(super) fn distrust(&mut self) {
        self.unsynced = self.unsynced.max(Unsynced::Content);
    }

    /// Lets direct writes fail from now on.
    #[cfg(test)]
    pub(super) fn break_direct(&mut self, path: &Path) {
        self.direct = DirectFile::Open(Arc::new(File::open(path).unwrap()));
    }

    /// Whether a sync would have nothing to do.
    pub(super) fn is_synced(&self) -> bool {
        self.unsynced == Unsynced::Nothing
    }

    /// Asks nothing of the system when all is durable already.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match self.unsynced {
            Unsynced::Nothing => {}
            Unsynced::Unknown | Unsynced::Content => self.buffered.sync_data()?,
            Unsynced::Length => self.buffered.sync_all()?,
        }
        self.unsynced = Unsynced::Nothing;
        Ok(())
    }

    pub(super) fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.unsynced = Unsynced::Length;
        self.length = self.length.min(length);
        self.buffered.set_len(length)?;
        self.length = length;
        Ok(())
    }

    /// Whether closing it could hide a failed write.
    pub(super) const fn must_stay_open(&self) -> bool {
        matches!(self.unsynced, Unsynced::Content | Unsynced::Length)
    }
}

/// What of a file may not be on the disk; the later ones ask more of a sync.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Unsynced {
    /// All was synced, or written so that it is durable.
    Nothing,
    /// Nothing was written since the file was opened; before that, who knows.
    Unknown,
    /// Something that was written, or the file itself.
    Content,
    /// And its length was set.
    Length,
}

/// A second descriptor of a file, for direct writes.
#[derive(Debug)]
enum DirectFile {
    NotOpened,
    /// Not of this file, though others in the folder have it.
    Refused,
    Open(Arc<File>),
}

impl DirectFile {
    fn opened(&mut self, path: &Path) -> io::Result<Option<Arc<File>>> {
        if matches!(self, Self::NotOpened) {
            *self = match direct::open(path) {
                Ok(file) => Self::Open(Arc::new(file)),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Self::Refused,
                Err(error) => return Err(error),
            };
        }
        Ok(match self {
            Self::Open(file) => Some(Arc::clone(file)),
            Self::NotOpened | Self::Refused => None,
        })
    }
}

/// How many bytes these parts have together.
pub(super) fn bytes_of(parts: &[Bytes]) -> u64 {
    parts
        .iter()
        .fold(0, |sum: u64, part| sum.saturating_add(part.len() as u64))
}

fn write_all_vectored(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty parts would make a finished write look like one that wrote nothing.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many parts go into one system call.
const MAX_PARTS: usize = 512;

#[cfg(test)]
mod tests;
