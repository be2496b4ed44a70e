//! What of a guest is shown.

/// What a written definition contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// Only what is kept across starts: no id, aliases, back ends and labels of a running guest.
    pub inactive: bool,
    /// Passwords too.
    pub secure: bool,
    /// As the other side of a migration can read it.
    pub migratable: bool,
}
