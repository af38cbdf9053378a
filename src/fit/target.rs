//! What the loss is made of: measures with the values wanted, and tables with a value an area or region.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use super::file::{Scale, TableLoss, TargetDraft};
use crate::analysis::stats;
use crate::spec::{Config, SpecError};
use crate::validation::{
    self, Lab, LabError, Measure, PerArea, Recordings, Value, load_recordings,
};

/// A target ready to be measured.
#[derive(Debug, Clone)]
pub struct Target {
    /// A short name.
    pub name: String,
    /// What is wanted, in words.
    pub wanted: String,
    /// How much it counts.
    pub weight: f64,
    /// Which of the experiments it is measured on.
    pub(super) setting: usize,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Number {
        measure: Measure,
        expected: Option<f64>,
        at_least: Option<f64>,
        at_most: Option<f64>,
        absolute: Option<f64>,
        relative: Option<f64>,
    },
    Regions {
        table: Box<Recordings>,
        how: Comparison,
    },
    Areas {
        rows: Vec<AreaValue>,
        of: PerArea,
        how: Comparison,
    },
}

/// A row of a csv.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AreaValue {
    area: String,
    value: f64,
    spread: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Comparison {
    loss: TableLoss,
    scale: Scale,
    /// Unit of the misfit: in the unit of the values, or a fraction of each.
    absolute: Option<f64>,
    relative: Option<f64>,
}

/// What a candidate has of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Distance from what is wanted in units of the misfit, or 1 minus the correlation.
    pub loss: f64,
    /// The measure; of a table the correlation over its areas.
    pub value: f64,
}

/// A target before its experiment is known by number.
pub(super) struct Resolved {
    pub(super) target: Target,
    pub(super) experiment: Option<String>,
    pub(super) set: Vec<String>,
    pub(super) isolate: Option<String>,
}

/// Reads what a target names; `text` is that of its table or target file.
pub(super) fn resolve(
    config: &Config,
    at: &str,
    draft: &TargetDraft,
    text: Option<&str>,
) -> Result<Vec<Resolved>, SpecError> {
    let of = |target: Target| Resolved {
        target,
        experiment: draft.experiment.clone(),
        set: draft.set.clone(),
        isolate: draft.isolate.clone(),
    };
    if let Some(measure) = &draft.measure {
        let kind = Kind::Number {
            measure: measure.clone(),
            expected: draft.expected,
            at_least: draft.at_least,
            at_most: draft.at_most,
            absolute: draft.absolute,
            relative: draft.relative,
        };
        return Ok(vec![of(Target::new(measure.label(), draft.weight, kind))]);
    }
    let text = text.unwrap_or_default();
    if let (Some(paper), Some(id)) = (&draft.paper, &draft.id) {
        return of_paper(config, at, draft, (paper, id), text);
    }
    let name = draft.table.as_deref().unwrap_or_default();
    let how = Comparison {
        loss: draft.loss,
        scale: draft.scale,
        absolute: draft.absolute,
        relative: draft.relative,
    };
    let fail = |key: &str, message: String| config.error(&format!("{at}.{key}"), message);
    let kind = if name.ends_with(".csv") {
        let Some(measure) = &draft.of else {
            let message = "missing key: expected `of`, what the values of the csv are: `timescale`, \
                           `latency`, `baseline` or `mean`";
            return Err(fail("table", message.to_owned()));
        };
        let rows = area_values(text).map_err(|e| fail("table", format!("{name}: {e}")))?;
        Kind::Areas {
            rows,
            of: measure.clone(),
            how,
        }
    } else {
        let table = load_recordings(name, text)?;
        if table.delay_activity.is_some() {
            let message = format!(
                "no times: found reports of delay activity in {name}, expected timescales or latencies; \
                 `measure: {{agreement: {{recordings: leavitt2017}}}}` counts areas that agree"
            );
            return Err(fail("table", message));
        }
        if draft.of.is_some() {
            let message =
                format!("`of` is a key of a csv: found the table {name}, which says itself");
            return Err(fail("of", message));
        }
        Kind::Regions {
            table: Box::new(table),
            how,
        }
    };
    let label = name.rsplit('/').next().unwrap_or(name).to_owned();
    Ok(vec![of(Target::new(label, draft.weight, kind))])
}

