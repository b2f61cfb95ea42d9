//! What comes out: a table for people, or one object a line for programs.

use serde_json::json;

/// Figures, and what to know when reading them.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) bench: &'static str,
    pub(crate) notes: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

/// One measured value.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) case: String,
    pub(crate) system: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

impl Report {
    pub(crate) fn print(&self, json: bool) {
        if json {
            self.print_lines();
        } else {
            self.print_table();
        }
    }

    fn print_lines(&self) {
        for figure in &self.figures {
            let line = json!({
                "bench": self.bench,
                "case": figure.case,
                "system": figure.system,
                "value": figure.value,
                "unit": figure.unit,
            });
            println!("{line}");
        }
    }

    fn print_table(&self) {
        for note in &self.notes {
            println!("{note}");
        }
        let width = |text: fn(&Figure) -> usize| self.figures.iter().map(text).max().unwrap_or(0);
        let case = width(|figure| figure.case.len());
        let system = width(|figure| figure.system.len());
        let mut previous = "";
        for figure in &self.figures {
            if figure.case != previous {
                println!();
            }
            previous = &figure.case;
            println!(
                "{:case$}  {:system$}  {:>10.3}  {}",
                figure.case, figure.system, figure.value, figure.unit
            );
        }
    }
}
