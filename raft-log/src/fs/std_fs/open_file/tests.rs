//! Which writes go directly, and what a sync then has to do.

use std::fs;

use super::*;

/// A file of eight blocks of zeros that is synced, where direct writes can be had.
struct Place {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    file: OpenFile,
}

const BLOCK: usize = 4096;
const LENGTH: usize = 8 * BLOCK;

/// `None` where there are no direct writes, which is said.
fn place() -> Option<Place> {
    let folder = tempfile::tempdir().unwrap();
    if let Err(error) = direct::probe(folder.path()) {
        println!("skipped, as there are no direct writes here: {error}");
        return None;
    }
    let path = folder.path().join("file");
    fs::write(&path, vec![0; LENGTH]).unwrap();
    let mut file = OpenFile::open(&path).unwrap();
    file.sync().unwrap();
    Some(Place {
        _folder: folder,
        path,
        file,
    })
}

impl Place {
    /// Writes directly if the file takes it. Returns whether it did.
    fn write(&mut self, offset: usize, parts: &[Bytes]) -> bool {
        let takes = self.file.takes_direct(offset as u64, parts);
        if takes {
            let direct = self.file.direct(&self.path).unwrap().unwrap();
            let bytes = parts.concat();
            let mut gathered = direct::Gathered::default();
            let gathered = gathered.gather(parts);
            let written = direct::write(&direct, gathered, offset as u64).unwrap();
            assert_eq!(written, bytes.len());
        } else {
            self.file.write_buffered(offset as u64, parts).unwrap();
        }
        takes
    }

    /// What stands there, as this process and as another one reads it.
    fn content(&self) -> Vec<u8> {
        let read = self.file.read(0, usize::MAX).unwrap();
        assert!(fs::read(&self.path).unwrap() == read);
        read.to_vec()
    }
}

fn part(fill: u8, length: usize) -> Bytes {
    vec![fill; length].into()
}

#[test]
fn whole_blocks_within_a_file_go_directly_and_no_others() {
    let Some(Place { file, .. }) = place() else {
        return;
    };
    let longest = usize::try_from(MOST_BYTES).unwrap();
    for (offset, lengths, expected) in [
        (0, vec![BLOCK], true),
        (0, vec![1, 0, BLOCK - 1], true),
        (BLOCK, vec![LENGTH - BLOCK], true),
        (0, vec![], false),
        (0, vec![0, 0], false),
        (1, vec![BLOCK], false),
        (512, vec![BLOCK], false),
        (0, vec![BLOCK - 1], false),
        (0, vec![512], false),
        (BLOCK, vec![LENGTH], false),
        (LENGTH, vec![BLOCK], false),
        (0, vec![longest + BLOCK], false),
        (usize::MAX - BLOCK + 1, vec![BLOCK], false),
    ] {
        let parts: Vec<Bytes> = lengths.iter().map(|length| part(1, *length)).collect();
        let takes = file.takes_direct(offset as u64, &parts);
        assert_eq!(takes, expected, "{lengths:?} at {offset}");
    }
}

#[test]
fn the_longest_direct_write_is_one() {
    let Some(mut place) = place() else {
        return;
    };
    let longest = usize::try_from(MOST_BYTES).unwrap();
    place.file.set_length(MOST_BYTES).unwrap();
    place.file.sync().unwrap();
    assert!(place.write(0, &[part(3, longest)]));
    assert!(place.content() == vec![3; longest]);
}

/// Direct writes leave nothing to a sync; what goes another way does, and all after it until then.
#[test]
fn a_mix_of_writes_is_read_back_and_syncs_what_was_buffered() {
    let Some(mut place) = place() else {
        return;
    };
    let mut expected = vec![0; LENGTH];
    for (offset, fill, length, direct, unsynced) in [
        (0, 1, 2 * BLOCK, true, Unsynced::Nothing),
        (BLOCK, 2, BLOCK, true, Unsynced::Nothing),
        (BLOCK + 10, 3, 2 * BLOCK, false, Unsynced::Content),
        (BLOCK, 4, BLOCK, false, Unsynced::Content),
    ] {
        let parts = [part(fill, length / 3), part(fill, length - length / 3)];
        assert_eq!(place.write(offset, &parts), direct, "{fill}");
        assert_eq!(place.file.unsynced, unsynced, "{fill}");
        expected[offset..offset + length].fill(fill);
        assert!(place.content() == expected, "{fill}");
    }
    place.file.sync().unwrap();
    assert!(place.write(BLOCK, &[part(5, BLOCK)]));
    expected[BLOCK..2 * BLOCK].fill(5);
    assert!(place.content() == expected);
}

