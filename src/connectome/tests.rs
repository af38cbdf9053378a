//! Facts of the bundled sets, one test for every refusal, and garbage that must not panic.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn bundle(name: &str) -> Connectome {
    load(&Source::parse(name).unwrap()).unwrap()
}

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "found {found}, expected {expected}"
    );
}

fn extremes(connectome: &Connectome) -> [(String, f64); 2] {
    let sums = connectome.row_sums();
    let mut order: Vec<usize> = (0..sums.len()).collect();
    order.sort_by(|a, b| sums[*a].total_cmp(&sums[*b]));
    [order[0], order[order.len() - 1]].map(|i| (connectome.areas[i].name.clone(), sums[i]))
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let sum =
        |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(a, b)| f(a - mx, b - my)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

#[test]
fn facts_of_markov29() {
    let c = bundle("macaque-markov29");
    assert_eq!((c.n_areas(), c.n_links()), (29, 536));
    near(c.density(), 0.660, 5e-4);
    near(c.spectral_radius(), 0.855, 5e-4);
    let [low, high] = extremes(&c);
    assert_eq!((low.0.as_str(), high.0.as_str()), ("7A", "V2"));
    near(low.1, 0.158, 5e-4);
    near(high.1, 0.956, 5e-4);
    let logs = c.log10_fln().unwrap();
    near(logs.min, -5.81, 5e-3);
    near(logs.max, -0.117, 5e-4);
    near(logs.mean, -2.99, 5e-3);
    near(logs.sd, 1.33, 5e-3);
    near(c.reciprocity().unwrap(), 0.80, 5e-3);
    let distance = c.distance_mm.as_ref().unwrap();
    let given = distance
        .indexed_iter()
        .filter(|((i, j), d)| i != j && d.is_finite())
        .count();
    assert_eq!(given, 812);
    assert!(distance.diag().iter().all(|d| *d == 0.0));
    let (v4, m8) = (
        c.area_id("V4").unwrap().index(),
        c.area_id("8m").unwrap().index(),
    );
    assert_eq!((distance[[v4, m8]], distance[[m8, v4]]), (38.8, 39.2));
    near(c.sln_hierarchy_correlation().unwrap(), 0.452, 5e-4);
    let (up, down) = c.mean_sln_up_down().unwrap();
    near(up, 0.585, 5e-4);
    near(down, 0.352, 5e-4);
}

#[test]
fn facts_of_markov40() {
    let c = bundle("macaque-markov40");
    assert_eq!((c.n_areas(), c.n_links()), (40, 999));
    let [low, high] = extremes(&c);
    assert_eq!((low.0.as_str(), high.0.as_str()), ("OPRO", "V2"));
    near(low.1, 0.102, 5e-4);
    near(high.1, 0.954, 5e-4);
    let values = |name: &str| c.gradient(name).unwrap().values.clone();
    near(
        correlation(&values("d1r_per_neuron"), &values("hierarchy")),
        0.833,
        5e-4,
    );
    near(
        correlation(&values("spine_count"), &values("hierarchy")),
        0.684,
        5e-4,
    );
    assert!(c.distance_mm.is_none());
    let spines = c
        .gradient("spine_count")
        .unwrap()
        .estimated
        .as_ref()
        .unwrap();
    assert_eq!(spines.iter().filter(|e| **e).count(), 19);
}

#[test]
fn facts_of_mouse43() {
    let c = bundle("mouse-allen43");
    assert_eq!((c.n_areas(), c.n_links()), (43, 43 * 42));
    assert_eq!((c.weights, c.density()), (WeightKind::Strength, 1.0));
    assert!(c.sln.is_none() && c.distance_mm.is_none());
    // VISp to VISl is the way up, and stronger than the way back.
    let at = |name: &str| c.area_id(name).unwrap().index();
    let (low, high) = (at("VISp"), at("VISl"));
    assert!(c.fln.get(high, low) > c.fln.get(low, high));
    let h = c.gradient("hierarchy").unwrap();
    assert_eq!((h.values[low], h.values[at("AIv")]), (0.0, 1.0));
    let estimated = h.estimated.as_ref().unwrap();
    assert_eq!(estimated.iter().filter(|e| **e).count(), 6);
    let pv = &c.gradient("pv_norm").unwrap().values;
    assert_eq!((pv[at("AIp")], pv[at("SSp-n")]), (0.0, 1.0));
    near(pv.iter().sum::<f64>() / 43.0, 0.473, 5e-4);
}

/// The cortex of the larger mouse is the smaller mouse, link by link; the thalamus hangs on it alone.
#[test]
fn facts_of_mouse82() {
    let (c, cortex) = (bundle("mouse-allen82"), bundle("mouse-allen43"));
    assert_eq!((c.n_areas(), c.n_links()), (82, 43 * 42 + 2 * 43 * 39));
    assert_eq!(c.groups(), ["cortex", "thalamus"]);
    assert_eq!(cortex.groups(), ["cortex"]);
    let own: Vec<AreaId> = c.group("cortex").collect();
    let left = c.subset(&own);
    assert_eq!(left.fln, cortex.fln);
    assert!(left.area_names().eq(cortex.area_names()));
    for name in ["hierarchy", "pv_norm", "sst_norm"] {
        let of = |c: &Connectome| c.gradient(name).unwrap().values.clone();
        assert_eq!(of(&left), of(&cortex));
    }
    let thalamus: Vec<AreaId> = c.group("thalamus").collect();
    assert_eq!(c.subset(&thalamus).n_links(), 0);
    let pv = &c.gradient("pv_norm").unwrap().values;
    assert!(thalamus.iter().all(|a| pv[a.index()].is_nan()));
    let h = &c.gradient("hierarchy").unwrap().values;
    assert!(h.iter().all(|h| h.is_finite()));
    let at = |name: &str| c.area_id(name).unwrap().index();
    for (to, from, expected) in [
        ("VAL", "VISp", 1.445_259_480_328_864_7e-5),
        ("VISp", "VAL", 1.552_398_175_590_95e-5),
    ] {
        let found = c.fln.get(at(to), at(from)).unwrap();
        assert!(
            (found / expected - 1.0).abs() < 1e-15,
            "{to} {from}: {found}"
        );
    }
}

#[test]
fn bundled_sets_are_clean_and_row_is_target() {
    for set in bundled() {
        let source = Source::parse(set.name).unwrap();
        assert_eq!(check(&source), Report::default());
        let c = load(&source).unwrap();
        assert_eq!(
            (c.name.as_str(), c.provenance.title.as_str()),
            (set.name, set.title)
        );
        assert!(c.fln.data().iter().all(|fln| *fln > 0.0));
        assert!(c.areas.iter().all(|a| a.lobe.is_some()));
        assert!(c.provenance.terms.is_some() && c.provenance.publications.len() >= 5);
        assert_eq!(c.provenance.digest().len(), 64);
        for gradient in &c.gradients {
            assert_eq!(gradient.values.len(), c.n_areas());
        }
        if set.name.starts_with("mouse") {
            continue;
        }
        assert_eq!(
            c.sln.as_ref().unwrap().nnz(),
            c.n_links(),
            "a measured SLN of 0 is kept"
        );
        // V1 receives most of its input from V2, but not the reverse share.
        let (v1, v2) = (
            c.area_id("V1").unwrap().index(),
            c.area_id("V2").unwrap().index(),
        );
        let expected = if c.n_areas() == 29 {
            0.7321572061864212
        } else {
            0.7278671408642758
        };
        assert_eq!(c.fln.get(v1, v2).copied(), Some(expected));
        assert!(c.areas.iter().all(|a| a.position_mm.is_some()));
        assert!(manifest_text(&source).unwrap().contains("core-nets.org"));
    }
    assert_ne!(
        bundle("macaque-markov29").provenance.digest(),
        bundle("macaque-markov40").provenance.digest()
    );
}

#[test]
fn names_are_text_and_mistakes_get_suggestions() {
    let c = bundle("macaque-markov40");
    for name in ["1", "25", "9/46d", "8l"] {
        let id = c.area_id(name).unwrap();
        assert_eq!(c.areas[id.index()].name, name);
    }
    let error = c.area_id("prom").unwrap_err();
    assert_eq!(error.close, ["ProM"]);
    assert!(
        error
            .to_string()
            .contains("found `prom`, expected one of the 40 areas")
    );
    let error = c.gradient("hierachy").unwrap_err();
    assert!(
        error.to_string().ends_with("; did you mean `hierarchy`?"),
        "{error}"
    );
    let error = Source::parse("macaque-markov28").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("did you mean `macaque-markov29`"),
        "{error}"
    );
    assert!(Source::parse("").is_err());
    let foreign = Source::Bundled("none".into());
    assert!(load(&foreign).is_err() && !check(&foreign).is_ok() && manifest(&foreign).is_err());
}

