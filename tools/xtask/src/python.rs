//! The Python package: built, installed into an environment under the target folder, and tested there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hdf5::{self, Setup};
use crate::shell::{self, Workspace};

/// Builds, installs and tests the package; ARGS go to pytest. In the release profile with the features
/// of the program, so that the library is not compiled again.
pub fn python(ws: &Workspace, setup: &Setup, args: &[String]) -> Result<(), String> {
    let python = environment(ws)?;
    // The tests hold the package beside the program.
    let mut program = ws.cargo();
    program.args(["build", "--release"]);
    setup.apply(&mut program);
    shell::run(program)?;
    shell::run(install(ws, setup, &python))?;
    for check in [["mypy", "--strict"], ["mypy.stubtest", "isocortex._core"]] {
        let mut command = Command::new(&python);
        command.arg("-m").args(check);
        if check[0] == "mypy" {
            command.args(["-p", "isocortex"]);
        }
        // Where no folder is called isocortex: the installed package is meant.
        command.current_dir(&ws.target);
        setup.set_env(&mut command);
        shell::run(command)?;
    }
    let mut tests = Command::new(&python);
    tests
        .current_dir(&ws.root)
        .args(["-m", "pytest", "--quiet", "python/tests"]);
    tests.args(args);
    tests.env(
        "ISOCORTEX_PROGRAM",
        ws.target.join("release").join("isocortex"),
    );
    setup.set_env(&mut tests);
    shell::run(tests)
}

/// `pip install` of the package with the maturin of the environment.
fn install(ws: &Workspace, setup: &Setup, python: &Path) -> Command {
    let mut command = pip(python);
    command.args(["--no-deps", "--no-build-isolation", "--force-reinstall"]);
    command.arg(ws.root.join("python"));
    let own = python.parent().map(Path::to_path_buf).into_iter();
    let others = std::env::var_os("PATH").unwrap_or_default();
    if let Ok(path) = std::env::join_paths(own.chain(std::env::split_paths(&others))) {
        command.env("PATH", path);
    }
    command.env("CARGO_TARGET_DIR", &ws.target);
    if setup.is_from_source() {
        command.env("MATURIN_PEP517_ARGS", "--features static");
    }
    setup.set_env(&mut command);
    command
}

/// A wheel that needs no HDF5 library where it is installed.
pub fn wheel(ws: &Workspace, args: &[String]) -> Result<(), String> {
    let folder = match args {
        [] => ws.target.join("dist"),
        [folder] => PathBuf::from(folder),
        _ => {
            return Err(format!(
                "wheel: found {args:?}, expected one folder at most"
            ));
        }
    };
    let setup = hdf5::set_up_static(ws)?;
    let mut command = Command::new(environment(ws)?);
    command.args(["-m", "maturin", "build", "--release", "--locked"]);
    command.args(["--features", "static", "--manifest-path"]);
    command.arg(ws.root.join("python/Cargo.toml"));
    command.arg("--out").arg(folder);
    command.env("CARGO_TARGET_DIR", &ws.target);
    setup.set_env(&mut command);
    shell::run(command)
}

fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet"]);
    command.arg("--disable-pip-version-check");
    command
}

/// The Python of a virtual environment under the target folder with the pinned packages.
pub fn environment(ws: &Workspace) -> Result<PathBuf, String> {
    if !shell::on_path("python3") {
        return Err("no python3 on PATH".to_owned());
    }
    let dir = ws.target.join("tools").join("python");
    let python = hdf5::venv(Path::new("python3"), &dir)?;
    let pinned = ws.root.join("python").join("requirements-test.txt");
    let wanted = std::fs::read(&pinned).map_err(|e| format!("{}: {e}", pinned.display()))?;
    let installed = dir.join("installed.txt");
    if std::fs::read(&installed).ok().as_ref() != Some(&wanted) {
        let mut command = pip(&python);
        command.arg("--requirement").arg(&pinned);
        shell::run(command)?;
        std::fs::write(&installed, wanted).map_err(|e| format!("{}: {e}", installed.display()))?;
    }
    Ok(python)
}
