//! Tables and progress on the terminal.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Progress;
pub(super) use crate::units::rounded;
use crate::{fit, sweep};

/// A table without vertical rules: columns by name, numbers to the right.
pub(super) fn table(header: &[&str], numeric: &[bool]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(
        header
            .iter()
            .zip(numeric)
            .map(|(name, &n)| aligned(name, n)),
    );
    table
}

/// A cell, to the right if it holds a number.
pub(super) fn aligned(text: impl ToString, numeric: bool) -> Cell {
    let side = if numeric {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    };
    Cell::new(text).set_alignment(side)
}

/// Five significant digits: enough to see by how much a number misses.
pub(super) fn significant(x: f64) -> String {
    let size = x.abs();
    if size == 0.0 || !(1e-4..1e6).contains(&size) {
        return number(x);
    }
    let digits = (4 - size.log10().floor() as i32).clamp(0, 9) as usize;
    format!("{x:.digits$}")
}

/// Three significant digits, without exponent where people do not use one.
pub(super) fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        "–".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{x:.2e}")
    } else {
        let digits = (2 - size.log10().floor() as i32).clamp(0, 8) as usize;
        format!("{x:.digits$}")
    }
}

/// Prints to standard output; a closed pipe is an error that `main` forgives.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A word for a shell, in quotes where it needs them.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/=:+,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// For people.
    Text,
    /// One JSON document on standard output.
    Json,
}

impl Answer {
    pub(super) fn is_json(self) -> bool {
        self == Answer::Json
    }

    /// Says on standard error why a command ended early.
    pub(super) fn complain(self, why: &str) {
        let said = match self {
            Answer::Text => why.to_owned(),
            Answer::Json => format!("{:#}", serde_json::json!({ "error": why })),
        };
        // Whoever closed standard error does not want to hear of it.
        let _ = writeln!(io::stderr(), "{said}");
    }

    /// Prints the one or the other.
    pub(super) fn print(
        self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> serde_json::Value,
    ) -> io::Result<()> {
        match self {
            Answer::Text => print(&text()),
            // Alternate form: over several lines.
            Answer::Json => print(&format!("{:#}", json())),
        }
    }
}

/// A bar on the terminal, nothing when nobody watches.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(quiet: bool, label: &str) -> Self {
        let bar = Self::drawn(
            quiet,
            "{msg} [{bar:40}] {percent}% · {elapsed} · left {eta}",
        );
        bar.0.set_message(label.to_owned());
        bar
    }

    /// A bar that counts conditions of a sweep.
    pub(super) fn of_conditions(quiet: bool) -> Self {
        Self::drawn(
            quiet,
            "[{bar:40}] {pos} of {len} conditions · {per_sec} · left {eta}{msg}",
        )
    }

    /// A bar that counts evaluations of a fit.
    pub(super) fn of_evaluations(quiet: bool) -> Self {
        Self::drawn(
            quiet,
            "[{bar:40}] {pos} of at most {len} evaluations · {per_sec} · left {eta}{msg}",
        )
    }

    fn drawn(quiet: bool, template: &str) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar(bar)
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl sweep::Progress for Bar {
    fn conditions(&self, done: usize, failed: usize, total: usize) {
        let (done, total) = (done as u64, total as u64);
        if self.0.length() != Some(total) {
            // What was finished before says nothing of how long the rest takes.
            self.0.set_length(total);
            self.0.set_position(done);
            self.0.reset_eta();
        }
        self.0.set_position(done);
        if failed > 0 {
            self.0.set_message(format!(" · {failed} failed"));
        }
    }
}

impl fit::Progress for Bar {
    fn evaluations(&self, done: u64, failed: u64, total: u64, best: f64) {
        if self.0.length() != Some(total) {
            // What was finished before says nothing of how long the rest takes.
            self.0.set_length(total);
            self.0.set_position(done);
            self.0.reset_eta();
        }
        self.0.set_position(done);
        let mut message = format!(" · loss {}", number(best));
        if failed > 0 {
            message += &format!(" · {failed} failed");
        }
        self.0.set_message(message);
    }
}

impl Progress for Bar {
    fn samples(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

#[cfg(test)]
mod tests {
    use super::{number, quoted};

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("circuit.tau_E=20"), "circuit.tau_E=20");
        assert_eq!(quoted("a.tau_E=20 ms"), "'a.tau_E=20 ms'");
        assert_eq!(quoted("title=it's"), r"'title=it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn numbers_have_three_digits() {
        let shown: Vec<String> = [100.0, 19.333, 0.0251842, 0.0000052, 1234.5, 0.0, f64::NAN]
            .map(number)
            .into();
        assert_eq!(
            shown,
            ["100", "19.3", "0.0252", "5.20e-6", "1234", "0", "–"]
        );
    }
}
