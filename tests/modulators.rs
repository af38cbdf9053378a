//! Gradients, modulators and rules of projections, by the numbers that their papers give.

mod common;

use common::{Experiment, record};
use isocortex::network::Network;
use isocortex::stepper::linear::start_state;

const MODEL: &str = "from: froudist_walsh2021\n";
/// The same model with short-term plasticity.
const PLASTIC: &str = "from: froudist_walsh2021_stp\n";

fn network(sets: &[&str]) -> Network {
    Experiment::new(MODEL, sets).network
}

fn area(network: &Network, name: &str) -> usize {
    let found = network.area_names().iter().position(|a| *a == name);
    found.unwrap_or_else(|| panic!("no area {name}"))
}

fn parameter(network: &Network, area_name: &str, name: &str) -> f64 {
    let k = network.info().parameter(name).unwrap();
    network.parameters[[area(network, area_name), k]]
}

/// The area with the greatest of a map.
fn top(network: &Network, map: &str) -> String {
    let values = &network.connectome.gradient(map).unwrap().values;
    let most = (0..values.len()).max_by(|&i, &j| values[i].total_cmp(&values[j]));
    network.area_names()[most.unwrap()].to_owned()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "found {found}, expected {expected}"
    );
}

/// The four effects of dopamine where D1 receptors are densest, half of them occupied.
#[test]
fn dopamine_has_the_published_effects() {
    let network = network(&["modulators.dopamine.level=1"]);
    let densest = top(&network, "d1r_per_neuron");
    let value = |name| parameter(&network, &densest, name);
    close(value("n"), 1.4905, 1e-4);
    close(value("g_EPV"), -200.5, 1e-9);
    close(value("g_dSST"), -100.0, 1e-9);
    close(value("g_M"), -500.0 * 0.00739, 5e-3);
    // V1 has the fewest receptors of all: nothing but the foot of the sigmoids.
    close(parameter(&network, "V1", "g_EPV"), -400.0, 1e-9);
    close(parameter(&network, "V1", "g_dSST"), -90.0, 1e-9);
}

#[test]
fn each_effect_of_dopamine_can_be_removed_alone() {
    let off = "gradients.pv_inhibition.strength=0";
    let (with, without) = (network(&[]), network(&[off]));
    let densest = top(&with, "d1r_per_neuron");
    assert!(parameter(&with, &densest, "g_EPV") > -150.0);
    close(parameter(&without, &densest, "g_EPV"), -400.0, 0.0);
    for name in ["n", "g_dSST", "g_M"] {
        let kept = parameter(&with, &densest, name);
        close(parameter(&without, &densest, name), kept, 0.0);
    }
    let gone = network(&["gradients.nmda=null"]);
    close(parameter(&gone, &densest, "n"), 1.0, 0.0);
}

#[test]
fn excitation_grows_with_spines_from_0_45_to_1() {
    let network = network(&[]);
    let w = network.info().parameter("w_EE").unwrap();
    let column = network.parameters.column(w);
    let least = column.iter().copied().fold(f64::INFINITY, f64::min);
    let most = column.iter().copied().fold(0.0, f64::max);
    close(least, 180.0 * 0.45, 1e-12);
    close(most, 180.0, 1e-12);
}

/// Superficial and deep parts of the normalised rows add up to one, and the frontal eye field has its own
/// targets.
#[test]
fn rows_are_normalised_and_split_by_layer() {
    let network = network(&[]);
    let of = |name: &str| {
        let found = network.projections.iter().find(|p| p.name == name);
        found.unwrap_or_else(|| panic!("no projection {name}"))
    };
    let (up, down) = (of("feedforward_nmda_1"), of("feedback_nmda_1"));
    let sum = |row: usize| {
        let part = |p: &isocortex::coupling::Projection| -> f64 {
            p.weights.outer_view(row).unwrap().data().iter().sum()
        };
        (part(up), part(down))
    };
    for row in 0..network.n_areas() {
        let (above, below) = sum(row);
        close(above + below, 1.0, 1e-12);
        assert!(above > 0.0 && below > 0.0);
    }
    let input = network.info().input("I_VIP1").unwrap();
    let received = down.received.iter().find(|r| r.input == input).unwrap();
    let ratio = |name: &str| {
        let a = area(&network, name);
        let factor = parameter(&network, name, "w_VIPE") / 58.0 * parameter(&network, name, "n");
        received.gain[a] / factor
    };
    close(ratio("8m"), 2240.0 * 0.7 * 0.9, 1e-9);
    close(ratio("8l"), 2240.0 * 0.7 * 0.9, 1e-9);
    close(ratio("46d"), 2240.0 * 0.47 * 0.9, 1e-9);
}

