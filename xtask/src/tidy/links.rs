//! Links in documents: a relative one must lead to a file of the tree.

use std::collections::BTreeSet;

use crate::findings::Findings;
use crate::tree::{File, Tree, has_extension};

/// The relative links of every Markdown file.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let mut paths = BTreeSet::new();
    for file in &tree.files {
        paths.insert(file.path.as_str());
        paths.extend(file.path.match_indices('/').map(|(at, _)| &file.path[..at]));
    }
    for file in &tree.files {
        if has_extension(&file.path, "md") {
            check_file(file, &paths, findings);
        }
    }
}

fn check_file(file: &File, paths: &BTreeSet<&str>, findings: &mut Findings) {
    for (number, line) in file.lines() {
        for target in targets(line) {
            let path = resolve(&file.path, target);
            if !path.is_empty() && !paths.contains(path.as_str()) {
                let text = format!("`{target}` leads nowhere: there is no {path}");
                findings.add(&file.path, number, "dead-link", text);
            }
        }
    }
}

/// What stands in `](…)`, without the anchor; not what leads out of the tree.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#', ' ']).next()?;
        (!target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
            .then_some(target)
    })
}

/// The path from the root that `target` means in the file at `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        let mut findings = Findings::default();
        let file = File {
            path: "docs/a.md".to_owned(),
            text: text.to_owned(),
        };
        let paths = BTreeSet::from(["docs", "docs/b.md", "src", "src/lib.rs"]);
        check_file(&file, &paths, &mut findings);
        findings.rules()
    }

    #[test]
    fn a_link_leads_to_a_file_or_folder() {
        assert!(rules("[b](b.md) [b](b.md#part) [c](../src/lib.rs) [d](../src/)").is_empty());
        assert!(rules("[e](https://example.org/x.md) [f](#here)").is_empty());
        assert_eq!(rules("[b](c.md)"), ["dead-link"]);
        assert_eq!(rules("[b](../docs/c.md)"), ["dead-link"]);
    }
}
