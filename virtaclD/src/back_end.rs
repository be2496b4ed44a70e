//! What answers questions.

/// A back end, by the names of libvirt's `access_drivers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackEnd {
    /// Allows everything.
    None,
    /// The host's polkitd, over the system bus.
    Polkit,
    /// Policies in Cedar.
    Cedar,
}

impl BackEnd {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::None, Self::Polkit, Self::Cedar];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Polkit => "polkit",
            Self::Cedar => crate::cedar::NAME,
        }
    }

    /// The one of that name.
    ///
    /// # Errors
    /// There is none: which ones there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|back_end| back_end.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL
                .iter()
                .map(|back_end| format!("\"{}\"", back_end.name()))
                .collect();
            let name = name.chars().take(100).collect::<String>();
            format!(
                "there is no back end \"{name}\"; there are {}",
                names.join(", ")
            )
        })
    }
}
