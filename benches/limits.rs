//! Limits of the machine: arithmetic, memory, gathers and the exponential, at full tilt.
//!
//! A benchmark number says little without what the machine could do at best. [`measure`] runs
//! six small loops, each bound by one resource, on the widest instruction set the processor has,
//! and gives the best rate of each over all threads together.
//!
//! How a rate is taken: the threads prepare their own data, meet at a barrier and do the same
//! amount of work, some milliseconds of it. The time is from the first start to the last end.
//! This repeats, and the best repeat counts: other processes only ever slow a repeat down, and a
//! limit is the rate without them. Repeats are short to fit between the turns of other processes,
//! but where these keep the cores busy all the time, the rates of several threads come out low.

use std::hint::{self, black_box};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Best rates of the machine, each the total over [`threads`](Self::threads) threads.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Threads that worked together.
    pub threads: usize,
    /// Double-precision multiply-adds on registers, 2 operations each, in 10⁹ operations/s.
    /// Without fused multiply-add, a product and a sum.
    pub fma_gflops: f64,
    /// Sequential reading of 256 MiB, split between the threads, in 10⁹ bytes/s. More than the
    /// memory gives where the caches of all cores used hold a good part of that.
    pub dram_read_gbs: f64,
    /// Sequential reading of 512 KiB per thread, again and again, in 10⁹ bytes/s.
    pub l2_read_gbs: f64,
    /// Sum of doubles at random places of a 32 KiB table per thread, in 10⁹ elements/s. The
    /// better of the gather instruction and of scalar loads.
    pub gather_l1_gels: f64,
    /// As [`gather_l1_gels`](Self::gather_l1_gels), with a table of 512 KiB per thread.
    pub gather_l2_gels: f64,
    /// Double-precision exponentials to 14 digits, without checks of range, from and to arrays in
    /// the first-level cache, in 10⁹ values/s.
    pub exp_gels: f64,
    /// Instruction set used.
    pub isa: &'static str,
}

/// Measures the limits with `threads` threads (at least one). Takes about two seconds.
pub fn measure(threads: usize) -> Limits {
    let threads = threads.max(1);
    let isa = Isa::detect();

    let dram = (DRAM_BYTES / size_of::<Line>() / threads).next_multiple_of(LINES);
    let read = |lines: usize| {
        let setup = |_| vec![Line([1.0; 8]); lines];
        let bytes = (lines * size_of::<Line>()) as f64;
        giga(threads, bytes, setup, |data| isa.sum(data))
    };
    let gather = |table: usize, indices: usize| {
        let rate = |kernel: fn(Isa, &Lookup) -> f64| {
            let setup = |thread| Lookup::new(table / size_of::<f64>(), indices, thread);
            giga(threads, indices as f64, setup, |lookup| kernel(isa, lookup))
        };
        let scalar = rate(|_, lookup| gather_scalar(lookup));
        if isa.gathers() {
            scalar.max(rate(Isa::gather))
        } else {
            scalar
        }
    };
    let values = (8 * EXP_LINES) as f64;
    let arguments = |_| {
        let x = |i: usize| i as f64 * (40.0 / values) - 20.0;
        let from: Vec<_> = (0..EXP_LINES)
            .map(|line| Line(std::array::from_fn(|lane| x(8 * line + lane))))
            .collect();
        (from.clone(), from)
    };

    Limits {
        threads,
        fma_gflops: giga(
            threads,
            FMA_STEPS as f64 * isa.fma_flops(),
            |_| 1.0,
            |x| isa.fma(*x),
        ),
        dram_read_gbs: read(dram),
        l2_read_gbs: read(L2_BYTES / size_of::<Line>()),
        gather_l1_gels: gather(32 << 10, 2 << 10),
        gather_l2_gels: gather(512 << 10, 32 << 10),
        exp_gels: giga(threads, values, arguments, |(from, to)| {
            isa.exp(from, to);
            to[0].0[0]
        }),
        isa: isa.name(),
    }
}

