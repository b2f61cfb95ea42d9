//! One exhibit: a patch that puts a historic bug back, with its story in front.
//!
//! ```text
//! # id: C01
//! # story: what was wrong, and what came of it;
//! #   more of it on lines that are indented
//! # source: who shipped it, or which sentence is misread
//! # property: leader_completeness
//! diff --git a/raft-core/src/rules/commit.rs b/raft-core/src/rules/commit.rs
//! …
//! ```
//!
//! A patch whose property is `nothing` is a legal variation: a simulator that reports it is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::tree::has_extension;

/// One patch of a museum.
#[derive(Debug)]
pub(super) struct Exhibit {
    /// Its name, such as `C01`.
    pub(super) id: String,
    /// The properties it must break, any one of them.
    pub(super) properties: Vec<String>,
    /// Where the patch stands.
    pub(super) path: PathBuf,
}

impl Exhibit {
    /// Whether it breaks nothing, and nothing may be found.
    pub(super) fn is_legal(&self) -> bool {
        self.properties == ["nothing"]
    }
}

/// All exhibits in `folder`, in order of id; with names in `only`, just those.
pub(super) fn all(folder: &Path, only: &[String]) -> Result<Vec<Exhibit>, TaskError> {
    let failed = |source| TaskError::File {
        path: folder.to_owned(),
        source,
    };
    let mut exhibits = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if has_extension(&path.to_string_lossy(), "patch") {
            exhibits.push(read(path)?);
        }
    }
    exhibits.sort_by(|left, right| left.id.cmp(&right.id));
    let missing = only
        .iter()
        .find(|id| exhibits.iter().all(|exhibit| exhibit.id != **id));
    if let Some(missing) = missing {
        let problem = format!("no exhibit `{missing}`");
        return Err(TaskError::malformed(folder, &problem));
    }
    exhibits.retain(|exhibit| only.is_empty() || only.contains(&exhibit.id));
    Ok(exhibits)
}

fn read(path: PathBuf) -> Result<Exhibit, TaskError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(TaskError::File { path, source }),
    };
    parse(&text, path)
}

fn parse(text: &str, path: PathBuf) -> Result<Exhibit, TaskError> {
    let head: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix('#'))
        .collect();
    let field = |name: &str| {
        let lines = head.iter();
        let mut values = lines.filter_map(|line| line.trim_start().strip_prefix(name));
        values
            .next()
            .map(str::trim)
            .filter(|value| !value.is_empty())
    };
    for name in ["id:", "story:", "source:", "property:"] {
        if field(name).is_none() {
            let problem = format!("no line `# {name} …` before the diff");
            return Err(TaskError::malformed(path, &problem));
        }
    }
    let properties = field("property:").unwrap_or_default().split(',');
    Ok(Exhibit {
        id: field("id:").unwrap_or_default().to_owned(),
        properties: properties.map(|name| name.trim().to_owned()).collect(),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# id: C01\n# story: a\n#   b\n# source: c\n\
         # property: leader_completeness, durability\ndiff --git a/x b/x\n";

    #[test]
    fn an_exhibit_tells_its_story() {
        let exhibit = parse(WHOLE, PathBuf::from("C01.patch")).unwrap();
        assert_eq!(exhibit.id, "C01");
        assert_eq!(exhibit.properties, ["leader_completeness", "durability"]);
    }

    #[test]
    fn a_legal_variation_breaks_nothing() {
        let legal = WHOLE.replace("leader_completeness, durability", "nothing");
        assert!(
            parse(&legal, PathBuf::from("K01.patch"))
                .unwrap()
                .is_legal()
        );
        assert!(!parse(WHOLE, PathBuf::from("C01.patch")).unwrap().is_legal());
    }

    #[test]
    fn a_part_of_the_story_may_not_be_missing() {
        for name in ["id", "story", "source", "property"] {
            let text = WHOLE.replace(&format!("# {name}:"), "# other:");
            let error = parse(&text, PathBuf::from("x.patch")).unwrap_err();
            assert!(error.to_string().contains(&format!("# {name}:")), "{error}");
        }
    }
}
