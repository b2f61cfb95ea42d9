//! Which module of raft-core may name which: what is to the left of it, and the helpers of all.
//!
//! Read from the tokens `crate::…` and `super::…`, so that macros and tests count as well. Links
//! in comments are free to go anywhere.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::findings::Findings;
use crate::tree::File;

/// raft-core's modules from the left to the right.
const ORDER: [&str; 21] = [
    "few",
    "ids",
    "by_id",
    "time",
    "configuration",
    "snapshot",
    "quorum",
    "record",
    "chunk",
    "message",
    "rules",
    "log",
    "comms",
    "settings",
    "random",
    "common",
    "states",
    "hull",
    "store",
    "lib",
    "tests",
];

/// Modules that serve all others: they may name everything, and everything may name them.
const SERVING: [&str; 5] = ["checksum", "error", "explain", "invariants", "trace"];

/// What the rules never name, whatever the order says.
const NOT_FOR_RULES: [&str; 4] = ["common", "states", "log", "hull"];

const SOURCE: &str = "raft-core/src/";

/// All that one file of raft-core names of its own crate.
pub(super) fn check(file: &File, findings: &mut Findings) {
    let Some(module) = module_of(&file.path) else {
        return;
    };
    let Ok(tokens) = file.text.parse::<TokenStream>() else {
        return; // reported by the parser
    };
    let mut named = Vec::new();
    let depth = module.len();
    collect(tokens, depth, &mut named);
    let Some(from) = module.first() else {
        return; // lib.rs names everything
    };
    for name in named {
        if let Some(text) = objection(from, &name) {
            findings.add(&file.path, name.line, "module-order", text);
        }
    }
}

/// A module of the crate that is named somewhere, and what of it.
struct Named {
    module: String,
    items: Vec<String>,
    line: usize,
}

fn objection(from: &str, to: &Named) -> Option<String> {
    let place = |name: &str| ORDER.iter().position(|module| *module == name);
    let name = to.module.as_str();
    if from == "rules" && NOT_FOR_RULES.contains(&name) {
        return Some(format!("rules never name `{name}`: values in, verdict out"));
    }
    if SERVING.contains(&from) || SERVING.contains(&name) || from == name {
        return None;
    }
    // The hull's inputs and outputs are data; the hull itself is at the far right.
    let is_data = !to.items.is_empty() && to.items.iter().all(|item| item != "Hull");
    if name == "hull" && is_data && ["common", "states"].contains(&from) {
        return None;
    }
    let Some(from_place) = place(from) else {
        let advice = "give it its place in xtask/src/tidy/modules.rs";
        return Some(format!("`{from}` is a new module: {advice}"));
    };
    let to_place = place(name)?; // an item of lib.rs
    (to_place > from_place)
        .then(|| format!("`{from}` may not name `{name}`: it stands to the right of it"))
}

/// The path of modules that a file of raft-core is; empty for lib.rs, none outside.
fn module_of(path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix(SOURCE)?.strip_suffix(".rs")?;
    if inside == "lib" {
        return Some(Vec::new());
    }
    Some(inside.split('/').map(str::to_owned).collect())
}

