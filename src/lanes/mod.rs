//! The only arithmetic a circuit may use: one `f64`, several `f64` side by side, or a dual number.
//!
//! An equation written over [`Lanes`] runs unchanged as a scalar, as a vector of replicates or
//! areas, and as a [`Dual`] number that carries an exact derivative. `exp`, `exp_m1`, `ln`, `tanh`
//! and the rate functions are our own, made of operations that IEEE 754 fixes to the bit
//! (`+ - * /`, fused multiply–add, square root), so that every lane width gives the same bits on
//! every machine. Nothing here may be reassociated or contracted.

mod vectors;

use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Sub};

use vectors::power_of_two;
#[cfg(target_arch = "x86_64")]
pub(crate) use vectors::{Avx2, Avx512};
pub use vectors::{Isa, Portable, Vectors};

/// An array by lane, `each!(i => expression in i)`: a plain loop. `array::from_fn` would call a
/// closure, which compilers leave out of line, and without the vector instructions of the caller,
/// where it is long.
macro_rules! each {
    ($i:ident => $value:expr) => {{
        let mut lanes = [Default::default(); N];
        for ($i, lane) in lanes.iter_mut().enumerate() {
            *lane = $value;
        }
        lanes
    }};
}
pub(crate) use each;

/// A number, or several numbers stepped together, with the arithmetic of a circuit.
pub trait Lanes:
    Copy
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Div<Tau<Self>, Output = Self>
    + Neg<Output = Self>
{
    /// How many numbers are stepped together.
    const WIDTH: usize;

    /// Instruction sets that hot code over these lanes is compiled for.
    const ISAS: &'static [Isa];

    /// The same number in every lane.
    fn splat(x: f64) -> Self;

    /// The value in lane `i < WIDTH`.
    fn lane(&self, i: usize) -> f64;

    /// The value in a lane.
    ///
    /// # Safety
    /// `i < WIDTH`.
    #[inline(always)]
    unsafe fn lane_unchecked(&self, i: usize) -> f64 {
        // SAFETY: lanes lie in memory as their numbers, first of all.
        unsafe { *std::ptr::from_ref(self).cast::<f64>().add(i) }
    }

    /// Puts `x` in lane `i < WIDTH` (a dual number keeps its derivative part).
    fn set_lane(&mut self, i: usize, x: f64);

    /// Reads the lanes from a slice of at least `WIDTH` numbers.
    #[inline(always)]
    fn load(from: &[f64]) -> Self {
        let mut out = Self::splat(from[0]);
        for (i, &x) in from[..Self::WIDTH].iter().enumerate() {
            out.set_lane(i, x);
        }
        out
    }

    /// Writes the lanes to a slice of at least `WIDTH` numbers.
    #[inline(always)]
    fn store(&self, to: &mut [f64]) {
        for (i, x) in to[..Self::WIDTH].iter_mut().enumerate() {
            *x = self.lane(i);
        }
    }

    /// `self * a + b` rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// `if a > b { x } else { y }`, lane by lane, without a branch.
    fn select_gt(a: Self, b: Self, x: Self, y: Self) -> Self;

    /// 2^k of a number whose lowest mantissa bits hold k, as rounding by a large constant leaves them.
    fn power_of_two(self) -> Self;

    /// Square root.
    fn sqrt(self) -> Self;

    /// e^x, relative error below 1e-15 in the normal range; 0 below -708 and inf above 709.
    #[inline(always)]
    fn exp(self) -> Self {
        exp_of(self)
    }

    /// e^x - 1 without loss of digits near 0.
    #[inline(always)]
    fn exp_m1(self) -> Self {
        exp_m1_of(self)
    }

    /// 0 where the magnitude is below [`NEGLIGIBLE`], the value itself elsewhere; NaN is kept.
    fn flush(self) -> Self;

    /// `[x]_+ = max(x, 0)`: threshold-linear rectification. NaN is kept.
    #[inline(always)]
    fn rectify(self) -> Self {
        let zero = Self::splat(0.0);
        // Ordered so that NaN (for which every comparison is false) passes through.
        Self::select_gt(zero, self, zero, self)
    }

    /// Hyperbolic tangent.
    #[inline(always)]
    fn tanh(self) -> Self {
        let limit = Self::splat(20.0); // tanh(20) = 1 - 8e-18, which rounds to 1
        let x = Self::select_gt(self, limit, limit, self);
        let x = Self::select_gt(-limit, x, -limit, x);
        let e = (x + x).exp_m1();
        e / (e + Self::splat(2.0))
    }

    /// 1 / (1 + e^{-x}): the logistic function. Neither value nor slope overflows for large |x|.
    #[inline(always)]
    fn logistic(self) -> Self {
        let (zero, one) = (Self::splat(0.0), Self::splat(1.0));
        let e = Self::select_gt(self, zero, -self, self).exp(); // e^{-|x|} <= 1
        Self::select_gt(self, zero, one, e) / (one + e)
    }

    /// ln(1 + e^x), without overflow, relative error below 1e-14.
    #[inline(always)]
    fn softplus(self) -> Self {
        let zero = Self::splat(0.0);
        let e = Self::select_gt(self, zero, -self, self).exp(); // e^{-|x|} <= 1
        // ln(1 + e) = 2 artanh(e / (2 + e)), of at most 1/3: the first term left out is below 1e-17.
        let s = e / (e + Self::splat(2.0));
        let s2 = s * s;
        let mut series = Self::splat(1.0 / 33.0);
        let mut k = 31.0;
        while k > 0.0 {
            series = series * s2 + Self::splat(1.0 / k);
            k -= 2.0;
        }
        self.rectify() + (s + s) * series
    }

    /// x / (1 - e^{-d x}) for d > 0, with its removable singularity at x = 0: value 1/d, slope 1/2.
    ///
    /// With x = a I - b this is the rate function phi(I; a, b, d) of Abbott & Chance (2005) that
    /// the Wong–Wang family uses. Computed through `exp_m1`, so no digits are lost near the hole.
    #[inline(always)]
    fn x_over_one_minus_exp(self, d: Self) -> Self {
        let z = d * self;
        let (one, half) = (Self::splat(1.0), Self::splat(0.5));
        // Taylor series of z / (1 - e^{-z}); the next term, z^6 / 30240, is below 4e-17 here.
        let near = Self::splat(1e-2);
        let z2 = z * z;
        let even = z2 * (Self::splat(1.0 / 12.0) - z2 * Self::splat(1.0 / 720.0));
        let series = (one + z * half + even) / d;
        let inside = Self::select_gt(z, -near, one, Self::splat(0.0));
        let inside = Self::select_gt(near, z, inside, Self::splat(0.0));
        // The quotient's argument is moved off the hole so that no lane divides by zero.
        let safe = Self::select_gt(inside, half, one, z);
        let quotient = self / -((-safe).exp_m1());
        Self::select_gt(inside, half, series, quotient)
    }
}

