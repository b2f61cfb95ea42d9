//! A client that asks for one command again and again, as one does that heard nothing and came back
//! over another connection.

use super::*;

/// Nobody leads, so that nothing is answered before its time is over: ten seconds, of which each ask
/// takes its own and no more.
#[test]
fn a_client_that_asks_again_and_again_takes_no_room_from_others() {
    let mut world = World::with(3, |settings| settings.max_requests = 4);
    let follower = world.elect() % 3 + 1;
    let mut opening = world.handle(follower).open_session();
    let session = world.until(|_| poll(&mut opening)).unwrap();
    world.net.borrow_mut().cut.insert(follower);
    world.run(5_000);
    let handle = world.handle(follower);
    assert_eq!(handle.status().leader, None);
    for time in 0..6 {
        let mut command = handle.submit_as(SessionCommand {
            session,
            serial: 1,
            settled: 1,
            payload: payload("x"),
        });
        let mut bystander = handle.submit(payload("y"));
        assert_eq!(poll(&mut command), None, "{time}");
        assert_eq!(poll(&mut bystander), None, "{time}");
        world.run(6_000);
        // Nobody waits for either any more.
    }
}
