//! Every bundled config and data set is whole, and no config text, override or quantity, however
//! mangled, does more harm than an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use isocortex::connectome::{self, Source};
use isocortex::network::Network;
use isocortex::plan::{Execution, Plan};
use isocortex::prediction;
use isocortex::spec::{self, bundled};
use isocortex::units::{Quantity, Unit};
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Paths of all files of that extension below a folder, relative to the repository.
fn files(folder: &str, extension: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.insert(path.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found
}

#[test]
fn every_config_of_the_folder_is_bundled_under_a_name_of_its_own() {
    let listed: BTreeSet<String> = bundled::CONFIGS.iter().map(|c| c.path.into()).collect();
    let mut experiments = files("configs", "yaml");
    let others = ["configs/predictions/", "configs/fits/"];
    experiments.retain(|path| !others.iter().any(|folder| path.starts_with(folder)));
    assert_eq!(listed, experiments);
    assert_eq!(
        listed.len(),
        bundled::CONFIGS.len(),
        "a config stands twice in the list"
    );
    let names: BTreeSet<&str> = bundled::names().collect();
    assert_eq!(
        names.len(),
        bundled::CONFIGS.len(),
        "two configs share a name"
    );
    for config in bundled::CONFIGS {
        let text = std::fs::read_to_string(root().join(config.path)).unwrap();
        assert_eq!(text, config.text, "{}", config.path);
        assert_eq!(bundled::find(config.name()), Some(config));
    }
}

#[test]
fn every_config_loads_builds_and_compiles() {
    for config in bundled::CONFIGS {
        let path = config.path;
        let spec = spec::load(config.name(), &[]).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(!spec.title.is_empty(), "{path}");
        let network = Network::build(&spec).unwrap_or_else(|e| panic!("{path}: {e}"));
        let plan = Plan::compile(&network, &spec, Execution::default());
        let plan = plan.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(plan.steps > 0 && plan.record.samples > 1, "{path}");
        assert_eq!(network.remarks(spec.run.dt_ms), [""; 0], "{path}");
        // The file on disk and the text in the binary are the same experiment.
        let on_disk = spec::load(root().join(path).to_str().unwrap(), &[]).unwrap();
        assert_eq!(on_disk.config.digest(), spec.config.digest(), "{path}");
    }
}

#[test]
fn every_design_of_the_folder_is_bundled_and_compiles() {
    let listed: BTreeSet<String> = prediction::bundled()
        .iter()
        .map(|(name, _)| format!("configs/predictions/{name}.yaml"))
        .collect();
    assert_eq!(listed, files("configs/predictions", "yaml"));
    for (name, text) in prediction::bundled() {
        let (config, design) = prediction::load(name, text).unwrap();
        // Everything is built before anything runs, and a raised flag stops the first run.
        let stop = AtomicBool::new(true);
        let screen = prediction::prepare(&config, &design, &[]).unwrap_or_else(|e| panic!("{e}"));
        let found = prediction::predict(&screen, 1, &stop, |_, _| {});
        assert!(found.unwrap_err().is_interrupted(), "{name}");
    }
}

#[test]
fn canonical_texts_stand_alone() {
    for config in bundled::CONFIGS {
        let spec = spec::load(config.name(), &["simulation.seed=5".into()]).unwrap();
        let text = spec.config.canonical();
        let again = spec::from_text("canonical", &text, &[]);
        let again = again.unwrap_or_else(|e| panic!("{}: {e}\n{text}", config.path));
        assert_eq!(again.config.canonical(), text, "{}", config.path);
        assert_eq!(
            again.config.digest(),
            spec.config.digest(),
            "{}",
            config.path
        );
        assert_eq!(again.run.seed, 5);
    }
}

#[test]
fn every_data_set_of_the_folder_is_bundled_and_clean() {
    let manifests = files("data", "yaml");
    let folders: BTreeSet<String> = manifests
        .iter()
        .filter_map(|p| {
            Some(
                p.strip_prefix("data/")?
                    .strip_suffix("/manifest.yaml")?
                    .to_owned(),
            )
        })
        .collect();
    let listed: BTreeSet<String> = connectome::bundled()
        .iter()
        .map(|b| b.name.into())
        .collect();
    assert_eq!(listed, folders);
    for name in listed {
        let report = connectome::check(&Source::parse(&name).unwrap());
        assert!(report.is_ok(), "{name}: {:?}", report.errors);
        let folder = root().join("data").join(&name);
        let on_disk = connectome::check(&Source::parse(folder.to_str().unwrap()).unwrap());
        assert!(on_disk.is_ok(), "{name}: {:?}", on_disk.errors);
        let digest = |source: &str| {
            let loaded = connectome::load(&Source::parse(source).unwrap()).unwrap();
            loaded.provenance.digest()
        };
        assert_eq!(digest(&name), digest(folder.to_str().unwrap()), "{name}");
    }
}

/// Everything short of running.
fn prepare(text: &str, sets: &[String]) {
    let Ok(spec) = spec::from_text("mangled", text, sets) else {
        return;
    };
    // A few mangled texts mean a valid experiment; it must stand alone like any other.
    let again = spec::from_text("canonical", &spec.config.canonical(), &[]);
    let again = again.unwrap_or_else(|e| panic!("{e}\n{}", spec.config.canonical()));
    assert_eq!(again.config.digest(), spec.config.digest());
    let Ok(network) = Network::build(&spec) else {
        return;
    };
    if let Ok(plan) = Plan::compile(&network, &spec, Execution::default()) {
        let _ = plan.record_bytes();
    }
}

/// What people and accidents put into YAML.
const TOKENS: [&str; 56] = [
    "~",
    "null",
    "true",
    "no",
    ".inf",
    "-.inf",
    ".nan",
    "NaN",
    "inf",
    "0",
    "-1",
    "1e309",
    "1e-320",
    "18446744073709551616",
    "4294967295",
    "010",
    "0x1F",
    "1_000",
    "1:30",
    "[]",
    "{}",
    "[[]]",
    "[1, [2]]",
    "{a: 1}",
    "''",
    "\"\"",
    "'9/46d'",
    "2",
    "10",
    "é",
    "\u{feff}",
    "\t",
    "\n",
    "\r\n",
    ": ",
    "- ",
    "# ",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!!binary x",
    "| ",
    "> ",
    "---\n",
    "...\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "5 ms",
    "5 ms/",
    "5 Hz",
    "-5 ms",
    "1e300 ms",
];

const PATHS: [&str; 24] = [
    "preset",
    "presets",
    "from",
    "title",
    "applied_preset",
    "sources",
    "connectome",
    "connectome.data",
    "connectome.areas",
    "connectome.links",
    "connectome.replace",
    "circuit.name",
    "circuit.parameters.tau_E",
    "circuit.areas.V1.tau_E",
    "projections.long_range",
    "projections.long_range.shuffle",
    "gradients.eta.strength",
    "baseline.state",
    "initial.V1.nu_E",
    "lesions.areas",
    "stimuli.pulse.areas",
    "noise.x",
    "simulation.dt",
    "record.every",
];

fn pulse() -> &'static str {
    bundled::find("chaudhuri2015_v1_pulse").unwrap().text
}