/// Magnitudes below this one are as good as zero in the unit of any variable. What decays is set to
/// zero there ([`Lanes::flush`]) long before it becomes subnormal, where processors compute up to a
/// hundred times slower; squares and cubes of what is kept do not underflow either.
pub const NEGLIGIBLE: f64 = 1e-100;

/// A time constant \[ms\], kept as its rate \[1/ms\], so that `x / tau` costs a product.
///
/// Dividing by one is `x * (1 / tau)`, which may differ from a true quotient in the last bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tau<L> {
    rate: L,
}

impl<L: Lanes> Tau<L> {
    /// From the time constant, ms.
    pub fn new(ms: L) -> Self {
        Tau {
            rate: L::splat(1.0) / ms,
        }
    }

    /// From the rate, 1/ms.
    #[inline(always)]
    pub fn from_rate(rate: L) -> Self {
        Tau { rate }
    }

    /// The rate, 1/ms.
    #[inline(always)]
    pub fn rate(self) -> L {
        self.rate
    }
}

macro_rules! divide_by_tau {
    ($([$($generic:tt)*] $lanes:ty),*) => {$(
        impl<$($generic)*> Div<Tau<$lanes>> for $lanes {
            type Output = Self;

            #[inline(always)]
            #[allow(clippy::suspicious_arithmetic_impl, reason = "the rate is the reciprocal")]
            fn div(self, tau: Tau<$lanes>) -> Self {
                self * tau.rate
            }
        }
    )*};
}
divide_by_tau!([] f64, [const N: usize, V: Vectors] Pack<N, V>, [] Dual, [] Trace);

