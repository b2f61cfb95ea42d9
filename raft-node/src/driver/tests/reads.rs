//! Reads: on any node, without a word in the log, and not before they may be answered.

use super::*;

#[test]
fn a_read_on_any_node_sees_what_was_acknowledged_on_another() {
    let mut world = World::of(3);
    world.elect();
    for round in 1..=3 {
        let submission = world.handle(round).submit(payload("x"));
        assert!(outcome(&mut world, submission).is_ok());
        for id in [1, 2, 3] {
            let mut read = world.handle(id).read(|journal| journal.0.len() as u64);
            let seen = world.until(|_| poll(&mut read));
            assert_eq!(seen, Ok(round), "on {id}");
        }
    }
}

/// [S8.12]
#[test]
fn reads_write_nothing_on_any_node() {
    let mut world = World::of(3);
    let leader = world.elect();
    for id in [leader, leader % 3 + 1] {
        let last = world.driver(leader).hull().unwrap().last();
        let handle = world.handle(id);
        let mut reads: Vec<_> = (0..100)
            .map(|_| handle.read(|journal| journal.0.len()))
            .collect();
        for read in &mut reads {
            assert_eq!(world.until(|_| poll(read)), Ok(0));
        }
        assert_eq!(world.driver(leader).hull().unwrap().last(), last, "on {id}");
    }
}

/// [T6.4.23]
#[test]
fn a_read_waits_until_its_own_node_has_applied_what_it_must_see() {
    let mut world = World::of(3);
    let leader = world.elect();
    let follower = leader % 3 + 1;
    world.disk(follower).stall(true);
    let submission = world.handle(leader).submit(payload("x"));
    assert_eq!(outcome(&mut world, submission), reply(1));
    let mut read = world.handle(follower).read(|journal| journal.0.len());
    world.run(100);
    assert_eq!(
        poll(&mut read),
        None,
        "its disk, and so its state, is behind"
    );
    world.disk(follower).stall(false);
    assert_eq!(world.until(|_| poll(&mut read)), Ok(1));
}

#[test]
fn a_leader_that_was_cut_off_answers_no_read_from_what_it_has() {
    let mut world = World::of(3);
    let old = world.elect();
    world.run(100);
    world.net.borrow_mut().cut.insert(old);
    let mut read = world.handle(old).read(|journal| journal.0.len());
    let submission = world.handle(old % 3 + 1).submit(payload("x"));
    assert_eq!(outcome(&mut world, submission), reply(1));
    assert_eq!(poll(&mut read), None, "it would be nothing");
    world.net.borrow_mut().cut.clear();
    assert_eq!(world.until(|_| poll(&mut read)), Ok(1));
}

#[test]
fn a_read_without_a_quorum_times_out_and_a_stale_one_does_not_care() {
    let mut world = World::of(3);
    let leader = world.elect();
    let submission = world.handle(leader).submit(payload("x"));
    assert!(outcome(&mut world, submission).is_ok());
    world.crash(leader % 3 + 1);
    world.crash((leader + 1) % 3 + 1);
    let handle = world.handle(leader);
    let mut stale = handle.read_stale(|journal| journal.0.len());
    assert_eq!(world.until(|_| poll(&mut stale)), Ok(1));
    let mut read = handle.read(|journal| journal.0.len());
    assert_eq!(world.until(|_| poll(&mut read)), Err(ReadError::TimedOut));
}

#[test]
fn stale_reads_that_were_answered_make_room_for_others() {
    let mut world = World::with(1, |settings| settings.max_requests = 3);
    world.elect();
    for _ in 0..10 {
        let mut read = world.handle(1).read_stale(|journal| journal.0.len());
        assert_eq!(world.until(|_| poll(&mut read)), Ok(0));
    }
}

#[test]
fn reads_whose_time_is_over_make_room_for_others() {
    let mut world = World::with(3, |settings| settings.max_requests = 2);
    let follower = world.elect() % 3 + 1;
    world.net.borrow_mut().cut.insert(follower);
    for _ in 0..5 {
        let mut read = world.handle(follower).read(|journal| journal.0.len());
        assert_eq!(world.until(|_| poll(&mut read)), Err(ReadError::TimedOut));
    }
}

#[test]
fn a_read_has_its_own_time_however_long_ago_the_one_before_it_was() {
    let mut world = World::of(3);
    let follower = world.elect() % 3 + 1;
    let read = |world: &mut World| world.handle(follower).read(|journal| journal.0.len());
    let mut first = read(&mut world);
    assert_eq!(world.until(|_| poll(&mut first)), Ok(0));
    world.run(15_000);
    world.net.borrow_mut().cut.insert(follower);
    let mut second = read(&mut world);
    world.run(9_000);
    assert_eq!(poll(&mut second), None, "nine seconds, of ten");
    world.run(1_500);
    assert_eq!(poll(&mut second), Some(Err(ReadError::TimedOut)));
}

/// Four groups of reads are under way at most. What waits meanwhile is asked about together, and each waits
/// for as long as any other.
#[test]
fn reads_that_waited_together_have_each_its_own_time() {
    let mut world = World::of(3);
    let follower = world.elect() % 3 + 1;
    let read = |world: &mut World| world.handle(follower).read(|journal| journal.0.len());
    let mut first = read(&mut world);
    assert_eq!(world.until(|_| poll(&mut first)), Ok(0));
    world.net.borrow_mut().cut.insert(follower);
    let under_way: Vec<_> = (0..4)
        .map(|_| {
            let one = read(&mut world);
            world.run(100);
            one
        })
        .collect();
    let early = read(&mut world);
    world.run(9_000);
    let mut late = read(&mut world);
    world.run(2_000);
    for mut over in under_way.into_iter().chain([early]) {
        assert_eq!(poll(&mut over), Some(Err(ReadError::TimedOut)));
    }
    assert_eq!(poll(&mut late), None, "two seconds, of ten");
    world.run(7_500);
    assert_eq!(poll(&mut late), None);
    world.run(1_000);
    assert_eq!(poll(&mut late), Some(Err(ReadError::TimedOut)));
}

#[test]
fn a_read_whose_time_is_over_takes_no_other_with_it() {
    let mut world = World::of(3);
    let leader = world.elect();
    let follower = leader % 3 + 1;
    world.disk(follower).stall(true);
    let submission = world.handle(leader).submit(payload("x"));
    assert_eq!(outcome(&mut world, submission), reply(1));
    let read = |world: &mut World| world.handle(follower).read(|journal| journal.0.len());
    let mut early = read(&mut world);
    world.run(9_000);
    let mut late = read(&mut world);
    world.run(2_000);
    assert_eq!(poll(&mut early), Some(Err(ReadError::TimedOut)));
    assert_eq!(poll(&mut late), None, "two seconds, of ten");
    world.disk(follower).stall(false);
    world.run(1_000);
    assert_eq!(poll(&mut late), Some(Ok(1)));
}
