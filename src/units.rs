//! Quantities with units as a person types them, turned once into canonical units.
//!
//! Canonical units are ms, Hz, pA, mV and mm; inside the program every number is a plain `f64` in
//! those units. Rate (Hz) and time (ms) are kept as separate base dimensions because that is how
//! the field writes its equations: `gamma * r` has `r` in Hz while `dt / tau` is in ms.

use std::fmt;
use std::str::FromStr;

/// Names of the base dimensions, in the order of [`Dimension`]'s exponents, with the canonical unit.
const BASES: [(&str, &str); 5] = [
    ("time", "ms"),
    ("rate", "Hz"),
    ("current", "pA"),
    ("voltage", "mV"),
    ("length", "mm"),
];

/// Unit symbols that may be typed: (symbol, factor to canonical, base index, exponent).
const SYMBOLS: [(&str, f64, usize, i8); 19] = [
    ("us", 1e-3, 0, 1),
    ("ms", 1.0, 0, 1),
    ("s", 1e3, 0, 1),
    ("min", 60e3, 0, 1),
    ("h", 3600e3, 0, 1),
    ("Hz", 1.0, 1, 1),
    ("kHz", 1e3, 1, 1),
    ("mHz", 1e-3, 1, 1),
    ("pA", 1.0, 2, 1),
    ("nA", 1e3, 2, 1),
    ("uA", 1e6, 2, 1),
    ("uV", 1e-3, 3, 1),
    ("mV", 1.0, 3, 1),
    ("V", 1e3, 3, 1),
    ("um", 1e-3, 4, 1),
    ("mm", 1.0, 4, 1),
    ("cm", 10.0, 4, 1),
    ("m", 1e3, 4, 1),
    ("1", 1.0, 0, 0),
];

/// A physical dimension: integer exponents of time, rate, current, voltage and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dimension([i8; 5]);

impl Dimension {
    /// A pure number.
    pub const NONE: Self = Self([0; 5]);
    /// Time, canonical unit ms.
    pub const TIME: Self = Self([1, 0, 0, 0, 0]);
    /// Rate, canonical unit Hz.
    pub const RATE: Self = Self([0, 1, 0, 0, 0]);
    /// Current, canonical unit pA.
    pub const CURRENT: Self = Self([0, 0, 1, 0, 0]);
    /// Length, canonical unit mm.
    pub const LENGTH: Self = Self([0, 0, 0, 0, 1]);

    /// The dimension of a quotient.
    #[must_use]
    pub fn per(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    /// What a person would call it: `time`, `current/rate`, `number`.
    #[must_use]
    pub fn describe(self) -> String {
        self.write(|i| BASES[i].0, "number without unit")
    }

    /// The canonical unit, e.g. `pA/Hz`; `1` for a pure number.
    #[must_use]
    pub fn canonical_unit(self) -> String {
        self.write(|i| BASES[i].1, "1")
    }

    fn write(self, name: impl Fn(usize) -> &'static str, none: &str) -> String {
        let part = |positive: bool| {
            let mut out = Vec::new();
            for (i, &e) in self.0.iter().enumerate() {
                if e != 0 && (e > 0) == positive {
                    let n = e.unsigned_abs();
                    out.push(if n == 1 {
                        name(i).to_owned()
                    } else {
                        format!("{}^{n}", name(i))
                    });
                }
            }
            out
        };
        let (up, down) = (part(true), part(false));
        match (up.is_empty(), down.is_empty()) {
            (true, true) => none.to_owned(),
            (false, true) => up.join("*"),
            (true, false) => format!("1/{}", down.join("/")),
            (false, false) => format!("{}/{}", up.join("*"), down.join("/")),
        }
    }
}

/// A unit as typed: its dimension and the factor that takes it to the canonical unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// Multiply a typed number by this to get canonical units.
    pub factor: f64,
    /// The dimension.
    pub dimension: Dimension,
}

/// A number in canonical units, with its dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// Value in the canonical unit of `dimension`.
    pub value: f64,
    /// The dimension.
    pub dimension: Dimension,
}

