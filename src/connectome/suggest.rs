//! "Did you mean": names close to a mistyped one.

/// Longest name, in characters, for which suggestions are sought.
const LONGEST: usize = 64;
/// Most suggestions given.
const MOST: usize = 3;

/// Up to three of `candidates` close to `name`, the closest first; names that differ in the case of
/// letters only come before all others.
pub(super) fn close_names<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    if wanted.len() > LONGEST {
        return Vec::new();
    }
    let limit = (wanted.len() / 3).max(1);
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let other: Vec<char> = candidate.to_lowercase().chars().collect();
            if other.len().abs_diff(wanted.len()) > limit {
                return None;
            }
            let distance = edits(&wanted, &other);
            (distance <= limit).then_some((distance, candidate))
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .take(MOST)
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

/// Number of insertions, deletions and replacements that turn `a` into `b` (Levenshtein 1966).
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// ` (did you mean `a`, `b`?)`, or nothing when there is no suggestion.
pub(super) fn did_you_mean(close: &[String]) -> String {
    if close.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = close.iter().map(|name| format!("`{name}`")).collect();
    format!(" (did you mean {}?)", quoted.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(edits(&chars(""), &chars("V1")), 2);
        assert_eq!(edits(&chars("9/46d"), &chars("9/46v")), 1);
    }

    #[test]
    fn case_comes_first_and_far_names_never() {
        assert_eq!(close_names("prom", ["PBr", "ProM", "STPr"])[0], "ProM");
        assert_eq!(close_names("8I", ["8l", "V1", "9/46d"]), ["8l"]);
        assert!(close_names("hippocampus", ["V1", "V2"]).is_empty());
        assert!(close_names(&"x".repeat(500), ["x"]).is_empty());
    }

    #[test]
    fn sentence() {
        assert_eq!(did_you_mean(&[]), "");
        assert_eq!(
            did_you_mean(&["8l".into(), "8m".into()]),
            " (did you mean `8l` or `8m`?)"
        );
    }
}
