//! The benchmark: isocortex beside other programs, on the same machine and in the same minutes.
//!
//! Every number comes from a program that prints one JSON object a line: `benches/workloads.rs`, the
//! scripts and the C kernel in `benches/peers`. A comparison is measured in one go: isocortex first,
//! then each peer, then isocortex again, so that a machine that changes its mind shows as spread.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::hdf5::{self, Setup};
use crate::shell::{self, Workspace};

mod document;
mod json;

pub use json::Line;

/// Largest relative difference between equal models in double precision.
const SAME: f64 = 1e-9;

/// A program that runs some of the workloads too.
struct Peer {
    name: &'static str,
    /// The script in `benches/peers`; none for the C kernel.
    script: Option<&'static str>,
    /// The environment it needs.
    environment: &'static str,
    workloads: &'static [&'static str],
    /// Whether it takes more than one thread.
    threads: bool,
    /// Whether its numbers have to be those of isocortex.
    same: bool,
}

const fn peer(
    name: &'static str,
    script: &'static str,
    environment: &'static str,
    workloads: &'static [&'static str],
) -> Peer {
    Peer {
        name,
        script: Some(script),
        environment,
        workloads,
        threads: true,
        same: false,
    }
}

const PEERS: [Peer; 10] = [
    Peer {
        name: "handwritten",
        script: None,
        environment: "base",
        workloads: &["w1", "w2", "w3", "w4"],
        threads: true,
        same: true,
    },
    Peer {
        same: true,
        ..peer("numpy", "numpy_loop.py", "base", &["w1", "w2", "w3"])
    },
    Peer {
        same: true,
        ..peer("numba", "numba_loop.py", "base", &["w1", "w2", "w3", "w4"])
    },
    Peer {
        threads: false,
        ..peer("scipy", "scipy_csr.py", "base", &["w4"])
    },
    peer("brian2", "brian2_standalone.py", "brian2", &["w1", "w4"]),
    peer("neurolib", "neurolib_wc.py", "neurolib", &["w1", "w2"]),
    peer("cubnm", "cubnm_cpu.py", "cubnm", &["w1", "w2", "w3"]),
    peer("vbjax", "vbjax_heun.py", "vbjax", &["w1", "w2", "w3"]),
    peer(
        "tvboptim",
        "tvboptim_wc.py",
        "tvboptim",
        &["w1", "w2", "w3", "w4"],
    ),
    peer("tvb", "tvb_wc.py", "tvb", &["w1", "w2"]),
];

/// What was asked for.
struct Options {
    peers: Vec<&'static Peer>,
    quick: bool,
    write: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut out = Self {
            peers: PEERS.iter().collect(),
            quick: false,
            write: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => out.quick = true,
                "--write" => out.write = true,
                "--peers" => {
                    let names = args
                        .next()
                        .ok_or("--peers: found nothing, expected names")?;
                    out.peers = chosen(names)?;
                }
                other => {
                    return Err(format!(
                        "bench: found `{other}`, expected --peers all|none|NAME,NAME, --quick or \
                         --write"
                    ));
                }
            }
        }
        Ok(out)
    }

    /// What is told to every peer.
    fn effort(&self) -> [&'static str; 4] {
        match self.quick {
            true => ["--repeats", "3", "--budget", "2"],
            false => ["--repeats", "5", "--budget", "30"],
        }
    }

    /// After so long a peer is stopped.
    fn patience(&self) -> Duration {
        Duration::from_secs(if self.quick { 75 } else { 600 })
    }
}

fn chosen(names: &str) -> Result<Vec<&'static Peer>, String> {
    let known = || PEERS.map(|p| p.name).join(", ");
    match names {
        "all" => Ok(PEERS.iter().collect()),
        "none" => Ok(Vec::new()),
        _ => names
            .split(',')
            .map(|name| {
                let found = PEERS.iter().find(|p| p.name == name);
                found.ok_or_else(|| {
                    format!(
                        "--peers: found `{name}`, expected all, none or of {}",
                        known()
                    )
                })
            })
            .collect(),
    }
}