/// Size of the array read from memory, over all threads, in bytes.
const DRAM_BYTES: usize = 256 << 20;
/// Size of the array read from the second-level cache, per thread, in bytes.
const L2_BYTES: usize = 512 << 10;
/// Multiply-adds on each accumulator in one call of a kernel.
const FMA_STEPS: usize = 4096;
/// Lines of arguments of the exponential: 8 KiB, and as much for the values.
const EXP_LINES: usize = 128;
/// Kernels take lines in groups that divide this many.
const LINES: usize = 8;
/// Time that one repeat aims at.
const PHASE: Duration = Duration::from_millis(2);
/// Repeats of which the best counts.
const REPEATS: usize = 80;
/// Turns that a thread past the barrier spins at most until the others are past it too.
const SPINS: usize = 20_000;

/// Eight doubles on their own cache line, so that no vector load straddles two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f64; 8]);

/// Best rate of `kernel` over all threads, in 10⁹ units/s, where a call does `units` of them.
///
/// `setup` makes the data of a thread, on that thread, given its number.
fn giga<T>(
    threads: usize,
    units: f64,
    setup: impl Fn(usize) -> T + Sync,
    kernel: impl Fn(&mut T) -> f64 + Sync,
) -> f64 {
    let barrier = Barrier::new(threads);
    let calls = AtomicUsize::new(1);
    let awake = AtomicUsize::new(0);
    let work = |thread: usize| {
        let mut data = setup(thread);
        let mut run = |calls: usize| {
            let start = Instant::now();
            for _ in 0..calls {
                // Through `black_box`, each call may read other data and must be made.
                black_box(kernel(black_box(&mut data)));
            }
            (start, Instant::now())
        };
        run(1);
        barrier.wait();
        if thread == 0 {
            calls.store(calls_for_phase(&mut run), Ordering::Relaxed);
        }
        barrier.wait();
        let calls = calls.load(Ordering::Relaxed);
        (1..=REPEATS)
            .map(|repeat| {
                barrier.wait();
                // The barrier wakes the threads one after the other.
                awake.fetch_add(1, Ordering::Relaxed);
                let mut spins = 0;
                while awake.load(Ordering::Relaxed) < repeat * threads && spins < SPINS {
                    hint::spin_loop();
                    spins += 1;
                }
                run(calls)
            })
            .collect::<Vec<_>>()
    };
    let spans: Vec<Vec<(Instant, Instant)>> = thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..threads).map(|i| scope.spawn(move || work(i))).collect();
        let own = work(0);
        let others = others
            .into_iter()
            .map(|o| o.join().expect("a measuring thread panicked"));
        std::iter::once(own).chain(others).collect()
    });
    let shortest = (0..REPEATS)
        .map(|repeat| {
            let first = spans
                .iter()
                .map(|s| s[repeat].0)
                .min()
                .expect("at least one thread");
            let last = spans
                .iter()
                .map(|s| s[repeat].1)
                .max()
                .expect("at least one thread");
            (last - first).as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let calls = calls.into_inner() as f64;
    units * calls * threads as f64 / shortest.max(1e-9) * 1e-9
}

/// Calls that take about [`PHASE`], by doubling them until they take a good part of it.
fn calls_for_phase(run: &mut impl FnMut(usize) -> (Instant, Instant)) -> usize {
    let mut calls = 1;
    loop {
        let (start, end) = run(calls);
        let ratio = PHASE.as_secs_f64() / (end - start).as_secs_f64().max(1e-9);
        if ratio < 4.0 {
            return ((calls as f64 * ratio).round() as usize).max(1);
        }
        calls *= 2;
    }
}

/// A table and random places in it.
struct Lookup {
    /// Table to read from.
    table: Vec<f64>,
    /// Places to read, each below the length of `table` and that at most 2³¹; a multiple of 16.
    index: Vec<u32>,
}

impl Lookup {
    /// A table of `len` doubles and `indices` random places in it, others for each `seed`.
    fn new(len: usize, indices: usize, seed: usize) -> Self {
        assert!(0 < len && len <= 1 << 31 && indices.is_multiple_of(16));
        let mut state = seed as u64;
        let index = (0..indices)
            .map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((mixed >> 32) % len as u64) as u32
            })
            .collect();
        Self {
            table: vec![1.0; len],
            index,
        }
    }
}

