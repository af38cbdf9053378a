//! Cell-type circuit of Froudist-Walsh et al. 2021 (Neuron 109:3500), without short-term plasticity
//! (`froudist_walsh2021_stp` has it).
//!
//! Pyramidal cells E of two selectivities p = 1, 2, each with a dendrite that follows at once; PV cells
//! that inhibit somata, SST cells that inhibit dendrites, VIP cells that inhibit SST cells.
//!
//! ```text
//! tau_r dr/dt = -r + phi(I)     phi_E = (a I - b) / (1 - exp(-d (a I - b))), phi_X = [c_X I + r_0X]_+
//! dN/dt = -N/tau_NMDA + gamma_NMDA (1 - N) r_E       dA/dt = -A/tau_AMPA + gamma_AMPA r_E
//! dG/dt = -G/tau_GABA + gamma_GABA r                 dD/dt = -D/tau_D    + gamma_GABA r_SST
//! da/dt = -a/tau_a + r
//! X = (1 - f) n N + f A         f = f_AMPA; onto PV: f_AMPA_PV
//!
//! I_E,p   = w_EE X_p + g_EPV G_PV + I_0E + I_sd + (g_adE + g_M) a_E,p + input
//! I_PV    = w_PVE (X_1 + X_2) + g_PVPV G_PV + g_PVSST (G_SST1 + G_SST2) + I_0I + input
//! I_SST,p = w_SSTE (X_1 + X_2) + g_SSTVIP G_VIP,p + I_0I + g_adSST a_SST,p + input
//! I_VIP,p = w_VIPE X_p + g_VIPSST G_SST,p + I_0I + g_adVIP a_VIP,p + input
//! I_sd    = c1 tanh[(I_exc + c3 I_inh + c4) / (c5 exp(-I_inh/c6))] + c2
//! I_exc   = I_0d + input to the dendrite of p        I_inh = g_dSST D_p
//! ```
//!
//! Rates in Hz, time in s. Spines scale the couplings w_.., dopamine acts on n, `g_EPV`, `g_dSST` and
//! `g_M`: gradients do both. The cross excitation of the two selectivities is zero in the paper.
//! The published code advances the rates first and the gates with the new rates.

use super::LocalCircuit;
use crate::lanes::{Lanes, Tau};

