//! Perturbations as typed and as meant: what an experiment does to the cortex that the model describes.

use serde::Deserialize;

use super::draft::{AreasDraft as Areas, KeepDraft as Keep, LostStimuli, Named, ShuffleKind};
use super::node::path_segment;
use super::task::{Words, is_on_grid};
use super::{Config, SpecError};
use crate::units::{Dimension, Quantity};

/// A perturbation as typed: exactly one of the words of [`WORDS`], with the keys that belong to it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerturbationDraft {
    /// Areas that are taken out with all their links.
    #[serde(default)]
    pub lesion: Option<Areas>,
    /// Projections whose links are removed, or `all`.
    #[serde(default)]
    pub cut: Option<Words>,
    /// Projections whose links are made weaker or stronger, or `all`.
    #[serde(default)]
    pub scale: Option<Words>,
    /// Populations, or inputs, that a current is taken from.
    #[serde(default)]
    pub inhibit: Option<Words>,
    /// Populations, or inputs, that a current is given to.
    #[serde(default)]
    pub excite: Option<Words>,
    /// Receptors of the config that are blocked or enhanced.
    #[serde(default)]
    pub receptor: Option<Words>,
    /// Parameters of the circuit that are scaled.
    #[serde(default)]
    pub parameter: Option<Words>,
    /// Modulator whose level is another.
    #[serde(default)]
    pub modulator: Option<String>,
    /// Gradients whose map is another, or `all`.
    #[serde(default)]
    pub gradient: Option<Words>,
    /// Projections whose matrix is shuffled, or `all`.
    #[serde(default)]
    pub shuffle: Option<Words>,

    /// `inhibit`, `excite`, `receptor`, `parameter`: where.
    #[serde(default)]
    pub areas: Option<Areas>,
    /// `cut`, `scale`: source areas.
    #[serde(default)]
    pub from: Option<Areas>,
    /// `cut`, `scale`: target areas.
    #[serde(default)]
    pub to: Option<Areas>,
    /// `cut`, `scale`: links up or down the hierarchy.
    #[serde(default)]
    pub links: Option<Keep>,
    /// `scale`, `receptor`, `parameter`: factor.
    #[serde(default)]
    pub by: Option<f64>,
    /// `inhibit`, `excite`: size of the current, in the unit of the input.
    #[serde(default)]
    pub amplitude: Option<Quantity>,
    /// `inhibit`, `excite`: start; that of the run if absent.
    #[serde(default)]
    pub onset: Option<Quantity>,
    /// `inhibit`, `excite`: end; that of the run if absent.
    #[serde(default)]
    pub offset: Option<Quantity>,
    /// `modulator`: the level.
    #[serde(default)]
    pub level: Option<f64>,
    /// `gradient`: every area has the mean of all areas.
    #[serde(default)]
    pub flat: Option<bool>,
    /// `gradient`: areas exchange their values, drawn from this seed.
    #[serde(default)]
    pub exchanged: Option<u64>,
    /// `gradient`: another map of the data set.
    #[serde(default)]
    pub map: Option<String>,
    /// `gradient`: values of areas, in the unit of the map.
    #[serde(default)]
    pub values: Option<Named<f64>>,
    /// `shuffle`: which null model.
    #[serde(default)]
    pub what: Option<ShuffleKind>,
    /// `shuffle`: seed of the null model.
    #[serde(default)]
    pub seed: Option<u64>,
    /// `lesion`: what becomes of stimuli into lesioned areas.
    #[serde(default)]
    pub stimuli: Option<LostStimuli>,
}

/// The words of which a perturbation has one, each with the keys that may stand beside it.
pub const WORDS: [(&str, &[&str]); 10] = [
    ("lesion", &["stimuli"]),
    ("cut", &["from", "to", "links"]),
    ("scale", &["by", "from", "to", "links"]),
    ("inhibit", &["areas", "amplitude", "onset", "offset"]),
    ("excite", &["areas", "amplitude", "onset", "offset"]),
    ("receptor", &["by", "areas"]),
    ("parameter", &["by", "areas"]),
    ("modulator", &["level"]),
    ("gradient", &["flat", "exchanged", "map", "values"]),
    ("shuffle", &["what", "seed"]),
];

