//! Instruction sets that hot code is compiled for, chosen when the program runs.

/// An instruction set. All give the same bits: every operation used is fixed to the bit by IEEE 754.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply–add.
    Avx2,
    /// What the target guarantees: SSE2 on x86-64, NEON on 64-bit Arm.
    Base,
}

impl Isa {
    /// The widest one that this machine has.
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

/// Makes a function that runs `$body` compiled for an instruction set.
///
/// Each set gets a copy that is not inlined: coupling and noise know nothing of circuits, so one
/// copy per lane type serves all of them, and a further circuit costs little to compile.
macro_rules! for_isa {
    ($(#[$doc:meta])* $name:ident<$($g:ident: $bound:path),* $(; $(const $k:ident: $kt:ty),+)?>($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        pub(super) fn $name<$($g: $bound,)* $($(const $k: $kt),+)?>(isa: $crate::stepper::isa::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
                #[inline(never)]
                fn avx512<$($g: $bound,)* $($(const $k: $kt),+)?>($($arg: $ty),*) {
                    $body::<$($g,)* $($($k),+)?>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                #[inline(never)]
                fn avx2<$($g: $bound,)* $($(const $k: $kt),+)?>($($arg: $ty),*) {
                    $body::<$($g,)* $($($k),+)?>($($arg),*);
                }
                match isa {
                    // SAFETY: `Isa::detect`, the only source of these values, found the features.
                    $crate::stepper::isa::Isa::Avx512 => return unsafe { avx512::<$($g,)* $($($k),+)?>($($arg),*) },
                    // SAFETY: as above.
                    $crate::stepper::isa::Isa::Avx2 => return unsafe { avx2::<$($g,)* $($($k),+)?>($($arg),*) },
                    $crate::stepper::isa::Isa::Base => {}
                }
            }
            let _ = isa;
            $body::<$($g,)* $($($k),+)?>($($arg),*);
        }
    };
}
pub(super) use for_isa;

/// Keeps the optimiser from turning a loop over cells or links into one over their lanes: each turn
/// is already made of full vectors, which it would take apart and collect again one by one.
///
/// No instruction comes of it.
#[inline(always)]
pub(super) fn one_turn_at_a_time() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}
