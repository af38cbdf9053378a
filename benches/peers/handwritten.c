// What an expert writes by hand for exactly these workloads: AVX-512, nothing general. A bound.
//
//   gcc -O3 -march=native -fopenmp -o handwritten handwritten.c -lm
//   python workloads.py dump inputs.bin
//   ./handwritten w1|w2|w3|w4 --inputs inputs.bin [--noise|--no-noise] [--areas N] [--repeats R]
//                 [--threads T] [--budget SECONDS]
//
// Models, steps and output are those of workloads.py and harness.py. Exit code 3: cannot run here.
//
// Layout of inputs.bin, little endian, without gaps; matrices are [target][source]:
//   "ISOBENCH"; i64 areas of W1 (29), of W2 (80);
//   W1: f64 weights[29][29], EE[29], EI[29], IE[29], II[29], background_E[29], background_I[29],
//       to_E, to_I (the names of workloads.ThresholdLinear);
//   W2: f64 weights[80][80]; i32 delay_steps[80][80].

#if !defined(__AVX512F__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "handwritten.c needs AVX-512 (F, DQ, VL), which this compiler and processor do not have"
#else

#define _GNU_SOURCE
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef __m512d v8;

#define LANES 8
#define DT_MS 0.2
#define SAMPLE_STEPS 5
#define CHECK_STEPS 5000
#define EARLY_STEPS 100
#define ALIGNED __attribute__((aligned(64)))

static inline v8 splat(double x) { return _mm512_set1_pd(x); }
static inline v8 load(const double *from) { return _mm512_loadu_pd(from); }
static inline void store(double *to, v8 x) { _mm512_storeu_pd(to, x); }
// a b + c, and c - a b
static inline v8 fma8(v8 a, v8 b, v8 c) { return _mm512_fmadd_pd(a, b, c); }
static inline v8 fnma8(v8 a, v8 b, v8 c) { return _mm512_fnmadd_pd(a, b, c); }

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "handwritten: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return memset(p, 0, bytes);
}

// ---- inputs -------------------------------------------------------------------------------------

enum { N1 = 29, N1_PADDED = 32, N1_VECTORS = N1_PADDED / LANES, N2 = 80, N2_VECTORS = N2 / LANES };

static struct {
    double weights[N1][N1];
    double EE[N1], EI[N1], IE[N1], II[N1], background_E[N1], background_I[N1], to_E, to_I;
} linear;

static struct {
    double weights[N2][N2];
    int32_t delay_steps[N2][N2];
} delayed;

static void read_inputs(const char *path) {
    char magic[8];
    int64_t areas[2];
    FILE *file = fopen(path, "rb");
    bool good = file && fread(magic, 8, 1, file) == 1 && !memcmp(magic, "ISOBENCH", 8) &&
                fread(areas, sizeof areas, 1, file) == 1 && areas[0] == N1 && areas[1] == N2 &&
                fread(&linear, sizeof linear, 1, file) == 1 &&
                fread(&delayed, sizeof delayed, 1, file) == 1;
    if (!good) {
        fprintf(stderr, "handwritten: %s: expected what `python workloads.py dump` writes\n", path);
        exit(1);
    }
    fclose(file);
}

// ---- random numbers and functions ---------------------------------------------------------------

// Eight generators xoshiro256+ (Blackman & Vigna 2021, doi 10.1145/3460772), one a lane.
typedef struct {
    __m512i s[4];
} Random;

static Random seeded(uint64_t seed) {
    Random r;
    uint64_t words[4 * LANES];
    for (int i = 0; i < 4 * LANES; i++) {  // splitmix64
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        words[i] = z ^ (z >> 31);
    }
    memcpy(&r, words, sizeof r);
    return r;
}

static inline __m512i random_bits(Random *r) {
    __m512i *s = r->s;
    __m512i bits = _mm512_add_epi64(s[0], s[3]);
    __m512i shifted = _mm512_slli_epi64(s[1], 17);
    s[2] = _mm512_xor_si512(s[2], s[0]);
    s[3] = _mm512_xor_si512(s[3], s[1]);
    s[1] = _mm512_xor_si512(s[1], s[2]);
    s[0] = _mm512_xor_si512(s[0], s[3]);
    s[2] = _mm512_xor_si512(s[2], shifted);
    s[3] = _mm512_rol_epi64(s[3], 45);
    return bits;
}

// The upper 52 bits as a number in [1, 2).
static inline v8 one_to_two(__m512i bits) {
    const __m512i one = _mm512_set1_epi64(0x3ff0000000000000);
    return _mm512_castsi512_pd(_mm512_or_si512(_mm512_srli_epi64(bits, 12), one));
}

// Mantissas in [1, 2) fall into 16 intervals; 1/middle and log(middle) of each.
static double inverse_middle[16] ALIGNED, log_middle[16] ALIGNED;

