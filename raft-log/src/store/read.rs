//! Reading the files of snapshots: nothing is handed out whose checksum is wrong.

use std::ops::Range;

use bytes::Bytes;
use raft_core::snapshot::{Snapshot, SnapshotId};

use super::folder::Folder;
use super::format::{self, HeaderError, Layout};
use crate::error::StoreError;
use crate::fs::Fs;

/// A file of blocks, of a snapshot whose content is so long.
pub(super) struct BlockFile<'a> {
    pub(super) name: &'a str,
    pub(super) layout: &'a Layout,
    pub(super) length: u64,
}

/// What was read of such a file.
pub(super) struct Intact {
    /// The content of each block that holds some of what was asked for, up to the first that is
    /// damaged.
    pub(super) blocks: Vec<Bytes>,
    /// Where that one stands in the file.
    pub(super) broken_at: Option<u64>,
}

impl BlockFile<'_> {
    /// Reads the blocks that hold this part of the content.
    pub(super) async fn read<F: Fs>(
        &self,
        folder: &Folder<F>,
        range: Range<u64>,
    ) -> Result<Intact, StoreError> {
        let mut intact = Intact {
            blocks: Vec::new(),
            broken_at: None,
        };
        if range.is_empty() {
            return Ok(intact);
        }
        let first = self.layout.span(range.start);
        let last = self.layout.span(range.end.saturating_sub(1));
        let end = last
            .offset
            .saturating_add(self.bytes_at(last.content) as u64);
        let wanted = usize::try_from(end.saturating_sub(first.offset)).unwrap_or(usize::MAX);
        let mut bytes = folder.read(self.name, first.offset, wanted).await?;
        for block in first.block..=last.block {
            let length = self.bytes_at(self.layout.content_before(block));
            let whole = bytes.split_to(length.min(bytes.len()));
            if whole.len() < length || !self.layout.is_intact(block, &whole) {
                intact.broken_at = Some(self.layout.offset(block));
                break;
            }
            intact
                .blocks
                .push(whole.slice(..Layout::content_of(whole.len())));
        }
        Ok(intact)
    }

    /// Reads all blocks up to the first that is damaged, and hands out what they hold. Says where that
    /// one stands.
    pub(super) async fn intact<F: Fs>(
        &self,
        folder: &Folder<F>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Option<u64>, StoreError> {
        let mut start = 0_u64;
        while start < self.length {
            let end = start.saturating_add(SCAN_BYTES).min(self.length);
            let span = self.layout.span(start);
            let intact = self.read(folder, start..end).await?;
            start = span.content;
            for content in &intact.blocks {
                each(content);
                start = start.saturating_add(content.len() as u64);
            }
            if intact.broken_at.is_some() || start <= span.content {
                return Ok(Some(intact.broken_at.unwrap_or(span.offset)));
            }
        }
        Ok(None)
    }

    /// The bytes in the file of the block that begins here in the content.
    fn bytes_at(&self, content: u64) -> usize {
        let rest = self.length.saturating_sub(content);
        let full = self.layout.block_content();
        let content = usize::try_from(rest).unwrap_or(full).min(full);
        Layout::bytes_of(content)
    }
}

/// Reads the header of a file.
pub(super) async fn read_header<F: Fs>(
    folder: &Folder<F>,
    name: &str,
) -> Result<Result<(Snapshot, Layout), HeaderError>, StoreError> {
    let front = folder.read(name, 0, format::FRONT_BYTES).await?;
    let bytes = folder.read(name, 0, format::header_bytes(&front)).await?;
    Ok(format::decode_header(&bytes))
}

/// Reads the header of a snapshot that counts, whose file is so long, and checks that it is of this
/// one and fits the file.
pub(super) async fn check_header<F: Fs>(
    folder: &Folder<F>,
    id: SnapshotId,
    length: u64,
) -> Result<(Snapshot, Layout), StoreError> {
    let file = format::name(id);
    let header = read_header(folder, &file).await?;
    let (snapshot, layout) = header.map_err(|error| damaged_header(&file, error))?;
    let corrupt = |expected: String, found: String| StoreError::Corrupt {
        file: file.clone(),
        offset: 0,
        expected,
        found,
    };
    if snapshot.id != id {
        let found = format!("the header of {}", format::name(snapshot.id));
        return Err(corrupt(String::from("the header of this file"), found));
    }
    let expected = layout.file_bytes(id.length).unwrap_or(u64::MAX);
    if length != expected {
        return Err(corrupt(
            format!("a file of {expected} bytes"),
            format!("one of {length}"),
        ));
    }
    Ok((snapshot, layout))
}

pub(super) fn damaged_block(file: &str, offset: u64) -> StoreError {
    StoreError::Corrupt {
        file: String::from(file),
        offset,
        expected: String::from("a block and its checksum"),
        found: String::from("other bytes, or none"),
    }
}

pub(super) fn damaged_header(file: &str, error: HeaderError) -> StoreError {
    let (expected, found) = match error {
        HeaderError::Version(version) => {
            return StoreError::UnknownVersion {
                file: String::from(file),
                version,
                supported: format::FORMAT_VERSION,
            };
        }
        HeaderError::Malformed => ("a snapshot's header", String::from("none")),
        HeaderError::Checksum { stored, computed } => (
            "a header whose checksum is right",
            format!("{stored:08x}, where the bytes make {computed:08x}"),
        ),
    };
    StoreError::Corrupt {
        file: String::from(file),
        offset: 0,
        expected: String::from(expected),
        found,
    }
}

/// How much of a file is looked at with one read.
const SCAN_BYTES: u64 = 1 << 20;
