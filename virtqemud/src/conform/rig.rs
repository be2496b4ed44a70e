//! The daemon's way of a definition, from text to command line, on a made-up host in one process: for
//! fuzzing and for measuring.

use super::arguments::Arguments;
use super::settings::Settings;
use super::{command_line, counting};
use crate::caps::QemuCaps;
use crate::define::{self, Context, Origin};
use std::sync::Arc;
use virt_domain::{Domain, View};
use virt_error::Result;

/// A made-up host whose emulator, whatever a definition names, has these capabilities.
pub struct Rig {
    caps: Arc<QemuCaps>,
    settings: Settings,
}

impl Rig {
    /// A host with that emulator.
    ///
    /// # Errors
    /// The text of what is wrong with the made-up settings.
    pub fn new(caps: Arc<QemuCaps>) -> std::result::Result<Self, String> {
        let arguments = Arguments::none();
        let settings = Settings::load(&arguments)?;
        Ok(Self { caps, settings })
    }

    fn context(&self) -> Context<'_> {
        Context {
            caps: &self.caps,
            config: &self.settings.config,
            origin: Origin::New,
            random: counting,
        }
    }

    fn complete(&self, xml: &str) -> Result<Box<Domain>> {
        let mut domain = define::read_with(xml, self.settings.host_arch, counting)?;
        define::complete(&mut domain, &self.context())?;
        Ok(domain)
    }

    /// What a definition says once it is completed, as `virsh dumpxml` shows it after `define`.
    ///
    /// # Errors
    /// Whatever a definition is refused with.
    pub fn normalise(&self, xml: &str) -> Result<String> {
        let view = View {
            secure: true,
            ..View::default()
        };
        Ok(self.complete(xml)?.to_xml(view))
    }

    /// The command line a definition stands for; its JSON.
    ///
    /// # Errors
    /// Whatever a definition or its start is refused with.
    pub fn command_line(&self, xml: &str) -> Result<String> {
        let mut domain = self.complete(xml)?;
        command_line(&mut domain, &self.context(), &self.settings)
    }
}