/// Instruction set of the kernels.
#[derive(Clone, Copy)]
enum Isa {
    /// AVX-512F: eight doubles at a time. Only made by [`Isa::detect`].
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA: four doubles at a time. Only made by [`Isa::detect`].
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Advanced SIMD of 64-bit Arm: two doubles at a time. Only made by [`Isa::detect`].
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// What the compiler makes of plain code.
    Scalar,
}

impl Isa {
    /// The widest instruction set the processor has.
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            return Self::Neon;
        }
        Self::Scalar
    }

    /// Name to print.
    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2+FMA",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            Self::Scalar => "scalar",
        }
    }

    /// Operations of [`Isa::fma`] for each of its [`FMA_STEPS`].
    fn fma_flops(self) -> f64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::FMA_FLOPS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::FMA_FLOPS,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::FMA_FLOPS,
            Self::Scalar => scalar::FMA_FLOPS,
        }
    }

    /// [`FMA_STEPS`] multiply-adds on each of many accumulators.
    fn fma(self, x: f64) -> f64 {
        match self {
            // SAFETY: `Isa::detect`, the only source of this value, found the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::fma(x) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::fma(x) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::fma(x) },
            Self::Scalar => scalar::fma(x),
        }
    }

    /// Sum of all values.
    fn sum(self, data: &[Line]) -> f64 {
        match self {
            // SAFETY: `Isa::detect`, the only source of this value, found the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::sum(data) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::sum(data) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::sum(data) },
            Self::Scalar => scalar::sum(data),
        }
    }

    /// Whether there is a gather instruction, that [`Isa::gather`] uses.
    fn gathers(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => false,
            Self::Scalar => false,
        }
    }

    /// Sum of the table over the indices.
    fn gather(self, lookup: &Lookup) -> f64 {
        match self {
            // SAFETY: `Isa::detect`, the only source of this value, found the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::gather(lookup) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::gather(lookup) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => gather_scalar(lookup),
            Self::Scalar => gather_scalar(lookup),
        }
    }

    /// Exponentials of `from` in `to`, for arguments between -700 and 700.
    fn exp(self, from: &[Line], to: &mut [Line]) {
        match self {
            // SAFETY: `Isa::detect`, the only source of this value, found the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::exp(from, to) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::exp(from, to) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::exp(from, to) },
            Self::Scalar => scalar::exp(from, to),
        }
    }
}

/// Sum of the table over the indices, one load at a time.
fn gather_scalar(lookup: &Lookup) -> f64 {
    let mut sums = [0.0; 16];
    for indices in lookup.index.as_chunks::<16>().0 {
        for (sum, &i) in sums.iter_mut().zip(indices) {
            // SAFETY: the indices of a `Lookup` are below the length of its table.
            *sum += unsafe { lookup.table.get_unchecked(i as usize) };
        }
    }
    sums.iter().sum()
}

/// Factor of the multiply-adds, just below one: no accumulator grows or vanishes.
const FACTOR: f64 = 1.0 - 1e-9;
/// Summand of the multiply-adds.
const SUMMAND: f64 = 1e-9;

/// 1 / ln 2.
const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// Leading bits of ln 2, so few that their product with a small integer is exact.
const LN2_HIGH: f64 = 6.931_457_519_531_25e-1;
/// ln 2 less [`LN2_HIGH`].
const LN2_LOW: f64 = 1.428_606_820_309_417_3e-6;
/// Added and subtracted, it rounds to an integer, which the last bits of the sum then hold.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Bits of a double below its exponent.
const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
/// Inverse factorials, of 11 down to 0.
const TAYLOR: [f64; 12] = {
    let mut all = [1.0; 12];
    let mut n = 1;
    while n < 12 {
        // Factorials below 2⁵³ are exact.
        let mut factorial = 1.0;
        let mut k = 1;
        while k <= n {
            factorial *= k as f64;
            k += 1;
        }
        all[11 - n] = 1.0 / factorial;
        n += 1;
    }
    all
};