#[inline(always)]
fn flush_f64(x: f64) -> f64 {
    if x.abs() < NEGLIGIBLE { 0.0 } else { x }
}

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// ln 2 in two parts: the high part has enough trailing zeros that k * LN2_HI is exact.
const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and subtracting this rounds to the nearest integer and leaves it in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// 1/n! for n = 2..=13: Taylor series of e^r - 1 - r, |r| <= ln2/2, remainder below 1e-17.
const INV_FACTORIAL: [f64; 12] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// Splits x into 2^k and e^r - 1 with |r| <= ln2/2; x must lie in the range of `exp`.
#[inline(always)]
fn reduce<L: Lanes>(x: L) -> (L, L) {
    let round = L::splat(ROUND);
    let t = x.mul_add(L::splat(LOG2_E), round);
    let k = round - t; // the negative of the integer
    let r = k.mul_add(L::splat(LN2_LO), k.mul_add(L::splat(LN2_HI), x));
    let mut p = L::splat(INV_FACTORIAL[11]);
    let mut i = 11;
    while i > 0 {
        i -= 1;
        p = p.mul_add(r, L::splat(INV_FACTORIAL[i]));
    }
    (t.power_of_two(), (p * r).mul_add(r, r))
}

#[inline(always)]
fn exp_of<L: Lanes>(x: L) -> L {
    let (top, bottom) = (L::splat(709.0), L::splat(-708.0));
    let inside = L::select_gt(x, top, top, x);
    let inside = L::select_gt(bottom, inside, bottom, inside);
    let (scale, em1) = reduce(inside);
    let y = scale.mul_add(em1, scale);
    let y = L::select_gt(x, top, L::splat(f64::INFINITY), y);
    L::select_gt(bottom, x, L::splat(0.0), y)
}

#[inline(always)]
fn exp_m1_of<L: Lanes>(x: L) -> L {
    let (top, bottom) = (L::splat(709.0), L::splat(-50.0));
    let inside = L::select_gt(x, top, top, x);
    let inside = L::select_gt(bottom, inside, bottom, inside);
    let (scale, em1) = reduce(inside);
    let y = scale.mul_add(em1, scale - L::splat(1.0));
    L::select_gt(x, top, L::splat(f64::INFINITY), y)
}

/// Natural logarithm of a positive normal number; relative error below 2e-15.
#[inline(always)]
fn ln_f64(x: f64) -> f64 {
    // x = m 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh((m-1)/(m+1)).
    const SQRT_HALF_BITS: u64 = 0x3FE6_A09E_667F_3BCD;
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let e = (shifted as i64) >> 52;
    let m = f64::from_bits(x.to_bits().wrapping_sub((e << 52) as u64));
    let f = (m - 1.0) / (m + 1.0);
    let f2 = f * f;
    // The next term, f^18 / 19 with f <= 0.172, is below 1e-15.
    let mut p = 1.0 / 17.0;
    let mut n = 15.0;
    let mut i = 0;
    while i < 7 {
        p = f2.mul_add(p, 1.0 / n);
        n -= 2.0;
        i += 1;
    }
    let tail = f * f2 * p;
    // Exponents fit in i32, and the cast through it is a vector instruction everywhere.
    let k = f64::from(e as i32);
    k.mul_add(LN2_HI, k.mul_add(LN2_LO, (f + tail) + (f + tail)))
}

/// sin r / r - 1 over r² as a polynomial in r², |r| <= π/4; error below 1e-15.
#[inline(always)]
fn sin_tail(r2: f64) -> f64 {
    let mut s = -1.0 / 1_307_674_368_000.0; // 1/15!
    s = s.mul_add(r2, 1.0 / 6_227_020_800.0);
    s = s.mul_add(r2, -1.0 / 39_916_800.0);
    s = s.mul_add(r2, 1.0 / 362_880.0);
    s = s.mul_add(r2, -1.0 / 5_040.0);
    s = s.mul_add(r2, 1.0 / 120.0);
    s.mul_add(r2, -1.0 / 6.0)
}

