//! virtacld: one thing, decisions. May this person do this to that? Drivers ask, it answers from
//! policies, and says why.

mod api;
mod back_end;
mod cedar;
pub mod command;
mod conf;
pub mod daemon;
mod decisions;
mod denial;
mod in_force;
mod kinds;
mod listeners;
mod own_user;
mod people;
mod permissions;
mod polkit;
mod processes;
mod question;
mod sandbox;
mod watching;