/// A perturbation as meant. Names of areas, populations, projections and the like are resolved with the
/// network, in the order of the variants: of several on one thing, each acts on what those before it left.
#[derive(Debug, Clone, PartialEq)]
pub enum PerturbationSpec {
    /// Areas are taken out with all their links.
    Lesion {
        /// Names.
        areas: Vec<String>,
        /// What becomes of stimuli into them.
        stimuli: LostStimuli,
    },
    /// The matrix of projections is a null model.
    Shuffle {
        /// Names, or the word `all`.
        projections: Vec<String>,
        /// Which null model.
        what: ShuffleKind,
        /// Its seed.
        seed: u64,
    },
    /// Links are removed, weakened or strengthened.
    Links {
        /// Names of projections, or the word `all`.
        projections: Vec<String>,
        /// Factor on the weights, 0 or more.
        by: f64,
        /// Source areas.
        from: Areas,
        /// Target areas.
        to: Areas,
        /// All of them, or those up or down the hierarchy.
        links: Keep,
    },
    /// Receptors or parameters are weakened or strengthened, after gradients.
    Gain {
        /// Names.
        names: Vec<String>,
        /// Whether they are names of receptors and not of parameters.
        receptors: bool,
        /// Factor.
        by: f64,
        /// Where.
        areas: Areas,
    },
    /// A modulator has another level.
    Level {
        /// Its name.
        modulator: String,
        /// The level.
        level: f64,
    },
    /// Gradients have another map.
    Gradient {
        /// Names, or the word `all`.
        gradients: Vec<String>,
        /// Which.
        by: MapSpec,
    },
    /// A current into populations, such as a light on cells that carry an opsin.
    Current {
        /// Names of populations or inputs.
        into: Vec<String>,
        /// Where.
        areas: Areas,
        /// Its height: below 0 for inhibition.
        amplitude: Quantity,
        /// Start, ms.
        onset_ms: f64,
        /// End, ms.
        offset_ms: f64,
    },
}

/// What stands in place of the map of a gradient.
#[derive(Debug, Clone, PartialEq)]
pub enum MapSpec {
    /// The mean of all areas in each of them.
    Flat,
    /// The values of the map, drawn anew from a seed.
    Exchanged(u64),
    /// Another map of the data set.
    Map(String),
    /// Values of areas, in the unit of the map.
    Values(Named<f64>),
}

/// Whether a list of names is the word `all`.
#[must_use]
pub fn is_all(names: &[String]) -> bool {
    matches!(names, [only] if only == "all")
}

struct Resolve<'a> {
    config: &'a Config,
    path: String,
    draft: &'a PerturbationDraft,
    duration_ms: f64,
    dt_ms: f64,
}

/// Resolves all perturbations of an experiment.
pub(super) fn resolve(
    config: &Config,
    drafts: &Named<PerturbationDraft>,
    duration_ms: f64,
    dt_ms: f64,
) -> Result<Named<PerturbationSpec>, SpecError> {
    let one = |(name, draft): (&String, &PerturbationDraft)| {
        let resolve = Resolve {
            config,
            path: format!("perturbations.{}", path_segment(name)),
            draft,
            duration_ms,
            dt_ms,
        };
        Ok((name.clone(), resolve.one()?))
    };
    drafts.iter().map(one).collect()
}

