//! `<nvram>` of pSeries guests.

use super::info::DeviceInfo;
use virt_xml::Element;

/// `<nvram>` of pSeries guests.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Nvram {
    /// Alias and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Nvram {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}
