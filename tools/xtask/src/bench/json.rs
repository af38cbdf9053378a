//! One flat JSON object: as much of the format as the lines of a benchmark use.

/// A value in a [`Line`].
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
}

/// Names and values of an object, in the order they came.
#[derive(Clone, Debug)]
pub struct Line(Vec<(String, Value)>);

impl Line {
    /// Reads one object; `None` if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text.trim());
        reader.take('{')?;
        let mut out = Vec::new();
        if reader.take('}').is_none() {
            loop {
                let name = reader.text()?;
                reader.take(':')?;
                out.push((name, reader.value()?));
                if reader.take(',').is_none() {
                    break;
                }
            }
            reader.take('}')?;
        }
        reader.0.is_empty().then_some(Self(out))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// A number; NaN if there is none of that name.
    pub fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Number(x)) => *x,
            _ => f64::NAN,
        }
    }

    /// A text; empty if there is none of that name.
    pub fn text(&self, name: &str) -> String {
        match self.get(name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The numbers of a list; empty if there is none of that name.
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let Some(Value::List(list)) = self.get(name) else {
            return Vec::new();
        };
        let number = |value: &Value| match value {
            Value::Number(x) => *x,
            _ => f64::NAN,
        };
        list.iter().map(number).collect()
    }
}

/// What is still to be read.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn take(&mut self, c: char) -> Option<()> {
        self.0 = self.0.trim_start();
        self.0 = self.0.strip_prefix(c)?;
        self.0 = self.0.trim_start();
        Some(())
    }

    fn text(&mut self) -> Option<String> {
        self.0 = self.0.trim_start().strip_prefix('"')?;
        let mut out = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(out);
                }
                '\\' => match chars.next()?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'u' => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok()?;
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    other => out.push(other),
                },
                other => out.push(other),
            }
        }
        None
    }

    fn value(&mut self) -> Option<Value> {
        if self.0.starts_with('"') {
            return self.text().map(Value::Text);
        }
        if self.take('[').is_some() {
            let mut list = Vec::new();
            if self.take(']').is_some() {
                return Some(Value::List(list));
            }
            loop {
                list.push(self.value()?);
                if self.take(',').is_none() {
                    self.take(']')?;
                    return Some(Value::List(list));
                }
            }
        }
        let end = self
            .0
            .find(|c: char| ",]}".contains(c) || c.is_whitespace())
            .unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        match word {
            "null" => Some(Value::Null),
            "true" => Some(Value::Flag(true)),
            "false" => Some(Value::Flag(false)),
            // Rust reads what Python writes for numbers that are not finite.
            number => number.parse().ok().map(Value::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = r#"{"a": 1.5e-3, "b": "x \"y\" \u00e9", "c": [1, -2.5], "d": [], "e": true, "f": null}"#;
        let line = Line::parse(text).expect("an object");
        assert!((line.number("a") - 1.5e-3).abs() < 1e-18);
        assert_eq!(line.text("b"), "x \"y\" é");
        assert_eq!(line.numbers("c"), [1.0, -2.5]);
        assert!(line.numbers("d").is_empty());
        assert_eq!(line.flag("e"), Some(true));
        assert_eq!(line.get("f"), Some(&Value::Null));
        assert!(line.number("absent").is_nan());
        for bad in ["", "hello", "[1]", "{\"a\": }", "{\"a\": 1} x"] {
            assert!(Line::parse(bad).is_none(), "{bad}");
        }
    }
}