/// Kernels in plain code.
mod scalar {
    use super::*;

    /// Accumulators of [`fma`].
    const CHAINS: usize = 16;
    /// Operations of [`fma`] for each of its steps.
    pub const FMA_FLOPS: f64 = 2.0 * CHAINS as f64;

    /// A product and a sum on each accumulator, [`FMA_STEPS`] times.
    pub fn fma(x: f64) -> f64 {
        let (factor, summand) = black_box((FACTOR, SUMMAND));
        let mut chains: [f64; CHAINS] = std::array::from_fn(|i| x + i as f64);
        for _ in 0..FMA_STEPS {
            for chain in &mut chains {
                *chain = *chain * factor + summand;
            }
        }
        chains.iter().sum()
    }

    /// Sum of all values.
    pub fn sum(data: &[Line]) -> f64 {
        let mut sums = [0.0; 16];
        for [a, b] in data.as_chunks().0 {
            for (sum, x) in sums.iter_mut().zip(a.0.iter().chain(&b.0)) {
                *sum += x;
            }
        }
        sums.iter().sum()
    }

    /// Exponentials of `from` in `to`.
    pub fn exp(from: &[Line], to: &mut [Line]) {
        for (from, to) in from.iter().zip(to) {
            let x = from.0;
            let n = x.map(|x| x * LOG2_E + ROUND);
            let r: [f64; 8] = std::array::from_fn(|i| {
                let k = n[i] - ROUND;
                (x[i] - k * LN2_HIGH) - k * LN2_LOW
            });
            let mut p = [TAYLOR[0]; 8];
            for c in &TAYLOR[1..] {
                for (p, r) in p.iter_mut().zip(&r) {
                    *p = *p * r + c;
                }
            }
            to.0 = std::array::from_fn(|i| {
                f64::from_bits(p[i].to_bits().wrapping_add(n[i].to_bits() << MANTISSA))
            });
        }
    }
}

