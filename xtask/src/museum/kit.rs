//! `cargo xtask museum --kit`: has the conformance kit look at the write-ahead log with each bug of
//! a log put back, and says by which clause it names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::examination::unusable;
use super::exhibit::{self, Exhibit};
use super::simulator::Simulator;
use super::workshop::{Bench, Workshop, make_folder, number_of};
use super::{MuseumOptions, each};
use crate::error::TaskError;
use crate::tree::Tree;

/// Asks the kit, and says whether it names all that are said to be named.
pub(super) fn run(tree: &Tree, options: &MuseumOptions) -> Result<bool, TaskError> {
    let exhibits = exhibits(tree, options)?;
    let workshop = Workshop::new(&tree.root, options.jobs, false)?;
    eprintln!("museum: building the kit");
    passes(&workshop.bench(0).kit(None)?)?;
    let results = options.results.clone();
    let results = results.unwrap_or_else(|| workshop.results());
    let folder = results.join(&workshop.code);
    let rows = each(&workshop, options.jobs, &exhibits, |exhibit, bench| {
        let kept = folder.join(format!(
            "{}.kit.json",
            number_of(exhibit.change.as_bytes())?
        ));
        let verdict = match read(&kept).filter(|_| !options.fresh) {
            Some(verdict) => verdict,
            None => ask(exhibit, bench, &kept)?,
        };
        let line = format!("{} {}", exhibit.id, verdict.in_words());
        Ok((verdict, line))
    })?;
    let report = Report { rows: &rows };
    if options.json {
        eprintln!("{}", report.text());
        println!("{}", report.json(&workshop.code));
    } else {
        println!("{}", report.text());
    }
    Ok(report.is_as_said())
}

/// Those that the kit is asked about: of a folder that is given, or of ours and what stands there
/// for the kit alone.
fn exhibits(tree: &Tree, options: &MuseumOptions) -> Result<Vec<Exhibit>, TaskError> {
    let folder = options.folder(&tree.root);
    let mut exhibits = exhibit::all(&folder, &[])?;
    if options.folder.is_none() {
        exhibits.extend(exhibit::all(&folder.join(KIT_FOLDER), &[])?);
    }
    exhibit::select(&mut exhibits, &options.only, &folder)?;
    let other = exhibits.iter().find(|exhibit| !exhibit.is_for_kit());
    if let Some(other) = other.filter(|_| !options.only.is_empty()) {
        return Err(TaskError::malformed(&other.path, &NOT_FOR_KIT));
    }
    exhibits.retain(Exhibit::is_for_kit);
    if exhibits.is_empty() {
        return Err(TaskError::malformed(&folder, &NOT_FOR_KIT));
    }
    Ok(exhibits)
}

/// The log as it is keeps its contract, or nothing that is found says anything.
fn passes(kit: &Simulator) -> Result<(), TaskError> {
    for part in PARTS {
        let (_, said) = kit.say(&["--exact"], &test_of(part), PATIENCE)?;
        if !said.contains("1 passed") {
            let why = finding(part, None, &said).map_or_else(
                || "there is no such test".to_owned(),
                |finding| finding.what,
            );
            let problem = format!(
                "{} does not pass on the code as it is: {why}",
                test_of(part)
            );
            return Err(TaskError::malformed(&kit.path, &problem));
        }
    }
    Ok(())
}

/// Builds the kit with the bug put back, runs it, and keeps what it says.
fn ask(exhibit: &Exhibit, bench: &Bench<'_>, kept: &Path) -> Result<Verdict, TaskError> {
    let change = number_of(exhibit.change.as_bytes())?;
    let kit = match bench.kit(Some((exhibit, &change))) {
        Ok(kit) => kit,
        Err(error) => {
            let unusable = Some(unusable(error)?);
            return Ok(Verdict {
                unusable,
                ..Verdict::default()
            });
        }
    };
    let mut verdict = Verdict::default();
    for part in PARTS {
        let (status, said) = kit.say(&["--exact"], &test_of(part), PATIENCE)?;
        verdict.findings.extend(finding(part, status, &said));
    }
    // What did not end may end on a machine that does less, and what died without a word may not die.
    if !verdict
        .findings
        .iter()
        .any(|finding| [HUNG, DIED].contains(&&*finding.what))
    {
        keep(&verdict, kept)?;
    }
    Ok(verdict)
}

fn test_of(part: &str) -> String {
    format!("write_ahead_log::{part}")
}

