//! Input that nobody would write. Every parser is given what others wrote, changed at random: it must
//! answer, in time, without much memory, and never with a panic.
//!
//! Which input is the k-th of a target depends on nothing but k, so that what failed fails again. The
//! usual test takes some seconds; `ISOCORTEX_FUZZ_INPUTS=10000000` gives that many inputs instead, and
//! `ISOCORTEX_FUZZ_TARGETS=npy,mat` their part to some targets only.
//! An input that fails is left in `target/fuzz/` and named. Once mended, it goes into
//! `tests/fuzz/corpus/TARGET/`: all files there are tried first, as they are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use isocortex::connectome::import::{Merge, read_counts, read_matrix, read_tvb};
use isocortex::connectome::{self, Source};
use isocortex::record::{Checkpoint, Journal};
use isocortex::spec::bundled::CONFIGS;
use isocortex::spec::{self, ConfigLayers};
use isocortex::sweep::Finished;
use isocortex::units::Quantity;
use isocortex::{arrays, fit, network::Network, prediction, validation};

/// Counts the memory that is held, and the most there was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one input may take. A hang is found, slowness of a busy machine is not.
const LONGEST: Duration = Duration::from_secs(10);
const LARGEST: usize = 256 << 20;
/// Inputs grow by splicing up to this size.
const INPUT: usize = 64 << 10;
/// Inputs where no number is asked for: some seconds.
const USUAL: u64 = 20_000;

/// SplitMix64 (Steele, Lea & Flood 2014): small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Numbers and signs at the edges of what parsers know.
const EDGES: [&str; 40] = [
    "0",
    "-0",
    "-1",
    "1",
    "9223372036854775807",
    "18446744073709551616",
    "1e308",
    "1e309",
    "-1e309",
    "1e-320",
    "NaN",
    ".nan",
    "inf",
    "-.inf",
    "0x7f",
    "1_000",
    "null",
    "~",
    "true",
    "''",
    "\"",
    "[]",
    "{}",
    "[[[[",
    "}}",
    ": ",
    "- ",
    "&a",
    "*a",
    "!!",
    "|",
    ">",
    "#",
    "\t",
    "\r\n",
    "\u{feff}",
    "µ",
    "é/ü",
    "..",
    ",,",
];

/// Changes of a text or of bytes: edges put in, parts cut, doubled, moved, exchanged with another seed's, bits
/// flipped.
fn changed(seeds: &[Vec<u8>], words: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut it = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(it.len() + 1);
        let until = (at + chance.below(40)).min(it.len());
        match chance.below(10) {
            0 => drop(it.splice(at..until, chance.one_of(&EDGES).bytes())),
            1 => drop(it.splice(at..at, chance.one_of(&EDGES).bytes())),
            2 if !words.is_empty() => drop(it.splice(at..until, chance.one_of(words).bytes())),
            3 => drop(it.drain(at..until)),
            4 => {
                let part = it[at..until].to_vec();
                let to = chance.below(it.len() + 1);
                drop(it.splice(to..to, part));
            }
            5 => it.truncate(at),
            6 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                let end = (from + chance.below(400)).min(other.len());
                drop(it.splice(at..until, other[from..end].iter().copied()));
            }
            7 => exchange_lines(&mut it, chance),
            8 => exchange_number(&mut it, at, chance),
            _ => {
                if let Some(byte) = it.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
    it.truncate(INPUT);
    it
}

/// Two lines change places, or one comes twice.
fn exchange_lines(it: &mut Vec<u8>, chance: &mut Chance) {
    let mut lines: Vec<&[u8]> = it.split(|b| *b == b'\n').collect();
    let (a, b) = (chance.below(lines.len()), chance.below(lines.len()));
    if chance.below(2) == 0 {
        lines.swap(a, b);
    } else {
        lines.insert(a, lines[b]);
    }
    *it = lines.join(&b'\n');
}

/// The next number from a place on becomes one at an edge.
fn exchange_number(it: &mut Vec<u8>, at: usize, chance: &mut Chance) {
    let Some(first) = it[at..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let first = at + first;
    let of_number = |b: &u8| b.is_ascii_digit() || b".eE+-".contains(b);
    let rest = it[first..].iter().position(|b| !of_number(b));
    let end = rest.map_or(it.len(), |n| first + n);
    drop(it.splice(first..end, EDGES[chance.below(16)].bytes()));
}

/// What a parser is given to begin with.
type Seeds = Vec<Vec<u8>>;

/// A parser.
struct Target {
    name: &'static str,
    /// What it is given to begin with.
    seeds: Vec<Vec<u8>>,
    /// Words that mean something to it.
    words: &'static [&'static str],
    /// Its part of all inputs.
    share: u64,
    /// Gives it an input; a folder of its own to write to.
    run: fn(&Path, &[u8]),
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|t| t.as_bytes().to_vec()).collect()
}

