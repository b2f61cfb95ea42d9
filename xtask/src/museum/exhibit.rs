//! One exhibit: a patch that puts a historic bug back, with its story in front.
//!
//! ```text
//! # id: C01
//! # story: what was wrong, and what came of it;
//! #   more of it on lines that are indented
//! # source: who shipped it, or which sentence is misread
//! # property: leader_completeness
//! # marks: LC
//! diff --git a/raft-core/src/rules/commit.rs b/raft-core/src/rules/commit.rs
//! …
//! ```
//!
//! One that touches raft-log also says by which clause of `Log` the conformance kit names it, or
//! why it does not: `# kit: clause 3`, `# kit: clauses 1, 3` (any of them) or
//! `# kit: nothing, since …`.
//!
//! A patch whose property is `nothing` is a legal variation: a simulator that reports it is wrong.
//! Patches of strangers need no header: their file's name is their id. Ours need all of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::tree::has_extension;

/// What a bug can break, in letters: election safety, log matching, leader completeness, state
/// machine safety, durability, linearizability, exactly once, then what is monotonic, liveness,
/// availability, a rule inside only, a crash, and what is held for ever.
const MARKS: [&str; 13] = [
    "ES", "LM", "LC", "SMS", "DUR", "LIN", "EO", "MT", "LV", "AV", "WB", "CR", "RES",
];

/// The marks that must be found, each and every one.
const SAFETY: usize = 7;

/// The numbers of the clauses of `Log`.
const CLAUSES: std::ops::RangeInclusive<u8> = 1..=8;

/// One patch of a museum.
#[derive(Debug)]
pub(super) struct Exhibit {
    /// Its name, such as `C01`.
    pub(super) id: String,
    /// What was wrong and what came of it. Empty if nobody said.
    pub(super) story: String,
    /// Who shipped it.
    pub(super) source: String,
    /// The properties it must break, any one of them.
    pub(super) properties: Vec<String>,
    /// What it breaks, in letters.
    pub(super) marks: Vec<String>,
    /// What the conformance kit for logs names. Empty if nobody said.
    pub(super) kit: String,
    /// Where the patch stands.
    pub(super) path: PathBuf,
    /// The change itself, without what stands before it.
    pub(super) change: String,
}

impl Exhibit {
    /// Whether it breaks nothing, and nothing may be found.
    pub(super) fn is_legal(&self) -> bool {
        self.properties == ["nothing"]
    }

    /// Whether it is said to break this property.
    pub(super) fn declares(&self, property: &str) -> bool {
        self.properties.iter().any(|declared| declared == property)
    }

    /// Whether it breaks safety, durability or what clients were told.
    pub(super) fn breaks_safety(&self) -> bool {
        let safety = &MARKS[..SAFETY];
        self.marks.iter().any(|mark| safety.contains(&&**mark))
    }

    /// Whether the conformance kit for logs is asked about it.
    pub(super) fn is_for_kit(&self) -> bool {
        !self.kit.is_empty() || self.touches_log()
    }

    /// The clauses of `Log` by which the kit names it, any one of them. None if it says that the
    /// kit names nothing, or nothing of the kit.
    pub(super) fn clauses(&self) -> Option<Vec<u8>> {
        let list = self.kit.strip_prefix("clause")?;
        let list = list.strip_prefix('s').unwrap_or(list);
        let numbers = list.split(',').map(|number| number.trim().parse().ok());
        let numbers: Option<Vec<u8>> = numbers.collect();
        numbers.filter(|numbers| numbers.iter().all(|number| CLAUSES.contains(number)))
    }

    fn touches_log(&self) -> bool {
        let mut lines = self.change.lines();
        lines.any(|line| line.starts_with("+++ ") && line.contains("raft-log/"))
    }

    /// What its header must still say to stand in our museum.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut need = |name: &str, present: bool| {
            if !present {
                missing.push(format!("no line `# {name}: …` before the diff"));
            }
        };
        need("story", !self.story.is_empty());
        need("source", !self.source.is_empty());
        need("property", !self.properties.is_empty());
        need("marks", self.is_legal() || !self.marks.is_empty());
        need("kit", !self.is_for_kit() || !self.kit.is_empty());
        if self.clauses().is_none() && !self.kit.is_empty() && !self.kit.starts_with("nothing, ") {
            let kit = &self.kit;
            missing.push(format!(
                "`# kit: {kit}` is neither `clause N`, of 1 to 8, nor `nothing, since …`"
            ));
        }
        let known = |mark: &&String| !MARKS.contains(&mark.as_str());
        for mark in self.marks.iter().filter(known) {
            missing.push(format!("mark `{mark}` is none of {}", MARKS.join(", ")));
        }
        missing
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
        let name = path.to_string_lossy();
        if has_extension(&name, "patch") || has_extension(&name, "diff") {
            exhibits.push(read(path)?);
        }
    }
    select(&mut exhibits, only, folder)?;
    Ok(exhibits)
}