const MANIFEST: &str = "\
layout: 1
name: toy
title: Four areas
areas: 4
orientation: {rows: target, columns: source}
files:
  areas:
    path: areas.csv
  fln:
    path: fln.csv
  sln:
    path: sln.csv
  distance_mm:
    path: distance_mm.csv
gradients:
  - name: hierarchy
    unit: dimensionless
    description: made up
";
const AREAS: &str = "area,hierarchy,lobe\nV1,0,occipital\n9/46d,0.5,\n10,0.7,\nÅ2,1,\n";
const FLN: &str = "\
target,source,fln
V1,9/46d,0.5
9/46d,V1,0.25
10,V1,0.1
10,Å2,0.2
Å2,10,0.4
";
const SLN: &str = "target,source,sln\nV1,9/46d,0.2\n9/46d,V1,0.8\n10,V1,1\n10,Å2,0\nÅ2,10,0.9\n";
const DISTANCE: &str = "target,source,distance_mm\nV1,9/46d,12.5\n9/46d,V1,12.5\nV1,V1,0\n10,V1,\n";

/// One delay for every link but 10 <- Å2, whose field is blank, and one for a pair without link.
const DELAY: &str = "\
target,source,delay_ms
V1,9/46d,4.5
9/46d,V1,5
10,V1,0
10,Å2,
Å2,10,2.25
V1,Å2,9
";
/// Names the table of delays, which the toy has but does not use.
const WITH_DELAYS: (&str, &str, &str) = (
    "manifest.yaml",
    "gradients:",
    "  delay_ms:\n    path: delay_ms.csv\ngradients:",
);

