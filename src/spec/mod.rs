//! YAML to experiment: files, presets and `--set` are merged as trees with positions, typed as a
//! [`draft::Draft`], and resolved to an [`ExperimentSpec`] with canonical units.
//!
//! Layers, lowest first: the configs named by `from:` (which may have their own), the preset they
//! apply, the experiment file, `--set` arguments in their order. Maps merge key by key, null
//! removes an entry, anything else replaces.

pub mod bundled;
mod de;
pub mod draft;
mod experiment;
pub mod node;
mod perturbation;
pub mod suggest;
pub mod sweep;
mod task;

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

pub use experiment::*;
use node::{Key, Location, Node, SourceText, Value};
pub use perturbation::*;
use suggest::did_you_mean;
pub use sweep::SweepSpec;
pub use task::*;

/// What is wrong with a config, and where.
#[derive(Debug, Clone)]
pub struct SpecError {
    /// What is wrong: found X, expected Y.
    pub message: String,
    /// Line and column, when the fault lies in a text.
    pub at: Option<Box<Location>>,
}

impl SpecError {
    fn nowhere(message: String) -> Self {
        SpecError { message, at: None }
    }

    fn at(message: String, at: Location) -> Self {
        SpecError {
            message,
            at: Some(Box::new(at)),
        }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.at {
            Some(at) => write!(f, "\n{}", at.snippet()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SpecError {}

/// A merged document: knows where each of its keys was typed.
#[derive(Debug, Clone)]
pub struct Config {
    tree: Arc<Node>,
}

impl Config {
    /// Reads one document as it stands, without layers.
    ///
    /// # Errors
    /// Bad YAML, with line and column.
    pub fn parse(name: &str, text: &str) -> Result<Config, SpecError> {
        Ok(Config {
            tree: Arc::new(parse(name, text)?),
        })
    }

    /// The document as a type.
    ///
    /// # Errors
    /// Unknown or missing keys and values of the wrong kind, with line and column.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, SpecError> {
        T::deserialize(&*self.tree).map_err(|e| SpecError {
            message: e.message,
            at: Some(Box::new(e.at.unwrap_or_else(|| self.tree.at.clone()))),
        })
    }

    /// Takes perturbations out of the maps under `perturbations`: all keys but those of `keep`. Gives what is
    /// left, and by name what was taken.
    #[must_use]
    pub fn without_perturbations(&self, keep: &[&str]) -> (Config, Named<Override>) {
        let mut tree = (*self.tree).clone();
        let mut taken = Named::new();
        let Some(Value::Map(entries)) = tree.get_mut("perturbations").map(|n| &mut n.value) else {
            return (self.clone(), taken);
        };
        for (name, node) in entries {
            let Value::Map(keys) = &mut node.value else {
                continue;
            };
            let (words, rest): (Vec<_>, Vec<_>) = std::mem::take(keys)
                .into_iter()
                .partition(|(k, _)| !keep.contains(&&*k.text));
            *keys = rest;
            if words.is_empty() {
                continue;
            }
            let words = Node {
                value: Value::Map(words),
                at: node.at.clone(),
            };
            let name = name.clone();
            taken.insert(name.text.clone(), Override::Perturbation { name, words });
        }
        let config = Config {
            tree: Arc::new(tree),
        };
        (config, taken)
    }

    /// An error at the key path, such as `stimuli.pulse.areas[0]`.
    #[must_use]
    pub fn error(&self, path: &str, message: String) -> SpecError {
        SpecError::at(message, self.tree.locate(path))
    }

    /// The keys of the map at a path, in the order typed; none where there is no map.
    #[must_use]
    pub fn keys(&self, path: &str) -> Vec<String> {
        match self.tree.find(path).map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key.text.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Key paths of maps at which a text stands, in the order typed.
    #[must_use]
    pub fn paths_of(&self, text: &str) -> Vec<String> {
        self.tree.paths_of(text)
    }

    /// What stands at a path, in words of messages; none where there is nothing.
    #[must_use]
    pub fn found(&self, path: &str) -> Option<String> {
        self.tree.find(path).map(Node::kind)
    }

    /// The text of a scalar at a path; none where there is nothing or no scalar.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.tree.find(path).and_then(Node::text)
    }

    /// `; did you mean `x`?` for the first key of a path that is not in the document, or nothing.
    #[must_use]
    pub fn hint(&self, path: &str) -> String {
        let mut node = &*self.tree;
        for segment in node::split_path(path).unwrap_or_default() {
            let Value::Map(entries) = &node.value else {
                break;
            };
            match entries.iter().find(|(key, _)| key.text == segment) {
                Some((_, below)) => node = below,
                None => {
                    return did_you_mean(
                        &segment,
                        entries.iter().map(|(key, _)| key.text.as_str()),
                    );
                }
            }
        }
        String::new()
    }

    /// The document as one YAML text without `from`, presets or comments: enough to run it again.
    #[must_use]
    pub fn canonical(&self) -> String {
        // A tree of texts, lists and maps always serialises.
        serde_yaml::to_string(&*self.tree).expect("a config tree serialises to YAML")
    }

    /// SHA-256 of the canonical text, as hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256_hex(self.canonical().as_bytes())
    }
}

/// SHA-256 of some bytes as lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads an experiment from a path or a bundled name and lays `sets` (`path=value`) on top.
///
/// # Errors
/// Everything that is wrong with the text: syntax, unknown or missing keys, wrong units, with line
/// and column.
pub fn load(name: &str, sets: &[String]) -> Result<ExperimentSpec, SpecError> {
    ConfigLayers::read(name)?.with(&overrides(sets))
}

/// A config that was read once, to lay several sets of overrides on it.
#[derive(Debug, Clone)]
pub struct ConfigLayers {
    layers: Vec<Node>,
    folder: Option<PathBuf>,
    /// The layers merged, once somebody needed that.
    merged: OnceLock<Node>,
}

/// One override of a config.
#[derive(Debug, Clone)]
pub enum Override {
    /// `path=value`, and what to call it in messages.
    Set {
        /// What to call it.
        label: String,
        /// The text.
        text: String,
    },
    /// A perturbation and its name.
    Perturbation {
        /// The name.
        name: Key,
        /// The map with its words.
        words: Node,
    },
}

/// `--set` arguments as overrides.
#[must_use]
pub fn overrides(sets: &[String]) -> Vec<Override> {
    let of = |(i, text): (usize, &String)| Override::Set {
        label: format!("--set {}", i + 1),
        text: text.clone(),
    };
    sets.iter().enumerate().map(of).collect()
}

impl ConfigLayers {
    /// Reads a config from a path or a bundled name.
    ///
    /// # Errors
    /// No such config, or bad YAML in it or in what it is laid on.
    pub fn read(name: &str) -> Result<ConfigLayers, SpecError> {
        let origin = Origin::find(name)?;
        let folder = match &origin {
            Origin::File(path) => Some(path.parent().unwrap_or(Path::new("")).to_owned()),
            Origin::Bundled(_) => None,
        };
        let layers = read_layers(origin, &[])?;
        Ok(ConfigLayers {
            layers: layers.into_iter().map(|layer| layer.tree).collect(),
            folder,
            merged: OnceLock::new(),
        })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`ConfigLayers::read`].
    pub fn of_text(name: &str, text: &str) -> Result<ConfigLayers, SpecError> {
        let layers = layers_of(parse(name, text)?, None, &[])?;
        Ok(ConfigLayers {
            layers: layers.into_iter().map(|layer| layer.tree).collect(),
            folder: None,
            merged: OnceLock::new(),
        })
    }

    /// Lays `sets` (`path=value`) on top for good.
    ///
    /// # Errors
    /// What is no override.
    pub fn lay(&mut self, sets: &[String]) -> Result<(), SpecError> {
        self.merged.take();
        for over in overrides(sets) {
            self.layers.push(over.layer()?);
        }
        Ok(())
    }

    /// Takes out what a sweep varies, the section `sweep:` and what `sets` list, and lays the other
    /// `sets` on top. Returns it.
    ///
    /// # Errors
    /// Nothing varies, or not in a way that can be understood.
    pub fn take_sweep(&mut self, sets: &[String]) -> Result<SweepSpec, SpecError> {
        let (axes, fixed) = sweep::of_sets(sets)?;
        let top = self.layers.last().map(|layer| layer.at.clone());
        let at = top.expect("a config has at least one layer");
        // This forgets what was merged before.
        self.lay(&fixed)?;
        let mut section: Option<Node> = None;
        for layer in &mut self.layers {
            let Some(over) = layer.take("sweep") else {
                continue;
            };
            match &mut section {
                Some(below) => below.merge(over),
                None => section = Some(over),
            }
        }
        let mut spec = match section.filter(|node| node.value != Value::Null) {
            Some(node) => sweep::of_section(&node, self.folder.as_deref())?,
            None => SweepSpec::default(),
        };
        // What is typed last wins, as everywhere.
        spec.axes.retain(|axis| {
            let again = |path: &String| axes.iter().any(|new| new.paths.contains(path));
            !axis.paths.iter().any(again)
        });
        spec.axes.extend(axes);
        sweep::check(&spec, &at)?;
        Ok(spec)
    }

    /// The experiment with overrides on top, in their order.
    ///
    /// # Errors
    /// As [`load`]; a config that describes a sweep.
    pub fn with(&self, overrides: &[Override]) -> Result<ExperimentSpec, SpecError> {
        let over: Vec<Node> = overrides
            .iter()
            .map(Override::layer)
            .collect::<Result<_, _>>()?;
        let mut tree = self.under(over)?;
        if let Some(sweep) = tree.get("sweep") {
            let message = "a sweep: found `sweep:`, expected one experiment; `isocortex sweep` runs \
                           this config, `--set sweep=null` makes one experiment of it";
            return Err(SpecError::at(message.to_owned(), sweep.at.clone()));
        }
        make_data_path_absolute(&mut tree, self.folder.as_deref());
        let config = Config {
            tree: Arc::new(tree),
        };
        let draft = config
            .deserialize()
            .map_err(|e| self.explain(e, overrides))?;
        let mut spec = experiment::resolve(draft, config)?;
        add_models(&mut spec)?;
        Ok(spec)
    }

    /// The layers with more of them on top, merged.
    fn under(&self, over: Vec<Node>) -> Result<Node, SpecError> {
        // A preset goes below other layers: what is merged already would hide it.
        let with_preset = |layer: &Node| layer.get("preset").or(layer.get("presets")).is_some();
        if over.iter().any(with_preset) {
            return merge_layers([self.layers.clone(), over].concat());
        }
        let mut tree = match self.merged.get() {
            Some(merged) => merged.clone(),
            None => {
                let merged = merge_layers(self.layers.clone())?;
                self.merged.get_or_init(|| merged).clone()
            }
        };
        for layer in over {
            tree.at = layer.at.clone();
            tree.merge(layer);
        }
        Ok(tree)
    }

    /// Says what may have been meant where an override made an entry that lacks something, by a name that is
    /// close to one that is there.
    fn explain(&self, mut error: SpecError, overrides: &[Override]) -> SpecError {
        if !error.message.starts_with("missing key") {
            return error;
        }
        let Ok(tree) = self.under(Vec::new()) else {
            return error;
        };
        let config = Config {
            tree: Arc::new(tree),
        };
        let paths = overrides.iter().filter_map(|over| match over {
            Override::Set { text, .. } => text.split_once('=').map(|(path, _)| path.trim()),
            Override::Perturbation { .. } => None,
        });
        let mut hints = paths.map(|path| config.hint(path));
        if let Some(hint) = hints.find(|hint| !hint.is_empty()) {
            error.message += &hint;
        }
        error
    }
}

impl Override {
    /// Whether a text occurs in a value.
    #[must_use]
    pub fn contains(&self, part: &str) -> bool {
        match self {
            Override::Set { text, .. } => text.contains(part),
            Override::Perturbation { words, .. } => words.contains(part),
        }
    }

    /// The same with a text put in the place of another in every value.
    #[must_use]
    pub fn replaced(&self, part: &str, by: &str) -> Override {
        let mut out = self.clone();
        match &mut out {
            Override::Set { text, .. } => *text = text.replace(part, by),
            Override::Perturbation { words, .. } => words.replace(part, by),
        }
        out
    }

    fn layer(&self) -> Result<Node, SpecError> {
        match self {
            Override::Set { label, text } => set_layer(label, text),
            Override::Perturbation { name, words } => {
                let mut all = Node::empty_map(name.at.clone());
                all.put(name.clone(), words.clone());
                Ok(all.under("perturbations"))
            }
        }
    }
}

/// A config text that is laid on another and states what `sets` (`path=value`) set.
///
/// # Errors
/// What is no override.
pub fn overlay(from: &str, sets: &[String]) -> Result<String, SpecError> {
    let at = place_in_set("overlay", "", 1);
    let mut tree = Node::empty_map(at.clone());
    let text = Value::Scalar {
        text: from.to_owned(),
        quoted: true,
    };
    let from = Node {
        value: text,
        at: at.clone(),
    };
    let key = Key {
        text: "from".to_owned(),
        at,
    };
    tree.put(key, from);
    for over in overrides(sets) {
        lay_over(&mut tree, over.layer()?);
    }
    // A tree of texts, lists and maps always serialises.
    Ok(serde_yaml::to_string(&tree).expect("a config tree serialises to YAML"))
}

/// Merges maps key by key and puts anything else in place, nulls too: they remove what lies below.
fn lay_over(tree: &mut Node, over: Node) {
    let Value::Map(entries) = over.value else {
        *tree = over;
        return;
    };
    for (key, child) in entries {
        match (tree.get_mut(&key.text), &child.value) {
            (Some(below), Value::Map(_)) if matches!(below.value, Value::Map(_)) => {
                lay_over(below, child);
            }
            _ => tree.put(key, child),
        }
    }
}

/// Keys that a condition of a task may change: those of the model.
pub const OF_THE_MODEL: [&str; 12] = [
    "connectome",
    "circuit",
    "gradients",
    "modulators",
    "projections",
    "receptors",
    "perturbations",
    "baseline",
    "initial",
    "lesions",
    "stimuli",
    "noise",
];

/// Makes the model of every condition of a task that changes it.
fn add_models(spec: &mut ExperimentSpec) -> Result<(), SpecError> {
    let Some(task) = &mut spec.task else {
        return Ok(());
    };
    for condition in &mut task.conditions {
        let path = format!("task.conditions.{}", node::path_segment(&condition.name));
        let perturbations = spec.config.tree.find(&format!("{path}.perturbations"));
        if condition.set.is_empty() && perturbations.is_none() {
            continue;
        }
        let mut tree = (*spec.config.tree).clone();
        for (i, set) in condition.set.iter().enumerate() {
            let layer = set_layer(&format!("{path}.set[{i}]"), set)?;
            if let Value::Map(keys) = &layer.value
                && let Some((key, _)) = keys.iter().find(|(k, _)| !OF_THE_MODEL.contains(&&*k.text))
            {
                let message = format!(
                    "not a key of the model: found `{}`, expected one of {}",
                    key.text,
                    OF_THE_MODEL.join(", ")
                );
                return Err(SpecError::at(message, key.at.clone()));
            }
            tree.merge(layer);
        }
        if let Some(perturbations) = perturbations {
            tree.merge(perturbations.clone().under("perturbations"));
        }
        // The trials are those of the experiment, and so is what is made of them.
        tree.take("task");
        tree.take("analysis");
        let config = Config {
            tree: Arc::new(tree),
        };
        let model = (config.deserialize()).and_then(|draft| experiment::resolve(draft, config));
        let of = |e: SpecError| SpecError {
            message: format!("condition `{}`: {}", condition.name, e.message),
            ..e
        };
        condition.model = Some(Arc::new(model.map_err(of)?));
    }
    Ok(())
}

/// Reads an experiment from a text, for example the canonical config of a result file.
///
/// # Errors
/// As [`load`].
pub fn from_text(name: &str, text: &str, sets: &[String]) -> Result<ExperimentSpec, SpecError> {
    ConfigLayers::of_text(name, text)?.with(&overrides(sets))
}

/// A data folder typed relative to the config is written out in full, so that the canonical text
/// means the same data wherever it is read. Bundled names stay as they are.
fn make_data_path_absolute(tree: &mut Node, folder: Option<&Path>) {
    let Some(folder) = folder else { return };
    let Value::Map(entries) = &mut tree.value else {
        return;
    };
    let connectome = entries
        .iter_mut()
        .find(|(k, _)| k.text == "connectome")
        .map(|(_, n)| n);
    let Some(Value::Map(entries)) = connectome.map(|n| &mut n.value) else {
        return;
    };
    for (key, node) in entries {
        if key.text == "data"
            && let Value::Scalar { text, .. } = &mut node.value
            && let beside = folder.join(&*text)
            && beside.is_dir()
            && let Ok(full) = std::path::absolute(&beside)
        {
            *text = full.display().to_string();
        }
    }
}

/// Where a config comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File(PathBuf),
    Bundled(&'static bundled::BundledConfig),
}

impl Origin {
    /// A file of that path if there is one, else the bundled config of that name or path.
    fn find(name: &str) -> Result<Origin, SpecError> {
        let path = Path::new(name);
        if path.is_file() {
            return Ok(Origin::File(path.to_owned()));
        }
        if let Some(config) = bundled::find(name) {
            return Ok(Origin::Bundled(config));
        }
        let hint = did_you_mean(name, bundled::names());
        Err(SpecError::nowhere(format!(
            "no such config: found neither a file nor a bundled config called `{name}`{hint}"
        )))
    }

    /// Whether both are one config, however their paths were typed.
    fn is(&self, other: &Origin) -> bool {
        let place = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match (self, other) {
            (Origin::File(a), Origin::File(b)) => place(a) == place(b),
            _ => self == other,
        }
    }

    /// What `from: name` means in a config of this origin.
    fn relative(&self, name: &str) -> Option<Origin> {
        match self {
            Origin::File(path) => {
                let beside = path.parent().unwrap_or(Path::new("")).join(name);
                beside.is_file().then_some(Origin::File(beside))
            }
            Origin::Bundled(config) => {
                let beside = Path::new(config.path).parent()?.join(name);
                bundled::find(&normalise(&beside)).map(Origin::Bundled)
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Origin::File(path) => path.display().to_string(),
            Origin::Bundled(config) => format!("(bundled) {}", config.path),
        }
    }
}

/// Removes `.` and `..` from a relative path by text: bundled configs have no file system.
fn normalise(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

fn parse(name: &str, text: &str) -> Result<Node, SpecError> {
    let node = Node::parse(name, text)
        .map_err(|e| SpecError::at(format!("not valid YAML: {}", e.message), e.at))?;
    match node.value {
        Value::Map(_) => Ok(node),
        _ => Err(SpecError::at(
            "not a config: expected a map of keys such as `from:` and `simulation:`".to_owned(),
            node.at,
        )),
    }
}

/// A document and where it was read, if it was.
struct Layer {
    origin: Option<Origin>,
    tree: Node,
}

fn read_layers(origin: Origin, seen: &[Origin]) -> Result<Vec<Layer>, SpecError> {
    let text = match &origin {
        Origin::Bundled(config) => config.text.to_owned(),
        Origin::File(path) => std::fs::read_to_string(path).map_err(|e| {
            SpecError::nowhere(format!("cannot read the config {}: {e}", path.display()))
        })?,
    };
    let root = parse(&origin.name(), &text)?;
    let seen = [seen, std::slice::from_ref(&origin)].concat();
    layers_of(root, Some(&origin), &seen)
}

/// The layers of a document, lowest first: those of its `from:`, then itself. Of several configs that
/// share one below them, that one is laid once, where it comes first.
fn layers_of(
    mut root: Node,
    origin: Option<&Origin>,
    seen: &[Origin],
) -> Result<Vec<Layer>, SpecError> {
    let mut layers: Vec<Layer> = Vec::new();
    if let Some(from) = root.take("from") {
        let at = from.at.clone();
        let names = match from.value {
            Value::Seq(names) => names,
            _ => vec![from],
        };
        if names.is_empty() {
            let message = "no names: found an empty list, expected a name or several".to_owned();
            return Err(SpecError::at(message, at));
        }
        for from in names {
            let below = origin_of(&from, origin)?;
            if seen.iter().any(|known| known.is(&below)) {
                let name = from.text().unwrap_or_default();
                let message = format!("configs go in a circle: found `from: {name}` again");
                return Err(SpecError::at(message, from.at));
            }
            let is_there = |layers: &[Layer], new: &Origin| {
                let mut origins = layers.iter().filter_map(|layer| layer.origin.as_ref());
                origins.any(|known| known.is(new))
            };
            if is_there(&layers, &below) {
                continue;
            }
            for layer in read_layers(below, seen)? {
                if !layer
                    .origin
                    .as_ref()
                    .is_some_and(|new| is_there(&layers, new))
                {
                    layers.push(layer);
                }
            }
        }
    }
    layers.push(Layer {
        origin: origin.cloned(),
        tree: root,
    });
    Ok(layers)
}

/// The config that an entry of `from:` names.
fn origin_of(from: &Node, origin: Option<&Origin>) -> Result<Origin, SpecError> {
    let Some(name) = from.text() else {
        return Err(SpecError::at(
            "wrong kind of value: expected a name or a list of names".to_owned(),
            from.at.clone(),
        ));
    };
    let below = origin
        .and_then(|o| o.relative(name))
        .or_else(|| bundled::find(name).map(Origin::Bundled));
    below.ok_or_else(|| {
        let hint = did_you_mean(name, bundled::names());
        let message = format!(
            "no such model: found neither a file beside this one nor a bundled config called \
             `{name}`{hint}"
        );
        SpecError::at(message, from.at.clone())
    })
}

/// No config is nested deeper; the YAML reader has the same limit.
const DEEPEST_PATH: usize = 64;

/// A place in an override; `name` is what messages call it.
fn place_in_set(name: &str, set: &str, column: usize) -> Location {
    Location {
        source: Arc::new(SourceText {
            name: name.to_owned(),
            text: set.to_owned(),
        }),
        line: 1,
        column,
    }
}

/// `path=value` as a layer of its own; `name` is what messages call it.
fn set_layer(name: &str, set: &str) -> Result<Node, SpecError> {
    let start = place_in_set(name, set, 1);
    let place = |column: usize| Location {
        column,
        ..start.clone()
    };
    let Some((path, value)) = set.split_once('=') else {
        let message = format!("not an override: found `{set}`, expected `path=value`");
        return Err(SpecError::at(message, place(1)));
    };
    let Some(segments) = node::split_path(path.trim()) else {
        let message =
            format!("not a key path: found `{path}`, expected e.g. `stimuli.pulse.areas`");
        return Err(SpecError::at(message, place(1)));
    };
    if segments.len() > DEEPEST_PATH {
        let message = format!(
            "not a key path: found {} keys, expected at most {DEEPEST_PATH}",
            segments.len()
        );
        return Err(SpecError::at(message, place(1)));
    }
    let offset = path.chars().count() + 1;
    let mut child = match Node::parse(name, value) {
        Ok(node) => node,
        Err(e) => {
            let at = place(e.at.column + offset);
            return Err(SpecError::at(format!("not valid YAML: {}", e.message), at));
        }
    };
    // A value made of several nodes keeps the place of its start; that is where the caret goes.
    relocate(&mut child, &place(offset + 1));
    for segment in segments.into_iter().rev() {
        let mut parent = Node::empty_map(place(1));
        parent.put(
            Key {
                text: segment,
                at: place(1),
            },
            child,
        );
        child = parent;
    }
    Ok(child)
}

fn relocate(node: &mut Node, at: &Location) {
    node.at = at.clone();
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|n| relocate(n, at)),
        Value::Map(entries) => entries.iter_mut().for_each(|(k, n)| {
            k.at = at.clone();
            relocate(n, at);
        }),
        _ => {}
    }
}

/// Merges layers; the chosen preset goes right above the layer that defines it.
fn merge_layers(mut layers: Vec<Node>) -> Result<Node, SpecError> {
    let mut chosen: Option<Node> = None;
    let mut definition: Option<(usize, Node)> = None;
    for (i, layer) in layers.iter_mut().enumerate() {
        if let Some(presets) = layer.take("presets") {
            definition = Some((i, presets));
        }
        if let Some(preset) = layer.take("preset") {
            chosen = (preset.value != Value::Null).then_some(preset);
        }
    }
    if let Some(choice) = &chosen {
        let Some(name) = choice.text().map(str::to_owned) else {
            let message = "wrong kind of value: expected the name of a preset".to_owned();
            return Err(SpecError::at(message, choice.at.clone()));
        };
        let known: Vec<String> = match &definition {
            Some((
                _,
                Node {
                    value: Value::Map(entries),
                    ..
                },
            )) => entries.iter().map(|(k, _)| k.text.clone()).collect(),
            _ => Vec::new(),
        };
        let patch = definition
            .as_ref()
            .and_then(|(i, presets)| Some((*i, presets.get(&name)?)));
        let Some((i, patch)) = patch else {
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            let known = if known.is_empty() {
                "none here".to_owned()
            } else {
                known.join(", ")
            };
            let message = format!("unknown preset: found `{name}`, expected one of {known}{hint}");
            return Err(SpecError::at(message, choice.at.clone()));
        };
        let mut patch = patch.clone();
        let label = Value::Scalar {
            text: name,
            quoted: false,
        };
        patch.put(
            Key {
                text: "applied_preset".to_owned(),
                at: choice.at.clone(),
            },
            Node {
                value: label,
                at: choice.at.clone(),
            },
        );
        layers.insert(i + 1, patch);
    }
    // From an empty map, so that a null means the same in the lowest layer as in any other.
    let top = layers.last().expect("a config has at least one layer");
    let mut tree = Node::empty_map(top.at.clone());
    for layer in layers {
        tree.merge(layer);
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was merged before is no other than what is merged at once: same config, same errors at the same places.
    #[test]
    fn layers_merged_before_are_those_merged_at_once() {
        let text = "from: chaudhuri2015_v1_pulse\ntitle: here\npreset: precise\nstimuli: {more: {into: drive_E, areas: [V4], \
                    amplitude: 1 Hz, onset: 0 ms, offset: 100 ms}}\nanalysis: null\n";
        let kept = ConfigLayers::of_text("kept", text).unwrap();
        kept.with(&[]).unwrap();
        assert!(kept.merged.get().is_some());
        for sets in [
            &[][..],
            &["stimuli.pulse.amplitude=3 Hz"],
            &["stimuli.more=null"],
            &["stimuli.more=null", "stimuli.more.amplitude=1 Hz"],
            &[
                "stimuli.pulse.amplitude=3 Hz",
                "stimuli.pulse.amplitude=3 mV",
            ],
            &["preset=printed"],
            &["preset=null"],
            &["preset=unheard-of", "title=x"],
            &["presets.new.title=x", "preset=new"],
            &["stimuli.puls.amplitude=3 Hz"],
            &["no override"],
            &[
                "analysis.timescales={method: exact, variable: nu_E}",
                "title=z",
            ],
        ] {
            let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
            let said = |layers: &ConfigLayers| match layers.with(&overrides(&sets)) {
                Ok(spec) => (spec.config.canonical(), spec.title),
                Err(e) => (e.to_string(), String::new()),
            };
            let fresh = ConfigLayers::of_text("kept", text).unwrap();
            assert_eq!(said(&kept), said(&fresh), "{sets:?}");
            let whole = {
                let over = overrides(&sets);
                let over = over
                    .iter()
                    .map(Override::layer)
                    .collect::<Result<Vec<_>, _>>();
                over.and_then(|over| merge_layers([fresh.layers.clone(), over].concat()))
            };
            if let (Ok(tree), Ok(spec)) = (whole, kept.with(&overrides(&sets))) {
                let mut tree = tree;
                make_data_path_absolute(&mut tree, None);
                assert_eq!(*spec.config.tree, tree, "{sets:?}");
            }
        }
        let mut more = kept;
        more.lay(&["title=later".to_owned()]).unwrap();
        assert_eq!(more.with(&[]).unwrap().title, "later");
    }
}
