//! What is wrong with a directory file, all of it, with its lines.

use std::ops::Range;
use std::path::Path;

use dzconn_core::{Changed, Error, ErrorKind, Step};

/// Collects mistakes, so that they can be named all at once.
#[derive(Debug)]
pub(crate) struct Mistakes<'a> {
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl<'a> Mistakes<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// The line, counted from 1, in which a span begins.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }

    pub(crate) fn add(&mut self, span: &Range<usize>, what: impl Into<String>) {
        let line = self.line(span);
        self.found.push((line, what.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them as one error.
    pub(crate) fn into_error(mut self, file: &Path) -> Error {
        self.found.sort();
        self.found.dedup();
        let lines: Vec<_> = self.found.iter().map(|(line, what)| format!("line {line}: {what}")).collect();
        let file = file.display();
        Error::new(ErrorKind::InvalidConfig, lines.join("\n"))
            .at(Step::Input)
            .advise(format!("mend {file}; `dzconn check --offline` reads it without touching any database"))
            .changed(Changed::Nothing)
    }
}
