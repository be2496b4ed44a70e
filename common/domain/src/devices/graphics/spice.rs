//! What only SPICE has.

use virt_xml::{Element, OnOff, Words, YesNo};

use crate::devices::chardev::MouseMode;

/// `<channel …/>`: how one of its connections is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct SpiceChannel {
    /// Which.
    #[xml(attr)]
    pub name: SpiceChannelName,
    /// How.
    #[xml(attr)]
    pub mode: SpiceChannelMode,
}

/// SPICE's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each is SPICE's name of it")]
pub enum SpiceChannelName {
    Main,
    Display,
    Inputs,
    Cursor,
    Playback,
    Record,
    Smartcard,
    Usbredir,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum SpiceChannelMode {
    /// As the client likes.
    #[default]
    Any,
    /// It is.
    Secure,
    /// It is not.
    Insecure,
}

/// How still images are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each is SPICE's name of it")]
pub enum ImageCompression {
    #[word("auto_glz")]
    AutoGlz,
    #[word("auto_lz")]
    AutoLz,
    Quic,
    Glz,
    Lz,
    Off,
}

/// When images are compressed with JPEG or zlib on slow links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum WanCompression {
    /// As SPICE finds right.
    Auto,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// What is sent as video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum StreamingMode {
    /// What looks like one.
    Filter,
    /// Everything that changes often.
    All,
    /// Nothing.
    Off,
}

/// The settings that are elements of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpiceSettings {
    /// How some connections are made.
    pub channels: Vec<SpiceChannel>,
    /// How still images are compressed.
    pub image: Option<ImageCompression>,
    /// When with JPEG.
    pub jpeg: Option<WanCompression>,
    /// When with zlib.
    pub zlib: Option<WanCompression>,
    /// Whether sound is compressed.
    pub playback: Option<OnOff>,
    /// What is sent as video.
    pub streaming: Option<StreamingMode>,
    /// Who moves the pointer.
    pub mouse: Option<MouseMode>,
    /// Whether the clipboard is shared.
    pub clipboard: Option<YesNo>,
    /// Whether files can be dropped on the window.
    pub filetransfer: Option<YesNo>,
}
