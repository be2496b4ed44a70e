//! Random guests through the stock daemon and ours: both must say the same.
//!
//! A row of guests begins with one that both know and changes one thing at a time, as the installed
//! schema allows or against it. A change that the stock daemon refuses is taken back, so a refusal
//! has one reason and guests grow far from where they began.

pub mod argv;
pub mod compare;
pub mod decisions;
pub mod generate;
pub mod guests;
pub mod minimise;
pub mod mutate;
pub mod place;
pub mod random;
pub mod run;
pub mod schema;
pub mod side;
pub mod values;
