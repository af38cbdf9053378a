//! Starting other programs, and where the workspace lies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The folders of the checkout.
pub struct Workspace {
    /// Where the top `Cargo.toml` is.
    pub root: PathBuf,
    /// Where cargo puts what it builds; xtask keeps its tools there too.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the workspace from what cargo tells a program that it runs.
    pub fn find() -> Result<Self, String> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .ancestors()
            .nth(2)
            .filter(|root| root.join("Cargo.toml").is_file())
            .ok_or_else(|| format!("no workspace above {}", manifest.display()))?
            .to_path_buf();
        // target/debug/xtask: right for CARGO_TARGET_DIR and `build.target-dir` as well.
        let target = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent()?.parent().map(Path::to_path_buf))
            .unwrap_or_else(|| root.join("target"));
        Ok(Self { root, target })
    }

    /// The cargo that runs us, in the root, without the variables that describe xtask itself: with
    /// them build scripts would see another environment than under a plain `cargo build`.
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Standard output of a command that succeeds, trimmed; `None` if it cannot start or fails.
pub fn output(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Option<String> {
    let out = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    out.status.success().then_some(text)
}

/// Does something with all items, two at a time; what came of each, in their order.
pub fn in_pairs<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut out = Vec::new();
        while let Some((k, item)) = {
            let k = next.fetch_add(1, Ordering::Relaxed);
            items.get(k).map(|item| (k, item))
        } {
            out.push((k, work(item)));
        }
        out
    };
    let mut all = std::thread::scope(|scope| {
        let other = scope.spawn(worker);
        let mut all = worker();
        match other.join() {
            Ok(others) => all.extend(others),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        all
    });
    all.sort_by_key(|(k, _)| *k);
    all.into_iter().map(|(_, of)| of).collect()
}

/// Runs a command to its end, and prints what it said when it is over.
pub fn run_quietly(mut command: Command) -> Result<(), String> {
    let line = describe(&command);
    let said = command.stdin(Stdio::null()).output();
    let said = said.map_err(|error| format!("`{line}` did not start: {error}"))?;
    // In one piece, for others may print, too.
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    println!("{text}");
    match said.status.success() {
        true => Ok(()),
        false => Err(format!("`{line}` ended with {}", said.status)),
    }
}

/// Runs a command to its end and turns failure into a message.
pub fn run(mut command: Command) -> Result<(), String> {
    let line = describe(&command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}")),
        Err(error) => Err(format!("`{line}` did not start: {error}")),
    }
}

/// Becomes the command, so that Ctrl-C and exit codes go to it directly.
#[cfg(unix)]
pub fn replace(mut command: Command) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(format!("`{}` did not start: {error}", describe(&command)))
}

/// Runs the command and ends with its exit code.
#[cfg(not(unix))]
pub fn replace(mut command: Command) -> Result<(), String> {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => Err(format!("`{}` did not start: {error}", describe(&command))),
    }
}

/// The command as a person would type it.
pub fn describe(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a program of this name lies on `PATH`.
pub fn on_path(name: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path)
        .any(|dir| dir.join(name).is_file() || dir.join(format!("{name}.exe")).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order() {
        let items: Vec<u64> = (0..9).collect();
        let slow_first = |x: &u64| {
            std::thread::sleep(std::time::Duration::from_millis(10 - x));
            10 * x
        };
        let expected: Vec<u64> = (0..9).map(|x| 10 * x).collect();
        assert_eq!(in_pairs(&items, slow_first), expected);
        assert_eq!(in_pairs(&[] as &[u64], slow_first), [0_u64; 0]);
    }
}
