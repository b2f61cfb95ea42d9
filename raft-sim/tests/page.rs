//! The page of a failure in a real browser, where one is installed: the page walks over everything
//! that it holds, checks what it says of each moment, and writes its verdict into itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use raft_sim::page;
use raft_sim::plan::{Plan, Swarm};
use raft_sim::sim::record_plan;
use raft_sim::trace::KEPT;

/// A browser that runs without a screen, if this machine has one.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// What the page holds after its script ran; `None` where the browser does not start.
fn dump(browser: &Path, page: &Path, profile: &Path) -> Option<String> {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}#selftest", page.display()))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.contains("</html>").then_some(text)
}

#[test]
fn the_page_passes_its_own_test_in_a_browser() {
    let Some(browser) = browser() else {
        println!("skipped: no chromium on the path");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_, recording) = record_plan(Plan::draw(5, &Swarm::default()), KEPT);
    assert_eq!(recording.happenings.len(), KEPT, "as many as a page holds");
    let file = folder.path().join("page.html");
    std::fs::write(&file, page::html(&recording, &page::title(&recording))).unwrap();
    let Some(text) = dump(&browser, &file, &folder.path().join("profile")) else {
        println!("skipped: {} does not run here", browser.display());
        return;
    };
    let verdict = text.split("<pre id=\"selftest\">").nth(1);
    let verdict = verdict.and_then(|rest| rest.split("</pre>").next());
    let verdict = verdict.unwrap_or("the script broke off before its verdict");
    assert!(verdict.starts_with("selftest passed"), "{verdict}");
    // How long a step took is told and not judged: no test here looks at a clock on the wall.
    println!("{verdict}");
}
