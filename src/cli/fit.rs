//! `fit`: parameters fitted to targets.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::show::{Answer, Bar, aligned, number, quoted, significant, table};
use super::{
    Failure, beside, cores, earlier, memory, own_or_bundled, parse_threads, replace, stop_flag,
};
use crate::engine::EngineError;
use crate::fit::{self, Carry, Earlier, Ended, Evaluated, Fit, FitError, Summary, Texts};
use crate::{spec, validation};

#[derive(Debug, Args)]
pub(super) struct FitArgs {
    /// Fit (`chaudhuri2015_pulse`, `murray2014`), or a file of your own
    fit: String,
    /// Override any key of its experiments, as in `run`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Folder for the tables, the best config and the journal; results/NAME-fit if absent
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Worker threads; all cores if absent
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    /// Evaluate the start, print what would be searched, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on with the fit in that folder
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Forget the fit in that folder
    #[arg(long)]
    restart: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// What a fit leaves in its folder beside the journal.
const FILES: [&str; 4] = [
    "best.yaml",
    "parameters.csv",
    "targets.csv",
    "trajectory.csv",
];

pub(super) fn fit(args: &FitArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let fit = prepare(&args.fit, &args.sets)?;
    let threads = args.threads.unwrap_or_else(cores);
    memory::check_bytes("fit", fit.memory_bytes(threads))?;
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => default_folder(&args.fit),
    };
    let stop = stop_flag()?;
    if args.dry_run {
        let start = fit.evaluate_start(&stop).map_err(interrupted)?;
        let text = || start_text(&fit, &start);
        answer.print(text, || start_json(&fit, &start))?;
        return Ok(ExitCode::SUCCESS);
    }
    let bar = Bar::of_evaluations(args.quiet || answer.is_json());
    let carry = Carry {
        threads,
        stop: &stop,
        progress: &bar,
        earlier: earlier(args.resume, args.restart),
    };
    let ended = carry_out(&fit, &folder, &carry);
    bar.finish();
    let summary = match ended {
        Err(e) if (e.downcast_ref::<FitError>()).is_some_and(FitError::is_interrupted) => {
            answer.complain(&e.to_string());
            return Ok(ExitCode::from(130));
        }
        ended => ended?,
    };
    if answer.is_json() || !args.quiet {
        let text = || as_text(&fit, &summary, &folder);
        answer.print(text, || as_json(&fit, &summary, &folder))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Carries a fit out, and leaves its tables and the best config in the folder.
///
/// # Errors
/// A folder with an earlier fit where `carry` does not allow for it; a start that cannot be run; a signal, with
/// what was finished kept; a full disk.
pub fn carry_out(fit: &Fit, folder: &Path, carry: &Carry<'_>) -> Result<Summary, Failure> {
    check_folder(fit, folder, carry.earlier)?;
    // What does not fit the experiment is said before anything is written.
    let known = carry.earlier == Earlier::Resume && fit::journal_in(folder).is_file();
    let start = match known {
        true => None,
        false => Some(fit.evaluate_start(carry.stop).map_err(interrupted)?),
    };
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let summary = fit.run(folder, start, carry)?;
    write(fit, &summary, folder)?;
    Ok(summary)
}

/// Reads a fit, bundled or of one's own, and everything that it names; `sets` override keys of its experiments.
///
/// # Errors
/// No such fit; what is wrong in it or in what it names, and where.
pub fn prepare(name: &str, sets: &[String]) -> Result<Fit, Failure> {
    let text = own_or_bundled(name, fit::bundled(), "fit", "fit")?;
    let (config, mut file) = fit::load(name, &text)?;
    let near = |own: &str| beside(name, own);
    file.experiment = near(&file.experiment);
    let mut texts = Texts::default();
    for target in &mut file.targets {
        if let Some(experiment) = &mut target.experiment {
            *experiment = near(experiment);
        }
        if let Some(name) = &mut target.table {
            *name = near(name);
            let known = validation::bundled_recordings();
            let text = own_or_bundled(name, known, "recordings", "table")?;
            texts.tables.insert(name.clone(), text);
        }
        if let Some(name) = &mut target.paper {
            *name = near(name);
            let text = own_or_bundled(name, validation::bundled(), "targets", "paper")?;
            texts.papers.insert(name.clone(), text);
        }
    }
    Ok(Fit::new(&config, &file, sets, &texts)?)
}

fn interrupted(e: FitError) -> Failure {
    match e.is_interrupted() {
        true => EngineError::Interrupted.into(),
        false => e.into(),
    }
}

/// `results/NAME-fit` for a path or bundled name.
fn default_folder(fit: &str) -> PathBuf {
    let mut name = Path::new(fit)
        .file_stem()
        .unwrap_or_default()
        .to_os_string();
    name.push("-fit");
    Path::new("results").join(name)
}

fn check_folder(fit: &Fit, folder: &Path, earlier: Earlier) -> Result<(), Failure> {
    fit.check_folder(folder, earlier)?;
    if folder.exists() && !folder.is_dir() {
        let message = "found a file, expected a folder or the path of a new one";
        return Err(format!("{}: {message}", folder.display()).into());
    }
    let there = FILES.iter().find(|name| folder.join(name).exists());
    match there {
        Some(name) if earlier == Earlier::Refuse => Err(format!(
            "{}: found a file of an earlier fit; `--restart` replaces it",
            folder.join(name).display()
        )
        .into()),
        _ => Ok(()),
    }
}

/// Writes the tables and the best config, each when it is complete.
fn write(fit: &Fit, summary: &Summary, folder: &Path) -> Result<(), Failure> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        replace(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    put("parameters.csv", &parameters_csv(fit, summary)?)?;
    put("targets.csv", &targets_csv(fit, summary)?)?;
    put("trajectory.csv", &trajectory_csv(summary)?)?;
    let best = fit.experiment_at(&summary.best.places)?;
    let path = folder.join("best.yaml");
    let from = match Path::new(fit.experiment()).is_file() {
        true => std::path::absolute(fit.experiment())?.display().to_string(),
        false => fit.experiment().to_owned(),
    };
    let sets = fit.all_sets_at(&summary.best.places);
    let head = "# The best candidate of a fit; `isocortex run` runs it.\n";
    let overlay = head.to_owned() + &spec::overlay(&from, &sets)?;
    put("best.yaml", overlay.as_bytes())?;
    // Where a few lines on top of the experiment do not say the same, as with a data folder beside it, all of
    // it is written.
    let read = spec::load(&path.display().to_string(), &[]);
    if !read.is_ok_and(|spec| spec.config.digest() == best.config.digest()) {
        let whole = head.to_owned() + &best.config.canonical();
        put("best.yaml", whole.as_bytes())?;
    }
    Ok(())
}

fn csv_of(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        csv.write_record(row)?;
    }
    Ok(csv.into_inner().map_err(|e| e.into_error())?)
}

/// A number, nothing where there is none.
fn cell(x: f64) -> String {
    match x.is_finite() {
        true => x.to_string(),
        false => String::new(),
    }
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn parameters_csv(fit: &Fit, summary: &Summary) -> Result<Vec<u8>, Failure> {
    let names = ["parameter", "best", "unit", "start", "lower", "upper"];
    let of = fit.parameters().iter().zip(&summary.best.places);
    let rows = of.map(|(p, &place)| {
        vec![
            p.path.clone(),
            p.at(place).value.to_string(),
            p.lower.dimension.canonical_unit(),
            p.at(p.start).value.to_string(),
            p.lower.value.to_string(),
            p.upper.value.to_string(),
        ]
    });
    csv_of(std::iter::once(header(&names)).chain(rows))
}

fn targets_csv(fit: &Fit, summary: &Summary) -> Result<Vec<u8>, Failure> {
    let names = [
        "target",
        "wanted",
        "found",
        "loss",
        "loss_at_start",
        "weight",
    ];
    let at_start = |k: usize| summary.start.targets.get(k).map_or(f64::NAN, |f| f.loss);
    let of = fit.targets().iter().zip(&summary.best.targets).enumerate();
    let rows = of.map(|(k, (target, found))| {
        vec![
            target.name.clone(),
            target.wanted.clone(),
            cell(found.value),
            cell(found.loss),
            cell(at_start(k)),
            target.weight.to_string(),
        ]
    });
    csv_of(std::iter::once(header(&names)).chain(rows))
}

fn trajectory_csv(summary: &Summary) -> Result<Vec<u8>, Failure> {
    let names = [
        "generation",
        "evaluations",
        "best",
        "best_of_generation",
        "median_of_generation",
        "sigma",
        "failed",
    ];
    let rows = summary.trajectory.iter().map(|g| {
        vec![
            g.generation.to_string(),
            g.evaluations.to_string(),
            cell(g.best),
            cell(g.of_generation),
            cell(g.median),
            cell(g.sigma),
            g.failed.to_string(),
        ]
    });
    csv_of(std::iter::once(header(&names)).chain(rows))
}

/// Why a search ended, in words.
fn words(ended: Ended) -> &'static str {
    match ended {
        Ended::Limit => "the limit was reached",
        Ended::Tolerance => "losses vary by less than `stop`",
        Ended::Steps => "steps became too small to change a parameter",
        Ended::Failures => "every candidate of the last generations failed",
    }
}

/// Parameters at the `places` of a candidate, which is called `what`.
fn parameters_table(fit: &Fit, what: &str, places: &[f64]) -> String {
    let numeric = [false, true, false, true, true, true];
    let mut out = table(
        &["parameter", what, "unit", "start", "lower", "upper"],
        &numeric,
    );
    for (p, &place) in fit.parameters().iter().zip(places) {
        let cells = [
            p.path.clone(),
            significant(p.at(place).value),
            p.lower.dimension.canonical_unit(),
            number(p.at(p.start).value),
            number(p.lower.value),
            number(p.upper.value),
        ];
        out.add_row(cells.into_iter().zip(numeric).map(|(c, n)| aligned(c, n)));
    }
    out.to_string()
}

fn targets_table(fit: &Fit, best: &Evaluated, start: &Evaluated) -> String {
    let numeric = [false, false, true, true, true];
    let mut out = table(&["target", "wanted", "found", "loss", "at start"], &numeric);
    for (k, target) in fit.targets().iter().enumerate() {
        let of = |one: &Evaluated, f: fn(&fit::Found) -> f64| {
            one.targets
                .get(k)
                .map_or("–".to_owned(), |found| number(f(found)))
        };
        let cells = [
            target.name.clone(),
            target.wanted.clone(),
            best.targets
                .get(k)
                .map_or("–".to_owned(), |f| significant(f.value)),
            of(best, |f| f.loss),
            of(start, |f| f.loss),
        ];
        out.add_row(cells.into_iter().zip(numeric).map(|(c, n)| aligned(c, n)));
    }
    out.to_string()
}

fn as_text(fit: &Fit, summary: &Summary, folder: &Path) -> String {
    let best = &summary.best;
    let last = summary.trajectory.last();
    let (generations, evaluations) = last.map_or((0, 1), |g| (g.generation, g.evaluations));
    let mut text = format!(
        "{}\n\n{}\n\n{}\n\nloss {} at candidate {} of {evaluations}, {} at the start; {generations} generations of \
         {}: {}\n",
        fit.title(),
        parameters_table(fit, "best", &best.places),
        targets_table(fit, best, &summary.start),
        significant(best.loss),
        summary.best_at,
        significant(summary.start.loss),
        fit.population(),
        words(summary.ended),
    );
    if summary.run < evaluations {
        let (run, kept) = (summary.run, evaluations - summary.run);
        text += &format!("{run} evaluations made now, {kept} kept from before\n");
    }
    if summary.dropped > 0 {
        text += &format!(
            "the journal had an unfinished or damaged end of {} bytes\n",
            summary.dropped
        );
    }
    if let Some(why) = &summary.first_failure {
        let first = why.lines().next().unwrap_or_default();
        text += &format!("{} candidates failed, the first: {first}\n", summary.failed);
    }
    let set = |text: &String| format!(" --set {}", quoted(text));
    let sets: String = fit.all_sets_at(&best.places).iter().map(set).collect();
    text += &format!("\nisocortex run {}{sets}\n", quoted(fit.experiment()));
    text + &format!(
        "results  {} ({}, fit.journal)\n",
        folder.display(),
        FILES.join(", ")
    )
}

fn targets_json(fit: &Fit, one: &Evaluated) -> Vec<serde_json::Value> {
    let of = fit.targets().iter().zip(&one.targets);
    of.map(|(target, found)| {
        serde_json::json!({
            "target": target.name,
            "wanted": target.wanted,
            "weight": target.weight,
            "found": found.value,
            "loss": found.loss,
        })
    })
    .collect()
}

fn parameters_json(fit: &Fit, places: &[f64]) -> Vec<serde_json::Value> {
    let of = fit.parameters().iter().zip(places);
    of.map(|(p, &place)| {
        serde_json::json!({
            "parameter": p.path,
            "value": p.at(place).value,
            "unit": p.lower.dimension.canonical_unit(),
            "start": p.at(p.start).value,
            "lower": p.lower.value,
            "upper": p.upper.value,
            "scale": p.scale,
        })
    })
    .collect()
}

/// What a fit found, as `--json` prints it.
#[must_use]
pub fn as_json(fit: &Fit, summary: &Summary, folder: &Path) -> serde_json::Value {
    let evaluations = summary.trajectory.last().map_or(1, |g| g.evaluations);
    serde_json::json!({
        "title": fit.title(),
        "results": folder,
        "loss": summary.best.loss,
        "loss_at_start": summary.start.loss,
        "parameters": parameters_json(fit, &summary.best.places),
        "targets": targets_json(fit, &summary.best),
        "set": fit.all_sets_at(&summary.best.places),
        "candidate": summary.best_at,
        "ended": summary.ended,
        "spread": summary.spread,
        "population": fit.population(),
        "evaluations": evaluations,
        "evaluations_run_now": summary.run,
        "failed": summary.failed,
        "first_failure": summary.first_failure,
        "trajectory": summary.trajectory,
        "isocortex": crate::record::VERSION,
        "commit": crate::record::COMMIT,
    })
}

fn start_text(fit: &Fit, start: &Evaluated) -> String {
    let runs = match fit.runs() {
        0 => "from the equations, without a run".to_owned(),
        1 => "one run each".to_owned(),
        n => format!("{n} runs each"),
    };
    let failure = match &start.failure {
        Some(why) => format!("the start fails: {why}\n"),
        None => String::new(),
    };
    format!(
        "{}\n\n{}\n\n{}\n\nloss {} at the start\n{failure}{} generations of {} candidates, {runs}\n",
        fit.title(),
        parameters_table(fit, "now", &start.places),
        targets_table(fit, start, start),
        significant(start.loss),
        fit.generations(),
        fit.population(),
    )
}

fn start_json(fit: &Fit, start: &Evaluated) -> serde_json::Value {
    serde_json::json!({
        "title": fit.title(),
        "parameters": parameters_json(fit, &start.places),
        "targets": targets_json(fit, start),
        "loss_at_start": start.loss,
        "failure": start.failure,
        "generations": fit.generations(),
        "population": fit.population(),
        "runs_per_candidate": fit.runs(),
    })
}
