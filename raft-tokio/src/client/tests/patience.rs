//! How long a client waits for a node before it tries another, and when it begins to count.

use super::*;

#[tokio::test]
#[should_panic(expected = "Unknown")] // Until it is mended.
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
