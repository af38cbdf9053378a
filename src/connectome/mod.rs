//! Connectomes: areas, the fraction of labelled neurons (FLN) of every link, the laminar origin of
//! each link (SLN), distances, delays and gradients, with the source of every number.
//!
//! A data set is a folder with `manifest.yaml` and CSV tables (layout: `data/README.md`). Three are
//! compiled into the program ([`bundled`]); any other folder is read in the same way. [`check`]
//! reports everything that is wrong with one; [`load`] makes the same checks and refuses.
//!
//! Orientation: every matrix is `[target, source]`, row = area that receives (was injected),
//! column = area that projects (holds the labelled cells).
//!
//! ```
//! use isocortex::connectome::{Source, load};
//!
//! let macaque = load(&Source::parse("macaque-markov29")?)?;
//! let (v1, v2) = (macaque.area_id("V1")?, macaque.area_id("V2")?);
//! let into_v1 = macaque.fln.get(v1.index(), v2.index()).copied();
//! assert!(into_v1.is_some_and(|fln| fln > 0.7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundled;
mod check;
pub mod export;
pub mod import;
mod load;
mod manifest;
mod spectral;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::Serialize;
use sprs::CsMat;

use crate::ids::AreaId;
use crate::spec::{sha256_hex, suggest};

pub use bundled::{Bundled, bundled};
pub use check::{Finding, Report};
pub use load::{ConnectomeError, Source, check, inline, load, manifest, manifest_text};
pub use manifest::{
    BasisEntry, ColumnEntry, End, FileEntry, Files, GradientEntry, LAYOUT, Manifest, Orientation,
    Publication, Terms,
};

/// Relative accuracy of [`Connectome::spectral_radius`], as a fraction of the largest row sum.
const SPECTRAL_TOLERANCE: f64 = 1e-12;

/// One cortical area.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Area {
    /// Name. Always text: `2`, `10` and `9/46d` are areas.
    pub name: String,
    /// Lobe, where the data set gives one.
    pub lobe: Option<String>,
    /// Group of areas, such as `thalamus`; [`DEFAULT_GROUP`] where the data set gives none.
    pub group: String,
    /// Centre of the area on an *inflated* surface \[mm\]: for drawing only, never for distances.
    pub position_mm: Option<[f64; 3]>,
}

/// Group of areas of which a data set says nothing.
pub const DEFAULT_GROUP: &str = "cortex";

/// One number per area that may scale parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gradient {
    /// Name, as used in configs.
    pub name: String,
    /// Unit, or `dimensionless`.
    pub unit: String,
    /// Meaning.
    pub description: String,
    /// Value of every area, in the order of the areas \[`unit`\]; finite, or NaN in the areas of a group
    /// for which there is none.
    pub values: Vec<f64>,
    /// For every area: whether the data set marks its value as estimated (by regression, or shared
    /// between areas) instead of measured there. `None` where the data set does not say.
    pub estimated: Option<Vec<bool>>,
}

/// What the weights of a connectome are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightKind {
    /// Fractions of labelled neurons, which sum to at most 1 a target.
    Fln,
    /// Projection strengths on a scale of their own, 0 or more.
    Strength,
    /// Weights of either sign, also of a node on itself: those of an artificial network.
    Signed,
}

/// Where a connectome comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// Bundled name, folder, or `inline`.
    pub source: String,
    /// Title of the data set.
    pub title: String,
    /// Species, in words.
    pub species: Option<String>,
    /// Papers, and what comes from each.
    pub publications: Vec<Publication>,
    /// Licence and usage terms.
    pub terms: Option<Terms>,
    /// The tables read, in fixed order: areas, FLN or strengths, SLN, distances, delays.
    pub files: Vec<FileHash>,
    /// What was remarkable, though not wrong, about the tables.
    pub warnings: Vec<Finding>,
}

/// Identity of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileHash {
    /// `areas`, `fln`, `strength` or `weight`, `sln`, `distance_mm` or `delay_ms`.
    pub role: String,
    /// Path below the folder.
    pub path: String,
    /// SHA-256 of the bytes read, lower-case hexadecimal.
    pub sha256: String,
}