/// What is measured side by side.
struct Comparison {
    workload: &'static str,
    noise: bool,
    threads: usize,
    areas: Option<usize>,
    iso: Line,
    /// Difference of the two medians of isocortex, relative to the better.
    spread: f64,
    /// Isocortex in other ways: how it is called, and what came of it.
    ways: Vec<(&'static str, Line)>,
    peers: Vec<Result<Row, String>>,
}

/// A peer's line.
struct Row {
    line: Line,
    /// Largest relative difference of noise-free states to those of isocortex.
    difference: Option<f64>,
    note: String,
}

impl Comparison {
    fn title(&self) -> String {
        let areas = self.areas.map_or(String::new(), |n| format!(", {n} areas"));
        let noise = if self.noise { "noise" } else { "no noise" };
        let threads = match self.threads {
            1 => "1 thread".to_owned(),
            n => format!("{n} threads"),
        };
        format!(
            "{}{areas}, {noise}, {threads}",
            self.workload.to_uppercase()
        )
    }
}

/// All that was measured.
struct Measured {
    limits: Vec<Line>,
    comparisons: Vec<Comparison>,
    curve: Vec<Line>,
    absent: Vec<&'static str>,
    /// Peers that were not asked for.
    unasked: Vec<&'static str>,
    plan_s: f64,
    /// Wall time of the same noisy run through the command line, without and with samples.
    recording_s: [f64; 2],
    quick: bool,
}

/// Measures, prints, compares, and writes `docs/performance.md` if asked.
pub fn bench(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    let runner = Runner::build(&ws, &setup)?;
    let measured = runner.measure(&options)?;
    println!();
    print!("{}", document::tables(&measured));
    if options.write {
        let path = ws.root.join("docs/performance.md");
        let text = document::write(&ws, &measured);
        std::fs::write(&path, text).map_err(|error| format!("docs/performance.md: {error}"))?;
        println!("\nwrote docs/performance.md");
    }
    disagreement(&measured.comparisons)
}

/// Fails if a program with the same model in double precision came to other numbers.
fn disagreement(comparisons: &[Comparison]) -> Result<(), String> {
    let mut text = String::new();
    for c in comparisons {
        for row in c.peers.iter().flatten() {
            let name = row.line.text("peer");
            let held = PEERS.iter().any(|p| p.same && p.names(&name));
            if let Some(difference) = row.difference.filter(|d| held && (d.is_nan() || *d > SAME)) {
                let _ = writeln!(
                    text,
                    "{}: {name} differs by {difference:.1e}, expected at most {SAME:.0e}",
                    c.title()
                );
            }
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

impl Peer {
    /// Whether a line with this name comes from the peer.
    fn names(&self, printed: &str) -> bool {
        printed.to_lowercase().starts_with(self.name)
    }

    /// What a quick run leaves out: programs that compile for long, but once a workload, and slow
    /// ones where another comparison tells as much.
    fn takes_long(
        &self,
        workload: &str,
        noise: bool,
        threads: usize,
        areas: Option<usize>,
    ) -> bool {
        match (self.name, workload) {
            ("brian2", "w1") => !noise,
            ("brian2", _) => threads > 1 || areas != Some(10_000),
            (_, "w3") => !noise && !self.same,
            _ => false,
        }
    }
}

/// Builds `benches/workloads.rs` and gives the path of the program.
pub fn build_workloads(ws: &Workspace, setup: &Setup) -> Result<PathBuf, String> {
    let mut build = ws.cargo();
    // Of the release profile, as everything else is built: the library is not compiled once more.
    build.args(["build", "--release", "--bench", "workloads"]);
    build.args(["--message-format", "json"]);
    setup.apply(&mut build);
    let out = build
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo build did not start: {error}"))?;
    let said = String::from_utf8_lossy(&out.stdout);
    executable(&said, "workloads")
        .ok_or_else(|| "cargo build: found no executable, expected that of workloads".to_owned())
}

/// The program of a target among cargo's messages, which name others too, in any order.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    let name = format!("\"name\":\"{target}\"");
    messages
        .lines()
        .filter(|line| line.contains(&name))
        .filter_map(|line| line.split_once("\"executable\":\""))
        .find_map(|(_, rest)| rest.split_once('"'))
        .map(|(path, _)| PathBuf::from(path))
}

/// Lets a program built by cargo find HDF5 in these folders.
pub fn let_it_find_hdf5(library_path: Option<&OsString>, command: &mut Command) {
    if let Some(path) = library_path {
        for name in ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
            command.env(name, path);
        }
    }
}

/// The programs that measure.
struct Runner<'a> {
    ws: &'a Workspace,
    library_path: Option<OsString>,
    workloads: PathBuf,
    cli: PathBuf,
    /// Why there is no C kernel, if there is none.
    handwritten: Result<PathBuf, String>,
    inputs: PathBuf,
}

impl<'a> Runner<'a> {
    fn build(ws: &'a Workspace, setup: &Setup) -> Result<Self, String> {
        println!("bench: building");
        let mut build = ws.cargo();
        build.args(["build", "--release", "--bin", "isocortex"]);
        setup.apply(&mut build);
        shell::run(build)?;
        let workloads = build_workloads(ws, setup)?;
        let inputs = ws.target.join("bench/inputs.bin");
        let cli = ws
            .target
            .join("release")
            .join(format!("isocortex{}", std::env::consts::EXE_SUFFIX));
        Ok(Self {
            ws,
            library_path: setup.library_path().cloned(),
            workloads,
            cli,
            handwritten: handwritten(ws, &inputs),
            inputs,
        })
    }