/// The toy folder with each (file, from, to) replaced.
fn toy(changes: &[(&str, &str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (file, text) in [
        ("manifest.yaml", MANIFEST),
        ("areas.csv", AREAS),
        ("fln.csv", FLN),
        ("sln.csv", SLN),
        ("distance_mm.csv", DISTANCE),
        ("delay_ms.csv", DELAY),
    ] {
        let mut text = text.to_owned();
        for (_, from, to) in changes.iter().filter(|(changed, _, _)| *changed == file) {
            assert!(text.contains(from), "{file} holds no {from:?}");
            text = text.replacen(from, to, 1);
        }
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

fn source(folder: &TempDir) -> Source {
    Source::parse(folder.path().to_str().unwrap()).unwrap()
}

/// Asserts that the change is refused with a line that starts so, and that it is all that is wrong.
#[track_caller]
fn refused(file: &str, from: &str, to: &str, expected: &str) {
    refused_with(&[(file, from, to)], expected);
}

/// The same for several changes.
#[track_caller]
fn refused_with(changes: &[(&str, &str, &str)], expected: &str) {
    let folder = toy(changes);
    let report = check(&source(&folder));
    let lines: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with(expected),
        "{lines:#?}"
    );
    let error = load(&source(&folder)).unwrap_err().to_string();
    assert!(
        error.lines().nth(1).unwrap().starts_with(expected),
        "{error}"
    );
}

/// Asserts that the change is accepted with a warning that starts so.
#[track_caller]
fn warned(file: &str, from: &str, to: &str, expected: &str) {
    let folder = toy(&[(file, from, to)]);
    load(&source(&folder)).unwrap();
    let report = check(&source(&folder));
    let all = report.warnings.iter().chain(&report.hints);
    let lines: Vec<String> = all.map(ToString::to_string).collect();
    assert!(
        lines.iter().any(|line| line.starts_with(expected)),
        "{lines:#?}"
    );
}

#[test]
fn the_toy_loads() {
    let folder = toy(&[]);
    let c = load(&source(&folder)).unwrap();
    assert_eq!(
        c.area_names().collect::<Vec<_>>(),
        ["V1", "9/46d", "10", "Å2"]
    );
    assert_eq!(c.fln.to_dense()[[0, 1]], 0.5);
    assert_eq!(c.fln.to_dense()[[2, 0]], 0.1);
    assert_eq!(c.sln.as_ref().unwrap().get(2, 3), Some(&0.0));
    assert_eq!(c.areas[0].lobe.as_deref(), Some("occipital"));
    assert_eq!(c.areas[1].lobe, None);
    let distance = c.distance_mm.unwrap();
    assert!(distance[[2, 0]].is_nan() && distance[[3, 3]] == 0.0 && distance[[0, 1]] == 12.5);
    // Only the missing hashes are remarked on, each with the hash to write down, and by the check alone.
    assert_eq!(c.provenance.warnings, []);
    let hints = check(&source(&folder)).hints;
    assert_eq!(hints.len(), 4);
    let hash = &c.provenance.files[0].sha256;
    assert_eq!(
        hints[0].to_string(),
        format!("areas.csv: no sha256 in manifest.yaml: found {hash}")
    );
}

#[test]
fn a_right_hash_is_accepted_and_a_wrong_one_refused() {
    let hash = sha256_hex(FLN.as_bytes());
    let right = format!("path: fln.csv\n    sha256: {}", hash.to_uppercase());
    let folder = toy(&[("manifest.yaml", "path: fln.csv", &right)]);
    assert_eq!(check(&source(&folder)).hints.len(), 3);
    let wrong = format!("path: fln.csv\n    sha256: {}", "0".repeat(64));
    let expected = format!(
        "fln.csv: wrong sha256: found {hash}, expected {}",
        "0".repeat(60)
    );
    refused("manifest.yaml", "path: fln.csv", &wrong, &expected);
}

#[test]
fn line_endings_byte_order_marks_and_blank_lines_are_tolerated() {
    let plain = load(&source(&toy(&[]))).unwrap();
    let folder = toy(&[]);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{FEFF}{}", text.replace('\n', "\r\n"))).unwrap();
    }
    let c = load(&source(&folder)).unwrap();
    assert_eq!(c.fln, plain.fln);
    assert_eq!(c.areas, plain.areas);
    // The line is right after blank lines, whatever the line ending.
    for end in ["\n", "\r\n", "\r"] {
        let text = FLN
            .replace("10,V1,0.1", "\n\n10,V1,-0.1")
            .replace('\n', end);
        fs::write(folder.path().join("fln.csv"), text).unwrap();
        let report = check(&source(&folder));
        assert_eq!(report.errors[0].line, Some(6), "{end:?}");
    }
    // Blanks around fields do not belong to them.
    warned(
        "fln.csv",
        "V1,9/46d,0.5",
        " V1 ,\t9/46d, 0.5 ",
        "areas.csv: no sha256",
    );
}

#[test]
fn refuses_unknown_area() {
    refused(
        "fln.csv",
        "10,V1,0.1",
        "10,v1,0.1",
        "fln.csv:4: unknown area: found `v1`, expected one of the 4 areas; did you mean `V1`?",
    );
}

#[test]
fn refuses_duplicate_pair() {
    refused(
        "fln.csv",
        "Å2,10,0.4\n",
        "Å2,10,0.4\n10,V1,0.1\n",
        "fln.csv:7: duplicate pair: found again, first in line 4 (10 <- V1)",
    );
}

#[test]
fn refuses_negative_fln() {
    refused(
        "fln.csv",
        "0.25",
        "-0.2",
        "fln.csv:3: negative FLN: found -0.2, expected 0..1 (9/46d <- V1)",
    );
}

#[test]
fn refuses_fln_that_is_no_finite_number() {
    refused(
        "fln.csv",
        "0.25",
        "inf",
        "fln.csv:3: non-finite FLN: found inf, expected 0..1",
    );
    refused(
        "fln.csv",
        "0.25",
        "NaN",
        "fln.csv:3: non-finite FLN: found NaN",
    );
    refused("fln.csv", "0.25", "1e999", "fln.csv:3: non-finite FLN");
    refused(
        "fln.csv",
        "0.25",
        "0,25",
        "fln.csv:3: wrong number of fields: found 4, expected 3",
    );
    refused(
        "fln.csv",
        "0.25",
        "many",
        "fln.csv:3: unparseable FLN: found `many`, expected a",
    );
    refused(
        "fln.csv",
        "0.25",
        "",
        "fln.csv:3: unparseable FLN: found ``",
    );
}

#[test]
fn refuses_fln_above_one_and_row_sums_above_one() {
    refused(
        "fln.csv",
        "0.25",
        "1.5",
        "fln.csv:3: FLN out of range: found 1.5, expected 0..1",
    );
    refused(
        "fln.csv",
        "10,V1,0.1",
        "10,V1,0.8125",
        "fln.csv: FLN row sum above 1: found 1.0125, expected at most 1 (target 10)",
    );
    // Within the slack for sums of decimal fractions.
    warned(
        "fln.csv",
        "10,V1,0.1",
        "10,V1,0.8000000005",
        "areas.csv: no sha256",
    );
}

#[test]
fn refuses_non_zero_diagonal() {
    refused(
        "fln.csv",
        "10,V1,0.1",
        "10,10,0.1",
        "fln.csv:4: non-zero diagonal: found FLN 0.1, expected none (10 <- 10)",
    );
    refused(
        "distance_mm.csv",
        "V1,V1,0",
        "V1,V1,2",
        "distance_mm.csv:4: non-zero diagonal",
    );
    let folder = toy(&[("fln.csv", "10,V1,0.1", "10,10,0")]);
    assert_eq!(
        load(&source(&folder)).unwrap().n_links(),
        4,
        "a listed 0 is no link"
    );
}

#[test]
fn refuses_sln_out_of_range_and_warns_of_sln_without_link() {
    refused(
        "sln.csv",
        "0.8",
        "1.01",
        "sln.csv:3: SLN out of range: found 1.01, expected 0..1",
    );
    refused(
        "sln.csv",
        "0.8",
        "-0.1",
        "sln.csv:3: negative SLN: found -0.1",
    );
    warned(
        "sln.csv",
        "Å2,10,0.9",
        "Å2,V1,0.9",
        "sln.csv:6: SLN without link: found 0.9, ignored",
    );
    warned(
        "sln.csv",
        "Å2,10,0.9",
        "Å2,10,",
        "sln.csv: links without SLN: found SLN for 4 of 5",
    );
}

#[test]
fn refuses_gradient_with_a_gap() {
    refused(
        "areas.csv",
        "10,0.7,",
        "10,,",
        "areas.csv:4: missing value of gradient hierarchy: found blank, expected a number (10)",
    );
    refused(
        "areas.csv",
        "10,0.7,",
        "10,nan,",
        "areas.csv:4: value of gradient hierarchy: found",
    );
    refused(
        "areas.csv",
        "10,0.7,",
        "10,high,",
        "areas.csv:4: value of gradient hierarchy",
    );
}

#[test]
fn refuses_bad_area_names() {
    let folder = toy(&[
        ("areas.csv", "Å2,1,", "V1,1,\n,1,"),
        ("manifest.yaml", "areas: 4", "areas: 5"),
    ]);
    let lines: Vec<String> = check(&source(&folder))
        .errors
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        lines[0].starts_with("areas.csv:5: duplicate area name: found `V1` again"),
        "{lines:?}"
    );
    assert_eq!(
        lines[1],
        "areas.csv:6: empty area name: found blank, expected text"
    );
    let folder = toy(&[("areas.csv", "Å2,1,", "\"Å\n2\",1,")]);
    let first = check(&source(&folder)).errors[0].to_string();
    assert!(
        first.starts_with("areas.csv:5: area name not printable: found `Å\\n2`"),
        "{first}"
    );
}

#[test]
fn refuses_wrong_number_of_areas() {
    refused(
        "manifest.yaml",
        "areas: 4",
        "areas: 29",
        "areas.csv: number of areas: found 4 rows, expected 29 (manifest.yaml, line 4)",
    );
}

#[test]
fn refuses_missing_file_and_column() {
    let folder = toy(&[]);
    fs::remove_file(folder.path().join("sln.csv")).unwrap();
    let report = check(&source(&folder));
    assert_eq!(report.errors.len(), 1);
    let line = report.errors[0].to_string();
    assert!(
        line.starts_with("sln.csv: missing file, named in manifest.yaml, line 12"),
        "{line}"
    );
    refused(
        "areas.csv",
        "area,hierarchy",
        "area,hierarcy",
        "areas.csv:1: missing column: found none called `hierarchy`, which manifest.yaml names in \
         line 16; did you mean `hierarcy`?",
    );
    let listed = "path: fln.csv\n    columns: [{name: weight}]";
    refused(
        "manifest.yaml",
        "path: fln.csv",
        listed,
        "fln.csv:1: missing column: found none",
    );
    refused(
        "areas.csv",
        "lobe",
        "inflated_x_mm",
        "areas.csv:1: missing column: found part of the",
    );
    refused(
        "manifest.yaml",
        "description: made up",
        "description: made up\n    basis: {column: basis, estimated: [guess]}",
        "areas.csv:1: missing column: found none called `basis`",
    );
}

#[test]
fn refuses_wrong_header() {
    let expected = "fln.csv:1: wrong header: found `target,source,weight`, expected \
                    `target,source,fln`";
    refused(
        "fln.csv",
        "target,source,fln",
        "target,source,weight",
        expected,
    );
    refused(
        "areas.csv",
        "area,",
        "name,",
        "areas.csv:1: wrong header: found `name,hierarchy,lobe`",
    );
    let folder = toy(&[]);
    fs::write(folder.path().join("sln.csv"), "").unwrap();
    assert_eq!(
        check(&source(&folder)).errors[0]
            .to_string()
            .split(':')
            .nth(1),
        Some(" empty file")
    );
    // The header names the columns, so their order is free.
    let mut swapped = "source,target,fln\n".to_owned();
    for line in FLN.lines().skip(1) {
        let f: Vec<&str> = line.split(',').collect();
        swapped += &format!("{},{},{}\n", f[1], f[0], f[2]);
    }
    fs::write(folder.path().join("sln.csv"), SLN).unwrap();
    fs::write(folder.path().join("fln.csv"), swapped).unwrap();
    assert_eq!(
        load(&source(&folder)).unwrap().fln,
        load(&source(&toy(&[]))).unwrap().fln
    );
}

#[test]
fn refuses_impossible_distances() {
    refused(
        "distance_mm.csv",
        "12.5",
        "-1",
        "distance_mm.csv:2: negative distance: found -1",
    );
    refused(
        "distance_mm.csv",
        "12.5",
        "inf",
        "distance_mm.csv:2: non-finite distance: found inf",
    );
}

#[test]
fn delays_are_read_by_target_and_source_and_count_in_the_digest() {
    let without = load(&source(&toy(&[]))).unwrap();
    assert!(without.delay_ms.is_none());
    let folder = toy(&[WITH_DELAYS]);
    let c = load(&source(&folder)).unwrap();
    let delay = c.delay_ms.as_ref().unwrap();
    assert_eq!(delay.shape(), [4, 4]);
    // Row = target, column = source; names in the order of the areas: V1, 9/46d, 10, Å2.
    assert_eq!((delay[[0, 1]], delay[[1, 0]]), (4.5, 5.0));
    assert_eq!((delay[[2, 0]], delay[[0, 3]]), (0.0, 9.0));
    assert!(delay[[2, 3]].is_nan() && delay[[3, 0]].is_nan());
    assert!(delay.diag().iter().all(|d| *d == 0.0));
    let roles: Vec<&str> = c.provenance.files.iter().map(|f| f.role.as_str()).collect();
    assert_eq!(roles, ["areas", "fln", "sln", "distance_mm", "delay_ms"]);
    assert_ne!(c.provenance.digest(), without.provenance.digest());
    let other = toy(&[WITH_DELAYS, ("delay_ms.csv", "4.5", "4.75")]);
    let other = load(&source(&other)).unwrap();
    assert_ne!(c.provenance.digest(), other.provenance.digest());
    let lesioned = c.subset(&[AreaId(1), AreaId(2), AreaId(3)]);
    assert_eq!(lesioned.delay_ms.unwrap()[[2, 1]], 2.25);
}

#[test]
fn refuses_impossible_delays() {
    let refused = |from: &str, to: &str, expected: &str| {
        refused_with(&[WITH_DELAYS, ("delay_ms.csv", from, to)], expected);
    };
    let at = "delay_ms.csv:2:";
    refused(
        "4.5",
        "-1",
        &format!("{at} negative delay: found -1, expected 0 ms or more (V1 <- 9/46d)"),
    );
    refused(
        "4.5",
        "NaN",
        &format!("{at} non-finite delay: found NaN, expected 0 ms or more (V1 <- 9/46d)"),
    );
    refused("4.5", "inf", &format!("{at} non-finite delay: found inf"));
    refused(
        "4.5",
        "4 ms",
        &format!("{at} unparseable delay: found `4 ms`, expected a number"),
    );
    refused("4.5", "4,5", &format!("{at} wrong number of fields"));
    refused(
        "V1,9/46d",
        "v1,9/46d",
        &format!("{at} unknown area: found `v1`, expected one of the 4 areas; did you mean `V1`?"),
    );
    refused("V1,9/46d", "9/46d,V1", "delay_ms.csv:3: duplicate pair");
    refused("V1,9/46d", "V1,V1", &format!("{at} non-zero diagonal"));
    refused(
        "target,source,delay_ms",
        "target,source,delay",
        "delay_ms.csv:1: wrong header: found `target,source,delay`, expected \
         `target,source,delay_ms`",
    );
    let unit = "path: delay_ms.csv\n    unit: s";
    refused_with(
        &[WITH_DELAYS, ("manifest.yaml", "path: delay_ms.csv", unit)],
        "manifest.yaml:17: unit of the table of delays: found `s`, expected `ms`",
    );
    let folder = toy(&[WITH_DELAYS]);
    fs::remove_file(folder.path().join("delay_ms.csv")).unwrap();
    let errors = check(&source(&folder)).errors;
    assert_eq!(errors.len(), 1);
    let line = errors[0].to_string();
    assert!(
        line.starts_with("delay_ms.csv: missing file, named in manifest.yaml, line 16"),
        "{line}"
    );
}

#[test]
fn warns_of_links_without_delay_and_of_exchanged_ends() {
    let warnings = |changes: &[(&str, &str, &str)]| -> Vec<String> {
        let report = check(&source(&toy(changes)));
        assert!(report.is_ok(), "{report:?}");
        let lines = report.warnings.iter().map(ToString::to_string);
        lines
            .filter(|l| l.starts_with("delay_ms.csv: ") && !l.contains("sha256"))
            .collect()
    };
    let found = warnings(&[WITH_DELAYS]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("delay_ms.csv: links without delay: found delays for 4 of 5 links"),
        "{found:?}"
    );
    let complete = ("delay_ms.csv", "10,Å2,", "10,Å2,3");
    assert_eq!(warnings(&[WITH_DELAYS, complete]), [""; 0]);
    // 10 <- V1 has no way back, so that it tells the two directions apart.
    let header = (
        "delay_ms.csv",
        "target,source,delay_ms",
        "source,target,delay_ms",
    );
    let extra = ("delay_ms.csv", "V1,Å2,9\n", "");
    let found = warnings(&[WITH_DELAYS, complete, extra, header]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].starts_with(
            "delay_ms.csv: looks transposed: found delays for 4 links, and for 5 with the ends"
        ),
        "{found:?}"
    );
}

