//! Names that say nothing, abbreviations, tests that don't run, exceptions without a reason, and
//! syntax that is younger than the oldest compiler we promise.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::findings::Findings;

/// Beginnings of function names that say nothing about what the function is for.
const EMPTY_PREFIXES: [&str; 4] = ["get_", "do_", "maybe_", "process_"];

/// Abbreviations, and what to write.
const ABBREVIATIONS: [(&str, &str); 5] = [
    ("cfg", "configuration or settings"),
    ("conf", "configuration or settings"),
    ("idx", "index"),
    ("prs", "progress"),
    ("lo", "first, start or low"),
];

/// All names that `file` declares or uses.
pub(super) fn check(path: &str, file: &syn::File, findings: &mut Findings) {
    Names { path, findings }.visit_file(file);
}

struct Names<'a> {
    path: &'a str,
    findings: &'a mut Findings,
}

impl Names<'_> {
    fn function(&mut self, name: &Ident) {
        let text = name.to_string();
        for prefix in EMPTY_PREFIXES {
            if text.starts_with(prefix) {
                let advice =
                    format!("`{text}`: drop `{prefix}` and say what it is or brings about");
                self.add(name, "name", advice);
            }
        }
    }

    fn identifier(&mut self, name: &Ident) {
        for (short, long) in ABBREVIATIONS {
            if name == short {
                self.add(name, "abbreviation", format!("`{short}`: write {long}"));
            }
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) => self.identifier(&name),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn add(&mut self, at: &Ident, rule: &'static str, text: String) {
        let line = at.span().start().line;
        self.findings.add(self.path, line, rule, text);
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident);
        visit::visit_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig.ident);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        for member in &item.items {
            // A trait's own names are its author's business.
            if let (syn::ImplItem::Fn(method), None) = (member, &item.trait_) {
                self.function(&method.sig.ident);
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_ident(&mut self, name: &'ast Ident) {
        self.identifier(name);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        // Not the macro's own name: `cfg!` is not ours.
        self.tokens(call.tokens.clone());
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        for side in [&*binary.left, &*binary.right] {
            if let syn::Expr::Let(chained) = side {
                let line = chained.let_token.span.start().line;
                let advice = "`let` among conditions needs Rust 1.88, we promise 1.85: nest it";
                self.findings.add(self.path, line, "let-chain", advice);
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let Some(name) = attribute.path().get_ident() else {
            return;
        };
        if name == "ignore" {
            let advice =
                "a test that does not run: assert what is wrong today, and say it is wrong";
            self.add(name, "ignored-test", advice.to_owned());
        }
        if (name == "allow" || name == "expect") && !gives_reason(&attribute.meta) {
            let advice = format!("#[{name}(…)] without `reason = \"…\"`");
            self.add(name, "exception-without-reason", advice);
        }
    }
}

fn gives_reason(meta: &syn::Meta) -> bool {
    match meta {
        syn::Meta::List(list) => list
            .tokens
            .clone()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Ident(name) if name == "reason")),
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_on_a_small_sample() {
        let cases: [(&str, &[&str]); 16] = [
            ("fn get_term() {}", &["name"]),
            ("impl A { fn maybe_send(&self) {} }", &["name"]),
            ("trait A { fn process_vote(&self); }", &["name"]),
            ("impl Buf for A { fn get_u8(&mut self) -> u8 { 0 } }", &[]),
            ("fn term() { let idx = 1; }", &["abbreviation"]),
            ("fn term() { vec![lo]; }", &["abbreviation"]),
            ("#[cfg(test)] mod tests {}", &[]),
            ("fn wide() -> bool { cfg!(test) }", &[]),
            ("#[test] #[ignore] fn later() {}", &["ignored-test"]),
            (
                "#[allow(dead_code)] fn unused() {}",
                &["exception-without-reason"],
            ),
            (
                "#[expect(dead_code, reason = \"a sample\")] fn unused() {}",
                &[],
            ),
            ("fn lower() { let low = 1; }", &[]),
            ("fn chain() { if a && let Some(b) = c {} }", &["let-chain"]),
            (
                "fn chain() { while let Some(b) = c && a {} }",
                &["let-chain"],
            ),
            ("fn single() { if let Some(b) = c && a {} }", &["let-chain"]),
            ("fn single() { if let Some(b) = c {} }", &[]),
        ];
        for (text, rules) in cases {
            let mut findings = Findings::default();
            check("a.rs", &syn::parse_file(text).unwrap(), &mut findings);
            assert_eq!(findings.rules(), rules, "{text}");
        }
    }
}