    fn measure(&self, options: &Options) -> Result<Measured, String> {
        let absent: Vec<_> = options
            .peers
            .iter()
            .filter(|peer| self.missing(peer).is_some())
            .map(|peer| peer.name)
            .collect();
        for peer in &options.peers {
            if let Some(why) = self.missing(peer) {
                println!("bench: {} is not measured: {why}", peer.name);
            }
        }
        let here = |peer: &&&'static Peer| self.missing(peer).is_none();
        let peers: Vec<&Peer> = options.peers.iter().filter(here).copied().collect();

        let mut limits = Vec::new();
        for threads in ["1", "2"] {
            limits.push(self.isocortex(&["limits", "--threads", threads])?);
        }
        let mut comparisons = Vec::new();
        let noises = [false, true];
        for (workload, noise) in ["w1", "w2"]
            .into_iter()
            .flat_map(|w| noises.map(|n| (w, n)))
        {
            let mut c = self.compare(options, &peers, (workload, noise, 1, None))?;
            if workload == "w2" {
                let flag = if noise { "--noise" } else { "--no-noise" };
                let runs = self.isocortex(&["w2", flag, "--runs", "8", "--repeats", "3"])?;
                let heun = self.isocortex(&["w2", flag, "--stepper", "heun", "--repeats", "3"])?;
                c.ways.push(("8 runs together, per run", runs));
                c.ways.push(("Heun", heun));
            }
            comparisons.push(c);
        }
        for (threads, noise) in [1, 2].into_iter().flat_map(|t| noises.map(|n| (t, n))) {
            comparisons.push(self.compare(options, &peers, ("w3", noise, threads, None))?);
        }
        for (n, threads) in [1_000, 10_000, 100_000]
            .into_iter()
            .flat_map(|n| [1, 2].map(|t| (n, t)))
        {
            comparisons.push(self.compare(options, &peers, ("w4", true, threads, Some(n)))?);
        }
        let mut curve = Vec::new();
        for (n, more) in [
            ("1000", &[][..]),
            ("10000", &[]),
            ("100000", &["--repeats", "3"]),
            ("1000000", &["--steps", "5", "--repeats", "1"]),
        ] {
            if n != "1000000" || !options.quick {
                let args = [&["w4", "--no-noise", "--areas", n], more].concat();
                curve.push(self.isocortex(&args)?);
            }
        }
        Ok(Measured {
            limits,
            comparisons,
            curve,
            absent,
            unasked: PEERS
                .iter()
                .map(|p| p.name)
                .filter(|name| options.peers.iter().all(|p| p.name != *name))
                .collect(),
            plan_s: self.plan_s()?,
            recording_s: [self.recorded_s("60 s")?, self.recorded_s("1 ms")?],
            quick: options.quick,
        })
    }

