//! What a run of the museum comes to: a table for people, one document of JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::exhibit::Exhibit;
use super::record::{Record, Score, percentile};

/// Each exhibit with what is known of it.
pub(super) struct Report<'a> {
    /// In order of id.
    pub(super) rows: &'a [(&'a Exhibit, Record)],
    /// The number of the code.
    pub(super) code: &'a str,
    /// What git calls it.
    pub(super) commit: &'a str,
    /// Whether it was searched with our own assertions too.
    pub(super) with_assertions: bool,
}

impl Report<'_> {
    /// Whether every bug was killed and no legal variation was.
    pub(super) fn is_as_meant(&self) -> bool {
        self.rows.iter().all(|(exhibit, record)| {
            let fails_unpatched = record.with.iter().any(|hunt| !hunt.unpatched.is_empty());
            record.unusable.is_none()
                && self.judged(record).is_some() != exhibit.is_legal()
                && !fails_unpatched
        })
    }

    /// The score that decides.
    fn judged(&self, record: &Record) -> Option<Score> {
        match self.with_assertions {
            true => record.score(),
            false => record.score_outside(),
        }
    }

    /// The table and its sums.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{:<10} {:<10} {:<24} {:>4} {:>8} {:>8}  {:<24} {:>4} {:>8}  {}\n",
            "exhibit",
            "marks",
            "killed by",
            "of",
            "seeds",
            "cpu s",
            "by checkers alone",
            "of",
            "cpu s",
            "shrunk"
        );
        for (exhibit, record) in self.rows {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{}", self.row(exhibit, record));
        }
        text.push('\n');
        text.push_str(&self.sums_in_words());
        text
    }

    fn row(&self, exhibit: &Exhibit, record: &Record) -> String {
        let head = format!("{:<10} {:<10}", exhibit.id, exhibit.marks.join(" "));
        if let Some(problem) = &record.unusable {
            return format!("{head} {problem}");
        }
        let small = record.small.as_ref().map_or_else(String::new, |small| {
            let (events, nodes) = (small.events, small.nodes);
            format!("{events} events, {nodes} nodes, {:.1} s", small.cpu_seconds)
        });
        let inside = cells(record.score().as_ref(), &record.with, true);
        let outside = cells(record.score_outside().as_ref(), &record.without, false);
        let row = format!("{head} {inside}  {outside}  {small}");
        row.trim_end().to_owned()
    }

    fn sums_in_words(&self) -> String {
        let sums = self.sums();
        let mut text = String::new();
        let number = |value: &Value| match value.as_f64() {
            Some(value) => format!("{value:.1}"),
            None => "-".to_owned(),
        };
        let names = |name: &str| {
            let names = sums[name].as_array().into_iter().flatten();
            let names: Vec<&str> = names.filter_map(Value::as_str).collect();
            names.join(" ")
        };
        let percent = |name: &str| format!("{} ({} %)", sums[name], number(&sums["percent"][name]));
        let _ = writeln!(text, "exhibits                {}", sums["exhibits"]);
        let _ = writeln!(text, "killed                  {}", percent("killed"));
        let _ = writeln!(text, "  by checkers alone     {}", percent("outside"));
        let _ = writeln!(
            text,
            "  by what is declared   {} of {}",
            sums["declared"], sums["killed"]
        );
        let _ = writeln!(
            text,
            "safety marks killed     {} of {}, {} of them by a property that is not declared",
            sums["safety_killed"],
            sums["safety"],
            sums["safety_undeclared"].as_array().map_or(0, Vec::len)
        );
        for (title, name) in [
            ("cpu seconds to kill    ", "cpu_seconds"),
            ("seeds to kill          ", "seeds"),
            ("  by checkers alone, s ", "outside_cpu_seconds"),
            ("shrunk, events         ", "small_events"),
            ("shrunk, nodes          ", "small_nodes"),
            ("shrunk, cpu seconds    ", "small_cpu_seconds"),
        ] {
            let each = &sums[name];
            let (median, high) = (number(&each["median"]), number(&each["p90"]));
            let most = number(&each["most"]);
            let _ = writeln!(text, "{title} median {median}, p90 {high}, most {most}");
        }
        for (title, name) in [
            (
                "safety marks killed by another property",
                "safety_undeclared",
            ),
            ("survivors", "survivors"),
            ("missed without assertions", "missed_outside"),
            ("not tried", "unusable"),
            ("do not end", "hung"),
            ("fail unpatched", "unpatched"),
        ] {
            let names = names(name);
            if !names.is_empty() {
                let _ = writeln!(text, "{title}: {names}");
            }
        }
        let _ = write!(text, "code {} at commit {}", self.code, self.commit);
        text
    }

    /// The whole as one document.
    pub(super) fn json(&self) -> Value {
        let exhibits = self.rows.iter().map(|(exhibit, record)| {
            json!({
                "id": exhibit.id,
                "marks": exhibit.marks,
                "meant": exhibit.properties,
                "legal": exhibit.is_legal(),
                "problem": record.unusable,
                "killed_as_declared": self
                    .judged(record)
                    .map(|score| exhibit.declares(&score.kill.property)),
                "with_assertions": of_score(record.score().as_ref()),
                "checkers_alone": of_score(record.score_outside().as_ref()),
                "record": record,
            })
        });
        json!({
            "kind": "museum",
            "code": self.code,
            "commit": self.commit,
            "exhibits": exhibits.collect::<Vec<_>>(),
            "summary": self.sums(),
        })
    }

    /// The records of those that break something and could be tried.
    fn sums(&self) -> Value {
        let ids = |which: &dyn Fn(&Exhibit, &Record) -> bool| {
            let rows = self.rows.iter().filter(|(one, record)| which(one, record));
            rows.map(|(one, _)| one.id.clone()).collect::<Vec<_>>()
        };
        let scores: Vec<Score> = self.of(|record| self.judged(record));
        let outside: Vec<Score> = self.of(Record::score_outside);
        let smalls: Vec<&super::record::Small> = self
            .rows
            .iter()
            .filter_map(|(_, record)| record.small.as_ref())
            .collect();
        let usable = self
            .rows
            .iter()
            .filter(|(_, record)| record.unusable.is_none());
        let exhibits = usable.count();
        let percent = |count: usize| 100.0 * count as f64 / exhibits.max(1) as f64;
        let tried = |record: &Record| record.unusable.is_none();
        let killed = |record: &Record| self.judged(record).is_some();
        let undeclared = |one: &Exhibit, record: &Record| {
            let score = self.judged(record);
            score.is_some_and(|score| !one.declares(&score.kill.property))
        };
        let undeclared_safety =
            |one: &Exhibit, record: &Record| one.breaks_safety() && undeclared(one, record);
        let in_any = |record: &Record, which: fn(&super::hunt::Hunt) -> bool| {
            record.with.iter().chain(&record.without).any(which)
        };
        json!({
            "exhibits": exhibits,
            "killed": scores.len(),
            "outside": outside.len(),
            "percent": { "killed": percent(scores.len()), "outside": percent(outside.len()) },
            "declared": scores.len() - ids(&undeclared).len(),
            "safety_undeclared": ids(&undeclared_safety),
            "safety": ids(&|one, record| one.breaks_safety() && tried(record)).len(),
            "safety_killed": ids(&|one, record| one.breaks_safety() && killed(record)).len(),
            "cpu_seconds": spread(scores.iter().filter_map(|score| score.cpu_seconds)),
            "outside_cpu_seconds": spread(outside.iter().filter_map(|score| score.cpu_seconds)),
            "seeds": spread(scores.iter().filter_map(|score| score.seeds).map(|seeds| seeds as f64)),
            "small_events": spread(smalls.iter().map(|small| small.events as f64)),
            "small_nodes": spread(smalls.iter().map(|small| small.nodes as f64)),
            "small_cpu_seconds": spread(smalls.iter().map(|small| small.cpu_seconds)),
            "survivors": ids(&|_, record| tried(record) && !killed(record)),
            "missed_outside": ids(&|_, record| killed(record) && record.score_outside().is_none()),
            "unusable": ids(&|_, record| !tried(record)),
            "hung": ids(&|_, record| in_any(record, |hunt| hunt.hung.is_some())),
            "unpatched": ids(&|_, record| in_any(record, |hunt| !hunt.unpatched.is_empty())),
        })
    }

    fn of(&self, score: impl Fn(&Record) -> Option<Score>) -> Vec<Score> {
        let records = self.rows.iter().map(|(_, record)| record);
        records.filter_map(score).collect()
    }
}

