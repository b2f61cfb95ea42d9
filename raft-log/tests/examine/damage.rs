//! Logs that are damaged, or torn.

use expect_test::expect;
use raft_log::examine::{Dump, Verdict};

use crate::support::idle::closed;
use crate::support::*;
use crate::told::written;
use crate::{dump, folder_of, image_of, inspect, rehearse, verify};

/// Damage to a frame that a later one calls durable, and to one behind it.
#[test]
fn each_damaged_place_is_named_with_its_entries() {
    let folder = written();
    let mut image = image_of(folder.path());
    let first = image.get_mut("0000000000000001.wal").unwrap();
    first[130] ^= 1;
    let second = image.get_mut("0000000000000002.wal").unwrap();
    second[4] ^= 1;
    let folder = folder_of(&image);
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Damaged);
    expect![[r#"
        0000000000000001.wal: no frame that follows those before
        0000000000000002.wal: no frame that follows those before
        damage: 0000000000000001.wal at offset 0: expected frame 1, found a frame body with checksum 4a9f5290 for 13956f96, although frame 2 at offset 512 of 0000000000000001.wal says that it was durable; entries 1 to 3 stood there
        damage: 0000000000000002.wal at offset 0: expected frame 3, found none; no new entries stood there, or others too that took the place of older ones
        damaged in 2 places
    "#]].assert_eq(&text);
    let (_, text) = inspect(folder.path()).unwrap();
    expect![[r#"
        in use      by nobody
        segments    0000000000000001.wal  2048 bytes, no frame that follows those before
                    0000000000000002.wal  2048 bytes, no frame that follows those before
        snapshots   none
        log id      123456789abcdef0
        identity    none
        hard state  boot 0, term 0, no vote, no promise to leaders
        begins      with the first entry of all
        entries     none; the last index is 0
        ends        without a frame
        damage      0000000000000001.wal at offset 0: expected frame 1, found a frame body with checksum 4a9f5290 for 13956f96, although frame 2 at offset 512 of 0000000000000001.wal says that it was durable; entries 1 to 3 stood there
                    0000000000000002.wal at offset 0: expected frame 3, found none; no new entries stood there, or others too that took the place of older ones
        opening     entries 1 to 6 at most are given up and come again from the other nodes; until the log reaches 6 of term 4, whoever lacks that gets no vote
                    the node starts with last index 0, boot 1, term 2, vote for node 3, no promise to leaders
    "#]].assert_eq(&text);
    let (_, text) = rehearse(folder.path()).unwrap();
    expect![[r#"
        opening would, in this order:
          take LOCK, and write the new process's id to it
          write REPAIR.new, 4239 bytes
          rename REPAIR.new to REPAIR
          rename 0000000000000002.wal to 0000000000000002.wal.damaged
          rename 0000000000000001.wal to 0000000000000001.wal.damaged
        damage: 0000000000000001.wal at offset 0: expected frame 1, found a frame body with checksum 4a9f5290 for 13956f96, although frame 2 at offset 512 of 0000000000000001.wal says that it was durable; entries 1 to 3 stood there
        damage: 0000000000000002.wal at offset 0: expected frame 3, found none; no new entries stood there, or others too that took the place of older ones
        entries 1 to 6 at most are given up and come again from the other nodes; until the log reaches 6 of term 4, whoever lacks that gets no vote
        the node starts with last index 0, boot 1, term 2, vote for node 3, no promise to leaders
    "#]].assert_eq(&text);
    let (_, text) = dump(folder.path(), Dump::default()).unwrap();
    expect![[r#"
        what stands behind the damage is not shown: 0000000000000001.wal at offset 0: expected frame 1, found a frame body with checksum 4a9f5290 for 13956f96, although frame 2 at offset 512 of 0000000000000001.wal says that it was durable; entries 1 to 3 stood there; 0000000000000002.wal at offset 0: expected frame 3, found none; no new entries stood there, or others too that took the place of older ones
    "#]].assert_eq(&text);
}

/// In one segment: a header, a body, and two headers in a row; then who the node is, in the first frame
/// of the next.
#[test]
fn damage_behind_damage_is_found_and_that_of_bodies_told_to_the_entry() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=10 {
        write(
            &mut log,
            append_as("who", number, vec![chunk(1, 2 * number - 1, &[3, 5])]),
        );
    }
    settle(&mut log);
    let mut image = fs.image();
    let [first, second] = ["0000000000000001.wal", "0000000000000002.wal"];
    for at in [256 + 90, 768 + 180, 1280 + 3, 1536 + 120] {
        image.get_mut(first).unwrap()[at] ^= 1;
    }
    image.get_mut(second).unwrap()[129] ^= 1;
    let folder = folder_of(&image);
    let (_, text) = verify(folder.path()).unwrap();
    expect![[r#"
        0000000000000001.wal: frame 1 whole, 256 bytes
        0000000000000002.wal: no frame that follows those before
        damage: 0000000000000001.wal at offset 256: expected frame 2, found a header with checksum 1d4a437f for 63bec8ae, although frame 3 at offset 512 of 0000000000000001.wal says that it was durable; entries 3 to 4 stood there, or others too that took the place of older ones
        damage: 0000000000000001.wal at offset 768: expected frame 4, found a frame body with checksum 786370f5 for 621796bc; entries 7 to 8 stood there
        damage: 0000000000000001.wal at offset 1280: expected frames 6 to 7, found none; entries 11 to 14 stood there, or others too that took the place of older ones
        damage: 0000000000000002.wal at offset 0: expected frame 9, found a frame body with checksum 082b2c13 for 8aae89dc; entries 17 to 18 stood there
        damaged in 4 places
    "#]].assert_eq(&text);
}

/// What nothing calls durable is no damage behind a damage either.
#[test]
fn a_torn_tail_behind_a_damage_is_no_second_one() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=4 {
        write(
            &mut log,
            append_as("who", number, vec![chunk(1, number, &[10])]),
        );
    }
    let mut image = fs.image();
    for frame in [1, 3] {
        image.values_mut().next().unwrap()[frame * 256 + 180] ^= 1;
    }
    let (_, text) = verify(folder_of(&image).path()).unwrap();
    assert!(text.ends_with("damaged in 1 place\n"), "{text}");
    assert!(text.contains("expected frame 2"), "{text}");
}

/// A log whose newest frame is not whole and which nothing calls durable.
#[test]
fn a_torn_tail_is_no_damage() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=2 {
        write(
            &mut log,
            append_as("who", number, vec![chunk(1, number, &[300])]),
        );
    }
    let mut image = fs.image();
    image.values_mut().next().unwrap()[512 + 200] ^= 1;
    let folder = folder_of(&image);
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        0000000000000001.wal: frame 1 whole, 512 bytes
        torn tail, no damage: 0000000000000001.wal at offset 512 has a frame body with checksum 5906b336 for a1eab60e after the last frame, 509 bytes; the last index before it is 1; a crash leaves such, promised to nobody, and so does who cuts a file short or copies it badly
        whole
    "#]].assert_eq(&text);
    let (_, text) = rehearse(folder.path()).unwrap();
    expect![[r#"
        opening would, in this order:
          take LOCK, and write the new process's id to it
          cut 0000000000000001.wal from 2048 to 512 bytes
        it drops a torn tail: 0000000000000001.wal at offset 512 has a frame body with checksum 5906b336 for a1eab60e after the last frame, 509 bytes; the last index before it is 1; a crash leaves such, promised to nobody, and so does who cuts a file short or copies it badly
        the node starts with last index 1, boot 1, term 1, no vote, no promise to leaders
    "#]].assert_eq(&text);
}

/// A last segment that ends too soon is told with how much of it is dropped, and after which entry.
#[test]
fn a_last_segment_that_was_cut_short_is_told() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=2 {
        write(
            &mut log,
            append_as("who", number, vec![chunk(1, number, &[300])]),
        );
    }
    let mut image = fs.image();
    image.values_mut().next().unwrap().truncate(800);
    let folder = folder_of(&image);
    let (verdict, text) = verify(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        0000000000000001.wal: frame 1 whole, 512 bytes
        torn tail, no damage: 0000000000000001.wal at offset 512 has a frame cut short after the last frame, 288 bytes; the last index before it is 1; a crash leaves such, promised to nobody, and so does who cuts a file short or copies it badly
        whole
    "#]].assert_eq(&text);
    let (_, text) = inspect(folder.path()).unwrap();
    assert!(text.contains("it drops a torn tail"), "{text}");
}

#[test]
fn a_lost_segment_is_damage_and_at_the_front_the_end() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=4 {
        write(&mut log, append(number, vec![chunk(1, number, &[1500])]));
    }
    let image = fs.image();
    let mut said = String::new();
    for (missing, end) in [(2, "are given up"), (1, "the node does not start")] {
        let mut image = image.clone();
        image
            .remove(&format!("000000000000000{missing}.wal"))
            .unwrap();
        let folder = folder_of(&image);
        let (verdict, text) = verify(folder.path()).unwrap();
        assert_eq!(verdict, Verdict::Damaged, "{text}");
        said.push_str(&text);
        let (verdict, text) = rehearse(folder.path()).unwrap();
        assert_eq!(verdict, Verdict::Damaged);
        assert!(text.contains(end), "{text}");
    }
    expect![[r#"
        0000000000000001.wal: frame 1 whole, 1792 bytes
        0000000000000003.wal: no frame that follows those before
        0000000000000004.wal: no frame that follows those before
        damage: 0000000000000002.wal at offset 0: expected a segment before 0000000000000003.wal, found no such file; entry 2 stood there, or others too that took the place of older ones
        damaged in 1 place
        0000000000000002.wal: frame 2 whole, 1792 bytes
        0000000000000003.wal: frame 3 whole, 1792 bytes
        0000000000000004.wal: frame 4 whole, 1792 bytes
        damage: the oldest segment at offset 0: expected entries from i1 on, found entries from i2 on
        damaged in 1 place
    "#]].assert_eq(&said);
}

#[test]
fn the_note_of_a_damage_is_told() {
    let mut image = closed().0;
    image.values_mut().next().unwrap()[512 + 300] ^= 1;
    let fs = MemFs::of(image);
    drop(open(&fs));
    let mut image = fs.image();
    let folder = folder_of(&image);
    let (verdict, text) = inspect(folder.path()).unwrap();
    assert_eq!(verdict, Verdict::Whole);
    expect![[r#"
        in use      by nobody
        segments    0000000000000001.wal  512 bytes, frame 1 in 512 of them: entries 1 to 3, identity in 1
        note        REPAIR: a damaged log once reached 6 of term 2, at most, and has to again
                    boot 1, term 2, no vote, no promise to leaders; identity of 3 bytes
        set aside   0000000000000001.wal.damaged  2048 bytes
                    0000000000000002.wal.damaged  2048 bytes
        snapshots   none
        log id      123456789abcdef0
        identity    3 bytes
        hard state  boot 1, term 1, no vote, no promise to leaders
        begins      with the first entry of all
        entries     1 to 3, the latest log time is 7 ms
                    term 1: entries 1 to 3
        ends        with frame 1, not closed: none known to be durable, frame 1 may be torn unnoticed
        opening     entries 4 to 6 at most were given up at an earlier opening and come again from the other nodes; until the log reaches 6 of term 2, whoever lacks that gets no vote
                    the node starts with last index 3, boot 1, term 2, no vote, no promise to leaders
    "#]].assert_eq(&text);
    image.get_mut("REPAIR").unwrap()[50] ^= 1;
    let (verdict, text) = verify(folder_of(&image).path()).unwrap();
    assert_eq!(verdict, Verdict::Damaged);
    assert!(
        text.contains("damage: REPAIR at offset 0: expected it twice"),
        "{text}"
    );
    image.get_mut("REPAIR").unwrap()[4096 + 50] ^= 1;
    let (verdict, text) = inspect(folder_of(&image).path()).unwrap();
    assert_eq!(verdict, Verdict::Damaged);
    assert!(text.contains("the node does not start"), "{text}");
}
