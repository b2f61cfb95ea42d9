//! What a store has, and what each job does with it.
//!
//! Nothing here touches a file that counts but to read or to remove it: a snapshot becomes one by a
//! rename, after its content was synced, and is answered for after the folder was.

use bytes::Bytes;
use raft_core::hull::SnapshotAnswer;
use raft_core::log::SnapshotMark;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::{StartReader, StoreWork};
use raft_core::time::LogTime;

use super::StoreSettings;
use super::draft::Draft;
use super::folder::Folder;
use super::format::{self, Layout};
use super::read::{BlockFile, check_header, damaged_block, read_header};
use crate::error::StoreError;
use crate::fs::{Fs, Operation};

/// The snapshots of a folder.
///
/// - `stored` are those that count; their files are durable under their names.
#[derive(Debug)]
pub(super) struct Shelf<F> {
    folder: Folder<F>,
    settings: StoreSettings,
    stored: Vec<(Snapshot, Layout)>,
    taken: Option<Taken>,
    received: Received,
    /// What was found damaged at the opening.
    damage: Option<StoreError>,
}

/// A snapshot that is being taken here.
#[derive(Debug)]
struct Taken {
    mark: SnapshotMark,
    time: LogTime,
    draft: Draft,
}

/// What there is of a snapshot that comes from elsewhere.
#[derive(Debug)]
enum Received {
    /// A file from before this start.
    Left,
    /// This much of this one.
    Draft(Box<Snapshot>, Draft),
    /// Nothing that can be relied on. There may be a file: after a failed sync, what it shows need not
    /// be on disk.
    Nothing,
}

impl<F: Fs> Shelf<F> {
    /// Finds the newest snapshot that is intact, whose content `reader` takes, and removes what nobody
    /// needs any more. What is damaged is set aside.
    pub(super) async fn open(
        fs: F,
        settings: StoreSettings,
        reader: &mut dyn StartReader,
    ) -> Result<Self, StoreError> {
        let folder = Folder::new(fs);
        let files = folder.list().await?;
        let mut found: Vec<(SnapshotId, u64)> = files
            .iter()
            .filter_map(|(name, length)| Some((format::id(name)?, *length)))
            .collect();
        found.sort_by_key(|(id, _)| (id.last.index, id.last.term, id.length, id.digest));
        let mut shelf = Self {
            folder,
            settings,
            stored: Vec::new(),
            taken: None,
            received: Received::Nothing,
            damage: None,
        };
        while let Some((id, length)) = found.pop() {
            match shelf.check(id, length, reader).await {
                Ok(newest) => {
                    shelf.stored.push(newest);
                    break;
                }
                Err(damage @ StoreError::Corrupt { .. }) => {
                    shelf.set_aside(id).await?;
                    shelf.damage.get_or_insert(damage);
                }
                Err(error) => return Err(error),
            }
        }
        if !found.is_empty() {
            // The newest one's name may have survived in memory only, and must not go when the others have.
            shelf.folder.sync().await?;
        }
        for (id, _) in found {
            shelf.folder.remove(&format::name(id)).await?;
        }
        let is_there = |draft: &str| files.iter().any(|(name, _)| name == draft);
        if is_there(format::TAKEN) {
            shelf.folder.remove(format::TAKEN).await?;
        }
        if is_there(format::RECEIVED) {
            if shelf.left_is_of_use().await {
                shelf.received = Received::Left;
            } else {
                shelf.folder.remove(format::RECEIVED).await?;
            }
        }
        // What was renamed just before a crash of the process need not be durable yet.
        shelf.folder.sync().await?;
        Ok(shelf)
    }

    /// The newest snapshot that counts.
    pub(super) fn newest(&self) -> Option<&Snapshot> {
        let stored = self.stored.iter().map(|(snapshot, _)| snapshot);
        stored.max_by_key(|snapshot| snapshot.id.last.index)
    }

    /// What was found damaged at the opening, the newest first.
    pub(super) const fn damage(&self) -> Option<&StoreError> {
        self.damage.as_ref()
    }

    /// Does a job; the answer, where it has one. After a failed sync of the folder there is only
    /// reading: what is written could not be made to count, and nobody would remove it.
    pub(super) async fn work(
        &mut self,
        work: StoreWork,
    ) -> Result<Option<SnapshotAnswer>, StoreError> {
        match (self.folder.failed_sync(), &work) {
            (None, _) | (_, StoreWork::Read { .. }) => {}
            (Some(error), _) => return Err(error.clone()),
        }
        match work {
            StoreWork::Create { mark, time } => self.create(mark, time).await.map(Some),
            StoreWork::Append(part) => self.append(part).await.map(Some),
            StoreWork::Seal => self.seal().await.map(Some),
            StoreWork::Discard => self.discard().await.map(|()| None),
            StoreWork::Receive(snapshot) => self.receive(snapshot).await.map(Some),
            StoreWork::Write { offset, part } => self.write(offset, part).await.map(Some),
            StoreWork::Finish(snapshot) => self.finish(&snapshot).await.map(Some),
            StoreWork::Read {
                id,
                offset,
                max_bytes,
            } => self.read(id, offset, max_bytes).await.map(Some),
            StoreWork::Forget(id) => self.forget(id).await.map(|()| None),
        }
    }

