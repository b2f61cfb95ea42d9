//! The store of snapshots: every crash, every failed operation, every flipped bit.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use raft_core::hull::SnapshotAnswer;
use raft_core::ids::{EntryId, LogIndex};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::memory::MemoryStore;
use raft_core::store::{SnapshotStore, StartReader, StoreWork};
use raft_log::{FileStore, FsError, StoreError, StoreSettings};
use support::snapshots::*;
use support::{Crash, MemFs, open, run};

/// Contents by what they end with.
fn contents() -> BTreeMap<u64, Bytes> {
    [(5, 700), (7, 252), (9, 1300), (12, 504), (15, 0), (18, 3)]
        .into_iter()
        .map(|(last, length)| (last, content(last, length)))
        .collect()
}

/// Jobs that meet every path: taken and received side by side, damaged, discarded, forgotten.
fn workload() -> Vec<StoreWork> {
    let all = contents();
    let id = |last: u64| snapshot(last, &all[&last]).id;
    let mut works = taking(5, &all[&5], &[100, 300]);
    let mut received = receiving(9, &all[&9], &[200, 504, 1]);
    works.extend(received.drain(..4));
    works.extend(taking(7, &all[&7], &[252]));
    works.push(StoreWork::Forget(id(5)));
    works.extend(received);
    works.push(StoreWork::Forget(id(7)));
    // What arrives is not what was sent.
    let sent = snapshot(12, &all[&12]);
    works.push(StoreWork::Receive(sent.clone()));
    works.push(StoreWork::Write {
        offset: 0,
        part: content(99, 504),
    });
    works.push(StoreWork::Finish(sent.clone()));
    works.extend(receiving(12, &all[&12], &[500]).into_iter().skip(1));
    works.push(StoreWork::Forget(id(9)));
    let mut given_up = taking(15, &content(1, 600), &[300]);
    given_up.pop();
    works.extend(given_up);
    works.push(StoreWork::Discard);
    works.extend(taking(15, &all[&15], &[1]));
    works.push(StoreWork::Forget(id(12)));
    works.extend(receiving(18, &all[&18], &[1]));
    works
}

/// What a store did before the power failed.
#[derive(Default)]
struct Life {
    /// The newest snapshot that was answered for.
    promised: Option<SnapshotId>,
    /// The one whose end was asked for last.
    ending: Option<SnapshotId>,
    answers: Vec<Option<SnapshotAnswer>>,
}

impl Life {
    /// Lives through the workload, as far as it comes.
    fn live<S: SnapshotStore>(store: &mut S) -> Self {
        let mut life = Self::default();
        let mut taken = None;
        for job in workload() {
            let ends = match &job {
                StoreWork::Create { mark, .. } => {
                    taken = Some(mark.last.index.get());
                    None
                }
                StoreWork::Seal => taken.map(|last| snapshot(last, &contents()[&last]).id),
                StoreWork::Finish(snapshot) => Some(snapshot.id),
                _ => None,
            };
            life.ending = ends.or(life.ending);
            let is_answered = job.is_answered();
            let answer = work(store, job);
            if is_answered && answer.is_none() {
                // The power failed.
                return life;
            }
            if matches!(
                answer,
                Some(SnapshotAnswer::Taken { .. } | SnapshotAnswer::Finished)
            ) {
                // Older than the one before, it would not be the newest.
                let newer = ends.filter(|ends| {
                    life.promised
                        .is_none_or(|promised| promised.last < ends.last)
                });
                life.promised = newer.or(life.promised);
            }
            life.answers.push(answer);
        }
        life
    }
}

fn crashes() -> impl Iterator<Item = Crash> {
    let some = (0..6).map(Crash::Some);
    some.chain([Crash::KeepAll, Crash::LoseAll])
}

/// What is there is what was promised, or newer; and it is whole.
fn check(life: &Life, fs: &MemFs) -> Option<Snapshot> {
    let (mut store, newest) = opened(fs);
    let found = newest.as_ref().map(|newest| newest.id);
    assert!(
        found == life.promised || found == life.ending,
        "found {found:?}, promised {:?}, ending {:?}",
        life.promised,
        life.ending
    );
    assert!(
        found.map(|id| id.last) >= life.promised.map(|id| id.last),
        "older than promised"
    );
    if let Some(newest) = &newest {
        let content = &contents()[&newest.id.last.index.get()];
        assert_eq!(newest, &snapshot(newest.id.last.index.get(), content));
        assert_eq!(read_all(&mut store, newest.id, 300).unwrap(), *content);
    }
    newest
}

