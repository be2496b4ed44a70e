//! PCI option ROMs, as properties of `-device`.

use super::props::Props;
use virt_domain::devices::info::DeviceInfo;
use virt_xml::YesNo;

impl Props {
    /// Adds what was said of the option ROM.
    #[must_use]
    pub(in crate::argv) fn with_rom(self, info: &DeviceInfo) -> Self {
        let Some(rom) = &info.rom else { return self };
        if rom.enabled == Some(YesNo::No) {
            // No file, no ROM.
            return self.with("romfile", "");
        }
        self.maybe("rombar", rom.bar.map(|bar| u8::from(bar.is_on())))
            .maybe("romfile", rom.file.clone())
    }
}
