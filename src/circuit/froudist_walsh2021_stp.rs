//! Cell-type circuit of Froudist-Walsh et al. 2021 (Neuron 109:3500) with short-term plasticity.
//!
//! That of `froudist_walsh2021`, with facilitation u and depression x of what E releases:
//!
//! ```text
//! du/dt = (U - u)/tau_u + U (1 - u) r_E        dx/dt = (1 - x)/tau_x - u x r_E
//!
//! dN/dt  = -N/tau_NMDA  + gamma_NMDA k_ux u x (1 - N) r_E          plastic gates: E to E and E to SST
//! dA/dt  = -A/tau_AMPA  + gamma_AMPA k_ux u x r_E
//! dN0/dt = -N0/tau_NMDA + gamma_NMDA k_ux u_0 x_0 (1 - N0) r_E     fixed gates: E to PV and E to VIP
//! dA0/dt = -A0/tau_AMPA + gamma_AMPA k_ux u_0 x_0 r_E
//!
//! X = (1 - f) n N + f A     X0 = (1 - f) n N0 + f A0     f = f_AMPA; onto PV: f_AMPA_PV
//!
//! I_E,p   = w_EE X_p + g_EPV G_PV + I_0E + I_sd + (g_adE + g_M) a_E,p + input
//! I_PV    = w_PVE (X0_1 + X0_2) + g_PVPV G_PV + g_PVSST (G_SST1 + G_SST2) + I_0I + input
//! I_SST,p = w_SSTE (X_1 + X_2) + g_SSTVIP G_VIP,p + I_0I + g_adSST a_SST,p + input
//! I_VIP,p = w_VIPE X0_p + g_VIPSST G_SST,p + I_0I + g_adVIP a_VIP,p + input
//! ```
//!
//! Rates, rate functions, dendrites, GABA gates and adaptation are those of `froudist_walsh2021`. Rates in
//! Hz, time in s. u_0 and x_0 are constants of each area: what its synapses have at rest without dopamine.
//! The published code advances the rates first, then u and x with the new rates (x with the old u), then
//! all gates with the new rates, u and x.

use super::LocalCircuit;
use super::froudist_walsh2021::{S_PER_MS, adaptation, dendrite, gate, phi_E, saturating_gate};
use crate::lanes::Lanes;

