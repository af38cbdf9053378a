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
    let out = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let out = out.ok().filter(|o| o.status.success());
    let commit = out.map_or("unknown".to_owned(), |o| {
        String::from_utf8_lossy(&o.stdout).trim().to_owned()
    });
    println!("cargo::rustc-env=ISOCORTEX_COMMIT={commit}");
}

/// Writes a list of every `configs/*/*.yaml`, models first, for `spec::bundled` to include.
fn configs() {
    println!("cargo::rerun-if-changed=configs");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut paths = Vec::new();
    for folder in folders(&root.join("configs")) {
        for file in folders(&folder) {
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
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).map(|e| e.flatten().map(|e| e.path()).collect());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
    paths.sort();
    paths
}