#[test]
fn refuses_distances_in_another_unit() {
    refused(
        "manifest.yaml",
        "path: distance_mm.csv",
        "path: distance_mm.csv\n    unit: cm",
        "manifest.yaml:15: unit of the table of distances: found `cm`, expected `mm`",
    );
}

#[test]
fn refuses_bad_manifests_with_the_line() {
    let at = |n: u64| format!("manifest.yaml:{n}: manifest not understood");
    refused("manifest.yaml", "name: toy", "nmae: toy", &at(2));
    refused("manifest.yaml", "areas: 4", "areas: four", &at(4));
    refused("manifest.yaml", "areas: 4", "areas: -4", &at(4));
    refused("manifest.yaml", "rows: target", "rows: row", &at(5));
    refused(
        "manifest.yaml",
        "layout: 1",
        "layout: 7",
        "manifest.yaml:1: layout: found 7",
    );
    refused(
        "manifest.yaml",
        "name: toy",
        "name: ' '",
        "manifest.yaml:2: name: found blank",
    );
    refused(
        "manifest.yaml",
        "rows: target, columns: source",
        "rows: source, columns: target",
        "manifest.yaml:5: orientation: found rows Source and columns Target, expected rows target",
    );
    let twice = "gradients:\n  - {name: hierarchy, unit: dimensionless, description: first}";
    refused(
        "manifest.yaml",
        "gradients:",
        twice,
        "manifest.yaml:17: duplicate gradient",
    );
}

