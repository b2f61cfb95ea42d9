//! What of a page can be tested without a browser; `tests/page.rs` runs it in one.

use super::*;
use crate::trace::sample;

/// What stands in the script element of this id.
fn element<'a>(page: &'a str, id: &str) -> &'a str {
    let start = format!("<script type=\"application/json\" id=\"{id}\">");
    let (_, rest) = page.split_once(&start).unwrap();
    rest.split_once("</script>").unwrap().0
}

#[test]
fn the_recording_inside_a_page_reads_back() {
    let recording = sample::recording();
    let page = html(&recording, "a title");
    let back: Recording = serde_json::from_str(element(&page, "recording")).unwrap();
    assert_eq!(back, recording);
}

#[test]
fn nothing_in_the_data_ends_the_script_or_is_taken_for_a_part_of_the_page() {
    let evil = "</script><script>alert(1)</script><!-- {{JS}} {{CSS}} \u{2028}\" &lt;";
    let mut recording = sample::recording();
    recording.replay = evil.to_owned();
    recording.happenings[0].what = What::Note {
        text: evil.to_owned(),
    };
    let page = html(&recording, evil);
    assert_eq!(page.matches("<script").count(), 4);
    assert_eq!(page.matches("</script>").count(), 4);
    let back: Recording = serde_json::from_str(element(&page, "recording")).unwrap();
    assert_eq!(back, recording);
    let plain = html(&sample::recording(), "a title");
    assert_eq!(page.matches("function walk()").count(), 1);
    assert_eq!(plain.matches("function walk()").count(), 1);
}

#[test]
fn a_page_asks_nobody_for_anything() {
    let page = html(&sample::recording(), "a title");
    let fetches = [
        "http:",
        "https:",
        "//cdn",
        " src=",
        "<link",
        "@import",
        "url(",
        "fetch(",
        "XMLHttp",
        "WebSocket",
        "import(",
        "eval(",
        "innerHTML",
    ];
    for fetch in fetches {
        assert!(!page.contains(fetch), "{fetch}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains("{{"), "a part of the frame was not filled");
}

#[test]
fn a_page_knows_the_rules_that_its_events_name() {
    let page = html(&sample::recording(), "a title");
    let rules: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(element(&page, "rules")).unwrap();
    let keys: Vec<&str> = rules.keys().map(String::as_str).collect();
    assert_eq!(keys, ["F2.CAN.1", "F2.CAN.5", "F2.RV.2"]);
    assert_eq!(
        rules["F2.RV.2"]["section"],
        "Raft paper, Figure 2, RequestVote 2"
    );
    assert!(rules["F2.RV.2"]["says"].contains("at least as up-to-date"));
    let told: BTreeMap<String, String> = serde_json::from_str(element(&page, "told")).unwrap();
    assert!(told["story"].contains("is elected leader of T1"));
    assert!(told["property"].contains("Figure 3, Leader Completeness"));
}