/// A model in one text, so that every part of it can be hit.
fn whole() -> String {
    let spec = spec::load("chaudhuri2015_v1_pulse", &["simulation.seed=7".into()]);
    spec.unwrap().config.canonical()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn mangled_configs_never_panic(
        edits in prop::collection::vec((any::<Index>(), 0..12_usize, select(&TOKENS[..])), 1..4),
        whole_text in any::<bool>(),
    ) {
        let mut text: Vec<char> = if whole_text {
            whole().chars().collect()
        } else {
            pulse().replace("../models/", "configs/models/").chars().collect()
        };
        for (at, cut, token) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, token.chars());
        }
        prepare(&text.into_iter().collect::<String>(), &[]);
    }

    #[test]
    fn values_of_the_wrong_kind_never_panic(
        line in any::<Index>(),
        token in select(&TOKENS[..]),
    ) {
        let text = whole();
        let lines: Vec<&str> = text.lines().collect();
        let at = line.index(lines.len());
        let replaced = lines.iter().enumerate().map(|(i, l)| match l.split_once(':') {
            Some((key, _)) if i == at => format!("{key}: {token}\n"),
            _ => format!("{l}\n"),
        });
        prepare(&replaced.collect::<String>(), &[]);
    }

    #[test]
    fn overrides_never_panic(
        path in prop_oneof![
            select(&PATHS[..]).prop_map(str::to_owned),
            "[a-z.\\[\\]\"=]{0,12}",
            "\\PC{0,8}",
        ],
        value in prop_oneof![
            select(&TOKENS[..]).prop_map(str::to_owned),
            (select(&TOKENS[..]), select(&TOKENS[..])).prop_map(|(a, b)| format!("{a}{b}")),
            "\\PC{0,8}",
        ],
        equals in prop_oneof![9 => Just("="), 1 => Just("")],
    ) {
        let set = format!("{path}{equals}{value}");
        prepare(&pulse().replace("../models/", "configs/models/"), &[set]);
    }

    #[test]
    fn quantities_never_panic(text in prop_oneof![
        "\\PC{0,16}",
        "[-+]?[0-9]{0,4}[.e]?[-+]?[0-9]{0,4} ?[a-zA-Z]{0,3}[*/^ ]?[a-zA-Z0-9]{0,3}",
    ]) {
        if let Ok(quantity) = text.parse::<Quantity>() {
            prop_assert!(quantity.value.is_finite());
            let again: Quantity = quantity.to_string().parse().unwrap();
            prop_assert_eq!(again, quantity, "{}", text);
        }
        let _ = text.parse::<Unit>();
    }
}