/// What a part of the kit found, in the words of its test. None if it passed.
fn finding(part: &str, status: Option<i32>, said: &str) -> Option<Finding> {
    if status == Some(0) {
        return None;
    }
    let part = part.to_owned();
    let broken = said.lines().find_map(|line| {
        let (_, rest) = line.split_once(CLAUSE)?;
        let (number, what) = rest.split_once(" of Log (")?;
        let (_, what) = what.split_once(BROKEN)?;
        Some((number.parse().ok()?, what.to_owned()))
    });
    Some(match (broken, status) {
        (Some((clause, what)), _) => Finding {
            part,
            clause: Some(clause),
            what,
        },
        (None, None) => Finding {
            part,
            clause: None,
            what: HUNG.to_owned(),
        },
        (None, Some(_)) => {
            let mut lines = said
                .lines()
                .skip_while(|line| !line.contains(" panicked at "));
            let what = lines.nth(1).unwrap_or(DIED);
            Finding {
                part,
                clause: None,
                what: what.to_owned(),
            }
        }
    })
}

/// What the kit says of one exhibit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Verdict {
    /// Why it could not be asked, if so.
    unusable: Option<String>,
    findings: Vec<Finding>,
}

/// What a part of the kit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Finding {
    part: String,
    /// None if it panicked or did not end.
    clause: Option<u8>,
    what: String,
}

impl Verdict {
    /// The clauses that were named, each once.
    fn clauses(&self) -> Vec<u8> {
        let clauses = self.findings.iter().filter_map(|finding| finding.clause);
        let mut clauses: Vec<u8> = clauses.collect();
        clauses.sort_unstable();
        clauses.dedup();
        clauses
    }

    fn hung(&self) -> bool {
        self.findings.iter().any(|finding| finding.what == HUNG)
    }

    fn in_words(&self) -> String {
        if let Some(problem) = &self.unusable {
            return problem.clone();
        }
        let clauses = self.clauses();
        match (clauses.as_slice(), self.findings.is_empty()) {
            ([], true) => "not named".to_owned(),
            ([], false) => "no clause".to_owned(),
            ([one], _) => format!("clause {one}"),
            (several, _) => {
                let numbers: Vec<String> = several.iter().map(u8::to_string).collect();
                format!("clauses {}", numbers.join(", "))
            }
        }
    }
}

/// Each exhibit with what the kit says of it.
struct Report<'a> {
    rows: &'a [(&'a Exhibit, Verdict)],
}

impl Report<'_> {
    /// Whether all could be asked about, and those are named that are said to be.
    fn is_as_said(&self) -> bool {
        self.ids(Self::is_missed).is_empty() && self.ids(is_unusable).is_empty()
    }

    fn is_missed(exhibit: &Exhibit, verdict: &Verdict) -> bool {
        exhibit.clauses().is_some() && verdict.unusable.is_none() && !is_named(exhibit, verdict)
    }

    fn ids(&self, which: impl Fn(&Exhibit, &Verdict) -> bool) -> Vec<&str> {
        let rows = self
            .rows
            .iter()
            .filter(|(one, verdict)| which(one, verdict));
        rows.map(|(exhibit, _)| exhibit.id.as_str()).collect()
    }

    fn sums(&self) -> [(&'static str, Vec<&str>); 5] {
        let other = |one: &Exhibit, verdict: &Verdict| {
            let clauses = verdict.clauses();
            let declared = one.clauses().unwrap_or_default();
            let is_declared = clauses.iter().any(|clause| declared.contains(clause));
            is_named(one, verdict) && !declared.is_empty() && !is_declared
        };
        let unsaid =
            |one: &Exhibit, verdict: &Verdict| is_named(one, verdict) && one.clauses().is_none();
        [
            ("said to be named, and not named", self.ids(Self::is_missed)),
            ("named by another clause than is said", self.ids(other)),
            ("named, and not said to be", self.ids(unsaid)),
            ("do not end", self.ids(|_, verdict| verdict.hung())),
            ("not tried", self.ids(is_unusable)),
        ]
    }

    /// The table and its sums.
    fn text(&self) -> String {
        let row = |cells: [&str; 5]| {
            let [id, marks, named, by, what] = cells;
            let line = format!("{id:<10} {marks:<10} {named:<13} {by:<13} {what}");
            format!("{}\n", line.trim_end())
        };
        let mut text = row(["exhibit", "marks", "named", "by", "since"]);
        for (exhibit, verdict) in self.rows {
            let marks = exhibit.marks.join(" ");
            let (mut id, mut marks) = (exhibit.id.as_str(), marks.as_str());
            if verdict.findings.is_empty() {
                let why = match verdict.unusable {
                    Some(_) => "",
                    None => &exhibit.kit,
                };
                text.push_str(&row([id, marks, &verdict.in_words(), "", why]));
            }
            for Finding { part, clause, what } in &verdict.findings {
                let named = clause.map_or_else(
                    || "no clause".to_owned(),
                    |clause| format!("clause {clause}"),
                );
                text.push_str(&row([id, marks, &named, part, what]));
                (id, marks) = ("", "");
            }
        }
        let named = self.ids(is_named).len();
        text.push_str(&format!("\nnamed {named} of {}\n", self.rows.len()));
        for (title, ids) in self.sums() {
            if !ids.is_empty() {
                text.push_str(&format!("{title}: {}\n", ids.join(" ")));
            }
        }
        text.trim_end().to_owned()
    }

    /// The whole as one document.
    fn json(&self, code: &str) -> Value {
        let exhibits = self.rows.iter().map(|(exhibit, verdict)| {
            json!({
                "id": exhibit.id,
                "marks": exhibit.marks,
                "said": exhibit.kit,
                "clauses": verdict.clauses(),
                "verdict": verdict,
            })
        });
        json!({
            "kind": "museum-kit",
            "code": code,
            "exhibits": exhibits.collect::<Vec<_>>(),
            "is_as_said": self.is_as_said(),
        })
    }
}

