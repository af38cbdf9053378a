//! From the weights of a data set to those of a projection: which areas, which matrix, what is done with it.

mod common;

use std::fs;

use common::Experiment;
use isocortex::connectome::{self, Source, WeightKind};
use isocortex::coupling::Projection;
use isocortex::network::Network;

const MACAQUE: &str = "from: mejias_wang2022\n";
const MOUSE: &str = "from: ding2024\n";
const WEAK: &str = "from: joglekar2018\n";

fn network(text: &str, sets: &[&str]) -> Network {
    Experiment::new(text, sets).network
}

fn area(network: &Network, name: &str) -> usize {
    let found = network.area_names().iter().position(|a| *a == name);
    found.unwrap_or_else(|| panic!("no area {name}"))
}

fn of<'a>(network: &'a Network, name: &str) -> &'a Projection {
    let found = network.projections.iter().find(|p| p.name == name);
    found.unwrap_or_else(|| panic!("no projection {name}"))
}

/// Weight of a link, 0 where there is none.
fn weight(network: &Network, projection: &str, to: &str, from: &str) -> f64 {
    let at = (area(network, to), area(network, from));
    let weights = &of(network, projection).weights;
    weights.get(at.0, at.1).copied().unwrap_or(0.0)
}

fn gradient(network: &Network, map: &str, name: &str) -> f64 {
    network.connectome.gradient(map).unwrap().values[area(network, name)]
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "found {found}, expected {expected}"
    );
}

