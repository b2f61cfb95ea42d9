//! `cargo xtask museum`: puts historic bugs back, one at a time, and sees whether the simulator
//! finds each of them without a hint. Legal variations must survive.
//!
//! A find counts only if the same seed passes on the code as it is. How long one may search is
//! counted in processor time, so that a busy machine doesn't change the verdict. What was found is
//! kept for each patch and state of the code, and a run goes on from it. With `--kit`, the
//! conformance kit for logs is asked instead.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::TaskError;
use crate::tree::{Tree, output};

mod docs;
mod examination;
mod exhibit;
mod hunt;
mod kit;
mod record;
mod report;
mod simulator;
mod small;
mod workshop;

use examination::{Examination, Extent};
use exhibit::Exhibit;
use record::Record;
use report::Report;
use workshop::{Assertions, Bench, Workshop};

const FOLDER: &str = "raft-sim/museum";

/// Processor seconds for everyone before anyone gets more: what is found soon is known soon.
const FIRST_ROUND: f64 = 60.0;

/// What to do, from the command line.
#[derive(clap::Args)]
pub(crate) struct MuseumOptions {
    /// The folder with the patches: ours, or any that `git apply` takes.
    folder: Option<PathBuf>,
    /// Only say whether each patch applies, has its header and stands in docs/museum.md.
    #[arg(long)]
    check: bool,
    /// Processor seconds to search for each, such as `600s`.
    #[arg(long, default_value = "600s", value_parser = seconds)]
    budget: f64,
    /// One JSON document on the standard output, and the table on the other one.
    #[arg(long)]
    json: bool,
    /// Only these exhibits, such as `C01,V05`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many ranges of seeds are searched: from 0, 1,000,000, 2,000,000 and so on.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    ranges: u64,
    /// How many exhibits to search at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only search with our own assertions compiled out.
    #[arg(long)]
    no_invariants: bool,
    /// The legal variations: run `--seeds` of each, and none may fail.
    #[arg(long)]
    legal: bool,
    /// With `--legal`: how many seeds of each.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// Ask the conformance kit for logs which clause each bug of the log breaks, and search nothing.
    #[arg(long, conflicts_with_all = ["check", "legal", "shrink", "write_docs"])]
    kit: bool,
    /// Make each kill small.
    #[arg(long)]
    shrink: bool,
    /// Begin anew, whatever is kept.
    #[arg(long)]
    fresh: bool,
    /// Where results are kept; otherwise in target/museum/results.
    #[arg(long)]
    results: Option<PathBuf>,
    /// Write docs/museum.md from headers and kept results, and search nothing. An exhibit without
    /// a find is written, and is an error.
    #[arg(long)]
    write_docs: bool,
}

impl MuseumOptions {
    fn folder(&self, root: &Path) -> PathBuf {
        match (&self.folder, self.legal) {
            (Some(folder), _) => folder.clone(),
            (None, true) => root.join(FOLDER).join("legal"),
            (None, false) => root.join(FOLDER),
        }
    }

    const fn extent(&self) -> Extent {
        match self.legal {
            true => Extent::Seeds(self.seeds),
            false => self.time(self.budget),
        }
    }

    const fn time(&self, budget: f64) -> Extent {
        Extent::Time {
            budget,
            ranges: self.ranges,
            with_assertions: !self.no_invariants,
        }
    }
}

/// Whether each patch applies, or with a search, whether each was found and no legal one was.
pub(crate) fn run(tree: &Tree, options: &MuseumOptions) -> Result<bool, TaskError> {
    if options.kit {
        return kit::run(tree, options);
    }
    let folder = options.folder(&tree.root);
    let exhibits = exhibit::all(&folder, &options.only)?;
    if options.check {
        return check(tree, &folder, &exhibits);
    }
    let workshop = Workshop::new(&tree.root, options.jobs, options.legal)?;
    let results = options.results.clone();
    let results = results.unwrap_or_else(|| workshop.results());
    if options.write_docs {
        let without = docs::write(tree, &exhibits, &results)?;
        for id in &without {
            println!("{id}: no run of it that is kept has found it");
        }
        return Ok(without.is_empty());
    }
    eprintln!("museum: building the code as it is");
    let bench = workshop.bench(0);
    let outside = match options.legal {
        true => bench.sound(Assertions::In)?,
        false => bench.sound(Assertions::Out)?,
    };
    let examination = Examination {
        extent: options.extent(),
        shrink: options.shrink,
        results,
        code: workshop.code.clone(),
        sound: (bench.sound(Assertions::In)?, outside),
    };
    for place in 1..options.jobs {
        workshop.bench(place).prepare()?;
    }
    for exhibit in &exhibits {
        examination.begin(exhibit, options.fresh)?;
    }
    let first = options.time(options.budget.min(FIRST_ROUND));
    if !options.legal && options.budget > FIRST_ROUND {
        try_all(&examination, &workshop, &exhibits, (options.jobs, first))?;
    }
    let whole = (options.jobs, examination.extent);
    let records = try_all(&examination, &workshop, &exhibits, whole)?;
    tell(tree, options, &workshop.code, &records)
}

