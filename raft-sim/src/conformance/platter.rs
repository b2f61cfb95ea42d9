//! What a disk holds, and all that a power failure may leave of it.

use std::collections::BTreeMap;

/// The files of a folder as a process would find them: their contents by name.
pub type Image = BTreeMap<String, Vec<u8>>;

/// Files and names: as they are seen, and as they last.
///
/// - Every change is made at once where it is seen. It lasts once a sync covers it.
/// - A change that no sync covers, or only one that failed, is *undecided*: a power failure keeps it or not,
///   each sector, each length and each name on its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Platter {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    lasting_names: BTreeMap<String, usize>,
    renamings: Vec<Renaming>,
}

#[derive(Clone, Debug, Default)]
struct File {
    seen: Vec<u8>,
    lasting: Vec<u8>,
    changes: Vec<Change>,
    /// How many changes there were that now last.
    settled: usize,
}

/// A change of a file's content that a power failure keeps whole or not at all.
#[derive(Clone, Debug)]
struct Change {
    what: Content,
    fate: Fate,
}

#[derive(Clone, Debug)]
enum Content {
    /// These bytes stand there: all in one sector.
    Bytes(usize, Vec<u8>),
    /// The file ends there.
    Length(usize),
}

#[derive(Clone, Debug)]
struct Renaming {
    /// The operation that asked for it, and whether it was answered: a sync covers what was.
    number: usize,
    answered: bool,
    what: Name,
}

#[derive(Clone, Debug)]
enum Name {
    Added(String, usize),
    Removed(String),
    Renamed(String, String),
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// No sync was asked to cover it.
    Open,
    /// It lasts, and something before it need not.
    Lasts,
    /// The sync that was to cover it failed. The system takes it for written, and no later sync covers it.
    Given,
}

/// What a sync covers.
#[derive(Clone, Debug)]
pub(super) enum Covered {
    /// So many of a file's changes, from the first on.
    File(usize, usize),
    /// These operations on names.
    Folder(Vec<usize>),
}

impl Platter {
    /// A disk with these files, all of which last.
    pub(super) fn of(image: Image) -> Self {
        let mut platter = Self::default();
        for (name, content) in image {
            platter.names.insert(name, platter.files.len());
            platter.files.push(File {
                seen: content.clone(),
                lasting: content,
                ..File::default()
            });
        }
        platter.lasting_names.clone_from(&platter.names);
        platter
    }

    pub(super) fn list(&self) -> Vec<(String, u64)> {
        let length = |place: &usize| self.files.get(*place).map_or(0, |file| file.seen.len());
        let names = self.names.iter();
        names
            .map(|(name, place)| (name.clone(), length(place) as u64))
            .collect()
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// What a file holds, as it is seen.
    pub(super) fn content(&self, place: usize) -> &[u8] {
        self.files.get(place).map_or(&[], |file| &file.seen)
    }

    pub(super) fn create(&mut self, name: String, length: usize, number: usize) -> usize {
        let place = self.files.len();
        self.files.push(File::default());
        if length > 0 {
            self.set_length(place, length);
        }
        self.names.insert(name.clone(), place);
        self.note(number, Name::Added(name, place));
        place
    }

    pub(super) fn write(&mut self, place: usize, offset: usize, bytes: &[u8], sector: usize) {
        let Some(file) = self.files.get_mut(place) else {
            return;
        };
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let room = sector - at % sector;
            let (now, later) = rest.split_at(room.min(rest.len()));
            file.change(Content::Bytes(at, now.to_vec()));
            at += now.len();
            rest = later;
        }
    }

    pub(super) fn set_length(&mut self, place: usize, length: usize) {
        if let Some(file) = self.files.get_mut(place) {
            file.change(Content::Length(length));
        }
    }

    pub(super) fn rename(&mut self, from: String, to: String, number: usize) {
        if let Some(place) = self.names.remove(&from) {
            self.names.insert(to.clone(), place);
        }
        self.note(number, Name::Renamed(from, to));
    }

    pub(super) fn remove(&mut self, name: String, number: usize) {
        self.names.remove(&name);
        self.note(number, Name::Removed(name));
    }

    /// The operation on names of this number is answered: a sync that starts later covers it.
    pub(super) fn answered(&mut self, number: usize) {
        for renaming in &mut self.renamings {
            renaming.answered |= renaming.number == number;
        }
    }

    /// What a sync of a file covers that starts now.
    pub(super) fn covered_of_file(&self, place: usize) -> Covered {
        let file = self.files.get(place);
        Covered::File(
            place,
            file.map_or(0, |file| file.settled + file.changes.len()),
        )
    }

    /// What a sync of the folder covers that starts now.
    pub(super) fn covered_of_folder(&self) -> Covered {
        let answered = self.renamings.iter().filter(|renaming| renaming.answered);
        Covered::Folder(answered.map(|renaming| renaming.number).collect())
    }

    /// A sync succeeds: what it covers lasts.
    pub(super) fn sync(&mut self, covered: &Covered) {
        match covered {
            Covered::File(place, count) => {
                if let Some(file) = self.files.get_mut(*place) {
                    file.decide(*count, Fate::Lasts);
                }
            }
            Covered::Folder(numbers) => {
                for renaming in std::mem::take(&mut self.renamings) {
                    match numbers.contains(&renaming.number) {
                        true => renaming.what.make(&mut self.lasting_names),
                        false => self.renamings.push(renaming),
                    }
                }
            }
        }
    }

