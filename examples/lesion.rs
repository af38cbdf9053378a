//! What a lesion of MT does to the response to a pulse in V1, under the same noise.
//!
//! ```sh
//! cargo run --release --example lesion
//! ```
//!
//! Noise is looked up by the names of source, area and input, so the run without MT meets the very
//! numbers that the intact run met: what differs is the lesion.

use std::error::Error;
use std::sync::atomic::AtomicBool;

use isocortex::engine::{Conditions, Quiet, simulate};
use isocortex::network::Network;
use isocortex::plan::{Execution, Plan};
use isocortex::spec;
use ndarray::s;

/// Peak of the excitatory rate of an area above its baseline of 10 Hz, averaged over replicates.
fn peak(sets: &[&str], area: &str) -> Result<f64, Box<dyn Error>> {
    let common = [
        "noise={weak: {kind: white, into: drive_E, sd: 0.01 Hz, bin: 0.2 ms}}",
        "simulation.replicates=8",
        "simulation.duration=800 ms",
    ];
    let sets: Vec<String> = common.iter().chain(sets).map(|&s| s.to_owned()).collect();
    let spec = spec::load("chaudhuri2015_v1_pulse", &sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, Execution::default())?;
    let stop = AtomicBool::new(false);
    let conditions = Conditions {
        threads: 2,
        stop: &stop,
        progress: &Quiet,
    };
    let recording = simulate(&plan, &conditions)?;
    let area = network.connectome.area_id(area)?.index();
    // [replicate, time]
    let rates = recording.variables[0].slice(s![.., .., area]);
    let highest = |run: ndarray::ArrayView1<'_, f64>| run.fold(f64::NEG_INFINITY, |m, x| m.max(*x));
    let peaks: Vec<f64> = rates.outer_iter().map(highest).collect();
    Ok(peaks.iter().sum::<f64>() / peaks.len() as f64 - 10.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("peak above baseline (Hz)  intact  without MT");
    for area in ["V1", "V4", "TEO", "8l", "46d"] {
        let (intact, lesioned) = (peak(&[], area)?, peak(&["lesions={areas: [MT]}"], area)?);
        println!("{area:>24}  {intact:>6.3}  {lesioned:>10.3}");
    }
    Ok(())
}
