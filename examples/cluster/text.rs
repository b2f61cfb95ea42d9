//! The lines to submit: of a file, or of this repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::expected::Expected;

/// The commands' source.
pub(crate) struct Text {
    /// Where it came from, for the report.
    pub(crate) source: String,
    /// Its lines, without their ends. Any bytes, of any length.
    pub(crate) lines: Vec<Bytes>,
    /// What a node must hold that applied each of them once.
    pub(crate) expected: String,
}

/// Reads a file, or gathers the repository's own Rust and Markdown sources in order of their
/// paths, from the beginning again until there are 10,000 lines.
pub(crate) fn load(file: Option<&Path>) -> io::Result<Text> {
    let mut expected = Expected::new();
    if let Some(file) = file {
        let bytes = fs::read(file)?;
        expected.add_file(&bytes);
        return Ok(Text {
            source: file.display().to_string(),
            lines: split(&bytes.into()),
            expected: expected.digest(),
        });
    }
    let files = read_sources(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    let once: Vec<Bytes> = files.iter().flat_map(split).collect();
    if once.is_empty() {
        return Err(io::Error::other("no sources found; name a file"));
    }
    let repeats = MIN_LINES.div_ceil(once.len()).max(1);
    for bytes in std::iter::repeat_n(&files, repeats).flatten() {
        expected.add_file(bytes);
    }
    let count = files.len();
    let source = match repeats {
        1 => format!("the repository's own sources, {count} files"),
        _ => format!("the repository's own sources, {count} files, {repeats} times over"),
    };
    Ok(Text {
        source,
        lines: std::iter::repeat_n(once, repeats).flatten().collect(),
        expected: expected.digest(),
    })
}

fn read_sources(root: &Path) -> io::Result<Vec<Bytes>> {
    let mut paths = Vec::new();
    gather(root, &mut paths)?;
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).map(Bytes::from))
        .collect()
}

fn gather(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".md") {
                paths.push(path);
            }
        }
    }
    Ok(())
}

/// The lines between newlines. A newline at the end ends the last line and begins none.
fn split(text: &Bytes) -> Vec<Bytes> {
    let mut lines: Vec<Bytes> = text
        .split(|byte| *byte == b'\n')
        .map(|line| text.slice_ref(line))
        .collect();
    if lines.last().is_some_and(Bytes::is_empty) {
        lines.pop();
    }
    lines
}

const MIN_LINES: usize = 10_000;
