//! Two comms over loopback sockets, without a driver.

use std::future::poll_fn;

use raft_core::ids::{Boot, ClusterId, Incarnation, Peer};
use raft_node::letter::{News, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::error::StartError;
use crate::handshake::{HELLO_BYTES, Refusal, VERSION, WELCOME_BYTES, Welcome};

const CLUSTER: ClusterId = ClusterId::new(77);

/// One node's comms.
struct Side {
    comms: TcpComms,
    address: String,
}

impl Side {
    /// Node `id` among these members, on the listener it is named with.
    fn new(id: u64, listener: TcpListener, members: BTreeMap<NodeId, String>) -> Self {
        let settings = CommsSettings {
            gone_after: Duration::from_millis(500),
            ..CommsSettings::default()
        };
        Self::with(id, listener, members, settings)
    }

    fn with(
        id: u64,
        listener: TcpListener,
        members: BTreeMap<NodeId, String>,
        settings: CommsSettings,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let comms = TcpComms::alone(NodeId::new(id), listener, members, settings).unwrap();
        Self { comms, address }
    }

    fn send(&mut self, to: u64, packet: Packet) {
        let lane = packet.lane();
        let letter = Letter {
            cluster: Some(CLUSTER),
            from: Peer::new(self.comms.identity.id(), Incarnation::new(5)),
            boot: Boot::new(1),
            to: NodeId::new(to),
            packet,
        };
        self.comms.send(NodeId::new(to), lane, letter);
    }

    async fn event(&mut self) -> CommsEvent<Letter> {
        timeout(
            Duration::from_secs(20),
            poll_fn(|cx| self.comms.poll_event(cx)),
        )
        .await
        .unwrap()
    }

    fn count(&self, mishap: Mishap) -> u64 {
        self.comms
            .counters
            .snapshot()
            .get(&mishap)
            .copied()
            .unwrap_or(0)
    }
}

async fn pair() -> (Side, Side) {
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let members: BTreeMap<NodeId, String> = (1..)
        .map(NodeId::new)
        .zip(listeners.iter())
        .map(|(id, listener)| (id, listener.local_addr().unwrap().to_string()))
        .collect();
    let [first, second] = listeners;
    (
        Side::new(1, first, members.clone()),
        Side::new(2, second, members),
    )
}

/// A letter that is `bytes` long, more or less.
fn news(bytes: usize) -> Packet {
    Packet::Genesis(News {
        to: None,
        keeps: Some(vec![7; bytes].into()),
        founded: false,
        wants_answer: true,
    })
}

/// Polls both until `to` has an event.
async fn deliver(from: &mut Side, to: &mut Side) -> CommsEvent<Letter> {
    tokio::select! {
        event = to.event() => event,
        event = from.event() => panic!("the sender has {event:?}"),
    }
}

#[tokio::test]
async fn letters_of_all_sizes_arrive_in_order_within_a_lane() {
    let (mut one, mut two) = pair().await;
    let sizes = [0, 100, 70_000, 1 << 20, 3];
    for size in sizes {
        one.send(2, news(size));
    }
    for size in sizes {
        match deliver(&mut one, &mut two).await {
            CommsEvent::Arrived(letter) => assert!(letter.packet == news(size), "{size} bytes"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_or_has_no_address_is_dropped_and_counted() {
    let (mut one, _two) = pair().await;
    for _ in 0..8 {
        one.send(2, news(1 << 20));
    }
    assert_eq!(one.comms.room(NodeId::new(2), Lane::Control), 0);
    assert_eq!(one.count(Mishap::NoRoom), 4);
    one.send(9, news(1));
    assert_eq!(one.comms.room(NodeId::new(9), Lane::Control), 0);
    assert_eq!(one.count(Mishap::NoAddress), 1);
}

#[tokio::test]
async fn room_is_announced_when_it_comes_back() {
    let (mut one, mut two) = pair().await;
    for _ in 0..8 {
        one.send(2, news(1 << 20));
    }
    let drain = async {
        loop {
            two.event().await;
        }
    };
    let event = tokio::select! {
        event = one.event() => event,
        () = drain => unreachable!(),
    };
    assert_eq!(event, CommsEvent::Room(NodeId::new(2), Lane::Control));
}

#[tokio::test]
async fn a_lost_connection_is_told_once_and_made_again() {
    let (mut one, mut two) = pair().await;
    one.send(2, news(1));
    deliver(&mut one, &mut two).await;
    two.send(1, news(1));
    deliver(&mut two, &mut one).await;

    let (address, members) = (two.address.clone(), two.comms.identity.clone());
    drop(two);
    let lost = one.event().await;
    assert_eq!(lost, CommsEvent::ConnectionLost(NodeId::new(2)));

    let members = [1, 2]
        .map(NodeId::new)
        .map(|id| (id, members.address(id).unwrap().to_owned()));
    let listener = loop {
        match TcpListener::bind(&address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let mut two = Side::new(2, listener, members.into());
    let letter = loop {
        one.send(2, news(1));
        tokio::select! {
            event = two.event() => break event,
            event = one.event() => assert_eq!(
                event,
                CommsEvent::Room(NodeId::new(2), Lane::Control),
                "the loss is told once"
            ),
        }
    };
    assert!(matches!(letter, CommsEvent::Arrived(_)));
}

/// Who is there at each call is called again as soon as after the first one.
#[tokio::test]
async fn a_peer_that_answered_is_called_again_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let called = listener.local_addr().unwrap().to_string();
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = CommsSettings {
        first_backoff: Duration::from_millis(10),
        longest_backoff: Duration::from_secs(3_600),
        ..CommsSettings::default()
    };
    let members = BTreeMap::from([(NodeId::new(2), called)]);
    let mut one = Side::with(1, own, members, settings);
    let hangs_up = async {
        // Each time twice as long: this would take more than a minute.
        for _ in 0..14 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1_024];
            assert!(stream.read(&mut bytes).await.unwrap() > 0, "who it is");
            stream.write_all(&welcome_of(2)).await.unwrap();
            assert!(stream.read(&mut bytes).await.unwrap() > 0, "a letter");
        }
    };
    let often = timeout(Duration::from_secs(20), async {
        tokio::select! {
            () = hangs_up => {}
            () = insist(&mut one, 1) => unreachable!(),
        }
    });
    assert!(often.await.is_ok());
}

#[tokio::test]
async fn what_is_lost_with_one_attempt_is_counted_once() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut one = Side::new(1, own, BTreeMap::from([(NodeId::new(2), address)]));
    for lost in 1..=3 {
        one.send(2, news(1));
        let room = one.event().await;
        assert_eq!(room, CommsEvent::Room(NodeId::new(2), Lane::Control));
        assert_eq!(one.count(Mishap::NoRoom), lost);
    }
}

/// A machine that is cut off sends no word of it: what was sent to it stays on its way. Here one that reads nothing
/// stands for it; both take nothing, and close nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_takes_nothing_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let deaf = async {
        let mut accepted = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&welcome_of(2)).await.unwrap();
            accepted.push(stream);
            if accepted.len() == 2 {
                return;
            }
        }
    };
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let members = BTreeMap::from([(NodeId::new(2), address)]);
    let mut one = Side::new(1, own, members);
    let twice = timeout(Duration::from_secs(20), async {
        tokio::select! {
            () = deaf => {}
            () = insist(&mut one, 1 << 20) => unreachable!(),
        }
    });
    assert!(twice.await.is_ok(), "it was called again");
}

