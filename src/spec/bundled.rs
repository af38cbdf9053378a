//! The configs that travel inside the binary, so that an installed program runs anywhere.

/// A config inside the binary.
#[derive(Debug, PartialEq, Eq)]
pub struct BundledConfig {
    /// Path in the repository, `configs/experiments/….yaml`.
    pub path: &'static str,
    /// The text.
    pub text: &'static str,
}

macro_rules! bundled {
    ($($path:literal),* $(,)?) => {
        /// Every bundled config; a test holds this list against the folder.
        pub const CONFIGS: &[BundledConfig] = &[$(BundledConfig {
            path: $path,
            text: include_str!(concat!("../../", $path)),
        }),*];
    };
}

bundled![
    "configs/models/chaudhuri2015.yaml",
    "configs/models/chaudhuri2015_nonlinear.yaml",
    "configs/experiments/chaudhuri2015_v1_pulse.yaml",
];

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
