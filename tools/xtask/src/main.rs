//! The chores of the repository, in Rust so that they need nothing but the tool chain:
//! `cargo xtask help` lists them.

mod bench;
mod book;
mod ci;
mod hdf5;
mod instructions;
mod python;
mod shell;
mod tidy;

use std::process::{Command, ExitCode};

use shell::Workspace;

const HELP: &str = "\
cargo xtask run [ARGS…]      set up HDF5, build isocortex in release, run it with ARGS;
                             without ARGS: run configs/experiments/chaudhuri2015_v1_pulse.yaml
cargo xtask test [ARGS…]     set up HDF5, cargo test --release --workspace ARGS
cargo xtask ci [--skip STEP] every check, each with its time (STEP: fmt, tidy, clippy, test, doc,
                             reproduce, instructions, compare, python, mpi, new-circuit; may be
                             given more than once)
cargo xtask tidy             check sizes, white space, notes to self, debris, module docs, paths,
                             links between documents
cargo xtask book             build the documentation as a book into target/book, where mdBook is
                             installed
cargo xtask bench [--peers all|none|NAME,NAME] [--quick] [--write]
                             measure isocortex beside other programs; --write: docs/performance.md
cargo xtask instructions [--write]
                             count instructions per step with valgrind and hold them against
                             benches/instructions.csv; --write renews that table
cargo xtask python [ARGS…]   build the Python package, install it into an environment under target/,
                             check its types, pytest ARGS
cargo xtask wheel [FOLDER]   build a Python wheel with HDF5 inside, into target/dist or FOLDER
cargo xtask mpi              build isocortex-mpi and test it on one, two and three ranks
cargo xtask miri             interpret the unit tests that go through unsafe code, watching every access
                             to memory; wants a nightly toolchain with the component miri
cargo xtask install [ARGS…]  set up HDF5, cargo install --path . --locked ARGS
cargo xtask hdf5             set up HDF5 and say what was found

ISOCORTEX_HDF5=system  link a library of the system, never build one
ISOCORTEX_HDF5=static  build HDF5 into the program, never install or use one of the system
HDF5_DIR=/prefix       use the library under /prefix";

/// What the program does when it is started without arguments.
pub const MAIN_JOB: [&str; 2] = ["run", "configs/experiments/chaudhuri2015_v1_pulse.yaml"];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = args.collect();
    let outcome = match name.as_str() {
        "run" => run(&rest),
        "test" => test(&rest),
        "install" => install(&rest),
        "hdf5" => Workspace::find()
            .and_then(|ws| hdf5::set_up(&ws))
            .map(|_| ()),
        "bench" => bench::bench(&rest),
        "instructions" => instructions(&rest),
        "python" => python(&rest),
        "wheel" => Workspace::find().and_then(|ws| python::wheel(&ws, &rest)),
        "mpi" => Workspace::find().and_then(|ws| {
            let setup = hdf5::set_up(&ws)?;
            shell::run(mpi(&ws, &setup))
        }),
        "miri" => Workspace::find().and_then(|ws| {
            let setup = hdf5::set_up(&ws)?;
            shell::run(miri(&ws, &setup))
        }),
        "ci" => ci::ci(&rest),
        "tidy" => Workspace::find().and_then(|ws| tidy::tidy(&ws)),
        "book" => Workspace::find().and_then(|ws| book::book(&ws)),
        "help" | "-h" | "--help" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(format!(
            "unknown chore: found `{other}`, expected one of\n\n{HELP}"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Replaces this process by `isocortex` with `args`, so that signals and the exit code are its own.
fn run(args: &[String]) -> Result<(), String> {
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    let mut command = isocortex(&ws, &setup);
    if args.is_empty() {
        command.args(MAIN_JOB);
    } else {
        // Paths in ARGS are meant from where the user stands.
        command.args(args);
        if let Ok(here) = std::env::current_dir() {
            command.current_dir(here);
        }
    }
    shell::replace(command)
}

/// `cargo run` of the release build, up to and with the `--`.
fn isocortex(ws: &Workspace, setup: &hdf5::Setup) -> Command {
    let mut command = ws.cargo();
    command.args(["run", "--release", "--bin", "isocortex", "--manifest-path"]);
    command.arg(ws.root.join("Cargo.toml"));
    setup.apply(&mut command);
    command.arg("--");
    command
}

fn test(args: &[String]) -> Result<(), String> {
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    shell::replace(test_command(&ws, &setup, args))
}

/// Tests in release, because then they share every dependency with `run`.
fn test_command(ws: &Workspace, setup: &hdf5::Setup, args: &[String]) -> Command {
    let mut command = ws.cargo();
    command.args(["test", "--release", "--workspace"]);
    setup.apply(&mut command);
    command.args(args);
    command
}

/// Tests of sweeps and runs on several ranks. With the tests of the program named beside it, so that the library is
/// that of all other tests.
fn mpi(ws: &Workspace, setup: &hdf5::Setup) -> Command {
    let mut command = ws.cargo();
    command.args(["test", "--release", "--workspace"]);
    command.args(["--features", "isocortex-mpi/mpi", "--test", "ranks"]);
    setup.apply(&mut command);
    command
}

/// Unit tests that between them go through every loop that reads past the checks of the language, small enough for
/// an interpreter.
const INTERPRETED: [&str; 5] = [
    "circuit::tests::stages",
    "record::heaps",
    "rng::tests::vector",
    "stepper::constants",
    "stepper::tests::small",
];

/// Miri, with vectors of four numbers; tests compare numbers bit by bit, which it would else disturb on purpose.
fn miri(ws: &Workspace, setup: &hdf5::Setup) -> Command {
    let mut command = Command::new("rustup");
    setup.apply(&mut command);
    command
        .current_dir(&ws.root)
        .args(["run", "nightly", "cargo", "miri", "test", "--lib"])
        .arg("--target-dir")
        .arg(ws.target.join("miri"))
        .arg("--")
        .args(INTERPRETED)
        .env("RUSTFLAGS", "-Ctarget-feature=+avx2,+fma")
        .env(
            "MIRIFLAGS",
            "-Zmiri-disable-isolation -Zmiri-deterministic-floats",
        );
    command
}

fn instructions(args: &[String]) -> Result<(), String> {
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    if let Some(why) = instructions::instructions(&ws, &setup, args)? {
        println!("instructions: nothing was compared: {why}");
    }
    Ok(())
}

fn python(args: &[String]) -> Result<(), String> {
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    python::python(&ws, &setup, args)
}

fn install(args: &[String]) -> Result<(), String> {
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    if let Some(dirs) = setup.library_path() {
        println!(
            "HDF5: the installed program will look for the library in {dirs:?}; add it to the \
             loader's path, or set ISOCORTEX_HDF5=static"
        );
    }
    let mut command = ws.cargo();
    command.args(["install", "--path", ".", "--locked"]);
    setup.apply(&mut command);
    command.args(args);
    shell::replace(command)
}