/// A score's part of a row.
fn cells(score: Option<&Score>, hunts: &[super::hunt::Hunt], seeds_too: bool) -> String {
    let searched: f64 = hunts.iter().map(|hunt| hunt.cpu_seconds).sum();
    let seeds: u64 = hunts.iter().map(super::hunt::Hunt::seeds).sum();
    let (by, of, seeds, seconds) = match score {
        Some(score) => (
            score.kill.property.clone(),
            format!("{}/{}", score.killed.0, score.killed.1),
            score
                .seeds
                .map_or_else(|| "-".to_owned(), |seeds| seeds.to_string()),
            score
                .cpu_seconds
                .map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")),
        ),
        None if hunts.is_empty() => ("-".to_owned(), String::new(), String::new(), String::new()),
        None => {
            let hung = hunts.iter().any(|hunt| hunt.hung.is_some());
            let verdict = if hung { "(does not end)" } else { "(survived)" };
            (
                verdict.to_owned(),
                String::new(),
                seeds.to_string(),
                format!("{searched:.1}"),
            )
        }
    };
    match seeds_too {
        true => format!("{by:<24} {of:>4} {seeds:>8} {seconds:>8}"),
        false => format!("{by:<24} {of:>4} {seconds:>8}"),
    }
}

fn of_score(score: Option<&Score>) -> Value {
    match score {
        None => Value::Null,
        Some(score) => json!({
            "property": score.kill.property,
            "seed": score.kill.seed,
            "ranges_killed": score.killed.0,
            "ranges": score.killed.1,
            "median_seeds": score.seeds,
            "median_cpu_seconds": score.cpu_seconds,
        }),
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Value {
    let values: Vec<f64> = values.collect();
    json!({
        "median": percentile(&values, 50),
        "p90": percentile(&values, 90),
        "most": percentile(&values, 100),
    })
}

#[cfg(test)]
mod tests {
    use super::super::hunt::{Hunt, Kill};
    use super::*;

    fn killed_by(property: &str) -> Record {
        let kill = Some(Kill {
            seed: 3,
            property: property.to_owned(),
        });
        Record {
            with: vec![Hunt {
                kill,
                ..Hunt::new(0)
            }],
            ..Record::default()
        }
    }

    #[test]
    fn a_kill_by_a_property_that_is_not_declared_is_told() {
        let exhibit = |id: &str, mark: &str| Exhibit {
            id: id.to_owned(),
            story: String::new(),
            source: String::new(),
            properties: vec!["durability".to_owned()],
            marks: vec![mark.to_owned()],
            kit: String::new(),
            path: std::path::PathBuf::new(),
            change: String::new(),
        };
        let (one, two, three) = (exhibit("A", "DUR"), exhibit("B", "DUR"), exhibit("C", "LV"));
        let rows = [
            (&one, killed_by("durability")),
            (&two, killed_by("liveness")),
            (&three, killed_by("liveness")),
        ];
        let report = Report {
            rows: &rows,
            code: "",
            commit: "",
            with_assertions: true,
        };
        let text = report.text();
        assert!(text.contains("  by what is declared   1 of 3\n"), "{text}");
        let safety = "safety marks killed     2 of 2, 1 of them by a property that is not declared";
        assert!(text.contains(safety), "{text}");
        assert!(
            text.contains("\nsafety marks killed by another property: B\n"),
            "{text}"
        );
        assert_eq!(report.json()["exhibits"][1]["killed_as_declared"], false);
    }
}