/// A figure that is mistyped in a bundled table of recordings changes the sum of its column, which stands
/// beside its source.
#[test]
fn mistyped_recordings_are_noticed() {
    for (name, text) in isocortex::validation::bundled_recordings() {
        let figures: Vec<usize> = text
            .match_indices("found: ")
            .chain(text.match_indices("ms: "))
            .chain(text.match_indices("neurons: "))
            .map(|(at, key)| at + key.len())
            .filter(|at| text.as_bytes()[*at].is_ascii_digit())
            .collect();
        assert!(figures.len() > 15, "{name}");
        for at in figures {
            let digit = text.as_bytes()[at];
            let other = if digit == b'9' { "8" } else { "9" };
            let mut wrong = (*text).to_owned();
            wrong.replace_range(at..=at, other);
            let error = isocortex::validation::load_recordings(name, &wrong).unwrap_err();
            assert!(
                error.to_string().contains("mistyped"),
                "{name} at {at}: {error}"
            );
        }
    }
}

/// The reports give the twelve fronto-parietal areas with delay activity, and the seven well-studied areas
/// without, that the authors of the 40-area model name.
#[test]
fn reports_give_the_areas_that_the_paper_names() {
    let tables = isocortex::validation::bundled_recordings();
    let (name, text) = tables
        .iter()
        .find(|(name, _)| *name == "leavitt2017")
        .unwrap();
    let table = isocortex::validation::load_recordings(name, text).unwrap();
    let reports = table.delay_activity.unwrap();
    let (mut with, mut without) = (BTreeSet::new(), BTreeSet::new());
    for (area, r) in &reports.areas {
        if r.found + r.not_found > reports.well_studied_above {
            let persistent = r.found > r.not_found + reports.persistent_above;
            let set = if persistent { &mut with } else { &mut without };
            set.insert(area.as_str());
        }
    }
    let twelve = [
        "8m", "8l", "7A", "46d", "9/46v", "9/46d", "F5", "LIP", "45A", "F2", "F7", "24c",
    ];
    assert_eq!(with, BTreeSet::from(twelve));
    assert_eq!(
        without,
        BTreeSet::from(["V1", "V4", "1", "3", "MT", "2", "TEpd"])
    );
}