/// cos r as a polynomial in r², |r| <= π/4; error below 1e-15.
#[inline(always)]
fn cos_series(r2: f64) -> f64 {
    let mut c = -1.0 / 87_178_291_200.0; // 1/14!
    c = c.mul_add(r2, 1.0 / 479_001_600.0);
    c = c.mul_add(r2, -1.0 / 3_628_800.0);
    c = c.mul_add(r2, 1.0 / 40_320.0);
    c = c.mul_add(r2, -1.0 / 720.0);
    c = c.mul_add(r2, 1.0 / 24.0);
    c = c.mul_add(r2, -0.5);
    c.mul_add(r2, 1.0)
}

/// sin 2πu and cos 2πu for u in [0, 1]; absolute error below 2e-15.
///
/// Every step is a loop of its own over the lanes, which compilers turn into one instruction.
#[inline(always)]
fn sin_cos_turns<const N: usize>(u: [f64; N]) -> ([f64; N], [f64; N]) {
    let t: [f64; N] = each!(i => u[i].mul_add(4.0, ROUND));
    let r: [f64; N] = each!(i => {
        u[i].mul_add(4.0, -(t[i] - ROUND)) * std::f64::consts::FRAC_PI_2
    });
    let r2: [f64; N] = each!(i => r[i] * r[i]);
    let tail: [f64; N] = each!(i => sin_tail(r2[i]));
    let sin: [f64; N] = each!(i => (tail[i] * r2[i]).mul_add(r[i], r[i]));
    let cos: [f64; N] = each!(i => cos_series(r2[i]));
    // The low bits of t are the quadrant: odd ones exchange the two, and signs follow.
    let quadrant: [u64; N] = each!(i => t[i].to_bits());
    let a: [f64; N] = each!(i => if quadrant[i] & 1 != 0 { cos[i] } else { sin[i] });
    let b: [f64; N] = each!(i => if quadrant[i] & 1 != 0 { sin[i] } else { cos[i] });
    (
        each!(i => f64::from_bits(a[i].to_bits() ^ ((quadrant[i] & 2) << 62))),
        each!(i => {
            f64::from_bits(b[i].to_bits() ^ ((quadrant[i].wrapping_add(1) & 2) << 62))
        }),
    )
}

/// Two standard normal numbers from two uniform ones (Box & Muller 1958), u1 in (0, 1], in each of
/// `N` lanes.
///
/// Chosen over rejection methods because every address then yields a fixed number of draws.
#[inline(always)]
#[must_use]
pub fn box_muller<const N: usize>(u1: [f64; N], u2: [f64; N]) -> ([f64; N], [f64; N]) {
    let radius: [f64; N] = each!(i => (-2.0 * ln_f64(u1[i])).sqrt());
    let (sin, cos) = sin_cos_turns(u2);
    (
        each!(i => radius[i] * cos[i]),
        each!(i => radius[i] * sin[i]),
    )
}

impl Lanes for f64 {
    const WIDTH: usize = 1;
    // Numbers one at a time gain nothing from wide vectors, but much from fused multiply–add.
    const ISAS: &'static [Isa] = &[Isa::Avx2, Isa::Base];

    #[inline(always)]
    fn splat(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn lane(&self, _: usize) -> f64 {
        *self
    }
    #[inline(always)]
    fn set_lane(&mut self, _: usize, x: f64) {
        *self = x;
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        f64::mul_add(self, a, b)
    }
    #[inline(always)]
    fn select_gt(a: Self, b: Self, x: Self, y: Self) -> Self {
        if a > b { x } else { y }
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        power_of_two(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn flush(self) -> Self {
        flush_f64(self)
    }
}

/// `N` numbers side by side, with the instructions that `V` stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Pack<const N: usize, V = Portable>([f64; N], PhantomData<V>);

impl<const N: usize, V> Pack<N, V> {
    /// From its numbers.
    #[inline(always)]
    #[must_use]
    pub fn new(numbers: [f64; N]) -> Self {
        Pack(numbers, PhantomData)
    }

    /// Its numbers.
    #[inline(always)]
    #[must_use]
    pub fn numbers(self) -> [f64; N]
    where
        V: Copy,
    {
        self.0
    }
}

macro_rules! pack_operator {
    ($($trait:ident $method:ident),*) => {$(
        impl<const N: usize, V: Vectors> $trait for Pack<N, V> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, o: Self) -> Self {
                Pack::new(V::$method(&self.0, &o.0))
            }
        }
    )*};
}
pack_operator!(Add add, Sub sub, Mul mul, Div div);

impl<const N: usize, V: Vectors> Neg for Pack<N, V> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Pack::new(each!(i => -self.0[i]))
    }
}

