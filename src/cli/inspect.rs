//! `check`, `plan`, `circuits`, `configs`: looking without running.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::show::{self, aligned, table};
use super::{ConfigArgs, ExecutionArgs, Failure, memory, trials};
use crate::circuit::{CIRCUITS, CircuitKind};
use crate::engine;
use crate::network::Network;
use crate::plan::{Execution, Plan};
use crate::spec::suggest::did_you_mean;
use crate::spec::{self, bundled};
use crate::stepper::linear::{baseline_state, largest_derivative};

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
}

pub(super) fn check(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let spec = spec::load(&args.config, &args.sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, Execution::default())?;
    memory::check(&spec, &plan)?;
    engine::check_measures(&network, &spec)?;
    let baseline = baseline_state(&plan)?;
    for warning in &network.connectome.provenance.warnings {
        show::print(&format!("warning: {warning}"))?;
    }
    show::print(&format!(
        "ok: {} — {} areas, {} steps; largest derivative at the baseline {:.1e} per ms",
        spec.title,
        network.n_areas(),
        plan.steps,
        largest_derivative(&plan, &baseline)
    ))?;
    if let Some(trials) = &network.trials {
        show::print(&trials::counts(trials))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn plan(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let spec = spec::load(&args.config.config, &args.config.sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, args.execution.execution())?;
    memory::check(&spec, &plan)?;
    engine::check_measures(&network, &spec)?;
    let mut text = plan.explain();
    if let Some(trials) = &network.trials {
        let _ = writeln!(text, "{:<12} {}", "task", trials::counts(trials));
    }
    show::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn circuits(name: Option<&str>) -> Result<ExitCode, Failure> {
    let Some(name) = name else {
        let mut out = table(&["circuit", "what", "source"], &[false; 3]);
        for kind in CIRCUITS {
            let info = kind.info();
            out.add_row([info.name, info.title, info.citation].map(|t| aligned(t, false)));
        }
        show::print(&out.to_string())?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(kind) = CircuitKind::find(name) else {
        let known: Vec<&str> = CIRCUITS.iter().map(|c| c.info().name).collect();
        let hint = did_you_mean(name, known.iter().copied());
        let known = known.join(", ");
        return Err(
            format!("unknown circuit: found `{name}`, expected one of {known}{hint}").into(),
        );
    };
    let info = kind.info();
    let mut out = format!(
        "{} — {}\n{}\ndoi {}\n",
        info.name, info.title, info.citation, info.doi
    );
    let mut section = |title: &str, rows: Vec<[&str; 3]>| {
        let mut t = table(&[title, "unit", "meaning"], &[false; 3]);
        for row in rows {
            t.add_row(row.map(|text| aligned(text, false)));
        }
        let _ = writeln!(out, "\n{t}");
    };
    section(
        "parameter",
        info.parameters
            .iter()
            .map(|p| [p.name, p.unit, p.doc])
            .collect(),
    );
    section(
        "variable",
        info.variables
            .iter()
            .map(|v| [v.name, v.unit, v.doc])
            .collect(),
    );
    section(
        "input",
        info.inputs
            .iter()
            .map(|i| [i.name, i.unit, i.doc])
            .collect(),
    );
    let order: Vec<String> = info.published_order.iter().map(|s| s.join(", ")).collect();
    let _ = writeln!(out, "\nsent: {}", info.sent.join(", "));
    let _ = writeln!(out, "published order of updates: {}", order.join(" → "));
    show::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn configs(name: Option<&str>) -> Result<ExitCode, Failure> {
    if let Some(name) = name {
        let Some(config) = bundled::find(name) else {
            let hint = did_you_mean(name, bundled::names());
            return Err(format!("no bundled config: found `{name}`{hint}").into());
        };
        show::print(config.text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table(&["config", "path", "title"], &[false; 3]);
    for config in bundled::CONFIGS {
        let title = spec::load(config.path, &[])?.title;
        out.add_row([config.name(), config.path, &title].map(|t| aligned(t, false)));
    }
    show::print(&out.to_string())?;
    Ok(ExitCode::SUCCESS)
}