    async fn create(
        &mut self,
        mark: SnapshotMark,
        time: LogTime,
    ) -> Result<SnapshotAnswer, StoreError> {
        self.taken = None;
        self.folder.create(format::TAKEN).await?;
        let block_bytes = self.settings.block_bytes;
        let layout = Layout::new(mark.last, &mark.configuration, block_bytes);
        let draft = Draft::new(format::TAKEN, layout);
        self.taken = Some(Taken { mark, time, draft });
        Ok(SnapshotAnswer::Written)
    }

    async fn append(&mut self, part: Bytes) -> Result<SnapshotAnswer, StoreError> {
        // Taken out, and put back only when all went well.
        let mut taken = self.taken.take().ok_or(StoreError::NotBegun)?;
        let sync_bytes = self.settings.sync_bytes;
        taken.draft.append(&self.folder, part, sync_bytes).await?;
        self.taken = Some(taken);
        Ok(SnapshotAnswer::Written)
    }

    async fn seal(&mut self) -> Result<SnapshotAnswer, StoreError> {
        let mut taken = self.taken.take().ok_or(StoreError::NotBegun)?;
        let (length, digest) = (taken.draft.length(), taken.draft.digest());
        let snapshot = Snapshot {
            id: SnapshotId {
                last: taken.mark.last,
                length,
                digest,
            },
            configuration: taken.mark.configuration,
            time: taken.time,
        };
        self.write_header(format::TAKEN, &snapshot).await?;
        taken.draft.finish(&self.folder).await?;
        let layout = *taken.draft.layout();
        self.put_in_place(format::TAKEN, snapshot, layout).await?;
        Ok(SnapshotAnswer::Taken { length, digest })
    }

    async fn discard(&mut self) -> Result<(), StoreError> {
        self.taken = None;
        self.folder.remove(format::TAKEN).await
    }

    async fn receive(&mut self, snapshot: Snapshot) -> Result<SnapshotAnswer, StoreError> {
        let known = match std::mem::replace(&mut self.received, Received::Nothing) {
            Received::Draft(known, draft) if is_same(&known, &snapshot) => Some((*known, draft)),
            Received::Left => self.left_of(&snapshot).await?,
            Received::Draft(..) | Received::Nothing => None,
        };
        let (snapshot, draft) = match known {
            Some(known) => known,
            None => {
                let draft = self.begin_receiving(&snapshot).await?;
                (snapshot, draft)
            }
        };
        let stored = draft.length();
        self.received = Received::Draft(Box::new(snapshot), draft);
        Ok(SnapshotAnswer::Begun { stored })
    }

    /// An empty draft of this snapshot, which survives a crash.
    async fn begin_receiving(&self, snapshot: &Snapshot) -> Result<Draft, StoreError> {
        self.folder.create(format::RECEIVED).await?;
        self.write_header(format::RECEIVED, snapshot).await?;
        let name = String::from(format::RECEIVED);
        self.folder
            .run("sync a snapshot", Operation::Sync { name })
            .await?;
        let block_bytes = self.settings.block_bytes;
        let layout = Layout::new(snapshot.id.last, &snapshot.configuration, block_bytes);
        Ok(Draft::new(format::RECEIVED, layout))
    }

    async fn write(&mut self, offset: u64, part: Bytes) -> Result<SnapshotAnswer, StoreError> {
        let Received::Draft(snapshot, draft) = &mut self.received else {
            return Err(StoreError::NotBegun);
        };
        let expected = draft.length();
        let room = snapshot.id.length.saturating_sub(expected);
        if offset != expected || part.len() as u64 > room {
            return Err(StoreError::OutOfPlace { offset, expected });
        }
        let sync_bytes = self.settings.sync_bytes;
        let written = draft.append(&self.folder, part, sync_bytes).await;
        if written.is_err() {
            self.received = Received::Nothing;
        }
        written.map(|()| SnapshotAnswer::Written)
    }

    async fn finish(&mut self, snapshot: &Snapshot) -> Result<SnapshotAnswer, StoreError> {
        let (known, mut draft) = match std::mem::replace(&mut self.received, Received::Nothing) {
            Received::Draft(known, draft) if known.id == snapshot.id => (known, draft),
            other => {
                self.received = other;
                return Err(StoreError::NotBegun);
            }
        };
        let SnapshotId { length, digest, .. } = known.id;
        if (draft.length(), draft.digest()) != (length, digest) {
            let draft = self.begin_receiving(&known).await?;
            self.received = Received::Draft(known, draft);
            return Ok(SnapshotAnswer::Damaged);
        }
        draft.finish(&self.folder).await?;
        let layout = *draft.layout();
        self.put_in_place(format::RECEIVED, *known, layout).await?;
        Ok(SnapshotAnswer::Finished)
    }

