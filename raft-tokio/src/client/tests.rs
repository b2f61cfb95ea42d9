//! A client against nodes that behave as badly as the test wants.

use std::future::poll_fn;
use std::sync::Mutex;

use raft_core::ids::{ClusterId, NodeId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::handshake::{HELLO_BYTES, VERSION, Welcome};
use crate::protocol::{Answer, Failure, Request, UpTo};
use crate::stream::FrameReader;

mod endings;
mod patience;

/// The cluster of false nodes.
const CLUSTER: ClusterId = ClusterId::new(7);

/// What a false node does with a request.
enum Reaction {
    Answer(Answer),
    /// Several at once.
    Answers(Vec<Answer>),
    /// After a while, in which the node does nothing else.
    Later(Duration, Answer),
    Nothing,
    Close,
}

/// A node that reacts to each request as it was told, and remembers all of them.
struct FalseNode {
    address: String,
    heard: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl FalseNode {
    async fn start(react: impl FnMut(&Request) -> Reaction + Send + 'static) -> Self {
        Self::start_far_away(Duration::ZERO, react).await
    }

    /// One of another cluster, or of none.
    async fn start_in(
        cluster: Option<ClusterId>,
        react: impl FnMut(&Request) -> Reaction + Send + 'static,
    ) -> Self {
        Self::start_as((cluster, Duration::ZERO), react).await
    }

    /// One that welcomes whoever comes only after so long.
    async fn start_far_away(
        away: Duration,
        react: impl FnMut(&Request) -> Reaction + Send + 'static,
    ) -> Self {
        Self::start_as((Some(CLUSTER), away), react).await
    }

    async fn start_as(
        nature: (Option<ClusterId>, Duration),
        react: impl FnMut(&Request) -> Reaction + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, nature, Arc::clone(&heard), react));
        Self {
            address,
            heard,
            task,
        }
    }

    /// The submissions heard so far, as (session, serial).
    fn submissions(&self) -> Vec<(u64, u64)> {
        let heard = self.heard.lock().unwrap();
        let submissions = heard.iter().filter_map(|request| match request {
            Request::Submit {
                session, serial, ..
            } => Some((*session, *serial)),
            Request::Open { .. } => None,
        });
        submissions.collect()
    }
}

impl Drop for FalseNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    (cluster, away): (Option<ClusterId>, Duration),
    heard: Arc<Mutex<Vec<Request>>>,
    mut react: impl FnMut(&Request) -> Reaction,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await.unwrap();
        let welcome = Welcome {
            version: VERSION,
            cluster,
            node: NodeId::new(1),
            payload_codec: 1,
            refusal: None,
        };
        tokio::time::sleep(away).await;
        // The client may have lost its patience.
        if stream.write_all(&welcome.encode()).await.is_err() {
            continue;
        }
        let mut reader = FrameReader::new(UpTo {
            payload_bytes: 1_000,
        });
        while let Ok(Some(frame)) = poll_fn(|cx| reader.poll_frame(&mut stream, cx)).await {
            let request = Request::decode(frame).unwrap();
            let reaction = react(&request);
            heard.lock().unwrap().push(request);
            match reaction {
                Reaction::Answer(answer) => say(&mut stream, &[answer]).await,
                Reaction::Answers(answers) => say(&mut stream, &answers).await,
                Reaction::Later(after, answer) => {
                    tokio::time::sleep(after).await;
                    say(&mut stream, &[answer]).await;
                }
                Reaction::Nothing => {}
                Reaction::Close => break,
            }
        }
    }
}

async fn say(stream: &mut TcpStream, answers: &[Answer]) {
    let bytes: Vec<_> = answers.iter().flat_map(Answer::encode).collect();
    // The client may have gone on to another node.
    let _ = stream.write_all(&bytes.concat()).await;
}

