//! what both drivers share: registry, persistence, events, autostart, secondary daemons.
