//! Arguments, files, terminal, exit codes. No science.
//!
//! Exit codes: 0 done, 1 something is wrong or a required target failed, 2 the arguments are wrong,
//! 130 stopped by a signal.

mod base64;
mod data;
mod exchange;
#[cfg(feature = "plot")]
mod figure;
mod fit;
mod init;
mod inspect;
pub mod memory;
mod predict;
pub mod prepare;
mod report;
mod reproduce;
mod results;
mod rnn;
mod run;
mod show;
mod sweep;
mod trials;
mod validate;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::show::Answer;
use crate::engine::EngineError;
use crate::plan::{Axis, Execution, WIDTHS};
use crate::record::Earlier;
use crate::spec::suggest::did_you_mean;
use crate::sweep::Ranks;

pub use self::exchange::{Format, export_as};
pub use self::fit::{as_json as fit_as_json, carry_out as carry_out_fit, prepare as prepare_fit};
pub use self::report::{Written, write as write_report};

/// The version with the commit, since programs and documents of one version may differ.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("ISOCORTEX_COMMIT"),
    ")"
);

/// Whole-cortex connectome simulator.
#[derive(Debug, Parser)]
#[command(name = "isocortex", version = VERSION, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more; twice for debugging. `RUST_LOG` overrides.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Answer with JSON instead of text: one document on standard output, errors on standard error.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an experiment: results/NAME.h5, a table, a figure
    Run(run::RunArgs),
    /// Run what a paper's targets need and print a scorecard
    Reproduce(reproduce::ReproduceArgs),
    /// Run an experiment and set it beside recordings: which areas agree, which do not
    Validate(validate::ValidateArgs),
    /// Run perturbations against the control with the same noise and print what changes
    Predict(predict::PredictArgs),
    /// Run many conditions of an experiment: ranges and lists in `--set` or `sweep:`, resumable
    Sweep(sweep::SweepArgs),
    /// Fit parameters to targets, resumable: published numbers, tables of areas
    Fit(fit::FitArgs),
    /// Repeat a result file from the config inside it and compare bit for bit
    Rerun(run::RerunArgs),
    /// Check a config and its data without running it
    Check(ConfigArgs),
    /// Explain what a config will run
    Plan(inspect::PlanArgs),
    /// Timescale of every area of a result file
    Timescales(results::TimescaleArgs),
    /// Functional connectivity of a result file
    Fc(results::FcArgs),
    /// How functional connectivity changes in time: correlations between windows of a result file
    Fcd(results::FcdArgs),
    /// Power spectra of a result file
    Spectra(results::SpectraArgs),
    /// Write a result file as one HTML page: maps, traces, measures, matrices, trials, provenance
    Report(report::ReportArgs),
    /// Eigenmodes of the linearised network of a config or result file
    Modes(results::ModeArgs),
    /// Artificial networks: import, unroll, store patterns, compare symbols
    #[command(subcommand)]
    Rnn(rnn::RnnCommand),
    /// Write the trials of a task as plain tables: events, and time by channel
    Trials(trials::TrialsArgs),
    /// Start a project: a cortex of one's own, an experiment, a task, to be edited
    Init(init::InitArgs),
    /// Data sets: list, show, check, import from matrices and other programs, export
    #[command(subcommand)]
    Data(data::DataCommand),
    /// List the local circuits, or show one with its parameters, variables and inputs
    Circuits {
        /// Circuit to show
        name: Option<String>,
    },
    /// List the bundled models and experiments, or print one
    Configs {
        /// Config to print
        name: Option<String>,
    },
    /// Print completions for a shell
    Completions {
        /// Which one
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    Man {
        /// Folder for them; made if it is not there
        folder: PathBuf,
    },
}

/// A config with overrides.
#[derive(Debug, Clone, Args)]
struct ConfigArgs {
    /// Config file, or the name of a bundled one (`isocortex configs` lists them)
    config: String,
    /// Override any key: `--set stimuli.pulse.areas=[2]`, `--set preset=printed`, `--set noise=null`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
}

