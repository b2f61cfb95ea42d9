//! The rules of the paper, as the documentation words them: for pages and stories that show a key.
//!
//! The table is docs/rules.toml, taken in when this crate is compiled; nothing is read when it runs.

use serde::Serialize;

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Rule<'a> {
    /// Its key, such as `F2.AE.3`.
    #[serde(skip)]
    pub(crate) key: &'a str,
    /// Where the paper has it.
    pub(crate) section: String,
    /// What it says, in our words.
    pub(crate) says: &'a str,
}

/// All rules.
pub(crate) fn rules() -> impl Iterator<Item = Rule<'static>> {
    include_str!("../../docs/rules.toml")
        .split("[[")
        .filter_map(|table| {
            let table = table.strip_prefix("rule]]")?;
            let key = value(table, "key")?;
            let says = value(table, "says")?;
            let section = section(key);
            Some(Rule { key, section, says })
        })
}

/// Where the paper has the rule of this key, in words.
pub(crate) fn section(key: &str) -> String {
    let (head, number) = key.rsplit_once('.').unwrap_or((key, ""));
    let figure = |figure: &str, part: &str| format!("Raft paper, Figure {figure}, {part}");
    let boxes = [
        ("STATE", "State"),
        ("RV", "RequestVote"),
        ("AE", "AppendEntries"),
        ("ALL", "All Servers"),
        ("FOL", "Followers"),
        ("CAN", "Candidates"),
        ("LEAD", "Leaders"),
    ];
    let properties = [
        ("ES", "Election Safety"),
        ("LAO", "Leader Append-Only"),
        ("LM", "Log Matching"),
        ("LC", "Leader Completeness"),
        ("SMS", "State Machine Safety"),
    ];
    let named = |part: &str| boxes.iter().find(|(known, _)| *known == part);
    if let Some((_, name)) = head.strip_prefix("F2.").and_then(named) {
        return format!("{} {number}", figure("2", name));
    }
    let property = |name: &str| properties.iter().find(|(known, _)| *known == name);
    if let Some((_, name)) = key.strip_prefix("F3.").and_then(property) {
        return figure("3", name);
    }
    let (document, place) = key.split_at(key.len().min(1));
    let place = place.rsplit_once('.').map_or(place, |(place, _)| place);
    match document {
        "S" => format!("Raft paper, section {place}, sentence {number}"),
        "T" => format!("Raft thesis, section {place}, sentence {number}"),
        "F" => format!("Raft paper, Figure {place}, line {number}"),
        _ => key.to_owned(),
    }
}

/// The value of a key in one table, which stands on one line, in quotes.
fn value<'a>(table: &'a str, key: &str) -> Option<&'a str> {
    table.lines().find_map(|line| {
        let text = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        text.trim().strip_prefix('"')?.strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_table_is_found() {
        let written = include_str!("../../docs/rules.toml")
            .lines()
            .filter(|line| *line == "[[rule]]")
            .count();
        assert_eq!(rules().count(), written);
        assert!(written > 50);
    }

    #[test]
    fn keys_say_where_the_paper_has_them() {
        let places = [
            ("F2.AE.3", "Raft paper, Figure 2, AppendEntries 3"),
            ("F3.LM", "Raft paper, Figure 3, Log Matching"),
            ("F4.1", "Raft paper, Figure 4, line 1"),
            ("S5.4.2.5", "Raft paper, section 5.4.2, sentence 5"),
            ("T9.6.8a", "Raft thesis, section 9.6, sentence 8a"),
        ];
        for (key, place) in places {
            assert_eq!(section(key), place);
        }
        for rule in rules() {
            assert!(rule.section.starts_with("Raft "), "{}", rule.section);
        }
    }
}
