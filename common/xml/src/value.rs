//! What an attribute or a text holds.

use std::borrow::Cow;

/// A value with a textual form.
pub trait Value: Sized {
    /// The value of that text; nothing when it has none.
    fn from_text(text: &str) -> Option<Self>;

    /// The text.
    fn to_text(&self) -> Cow<'_, str>;

    /// What may be written, for messages: `'ide', 'scsi'` or `a number from 0 to 255`.
    fn allowed() -> String;

    /// What the stock library says it expected, for values of which it says that.
    fn expected() -> Option<&'static str> {
        None
    }
}

impl Value for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn allowed() -> String {
        "a text".to_owned()
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Value for $number {
            fn from_text(text: &str) -> Option<Self> {
                // strtol(3) skips white space in front, not behind.
                text.trim_ascii_start().parse().ok()
            }

            fn to_text(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }

            fn allowed() -> String {
                format!("a number from {} to {}", Self::MIN, Self::MAX)
            }

            fn expected() -> Option<&'static str> {
                Some(if Self::MIN < Self::default() {
                    "Expected integer value"
                } else {
                    "Expected non-negative integer value"
                })
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 i8 i16 i32 i64 f64 }

impl<T: Value> Value for Box<T> {
    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Box::new)
    }

    fn to_text(&self) -> Cow<'_, str> {
        (**self).to_text()
    }

    fn allowed() -> String {
        T::allowed()
    }

    fn expected() -> Option<&'static str> {
        T::expected()
    }
}

impl Value for uuid::Uuid {
    /// 32 hexadecimal digits; blanks around and hyphens between them are skipped, as libvirt does.
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 64 || text.starts_with('-') {
            return None;
        }
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        (digits.len() == 32)
            .then(|| uuid::Uuid::try_parse(&digits).ok())
            .flatten()
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.hyphenated().to_string())
    }

    fn allowed() -> String {
        "a UUID".to_owned()
    }
}
