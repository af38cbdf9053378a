//! "Did you mean": names close to a mistyped one.

/// Longest name, in characters, for which suggestions are sought.
const LONGEST: usize = 64;
/// Most suggestions given.
const MOST: usize = 3;

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// The known names nearest to `found`, if they are near enough to be meant: one, or up to three that
/// are equally near. The case of letters does not count.
#[must_use]
pub fn close_names<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<char> = found.to_lowercase().chars().collect();
    if wanted.len() > LONGEST {
        return Vec::new();
    }
    let limit = (wanted.len() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let other: Vec<char> = name.to_lowercase().chars().collect();
            if other.len().abs_diff(wanted.len()) > limit {
                return None;
            }
            let edits = distance(&wanted, &other);
            (edits <= limit).then_some((edits, name))
        })
        .collect();
    near.sort_unstable();
    let nearest = near.first().map_or(0, |(edits, _)| *edits);
    near.into_iter()
        .take_while(|(edits, _)| *edits == nearest)
        .take(MOST)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// `; did you mean `x` or `y`?` or nothing: the end of an error message.
#[must_use]
pub fn hint(close: &[String]) -> String {
    if close.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = close.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

/// [`hint`] of [`close_names`].
#[must_use]
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    hint(&close_names(found, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_not() {
        let keys = ["duration", "dt", "stepper", "seed"];
        assert_eq!(close_names("duraton", keys), ["duration"]);
        assert_eq!(close_names("sede", keys), ["seed"]);
        assert_eq!(close_names("Stepper", keys), ["stepper"]);
        assert!(close_names("amplitude", keys).is_empty());
        assert_eq!(close_names("8L", ["8m", "8l"]), ["8l"]);
        assert_eq!(close_names("8I", ["8m", "8l", "46d"]), ["8l", "8m"]);
        assert!(close_names(&"x".repeat(5000), keys).is_empty());
        assert_eq!(did_you_mean("sed", keys), "; did you mean `seed`?");
        assert_eq!(did_you_mean("amplitude", keys), "");
    }
}