impl<const N: usize, V: Vectors> Lanes for Pack<N, V> {
    const WIDTH: usize = N;
    const ISAS: &'static [Isa] = &[V::ISA];

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Pack::new([x; N])
    }
    #[inline(always)]
    fn lane(&self, i: usize) -> f64 {
        self.0[i]
    }
    #[inline(always)]
    fn set_lane(&mut self, i: usize, x: f64) {
        self.0[i] = x;
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Pack::new(V::mul_add(&self.0, &a.0, &b.0))
    }
    #[inline(always)]
    fn select_gt(a: Self, b: Self, x: Self, y: Self) -> Self {
        Pack::new(V::select_gt(&a.0, &b.0, &x.0, &y.0))
    }
    #[inline(always)]
    fn rectify(self) -> Self {
        Pack::new(V::rectify(&self.0))
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Pack::new(V::power_of_two(&self.0))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Pack::new(V::sqrt(&self.0))
    }
    #[inline(always)]
    fn flush(self) -> Self {
        Pack::new(each!(i => flush_f64(self.0[i])))
    }
}

/// Numbers in memory that starts at a cache line, so that vectors in step with it lie in one line each.
#[derive(Debug, Clone)]
pub(crate) struct Aligned {
    lines: Vec<Pack<8>>,
    len: usize,
}

impl Aligned {
    /// So many zeros.
    pub fn zeros(len: usize) -> Self {
        Aligned {
            lines: vec![Pack::new([0.0; 8]); len.div_ceil(8)],
            len,
        }
    }
}

impl std::ops::Deref for Aligned {
    type Target = [f64];

    #[inline(always)]
    fn deref(&self) -> &[f64] {
        // SAFETY: a line is eight numbers and nothing else, and there are enough lines for `len`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl std::ops::DerefMut for Aligned {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f64] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A number with its derivative along one direction: exact Jacobians from the same equations.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Derivative of the value along the seeded direction.
    pub slope: f64,
}

impl Dual {
    /// A number whose derivative along the seeded direction is `slope`.
    #[must_use]
    pub const fn new(value: f64, slope: f64) -> Self {
        Self { value, slope }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Dual::new(self.value + o.value, self.slope + o.slope)
    }
}
impl Sub for Dual {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Dual::new(self.value - o.value, self.slope - o.slope)
    }
}
impl Mul for Dual {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Dual::new(
            self.value * o.value,
            self.slope * o.value + self.value * o.slope,
        )
    }
}
impl Div for Dual {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let value = self.value / o.value;
        Dual::new(value, (self.slope - value * o.slope) / o.value)
    }
}
impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Dual::new(-self.value, -self.slope)
    }
}

impl Lanes for Dual {
    const WIDTH: usize = 1;
    const ISAS: &'static [Isa] = &[Isa::Avx512, Isa::Avx2, Isa::Base];

    fn splat(x: f64) -> Self {
        Dual::new(x, 0.0)
    }
    fn lane(&self, _: usize) -> f64 {
        self.value
    }
    fn set_lane(&mut self, _: usize, x: f64) {
        self.value = x;
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        Dual::new(
            self.value.mul_add(a.value, b.value),
            self.slope * a.value + self.value * a.slope + b.slope,
        )
    }
    fn select_gt(a: Self, b: Self, x: Self, y: Self) -> Self {
        if a.value > b.value { x } else { y }
    }
    fn power_of_two(self) -> Self {
        Dual::splat(power_of_two(self.value))
    }
    fn exp(self) -> Self {
        let e = exp_of(self.value);
        Dual::new(e, e * self.slope)
    }
    fn exp_m1(self) -> Self {
        Dual::new(exp_m1_of(self.value), exp_of(self.value) * self.slope)
    }
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        Dual::new(root, self.slope / (2.0 * root))
    }
    fn flush(self) -> Self {
        Dual::new(flush_f64(self.value), self.slope)
    }
}

