//! How many threads write at once: a few for each folder, so that a file system that does not
//! answer keeps no thread from the others.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Threads for each folder.
const WIDTH: usize = 4;

/// The folders that were written to.
#[derive(Debug, Default)]
pub struct Lanes(Mutex<HashMap<PathBuf, Arc<Semaphore>>>);

impl Lanes {
    /// The turns in the folder of a file.
    pub fn of(&self, file: &Path) -> Arc<Semaphore> {
        // Insertions leave it whole at any time.
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(file.parent().unwrap_or(file).to_owned());
        Arc::clone(lane.or_insert_with(|| Arc::new(Semaphore::new(WIDTH))))
    }
}
