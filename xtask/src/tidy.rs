//! `cargo xtask tidy`: how we write, as far as a program can tell.
//!
//! What clippy and rustfmt check already is not checked again, but for the length of functions,
//! which they leave alone in macros and test helpers.

use crate::error::TaskError;
use crate::findings::Findings;
use crate::tree::Tree;

mod crates;
mod links;
mod modules;
mod names;
mod sizes;
mod words;

/// All checks over the whole tree.
pub(crate) fn run(tree: &Tree) -> Result<Findings, TaskError> {
    let mut findings = Findings::default();
    for file in &tree.files {
        sizes::check_file(file, &mut findings);
        words::check(file, &mut findings);
    }
    for file in tree.rust() {
        match syn::parse_file(&file.text) {
            Ok(parsed) => {
                sizes::check_functions(&file.path, &parsed, &mut findings);
                names::check(&file.path, &parsed, &mut findings);
            }
            Err(error) => {
                let line = error.span().start().line;
                findings.add(&file.path, line, "syntax", format!("not Rust: {error}"));
            }
        }
        modules::check(file, &mut findings);
    }
    links::check(tree, &mut findings);
    crates::check(tree, &mut findings)?;
    Ok(findings)
}