local_circuit! {
    /// Two selective E populations with dendrites, PV, SST and VIP cells.
    FroudistWalsh2021 {
        name: "froudist_walsh2021",
        title: "selective E populations with dendrites, PV, SST and VIP cells",
        citation: "Froudist-Walsh et al. 2021, Neuron 109:3500-3520",
        doi: "10.1016/j.neuron.2021.08.024",
        sent: ["N_E1", "N_E2", "A_E1", "A_E2"],
        published_order: [
            ["r_E1", "r_E2", "r_PV", "r_SST1", "r_SST2", "r_VIP1", "r_VIP2"],
            [
                "N_E1", "N_E2", "A_E1", "A_E2", "G_PV", "G_SST1", "G_SST2", "G_VIP1", "G_VIP2",
                "D_SST1", "D_SST2", "a_E1", "a_E2", "a_SST1", "a_SST2", "a_VIP1", "a_VIP2"
            ]
        ],
        background: [],
    }
    time_constants {
        tau_r => "time constant of the firing rates";
        tau_NMDA => "decay time constant of the NMDA gates";
        tau_AMPA => "decay time constant of the AMPA gates";
        tau_GABA => "decay time constant of the GABA gates at somata";
        tau_D => "decay time constant of the GABA gates at dendrites";
        tau_a => "time constant of adaptation";
    }
    parameters {
        gamma_NMDA: "1" => "NMDA gate opened per spike";
        gamma_AMPA: "1" => "AMPA gate opened per spike";
        gamma_GABA: "1" => "GABA gate opened per spike";
        a: "Hz/pA" => "gain of the excitatory rate function";
        b: "Hz" => "threshold of the excitatory rate function";
        d: "ms" => "curvature of the excitatory rate function";
        c_PV: "Hz/pA" => "slope of the f-I curve of PV cells";
        c_SST: "Hz/pA" => "slope of the f-I curve of SST cells";
        c_VIP: "Hz/pA" => "slope of the f-I curve of VIP cells";
        r_0PV: "Hz" => "rate of PV cells without current, continued below threshold";
        r_0SST: "Hz" => "rate of SST cells without current, continued below threshold";
        r_0VIP: "Hz" => "rate of VIP cells without current, continued below threshold";
        f_AMPA: "1" => "AMPA fraction of local excitation";
        f_AMPA_PV: "1" => "AMPA fraction of local excitation of PV cells";
        n: "1" => "gain of NMDA receptors in local excitation";
        w_EE: "pA" => "local coupling E to E of the same selectivity, per unit of gate";
        w_PVE: "pA" => "local coupling E to PV";
        w_SSTE: "pA" => "local coupling E to SST";
        w_VIPE: "pA" => "local coupling E to VIP of the same selectivity";
        g_EPV: "pA" => "local coupling PV to the soma of E, negative";
        g_dSST: "pA" => "local coupling SST to the dendrite of E, negative";
        g_PVPV: "pA" => "local coupling PV to PV, negative";
        g_PVSST: "pA" => "local coupling SST to PV, negative";
        g_VIPSST: "pA" => "local coupling SST to VIP, negative";
        g_SSTVIP: "pA" => "local coupling VIP to SST, negative";
        g_adE: "pA" => "adaptation current of E, negative";
        g_M: "pA" => "M-current of E through the same adaptation, negative or zero";
        g_adSST: "pA" => "adaptation current of SST cells, negative";
        g_adVIP: "pA" => "adaptation current of VIP cells, negative";
        I_0E: "pA" => "background current of E somata";
        I_0I: "pA" => "background current of PV, SST and VIP cells";
        I_0d: "pA" => "background current of dendrites";
        c1: "pA" => "half the range of the dendrite's current into the soma";
        c2: "pA" => "middle of that range";
        c3: "1" => "weight of inhibition in the dendrite";
        c4: "pA" => "shift of the dendrite's response";
        c5: "pA" => "width of the dendrite's response without inhibition";
        c6: "pA" => "inhibition that widens the response e-fold";
    }
    states {
        r_E1: "Hz", "r" of "E1", 0.0..f64::INFINITY => "firing rate of E, selectivity 1";
        r_E2: "Hz", "r" of "E2", 0.0..f64::INFINITY => "firing rate of E, selectivity 2";
        r_PV: "Hz", "r" of "PV", 0.0..f64::INFINITY => "firing rate of PV cells";
        r_SST1: "Hz", "r" of "SST1", 0.0..f64::INFINITY => "firing rate of SST cells, selectivity 1";
        r_SST2: "Hz", "r" of "SST2", 0.0..f64::INFINITY => "firing rate of SST cells, selectivity 2";
        r_VIP1: "Hz", "r" of "VIP1", 0.0..f64::INFINITY => "firing rate of VIP cells, selectivity 1";
        r_VIP2: "Hz", "r" of "VIP2", 0.0..f64::INFINITY => "firing rate of VIP cells, selectivity 2";
        N_E1: "1", "N" of "E1", 0.0..1.0 => "NMDA gate opened by E, selectivity 1";
        N_E2: "1", "N" of "E2", 0.0..1.0 => "NMDA gate opened by E, selectivity 2";
        A_E1: "1", "A" of "E1", 0.0..f64::INFINITY => "AMPA gate opened by E, selectivity 1";
        A_E2: "1", "A" of "E2", 0.0..f64::INFINITY => "AMPA gate opened by E, selectivity 2";
        G_PV: "1", "G" of "PV", 0.0..f64::INFINITY => "GABA gate opened by PV cells";
        G_SST1: "1", "G" of "SST1", 0.0..f64::INFINITY => "GABA gate at somata opened by SST cells, selectivity 1";
        G_SST2: "1", "G" of "SST2", 0.0..f64::INFINITY => "GABA gate at somata opened by SST cells, selectivity 2";
        G_VIP1: "1", "G" of "VIP1", 0.0..f64::INFINITY => "GABA gate opened by VIP cells, selectivity 1";
        G_VIP2: "1", "G" of "VIP2", 0.0..f64::INFINITY => "GABA gate opened by VIP cells, selectivity 2";
        D_SST1: "1", "D" of "SST1", 0.0..f64::INFINITY => "GABA gate at dendrites opened by SST cells, selectivity 1";
        D_SST2: "1", "D" of "SST2", 0.0..f64::INFINITY => "GABA gate at dendrites opened by SST cells, selectivity 2";
        a_E1: "1", "a" of "E1", 0.0..f64::INFINITY => "adaptation of E, selectivity 1, as a number of spikes";
        a_E2: "1", "a" of "E2", 0.0..f64::INFINITY => "adaptation of E, selectivity 2";
        a_SST1: "1", "a" of "SST1", 0.0..f64::INFINITY => "adaptation of SST cells, selectivity 1";
        a_SST2: "1", "a" of "SST2", 0.0..f64::INFINITY => "adaptation of SST cells, selectivity 2";
        a_VIP1: "1", "a" of "VIP1", 0.0..f64::INFINITY => "adaptation of VIP cells, selectivity 1";
        a_VIP2: "1", "a" of "VIP2", 0.0..f64::INFINITY => "adaptation of VIP cells, selectivity 2";
    }
    algebraic {}
    inputs {
        I_d1: "pA" => "current to the dendrite of E, selectivity 1";
        I_d2: "pA" => "current to the dendrite of E, selectivity 2";
        I_E1: "pA" => "current to the soma of E, selectivity 1";
        I_E2: "pA" => "current to the soma of E, selectivity 2";
        I_PV: "pA" => "current to PV cells";
        I_SST1: "pA" => "current to SST cells, selectivity 1";
        I_SST2: "pA" => "current to SST cells, selectivity 2";
        I_VIP1: "pA" => "current to VIP cells, selectivity 1";
        I_VIP2: "pA" => "current to VIP cells, selectivity 2";
    }
}

