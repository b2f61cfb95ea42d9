//! A snapshot that is being written: aside from those that count, block by block.

use bytes::{Bytes, BytesMut};
use raft_core::store::ContentDigest;

use super::folder::Folder;
use super::format::Layout;
use crate::error::StoreError;
use crate::fs::{Fs, Operation};

/// A file that is no snapshot yet.
///
/// - Full blocks are in the file; what does not fill one is in `pending`.
/// - After an error it must not be used again: what the file holds is not known.
#[derive(Debug)]
pub(super) struct Draft {
    name: &'static str,
    layout: Layout,
    /// The next block to be written.
    block: u64,
    pending: BytesMut,
    digest: ContentDigest,
    /// Bytes written since the last sync.
    unsynced: u64,
}

impl Draft {
    /// A draft of nothing yet, in a file that is there.
    pub(super) fn new(name: &'static str, layout: Layout) -> Self {
        Self {
            name,
            layout,
            block: 0,
            pending: BytesMut::new(),
            digest: ContentDigest::new(),
            unsynced: 0,
        }
    }

    /// Takes a full block that the file holds already.
    pub(super) fn found(&mut self, content: &[u8]) {
        self.digest.update(content);
        if content.len() < self.layout.block_content() {
            // The last one of all: it is written again, with the same bytes.
            self.pending.extend_from_slice(content);
        } else {
            self.block = self.block.saturating_add(1);
        }
    }

    /// Cuts off what the file holds behind the full blocks that were found: nothing ever writes over
    /// what stands behind the content's end, and a file that counts has no byte too many.
    pub(super) async fn cut<F: Fs>(&self, folder: &Folder<F>) -> Result<(), StoreError> {
        let cut = Operation::SetLength {
            name: String::from(self.name),
            length: self.layout.offset(self.block),
        };
        folder.run("cut a snapshot", cut).await
    }

    /// The content so far, in bytes.
    pub(super) const fn length(&self) -> u64 {
        self.digest.length()
    }

    /// What the content so far hashes to.
    pub(super) const fn digest(&self) -> u64 {
        self.digest.finish()
    }

    pub(super) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds a part, and syncs the file when so many bytes were written since it last was.
    pub(super) async fn append<F: Fs>(
        &mut self,
        folder: &Folder<F>,
        mut part: Bytes,
        sync_bytes: u64,
    ) -> Result<(), StoreError> {
        self.digest.update(&part);
        let start = self.block;
        let mut parts = Vec::new();
        while !part.is_empty() {
            let block_content = self.layout.block_content();
            let room = block_content.saturating_sub(self.pending.len());
            let piece = part.split_to(room.min(part.len()));
            if self.pending.is_empty() && piece.len() == block_content {
                self.end_block(piece, &mut parts);
                continue;
            }
            self.pending.extend_from_slice(&piece);
            if self.pending.len() == block_content {
                let content = self.pending.split().freeze();
                self.end_block(content, &mut parts);
            }
        }
        self.write(folder, start, parts).await?;
        if self.unsynced >= sync_bytes {
            self.sync(folder).await?;
        }
        Ok(())
    }

    /// Writes what does not fill a block, and makes all of it durable.
    pub(super) async fn finish<F: Fs>(&mut self, folder: &Folder<F>) -> Result<(), StoreError> {
        let start = self.block;
        let mut parts = Vec::new();
        if !self.pending.is_empty() {
            let content = self.pending.split().freeze();
            self.end_block(content, &mut parts);
        }
        self.write(folder, start, parts).await?;
        self.sync(folder).await
    }

    fn end_block(&mut self, content: Bytes, parts: &mut Vec<Bytes>) {
        let checksum = self.layout.checksum(self.block, &content);
        parts.push(content);
        parts.push(Bytes::copy_from_slice(&checksum.to_le_bytes()));
        self.block = self.block.saturating_add(1);
    }

    async fn write<F: Fs>(
        &mut self,
        folder: &Folder<F>,
        start: u64,
        parts: Vec<Bytes>,
    ) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        self.unsynced = self.unsynced.saturating_add(bytes as u64);
        let write = Operation::Write {
            name: String::from(self.name),
            offset: self.layout.offset(start),
            parts,
        };
        folder.run("write a snapshot", write).await
    }

    async fn sync<F: Fs>(&mut self, folder: &Folder<F>) -> Result<(), StoreError> {
        self.unsynced = 0;
        let name = String::from(self.name);
        folder
            .run("sync a snapshot", Operation::Sync { name })
            .await
    }
}
