//! A scan that no config describes: how close to instability is the model?
//!
//! ```sh
//! cargo run --release --example instability
//! ```
//!
//! Raises the long-range gain onto excitatory cells in small steps and prints the slowest mode of
//! the linearised network, for the digits that the paper prints and for the precise ones.

use std::error::Error;

use isocortex::analysis::modes::eigenmodes;
use isocortex::network::Network;
use isocortex::plan::{Execution, Plan};
use isocortex::spec;
use isocortex::stepper::linear::{baseline_state, linearise};

/// Decay time of the slowest mode, ms; none if a mode grows.
fn slowest(preset: &str, gain: f64) -> Result<Option<f64>, Box<dyn Error>> {
    let sets = [
        format!("preset={preset}"),
        format!("projections.long_range.to.I_E={gain} pA/Hz"),
    ];
    let spec = spec::load("chaudhuri2015_v1_pulse", &sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, Execution::default())?;
    let jacobian = linearise(&plan, &baseline_state(&plan)?).jacobian;
    let modes = eigenmodes(jacobian.view())?;
    Ok(modes.is_stable().then(|| modes.timescales_ms()[0]))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("slowest mode (ms)      printed     precise");
    for gain in [33.0, 33.5, 33.7, 33.8, 34.0, 34.25] {
        let cell = |preset| -> Result<String, Box<dyn Error>> {
            let text = slowest(preset, gain)?.map(|ms| format!("{ms:.0}"));
            Ok(text.unwrap_or_else(|| "unstable".to_owned()))
        };
        let (printed, precise) = (cell("printed")?, cell("precise")?);
        println!("mu_EE {gain:>5.2} pA/Hz  {printed:>10}  {precise:>10}");
    }
    Ok(())
}