fn is_named(_: &Exhibit, verdict: &Verdict) -> bool {
    !verdict.clauses().is_empty()
}

fn is_unusable(_: &Exhibit, verdict: &Verdict) -> bool {
    verdict.unusable.is_some()
}

fn read(kept: &Path) -> Option<Verdict> {
    serde_json::from_str(&fs::read_to_string(kept).ok()?).ok()
}

fn keep(verdict: &Verdict, kept: &Path) -> Result<(), TaskError> {
    if let Some(folder) = kept.parent() {
        make_folder(folder)?;
    }
    let text =
        serde_json::to_string(verdict).map_err(|error| TaskError::malformed(kept, &error))?;
    fs::write(kept, text).map_err(|source| TaskError::File {
        path: PathBuf::from(kept),
        source,
    })
}

/// What stands in our museum for the kit alone.
const KIT_FOLDER: &str = "kit";

/// What is wrong with those that the kit has nothing to say about.
const NOT_FOR_KIT: &str = "nothing here touches raft-log or has a line `# kit: …`: search it \
                           without --kit";

/// The kit's parts, a test each.
const PARTS: [&str; 4] = ["clauses", "crash_points", "late_answers", "faults"];

/// How long a part may take by the clock on the wall: many times what it does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Around what the kit says of a clause.
const CLAUSE: &str = "clause ";
const BROKEN: &str = ") is broken: ";

/// What is said of a part that was ended.
const HUNG: &str = "(does not end)";

/// What is said of a part that ended badly and did not say why.
const DIED: &str = "(the test died)";

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "running 1 test\n\n---- write_ahead_log::faults stdout ----\n\
         Error: clause 3 of Log (Durable) is broken: write 2 is gone\n  operation 7 failed\n";

    fn exhibit(id: &str, kit: &str) -> Exhibit {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("# id: {id}\n# kit: {kit}\n# marks: DUR\n+++ b/raft-log/src/wal.rs\n");
        fs::write(folder.path().join("x.patch"), text).unwrap();
        exhibit::all(folder.path(), &[]).unwrap().remove(0)
    }

    fn named(clause: u8) -> Verdict {
        let said = SAID.replace('3', &clause.to_string());
        Verdict {
            findings: finding("faults", Some(101), &said).into_iter().collect(),
            ..Verdict::default()
        }
    }

    #[test]
    fn the_clause_is_read_off_what_the_test_says() {
        let found = finding("faults", Some(101), SAID).unwrap();
        assert_eq!(found.clause, Some(3));
        assert_eq!(found.what, "write 2 is gone");
        assert_eq!(finding("faults", Some(0), SAID), None);
    }

    #[test]
    fn a_part_that_panics_or_hangs_names_no_clause() {
        let said = "thread 'x' panicked at raft-log/src/wal.rs:1:1:\nattempt to subtract\n";
        let found = finding("faults", Some(101), said).unwrap();
        assert_eq!(
            (found.clause, found.what.as_str()),
            (None, "attempt to subtract")
        );
        let found = finding("faults", None, "").unwrap();
        assert_eq!((found.clause, found.what.as_str()), (None, HUNG));
    }

    #[test]
    fn only_who_is_said_to_be_named_must_be() {
        let three = exhibit("A", "clause 3");
        let nothing = exhibit("B", "nothing, since it is of the store");
        for (exhibit, verdict, as_said, words) in [
            (&three, named(3), true, "named 1 of 1"),
            (&three, named(4), true, "another clause than is said: A"),
            (&three, Verdict::default(), false, "and not named: A"),
            (&nothing, Verdict::default(), true, "named 0 of 1"),
            (&nothing, named(3), true, "not said to be: B"),
        ] {
            let rows = [(exhibit, verdict)];
            let report = Report { rows: &rows };
            assert_eq!(report.is_as_said(), as_said, "{words}");
            assert!(report.text().contains(words), "{}", report.text());
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.kit.json");
        assert_eq!(read(&path), None);
        keep(&named(3), &path).unwrap();
        assert_eq!(read(&path), Some(named(3)));
    }
}