/// Puts the input into a file, gives that to a reader.
fn in_file(folder: &Path, name: &str, input: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, input).unwrap();
    path
}

/// What is accepted means the same when it is written out in full and read again.
fn experiment(_: &Path, input: &[u8]) {
    if let Ok(spec) = spec::from_text("fuzz", &text(input), &[]) {
        let written = spec.config.canonical();
        let again = spec::from_text("again", &written, &[]).expect("what was accepted once");
        assert_eq!(again.config.canonical(), written);
        // Areas and links typed in place are built at once; data sets take longer than parsing.
        if written.len() < 4000 {
            let _ = Network::build(&spec);
        }
    }
}

fn sets(_: &Path, input: &[u8]) {
    let text = text(input);
    let base = "from: chaudhuri2015_v1_pulse\nanalysis: null\n";
    let _ = spec::from_text("fuzz", base, std::slice::from_ref(&text));
    if let Ok(mut layers) = ConfigLayers::of_text("fuzz", base) {
        let _ = layers.take_sweep(&[text]);
    }
}

fn design_of_sweep(_: &Path, input: &[u8]) {
    let text = format!("from: chaudhuri2015_v1_pulse\nsweep:\n{}", text(input));
    if let Ok(mut layers) = ConfigLayers::of_text("fuzz", &text) {
        let _ = layers.take_sweep(&[]);
    }
}

fn quantity(_: &Path, input: &[u8]) {
    if let Ok(q) = text(input).parse::<Quantity>() {
        let again: Quantity = q.to_string().parse().expect("what was printed");
        assert_eq!(again.to_string(), q.to_string());
    }
}

fn values(_: &Path, input: &[u8]) {
    let _ = spec::sweep::values(&text(input));
}

fn targets(_: &Path, input: &[u8]) {
    let text = text(input);
    let _ = validation::load("fuzz", &text);
    let _ = validation::load_recordings("fuzz", &text);
    let _ = prediction::load("fuzz", &text);
    let _ = fit::load("fuzz", &text);
}

/// A data folder in one text: `== NAME` begins a file.
fn data(folder: &Path, input: &[u8]) {
    let text = text(input);
    let set = folder.join("set");
    let _ = fs::remove_dir_all(&set);
    fs::create_dir(&set).unwrap();
    for part in text.split("== ").skip(1) {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        if ["manifest.yaml", "areas.csv", "fln.csv", "distance.csv"].contains(&name) {
            fs::write(set.join(name), content).unwrap();
        }
    }
    let source = Source::Folder(set);
    let report = connectome::check(&source);
    assert_eq!(report.is_ok(), connectome::load(&source).is_ok());
}

fn matrix(folder: &Path, input: &[u8]) {
    let _ = read_matrix(&in_file(folder, "m.csv", input));
    let _ = arrays::read(&in_file(folder, "a.csv", input), None);
    let _ = read_counts(&in_file(folder, "c.csv", input), Merge::MeanFln);
}

fn npy(folder: &Path, input: &[u8]) {
    let path = in_file(folder, "m.npy", input);
    let _ = read_matrix(&path);
    let _ = arrays::read(&path, None);
}

fn mat(folder: &Path, input: &[u8]) {
    let path = in_file(folder, "m.mat", input);
    let _ = arrays::read(&path, None);
    let _ = arrays::read(&path, Some("W"));
}