static void fill_tables(void) {
    for (int i = 0; i < 16; i++) {
        double middle = 1 + (i + 0.5) / 16;
        inverse_middle[i] = 1 / middle;
        log_middle[i] = -log(inverse_middle[i]);
    }
}

// -2 log(u) for u in (0, 1].
static inline v8 minus_2_log(v8 u) {
    v8 exponent = _mm512_getexp_pd(u);
    v8 mantissa = _mm512_getmant_pd(u, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
    // The permutation looks at the lowest four bits: bring the upper four of the mantissa there.
    __m512i at = _mm512_srli_epi64(_mm512_castpd_si512(mantissa), 48);
    v8 inverse = _mm512_permutex2var_pd(load(inverse_middle), at, load(inverse_middle + 8));
    v8 log_m = _mm512_permutex2var_pd(load(log_middle), at, load(log_middle + 8));
    v8 x = _mm512_fmsub_pd(mantissa, inverse, splat(1));  // |x| < 1/32
    v8 p = splat(-1.0 / 8);
    p = fma8(p, x, splat(1.0 / 7));
    p = fma8(p, x, splat(-1.0 / 6));
    p = fma8(p, x, splat(1.0 / 5));
    p = fma8(p, x, splat(-1.0 / 4));
    p = fma8(p, x, splat(1.0 / 3));
    p = fma8(p, x, splat(-1.0 / 2));
    p = fma8(p, x, splat(1));
    v8 log_u = fma8(exponent, splat(0.6931471805599453), fma8(p, x, log_m));
    // Rounding can bring u = 1 below zero; the square root needs more than zero.
    return _mm512_max_pd(_mm512_mul_pd(splat(-2), log_u), splat(1e-300));
}

// Two vectors of standard normal numbers: Box-Muller, the angle as a quadrant and a rest.
static inline void normals(Random *r, v8 *first, v8 *second) {
    __m512i radius_bits = random_bits(r), angle_bits = random_bits(r);
    v8 square = minus_2_log(_mm512_sub_pd(splat(2), one_to_two(radius_bits)));
    v8 inverse = _mm512_rsqrt14_pd(square);
    v8 half = _mm512_mul_pd(splat(0.5), square);
    for (int newton = 0; newton < 2; newton++) {
        v8 correction = fnma8(_mm512_mul_pd(half, inverse), inverse, splat(1.5));
        inverse = _mm512_mul_pd(inverse, correction);
    }
    v8 radius = _mm512_mul_pd(square, inverse);

    v8 angle = _mm512_mul_pd(_mm512_sub_pd(one_to_two(angle_bits), splat(1.5)),
                             splat(1.5707963267948966));  // [-pi/4, pi/4)
    v8 a2 = _mm512_mul_pd(angle, angle);
    v8 sine = splat(-1.0 / 39916800);
    sine = fma8(sine, a2, splat(1.0 / 362880));
    sine = fma8(sine, a2, splat(-1.0 / 5040));
    sine = fma8(sine, a2, splat(1.0 / 120));
    sine = fma8(sine, a2, splat(-1.0 / 6));
    sine = fma8(sine, a2, splat(1));
    sine = _mm512_mul_pd(sine, angle);
    v8 cosine = splat(1.0 / 479001600);
    cosine = fma8(cosine, a2, splat(-1.0 / 3628800));
    cosine = fma8(cosine, a2, splat(1.0 / 40320));
    cosine = fma8(cosine, a2, splat(-1.0 / 720));
    cosine = fma8(cosine, a2, splat(1.0 / 24));
    cosine = fma8(cosine, a2, splat(-1.0 / 2));
    cosine = fma8(cosine, a2, splat(1));
    // Bits 9 to 11 are not part of the angle, and better than the lowest of this generator. One
    // swaps sine and cosine, two are signs.
    __mmask8 swap = _mm512_test_epi64_mask(angle_bits, _mm512_set1_epi64(1 << 9));
    const __m512i sign = _mm512_set1_epi64(INT64_MIN);
    __m512i sign_1 = _mm512_and_si512(_mm512_slli_epi64(angle_bits, 63 - 10), sign);
    __m512i sign_2 = _mm512_and_si512(_mm512_slli_epi64(angle_bits, 63 - 11), sign);
    v8 x = _mm512_mask_blend_pd(swap, sine, cosine), y = _mm512_mask_blend_pd(swap, cosine, sine);
    *first = _mm512_mul_pd(_mm512_xor_pd(x, _mm512_castsi512_pd(sign_1)), radius);
    *second = _mm512_mul_pd(_mm512_xor_pd(y, _mm512_castsi512_pd(sign_2)), radius);
}

static inline v8 exponential(v8 x) {
    x = _mm512_min_pd(_mm512_max_pd(x, splat(-700)), splat(700));
    v8 power = _mm512_roundscale_pd(_mm512_mul_pd(x, splat(1.4426950408889634)),
                                    _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    // ln 2 in two parts, so that the rest is exact
    v8 rest = fnma8(power, splat(6.93147180369123816490e-01), x);
    rest = fnma8(power, splat(1.90821492927058770002e-10), rest);
    v8 p = splat(1.0 / 39916800);
    p = fma8(p, rest, splat(1.0 / 3628800));
    p = fma8(p, rest, splat(1.0 / 362880));
    p = fma8(p, rest, splat(1.0 / 40320));
    p = fma8(p, rest, splat(1.0 / 5040));
    p = fma8(p, rest, splat(1.0 / 720));
    p = fma8(p, rest, splat(1.0 / 120));
    p = fma8(p, rest, splat(1.0 / 24));
    p = fma8(p, rest, splat(1.0 / 6));
    p = fma8(p, rest, splat(1.0 / 2));
    p = fma8(p, rest, splat(1));
    p = fma8(p, rest, splat(1));
    return _mm512_scalef_pd(p, power);
}

// ---- W1: one run of the threshold-linear model --------------------------------------------------

#define TAU_E_MS 20.0
#define TAU_I_MS 10.0
#define NU_E_0 10.0
#define NU_I_0 35.0
#define PULSE_HZ 41.8646
#define PULSE_FROM 500
#define PULSE_TO 1750
#define SIGMA_W1 0.1

// One Euler step of a population: towards the rectified input, and noise.
static inline v8 towards(v8 rate, v8 input, v8 share) {
    v8 rectified = _mm512_max_pd(input, _mm512_setzero_pd());
    return fma8(share, _mm512_sub_pd(rectified, rate), rate);
}

// Areas are lanes; rates stay in registers. `samples` holds 32 numbers a sample. Inlined twice, so
// that without noise nothing is left of it.
static inline __attribute__((always_inline)) void linear_run(long steps, bool noisy, uint64_t seed,
                                                             double *samples) {
    static double sent[N1][N1_PADDED] ALIGNED;  // [source][target]
    static double local[6][N1_PADDED] ALIGNED;
    enum { EE, EI, IE, II, BACKGROUND_E, BACKGROUND_I };
    for (int i = 0; i < N1; i++) {
        for (int j = 0; j < N1; j++) sent[j][i] = linear.weights[i][j];
        const double of_area[6] = {linear.EE[i], linear.EI[i],           linear.IE[i],
                                   linear.II[i], linear.background_E[i], linear.background_I[i]};
        for (int k = 0; k < 6; k++) local[k][i] = of_area[k];
    }
    const v8 to_E = splat(linear.to_E), to_I = splat(linear.to_I);
    const v8 share_E = splat(DT_MS / TAU_E_MS), share_I = splat(DT_MS / TAU_I_MS);
    const v8 sigma = splat(SIGMA_W1 * sqrt(DT_MS));
    Random random = seeded(seed);
    double rates[N1_PADDED] ALIGNED;
    v8 nu_E[N1_VECTORS], nu_I[N1_VECTORS];
    for (int v = 0; v < N1_VECTORS; v++) {
        nu_E[v] = splat(NU_E_0);
        nu_I[v] = splat(NU_I_0);
        store(samples + LANES * v, nu_E[v]);
    }
    samples += N1_PADDED;
    long next_sample = SAMPLE_STEPS - 1;
    for (long k = 0; k < steps; k++) {
        // Two sums of alternate sources: half the latency.
        v8 even[N1_VECTORS], odd[N1_VECTORS];
        for (int v = 0; v < N1_VECTORS; v++) {
            _mm512_store_pd(rates + LANES * v, nu_E[v]);
            even[v] = odd[v] = _mm512_setzero_pd();
        }
        // The compiler would keep `rates` in registers and permute them, which is slower.
        __asm__ volatile("" ::: "memory");
        for (int j = 0; j < N1 - 1; j += 2) {
            v8 x = splat(rates[j]), y = splat(rates[j + 1]);
            for (int v = 0; v < N1_VECTORS; v++) {
                even[v] = fma8(load(&sent[j][LANES * v]), x, even[v]);
                odd[v] = fma8(load(&sent[j + 1][LANES * v]), y, odd[v]);
            }
        }
        v8 last = splat(rates[N1 - 1]);
        const __mmask8 pulse = k >= PULSE_FROM && k < PULSE_TO;  // lane 0: V1
        for (int v = 0; v < N1_VECTORS; v++) {
            even[v] = fma8(load(&sent[N1 - 1][LANES * v]), last, even[v]);
            v8 long_range = _mm512_add_pd(even[v], odd[v]);
            const int at = LANES * v;
            v8 input_E = fma8(load(&local[EE][at]), nu_E[v], load(&local[BACKGROUND_E][at]));
            v8 input_I = fma8(load(&local[IE][at]), nu_E[v], load(&local[BACKGROUND_I][at]));
            input_E = fnma8(load(&local[EI][at]), nu_I[v], input_E);
            input_I = fnma8(load(&local[II][at]), nu_I[v], input_I);
            input_E = fma8(to_E, long_range, input_E);
            input_I = fma8(to_I, long_range, input_I);
            if (v == 0) input_E = _mm512_mask_add_pd(input_E, pulse, input_E, splat(PULSE_HZ));
            nu_E[v] = towards(nu_E[v], input_E, share_E);
            nu_I[v] = towards(nu_I[v], input_I, share_I);
            if (noisy) {
                v8 z_E, z_I;
                normals(&random, &z_E, &z_I);
                nu_E[v] = fma8(sigma, z_E, nu_E[v]);
                nu_I[v] = fma8(sigma, z_I, nu_I[v]);
            }
        }
        if (k == next_sample) {
            for (int v = 0; v < N1_VECTORS; v++) store(samples + LANES * v, nu_E[v]);
            samples += N1_PADDED;
            next_sample += SAMPLE_STEPS;
        }
    }
}

static __attribute__((noinline)) void linear_quiet(long steps, double *samples) {
    linear_run(steps, false, 1, samples);
}

static __attribute__((noinline)) void linear_noisy(long steps, double *samples) {
    linear_run(steps, true, 1, samples);
}

// ---- W3: many runs of it ------------------------------------------------------------------------

enum { BATCH = 16 };

// Runs are lanes, two vectors of them; sums of ten areas stay in registers. `samples` holds
// [area][run] a sample.
static inline __attribute__((always_inline)) void add_sources(int first, int count,
                                                              const double nu_E[N1][BATCH],
                                                              double long_range[N1][BATCH]) {
    v8 low[10], high[10];
    for (int r = 0; r < count; r++) low[r] = high[r] = _mm512_setzero_pd();
    for (int j = 0; j < N1; j++) {
        v8 x = load(nu_E[j]), y = load(nu_E[j] + LANES);
#pragma GCC unroll 10
        for (int r = 0; r < count; r++) {
            v8 weight = splat(linear.weights[first + r][j]);
            low[r] = fma8(weight, x, low[r]);
            high[r] = fma8(weight, y, high[r]);
        }
    }
    for (int r = 0; r < count; r++) {
        store(long_range[first + r], low[r]);
        store(long_range[first + r] + LANES, high[r]);
    }
}

static inline __attribute__((always_inline)) void batch_run(long steps, bool noisy, uint64_t seed,
                                                            const double gains[BATCH],
                                                            double *samples) {
    double nu_E[N1][BATCH] ALIGNED, nu_I[N1][BATCH] ALIGNED, long_range[N1][BATCH] ALIGNED;
    for (int i = 0; i < N1; i++)
        for (int r = 0; r < BATCH; r++) nu_E[i][r] = NU_E_0, nu_I[i][r] = NU_I_0;
    const v8 to_E[2] = {_mm512_mul_pd(splat(linear.to_E), load(gains)),
                        _mm512_mul_pd(splat(linear.to_E), load(gains + LANES))};
    const v8 to_I = splat(linear.to_I);
    const v8 share_E = splat(DT_MS / TAU_E_MS), share_I = splat(DT_MS / TAU_I_MS);
    const v8 sigma = splat(SIGMA_W1 * sqrt(DT_MS));
    Random random = seeded(seed);
    memcpy(samples, nu_E, sizeof nu_E);
    for (long k = 0; k < steps; k++) {
        add_sources(0, 10, nu_E, long_range);
        add_sources(10, 10, nu_E, long_range);
        add_sources(20, 9, nu_E, long_range);
        const double pulse = k >= PULSE_FROM && k < PULSE_TO ? PULSE_HZ : 0;
        for (int i = 0; i < N1; i++) {
            const v8 EE = splat(linear.EE[i]), EI = splat(linear.EI[i]);
            const v8 IE = splat(linear.IE[i]), II = splat(linear.II[i]);
            const v8 constant_E = splat(linear.background_E[i] + (i == 0 ? pulse : 0));
            const v8 constant_I = splat(linear.background_I[i]);
            for (int half = 0; half < 2; half++) {
                double *at_E = nu_E[i] + LANES * half, *at_I = nu_I[i] + LANES * half;
                v8 e = load(at_E), q = load(at_I), x = load(long_range[i] + LANES * half);
                v8 input_E = fma8(to_E[half], x, fnma8(EI, q, fma8(EE, e, constant_E)));
                v8 input_I = fma8(to_I, x, fnma8(II, q, fma8(IE, e, constant_I)));
                e = towards(e, input_E, share_E);
                q = towards(q, input_I, share_I);
                if (noisy) {
                    v8 z_E, z_I;
                    normals(&random, &z_E, &z_I);
                    e = fma8(sigma, z_E, e);
                    q = fma8(sigma, z_I, q);
                }
                store(at_E, e);
                store(at_I, q);
            }
        }
        if ((k + 1) % SAMPLE_STEPS == 0)
            memcpy(samples + (k + 1) / SAMPLE_STEPS * N1 * BATCH, nu_E, sizeof nu_E);
    }
}

static __attribute__((noinline)) void batch_quiet(long steps, const double *gains,
                                                  double *samples) {
    batch_run(steps, false, 1, gains, samples);
}

static __attribute__((noinline)) void batch_noisy(long steps, uint64_t seed, const double *gains,
                                                  double *samples) {
    batch_run(steps, true, seed, gains, samples);
}

static void many_runs(int runs, long steps, bool noisy, int threads) {
#pragma omp parallel num_threads(threads)
    {
        // Samples of a batch; the next batch of this thread overwrites them.
        double *samples = allocate(sizeof(double) * (steps / SAMPLE_STEPS + 1) * N1 * BATCH);
#pragma omp for schedule(dynamic, 1)
        for (int batch = 0; batch < (runs + BATCH - 1) / BATCH; batch++) {
            double gains[BATCH] ALIGNED;
            for (int r = 0; r < BATCH; r++) gains[r] = 0.9 + 0.1 * (batch * BATCH + r) / runs;
            if (noisy)
                batch_noisy(steps, batch + 1, gains, samples);
            else
                batch_quiet(steps, gains, samples);
        }
        free(samples);
    }
}

// ---- Wilson-Cowan circuits ----------------------------------------------------------------------

#define WC_TAU_E_MS 2.5
#define WC_TAU_I_MS 3.75
#define E_0 0.05
#define SIGMA_WC 0.01

static inline v8 response(v8 x) {
    v8 exponent = _mm512_mul_pd(splat(-1.5), _mm512_sub_pd(x, splat(3)));
    return _mm512_div_pd(splat(1), _mm512_add_pd(splat(1), exponential(exponent)));
}

// One step of eight areas without noise.
static inline void wilson_cowan(v8 *E, v8 *I, v8 coupling) {
    v8 e = *E, q = *I;
    v8 input_E = fma8(splat(16), e, fnma8(splat(12), q, fma8(splat(0.6), coupling, splat(0.5))));
    v8 input_I = _mm512_mul_pd(splat(3), fma8(splat(5), e, _mm512_sub_pd(_mm512_setzero_pd(), q)));
    v8 drift_E = _mm512_sub_pd(_mm512_mul_pd(_mm512_sub_pd(splat(1), e), response(input_E)), e);
    v8 drift_I = _mm512_sub_pd(_mm512_mul_pd(_mm512_sub_pd(splat(1), q), response(input_I)), q);
    *E = fma8(splat(DT_MS / WC_TAU_E_MS), drift_E, e);
    *I = fma8(splat(DT_MS / WC_TAU_I_MS), drift_I, q);
}

static inline void add_noise(Random *random, v8 *E, v8 *I) {
    const v8 sigma = splat(SIGMA_WC * sqrt(DT_MS));
    v8 z_E, z_I;
    normals(random, &z_E, &z_I);
    *E = fma8(sigma, z_E, *E);
    *I = fma8(sigma, z_I, *I);
}

// ---- W2: delays ---------------------------------------------------------------------------------

// With every delay at least BLOCK steps, what BLOCK steps receive from a source is one contiguous
// piece of its history, a vector. Sources are outer and taken in fours: their histories stay in L1
// while the sums of all targets pass.
enum { BLOCK = LANES, RING = 512, RING_PADDED = RING + BLOCK, TOGETHER = 4 };

static void transpose(const double *from, int from_stride, double *to, int to_stride) {
    v8 r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = load(from + i * from_stride);
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int p = 0; p < 2; p++) {
            r[i + p] = _mm512_shuffle_f64x2(s[i + p], s[i + p + 2], 0x88);
            r[i + p + 2] = _mm512_shuffle_f64x2(s[i + p], s[i + p + 2], 0xdd);
        }
    for (int i = 0; i < 4; i++) {
        s[i] = _mm512_shuffle_f64x2(r[i], r[i + 4], 0x88);
        s[i + 4] = _mm512_shuffle_f64x2(r[i], r[i + 4], 0xdd);
    }
    for (int i = 0; i < 8; i++) store(to + i * to_stride, s[i]);
}

static bool delays_fit(void) {
    for (int i = 0; i < N2; i++)
        for (int j = 0; j < N2; j++) {
            int delay = delayed.delay_steps[i][j];
            if (i != j && (delay < BLOCK || delay >= RING - BLOCK)) return false;
        }
    return true;
}

// `steps` is rounded up to blocks. `samples` holds 80 numbers a sample.
static inline __attribute__((always_inline)) void delayed_run(long steps, bool noisy,
                                                              uint64_t seed, double *samples) {
    static double history[N2][RING_PADDED] ALIGNED;  // the first BLOCK of the ring again at its end
    static double weights[N2][N2] ALIGNED;           // [source][target]
    static int32_t delays[N2][N2] ALIGNED;
    static double coupling[N2][BLOCK] ALIGNED, by_step[BLOCK][N2] ALIGNED;
    static double new_E[BLOCK][N2] ALIGNED, E[N2] ALIGNED, I[N2] ALIGNED;
    for (int i = 0; i < N2; i++) {
        E[i] = E_0, I[i] = 0;
        for (int k = 0; k < RING_PADDED; k++) history[i][k] = E_0;
        for (int j = 0; j < N2; j++) {
            weights[j][i] = delayed.weights[i][j];
            // An area does not send to itself: any delay that is a valid place does.
            delays[j][i] = i == j ? BLOCK : delayed.delay_steps[i][j];
        }
    }
    memcpy(samples, E, sizeof E);
    samples += N2;
    int until_sample = SAMPLE_STEPS;
    Random random = seeded(seed);
    const __m512i wrap = _mm512_set1_epi32(RING - 1);
    // The state after step k stands at place k of the ring, so that a block fills aligned places.
    for (long k = 0; k < steps; k += BLOCK) {
        memset(coupling, 0, sizeof coupling);
        const __m512i now = _mm512_set1_epi32((int)((k - 1) & (RING - 1)));
        for (int j = 0; j < N2; j += TOGETHER) {
            int32_t place[TOGETHER][N2] ALIGNED;
            for (int s = 0; s < TOGETHER; s++)
                for (int i = 0; i < N2; i += 16) {
                    __m512i back = _mm512_sub_epi32(now, _mm512_load_si512(&delays[j + s][i]));
                    _mm512_store_si512(&place[s][i], _mm512_and_si512(back, wrap));
                }
#pragma GCC unroll 4
            for (int i = 0; i < N2; i++) {
                v8 sum = load(coupling[i]);
                for (int s = 0; s < TOGETHER; s++)
                    sum = fma8(splat(weights[j + s][i]), load(&history[j + s][place[s][i]]), sum);
                store(coupling[i], sum);
            }
        }
        for (int i = 0; i < N2; i += LANES) transpose(coupling[i], BLOCK, &by_step[0][i], N2);
        for (int b = 0; b < BLOCK; b++) {
            for (int i = 0; i < N2; i += LANES) {
                v8 e = load(E + i), q = load(I + i);
                wilson_cowan(&e, &q, load(&by_step[b][i]));
                if (noisy) add_noise(&random, &e, &q);
                store(E + i, e);
                store(I + i, q);
                store(&new_E[b][i], e);
            }
            if (--until_sample == 0) {
                memcpy(samples, E, sizeof E);
                samples += N2;
                until_sample = SAMPLE_STEPS;
            }
        }
        for (int i = 0; i < N2; i += LANES)
            transpose(&new_E[0][i], N2, &history[i][k & (RING - 1)], RING_PADDED);
        if ((k & (RING - 1)) == 0)
            for (int i = 0; i < N2; i++)
                memcpy(history[i] + RING, history[i], sizeof(double) * BLOCK);
    }
}

static __attribute__((noinline)) void delayed_quiet(long steps, double *samples) {
    delayed_run(steps, false, 1, samples);
}

static __attribute__((noinline)) void delayed_noisy(long steps, double *samples) {
    delayed_run(steps, true, 1, samples);
}

// ---- W4: sparse network -------------------------------------------------------------------------

enum { DEGREE = 104 };

typedef struct {
    int areas, padded;  // padded to whole vectors with areas that receive nothing
    int64_t *first;
    int32_t *sources;
    double *weights;
} Sparse;

static int compare_sources(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static Sparse random_network(int areas) {
    Sparse n = {.areas = areas, .padded = (areas + LANES - 1) / LANES * LANES};
    const size_t connections = (size_t)areas * DEGREE;
    n.first = allocate(sizeof(int64_t) * (n.padded + 1));
    n.sources = allocate(sizeof(int32_t) * (connections + LANES));
    n.weights = allocate(sizeof(double) * (connections + LANES));
    for (int i = 0; i < n.padded; i++)
        n.first[i + 1] = (int64_t)(i < areas ? i + 1 : areas) * DEGREE;
    Random random = seeded(1);
    uint64_t bits[LANES];
    for (size_t c = 0; c < connections; c++) {
        if (c % LANES == 0) _mm512_storeu_si512(bits, random_bits(&random));
        uint64_t high = bits[c % LANES] >> 32, low = bits[c % LANES] >> 8 & 0xffffff;
        n.sources[c] = (int32_t)(high * areas >> 32);
        n.weights[c] = 0.02 * (double)low / 0x1p24;
    }
    for (int i = 0; i < areas; i++)
        qsort(n.sources + (size_t)i * DEGREE, DEGREE, sizeof(int32_t), compare_sources);
    return n;
}

static inline v8 gather(__mmask8 mask, const int32_t *sources, const double *E) {
    __m256i at = _mm256_maskz_loadu_epi32(mask, sources);
    return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), mask, at, E, sizeof(double));
}

