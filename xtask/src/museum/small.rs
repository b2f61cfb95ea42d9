//! A kill made small by the patched simulator itself: its plan, its story, its picture.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::hunt::Kill;
use super::record::Small;
use super::simulator::Simulator;
use super::workshop::make_folder;
use crate::error::TaskError;

/// What one shrinking may spend of a processor.
const BUDGET: &str = "--budget=30s";

/// How long it may take by the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many happenings the picture shows, the last ones.
const PICTURED: &str = "--last=40";

/// Makes a kill small and writes its plan into the file `plan`. None if the simulator does not
/// get that far.
pub(super) fn make(
    patched: &Simulator,
    kill: &Kill,
    plan: &Path,
) -> Result<Option<Small>, TaskError> {
    let seed = kill.seed.to_string();
    let (_, said) = patched.say(&["shrink", "--json", BUDGET], &seed, PATIENCE)?;
    let mut lines = said.lines().map(serde_json::from_str::<Value>);
    let Some(Ok(shrunk)) = lines.next_back() else {
        return Ok(None);
    };
    let Some(text) = shrunk["plan"].as_str() else {
        return Ok(None);
    };
    if let Some(folder) = plan.parent() {
        make_folder(folder)?;
    }
    fs::write(plan, text).map_err(|source| TaskError::File {
        path: plan.to_owned(),
        source,
    })?;
    let from = format!("--plan={}", plan.display());
    let (_, told) = patched.say(&["replay"], &from, PATIENCE)?;
    let words = ["replay", "--export=mermaid", PICTURED];
    let (_, picture) = patched.say(&words, &from, PATIENCE)?;
    let count = |name: &str| shrunk["after"][name].as_u64().unwrap_or_default();
    Ok(Some(Small {
        seed: kill.seed,
        property: shrunk["property"].as_str().unwrap_or_default().to_owned(),
        events: count("events"),
        nodes: count("nodes"),
        cpu_seconds: shrunk["cpu_seconds"].as_f64().unwrap_or_default(),
        done: shrunk["done"].as_bool().unwrap_or_default(),
        plan: text.to_owned(),
        story: story_in(&told),
        picture: picture.trim().to_owned(),
    }))
}

/// The story on one screen with which a replay ends: what comes after the line of sums.
fn story_in(told: &str) -> String {
    let lines = told.lines().skip_while(|line| !line.contains(", hash "));
    let story: Vec<&str> = lines.skip(1).map(str::trim_end).collect();
    story.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_what_follows_the_sums() {
        let told = "  0.1s n1 starts\n\n2 events, hash 00ff\ndurability is violated\n  so \n";
        assert_eq!(story_in(told), "durability is violated\n  so");
        assert_eq!(story_in("nothing"), "");
    }
}
