//! A YAML document as typed: a tree whose every key and value remembers where it stands.
//!
//! Scalars stay text until a typed field asks for them, so that the area names `2`, `10` and `8l`
//! survive, and so that layers can be merged before anything is interpreted.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_yaml::Spanned;

/// A text that YAML was read from: a file, a bundled config, or a `--set` argument.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// What to call it in messages.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in a source text.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    /// The text.
    pub source: Arc<SourceText>,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line, self.column)
    }
}

impl Location {
    /// The line of the source with a caret under the column, for terminal messages.
    #[must_use]
    pub fn snippet(&self) -> String {
        let Some(line) = self.source.text.lines().nth(self.line.saturating_sub(1)) else {
            return format!("  --> {self}");
        };
        let gutter = self.line.to_string();
        let pad = " ".repeat(gutter.len());
        let (line, before) = window(line, self.column.saturating_sub(1));
        let caret = " ".repeat(before);
        format!("{pad} --> {self}\n{pad} |\n{gutter} | {line}\n{pad} | {caret}^")
    }
}

/// The part of a line around a column that fits a terminal, and where the column is in it.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDEST: usize = 160;
    const BEFORE: usize = 60;
    let length = line.chars().count();
    if length <= WIDEST {
        return (line.to_owned(), column);
    }
    let first = column.saturating_sub(BEFORE).min(length - WIDEST);
    let mut shown: String = line.chars().skip(first).take(WIDEST).collect();
    let mut before = column - first;
    if first > 0 {
        shown.insert_str(0, "… ");
        before += 2;
    }
    if first + WIDEST < length {
        shown.push_str(" …");
    }
    (shown, before)
}

/// What a YAML parser says, in the words of a person who writes configs: the parser speaks of its
/// own options to people who write programs.
fn plain_words(message: &str) -> String {
    let after = |start: &str| message.strip_prefix(start);
    if let Some(rest) = after("duplicate mapping key: ") {
        let key = rest.split_once(", set ").map_or(rest, |(key, _)| key);
        return format!("duplicate key: found `{key}` again, expected it once");
    }
    if after("multiple YAML documents").is_some() {
        return "more than one document: found another after `---`, expected one".to_owned();
    }
    if let Some(rest) = after("non-finite float `") {
        let found = rest.split('`').next().unwrap_or_default();
        return format!("not finite: found `{found}`, expected a finite number");
    }
    if after("budget breached").is_some() || after("recursion limit").is_some() {
        return "too large: expected at most 250000 values, nested at most 64 deep".to_owned();
    }
    if after("expected string scalar").is_some() || after("cannot deserialize null").is_some() {
        return "not a key: found a list, a map or nothing, expected a name".to_owned();
    }
    message.to_owned()
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: `~`, `null` or empty. In a layer it removes what lies below.
    Null,
    /// Text as typed, with whether it was quoted.
    Scalar {
        /// The text without quotes.
        text: String,
        /// Whether quotes or a block style marked it as text.
        quoted: bool,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order typed.
    Map(Vec<(Key, Node)>),
}

/// A map key and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub at: Location,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// Where it stands.
    pub at: Location,
}

/// A text that is not YAML: message and place.
#[derive(Debug, Clone)]
pub struct SyntaxError {
    /// What the parser says.
    pub message: String,
    /// Where.
    pub at: Location,
}

impl Node {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// [`SyntaxError`] with line and column: bad YAML, duplicate keys, too many nodes.
    pub fn parse(name: &str, text: &str) -> Result<Node, Box<SyntaxError>> {
        let source = Arc::new(SourceText {
            name: name.to_owned(),
            text: text.to_owned(),
        });
        let raw: Spanned<Raw> = serde_yaml::from_str(text).map_err(|e| {
            let (line, column) = e.location().map_or((1, 1), |l| (l.line(), l.column()));
            let full = e.to_string();
            // The first line is the message; what follows is the parser's own picture of the place.
            let first = full.lines().next().unwrap_or_default();
            let message = first
                .split_once("column ")
                .and_then(|(_, rest)| rest.split_once(": "));
            Box::new(SyntaxError {
                message: plain_words(message.map_or(first, |(_, m)| m)),
                at: Location {
                    source: Arc::clone(&source),
                    line: line as usize,
                    column: column as usize,
                },
            })
        })?;
        Ok(raw_to_node(raw, &source))
    }

