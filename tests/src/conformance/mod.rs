//! The conformance corpus run against the `conform` tool: figures, the floor below which they must
//! not fall, and the page that shows them.
//!
//! The corpus is not part of this repository. It is looked for at [`VARIABLE`] or beside the
//! checkout, and brings its own runner; here its lines are counted.

mod corpus;
mod figures;
mod floor;
mod outputs;
mod page;
pub mod real_qemu;

pub use corpus::{Corpus, VARIABLE};
pub use figures::{Expects, Figures, Key, Share};
pub use floor::Floor;
pub use outputs::Output;
pub use page::{FILE as PAGE, page};