    /// A sync fails: what it was to cover is never tried again. (All later syncs of a folder fail, so that
    /// its names need no such note.)
    pub(super) fn fail_sync(&mut self, covered: &Covered) {
        if let Covered::File(place, count) = covered {
            if let Some(file) = self.files.get_mut(*place) {
                file.decide(*count, Fate::Given);
            }
        }
    }

    /// How many changes are undecided.
    pub(super) fn undecided(&self) -> usize {
        let of_files = self.files.iter().map(|file| file.undecided().count());
        of_files.sum::<usize>() + self.renamings.len()
    }

    /// What a power failure leaves that keeps those of the undecided changes which `keeps` says, by number.
    pub(super) fn image(&self, keeps: impl Fn(usize) -> bool) -> Image {
        let mut number = 0;
        let mut is_kept = || {
            number += 1;
            keeps(number - 1)
        };
        let mut names = self.lasting_names.clone();
        for renaming in &self.renamings {
            if is_kept() {
                renaming.what.clone().make(&mut names);
            }
        }
        let contents: Vec<Vec<u8>> = self
            .files
            .iter()
            .map(|file| file.after(&mut is_kept))
            .collect();
        let content = |place: usize| contents.get(place).cloned().unwrap_or_default();
        names
            .into_iter()
            .map(|(name, place)| (name, content(place)))
            .collect()
    }

    fn note(&mut self, number: usize, what: Name) {
        self.renamings.push(Renaming {
            number,
            answered: false,
            what,
        });
    }
}

impl File {
    fn change(&mut self, what: Content) {
        what.make(&mut self.seen);
        self.changes.push(Change {
            what,
            fate: Fate::Open,
        });
    }

    /// Decides the first `count` changes ever made, as far as they are open.
    fn decide(&mut self, count: usize, fate: Fate) {
        let now = count.saturating_sub(self.settled);
        for change in self.changes.iter_mut().take(now) {
            if change.fate == Fate::Open {
                change.fate = fate;
            }
        }
        let lasts = |change: &Change| change.fate == Fate::Lasts;
        let first = self
            .changes
            .iter()
            .take_while(|change| lasts(change))
            .count();
        for change in self.changes.drain(..first) {
            change.what.make(&mut self.lasting);
        }
        self.settled += first;
    }

    fn undecided(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.fate != Fate::Lasts)
    }

    fn after(&self, is_kept: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut content = self.lasting.clone();
        for change in &self.changes {
            if change.fate == Fate::Lasts || is_kept() {
                change.what.make(&mut content);
            }
        }
        content
    }
}

impl Content {
    fn make(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length(length) => content.resize(*length, 0),
            Self::Bytes(start, bytes) => {
                let end = start + bytes.len();
                content.resize(content.len().max(end), 0);
                if let Some(place) = content.get_mut(*start..end) {
                    place.copy_from_slice(bytes);
                }
            }
        }
    }
}

impl Name {
    /// A renaming of a file that is not known under the old name, because its creation was lost, changes
    /// nothing.
    fn make(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Added(name, place) => {
                names.insert(name, place);
            }
            Self::Removed(name) => {
                names.remove(&name);
            }
            Self::Renamed(from, to) => {
                if let Some(place) = names.remove(&from) {
                    names.insert(to, place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTOR: usize = 4;

    /// All that a power failure may leave of the file `a`, if it is there.
    fn left(platter: &Platter) -> Vec<Option<Vec<u8>>> {
        let all = 0..1_u32 << platter.undecided();
        let mut left: Vec<_> = all
            .map(|kept| platter.image(|number| kept & 1 << number != 0).remove("a"))
            .collect();
        left.sort();
        left.dedup();
        left
    }

    fn synced() -> (Platter, usize) {
        let mut platter = Platter::default();
        let place = platter.create("a".into(), 0, 0);
        platter.answered(0);
        platter.sync(&platter.covered_of_file(place));
        platter.sync(&platter.covered_of_folder());
        (platter, place)
    }

    #[test]
    fn each_sector_is_kept_on_its_own() {
        let (mut platter, place) = synced();
        platter.write(place, 2, b"xxyyyy", SECTOR);
        let kept = [&b""[..], b"\0\0\0\0yyyy", b"\0\0xx", b"\0\0xxyyyy"];
        assert_eq!(left(&platter), kept.map(|bytes| Some(bytes.to_vec())));
        platter.sync(&platter.covered_of_file(place));
        assert_eq!(left(&platter), [Some(b"\0\0xxyyyy".to_vec())]);
    }

    #[test]
    fn a_new_file_lasts_once_its_folder_is_synced() {
        let mut platter = Platter::default();
        let place = platter.create("a".into(), 1, 0);
        platter.sync(&platter.covered_of_file(place));
        // Not answered yet: this covers nothing.
        platter.sync(&platter.covered_of_folder());
        assert_eq!(left(&platter), [None, Some(vec![0])]);
        platter.answered(0);
        platter.sync(&platter.covered_of_folder());
        assert_eq!(left(&platter), [Some(vec![0])]);
    }

    #[test]
    fn what_a_failed_sync_was_to_cover_no_later_one_covers() {
        let (mut platter, place) = synced();
        platter.write(place, 0, b"x", SECTOR);
        platter.fail_sync(&platter.covered_of_file(place));
        platter.write(place, 4, b"y", SECTOR);
        platter.sync(&platter.covered_of_file(place));
        let kept = [&b"\0\0\0\0y"[..], b"x\0\0\0y"];
        assert_eq!(left(&platter), kept.map(|bytes| Some(bytes.to_vec())));
        assert_eq!(platter.content(place), b"x\0\0\0y", "as it is seen");
    }
}
