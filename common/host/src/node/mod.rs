//! Numbers about the running host: CPUs, memory, pages.

pub(crate) mod cpu_stats;
pub(crate) mod info;
pub(crate) mod memory;
pub(crate) mod pages;

#[cfg(test)]
mod tests;
