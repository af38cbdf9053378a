//! A guard against slow code that needs no quiet machine: instructions per step, counted by
//! callgrind.
//!
//! Each workload of `benches/workloads.rs` is run twice with different numbers of steps. The
//! difference of the two counts, divided by that of the steps, is free of everything that happens
//! before the first step. Counts are held against `benches/instructions.csv`.
//!
//! Instructions are not time: a change may trade many of them for few that wait for memory. So a
//! count that grows is a reason to measure (`cargo xtask bench`), and `--write` accepts it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bench::{self, Line};
use crate::hdf5::Setup;
use crate::shell::{self, Workspace};

/// The table, below the root of the workspace.
const TABLE: &str = "benches/instructions.csv";
const HEADER: &str = "workload,isa,rustc,instructions_per_step";
/// By how much a count may grow, as a fraction of the table's.
const TOLERANCE: f64 = 0.05;

/// A workload, small enough to be simulated instruction by instruction.
struct Workload {
    name: &'static str,
    args: &'static [&'static str],
    /// Steps of the two runs. The pulse of W1 and W3 ends at step 1750.
    steps: [u64; 2],
}

const WORKLOADS: [Workload; 6] = [
    Workload {
        name: "w1 quiet",
        args: &["w1", "--no-noise"],
        steps: [1_800, 9_800],
    },
    Workload {
        name: "w1 noise",
        args: &["w1", "--noise"],
        steps: [1_800, 9_800],
    },
    Workload {
        name: "w2 noise",
        args: &["w2", "--noise"],
        steps: [200, 1_200],
    },
    Workload {
        name: "w3 noise, 16 runs",
        args: &["w3", "--noise", "--runs", "16"],
        steps: [1_800, 2_800],
    },
    Workload {
        name: "w4 noise, 1000 areas",
        args: &["w4", "--noise", "--areas", "1000"],
        steps: [20, 120],
    },
    Workload {
        name: "w5 noise, 16 runs",
        args: &["w5", "--noise", "--runs", "16"],
        steps: [100, 600],
    },
];

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
struct Count {
    workload: String,
    /// Instruction set that the program chose.
    isa: String,
    /// Version of the compiler.
    rustc: String,
    per_step: f64,
}

