//! Cell-type circuit of Froudist-Walsh et al. 2021 (Neuron 109:3500) with dopamine that changes and with
//! learned synapses: the version of reward learning.
//!
//! Rates, gates, adaptation and currents are those of `froudist_walsh2021`, with
//!
//! ```text
//! dDA/dt = -DA/tau_DA + gamma_DA R           o = rho s(DA; m_occ, s_occ)     s(x; m, k) = 1/(1 + exp(-k (x - m)))
//! n      = 1 + k_n s(o; m_n, s_n)            g_EPV + k_PV o  for g_EPV       g_dSST + k_SST o  for g_dSST
//! du/dt  = (U - u)/tau_u + U (1 - u) r_E
//!
//! dN/dt  = -N/tau_NMDA + gamma_NMDA u_0 x_0 (1 - N) r_E      dA/dt  = -A/tau_AMPA + gamma_AMPA u_0 x_0 r_E
//! dNF/dt = -NF/tau_NMDA + gamma_NMDA u x_0 (1 - NF) r_E      dAF/dt = -AF/tau_AMPA + gamma_AMPA u x_0 r_E
//!
//! input of a population: I + n N;  of the first selectivity's soma and of PV cells also c_1 L_1 + c_2 L_2
//! ```
//!
//! R is the input `R_DA`, the rate of the cells that release dopamine; N_.. are currents through NMDA
//! receptors from elsewhere, L_.. currents of selectivity 1 and 2 through learned synapses of strength c_1 and
//! c_2. NF and AF are the gates of facilitating synapses. The strengths stand still while the equations run: what
//! a trial teaches changes them between trials. There is no M-current: the authors' notebook of this version
//! leaves it out.
//!
//! Cells that release dopamine need no equations of their own: the published ones are those of E and of PV cells,
//! without dendrites, adaptation and local excitation, so that a group of areas with other parameters has them.
//!
//! The published code advances the rates first, then dopamine, facilitation, gates and adaptation with the new rates,
//! and then the facilitating gates with the new release probability.

use super::LocalCircuit;
use super::froudist_walsh2021::{self as base, FroudistWalsh2021, S_PER_MS, gate, saturating_gate};
use crate::lanes::{Lanes, Tau};

