//! What a crash leaves of a disk, and what a sync makes last.

use std::task::Waker;

use bytes::Bytes;

use super::*;
use crate::plan::Delay;
use crate::plan::Swarm;

struct Rig {
    schedule: Schedule,
    disk: Disk,
}

impl Rig {
    fn new() -> Self {
        let schedule = Schedule::default();
        let mut plan = Plan::draw(7, &Swarm::default());
        plan.disk = DiskPlan {
            sync: Delay::Even(Duration::from_millis(1), Duration::from_millis(2)),
            other_most: Duration::from_micros(50),
            sector_bytes: 512,
            slow: None,
            slow_most: Duration::ZERO,
            any_order: true,
            calm: None,
        };
        let disk = Disk::new(NodeId::new(1), &plan, schedule.clone());
        Self { schedule, disk }
    }

    /// Starts an operation and lets time pass until it answers.
    fn run(&self, fs: &SimFs, operation: Operation) -> Result<Answer, FsError> {
        let mut completion = fs.start(operation);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(answer) = completion.as_mut().poll(&mut cx) {
                return answer;
            }
            self.pass();
        }
    }

    /// Lets one event happen.
    fn pass(&self) {
        let Some(Event::Disk { node, done }) = self.schedule.next() else {
            return;
        };
        if let Some(at) = self.disk.done(&done) {
            self.schedule.at(at, Event::Disk { node, done });
        }
    }

    fn write(&self, fs: &SimFs, offset: u64, text: &'static [u8]) {
        let write = Operation::Write {
            name: name(),
            offset,
            parts: vec![Bytes::from_static(text)],
        };
        assert_eq!(self.run(fs, write), Ok(Answer::Done));
    }

    fn create(&self, fs: &SimFs) {
        let create = Operation::Create {
            name: name(),
            length: 4,
        };
        for operation in [create, sync(), Operation::SyncFolder] {
            assert_eq!(self.run(fs, operation), Ok(Answer::Done));
        }
    }

    fn content(&self, fs: &SimFs) -> Result<Bytes, FsError> {
        let read = Operation::Read {
            name: name(),
            offset: 0,
            length: 100,
        };
        match self.run(fs, read)? {
            Answer::Bytes(bytes) => Ok(bytes),
            other => panic!("{other:?}"),
        }
    }

    fn crash(&self, loss: Loss) -> bool {
        self.disk.crash(loss, &mut Lot::of(1, &[2]))
    }
}

fn name() -> String {
    "0000000000000001.wal".to_owned()
}

fn sync() -> Operation {
    Operation::Sync { name: name() }
}

#[test]
fn a_crash_takes_what_was_not_synced_and_leaves_what_was() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.create(&fs);
    rig.write(&fs, 0, b"ab");
    assert_eq!(rig.run(&fs, sync()), Ok(Answer::Done));
    rig.write(&fs, 2, b"cd");
    assert_eq!(rig.content(&fs).unwrap(), "abcd");
    assert!(rig.crash(Loss::All));
    let fs = rig.disk.mount();
    assert_eq!(rig.content(&fs).unwrap(), "ab\0\0");
    assert!(!rig.crash(Loss::All));
}

#[test]
fn a_file_whose_folder_was_not_synced_is_gone() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    let create = Operation::Create {
        name: name(),
        length: 4,
    };
    for operation in [create, sync()] {
        assert_eq!(rig.run(&fs, operation), Ok(Answer::Done));
    }
    rig.crash(Loss::All);
    let fs = rig.disk.mount();
    assert_eq!(rig.content(&fs), Err(FsError::NotFound { name: name() }));
}

#[test]
fn the_end_of_a_process_alone_takes_nothing() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.create(&fs);
    rig.write(&fs, 0, b"ab");
    assert!(!rig.crash(Loss::Process));
    let fs = rig.disk.mount();
    assert_eq!(rig.content(&fs).unwrap(), "ab\0\0");
    assert!(rig.crash(Loss::All));
}

#[test]
fn a_sync_covers_what_was_started_before_it_and_nothing_later() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.create(&fs);
    rig.write(&fs, 0, b"a");
    let mut syncing = fs.start(sync());
    let write = Operation::Write {
        name: name(),
        offset: 1,
        parts: vec![Bytes::from_static(b"b")],
    };
    drop(fs.start(write));
    let mut cx = Context::from_waker(Waker::noop());
    while syncing.as_mut().poll(&mut cx).is_pending() {
        rig.pass();
    }
    rig.crash(Loss::All);
    let fs = rig.disk.mount();
    assert_eq!(rig.content(&fs).unwrap(), "a\0\0\0");
}

#[test]
fn a_failed_sync_is_believed_by_the_cache_only() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.create(&fs);
    rig.write(&fs, 0, b"ab");
    rig.disk.fail_next(DiskFault::Sync);
    assert!(matches!(rig.run(&fs, sync()), Err(FsError::Io { .. })));
    assert_eq!(rig.content(&fs).unwrap(), "ab\0\0");
    assert!(!rig.crash(Loss::All), "nothing is pending any more");
}

/// What is done to one file is done in order: the first is over before the second fails.
#[test]
fn a_failed_sync_takes_back_nothing_that_one_before_it_covers() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.create(&fs);
    rig.run(&fs, sync()).unwrap();
    rig.run(&fs, Operation::SyncFolder).unwrap();
    rig.write(&fs, 0, b"ab");
    let mut first = fs.start(sync());
    rig.disk.fail_next(DiskFault::Sync);
    let mut second = fs.start(sync());
    let mut cx = Context::from_waker(Waker::noop());
    let mut over = false;
    while !over {
        rig.pass();
        if let Poll::Ready(answer) = second.as_mut().poll(&mut cx) {
            assert!(matches!(answer, Err(FsError::Io { .. })));
            over = true;
        }
    }
    assert_eq!(first.as_mut().poll(&mut cx), Poll::Ready(Ok(Answer::Done)));
    rig.crash(Loss::All);
    assert_eq!(rig.content(&rig.disk.mount()).unwrap(), "ab\0\0");
}