/// Counts, prints and compares; with `--write` renews the table instead. `Some` is the reason why
/// nothing was compared.
pub fn instructions(
    ws: &Workspace,
    setup: &Setup,
    args: &[String],
) -> Result<Option<String>, String> {
    let write = match args {
        [] => false,
        [only] if only == "--write" => true,
        [other, ..] => {
            return Err(format!(
                "instructions: found `{other}`, expected --write or nothing"
            ));
        }
    };
    if !shell::on_path("valgrind") {
        return Ok(Some("no valgrind on PATH".to_owned()));
    }
    let program = bench::build_workloads(ws, setup)?;
    // Counts do not depend on what else the machine does.
    let of = |workload: &Workload| count(ws, setup, &program, workload);
    let counts = shell::in_pairs(&WORKLOADS, of)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let path = ws.root.join(TABLE);
    if write {
        let text = to_csv(&counts);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{}\nwritten: {TABLE}", table(&counts, &counts));
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let expected = from_csv(&text)?;
    println!("{}", table(&counts, &expected));
    if let Some(why) = other_isa(&counts, &expected) {
        return Ok(Some(why));
    }
    grown(&counts, &expected).map(|()| None)
}

fn count(
    ws: &Workspace,
    setup: &Setup,
    program: &Path,
    workload: &Workload,
) -> Result<Count, String> {
    let mut isa = String::new();
    let mut totals = [0.0; 2];
    for (total, steps) in totals.iter_mut().zip(workload.steps) {
        let (collected, line) = run(ws, setup, program, workload, steps)?;
        *total = collected;
        isa = line.text("isa");
        let found = line.number("steps");
        if found != steps as f64 {
            return Err(format!(
                "{}: found {found} steps, expected {steps}",
                workload.name
            ));
        }
    }
    // The program simulates once for its checks and once for its time.
    let steps = 2 * (workload.steps[1] - workload.steps[0]);
    Ok(Count {
        workload: workload.name.to_owned(),
        isa,
        rustc: rustc_version(),
        per_step: (totals[1] - totals[0]) / steps as f64,
    })
}

/// Instructions of a whole run, and the line that the program printed.
fn run(
    ws: &Workspace,
    setup: &Setup,
    program: &Path,
    workload: &Workload,
    steps: u64,
) -> Result<(f64, Line), String> {
    let name = workload.name.replace([' ', ','], "_");
    let out: PathBuf = ws.target.join(format!("callgrind.{name}.out"));
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(workload.args)
        .args(["--threads", "1", "--repeats", "1", "--steps"])
        .arg(steps.to_string())
        .current_dir(&ws.root)
        .stdin(Stdio::null());
    bench::let_it_find_hdf5(setup.library_path(), &mut command);
    let said = command
        .output()
        .map_err(|error| format!("valgrind did not start: {error}"))?;
    let _ = std::fs::remove_file(&out);
    let (printed, remarks) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    let line = printed.lines().find_map(Line::parse);
    match (said.status.success(), line, collected(&remarks)) {
        (true, Some(line), Some(total)) => Ok((total, line)),
        _ => Err(format!(
            "`{}` ended with {} and without a count:\n{}",
            shell::describe(&command),
            said.status,
            remarks.trim()
        )),
    }
}

/// The total that callgrind prints: `==123== Collected : 456`.
fn collected(remarks: &str) -> Option<f64> {
    let mut totals = remarks
        .lines()
        .filter_map(|l| l.split_once("Collected : "))
        .map(|(_, total)| total.trim());
    totals.next_back()?.parse().ok()
}

/// The compiler's version, such as `1.89.0`; empty where it does not say.
fn rustc_version() -> String {
    let said = shell::output("rustc", &["--version"]).unwrap_or_default();
    said.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn to_csv(counts: &[Count]) -> String {
    let mut out = format!("{HEADER}\n");
    for c in counts {
        // A comma belongs to some names.
        let _ = writeln!(
            out,
            "\"{}\",{},{},{:.0}",
            c.workload, c.isa, c.rustc, c.per_step
        );
    }
    out
}

fn from_csv(text: &str) -> Result<Vec<Count>, String> {
    let mut lines = (1..).zip(text.lines());
    match lines.next() {
        Some((_, HEADER)) => {}
        found => {
            let found = found.map_or("nothing", |(_, line)| line);
            return Err(format!("{TABLE}:1: found `{found}`, expected `{HEADER}`"));
        }
    }
    let read = |line: &str| -> Option<Count> {
        let (workload, rest) = line.strip_prefix('"')?.split_once("\",")?;
        let mut fields = rest.split(',');
        let out = Count {
            workload: workload.to_owned(),
            isa: fields.next()?.to_owned(),
            rustc: fields.next()?.to_owned(),
            per_step: fields.next()?.parse().ok().filter(|x| *x > 0.0)?,
        };
        fields.next().is_none().then_some(out)
    };
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            read(line)
                .ok_or_else(|| format!("{TABLE}:{number}: found `{line}`, expected `{HEADER}`"))
        })
        .collect()
}

fn of<'a>(workload: &str, counts: &'a [Count]) -> Option<&'a Count> {
    counts.iter().find(|c| c.workload == workload)
}

/// Counts as a table, with what is expected and by how much they differ.
fn table(counts: &[Count], expected: &[Count]) -> String {
    let mut out = format!(
        "{:<22} {:<8} {:>14} {:>14} {:>8}\n",
        "workload", "isa", "instr. / step", "expected", "change"
    );
    for c in counts {
        let old = of(&c.workload, expected);
        let (old, change) = match old {
            Some(old) => (
                format!("{:.0}", old.per_step),
                format!("{:+.1} %", 100.0 * (c.per_step / old.per_step - 1.0)),
            ),
            None => ("none".to_owned(), String::new()),
        };
        let _ = writeln!(
            out,
            "{:<22} {:<8} {:>14.0} {old:>14} {change:>8}",
            c.workload, c.isa, c.per_step
        );
    }
    out.trim_end().to_owned()
}

/// Why the counts are of another program than the table's: another instruction set.
fn other_isa(counts: &[Count], expected: &[Count]) -> Option<String> {
    counts.iter().find_map(|c| {
        let old = of(&c.workload, expected).filter(|old| old.isa != c.isa)?;
        Some(format!(
            "{}: valgrind runs the code for {} here, the table holds that for {}",
            c.workload, c.isa, old.isa
        ))
    })
}

