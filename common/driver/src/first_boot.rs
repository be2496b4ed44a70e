//! Whether guests that start with the host were started since it booted (WIRE.md section 25).

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes the marker in the driver's folder of running guests, which does not outlive a boot; whoever
/// finds it there is not the first.
pub fn is_first_since_boot(state: &Path) -> bool {
    let marker = state.join("autostarted");
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&marker);
    match made {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => {
            tracing::error!(
                "no guest starts with the host: cannot make '{}': {error}",
                marker.display()
            );
            false
        }
    }
}
