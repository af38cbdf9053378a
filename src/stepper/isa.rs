//! Hot code compiled for several instruction sets, one of which is chosen when the program runs.

use crate::lanes::{Dual, Isa, Lanes};

/// Whether hot code over lanes `L` is compiled for an instruction set.
pub(crate) const fn runs_on<L: Lanes>(isa: Isa) -> bool {
    let mut i = 0;
    while i < L::ISAS.len() {
        if L::ISAS[i] as u8 == isa as u8 {
            return true;
        }
        i += 1;
    }
    false
}

/// Whether equal lanes of a field stand in memory once. Of sixteen lanes, those of all parameters of all areas
/// would take most of the first-level cache, and few parameters differ between areas; narrower ones fit, and
/// where each field stands would have to be read besides.
pub(super) const fn stand_once<L: Lanes>() -> bool {
    L::WIDTH == 16
}

/// Whether code for lanes that share their numbers is compiled. One lane shares with itself, and for
/// x86-64 without AVX2 the same code serves both: it is the largest of all, for rare machines.
pub(super) const fn may_share<L: Lanes>() -> bool {
    L::WIDTH > 1 && (cfg!(not(target_arch = "x86_64")) || !runs_on::<L>(Isa::Base))
}

/// Lanes that are compiled for every instruction set.
pub(crate) type Any = Dual;

/// Makes a function that runs `$body` compiled for an instruction set.
///
/// Each set gets a copy that is not inlined: coupling and noise know nothing of circuits, so one
/// copy per lane type serves all of them, and a further circuit costs little to compile.
///
/// The copies are default methods of a trait of the type `$home`. The compiler works on several
/// modules at a time and puts such a method into that of its type, where plain functions would all
/// fall to this one: with circuits as homes, each is compiled beside the others.
macro_rules! for_isa {
    ($(#[$doc:meta])* $name:ident<$($g:ident: $bound:path),* $(; $(const $k:ident: $kt:ty),+)?>($($arg:ident: $ty:ty),* $(,)?) = $body:ident over $lanes:ident at $home:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "the instruction set comes on top")]
        pub(super) fn $name<$($g: $bound,)* $($(const $k: $kt),+)?>(isa: $crate::lanes::Isa, $($arg: $ty),*) {
            #[allow(clippy::too_many_arguments, reason = "as many as the body has")]
            trait Copies {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
                #[inline(never)]
                unsafe fn avx512<$($g: $bound,)* $($(const $k: $kt),+)?>($($arg: $ty),*) {
                    $body::<$($g,)* $($($k),+)?>($($arg),*);
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                #[inline(never)]
                unsafe fn avx2<$($g: $bound,)* $($(const $k: $kt),+)?>($($arg: $ty),*) {
                    $body::<$($g,)* $($($k),+)?>($($arg),*);
                }
                #[inline(never)]
                fn base<$($g: $bound,)* $($(const $k: $kt),+)?>($($arg: $ty),*) {
                    $body::<$($g,)* $($($k),+)?>($($arg),*);
                }
            }
            impl<Home> Copies for Home {}
            use $crate::stepper::isa::runs_on;
            #[cfg(target_arch = "x86_64")]
            {
                if const { runs_on::<$lanes>($crate::lanes::Isa::Avx512) }
                    && isa == $crate::lanes::Isa::Avx512
                {
                    // SAFETY: `Isa::detect`, the only source of these values, found the features.
                    return unsafe { <$home as Copies>::avx512::<$($g,)* $($($k),+)?>($($arg),*) };
                }
                if const { runs_on::<$lanes>($crate::lanes::Isa::Avx2) }
                    && isa != $crate::lanes::Isa::Base
                {
                    // SAFETY: as above; what has the wider instructions has these as well.
                    return unsafe { <$home as Copies>::avx2::<$($g,)* $($($k),+)?>($($arg),*) };
                }
            }
            if const { runs_on::<$lanes>($crate::lanes::Isa::Base) } {
                <$home as Copies>::base::<$($g,)* $($($k),+)?>($($arg),*);
            } else {
                unreachable!("lanes of {isa:?} are made only where it was found");
            }
        }
    };
}
pub(crate) use for_isa;

/// Keeps the optimiser from turning a loop over cells or links into one over their lanes: each turn
/// is already made of full vectors, which it would take apart and collect again one by one.
///
/// No instruction comes of it.
#[inline(always)]
pub(super) fn one_turn_at_a_time<L: Lanes>() {
    if const { runs_on::<L>(Isa::Base) } {
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    }
}

/// Asks for memory that will soon be read; any address will do.
#[inline(always)]
pub(super) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for memory that will soon be written; any address will do.
#[inline(always)]
pub(super) fn prefetch_to_write<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