/// Puts `exhibits`, which are from `folder`, in order of id; with names in `only`, keeps just
/// those.
pub(super) fn select(
    exhibits: &mut Vec<Exhibit>,
    only: &[String],
    folder: &Path,
) -> Result<(), TaskError> {
    exhibits.sort_by(|left, right| (&left.id, &left.path).cmp(&(&right.id, &right.path)));
    let missing = only
        .iter()
        .find(|id| exhibits.iter().all(|exhibit| exhibit.id != **id));
    if let Some(missing) = missing {
        let problem = format!("no exhibit `{missing}`");
        return Err(TaskError::malformed(folder, &problem));
    }
    exhibits.retain(|exhibit| only.is_empty() || only.contains(&exhibit.id));
    if exhibits.is_empty() {
        return Err(TaskError::malformed(folder, &"no patch in this folder"));
    }
    Ok(())
}

fn read(path: PathBuf) -> Result<Exhibit, TaskError> {
    match fs::read(&path) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes), path)),
        Err(source) => Err(TaskError::File { path, source }),
    }
}

fn parse(text: &str, path: PathBuf) -> Exhibit {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().map_while(|line| line.strip_prefix('#')) {
        let more = line.starts_with("   ") || line.starts_with('\t');
        match (line.split_once(':'), fields.last_mut()) {
            (_, Some((_, value))) if more => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (Some((name, value)), _) => {
                fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            (None, _) => {}
        }
    }
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let list = |name: &str| {
        let value = field(name);
        let parts = value.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let id = match field("id") {
        id if id.is_empty() => {
            let stem = path.file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        }
        id => id,
    };
    let change = text.lines().skip_while(|line| line.starts_with('#'));
    Exhibit {
        id,
        story: field("story"),
        source: field("source"),
        properties: list("property"),
        marks: list("marks"),
        kit: field("kit"),
        change: change.collect::<Vec<_>>().join("\n"),
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# id: C01\n# story: a\n#   b: of it\n# source: c\n\
         # property: leader_completeness, durability\n# marks: LC, LV\ndiff --git a/x b/x\n";

    #[test]
    fn an_exhibit_tells_its_story() {
        let exhibit = parse(WHOLE, PathBuf::from("other.patch"));
        assert_eq!(exhibit.id, "C01");
        assert_eq!(exhibit.story, "a b: of it");
        assert_eq!(exhibit.properties, ["leader_completeness", "durability"]);
        assert_eq!(exhibit.change, "diff --git a/x b/x");
        assert!(exhibit.breaks_safety());
        assert!(exhibit.declares("durability") && !exhibit.declares("liveness"));
        assert!(exhibit.missing().is_empty());
    }

    #[test]
    fn a_legal_variation_breaks_nothing() {
        let legal = WHOLE.replace("leader_completeness, durability", "nothing");
        assert!(parse(&legal, PathBuf::from("K01.patch")).is_legal());
        assert!(!parse(WHOLE, PathBuf::from("C01.patch")).is_legal());
    }

    #[test]
    fn a_part_of_the_story_may_not_be_missing() {
        for name in ["story", "source", "property", "marks"] {
            let text = WHOLE.replace(&format!("# {name}:"), "# other:");
            let missing = parse(&text, PathBuf::from("x.patch")).missing();
            assert_eq!(missing.len(), 1);
            assert!(missing[0].contains(&format!("# {name}:")), "{missing:?}");
        }
        let unknown = WHOLE.replace("LC, LV", "LC, QQ");
        assert!(parse(&unknown, PathBuf::from("x.patch")).missing()[0].contains("QQ"));
    }

    #[test]
    fn a_bug_of_the_log_says_what_the_kit_names() {
        let of = |kit: &str| {
            let text = WHOLE.replace("diff --git a/x b/x", "+++ b/raft-log/src/wal.rs");
            let text = text.replace("# marks", &format!("{kit}# marks"));
            parse(&text, PathBuf::from("x.patch"))
        };
        assert!(!parse(WHOLE, PathBuf::from("x.patch")).is_for_kit());
        assert!(of("").is_for_kit());
        assert!(of("").missing()[0].contains("# kit:"));
        for (kit, clauses) in [
            ("clause 3", Some(vec![3])),
            ("clauses 1, 3", Some(vec![1, 3])),
            ("nothing, since it is of the store", None),
        ] {
            let exhibit = of(&format!("# kit: {kit}\n"));
            assert_eq!(exhibit.clauses(), clauses, "{kit}");
            assert!(exhibit.missing().is_empty(), "{kit}");
        }
        for kit in ["clause 9", "clause", "yes", "nothing"] {
            let missing = of(&format!("# kit: {kit}\n")).missing();
            assert!(missing[0].contains("neither"), "{kit}: {missing:?}");
        }
    }

    #[test]
    fn a_strangers_patch_is_named_after_its_file() {
        let exhibit = parse("--- x\n+++ x\n", PathBuf::from("folder/mine.diff"));
        assert_eq!((exhibit.id.as_str(), exhibit.is_legal()), ("mine", false));
    }
}