/// Seconds in a millisecond: rates are in Hz while times are in ms.
pub(super) const S_PER_MS: f64 = 1e-3;

/// Current from a dendrite with the constants c1 to c6 into its soma, pA.
#[inline(always)]
pub(super) fn dendrite<L: Lanes>([c1, c2, c3, c4, c5, c6]: [L; 6], exc: L, inh: L) -> L {
    let width = c5 * (-inh / c6).exp();
    c1 * ((exc + c3 * inh + c4) / width).tanh() + c2
}

// Functions and not closures: these are used many times, and compilers would leave closures out of line,
// without the vector instructions of the caller.

/// Firing rate of E at a current, Hz.
#[inline(always)]
pub(super) fn phi_E<L: Lanes>([a, b, d]: [L; 3], I: L) -> L {
    (a * I - b).x_over_one_minus_exp(d * L::splat(S_PER_MS))
}

/// What moves a gate that a rate opens by `gamma` a spike.
#[inline(always)]
pub(super) fn gate<L: Lanes>(gamma: L, tau: Tau<L>, G: L, r: L) -> L {
    gamma * r * L::splat(S_PER_MS) - G / tau
}

/// What moves a gate that opens the less the more it is open.
#[inline(always)]
pub(super) fn saturating_gate<L: Lanes>(gamma: L, tau: Tau<L>, N: L, r: L) -> L {
    gamma * (L::splat(1.0) - N) * r * L::splat(S_PER_MS) - N / tau
}