    /// Why a peer cannot be asked.
    fn missing(&self, peer: &Peer) -> Option<String> {
        match (&self.handwritten, peer.script) {
            (Err(why), None) => Some(why.clone()),
            (_, Some(_)) if !python(self.ws, peer.environment).is_file() => Some(format!(
                "not installed; `python3 benches/peers/setup.py {}` does it",
                peer.environment
            )),
            _ => None,
        }
    }

    fn isocortex(&self, args: &[&str]) -> Result<Line, String> {
        let mut command = Command::new(&self.workloads);
        command.args(args).current_dir(&self.ws.root);
        self.loader(&mut command);
        let (_, lines) = lines_of(command, Duration::from_secs(1200))?;
        let line = lines.into_iter().next();
        let line = line.ok_or_else(|| format!("workloads {}: printed nothing", args.join(" ")))?;
        Ok(line)
    }

    fn loader(&self, command: &mut Command) {
        let_it_find_hdf5(self.library_path.as_ref(), command);
    }

    fn compare(
        &self,
        options: &Options,
        peers: &[&Peer],
        (workload, noise, threads, areas): (&'static str, bool, usize, Option<usize>),
    ) -> Result<Comparison, String> {
        let (count, size) = (
            threads.to_string(),
            areas.map_or(String::new(), |n| n.to_string()),
        );
        let mut args = vec![workload, "--threads", &count];
        args.push(if noise { "--noise" } else { "--no-noise" });
        if areas.is_some() {
            args.extend(["--areas", &size]);
        }
        let repeats: &[&str] = match options.quick {
            true => &["--repeats", "5"],
            false => &[],
        };
        let own = [&args[..], repeats].concat();
        let first = self.isocortex(&own)?;
        let mut c = Comparison {
            workload,
            noise,
            threads,
            areas,
            iso: first.clone(),
            spread: 0.0,
            ways: Vec::new(),
            peers: Vec::new(),
        };
        println!("bench: {}", c.title());
        for peer in peers.iter().filter(|p| p.workloads.contains(&workload)) {
            let why = if threads > 1 && !peer.threads {
                Some("runs on one thread only")
            } else if options.quick && peer.takes_long(workload, noise, threads, areas) {
                Some("left out of a quick run")
            } else {
                None
            };
            let row = match why {
                Some(why) => Err(why.to_owned()),
                None => self.ask(peer, &args, options),
            };
            let row = row
                .map_err(|why| format!("{}: {why}", peer.name))
                .map(|line| Row {
                    difference: difference(&first, &line),
                    note: note(&line, noise),
                    line,
                });
            match &row {
                Ok(row) => println!("  {} {:.4} s", peer.name, row.line.number("wall_s")),
                Err(why) => println!("  {why}"),
            }
            c.peers.push(row);
        }
        let second = self.isocortex(&own)?;
        let (a, b) = (first.number("wall_s"), second.number("wall_s"));
        c.spread = (a - b).abs() / a.min(b);
        if b < a {
            c.iso = second;
        }
        println!("  isocortex {:.4} s", a.min(b));
        Ok(c)
    }

    fn ask(&self, peer: &Peer, args: &[&str], options: &Options) -> Result<Line, String> {
        let mut command = match (peer.script, &self.handwritten) {
            (Some(script), _) => {
                let mut command = Command::new(python(self.ws, peer.environment));
                command.arg(self.ws.root.join("benches/peers").join(script));
                command
            }
            (None, Ok(program)) => {
                let mut command = Command::new(program);
                command.arg("--inputs").arg(&self.inputs);
                command
            }
            (None, Err(why)) => return Err(why.clone()),
        };
        command.args(args).args(options.effort());
        // Settings of one user that change the speed of a peer.
        for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"] {
            command.env_remove(name);
        }
        command.current_dir(&self.ws.root).stderr(Stdio::null());
        let (code, lines) = lines_of(command, options.patience())?;
        let line = lines.into_iter().next();
        line.ok_or_else(|| match code {
            Some(3) => "cannot do this".to_owned(),
            code => format!("failed (exit code {code:?})"),
        })
    }