/// Fails with every count that grew by more than the tolerance, or that the table lacks.
fn grown(counts: &[Count], expected: &[Count]) -> Result<(), String> {
    let mut faults = Vec::new();
    for c in counts {
        let Some(old) = of(&c.workload, expected) else {
            faults.push(format!("{}: found no line in {TABLE}", c.workload));
            continue;
        };
        let most = old.per_step * (1.0 + TOLERANCE);
        // Not a number is no pass.
        if !matches!(
            c.per_step.partial_cmp(&most),
            Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
        ) {
            let compiler = match old.rustc == c.rustc {
                true => String::new(),
                false => format!(" (table: rustc {}, here: {})", old.rustc, c.rustc),
            };
            faults.push(format!(
                "{}: found {:.0} instructions a step, expected at most {most:.0}{compiler}",
                c.workload, c.per_step
            ));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nif that is the price of something, `cargo xtask instructions --write` accepts it",
        faults.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(per_step: [f64; 2]) -> Vec<Count> {
        let names = ["w1 quiet", "w3 noise, 16 runs"];
        let count = |(name, per_step): (&str, f64)| Count {
            workload: name.to_owned(),
            isa: "Avx2".to_owned(),
            rustc: "1.89.0".to_owned(),
            per_step,
        };
        names.into_iter().zip(per_step).map(count).collect()
    }

    #[test]
    fn the_table_is_read_as_it_is_written() {
        let some = counts([1000.0, 2000.0]);
        assert_eq!(from_csv(&to_csv(&some)).unwrap(), some);
        for (text, words) in [
            ("", "csv:1: found `nothing`"),
            ("workload,count\n", "csv:1: found `workload,count`"),
            (&format!("{HEADER}\n\"w1\",Avx2,1.89.0,many\n"), "csv:2: "),
            (&format!("{HEADER}\n\"w1\",Avx2,1.89.0,-3\n"), "csv:2: "),
            (&format!("{HEADER}\n\"w1\",Avx2,1.89.0,3,4\n"), "csv:2: "),
            (&format!("{HEADER}\nw1,Avx2,1.89.0,3\n"), "csv:2: "),
        ] {
            let message = from_csv(text).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn the_table_of_the_repository_holds_every_workload() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = std::fs::read_to_string(root.join(TABLE)).unwrap();
        let names: Vec<String> = from_csv(&text)
            .unwrap()
            .into_iter()
            .map(|c| c.workload)
            .collect();
        assert_eq!(names, WORKLOADS.map(|w| w.name));
    }

    #[test]
    fn a_count_may_grow_by_the_tolerance_and_no_more() {
        let old = counts([1000.0, 2000.0]);
        for fine in [[1000.0, 2000.0], [1050.0, 2100.0], [1.0, 2.0]] {
            assert_eq!(grown(&counts(fine), &old), Ok(()));
        }
        let message = grown(&counts([1051.0, 2000.0]), &old).unwrap_err();
        assert!(
            message
                .starts_with("w1 quiet: found 1051 instructions a step, expected at most 1050\n"),
            "{message}"
        );
        assert!(!message.contains("w3"), "{message}");
        assert!(grown(&counts([f64::NAN, 2000.0]), &old).is_err());
        assert!(
            grown(&old, &old[..1])
                .unwrap_err()
                .contains("w3 noise, 16 runs: found no line")
        );
        let mut newer = counts([2000.0, 2000.0]);
        newer[0].rustc = "2.0.0".to_owned();
        let message = grown(&newer, &old).unwrap_err();
        assert!(
            message.contains("(table: rustc 1.89.0, here: 2.0.0)"),
            "{message}"
        );
    }

    #[test]
    fn another_instruction_set_is_not_compared() {
        let old = counts([1000.0, 2000.0]);
        assert_eq!(other_isa(&old, &old), None);
        let mut other = old.clone();
        other[1].isa = "Base".to_owned();
        let why = other_isa(&other, &old).unwrap();
        assert!(
            why.contains("code for Base here, the table holds that for Avx2"),
            "{why}"
        );
    }

    #[test]
    fn the_total_is_found_among_remarks() {
        let remarks = "==7== Callgrind\n==7== Events    : Ir\n==7== Collected : 123456\n==7==\n";
        assert_eq!(collected(remarks), Some(123_456.0));
        assert_eq!(collected("==7== nothing\n"), None);
    }
}