    /// An empty map at a place.
    #[must_use]
    pub fn empty_map(at: Location) -> Node {
        Node {
            value: Value::Map(Vec::new()),
            at,
        }
    }

    /// Key paths of maps at which a text stands, in the order typed.
    #[must_use]
    pub fn paths_of(&self, text: &str) -> Vec<String> {
        let Value::Map(entries) = &self.value else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (key, child) in entries {
            let key = path_segment(&key.text);
            if child.text() == Some(text) {
                out.push(key.to_string());
            }
            let below = child.paths_of(text).into_iter();
            out.extend(below.map(|path| format!("{key}.{path}")));
        }
        out
    }

    /// The child under `key`, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Map(entries) => entries
                .iter_mut()
                .find(|(k, _)| k.text == key)
                .map(|(_, v)| v),
            _ => None,
        }
    }

    /// Whether a text occurs in a scalar of this node.
    #[must_use]
    pub fn contains(&self, part: &str) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Scalar { text, .. } => text.contains(part),
            Value::Seq(items) => items.iter().any(|n| n.contains(part)),
            Value::Map(entries) => entries.iter().any(|(_, n)| n.contains(part)),
        }
    }

    /// Puts a text in the place of another in every scalar.
    pub fn replace(&mut self, part: &str, by: &str) {
        match &mut self.value {
            Value::Null => {}
            Value::Scalar { text, .. } => *text = text.replace(part, by),
            Value::Seq(items) => items.iter_mut().for_each(|n| n.replace(part, by)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, n)| n.replace(part, by)),
        }
    }

    /// A map with this node under one key.
    #[must_use]
    pub fn under(self, key: &str) -> Node {
        let mut parent = Node::empty_map(self.at.clone());
        let key = Key {
            text: key.to_owned(),
            at: self.at.clone(),
        };
        parent.put(key, self);
        parent
    }

    /// The child under `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Takes the child under `key` out of a map.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        let i = entries.iter().position(|(k, _)| k.text == key)?;
        Some(entries.remove(i).1)
    }

    /// Puts a child under `key` of a map, replacing what was there.
    pub fn put(&mut self, key: Key, child: Node) {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        if let Value::Map(entries) = &mut self.value {
            match entries.iter_mut().find(|(k, _)| k.text == key.text) {
                Some(entry) => *entry = (key, child),
                None => entries.push((key, child)),
            }
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Lays `over` on top: maps merge key by key, null removes, anything else replaces.
    pub fn merge(&mut self, over: Node) {
        match (&mut self.value, over.value) {
            (Value::Map(_), Value::Map(entries)) => {
                for (key, child) in entries {
                    if child.value == Value::Null {
                        self.take(&key.text);
                        continue;
                    }
                    if let Value::Map(mine) = &mut self.value
                        && let Some((k, below)) = mine.iter_mut().find(|(k, _)| k.text == key.text)
                    {
                        *k = key;
                        below.merge(child);
                    } else {
                        self.put(key, child.without_nulls());
                    }
                }
            }
            (_, value) => *self = Node { value, at: over.at }.without_nulls(),
        }
    }

    /// Drops null entries of maps: there is nothing below that they could remove.
    fn without_nulls(mut self) -> Node {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|(_, v)| v.value != Value::Null);
            for (_, v) in entries.iter_mut() {
                let child = std::mem::replace(
                    v,
                    Node {
                        value: Value::Null,
                        at: v.at.clone(),
                    },
                );
                *v = child.without_nulls();
            }
        }
        self
    }

    /// The node at a key path of maps, if it is there.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Node> {
        let segments = split_path(path)?;
        segments.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Where a key path such as `stimuli.pulse.areas[0]` stands, or its nearest ancestor that exists.
    #[must_use]
    pub fn locate(&self, path: &str) -> Location {
        let mut node = self;
        let mut at = self.at.clone();
        for segment in split_path(path).unwrap_or_default() {
            match &node.value {
                Value::Map(entries) => {
                    let Some((_, child)) = entries.iter().find(|(k, _)| k.text == segment) else {
                        return at;
                    };
                    at = child.at.clone();
                    node = child;
                }
                Value::Seq(items) => {
                    let Some(child) = segment.parse::<usize>().ok().and_then(|i| items.get(i))
                    else {
                        return at;
                    };
                    at = child.at.clone();
                    node = child;
                }
                _ => return at,
            }
        }
        at
    }
}

