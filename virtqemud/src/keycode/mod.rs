//! Codes of keys: from the set a client speaks to QEMU's.

mod table;

use table::KEYS;

/// A set of codes (`virKeycodeSet` in `libvirt-domain.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codeset {
    /// Linux input events.
    Linux,
    /// The XT keyboard's, with an escape.
    Xt,
    /// AT set 1.
    Atset1,
    /// AT set 2.
    Atset2,
    /// AT set 3.
    Atset3,
    /// macOS.
    Osx,
    /// Linux's XT keyboard driver.
    XtKbd,
    /// USB HID.
    Usb,
    /// Windows.
    Win32,
    /// QEMU's.
    Qnum,
}

impl Codeset {
    const ALL: [Self; 10] = [
        Self::Linux,
        Self::Xt,
        Self::Atset1,
        Self::Atset2,
        Self::Atset3,
        Self::Osx,
        Self::XtKbd,
        Self::Usb,
        Self::Win32,
        Self::Qnum,
    ];

    /// The set of libvirt's number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// libvirt's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Xt => "xt",
            Self::Atset1 => "atset1",
            Self::Atset2 => "atset2",
            Self::Atset3 => "atset3",
            Self::Osx => "osx",
            Self::XtKbd => "xt_kbd",
            Self::Usb => "usb",
            Self::Win32 => "win32",
            Self::Qnum => "qnum",
        }
    }

    /// Its column. Those of macOS and Windows name keys otherwise and have none.
    const fn column(self) -> Option<usize> {
        match self {
            Self::Linux => Some(0),
            Self::Xt | Self::Atset1 => Some(2),
            Self::Atset2 => Some(3),
            Self::Atset3 => Some(4),
            Self::XtKbd => Some(5),
            Self::Usb => Some(6),
            Self::Qnum => Some(1),
            Self::Osx | Self::Win32 => None,
        }
    }
}

/// QEMU's code of a key; nothing when the set has no such code.
pub fn to_qnum(set: Codeset, code: u32) -> Option<u32> {
    if set == Codeset::Qnum {
        return (code < 256).then_some(code);
    }
    let column = set.column()?;
    let code = u16::try_from(code).ok().filter(|code| *code != 0)?;
    let row = KEYS.iter().find(|row| row[column] == code)?;
    Some(row[1].into()).filter(|code| *code != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_set() {
        // A and Delete, as the stock daemon sends them.
        assert_eq!(to_qnum(Codeset::Linux, 30), Some(30));
        assert_eq!(to_qnum(Codeset::Usb, 4), Some(30));
        assert_eq!(to_qnum(Codeset::Linux, 111), Some(211));
        assert_eq!(to_qnum(Codeset::Xt, 31), Some(31));
        assert_eq!(to_qnum(Codeset::Linux, 9999), None);
        assert_eq!(to_qnum(Codeset::Win32, 65), None);
        assert_eq!(Codeset::from_number(10), None);
    }
}