    async fn write_header(
        &self,
        name: &'static str,
        snapshot: &Snapshot,
    ) -> Result<(), StoreError> {
        let header = format::encode_header(snapshot, self.settings.block_bytes);
        let write = Operation::Write {
            name: String::from(name),
            offset: 0,
            parts: vec![header.into()],
        };
        self.folder.run("write a snapshot", write).await
    }

    /// Lets a draft count, all of which is durable but for its name.
    async fn put_in_place(
        &mut self,
        draft: &'static str,
        snapshot: Snapshot,
        layout: Layout,
    ) -> Result<(), StoreError> {
        let rename = Operation::Rename {
            from: String::from(draft),
            to: format::name(snapshot.id),
        };
        self.folder.run("rename a snapshot", rename).await?;
        self.folder.sync().await?;
        self.stored.retain(|(other, _)| other.id != snapshot.id);
        self.stored.push((snapshot, layout));
        Ok(())
    }

    async fn read(
        &self,
        id: SnapshotId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<SnapshotAnswer, StoreError> {
        let mut stored = self.stored.iter();
        let (_, layout) = stored
            .find(|(snapshot, _)| snapshot.id == id)
            .ok_or(StoreError::Missing { id })?;
        let end = offset.saturating_add(max_bytes as u64).min(id.length);
        let file = BlockFile {
            name: &format::name(id),
            layout,
            length: id.length,
        };
        let intact = file.read(&self.folder, offset..end).await?;
        if let Some(offset) = intact.broken_at {
            return Err(damaged_block(file.name, offset));
        }
        // What the first block holds before the part asked for.
        let before = offset.saturating_sub(layout.span(offset).content);
        let mut content: Bytes = match <[Bytes; 1]>::try_from(intact.blocks) {
            Ok([only]) => only,
            Err(several) => several.concat().into(),
        };
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        content = content.split_off(before.min(content.len()));
        content.truncate(max_bytes);
        Ok(SnapshotAnswer::Part(content))
    }

    async fn forget(&mut self, id: SnapshotId) -> Result<(), StoreError> {
        let before = self.stored.len();
        self.stored.retain(|(snapshot, _)| snapshot.id != id);
        if self.stored.len() == before {
            return Ok(());
        }
        self.folder.remove(&format::name(id)).await?;
        self.folder.sync().await
    }

    /// Keeps a damaged file for whoever wants to look, under a name that does not count.
    async fn set_aside(&self, id: SnapshotId) -> Result<(), StoreError> {
        let from = format::name(id);
        let to = format!("{from}{ASIDE}");
        let action = "set a damaged snapshot aside";
        self.folder
            .run(action, Operation::Rename { from, to })
            .await?;
        self.folder.sync().await
    }

    /// A snapshot that counts, if its file is all it should be.
    async fn check(
        &self,
        id: SnapshotId,
        length: u64,
        reader: &mut dyn StartReader,
    ) -> Result<(Snapshot, Layout), StoreError> {
        let file = format::name(id);
        let (snapshot, layout) = check_header(&self.folder, id, length).await?;
        let blocks = BlockFile {
            name: &file,
            layout: &layout,
            length: id.length,
        };
        reader.begin(&snapshot);
        let read = |content: &[u8]| reader.read(content);
        match blocks.intact(&self.folder, read).await? {
            Some(offset) => Err(damaged_block(&file, offset)),
            None => Ok((snapshot, layout)),
        }
    }

    /// Whether what was received before this start can still be of use. It promised nothing, so that
    /// what can't be read is not.
    async fn left_is_of_use(&self) -> bool {
        let newest = self.newest().map(|snapshot| snapshot.id.last.index);
        let header = read_header(&self.folder, format::RECEIVED).await;
        matches!(header, Ok(Ok((left, _))) if Some(left.id.last.index) > newest)
    }

    /// What was received of this snapshot before this start, as far as it is intact.
    async fn left_of(&self, snapshot: &Snapshot) -> Result<Option<(Snapshot, Draft)>, StoreError> {
        let Ok(Ok((left, layout))) = read_header(&self.folder, format::RECEIVED).await else {
            return Ok(None);
        };
        if !is_same(&left, snapshot) {
            return Ok(None);
        }
        let mut draft = Draft::new(format::RECEIVED, layout);
        let file = BlockFile {
            name: format::RECEIVED,
            layout: &layout,
            length: left.id.length,
        };
        file.intact(&self.folder, |content| draft.found(content))
            .await?;
        draft.cut(&self.folder).await?;
        Ok(Some((left, draft)))
    }
}

/// Whether what is known of one is of the other, too: leaders that took it at different times say
/// different times of it.
fn is_same(one: &Snapshot, other: &Snapshot) -> bool {
    one.id == other.id && one.configuration == other.configuration
}

/// What the names of damaged files end in.
const ASIDE: &str = ".damaged";
