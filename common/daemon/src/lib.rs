//! start-up every daemon shares: arguments, configuration, paths, logging, sockets, signals.