impl Provenance {
    /// One SHA-256 (lower-case hexadecimal) for the whole data set: over the lines
    /// `role sha256`, one for each of [`files`](Self::files) in their order.
    ///
    /// The manifest does not enter, so correcting a citation leaves the digest as it is. Line
    /// endings do enter.
    #[must_use]
    pub fn digest(&self) -> String {
        let lines: String = self
            .files
            .iter()
            .map(|f| format!("{} {}\n", f.role, f.sha256))
            .collect();
        sha256_hex(lines.as_bytes())
    }
}

/// No area of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown area: found `{name}`, expected one of the {n_areas} areas of {connectome}{}",
    suggest::hint(.close)
)]
pub struct UnknownArea {
    /// Name asked for.
    pub name: String,
    /// Names like it.
    pub close: Vec<String>,
    /// Number of areas of the connectome.
    pub n_areas: usize,
    /// Name of the connectome.
    pub connectome: String,
}

/// No gradient of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown gradient: found `{name}`, expected one of [{}] of {connectome}{}",
    .available.join(", "),
    suggest::hint(.close)
)]
pub struct UnknownGradient {
    /// Name asked for.
    pub name: String,
    /// Names like it.
    pub close: Vec<String>,
    /// Names that exist.
    pub available: Vec<String>,
    /// Name of the connectome.
    pub connectome: String,
}

/// Smallest, largest, mean and standard deviation (divided by N) of log10 of the FLN of all links.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Log10Stats {
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, divided by N.
    pub sd: f64,
}

/// Areas and how they are linked.
#[derive(Debug, Clone)]
pub struct Connectome {
    /// Name of the data set.
    pub name: String,
    /// The areas; an [`AreaId`] is an index into this list.
    pub areas: Vec<Area>,
    /// What [`fln`](Self::fln) holds: that, or projection strengths.
    pub weights: WeightKind,
    /// Fraction of labelled neurons, `[target, source]`, 0..1 \[dimensionless\]. CSR with sorted
    /// columns, no explicit zeros, empty diagonal. Rows sum to at most 1 and, where the fraction was
    /// taken over more areas than these, to less: nothing is normalised here. Projection strengths
    /// stand in its place, 0 or more, where the data set gives these, or weights of either sign, then
    /// with a diagonal.
    pub fln: CsMat<f64>,
    /// Fraction of a link's neurons that lie above layer 4, `[target, source]`, 0..1
    /// \[dimensionless\]. High = feedforward. CSR with sorted columns; its entries are a subset of
    /// those of [`fln`](Self::fln), and here a stored 0 is a measurement (all neurons infragranular),
    /// whereas an absent entry means that no value is given.
    pub sln: Option<CsMat<f64>>,
    /// Distance, `[target, source]` \[mm\]; NaN where not given, diagonal 0.
    pub distance_mm: Option<Array2<f64>>,
    /// Delay, `[target, source]` \[ms\]; NaN where not given. From a table of the data set, or typed
    /// with the links of a network.
    pub delay_ms: Option<Array2<f64>>,
    /// Gradients, in the order of the manifest.
    pub gradients: Vec<Gradient>,
    /// Where all this comes from.
    pub provenance: Provenance,
}

impl Connectome {
    /// Number of areas.
    #[must_use]
    pub fn n_areas(&self) -> usize {
        self.areas.len()
    }

    /// The areas of a group; none if there is no such group.
    pub fn group(&self, name: &str) -> impl Iterator<Item = AreaId> {
        let of = self.areas.iter().enumerate();
        of.filter(move |(_, a)| a.group == name)
            .map(|(i, _)| AreaId::from(i))
    }