static inline double row_sum(const Sparse *n, int i, const double *E) {
    v8 even = _mm512_setzero_pd(), odd = _mm512_setzero_pd();
    int64_t c = n->first[i];
    const int64_t end = n->first[i + 1];
    for (; c + 2 * LANES <= end; c += 2 * LANES) {
        even = fma8(load(n->weights + c), gather(0xff, n->sources + c, E), even);
        odd = fma8(load(n->weights + c + LANES), gather(0xff, n->sources + c + LANES, E), odd);
    }
    for (; c < end; c += LANES) {
        __mmask8 mask = end - c < LANES ? (1 << (end - c)) - 1 : 0xff;
        v8 weights = _mm512_maskz_loadu_pd(mask, n->weights + c);
        even = fma8(weights, gather(mask, n->sources + c, E), even);
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(even, odd));
}

static void sparse_run(const Sparse *n, long steps, bool noisy, int threads) {
    double *E[2] = {allocate(sizeof(double) * n->padded), allocate(sizeof(double) * n->padded)};
    double *I = allocate(sizeof(double) * n->padded);
    for (int i = 0; i < n->padded; i++) E[0][i] = E_0;
#pragma omp parallel num_threads(threads)
    {
        const long vectors = n->padded / LANES;
        const long of = omp_get_num_threads(), me = omp_get_thread_num();
        const int begin = (int)(vectors * me / of) * LANES;
        const int end = (int)(vectors * (me + 1) / of) * LANES;
        Random random = seeded(1 + me);
        for (long k = 0; k < steps; k++) {
            const double *old_E = E[k & 1];
            double *new_E = E[(k + 1) & 1];
            for (int i = begin; i < end; i += LANES) {
                double sums[LANES] ALIGNED;
                for (int lane = 0; lane < LANES; lane++) sums[lane] = row_sum(n, i + lane, old_E);
                v8 e = load(old_E + i), q = load(I + i);
                wilson_cowan(&e, &q, load(sums));
                if (noisy) add_noise(&random, &e, &q);
                store(new_E + i, e);
                store(I + i, q);
            }
#pragma omp barrier
        }
    }
    free(E[0]);
    free(E[1]);
    free(I);
}