/// Finds `crate::…`, and `super::super::…` that reaches the crate's root from `depth` modules
/// down.
fn collect(tokens: TokenStream, depth: usize, named: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut inside_module = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(name) if name == "crate" && is_path(&tokens, at + 1) => {
                roots(&tokens, at + 3, named);
            }
            TokenTree::Ident(name) if name == "super" => {
                let mut climbed = 1;
                while is_path(&tokens, at + 1) && is_ident(&tokens, at + 3, "super") {
                    climbed += 1;
                    at += 3;
                }
                if climbed == depth {
                    roots(&tokens, at + 3, named);
                }
            }
            TokenTree::Ident(name) if name == "mod" => inside_module = true,
            TokenTree::Group(group) => {
                let is_module = inside_module && group.delimiter() == Delimiter::Brace;
                collect(group.stream(), depth + usize::from(is_module), named);
                inside_module = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => inside_module = false,
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// What stands at `at`, right after the crate's root: one module, or a group of them.
fn roots(tokens: &[TokenTree], at: usize, named: &mut Vec<Named>) {
    match tokens.get(at) {
        Some(TokenTree::Ident(module)) => named.push(Named {
            module: module.to_string(),
            items: items(tokens, at + 1),
            line: module.span().start().line,
        }),
        Some(TokenTree::Group(group)) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            for (position, token) in inner.iter().enumerate() {
                let begins = position == 0
                    || matches!(&inner[position - 1], TokenTree::Punct(before) if before.as_char() == ',');
                if begins && matches!(token, TokenTree::Ident(_)) {
                    roots(&inner, position, named);
                }
            }
        }
        Some(TokenTree::Punct(_) | TokenTree::Literal(_)) | None => {}
    }
}

/// The names that follow a module's at `at`: one, or those directly in a group.
fn items(tokens: &[TokenTree], at: usize) -> Vec<String> {
    match tokens.get(at + 2) {
        Some(TokenTree::Ident(item)) if is_path(tokens, at) => vec![item.to_string()],
        Some(TokenTree::Group(group)) if is_path(tokens, at) => {
            let names = group.stream().into_iter().filter_map(|token| match token {
                TokenTree::Ident(item) => Some(item.to_string()),
                _ => None,
            });
            names.collect()
        }
        _ => Vec::new(),
    }
}

fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_ident(tokens: &[TokenTree], at: usize, text: &str) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Ident(name)) if name == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        let mut findings = Findings::default();
        let file = File {
            path: format!("{SOURCE}{path}"),
            text: text.to_owned(),
        };
        check(&file, &mut findings);
        findings.rules().len()
    }

    #[test]
    fn a_module_names_what_is_to_its_left() {
        assert_eq!(count("chunk.rs", "use crate::ids::Term;"), 0);
        assert_eq!(count("ids.rs", "use crate::chunk::Chunk;"), 1);
        assert_eq!(count("ids.rs", "fn f() -> crate::chunk::Chunk { x }"), 1);
        assert_eq!(
            count("ids.rs", "use crate::{error::Fault, log::Log, time::Time};"),
            2
        );
        assert_eq!(count("ids.rs", "//! See [`crate::hull::Hull`].\n"), 0);
        assert_eq!(count("ids.rs", "use crate::error::Fault;"), 0);
        assert_eq!(count("lib.rs", "pub use crate::hull::Hull;"), 0);
    }

    #[test]
    fn rules_know_no_log_and_no_state() {
        for module in NOT_FOR_RULES {
            let text = format!("use crate::{module}::Anything;");
            assert_eq!(count("rules/vote.rs", &text), 1, "{module}");
        }
        assert_eq!(count("rules.rs", "use crate::message::RequestVote;"), 0);
    }

    #[test]
    fn climbing_to_the_root_is_seen_too() {
        assert_eq!(count("rules/vote.rs", "use super::super::log::Log;"), 1);
        assert_eq!(count("rules/vote.rs", "use super::term::stale;"), 0);
        let nested = "mod tests { use super::super::super::hull::Hull; }";
        assert_eq!(count("rules/vote.rs", nested), 1);
    }

    #[test]
    fn states_know_the_hulls_data_but_not_the_hull() {
        assert_eq!(count("states/leader.rs", "use crate::hull::Outcome;"), 0);
        assert_eq!(
            count("states/leader.rs", "use crate::hull::{Load, Outcome};"),
            0
        );
        assert_eq!(count("states/leader.rs", "use crate::hull::Hull;"), 1);
        assert_eq!(
            count("states/leader.rs", "use crate::hull::{Hull, Load};"),
            1
        );
        assert_eq!(count("log.rs", "use crate::hull::Outcome;"), 1);
    }
}
