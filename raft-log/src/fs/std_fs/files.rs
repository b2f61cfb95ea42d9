//! The files of a folder by their flat names, of which some stay open.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::open_file::OpenFile;

/// The files of a folder.
///
/// - One with unsynced writes stays open: the kernel tells a failed write only to descriptors that
///   were open when it failed.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    open: BTreeMap<String, Kept>,
    /// How often any of them was asked for.
    uses: u64,
}

/// A file that stays open.
#[derive(Debug)]
struct Kept {
    file: OpenFile,
    /// Which use was its last.
    used: u64,
}

impl Files {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: BTreeMap::new(),
            uses: 0,
        }
    }

    /// What a write goes to that the file takes directly; `None` if it does not.
    pub(super) fn direct(
        &mut self,
        name: &str,
        offset: u64,
        parts: &[Bytes],
    ) -> io::Result<Option<Arc<File>>> {
        let path = self.path(name)?;
        let file = self.open(name)?;
        match file.takes_direct(offset, parts) {
            true => file.direct(&path),
            false => Ok(None),
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)?;
        self.open.remove(to);
        if let Some(open) = self.open.remove(from) {
            self.open.insert(String::from(to), open);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        fs::remove_file(self.path(name)?)
    }

    /// The open file of this name.
    pub(super) fn open(&mut self, name: &str) -> io::Result<&mut OpenFile> {
        self.uses = self.uses.saturating_add(1);
        if !self.open.contains_key(name) {
            let file = OpenFile::open(&self.path(name)?)?;
            self.make_room();
            let kept = Kept { file, used: 0 };
            self.open.insert(String::from(name), kept);
        }
        let kept = self.open.get_mut(name);
        let kept = kept.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        kept.used = self.uses;
        Ok(&mut kept.file)
    }

    /// Closes the files that were not used for longest, of those that may be closed.
    fn make_room(&mut self) {
        while self.open.len() >= MAX_OPEN_FILES {
            let closable = |(_, kept): &(&String, &Kept)| !kept.file.must_stay_open();
            let closable = self.open.iter().filter(closable);
            let oldest = closable.min_by_key(|(_, kept)| kept.used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.open.remove(&name);
        }
    }

    /// Names are flat: nothing outside the folder can be reached.
    pub(super) fn path(&self, name: &str) -> io::Result<PathBuf> {
        let flat = Path::new(name).file_name().is_some_and(|last| last == name);
        if flat {
            Ok(self.folder.join(name))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
}

/// Files without unsynced writes are closed when there are more.
const MAX_OPEN_FILES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_are_open_at_once_only_while_they_are_unsynced() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path().to_owned());
        for number in 0..300 {
            let name = number.to_string();
            fs::write(folder.path().join(&name), [1]).unwrap();
            files.open(&name).unwrap().sync().unwrap();
            // It is asked for in between.
            files.open("0").unwrap();
            assert!(files.open.len() <= MAX_OPEN_FILES);
        }
        let is_open = |number: usize| files.open.contains_key(&number.to_string());
        let used_last = 300 - MAX_OPEN_FILES + 1..300;
        for number in 0..300 {
            let expected = number == 0 || used_last.contains(&number);
            assert_eq!(is_open(number), expected, "{number}");
        }
    }

    #[test]
    fn what_is_unsynced_stays_open_whatever_else_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path().to_owned());
        for number in 0..300 {
            let name = number.to_string();
            fs::write(folder.path().join(&name), [1]).unwrap();
            let part = Bytes::from_static(&[2]);
            let file = files.open(&name).unwrap();
            file.write_buffered(0, &[part]).unwrap();
        }
        assert_eq!(files.open.len(), 300);
        for number in 0..300 {
            files.open(&number.to_string()).unwrap().sync().unwrap();
        }
        fs::write(folder.path().join("one more"), [1]).unwrap();
        files.open("one more").unwrap();
        assert_eq!(files.open.len(), MAX_OPEN_FILES, "all others are synced");
    }
}