/// What a good node does: sessions are numbered 5, and replies echo.
fn good(request: &Request) -> Reaction {
    Reaction::Answer(match request.clone() {
        Request::Open { number } => Answer::Opened { number, session: 5 },
        Request::Submit {
            session,
            serial,
            payload,
            ..
        } => Answer::Applied {
            session,
            serial,
            reply: payload,
        },
    })
}

fn failed(request: &Request, failure: Failure) -> Reaction {
    match *request {
        Request::Submit {
            session, serial, ..
        } => Reaction::Answer(Answer::Failed {
            session,
            serial,
            failure,
        }),
        Request::Open { .. } => good(request),
    }
}

const fn is_open(request: &Request) -> bool {
    matches!(request, Request::Open { .. })
}

#[tokio::test]
async fn what_a_dying_node_left_unanswered_goes_to_another_under_the_same_serial() {
    let dying = FalseNode::start(|request| match request {
        Request::Open { .. } => good(request),
        Request::Submit { serial, .. } if *serial < 4 => Reaction::Nothing,
        Request::Submit { .. } => Reaction::Close,
    })
    .await;
    let healthy = FalseNode::start(good).await;
    let client = Client::connect([&dying.address, &healthy.address])
        .await
        .unwrap();
    let (one, two, three, four) = tokio::join!(
        client.submit("one"),
        client.submit("two"),
        client.submit("three"),
        client.submit("four"),
    );
    let replies = [one, two, three, four].map(Result::unwrap);
    assert_eq!(replies, ["one", "two", "three", "four"]);
    let expected = [(5, 1), (5, 2), (5, 3), (5, 4)];
    assert_eq!(dying.submissions(), expected);
    assert_eq!(healthy.submissions(), expected);
}

#[tokio::test]
async fn a_client_moves_to_the_leader_that_it_is_told_of() {
    let leader = FalseNode::start(good).await;
    let address = leader.address.clone();
    let follower = FalseNode::start(move |request| {
        if is_open(request) {
            let address = address.clone();
            Reaction::Answer(Answer::Leader { address })
        } else {
            Reaction::Nothing
        }
    })
    .await;
    let client = Client::connect([&follower.address]).await.unwrap();
    assert_eq!(client.submit("x").await.unwrap(), "x");
    assert_eq!(leader.submissions(), [(5, 1)]);
}

/// Who follows it serves clients meanwhile, and tells each of the leader first, whenever it comes.
#[tokio::test]
async fn a_leader_that_can_not_be_reached_does_not_keep_a_client_from_working() {
    let follower = FalseNode::start(|request| {
        // Nobody listens at port 1.
        let address = "127.0.0.1:1".to_owned();
        match (is_open(request), good(request)) {
            (true, Reaction::Answer(opened)) => {
                Reaction::Answers(vec![Answer::Leader { address }, opened])
            }
            (_, reaction) => reaction,
        }
    })
    .await;
    let client = timeout(
        Duration::from_secs(20),
        Client::connect([&follower.address]),
    );
    let client = client.await.unwrap().unwrap();
    assert_eq!(client.submit("x").await.unwrap(), "x");
}

#[tokio::test]
async fn a_session_that_is_gone_is_told_and_replaced() {
    let node = FalseNode::start({
        let mut session = 4;
        move |request| match request {
            Request::Open { number } => {
                session += 1;
                let number = *number;
                Reaction::Answer(Answer::Opened { number, session })
            }
            Request::Submit { session: 5, .. } => failed(request, Failure::SessionGone),
            Request::Submit { .. } => good(request),
        }
    })
    .await;
    let client = Client::connect([&node.address]).await.unwrap();
    let over = SubmitError::SessionOver {
        session: 5,
        serial: 1,
    };
    assert_eq!(client.submit("x").await, Err(over));
    assert_eq!(client.submit("y").await.unwrap(), "y");
    assert_eq!(node.submissions(), [(5, 1), (6, 1)]);
}