/// Whether a number depends on what is traced, and nothing else of it: an equation over traces tells
/// what it reads, whatever the values. Equations have no branches that could hide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Trace(pub bool);

macro_rules! trace_operator {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait for Trace {
            type Output = Self;
            #[allow(clippy::suspicious_arithmetic_impl, reason = "a result depends on both sides")]
            fn $method(self, o: Self) -> Self {
                Trace(self.0 | o.0)
            }
        }
    )*};
}
trace_operator!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Trace {
    type Output = Self;
    fn neg(self) -> Self {
        self
    }
}

impl Lanes for Trace {
    const WIDTH: usize = 1;
    const ISAS: &'static [Isa] = &[Isa::Base];

    fn splat(_: f64) -> Self {
        Trace(false)
    }
    fn lane(&self, _: usize) -> f64 {
        f64::NAN
    }
    fn set_lane(&mut self, _: usize, _: f64) {}
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    fn select_gt(a: Self, b: Self, x: Self, y: Self) -> Self {
        a + b + x + y
    }
    fn power_of_two(self) -> Self {
        self
    }
    fn sqrt(self) -> Self {
        self
    }
    fn flush(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, relative: f64) {
        let error = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
        assert!(
            error <= relative,
            "found {found:e}, expected {expected:e}, error {error:e}"
        );
    }

    fn grid() -> impl Iterator<Item = f64> {
        (-70_000..70_000).map(|i| f64::from(i) * 0.01 + 0.001_7)
    }

    #[test]
    fn elementary_functions_match_the_standard_library() {
        for x in grid() {
            close(Lanes::exp(x), x.exp(), 1e-15);
            close(Lanes::exp_m1(x), x.exp_m1(), 1e-15);
            close(Lanes::exp_m1(x * 1e-6), (x * 1e-6).exp_m1(), 1e-15);
            close(Lanes::tanh(x * 0.01), (x * 0.01).tanh(), 4e-15);
            let p = x.abs() * 0.003 + 1e-12;
            assert!(
                (ln_f64(p) - p.ln()).abs() <= 2e-15 * (1.0 + p.ln().abs()),
                "ln {p}"
            );
            let u = (x * 0.001).rem_euclid(1.0);
            let ([s], [c]) = sin_cos_turns([u]);
            let angle = u * std::f64::consts::TAU;
            assert!(
                (s - angle.sin()).abs() < 2e-15 && (c - angle.cos()).abs() < 2e-15,
                "{u}"
            );
        }
    }

    #[test]
    fn exp_at_the_ends_of_its_range() {
        assert_eq!(Lanes::exp(-800.0), 0.0);
        assert_eq!(Lanes::exp(710.0), f64::INFINITY);
        close(Lanes::exp(708.9), 708.9_f64.exp(), 1e-14);
        assert!(Lanes::exp(f64::NAN).is_nan());
        assert_eq!(Lanes::exp_m1(-800.0), -1.0);
        assert_eq!(Lanes::exp_m1(800.0), f64::INFINITY);
        assert!(f64::NAN.rectify().is_nan());
        assert!(f64::NAN.x_over_one_minus_exp(0.1).is_nan());
    }

    #[test]
    fn logistic_function() {
        for x in grid() {
            let expected = if x > 0.0 {
                1.0 / (1.0 + (-x).exp())
            } else {
                x.exp() / (1.0 + x.exp())
            };
            close(x.logistic(), expected, 4e-15);
            let sum = x.logistic() + (-x).logistic();
            assert!((sum - 1.0).abs() <= 2.0 * f64::EPSILON, "{x}: {sum}");
            let slope = Dual::new(x, 1.0).logistic().slope;
            close(slope, expected * (-x).logistic(), 1e-14);
        }
        for (x, value, slope) in [(-800.0, 0.0, 0.0), (0.0, 0.5, 0.25), (800.0, 1.0, 0.0)] {
            assert_eq!(Lanes::logistic(x), value);
            assert_eq!(Dual::new(x, 1.0).logistic(), Dual::new(value, slope));
        }
        assert!(f64::NAN.logistic().is_nan());
    }