#[test]
fn what_may_not_be_on_the_disk_keeps_writes_from_going_directly_until_a_sync() {
    let Some(mut place) = place() else {
        return;
    };
    let whole = [part(1, BLOCK)];
    let mut of_unknown_past = OpenFile::open(&place.path).unwrap();
    assert!(!of_unknown_past.takes_direct(0, &whole));
    assert!(!of_unknown_past.must_stay_open());
    of_unknown_past.sync().unwrap();
    assert!(of_unknown_past.takes_direct(0, &whole));

    // Nobody knows what of a file that was there before is on the disk.
    let mut found = OpenFile::open(&place.path).unwrap();
    assert!(!found.takes_direct(0, &whole));
    found.sync().unwrap();
    assert!(found.takes_direct(0, &whole));

    place.file.set_length(BLOCK as u64).unwrap();
    assert!(!place.file.takes_direct(0, &whole));
    // A buffered write asks for no less than the length does.
    assert!(!place.write(0, &whole));
    assert_eq!(place.file.unsynced, Unsynced::Length);
    assert!(place.file.must_stay_open());
    place.file.sync().unwrap();
    assert!(place.file.takes_direct(0, &whole));
    assert!(!place.file.takes_direct(BLOCK as u64, &whole));
}

/// It can be told from a file that the system can't sync. What failed stays to be synced.
#[test]
#[cfg(target_os = "linux")]
fn a_sync_asks_the_system_unless_all_is_durable_already() {
    let mut file = OpenFile::open(Path::new("/dev/null")).unwrap();
    for unsynced in [Unsynced::Unknown, Unsynced::Content, Unsynced::Length] {
        file.unsynced = unsynced;
        let error = file.sync().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(file.unsynced, unsynced);
    }
    file.unsynced = Unsynced::Nothing;
    file.sync().unwrap();
}

#[test]
fn a_file_that_is_not_trusted_takes_nothing_directly_until_it_was_synced() {
    let Some(mut place) = place() else {
        return;
    };
    place.file.distrust();
    assert!(!place.file.is_synced() && place.file.must_stay_open());
    assert!(!place.file.takes_direct(0, &[part(1, BLOCK)]));
    place.file.sync().unwrap();
    assert!(place.file.is_synced() && place.file.takes_direct(0, &[part(1, BLOCK)]));
}

/// Whatever the others in its folder do.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_refuses_direct_writes_is_written_buffered() {
    let Some(mut place) = place() else {
        return;
    };
    let (refusing, whole) = (Path::new("/dev/null"), [part(1, BLOCK)]);
    let error = direct::open(refusing).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(place.file.direct(refusing).unwrap().is_none());
    assert!(!place.file.takes_direct(0, &whole), "it is not tried again");
    assert!(!place.write(0, &whole));
    assert_eq!(place.file.unsynced, Unsynced::Content);
    assert!(place.content()[..BLOCK] == [1; BLOCK]);
    place.file.sync().unwrap();
    assert!(!place.file.takes_direct(0, &whole));
}

#[test]
fn a_read_ends_where_the_file_does_known_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"content").unwrap();
    let file = OpenFile::open(&path).unwrap();
    for (offset, length, expected) in [
        (0, 7, &b"content"[..]),
        (0, 0, b""),
        (3, 4, b"tent"),
        (3, 2, b"te"),
        (3, 5, b"tent"),
        (7, 1, b""),
        (9, usize::MAX, b""),
        (u64::MAX, 1, b""),
    ] {
        let found = file.read(offset, length).unwrap();
        assert_eq!(found, expected, "{length} bytes at {offset}");
    }
    // What somebody else has done to it.
    fs::write(&path, b"con").unwrap();
    assert_eq!(file.read(1, 6).unwrap(), b"on"[..]);
    fs::write(&path, b"contents").unwrap();
    assert_eq!(file.read(4, 9).unwrap(), b"ents"[..]);
}