/// How to execute; never changes a result.
#[derive(Debug, Clone, Args)]
struct ExecutionArgs {
    /// Worker threads; all cores if absent
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    /// Numbers stepped together: 1, 4 or 8; the plan's choice if absent
    #[arg(long, value_name = "WIDTH", value_parser = parse_width)]
    lanes: Option<usize>,
    /// What lies side by side in the lanes; the plan's choice if absent
    #[arg(long, value_enum)]
    lane_axis: Option<LaneAxis>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LaneAxis {
    Replicates,
    Areas,
}

/// More threads than this only take memory; the system refuses some tens of thousands.
const MOST_THREADS: usize = 1024;

/// A number of worker threads as typed.
///
/// # Errors
/// Not a number from 1 to 1024.
pub fn parse_threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|n| (1..=MOST_THREADS).contains(n));
    threads.ok_or_else(|| format!("found `{text}`, expected 1 to {MOST_THREADS}"))
}

fn parse_width(text: &str) -> Result<usize, String> {
    let width = text.parse().ok().filter(|w| WIDTHS.contains(w));
    width.ok_or_else(|| format!("found `{text}`, expected one of {WIDTHS:?}"))
}

/// What `--resume` and `--restart` ask for, of which there is one at most.
fn earlier(resume: bool, restart: bool) -> Earlier {
    match (resume, restart) {
        (true, _) => Earlier::Resume,
        (_, true) => Earlier::Forget,
        _ => Earlier::Refuse,
    }
}

/// Cores of this machine.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Worker threads as wanted, or all cores; on several ranks one, since one rank a core is what launchers start.
fn threads(wanted: Option<usize>, ranks: bool) -> usize {
    wanted.unwrap_or_else(|| if ranks { 1 } else { cores() })
}

impl ExecutionArgs {
    fn execution(&self) -> Execution {
        let axis = self.lane_axis.map(|axis| match axis {
            LaneAxis::Replicates => Axis::Replicates,
            LaneAxis::Areas => Axis::Areas,
        });
        Execution {
            width: self.lanes,
            axis,
        }
    }

    /// Whether the plan is left to choose lanes.
    fn is_default(&self) -> bool {
        self.lanes.is_none() && self.lane_axis.is_none()
    }

    fn threads(&self, ranks: bool) -> usize {
        threads(self.threads, ranks)
    }
}

/// Anything that ends a command early.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    main_on(None)
}

