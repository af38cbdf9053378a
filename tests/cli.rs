//! The program as a person meets it: what it does, what it refuses and in which words, and what is
//! left on disk when it is stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use isocortex::record::Results;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_isocortex");
const PULSE: &str = "chaudhuri2015_v1_pulse";
/// A run of a tenth of a second of cortex, without the slower measures.
const SHORT: [&str; 4] = [
    "simulation.duration=100 ms",
    "stimuli.pulse.onset=10 ms",
    "stimuli.pulse.offset=50 ms",
    "analysis.timescales=~",
];
/// Fifty minutes of noise: nobody waits for its end.
const LONG: [&str; 6] = [
    "simulation.duration=3000 s",
    "record.every=100 ms",
    "record.variables=[nu_E]",
    "stimuli=~",
    "analysis.timescales=~",
    "noise.n={kind: white, into: drive_E, areas: all, sd: 0.1 Hz, bin: 0.2 ms}",
];
/// A network that grows by a factor of e in a few ms.
const UNSTABLE: &str = "projections.long_range.to.I_E=600 pA/Hz";

fn sets(sets: &[&str]) -> Vec<String> {
    sets.iter()
        .flat_map(|s| ["--set".to_owned(), (*s).to_owned()])
        .collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .timeout(Duration::from_secs(300));
    command
}

/// What a command printed, in its exit code, standard output and standard error.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn say(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

fn done(folder: &Path, args: &[&str]) -> String {
    let said = say(program(folder).args(args));
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
    said.out
}