local_circuit! {
    /// Two selective E populations with dendrites, PV, SST and VIP cells, dopamine, learned synapses.
    FroudistWalsh2021Reward {
        name: "froudist_walsh2021_reward",
        title: "selective E populations with dendrites, PV, SST and VIP cells, dopamine and learned synapses",
        citation: "Froudist-Walsh et al. 2021, Neuron 109:3500-3520",
        doi: "10.1016/j.neuron.2021.08.024",
        sent: ["N_E1", "N_E2", "A_E1", "A_E2", "NF_E1", "NF_E2", "AF_E1", "AF_E2", "r_E1"],
        published_order: [
            ["r_E1", "r_E2", "r_PV", "r_SST1", "r_SST2", "r_VIP1", "r_VIP2"],
            [
                "N_E1", "N_E2", "A_E1", "A_E2", "G_PV", "G_SST1", "G_SST2", "G_VIP1", "G_VIP2", "D_SST1", "D_SST2", "a_E1", "a_E2", "a_SST1", "a_SST2", "a_VIP1", "a_VIP2", "DA_E", "u_E1", "u_E2", "c_E1", "c_E2"
            ],
            ["NF_E1", "NF_E2", "AF_E1", "AF_E2"]
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
        tau_DA => "time constant of the reuptake of dopamine";
    }
    parameters {
        gamma_NMDA: "1" => "NMDA gate opened per spike, per unit of release";
        gamma_AMPA: "1" => "AMPA gate opened per spike, per unit of release";
        gamma_GABA: "1" => "GABA gate opened per spike";
        gamma_DA: "1" => "dopamine released per spike of dopamine cells";
        U: "1" => "release probability at rest, and its step towards one per spike";
        u_0: "1" => "release probability of synapses without facilitation";
        x_0: "1" => "available fraction of vesicles";
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
        rho: "1" => "density of D1 receptors, 0 to 1";
        m_occ: "1" => "dopamine that occupies half of the D1 receptors";
        s_occ: "1" => "steepness of occupancy";
        k_n: "1" => "largest gain of NMDA receptors by dopamine";
        m_n: "1" => "occupied density that gives half of that gain";
        s_n: "1" => "steepness of that gain";
        k_PV: "pA" => "what occupancy adds to g_EPV";
        k_SST: "pA" => "what occupancy adds to g_dSST";
        w_EE: "pA" => "local coupling E to E of the same selectivity, per unit of gate";
        w_PVE: "pA" => "local coupling E to PV";
        w_SSTE: "pA" => "local coupling E to SST";
        w_VIPE: "pA" => "local coupling E to VIP of the same selectivity";
        g_EPV: "pA" => "local coupling PV to the soma of E without dopamine, negative";
        g_dSST: "pA" => "local coupling SST to the dendrite of E without dopamine, negative";
        g_PVPV: "pA" => "local coupling PV to PV, negative";
        g_PVSST: "pA" => "local coupling SST to PV, negative";
        g_VIPSST: "pA" => "local coupling SST to VIP, negative";
        g_SSTVIP: "pA" => "local coupling VIP to SST, negative";
        g_adE: "pA" => "adaptation current of E, negative";
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
        NF_E1: "1", "NF" of "E1", 0.0..1.0 => "NMDA gate opened by facilitating synapses of E, selectivity 1";
        NF_E2: "1", "NF" of "E2", 0.0..1.0 => "NMDA gate opened by facilitating synapses of E, selectivity 2";
        AF_E1: "1", "AF" of "E1", 0.0..f64::INFINITY => "AMPA gate opened by facilitating synapses of E, selectivity 1";
        AF_E2: "1", "AF" of "E2", 0.0..f64::INFINITY => "AMPA gate opened by facilitating synapses of E, selectivity 2";
        u_E1: "1", "u" of "E1", 0.0..1.0 => "release probability of facilitating synapses of E, selectivity 1";
        u_E2: "1", "u" of "E2", 0.0..1.0 => "release probability of facilitating synapses of E, selectivity 2";
        DA_E: "1", "DA" of "E", 0.0..f64::INFINITY => "dopamine";
        c_E1: "1", "c" of "E1", 0.0..1.0 => "strength of learned synapses of selectivity 1";
        c_E2: "1", "c" of "E2", 0.0..1.0 => "strength of learned synapses of selectivity 2";
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
        N_d1: "pA" => "NMDA current to the dendrite of E, selectivity 1, without dopamine";
        N_d2: "pA" => "NMDA current to the dendrite of E, selectivity 2";
        N_PV: "pA" => "NMDA current to PV cells";
        N_SST1: "pA" => "NMDA current to SST cells, selectivity 1";
        N_SST2: "pA" => "NMDA current to SST cells, selectivity 2";
        N_VIP1: "pA" => "NMDA current to VIP cells, selectivity 1";
        N_VIP2: "pA" => "NMDA current to VIP cells, selectivity 2";
        L_E1: "pA" => "current of selectivity 1 to the first soma through learned synapses, at strength 1";
        L_E2: "pA" => "current of selectivity 2 to the same soma through learned synapses";
        L_PV1: "pA" => "current of selectivity 1 to PV cells through learned synapses";
        L_PV2: "pA" => "current of selectivity 2 to PV cells through learned synapses";
        R_DA: "Hz" => "rate of the cells that release dopamine here";
    }
}

/// The curve of everything that dopamine does.
#[inline(always)]
fn sigmoid<L: Lanes>(x: L, midpoint: L, slope: L) -> L {
    let one = L::splat(1.0);
    one / (one + (slope * (midpoint - x)).exp())
}

/// What the circuit without learning has for parameters where dopamine gives NMDA receptors the gain `n` and
/// occupies so much of the receptors' density.
#[inline(always)]
fn modulated<L: Lanes>(p: &Parameters<L>, n: L, occupied: L) -> base::Parameters<L> {
    base::Parameters {
        tau_r: p.tau_r,
        tau_NMDA: p.tau_NMDA,
        tau_AMPA: p.tau_AMPA,
        tau_GABA: p.tau_GABA,
        tau_D: p.tau_D,
        tau_a: p.tau_a,
        gamma_NMDA: p.gamma_NMDA * p.u_0 * p.x_0,
        gamma_AMPA: p.gamma_AMPA * p.u_0 * p.x_0,
        gamma_GABA: p.gamma_GABA,
        a: p.a,
        b: p.b,
        d: p.d,
        c_PV: p.c_PV,
        c_SST: p.c_SST,
        c_VIP: p.c_VIP,
        r_0PV: p.r_0PV,
        r_0SST: p.r_0SST,
        r_0VIP: p.r_0VIP,
        f_AMPA: p.f_AMPA,
        f_AMPA_PV: p.f_AMPA_PV,
        n,
        w_EE: p.w_EE,
        w_PVE: p.w_PVE,
        w_SSTE: p.w_SSTE,
        w_VIPE: p.w_VIPE,
        g_EPV: p.g_EPV + occupied * p.k_PV,
        g_dSST: p.g_dSST + occupied * p.k_SST,
        g_PVPV: p.g_PVPV,
        g_PVSST: p.g_PVSST,
        g_VIPSST: p.g_VIPSST,
        g_SSTVIP: p.g_SSTVIP,
        g_adE: p.g_adE,
        g_M: L::splat(0.0),
        g_adSST: p.g_adSST,
        g_adVIP: p.g_adVIP,
        I_0E: p.I_0E,
        I_0I: p.I_0I,
        I_0d: p.I_0d,
        c1: p.c1,
        c2: p.c2,
        c3: p.c3,
        c4: p.c4,
        c5: p.c5,
        c6: p.c6,
    }
}

/// What moves facilitation.
#[inline(always)]
fn facilitation<L: Lanes>(U: L, tau: Tau<L>, u: L, r: L) -> L {
    (U - u) / tau + U * (L::splat(1.0) - u) * r * L::splat(S_PER_MS)
}

impl LocalCircuit for FroudistWalsh2021Reward {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let zero = L::splat(0.0);
        let occupied = p.rho * sigmoid(x.DA_E, p.m_occ, p.s_occ);
        let n = L::splat(1.0) + p.k_n * sigmoid(occupied, p.m_n, p.s_n);
        let cells = base::Variables {
            r_E1: x.r_E1,
            r_E2: x.r_E2,
            r_PV: x.r_PV,
            r_SST1: x.r_SST1,
            r_SST2: x.r_SST2,
            r_VIP1: x.r_VIP1,
            r_VIP2: x.r_VIP2,
            N_E1: x.N_E1,
            N_E2: x.N_E2,
            A_E1: x.A_E1,
            A_E2: x.A_E2,
            G_PV: x.G_PV,
            G_SST1: x.G_SST1,
            G_SST2: x.G_SST2,
            G_VIP1: x.G_VIP1,
            G_VIP2: x.G_VIP2,
            D_SST1: x.D_SST1,
            D_SST2: x.D_SST2,
            a_E1: x.a_E1,
            a_E2: x.a_E2,
            a_SST1: x.a_SST1,
            a_SST2: x.a_SST2,
            a_VIP1: x.a_VIP1,
            a_VIP2: x.a_VIP2,
        };
        let currents = base::Inputs {
            I_d1: i.I_d1 + n * i.N_d1,
            I_d2: i.I_d2 + n * i.N_d2,
            I_E1: i.I_E1 + x.c_E1 * i.L_E1 + x.c_E2 * i.L_E2,
            I_E2: i.I_E2,
            I_PV: i.I_PV + n * i.N_PV + x.c_E1 * i.L_PV1 + x.c_E2 * i.L_PV2,
            I_SST1: i.I_SST1 + n * i.N_SST1,
            I_SST2: i.I_SST2 + n * i.N_SST2,
            I_VIP1: i.I_VIP1 + n * i.N_VIP1,
            I_VIP2: i.I_VIP2 + n * i.N_VIP2,
        };
        let d = FroudistWalsh2021::drift(&modulated(p, n, occupied), &cells, &currents);
        let (N_1, N_2) = (p.gamma_NMDA * p.x_0 * x.u_E1, p.gamma_NMDA * p.x_0 * x.u_E2);
        let (A_1, A_2) = (p.gamma_AMPA * p.x_0 * x.u_E1, p.gamma_AMPA * p.x_0 * x.u_E2);
        Variables {
            r_E1: d.r_E1,
            r_E2: d.r_E2,
            r_PV: d.r_PV,
            r_SST1: d.r_SST1,
            r_SST2: d.r_SST2,
            r_VIP1: d.r_VIP1,
            r_VIP2: d.r_VIP2,
            N_E1: d.N_E1,
            N_E2: d.N_E2,
            A_E1: d.A_E1,
            A_E2: d.A_E2,
            G_PV: d.G_PV,
            G_SST1: d.G_SST1,
            G_SST2: d.G_SST2,
            G_VIP1: d.G_VIP1,
            G_VIP2: d.G_VIP2,
            D_SST1: d.D_SST1,
            D_SST2: d.D_SST2,
            a_E1: d.a_E1,
            a_E2: d.a_E2,
            a_SST1: d.a_SST1,
            a_SST2: d.a_SST2,
            a_VIP1: d.a_VIP1,
            a_VIP2: d.a_VIP2,
            NF_E1: saturating_gate(N_1, p.tau_NMDA, x.NF_E1, x.r_E1),
            NF_E2: saturating_gate(N_2, p.tau_NMDA, x.NF_E2, x.r_E2),
            AF_E1: gate(A_1, p.tau_AMPA, x.AF_E1, x.r_E1),
            AF_E2: gate(A_2, p.tau_AMPA, x.AF_E2, x.r_E2),
            u_E1: facilitation(p.U, p.tau_u, x.u_E1, x.r_E1),
            u_E2: facilitation(p.U, p.tau_u, x.u_E2, x.r_E2),
            DA_E: gate(p.gamma_DA, p.tau_DA, x.DA_E, i.R_DA),
            c_E1: zero,
            c_E2: zero,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        let nothing = L::splat(0.0);
        let l = FroudistWalsh2021::leak(&modulated(p, nothing, nothing));
        let (N, A, u) = (p.tau_NMDA.rate(), p.tau_AMPA.rate(), p.tau_u.rate());
        Variables {
            r_E1: l.r_E1,
            r_E2: l.r_E2,
            r_PV: l.r_PV,
            r_SST1: l.r_SST1,
            r_SST2: l.r_SST2,
            r_VIP1: l.r_VIP1,
            r_VIP2: l.r_VIP2,
            N_E1: l.N_E1,
            N_E2: l.N_E2,
            A_E1: l.A_E1,
            A_E2: l.A_E2,
            G_PV: l.G_PV,
            G_SST1: l.G_SST1,
            G_SST2: l.G_SST2,
            G_VIP1: l.G_VIP1,
            G_VIP2: l.G_VIP2,
            D_SST1: l.D_SST1,
            D_SST2: l.D_SST2,
            a_E1: l.a_E1,
            a_E2: l.a_E2,
            a_SST1: l.a_SST1,
            a_SST2: l.a_SST2,
            a_VIP1: l.a_VIP1,
            a_VIP2: l.a_VIP2,
            NF_E1: N,
            NF_E2: N,
            AF_E1: A,
            AF_E2: A,
            u_E1: u,
            u_E2: u,
            DA_E: p.tau_DA.rate(),
            c_E1: nothing,
            c_E2: nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Fields, ParameterFields};

    /// Numbers of the authors' notebook, in the order of the table.
    const PUBLISHED: [f64; 56] = [
        2.0, 60.0, 2.0, 5.0, 10.0, 100.0, 200.0, 2000.0, // time constants
        6.41, 25.0, 2.0, 0.1, 0.2, 0.22, 0.87, // gates, release
        0.135, 54.0, 308.0, 0.33, 0.132, 0.132, -95.0, -33.0, -33.0, // rate functions
        0.1, 0.2, 1.0, 1.0, 2.0, 0.6, 0.35, 10.0, 399.0, -20.0, // receptors
        180.0, 174.0, 43.5, 58.0, // excitation
        -400.0, -90.0, -180.0, -170.0, -100.0, -50.0, // inhibition
        -4.0, -4.0, -4.0, // adaptation
        310.0, 300.0, 30.0, // background
        120.0, 136.24, 7.0, 0.0, 9.64, 20.0, // dendrite
    ];
    const STATES: usize = 33;
    const INPUTS: usize = 21;

    fn published() -> Parameters<f64> {
        Parameters::from_values(&PUBLISHED)
    }

    /// Dopamine at 1 occupies half of the receptors: gain 1.4905 of NMDA receptors, -200.5 pA from PV cells, -100 pA
    /// from SST cells, where the density is greatest.
    #[test]
    fn dopamine_does_what_the_paper_says() {
        let p = published();
        let mut x = Variables::read(&[0.0; STATES]);
        x.DA_E = 1.0;
        let nothing = Inputs::read(&[0.0; INPUTS]);
        let current = |x: &Variables<f64>, i: &Inputs<f64>| {
            // A rate of VIP cells tells its current, as it is linear there.
            (FroudistWalsh2021Reward::drift(&p, x, i).r_VIP1 * 2.0 + 33.0) / 0.132
        };
        let rest = current(&x, &nothing);
        let mut i = Inputs::read(&[0.0; INPUTS]);
        i.N_VIP1 = 100.0;
        assert!((current(&x, &i) - rest - 149.05).abs() < 0.005);
        let m = modulated(&p, 1.0, 0.5);
        assert_eq!((m.g_EPV, m.g_dSST), (-200.5, -100.0));
        // Reuptake in 2 s against a tenth per spike: at rest 0.2 per Hz.
        (x.DA_E, i.R_DA) = (1.0, 5.0);
        assert!(FroudistWalsh2021Reward::drift(&p, &x, &i).DA_E.abs() < 1e-15);
    }

    /// Gates at rest are those of the circuit without learning times 5 u_0 x_0, and the facilitating ones have as much
    /// more as u is above u_0.
    #[test]
    fn facilitation_opens_the_gates_that_it_should() {
        let mut x = Variables::read(&[0.0; STATES]);
        (x.r_E1, x.u_E1, x.u_E2) = (10.0, 0.44, 0.2);
        let d = FroudistWalsh2021Reward::drift(&published(), &x, &Inputs::read(&[0.0; INPUTS]));
        assert!((d.N_E1 - 1.282 * 5.0 * 0.22 * 0.87 * 0.01).abs() < 1e-12);
        assert!((d.NF_E1 / d.N_E1 - 2.0).abs() < 1e-12);
        assert!((d.AF_E1 / d.A_E1 - 2.0).abs() < 1e-12);
        assert!((d.u_E1 - ((0.2 - 0.44) / 200.0 + 0.2 * 0.56 * 0.01)).abs() < 1e-15);
        assert_eq!((d.u_E2, d.c_E1), (0.0, 0.0));
    }

    /// What is learned weighs the inputs of its selectivity, to dopamine cells and to their inhibition.
    #[test]
    fn strengths_weigh_learned_inputs_alone() {
        let p = published();
        let mut x = Variables::read(&[0.0; STATES]);
        (x.c_E1, x.c_E2) = (0.25, 0.5);
        let mut i = Inputs::read(&[0.0; INPUTS]);
        (i.L_PV1, i.L_PV2, i.L_E1, i.L_E2) = (40.0, 20.0, 8.0, 4.0);
        let mut given = Inputs::read(&[0.0; INPUTS]);
        (given.I_PV, given.I_E1) = (20.0, 4.0);
        let (learned, direct) = (
            FroudistWalsh2021Reward::drift(&p, &x, &i),
            FroudistWalsh2021Reward::drift(&p, &x, &given),
        );
        assert_eq!((learned.r_PV, learned.r_E1), (direct.r_PV, direct.r_E1));
    }
}