/// Kernels for AVX-512F.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    use std::arch::x86_64::*;

    /// Accumulators of [`fma`].
    const CHAINS: usize = 24;
    /// Operations of [`fma`] for each of its steps.
    pub const FMA_FLOPS: f64 = 2.0 * 8.0 * CHAINS as f64;

    /// A multiply-add on each accumulator, [`FMA_STEPS`] times.
    #[target_feature(enable = "avx512f")]
    pub fn fma(x: f64) -> f64 {
        let factor = _mm512_set1_pd(black_box(FACTOR));
        let summand = _mm512_set1_pd(black_box(SUMMAND));
        let mut chains = [_mm512_setzero_pd(); CHAINS];
        for (i, chain) in chains.iter_mut().enumerate() {
            *chain = _mm512_set1_pd(x + i as f64);
        }
        for _ in 0..FMA_STEPS {
            for chain in &mut chains {
                *chain = _mm512_fmadd_pd(*chain, factor, summand);
            }
        }
        total(&chains)
    }

    /// Sum of all values.
    #[target_feature(enable = "avx512f")]
    pub fn sum(data: &[Line]) -> f64 {
        let mut sums = [_mm512_setzero_pd(); 8];
        for lines in data.as_chunks::<8>().0 {
            for (sum, line) in sums.iter_mut().zip(lines) {
                *sum = _mm512_add_pd(*sum, load(line));
            }
        }
        total(&sums)
    }

    /// Sum of the table over the indices, by the gather instruction.
    #[target_feature(enable = "avx512f")]
    pub fn gather(lookup: &Lookup) -> f64 {
        let mut sums = [_mm512_setzero_pd(); 2];
        for indices in lookup.index.as_chunks::<16>().0 {
            for (sum, indices) in sums.iter_mut().zip(indices.as_chunks::<8>().0) {
                // SAFETY: eight indices of 32 bits; no alignment is asked for.
                let indices = unsafe { _mm256_loadu_si256(indices.as_ptr().cast()) };
                // SAFETY: the indices of a `Lookup` are below the length of its table and 2³¹.
                let x = unsafe { _mm512_i32gather_pd::<8>(indices, lookup.table.as_ptr()) };
                *sum = _mm512_add_pd(*sum, x);
            }
        }
        total(&sums)
    }

    /// Exponentials of `from` in `to`, four vectors at a time.
    #[target_feature(enable = "avx512f")]
    pub fn exp(from: &[Line], to: &mut [Line]) {
        for (from, to) in from
            .as_chunks::<4>()
            .0
            .iter()
            .zip(to.as_chunks_mut::<4>().0)
        {
            let mut n = [_mm512_setzero_pd(); 4];
            let mut r = n;
            let mut p = [_mm512_set1_pd(TAYLOR[0]); 4];
            for i in 0..4 {
                let x = load(&from[i]);
                n[i] = _mm512_fmadd_pd(x, _mm512_set1_pd(LOG2_E), _mm512_set1_pd(ROUND));
                let k = _mm512_sub_pd(n[i], _mm512_set1_pd(ROUND));
                r[i] = _mm512_fnmadd_pd(k, _mm512_set1_pd(LN2_HIGH), x);
                r[i] = _mm512_fnmadd_pd(k, _mm512_set1_pd(LN2_LOW), r[i]);
            }
            for &c in &TAYLOR[1..] {
                for i in 0..4 {
                    p[i] = _mm512_fmadd_pd(p[i], r[i], _mm512_set1_pd(c));
                }
            }
            for i in 0..4 {
                let power = _mm512_slli_epi64::<MANTISSA>(_mm512_castpd_si512(n[i]));
                let y = _mm512_add_epi64(_mm512_castpd_si512(p[i]), power);
                let y = _mm512_castsi512_pd(y);
                // SAFETY: a line holds eight doubles and is aligned to 64 bytes.
                unsafe { _mm512_store_pd(to[i].0.as_mut_ptr(), y) };
            }
        }
    }

    /// The values of a line.
    #[target_feature(enable = "avx512f")]
    fn load(line: &Line) -> __m512d {
        // SAFETY: a line holds eight doubles and is aligned to 64 bytes.
        unsafe { _mm512_load_pd(line.0.as_ptr()) }
    }

    /// Sum of all lanes.
    #[target_feature(enable = "avx512f")]
    fn total(vectors: &[__m512d]) -> f64 {
        let mut all = _mm512_setzero_pd();
        for &vector in vectors {
            all = _mm512_add_pd(all, vector);
        }
        _mm512_reduce_add_pd(all)
    }
}