#[test]
fn refuses_paths_that_leave_the_folder() {
    for path in [
        "../fln.csv",
        "/etc/passwd",
        "a/../../fln.csv",
        "'..\\fln.csv'",
        "'C:fln.csv'",
        "''",
    ] {
        let to = format!("path: {path}");
        let expected = "manifest.yaml:10: path leaves the folder: found `";
        refused("manifest.yaml", "path: fln.csv", &to, expected);
    }
}

#[test]
fn collects_every_error_at_once() {
    let folder = toy(&[
        ("fln.csv", "0.25", "-0.25"),
        ("fln.csv", "Å2,10", "Å3,10"),
        ("sln.csv", "0.8", "8"),
        ("distance_mm.csv", "12.5", "x"),
        ("areas.csv", "10,0.7", "10,"),
    ]);
    let report = check(&source(&folder));
    assert_eq!(report.errors.len(), 5, "{report:#?}");
    let error = load(&source(&folder)).unwrap_err().to_string();
    for finding in &report.errors {
        assert!(
            error.lines().any(|line| line == finding.to_string()),
            "{error}"
        );
    }
    let mut many = FLN.to_owned();
    many.extend((0..200).map(|i| format!("x{i},V1,0.1\n")));
    fs::write(folder.path().join("fln.csv"), many).unwrap();
    assert!(
        load(&source(&folder))
            .unwrap_err()
            .to_string()
            .contains("... and ")
    );
}

