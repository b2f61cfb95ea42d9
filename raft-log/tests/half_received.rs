//! A snapshot of which a part was received before a start.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use support::MemFs;
use support::snapshots::*;

/// A crash or a rotten disk may have left bytes behind the place where the content ends. A file that counts and
/// is too long would be set aside at the next opening.
#[test]
fn what_stands_behind_what_was_received_is_cut_off() {
    let all = content(9, 1_300);
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    for job in receiving(9, &all, &[600]).into_iter().take(3) {
        work(&mut store, job).unwrap();
    }
    let mut image = fs.image();
    let left = image.values_mut().next().unwrap();
    left.resize(5_000, 0);
    let fs = MemFs::of(image);
    let (mut store, _) = opened(&fs);
    let half = snapshot(9, &all);
    assert_eq!(resume(&mut store, &half, &all), Ok(1_008));
    let (store, newest) = opened(&MemFs::of(fs.image()));
    assert_eq!(newest, Some(half));
    assert!(store.damage().is_none());
}