/// All-to-all links are those that one would type, and those that are typed replace them.
#[test]
fn links_between_all_areas() {
    let model = "from: mejias_wang2022_reduced\n";
    let all = network(model, &["preset=weak_feedback"]);
    let weights = &of(&all, "long_range").weights;
    assert_eq!((all.n_areas(), weights.nnz()), (30, 870));
    assert_eq!(
        weight(&all, "long_range", "a02", "a01"),
        0.05433333333333333
    );
    assert_eq!(
        weight(&all, "long_range", "a01", "a02"),
        0.012333333333333335
    );
    assert_eq!(weight(&all, "long_range", "a30", "a30"), 0.0);
    let mut typed = String::new();
    for to in 1..=30 {
        for from in (1..=30).filter(|from| *from != to) {
            let weight = if from < to {
                "0.05433333333333333"
            } else {
                "0.012333333333333335"
            };
            typed += &format!("{{to: a{to:02}, from: a{from:02}, weight: {weight}}}, ");
        }
    }
    let typed = format!("connectome.links=[{typed}]");
    let by_hand = network(model, &["connectome.all_to_all=null", &typed]);
    assert_eq!(of(&by_hand, "long_range").weights, *weights);
    let replaced = "connectome.links=[{to: a05, from: a20, weight: 0.5}]";
    let one = network(model, &[replaced]);
    assert_eq!(of(&one, "long_range").weights.nnz(), 870);
    assert_eq!(weight(&one, "long_range", "a05", "a20"), 0.5);
    assert_eq!(
        weight(&one, "long_range", "a20", "a05"),
        0.03333333333333333
    );
    let refused = |text: &str, sets: &[&str], words: &str| {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        let spec = isocortex::spec::from_text("test", &format!("title: t\n{text}"), &sets).unwrap();
        let error = Network::build(&spec).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(
        model,
        &["connectome.all_to_all.feedback=0.1"],
        "expected either `weight`",
    );
    let tie = "connectome.all_to_all={weight: null, feedforward: 1, feedback: 1, hierarchy: flat}";
    refused(model, &[tie], "unknown gradient: found `flat`");
    refused(
        model,
        &["preset=weak_feedback", "connectome.areas.a04.rank=3"],
        "found a03 and a04 both at 3",
    );
    refused(
        MACAQUE,
        &["connectome.all_to_all={weight: 0.1}"],
        "found `all_to_all` beside `data:",
    );
}

#[test]
fn only_some_areas_are_a_data_set_of_their_own() {
    let network = network(MACAQUE, &[]);
    assert_eq!(network.n_areas(), 30);
    assert!(!network.area_names().contains(&"OPRO"));
    // Rows sum to one over the areas that are used: both parts of a link make its whole.
    let plain = self::network(MACAQUE, &["projections.inhibition_A.layers_at_most=[]"]);
    for name in plain.area_names() {
        let row = area(&plain, name);
        let sum = |p: &str| -> f64 {
            let weights = &of(&plain, p).weights;
            weights.outer_view(row).unwrap().data().iter().sum()
        };
        close(sum("excitation_A") + sum("inhibition_A"), 1.0, 1e-12);
    }
}

/// g is typed in the config; couplings follow it (Mejias & Wang 2022, J_max = 420 pA).
#[test]
fn typed_gradients_act_like_those_of_the_data() {
    let network = network(MACAQUE, &[]);
    close(gradient(&network, "g", "9/46d"), 1.0, 0.0);
    let value = |name: &str, parameter: &str| {
        let k = network.info().parameter(parameter).unwrap();
        network.parameters[[area(&network, name), k]]
    };
    close(value("9/46d", "J_s"), 420.0, 1e-12);
    close(value("9/46d", "J_IE"), 272.7487, 1e-3);
    close(value("V1", "J_s"), 210.0 + 210.0 * 643.0 / 8970.0, 1e-10);
    let gain = |projection: &str, name: &str| {
        of(&network, projection).received[0].gain[area(&network, name)]
    };
    close(gain("excitation_A", "9/46d"), 480.0, 1e-10);
    close(gain("inhibition_B", "9/46d"), 480.0 / 0.804_769_945, 1e-5);
    let (low, high) = (value("V1", "J_IE"), value("9/46d", "J_IE"));
    close(
        gain("inhibition_A", "V1"),
        480.0 / 0.804_769_945 * low / high,
        1e-5,
    );
}

#[test]
fn layers_count_as_far_as_layering_says_and_caps_allow() {
    let none = network(
        MACAQUE,
        &[
            "projections.excitation_A.layering=0",
            "projections.inhibition_A.layering=0",
        ],
    );
    let (half, full) = (
        network(MACAQUE, &["projections.excitation_A.layering=0.5"]),
        network(MACAQUE, &[]),
    );
    let (to, from) = ("V1", "V2");
    let whole = weight(&none, "excitation_A", to, from);
    close(weight(&none, "inhibition_A", to, from), whole, 0.0);
    let part = weight(&full, "excitation_A", to, from);
    close(
        weight(&half, "excitation_A", to, from),
        0.5 * whole + 0.5 * part,
        1e-15,
    );
    close(part + weight(&full, "inhibition_A", to, from), whole, 1e-15);

    let capped = |to: &str, from: &str| {
        let whole = weight(&none, "excitation_A", to, from);
        let sln = weight(&full, "excitation_A", to, from) / whole;
        let deep = weight(&full, "inhibition_A", to, from) / whole;
        close(deep, (1.0 - sln).min(0.4), 1e-12);
        sln
    };
    let least = ["46d", "F7", "ProM", "8B"].map(|from| capped("8m", from));
    assert!(least.iter().any(|sln| *sln < 0.6), "no cap was needed");
    // Neither into other areas nor from those that are not frontal.
    for (to, from) in [("46d", "F7"), ("8m", "24c")] {
        let whole = weight(&none, "excitation_A", to, from);
        let sln = weight(&full, "excitation_A", to, from) / whole;
        let deep = weight(&full, "inhibition_A", to, from) / whole;
        close(deep, 1.0 - sln, 1e-12);
        assert!(deep > 0.4, "{to} from {from}: nothing to cap");
    }
}

#[test]
fn rows_may_be_summed_over_the_links_that_are_kept() {
    let network = network(
        MACAQUE,
        &[
            "preset=localised",
            "projections.inhibition_A.layers_at_most=[]",
        ],
    );
    for name in network.area_names() {
        let row = area(&network, name);
        let mut sum = 0.0;
        for p in ["excitation_A", "inhibition_A"] {
            for (source, w) in of(&network, p).weights.outer_view(row).unwrap().iter() {
                let source = network.area_names()[source];
                assert!(gradient(&network, "rank", source) < gradient(&network, "rank", name));
                sum += w;
            }
        }
        // Nothing lower projects to these three.
        let alone = ["V1", "2", "5"].contains(&name);
        close(sum, if alone { 0.0 } else { 1.0 }, 1e-12);
    }
}

/// Ding et al. 2024: W = strength^0.3 / max, excitation m W and inhibition (1 - m) W with
/// m = 1/(1 + exp(-2.42 (h_i - h_j))).
#[test]
fn strengths_are_divided_by_the_greatest_and_split_by_hierarchy() {
    let network = network(MOUSE, &[]);
    let (up, down) = (of(&network, "excitation_A"), of(&network, "inhibition_A"));
    let h = &network.connectome.gradient("hierarchy").unwrap().values;
    let strength = &network.connectome.fln;
    let mut greatest: f64 = 0.0;
    for (w, (i, j)) in &up.weights {
        let v = down.weights.get(i, j).unwrap();
        close(w / v / (2.42 * (h[i] - h[j])).exp(), 1.0, 1e-12);
        let ratio = (w + v) / strength.get(i, j).unwrap().powf(0.3);
        let first = strength
            .data()
            .iter()
            .copied()
            .fold(0.0, f64::max)
            .powf(-0.3);
        close(ratio / first, 1.0, 1e-12);
        greatest = greatest.max(w + v);
    }
    close(greatest, 1.0, 1e-12);
    assert_eq!(up.weights.nnz(), 43 * 42);

    // A lesion of both ends of the strongest link leaves the others as they were.
    let strongest = strength.iter().max_by(|a, b| a.0.total_cmp(b.0)).unwrap().1;
    let ends = [strongest.0, strongest.1].map(|a| network.area_names()[a]);
    let set = format!("lesions.areas=[{}, {}]", ends[0], ends[1]);
    let lesioned = self::network(MOUSE, &[&set]);
    let kept = |n: &Network| weight(n, "excitation_A", "AUDp", "VISp");
    close(kept(&lesioned), kept(&network), 0.0);
}

#[test]
fn a_matrix_can_be_symmetrised_and_its_weak_links_left_out() {
    let plain = network(WEAK, &[]);
    let mean = |kind: &str| {
        network(
            WEAK,
            &[&format!("projections.long_range.symmetrise={kind}")],
        )
    };
    let (arithmetic, geometric) = (mean("arithmetic"), mean("geometric"));
    let strong = network(WEAK, &["projections.long_range.threshold=0.01"]);
    let names: Vec<String> = plain.area_names().iter().map(|n| (*n).to_owned()).collect();
    for to in &names {
        for from in &names {
            let w = |n: &Network| weight(n, "long_range", to, from);
            let (there, back) = (w(&plain), weight(&plain, "long_range", from, to));
            close(w(&arithmetic), 0.5 * (there + back), 1e-16);
            close(w(&geometric), (there * back).sqrt(), 1e-16);
            close(w(&strong), if there >= 0.01 { there } else { 0.0 }, 0.0);
        }
    }
    assert!(of(&strong, "long_range").weights.nnz() < of(&plain, "long_range").weights.nnz());
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    for (model, set, message) in [
        (
            MOUSE,
            "projections.excitation_A.weights=fln",
            "mouse-allen43 gives `strength`",
        ),
        (
            WEAK,
            "projections.long_range.weights=strength",
            "gives `fln`",
        ),
        (
            WEAK,
            "projections.long_range.threshold=-1",
            "out of range: found -1",
        ),
        (
            MACAQUE,
            "projections.excitation_A.layering=1.5",
            "out of range: found 1.5",
        ),
        (
            MACAQUE,
            "projections.inhibition_A.layers_at_most=[{part: 2, to: [V1], from: [V2]}]",
            "out of range: found 2",
        ),
        (
            MACAQUE,
            "projections.inhibition_A.layers_at_most=[{part: 0.4, to: [V9], from: [V2]}]",
            "found `V9`",
        ),
        (
            MACAQUE,
            "projections.inhibition_A.layers=all",
            "cap without layers",
        ),
        (
            MOUSE,
            "projections.excitation_A.hierarchy=null",
            "which way is up",
        ),
        (MACAQUE, "connectome.only=[V1, V1]", "area twice"),
        (MACAQUE, "connectome.gradients.g.OPRO=1", "found `OPRO`"),
        (
            MACAQUE,
            "connectome.gradients.g.V2=null",
            "area without a value: found none for V2",
        ),
        (
            MACAQUE,
            "connectome.gradients.hierarchy={V1: 1}",
            "gradient is there",
        ),
    ] {
        let spec = isocortex::spec::from_text("test", model, &[set.to_owned()]).unwrap();
        let error = Network::build(&spec).unwrap_err().to_string();
        assert!(error.contains(message), "{set}: {error}");
    }
}

/// Strengths have no largest sum a row, must not be negative, and stand in place of FLN.
#[test]
fn a_data_set_gives_fln_or_strengths() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let manifest = |files: &str| {
        write(
            "manifest.yaml",
            &format!(
                "layout: 1\nname: own\ntitle: own\nareas: 2\norientation: {{rows: target, columns: \
                 source}}\nfiles:\n  areas: {{path: areas.csv}}\n{files}"
            ),
        );
    };
    write("areas.csv", "area\nA\nB\n");
    let strength = "  strength: {path: strength.csv}\n";
    manifest(strength);
    let source = Source::Folder(folder.path().to_owned());
    write("strength.csv", "target,source,strength\nA,B,7.5\nB,A,0\n");
    let own = connectome::load(&source).unwrap();
    assert_eq!(own.weights, WeightKind::Strength);
    assert_eq!((own.n_links(), own.fln.get(0, 1)), (1, Some(&7.5)));
    write("strength.csv", "target,source,strength\nA,B,-1\n");
    let error = connectome::load(&source).unwrap_err().to_string();
    assert!(error.contains("negative strength: found -1"), "{error}");
    write("fln.csv", "target,source,fln\nA,B,0.5\n");
    for (files, found) in [
        (
            format!("{strength}  fln: {{path: fln.csv}}\n"),
            "found 2 tables",
        ),
        (String::new(), "found 0 tables"),
    ] {
        manifest(&files);
        let error = connectome::load(&source).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}