/// Splits `a.b[2]."c.d"` into its segments; quotes protect dots and brackets in names.
#[must_use]
pub fn split_path(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut had_quotes = false;
    for c in path.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                had_quotes = true;
            }
            '.' | '[' | ']' if !quoted => {
                if !current.is_empty() || had_quotes {
                    segments.push(std::mem::take(&mut current));
                    had_quotes = false;
                }
            }
            _ => current.push(c),
        }
    }
    if !current.is_empty() || had_quotes {
        segments.push(current);
    }
    (!quoted && !segments.is_empty()).then_some(segments)
}

/// Quotes a name for use as one segment of a key path.
#[must_use]
pub fn path_segment(name: &str) -> String {
    if name.is_empty() || name.contains(['.', '[', ']']) {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

/// What serde sees before positions are resolved.
enum Raw {
    Scalar(String),
    Null,
    Seq(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;
        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any YAML value")
            }
            // Numbers and booleans are read back from the source text, which keeps `1e3` and `010`.
            fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
                Ok(Raw::Scalar(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
                Ok(Raw::Scalar(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
                Ok(Raw::Scalar(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
                Ok(Raw::Scalar(v.to_string()))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
                Ok(Raw::Scalar(v.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::Seq(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(RawVisitor)
    }
}

fn raw_to_node(raw: Spanned<Raw>, source: &Arc<SourceText>) -> Node {
    let place = |l: serde_yaml::Location| Location {
        source: Arc::clone(source),
        line: (l.line() as usize).max(1),
        column: (l.column() as usize).max(1),
    };
    // An alias `*a` means the text of its anchor; messages still point at the alias.
    let span = byte_range(raw.defined);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Scalar(read) => {
            let typed = source.text.get(span).unwrap_or_default();
            let quoted = typed.starts_with(['"', '\'', '|', '>']) || typed.contains('\n');
            // A plain scalar stands in the source as it is meant; a quoted one was unescaped.
            let plain = !quoted && !typed.is_empty();
            Value::Scalar {
                text: if plain { typed.trim().to_owned() } else { read },
                quoted,
            }
        }
        Raw::Seq(items) => Value::Seq(items.into_iter().map(|i| raw_to_node(i, source)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(k, v)| {
                    let key = Key {
                        text: k.value,
                        at: place(k.referenced),
                    };
                    (key, raw_to_node(v, source))
                })
                .collect(),
        ),
    };
    Node {
        value,
        at: place(raw.referenced),
    }
}

fn byte_range(location: serde_yaml::Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(u64::MAX) as usize;
    let length = span.byte_len().unwrap_or(0) as usize;
    start..start.saturating_add(length)
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => s.serialize_unit(),
            Value::Scalar {
                text,
                quoted: false,
            } if text == "true" => s.serialize_bool(true),
            Value::Scalar {
                text,
                quoted: false,
            } if text == "false" => s.serialize_bool(false),
            Value::Scalar {
                text,
                quoted: false,
            } => match text.parse::<i64>() {
                Ok(n) if n.to_string() == *text => s.serialize_i64(n),
                _ => s.serialize_str(text),
            },
            Value::Scalar { text, .. } => s.serialize_str(text),
            Value::Seq(items) => s.collect_seq(items),
            Value::Map(entries) => {
                let mut map = s.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&key.text, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::parse("test.yaml", text).unwrap()
    }

    #[test]
    fn scalars_stay_as_typed() {
        let n = node("areas: [2, 10, 9/46d, 8l, 1e3, 010, '10', no]\n");
        let Value::Seq(items) = &n.get("areas").unwrap().value else {
            panic!("a list")
        };
        let texts: Vec<_> = items.iter().map(|i| i.text().unwrap()).collect();
        assert_eq!(texts, ["2", "10", "9/46d", "8l", "1e3", "010", "10", "no"]);
        assert_eq!((items[2].at.line, items[2].at.column), (1, 16));
    }

    #[test]
    fn errors_have_a_place() {
        let e = Node::parse("t", "a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!((e.at.line, e.at.column), (3, 1));
        assert!(e.message.starts_with("duplicate"), "{}", e.message);
        assert_eq!(Node::parse("t", "a: [1\nb: 2\n").unwrap_err().at.line, 2);
    }

    #[test]
    fn aliases_and_merges_mean_their_anchors() {
        let n = node("a: &a 1e3 ms\nb: *a\nc: &c {x: 010, y: '2'}\nd:\n  <<: *c\n  y: 3\n");
        assert_eq!(n.get("b").unwrap().text(), Some("1e3 ms"));
        assert_eq!(n.get("b").unwrap().at.line, 2);
        let d = n.get("d").unwrap();
        assert_eq!(d.get("x").unwrap().text(), Some("010"));
        assert_eq!(d.get("y").unwrap().text(), Some("3"));
    }

    #[test]
    fn messages_are_for_people_and_fit_a_terminal() {
        let said = |text: &str| Node::parse("t", text).unwrap_err().message;
        assert!(said("a: 1\na: 2\n").ends_with("found `a` again, expected it once"));
        assert!(said("a: 1\n---\nb: 2\n").starts_with("more than one document"));
        assert!(said("a: .inf\n").contains("found `.inf`, expected a finite number"));
        assert!(said(&format!("a: {}", "[".repeat(1000))).starts_with("too large"));
        assert!(said("[a]: 1\n").starts_with("not a key"));
        let long = Node::parse("t", &format!("a: {} ]", "x".repeat(100_000))).unwrap();
        assert!(long.locate("a").snippet().len() < 400);
        let line = format!("{}é", "x".repeat(300));
        let (shown, at) = window(&line, 300);
        assert_eq!(shown.chars().nth(at), Some('é'));
        assert_eq!(window("short", 3), ("short".to_owned(), 3));
    }

    #[test]
    fn layers_merge_and_null_removes() {
        let mut base = node("a: {x: 1, y: 2}\nb: [1, 2]\nc: 3\n");
        base.merge(node("a: {y: 5, z: ~}\nb: [9]\nc: ~\nd: {e: ~, f: 1}\n"));
        let text = serde_yaml::to_string(&base).unwrap();
        let expected = node("a: {x: 1, y: 5}\nb: [9]\nd: {f: 1}\n");
        assert_eq!(text, serde_yaml::to_string(&expected).unwrap());
    }

    #[test]
    fn paths() {
        assert_eq!(
            split_path("a.b[2].\"c.d\"").unwrap(),
            ["a", "b", "2", "c.d"]
        );
        assert_eq!(split_path("stimuli.9/46d").unwrap(), ["stimuli", "9/46d"]);
        assert!(split_path("").is_none() && split_path("a.\"b").is_none());
        assert_eq!(split_path(&path_segment("Pro.St.")).unwrap(), ["Pro.St."]);
        let n = node("a:\n  b: [x, y]\n");
        assert_eq!(n.locate("a.b[1]").column, 10);
        assert_eq!(n.locate("a.b[7].c").column, 6);
    }

    #[test]
    fn serialised_text_reads_back() {
        let n =
            node("a: '10'\nb: 10\nc: true\nd: 'no'\ne: 1e-5\nf: |\n  two\n  lines\ng: 'a: b'\n");
        let text = serde_yaml::to_string(&n).unwrap();
        let again = node(&text);
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            assert_eq!(
                again.get(key).unwrap().text(),
                n.get(key).unwrap().text(),
                "{key}\n{text}"
            );
        }
    }
}
