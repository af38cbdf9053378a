//! What the weights between areas say of their activity: strength of input, centrality, loops.

use ndarray::Array2;
use serde::Deserialize;

use super::lab::{Lab, LabError, misfit};
use crate::analysis::modes::eigenmodes;
use crate::spec::Areas;

/// A number of every area, of a matrix of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphQuantity {
    /// Sum of the weights of its input.
    Input,
    /// Magnitude of its component of the right eigenvector whose eigenvalue has the greatest real part.
    Eigenvector,
    /// Sum of the products of weights around all loops over one other area.
    Loops,
    /// The same over two areas, of which one may be itself.
    LongLoops,
}

impl GraphQuantity {
    const fn label(self) -> &'static str {
        match self {
            GraphQuantity::Input => "input strength",
            GraphQuantity::Eigenvector => "centrality",
            GraphQuantity::Loops => "loops",
            GraphQuantity::LongLoops => "loops of three",
        }
    }

    fn of(self, weights: &Array2<f64>) -> Result<Vec<f64>, LabError> {
        Ok(match self {
            GraphQuantity::Input => weights.outer_iter().map(|row| row.sum()).collect(),
            GraphQuantity::Eigenvector => eigenmodes(weights.view())?.magnitudes(0)?,
            GraphQuantity::Loops => weights.dot(weights).diag().to_vec(),
            GraphQuantity::LongLoops => weights.dot(weights).dot(weights).diag().to_vec(),
        })
    }
}

/// How weights that excite and weights that inhibit, through inhibitory cells, become one matrix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedWeights {
    /// Their sum.
    Total,
    /// Their difference.
    Difference,
    /// Those that excite minus this gradient of the target times those that inhibit.
    ByGradient(String),
    /// Their sum with the sign of the latter.
    SignByGradient(String),
}

impl SignedWeights {
    fn label(&self) -> String {
        match self {
            SignedWeights::Total => "all weights".to_owned(),
            SignedWeights::Difference => "signed weights".to_owned(),
            SignedWeights::ByGradient(name) => format!("weights by {name}"),
            SignedWeights::SignByGradient(name) => format!("signs by {name}"),
        }
    }
}

/// A number of every area, and of which weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphOf {
    /// The number.
    pub by: GraphQuantity,
    /// Which weights.
    pub weights: SignedWeights,
    /// Projection that excites.
    pub excitation: String,
    /// Projection that inhibits, through inhibitory cells.
    pub inhibition: String,
}

impl GraphOf {
    /// In few words.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}, {}", self.by.label(), self.weights.label())
    }
}

impl Lab {
    /// The number of every recorded area, in the order in which they are recorded; gains do not count.
    pub(super) fn graph(&self, of: &GraphOf) -> Result<Vec<f64>, LabError> {
        let (_, network) = self.experiment();
        let n = network.n_areas();
        if self.recorded_areas() != network.area_names() {
            return Err(misfit("not all areas are recorded, in their order"));
        }
        let dense = |name: &str| {
            let mut projections = network.projections.iter();
            let projection = projections.find(|p| p.name == name);
            let projection = projection.ok_or_else(|| misfit(format!("no projection {name}")))?;
            let mut out = Array2::zeros((n, n));
            for (target, row) in projection.weights.outer_iterator().enumerate() {
                for (source, &weight) in row.iter() {
                    out[[target, source]] = weight;
                }
            }
            Ok::<Array2<f64>, LabError>(out)
        };
        let (excites, inhibits) = (dense(&of.excitation)?, dense(&of.inhibition)?);
        let by = |name: &str| {
            let mut signed = inhibits.clone();
            let share = self.gradient_of(name, &Areas::All)?;
            for (mut row, share) in signed.outer_iter_mut().zip(share) {
                row *= share;
            }
            Ok::<Array2<f64>, LabError>(&excites - &signed)
        };
        let total = &excites + &inhibits;
        of.by.of(&match &of.weights {
            SignedWeights::Total => total,
            SignedWeights::Difference => &excites - &inhibits,
            SignedWeights::ByGradient(name) => by(name)?,
            SignedWeights::SignByGradient(name) => {
                let sign = by(name)?.mapv(|w| if w == 0.0 { 0.0 } else { w.signum() });
                total * sign
            }
        })
    }
}