/// The cases of a target of a target file, with its experiment.
fn of_paper(
    config: &Config,
    at: &str,
    draft: &TargetDraft,
    (paper, id): (&str, &str),
    text: &str,
) -> Result<Vec<Resolved>, SpecError> {
    let fail = |key: &str, message: String| Err(config.error(&format!("{at}.{key}"), message));
    if draft.experiment.is_some() || draft.isolate.is_some() {
        let message = "the target file names its experiment: expected no other here";
        return fail("paper", message.to_owned());
    }
    let file = validation::load(paper, text)?;
    let mut out = Vec::new();
    for target in file.targets.iter().filter(|t| t.id == id) {
        for case in &target.cases {
            if case.measure.gives_names() {
                let message = format!("no number: {id} of {paper} gives names of areas");
                return fail("id", message);
            }
            let (absolute, relative) = match (draft.absolute, draft.relative) {
                (None, None) => {
                    let absolute = case.absolute.or(target.absolute);
                    // As in verdicts, the absolute one goes first.
                    let relative = case.relative.or(target.relative);
                    (absolute, relative.filter(|_| absolute.is_none()))
                }
                own => own,
            };
            let unit = absolute.or(relative).filter(|unit| *unit > 0.0);
            if unit.is_none() {
                let message = format!(
                    "no unit of the misfit: {id} of {paper} has no tolerance for {}, expected `absolute` or \
                     `relative` here",
                    case.measure.label()
                );
                return fail("id", message);
            }
            let kind = Kind::Number {
                measure: case.measure.clone(),
                expected: case.expected,
                at_least: case.at_least,
                at_most: case.at_most,
                absolute,
                relative,
            };
            out.push(Resolved {
                target: Target::new(case.measure.label(), draft.weight, kind),
                experiment: Some(target.experiment.clone()),
                set: target.set.iter().chain(&draft.set).cloned().collect(),
                isolate: target.isolate.clone(),
            });
        }
    }
    if out.is_empty() {
        let known: BTreeSet<&str> = file.targets.iter().map(|t| t.id.as_str()).collect();
        let known: Vec<&str> = known.into_iter().collect();
        let hint = crate::spec::suggest::did_you_mean(id, known.iter().copied());
        let message = format!(
            "no such target: found `{id}`, {paper} has {}{hint}",
            known.join(", ")
        );
        return fail("id", message);
    }
    Ok(out)
}

/// Reads `area,value` or `area,value,spread`.
pub(super) fn area_values(text: &str) -> Result<Vec<AreaValue>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let faulty = |e: csv::Error| format!("cannot read the table: {e}");
    let header = reader.headers().map_err(faulty)?.clone();
    let columns: Vec<&str> = header.iter().collect();
    let with_spread = match columns[..] {
        ["area", "value"] => false,
        ["area", "value", "spread"] => true,
        _ => {
            return Err(format!(
                "wrong columns: found `{}`, expected `area,value` or `area,value,spread`",
                columns.join(",")
            ));
        }
    };
    let mut rows: Vec<AreaValue> = Vec::new();
    for (i, row) in reader.records().enumerate() {
        let row = row.map_err(faulty)?;
        let number = |column: usize| {
            let text = row.get(column).unwrap_or_default();
            let found = text.parse::<f64>().ok().filter(|x| x.is_finite());
            found.ok_or_else(|| {
                let name = columns[column];
                format!(
                    "row {}: found {name} `{text}`, expected a finite number",
                    i + 1
                )
            })
        };
        let area = row.get(0).unwrap_or_default().to_owned();
        let spread = match with_spread {
            true => Some(number(2)?),
            false => None,
        };
        if let Some(spread) = spread.filter(|s| *s <= 0.0) {
            return Err(format!(
                "row {}: found spread {spread}, expected one above 0",
                i + 1
            ));
        }
        if rows.iter().any(|known| known.area == area) {
            return Err(format!("row {}: area twice: found {area} again", i + 1));
        }
        rows.push(AreaValue {
            area,
            value: number(1)?,
            spread,
        });
    }
    match rows.len() {
        0..=1 => Err(format!("found {} rows, expected 2 or more", rows.len())),
        _ => Ok(rows),
    }
}