/// A bundled set written to a folder, its tables optionally with target and source exchanged.
fn copy_of_29(transposed: bool, edit: impl Fn(&str, String) -> String) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, bytes) in bundled()[0].files {
        let mut text = String::from_utf8(bytes.to_vec()).unwrap();
        if transposed && *path != "areas.csv" {
            text = text.replacen("target,source,", "source,target,", 1);
        }
        if *path == "manifest.yaml" {
            let kept: Vec<&str> = text
                .lines()
                .filter(|l| !l.trim_start().starts_with("sha256:"))
                .collect();
            text = kept.join("\n");
        }
        fs::write(folder.path().join(path), edit(path, text)).unwrap();
    }
    folder
}

#[test]
fn a_folder_reads_as_the_bundled_set_does() {
    let folder = copy_of_29(false, |_, text| text);
    let (a, b) = (load(&source(&folder)).unwrap(), bundle("macaque-markov29"));
    assert_eq!(a.fln, b.fln);
    assert_eq!(a.provenance.digest(), b.provenance.digest());
    assert_eq!(a.provenance.source, folder.path().display().to_string());
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let relative = Source::parse_from(name, folder.path().parent().unwrap()).unwrap();
    assert_eq!(relative, source(&folder));
    assert!(Source::parse_from(name, Path::new("nowhere")).is_err());
}