/// What node `id` says to who calls it.
fn welcome_of(id: u64) -> [u8; WELCOME_BYTES] {
    let welcome = Welcome {
        version: VERSION,
        cluster: Some(CLUSTER),
        node: NodeId::new(id),
        payload_codec: 1,
        refusal: None,
    };
    welcome.encode()
}

/// Sends letters of so many bytes to node 2 for ever.
async fn insist(one: &mut Side, bytes: usize) {
    loop {
        one.send(2, news(bytes));
        tokio::select! {
            event = one.event() => drop(event),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
}

/// Connects as node 1 does, and sends bytes of one's own.
async fn impostor(to: &Side, bytes: &[u8]) -> TcpStream {
    impostor_in(Lane::Control, to, bytes).await
}

async fn impostor_in(lane: Lane, to: &Side, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&to.address).await.unwrap();
    let hello = Hello {
        cluster: Some(CLUSTER),
        caller: Caller::Peer {
            from: Peer::new(NodeId::new(1), Incarnation::new(5)),
            to: to.comms.identity.id(),
            lane,
        },
        address_bytes: 0,
    };
    introduce(&mut stream, hello, "").await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Polls until the counter moves; events are not expected.
async fn until_counted(side: &mut Side, mishap: Mishap) {
    while side.count(mishap) == 0 {
        tokio::select! {
            event = side.event() => panic!("{event:?}"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
}

#[tokio::test]
async fn garbage_and_hostile_lengths_end_the_connection_and_are_counted() {
    let (_one, mut two) = pair().await;
    let mut stream = impostor(&two, b"GET / HTTP/1.1\r\n\r\n").await;
    until_counted(&mut two, Mishap::BadFrame).await;
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);

    // A build whose handshake is the same and whose frames are not.
    let mut later = frame_of(1, news(10));
    later[4..6].copy_from_slice(&(frame::FORMAT_VERSION + 1).to_le_bytes());
    let (_one, mut three) = pair().await;
    let mut stream = impostor(&three, &later).await;
    until_counted(&mut three, Mishap::BadFrame).await;
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);

    let letter = frame_of(1, news(10));
    let mut hostile = letter.clone();
    hostile[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    impostor(&two, &hostile).await;
    until_counted(&mut two, Mishap::HostileLength).await;
}

#[tokio::test]
async fn a_letter_under_another_name_is_dropped_and_the_next_one_read() {
    let (_one, mut two) = pair().await;
    let mut bytes = frame_of(9, news(10));
    bytes.extend(frame_of(1, news(11)));
    let _stream = impostor(&two, &bytes).await;
    match two.event().await {
        CommsEvent::Arrived(letter) => assert_eq!(letter.packet, news(11)),
        other => panic!("{other:?}"),
    }
    assert_eq!(two.count(Mishap::FalseSender), 1);
}

#[tokio::test]
async fn a_connection_that_never_falls_silent_starves_no_other() {
    let (_one, mut two) = pair().await;
    let mut control = impostor_in(Lane::Control, &two, &frame_of(1, news(1))).await;
    let mut entries = impostor_in(Lane::Entries, &two, &frame_of(1, news(1))).await;
    for _ in 0..2 {
        assert!(matches!(two.event().await, CommsEvent::Arrived(_)));
    }
    // Whichever connection is asked first, the other one's letter comes soon.
    starve(&mut two, &mut control, &mut entries).await;
    starve(&mut two, &mut entries, &mut control).await;
}

/// Has `busy` send more than can be taken at once, and `quiet` one letter.
async fn starve(side: &mut Side, quiet: &mut TcpStream, busy: &mut TcpStream) {
    let letters = 400;
    busy.write_all(&frame_of(1, news(1)).repeat(letters))
        .await
        .unwrap();
    quiet.write_all(&frame_of(1, news(2))).await.unwrap();
    // Until the runtime knows that there is something to read on both.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut before = None;
    for number in 0..=letters {
        match side.event().await {
            CommsEvent::Arrived(letter) if letter.packet == news(2) => before = Some(number),
            CommsEvent::Arrived(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let before = before.unwrap();
    assert!(before <= 1, "{before} letters of the busy one came first");
}

fn frame_of(from: u64, packet: Packet) -> Vec<u8> {
    let letter = Letter {
        cluster: Some(CLUSTER),
        from: Peer::new(NodeId::new(from), Incarnation::new(5)),
        boot: Boot::new(1),
        to: NodeId::new(2),
        packet,
    };
    frame::encode(&letter, WireCodec::DEFAULT).unwrap().concat()
}

/// What a caller makes of a listener that says it is this node of this cluster.
async fn meets(cluster: ClusterId, node: u64) -> Option<DialError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let other = Welcome {
        version: VERSION,
        cluster: Some(cluster),
        node: NodeId::new(node),
        payload_codec: 1,
        refusal: None,
    };
    let answer: [u8; WELCOME_BYTES] = other.encode();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&answer).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let hello = Hello {
        cluster: Some(CLUSTER),
        caller: Caller::Peer {
            from: Peer::new(NodeId::new(1), Incarnation::new(5)),
            to: NodeId::new(2),
            lane: Lane::Control,
        },
        address_bytes: 0,
    };
    introduce(&mut stream, hello, "").await.err()
}

#[tokio::test]
async fn a_listener_that_is_someone_else_is_refused_by_the_caller() {
    let refused = |why| Some(DialError::Refused(why));
    let other = ClusterId::new(78);
    assert_eq!(meets(other, 2).await, refused(Refusal::WrongCluster));
    assert_eq!(meets(CLUSTER, 3).await, refused(Refusal::WrongNode));
    assert_eq!(meets(CLUSTER, 2).await, None);
}

/// What was on its way in the older one is behind what has come since: it would arrive out of order.
#[tokio::test]
async fn a_connection_that_was_made_anew_takes_the_place_of_the_older_one() {
    let (_one, mut two) = pair().await;
    let mut older = impostor(&two, &frame_of(1, news(1))).await;
    assert!(matches!(two.event().await, CommsEvent::Arrived(_)));
    let _newer = impostor(&two, &frame_of(1, news(2))).await;
    assert!(matches!(two.event().await, CommsEvent::Arrived(_)));
    let mut byte = [0];
    let closed = timeout(Duration::from_secs(20), older.read(&mut byte));
    assert_eq!(closed.await.unwrap().unwrap_or(0), 0);
}

/// Who speaks during the founding has no cluster yet, and has one when it calls again.
#[tokio::test]
async fn a_caller_names_its_cluster_from_when_it_has_one() {
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = NodeId::new(2);
    let address = listener.local_addr().unwrap().to_string();
    let mut one = Side::new(1, own, [(id, address)].into());
    let mut named = Vec::new();
    for cluster in [None, Some(CLUSTER)] {
        let letter = Letter {
            cluster,
            from: Peer::new(NodeId::new(1), Incarnation::new(5)),
            boot: Boot::new(1),
            to: id,
            packet: news(1),
        };
        let called = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; HELLO_BYTES];
            stream.read_exact(&mut hello).await.unwrap();
            Hello::decode(&hello).unwrap()
        };
        tokio::pin!(called);
        let hello = loop {
            one.comms.send(id, Lane::Control, letter.clone());
            tokio::select! {
                hello = &mut called => break hello,
                _ = one.event() => {}
            }
        };
        named.push(hello.cluster);
    }
    assert_eq!(named, [None, Some(CLUSTER)]);
}

#[tokio::test]
async fn clients_are_turned_away_where_there_is_no_node() {
    let (one, _two) = pair().await;
    let mut stream = TcpStream::connect(&one.address).await.unwrap();
    let hello = Hello {
        cluster: None,
        caller: Caller::Client,
        address_bytes: 0,
    };
    let refused = introduce(&mut stream, hello, "").await;
    assert_eq!(refused, Err(DialError::Refused(Refusal::Other)));
}

#[tokio::test]
async fn senseless_settings_are_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = CommsSettings {
        max_queued_bytes: 0,
        ..CommsSettings::default()
    };
    let refused = TcpComms::alone(NodeId::new(1), listener, BTreeMap::new(), settings);
    let Err(StartError::Settings { problems }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains("comms.max_queued_bytes"));
}

/// The queue of a peer that reads slowly is never empty.
#[tokio::test]
async fn what_was_written_is_not_counted_as_dropped() {
    const LETTER: usize = 64 << 10;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let slow = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(&welcome_of(2)).await.unwrap();
        let mut buffer = vec![0; LETTER];
        for _ in 0..200 {
            stream.read_exact(&mut buffer).await.unwrap();
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let members = BTreeMap::from([(NodeId::new(2), address)]);
    let mut one = Side::new(1, own, members);
    let mut sent = 0;
    let busy = async {
        loop {
            while one.comms.room(NodeId::new(2), Lane::Control) > 0 {
                one.send(2, news(LETTER));
                sent += 1;
            }
            tokio::select! {
                event = one.event() => if one.count(Mishap::ConnectionLost) > 0 { return event },
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
    };
    tokio::join!(slow, busy);
    let dropped = one.count(Mishap::NoRoom);
    assert!(
        dropped <= 70,
        "{dropped} of {sent} counted, and 4 MiB of 64 KiB each were queued"
    );
}