impl Resolve<'_> {
    fn error(&self, key: &str, message: String) -> SpecError {
        let path = match key {
            "" => self.path.clone(),
            key => format!("{}.{key}", self.path),
        };
        self.config.error(&path, message)
    }

    /// The word of the perturbation; refuses none, several, and keys that belong to another.
    fn word(&self) -> Result<&'static str, SpecError> {
        let keys = self.config.keys(&self.path);
        let is = |(word, _): &&(&'static str, &[&str])| keys.iter().any(|key| key == word);
        let found: Vec<&(&str, &[&str])> = WORDS.iter().filter(is).collect();
        let [(word, beside)] = found[..] else {
            let all: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            let names: Vec<&str> = found.iter().map(|(word, _)| *word).collect();
            let found = match names.len() {
                0 => "none".to_owned(),
                _ => names.join(" and "),
            };
            let message = format!(
                "which perturbation: found {found}, expected one of {}",
                all.join(", ")
            );
            return Err(self.error("", message));
        };
        if let Some(other) = keys
            .iter()
            .find(|key| key != word && !beside.contains(&key.as_str()))
        {
            let message = format!(
                "key does not belong: found `{other}` beside `{word}`, expected {}",
                beside.join(", ")
            );
            return Err(self.error(other, message));
        }
        Ok(word)
    }

    fn needed<T: Clone>(&self, key: &str, value: &Option<T>) -> Result<T, SpecError> {
        value
            .clone()
            .ok_or_else(|| self.error("", format!("missing key: expected `{key}` here")))
    }

    fn names(&self, key: &str, names: &Option<Words>) -> Result<Vec<String>, SpecError> {
        let names = self.needed(key, names)?.0;
        if names.is_empty() {
            let message = "no names: found an empty list, expected one name or more".to_owned();
            return Err(self.error(key, message));
        }
        Ok(names)
    }

    /// A factor of 0 or more.
    fn factor(&self) -> Result<f64, SpecError> {
        let by = self.needed("by", &self.draft.by)?;
        if by.is_finite() && by >= 0.0 {
            return Ok(by);
        }
        let message = format!("out of range: found {by}, expected a factor of 0 or more");
        Err(self.error("by", message))
    }

    fn one(&self) -> Result<PerturbationSpec, SpecError> {
        let d = self.draft;
        let areas = || d.areas.clone().unwrap_or_default();
        match self.word()? {
            "lesion" => {
                let Some(Areas::List(areas)) = &d.lesion else {
                    let message = "no area is left: found `all`, expected a list of areas";
                    return Err(self.error("lesion", message.to_owned()));
                };
                Ok(PerturbationSpec::Lesion {
                    areas: areas.clone(),
                    stimuli: d.stimuli.unwrap_or_default(),
                })
            }
            word @ ("cut" | "scale") => Ok(PerturbationSpec::Links {
                projections: match word {
                    "cut" => self.names(word, &d.cut)?,
                    _ => self.names(word, &d.scale)?,
                },
                by: match word {
                    "cut" => 0.0,
                    _ => self.factor()?,
                },
                from: d.from.clone().unwrap_or_default(),
                to: d.to.clone().unwrap_or_default(),
                links: match d.links {
                    Some(Keep::None) => {
                        let message = "no links: found `none`, expected `all`, `feedforward` or \
                                       `feedback`";
                        return Err(self.error("links", message.to_owned()));
                    }
                    links => links.unwrap_or_default(),
                },
            }),
            "receptor" => Ok(PerturbationSpec::Gain {
                names: self.names("receptor", &d.receptor)?,
                receptors: true,
                by: self.factor()?,
                areas: areas(),
            }),
            "parameter" => Ok(PerturbationSpec::Gain {
                names: self.names("parameter", &d.parameter)?,
                receptors: false,
                by: self.factor()?,
                areas: areas(),
            }),
            "modulator" => Ok(PerturbationSpec::Level {
                modulator: self.needed("modulator", &d.modulator)?,
                level: self.needed("level", &d.level)?,
            }),
            "gradient" => Ok(PerturbationSpec::Gradient {
                gradients: self.names("gradient", &d.gradient)?,
                by: self.map()?,
            }),
            "shuffle" => Ok(PerturbationSpec::Shuffle {
                projections: self.names("shuffle", &d.shuffle)?,
                what: self.needed("what", &d.what)?,
                seed: self.needed("seed", &d.seed)?,
            }),
            word => self.current(word, areas()),
        }
    }

    fn map(&self) -> Result<MapSpec, SpecError> {
        let d = self.draft;
        let mut all: Vec<MapSpec> = Vec::new();
        all.extend(d.flat.filter(|flat| *flat).map(|_| MapSpec::Flat));
        all.extend(d.exchanged.map(MapSpec::Exchanged));
        all.extend(d.map.clone().map(MapSpec::Map));
        all.extend(d.values.clone().map(MapSpec::Values));
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            (last, _) => {
                let found = if last.is_some() { "several" } else { "none" };
                let message = format!(
                    "which map: found {found}, expected one of `flat: true`, `exchanged: SEED`, `map` and \
                     `values`"
                );
                Err(self.error("", message))
            }
        }
    }

    fn current(&self, word: &str, areas: Areas) -> Result<PerturbationSpec, SpecError> {
        let d = self.draft;
        let into = match word {
            "inhibit" => self.names(word, &d.inhibit)?,
            _ => self.names(word, &d.excite)?,
        };
        let size = self.needed("amplitude", &d.amplitude)?;
        if !(size.value.is_finite() && size.value > 0.0) {
            let message = format!(
                "out of range: found {size}, expected a size above 0; `inhibit` takes it away, `excite` \
                 adds it"
            );
            return Err(self.error("amplitude", message));
        }
        let amplitude = match word {
            "inhibit" => Quantity {
                value: -size.value,
                ..size
            },
            _ => size,
        };
        let time = |key: &str, q: Option<Quantity>, absent: f64| match q {
            None => Ok(absent),
            Some(q) => {
                let ms = q.expect(Dimension::TIME);
                let ms = ms.map_err(|e| self.error(key, e.to_string()))?;
                if is_on_grid(ms, self.dt_ms) {
                    return Ok(ms);
                }
                let message = format!(
                    "falls between two steps: found {ms} ms with simulation.dt = {} ms, expected a whole \
                     number of steps",
                    self.dt_ms
                );
                Err(self.error(key, message))
            }
        };
        let onset_ms = time("onset", d.onset, 0.0)?;
        let offset_ms = time("offset", d.offset, self.duration_ms)?;
        let end_ms = self.duration_ms;
        if !(0.0 <= onset_ms && onset_ms < offset_ms && offset_ms <= end_ms * (1.0 + 1e-9)) {
            let message = format!(
                "outside the run, or without duration: found {onset_ms} to {offset_ms} ms, expected a part \
                 of 0 to {end_ms} ms"
            );
            let key = if d.offset.is_some() {
                "offset"
            } else {
                "onset"
            };
            return Err(self.error(key, message));
        }
        Ok(PerturbationSpec::Current {
            into,
            areas,
            amplitude,
            onset_ms,
            offset_ms,
        })
    }
}