#[test]
fn warns_of_a_transposed_matrix() {
    // The row sums give it away where sources send more than 1 in all...
    let folder = copy_of_29(true, |_, text| text);
    let report = check(&source(&folder));
    assert!(
        report
            .errors
            .iter()
            .any(|e| e.message.starts_with("FLN row sum above 1"))
    );
    let sums = report
        .warnings
        .iter()
        .any(|w| w.message.contains("row sums above 1"));
    assert!(sums, "{report:#?}");
    assert!(
        load(&source(&folder))
            .unwrap_err()
            .to_string()
            .contains("warning: fln.csv: looks")
    );
    // ... and SLN against hierarchy where they do not.
    let weaker = copy_of_29(true, |path, text| {
        if path != "fln.csv" {
            return text;
        }
        let mut out = String::new();
        for (k, line) in text.lines().enumerate() {
            let (pair, value) = line.rsplit_once(',').unwrap();
            let scaled = value.parse::<f64>().map(|v| (v / 10.0).to_string());
            out += &if k == 0 {
                format!("{line}\n")
            } else {
                format!("{pair},{}\n", scaled.unwrap())
            };
        }
        out
    });
    let c = load(&source(&weaker)).unwrap();
    let warning = c
        .provenance
        .warnings
        .iter()
        .find(|w| w.message.contains("correlation -0.452"));
    assert!(
        warning.is_some_and(|w| w.file == "sln.csv"),
        "{:?}",
        c.provenance.warnings
    );
}

#[test]
fn the_smallest_folder_in_the_readme_works() {
    let readme = include_str!("../../data/README.md");
    let block = |start: &str| {
        let from = readme.rfind(start).unwrap() + start.len();
        readme[from..].split("```").next().unwrap().to_owned()
    };
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("manifest.yaml"), block("```yaml\n")).unwrap();
    let (mut areas, mut fln) = (String::new(), String::new());
    for line in block("```\narea,spines").lines() {
        let (left, right) = line.split_once("  ").unwrap();
        areas += &format!("{left}\n");
        fln += &format!("{}\n", right.trim());
    }
    fs::write(
        folder.path().join("areas.csv"),
        format!("area,spines{areas}"),
    )
    .unwrap();
    fs::write(folder.path().join("fln.csv"), fln).unwrap();
    let c = load(&source(&folder)).unwrap();
    assert_eq!((c.n_areas(), c.n_links()), (3, 3));
    assert_eq!(
        c.gradient("spines").unwrap().values,
        [600.0, 1100.0, 2000.0]
    );
}

fn row(values: &[(&str, f64)]) -> std::collections::BTreeMap<String, f64> {
    values.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect()
}