/// Receives each snapshot to the end and finds it after another crash.
fn go_on(fs: &MemFs, after: Option<u64>) {
    let next = contents().into_keys().find(|last| Some(*last) > after);
    let last = next.unwrap_or(18);
    let content = &contents()[&last];
    let snapshot = snapshot(last, content);
    let (mut store, _) = opened(fs);
    // What was there may be what arrived in place of what was sent.
    if resume(&mut store, &snapshot, content).is_err() {
        assert_eq!(resume(&mut store, &snapshot, content), Ok(0));
    }
    drop(store);
    let (mut store, newest) = opened(&fs.crash(Crash::LoseAll));
    assert_eq!(newest.unwrap().id, snapshot.id);
    assert_eq!(read_all(&mut store, snapshot.id, 7).unwrap(), *content);
}

/// Power or process end during each operation of the workload, and the power during each of the next opening.
#[test]
fn a_crash_at_each_operation_leaves_what_was_promised() {
    for operation in 0.. {
        let fs = MemFs::new();
        fs.crash_at(operation);
        let mut life = Life::default();
        if let Some(opened) = open_store(&fs) {
            life = Life::live(&mut opened.unwrap().0);
        }
        for torn in crashes().map(|crash| fs.crash(crash)).chain([fs.kill()]) {
            crash_while_opening(&life, &torn);
        }
        // The process alone died: what it finds is told to others, and must not go any more.
        let killed = fs.kill();
        let found = check(&life, &killed);
        let again = opened(&killed.crash(Crash::LoseAll)).1;
        assert_eq!(again, found, "told at a start, and gone at the next");
        if fs.started() <= operation {
            assert!(operation > 80, "only {operation} operations");
            assert_eq!(life.promised.unwrap().last.index.get(), 18);
            return;
        }
    }
}

fn crash_while_opening(life: &Life, torn: &MemFs) {
    for operation in 0.. {
        let torn = torn.kill();
        torn.crash_at(operation);
        let whole = open_store(&torn).is_some();
        for seed in 0..8 {
            check(life, &torn.crash(Crash::Some(seed)));
        }
        let again = torn.crash(Crash::Some(operation as u64));
        let newest = check(life, &again);
        if whole {
            go_on(&again, newest.map(|newest| newest.id.last.index.get()));
            return;
        }
    }
}

/// Each operation of the workload fails in turn: its job says so, or what it wanted was done all the
/// same; and the next snapshot is as good as any.
#[test]
fn a_failure_at_each_operation_costs_no_snapshot_that_counts() {
    let mut failed = 0;
    for operation in 0.. {
        let fs = MemFs::new();
        fs.fail_at(operation);
        let Ok((mut store, _)) = open_store(&fs).unwrap() else {
            continue;
        };
        let life = Life::live(&mut store);
        failed += usize::from(life.answers.contains(&Some(SnapshotAnswer::Failed)));
        let done = fs.started() <= operation;
        assert_eq!(store.failure().is_none(), done, "at {operation}");
        drop(store);
        // A disk that lied once is opened after the power failed, not before.
        for crash in crashes() {
            let fs = fs.crash(crash);
            let newest = newest_intact(&life, &fs);
            go_on(&fs, newest);
        }
        if done {
            assert!(failed > 60, "{failed} failures seen");
            return;
        }
    }
}

/// Like [`check`]; but after a failure, any snapshot that was begun may be there.
fn newest_intact(life: &Life, fs: &MemFs) -> Option<u64> {
    let (mut store, newest) = opened(fs);
    let found = newest.as_ref().map(|newest| newest.id.last);
    assert!(found >= life.promised.map(|id| id.last));
    let id = newest?.id;
    let last = id.last.index.get();
    assert_eq!(read_all(&mut store, id, 1_000).unwrap(), contents()[&last]);
    Some(last)
}

