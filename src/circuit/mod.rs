//! Local circuits: one file each, and the registry. Nothing here knows areas, noise or time loops.
//!
//! A circuit is a table (parameters, variables, inputs, each with unit and meaning) and an
//! equation written once over [`Lanes`]. The macro `local_circuit!` makes from the table the
//! structs whose fields the equation reads, so that `x.nu_E` in the code is `nu_E` in the paper.

use crate::lanes::{Lanes, Trace};

#[cfg(test)]
mod facts;

/// A parameter of a circuit.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Name in YAML and in the equations.
    pub name: &'static str,
    /// Unit of its value, in canonical units.
    pub unit: &'static str,
    /// Meaning.
    pub doc: &'static str,
}

/// A variable of a circuit.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Name in YAML and in the equations, e.g. `nu_E`.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Meaning.
    pub doc: &'static str,
    /// The quantity, shared by populations, e.g. `nu`.
    pub quantity: &'static str,
    /// The population, e.g. `E`.
    pub population: &'static str,
    /// Smallest value that makes sense.
    pub min: f64,
    /// Largest value that makes sense.
    pub max: f64,
}

/// An input that stimuli, noise and projections may reach.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Name in YAML and in the equations.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Meaning.
    pub doc: &'static str,
}

/// Everything about a circuit but its equation.
#[derive(Debug, Clone, Copy)]
pub struct CircuitInfo {
    /// Registry name, as in `circuit.name`.
    pub name: &'static str,
    /// One line.
    pub title: &'static str,
    /// Publication.
    pub citation: &'static str,
    /// DOI of the publication.
    pub doi: &'static str,
    /// Parameters, in the order of the struct: first the time constants, then the others.
    pub parameters: &'static [Parameter],
    /// How many of the parameters are time constants (in ms).
    pub time_constants: usize,
    /// Variables: first the states, then the algebraic ones.
    pub variables: &'static [Variable],
    /// How many of the variables are states.
    pub states: usize,
    /// Inputs.
    pub inputs: &'static [Input],
    /// Variables that a projection may send.
    pub sent: &'static [&'static str],
    /// Updates within a step as the authors' code orders them: each stage updates its variables
    /// from what the stages before it left. One stage is the synchronous order.
    pub published_order: &'static [&'static [&'static str]],
    /// What can be solved for so that the baseline is a fixed point: parameters by
    /// [`LocalCircuit::background`], states that are not sent by [`LocalCircuit::rest`]; empty if nothing can.
    pub background: &'static [&'static str],
}

impl CircuitInfo {
    /// Index of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<usize> {
        self.variables.iter().position(|v| v.name == name)
    }

    /// Index of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|p| p.name == name)
    }

    /// Index of an input.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|i| i.name == name)
    }

    /// Unit of a variable; that of a pure number if there is no such variable.
    #[must_use]
    pub fn unit(&self, name: &str) -> &'static str {
        self.variable(name).map_or("1", |v| self.variables[v].unit)
    }

    /// Whether the published order differs from the synchronous one: one stage without algebraic
    /// variables is the same.
    #[must_use]
    pub const fn has_stages(&self) -> bool {
        self.published_order.len() > 1 || self.variables.len() > self.states
    }

    /// The variables that a stage of the published order updates, a bit each; none where there is no
    /// such stage. Known to the compiler, which leaves out of a stage what it does not need.
    #[must_use]
    pub const fn updated_in(&self, stage: usize) -> u128 {
        let (mut bits, mut v) = (0, 0);
        while stage < self.published_order.len() && v < self.variables.len() {
            let names = self.published_order[stage];
            let mut n = 0;
            while n < names.len() {
                if same(names[n], self.variables[v].name) {
                    bits |= 1 << v;
                }
                n += 1;
            }
            v += 1;
        }
        bits
    }
}

/// `a == b` where the compiler computes it.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Whether each variable reads an input when it is updated: a state in its derivative, an algebraic
/// variable in its value.
#[must_use]
pub fn reads_inputs<C: LocalCircuit>() -> Vec<bool> {
    let traced = updates::<C, Trace>(Trace(false), Trace(true));
    traced.into_iter().map(|t| t.0).collect()
}