// ---- timing and output --------------------------------------------------------------------------

typedef struct {
    const char *workload, *inputs;
    bool noise;
    int areas, repeats, threads;
} Case;

typedef struct {
    int areas, runs;
    long steps;
    double *samples;
    Sparse network;
} Work;

static void run(const Case *c, const Work *w) {
    switch (c->workload[1]) {
    case '1': (c->noise ? linear_noisy : linear_quiet)(w->steps, w->samples); break;
    case '2': (c->noise ? delayed_noisy : delayed_quiet)(w->steps, w->samples); break;
    case '3': many_runs(w->runs, w->steps, c->noise, c->threads); break;
    case '4': sparse_run(&w->network, w->steps, c->noise, c->threads); break;
    }
}

static int compare_seconds(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_check(const char *name, const double *values, int count) {
    printf(", \"%s\": [", name);
    for (int i = 0; i < count; i++) printf("%s%.17g", i ? ", " : "", values[i]);
    printf("]");
}

static void measure(const Case *c, const Work *w, const char *note) {
    double *walls = allocate(sizeof(double) * c->repeats);
    for (int r = -1; r < c->repeats; r++) {  // the first is a warm-up
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        run(c, w);
        clock_gettime(CLOCK_MONOTONIC, &to);
        if (r >= 0) walls[r] = (to.tv_sec - from.tv_sec) + 1e-9 * (to.tv_nsec - from.tv_nsec);
    }
    qsort(walls, c->repeats, sizeof *walls, compare_seconds);
    double median = (walls[(c->repeats - 1) / 2] + walls[c->repeats / 2]) / 2;
    printf("{\"workload\": \"%s\", \"peer\": \"handwritten C\", \"version\": \"gcc %s\", "
           "\"threads\": %d, \"wall_s\": %.9g, \"wall_min_s\": %.9g, \"repeats\": %d, "
           "\"steps\": %ld, \"areas\": %d, \"runs\": %d, \"sim_s\": %.9g, \"compile_s\": 0, "
           "\"precision\": \"float64\", \"noise\": %s, \"scaled\": false, \"note\": \"%s\"",
           c->workload, __VERSION__, c->threads, median, walls[0], c->repeats, w->steps, w->areas,
           w->runs, w->steps * DT_MS / 1000, c->noise ? "true" : "false", note);
    const int at = CHECK_STEPS / SAMPLE_STEPS, early = EARLY_STEPS / SAMPLE_STEPS;
    bool w1 = c->workload[1] == '1', w2 = c->workload[1] == '2';
    if (c->noise || !(w1 || w2)) {
        print_check("check", NULL, 0);
    } else if (w1) {
        print_check("check", w->samples + at * N1_PADDED, N1);
    } else {
        print_check("check", w->samples + at * N2, 5);
        print_check("check_early", w->samples + early * N2, 5);
    }
    printf("}\n");
    fflush(stdout);
    free(walls);
}

static void run_case(const Case *c, int areas) {
    Work w = {.areas = areas, .runs = 1};
    const char *note = "";
    switch (c->workload[1]) {
    case '1':
        w.areas = N1, w.steps = 300000;
        w.samples = allocate(sizeof(double) * (w.steps / SAMPLE_STEPS + 1) * N1_PADDED);
        break;
    case '2':
        w.areas = N2, w.steps = 300000;
        w.samples = allocate(sizeof(double) * (w.steps / SAMPLE_STEPS + 1) * N2);
        break;
    case '3':
        w.areas = N1, w.steps = 10000, w.runs = 1000;
        note = "samples of a batch overwrite those of the last";
        break;
    case '4':
        w.steps = areas == 1000 ? 2000 : areas == 10000 ? 200 : 2000000 / areas;
        if (w.steps < 20) w.steps = 20;
        w.network = random_network(areas);
        break;
    }
    measure(c, &w, note);
    free(w.samples);
    free(w.network.first);
    free(w.network.sources);
    free(w.network.weights);
}

static void usage(const char *why) {
    fprintf(stderr,
            "handwritten: %s\nusage: handwritten w1|w2|w3|w4 --inputs FILE [--noise|--no-noise] "
            "[--areas N] [--repeats R] [--threads T] [--budget SECONDS]\n",
            why);
    exit(2);
}

static int positive(const char *text) {
    char *end;
    long value = text ? strtol(text, &end, 10) : 0;
    if (value < 1 || *end || value > 10000000) usage("expected a whole number of at least 1");
    return (int)value;
}

int main(int count, char **words) {
    const char *known[] = {"w1", "w2", "w3", "w4"};
    Case c = {.inputs = "target/bench/inputs.bin", .noise = true, .repeats = 5};
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
        bool takes_value = true;
        if (!strcmp(word, "--inputs") && value) c.inputs = value;
        else if (!strcmp(word, "--areas")) c.areas = positive(value);
        else if (!strcmp(word, "--repeats")) c.repeats = positive(value);
        else if (!strcmp(word, "--threads")) c.threads = positive(value);
        else if (!strcmp(word, "--budget")) ;  // fast enough for every budget
        else {
            takes_value = false;
            if (!strcmp(word, "--noise")) c.noise = true;
            else if (!strcmp(word, "--no-noise")) c.noise = false;
            else
                for (int k = 0; k < 4; k++)
                    if (!strcmp(word, known[k])) c.workload = known[k];
            if (word[0] != '-' && !c.workload) usage("unknown workload");
            if (word[0] == '-' && strcmp(word, "--noise") && strcmp(word, "--no-noise"))
                usage("unknown option");
        }
        i += takes_value;
    }
    if (!c.workload) usage("expected a workload");
    const char which = c.workload[1];
    if (c.areas && which != '4') usage("only the number of areas of w4 can be chosen");
    if (!c.threads) c.threads = which == '3' ? omp_get_num_procs() : 1;
    if (which < '3') c.threads = 1;
    omp_set_dynamic(0);
    // Denormal numbers count as zero: a silent population would make everything slow.
    _mm_setcsr(_mm_getcsr() | 0x8040);
    fill_tables();
    if (which != '4') read_inputs(c.inputs);
    if (which == '2' && !delays_fit()) {
        fprintf(stderr, "handwritten: cannot run w2: a delay does not fit %d to %d steps\n", BLOCK,
                RING - BLOCK);
        return 3;
    }
    if (which == '4' && !c.areas) {
        for (int n = 1000; n <= 100000; n *= 10) run_case(&c, n);
    } else {
        run_case(&c, c.areas);
    }
    return 0;
}

#endif