/// MATLAB's form of a full and of a sparse matrix, not compressed.
fn mats() -> Seeds {
    let words = |of: &[u32]| -> Vec<u8> { of.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let element = |kind: u32, data: &[u8]| {
        let mut out = words(&[kind, data.len() as u32]);
        out.extend(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    };
    let file = |class: u32, parts: &[Vec<u8>]| {
        let mut data = element(6, &words(&[class, 0]));
        data.extend(element(5, &words(&[2, 2])));
        data.extend(element(1, b"W"));
        data.extend(parts.concat());
        let mut out = b"MATLAB 5.0 MAT-file".to_vec();
        out.resize(124, b' ');
        out.extend([0, 1, b'I', b'M']);
        out.extend(element(14, &data));
        out
    };
    let doubles = |of: &[f64]| -> Vec<u8> { of.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let sparse = [
        element(5, &words(&[1, 0])),
        element(5, &words(&[0, 1, 2])),
        element(9, &doubles(&[0.5, 0.25])),
    ];
    let seeds = vec![
        file(6, &[element(9, &doubles(&[0.0, 0.5, 0.25, 0.0]))]),
        file(5, &sparse),
    ];
    let folder = tempfile::tempdir().unwrap();
    for seed in &seeds {
        let path = in_file(folder.path(), "m.mat", seed);
        let found = arrays::read(&path, Some("W")).unwrap();
        assert_eq!(found, ndarray::array![[0.0, 0.25], [0.5, 0.0]]);
    }
    seeds
}

fn archive(folder: &Path, input: &[u8]) {
    let _ = read_tvb(&in_file(folder, "t.zip", input));
    let _ = arrays::read(&in_file(folder, "a.npz", input), Some("fln"));
}

fn journal(folder: &Path, input: &[u8]) {
    let path = in_file(folder, "j.journal", input);
    if let Ok((mut journal, _)) = Journal::open(&path) {
        let keys: Vec<u64> = journal.keys().collect();
        for key in keys {
            if let Ok(Some(bytes)) = journal.read(key) {
                let _ = Finished::read(0, &bytes, 2);
            }
        }
    }
    let _ = fs::remove_file(&path);
    let _ = Checkpoint::read(&in_file(folder, "c.checkpoint", input));
    let _ = Finished::read(0, input, 2);
}

const DATA: &str = "\
== manifest.yaml
layout: 1
name: three
title: Three areas
areas: 3
orientation: {rows: target, columns: source}
publications:
  - {citation: nobody}
files:
  areas: {path: areas.csv}
  fln: {path: fln.csv}
  distance_mm: {path: distance.csv}
gradients:
  - {name: h, unit: dimensionless, description: height}
== areas.csv
area,h
a,0
b,0.5
c,1
== fln.csv
target,source,fln
a,b,0.5
b,a,0.25
c,b,0.125
== distance.csv
target,source,distance_mm
a,b,10
b,a,10
c,b,20
";

/// Files that this program writes, whose form nobody has to type.
fn written(folder: &Path) -> [Seeds; 3] {
    let path = folder.join("seed.journal");
    let mut it = Journal::create(&path, b"about").unwrap();
    for key in 0..3 {
        let finished = Finished {
            condition: key,
            failure: (key == 1).then(|| "why".to_owned()),
            values: vec![1.5, f64::NAN],
        };
        it.append(key as u64, &finished.bytes()).unwrap();
    }
    it.sync().unwrap();
    let mut journals = vec![fs::read(&path).unwrap()];
    let checkpoint = Checkpoint {
        about: [("configs".to_owned(), "abc".to_owned())].into(),
        samples: 7,
        blocks: vec![vec![1, 2, 3], vec![u64::MAX]],
    };
    let path = folder.join("seed.checkpoint");
    checkpoint.write(&path).unwrap();
    journals.push(fs::read(&path).unwrap());
    let three = folder.join("three");
    fs::create_dir(&three).unwrap();
    for part in DATA.split("== ").skip(1) {
        let (name, content) = part.split_once('\n').unwrap();
        fs::write(three.join(name), content).unwrap();
    }
    let set = connectome::load(&Source::Folder(three)).unwrap();
    let archives = vec![
        connectome::export::tvb_zip(&set).unwrap(),
        connectome::export::npz(&set),
    ];
    let mut header = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    header.extend(
        format!(
            "{:<117}\n",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }"
        )
        .bytes(),
    );
    header.extend(
        [0.5_f64, 1.0, -2.0, 0.0]
            .iter()
            .flat_map(|x| x.to_le_bytes()),
    );
    assert_eq!(header.len(), 128 + 32);
    [journals, archives, vec![header]]
}

fn all_targets(folder: &Path) -> Vec<Target> {
    let [journals, archives, npys] = written(folder);
    let configs = |part: &str| -> Vec<Vec<u8>> {
        let of = CONFIGS.iter().filter(|c| c.path.contains(part));
        // A text has no folder that paths begin from, but knows bundled configs by name.
        of.map(|c| {
            let named = c
                .text
                .replace("../models/", "")
                .replace("../experiments/", "");
            named
                .replace("../tasks/", "")
                .replace(".yaml", "")
                .into_bytes()
        })
        .collect()
    };
    let mut experiments = [
        configs("experiments/"),
        configs("models/"),
        configs("tasks/"),
    ]
    .concat();
    experiments.extend(bytes(&[
        "from: chaudhuri2015\nconnectome: {data: null, areas: {a: {hierarchy_norm: 0}, b: {hierarchy_norm: 1}}, links: [{to: a, from: b, weight: 0.5}]}\n",
        "title: t\nfrom: wilson_cowan\nperturbations: {x: {lesion: [V1]}}\nnoise: {n: {kind: ou, into: a_E, tau: 5 ms, sd: 0.1}}\n",
    ]));
    let whole = |seed: &&Vec<u8>| spec::from_text("seed", &text(seed), &[]).is_ok();
    let count = experiments.iter().filter(whole).count();
    assert!(
        2 * count > experiments.len(),
        "{count} of {} seeds are whole",
        experiments.len()
    );
    let tables = |all: &[(&str, &str)]| -> Vec<Vec<u8>> {
        all.iter()
            .map(|(_, text)| text.as_bytes().to_vec())
            .collect()
    };
    let yaml = &[
        "from: ",
        "title: ",
        "simulation: {duration: 1 ms, dt: 0.1 ms}",
        "areas: all",
        "areas: [V1]",
        "into: nu_E",
        "amplitude: 1 Hz",
        "onset: ",
        "offset: ",
        "replicates: ",
        "perturbations:",
        "lesion",
        "gradient",
        "scale",
        "sweep:",
        "grid",
        "sobol",
        "preset: ",
        "noise: null",
        "task: {from: ping}",
        "seed: ",
        "delay: ",
        "except: ",
        "hierarchy_norm",
        " pA/Hz",
        " ms",
        " mm/ms",
        "!include",
        "{{",
        "sd: ",
        "kind: white",
        "stepper: heun",
    ];
    let target = |name, seeds, words: &'static [&'static str], share, run| Target {
        name,
        seeds,
        words,
        share,
        run,
    };
    vec![
        target("experiment", experiments, yaml, 5, experiment),
        target(
            "sets",
            bytes(&[
                "stimuli.pulse.areas=[V1, \"9/46d\"]",
                "circuit.areas.9/46d.w_EE=24 pA/Hz",
                "noise.n={kind: white, into: drive_E, sd: 1 Hz}",
                "analysis=null",
                "simulation.dt=0.1..0.2 ms:3",
                "preset=printed,precise",
                "stimuli.\"a.b\".onset=1 ms",
            ]),
            yaml,
            5,
            sets,
        ),
        target(
            "sweep",
            bytes(&[
                "  grid: {stimuli.pulse.amplitude: 10..40 Hz:7, preset: [printed, precise]}\n",
                "  sobol: {of: {stimuli.pulse.amplitude: 10..40 Hz}, points: 8, seed: 3}\n",
                "  zip: {a: [1, 2], b: [3, 4]}\n",
                "  random: {x: 0..1}\n  keep: activity\n",
                "  csv: points.csv\n",
            ]),
            yaml,
            5,
            design_of_sweep,
        ),
        target(
            "quantity",
            bytes(&[
                "20 ms",
                "33.7 pA/Hz",
                "-0.5 nA",
                "1.0e-5 Hz",
                "0.1 Hz/ms",
                "3.5 mm/ms",
                "1",
                "5 1/ms",
                "2 nS*mV",
            ]),
            &["ms", "Hz", "pA", "/", "*", "^2", "µ", "s", " ", "mm", "1"],
            40,
            quantity,
        ),
        target(
            "values",
            bytes(&[
                "0..1:21",
                "10..40 Hz:7",
                "1..100:5:log",
                "0..1:5,10",
                "[a, b],{c: d}",
                "\"x,y\",z",
            ]),
            &["..", ":", ",", "log", "[", "]", "{", "}", "\"", "Hz", " "],
            35,
            values,
        ),
        target(
            "targets",
            [
                tables(validation::bundled()),
                tables(validation::bundled_recordings()),
                tables(prediction::bundled()),
                tables(fit::bundled()),
            ]
            .concat(),
            yaml,
            2,
            targets,
        ),
        target(
            "data",
            bytes(&[DATA]),
            &[
                "== fln.csv",
                "\n",
                ",",
                "target",
                "sha256: ",
                "sln",
                "a,b,1",
                "gradients:",
            ],
            1,
            data,
        ),
        target(
            "tables",
            bytes(&[
                ",a,b\na,0,0.5\nb,0.25,0\n",
                "0 0.5\n0.25 0\n",
                "1;2\n3;4\n",
                "target,source,supra,infra\na,b,3,1\nb,a,1,1\n",
                "target,source,injection,neurons\na,b,i1,10\na,c,i2,20\n",
            ]),
            &[
                ",",
                ";",
                "\n",
                "\t",
                "target",
                "source",
                "supra",
                "neurons",
                "\"",
                "injection",
            ],
            3,
            matrix,
        ),
        target(
            "npy",
            npys,
            &[
                "'<f8'",
                "'<f4'",
                "True",
                "(2, 2)",
                "(99999999999, 99999999999)",
                "|O",
                "\x01\x00",
            ],
            1,
            npy,
        ),
        target("mat", mats(), &["W", "MATLAB 7.3", "IM"], 2, mat),
        target(
            "archives",
            archives,
            &["PK\x03\x04", "weights.txt", "centres.txt", "fln.npy"],
            1,
            archive,
        ),
        target(
            "journals",
            journals,
            &["\0\0\0\0\0\0\0\x7f", "{\"about\":{}"],
            2,
            journal,
        ),
    ]
}

fn keep(name: &str, why: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}-{why}"));
    fs::write(&path, input).unwrap();
    path
}