#[tokio::test]
async fn a_reply_that_was_not_kept_is_told_and_costs_no_session() {
    let node = FalseNode::start(|request| match request {
        Request::Submit { serial: 1, .. } => failed(request, Failure::ReplyForgotten),
        _ => good(request),
    })
    .await;
    let client = Client::connect([&node.address]).await.unwrap();
    let forgotten = SubmitError::ReplyForgotten {
        session: 5,
        serial: 1,
    };
    assert_eq!(client.submit("x").await, Err(forgotten));
    assert_eq!(client.submit("y").await.unwrap(), "y");
    assert_eq!(node.submissions(), [(5, 1), (5, 2)]);
}

/// A session that nobody used for long may be over, or be about to: nothing is under way in it, and another serves
/// as well. While something is, it stays.
#[tokio::test]
async fn a_client_that_paused_goes_on_under_another_session() {
    let mut opened = 0;
    let node = FalseNode::start(move |request| match request {
        Request::Open { number } => {
            opened += 1;
            Reaction::Answer(Answer::Opened {
                number: *number,
                session: opened,
            })
        }
        Request::Submit { payload, .. } if *payload == "hangs" => Reaction::Nothing,
        Request::Submit { .. } => good(request),
    })
    .await;
    let settings = ClientSettings {
        // Whatever comes when nothing is under way comes after a pause.
        renew_after: Duration::ZERO,
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&node.address], settings);
    let client = client.await.unwrap();
    for word in ["one", "two"] {
        assert_eq!(client.submit(word).await.unwrap(), word);
    }
    let hangs = client.begin("hangs".into()).await.unwrap();
    for word in ["three", "four"] {
        assert_eq!(client.submit(word).await.unwrap(), word);
    }
    assert_eq!(node.submissions(), [(2, 1), (3, 1), (4, 1), (4, 2), (4, 3)]);
    drop(hangs);
    assert_eq!(client.submit("five").await.unwrap(), "five");
    assert_eq!(node.submissions().last(), Some(&(5, 1)));
}

#[tokio::test]
async fn a_command_that_is_too_large_is_refused_by_name() {
    let node = FalseNode::start(|request| failed(request, Failure::TooLarge { limit: 3 })).await;
    let client = Client::connect([&node.address]).await.unwrap();
    let refused = client.submit("four").await;
    assert_eq!(refused, Err(SubmitError::TooLarge { limit: 3 }));
    let limit = 16 << 20;
    let refused = client.submit(vec![0; limit + 1]).await;
    let limit = limit as u64;
    assert_eq!(refused, Err(SubmitError::TooLarge { limit }));
    assert_eq!(node.submissions().len(), 1);
}

#[tokio::test]
async fn a_silent_cluster_leaves_the_outcome_unknown() {
    let node = FalseNode::start(|request| {
        if is_open(request) {
            good(request)
        } else {
            Reaction::Nothing
        }
    })
    .await;
    let settings = ClientSettings {
        submit_timeout: Duration::from_millis(50),
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&node.address], settings)
        .await
        .unwrap();
    let unknown = SubmitError::Unknown {
        session: 5,
        serial: 1,
    };
    assert_eq!(client.submit("x").await, Err(unknown));
}

#[tokio::test]
async fn serials_that_are_answered_or_given_up_are_settled() {
    let node = FalseNode::start(|request| match request {
        Request::Submit { serial: 2, .. } => Reaction::Nothing,
        _ => good(request),
    })
    .await;
    let client = Client::connect([&node.address]).await.unwrap();
    client.submit("one").await.unwrap();
    let two = client.begin("two".into()).await.unwrap();
    client.submit("three").await.unwrap();
    drop(two);
    client.submit("four").await.unwrap();
    let heard = node.heard.lock().unwrap();
    let settled: Vec<u64> = heard
        .iter()
        .filter_map(|request| match request {
            Request::Submit { settled, .. } => Some(*settled),
            Request::Open { .. } => None,
        })
        .collect();
    assert_eq!(settled, [1, 2, 2, 4]);
}

