//! How many crates of others raft-core brings along, as it is used by default.
//!
//! Counted where nothing else is built that could turn on features of them. Macros run in the
//! compiler alone, and so does what they need: neither is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::error::TaskError;
use crate::tree::output;

/// The crates that `CORE` stands on in the workspace of this manifest.
pub(super) fn below_core(manifest: &Path) -> Result<BTreeSet<String>, TaskError> {
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--format-version", "1", "--locked"]);
    metadata.arg("--manifest-path").arg(manifest);
    let malformed = |problem: &dyn ToString| TaskError::malformed(manifest, &problem.to_string());
    let metadata = output(&mut metadata)?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| malformed(&error))?;
    below(&metadata).ok_or_else(|| malformed(&format!("cargo metadata tells of no {CORE}")))
}

fn below(metadata: &Value) -> Option<BTreeSet<String>> {
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let mut core = packages.values().filter(|package| package["name"] == CORE);
    let core = core.next()?["id"].as_str()?;
    let (mut seen, mut next) = (BTreeSet::new(), vec![core]);
    while let Some(id) = next.pop() {
        if !is_macro(packages.get(id)?) && seen.insert(id) {
            let needed = elements(&nodes.get(id)?["deps"]).filter(|needed| is_normal(needed));
            next.extend(needed.filter_map(|needed| needed["pkg"].as_str()));
        }
    }
    seen.remove(core);
    let name = |id: &str| Some(packages.get(id)?["name"].as_str()?.to_owned());
    seen.into_iter().map(name).collect()
}

/// Whether a dependency is neither for tests nor for a build script alone.
fn is_normal(dependency: &Value) -> bool {
    elements(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

fn is_macro(package: &Value) -> bool {
    let kinds = |target: &Value| elements(&target["kind"]).any(|kind| kind == "proc-macro");
    elements(&package["targets"]).any(kinds)
}

fn by_id(list: &Value) -> BTreeMap<&str, &Value> {
    elements(list)
        .filter_map(|element| Some((element["id"].as_str()?, element)))
        .collect()
}

fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The most crates that raft-core may bring along.
pub(super) const MOST: usize = 8;

const CORE: &str = "quorate-core";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(id: &str, kind: &str) -> Value {
        json!({ "id": id, "name": id, "targets": [{ "kind": [kind] }, { "kind": ["test"] }] })
    }

    fn node(id: &str, needed: &[(&str, Option<&str>)]) -> Value {
        let dependency = |(pkg, kind): &(&str, Option<&str>)| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        json!({ "id": id, "deps": needed.iter().map(dependency).collect::<Vec<_>>() })
    }

    #[test]
    fn what_is_used_at_run_time_counts_once_and_nothing_else_does() {
        let libraries = ["check", CORE, "bytes", "deep", "syn", "tested", "build"];
        let mut packages: Vec<Value> = libraries.map(|id| package(id, "lib")).into();
        packages.push(package("derive", "proc-macro"));
        let nodes = [
            node("check", &[(CORE, None), ("tested", None)]),
            node(CORE, &[("bytes", None), ("deep", None), ("derive", None)]),
            node("bytes", &[("deep", None), ("build", Some("build"))]),
            node("deep", &[("tested", Some("dev"))]),
            node("derive", &[("syn", None)]),
            node("syn", &[]),
            node("tested", &[]),
            node("build", &[]),
        ];
        let mut metadata = json!({ "packages": packages, "resolve": { "nodes": nodes } });
        let expected = ["bytes", "deep"].map(str::to_owned);
        assert_eq!(below(&metadata), Some(expected.into()));
        metadata["packages"] = json!([]);
        assert_eq!(below(&metadata), None, "of another workspace");
    }
}
