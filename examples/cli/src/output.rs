//! What is printed: text, tables and colours for people, one JSON document for programs, progress for those who wait.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::args::{ColorChoice, Global};

/// Where output goes, and how it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    /// For standard output.
    pub(crate) paint: Paint,
    /// For standard error.
    pub(crate) paint_errors: Paint,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let paint = |terminal: bool| match global.color {
            ColorChoice::Always => Paint(true),
            ColorChoice::Never => Paint(false),
            ColorChoice::Auto => Paint(terminal && allowed),
        };
        Self {
            json: global.json,
            paint: paint(io::stdout().is_terminal()),
            paint_errors: paint(io::stderr().is_terminal()),
        }
    }

    /// Prints the one or the other.
    pub(crate) fn show(self, json: impl FnOnce() -> Value, text: impl FnOnce(Paint) -> String) {
        if self.json {
            print(&pretty(&json()));
        } else {
            print(&text(self.paint));
        }
    }
}

/// A spinner on standard error, if that is a terminal. It goes away when it is dropped.
pub(crate) fn progress(what: impl Into<String>) -> Progress {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.into());
    bar.enable_steady_tick(Duration::from_millis(100));
    Progress(bar)
}

/// See [`progress`].
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}

/// Prints to standard output. A reader that has gone away has seen enough.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints to standard error.
pub(crate) fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self(false)
    }

    pub(crate) const fn colours(self) -> bool {
        self.0
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(crate) fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// A table without lines; `state` is the column whose words have colours.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Vec<String>>, state: Option<usize>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.to_vec());
        if self.0 {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        for row in rows {
            table.add_row(row.into_iter().enumerate().map(|(i, text)| {
                let color = if Some(i) == state { state_color(&text) } else { None };
                let cell = Cell::new(text);
                match color {
                    Some(color) => cell.fg(color),
                    None => cell,
                }
            }));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        format!("{}\n", table.trim_fmt())
    }
}

fn state_color(text: &str) -> Option<Color> {
    match text.split([' ', ',']).next()? {
        "granted" | "ok" => Some(Color::Green),
        "failed" | "refused" => Some(Color::Red),
        "skipped" => None,
        _ => Some(Color::Yellow),
    }
}

/// A time that something took.
pub(crate) fn took(time: Duration) -> String {
    if time < Duration::from_secs(10) { format!("{} ms", time.as_millis()) } else { format!("{} s", time.as_secs()) }
}

/// How long ago something was.
pub(crate) fn ago(seconds: i64) -> String {
    match seconds {
        ..0 => "just now".to_owned(),
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// "1 table", "2 tables".
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_table_has_aligned_columns_and_no_escapes() {
        let rows = vec![vec!["env-finance".into(), "granted".into()], vec!["e".into(), "revoking".into()]];
        let text = Paint(false).table(&["ENVIRONMENT", "STATE"], rows.clone(), Some(1));
        assert_eq!(text, "ENVIRONMENT  STATE\nenv-finance  granted\ne            revoking\n");
        assert!(Paint(true).table(&["ENVIRONMENT", "STATE"], rows, Some(1)).contains('\x1b'));
    }

    #[test]
    fn ages() {
        assert_eq!(
            [-1, 5, 300, 10_800, 400_000].map(ago),
            ["just now", "5 s ago", "5 min ago", "3 h ago", "4 days ago"]
        );
    }
}