/// What is wrong with a typed quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The leading number cannot be read.
    #[error("not a quantity: found `{found}`, expected a number and a unit such as `20 ms`")]
    NotANumber {
        /// The text.
        found: String,
    },
    /// A unit symbol is unknown.
    #[error("unknown unit `{symbol}` in `{found}`, expected a combination of {known}")]
    UnknownUnit {
        /// The symbol.
        symbol: String,
        /// The whole text.
        found: String,
        /// Symbols that exist.
        known: String,
    },
    /// The dimension is not the wanted one.
    #[error("wrong unit: found `{found}` ({found_dimension}), expected a {expected} (in {unit})")]
    WrongDimension {
        /// What was typed.
        found: String,
        /// Its dimension in words.
        found_dimension: String,
        /// Wanted dimension in words.
        expected: String,
        /// Canonical unit of the wanted dimension.
        unit: String,
    },
    /// Infinite or NaN.
    #[error("not finite: found `{found}`, expected a finite number")]
    NotFinite {
        /// The text.
        found: String,
    },
}

/// Highest power of a unit: no quantity of the field has more.
const HIGHEST: u8 = 4;

impl FromStr for Unit {
    type Err = UnitError;

    /// Reads `ms`, `pA/Hz`, `mm/ms`, `Hz*ms`, `ms^2`. The empty text is the pure number.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut unit = Unit {
            factor: 1.0,
            dimension: Dimension::NONE,
        };
        let mut sign = 1_i8;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = rest.find(['*', '/', ' ']).unwrap_or(rest.len());
            let (symbol, exponent) = match rest[..end].split_once('^') {
                Some((s, e)) => (
                    s,
                    e.parse::<i8>()
                        .ok()
                        .filter(|e| (1..=HIGHEST as i8).contains(e)),
                ),
                None => (&rest[..end], Some(1)),
            };
            let known = SYMBOLS.iter().find(|(s, ..)| *s == symbol);
            let (Some((_, factor, base, e)), Some(exponent)) = (known, exponent) else {
                return Err(UnitError::UnknownUnit {
                    symbol: rest[..end].to_owned(),
                    found: text.trim().to_owned(),
                    known: SYMBOLS.map(|s| s.0).join(" "),
                });
            };
            // `1/s` is how rates are typed too, but it stays a time to the power -1: asking for Hz
            // where a rate is wanted keeps the two from being mixed up by a factor of 1000.
            let power = sign * exponent;
            unit.factor *= factor.powi(i32::from(power));
            // Far from any dimension of the field at either end, so never mistaken for one.
            let exponent = &mut unit.dimension.0[*base];
            *exponent = exponent.saturating_add(e * power);
            rest = rest[end..].trim_start();
            if let Some(next) = rest.strip_prefix('/') {
                (sign, rest) = (-1, next.trim_start());
            } else if let Some(next) = rest.strip_prefix('*') {
                (sign, rest) = (1, next.trim_start());
            } else {
                sign = 1;
            }
        }
        // What is accepted can be printed and read again.
        if unit.dimension.0.iter().any(|e| e.unsigned_abs() > HIGHEST) {
            return Err(UnitError::UnknownUnit {
                symbol: text.trim().to_owned(),
                found: text.trim().to_owned(),
                known: SYMBOLS.map(|s| s.0).join(" "),
            });
        }
        Ok(unit)
    }
}

impl FromStr for Quantity {
    type Err = UnitError;

    /// Reads `20 ms`, `33.7 pA/Hz`, `-0.5nA`, `0.68`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let not_a_number = || UnitError::NotANumber {
            found: text.to_owned(),
        };
        // The number ends where the unit begins; `e` is an exponent only before a digit or sign.
        let bytes = text.as_bytes();
        let mut end = 0;
        while end < bytes.len() {
            let c = bytes[end];
            let exponent = matches!(c, b'e' | b'E')
                && end > 0
                && bytes
                    .get(end + 1)
                    .is_some_and(|n| n.is_ascii_digit() || matches!(n, b'+' | b'-'));
            let sign =
                matches!(c, b'+' | b'-') && (end == 0 || matches!(bytes[end - 1], b'e' | b'E'));
            if c.is_ascii_digit() || c == b'.' || exponent || sign {
                end += 1;
            } else {
                break;
            }
        }
        let number: f64 = text[..end].parse().map_err(|_| not_a_number())?;
        let unit: Unit = text[end..].parse()?;
        let value = number * unit.factor;
        if !value.is_finite() {
            return Err(UnitError::NotFinite {
                found: text.to_owned(),
            });
        }
        Ok(Quantity {
            value,
            dimension: unit.dimension,
        })
    }
}

