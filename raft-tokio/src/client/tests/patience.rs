//! How long a client waits for a node before it tries another, and when it begins to count.

use super::*;

#[tokio::test]
async fn a_client_may_have_patience_without_end() {
    let node = FalseNode::start(good).await;
    let settings = ClientSettings {
        silence_timeout: Duration::MAX,
        submit_timeout: Duration::from_secs(2),
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&node.address], settings);
    let client = client.await.unwrap();
    assert_eq!(client.submit("x").await.unwrap(), "x");
}

#[tokio::test]
async fn a_node_that_was_asked_nothing_was_not_silent() {
    let node = FalseNode::start(|request| match (is_open(request), good(request)) {
        (false, Reaction::Answer(answer)) => Reaction::Later(Duration::from_millis(300), answer),
        (_, reaction) => reaction,
    })
    .await;
    let settings = ClientSettings {
        silence_timeout: Duration::from_millis(1_000),
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&node.address], settings);
    let client = client.await.unwrap();
    tokio::time::sleep(Duration::from_millis(850)).await;
    assert_eq!(client.submit("x").await.unwrap(), "x");
    assert_eq!(node.submissions(), [(5, 1)], "times the command was sent");
}

/// What was learned of the leader's address must not be forgotten while the way back takes its time.
#[tokio::test]
async fn a_leader_out_of_reach_keeps_nobody_from_working_who_is_far_away() {
    let away = Duration::from_millis(600);
    let follower = FalseNode::start_far_away(away, |request| {
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
    let settings = ClientSettings {
        connect_timeout: Duration::from_secs(4),
        ..ClientSettings::default()
    };
    let client = Client::connect_with([&follower.address], settings);
    let client = client.await.unwrap();
    assert_eq!(client.submit("x").await.unwrap(), "x");
}
