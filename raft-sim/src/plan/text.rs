//! A plan as text, and back: one line for each node, client, operation and fault, so that a plan
//! can be read, edited and kept beside the bug it shows.
//!
//! The text is RON. A flaw is told with its line and column: either where the text can't be read,
//! or where the item begins of which [`Plan::validate`] says that no world can have it.

use std::fmt;

use ron::error::SpannedError;
use ron::ser::PrettyConfig;

use super::Plan;
use super::check::{Flaw, Spot};

impl Plan {
    /// The plan as text that [`Plan::parse`] takes.
    pub fn to_text(&self) -> String {
        let layout = PrettyConfig::new()
            .depth_limit(2)
            .indentor("  ")
            .new_line("\n")
            .struct_names(false);
        // Numbers, names and lists always have a form in RON.
        let text = ron::ser::to_string_pretty(self, layout).unwrap_or_default();
        format!("{HEADER}{text}\n")
    }

    /// Reads a plan from text, as [`Plan::to_text`] writes it or as somebody has edited it.
    ///
    /// # Errors
    ///
    /// The text is no plan, or one that no world can have; with the place in the text.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        if text.len() > MOST_TEXT {
            let bytes = text.len();
            return Err(PlanError::of(Flaw::TooLong {
                bytes,
                most: MOST_TEXT,
            }));
        }
        let plan: Self = ron::from_str(text).map_err(unreadable)?;
        plan.validate().map_err(|mut error| {
            error.place = error.spot.and_then(|spot| place_of(text, spot));
            error
        })?;
        Ok(plan)
    }
}

fn unreadable(error: SpannedError) -> PlanError {
    let place = Place {
        line: error.span.start.line,
        column: error.span.start.col,
    };
    PlanError {
        place: Some(place),
        spot: None,
        flaw: Box::new(Flaw::Unreadable(error.code)),
    }
}

/// Why a plan can't be used, and where that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanError {
    /// Where in the text, if the plan was read from text.
    pub place: Option<Place>,
    /// Which item of the plan it is about, if it is about one.
    pub(super) spot: Option<Spot>,
    /// What is wrong, and what to do.
    pub flaw: Box<Flaw>,
}

impl PlanError {
    /// A flaw of the plan as a whole.
    pub(super) fn of(flaw: Flaw) -> Self {
        Self {
            place: None,
            spot: None,
            flaw: Box::new(flaw),
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(spot) = self.spot {
            write!(f, "{spot}: ")?;
        }
        write!(f, "{}", self.flaw)
    }
}

impl std::error::Error for PlanError {}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The letter in the line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Where an item of a plan begins in a text that was read without complaint.
fn place_of(text: &str, spot: Spot) -> Option<Place> {
    let mut scan = Scan {
        rest: text,
        place: Place { line: 1, column: 1 },
    };
    scan.pass("(", 0)?;
    // The name of a field stands before the field's own brackets, one deep in the plan's.
    scan.pass(spot.field, 0)?;
    let Some(item) = spot.item else {
        return Some(scan.place);
    };
    scan.pass("[", 0)?;
    for _ in 0..item {
        scan.pass(",", 0)?;
    }
    scan.skip_blank();
    Some(scan.place)
}

/// Walks through RON that is known to be well formed, past comments, strings and brackets.
struct Scan<'a> {
    rest: &'a str,
    place: Place,
}

impl Scan<'_> {
    /// Goes on until behind the next `word` that is `depth` brackets deeper than here.
    fn pass(&mut self, word: &str, depth: i32) -> Option<()> {
        let mut deep = 0;
        loop {
            self.skip_blank();
            if deep == depth && self.rest.starts_with(word) {
                self.take(word.chars().count());
                return Some(());
            }
            match self.rest.chars().next()? {
                '"' => self.skip_string(),
                '(' | '[' | '{' => {
                    deep += 1;
                    self.take(1);
                }
                ')' | ']' | '}' => {
                    deep -= 1;
                    self.take(1);
                }
                letter if is_name(letter) => {
                    let length = self.rest.chars().take_while(|&one| is_name(one)).count();
                    self.take(length);
                }
                _ => self.take(1),
            }
        }
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.chars().take_while(|one| one.is_whitespace());
            let blank = blank.count();
            let comment = match self.rest.get(blank..) {
                _ if blank > 0 => blank,
                Some(rest) if rest.starts_with("//") => {
                    rest.chars().take_while(|&one| one != '\n').count()
                }
                Some(rest) if rest.starts_with("/*") => rest
                    .find("*/")
                    .and_then(|end| rest.get(..end + 2))
                    .map_or(usize::MAX, |comment| comment.chars().count()),
                Some(_) | None => return,
            };
            self.take(comment);
        }
    }

    fn skip_string(&mut self) {
        self.take(1);
        let mut escaped = false;
        let length = self.rest.chars().take_while(|&letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            !ends
        });
        let length = length.count();
        self.take(length + 1);
    }

    fn take(&mut self, letters: usize) {
        let mut rest = self.rest.chars();
        for letter in rest.by_ref().take(letters) {
            match letter {
                '\n' => {
                    self.place.line += 1;
                    self.place.column = 1;
                }
                _ => self.place.column += 1,
            }
        }
        self.rest = rest.as_str();
    }
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What a plan's text begins with.
const HEADER: &str = "\
// A world of raft-sim. `raft-sim replay --plan FILE` tells what happens in it.
// Lines of nodes, clients, operations, faults, fates and rare may be changed, added and taken out.
";

/// The longest text that is read: more than any plan that is drawn for a quarter of a day.
const MOST_TEXT: usize = 128 << 20;

#[cfg(test)]
mod tests;
