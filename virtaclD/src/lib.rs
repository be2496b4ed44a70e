//! virtacld: one thing, decisions. May this person do this to that? Drivers ask, it answers from
//! policies, and says why.

mod cedar;
mod kinds;
mod people;
mod permissions;
mod processes;
mod question;