/// Kernels for AVX2 with FMA.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    use std::arch::x86_64::*;

    /// Accumulators of [`fma`]: with factor and summand, 14 of the 16 registers.
    const CHAINS: usize = 12;
    /// Operations of [`fma`] for each of its steps.
    pub const FMA_FLOPS: f64 = 2.0 * 4.0 * CHAINS as f64;

    /// A multiply-add on each accumulator, [`FMA_STEPS`] times.
    #[target_feature(enable = "avx2,fma")]
    pub fn fma(x: f64) -> f64 {
        let factor = _mm256_set1_pd(black_box(FACTOR));
        let summand = _mm256_set1_pd(black_box(SUMMAND));
        let mut chains = [_mm256_setzero_pd(); CHAINS];
        for (i, chain) in chains.iter_mut().enumerate() {
            *chain = _mm256_set1_pd(x + i as f64);
        }
        for _ in 0..FMA_STEPS {
            for chain in &mut chains {
                *chain = _mm256_fmadd_pd(*chain, factor, summand);
            }
        }
        total(&chains)
    }

    /// Sum of all values.
    #[target_feature(enable = "avx2,fma")]
    pub fn sum(data: &[Line]) -> f64 {
        let mut sums = [_mm256_setzero_pd(); 8];
        for lines in data.as_chunks::<4>().0 {
            for (i, line) in lines.iter().enumerate() {
                let [low, high] = load(line);
                sums[2 * i] = _mm256_add_pd(sums[2 * i], low);
                sums[2 * i + 1] = _mm256_add_pd(sums[2 * i + 1], high);
            }
        }
        total(&sums)
    }

    /// Sum of the table over the indices, by the gather instruction.
    #[target_feature(enable = "avx2,fma")]
    pub fn gather(lookup: &Lookup) -> f64 {
        let mut sums = [_mm256_setzero_pd(); 4];
        for indices in lookup.index.as_chunks::<16>().0 {
            for (sum, indices) in sums.iter_mut().zip(indices.as_chunks::<4>().0) {
                // SAFETY: four indices of 32 bits; no alignment is asked for.
                let indices = unsafe { _mm_loadu_si128(indices.as_ptr().cast()) };
                // SAFETY: the indices of a `Lookup` are below the length of its table and 2³¹.
                let x = unsafe { _mm256_i32gather_pd::<8>(lookup.table.as_ptr(), indices) };
                *sum = _mm256_add_pd(*sum, x);
            }
        }
        total(&sums)
    }

    /// Exponentials of `from` in `to`, four vectors at a time.
    #[target_feature(enable = "avx2,fma")]
    pub fn exp(from: &[Line], to: &mut [Line]) {
        for (from, to) in from
            .as_chunks::<2>()
            .0
            .iter()
            .zip(to.as_chunks_mut::<2>().0)
        {
            let [[a, b], [c, d]] = [load(&from[0]), load(&from[1])];
            let x = [a, b, c, d];
            let mut n = [_mm256_setzero_pd(); 4];
            let mut r = n;
            let mut p = [_mm256_set1_pd(TAYLOR[0]); 4];
            for i in 0..4 {
                n[i] = _mm256_fmadd_pd(x[i], _mm256_set1_pd(LOG2_E), _mm256_set1_pd(ROUND));
                let k = _mm256_sub_pd(n[i], _mm256_set1_pd(ROUND));
                r[i] = _mm256_fnmadd_pd(k, _mm256_set1_pd(LN2_HIGH), x[i]);
                r[i] = _mm256_fnmadd_pd(k, _mm256_set1_pd(LN2_LOW), r[i]);
            }
            for &c in &TAYLOR[1..] {
                for i in 0..4 {
                    p[i] = _mm256_fmadd_pd(p[i], r[i], _mm256_set1_pd(c));
                }
            }
            for i in 0..4 {
                let power = _mm256_slli_epi64::<{ MANTISSA as i32 }>(_mm256_castpd_si256(n[i]));
                let y = _mm256_add_epi64(_mm256_castpd_si256(p[i]), power);
                let y = _mm256_castsi256_pd(y);
                let half = &mut to[i / 2].0[i % 2 * 4..][..4];
                // SAFETY: four doubles at a multiple of 32 bytes in a line aligned to 64.
                unsafe { _mm256_store_pd(half.as_mut_ptr(), y) };
            }
        }
    }

    /// The values of a line.
    #[target_feature(enable = "avx2,fma")]
    fn load(line: &Line) -> [__m256d; 2] {
        let [low, high] = [line.0[..4].as_ptr(), line.0[4..].as_ptr()];
        // SAFETY: four doubles each at a multiple of 32 bytes in a line aligned to 64.
        unsafe { [_mm256_load_pd(low), _mm256_load_pd(high)] }
    }

    /// Sum of all lanes.
    #[target_feature(enable = "avx2,fma")]
    fn total(vectors: &[__m256d]) -> f64 {
        let mut all = _mm256_setzero_pd();
        for &vector in vectors {
            all = _mm256_add_pd(all, vector);
        }
        let mut lanes = [0.0; 4];
        // SAFETY: room for four doubles; no alignment is asked for.
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), all) };
        lanes.iter().sum()
    }
}

