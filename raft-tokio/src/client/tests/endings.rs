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
#[should_panic(expected = "it waits for ever")] // Until it is mended.
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
