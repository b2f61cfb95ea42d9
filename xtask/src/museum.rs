//! `cargo xtask museum`: puts historic bugs back, one at a time, and sees whether the simulator
//! finds each of them without a hint.
//!
//! A find counts only if the same seed passes on the code as it is. How long one may search is
//! counted in processor time, so that a busy machine doesn't change the verdict.

use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::tree::Tree;

mod exhibit;
mod hunt;
mod workshop;

use exhibit::Exhibit;
use hunt::{Find, Hunt};
use workshop::Workshop;

const FOLDER: &str = "raft-sim/museum";

/// What to do, from the command line.
#[derive(clap::Args)]
pub(crate) struct MuseumOptions {
    /// The folder with the patches.
    #[arg(default_value = FOLDER)]
    folder: PathBuf,
    /// Only say whether each patch applies.
    #[arg(long)]
    check: bool,
    /// Processor seconds to search for each, such as `600s`.
    #[arg(long, default_value = "600s", value_parser = seconds)]
    budget: f64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Only this exhibit.
    #[arg(long)]
    only: Option<String>,
    /// The seed to begin with.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Compile our own assertions out, so that only the checkers outside judge.
    #[arg(long)]
    no_invariants: bool,
}

/// Whether each patch applies, or with a search, whether each was found.
pub(crate) fn run(tree: &Tree, options: &MuseumOptions) -> Result<bool, TaskError> {
    let folder = if options.folder == Path::new(FOLDER) {
        tree.root.join(FOLDER)
    } else {
        options.folder.clone()
    };
    let exhibits = exhibit::all(&folder, options.only.as_deref())?;
    if options.check {
        return Ok(check(tree, &exhibits));
    }
    let workshop = Workshop::new(&tree.root, !options.no_invariants);
    let sound = workshop.build("unpatched", None)?;
    let mut all_found = true;
    if !options.json {
        println!("{}", hunt::HEADING);
    }
    for exhibit in &exhibits {
        let program = workshop.build(&exhibit.id, Some(&exhibit.path))?;
        let mut hunt = Hunt::new(&program, options.from, options.budget);
        let find = hunt.search()?;
        let find = match find {
            Find::Killed { seed, .. } if !hunt::passes(&sound, seed)? => Find::AlsoUnpatched(seed),
            Find::Killed { .. } | Find::AlsoUnpatched(_) | Find::Survived => find,
        };
        all_found &= matches!(find, Find::Killed { .. });
        let line = if options.json {
            hunt.as_json(exhibit, &find)
        } else {
            hunt.as_row(exhibit, &find)
        };
        println!("{line}");
    }
    Ok(all_found)
}

fn check(tree: &Tree, exhibits: &[Exhibit]) -> bool {
    let mut all_apply = true;
    for exhibit in exhibits {
        if let Err(error) = workshop::apply(&tree.root, &exhibit.path, true) {
            println!("{}: {error}", exhibit.id);
            all_apply = false;
        }
    }
    if all_apply {
        println!("museum: all {} patches apply", exhibits.len());
    }
    all_apply
}

/// `600` or `600s`.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(seconds),
        Ok(_) | Err(_) => Err("a number of seconds above zero, such as 600s".to_owned()),
    }
}
