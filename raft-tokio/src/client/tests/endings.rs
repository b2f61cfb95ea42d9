//! What is told of commands when something ends: the client, a session, a connection, the patience of who asked.

use super::*;

fn hears_no_command(request: &Request) -> Reaction {
    if is_open(request) {
        good(request)
    } else {
        Reaction::Nothing
    }
}

/// Whoever holds a submission waits for its outcome; the client may be gone by then.
#[tokio::test]
async fn a_submission_that_outlives_its_client_has_an_outcome() {
    let node = FalseNode::start(hears_no_command).await;
    let client = Client::connect([&node.address]).await.unwrap();
    let submission = client.begin("x".into()).await.unwrap();
    drop(client);
    let outcome = timeout(Duration::from_secs(2), submission).await;
    let outcome = outcome.expect("it waits for ever");
    // What the dispatcher had not sent yet it never will.
    assert!(matches!(
        outcome,
        Err(SubmitError::Unknown { .. } | SubmitError::Closed)
    ));
}

/// Whatever ends the task that sends for it, nobody waits for what it would have brought.
#[test]
fn a_submission_that_outlives_the_runtime_of_its_client_has_an_outcome() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let theirs = runtime();
    let (client, submission) = theirs.block_on(async {
        let node = FalseNode::start(hears_no_command).await;
        let client = Client::connect([&node.address]).await.unwrap();
        let submission = client.begin("x".into()).await.unwrap();
        (client, submission)
    });
    drop(theirs);
    runtime().block_on(async {
        let outcome = timeout(Duration::from_secs(2), submission).await;
        assert!(matches!(
            outcome.unwrap(),
            Err(SubmitError::Unknown { .. } | SubmitError::Closed)
        ));
        assert_eq!(client.submit("y").await, Err(SubmitError::Closed));
    });
}

/// Between what is told and what is done nobody else may come: neither who sends nor who takes answers.
#[tokio::test]
async fn what_is_said_never_to_be_applied_is_not_sent_after_that() {
    let book = Arc::new(Book::new(oneshot::channel().0, Duration::MAX));
    let permit = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (reply, outcome) = oneshot::channel();
    let pending = Pending {
        payload: Bytes::new(),
        reply,
        permits: [permit(), permit()],
    };
    let (era, serial) = book.add(pending).unwrap();
    let submission = Submission {
        book: Arc::clone(&book),
        era,
        serial,
        outcome,
    };
    // What `Client::submit` does after its time, and what the dispatcher may do before it is done.
    let told = submission.give_up().await;
    assert_eq!(told, Err(SubmitError::NoSession));
    book.session_opened(CLUSTER, 5);
    assert_eq!(book.next_to_send(), None, "and yet it was sent");
}

/// The limits of nodes may differ, and the second knows nothing of what the first did.
#[tokio::test]
async fn what_another_node_may_have_applied_is_not_said_to_be_too_large_ever() {
    let took_it = FalseNode::start(|request| {
        if is_open(request) {
            good(request)
        } else {
            // It may have been proposed, and may be applied.
            Reaction::Close
        }
    })
    .await;
    let stricter =
        FalseNode::start(|request| failed(request, Failure::TooLarge { limit: 3 })).await;
    let client = Client::connect([&took_it.address, &stricter.address])
        .await
        .unwrap();
    let unknown = SubmitError::Unknown {
        session: 5,
        serial: 1,
    };
    assert_eq!(client.submit("four").await, Err(unknown));
    assert_eq!(took_it.submissions(), [(5, 1)]);
}

/// However many commands were under way in it, each of which is refused on its own.
#[tokio::test]
async fn a_session_that_is_over_is_replaced_by_one() {
    let mut opened = 0;
    let node = FalseNode::start(move |request| match *request {
        Request::Open { number } => {
            opened += 1;
            if opened > 1 {
                return Reaction::Nothing;
            }
            Reaction::Answer(Answer::Opened { number, session: 5 })
        }
        Request::Submit {
            session, serial, ..
        } => {
            let failure = Failure::SessionGone;
            let answer = Answer::Failed {
                session,
                serial,
                failure,
            };
            Reaction::Later(Duration::from_millis(20), answer)
        }
    })
    .await;
    let client = Client::connect([&node.address]).await.unwrap();
    let mut submissions = Vec::new();
    for _ in 0..20 {
        submissions.push(client.begin("x".into()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let heard = node.heard.lock().unwrap();
    let opens = heard.iter().filter(|request| is_open(request)).count();
    assert_eq!(opens, 2, "sessions asked for");
}

/// One wrong address in a client's list is a mistake; only when no address leads home the session is over.
#[tokio::test]
async fn an_address_of_another_cluster_costs_no_session_while_the_own_is_there() {
    let mut heard = 0;
    let home = FalseNode::start(move |request| {
        heard += usize::from(!is_open(request));
        if heard == 1 {
            Reaction::Close
        } else {
            good(request)
        }
    })
    .await;
    let elsewhere = FalseNode::start_in(Some(ClusterId::new(8)), good).await;
    let client = Client::connect([&home.address, &elsewhere.address]);
    let client = client.await.unwrap();
    assert_eq!(client.submit("x").await.unwrap(), "x");
    assert_eq!(home.submissions(), [(5, 1), (5, 1)]);
    assert!(elsewhere.heard.lock().unwrap().is_empty());
}

/// The cluster that it will be one of may be another than that of the session.
#[tokio::test]
async fn a_node_that_knows_no_cluster_is_asked_for_nothing() {
    let node = FalseNode::start_in(None, good).await;
    let settings = ClientSettings {
        connect_timeout: Duration::from_millis(200),
        ..ClientSettings::default()
    };
    let refused = Client::connect_with([&node.address], settings).await;
    let Err(ConnectError::NoSession { problems, .. }) = refused else {
        panic!("{refused:?}");
    };
    let problem = problems.get(&node.address);
    assert_eq!(problem, Some(&ConnectionProblem::NoCluster));
    assert!(node.heard.lock().unwrap().is_empty());
}
