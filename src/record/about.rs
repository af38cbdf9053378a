//! What unfinished work is about: whoever goes on with it has to say the same of itself.

use std::collections::BTreeMap;

/// Texts by name, such as the configs, digests of data sets, the version of the program.
pub type About = BTreeMap<String, String>;

/// Texts by name, and with which version of the program the work was begun.
#[must_use]
pub fn about<const N: usize>(of: [(&str, String); N]) -> About {
    let mut about: About = of.map(|(name, text)| (name.to_owned(), text)).into();
    let program = format!("{} {}", super::VERSION, super::COMMIT);
    about.insert("versions of the program".to_owned(), program);
    about
}

/// Names whose texts are others in `wanted` than in `found`; of a text of several lines with the first line that
/// differs and the keys above it.
#[must_use]
pub fn differing(found: &About, wanted: &About) -> Vec<String> {
    let differs = |(name, text): &(&String, &String)| found.get(*name) != Some(*text);
    let words = |(name, text): (&String, &String)| match found.get(name) {
        Some(found) if text.contains('\n') => {
            let (now, before) = first_difference(text, found);
            format!("{name} (first: now {now}, before {before})")
        }
        _ => name.clone(),
    };
    wanted.iter().filter(differs).map(words).collect()
}

fn first_difference(now: &str, before: &str) -> (String, String) {
    let lines = |text| str::lines(text).collect::<Vec<_>>();
    let (now, before) = (lines(now), lines(before));
    let same = now.iter().zip(&before).take_while(|(a, b)| a == b).count();
    (with_keys(&now, same), with_keys(&before, same))
}

/// A line of YAML after the keys that it stands under: `simulation.seed: 1`.
fn with_keys(lines: &[&str], at: usize) -> String {
    let Some(line) = lines.get(at) else {
        return "nothing".to_owned();
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut out = line.trim().to_owned();
    let mut depth = indent(line);
    for above in lines[..at].iter().rev() {
        if indent(above) < depth && above.ends_with(':') {
            depth = indent(above);
            out = format!("{}.{out}", above.trim().trim_end_matches(':'));
        }
    }
    format!("`{out}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_its_line() {
        let about = |config: &str, version: &str| -> About {
            [("configs", config), ("version", version)]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into()
        };
        let config = "noise:\n  e:\n    sd: 1 Hz\nsimulation:\n  dt: 0.2 ms\n  seed: 1\n";
        let before = about(config, "1");
        assert!(differing(&before, &before).is_empty());
        let other = about(&config.replace("seed: 1", "seed: 2"), "2");
        assert_eq!(
            differing(&before, &other),
            [
                "configs (first: now `simulation.seed: 2`, before `simulation.seed: 1`)",
                "version"
            ]
        );
        let deep = about(&config.replace("1 Hz", "2 Hz"), "1");
        assert!(differing(&before, &deep)[0].contains("now `noise.e.sd: 2 Hz`"));
        let shorter = about(&config.replace("  seed: 1\n", ""), "1");
        assert!(differing(&before, &shorter)[0].contains("now nothing"));
        assert_eq!(differing(&About::new(), &before).len(), 2);
    }
}