    /// The published check values of phi(I; a, b, d).
    #[test]
    fn rate_function_check_values() {
        let phi = |i: f64, a: f64, b: f64, d: f64| (a * i - b).x_over_one_minus_exp(d);
        for (i, a, b, d, expected) in [
            (0.30, 135.0, 54.0, 0.308, 0.214_478),
            (0.33, 135.0, 54.0, 0.308, 0.544_110),
            (0.40, 135.0, 54.0, 0.308, 3.246_753),
            (0.50, 135.0, 54.0, 0.308, 13.714_478),
            (0.40, 140.0, 54.0, 0.308, 4.348_776),
            (0.33, 270.0, 108.0, 0.154, 1.088_220),
            (0.40, 270.0, 108.0, 0.154, 6.493_506),
            (0.377_380_6, 310.0, 125.0, 0.16, 3.077_330),
            (0.252_895_1, 615.0, 177.0, 0.087, 3.921_840),
        ] {
            close(phi(i, a, b, d), expected, 2e-6);
        }
        for (x, expected) in [
            (-2.0, 0.313_035),
            (0.0, 1.0),
            (1.0, 1.581_977),
            (6.0, 6.014_909),
        ] {
            close(f64::x_over_one_minus_exp(x, 1.0), expected, 1e-6);
        }
    }

    #[test]
    fn the_hole_is_smooth() {
        for exponent in -18..0 {
            for sign in [-1.0, 1.0] {
                let x = sign * 10.0_f64.powi(exponent);
                let z = 0.3 * x;
                let series = (1.0 + z / 2.0 + z * z / 12.0 - z.powi(4) / 720.0) / 0.3;
                close(x.x_over_one_minus_exp(0.3), series, 1e-12);
                let slope = Dual::new(x, 1.0)
                    .x_over_one_minus_exp(Dual::splat(0.3))
                    .slope;
                assert!(
                    (slope - (0.5 + z / 6.0 - z.powi(3) / 180.0)).abs() < 1e-9,
                    "slope {slope} at {x}"
                );
            }
        }
        assert_eq!(
            Dual::new(0.0, 1.0)
                .x_over_one_minus_exp(Dual::splat(0.3))
                .slope,
            0.5
        );
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        fn all<L: Lanes>(x: L) -> [L; 7] {
            [
                x.exp(),
                x.exp_m1(),
                x.tanh(),
                x.logistic(),
                x.rectify(),
                x.x_over_one_minus_exp(L::splat(0.154)),
                x.mul_add(L::splat(1.1), L::splat(-0.3)),
            ]
        }
        for start in grid().step_by(8) {
            let xs: [f64; 8] = std::array::from_fn(|i| start * 0.3 + i as f64 * 1e-3);
            let wide: [Pack<8>; 7] = all(Pack::new(xs));
            for (i, &x) in xs.iter().enumerate() {
                for (w, s) in wide.iter().zip(all(x)) {
                    assert_eq!(w.lane(i).to_bits(), s.to_bits());
                }
                for (d, s) in all(Dual::new(x, 1.0)).iter().zip(all(x)) {
                    assert_eq!(d.value.to_bits(), s.to_bits());
                }
            }
        }
    }

    #[test]
    fn traces_pass_through_everything() {
        let (plain, traced) = (Trace::splat(1.0), Trace(true));
        for f in [
            Lanes::exp,
            Lanes::exp_m1,
            Lanes::sqrt,
            Lanes::flush,
            Lanes::rectify,
            Lanes::tanh,
            Lanes::logistic,
            |x: Trace| -x / Tau::new(Trace::splat(2.0)),
            |x| Trace::splat(1.0).mul_add(Trace::splat(2.0), x),
            |x| Trace::splat(3.0).x_over_one_minus_exp(x),
        ] {
            assert_eq!((f(plain), f(traced)), (plain, traced));
        }
    }

    #[test]
    fn dual_slopes_match_finite_differences() {
        fn f<L: Lanes>(x: L) -> L {
            (x.exp() + x.tanh() * x)
                .x_over_one_minus_exp(L::splat(0.2))
                .sqrt()
                / (x + L::splat(3.0))
                - x.exp_m1().rectify()
        }
        for x in [-1.3, -0.2, 0.4, 1.7] {
            let h = 1e-5;
            let difference = (f(x + h) - f(x - h)) / (2.0 * h);
            close(f(Dual::new(x, 1.0)).slope, difference, 1e-8);
        }
    }
}
