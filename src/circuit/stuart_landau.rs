//! Stuart–Landau oscillator: the normal form of a Hopf bifurcation, as models of the whole human brain use
//! it (Deco, Kringelbach, Jirsa & Ritter 2017, Sci Rep 7:3095).
//!
//! ```text
//! dz/dt = (a + i omega - |z|^2) z + I                      z = z_re + i z_im
//! ```
//!
//! Below a = 0 an area alone is a damped oscillator, above it a limit cycle of radius sqrt(a). Areas are
//! usually coupled by differences, G sum_j C_ij (z_j - z_i): a projection with `difference: true` for each part.

use super::LocalCircuit;
use crate::lanes::Lanes;

local_circuit! {
    /// Normal form of the Hopf bifurcation.
    StuartLandau {
        name: "stuart_landau",
        title: "normal form of a Hopf bifurcation",
        citation: "Deco, Kringelbach, Jirsa & Ritter 2017, Sci Rep 7:3095",
        doi: "10.1038/s41598-017-03073-5",
        sent: ["z_re", "z_im"],
        published_order: [["z_re", "z_im"]],
        background: [],
    }
    time_constants {}
    parameters {
        a: "1/ms" => "bifurcation parameter";
        omega: "1/ms" => "angular frequency";
    }
    states {
        z_re: "1", "z" of "re", -1000.0..f64::INFINITY => "real part";
        z_im: "1", "z" of "im", -1000.0..f64::INFINITY => "imaginary part";
    }
    algebraic {}
    inputs {
        I_re: "1/ms" => "input to the real part";
        I_im: "1/ms" => "input to the imaginary part";
    }
}

impl LocalCircuit for StuartLandau {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    /// The factor of |z|^2 is 1/ms.
    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let growth = p.a - x.z_re * x.z_re - x.z_im * x.z_im;
        Variables {
            z_re: growth * x.z_re - p.omega * x.z_im + i.I_re,
            z_im: growth * x.z_im + p.omega * x.z_re + i.I_im,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// The closed form: at the origin a +- i omega; on the cycle, radius sqrt(a), z turns with omega.
    #[test]
    fn cycle_and_origin() {
        let p = [0.25, 0.2];
        let [first, second] = facts::eigenvalues::<StuartLandau>(&p, &[0.0, 0.0]);
        assert!((first.0 - 250.0).abs() < 1e-12 && (first.1 - 200.0).abs() < 1e-12);
        assert_eq!(second, (first.0, -first.1));
        for turn in [0.0, 0.3, 1.7] {
            let (re, im) = (0.5 * f64::cos(turn), 0.5 * f64::sin(turn));
            let dx = facts::derivative::<StuartLandau>(&p, &[re, im], &[0.0; 2]);
            assert!((dx[0] + 0.2 * im).abs() < 1e-15 && (dx[1] - 0.2 * re).abs() < 1e-15);
        }
    }

    #[test]
    fn paths_reach_the_cycle_from_both_sides() {
        for start in [0.01, 2.0] {
            let path = facts::path::<StuartLandau>(&[0.25, 0.2], &[start, 0.0], 0.05, 4000);
            let z = &path[4000];
            assert!((z[0].hypot(z[1]) - 0.5).abs() < 1e-7, "{z:?}");
        }
    }

    /// Below the bifurcation the amplitude follows |z| e^(a t) once it is small.
    #[test]
    fn decays_below_the_bifurcation() {
        let path = facts::path::<StuartLandau>(&[-0.02, 0.2], &[1e-4, 0.0], 0.05, 2000);
        let z = &path[2000];
        assert!((z[0].hypot(z[1]) / (1e-4 * f64::exp(-2.0)) - 1.0).abs() < 1e-6);
    }
}
