//! How packs of numbers compute: portable loops, or the vector instructions of a processor.
//!
//! Every way gives the same bits. A compiler may turn portable loops into vector instructions as well,
//! but in the middle of an equation it tends to cut vectors into pieces; what is written as one
//! instruction stays one.

use std::fmt::Debug;

/// An instruction set that hot code is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply–add.
    Avx2,
    /// What the target guarantees: SSE2 on x86-64, NEON on 64-bit Arm.
    Base,
}

impl Isa {
    /// The widest one that this machine has.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw");
            if avx2 {
                return if avx512 { Isa::Avx512 } else { Isa::Avx2 };
            }
        }
        Isa::Base
    }
}

/// Arithmetic on `N` numbers.
pub trait Vectors: Debug + Copy + PartialEq + Send + Sync + 'static {
    /// The instruction set that hot code with it is compiled for.
    const ISA: Isa;

    /// Sums.
    fn add<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N];
    /// Differences.
    fn sub<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N];
    /// Products.
    fn mul<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N];
    /// Quotients.
    fn div<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N];
    /// `a * b + c` rounded once.
    fn mul_add<const N: usize>(a: &[f64; N], b: &[f64; N], c: &[f64; N]) -> [f64; N];
    /// `if a > b { x } else { y }`.
    fn select_gt<const N: usize>(
        a: &[f64; N],
        b: &[f64; N],
        x: &[f64; N],
        y: &[f64; N],
    ) -> [f64; N];
    /// `if 0 > a { 0 } else { a }`: NaN is kept.
    fn rectify<const N: usize>(a: &[f64; N]) -> [f64; N];
    /// Square roots.
    fn sqrt<const N: usize>(a: &[f64; N]) -> [f64; N];
    /// 2^k of numbers whose lowest mantissa bits hold k, as rounding by a large constant leaves them.
    fn power_of_two<const N: usize>(a: &[f64; N]) -> [f64; N];
}

/// The scale that the lowest bits of a rounded number stand for.
#[inline(always)]
pub(super) fn power_of_two(rounded: f64) -> f64 {
    f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
}

/// Plain loops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Portable;

macro_rules! each {
    ($i:ident => $value:expr) => {{
        let mut lanes = [0.0; N];
        for ($i, lane) in lanes.iter_mut().enumerate() {
            *lane = $value;
        }
        lanes
    }};
}

impl Vectors for Portable {
    const ISA: Isa = Isa::Base;

