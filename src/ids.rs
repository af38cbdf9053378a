//! Newtypes for what is counted, so that an area index can never be used as a variable index.

/// Defines an index newtype over `u32`.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as a `usize`, for slices.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<usize> for $name {
            /// Panics if the count exceeds `u32::MAX`, which no data set reaches.
            fn from(i: usize) -> Self {
                Self(u32::try_from(i).expect("more than u32::MAX items counted"))
            }
        }
    };
}

id!(
    /// Index of an area in its connectome, in the order of `areas.csv`.
    AreaId
);
id!(
    /// Index of a state or algebraic variable in its circuit's table.
    VarId
);
id!(
    /// Index of a replicate: the same model under other noise.
    Replicate
);
