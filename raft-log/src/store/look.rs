//! Looking at the snapshots of a folder without opening it: all of each file is read, and nothing
//! changed.

use std::ops::Range;

use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::ContentDigest;

use super::folder::Folder;
use super::format::{self, Layout};
use super::read::{BlockFile, check_header, read_header};
use crate::error::StoreError;
use crate::fs::Fs;

/// The file of a snapshot, or of what is to become one.
pub(crate) struct SnapshotLook {
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) kind: Kind,
    /// What its header says, if that can be read.
    pub(crate) snapshot: Option<Snapshot>,
    /// Where it is damaged, and how. Drafts can't be: they promise nothing.
    pub(crate) damage: Vec<(u64, String)>,
}

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A snapshot that counts.
    Stored,
    /// One that is, or was, being taken here.
    Taken,
    /// One that is, or was, being received.
    Received,
}

/// Looks at all snapshots in a folder, the newest first.
///
/// # Errors
///
/// The folder or a file of it can't be read, or a later version wrote it.
pub(crate) async fn look<F: Fs>(fs: F) -> Result<Vec<SnapshotLook>, StoreError> {
    let folder = Folder::new(fs);
    let mut files = folder.list().await?;
    files.sort();
    let mut found = Vec::new();
    for (name, length) in files.into_iter().rev() {
        let looked_at = match format::id(&name) {
            Some(id) => stored(&folder, id, length).await?,
            None if name == format::TAKEN => draft(&folder, &name, length, Kind::Taken).await?,
            None if name == format::RECEIVED => {
                draft(&folder, &name, length, Kind::Received).await?
            }
            None => continue,
        };
        found.push(looked_at);
    }
    Ok(found)
}

async fn stored<F: Fs>(
    folder: &Folder<F>,
    id: SnapshotId,
    length: u64,
) -> Result<SnapshotLook, StoreError> {
    let mut looked_at = SnapshotLook {
        name: format::name(id),
        length,
        kind: Kind::Stored,
        snapshot: None,
        damage: Vec::new(),
    };
    match check_header(folder, id, length).await {
        Ok((snapshot, layout)) => {
            looked_at.damage = damaged_blocks(folder, &looked_at.name, id, &layout).await?;
            looked_at.snapshot = Some(snapshot);
        }
        Err(StoreError::Corrupt {
            offset,
            expected,
            found,
            ..
        }) => {
            let what = format!("expected {expected}, found {found}");
            looked_at.damage.push((offset, what));
        }
        Err(error) => return Err(error),
    }
    Ok(looked_at)
}

async fn draft<F: Fs>(
    folder: &Folder<F>,
    name: &str,
    length: u64,
    kind: Kind,
) -> Result<SnapshotLook, StoreError> {
    let header = read_header(folder, name).await?;
    Ok(SnapshotLook {
        name: String::from(name),
        length,
        kind,
        snapshot: header.ok().map(|(snapshot, _)| snapshot),
        damage: Vec::new(),
    })
}

/// Each run of blocks that are not intact. If all are, the content must be the one that was stored.
async fn damaged_blocks<F: Fs>(
    folder: &Folder<F>,
    name: &str,
    id: SnapshotId,
    layout: &Layout,
) -> Result<Vec<(u64, String)>, StoreError> {
    let length = id.length;
    let file = BlockFile {
        name,
        layout,
        length,
    };
    let mut digest = ContentDigest::new();
    let mut broken: Vec<Range<u64>> = Vec::new();
    let mut start = 0_u64;
    while start < length {
        let end = start.saturating_add(AT_ONCE).min(length);
        let mut block = layout.span(start).block;
        let intact = file.read(folder, start..end).await?;
        for content in &intact.blocks {
            digest.update(content);
            block = block.saturating_add(1);
        }
        if intact.broken_at.is_some() || intact.blocks.is_empty() {
            match broken.last_mut().filter(|run| run.end == block) {
                Some(run) => run.end = block.saturating_add(1),
                None => broken.push(block..block.saturating_add(1)),
            }
            block = block.saturating_add(1);
        }
        start = layout.content_before(block);
    }
    let run = |blocks: Range<u64>| {
        let from = layout.content_before(blocks.start);
        let until = layout.content_before(blocks.end).min(length);
        let what = format!(
            "expected blocks {} to {} with their checksums (content {from} to {until}), found other bytes",
            blocks.start,
            blocks.end.saturating_sub(1)
        );
        (layout.offset(blocks.start), what)
    };
    if broken.is_empty() && digest.finish() != id.digest {
        let found = digest.finish();
        let what = format!(
            "expected content with digest {:016x}, found {found:016x}",
            id.digest
        );
        return Ok(vec![(layout.offset(0), what)]);
    }
    Ok(broken.into_iter().map(run).collect())
}

/// How much content is looked at with one read.
const AT_ONCE: u64 = 1 << 20;