    /// Median wall time of `isocortex plan`: all that happens before the first step.
    fn plan_s(&self) -> Result<f64, String> {
        let config = crate::MAIN_JOB[1];
        self.median_s(&["plan", config])
    }

    /// Median wall time of a noisy run of 60 s with samples every `every`.
    fn recorded_s(&self, every: &str) -> Result<f64, String> {
        let file = self.ws.target.join("bench/recording.h5");
        let file = file.to_string_lossy();
        let every = format!("record.every={every}");
        let wall = self.median_s(&[
            "run",
            "chaudhuri2015_v1_pulse",
            "--quiet",
            "--no-figure",
            "--threads",
            "1",
            "--output",
            &file,
            "--set",
            "analysis=null",
            "--set",
            "simulation.duration=60 s",
            "--set",
            "simulation.dt=0.2 ms",
            "--set",
            "noise={e: {kind: white, into: nu_E, sd: 0.1 Hz/ms, bin: 1 ms}, \
             i: {kind: white, into: nu_I, sd: 0.1 Hz/ms, bin: 1 ms}}",
            "--set",
            &every,
        ]);
        let _ = std::fs::remove_file(&*file);
        wall
    }

    fn median_s(&self, args: &[&str]) -> Result<f64, String> {
        let mut walls = Vec::new();
        for _ in 0..6 {
            let mut command = Command::new(&self.cli);
            command.args(args).current_dir(&self.ws.root);
            command.stdout(Stdio::null());
            self.loader(&mut command);
            let begin = Instant::now();
            shell::run(command)?;
            walls.push(begin.elapsed().as_secs_f64());
        }
        // The first brings the program into memory.
        walls.remove(0);
        walls.sort_by(f64::total_cmp);
        Ok(walls[walls.len() / 2])
    }
}

/// The interpreter of an environment of `benches/peers/setup.py`.
fn python(ws: &Workspace, environment: &str) -> PathBuf {
    let program = if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    };
    ws.target.join("bench/venv").join(environment).join(program)
}

/// Builds the C kernel and writes what it reads; why not, if it cannot be.
fn handwritten(ws: &Workspace, inputs: &Path) -> Result<PathBuf, String> {
    let python = python(ws, "base");
    if !python.is_file() {
        return Err("its inputs need the environment `base` of benches/peers/setup.py".into());
    }
    let peers = ws.root.join("benches/peers");
    let mut dump = Command::new(python);
    dump.arg(peers.join("workloads.py")).arg("dump").arg(inputs);
    shell::run(dump)?;
    let program = ws.target.join("bench/handwritten");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O3", "-march=native", "-fopenmp", "-o"]);
    gcc.arg(&program).arg(peers.join("handwritten.c"));
    gcc.arg("-lm");
    shell::run(gcc)?;
    Ok(program)
}