/// The same as one of several processes: sweeps and single runs are shared out among them, nothing else is.
#[must_use]
pub fn main_on(ranks: Option<&dyn Ranks>) -> ExitCode {
    let cli = Cli::parse();
    let several = ranks.filter(|ranks| ranks.size() > 1);
    if let Some(ranks) = several
        && !matches!(cli.command, Command::Sweep(_) | Command::Run(_))
    {
        if ranks.rank() == 0 {
            let _ = writeln!(
                std::io::stderr(),
                "error: found {} ranks, expected one: only `sweep` and `run` are shared out",
                ranks.size()
            );
        }
        return ExitCode::FAILURE;
    }
    start_log(cli.verbose);
    let answer = match cli.json {
        true => Answer::Json,
        false => Answer::Text,
    };
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args, several, answer),
        Command::Reproduce(args) => reproduce::reproduce(&args, answer),
        Command::Validate(args) => validate::validate(&args, answer),
        Command::Predict(args) => predict::predict(&args, answer),
        Command::Sweep(args) => sweep::sweep(&args, several, answer),
        Command::Fit(args) => fit::fit(&args, answer),
        Command::Rerun(args) => run::rerun(&args, answer),
        Command::Check(args) => inspect::check(&args, answer),
        Command::Plan(args) => inspect::plan(&args, answer),
        Command::Timescales(args) => results::timescales(&args, answer),
        Command::Fc(args) => results::functional_connectivity(&args, answer),
        Command::Fcd(args) => results::connectivity_dynamics(&args, answer),
        Command::Spectra(args) => results::spectra(&args, answer),
        Command::Report(args) => report::report(&args, answer),
        Command::Modes(args) => results::modes(&args, answer),
        Command::Rnn(command) => rnn::rnn(&command, answer),
        Command::Trials(args) => trials::trials(&args, answer),
        Command::Init(args) => init::init(&args, answer),
        Command::Completions { shell } => init::completions(shell, answer),
        Command::Man { folder } => init::man(&folder, answer),
        Command::Data(command) => data::data(&command, answer),
        Command::Circuits { name } => inspect::circuits(name.as_deref(), answer),
        Command::Configs { name } => inspect::configs(name.as_deref(), answer),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) if is_broken_pipe(&*failure) => ExitCode::SUCCESS,
        Err(failure) => {
            answer.complain(&match answer {
                Answer::Text => format!("error: {failure}"),
                Answer::Json => failure.to_string(),
            });
            let stopped = failure.downcast_ref::<EngineError>();
            match stopped {
                Some(EngineError::Stopped { because: None, .. } | EngineError::Interrupted) => {
                    ExitCode::from(130)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Whether the reader of our output went away (`isocortex … | head`): not a failure.
fn is_broken_pipe(failure: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let io = failure.downcast_ref::<std::io::Error>();
    io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

fn start_log(verbose: u8) {
    let level = match verbose {
        // The painter warns of every straight line, which has no area to fill.
        0 => "warn,tiny_skia=error",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        // A closed standard error is no reason to panic.
        .log_internal_errors(false)
        .init();
}

/// A flag that SIGINT and SIGTERM set; a second signal ends the program at once.
///
/// A write beyond the file size limit of the shell then fails like one on a full disk; left alone,
/// its signal would end the program without a word.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

/// The text of a file of one's own, else of a bundled one; `none` and `kind` are words of the
/// message if there is neither.
///
/// # Errors
/// Neither, or a file that cannot be read.
pub fn own_or_bundled(
    name: &str,
    bundled: &[(&str, &str)],
    none: &str,
    kind: &str,
) -> Result<String, Failure> {
    if Path::new(name).is_file() {
        return Ok(std::fs::read_to_string(name).map_err(|e| format!("cannot read {name}: {e}"))?);
    }
    if let Some((_, text)) = bundled.iter().find(|(known, _)| *known == name) {
        return Ok((*text).to_owned());
    }
    let known: Vec<&str> = bundled.iter().map(|(name, _)| *name).collect();
    let hint = did_you_mean(name, known.iter().copied());
    Err(format!(
        "no such {none}: found neither a file nor a {kind} called `{name}`, {kind}s are {}{hint}",
        known.join(", ")
    )
    .into())
}

/// A config that a file of one's own names: one beside that file, else as it is written.
#[must_use]
pub fn beside(file: &str, config: &str) -> String {
    let folder = Path::new(file)
        .parent()
        .filter(|_| Path::new(file).is_file());
    match folder
        .map(|folder| folder.join(config))
        .filter(|path| path.is_file())
    {
        Some(path) => path.display().to_string(),
        None => config.to_owned(),
    }
}

/// Refuses what is not an ordinary file: renaming a finished file over `/dev/null` would replace the
/// device.
fn check_ordinary(output: &Path) -> Result<(), Failure> {
    if std::fs::metadata(output).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let message = "found a device, pipe or socket, expected the path of a new or ordinary file";
        return Err(format!("{}: {message}", output.display()).into());
    }
    Ok(())
}

/// Refuses an output that is no ordinary file, and makes the default folder, which is ours to make; any
/// other must be there.
///
/// # Errors
/// Which file or folder it is.
pub fn make_way(output: &Path) -> Result<(), Failure> {
    check_ordinary(output)?;
    if let Some(folder) = output.parent().filter(|f| f.starts_with("results")) {
        std::fs::create_dir_all(folder)
            .map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    }
    Ok(())
}

/// Puts a whole file in place, or leaves what was there: a full disk gives no half of a file.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let done = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if done.is_err() {
        // If it cannot be removed, the next write to this path overwrites it.
        let _ = std::fs::remove_file(&partial);
    }
    done
}

/// `results/NAME.h5` for a config path or bundled name, with something `more` after the name.
fn default_output(config: &str, more: &str) -> PathBuf {
    let stem = Path::new(config).file_stem().unwrap_or_default();
    let mut name = stem.to_os_string();
    name.push(more);
    name.push(".h5");
    Path::new("results").join(name)
}