/// What moves adaptation, a number of spikes.
#[inline(always)]
pub(super) fn adaptation<L: Lanes>(tau: Tau<L>, a: L, r: L) -> L {
    r * L::splat(S_PER_MS) - a / tau
}

impl LocalCircuit for FroudistWalsh2021 {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let one = L::splat(1.0);
        // What the excitatory gates do to their targets: X_p, and onto PV cells the sum of both.
        let nmda = (one - p.f_AMPA) * p.n;
        let X_1 = nmda * x.N_E1 + p.f_AMPA * x.A_E1;
        let X_2 = nmda * x.N_E2 + p.f_AMPA * x.A_E2;
        let X_PV = (one - p.f_AMPA_PV) * p.n * (x.N_E1 + x.N_E2) + p.f_AMPA_PV * (x.A_E1 + x.A_E2);

        let c = [p.c1, p.c2, p.c3, p.c4, p.c5, p.c6];
        let I_sd1 = dendrite(c, p.I_0d + i.I_d1, p.g_dSST * x.D_SST1);
        let I_sd2 = dendrite(c, p.I_0d + i.I_d2, p.g_dSST * x.D_SST2);
        let to_all_E = p.g_EPV * x.G_PV + p.I_0E;
        let I_E1 = p.w_EE * X_1 + to_all_E + I_sd1 + (p.g_adE + p.g_M) * x.a_E1 + i.I_E1;
        let I_E2 = p.w_EE * X_2 + to_all_E + I_sd2 + (p.g_adE + p.g_M) * x.a_E2 + i.I_E2;
        let I_PV = p.w_PVE * X_PV
            + p.g_PVPV * x.G_PV
            + p.g_PVSST * (x.G_SST1 + x.G_SST2)
            + p.I_0I
            + i.I_PV;
        let to_all_SST = p.w_SSTE * (X_1 + X_2) + p.I_0I;
        let I_SST1 = to_all_SST + p.g_SSTVIP * x.G_VIP1 + p.g_adSST * x.a_SST1 + i.I_SST1;
        let I_SST2 = to_all_SST + p.g_SSTVIP * x.G_VIP2 + p.g_adSST * x.a_SST2 + i.I_SST2;
        let I_VIP1 =
            p.w_VIPE * X_1 + p.g_VIPSST * x.G_SST1 + p.I_0I + p.g_adVIP * x.a_VIP1 + i.I_VIP1;
        let I_VIP2 =
            p.w_VIPE * X_2 + p.g_VIPSST * x.G_SST2 + p.I_0I + p.g_adVIP * x.a_VIP2 + i.I_VIP2;