/// Runs a program to its end, at most so long; its exit code and the JSON lines it printed.
fn lines_of(mut command: Command, patience: Duration) -> Result<(Option<i32>, Vec<Line>), String> {
    let said = shell::describe(&command);
    let failed = |error: std::io::Error| format!("`{said}`: {error}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut out = child
        .stdout
        .take()
        .ok_or_else(|| format!("`{said}`: no output"))?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut out, &mut text).map(|_| text)
    });
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begin.elapsed() > patience {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            return Err(format!("stopped after {} s", patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = reader
        .join()
        .map_err(|_| format!("`{said}`: output lost"))?
        .map_err(failed)?;
    let lines = text.lines().filter_map(Line::parse).collect();
    Ok((status.code(), lines))
}

/// Largest relative difference between the states that both lines hold.
fn difference(a: &Line, b: &Line) -> Option<f64> {
    let mut largest = None;
    for name in ["check", "check_early"] {
        for (x, y) in a.numbers(name).iter().zip(b.numbers(name)) {
            let now = ((x - y) / x.abs().max(f64::MIN_POSITIVE)).abs();
            // Not a number is a difference without bounds.
            let now = if now.is_nan() { f64::INFINITY } else { now };
            largest = Some(f64::max(largest.unwrap_or(0.0), now));
        }
    }
    largest
}

/// What a reader has to know beside the numbers of a peer.
fn note(line: &Line, noise: bool) -> String {
    let mut notes = Vec::new();
    if line.text("precision") != "float64" {
        notes.push(line.text("precision"));
    }
    if line.flag("noise") != Some(noise) {
        let has = if noise {
            "without noise"
        } else {
            "always with noise"
        };
        notes.push(has.to_owned());
    }
    if line.flag("scaled") == Some(true) {
        notes.push("scaled up from fewer steps or runs".to_owned());
    }
    let own = line.text("note");
    if !own.is_empty() {
        notes.push(own);
    }
    notes.join("; ")
}

/// Year, month and day of now in UTC.
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let (y, m, d) = date(seconds / 86_400);
    format!("{y}-{m:02}-{d:02}")
}

/// The date so many days after 1970-01-01.
fn date(mut days: u64) -> (u64, usize, u64) {
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_453), (2025, 12, 31));
    }

    #[test]
    fn the_program_is_that_of_its_target() {
        let line = |name: &str, path: &str| {
            format!("{{\"target\":{{\"name\":\"{name}\"}},\"executable\":{path}}}\n")
        };
        let lib = line("isocortex", "null");
        let (bench, bin) = (
            line("workloads", "\"/t/workloads-1\""),
            line("isocortex", "\"/t/isocortex\""),
        );
        let expected = Some(PathBuf::from("/t/workloads-1"));
        for order in [[&lib, &bench, &bin], [&bin, &lib, &bench]] {
            let messages: String = order.into_iter().map(String::as_str).collect();
            assert_eq!(executable(&messages, "workloads"), expected);
        }
        assert_eq!(executable(&bin, "workloads"), None);
    }

    #[test]
    fn differences_are_relative_and_look_at_what_both_have() {
        let line = |text: &str| Line::parse(text).expect("a line");
        let a = line(r#"{"check": [1.0, 2.0, 3.0], "check_early": [4.0]}"#);
        let b = line(r#"{"check": [1.0, 2.2], "check_early": []}"#);
        let found = difference(&a, &b).expect("both have some");
        assert!((found - 0.1).abs() < 1e-12);
        assert_eq!(difference(&a, &line("{}")), None);
    }

    #[test]
    fn peers_are_chosen_by_name() {
        let names =
            |text| chosen(text).map(|peers| peers.iter().map(|p| p.name).collect::<Vec<_>>());
        assert_eq!(names("none"), Ok(vec![]));
        assert_eq!(names("tvb,numba"), Ok(vec!["tvb", "numba"]));
        assert!(names("matlab").is_err());
        assert_eq!(names("all").map(|all| all.len()), Ok(PEERS.len()));
    }
}