/// A store on disk answers as one in memory does.
#[test]
fn it_answers_as_the_store_in_memory_does() {
    let (mut store, _) = opened(&MemFs::new());
    let of_files = Life::live(&mut store);
    let of_memory = Life::live(&mut MemoryStore::new());
    assert_eq!(of_files.answers, of_memory.answers);
    let damaged = of_files.answers.iter().flatten();
    let damaged = damaged.filter(|answer| **answer == SnapshotAnswer::Damaged);
    assert_eq!(damaged.count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked for, in whatever order, with a restart now and then.
    #[test]
    fn any_jobs_are_answered_as_in_memory(jobs in proptest::collection::vec(0usize..40, 1..40)) {
        let works = workload();
        let fs = MemFs::new();
        let (mut files, _) = opened(&fs);
        let mut memory = MemoryStore::new();
        let mut at = 0;
        for job in jobs {
            // Mostly the next one, so that snapshots come to an end.
            at = match job {
                0 => {
                    let (_, newest) = opened(&fs.kill());
                    memory = memory.reopened();
                    // Of two that stand for the same entries, either will do.
                    let last = |newest: Option<&Snapshot>| newest.map(|newest| newest.id.last);
                    prop_assert_eq!(last(newest.as_ref()), last(memory.newest()));
                    return Ok(());
                }
                1..10 => job * works.len() / 10,
                _ => at + 1,
            } % works.len();
            let (found, expected) = (work(&mut files, works[at].clone()), memory.work(works[at].clone()));
            prop_assert_eq!(found, expected, "{:?}", &works[at]);
        }
        let newest = memory.newest().map(|newest| newest.id);
        if let Some(id) = newest {
            let found = read_all(&mut files, id, 1_000);
            prop_assert_eq!(found.unwrap(), memory.content(id).unwrap());
        }
    }
}

/// The disk of a store with one snapshot and half of another.
fn two_files() -> BTreeMap<String, Vec<u8>> {
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    let all = contents();
    for job in taking(7, &content(7, 600), &[600]) {
        work(&mut store, job).unwrap();
    }
    for job in receiving(9, &all[&9], &[1_000]).into_iter().take(2) {
        work(&mut store, job).unwrap();
    }
    fs.image()
}

/// Each bit of both files is flipped in turn: the snapshot that counts is set aside, and what was
/// received is gone on with up to the damage.
#[test]
fn a_flipped_bit_is_detected_or_harmless() {
    let image = two_files();
    assert_eq!(image.len(), 2);
    let all = contents();
    let (counted, half) = (content(7, 600), snapshot(9, &all[&9]));
    let (mut set_aside, mut resumed) = (0, 0);
    for (name, file) in &image {
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut damaged = image.clone();
                damaged.get_mut(name).unwrap()[at] ^= 1 << bit;
                let fs = MemFs::of(damaged.clone());
                let (mut store, newest) = open_store(&fs).unwrap().unwrap();
                match (newest, store.damage()) {
                    (Some(newest), None) => {
                        assert_eq!(newest, snapshot(7, &counted));
                        let found = read_all(&mut store, newest.id, 100);
                        assert_eq!(found.unwrap(), counted, "{name} {at} {bit}");
                    }
                    (None, Some(StoreError::Corrupt { file, .. })) => {
                        assert_eq!(file, name);
                        let kept = &fs.image()[&format!("{name}.damaged")];
                        assert_eq!(kept, &damaged[name]);
                        set_aside += 1;
                    }
                    other => panic!("{name} {at} {bit}: {other:?}"),
                }
                let stored = resume(&mut store, &half, &all[&9]).unwrap();
                resumed += usize::from(stored > 0);
                assert_eq!(read_all(&mut store, half.id, 1_300).unwrap(), all[&9]);
            }
        }
    }
    // Headers of 100 bytes or so; content and checksums; and blocks before the damaged one.
    assert!(
        set_aside > 8 * 660 && resumed > 8 * 256,
        "{set_aside} {resumed}"
    );
}

#[test]
fn what_is_cut_or_gone_is_told() {
    let image = two_files();
    let (name, file) = image
        .iter()
        .next_back()
        .map(|(name, file)| (name.clone(), file))
        .unwrap();
    let counted = image.keys().find(|name| !name.ends_with("draft")).unwrap();
    for length in 0..image[counted].len() {
        let mut cut = image.clone();
        cut.get_mut(counted).unwrap().truncate(length);
        let (store, newest) = open_store(&MemFs::of(cut)).unwrap().unwrap();
        let damage = store.damage().unwrap();
        assert!(matches!(damage, StoreError::Corrupt { .. }), "{damage}");
        assert_eq!(newest, None);
    }
    assert!(name.ends_with("draft") && file.len() > 256);
    // Gone while the store is open.
    let fs = MemFs::of(image.clone());
    let (mut store, newest) = opened(&fs);
    let operation = raft_log::Operation::Remove {
        name: counted.clone(),
    };
    run(raft_log::Fs::start(&fs, operation)).unwrap().unwrap();
    assert_eq!(
        read_all(&mut store, newest.unwrap().id, 10),
        Err(Some(SnapshotAnswer::Failed))
    );
    let lost = matches!(
        store.failure(),
        Some(StoreError::Fs {
            cause: FsError::NotFound { .. },
            ..
        })
    );
    assert!(lost, "{:?}", store.failure());
    // Never there.
    let id = snapshot(77, b"").id;
    assert_eq!(
        read_all(&mut store, id, 10),
        Err(Some(SnapshotAnswer::Failed))
    );
    assert_eq!(store.failure(), Some(&StoreError::Missing { id }));
}