/// A lesion takes away links; it changes neither the gradients nor the weights of the links that stay.
#[test]
fn lesions_do_not_retune_what_stays() {
    // OPRO has the greatest hierarchy, 24c the greatest spine count: maps would stretch without them.
    let (whole, lesioned) = (
        network(&[]),
        network(&["lesions={areas: [24c, OPRO, 8m, V1]}"]),
    );
    assert_eq!(lesioned.n_areas(), whole.n_areas() - 4);
    for name in lesioned.area_names() {
        let (new, old) = (area(&lesioned, name), area(&whole, name));
        assert_eq!(lesioned.parameters.row(new), whole.parameters.row(old));
        for (p, q) in lesioned.projections.iter().zip(&whole.projections) {
            for source in lesioned.area_names() {
                let at = (area(&lesioned, source), area(&whole, source));
                let (w, v) = (p.weights.get(new, at.0), q.weights.get(old, at.1));
                close(*w.unwrap_or(&0.0), *v.unwrap_or(&0.0), 1e-15);
            }
        }
    }
}

/// Values and start of a single area may name one that is lesioned.
#[test]
fn values_of_lesioned_areas_do_nothing() {
    let whole = Experiment::new(PLASTIC, &[] as &[&str]).network;
    let lesioned = Experiment::new(PLASTIC, &["lesions={areas: [24c, 8m]}"]).network;
    assert_eq!(lesioned.n_areas(), whole.n_areas() - 2);
    assert_eq!(lesioned.initial.len(), 4 * lesioned.n_areas());
    for name in lesioned.area_names() {
        let (new, old) = (area(&lesioned, name), area(&whole, name));
        assert_eq!(lesioned.parameters.row(new), whole.parameters.row(old));
        let starts = |network: &Network, at: usize| -> Vec<f64> {
            let own = network.initial.iter().filter(|(a, _, _)| a.index() == at);
            own.map(|(_, _, value)| *value).collect()
        };
        assert_eq!(starts(&lesioned, new), starts(&whole, old));
    }
}

/// The rule by which u_0 and x_0 of the model file were computed: what plastic synapses have at rest
/// without dopamine. The file has six decimals.
#[test]
fn fixed_synapses_release_what_plastic_ones_do_at_rest() {
    let sets = [
        "modulators.dopamine.level=0",
        "simulation.duration=20 s",
        "record={variables: [u_E1, u_E2, x_E1, x_E2], every: 20 s}",
    ];
    let experiment = Experiment::new(PLASTIC, &sets);
    let (network, plan) = (&experiment.network, experiment.plan());
    let start = start_state(&plan).unwrap();
    let x = record(&plan, &start, 2);
    for (at, name) in network.area_names().iter().enumerate() {
        for (v, fixed) in ["u_0", "u_0", "x_0", "x_0"].into_iter().enumerate() {
            let value = parameter(network, name, fixed);
            close(x[[0, 0, at, v]], value, 0.0);
            close(x[[0, 1, at, v]], value, 2e-6);
        }
    }
}

/// Synapses onto E and SST cells are plastic, those onto PV and VIP cells are not; their strengths
/// add up to those of the model without plasticity, but for E to E.
#[test]
fn plastic_gates_reach_dendrites_and_sst_cells() {
    let (plastic, without) = (
        Experiment::new(PLASTIC, &["modulators.dopamine.level=1.5"]).network,
        network(&[]),
    );
    // (sent quantity, input) -> gain in every area.
    let gains = |network: &Network| {
        let mut gains = std::collections::BTreeMap::new();
        for p in &network.projections {
            let sent = network.info().variables[p.sent].name;
            for r in &p.received {
                gains.insert((sent, network.info().inputs[r.input].name), r.gain.clone());
            }
        }
        gains
    };
    let (with, base) = (gains(&plastic), gains(&without));
    assert_eq!(with.len(), base.len());
    for ((sent, input), found) in with {
        let fixed = input == "I_PV" || input.starts_with("I_VIP");
        assert_eq!(sent.contains('0'), fixed, "{sent} to {input}");
        let kind = sent.replace('0', "");
        let expected = &base[&(kind.as_str(), input)];
        let factor = if input.starts_with("I_d") {
            1500.0 / 1450.0
        } else {
            1.0
        };
        for (found, expected) in found.iter().zip(expected) {
            close(*found, factor * expected, 1e-9);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    for (set, message) in [
        (
            "gradients.nmda.modulator=dopamin",
            "unknown modulator: found `dopamin`",
        ),
        ("gradients.nmda.map=d1r", "unknown gradient: found `d1r`"),
        ("gradients.nmda.scales=[]", "gradient without effect"),
        ("gradients.pv_inhibition.adds={g_EPV: 3 Hz}", "g_EPV"),
        (
            "gradients.pv_inhibition.adds={g_XY: 3 pA}",
            "unknown parameter: found `g_XY`",
        ),
        (
            "projections.feedback_nmda_1.power=0",
            "out of range: found 0",
        ),
        (
            "projections.feedback_nmda_1.areas={8m: {I_d1: 3 pA}}",
            "unknown input of this projection",
        ),
        ("projections.feedback_nmda_1.areas={8n: {I_PV: 3 pA}}", "8n"),
    ] {
        let spec = isocortex::spec::from_text("test", MODEL, &[set.to_owned()]).unwrap();
        let error = Network::build(&spec).unwrap_err().to_string();
        assert!(error.contains(message), "{set}: {error}");
    }
}