/// Two who share a folder: the one whose sync fails is not the one whose file is lost, so that neither may
/// be told that all is well.
#[test]
fn after_a_failed_sync_of_the_folder_nobody_is_told_that_it_is_durable() {
    for earlier in [false, true] {
        let rig = Rig::new();
        let fs = rig.disk.mount();
        rig.create(&fs);
        let mut before = earlier.then(|| fs.start(Operation::SyncFolder));
        rig.disk.fail_next(DiskFault::Folder);
        let mut failing = fs.clone().start(Operation::SyncFolder);
        let mut after = fs.start(Operation::SyncFolder);
        let answer = |completion: &mut Completion| loop {
            let mut cx = Context::from_waker(Waker::noop());
            match completion.as_mut().poll(&mut cx) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => rig.pass(),
            }
        };
        assert!(matches!(answer(&mut after), Err(FsError::Io { .. })));
        assert!(matches!(answer(&mut failing), Err(FsError::Io { .. })));
        if let Some(before) = &mut before {
            assert_eq!(answer(before), Ok(Answer::Done));
        }
        assert!(!rig.disk.heal(), "of no use to this process");
        rig.crash(Loss::All);
        let fs = rig.disk.mount();
        // What no earlier sync covered is there, or not.
        let is_there = rig.run(&fs, sync()).is_ok();
        assert!(is_there || !earlier, "it was promised");
        assert_eq!(rig.run(&fs, Operation::SyncFolder), Ok(Answer::Done));
    }
}

#[test]
fn a_stalled_disk_answers_when_the_stall_is_over() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.disk.stall(Time::from_millis(500));
    rig.create(&fs);
    assert!(rig.schedule.now() >= Time::from_millis(500));
}

/// With one group of writes under way the second later one says that it was durable, with four the fifth.
#[test]
fn a_bit_flips_only_in_what_a_log_has_written_often_enough_after() {
    for groups in [1, 2, 4] {
        let rig = Rig::new();
        let fs = rig.disk.mount();
        rig.create(&fs);
        for round in 0..=groups as u64 + 1 {
            assert!(
                !rig.disk.rot(groups, &mut Lot::of(1, &[round])),
                "too early"
            );
            rig.write(&fs, round * 2, b"xy");
            assert_eq!(rig.run(&fs, sync()), Ok(Answer::Done));
        }
        assert!(rig.disk.rot(groups, &mut Lot::of(1, &[99])));
        let content = rig.content(&fs).unwrap();
        assert_ne!(content.get(..2).unwrap(), b"xy");
        let rest = content.get(2..).unwrap();
        assert!(rest.chunks(2).all(|pair| pair == b"xy"));
    }
}

#[test]
fn after_a_failed_sync_no_process_ends_without_its_machine() {
    let rig = Rig::new();
    let fs = rig.disk.mount();
    rig.create(&fs);
    rig.write(&fs, 0, b"abcd");
    rig.disk.fail_next(DiskFault::Sync);
    // The process ends before it learns that the sync has failed.
    drop(fs.start(sync()));
    rig.crash(Loss::Process);
    let seen = rig.content(&rig.disk.mount()).unwrap();
    rig.crash(Loss::All);
    assert_eq!(rig.content(&rig.disk.mount()).unwrap(), seen);
}

#[test]
fn a_process_of_an_earlier_life_reaches_nothing() {
    let rig = Rig::new();
    let old = rig.disk.mount();
    rig.create(&old);
    rig.crash(Loss::Process);
    assert_eq!(rig.run(&old, sync()), Err(FsError::Stopped));
}

#[test]
fn a_sync_of_the_folder_covers_what_was_answered_before_it_started() {
    for (waits, found) in [(true, 1), (false, 0)] {
        let rig = Rig::new();
        let fs = rig.disk.mount();
        // Nothing answers before the stall is over: the creation is still under way.
        rig.disk.stall(Time::from_millis(3));
        let mut create = fs.start(Operation::Create {
            name: name(),
            length: 4,
        });
        if waits {
            let mut cx = Context::from_waker(Waker::noop());
            while create.as_mut().poll(&mut cx).is_pending() {
                rig.pass();
            }
        }
        assert_eq!(rig.run(&fs, Operation::SyncFolder), Ok(Answer::Done));
        rig.crash(Loss::All);
        let fs = rig.disk.mount();
        let Ok(Answer::Names(names)) = rig.run(&fs, Operation::List) else {
            panic!("no list");
        };
        assert_eq!(names.len(), found, "waits: {waits}");
    }
}

/// What happens to one name happens in order, on a platter, too: an earlier change that nobody waited for
/// must not come true after later ones.
#[test]
fn changes_of_one_name_become_durable_in_order() {
    let mut folder = Folder::default();
    let draft = || String::from("draft");
    folder.create(draft(), 1, 1).unwrap();
    folder.remove(draft(), 2).unwrap();
    folder.folder_synced(&[2]);
    folder.create(draft(), 3, 3).unwrap();
    folder.folder_synced(&[3]);
    folder.rename("draft", String::from("kept"), 4).unwrap();
    folder.folder_synced(&[1, 4]);
    let mut lot = Key::Crash.lot(1, &[]);
    folder.synced(0, 5);
    folder.synced(1, 5);
    folder.crash(Loss::All, 512, &mut lot);
    assert_eq!(folder.list(), [(String::from("kept"), 3)]);
}