impl Target {
    fn new(name: String, weight: f64, kind: Kind) -> Target {
        let wanted = match &kind {
            Kind::Number {
                expected,
                at_least,
                at_most,
                ..
            } => {
                let words = [
                    expected.map(|x| x.to_string()),
                    at_least.map(|x| format!("≥ {x}")),
                    at_most.map(|x| format!("≤ {x}")),
                ];
                words.into_iter().flatten().collect::<Vec<_>>().join(", ")
            }
            Kind::Regions { how, .. } | Kind::Areas { how, .. } => {
                let logarithms = match how.scale {
                    Scale::Linear => "",
                    Scale::Log => ", logarithms",
                };
                match how.loss {
                    TableLoss::Rmse => format!("the table{logarithms}"),
                    TableLoss::Correlation => format!("correlation 1{logarithms}"),
                }
            }
        };
        Target {
            name,
            wanted,
            weight,
            setting: 0,
            kind,
        }
    }

    /// Whether it needs the run, and not only the equations.
    pub(super) fn needs_run(&self, lab: &Lab) -> bool {
        match &self.kind {
            Kind::Number { measure, .. } => lab.needs_run(measure),
            Kind::Regions { table, .. } => table.latencies.is_some() || lab.simulates_timescales(),
            Kind::Areas { of, .. } => match of {
                PerArea::Timescale => lab.simulates_timescales(),
                PerArea::Baseline { .. } => false,
                PerArea::Latency | PerArea::Mean { .. } => true,
            },
        }
    }

    /// Measures a candidate.
    pub(super) fn measure(&self, lab: &mut Lab, stop: &AtomicBool) -> Result<Found, LabError> {
        let found = match &self.kind {
            Kind::Number {
                measure,
                expected,
                at_least,
                at_most,
                absolute,
                relative,
            } => {
                let Value::Number(x) = lab.measure(measure, stop)? else {
                    return Err(LabError::Misfit(
                        "found names, expected a number".to_owned(),
                    ));
                };
                let unit = |wanted: f64| {
                    let of_value = relative.map(|r| r * wanted.abs());
                    absolute.or(of_value).unwrap_or(1.0)
                };
                let misfits = [
                    expected.map(|e| (x - e).abs() / unit(e)),
                    at_least.map(|low| (low - x).max(0.0) / unit(low)),
                    at_most.map(|high| (x - high).max(0.0) / unit(high)),
                ];
                // f64::max would pass over a measure that is no number.
                let loss = match x.is_nan() {
                    true => f64::NAN,
                    false => misfits.into_iter().flatten().fold(0.0, f64::max),
                };
                Found { loss, value: x }
            }
            Kind::Regions { table, how } => {
                let pairs = validation::pairs(table, lab, stop)?;
                let rows = pairs.iter().map(|p| (p.recorded, p.model, None));
                how.of(&rows.collect::<Vec<_>>())?
            }
            Kind::Areas { rows, of, how } => {
                let names: Vec<&str> = rows.iter().map(|row| row.area.as_str()).collect();
                let model = lab.per_area(of, &names, stop)?;
                let mut all = Vec::with_capacity(rows.len());
                for (row, model) in rows.iter().zip(model) {
                    let none =
                        || LabError::Misfit(format!("no value of {} in the model", row.area));
                    all.push((row.value, model.ok_or_else(none)?, row.spread));
                }
                how.of(&all)?
            }
        };
        Ok(found)
    }
}