    #[inline(always)]
    fn add<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
        each!(i => a[i] + b[i])
    }
    #[inline(always)]
    fn sub<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
        each!(i => a[i] - b[i])
    }
    #[inline(always)]
    fn mul<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
        each!(i => a[i] * b[i])
    }
    #[inline(always)]
    fn div<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
        each!(i => a[i] / b[i])
    }
    // Where a processor has no such instruction each number is a call of its own; one call around them
    // keeps them out of the equations, which would take several times as long to compile.
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn mul_add<const N: usize>(a: &[f64; N], b: &[f64; N], c: &[f64; N]) -> [f64; N] {
        each!(i => a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn select_gt<const N: usize>(
        a: &[f64; N],
        b: &[f64; N],
        x: &[f64; N],
        y: &[f64; N],
    ) -> [f64; N] {
        each!(i => if a[i] > b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn rectify<const N: usize>(a: &[f64; N]) -> [f64; N] {
        each!(i => if 0.0 > a[i] { 0.0 } else { a[i] })
    }
    #[inline(always)]
    fn sqrt<const N: usize>(a: &[f64; N]) -> [f64; N] {
        each!(i => a[i].sqrt())
    }
    #[inline(always)]
    fn power_of_two<const N: usize>(a: &[f64; N]) -> [f64; N] {
        each!(i => power_of_two(a[i]))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Isa, Vectors};
    use std::arch::x86_64::*;

    /// 256-bit instructions. Not to be named outside the crate: packs of it are made only where the
    /// machine was found to have them.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(crate) struct Avx2;

    /// 512-bit instructions, as [`Avx2`].
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(crate) struct Avx512;

    /// Does something for every register full of numbers; `$v` names the registers of the arguments.
    macro_rules! by_register {
        ($width:literal, $load:ident, $store:ident, [$($v:ident = $a:ident),+] $result:expr) => {{
            const { assert!(N % $width == 0, "packs are whole registers") };
            let mut out = [0.0; N];
            let mut at = 0;
            while at < N {
                // SAFETY: `at + $width <= N`, so all loads and the store stay inside their arrays;
                // packs of this kind exist only on machines that have the instructions.
                unsafe {
                    $(let $v = $load($a.as_ptr().add(at));)+
                    $store(out.as_mut_ptr().add(at), $result);
                }
                at += $width;
            }
            out
        }};
    }

    macro_rules! arithmetic {
        ($width:literal, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $sqrt:ident) => {
            #[inline(always)]
            fn add<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
                by_register!($width, $load, $store, [u = a, v = b] $add(u, v))
            }
            #[inline(always)]
            fn sub<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
                by_register!($width, $load, $store, [u = a, v = b] $sub(u, v))
            }
            #[inline(always)]
            fn mul<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
                by_register!($width, $load, $store, [u = a, v = b] $mul(u, v))
            }
            #[inline(always)]
            fn div<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
                by_register!($width, $load, $store, [u = a, v = b] $div(u, v))
            }
            #[inline(always)]
            fn mul_add<const N: usize>(a: &[f64; N], b: &[f64; N], c: &[f64; N]) -> [f64; N] {
                by_register!($width, $load, $store, [u = a, v = b, w = c] $fma(u, v, w))
            }
            #[inline(always)]
            fn sqrt<const N: usize>(a: &[f64; N]) -> [f64; N] {
                by_register!($width, $load, $store, [u = a] $sqrt(u))
            }
        };
    }

    impl Vectors for Avx2 {
        const ISA: Isa = Isa::Avx2;
        arithmetic!(
            4,
            _mm256_loadu_pd,
            _mm256_storeu_pd,
            _mm256_add_pd,
            _mm256_sub_pd,
            _mm256_mul_pd,
            _mm256_div_pd,
            _mm256_fmadd_pd,
            _mm256_sqrt_pd
        );

        #[inline(always)]
        fn select_gt<const N: usize>(
            a: &[f64; N],
            b: &[f64; N],
            x: &[f64; N],
            y: &[f64; N],
        ) -> [f64; N] {
            by_register!(4, _mm256_loadu_pd, _mm256_storeu_pd, [u = a, v = b, p = x, q = y] {
                _mm256_blendv_pd(q, p, _mm256_cmp_pd::<_CMP_GT_OQ>(u, v))
            })
        }
        // The instruction gives its second argument where one of the two is NaN.
        #[inline(always)]
        fn rectify<const N: usize>(a: &[f64; N]) -> [f64; N] {
            by_register!(4, _mm256_loadu_pd, _mm256_storeu_pd, [u = a] {
                _mm256_max_pd(_mm256_setzero_pd(), u)
            })
        }
        #[inline(always)]
        fn power_of_two<const N: usize>(a: &[f64; N]) -> [f64; N] {
            by_register!(4, _mm256_loadu_pd, _mm256_storeu_pd, [u = a] {
                let sum = _mm256_add_epi64(_mm256_castpd_si256(u), _mm256_set1_epi64x(1023));
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(sum))
            })
        }
    }

    impl Vectors for Avx512 {
        const ISA: Isa = Isa::Avx512;
        arithmetic!(
            8,
            _mm512_loadu_pd,
            _mm512_storeu_pd,
            _mm512_add_pd,
            _mm512_sub_pd,
            _mm512_mul_pd,
            _mm512_div_pd,
            _mm512_fmadd_pd,
            _mm512_sqrt_pd
        );

        #[inline(always)]
        fn select_gt<const N: usize>(
            a: &[f64; N],
            b: &[f64; N],
            x: &[f64; N],
            y: &[f64; N],
        ) -> [f64; N] {
            by_register!(8, _mm512_loadu_pd, _mm512_storeu_pd, [u = a, v = b, p = x, q = y] {
                _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(u, v), q, p)
            })
        }
        // As for `Avx2`.
        #[inline(always)]
        fn rectify<const N: usize>(a: &[f64; N]) -> [f64; N] {
            by_register!(8, _mm512_loadu_pd, _mm512_storeu_pd, [u = a] {
                _mm512_max_pd(_mm512_setzero_pd(), u)
            })
        }
        #[inline(always)]
        fn power_of_two<const N: usize>(a: &[f64; N]) -> [f64; N] {
            by_register!(8, _mm512_loadu_pd, _mm512_storeu_pd, [u = a] {
                let sum = _mm512_add_epi64(_mm512_castpd_si512(u), _mm512_set1_epi64(1023));
                _mm512_castsi512_pd(_mm512_slli_epi64::<52>(sum))
            })
        }
    }
}