/// How many inputs were begun, and the present one.
static AT: AtomicU64 = AtomicU64::new(0);
static CURRENT: Mutex<(&str, Vec<u8>)> = Mutex::new(("", Vec::new()));

/// Tries one input; what was wrong with it.
fn attempt(target: &Target, folder: &Path, input: &[u8]) -> Result<(), String> {
    *CURRENT.lock().unwrap() = (target.name, input.to_vec());
    AT.fetch_add(1, Ordering::Relaxed);
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(folder, input)));
    let (took, held) = (begun.elapsed(), MOST.load(Ordering::Relaxed) - before);
    let wrong = match outcome {
        Err(_) => "panic",
        Ok(()) if took > LONGEST => "slow",
        Ok(()) if held > LARGEST => "large",
        Ok(()) => return Ok(()),
    };
    let path = keep(target.name, wrong, input);
    Err(format!(
        "{}: {wrong} after {took:.1?} and {} MB, see {}",
        target.name,
        held >> 20,
        path.display()
    ))
}

/// Ends the process where an input takes for ever, with the input kept.
fn watch() {
    std::thread::spawn(|| {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = AT.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if now != u64::MAX && since.elapsed() > 6 * LONGEST {
                let (name, input) = &*CURRENT.lock().unwrap();
                eprintln!(
                    "{name}: no end, see {}",
                    keep(name, "hang", input).display()
                );
                std::process::exit(1);
            }
        }
    });
}