/// Tries each exhibit, several at a time.
fn try_all<'a>(
    examination: &Examination,
    workshop: &Workshop,
    exhibits: &'a [Exhibit],
    (jobs, extent): (usize, Extent),
) -> Result<Vec<(&'a Exhibit, Record)>, TaskError> {
    each(workshop, jobs, exhibits, |exhibit, bench| {
        let record = examination.run(exhibit, bench, extent)?;
        let line = progress(&record);
        Ok((record, line))
    })
}

/// Does `work` for each exhibit, several at a time, and says the line that it answers. Rows in order
/// of id.
fn each<'a, R: Send>(
    workshop: &Workshop,
    jobs: usize,
    exhibits: &'a [Exhibit],
    work: impl Fn(&Exhibit, &Bench<'_>) -> Result<(R, String), TaskError> + Sync,
) -> Result<Vec<(&'a Exhibit, R)>, TaskError> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let work = |place: usize| -> Result<(), TaskError> {
        let bench = workshop.bench(place);
        while let Some(exhibit) = exhibits.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (row, line) = work(exhibit, &bench)?;
            if let Ok(mut rows) = rows.lock() {
                rows.push((exhibit, row));
                eprintln!("museum: {} of {}: {line}", rows.len(), exhibits.len());
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let work = &work;
        let start = |place| scope.spawn(move || work(place));
        let workers: Vec<_> = (0..jobs.max(1)).map(start).collect();
        for worker in workers {
            worker.join().unwrap_or(Ok(()))?;
        }
        Ok::<(), TaskError>(())
    })?;
    let mut rows = rows.into_inner().unwrap_or_default();
    rows.sort_by(|(left, _), (right, _)| (&left.id, &left.path).cmp(&(&right.id, &right.path)));
    Ok(rows)
}

/// One line when one exhibit is over.
fn progress(record: &Record) -> String {
    let verdict = match (&record.unusable, record.score().or(record.score_outside())) {
        (Some(problem), _) => problem.clone(),
        (None, Some(score)) => format!("{} at seed {}", score.kill.property, score.kill.seed),
        (None, None) => {
            let hunts = record.with.iter().chain(&record.without);
            let seeds: u64 = hunts.map(hunt::Hunt::seeds).sum();
            format!("not found, {seeds} seeds")
        }
    };
    format!("{} {verdict}", record.id)
}

fn tell(
    tree: &Tree,
    options: &MuseumOptions,
    code: &str,
    rows: &[(&Exhibit, Record)],
) -> Result<bool, TaskError> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"]);
    let commit = output(git.current_dir(&tree.root))?;
    let report = Report {
        rows,
        code,
        commit: commit.trim(),
        with_assertions: !options.no_invariants,
    };
    if options.json {
        eprintln!("{}", report.text());
        println!("{}", report.json());
    } else {
        println!("{}", report.text());
    }
    Ok(report.is_as_meant())
}

/// Whether each applies, has its header, and our own stand in the book.
fn check(tree: &Tree, folder: &Path, exhibits: &[Exhibit]) -> Result<bool, TaskError> {
    let mut problems = Vec::new();
    for exhibit in exhibits {
        if let Err(error) = workshop::apply(&tree.root, &exhibit.path, true) {
            problems.push(format!("{}: {error}", exhibit.id));
        }
    }
    let ours = whole(&tree.root.join(FOLDER));
    if whole(folder).starts_with(&ours) {
        for exhibit in exhibits {
            let missing = exhibit.missing().into_iter();
            problems.extend(missing.map(|problem| format!("{}: {problem}", exhibit.id)));
        }
    }
    if whole(folder) == ours {
        problems.extend(docs::outdated(tree, exhibits));
    }
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() {
        println!("museum: all {} patches apply", exhibits.len());
    }
    Ok(problems.is_empty())
}

/// The path as the file system has it.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `600` or `600s`.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(seconds),
        Ok(_) | Err(_) => Err("a number of seconds above zero, such as 600s".to_owned()),
    }
}
