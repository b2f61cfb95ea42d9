//! Which crate may depend on which of ours, and which may not know a runtime.
//!
//! For tests too: a dev-dependency against the direction ties two crates together as well.

use toml::{Table, Value};

use crate::error::TaskError;
use crate::findings::Findings;
use crate::tree::{File, Tree, has_extension};

/// Our packages, each with those it may depend on.
const DIRECTION: [(&str, &[&str]); 7] = [
    ("quorate-core", &[]),
    ("quorate-log", &["quorate-core"]),
    ("quorate-node", &["quorate-core"]),
    (
        "quorate-sim",
        &["quorate-core", "quorate-log", "quorate-node"],
    ),
    (
        "quorate-tokio",
        &["quorate-core", "quorate-log", "quorate-node"],
    ),
    (
        "quorate",
        &[
            "quorate-core",
            "quorate-log",
            "quorate-node",
            "quorate-sim",
            "quorate-tokio",
        ],
    ),
    ("xtask", &[]),
];

/// Packages that may name a runtime.
const KNOWS_RUNTIME: [&str; 2] = ["quorate-tokio", "quorate"];

/// Folders that are workspaces of their own, where everything may be used.
const APART: [&str; 5] = [
    "bench/",
    "examples/foreign/",
    "examples/logs/",
    "fuzz/",
    "xtask/no_std_check/",
];

/// Every manifest of the workspace.
pub(super) fn check(tree: &Tree, findings: &mut Findings) -> Result<(), TaskError> {
    for file in &tree.files {
        let is_manifest = file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml");
        let is_apart = APART.iter().any(|folder| file.path.starts_with(folder));
        if is_manifest && has_extension(&file.path, "toml") && !is_apart {
            check_manifest(file, findings)?;
        }
    }
    Ok(())
}

fn check_manifest(file: &File, findings: &mut Findings) -> Result<(), TaskError> {
    let manifest: Table = file
        .text
        .parse()
        .map_err(|error| TaskError::malformed(&file.path, &error))?;
    let package = manifest.get("package").and_then(|table| table.get("name"));
    let Some(package) = package.and_then(Value::as_str) else {
        return Ok(()); // a workspace without a package
    };
    let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == package) else {
        let text =
            format!("`{package}`: a new crate; give it its place in xtask/src/tidy/crates.rs");
        findings.add(&file.path, 1, "direction", text);
        return Ok(());
    };
    for name in dependencies(&manifest) {
        let line = line_of(&file.text, &name);
        let is_ours = DIRECTION.iter().any(|(ours, _)| *ours == name);
        if is_ours && !allowed.contains(&name.as_str()) {
            let text = format!(
                "`{package}` may not depend on `{name}`, for tests neither: {}",
                "core <- log, core <- node, {log, node} <- sim, {log, node} <- tokio <- quorate"
            );
            findings.add(&file.path, line, "direction", text);
        }
        if name == "tokio" && !KNOWS_RUNTIME.contains(&package) {
            let text = format!("`{package}` may not know a runtime: futures only");
            findings.add(&file.path, line, "runtime", text);
        }
    }
    Ok(())
}

/// The packages in every table of dependencies of a manifest, by their real names.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else {
            continue;
        };
        if key.ends_with("dependencies") {
            for (name, how) in table {
                let renamed = how.get("package").and_then(Value::as_str);
                names.push(renamed.unwrap_or(name).to_owned());
            }
        } else if key == "target" {
            for platform in table.values().filter_map(Value::as_table) {
                names.extend(dependencies(platform));
            }
        }
    }
    names
}

fn line_of(text: &str, name: &str) -> usize {
    let position = text.lines().position(|line| line.starts_with(name));
    position.map_or(1, |before| before + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        let mut findings = Findings::default();
        let file = File {
            path: "x/Cargo.toml".to_owned(),
            text: text.to_owned(),
        };
        check_manifest(&file, &mut findings).unwrap();
        findings.rules()
    }

    #[test]
    fn dependencies_go_one_way_only() {
        let node = "[package]\nname = \"quorate-node\"\n";
        let cases: [(&str, &[&str]); 6] = [
            ("[dependencies]\nquorate-core.workspace = true\n", &[]),
            (
                "[dependencies]\nquorate-log.workspace = true\n",
                &["direction"],
            ),
            ("[dev-dependencies]\nquorate-sim = \"1\"\n", &["direction"]),
            (
                "[target.'cfg(unix)'.dependencies]\nlog = { package = \"quorate-log\" }\n",
                &["direction"],
            ),
            ("[dev-dependencies]\ntokio = \"1\"\n", &["runtime"]),
            ("[dependencies]\nserde = \"1\"\n", &[]),
        ];
        for (dependencies, expected) in cases {
            assert_eq!(rules(&format!("{node}{dependencies}")), expected);
        }
    }

    #[test]
    fn a_new_crate_is_given_its_place() {
        assert_eq!(rules("[package]\nname = \"quorate-new\"\n"), ["direction"]);
    }
}
