//! Puts into the program the commit it was built from and the configs under `configs/`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    commit();
    configs();
}

fn commit() {
    // A path that does not exist would count as changed at every build.
    for path in [".git/HEAD", ".git/index"] {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    println!(
        "cargo::rustc-env=ISOCORTEX_COMMIT={}",
        described().unwrap_or_else(|| "unknown".into())
    );
}

/// The commit of this repository, with `-dirty` where the tree differs from it.
fn described() -> Option<String> {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        (out.status.success() && !text.is_empty()).then_some(text)
    };
    // A copy of the sources inside another repository must not claim that one's commit.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").ok()?);
    if top.canonicalize().ok()? != here.canonicalize().ok()? {
        return None;
    }
    git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ])
}

/// Writes a list of every `configs/*/*.yaml`, models first, for `spec::bundled` to include; designs
/// of predictions and fits are not experiments, and `prediction` and `fit` list them.
fn configs() {
    println!("cargo::rerun-if-changed=configs");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut paths = Vec::new();
    let folders = entries(&root.join("configs"));
    let is_none = |f: &PathBuf| f.ends_with("predictions") || f.ends_with("fits");
    for folder in folders.iter().filter(|f| !is_none(f)) {
        for file in entries(folder) {
            if file.extension().is_some_and(|e| e == "yaml") {
                let path = file.strip_prefix(&root).expect("it lies below the root");
                paths.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    paths.sort_by_key(|p| (!p.starts_with("configs/models/"), p.clone()));
    let mut list = String::from("&[\n");
    for path in &paths {
        let full = root.join(path);
        list += &format!("    BundledConfig {{ path: {path:?}, text: include_str!({full:?}) }},\n");
    }
    list += "]\n";
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("configs.rs"), list).expect("the build folder can be written");
}

/// What a folder holds, sorted by name.
fn entries(path: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(path).map(|e| e.flatten().map(|e| e.path()).collect());
    let mut paths: Vec<PathBuf> = found.unwrap_or_default();
    paths.sort();
    paths
}