/// What each variable is updated by, a state by its derivative, where all parameters and variables have
/// one value and all inputs another.
fn updates<C: LocalCircuit, L: Lanes>(value: L, input: L) -> Vec<L> {
    let info = C::INFO;
    let p = C::Parameters::from_values(&vec![value; info.parameters.len()]);
    let i = C::Inputs::read(&vec![input; info.inputs.len()]);
    let mut x = C::Variables::read(&vec![value; info.variables.len()]);
    let drift = C::drift(&p, &x, &i);
    C::algebraic(&p, &mut x, &i);
    let (states, variables) = (info.states, info.variables.len());
    let derivatives = (0..states).map(|v| drift.get(v));
    derivatives
        .chain((states..variables).map(|v| x.get(v)))
        .collect()
}

/// Numbers by their place in a circuit's table. A trait and not a closure, which compilers leave out
/// of line, and without the vector instructions of the caller, where it is used many times.
pub trait Numbered<L> {
    /// The number at a place.
    fn number(&self, at: usize) -> L;
}

/// A struct of lanes that is laid out as a slice: fields in the order of the circuit's table.
pub trait Fields<L: Lanes>: Copy {
    /// Number of fields.
    const COUNT: usize;

    /// Reads the fields from a slice of length `COUNT`.
    fn read(slice: &[L]) -> Self;

    /// Makes the fields by their place.
    fn from_numbers(values: &impl Numbered<L>) -> Self;

    /// The fields, in the order of the table.
    fn as_slice(&self) -> &[L];

    /// The field of a number.
    #[inline(always)]
    fn get(&self, at: usize) -> L {
        self.as_slice()[at]
    }

    /// Writes the fields to a slice of length `COUNT`.
    #[inline(always)]
    fn write(&self, slice: &mut [L]) {
        slice.copy_from_slice(self.as_slice());
    }
}

/// Parameters as a struct of lanes. Time constants are [`Tau`](crate::lanes::Tau)s, which divide at the price of a
/// product.
pub trait ParameterFields<L: Lanes>: Copy {
    /// Reads the parameters from a slice in the order of the table, time constants in ms.
    fn from_values(values: &[L]) -> Self;

    /// The same by place in the table, time constants as rates in 1/ms.
    fn from_rates(values: &impl Numbered<L>) -> Self;

    /// Writes the parameters to a slice in the order of the table, time constants in ms.
    fn write_values(&self, values: &mut [L]);
}

/// The equation of a local circuit.
pub trait LocalCircuit: Copy + Default + Send + Sync + 'static {
    /// The table.
    const INFO: CircuitInfo;
    /// Parameters as a struct.
    type Parameters<L: Lanes>: ParameterFields<L>;
    /// Variables as a struct: states, then algebraic variables.
    type Variables<L: Lanes>: Fields<L>;
    /// Inputs as a struct.
    type Inputs<L: Lanes>: Fields<L>;

    /// Sets the algebraic variables from states, parameters and inputs.
    #[inline(always)]
    fn algebraic<L: Lanes>(
        _p: &Self::Parameters<L>,
        _x: &mut Self::Variables<L>,
        _i: &Self::Inputs<L>,
    ) {
    }

    /// Time derivative of the states, [unit of the variable / ms]; algebraic fields are ignored.
    ///
    /// May read algebraic variables, which are up to date. No branch on a variable: select.
    fn drift<L: Lanes>(
        p: &Self::Parameters<L>,
        x: &Self::Variables<L>,
        i: &Self::Inputs<L>,
    ) -> Self::Variables<L>;

    /// Rate of the linear decay of each state, [1/ms], which the exponential Euler stepper takes
    /// exactly: the drift is -leak x + what does not decay. 0 for a state without such a term.
    ///
    /// Algebraic fields are ignored. Without a definition every rate is 0, and the exponential
    /// stepper is Euler's.
    fn leak<L: Lanes>(_p: &Self::Parameters<L>) -> Self::Variables<L> {
        Self::Variables::read(&vec![L::splat(0.0); Self::INFO.variables.len()])
    }

    /// Sets the states that [`CircuitInfo::background`] names so that they rest, from the other states and
    /// under the inputs `i`; before [`LocalCircuit::background`], and without its parameters.
    fn rest(_p: &Self::Parameters<f64>, _x: &mut Self::Variables<f64>, _i: &Self::Inputs<f64>) {}

    /// Sets the background parameters so that `x` is a fixed point under the inputs `i`.
    ///
    /// Only called when [`CircuitInfo::background`] is not empty.
    fn background(
        _p: &mut Self::Parameters<f64>,
        _x: &Self::Variables<f64>,
        _i: &Self::Inputs<f64>,
    ) {
    }
}