/// One message, an exit code of 1, no panic; the message holds all of `words`.
fn refused(said: &Said, words: &[&str]) {
    let context = || format!("expected {words:?} in\n{}\n{}", said.out, said.err);
    assert_eq!(said.code, Some(1), "{}", context());
    assert!(said.err.starts_with("error: "), "{}", context());
    assert_eq!(said.err.matches("error: ").count(), 1, "{}", context());
    assert!(!said.err.contains("panicked"), "{}", context());
    assert!(
        said.err.len() < 2000,
        "a message of {} bytes",
        said.err.len()
    );
    for word in words {
        assert!(said.err.contains(word), "{word}: {}", context());
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs the pulse with one override; nothing may be left behind.
fn refuses_set(set: &str, words: &[&str]) {
    let folder = folder();
    let mut command = program(folder.path());
    let said = say(command.args(["run", PULSE, "-o", "out.h5", "--set", set]));
    refused(&said, words);
    assert!(said.out.is_empty(), "{set}: {}", said.out);
    assert_eq!(names(folder.path()), [""; 0], "{set}");
}

/// Checks a config file of this text.
fn check(text: &[u8]) -> (TempDir, Said) {
    let folder = folder();
    fs::write(folder.path().join("own.yaml"), text).unwrap();
    let said = say(program(folder.path()).args(["check", "own.yaml"]));
    (folder, said)
}

fn refuses_text(text: &str, words: &[&str]) {
    let (_folder, said) = check(text.as_bytes());
    refused(&said, words);
}

fn run(folder: &Path, output: &str, overrides: &[&str]) -> PathBuf {
    let mut command = program(folder);
    let said = say(command
        .args(["run", PULSE, "-q", "--no-figure", "-o", output])
        .args(sets(overrides)));
    assert_eq!(said.code, Some(0), "{}", said.err);
    folder.join(output)
}

/// Every coordinate and variable of a file, bit by bit.
fn content(path: &Path) -> Vec<(String, Vec<usize>, Vec<u64>)> {
    let file = Results::open(path).unwrap();
    let mut all: Vec<_> = file
        .vars()
        .iter()
        .map(|v| {
            let values = file.read(&v.name).unwrap();
            (
                v.name.clone(),
                values.shape().to_vec(),
                values.iter().map(|x| x.to_bits()).collect(),
            )
        })
        .collect();
    let time = file.coord_f64("time").unwrap();
    all.push((
        "time".to_owned(),
        vec![time.len()],
        time.iter().map(|x| x.to_bits()).collect(),
    ));
    all
}

// ------------------------------------------------------------------------------------- overrides

#[test]
fn misspelt_keys_and_names_are_refused_with_a_suggestion() {
    let cases: [(&str, &[&str]); 9] = [
        (
            "simulation.duraton=1 s",
            &[
                "unknown key",
                "found `duraton`",
                "`dt`",
                "mean `duration`?",
                "--set 1:1:1",
            ],
        ),
        (
            "nothing.here=1",
            &[
                "unknown key",
                "found `nothing`",
                "`simulation`",
                "--set 1:1:1",
            ],
        ),
        (
            "preset=printd",
            &[
                "unknown preset",
                "`printd`",
                "mean `printed`?",
                "--set 1:1:8",
            ],
        ),
        (
            "preset=[1]",
            &["expected the name of a preset", "--set 1:1:8"],
        ),
        (
            "circuit.name=chaudhuri",
            &["unknown circuit", "`chaudhuri`", "--set 1:1:14"],
        ),
        (
            "circuit.parameters.tau_e=20 ms",
            &[
                "unknown parameter",
                "`tau_e`",
                "mean `tau_E`?",
                "--set 1:1:26",
            ],
        ),
        (
            "record.variables=[nu_X]",
            &["unknown variable", "`nu_X`", "nu_I", "--set 1:1:18"],
        ),
        (
            "stimuli.pulse.into=drive",
            &["unknown input", "`drive`", "drive_E", "--set 1:1:20"],
        ),
        (
            "simulation.stepper=eular",
            &["`eular`", "`euler`", "--set 1:1:20"],
        ),
    ];
    for (set, words) in cases {
        refuses_set(set, words);
    }
}

#[test]
fn units_and_numbers_are_checked() {
    let cases: [(&str, &[&str]); 17] = [
        (
            "simulation.duration=1 Hz",
            &[
                "wrong unit",
                "found `1 Hz` (rate)",
                "expected a time (in ms)",
                "--set 1:1:21",
            ],
        ),
        (
            "simulation.duration=100",
            &["found `100`", "without unit", "expected a time", ":1:21"],
        ),
        (
            "simulation.duration=100 mss",
            &["unknown unit `mss`", "expected", ":1:21"],
        ),
        (
            "stimuli.pulse.amplitude=40 mV",
            &["found `40 mV`", "rate (in Hz)", ":1:25"],
        ),
        (
            "stimuli.pulse.amplitude=40",
            &["without unit", "rate (in Hz)", ":1:25"],
        ),
        (
            "circuit.parameters.tau_E=-20 ms",
            &["not positive", "found -20 ms", ":1:26"],
        ),
        (
            "circuit.parameters.tau_E=0 ms",
            &["not positive", "found 0 ms", ":1:26"],
        ),
        (
            "circuit.parameters.w_EE=.inf",
            &["not finite", "found `.inf`", ":1:25"],
        ),
        (
            "circuit.parameters.w_EE=nan",
            &["not a quantity", "found `nan`", ":1:25"],
        ),
        (
            "circuit.parameters.w_EE=1e999 pA/Hz",
            &["not finite", "`1e999 pA/Hz`", ":1:25"],
        ),
        (
            "gradients.eta.strength=.nan",
            &["not finite", "`.nan`", ":1:24"],
        ),
        (
            "simulation.replicates=0",
            &["no replicates", "found 0", "at least 1", ":1:23"],
        ),
        (
            "simulation.replicates=-1",
            &["found `-1`", "a whole number from 0", ":1:23"],
        ),
        (
            "simulation.replicates=1.5",
            &["found `1.5`", "a whole number", ":1:23"],
        ),
        (
            "simulation.seed=18446744073709551616",
            &["expected a whole number", ":1:17"],
        ),
        (
            "noise.n={kind: ornstein_uhlenbeck, into: drive_E, sd: 1 Hz, tau: -1 ms}",
            &["found -1 ms", "above 0"],
        ),
        (
            "noise.n={kind: white, into: drive_E, sd: 1 Hz, tau: 1 ms}",
            &["found `tau`", "expected `bin`"],
        ),
    ];
    for (set, words) in cases {
        refuses_set(set, words);
    }
}

#[test]
fn unknown_areas_are_refused_wherever_they_stand() {
    let noise = "noise.n={kind: white, into: drive_E, areas: [V1, V9], sd: 1 Hz, bin: 1 ms}";
    let cases = [
        ("stimuli.pulse.areas=[V9]", ":1:21"),
        (noise, ":1:9"),
        (
            "noise.n={kind: white, into: drive_E, except: [V9], sd: 1 Hz, bin: 1 ms}",
            ":1:9",
        ),
        ("lesions.areas=[V9]", ":1:15"),
        ("record.areas=[V9]", ":1:14"),
        ("initial.V9.nu_E=1 Hz", ":1:1"),
        ("circuit.areas.V9.tau_E=1 ms", ":1:1"),
        ("connectome.replace.hierarchy_norm.V9=0.5", ":1:38"),
    ];
    for (set, place) in cases {
        let place = format!("--set 1{place}");
        refuses_set(
            set,
            &[
                "unknown area",
                "`V9`",
                "29 areas of macaque-markov29",
                "`V1`",
                &place,
            ],
        );
    }
    refuses_set(
        "record.areas=[V1, V1]",
        &["area twice", "`V1`", "expected every area once"],
    );
    refuses_set(
        "record.areas=[]",
        &["empty list", "expected `all` or at least one area"],
    );
    refuses_set("record.areas=V1", &["found `V1`", "a list such as [V1]"]);
}

#[test]
fn times_lie_on_the_grid_and_inside_the_run() {
    let cases: [(&str, &[&str]); 11] = [
        (
            "stimuli.pulse.offset=3 s",
            &["outlasts the run", "3000 ms", "2500 ms", ":1:22"],
        ),
        (
            "stimuli.pulse.offset=50 ms",
            &["no duration", "onset 100 ms", "offset 50 ms", ":1:22"],
        ),
        (
            "stimuli.pulse.offset=100.01 ms",
            &["between two steps", "100.01 ms", ":1:22"],
        ),
        (
            "simulation.dt=0.3 ms",
            &[
                "off the grid",
                "2500 ms",
                "dt = 0.3 ms",
                "chaudhuri2015.yaml",
            ],
        ),
        (
            "simulation.dt=12.5 ms",
            &[
                "time step too long",
                "found 12.5 ms",
                "at most 5 ms",
                "tau_I",
            ],
        ),
        (
            "simulation.dt=-0.2 ms",
            &["not positive", "-0.2 ms", ":1:15"],
        ),
        (
            "simulation.duration=0 ms",
            &["not positive", "0 ms", ":1:21"],
        ),
        (
            "record.every=0.3 ms",
            &["off the grid", "0.3 ms", "0.2 ms", ":1:14"],
        ),
        (
            "record.every=1e9 s",
            &["longer than the run", "2500 ms", ":1:14"],
        ),
        ("record.start=3 s", &["outside the run", "3000 ms", ":1:14"]),
        ("record.start=-1 ms", &["outside the run", "-1 ms", ":1:14"]),
    ];
    for (set, words) in cases {
        refuses_set(set, words);
    }
}

#[test]
fn overrides_are_a_path_and_yaml() {
    let deep = format!("a{}=1", ".a".repeat(40_000));
    let cases: [(&str, &[&str]); 8] = [
        (
            "nonsense",
            &[
                "not an override",
                "found `nonsense`",
                "`path=value`",
                "--set 1:1:1",
            ],
        ),
        ("=1", &["not a key path", "--set 1:1:1"]),
        ("a.\"b=1", &["not a key path", "--set 1:1:1"]),
        ("title=[a", &["not valid YAML", "--set 1:1:7"]),
        (
            "title={a: 1, a: 2}",
            &["duplicate key", "found `a` again", "--set 1:1:14"],
        ),
        ("title=a: b: c", &["not valid YAML", "--set 1:1:"]),
        (
            "from=chaudhuri2015",
            &["unknown key", "`from`", "--set 1:1:1"],
        ),
        (
            &deep,
            &["not a key path", "40001 keys", "at most 64", "--set 1:1:1"],
        ),
    ];
    for (set, words) in cases {
        refuses_set(set, words);
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    let cases: [(&str, &str, &str); 12] = [
        (
            "simulation=5",
            "found `5`",
            "expected a map with keys `duration`",
        ),
        (
            "simulation=[1]",
            "found a list",
            "expected a map with keys `duration`",
        ),
        ("simulation.dt=[1]", "found a list", "expected a text"),
        ("simulation.dt={a: 1}", "found a map", "expected a text"),
        (
            "simulation.dt=''",
            "found ``",
            "expected a number and a unit",
        ),
        ("stimuli=[1]", "found a list", "expected a map"),
        (
            "stimuli.pulse=5",
            "found `5`",
            "expected a map with keys `into`",
        ),
        (
            "stimuli.pulse.areas=[[V1]]",
            "found a list",
            "expected a text",
        ),
        ("sources={a: b}", "found a map", "expected a list"),
        ("record.compression=10", "found 10", "expected 0 to 9"),
        ("record.compression=999", "found `999`", "whole number"),
        (
            "gradients.eta.strength=steep",
            "found `steep`",
            "expected a number",
        ),
    ];
    for (set, found, expected) in cases {
        refuses_set(set, &[found, expected, "--set 1:1:"]);
    }
    refuses_set("simulation=~", &["missing key", "expected `simulation`"]);
    refuses_set("simulation.dt=~", &["missing key", "expected `dt`"]);
    refuses_set(
        "circuit.parameters.tau_E=~",
        &["missing parameter", "`tau_E` [ms]"],
    );
}

// --------------------------------------------------------------------------------------- configs

#[test]
fn faults_of_a_config_file_have_line_and_column() {
    let cases: [(&str, &[&str]); 15] = [
        (
            "from: chaudhuri2015\nsimulation:\n  duraton: 1 s\n",
            &[
                "found `duraton`",
                "mean `duration`?",
                "own.yaml:3:3",
                "3 |   duraton: 1 s",
            ],
        ),
        (
            "from: chaudhuri2015\nsimulation:\n  dt: 1 Hz\n",
            &["wrong unit", "own.yaml:3:7"],
        ),
        (
            "from: chaudhuri2015\nsimulation:\n  dt: 0.1\n",
            &["without unit", "own.yaml:3:7"],
        ),
        (
            "from: chaudhuri2015\nrecord:\n  areas:\n    - V1\n    - V9\n",
            &["unknown area", "`V9`", "own.yaml:5:7"],
        ),
        (
            "from: chaudhuri2015\nsimulation:\n  dt: 1 ms\n  dt: 2 ms\n",
            &["duplicate key", "`dt` again", "own.yaml:4:3"],
        ),
        (
            "from: own.yaml\n",
            &["in a circle", "`from: own.yaml`", "own.yaml:1:7"],
        ),
        (
            "from: gone.yaml\n",
            &["no such model", "`gone.yaml`", "own.yaml:1:7"],
        ),
        (
            "from: chaudhuri2016\n",
            &["mean `chaudhuri2015`?", "own.yaml:1:7"],
        ),
        ("from: [a]\n", &["no such model", "own.yaml:1:8"]),
        ("from: {a: 1}\n", &["expected a name", "own.yaml:1:7"]),
        ("", &["not a config", "expected a map", "own.yaml:1:1"]),
        ("~\n", &["not a config", "own.yaml:1:1"]),
        ("[1, 2]\n", &["not a config", "own.yaml:1:1"]),
        (
            "title: a\n---\ntitle: b\n",
            &["more than one document", "own.yaml:3:1"],
        ),
        ("title: [a\n", &["not valid YAML", "own.yaml:"]),
    ];
    for (text, words) in cases {
        refuses_text(text, words);
    }
}

/// `check` says whether the baseline lasts, before a run shows it.
#[test]
fn check_tells_how_fast_changes_of_the_baseline_go() {
    let folder = folder();
    let check = |sets: &[&str]| done(folder.path(), &[&["check", PULSE][..], sets].concat());
    let (slowest, grows) = ("decay, the slowest e-fold in 4900 ms", "does not last");
    let said = check(&[]);
    assert!(said.contains(slowest) && !said.contains(grows), "{}", said);
    let strong = ["--set", "projections.long_range.to.I_E=60 pA/Hz"];
    let said = check(&strong);
    assert!(said.contains(grows) && !said.contains("decay"), "{}", said);
    let delay = "projections.long_range.delay={kind: constant, value: 5 ms}";
    let said = check(&["--set", delay, "--set", "analysis=null"]);
    assert!(!said.contains(grows) && !said.contains("decay"), "{}", said);
}

#[test]
fn circles_of_two_files_are_found() {
    let folder = folder();
    fs::write(folder.path().join("a.yaml"), "from: b.yaml\n").unwrap();
    fs::write(folder.path().join("b.yaml"), "title: b\nfrom: a.yaml\n").unwrap();
    let said = say(program(folder.path()).args(["check", "a.yaml"]));
    refused(&said, &["in a circle", "`from: a.yaml`", "b.yaml:2:7"]);
}

#[test]
fn what_is_no_config_at_all_is_refused() {
    let folder = folder();
    let refuse = |name: &str, words: &[&str]| {
        refused(&say(program(folder.path()).args(["check", name])), words);
    };
    refuse(
        "chaudhuri2015_v1_plse",
        &["no such config", "mean `chaudhuri2015_v1_pulse`?"],
    );
    refuse("gone.yaml", &["no such config", "`gone.yaml`"]);
    refuse(".", &["no such config", "`.`"]);
    refuse("", &["no such config"]);
    refused(
        &check(b"\x89HDF\r\n\x1a\n\x00\x01\xff\xfe").1,
        &["cannot read", "UTF-8"],
    );
    let noise: Vec<u8> = (0..10_000_000_u64)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    refused(&check(&noise).1, &["own.yaml"]);
    refused(&check(&[0; 100]).1, &["own.yaml"]);
}

#[test]
fn enormous_configs_are_read_or_refused_at_once() {
    let start = Instant::now();
    let text = |middle: String| format!("from: chaudhuri2015\ntitle: big\n{middle}\n");
    let (_folder, said) =
        check(text(format!("description: '{}'", "x".repeat(10_000_000))).as_bytes());
    assert_eq!(said.code, Some(0), "{}", said.err);
    refuses_text(
        &text(format!("sources:\n{}", "- a\n".repeat(1_000_000))),
        &["too large", "own.yaml:"],
    );
    refuses_text(
        &format!("title: {}", "[".repeat(100_000)),
        &["too large", "own.yaml:1:"],
    );
    refuses_text(
        &text(format!("simulation: {{{}: 1}}", "x".repeat(5_000_000))),
        &["own.yaml:3:"],
    );
    let laughs: String = ('b'..='k')
        .map(|c| {
            let below = char::from_u32(c as u32 - 1).unwrap();
            let ten = vec![format!("*{below}"); 10].join(", ");
            format!("{c}: &{c} [{ten}]\n")
        })
        .collect();
    refuses_text(&format!("a: &a [x]\n{laughs}"), &["too large", "own.yaml:"]);
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn anchors_and_merges_mean_what_yaml_says() {
    let text = "from: chaudhuri2015\ntitle: &t merged\ndescription: *t\n\
                simulation: &s {duration: &d 400 ms, dt: 0.1 ms}\nrecord: {every: *d}\n";
    let (folder, said) = check(text.as_bytes());
    assert_eq!(said.code, Some(0), "{}", said.err);
    let plan = done(folder.path(), &["plan", "own.yaml"]);
    assert!(plan.contains("4000 steps of 0.1 ms = 400 ms"), "{plan}");
    assert!(plan.contains("2 samples every 4000 step(s)"), "{plan}");
}

// ------------------------------------------------------------------------------------------ data

fn own_data(edit: impl Fn(&Path)) -> (TempDir, Said) {
    let folder = folder();
    let data = folder.path().join("own");
    fs::create_dir(&data).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/macaque-markov29");
    for name in names(&source) {
        fs::copy(source.join(&name), data.join(&name)).unwrap();
    }
    edit(&data);
    let text = "from: chaudhuri2015\ntitle: own data\nconnectome: {data: own}\n";
    fs::write(folder.path().join("own.yaml"), text).unwrap();
    let said =
        say(program(folder.path()).args(["run", "own.yaml", "-o", "out.h5", "-q", "--no-figure"]));
    (folder, said)
}

/// Puts NaN in place of the first number of line 5.
fn put_nan(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut cells: Vec<&str> = lines[4].split(',').collect();
    let at = (1..cells.len())
        .find(|&i| cells[i].parse::<f64>().is_ok_and(|x| x > 0.0))
        .unwrap();
    cells[at] = "NaN";
    lines[4] = cells.join(",");
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// Another data set may lack the gradient of a model: every key that names it is told at once.
#[test]
fn a_gradient_that_is_missing_is_told_with_all_of_its_keys() {
    let (_folder, said) = own_data(|data| {
        let path = data.join("areas.csv");
        let text = fs::read_to_string(&path).unwrap();
        let (header, rest) = text.split_once('\n').unwrap();
        let header = header.replace("hierarchy_norm", "height");
        fs::write(&path, format!("{header}\n{rest}")).unwrap();
        let manifest = fs::read_to_string(data.join("manifest.yaml")).unwrap();
        let sums = manifest.lines().filter(|line| !line.contains("sha256"));
        let manifest = sums
            .collect::<Vec<_>>()
            .join("\n")
            .replace("hierarchy_norm", "height");
        fs::write(data.join("manifest.yaml"), manifest).unwrap();
    });
    let words = [
        "unknown gradient: found `hierarchy_norm`",
        "named in projections.long_range.hierarchy, gradients.eta.map, analysis.hierarchy: set each",
    ];
    refused(&said, &words);
}

#[test]
fn a_data_folder_of_ones_own_runs_and_is_kept_by_its_full_path() {
    let (folder, said) = own_data(|_| {});
    assert_eq!(said.code, Some(0), "{}", said.err);
    let file = Results::open(folder.path().join("out.h5")).unwrap();
    assert!(
        file.attr_text("config")
            .unwrap()
            .contains(folder.path().join("own").to_str().unwrap())
    );
}

#[test]
fn broken_data_are_refused() {
    let (folder, said) = own_data(|data| put_nan(&data.join("fln.csv")));
    refused(
        &said,
        &[
            "fln.csv:5",
            "non-finite",
            "found NaN",
            "expected 0..1",
            "wrong sha256",
        ],
    );
    assert!(!folder.path().join("out.h5").exists());
    let checked = say(program(folder.path()).args(["data", "check", "own"]));
    assert_eq!(checked.code, Some(1));
    assert!(
        checked.out.contains("fln.csv:5: non-finite"),
        "{}",
        checked.out
    );

    let (_folder, said) = own_data(|data| {
        let path = data.join("distance_mm.csv");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + "\n").unwrap();
    });
    refused(
        &said,
        &[
            "distance_mm.csv: wrong sha256: found",
            "expected",
            "manifest.yaml, line",
        ],
    );

    let (_folder, said) = own_data(|data| fs::remove_file(data.join("sln.csv")).unwrap());
    refused(&said, &["sln.csv"]);
    let (_folder, said) = own_data(|data| fs::write(data.join("areas.csv"), b"\xff\xfe").unwrap());
    refused(&said, &["areas.csv"]);
    let (_folder, said) = own_data(|data| fs::write(data.join("manifest.yaml"), "- a").unwrap());
    refused(&said, &["manifest.yaml"]);
    refuses_set(
        "connectome.data=macaque-markov30",
        &["unknown data set", "macaque-markov29"],
    );
}

/// Adds a table of delays to the copy of a data set: 1 ms plus 0.25 ms for every mm.
fn add_delays(data: &Path) {
    let mut table = "target,source,delay_ms\n".to_owned();
    let distances = fs::read_to_string(data.join("distance_mm.csv")).unwrap();
    for line in distances.lines().skip(1) {
        let (pair, mm) = line.rsplit_once(',').unwrap();
        let ms = 1.0 + 0.25 * mm.parse::<f64>().unwrap();
        table += &format!("{pair},{ms:?}\n");
    }
    fs::write(data.join("delay_ms.csv"), table).unwrap();
    name_delays(data);
}

/// Names a table of delays in the manifest.
fn name_delays(data: &Path) {
    let manifest = fs::read_to_string(data.join("manifest.yaml")).unwrap();
    let entry = "  delay_ms: {path: delay_ms.csv, unit: ms}\ngradients:";
    let named = manifest.replacen("\ngradients:", &format!("\n{entry}"), 1);
    assert_ne!(named, manifest);
    fs::write(data.join("manifest.yaml"), named).unwrap();
}

/// A pulse through the data set of one's own, with these delays.
fn delayed(folder: &Path, output: &str, delay: &str) -> Said {
    let mut command = program(folder);
    command.args(["run", "own.yaml", "-o", output, "-q", "--no-figure"]);
    let delay = format!("projections.long_range.delay={delay}");
    say(command.args(sets(&[
        "simulation.duration=100 ms",
        "record.every=1 ms",
        "stimuli.pulse={into: drive_E, areas: [V1], amplitude: 40 Hz, onset: 10 ms, offset: 50 ms}",
        &delay,
    ])))
}

#[test]
fn delays_given_by_a_data_set() {
    let (folder, said) = own_data(add_delays);
    assert_eq!(said.code, Some(0), "{}", said.err);
    // The same delays by distance: 1 ms plus 0.25 ms a mm is a velocity of 4 m/s.
    let by_distance = "{kind: distance, velocity: 4 m/s, latency: 1 ms}";
    let [given, by_distance, none] = [
        ("given.h5", "{kind: given}"),
        ("distance.h5", by_distance),
        ("none.h5", "null"),
    ]
    .map(|(output, delay)| {
        let said = delayed(folder.path(), output, delay);
        assert_eq!(said.code, Some(0), "{}", said.err);
        content(&folder.path().join(output))
    });
    assert_eq!(given, by_distance);
    assert_ne!(given, none);

    let said = done(folder.path(), &["rerun", "given.h5"]);
    assert!(said.contains("identical: all"), "{said}");
    let shown = done(folder.path(), &["data", "show", "own"]);
    assert!(shown.contains("delays of 536 of 536 links, "), "{shown}");
    let checked = done(folder.path(), &["data", "check", "own"]);
    assert!(
        checked.contains("tables: areas, fln, sln, distance_mm, delay_ms\n"),
        "{checked}"
    );
    // Another delay is another data set.
    let table = folder.path().join("own/delay_ms.csv");
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, text.trim_end().to_owned() + "5\n").unwrap();
    let said = say(program(folder.path()).args(["rerun", "given.h5"]));
    assert_eq!(said.code, Some(1), "{}", said.err);
    let message = "error: the data set changed: found ";
    assert!(said.err.contains(message), "{}", said.err);
}

#[test]
fn delays_that_a_data_set_lacks_are_refused() {
    let (folder, said) = own_data(|_| {});
    assert_eq!(said.code, Some(0), "{}", said.err);
    refused(
        &delayed(folder.path(), "given.h5", "{kind: given}"),
        &[
            "no delays: found none in macaque-markov29, expected a data set with a table `delay_ms`",
            "projections.long_range.delay={kind: given}",
        ],
    );
    let data = folder.path().join("own");
    name_delays(&data);
    fs::write(
        data.join("delay_ms.csv"),
        "target,source,delay_ms\nV1,V2,2\n",
    )
    .unwrap();
    let checked = done(folder.path(), &["data", "check", "own"]);
    assert!(
        checked.contains("warning: delay_ms.csv: links without delay: found delays for 1 of 536"),
        "{checked}"
    );
    refused(
        &delayed(folder.path(), "given.h5", "{kind: given}"),
        &[
            "delay of the link V1 <- ",
            "found no delay, expected 0 to 10000 ms",
            "projections.long_range.delay={kind: given}",
        ],
    );
}

// --------------------------------------------------------------------------------------- outputs

#[test]
fn outputs_that_cannot_be_are_refused_before_the_run() {
    let folder = folder();
    fs::write(folder.path().join("file"), "x").unwrap();
    fs::create_dir(folder.path().join("dir")).unwrap();
    let refuse = |output: &str, words: &[&str]| {
        let mut command = program(folder.path());
        refused(
            &say(command
                .args(["run", PULSE, "-q", "-o", output])
                .args(sets(&SHORT))),
            words,
        );
    };
    refuse("gone/out.h5", &["gone/out.h5", "found no folder gone"]);
    refuse("file/out.h5", &["file/out.h5"]);
    refuse("dir", &["dir: found a folder, expected a result file"]);
    refuse(&format!("{}.h5", "x".repeat(300)), &["name too long"]);
    if cfg!(target_os = "linux") {
        refuse("/proc/out.h5", &["/proc/out.h5", "failed"]);
        let made = Process::new("mkfifo")
            .arg(folder.path().join("pipe"))
            .status();
        if made.is_ok_and(|s| s.success()) {
            refuse("pipe", &["found a device, pipe or socket"]);
            assert!(!fs::metadata(folder.path().join("pipe")).unwrap().is_file());
        }
    }
    let left: Vec<String> = names(folder.path())
        .into_iter()
        .filter(|n| n != "pipe")
        .collect();
    assert_eq!(left, ["dir", "file"]);
}

#[test]
fn the_default_output_is_made_beside_the_person() {
    let folder = folder();
    let out = say(program(folder.path())
        .args(["run", PULSE])
        .args(sets(&SHORT)));
    assert_eq!(out.code, Some(0), "{}", out.err);
    assert!(
        out.out.contains("results/chaudhuri2015_v1_pulse.h5"),
        "{}",
        out.out
    );
    let mut left = names(&folder.path().join("results"));
    left.retain(|n| !n.ends_with(".svg") && !n.ends_with(".png"));
    assert_eq!(left, ["chaudhuri2015_v1_pulse.h5"]);
}

/// Runs a shell script in a mount namespace of its own; `None` where that is not permitted.
fn namespace(folder: &Path, script: &str) -> Option<Said> {
    let probe = Process::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs -o size=4k none ."])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|s| s.success()) {
        return None;
    }
    let mut command = Command::new("unshare");
    Some(say(command
        .current_dir(folder)
        .args(["-m", "sh", "-c", script, PROGRAM])))
}

#[test]
fn a_full_or_read_only_disk_leaves_nothing_under_the_final_name() {
    let folder = folder();
    let run = format!("\"$0\" run {PULSE} --no-figure --set record.compression=0");
    let full = format!(
        "mkdir m && mount -t tmpfs -o size=200k none m && {run} -o m/out.h5; code=$?; ls m; exit $code"
    );
    let Some(said) = namespace(folder.path(), &full) else {
        return;
    };
    refused(&said, &["m/out.h5", "No space left on device"]);
    assert_eq!(said.out, "");

    let read_only = format!(
        "mount -t tmpfs none m && mount -o remount,ro m && {run} -o m/out.h5; code=$?; ls m; \
         exit $code"
    );
    let said = namespace(folder.path(), &read_only).unwrap();
    refused(&said, &["m/out.h5", "Read-only file system"]);
    assert_eq!(said.out, "");

    // Room for the results, not for the figure: whole results, no half of a figure.
    let no_figure = format!(
        "mount -t tmpfs -o size=280k none m && \"$0\" run {PULSE} -q -o m/out.h5 --set \
         'record.every=10 ms'; code=$?; ls m; exit $code"
    );
    let said = namespace(folder.path(), &no_figure).unwrap();
    if cfg!(feature = "plot") {
        refused(
            &said,
            &[
                "cannot write",
                "No space left",
                "the results are in m/out.h5",
            ],
        );
    }
    assert_eq!(said.out, "out.h5\n");
}

#[cfg(unix)]
#[test]
fn a_file_size_limit_is_told_like_a_full_disk() {
    let folder = folder();
    let script = format!(
        "ulimit -f 100; exec \"$0\" run {PULSE} --no-figure -o out.h5 --set record.compression=0"
    );
    let said = say(Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &script, PROGRAM]));
    refused(&said, &["out.h5", "File too large"]);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn an_existing_file_is_replaced_only_by_a_complete_one() {
    let folder = folder();
    let path = run(folder.path(), "out.h5", &SHORT);
    let before = fs::read(&path).unwrap();
    let mut unstable = SHORT.to_vec();
    unstable[0] = "simulation.duration=2 s";
    unstable.push(UNSTABLE);
    let mut command = program(folder.path());
    let said = say(command
        .args(["run", PULSE, "-q", "-o", "out.h5"])
        .args(sets(&unstable)));
    refused(
        &said,
        &[
            "diverged",
            "expected a finite value up to 1e9",
            "area",
            "simulation.dt = 0.2 ms",
        ],
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(folder.path()), ["out.h5"]);
    let other = [&SHORT[..], &["stimuli.pulse.areas=[V2]"]].concat();
    run(folder.path(), "out.h5", &other);
    assert_ne!(fs::read(&path).unwrap(), before);
    assert_eq!(names(folder.path()), ["out.h5"]);
}

#[test]
fn an_unstable_network_is_finite_or_reported() {
    let folder = folder();
    let strong = "projections.long_range.to.I_E=\"60 pA/Hz\"";
    let mut command = program(folder.path());
    let said = say(command.args(["run", PULSE, "-o", "out.h5", "--no-figure", "--set", strong]));
    refused(
        &said,
        &[
            "unstable",
            "found eigenvalue",
            "expected a negative real part",
        ],
    );
    assert_eq!(names(folder.path()), [""; 0]);
    let mut command = program(folder.path());
    let unmeasured = sets(&[strong, "analysis.timescales=~"]);
    let said = say(command
        .args(["run", PULSE, "-o", "out.h5", "--no-figure"])
        .args(unmeasured));
    refused(
        &said,
        &["diverged", "nu_", "expected a finite value up to 1e9"],
    );
    assert_eq!(names(folder.path()), [""; 0]);
    // Shorter, it stays below what is refused.
    let short = ["simulation.duration=250 ms", "stimuli.pulse.offset=200 ms"];
    let path = run(
        folder.path(),
        "out.h5",
        &[&[strong, "analysis.timescales=~"][..], &short].concat(),
    );
    let values = Results::open(path).unwrap().read("nu").unwrap();
    assert!(values.iter().all(|x| x.is_finite()));
    assert!(values.iter().any(|x| *x > 1e6));
}

#[test]
fn runs_too_large_are_refused_before_anything_is_allocated() {
    let cases: [(&str, &[&str]); 5] = [
        (
            "simulation.duration=1e9 s",
            &["too many steps", "expected fewer than 2^33", ":1:21"],
        ),
        (
            "simulation.duration=1e6 s",
            &["not enough memory", "GB of this machine"],
        ),
        (
            "simulation.replicates=4000000000",
            &["not enough memory", "4000000000 replicate(s)", ":1:23"],
        ),
        (
            "simulation.replicates=5000000000",
            &["found `5000000000`", ":1:23"],
        ),
        ("simulation.duration=1e300 ms", &["too many steps", ":1:21"]),
    ];
    let folder = folder();
    for (set, words) in cases {
        for command in ["run", "check", "plan"] {
            let script = format!("ulimit -v 3000000; exec \"$0\" {command} {PULSE} --set '{set}'");
            let mut shell = Command::new("sh");
            let said = say(shell
                .current_dir(folder.path())
                .args(["-c", &script, PROGRAM]));
            refused(&said, words);
        }
    }
    assert_eq!(names(folder.path()), [""; 0]);
    let both = [
        "simulation.duration=1e6 s",
        "simulation.replicates=4294967295",
    ];
    let said = say(program(folder.path())
        .args(["check", PULSE])
        .args(sets(&both)));
    refused(&said, &["run too large", "4294967295 replicates"]);
}

// --------------------------------------------------------------------------------------- signals

/// Starts the long run and kills it once a few chunks are on disk.
fn interrupted(folder: &Path, signal: &str) -> (Option<i32>, String) {
    let mut child = Process::new(PROGRAM)
        .args(["run", PULSE, "--no-figure", "-o", "out.h5"])
        .args(sets(&LONG))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let partial = folder.join("out.h5.partial");
    let size = || fs::metadata(&partial).map_or(0, |m| m.len());
    let start = Instant::now();
    let (mut first, mut grown) = (0, 0);
    while grown < 3 {
        assert!(start.elapsed() < Duration::from_secs(120), "no chunk came");
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended by itself"
        );
        std::thread::sleep(Duration::from_millis(20));
        if size() > first {
            (first, grown) = (size(), grown + 1);
        }
    }
    let sent = Process::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The part that was finished can be read by the library and by the commands.
fn assert_readable(folder: &Path) {
    let partial = Results::open(folder.join("out.h5.partial")).unwrap();
    let values = partial.read("nu_E").unwrap();
    let finite = values.iter().filter(|x| x.is_finite()).count();
    assert!(
        finite > 0 && finite < values.len(),
        "{finite} of {}",
        values.len()
    );
    assert!(values.iter().take(finite).all(|x| x.is_finite()), "a gap");
    assert!(
        values.iter().take(finite).all(|x| (0.0..30.0).contains(x)),
        "rates off the baseline"
    );
    let said = say(program(folder).args(["fc", "out.h5.partial", "--json"]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("did not finish"), "{}", said.err);
    done(folder, &["timescales", "out.h5.partial"]);
    done(folder, &["modes", "out.h5.partial", "--count", "2"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_was_finished_and_says_where() {
    for signal in ["-INT", "-TERM"] {
        let folder = folder();
        let (code, message) = interrupted(folder.path(), signal);
        assert_eq!(code, Some(130), "{message}");
        for word in [
            "error: stopped at",
            "ms of 3000000 ms",
            "kept in out.h5.partial",
        ] {
            assert!(message.contains(word), "{message}");
        }
        let left = ["out.h5.checkpoint", "out.h5.partial"];
        assert_eq!(names(folder.path()), left);
        assert_readable(folder.path());
    }
}

#[cfg(unix)]
#[test]
fn a_kill_keeps_what_was_finished_and_blocks_nothing() {
    let folder = folder();
    let before = fs::read(run(folder.path(), "out.h5", &SHORT)).unwrap();
    let (code, _) = interrupted(folder.path(), "-KILL");
    assert_eq!(code, None);
    assert_eq!(fs::read(folder.path().join("out.h5")).unwrap(), before);
    assert_readable(folder.path());
    run(folder.path(), "out.h5", &SHORT);
    assert_eq!(names(folder.path()), ["out.h5"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = folder();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let short = sets(&SHORT);
    let run: Vec<&str> = ["run", PULSE, "-o", "out.h5"]
        .into_iter()
        .chain(short.iter().map(String::as_str))
        .collect();
    let commands: [&[&str]; 8] = [
        &["data", "show", "macaque-markov29"],
        &["data", "list"],
        &["data", "check", "macaque-markov40"],
        &["configs", "chaudhuri2015"],
        &["circuits", "chaudhuri2015"],
        &["plan", PULSE],
        &["--help"],
        &run,
    ];
    for args in commands {
        let mut command = Process::new(PROGRAM);
        command
            .args(args)
            .current_dir(folder.path())
            .stdout(closed())
            .stderr(Stdio::piped());
        let output = command.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {message}");
        assert_eq!(message, "", "{args:?}");
    }
    // The results were complete before anything was printed.
    assert!(Results::open(folder.path().join("out.h5")).is_ok());
    let mut command = Process::new(PROGRAM);
    command.args(["check", "gone"]).stderr(closed());
    assert_eq!(command.output().unwrap().status.code(), Some(1));
}

// ------------------------------------------------------------------------------- reading results

#[test]
fn files_that_are_no_results_are_refused_by_every_command() {
    let folder = folder();
    let whole = fs::read(run(folder.path(), "whole.h5", &SHORT)).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("text.h5", b"not HDF5 at all\n");
    write("empty.h5", b"");
    write("signature.h5", &whole[..8]);
    write("short.h5", &whole[..whole.len() / 2]);
    let cases = [
        ("text.h5", "not an HDF5 file"),
        ("empty.h5", "not an HDF5 file"),
        ("signature.h5", "truncated or damaged"),
        ("short.h5", "truncated or damaged"),
        ("gone.h5", "No such file"),
    ];
    for command in ["rerun", "timescales", "fc", "modes", "report"] {
        for (name, words) in cases {
            let said = say(program(folder.path()).args([command, name]));
            refused(&said, &[name, words]);
        }
    }
}

#[test]
fn arguments_of_the_analyses_are_checked() {
    let folder = folder();
    run(folder.path(), "out.h5", &SHORT);
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["timescales", "out.h5", "--variable", "nu_X"],
            &["not recorded", "`nu_X`", "nu_E, nu_I"],
        ),
        (
            &["timescales", "out.h5", "--after", "1e9"],
            &["nothing left", "less than 100 ms"],
        ),
        (
            &["timescales", "out.h5", "--after", "nan"],
            &["--after NaN", "expected a time"],
        ),
        (
            &["timescales", "out.h5", "--max-lag", "nan"],
            &["--max-lag NaN", "above 0 ms"],
        ),
        (
            &["timescales", "out.h5", "--max-lag", "0"],
            &["--max-lag 0", "above 0 ms"],
        ),
        (
            &["modes", PULSE, "--variable", "nu_X"],
            &["unknown state", "`nu_X`", "nu_E, nu_I"],
        ),
        (&["fc", "."], &["found a folder, expected a result file"]),
        (
            &["fcd", "out.h5", "--window", "20", "--step", "0.3"],
            &[
                "--step: found 0.3 ms",
                "a multiple of the interval of samples",
            ],
        ),
        (
            &["fcd", "out.h5"],
            &[
                "found 0 windows of 60000 ms",
                "expected 2 or more",
                "`--window`",
            ],
        ),
    ];
    for (args, words) in cases {
        refused(&say(program(folder.path()).args(args)), words);
    }
    for args in [
        ["run", PULSE, "--lanes", "3"],
        ["run", PULSE, "--threads", "0"],
        ["run", PULSE, "--threads", "100000"],
    ] {
        assert_eq!(say(program(folder.path()).args(args)).code, Some(2));
    }
}

// ------------------------------------------------------------------------------------- identical

const NOISY: [&str; 9] = [
    "simulation.duration=100 ms",
    "simulation.replicates=10",
    "simulation.seed=3",
    "stimuli=~",
    "noise.fast={kind: white, into: drive_E, areas: all, sd: 1 Hz, bin: 0.2 ms}",
    "noise.slow={kind: ornstein_uhlenbeck, into: drive_E, areas: [V1, 2, 9/46d], sd: 1 Hz, tau: 5 ms}",
    // The drive of the exact method goes first.
    "analysis.timescales=~",
    "analysis.timescales={method: simulated, variable: nu_E, max_lag: 30 ms}",
    "analysis.functional_connectivity={method: simulated, variable: nu_E}",
];

#[test]
fn threads_and_lanes_never_change_a_bit() {
    let folder = folder();
    let first = content(&run(folder.path(), "first.h5", &NOISY));
    assert!(first.iter().any(|(name, ..)| name == "nu"), "{first:?}");
    for threads in ["1", "2"] {
        for lanes in ["1", "4", "8"] {
            for axis in ["areas", "replicates"] {
                let mut command = program(folder.path());
                command
                    .args(["run", PULSE, "-q", "--no-figure", "-o", "next.h5"])
                    .args(sets(&NOISY));
                command.args(["--threads", threads, "--lanes", lanes, "--lane-axis", axis]);
                let said = say(&mut command);
                assert_eq!(said.code, Some(0), "{}", said.err);
                let next = content(&folder.path().join("next.h5"));
                for (a, b) in first.iter().zip(&next) {
                    assert!(a == b, "{} with {threads} threads, {lanes} {axis}", a.0);
                }
                assert_eq!(first.len(), next.len());
            }
        }
    }
    let mut other = NOISY;
    other[2] = "simulation.seed=4";
    assert!(
        content(&run(folder.path(), "other.h5", &other)) != first,
        "the seed does nothing"
    );
}

/// White noise before a sigmoid is allowed, and pointed out.
#[test]
fn noise_without_a_limit_is_pointed_out() {
    let folder = folder();
    let say_of = |noise: &str| {
        let mut command = program(folder.path());
        command.args(["run", "wilson_cowan", "-q", "--no-figure", "-o", "out.h5"]);
        let noise = format!("noise.own={noise}");
        let sets = sets(&[
            "simulation.duration=10 ms",
            "stimuli=null",
            "analysis=null",
            &noise,
        ]);
        let said = say(command.args(sets));
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.err
    };
    let remark = "white noise `own` enters `I_E`, which acts through a curve";
    let said = say_of("{kind: white, into: I_E, sd: 0.01, bin: 1 ms}");
    assert!(said.contains(remark), "{said}");
    for fine in [
        "{kind: white, into: a_E, sd: 0.01 1/ms, bin: 1 ms}",
        "{kind: ornstein_uhlenbeck, into: I_E, sd: 0.01, tau: 5 ms}",
    ] {
        let said = say_of(fine);
        assert!(!said.contains("white noise"), "{said}");
    }
}

#[test]
fn a_rerun_is_identical() {
    let folder = folder();
    let path = run(folder.path(), "out.h5", &NOISY);
    let said = done(
        folder.path(),
        &["rerun", "out.h5", "--lanes", "1", "--threads", "1"],
    );
    assert!(said.contains("identical: all"), "{said}");
    assert_eq!(content(&folder.path().join("out.rerun.h5")), content(&path));
    let again = done(folder.path(), &["rerun", "out.rerun.h5", "-o", "third.h5"]);
    assert!(again.contains("identical: all"), "{again}");
}

#[test]
fn a_rerun_notices_other_data() {
    let (folder, said) = own_data(|_| {});
    assert_eq!(said.code, Some(0), "{}", said.err);
    let data = folder.path().join("own");
    let manifest = fs::read_to_string(data.join("manifest.yaml")).unwrap();
    fs::write(
        data.join("manifest.yaml"),
        format!("{manifest}\n# another\n"),
    )
    .unwrap();
    let said = say(program(folder.path()).args(["rerun", "out.h5"]));
    if said.code != Some(0) {
        refused(&said, &["data set changed", "sha256", "expected"]);
    }
    put_nan(&data.join("fln.csv"));
    refused(
        &say(program(folder.path()).args(["rerun", "out.h5"])),
        &["fln.csv:5"],
    );
    fs::remove_dir_all(data).unwrap();
    refused(
        &say(program(folder.path()).args(["rerun", "out.h5"])),
        &["own"],
    );
}

// ------------------------------------------------------------------------------------ area names

#[test]
fn area_names_that_look_like_numbers_stay_names() {
    let folder = folder();
    let areas = |path: &Path| Results::open(path).unwrap().coord_text("area").unwrap();
    for (list, expected) in [
        ("[2]", vec!["2"]),
        ("[9/46d]", vec!["9/46d"]),
        ("[\"10\"]", vec!["10"]),
        ("['8l', 10, 9/46v, 2]", vec!["8l", "10", "9/46v", "2"]),
    ] {
        let record = format!("record.areas={list}");
        let pulse = format!("stimuli.pulse.areas={list}");
        let path = run(
            folder.path(),
            "out.h5",
            &[&SHORT[..], &[&record, &pulse]].concat(),
        );
        assert_eq!(areas(&path), expected);
        let file = Results::open(&path).unwrap();
        let again = isocortex::spec::from_text("again", &file.attr_text("config").unwrap(), &[]);
        let again = again.unwrap();
        assert_eq!(again.stimuli["pulse"].areas.names().unwrap(), expected);
        // The pulse reached the areas meant: all recorded ones rise.
        let nu = file.read("nu").unwrap();
        for area in 0..expected.len() {
            let peak = nu
                .slice(ndarray::s![0, .., area, 0])
                .fold(0.0_f64, |m, x| m.max(*x));
            assert!(peak > 30.0, "{list}: {peak}");
        }
        let json = done(folder.path(), &["fc", "out.h5", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["areas"], serde_json::json!(expected));
        done(folder.path(), &["rerun", "out.h5"]);
    }
}

#[test]
fn area_names_typed_in_place_stay_as_typed() {
    let names = [
        "010", "0x1F", "1e3", "2", "9/46d", "a.b", "no", "true", "~", "é",
    ];
    let typed: Vec<String> = names
        .iter()
        .map(|n| {
            if ["~", "true"].contains(n) {
                format!("'{n}'")
            } else {
                (*n).to_owned()
            }
        })
        .collect();
    let areas: String = typed
        .iter()
        .map(|n| format!("    {n}: {{hierarchy_norm: 0.1}}\n"))
        .collect();
    let text = format!(
        "from: chaudhuri2015\ntitle: names\nconnectome:\n  data: ~\n  areas:\n{areas}  links: \
         [{{to: 010, from: 1e3, weight: 0.1}}]\nsimulation: {{duration: 20 ms}}\nrecord: {{areas: \
         [{}]}}\n",
        typed.join(", ")
    );
    let (folder, said) = check(text.as_bytes());
    assert_eq!(said.code, Some(0), "{}", said.err);
    done(
        folder.path(),
        &["run", "own.yaml", "-q", "--no-figure", "-o", "out.h5"],
    );
    let file = Results::open(folder.path().join("out.h5")).unwrap();
    assert_eq!(file.coord_text("area").unwrap(), names);
    let set =
        "stimuli.s={into: drive_E, areas: [010, 1e3], amplitude: 1 Hz, onset: 1 ms, offset: 2 ms}";
    done(folder.path(), &["check", "own.yaml", "--set", set]);
    done(
        folder.path(),
        &["check", "own.yaml", "--set", "initial.\"a.b\".nu_E=11 Hz"],
    );
    done(folder.path(), &["rerun", "out.h5"]);
}

// -------------------------------------------------------------------------------------- looking

/// A control with noise, one perturbation that does nothing and one that does something.
const DESIGN: &str = "
title: test
experiment: chaudhuri2015_v1_pulse
set:
  - simulation.duration=100 ms
  - simulation.replicates=6
  - stimuli.pulse.onset=10 ms
  - stimuli.pulse.offset=50 ms
  - analysis.timescales=~
  - 'noise.n={kind: white, into: drive_E, areas: all, sd: 0.1 Hz, bin: 0.2 ms}'
readouts:
  early: {variable: nu_E, areas: [V1, V2, V4], from: 20 ms, to: 50 ms}
perturbations:
  nothing: {set: [title=other], refuted_if: anything changes}
  lesion: {set: ['lesions.areas=[{each}]'], each: [V2, 2], refuted_if: V1 and V4 do not care}
";

#[test]
fn predictions_are_differences_under_the_same_noise() {
    let folder = folder();
    fs::write(folder.path().join("design.yaml"), DESIGN).unwrap();
    let out = done(
        folder.path(),
        &["predict", "design.yaml", "-o", "t.csv", "--json"],
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = json["predictions"].as_array().unwrap();
    let number = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    let name = |r: &serde_json::Value| format!("{} {}", r["perturbation"], r["level"]);
    let found: Vec<String> = rows.iter().map(name).collect();
    let expected = [r#""lesion" "V2""#, r#""lesion" "2""#, r#""nothing" """#];
    assert_eq!(found, expected);
    // The same seed and addresses: not a bit of difference.
    assert_eq!(number(2, "difference"), 0.0);
    assert_eq!(number(2, "p"), 1.0);
    // V1 and V4 answer less without V2, in each of the six replicates. The control beside it is a mean without V2, too,
    // which answers less than V1.
    assert!(number(0, "difference") < 0.0, "{out}");
    assert!(number(0, "control") > number(1, "control") + 1.0, "{out}");
    let left_out = |row: usize| rows[row]["left_out"].to_string();
    assert_eq!([0, 1, 2].map(left_out), [r#"["V2"]"#, "[]", "[]"]);
    assert_eq!(number(0, "p"), 2.0 / 64.0);
    let (low, high) = (&rows[0]["interval"][0], &rows[0]["interval"][1]);
    assert!(low.as_f64().unwrap() < number(0, "difference"));
    assert!(high.as_f64().unwrap() > number(0, "difference"));
    let table = fs::read_to_string(folder.path().join("t.csv")).unwrap();
    assert_eq!(table.lines().count(), 4);
    let threads = ["predict", "design.yaml", "--json", "--threads", "1"];
    assert_eq!(
        done(folder.path(), &threads),
        out,
        "threads change a result"
    );
}

#[test]
fn faulty_designs_are_refused_before_anything_runs() {
    let folder = folder();
    let cases = [
        ("[V2, 2]", "[V2, V99]", "V99"),
        ("[V1, V2, V4]", "[V99]", "`V99`"),
        ("variable: nu_E", "variable: nu_X", "`nu_X`"),
        ("to: 50 ms", "to: 500 ms", "window"),
        ("to: 50 ms", "to: 50 mV", "mV"),
        ("to: 50 ms", "until: 50 ms", "until"),
        ("replicates=6", "replicates=0", "replicates"),
        (
            "lesions.areas=[{each}]",
            "lesions.areas=[V4]",
            "levels that change nothing",
        ),
        ("chaudhuri2015_v1_pulse", "chaudhuri2015_pulse", "mean"),
    ];
    for (from, to, words) in cases {
        assert!(DESIGN.contains(from), "{from}");
        fs::write(folder.path().join("design.yaml"), DESIGN.replace(from, to)).unwrap();
        let said = say(program(folder.path()).args(["predict", "design.yaml", "-o", "t.csv"]));
        refused(&said, &[words]);
        assert_eq!(names(folder.path()), ["design.yaml"]);
    }
    let said = say(program(folder.path()).args(["predict", "froudist_walsh2012"]));
    refused(&said, &["mean `froudist_walsh2021`?"]);
}

/// A short run with what `validate` needs, and recordings of one's own.
const REMEMBERED: &str = "
title: test
from: chaudhuri2015
stimuli: {on: {into: drive_E, areas: [V1], amplitude: 40 Hz, onset: 20 ms, offset: 50 ms}}
simulation: {duration: 60 ms}
analysis:
  delay_activity:
    variable: nu_E
    baseline: {from: 0 ms, to: 20 ms}
    delay: {from: 30 ms, to: 50 ms}
    persistent_above: 3 Hz
  latencies: {variable: nu_E, stimulus: on, baseline: {from: 0 ms, to: 20 ms}, fraction: 0.1}
";
const RECORDED: &str = "
title: own reports
paper: none
source: this test
delay_activity:
  well_studied_above: 2
  persistent_above: 2
  areas:
    V1: {found: 5, not_found: 0}
    V2: {found: 0, not_found: 5}
    24c: {found: 0, not_found: 3}
    \"2\": {found: 1, not_found: 1}
    S2: {found: 4, not_found: 0}
";

/// V1 is driven far above 3 Hz and V2 above it, 24c is not reached: V2 disagrees.
#[test]
fn a_model_is_set_beside_recordings() {
    let folder = folder();
    fs::write(folder.path().join("own.yaml"), REMEMBERED).unwrap();
    fs::write(folder.path().join("reports.yaml"), RECORDED).unwrap();
    let arguments = ["validate", "reports.yaml", "own.yaml"];
    let out = done(folder.path(), &arguments);
    for words in [
        "disagree: V2 ",
        "2  areas that agree",
        "3  areas compared",
        "2: 2 reports or fewer",
        "S2: not among",
    ] {
        assert!(out.contains(words), "{words} in\n{out}");
    }
    let json = done(folder.path(), &[&arguments[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["comparisons"][0]["disagree"],
        serde_json::json!(["V2"])
    );
    // The same measures stand in the table and in the file of a run.
    let out = done(
        folder.path(),
        &["run", "own.yaml", "--no-figure", "-o", "own.h5"],
    );
    assert!(
        out.contains("persistent activity in 2 of 29 areas"),
        "{out}"
    );
    let file = Results::open(folder.path().join("own.h5")).unwrap();
    let areas = file.coord_text("area").unwrap();
    let of = |variable: &str, area: &str| {
        let at = areas.iter().position(|a| a == area).unwrap();
        file.read(variable).unwrap()[[at]]
    };
    assert_eq!(of("persistent", "V1"), 1.0);
    assert_eq!(of("persistent", "24c"), 0.0);
    assert!(of("delay_activity", "V1") > of("baseline_activity", "V1") + 3.0);
    assert!(of("latency", "V1") < of("latency", "V2"));
}

/// Order, laboratories and what is left out, with a model in which V1, V2, V4 and MT respond in turn.
#[test]
fn recorded_times_are_compared_by_their_order() {
    let folder = folder();
    fs::write(folder.path().join("own.yaml"), REMEMBERED).unwrap();
    let table = "
title: own times
paper: none
source: this test
latencies:
  areas: {first: [V1], second: [V2, S2], third: [MT], fourth: [V4], nowhere: [], unseen: [V4]}
  values:
    - {region: first, laboratory: a, ms: 40}
    - {region: first, laboratory: a, ms: 60}
    - {region: first, laboratory: b, ms: 20}
    - {region: second, laboratory: a, ms: 60}
    - {region: third, laboratory: b, ms: 50}
    - {region: fourth, laboratory: b, ms: 90}
    - {region: nowhere, ms: 1}
";
    fs::write(folder.path().join("times.yaml"), table).unwrap();
    let out = done(folder.path(), &["validate", "times.yaml", "own.yaml"]);
    for words in [
        // (40 + 60)/2 and 20 are 35 ms over two laboratories.
        "1. (35 ms, 2 laboratories)",
        "second: S2 is not among the recorded areas",
        "nowhere: no area stands for it",
        // Of a: 40 and 60 against 60, one of them a tie; of b: 20, 50, 90.
        "4  such pairs",
        "4  regions compared",
    ] {
        assert!(out.contains(words), "{words} in\n{out}");
    }
    let few = table.replace("third: [MT], fourth: [V4]", "third: [], fourth: []");
    fs::write(folder.path().join("times.yaml"), few).unwrap();
    let said = say(program(folder.path()).args(["validate", "times.yaml", "own.yaml"]));
    refused(&said, &["found 2 regions in common"]);
}

#[test]
fn faulty_measures_and_recordings_are_refused() {
    let folder = folder();
    let cases = [
        (
            "from: 30 ms, to: 50 ms",
            "from: 50 ms, to: 30 ms",
            "window without samples of the run",
        ),
        (
            "from: 30 ms, to: 50 ms",
            "from: 30 ms, to: 70 ms",
            "0 to 60 ms",
        ),
        (
            "persistent_above: 3 Hz",
            "persistent_above: 3 pA",
            "persistent_above",
        ),
        (
            "delay_activity:\n    variable: nu_E",
            "delay_activity:\n    variable: nu_X",
            "nu_X",
        ),
        (
            "stimulus: on",
            "stimulus: off",
            "unknown stimulus: found `off`",
        ),
        ("fraction: 0.1", "fraction: 1.5", "fraction above 0"),
        ("stimulus: on, ", "", "stimulus"),
    ];
    for (from, to, words) in cases {
        assert!(REMEMBERED.contains(from), "{from}");
        fs::write(folder.path().join("own.yaml"), REMEMBERED.replace(from, to)).unwrap();
        refused(
            &say(program(folder.path()).args(["run", "own.yaml"])),
            &[words],
        );
        assert_eq!(names(folder.path()), ["own.yaml"]);
    }
    fs::write(folder.path().join("own.yaml"), REMEMBERED).unwrap();
    let validate = |arguments: &[&str], words: &str| {
        let said = say(program(folder.path()).arg("validate").args(arguments));
        refused(&said, &[words]);
    };
    validate(&["leavitt2018"], "mean `leavitt2017`?");
    validate(&["leavitt2017", PULSE], "no `analysis.delay_activity`");
    fs::write(folder.path().join("reports.yaml"), RECORDED).unwrap();
    validate(&["reports.yaml"], "names no experiment");
    fs::write(
        folder.path().join("reports.yaml"),
        RECORDED.replace("found: 5", "fund: 5"),
    )
    .unwrap();
    validate(&["reports.yaml", "own.yaml"], "fund");
}

/// Two conditions; readouts of every kind.
const TRIALS: &str = "
title: trials
from: chaudhuri2015
task:
  stimuli:
    A: {into: drive_E, areas: [V1], amplitude: 40 Hz}
    B: {into: I_I, areas: [V1], amplitude: 10 pA}
    C: {into: drive_E, areas: [V2], amplitude: 1 Hz}
  events:
    cue: {shows: A, onset: 20 ms, jitter: 10 ms, duration: 20 ms}
    probe: {shows: B, after: cue, onset: 10 ms, duration: 10 ms}
  conditions:
    seen: {trials: 3}
    catch: {trials: 2, without: [cue, probe]}
  readouts:
    rate: {mean: nu_E, minus: nu_I, areas: [V1], after: cue, from: 0 ms, to: 20 ms}
    held: {persistent: nu_E, baseline: {from: 0 ms, to: 10 ms}, from: 40 ms, to: 60 ms, above: 1 mHz}
    more: {winner: {A: nu_E, B: nu_I}, areas: [V1], from: 0 ms, to: 10 ms}
    report: {threshold: {A: nu_E}, above: 20 Hz, areas: [V1], from: 10 ms, to: 100 ms, correct: cue}
  d_prime:
    detection: {readout: report, signal: seen, noise: catch}
simulation: {duration: 100 ms, seed: 5}
record: {every: 1 ms, variables: [nu_E, nu_I]}
";

#[test]
fn a_task_gives_a_table_of_its_trials() {
    let folder = folder();
    fs::write(folder.path().join("task.yaml"), TRIALS).unwrap();
    let out = done(folder.path(), &["run", "task.yaml", "-o", "task.h5"]);
    for words in ["condition", "catch", "2/2", "3/3", "d′ detection"] {
        assert!(out.contains(words), "{words} in\n{out}");
    }
    if cfg!(feature = "plot") {
        let drawn = fs::read_to_string(folder.path().join("task.svg")).unwrap();
        assert!(drawn.contains("Trial 2, one of 3 of condition seen"));
    }
    let file = Results::open(folder.path().join("task.h5")).unwrap();
    let conditions = file.coord_text("condition").unwrap();
    assert_eq!(conditions, ["catch", "catch", "seen", "seen", "seen"]);
    assert_eq!(
        file.coord_text("cue_stimulus").unwrap(),
        ["", "", "A", "A", "A"]
    );
    let onsets = file.coord_f64("cue_onset").unwrap();
    let probes = file.coord_f64("probe_onset").unwrap();
    for t in 2..5 {
        assert!((10.0..=30.0).contains(&onsets[t]), "{onsets:?}");
        assert!((probes[t] - onsets[t] - 30.0).abs() < 1e-9);
    }
    assert!(onsets[0].is_nan() && (onsets[2] != onsets[3] || onsets[3] != onsets[4]));
    let of = |name: &str| {
        file.read(name)
            .unwrap()
            .iter()
            .copied()
            .collect::<Vec<f64>>()
    };
    let (rate, held) = (of("readout_rate"), of("readout_held"));
    assert!(rate[0].is_nan() && held[0] == 0.0 && held[2] >= 1.0);
    // The window follows the cue, so that the same response is read wherever it comes.
    assert!(
        (rate[2] - rate[3]).abs() < 1.0 && (rate[2] - rate[4]).abs() < 1.0,
        "{rate:?}"
    );
    // Rates rest at 10 and 35 Hz.
    assert_eq!(of("readout_more"), [1.0; 5]);
    assert_eq!(of("readout_report_correct"), [1.0; 5]);
    let report = of("readout_report");
    assert!(report[0].is_nan() && report[2] == 0.0);
    // The reaction follows the cue, whenever it comes.
    let times = of("readout_report_time");
    assert!((times[2] - onsets[2] - (times[3] - onsets[3])).abs() <= 1.0);
    // (3 + 1/2)/4 against (0 + 1/2)/3: z = 1.1503 + 0.9674.
    assert!(
        (of("d_prime")[0] - 2.117_771).abs() < 1e-5,
        "{:?}",
        of("d_prime")
    );
    done(folder.path(), &["rerun", "task.h5"]);
}

/// What a task reads out, in control and under perturbations.
const OF_TASK: &str = "
title: test
experiment: task.yaml
condition: seen
readouts:
  detection: {d_prime: detection}
  everywhere: {task: report, take: correct, condition: [catch, seen]}
  rate: {task: rate}
  reported: {task: report, chosen: A}
  right: {task: report, take: correct}
  time: {task: report, take: time}
  window: {variable: nu_E, areas: [V1], from: 0 ms, to: 100 ms}
perturbations:
  blind: {set: [task.stimuli.A.amplitude=1 Hz], refuted_if: the cue is reported}
  nothing: {set: [title=other], refuted_if: anything changes}
";

/// A design reads the readouts of the task as a run does, in the trials of the condition that it names.
#[test]
fn designs_read_what_the_task_reads_out() {
    let folder = folder();
    fs::write(folder.path().join("task.yaml"), TRIALS).unwrap();
    fs::write(folder.path().join("design.yaml"), OF_TASK).unwrap();
    let out = done(
        folder.path(),
        &["predict", "design.yaml", "-o", "t.csv", "--json"],
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = json["predictions"].as_array().unwrap();
    let row = |perturbation: &str, readout: &str| {
        let is =
            |r: &&serde_json::Value| r["perturbation"] == perturbation && r["readout"] == readout;
        rows.iter().find(is).unwrap()
    };
    let number = |p: &str, r: &str, key: &str| row(p, r)[key].as_f64().unwrap();
    let count = |p: &str, r: &str| row(p, r)["replicates"].as_u64().unwrap();
    let run = done(
        folder.path(),
        &["run", "task.yaml", "--json", "--no-figure", "-o", "task.h5"],
    );
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let seen = &run["trials"]["conditions"][1]["readouts"];
    let mean = |value: &serde_json::Value| value["mean"].as_f64().unwrap();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(1.0);
    for p in ["blind", "nothing"] {
        assert!(near(number(p, "rate", "control"), mean(&seen["rate"])));
        for share in ["right", "reported", "everywhere"] {
            assert_eq!(number(p, share, "control"), 1.0);
        }
        // (3 + 1/2)/4 against (0 + 1/2)/3.
        assert!((number(p, "detection", "control") - 2.117_771).abs() < 1e-5);
        assert_eq!((count(p, "rate"), count(p, "everywhere")), (3, 5));
        assert_eq!((count(p, "detection"), count(p, "window")), (5, 3));
    }
    assert!(near(
        number("nothing", "time", "control"),
        mean(&seen["report"]["reaction_ms"])
    ));
    for readout in [
        "detection",
        "everywhere",
        "rate",
        "reported",
        "right",
        "time",
        "window",
    ] {
        assert_eq!(number("nothing", readout, "difference"), 0.0, "{readout}");
        assert_eq!(number("nothing", readout, "p"), 1.0, "{readout}");
    }
    assert_eq!(number("blind", "right", "perturbed"), 0.0);
    assert_eq!(number("blind", "reported", "difference"), -1.0);
    assert_eq!(number("blind", "everywhere", "perturbed"), 2.0 / 5.0);
    // (0 + 1/2)/4 against (0 + 1/2)/3: z = -1.1503 + 0.9674.
    assert!((number("blind", "detection", "perturbed") + 0.182_928).abs() < 1e-5);
    assert!(number("blind", "rate", "difference") < -1.0);
    // Without a report there is no time.
    assert_eq!(count("blind", "time"), 0);
    assert!(row("blind", "time")["difference"].is_null() && row("blind", "time")["p"].is_null());
    assert_eq!(row("blind", "everywhere")["condition"], "catch, seen");
    assert_eq!(row("blind", "detection")["condition"], "");
    assert_eq!(
        (
            row("blind", "time")["unit"].as_str(),
            row("blind", "rate")["unit"].as_str()
        ),
        (Some("ms"), Some("Hz"))
    );
    let table = fs::read_to_string(folder.path().join("t.csv")).unwrap();
    assert!(
        table.starts_with("perturbation,") && table.contains(",seen,3,\n"),
        "{table}"
    );
    let text = done(folder.path(), &["predict", "design.yaml"]);
    for words in ["condition", "catch, seen", "could be read in both"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn faulty_designs_of_tasks_are_refused() {
    let folder = folder();
    fs::write(folder.path().join("task.yaml"), TRIALS).unwrap();
    for (from, to, words) in [
        ("condition: seen", "condition: sen", "mean `seen`?"),
        ("condition: seen", "condition: []", "no condition"),
        (
            "[catch, seen]",
            "[catch, caught]",
            "unknown condition of the task",
        ),
        ("{task: rate}", "{task: rat}", "mean `rate`?"),
        (
            "{task: rate}",
            "{task: report}",
            "a choice where a number is needed",
        ),
        (
            "{task: rate}",
            "{task: more, take: time}",
            "no reaction time",
        ),
        (
            "{task: rate}",
            "{task: more, take: correct}",
            "nothing is right or wrong",
        ),
        (
            "{task: rate}",
            "{task: rate, take: correct}",
            "which is a number",
        ),
        (
            "{task: rate}",
            "{task: rate, variable: nu_E}",
            "found variable and task",
        ),
        (
            "{task: rate}",
            "{task: rate, areas: [V1]}",
            "found `areas` beside `task`",
        ),
        (
            "{task: rate}",
            "{condition: seen}",
            "what is read: found none",
        ),
        ("chosen: A", "chosen: B", "unknown choice"),
        (
            "chosen: A",
            "chosen: A, take: time",
            "both of `take` and `chosen`",
        ),
        ("take: time", "take: times", "mean `time`?"),
        (
            "d_prime: detection",
            "d_prime: detectoin",
            "mean `detection`?",
        ),
        (
            "d_prime: detection",
            "d_prime: detection, condition: seen",
            "expected nothing",
        ),
        ("from: 0 ms, ", "", "expected `from`"),
        (
            "title=other",
            "task.conditions.seen.trials=4",
            "other trials or conditions",
        ),
        (
            "set: [title=other]",
            "lesion: [V1], stimuli: dropped",
            "lesioned areas alone, V1",
        ),
        (
            "set: [title=other]",
            "lesion: [\"{each}\"], except: [V11]",
            "V11",
        ),
        (
            "experiment: task.yaml",
            "experiment: chaudhuri2015_v1_pulse",
            "no task",
        ),
    ] {
        assert!(OF_TASK.contains(from), "{from}");
        fs::write(folder.path().join("design.yaml"), OF_TASK.replace(from, to)).unwrap();
        let said = say(program(folder.path()).args(["predict", "design.yaml", "-o", "t.csv"]));
        refused(&said, &[words]);
        assert_eq!(names(folder.path()), ["design.yaml", "task.yaml"]);
    }
}

/// A condition without an area stands in the same file and table as the others.
#[test]
fn a_condition_may_lesion_areas() {
    let folder = folder();
    fs::write(folder.path().join("task.yaml"), TRIALS).unwrap();
    let lesion = "task.conditions.without={trials: 2, perturbations: {gone: {lesion: [V2]}}}";
    let arguments = ["run", "task.yaml", "-o", "task.h5", "--set", lesion];
    let out = done(folder.path(), &arguments);
    assert!(
        out.contains("without") && out.contains("over the 3 trials of condition seen"),
        "{out}"
    );
    let file = Results::open(folder.path().join("task.h5")).unwrap();
    let areas = file.coord_text("area").unwrap();
    let v2 = areas.iter().position(|a| a == "V2").unwrap();
    let activity = file.read("nu").unwrap();
    for ((index, x), lesioned) in
        (activity.indexed_iter()).map(|(i, x)| ((i.clone(), x), i[0] >= 5 && i[2] == v2))
    {
        assert_eq!(x.is_nan(), lesioned, "{index:?}");
    }
    let report = file.read("readout_report_correct").unwrap();
    assert!(report.iter().all(|x| *x == 1.0), "{report}");
    done(folder.path(), &["rerun", "task.h5"]);
    done(folder.path(), &["report", "task.h5"]);
    let explained = done(folder.path(), &["plan", "task.yaml", "--set", lesion]);
    assert!(
        explained.contains("2 run(s) in a network of their own: 28 areas"),
        "{explained}"
    );
    // Delay activity is taken over the trials in which every area is there.
    let delay = "analysis.delay_activity={variable: nu_E, baseline: {from: 0 ms, to: 10 ms}, delay: {from: 50 ms, \
        to: 60 ms}, persistent_above: 1 Hz}";
    done(folder.path(), &[&arguments[..], &["--set", delay]].concat());
    let file = Results::open(folder.path().join("task.h5")).unwrap();
    assert!(
        file.read("delay_activity")
            .unwrap()
            .iter()
            .all(|x| x.is_finite())
    );
}

/// The start of a run is no peak where something is shown later.
#[test]
fn peaks_count_from_the_first_stimulus() {
    let folder = folder();
    let sets = [
        "--set",
        "initial.all.nu_E=60 Hz",
        "--set",
        "simulation.duration=300 ms",
        "--no-figure",
    ];
    let onset = [
        "--set",
        "stimuli.pulse.onset=250 ms",
        "--set",
        "stimuli.pulse.offset=280 ms",
    ];
    let run = [&["run", PULSE, "--json", "-o", "out.h5"], &sets[..], &onset].concat();
    let out = done(folder.path(), &run);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["peaks_from_ms"], 250.0);
    for area in json["areas"].as_array().unwrap() {
        assert!(area["peak_at_ms"].as_f64().unwrap() >= 250.0, "{area}");
    }
    let text = [&["run", PULSE, "-o", "out.h5"], &sets[..4], &onset].concat();
    let text = done(folder.path(), &text);
    assert!(
        text.contains("from the first stimulus on, at 250 ms"),
        "{text}"
    );
    if cfg!(feature = "plot") {
        let drawn = fs::read_to_string(folder.path().join("out.svg")).unwrap();
        assert!(drawn.contains("peaks from the first stimulus on"));
        assert!(drawn.contains("counts for no peak"));
    }
}

/// The same trials with and without a perturbation; a lesioned area is left out of readouts.
#[test]
fn tasks_can_be_perturbed() {
    let folder = folder();
    let trials = TRIALS.replace("areas: [V1], after: cue", "areas: [V1, V2], after: cue");
    fs::write(folder.path().join("task.yaml"), trials).unwrap();
    let design = "
title: test
experiment: task.yaml
readouts:
  all: {variable: nu_E, areas: [V1], from: 0 ms, to: 100 ms}
  both: {variable: nu_E, areas: [V1, V2], from: 0 ms, to: 100 ms}
perturbations:
  nothing: {set: [title=other], refuted_if: anything changes}
  lesion: {set: ['lesions.areas=[V2]'], refuted_if: V1 does not care}
";
    fs::write(folder.path().join("design.yaml"), design).unwrap();
    let out = done(folder.path(), &["predict", "design.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let difference = |row: usize| json["predictions"][row]["difference"].as_f64().unwrap();
    // Lesion, then nothing; of both areas V1 alone is there in both.
    assert!(
        difference(0) < 0.0 && difference(1) == difference(0),
        "{out}"
    );
    assert!(difference(2) == 0.0 && difference(3) == 0.0, "{out}");
    // The other way round: the control lacks an area that a readout of the task names.
    let design = "
title: test
experiment: task.yaml
set: ['lesions.areas=[V2]']
readouts: {rate: {task: rate}}
perturbations:
  nothing: {set: [title=other], refuted_if: anything changes}
  restored: {set: ['lesions.areas=[]'], refuted_if: V1 does not care}
";
    fs::write(folder.path().join("design.yaml"), design).unwrap();
    let out = done(folder.path(), &["predict", "design.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let of = |row: usize, key: &str| json["predictions"][row][key].clone();
    assert!(
        of(0, "difference") == 0.0 && of(1, "difference") != 0.0,
        "{out}"
    );
    assert_eq!(of(0, "control"), of(1, "control"));
    assert_eq!(
        [of(0, "left_out"), of(1, "left_out")],
        [serde_json::json!([]), serde_json::json!(["V2"])]
    );
    let lesion = [
        "--set",
        "lesions.areas=[V2]",
        "--no-figure",
        "-o",
        "task.h5",
    ];
    let out = done(
        folder.path(),
        &[&["run", "task.yaml"][..], &lesion].concat(),
    );
    assert!(out.contains("seen") && out.contains("3/3"), "{out}");
    // Nothing is left of a readout of one area.
    let lesion = ["run", "task.yaml", "--set", "lesions.areas=[V1]"];
    refused(&say(program(folder.path()).args(lesion)), &["V1"]);
}

#[test]
fn faulty_tasks_are_refused_before_anything_runs() {
    let folder = folder();
    let cases = [
        (
            "shows: A, onset",
            "shows: D, onset",
            "unknown stimulus: found `D`",
        ),
        ("after: cue, onset", "after: cur, onset", "mean `cue`?"),
        (
            "after: cue, onset: 10 ms",
            "onset: 10 ms, matches: {}",
            "matches",
        ),
        ("{shows: B, after: cue,", "{after: cue,", "neither"),
        ("jitter: 10 ms", "jitter: 30 ms", "before the trial"),
        (
            "jitter: 10 ms, duration: 20 ms",
            "duration: 90 ms",
            "outlasts the run",
        ),
        (
            "jitter: 10 ms, duration: 20 ms",
            "duration: 0 ms",
            "no duration",
        ),
        ("onset: 20 ms", "onset: 20.05 ms", "between two steps"),
        (
            "shows: B, after: cue, onset: 10 ms",
            "shows: A, onset: 25 ms",
            "events overlap",
        ),
        ("trials: 3", "trials: 0", "no trials"),
        (
            "seed: 5",
            "seed: 5, replicates: 4",
            "4 replicates of a task",
        ),
        (
            "without: [cue, probe]",
            "without: [cue]",
            "does not come before it",
        ),
        ("without: [cue, probe]", "without: [cues]", "mean `cue`?"),
        (
            "areas: [V1], amplitude: 40 Hz",
            "areas: [V99], amplitude: 40 Hz",
            "V99",
        ),
        ("amplitude: 40 Hz", "amplitude: 40 pA", "40 pA"),
        ("into: drive_E", "into: drive_X", "drive_X"),
        ("mean: nu_E", "mean: nu_X", "nu_X"),
        (
            "mean: nu_E, minus: nu_I, areas: [V1]",
            "mean: nu_E, areas: [V99]",
            "V99",
        ),
        ("above: 20 Hz", "above: 50 pA", "50 pA"),
        ("above: 20 Hz, ", "", "expected `above`"),
        (
            "winner: {A: nu_E, B: nu_I}",
            "winner: {}",
            "nothing to choose",
        ),
        (
            "from: 0 ms, to: 20 ms",
            "from: 20 ms, to: 0 ms",
            "ends later than it begins",
        ),
        ("correct: cue", "correct: cuff", "cuff"),
        ("signal: seen", "signal: sen", "mean `seen`?"),
        (
            "readout: report,",
            "readout: more,",
            "expected one by `threshold`",
        ),
        ("    rate: {mean", "    2nd: {mean", "letters, digits"),
        ("shows: A, onset", "shows: [A, A], onset", "found `A` twice"),
        ("into: drive_E", "into: []", "no input"),
        (
            "into: drive_E",
            "into: [drive_E, drive_E]",
            "found `drive_E` twice",
        ),
        ("jitter: 10 ms", "jitter: 10.05 ms", "between two steps"),
        ("jitter: 10 ms", "jitter: 1.0e+30 ms", "before the trial"),
        (
            "onset: 10 ms, duration",
            "onset: 10 ms, jitter: 11 ms, duration",
            "before the trial or the end",
        ),
        (
            "shows: B, after: cue",
            "matches: {event: cue, of: [B, B], chance: 0}, after: cue",
            "found `B` twice",
        ),
        (
            "shows: B, after: cue",
            "matches: {event: cue, of: [B, C], chance: 0}, after: cue",
            "nothing could match: found `A`",
        ),
        ("trials: 3", "trials: 4294967295", "too many trials"),
        (
            "trials: 3",
            "trials: 1048575",
            "too many trials: found 1048577",
        ),
        (
            "duration: 10 ms}",
            "duration: 10 ms, repeat: 2000, every: 10 ms}",
            "too many repeats",
        ),
        (
            "after: cue, from: 0 ms, to: 20 ms",
            "after: cue, from: 0 ms, to: 90 ms",
            "or beyond it",
        ),
        (
            "after: cue, from: 0 ms, to: 20 ms",
            "after: cue, from: -70 ms, to: 0 ms",
            "or beyond it",
        ),
        (
            "winner: {A: nu_E, B: nu_I}",
            "winner: {\"A x\": nu_E, B: nu_I}",
            "letters, digits",
        ),
        (
            "report: {threshold: {A: nu_E}",
            "report: {after: cue, threshold: {A: nu_E}",
            "does not show",
        ),
        (
            "    rate: {mean",
            "    report_time: {mean",
            "name is taken: found `readout_report_time`",
        ),
    ];
    for (from, to, words) in cases {
        assert!(TRIALS.contains(from), "{from}");
        fs::write(
            folder.path().join("task.yaml"),
            TRIALS.replacen(from, to, 1),
        )
        .unwrap();
        refused(
            &say(program(folder.path()).args(["run", "task.yaml"])),
            &[words],
        );
        assert_eq!(names(folder.path()), ["task.yaml"], "{from}");
    }
}

/// Of two configs that share a model, that model is laid once, below both.
#[test]
fn several_configs_are_laid_on_one_another() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "noisy.yaml",
        "from: chaudhuri2015\nsimulation: {duration: 1 s}\nrecord: {every: 2 ms}\n",
    );
    write(
        "long.yaml",
        "from: chaudhuri2015\nsimulation: {duration: 7 s}\n",
    );
    write("both.yaml", "title: both\nfrom: [noisy.yaml, long.yaml]\n");
    let plan = done(folder.path(), &["plan", "both.yaml"]);
    // 7 s from the second, 2 ms from the first and not from the model, which the second would lay again.
    assert!(
        plan.contains("35000 steps") && plan.contains("3501 samples"),
        "{plan}"
    );
    // However the path is typed.
    fs::create_dir(folder.path().join("in")).unwrap();
    write(
        "in/long.yaml",
        "from: ../in/../base.yaml\nsimulation: {duration: 7 s}\n",
    );
    write("base.yaml", "from: chaudhuri2015\nrecord: {every: 1 ms}\n");
    write("noisy.yaml", "from: base.yaml\nrecord: {every: 2 ms}\n");
    write(
        "both.yaml",
        "title: both\nfrom: [noisy.yaml, in/long.yaml]\n",
    );
    let plan = done(folder.path(), &["plan", "both.yaml"]);
    assert!(plan.contains("3501 samples"), "{plan}");
    write("both.yaml", "title: both\nfrom: []\n");
    refused(
        &say(program(folder.path()).args(["plan", "both.yaml"])),
        &["empty list"],
    );
    write(
        "both.yaml",
        "title: both\nfrom: [noisy.yaml, [long.yaml]]\n",
    );
    refused(
        &say(program(folder.path()).args(["plan", "both.yaml"])),
        &["list of names"],
    );
    write("long.yaml", "from: both.yaml\n");
    write("both.yaml", "title: both\nfrom: [noisy.yaml, long.yaml]\n");
    refused(
        &say(program(folder.path()).args(["plan", "both.yaml"])),
        &["in a circle"],
    );
}

#[test]
fn looking_commands_show_what_there_is() {
    let folder = folder();
    let shows = |args: &[&str], words: &[&str]| {
        let out = done(folder.path(), args);
        for word in words {
            assert!(out.contains(word), "{args:?}: {word} in\n{out}");
        }
    };
    shows(&["--version"], &["isocortex"]);
    shows(
        &["--help"],
        &[
            "run",
            "reproduce",
            "validate",
            "predict",
            "rerun",
            "check",
            "timescales",
            "data",
        ],
    );
    shows(&["data", "list"], &["macaque-markov29", "macaque-markov40"]);
    shows(
        &["data", "show", "macaque-markov29"],
        &["29 areas", "536 links", "sha256", "9/46d"],
    );
    shows(
        &["data", "check", "macaque-markov29"],
        &["macaque-markov29: 0 error(s)"],
    );
    shows(
        &["data", "check", "macaque-markov40"],
        &["macaque-markov40: 0 error(s)"],
    );
    shows(&["circuits"], &["chaudhuri2015", "chaudhuri2015_nonlinear"]);
    shows(
        &["circuits", "chaudhuri2015"],
        &["tau_E", "nu_E", "drive_E", "doi"],
    );
    shows(
        &["configs"],
        &[
            "chaudhuri2015_v1_pulse",
            "configs/models/chaudhuri2015.yaml",
        ],
    );
    shows(&["configs", PULSE], &["from: ../models/chaudhuri2015.yaml"]);
    shows(
        &["plan", PULSE],
        &["29 areas", "12500 steps of 0.2 ms", "V1.drive_E"],
    );
    shows(&["check", PULSE], &["ok: Pulse to V1", "29 areas"]);
    shows(
        &["modes", PULSE, "--count", "1"],
        &["mode", "timescale (ms)"],
    );
    let unknown: [(&[&str], &str); 4] = [
        (&["data", "show", "markov"], "unknown data set"),
        (&["circuits", "chaudhuri2016"], "mean `chaudhuri2015`?"),
        (&["configs", "chaudhuri2016"], "mean `chaudhuri2015`?"),
        (&["reproduce", "chaudhuri2016"], "mean `chaudhuri2015`?"),
    ];
    for (args, words) in unknown {
        refused(&say(program(folder.path()).args(args)), &[words]);
    }
    assert_eq!(say(program(folder.path()).args(["nonsense"])).code, Some(2));
    assert_eq!(names(folder.path()), [""; 0]);
}

/// The correlation of BOLD signals is a matrix of its own: 1 on the diagonal, and not that of the activity.
#[test]
fn connectivity_of_bold_signals() {
    let folder = folder();
    let mut command = program(folder.path());
    let short = sets(&[
        "simulation.duration=22 s",
        "record.areas=[V1, V2, V4]",
        "record.every=50 ms",
    ]);
    let said = say(command
        .args(["run", "deco2014_rest", "-q", "--no-figure", "-o", "out.h5"])
        .args(short));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let correlation = |more: &[&str]| -> Vec<Vec<f64>> {
        let args = [&["fc", "out.h5", "--variable", "S_E", "--json"], more].concat();
        let json: serde_json::Value = serde_json::from_str(&done(folder.path(), &args)).unwrap();
        serde_json::from_value(json["correlation"].clone()).unwrap()
    };
    let plain = correlation(&[]);
    let bold = |preset: &str| correlation(&["--bold", preset, "--tr", "1000", "--after", "5000"]);
    let (rate, tau) = (bold("friston_rate"), bold("deco_tau"));
    for (k, row) in rate.iter().enumerate() {
        assert_eq!((row.len(), row[k]), (3, 1.0));
    }
    assert_ne!(rate[0][1], plain[0][1]);
    assert_ne!(rate[0][1], tau[0][1]);
    for (args, words) in [
        (
            ["--bold", "fristonrate", "--tr", "1000"],
            ["unknown preset", "did you mean"],
        ),
        (
            ["--bold", "deco_tau", "--tr", "1010"],
            ["--tr 1010 ms", "multiple of the sampling interval, 50 ms"],
        ),
        (
            ["--bold", "deco_tau", "--tr", "30000"],
            ["too few scans", "expected 2 or more"],
        ),
    ] {
        let mut command = program(folder.path());
        refused(
            &say(command
                .args(["fc", "out.h5", "--variable", "S_E"])
                .args(args)),
            &words,
        );
    }
}

/// Every command that the program lists, those of groups included.
fn commands() -> Vec<Vec<String>> {
    let listed = |path: &[String]| -> Vec<String> {
        let help = say(program(Path::new(".")).args(path).arg("--help")).out;
        let lines = help.lines().skip_while(|l| *l != "Commands:").skip(1);
        let entries = lines.take_while(|l| !l.is_empty());
        // A line that goes on is set in further.
        let entries = entries.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
        let names = entries.filter_map(|l| l.split_whitespace().next());
        names.filter(|n| *n != "help").map(str::to_owned).collect()
    };
    let mut all = Vec::new();
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let names = listed(&path);
        if names.is_empty() {
            all.push(path);
            continue;
        }
        open.extend(
            names
                .into_iter()
                .map(|name| [path.clone(), vec![name]].concat()),
        );
    }
    all
}

#[test]
fn every_command_answers_in_json() {
    let folder = folder();
    let short = sets(&SHORT);
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    done(
        folder.path(),
        &[&["run", PULSE, "-o", "out.h5"], &short[..]].concat(),
    );
    let rnn = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/configs/experiments/elman_ring.yaml"
    );
    let tried: [(&str, &[&str]); 24] = [
        ("run", &[PULSE, "--no-figure", "-o", "again.h5"]),
        ("rerun", &["out.h5"]),
        ("check", &[PULSE]),
        ("plan", &[PULSE]),
        ("timescales", &["out.h5"]),
        ("fc", &["out.h5"]),
        ("fcd", &["out.h5", "--window", "20", "--step", "10"]),
        ("spectra", &["out.h5", "--segment", "20"]),
        ("modes", &[PULSE]),
        ("report", &["out.h5"]),
        (
            "sweep",
            &[
                PULSE,
                "-o",
                "sweep.h5",
                "--set",
                "stimuli.pulse.amplitude=30 Hz,40 Hz",
            ],
        ),
        ("reproduce", &["stuart_landau"]),
        ("trials", &["elman_n_back", "-o", "trials"]),
        ("init", &["mine"]),
        ("circuits", &["jansen_rit"]),
        ("configs", &[PULSE]),
        ("completions", &["bash"]),
        ("man", &["pages"]),
        ("data list", &[]),
        ("data show", &["macaque-markov29"]),
        ("data check", &["macaque-markov29"]),
        (
            "data export",
            &["macaque-markov29", "--format", "npz", "-o", "d.npz"],
        ),
        ("rnn unroll", &[rnn]),
        ("rnn n-back", &[]),
    ];
    // Tried elsewhere or too slow: they go through the same door.
    let left = [
        "validate",
        "predict",
        "fit",
        "data import matrices",
        "data import tvb",
        "data import counts",
        "rnn import",
        "rnn hopfield",
    ];
    for path in commands() {
        let name = path.join(" ");
        let known = tried.iter().any(|(command, _)| *command == name) || left.contains(&&*name);
        assert!(known, "`{name}` is in no list of this test");
    }
    for (command, args) in tried {
        let takes_sets = ["run", "check", "plan", "sweep"].contains(&command);
        let words: Vec<&str> = command.split(' ').collect();
        let of_pulse: &[&str] = if takes_sets { &short } else { &[] };
        let out = done(
            folder.path(),
            &[&words, args, &["--json"], of_pulse].concat(),
        );
        let parsed = serde_json::from_str::<serde_json::Value>(&out);
        assert!(parsed.is_ok(), "{command}: {out}");
    }
    let said = say(program(folder.path()).args(["circuits", "jansen_rti", "--json"]));
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert!(
        error["error"].as_str().unwrap().contains("jansen_rit"),
        "{error}"
    );
}