    /// Names of the groups, each once, in the order of their first areas.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for area in &self.areas {
            if !out.contains(&area.group.as_str()) {
                out.push(&area.group);
            }
        }
        out
    }

    /// Adds an area, which has no links; gradients that are not among `values` have none there.
    pub fn add(&mut self, name: &str, group: &str, values: &BTreeMap<String, f64>) {
        let n = self.areas.len() + 1;
        let wider = |m: &Array2<f64>| {
            let at = |(i, j)| {
                if i < n - 1 && j < n - 1 {
                    m[[i, j]]
                } else {
                    f64::NAN
                }
            };
            Array2::from_shape_fn((n, n), at)
        };
        let wider_links = |m: &CsMat<f64>| {
            let entries = m.iter().map(|(&w, at)| (at, w)).collect();
            load::csr(n, &entries)
        };
        self.areas.push(Area {
            name: name.to_owned(),
            lobe: None,
            group: group.to_owned(),
            position_mm: None,
        });
        self.fln = wider_links(&self.fln);
        self.sln = self.sln.as_ref().map(wider_links);
        self.distance_mm = self.distance_mm.as_ref().map(wider);
        self.delay_ms = self.delay_ms.as_ref().map(wider);
        for gradient in &mut self.gradients {
            let value = values.get(&gradient.name).copied().unwrap_or(f64::NAN);
            gradient.values.push(value);
            if let Some(estimated) = &mut gradient.estimated {
                estimated.push(false);
            }
        }
    }

    /// Number of directed links.
    #[must_use]
    pub fn n_links(&self) -> usize {
        self.fln.nnz()
    }

    /// Links present as a fraction of the n(n − 1) possible ones, 0..1; 0 for fewer than two areas.
    #[must_use]
    pub fn density(&self) -> f64 {
        let n = self.n_areas();
        if n < 2 {
            0.0
        } else {
            self.n_links() as f64 / (n * (n - 1)) as f64
        }
    }

    /// Area names, in order.
    pub fn area_names(&self) -> impl Iterator<Item = &str> {
        self.areas.iter().map(|area| area.name.as_str())
    }

    /// The index of an area.
    ///
    /// # Errors
    /// [`UnknownArea`], with names like the one asked for.
    pub fn area_id(&self, name: &str) -> Result<AreaId, UnknownArea> {
        self.areas
            .iter()
            .position(|area| area.name == name)
            .map(AreaId::from)
            .ok_or_else(|| UnknownArea {
                name: name.to_owned(),
                close: suggest::close_names(name, self.area_names()),
                n_areas: self.n_areas(),
                connectome: self.name.clone(),
            })
    }

    /// A gradient by name.
    ///
    /// # Errors
    /// [`UnknownGradient`], with the names that exist.
    pub fn gradient(&self, name: &str) -> Result<&Gradient, UnknownGradient> {
        self.gradients
            .iter()
            .find(|g| g.name == name)
            .ok_or_else(|| {
                let available: Vec<String> =
                    self.gradients.iter().map(|g| g.name.clone()).collect();
                UnknownGradient {
                    name: name.to_owned(),
                    close: suggest::close_names(name, available.iter().map(String::as_str)),
                    available,
                    connectome: self.name.clone(),
                }
            })
    }

    /// All links as (target, source, FLN), row by row.
    pub fn links(&self) -> impl Iterator<Item = (AreaId, AreaId, f64)> {
        self.fln
            .iter()
            .map(|(&fln, (i, j))| (AreaId::from(i), AreaId::from(j), fln))
    }

    /// Sum of FLN over the sources of each target \[dimensionless\]: how much of an area's extrinsic
    /// input comes from the areas of this connectome.
    #[must_use]
    pub fn row_sums(&self) -> Vec<f64> {
        self.fln
            .outer_iterator()
            .map(|row| row.data().iter().sum())
            .collect()
    }

    /// Spectral radius of the FLN matrix \[dimensionless\], to 1e-12 of the largest row sum.
    #[must_use]
    pub fn spectral_radius(&self) -> f64 {
        spectral::spectral_radius(&self.fln, SPECTRAL_TOLERANCE)
    }

    /// Fraction of links i ← j for which j ← i exists too, 0..1; `None` without links.
    #[must_use]
    pub fn reciprocity(&self) -> Option<f64> {
        let both = self
            .links()
            .filter(|(i, j, _)| self.fln.get(j.index(), i.index()).is_some())
            .count();
        (self.n_links() > 0).then(|| both as f64 / self.n_links() as f64)
    }

    /// Distribution of log10 FLN over the links; `None` without links.
    #[must_use]
    pub fn log10_fln(&self) -> Option<Log10Stats> {
        let logs: Vec<f64> = self.fln.data().iter().map(|fln| fln.log10()).collect();
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        (!logs.is_empty()).then(|| Log10Stats {
            min: logs.iter().copied().fold(f64::INFINITY, f64::min),
            max: logs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean,
            sd: variance.sqrt(),
        })
    }

    /// (SLN, h_target − h_source) of every link with an SLN; `None` without SLN or without a gradient
    /// called `hierarchy`.
    fn sln_against_hierarchy(&self) -> Option<Vec<(f64, f64)>> {
        let sln = self.sln.as_ref()?;
        let h = &self.gradient("hierarchy").ok()?.values;
        Some(
            sln.iter()
                .map(|(&sln, (i, j))| (sln, h[i] - h[j]))
                .collect(),
        )
    }

    /// Pearson correlation over the links of SLN with h_target − h_source, h being the gradient
    /// `hierarchy`. Positive where the orientation is right, because feedforward links (high SLN)
    /// climb the hierarchy. `None` without SLN, without that gradient, or where it is undefined.
    #[must_use]
    pub fn sln_hierarchy_correlation(&self) -> Option<f64> {
        let pairs = self.sln_against_hierarchy()?;
        let n = pairs.len() as f64;
        let (mx, my) = (
            pairs.iter().map(|p| p.0).sum::<f64>() / n,
            pairs.iter().map(|p| p.1).sum::<f64>() / n,
        );
        let mut sums = [0.0; 3];
        for (x, y) in &pairs {
            sums[0] += (x - mx) * (y - my);
            sums[1] += (x - mx).powi(2);
            sums[2] += (y - my).powi(2);
        }
        let r = sums[0] / (sums[1] * sums[2]).sqrt();
        r.is_finite().then_some(r)
    }

    /// Mean SLN of the links that climb the gradient `hierarchy`, and of those that descend
    /// \[dimensionless\]; `None` as in
    /// [`sln_hierarchy_correlation`](Self::sln_hierarchy_correlation).
    #[must_use]
    pub fn mean_sln_up_down(&self) -> Option<(f64, f64)> {
        let pairs = self.sln_against_hierarchy()?;
        let mean = |keep: fn(f64) -> bool| {
            let kept: Vec<f64> = pairs.iter().filter(|p| keep(p.1)).map(|p| p.0).collect();
            (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
        };
        Some((mean(|rise| rise > 0.0)?, mean(|rise| rise < 0.0)?))
    }

    /// The same connectome with the areas in `keep` only, in their present order. Repeated or foreign
    /// indices are ignored. Nothing is normalised anew: a row sums to what its remaining sources
    /// give. The provenance, and so its digest, remains that of the full data set.
    #[must_use]
    pub fn subset(&self, keep: &[AreaId]) -> Self {
        let mut kept = vec![false; self.n_areas()];
        for id in keep {
            if let Some(flag) = kept.get_mut(id.index()) {
                *flag = true;
            }
        }
        let old: Vec<usize> = (0..self.n_areas()).filter(|&i| kept[i]).collect();
        let mut new = vec![None; self.n_areas()];
        for (k, &i) in old.iter().enumerate() {
            new[i] = Some(k);
        }
        let matrix = |full: &CsMat<f64>| {
            let entries = full
                .iter()
                .filter_map(|(&v, (i, j))| Some(((new[i]?, new[j]?), v)))
                .collect();
            load::csr(old.len(), &entries)
        };
        let dense = |full: &Array2<f64>| {
            Array2::from_shape_fn((old.len(), old.len()), |(i, j)| full[[old[i], old[j]]])
        };
        Self {
            name: self.name.clone(),
            areas: old.iter().map(|&i| self.areas[i].clone()).collect(),
            weights: self.weights,
            fln: matrix(&self.fln),
            sln: self.sln.as_ref().map(matrix),
            distance_mm: self.distance_mm.as_ref().map(dense),
            delay_ms: self.delay_ms.as_ref().map(dense),
            gradients: self
                .gradients
                .iter()
                .map(|g| Gradient {
                    values: old.iter().map(|&i| g.values[i]).collect(),
                    estimated: g
                        .estimated
                        .as_ref()
                        .map(|e| old.iter().map(|&i| e[i]).collect()),
                    ..g.clone()
                })
                .collect(),
            provenance: self.provenance.clone(),
        }
    }
}
