//! Whose log it is, as the driver said when it opened it.

use serde::{Deserialize, Serialize};

/// A guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The driver's name, as it says itself.
    pub driver: String,
    /// The guest's UUID.
    pub uuid: [u8; 16],
    /// Its name.
    pub name: String,
}