#[test]
fn no_input_breaks_a_parser() {
    let inputs = std::env::var("ISOCORTEX_FUZZ_INPUTS").map_or(USUAL, |n| {
        n.parse()
            .expect("ISOCORTEX_FUZZ_INPUTS: a number of inputs")
    });
    let folder = tempfile::tempdir().unwrap();
    let targets = all_targets(folder.path());
    let shares: u64 = targets.iter().map(|t| t.share).sum();
    watch();
    let mut wrong = Vec::new();
    let some = std::env::var("ISOCORTEX_FUZZ_TARGETS");
    let some: Option<Vec<&str>> =
        (some.as_ref().ok()).map(|s| s.split(',').map(str::trim).collect());
    for name in some.iter().flatten() {
        assert!(
            targets.iter().any(|t| t.name == *name),
            "no target `{name}`"
        );
    }
    let wanted = |t: &&Target| some.as_ref().is_none_or(|names| names.contains(&t.name));
    for target in targets.iter().filter(wanted) {
        let begun = Instant::now();
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(target.name);
        let mut kept: Vec<PathBuf> = fs::read_dir(corpus)
            .map(|files| files.map(|f| f.unwrap().path()).collect())
            .unwrap_or_default();
        kept.sort();
        let kept: Vec<Vec<u8>> = kept.iter().map(|p| fs::read(p).unwrap()).collect();
        for input in target.seeds.iter().chain(&kept) {
            wrong.extend(attempt(target, folder.path(), input).err());
        }
        let seeds = [&target.seeds[..], &kept].concat();
        let count = inputs * target.share / shares;
        let mut done = 0;
        while done < count && wrong.len() < 10 {
            let mut chance = Chance(done ^ (target.name.len() as u64) << 56);
            let input = changed(&seeds, target.words, &mut chance);
            wrong.extend(attempt(target, folder.path(), &input).err());
            done += 1;
        }
        println!(
            "{:<11} {done:>9} inputs in {:.1?}",
            target.name,
            begun.elapsed()
        );
    }
    AT.store(u64::MAX, Ordering::Relaxed);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Result files are read by a library in C: what it does with damaged ones is seen from outside. A process
/// that ends by itself, with an error in words or an answer, is right. The library is not proof against every
/// damage: 1.10.8 frees what it has not allocated where links of a group were overwritten, and turns in
/// circles where a heap was (the latter is looked for before). One in ten may end so, none by a panic of ours.
#[test]
fn no_damage_of_a_result_file_ends_the_program() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_isocortex");
    let asked = std::env::var("ISOCORTEX_FUZZ_INPUTS").ok();
    let count: u64 = asked.map_or(60, |n| n.parse::<u64>().unwrap() / 10_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.h5");
    let made = std::process::Command::new(PROGRAM)
        .args(["run", "wilson_cowan_limit_cycle", "--quiet", "--no-figure"])
        .args([
            "--set",
            "simulation.duration=50 ms",
            "--set",
            "analysis=null",
            "-o",
        ])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let whole = fs::read(&path).unwrap();
    let mut ended = Vec::new();
    for k in 0..count {
        let mut chance = Chance(k ^ 0xF5);
        let mut input = whole.clone();
        match k % 3 {
            0 => input.truncate(chance.below(whole.len())),
            1 => {
                let at = chance.below(whole.len() - 64);
                (0..64).for_each(|i| input[at + i] = chance.next() as u8);
            }
            _ => {
                for _ in 0..8 {
                    let at = chance.below(whole.len());
                    input[at] ^= 1 << chance.below(8);
                }
            }
        }
        let damaged = folder.path().join("damaged.h5");
        fs::write(&damaged, &input).unwrap();
        let command = ["fc", "report", "timescales"][chance.below(3)];
        // One that does not end is ended, which leaves no exit code.
        let said = assert_cmd::Command::new(PROGRAM)
            .arg(command)
            .arg(&damaged)
            .timeout(LONGEST)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&said.stderr);
        let kept = || {
            keep("result", &format!("{k}"), &input)
                .display()
                .to_string()
        };
        match said.status.code() {
            Some(0 | 1) => {}
            None => ended.push(kept()),
            other => panic!("{command}: {other:?} {words}, see {}", kept()),
        }
    }
    println!("{count} damaged files, {} ended by a signal", ended.len());
    assert!(10 * ended.len() as u64 <= count, "{}", ended.join("\n"));
}