impl Quantity {
    /// A pure number.
    #[must_use]
    pub const fn number(value: f64) -> Self {
        Self {
            value,
            dimension: Dimension::NONE,
        }
    }

    /// The value in canonical units if the dimension is that of a unit, such as `Hz`.
    ///
    /// # Errors
    /// [`UnitError::WrongDimension`] otherwise; a unit that is none.
    pub fn in_unit_of(self, unit: &str) -> Result<f64, UnitError> {
        self.expect(unit.parse::<Unit>()?.dimension)
    }

    /// The value in canonical units if the dimension is the wanted one.
    ///
    /// # Errors
    /// [`UnitError::WrongDimension`] otherwise.
    pub fn expect(self, wanted: Dimension) -> Result<f64, UnitError> {
        if self.dimension == wanted {
            return Ok(self.value);
        }
        Err(UnitError::WrongDimension {
            found: self.to_string(),
            found_dimension: self.dimension.describe(),
            expected: wanted.describe(),
            unit: wanted.canonical_unit(),
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dimension == Dimension::NONE {
            write!(f, "{}", self.value)
        } else {
            write!(f, "{} {}", self.value, self.dimension.canonical_unit())
        }
    }
}

impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A number as it was meant: without the last digits, where round-off stands, such as a time that is a product of
/// steps.
#[must_use]
pub fn rounded(x: f64) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let size = if x == 0.0 {
        0
    } else {
        x.abs().log10().floor() as i32
    };
    let digits = (11 - size).clamp(0, 12) as usize;
    let text = format!("{x:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_off_is_not_shown() {
        let shown: Vec<String> = [250.00000000000006, 0.1 + 0.2, 5000.0, -0.0, 1e7, f64::NAN]
            .map(rounded)
            .into();
        assert_eq!(shown, ["250", "0.3", "5000", "-0", "10000000", "–"]);
    }

    fn q(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_the_field_types() {
        assert_eq!(q("20 ms").expect(Dimension::TIME), Ok(20.0));
        assert_eq!(q("2.5 s").value, 2500.0);
        assert_eq!(q("-0.5nA").value, -500.0);
        assert_eq!(q("1e-5 Hz").value, 1e-5);
        assert_eq!(q("33.7 pA/Hz").dimension.canonical_unit(), "pA/Hz");
        assert_eq!(q("0.066 Hz/pA").dimension.describe(), "rate/current");
        assert_eq!(q("0.68"), Quantity::number(0.68));
        assert_eq!(q("3.5 m/s").value, 3.5);
        assert_eq!(q("3.5 m/s").dimension.canonical_unit(), "mm/ms");
        assert_eq!(q("2 ms^2").dimension.canonical_unit(), "ms^2");
    }

    #[test]
    fn round_trips_through_text() {
        for text in ["20 ms", "33.7 pA/Hz", "0.1 Hz", "0.68", "1 1/ms"] {
            assert_eq!(q(&q(text).to_string()), q(text), "{text}");
        }
    }

    #[test]
    fn refuses_with_found_and_expected() {
        let wrong = q("20 Hz").expect(Dimension::TIME).unwrap_err().to_string();
        assert!(
            wrong.contains("20 Hz") && wrong.contains("expected a time"),
            "{wrong}"
        );
        assert!(q("20").expect(Dimension::TIME).is_err());
        assert!(matches!(
            "20 mss".parse::<Quantity>(),
            Err(UnitError::UnknownUnit { .. })
        ));
        assert!(matches!(
            "abc".parse::<Quantity>(),
            Err(UnitError::NotANumber { .. })
        ));
        assert!(matches!(
            "".parse::<Quantity>(),
            Err(UnitError::NotANumber { .. })
        ));
        assert!(matches!(
            "1e999 ms".parse::<Quantity>(),
            Err(UnitError::NotFinite { .. })
        ));
        assert!("5 ms^9".parse::<Quantity>().is_err());
        let long = format!("1 ms{}", "*ms^4".repeat(60)).parse::<Quantity>();
        assert!(matches!(long, Err(UnitError::UnknownUnit { .. })));
        assert!("5 ms/".parse::<Quantity>().is_ok());
        assert!("é ms".parse::<Quantity>().is_err());
        assert!("5 é".parse::<Quantity>().is_err());
    }
}