/// Whether the log can go on from the older one is not the store's to say.
#[test]
fn a_damaged_newest_is_set_aside_and_an_older_one_found_at_each_opening() {
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    for last in [5, 7] {
        for job in taking(last, &contents()[&last], &[99]) {
            work(&mut store, job).unwrap();
        }
    }
    let mut image = fs.image();
    let newest = image.keys().next_back().unwrap().clone();
    image.get_mut(&newest).unwrap()[20] ^= 1;
    let fs = MemFs::of(image.clone());
    let (store, older) = opened(&fs);
    assert!(store.damage().is_some());
    assert_eq!(older, Some(snapshot(5, &contents()[&5])));
    assert_eq!(fs.image()[&format!("{newest}.damaged")], image[&newest]);
    let (store, again) = opened(&fs);
    assert!(store.damage().is_none(), "it was told");
    assert_eq!(again, older);
}

/// What was received is told after a restart, from memory or from disk, and only of the same one.
#[test]
fn what_was_received_is_resumed_and_another_one_is_begun_anew() {
    let all = contents();
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    let half = snapshot(9, &all[&9]);
    for job in receiving(9, &all[&9], &[600]).into_iter().take(3) {
        work(&mut store, job).unwrap();
    }
    let begun = |store: &mut FileStore<MemFs>, snapshot: &Snapshot| match work(
        store,
        StoreWork::Receive(snapshot.clone()),
    ) {
        Some(SnapshotAnswer::Begun { stored }) => stored,
        other => panic!("{other:?}"),
    };
    assert_eq!(begun(&mut store, &half), 1_200);
    // After a crash of the process, whole blocks; after one of the machine, at least what was synced.
    let (mut store, _) = opened(&fs.kill());
    assert_eq!(begun(&mut store, &half), 1_008);
    assert!(begun(&mut opened(&fs.crash(Crash::LoseAll)).0, &half) >= 504);
    // The same entries in other bytes.
    let other = snapshot(9, &content(4, 1_300));
    let (mut store, _) = opened(&fs.kill());
    assert_eq!(begun(&mut store, &other), 0);
    assert_eq!(begun(&mut store, &half), 0);
    // Another leader may have taken the same snapshot at another time.
    let later = Snapshot {
        time: raft_core::time::LogTime::from_millis(1),
        ..half.clone()
    };
    let (mut store, _) = opened(&fs.kill());
    assert_eq!(begun(&mut store, &later), 1_008);
    assert_eq!(begun(&mut store, &half), 1_008);
    assert_eq!(begun(&mut store, &other), 0);
    // With another configuration it is another one.
    let other = Snapshot {
        configuration: raft_core::configuration::Configuration::default(),
        ..half
    };
    let (mut store, _) = opened(&fs.kill());
    assert_eq!(begun(&mut store, &other), 0);
}

#[test]
fn parts_that_do_not_follow_are_refused_and_change_nothing() {
    let all = contents();
    let (mut store, _) = opened(&MemFs::new());
    let part = |offset: usize, length: usize| StoreWork::Write {
        offset: offset as u64,
        part: all[&9].slice(offset..offset + length),
    };
    let failed = Some(SnapshotAnswer::Failed);
    assert_eq!(work(&mut store, part(0, 10)), failed);
    assert_eq!(store.failure(), Some(&StoreError::NotBegun));
    assert_eq!(work(&mut store, StoreWork::Seal), failed);
    assert_eq!(work(&mut store, StoreWork::Append(Bytes::new())), failed);
    let snapshot = snapshot(9, &all[&9]);
    work(&mut store, StoreWork::Receive(snapshot.clone())).unwrap();
    work(&mut store, part(0, 300)).unwrap();
    assert_eq!(work(&mut store, part(0, 300)), failed);
    assert_eq!(work(&mut store, part(301, 10)), failed);
    let beyond = StoreWork::Write {
        offset: 300,
        part: content(1, 1_001),
    };
    assert_eq!(work(&mut store, beyond), failed);
    let expected = StoreError::OutOfPlace {
        offset: 300,
        expected: 300,
    };
    assert_eq!(store.failure(), Some(&expected));
    assert_eq!(resume(&mut store, &snapshot, &all[&9]), Ok(300));
}

