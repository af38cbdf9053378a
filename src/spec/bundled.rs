//! The configs that travel inside the binary, so that an installed program runs anywhere.

/// A config inside the binary.
#[derive(Debug, PartialEq, Eq)]
pub struct BundledConfig {
    /// Path in the repository, `configs/experiments/….yaml`.
    pub path: &'static str,
    /// The text.
    pub text: &'static str,
}

/// Every model and experiment `configs/*/*.yaml`, models first; the build lists them.
pub const CONFIGS: &[BundledConfig] = include!(concat!(env!("OUT_DIR"), "/configs.rs"));

impl BundledConfig {
    /// File name without `.yaml`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let file = self.path.rsplit('/').next().unwrap_or(self.path);
        file.strip_suffix(".yaml").unwrap_or(file)
    }
}

/// The bundled config of that path (`configs/…`) or name.
#[must_use]
pub fn find(name: &str) -> Option<&'static BundledConfig> {
    let name = name.strip_prefix("./").unwrap_or(name);
    CONFIGS
        .iter()
        .find(|c| c.path == name)
        .or_else(|| CONFIGS.iter().find(|c| c.name() == name))
}

/// Names of all bundled configs.
pub fn names() -> impl Iterator<Item = &'static str> {
    CONFIGS.iter().map(BundledConfig::name)
}
