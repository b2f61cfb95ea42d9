//! How long things may be: a reader holds one function, one file, one story in the head.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};

use crate::findings::Findings;
use crate::tree::{File, has_extension};

const FUNCTION_LINES: usize = 60;
const FILE_LINES: usize = 600;
const README_LINES: usize = 120;
const STORY_LINES: usize = 150;

/// A file as a whole: its length, and its first line.
pub(super) fn check_file(file: &File, findings: &mut Findings) {
    let count = file.text.lines().count();
    let mut at_most = |limit: usize, rule, advice: &str| {
        if count > limit {
            let text = format!("{count} lines, at most {limit}: {advice}");
            findings.add(&file.path, limit + 1, rule, text);
        }
    };
    if file.is_rust() {
        at_most(FILE_LINES, "file-length", "split it where a reader would");
    } else if file.path == "README.md" {
        at_most(README_LINES, "readme-length", "move detail to docs/");
    } else if file.path.starts_with("raft-sim/scripts/") && has_extension(&file.path, "txt") {
        at_most(
            STORY_LINES,
            "script-length",
            "silence what is not the point",
        );
    }
    if file.is_rust() && !file.text.starts_with("//!") {
        let advice = "open with `//!`: the file's part, what it may not do, where to read next";
        findings.add(&file.path, 1, "header", advice);
    }
}

/// Each function's lines of code: those with more on them than comment and space.
pub(super) fn check_functions(path: &str, file: &syn::File, findings: &mut Findings) {
    Functions { path, findings }.visit_file(file);
}

struct Functions<'a> {
    path: &'a str,
    findings: &'a mut Findings,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let mut lines = BTreeSet::new();
        for statement in &block.stmts {
            collect_lines(statement.to_token_stream(), &mut lines);
        }
        let count = lines.len();
        if count > FUNCTION_LINES {
            let text = format!(
                "`{name}` has {count} lines of code, at most {FUNCTION_LINES}: keep the branching, \
                 move straight-line work to helpers whose names teach"
            );
            let line = name.span().start().line;
            self.findings.add(self.path, line, "function-length", text);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// The lines on which a token begins or ends. A comment is none; a long string counts its ends.
fn collect_lines(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            lines.insert(group.span_open().start().line);
            lines.insert(group.span_close().end().line);
            collect_lines(group.stream(), lines);
        } else {
            lines.insert(token.span().start().line);
            lines.insert(token.span().end().line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn function_of(lines: usize) -> String {
        let body = "    step();\n    // a comment is no code\n\n".repeat(lines);
        format!("fn long() {{\n{body}}}\n")
    }

    #[test]
    fn a_function_may_have_sixty_lines_of_code() {
        for (lines, rules) in [(60, vec![]), (61, vec!["function-length"])] {
            let mut findings = Findings::default();
            let parsed = syn::parse_file(&function_of(lines)).unwrap();
            check_functions("a.rs", &parsed, &mut findings);
            assert_eq!(findings.rules(), rules, "{lines} lines");
        }
    }

    #[test]
    fn files_have_limits_by_their_kind() {
        let cases = [
            ("a/src/b.rs", 600, vec![]),
            ("a/src/b.rs", 601, vec!["file-length"]),
            ("README.md", 121, vec!["readme-length"]),
            ("docs/long.md", 1000, vec![]),
            ("raft-sim/scripts/figure_8.txt", 151, vec!["script-length"]),
        ];
        for (path, lines, rules) in cases {
            let mut findings = Findings::default();
            check_file(&file(path, &"//! x\n".repeat(lines)), &mut findings);
            assert_eq!(findings.rules(), rules, "{path} of {lines} lines");
        }
    }

    #[test]
    fn a_rust_file_opens_with_its_part() {
        let mut findings = Findings::default();
        check_file(&file("a.rs", "use std::fmt;\n"), &mut findings);
        assert_eq!(findings.rules(), ["header"]);
    }
}
