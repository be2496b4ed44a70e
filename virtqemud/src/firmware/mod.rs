//! Which firmware images a guest gets: the descriptors that the host offers and the choice among
//! them.

mod descriptor;
mod select;

pub use descriptor::{Descriptor, FlashFile, FlashMode, Mapping, Target, folders, load};
pub use select::{Wish, select};