#[test]
fn inline_connectomes() {
    let areas = vec![
        ("A".to_owned(), row(&[("h", 0.0)])),
        ("B".to_owned(), row(&[("h", 1.0)])),
    ];
    let links = vec![("B".to_owned(), "A".to_owned(), 0.5)];
    let c = inline("pair", areas.clone(), links.clone(), WeightKind::Fln).unwrap();
    assert_eq!((c.n_areas(), c.n_links()), (2, 1));
    assert_eq!(c.fln.get(1, 0), Some(&0.5));
    assert_eq!(c.gradient("h").unwrap().values, [0.0, 1.0]);
    assert_eq!(c.spectral_radius(), 0.0);
    assert_eq!(c.reciprocity(), Some(0.0));
    let other = inline(
        "pair",
        areas.clone(),
        vec![("B".into(), "A".into(), 0.6)],
        WeightKind::Fln,
    )
    .unwrap();
    assert_ne!(c.provenance.digest(), other.provenance.digest());

    let message = |areas: &[(String, _)], links: &[(String, String, f64)]| {
        inline("pair", areas.to_vec(), links.to_vec(), WeightKind::Fln)
            .unwrap_err()
            .to_string()
    };
    let mut uneven = areas.clone();
    uneven[1].1 = row(&[("h", 1.0), ("spines", 2.0)]);
    let text = message(&uneven, &links);
    assert!(
        text.contains("gradients differ: found [h, spines], expected [h]"),
        "{text}"
    );
    let mut infinite = areas.clone();
    infinite[1].1 = row(&[("h", f64::INFINITY)]);
    assert!(message(&infinite, &links).contains("value of gradient h: found inf"));
    let twice = [areas[0].clone(), areas[0].clone()];
    assert!(message(&twice, &[]).contains("duplicate area name"));
    assert!(message(&areas, &[("A".into(), "C".into(), 0.1)]).contains("unknown area: found `C`"));
    assert!(message(&areas, &[("A".into(), "B".into(), f64::NAN)]).contains("non-finite FLN"));
    assert!(message(&areas, &[("A".into(), "A".into(), 0.1)]).contains("non-zero diagonal"));
    assert!(
        inline("none", Vec::new(), Vec::new(), WeightKind::Fln)
            .unwrap_err()
            .to_string()
            .contains("no areas")
    );
}

#[test]
fn subset_keeps_order_and_numbers() {
    let c = bundle("macaque-markov29");
    let ids = ["24c", "V1", "MT", "V1"].map(|name| c.area_id(name).unwrap());
    let mut keep = ids.to_vec();
    keep.push(AreaId(999));
    let s = c.subset(&keep);
    assert_eq!(s.area_names().collect::<Vec<_>>(), ["V1", "MT", "24c"]);
    for (i, a) in s.area_names().enumerate() {
        for (j, b) in s.area_names().enumerate() {
            let (p, q) = (c.area_id(a).unwrap().index(), c.area_id(b).unwrap().index());
            assert_eq!(s.fln.get(i, j), c.fln.get(p, q));
            assert_eq!(
                s.sln.as_ref().unwrap().get(i, j),
                c.sln.as_ref().unwrap().get(p, q)
            );
            let (full, part) = (
                c.distance_mm.as_ref().unwrap(),
                s.distance_mm.as_ref().unwrap(),
            );
            assert_eq!(part[[i, j]], full[[p, q]]);
        }
    }
    let spines = s.gradient("spine_count").unwrap();
    assert_eq!(spines.values, [779.3990478515625, 2077.0, 6825.0]);
    assert_eq!(spines.estimated.as_deref(), Some([false; 3].as_slice()));
    assert_eq!(c.subset(&[]).n_areas(), 0);
    assert_eq!(c.subset(&[]).density(), 0.0);
}

/// A small generator, so that the garbage is the same on every run.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

#[test]
fn garbage_never_panics() {
    let folder = toy(&[WITH_DELAYS]);
    let files = [
        "manifest.yaml",
        "areas.csv",
        "fln.csv",
        "sln.csv",
        "distance_mm.csv",
        "delay_ms.csv",
    ];
    let originals: Vec<Vec<u8>> = files
        .iter()
        .map(|file| fs::read(folder.path().join(file)).unwrap())
        .collect();
    let mut garbage = Garbage(20_261_122);
    let pieces: [&[u8]; 10] = [
        b"\"",
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"\xFF\xFE",
        b": ",
        b"1e308",
        b"- [{",
        "\u{2028}".as_bytes(),
    ];
    let (mut refusals, rounds) = (0, 2000);
    for round in 0..rounds {
        let which = garbage.next(files.len());
        let mut bytes = originals[which].clone();
        match round % 4 {
            0 => bytes.truncate(garbage.next(bytes.len() + 1)),
            1 => {
                for _ in 0..=garbage.next(8) {
                    let at = garbage.next(bytes.len());
                    bytes[at] = garbage.next(256) as u8;
                }
            }
            2 => {
                let at = garbage.next(bytes.len() + 1);
                let piece = pieces[garbage.next(pieces.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                bytes = (0..garbage.next(300))
                    .map(|_| garbage.next(256) as u8)
                    .collect()
            }
        }
        fs::write(folder.path().join(files[which]), &bytes).unwrap();
        refusals += usize::from(!check(&source(&folder)).is_ok());
        let _ = load(&source(&folder)).map(|c| (c.spectral_radius(), c.log10_fln()));
        fs::write(folder.path().join(files[which]), &originals[which]).unwrap();
    }
    assert!(
        refusals > rounds / 2,
        "only {refusals} of {rounds} were refused"
    );
    assert!(check(&source(&folder)).is_ok());
}
