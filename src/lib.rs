//! A simulator of whole-cortex models: measured connectivity between areas, one local circuit in
//! every area, gradients that vary it, tasks that drive it, and self-describing results.
//!
//! An experiment is a YAML text; [`spec::load`] reads it, [`network::Network::build`] resolves every
//! name, [`plan::Plan::compile`] lays it out for the machine, and [`engine`] runs it:
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use isocortex::engine::{Conditions, Quiet, simulate};
//! use isocortex::network::Network;
//! use isocortex::plan::{Execution, Plan};
//! use isocortex::spec;
//!
//! // 29 macaque areas, a pulse to V1; any number can be overridden.
//! let spec = spec::load("chaudhuri2015_v1_pulse", &["preset=printed".into()])?;
//! let network = Network::build(&spec)?;
//! let plan = Plan::compile(&network, &spec, Execution::default())?;
//! let stop = AtomicBool::new(false);
//! let recording = simulate(&plan, &Conditions { threads: 1, stop: &stop, progress: &Quiet })?;
//!
//! // [replicate, time, area]: V1 is driven from its baseline of 10 Hz to about 110 Hz.
//! let v1 = network.connectome.area_id("V1")?.index();
//! let nu_e = &recording.variables[0];
//! let peak = nu_e.slice(ndarray::s![0, .., v1]).fold(0.0_f64, |m, x| m.max(*x));
//! assert!((105.0..112.0).contains(&peak));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Numbers are plain `f64` in canonical units: ms, Hz, pA, mV, mm. Matrices have a row per target
//! and a column per source. `ARCHITECTURE.md` has the map of the modules.

#![warn(missing_docs)]

pub mod analysis;
pub mod arrays;
pub mod artificial;
pub mod circuit;
pub mod cli;
pub mod connectome;
pub mod coupling;
pub mod engine;
pub mod fit;
pub mod ids;
pub mod lanes;
pub mod network;
pub mod noise;
pub mod plan;
pub mod prediction;
pub mod record;
pub mod reference;
pub mod rng;
pub mod spec;
pub mod stepper;
pub mod stimulus;
pub mod sweep;
pub mod units;
pub mod validation;

pub use record::{COMMIT, VERSION};
