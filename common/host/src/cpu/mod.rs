//! CPUs: what the host's can do, the models known by name, and finding the one for the other.
//!
//! The definitions come from the installed map ([`map::CpuMap`]), the host's facts from CPUID
//! ([`cpuid`]). Everything in between takes values and returns values.

pub mod baseline;
pub mod compare;
pub mod cpuid;
pub mod data;
pub mod decode;
pub mod definition;
pub mod feature_set;
pub mod map;

#[cfg(test)]
mod tests;

pub use compare::{Comparison, Offered};
pub use data::{CpuData, Key, Signature};
pub use decode::{Cpu, Named, Offer, Purpose};
pub use definition::Definition;
pub use feature_set::FeatureSet;
pub use map::CpuMap;
