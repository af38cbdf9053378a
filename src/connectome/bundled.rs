//! Data sets compiled into the program, so that an installed binary runs anywhere.

/// A data set compiled into the program.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// Name, as used in configs.
    pub name: &'static str,
    /// One line for lists.
    pub title: &'static str,
    /// Path below the folder, and bytes, of every file.
    pub(super) files: &'static [(&'static str, &'static [u8])],
}

/// One file of a bundled data set, by the path below `data/<set>/`.
macro_rules! file {
    ($set:literal, $path:literal) => {
        (
            $path,
            include_bytes!(concat!("../../data/", $set, "/", $path)).as_slice(),
        )
    };
}

static BUNDLED: [Bundled; 4] = [
    Bundled {
        name: "macaque-markov29",
        title: "Macaque cortex, 29 areas: FLN, SLN, white-matter distances, hierarchy, spines",
        files: &[
            file!("macaque-markov29", "manifest.yaml"),
            file!("macaque-markov29", "areas.csv"),
            file!("macaque-markov29", "fln.csv"),
            file!("macaque-markov29", "sln.csv"),
            file!("macaque-markov29", "distance_mm.csv"),
        ],
    },
    Bundled {
        name: "macaque-markov40",
        title: "Macaque cortex, 40 areas: FLN, SLN, hierarchy, D1 receptors, spines",
        files: &[
            file!("macaque-markov40", "manifest.yaml"),
            file!("macaque-markov40", "areas.csv"),
            file!("macaque-markov40", "fln.csv"),
            file!("macaque-markov40", "sln.csv"),
        ],
    },
    Bundled {
        name: "mouse-allen43",
        title: "Mouse cortex, 43 areas: projection strengths, hierarchy, PV and SST cell densities",
        files: &[
            file!("mouse-allen43", "manifest.yaml"),
            file!("mouse-allen43", "areas.csv"),
            file!("mouse-allen43", "strength.csv"),
        ],
    },
    Bundled {
        name: "mouse-allen82",
        title: "Mouse cortex and thalamus, 43 areas and 39 nuclei: projection strengths, hierarchy, PV and SST cell densities",
        files: &[
            file!("mouse-allen82", "manifest.yaml"),
            file!("mouse-allen82", "areas.csv"),
            file!("mouse-allen82", "strength.csv"),
        ],
    },
];

/// The data sets compiled into the program.
#[must_use]
pub fn bundled() -> &'static [Bundled] {
    &BUNDLED
}

/// The bundled data set of this name.
pub(super) fn find(name: &str) -> Option<&'static Bundled> {
    BUNDLED.iter().find(|set| set.name == name)
}
