//! The two spellings of a switch.

use crate::Words;

/// `yes` or `no`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum YesNo {
    /// `yes`
    Yes,
    /// `no`
    #[default]
    No,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum OnOff {
    /// `on`
    On,
    /// `off`
    #[default]
    Off,
}

impl YesNo {
    /// Whether it is `yes`.
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }
}

impl OnOff {
    /// Whether it is `on`.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl From<bool> for YesNo {
    fn from(on: bool) -> Self {
        if on { Self::Yes } else { Self::No }
    }
}

impl From<bool> for OnOff {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}