impl Comparison {
    /// Compares rows of what is wanted, what the model has, and the spread.
    fn of(&self, rows: &[(f64, f64, Option<f64>)]) -> Result<Found, LabError> {
        if rows.len() < 2 {
            return Err(LabError::Misfit(format!(
                "found {} areas or regions in common with the experiment, expected 2 or more",
                rows.len()
            )));
        }
        let on_scale = |x: f64| match self.scale {
            Scale::Linear => Ok(x),
            Scale::Log if x > 0.0 => Ok(x.ln()),
            Scale::Log => Err(LabError::Misfit(format!(
                "logarithm of what is not above 0: found {x}"
            ))),
        };
        let wanted: Vec<f64> = (rows.iter().map(|r| on_scale(r.0))).collect::<Result<_, _>>()?;
        let model: Vec<f64> = (rows.iter().map(|r| on_scale(r.1))).collect::<Result<_, _>>()?;
        // A model that is the same everywhere correlates with nothing.
        let correlation = stats::pearson(&wanted, &model).unwrap_or(0.0);
        let loss = match self.loss {
            TableLoss::Correlation => 1.0 - correlation,
            TableLoss::Rmse => {
                let all = stats::sd(&wanted)?;
                let misfit = |k: usize| {
                    let (value, _, own) = rows[k];
                    // d ln x = dx / x.
                    let on_scale = |spread: f64| match self.scale {
                        Scale::Linear => spread,
                        Scale::Log => spread / value,
                    };
                    let stated = own.or(self.absolute).map(on_scale);
                    let of_value = self.relative.map(|r| on_scale(r * value.abs()));
                    (model[k] - wanted[k]) / stated.or(of_value).unwrap_or(all)
                };
                let square = (0..rows.len()).map(|k| misfit(k).powi(2)).sum::<f64>();
                (square / rows.len() as f64).sqrt()
            }
        };
        Ok(Found {
            loss,
            value: correlation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Comparison = Comparison {
        loss: TableLoss::Rmse,
        scale: Scale::Linear,
        absolute: None,
        relative: None,
    };

    /// Wanted 1, 2, 3 with a standard deviation of 1 (n - 1), found one more each.
    #[test]
    fn tables_are_compared_in_units_of_their_spread() {
        let rows = [(1.0, 2.0, None), (2.0, 3.0, None), (3.0, 4.0, None)];
        let found = PLAIN.of(&rows).unwrap();
        let sd = stats::sd(&[1.0, 2.0, 3.0]).unwrap();
        assert!((found.loss - 1.0 / sd).abs() < 1e-12, "{found:?}");
        assert!((found.value - 1.0).abs() < 1e-12);
        let absolute = Comparison {
            absolute: Some(0.5),
            ..PLAIN
        };
        assert!((absolute.of(&rows).unwrap().loss - 2.0).abs() < 1e-12);
        let own = rows.map(|(a, b, _)| (a, b, Some(0.25)));
        assert!((absolute.of(&own).unwrap().loss - 4.0).abs() < 1e-12);
        let correlation = Comparison {
            loss: TableLoss::Correlation,
            ..PLAIN
        };
        assert!(correlation.of(&rows).unwrap().loss.abs() < 1e-12);
        // Twice as much everywhere: the same distance ln 2 on the logarithmic scale, a tenth each.
        let twice = [(1.0, 2.0, None), (2.0, 4.0, None), (3.0, 6.0, None)];
        let log = Comparison {
            scale: Scale::Log,
            relative: Some(0.1),
            ..PLAIN
        };
        assert!((log.of(&twice).unwrap().loss - 10.0 * 2.0_f64.ln()).abs() < 1e-12);
        assert!(log.of(&[(1.0, 0.0, None), (2.0, 1.0, None)]).is_err());
        assert!(PLAIN.of(&rows[..1]).is_err());
    }

    #[test]
    fn faulty_tables_of_areas_are_refused() {
        let rows = area_values("# mine\narea,value,spread\nV1, 10, 1\n9/46d,20,2\n").unwrap();
        assert_eq!(rows[1].area, "9/46d");
        assert_eq!(rows[1].spread, Some(2.0));
        for (text, says) in [
            ("", "wrong columns"),
            ("region,value\nV1,1\n", "wrong columns"),
            ("area,value\nV1,1\n", "2 or more"),
            ("area,value\nV1,1\nV2,x\n", "row 2: found value `x`"),
            ("area,value\nV1,1\nV2,NaN\n", "finite"),
            ("area,value\nV1,1\nV1,2\n", "area twice"),
            ("area,value,spread\nV1,1,0\nV2,2,1\n", "above 0"),
            ("area,value\nV1,1\nV2\n", "cannot read"),
        ] {
            let refusal = area_values(text).expect_err(text);
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }
}
