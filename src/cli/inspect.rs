//! `check`, `plan`, `circuits`, `configs`: looking without running.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::show::{Answer, aligned, number, table};
use super::{ConfigArgs, ExecutionArgs, Failure, memory, trials};
use crate::circuit::{CIRCUITS, CircuitInfo, CircuitKind};
use crate::engine;
use crate::network::Network;
use crate::plan::{Axis, Execution, Plan};
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

pub(super) fn check(args: &ConfigArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let spec = spec::load(&args.config, &args.sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, Execution::default())?;
    memory::check(&spec, &plan)?;
    engine::check_measures(&network, &spec)?;
    let baseline = baseline_state(&plan)?;
    let warnings = &network.connectome.provenance.warnings;
    let (areas, derivative) = (network.n_areas(), largest_derivative(&plan, &baseline));
    let slowest = slowest_ms(&plan, &baseline, derivative);
    let text = || {
        let mut out = String::new();
        for warning in warnings {
            let _ = writeln!(out, "warning: {warning}");
        }
        let _ = writeln!(
            out,
            "ok: {} — {areas} areas, {} steps; largest derivative at the baseline {derivative:.1e} per ms",
            spec.title, plan.steps,
        );
        if let Some(ms) = slowest {
            let of = number(ms.abs());
            let _ = match ms {
                ..0.0 => writeln!(
                    out,
                    "the baseline does not last: small changes of it grow e-fold in {of} ms"
                ),
                _ => writeln!(
                    out,
                    "small changes of the baseline decay, the slowest e-fold in {of} ms"
                ),
            };
        }
        if let Some(trials) = &network.trials {
            let _ = writeln!(out, "{}", trials::counts(trials));
        }
        out
    };
    let json = || {
        json!({
            "title": spec.title,
            "warnings": warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "areas": areas,
            "steps": plan.steps,
            "largest_derivative_per_ms": derivative,
            "slowest_timescale_ms": slowest,
            "trials": network.trials.as_ref().map(|t| t.trials.len()),
        })
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

/// Networks of more state variables are not linearised by the way: it would take longer than a moment.
const MOST_STATES: usize = 400;
/// Where a variable changes faster, in its unit per ms, the baseline is no fixed point.
const AT_REST: f64 = 1e-9;

/// Time constant of the slowest mode at the baseline, ms, negative where it grows; none of a large network, of one with
/// delays, and where the baseline is no fixed point.
fn slowest_ms(plan: &Plan, baseline: &[f64], derivative: f64) -> Option<f64> {
    let states = plan.n_areas() * plan.circuit.info().states;
    if states > MOST_STATES || !plan.histories.is_empty() || derivative > AT_REST {
        return None;
    }
    let modes = engine::modes(plan, baseline).ok()?;
    let slowest = modes.timescales_ms().first().copied();
    slowest.filter(|ms| ms.is_finite())
}

pub(super) fn plan(args: &PlanArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let spec = spec::load(&args.config.config, &args.config.sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, args.execution.execution())?;
    memory::check(&spec, &plan)?;
    engine::check_measures(&network, &spec)?;
    let text = || {
        let mut text = plan.explain();
        if let Some(trials) = &network.trials {
            let _ = writeln!(text, "{:<12} {}", "task", trials::counts(trials));
        }
        text
    };
    answer.print(text, || plan_as_json(&plan, &network))?;
    Ok(ExitCode::SUCCESS)
}

fn plan_as_json(plan: &Plan, network: &Network) -> serde_json::Value {
    let info = plan.circuit.info();
    let variable = |&v: &usize| info.variables[v].name;
    let projections = plan.projections.iter().map(|p| {
        let inputs = p.received.iter().map(|(i, _)| info.inputs[*i].name);
        json!({
            "name": p.name,
            "sends": variable(&p.sent),
            "into": inputs.collect::<Vec<_>>(),
            "links": p.matrix.links(),
            "form": p.matrix.describe(&plan.histories, plan.entry_ms()),
        })
    });
    let record = &plan.record;
    json!({
        "title": plan.title,
        "circuit": info.name,
        "areas": plan.n_areas(),
        "projections": projections.collect::<Vec<_>>(),
        "stepper": format!("{:?}", plan.stepper),
        "update_order": format!("{:?}", plan.update_order),
        "steps": plan.steps,
        "dt_ms": plan.dt_ms,
        "replicates": plan.replicates,
        "seed": plan.seed,
        "noise_channels": plan.channels.len(),
        "lanes": {
            "width": plan.lanes.width,
            "axis": match plan.lanes.axis {
                Axis::Replicates => "replicates",
                Axis::Areas => "areas",
            },
        },
        "blocks": plan.blocks().len(),
        "block_bytes": plan.block_bytes(),
        "record": {
            "variables": record.variables.iter().map(variable).collect::<Vec<_>>(),
            "areas": record.areas.len(),
            "samples": record.samples,
            "every_steps": record.every,
            "bytes": plan.record_bytes(),
        },
        "trials": network.trials.as_ref().map(|t| t.trials.len()),
    })
}

pub(super) fn circuits(name: Option<&str>, answer: Answer) -> Result<ExitCode, Failure> {
    let Some(name) = name else {
        let all = || CIRCUITS.iter().map(|kind| kind.info());
        let text = || {
            let mut out = table(&["circuit", "what", "source"], &[false; 3]);
            for info in all() {
                out.add_row([info.name, info.title, info.citation].map(|t| aligned(t, false)));
            }
            out.to_string()
        };
        let json = || {
            let one = |info: &CircuitInfo| json!({"name": info.name, "title": info.title, "citation": info.citation, "doi": info.doi});
            all().map(one).collect()
        };
        answer.print(text, json)?;
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
    answer.print(|| circuit_as_text(info), || circuit_as_json(info))?;
    Ok(ExitCode::SUCCESS)
}

fn circuit_as_json(info: &CircuitInfo) -> serde_json::Value {
    let row =
        |name: &str, unit: &str, doc: &str| json!({"name": name, "unit": unit, "meaning": doc});
    let parameters = info.parameters.iter().map(|p| row(p.name, p.unit, p.doc));
    let variables = info.variables.iter().map(|v| row(v.name, v.unit, v.doc));
    let inputs = info.inputs.iter().map(|i| row(i.name, i.unit, i.doc));
    json!({
        "name": info.name,
        "title": info.title,
        "citation": info.citation,
        "doi": info.doi,
        "parameters": parameters.collect::<Vec<_>>(),
        "variables": variables.collect::<Vec<_>>(),
        "inputs": inputs.collect::<Vec<_>>(),
        "sent": info.sent,
        "published_order": info.published_order,
    })
}

fn circuit_as_text(info: &CircuitInfo) -> String {
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
    out
}

pub(super) fn configs(name: Option<&str>, answer: Answer) -> Result<ExitCode, Failure> {
    if let Some(name) = name {
        let Some(config) = bundled::find(name) else {
            let hint = did_you_mean(name, bundled::names());
            return Err(format!(
                "no bundled config: found `{name}`{hint}; `isocortex configs` lists them"
            )
            .into());
        };
        let json = || json!({"name": config.name(), "path": config.path, "text": config.text});
        answer.print(|| config.text.to_owned(), json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut all = Vec::new();
    for config in bundled::CONFIGS {
        let title = spec::load(config.path, &[])?.title;
        all.push((config.name(), config.path, title));
    }
    let text = || {
        let mut out = table(&["config", "path", "title"], &[false; 3]);
        for (name, path, title) in &all {
            out.add_row([name, path, title.as_str()].map(|t| aligned(t, false)));
        }
        out.to_string()
    };
    let json = || {
        let one = |(name, path, title): &(&str, &str, String)| json!({"name": name, "path": path, "title": title});
        all.iter().map(one).collect()
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}