/// Seconds in a millisecond: rates are in Hz while times are in ms.
const S_PER_MS: f64 = 1e-3;

/// The rate function phi(I; a, b, d) = x/(1 - e^(-d x)), x = a I - b, of Abbott & Chance (2005) [Hz], of a
/// current [pA] with a in Hz/pA, b in Hz and d in ms.
#[inline(always)]
fn abbott_chance<L: Lanes>(current: L, a: L, b: L, d: L) -> L {
    (a * current - b).x_over_one_minus_exp(d * L::splat(S_PER_MS))
}

/// Makes the table and the three structs of a circuit from one list.
///
/// ```text
/// local_circuit! {
///     /// Paper, equations.
///     Name { name: "…", title: "…", citation: "…", doi: "…",
///            sent: ["nu_E"], published_order: [["nu_E", "nu_I"]], background: ["I_0E"] }
///     time_constants { tau_E => "meaning"; … }
///     parameters { w_EE: "pA/Hz" => "meaning"; … }
///     states { nu_E: "Hz", "nu" of "E", 0.0..INFINITY => "meaning"; … }
///     algebraic { … }
///     inputs { I_E: "pA" => "meaning"; … }
/// }
/// ```
macro_rules! local_circuit {
    (
        $(#[$doc:meta])*
        $circuit:ident {
            name: $name:literal,
            title: $title:literal,
            citation: $citation:literal,
            doi: $doi:literal,
            sent: [$($sent:literal),*],
            published_order: [$([$($stage:literal),*]),*],
            background: [$($background:literal),*] $(,)?
        }
        time_constants { $($t:ident => $t_doc:literal;)* }
        parameters { $($p:ident: $p_unit:literal => $p_doc:literal;)* }
        states { $($x:ident: $x_unit:literal, $x_q:literal of $x_pop:literal, $x_min:literal..$x_max:expr => $x_doc:literal;)* }
        algebraic { $($y:ident: $y_unit:literal, $y_q:literal of $y_pop:literal, $y_min:literal..$y_max:expr => $y_doc:literal;)* }
        inputs { $($i:ident: $i_unit:literal => $i_doc:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $circuit;

        $crate::circuit::parameters!({ $($t: $t_doc;)* } { $($p: $p_unit, $p_doc;)* });
        $crate::circuit::fields!("Variables of the circuit: states, then algebraic ones." Variables { $($x: $x_unit, $x_doc;)* $($y: $y_unit, $y_doc;)* });
        $crate::circuit::fields!("Inputs of the circuit." Inputs { $($i: $i_unit, $i_doc;)* });

        impl $circuit {
            /// The table of this circuit.
            const TABLE: $crate::circuit::CircuitInfo = $crate::circuit::CircuitInfo {
                name: $name,
                title: $title,
                citation: $citation,
                doi: $doi,
                parameters: &[
                    $($crate::circuit::Parameter { name: stringify!($t), unit: "ms", doc: $t_doc },)*
                    $($crate::circuit::Parameter { name: stringify!($p), unit: $p_unit, doc: $p_doc },)*
                ],
                time_constants: <[&str]>::len(&[$(stringify!($t)),*]),
                variables: &[
                    $($crate::circuit::Variable { name: stringify!($x), unit: $x_unit, doc: $x_doc, quantity: $x_q, population: $x_pop, min: $x_min, max: $x_max },)*
                    $($crate::circuit::Variable { name: stringify!($y), unit: $y_unit, doc: $y_doc, quantity: $y_q, population: $y_pop, min: $y_min, max: $y_max },)*
                ],
                states: [$(stringify!($x)),*].len(),
                inputs: &[$($crate::circuit::Input { name: stringify!($i), unit: $i_unit, doc: $i_doc }),*],
                sent: &[$($sent),*],
                published_order: &[$(&[$($stage),*]),*],
                background: &[$($background),*],
            };
        }
    };
}

/// The struct of the parameters.
macro_rules! parameters {
    ({ $($t:ident: $t_doc:literal;)* } { $($p:ident: $p_unit:literal, $p_doc:literal;)* }) => {
        /// Parameters of the circuit.
        #[derive(Debug, Clone, Copy)]
        pub struct Parameters<L> {
            $(#[doc = concat!($t_doc, " [ms]")] pub $t: $crate::lanes::Tau<L>,)*
            $(#[doc = concat!($p_doc, " [", $p_unit, "]")] pub $p: L,)*
        }

        impl<L: $crate::lanes::Lanes> $crate::circuit::ParameterFields<L> for Parameters<L> {
            fn from_values(values: &[L]) -> Self {
                let mut next = values.iter().copied();
                let mut value = || next.next().expect("a slice with one value a parameter");
                Parameters {
                    $($t: $crate::lanes::Tau::new(value()),)*
                    $($p: value(),)*
                }
            }

            #[inline(always)]
            fn from_rates(values: &impl $crate::circuit::Numbered<L>) -> Self {
                let mut at = 0;
                Parameters {
                    $($t: { at += 1; $crate::lanes::Tau::from_rate(values.number(at - 1)) },)*
                    $($p: { at += 1; values.number(at - 1) },)*
                }
            }

            fn write_values(&self, values: &mut [L]) {
                let all = [$(L::splat(1.0) / self.$t.rate(),)* $(self.$p),*];
                values.copy_from_slice(&all);
            }
        }
    };
}
use parameters;

/// A struct of lanes with its slice layout.
macro_rules! fields {
    ($doc:literal $name:ident { $($field:ident: $unit:literal, $field_doc:literal;)* }) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub struct $name<L> {
            $(#[doc = concat!($field_doc, " [", $unit, "]")] pub $field: L,)*
        }

        impl<L: $crate::lanes::Lanes> $crate::circuit::Fields<L> for $name<L> {
            const COUNT: usize = [$(stringify!($field)),*].len();

            #[inline(always)]
            fn read(slice: &[L]) -> Self {
                assert!(slice.len() >= Self::COUNT);
                // SAFETY: the struct is `COUNT` fields of type `L`, in order, and the slice is as long.
                unsafe { *slice.as_ptr().cast::<Self>() }
            }

            #[inline(always)]
            fn from_numbers(values: &impl $crate::circuit::Numbered<L>) -> Self {
                let mut at = 0;
                $name { $($field: { at += 1; values.number(at - 1) },)* }
            }

            #[inline(always)]
            fn as_slice(&self) -> &[L] {
                // SAFETY: the struct is `COUNT` fields of type `L`, in order.
                unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), Self::COUNT) }
            }
        }
    };
}
use fields;

/// Makes the registry: an enum of the circuits, their tables, and the dispatch to their types.
macro_rules! registry {
    ($($module:ident::$variant:ident),* $(,)?) => {
        $(#[allow(non_snake_case, reason = "the symbols of the paper")] mod $module;)*

        /// A circuit of the registry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum CircuitKind {
            $(#[allow(missing_docs, reason = "documented by its table")] $variant,)*
        }

        /// Every circuit.
        pub const CIRCUITS: &[CircuitKind] = &[$(CircuitKind::$variant),*];

        impl CircuitKind {
            /// The table of the circuit.
            #[must_use]
            pub const fn info(self) -> &'static CircuitInfo {
                match self {
                    $(CircuitKind::$variant => &const { $module::$variant::INFO },)*
                }
            }

            /// Calls `visitor` with the type of the circuit.
            pub fn visit<V: CircuitVisitor>(self, visitor: V) -> V::Output {
                match self {
                    $(CircuitKind::$variant => visitor.visit::<$module::$variant>(),)*
                }
            }
        }
    };
}

/// Something that is done for one circuit type: the bridge from a name to compiled equations.
pub trait CircuitVisitor {
    /// What comes out.
    type Output;

    /// Does it.
    fn visit<C: LocalCircuit>(self) -> Self::Output;
}

// The line of a circuit: its file and its type. The files see `local_circuit!` because they come
// after it.
registry! {
    chaudhuri2015::Chaudhuri2015,
    chaudhuri2015_nonlinear::Chaudhuri2015Nonlinear,
    deco2013::Deco2013,
    deco2014::Deco2014,
    ding2024_thalamus::Ding2024Thalamus,
    froudist_walsh2021::FroudistWalsh2021,
    froudist_walsh2021_reward::FroudistWalsh2021Reward,
    froudist_walsh2021_stp::FroudistWalsh2021Stp,
    jansen_rit::JansenRit,
    leaky_rnn::LeakyRnn,
    mejias_wang2022::MejiasWang2022,
    mejias_wang2022_reduced::MejiasWang2022Reduced,
    montbrio_pazo_roxin::MontbrioPazoRoxin,
    stuart_landau::StuartLandau,
    wilson_cowan::WilsonCowan,
    wong_wang2006::WongWang2006,
}

impl CircuitKind {
    /// The circuit of that registry name.
    #[must_use]
    pub fn find(name: &str) -> Option<CircuitKind> {
        CIRCUITS.iter().copied().find(|c| c.info().name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Dual;
    use crate::units::Unit;

    /// What traces and dual numbers say of each variable: whether it reads inputs.
    struct Reads;

    impl CircuitVisitor for Reads {
        type Output = (Vec<bool>, Vec<bool>);

        fn visit<C: LocalCircuit>(self) -> Self::Output {
            let duals = updates::<C, Dual>(Dual::new(0.7, 0.0), Dual::new(0.7, 1.0));
            let slopes = duals.into_iter().map(|d| d.slope != 0.0);
            (reads_inputs::<C>(), slopes.collect())
        }
    }

    #[test]
    fn stages_know_their_variables_and_whether_they_read_inputs() {
        for kind in CIRCUITS {
            let info = kind.info();
            for (n, stage) in info.published_order.iter().enumerate() {
                for (v, variable) in info.variables.iter().enumerate() {
                    let updated = info.updated_in(n) >> v & 1 == 1;
                    assert_eq!(updated, stage.contains(&variable.name), "{}", variable.name);
                }
            }
            let (traced, sloped) = kind.visit(Reads);
            for (v, variable) in info.variables.iter().enumerate() {
                assert!(traced[v] || !sloped[v], "{}", variable.name);
            }
            assert!(traced.contains(&true), "{}", info.name);
        }
    }

    #[test]
    fn tables_are_complete_and_consistent() {
        for (n, kind) in CIRCUITS.iter().enumerate() {
            let info = kind.info();
            assert_eq!(
                CircuitKind::find(info.name),
                Some(*kind),
                "duplicate name at {n}"
            );
            assert!(info.doi.starts_with("10."), "{}: doi", info.name);
            let names = |what: &str, names: Vec<&str>| {
                let mut unique = names.clone();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), names.len(), "{}: duplicate {what}", info.name);
            };
            names(
                "parameter",
                info.parameters.iter().map(|p| p.name).collect(),
            );
            names("variable", info.variables.iter().map(|v| v.name).collect());
            names("input", info.inputs.iter().map(|i| i.name).collect());
            let units = info.parameters.iter().map(|p| (p.unit, p.doc));
            let units = units.chain(info.variables.iter().map(|v| (v.unit, v.doc)));
            for (unit, doc) in units.chain(info.inputs.iter().map(|i| (i.unit, i.doc))) {
                let parsed: Unit = unit.parse().unwrap();
                assert_eq!(
                    parsed.factor, 1.0,
                    "{}: `{unit}` is not canonical",
                    info.name
                );
                assert!(!doc.is_empty());
            }
            let staged: Vec<&str> = info.published_order.concat();
            for v in info.variables {
                assert!(v.min < v.max && v.name == format!("{}_{}", v.quantity, v.population));
                let times = staged.iter().filter(|s| **s == v.name).count();
                assert_eq!(times, 1, "{}: {} in the published order", info.name, v.name);
            }
            let states = &info.variables[..info.states];
            assert!(
                info.sent
                    .iter()
                    .all(|s| states.iter().any(|v| v.name == *s))
            );
            let taus = info.parameters[..info.time_constants].iter();
            assert!(taus.clone().all(|p| p.name.starts_with("tau")));
            // Stimuli and noise name inputs and variables in one breath.
            assert!(info.inputs.iter().all(|i| info.variable(i.name).is_none()));
            // What is solved is a parameter, or a state on which the solution of other areas does not depend.
            for solved in info.background {
                let own = info.variable(solved).is_some_and(|v| v < info.states);
                let own = own && !info.sent.contains(solved);
                assert!(own || info.parameter(solved).is_some(), "{solved}");
            }
        }
    }
}