/// What the file holds is not known then: what follows would stand behind a hole.
#[test]
fn a_part_that_could_not_be_written_is_followed_by_none() {
    let all = contents();
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    let mut works = receiving(9, &all[&9], &[600]).into_iter();
    for job in works.by_ref().take(2) {
        work(&mut store, job).unwrap();
    }
    fs.fail_next("write", FsError::Stopped);
    for job in works {
        assert_eq!(work(&mut store, job), Some(SnapshotAnswer::Failed));
    }
    let snapshot = snapshot(9, &all[&9]);
    resume(&mut store, &snapshot, &all[&9]).unwrap();
    assert_eq!(read_all(&mut store, snapshot.id, 300).unwrap(), all[&9]);
}

/// The log and the store have one folder and leave each other's files alone.
#[test]
fn it_shares_a_folder_with_the_log() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    support::write(
        &mut log,
        support::append(1, vec![support::chunk(1, 1, &[10])]),
    );
    let (mut store, _) = opened(&fs);
    for job in taking(5, &contents()[&5], &[99]) {
        work(&mut store, job).unwrap();
    }
    drop((log, store));
    let fs = fs.crash(Crash::LoseAll);
    let (_, recovered) = open(&fs);
    assert_eq!(recovered.last.get(), 1);
    assert_eq!(opened(&fs).1, Some(snapshot(5, &contents()[&5])));
    assert_eq!(open(&fs.crash(Crash::LoseAll)).1.last.get(), 1);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (block_bytes, sync_bytes) in [(255, 1), (300, 1), (2 << 20, 1), (256, 0)] {
        let settings = StoreSettings {
            block_bytes,
            sync_bytes,
        };
        let error = run(FileStore::open(MemFs::new(), settings))
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, StoreError::Settings { .. }));
    }
}

/// Takes what an opening hands out: each snapshot that was begun, and what came of it.
#[derive(Default)]
struct Taker(Vec<(EntryId, Vec<u8>)>);

impl StartReader for Taker {
    fn begin(&mut self, snapshot: &Snapshot) {
        self.0.push((snapshot.id.last, Vec::new()));
    }

    fn read(&mut self, content: &[u8]) {
        self.0.last_mut().unwrap().1.extend_from_slice(content);
    }
}

/// What is handed out at an opening.
fn handed_out(fs: &MemFs) -> (Vec<(EntryId, Vec<u8>)>, Option<Snapshot>) {
    let mut taker = Taker::default();
    let opening = FileStore::open_reading(fs.clone(), STORE_SETTINGS, &mut taker);
    let (_, newest) = run(opening).unwrap().unwrap();
    (taker.0, newest)
}

#[test]
fn an_opening_hands_out_the_snapshot_that_it_finds() {
    let fs = MemFs::new();
    assert_eq!(handed_out(&fs), (vec![], None));
    let (mut store, _) = opened(&fs);
    let bytes = content(3, 3_000);
    for one in taking(4, &bytes, &[700]) {
        work(&mut store, one);
    }
    // What is being received does not count.
    for one in receiving(9, &bytes, &[700]).into_iter().take(3) {
        work(&mut store, one);
    }
    let (taken, newest) = handed_out(&fs);
    let last = newest.unwrap().id.last;
    assert_eq!(last.index, LogIndex::new(4));
    assert_eq!(taken, [(last, bytes.to_vec())]);
}

/// Whoever takes the content of a damaged one is told that another begins, or that there is none.
#[test]
fn what_is_damaged_is_handed_out_up_to_there_and_is_not_what_was_found() {
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    let bytes = content(3, 3_000);
    for last in [4, 7] {
        for one in taking(last, &bytes, &[700]) {
            work(&mut store, one);
        }
    }
    let mut image = fs.image();
    let newest = image.iter_mut().rfind(|(_, bytes)| bytes.len() > 3_000);
    newest.unwrap().1[1_500] ^= 1;
    let (taken, found) = handed_out(&MemFs::of(image));
    let ends: Vec<u64> = taken.iter().map(|(last, _)| last.index.get()).collect();
    assert_eq!(ends, [7, 4]);
    assert!(bytes.starts_with(&taken[0].1) && taken[0].1.len() < 1_500);
    assert_eq!(taken[1].1, bytes);
    assert_eq!(found.unwrap().id.last, taken[1].0);
}