#[tokio::test]
async fn no_more_is_in_flight_than_allowed() {
    let node = FalseNode::start(|request| {
        if is_open(request) {
            good(request)
        } else {
            Reaction::Nothing
        }
    })
    .await;
    let settings = ClientSettings {
        max_in_flight: 2,
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&node.address], settings)
        .await
        .unwrap();
    let first = client.begin("1".into()).await.unwrap();
    let _second = client.begin("2".into()).await.unwrap();
    let mut third = Box::pin(client.begin("3".into()));
    poll_fn(|cx| {
        assert!(third.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(first);
    let _third = third.await.unwrap();
}

/// One command that is not answered, while all later ones are: the cluster has to keep all their
/// answers, and ends the session of a client that lets too many stand.
#[tokio::test]
async fn no_serial_is_far_beyond_the_lowest_unanswered_one() {
    let stuck = Arc::new(Mutex::new(true));
    let node = FalseNode::start({
        let stuck = Arc::clone(&stuck);
        move |request| match request {
            Request::Submit { serial: 1, .. } if *stuck.lock().unwrap() => Reaction::Nothing,
            _ => good(request),
        }
    })
    .await;
    let settings = ClientSettings {
        silence_timeout: Duration::from_millis(300),
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&node.address], settings)
        .await
        .unwrap();
    let first = client.begin("1".into()).await.unwrap();
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        others.spawn(async move {
            for _ in 0..100 {
                client.submit("x").await.unwrap();
            }
        });
    }
    while node.submissions().len() < CLIENT_WINDOW {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let furthest = node.submissions().iter().map(|(_, serial)| *serial).max();
    assert_eq!(furthest, Some(CLIENT_WINDOW as u64));
    // The rest comes as soon as the first is answered, which a new connection brings about.
    *stuck.lock().unwrap() = false;
    assert_eq!(first.await.unwrap(), "1");
    while let Some(done) = others.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn giving_up_the_lowest_command_moves_the_window() {
    let node = FalseNode::start(|request| match request {
        Request::Submit { serial: 1, .. } => Reaction::Nothing,
        _ => good(request),
    })
    .await;
    let client = Client::connect([&node.address]).await.unwrap();
    let first = client.begin("1".into()).await.unwrap();
    for _ in 1..CLIENT_WINDOW {
        client.submit("x").await.unwrap();
    }
    let beyond = client.begin("beyond".into()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(node.submissions().len(), CLIENT_WINDOW);
    drop(first);
    assert_eq!(beyond.await.unwrap(), "beyond");
}

#[tokio::test]
async fn nobody_at_the_address_is_a_typed_error() {
    let settings = ClientSettings {
        connect_timeout: Duration::from_millis(50),
        ..ClientSettings::default()
    };
    let error = Client::connect_with(["127.0.0.1:1"], settings)
        .await
        .unwrap_err();
    let ConnectError::NoSession { problems, .. } = error else {
        panic!("{error:?}");
    };
    let problem = ConnectionProblem::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(problems.get("127.0.0.1:1"), Some(&problem));
    let said = ConnectError::NoSession {
        waited: settings.connect_timeout,
        problems,
    };
    let said = said.to_string();
    assert!(
        said.ends_with("is up: 127.0.0.1:1: it can't be reached (connection refused)"),
        "{said}"
    );
    let none: [&str; 0] = [];
    let error = Client::connect(none).await.unwrap_err();
    assert_eq!(error, ConnectError::NoAddress);
}

#[tokio::test]
async fn an_address_that_stands_for_nothing_is_told_as_such() {
    let settings = ClientSettings {
        connect_timeout: Duration::from_millis(500),
        ..ClientSettings::default()
    };
    let error = Client::connect_with(["no port"], settings)
        .await
        .unwrap_err();
    let ConnectError::NoSession { problems, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        problems.get("no port"),
        Some(&ConnectionProblem::Unresolved)
    );
}