        let rate = [p.a, p.b, p.d];
        Variables {
            r_E1: (phi_E(rate, I_E1) - x.r_E1) / p.tau_r,
            r_E2: (phi_E(rate, I_E2) - x.r_E2) / p.tau_r,
            r_PV: ((p.c_PV * I_PV + p.r_0PV).rectify() - x.r_PV) / p.tau_r,
            r_SST1: ((p.c_SST * I_SST1 + p.r_0SST).rectify() - x.r_SST1) / p.tau_r,
            r_SST2: ((p.c_SST * I_SST2 + p.r_0SST).rectify() - x.r_SST2) / p.tau_r,
            r_VIP1: ((p.c_VIP * I_VIP1 + p.r_0VIP).rectify() - x.r_VIP1) / p.tau_r,
            r_VIP2: ((p.c_VIP * I_VIP2 + p.r_0VIP).rectify() - x.r_VIP2) / p.tau_r,
            N_E1: saturating_gate(p.gamma_NMDA, p.tau_NMDA, x.N_E1, x.r_E1),
            N_E2: saturating_gate(p.gamma_NMDA, p.tau_NMDA, x.N_E2, x.r_E2),
            A_E1: gate(p.gamma_AMPA, p.tau_AMPA, x.A_E1, x.r_E1),
            A_E2: gate(p.gamma_AMPA, p.tau_AMPA, x.A_E2, x.r_E2),
            G_PV: gate(p.gamma_GABA, p.tau_GABA, x.G_PV, x.r_PV),
            G_SST1: gate(p.gamma_GABA, p.tau_GABA, x.G_SST1, x.r_SST1),
            G_SST2: gate(p.gamma_GABA, p.tau_GABA, x.G_SST2, x.r_SST2),
            G_VIP1: gate(p.gamma_GABA, p.tau_GABA, x.G_VIP1, x.r_VIP1),
            G_VIP2: gate(p.gamma_GABA, p.tau_GABA, x.G_VIP2, x.r_VIP2),
            D_SST1: gate(p.gamma_GABA, p.tau_D, x.D_SST1, x.r_SST1),
            D_SST2: gate(p.gamma_GABA, p.tau_D, x.D_SST2, x.r_SST2),
            a_E1: adaptation(p.tau_a, x.a_E1, x.r_E1),
            a_E2: adaptation(p.tau_a, x.a_E2, x.r_E2),
            a_SST1: adaptation(p.tau_a, x.a_SST1, x.r_SST1),
            a_SST2: adaptation(p.tau_a, x.a_SST2, x.r_SST2),
            a_VIP1: adaptation(p.tau_a, x.a_VIP1, x.r_VIP1),
            a_VIP2: adaptation(p.tau_a, x.a_VIP2, x.r_VIP2),
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        let (r, G, D, a) = (
            p.tau_r.rate(),
            p.tau_GABA.rate(),
            p.tau_D.rate(),
            p.tau_a.rate(),
        );
        let (N, A) = (p.tau_NMDA.rate(), p.tau_AMPA.rate());
        Variables {
            r_E1: r,
            r_E2: r,
            r_PV: r,
            r_SST1: r,
            r_SST2: r,
            r_VIP1: r,
            r_VIP2: r,
            N_E1: N,
            N_E2: N,
            A_E1: A,
            A_E2: A,
            G_PV: G,
            G_SST1: G,
            G_SST2: G,
            G_VIP1: G,
            G_VIP2: G,
            D_SST1: D,
            D_SST2: D,
            a_E1: a,
            a_E2: a,
            a_SST1: a,
            a_SST2: a,
            a_VIP1: a,
            a_VIP2: a,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Fields, ParameterFields};

    /// Published numbers, in the order of the table; spines and dopamine at their neutral value.
    const PUBLISHED: [f64; 44] = [
        2.0, 60.0, 2.0, 5.0, 10.0, 100.0, // time constants
        1.282, 5.0, 2.0, // gates
        0.135, 54.0, 308.0, 0.33, 0.132, 0.132, -95.0, -33.0, -33.0, // rate functions
        0.1, 0.2, 1.0, // receptors
        180.0, 174.0, 43.5, 58.0, // excitation
        -400.0, -90.0, -180.0, -170.0, -100.0, -50.0, // inhibition
        -4.0, 0.0, -4.0, -4.0, // adaptation
        310.0, 300.0, 30.0, // background
        120.0, 136.24, 7.0, 0.0, 9.64, 20.0, // dendrite
    ];

    fn published() -> Parameters<f64> {
        Parameters::from_values(&PUBLISHED)
    }

    #[test]
    fn dendrite_has_the_published_response() {
        let p = published();
        for (exc, inh, out) in [
            (0.0, 0.0, 136.24),
            (30.0, 0.0, 255.7655),
            (30.0, -2.0, 244.8969),
            (30.0, -5.0, 90.2419),
            (130.0, -2.0, 256.24),
        ] {
            let found = dendrite([p.c1, p.c2, p.c3, p.c4, p.c5, p.c6], exc, inh);
            assert!((found - out).abs() < 1e-4, "({exc}, {inh}): {found}");
        }
    }

    /// Without any current rates fall to what background alone gives: 300 pA put PV cells at 4 Hz and
    /// SST and VIP cells at 6.6 Hz.
    #[test]
    fn background_alone_sets_the_rates_of_interneurons() {
        let x = Variables::read(&[0.0; 24]);
        let i = Inputs::read(&[0.0; 9]);
        let dx = FroudistWalsh2021::drift(&published(), &x, &i);
        for (found, rate) in [(dx.r_PV, 4.0), (dx.r_SST1, 6.6), (dx.r_VIP2, 6.6)] {
            assert!((found * 2.0 - rate).abs() < 1e-12, "{found}");
        }
        // Soma: 310 pA and the dendrite's 255.7655 pA; 0.135 Hz/pA x 565.7655 pA - 54 Hz.
        let above: f64 = 0.135 * 565.765_5 - 54.0;
        let rate = above / (1.0 - (-0.308 * above).exp());
        assert!((dx.r_E1 * 2.0 - rate).abs() < 1e-4, "{}", dx.r_E1);
    }

    /// Adaptation at rest is tau_a r: a tenth of the rate, as a number of spikes.
    #[test]
    fn gates_and_adaptation_rest_where_the_rates_put_them() {
        let mut x = Variables::read(&[0.0; 24]);
        x.r_E1 = 20.0;
        x.N_E1 = 1.282 * 0.06 * 20.0 / (1.0 + 1.282 * 0.06 * 20.0);
        x.A_E1 = 5.0 * 0.002 * 20.0;
        x.a_E1 = 2.0;
        x.r_SST1 = 10.0;
        x.G_SST1 = 2.0 * 0.005 * 10.0;
        x.D_SST1 = 2.0 * 0.010 * 10.0;
        let dx = FroudistWalsh2021::drift(&published(), &x, &Inputs::read(&[0.0; 9]));
        for rest in [dx.N_E1, dx.A_E1, dx.a_E1, dx.G_SST1, dx.D_SST1] {
            assert!(rest.abs() < 1e-15, "{rest}");
        }
    }

    /// Inputs reach gates and adaptation through rates alone, so that the second stage needs none.
    #[test]
    fn rates_alone_read_inputs() {
        let reads = crate::circuit::reads_inputs::<FroudistWalsh2021>();
        let rates = FroudistWalsh2021::INFO.updated_in(0);
        for (v, reads) in reads.into_iter().enumerate() {
            assert_eq!(reads, rates >> v & 1 == 1, "variable {v}");
        }
    }

    /// Selectivity 1 and 2 are the same circuit: exchanging them exchanges the drift.
    #[test]
    fn selectivities_are_alike() {
        let mut x = Variables::read(&[1.0; 24]);
        (x.r_E1, x.N_E1, x.D_SST1, x.G_VIP1, x.a_SST1) = (9.0, 0.4, 0.2, 0.3, 0.7);
        let mut y = Variables::read(&[1.0; 24]);
        (y.r_E2, y.N_E2, y.D_SST2, y.G_VIP2, y.a_SST2) = (9.0, 0.4, 0.2, 0.3, 0.7);
        let i = Inputs::read(&[0.0; 9]);
        let (dx, dy) = (
            FroudistWalsh2021::drift(&published(), &x, &i),
            FroudistWalsh2021::drift(&published(), &y, &i),
        );
        assert_ne!(dx.r_E1, dx.r_E2);
        for (one, other) in [
            (dx.r_E1, dy.r_E2),
            (dx.r_E2, dy.r_E1),
            (dx.r_PV, dy.r_PV),
            (dx.r_SST1, dy.r_SST2),
            (dx.r_VIP1, dy.r_VIP2),
            (dx.N_E1, dy.N_E2),
        ] {
            assert!((one - other).abs() <= 1e-12 * one.abs(), "{one} {other}");
        }
    }
}
