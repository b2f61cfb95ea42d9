//! A log that has fallen idle, so that damage to any frame of it is told from a torn tail.

use std::collections::BTreeMap;

use raft_core::log::{Recovered, Write};

use super::*;

/// The files of a folder.
pub type Image = BTreeMap<String, Vec<u8>>;

/// A log of two segments that fell idle, and what it holds.
pub fn closed() -> (Image, Recovered, Entries) {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(
        &mut log,
        Write {
            hard: hard(1, 1, None),
            ..append_as("who", 1, vec![chunk(1, 1, &[10, 20]), chunk(1, 3, &[30])])
        },
    );
    write(&mut log, append(2, vec![chunk(1, 4, &[900])]));
    let configuration = configuration_chunk(2, 5, "there");
    write(
        &mut log,
        Write {
            hard: hard(1, 2, None),
            ..append(3, vec![configuration])
        },
    );
    write(
        &mut log,
        Write {
            hard: hard(1, 2, None),
            snapshot: Some(mark(1, 2).into()),
            ..append(4, vec![chunk(2, 6, &[300])])
        },
    );
    settle(&mut log);
    let image = fs.image();
    assert_eq!(image.len(), 2, "two segments");
    let (log, recovered) = open(&MemFs::of(image.clone()));
    let entries = entries(&load_all(&log, &recovered));
    (image, recovered, entries)
}