local_circuit! {
    /// Two selective E populations with dendrites and plastic synapses, PV, SST and VIP cells.
    FroudistWalsh2021Stp {
        name: "froudist_walsh2021_stp",
        title: "selective E populations with dendrites and short-term plasticity, PV, SST and VIP cells",
        citation: "Froudist-Walsh et al. 2021, Neuron 109:3500-3520",
        doi: "10.1016/j.neuron.2021.08.024",
        sent: ["N_E1", "N_E2", "A_E1", "A_E2", "N0_E1", "N0_E2", "A0_E1", "A0_E2"],
        published_order: [
            ["r_E1", "r_E2", "r_PV", "r_SST1", "r_SST2", "r_VIP1", "r_VIP2"],
            ["u_E1", "u_E2", "x_E1", "x_E2"],
            [
                "N_E1", "N_E2", "A_E1", "A_E2", "N0_E1", "N0_E2", "A0_E1", "A0_E2", "G_PV",
                "G_SST1", "G_SST2", "G_VIP1", "G_VIP2", "D_SST1", "D_SST2", "a_E1", "a_E2",
                "a_SST1", "a_SST2", "a_VIP1", "a_VIP2"
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
        tau_u => "time constant of facilitation";
        tau_x => "time constant of recovery from depression";
    }
    parameters {
        gamma_NMDA: "1" => "NMDA gate opened per spike";
        gamma_AMPA: "1" => "AMPA gate opened per spike";
        gamma_GABA: "1" => "GABA gate opened per spike";
        U: "1" => "release probability at rest, and its step towards one per spike";
        k_ux: "1" => "opening of excitatory gates per unit of u x, relative to no plasticity";
        u_0: "1" => "release probability of synapses without plasticity";
        x_0: "1" => "available fraction of vesicles of synapses without plasticity";
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
        N_E1: "1", "N" of "E1", 0.0..1.0 => "NMDA gate opened by plastic synapses of E, selectivity 1";
        N_E2: "1", "N" of "E2", 0.0..1.0 => "NMDA gate opened by plastic synapses of E, selectivity 2";
        A_E1: "1", "A" of "E1", 0.0..f64::INFINITY => "AMPA gate opened by plastic synapses of E, selectivity 1";
        A_E2: "1", "A" of "E2", 0.0..f64::INFINITY => "AMPA gate opened by plastic synapses of E, selectivity 2";
        N0_E1: "1", "N0" of "E1", 0.0..1.0 => "NMDA gate opened by synapses of E without plasticity, selectivity 1";
        N0_E2: "1", "N0" of "E2", 0.0..1.0 => "NMDA gate opened by synapses of E without plasticity, selectivity 2";
        A0_E1: "1", "A0" of "E1", 0.0..f64::INFINITY => "AMPA gate opened by synapses of E without plasticity, selectivity 1";
        A0_E2: "1", "A0" of "E2", 0.0..f64::INFINITY => "AMPA gate opened by synapses of E without plasticity, selectivity 2";
        u_E1: "1", "u" of "E1", 0.0..1.0 => "release probability of E, selectivity 1";
        u_E2: "1", "u" of "E2", 0.0..1.0 => "release probability of E, selectivity 2";
        x_E1: "1", "x" of "E1", 0.0..1.0 => "available fraction of vesicles of E, selectivity 1";
        x_E2: "1", "x" of "E2", 0.0..1.0 => "available fraction of vesicles of E, selectivity 2";
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

/// What moves facilitation.
#[inline(always)]
fn facilitation<L: Lanes>(p: &Parameters<L>, u: L, r: L) -> L {
    (p.U - u) / p.tau_u + p.U * (L::splat(1.0) - u) * r * L::splat(S_PER_MS)
}

/// What moves depression.
#[inline(always)]
fn depression<L: Lanes>(p: &Parameters<L>, x: L, u: L, r: L) -> L {
    (L::splat(1.0) - x) / p.tau_x - u * x * r * L::splat(S_PER_MS)
}

impl LocalCircuit for FroudistWalsh2021Stp {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let one = L::splat(1.0);

        // What the excitatory gates do to their targets: plastic ones to E and SST cells, fixed ones
        // to VIP cells, and the sum of both selectivities to PV cells.
        let nmda = (one - p.f_AMPA) * p.n;
        let X_1 = nmda * x.N_E1 + p.f_AMPA * x.A_E1;
        let X_2 = nmda * x.N_E2 + p.f_AMPA * x.A_E2;
        let X0_1 = nmda * x.N0_E1 + p.f_AMPA * x.A0_E1;
        let X0_2 = nmda * x.N0_E2 + p.f_AMPA * x.A0_E2;
        let X0_PV =
            (one - p.f_AMPA_PV) * p.n * (x.N0_E1 + x.N0_E2) + p.f_AMPA_PV * (x.A0_E1 + x.A0_E2);

        let c = [p.c1, p.c2, p.c3, p.c4, p.c5, p.c6];
        let I_sd1 = dendrite(c, p.I_0d + i.I_d1, p.g_dSST * x.D_SST1);
        let I_sd2 = dendrite(c, p.I_0d + i.I_d2, p.g_dSST * x.D_SST2);
        let to_all_E = p.g_EPV * x.G_PV + p.I_0E;
        let I_E1 = p.w_EE * X_1 + to_all_E + I_sd1 + (p.g_adE + p.g_M) * x.a_E1 + i.I_E1;
        let I_E2 = p.w_EE * X_2 + to_all_E + I_sd2 + (p.g_adE + p.g_M) * x.a_E2 + i.I_E2;
        let I_PV = p.w_PVE * X0_PV
            + p.g_PVPV * x.G_PV
            + p.g_PVSST * (x.G_SST1 + x.G_SST2)
            + p.I_0I
            + i.I_PV;
        let to_all_SST = p.w_SSTE * (X_1 + X_2) + p.I_0I;
        let I_SST1 = to_all_SST + p.g_SSTVIP * x.G_VIP1 + p.g_adSST * x.a_SST1 + i.I_SST1;
        let I_SST2 = to_all_SST + p.g_SSTVIP * x.G_VIP2 + p.g_adSST * x.a_SST2 + i.I_SST2;
        let I_VIP1 =
            p.w_VIPE * X0_1 + p.g_VIPSST * x.G_SST1 + p.I_0I + p.g_adVIP * x.a_VIP1 + i.I_VIP1;
        let I_VIP2 =
            p.w_VIPE * X0_2 + p.g_VIPSST * x.G_SST2 + p.I_0I + p.g_adVIP * x.a_VIP2 + i.I_VIP2;

        let rate = [p.a, p.b, p.d];
        // Release by plastic synapses and by those without plasticity, per spike.
        let (ux_1, ux_2) = (p.k_ux * x.u_E1 * x.x_E1, p.k_ux * x.u_E2 * x.x_E2);
        let ux_0 = p.k_ux * p.u_0 * p.x_0;
        let (N_1, N_2, N_0) = (
            p.gamma_NMDA * ux_1,
            p.gamma_NMDA * ux_2,
            p.gamma_NMDA * ux_0,
        );
        let (A_1, A_2, A_0) = (
            p.gamma_AMPA * ux_1,
            p.gamma_AMPA * ux_2,
            p.gamma_AMPA * ux_0,
        );
        Variables {
            r_E1: (phi_E(rate, I_E1) - x.r_E1) / p.tau_r,
            r_E2: (phi_E(rate, I_E2) - x.r_E2) / p.tau_r,
            r_PV: ((p.c_PV * I_PV + p.r_0PV).rectify() - x.r_PV) / p.tau_r,
            r_SST1: ((p.c_SST * I_SST1 + p.r_0SST).rectify() - x.r_SST1) / p.tau_r,
            r_SST2: ((p.c_SST * I_SST2 + p.r_0SST).rectify() - x.r_SST2) / p.tau_r,
            r_VIP1: ((p.c_VIP * I_VIP1 + p.r_0VIP).rectify() - x.r_VIP1) / p.tau_r,
            r_VIP2: ((p.c_VIP * I_VIP2 + p.r_0VIP).rectify() - x.r_VIP2) / p.tau_r,
            N_E1: saturating_gate(N_1, p.tau_NMDA, x.N_E1, x.r_E1),
            N_E2: saturating_gate(N_2, p.tau_NMDA, x.N_E2, x.r_E2),
            A_E1: gate(A_1, p.tau_AMPA, x.A_E1, x.r_E1),
            A_E2: gate(A_2, p.tau_AMPA, x.A_E2, x.r_E2),
            N0_E1: saturating_gate(N_0, p.tau_NMDA, x.N0_E1, x.r_E1),
            N0_E2: saturating_gate(N_0, p.tau_NMDA, x.N0_E2, x.r_E2),
            A0_E1: gate(A_0, p.tau_AMPA, x.A0_E1, x.r_E1),
            A0_E2: gate(A_0, p.tau_AMPA, x.A0_E2, x.r_E2),
            u_E1: facilitation(p, x.u_E1, x.r_E1),
            u_E2: facilitation(p, x.u_E2, x.r_E2),
            x_E1: depression(p, x.x_E1, x.u_E1, x.r_E1),
            x_E2: depression(p, x.x_E2, x.u_E2, x.r_E2),
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
        let (u, x) = (p.tau_u.rate(), p.tau_x.rate());
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
            N0_E1: N,
            N0_E2: N,
            A0_E1: A,
            A0_E2: A,
            u_E1: u,
            u_E2: u,
            x_E1: x,
            x_E2: x,
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
    use super::super::froudist_walsh2021 as base;
    use super::*;
    use crate::circuit::{Fields, ParameterFields};

    /// Published numbers, in the order of the table; spines and dopamine at their neutral value, and a
    /// u_0 and x_0 of the size that areas have.
    const PUBLISHED: [f64; 50] = [
        2.0, 60.0, 2.0, 5.0, 10.0, 100.0, 1500.0, 200.0, // time constants
        1.282, 5.0, 2.0, // gates
        0.2, 2.5, 0.3, 0.97, // plasticity
        0.135, 54.0, 308.0, 0.33, 0.132, 0.132, -95.0, -33.0, -33.0, // rate functions
        0.1, 0.2, 1.0, // receptors
        180.0, 174.0, 43.5, 58.0, // excitation
        -400.0, -90.0, -180.0, -170.0, -100.0, -50.0, // inhibition
        -4.0, 0.0, -4.0, -4.0, // adaptation
        310.0, 300.0, 30.0, // background
        120.0, 136.24, 7.0, 0.0, 9.64, 20.0, // dendrite
    ];

    const STATES: usize = 32;

    fn published() -> Parameters<f64> {
        Parameters::from_values(&PUBLISHED)
    }

    /// The same without plasticity.
    fn without() -> base::Parameters<f64> {
        let mut values = PUBLISHED.to_vec();
        values.drain(11..15);
        values.drain(6..8);
        base::Parameters::from_values(&values)
    }

    /// Facilitation and depression rest at u = U (1 + tau_u r)/(1 + U tau_u r), x = 1/(1 + u r tau_x).
    #[test]
    fn plasticity_rests_at_its_closed_form() {
        for r in [0.0, 0.5, 5.0, 30.0] {
            let mut x = Variables::read(&[0.0; STATES]);
            x.r_E1 = r;
            x.u_E1 = 0.2 * (1.0 + 1.5 * r) / (1.0 + 0.2 * 1.5 * r);
            x.x_E1 = 1.0 / (1.0 + x.u_E1 * r * 0.2);
            let dx = FroudistWalsh2021Stp::drift(&published(), &x, &Inputs::read(&[0.0; 9]));
            for rest in [dx.u_E1, dx.x_E1] {
                assert!(rest.abs() < 1e-15, "{r} Hz: {rest}");
            }
        }
    }

    /// Gates rest where 2.5 u x times the rate puts them, those without plasticity at 2.5 u_0 x_0.
    #[test]
    fn gates_rest_where_release_puts_them() {
        let mut x = Variables::read(&[0.0; STATES]);
        (x.r_E2, x.u_E2, x.x_E2) = (20.0, 0.6, 0.5);
        let rest = |ux: f64| {
            let opening = 1.282 * 0.06 * 2.5 * ux * 20.0;
            (opening / (1.0 + opening), 5.0 * 0.002 * 2.5 * ux * 20.0)
        };
        (x.N_E2, x.A_E2) = rest(0.6 * 0.5);
        (x.N0_E2, x.A0_E2) = rest(0.3 * 0.97);
        let dx = FroudistWalsh2021Stp::drift(&published(), &x, &Inputs::read(&[0.0; 9]));
        for rest in [dx.N_E2, dx.A_E2, dx.N0_E2, dx.A0_E2] {
            assert!(rest.abs() < 1e-15, "{rest}");
        }
    }

    /// Where k_ux u x and k_ux u_0 x_0 are 1, the circuit is that without plasticity, whatever its gates.
    #[test]
    fn release_of_one_is_the_circuit_without_plasticity() {
        let mut p = published();
        (p.k_ux, p.u_0, p.x_0) = (8.0, 0.25, 0.5);
        let states: Vec<f64> = (0..24)
            .map(|k| 0.3 + 0.2 * (f64::from(k) * 0.7).sin())
            .collect();
        let (gates, rates) = (&states[7..11], &states[..7]);
        let release = [0.25, 0.25, 0.5, 0.5];
        let all = [rates, gates, gates, &release, &states[11..]].concat();
        let inputs = [3.0, -2.0, 20.0, 10.0, 5.0, 1.0, -4.0, 8.0, 0.5];
        let with = FroudistWalsh2021Stp::drift(&p, &Variables::read(&all), &Inputs::read(&inputs));
        let without = base::FroudistWalsh2021::drift(
            &without(),
            &base::Variables::read(&states),
            &base::Inputs::read(&inputs),
        );
        let (with, without) = (with.as_slice(), without.as_slice());
        assert_eq!(with[..11], without[..11]);
        assert_eq!(with[11..15], without[7..11]);
        assert_eq!(with[19..], without[11..]);
    }

    /// Plastic gates reach E and SST cells, fixed gates PV and VIP cells.
    #[test]
    fn each_set_of_gates_has_its_targets() {
        let drift = |change: fn(&mut Variables<f64>)| {
            let mut x = Variables::read(&[0.1; STATES]);
            change(&mut x);
            let dx = FroudistWalsh2021Stp::drift(&published(), &x, &Inputs::read(&[0.0; 9]));
            [dx.r_E1, dx.r_SST1, dx.r_PV, dx.r_VIP1]
        };
        let before = drift(|_| {});
        for (name, change, reached) in [
            (
                "N",
                (|x| x.N_E1 = 0.4) as fn(&mut Variables<f64>),
                [true, true, false, false],
            ),
            ("A", |x| x.A_E1 = 0.4, [true, true, false, false]),
            ("N0", |x| x.N0_E1 = 0.4, [false, false, true, true]),
            ("A0", |x| x.A0_E1 = 0.4, [false, false, true, true]),
        ] {
            let after = drift(change);
            let found: Vec<bool> = before.iter().zip(after).map(|(b, a)| *b != a).collect();
            assert_eq!(found, reached, "{name}");
        }
    }

    /// Selectivity 1 and 2 are the same circuit: exchanging them exchanges the drift.
    #[test]
    fn selectivities_are_alike() {
        let mut x = Variables::read(&[0.5; STATES]);
        (x.r_E1, x.N_E1, x.A0_E1, x.u_E1, x.x_E1) = (9.0, 0.4, 0.2, 0.3, 0.7);
        let mut y = Variables::read(&[0.5; STATES]);
        (y.r_E2, y.N_E2, y.A0_E2, y.u_E2, y.x_E2) = (9.0, 0.4, 0.2, 0.3, 0.7);
        let i = Inputs::read(&[0.0; 9]);
        let (dx, dy) = (
            FroudistWalsh2021Stp::drift(&published(), &x, &i),
            FroudistWalsh2021Stp::drift(&published(), &y, &i),
        );
        assert_ne!(dx.N_E1, dx.N_E2);
        for (one, other) in [
            (dx.r_E1, dy.r_E2),
            (dx.r_E2, dy.r_E1),
            (dx.r_PV, dy.r_PV),
            (dx.r_SST1, dy.r_SST2),
            (dx.r_VIP1, dy.r_VIP2),
            (dx.N_E1, dy.N_E2),
            (dx.A0_E1, dy.A0_E2),
            (dx.u_E1, dy.u_E2),
            (dx.x_E1, dy.x_E2),
            (dx.x_E2, dy.x_E1),
        ] {
            assert!((one - other).abs() <= 1e-12 * one.abs(), "{one} {other}");
        }
    }
}
