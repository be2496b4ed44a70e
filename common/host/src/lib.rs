//! what the host is: CPU, NUMA, memory, firmware tables, capabilities.
