//! `raft-sim script`: one story with checked-in output.

use std::fs;
use std::io::{self, Write as _};

use crate::arguments::Script;
use crate::open::play;

/// Plays a script, or exports it; answers whether it ends as checked in, and violates nothing.
pub(crate) fn script(arguments: &Script) -> Result<bool, io::Error> {
    let Some(path) = &arguments.file else {
        io::stdout().lock().write_all(table().as_bytes())?;
        return Ok(true);
    };
    if arguments.export.is_wanted() {
        let recording = play(path, arguments.export.last())?;
        arguments.export.put(&recording)?;
        return Ok(recording.violation.is_none());
    }
    let file = path.display();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{file}: {error}"));
    let before = fs::read_to_string(path).map_err(named)?;
    let played = raft_sim::script::run(&before)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{file}: {error}")))?;
    if let Some(violation) = &played.violation {
        eprintln!("raft-sim: {file}: {violation}");
    }
    let (after, sound) = (played.text, played.violation.is_none());
    if arguments.update {
        fs::write(path, &after).map_err(named)?;
        return Ok(sound);
    }
    io::stdout().lock().write_all(after.as_bytes())?;
    let Some(line) = first_difference(&before, &after) else {
        return Ok(sound);
    };
    eprintln!("raft-sim: {file} ends otherwise than checked in, from line {line} on:");
    for (sign, text) in [("-", &before), ("+", &after)] {
        for line in text.lines().skip(line - 1).take(SHOWN) {
            eprintln!("{sign}{line}");
        }
    }
    Ok(false)
}

/// All commands, as the table that docs/scripts.md holds.
fn table() -> String {
    raft_sim::script::command::table()
}

/// The number of the first line that differs, counted from 1.
fn first_difference(before: &str, after: &str) -> Option<usize> {
    let longer = before.lines().count().max(after.lines().count());
    let (mut before, mut after) = (before.lines(), after.lines());
    (1..=longer).find(|_| before.next() != after.next())
}

/// How many lines of a difference are shown.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn finds_the_first_line_that_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }
}
