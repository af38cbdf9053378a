//! `init`, `completions`, `man`: to begin with, and for the shell.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::exchange::{excerpt, write_checked};
use super::show::Answer;
use super::{Cli, Failure};
use crate::connectome::import::About;
use crate::connectome::{self, Source};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// New folder
    folder: PathBuf,
}

/// Eight visual and frontal areas, so that a pulse to V1 has somewhere to go.
const AREAS: [&str; 8] = ["V1", "V2", "V4", "MT", "TEO", "7A", "8l", "46d"];

const CORTEX: &str = "my-cortex";

const EXPERIMENT: &str = include_str!("init/experiment.yaml");
const TASK: &str = include_str!("init/task.yaml");
const README: &str = include_str!("init/README.md");

pub(super) fn init(args: &InitArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let folder = &args.folder;
    if folder.exists() {
        return Err(format!(
            "{}: found something there already, expected the path of a new folder",
            folder.display()
        )
        .into());
    }
    let file = |name: &str, text: &str| -> Result<(), Failure> {
        let path = folder.join(name);
        Ok(std::fs::write(&path, text)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?)
    };
    let whole = connectome::load(&Source::parse("macaque-markov29")?)?;
    let provenance = &whole.provenance;
    let citations: Vec<&str> = provenance
        .publications
        .iter()
        .map(|p| &*p.citation)
        .collect();
    let terms = provenance.terms.as_ref();
    let about = About {
        title: Some("Eight areas of macaque-markov29, to be replaced by your own".to_owned()),
        species: provenance.species.clone(),
        citation: Some(citations.join("; ")),
        doi: None,
        licence: terms.map(|t| match &t.usage {
            Some(usage) => format!("{} {usage}", t.licence),
            None => t.licence.clone(),
        }),
        editable: true,
    };
    std::fs::create_dir(folder)
        .map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let all = || -> Result<(), Failure> {
        write_checked(&excerpt(&whole, &AREAS)?, &folder.join(CORTEX), &about)?;
        file("experiment.yaml", EXPERIMENT)?;
        file("task.yaml", TASK)?;
        file("README.md", README)
    };
    if let Err(e) = all() {
        // It was made just now.
        std::fs::remove_dir_all(folder)?;
        return Err(e);
    }
    let text = || {
        format!(
            "{0}: a cortex of {1} areas, an experiment, a task and a README that says what to edit\n\n  cd {0}\n  \
             isocortex run experiment.yaml\n",
            folder.display(),
            AREAS.len()
        )
    };
    answer.print(text, || json!({"folder": folder, "areas": AREAS}))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell, answer: Answer) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "isocortex", &mut text);
    let text = String::from_utf8(text)?;
    let json = || json!({"shell": shell.to_string(), "completions": text});
    answer.print(|| text.clone(), json)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the manual pages, one a command, into a folder.
pub(super) fn man(folder: &Path, answer: Answer) -> Result<ExitCode, Failure> {
    let failed = |e: std::io::Error| format!("cannot write to {}: {e}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    let text = || {
        let folder = folder.display();
        format!("{folder}: manual pages; `man {folder}/isocortex-run.1` shows one")
    };
    answer.print(text, || json!({"folder": folder}))?;
    Ok(ExitCode::SUCCESS)
}