/// Kernels for Advanced SIMD of 64-bit Arm, which has no gather instruction.
#[cfg(target_arch = "aarch64")]
mod neon {
    use super::*;
    use std::arch::aarch64::*;

    /// Accumulators of [`fma`].
    const CHAINS: usize = 24;
    /// Operations of [`fma`] for each of its steps.
    pub const FMA_FLOPS: f64 = 2.0 * 2.0 * CHAINS as f64;

    /// A multiply-add on each accumulator, [`FMA_STEPS`] times. The accumulator is the summand,
    /// as the instruction overwrites that.
    #[target_feature(enable = "neon")]
    pub fn fma(x: f64) -> f64 {
        let factor = vdupq_n_f64(black_box(FACTOR));
        let other = vdupq_n_f64(black_box(SUMMAND));
        let mut chains = [vdupq_n_f64(0.0); CHAINS];
        for (i, chain) in chains.iter_mut().enumerate() {
            *chain = vdupq_n_f64(x + i as f64);
        }
        for _ in 0..FMA_STEPS {
            for chain in &mut chains {
                *chain = vfmaq_f64(*chain, factor, other);
            }
        }
        total(&chains)
    }

    /// Sum of all values.
    #[target_feature(enable = "neon")]
    pub fn sum(data: &[Line]) -> f64 {
        let mut sums = [vdupq_n_f64(0.0); 16];
        for lines in data.as_chunks::<4>().0 {
            for (i, line) in lines.iter().enumerate() {
                for (j, x) in load(line).into_iter().enumerate() {
                    sums[4 * i + j] = vaddq_f64(sums[4 * i + j], x);
                }
            }
        }
        total(&sums)
    }

    /// Exponentials of `from` in `to`, four vectors at a time.
    #[target_feature(enable = "neon")]
    pub fn exp(from: &[Line], to: &mut [Line]) {
        for (from, to) in from.iter().zip(to) {
            let x = load(from);
            let mut n = [vdupq_n_f64(0.0); 4];
            let mut r = n;
            let mut p = [vdupq_n_f64(TAYLOR[0]); 4];
            for i in 0..4 {
                n[i] = vfmaq_f64(vdupq_n_f64(ROUND), x[i], vdupq_n_f64(LOG2_E));
                let k = vsubq_f64(n[i], vdupq_n_f64(ROUND));
                r[i] = vfmsq_f64(x[i], k, vdupq_n_f64(LN2_HIGH));
                r[i] = vfmsq_f64(r[i], k, vdupq_n_f64(LN2_LOW));
            }
            for &c in &TAYLOR[1..] {
                for i in 0..4 {
                    p[i] = vfmaq_f64(vdupq_n_f64(c), p[i], r[i]);
                }
            }
            for i in 0..4 {
                let power = vshlq_n_u64::<{ MANTISSA as i32 }>(vreinterpretq_u64_f64(n[i]));
                let y = vaddq_u64(vreinterpretq_u64_f64(p[i]), power);
                let y = vreinterpretq_f64_u64(y);
                let pair = &mut to.0[2 * i..][..2];
                // SAFETY: room for two doubles.
                unsafe { vst1q_f64(pair.as_mut_ptr(), y) };
            }
        }
    }

    /// The values of a line.
    #[target_feature(enable = "neon")]
    fn load(line: &Line) -> [float64x2_t; 4] {
        let mut all = [vdupq_n_f64(0.0); 4];
        for (x, pair) in all.iter_mut().zip(line.0.as_chunks::<2>().0) {
            // SAFETY: two doubles.
            *x = unsafe { vld1q_f64(pair.as_ptr()) };
        }
        all
    }

    /// Sum of all lanes.
    #[target_feature(enable = "neon")]
    fn total(vectors: &[float64x2_t]) -> f64 {
        let mut all = vdupq_n_f64(0.0);
        for &vector in vectors {
            all = vaddq_f64(all, vector);
        }
        vaddvq_f64(all)
    }
}
