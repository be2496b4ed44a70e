//! Which firmware the guest gets: chosen by the host's descriptors, by what the definition asks for.

use super::Context;
use crate::firmware::{self, Descriptor, FlashMode, Mapping, Wish};
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::storage::Location;
use virt_domain::features::{Features, Smm};
use virt_domain::os::{
    FirmwareFeature, FirmwareFeatureName, FirmwareFeatures, FirmwareKind, FlashFormat, Loader,
    LoaderType, OsNvram,
};
use virt_domain::seclabel::LaunchSecurityType;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{OnOff, YesNo};

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let os = &domain.os;
    if os.firmware.is_none() {
        if os.firmware_features.is_some() && context.is_new() {
            return Err(plain(
                "cannot use feature-based firmware autoselection when firmware autoselection is disabled",
            ));
        }
        let open = os.loader.as_ref().is_none_or(|l| l.path.is_none());
        if open && (os.loader.is_some() || os.nvram.is_some()) {
            return Err(plain(
                "no loader path specified and firmware auto selection disabled",
            ));
        }
        if open {
            return Ok(());
        }
    }
    // What somebody calls a ROM himself is left as it was written.
    let said_rom = |loader: &Loader| loader.kind == Some(LoaderType::Rom);
    let said_rom = domain.os.loader.as_ref().is_some_and(said_rom);
    if let Some(loader) = &mut domain.os.loader
        && loader.path.is_some()
        && loader.kind.is_none()
    {
        loader.kind = Some(LoaderType::Rom);
    }
    let kind = match domain.os.firmware {
        Some(kind) => Some(kind),
        None => match domain.os.loader.as_ref().and_then(|loader| loader.kind) {
            Some(LoaderType::Pflash) => Some(FirmwareKind::Efi),
            Some(LoaderType::Rom) => Some(FirmwareKind::Bios),
            None => None,
        },
    };
    // A definition that says all is not looked up again.
    if let Some(kind) = kind.filter(|_| !is_complete(domain)) {
        let descriptors = firmware::load(&context.config.firmware_dirs)?;
        match choose(domain, context, kind, &descriptors) {
            Some(descriptor) => apply(domain, kind, descriptor),
            None if domain.os.firmware.is_some() && context.is_new() => {
                return Err(nothing_fits(kind));
            }
            None => known_pair(domain, context),
        }
    }
    if let Some(loader) = domain.os.loader.as_mut().filter(|_| !said_rom) {
        loader.format.get_or_insert(FlashFormat::Raw);
    }
    variables(domain, context);
    Ok(())
}

/// Chooses firmware for a definition that was stored without, or refuses to start it.
///
/// # Errors
/// OPERATION_FAILED when no firmware of the host does what is asked for.
pub(crate) fn resolve(domain: &mut Domain, context: &Context) -> Result<()> {
    let Some(kind) = domain.os.firmware else {
        return Ok(());
    };
    fill(domain, context)?;
    if is_complete(domain) || kind == FirmwareKind::Bios {
        Ok(())
    } else {
        Err(nothing_fits(kind))
    }
}

/// A refusal without a phrase in front.
fn plain(text: &str) -> Error {
    Error::new(ErrorCode::XmlDetail, ErrorDomain::Qemu, text)
}

/// The refusal of a wish that no firmware of the host fulfils.
fn nothing_fits(kind: FirmwareKind) -> Error {
    Error::new(
        ErrorCode::OperationFailed,
        ErrorDomain::Qemu,
        format!(
            "Unable to find '{kind}' firmware that is compatible with the current configuration"
        ),
    )
}

/// Whether everything that a choice would fill in is there.
fn is_complete(domain: &Domain) -> bool {
    let Some(loader) = &domain.os.loader else {
        return false;
    };
    let has_code = loader.path.is_some() && loader.kind.is_some() && loader.format.is_some();
    let has_variables = loader.kind != Some(LoaderType::Pflash)
        || loader.stateless == Some(YesNo::Yes)
        || loader.readonly != Some(YesNo::Yes)
        || domain
            .os
            .nvram
            .as_ref()
            .is_some_and(|n| n.format.is_some() && (n.path.is_some() || n.source.is_some()));
    has_code && has_variables
}

fn choose<'d>(
    domain: &Domain,
    context: &Context,
    kind: FirmwareKind,
    descriptors: &'d [Descriptor],
) -> Option<&'d Descriptor> {
    let none = Loader::default();
    let loader = domain.os.loader.as_ref().unwrap_or(&none);
    let nvram = domain.os.nvram.as_ref();
    // One's own image that can be written to is in no descriptor.
    if domain.os.firmware.is_none() && loader.readonly != Some(YesNo::Yes) {
        return None;
    }
    let arch = domain.os.kind.arch.unwrap_or_default();
    let format = loader
        .format
        .or_else(|| nvram.and_then(|n| n.format))
        .or_else(|| nvram.and_then(|n| n.template_format));
    let path = loader.path.as_deref();
    let format = match (format, path) {
        (Some(format), _) => Some(format.word()),
        (None, Some(_)) => None,
        (None, None) if context.is_new() => None,
        // What an old definition leaves open is raw, as it was when it was written.
        (None, None) => Some("raw"),
    };
    let mut features: Vec<(&str, bool)> = domain
        .os
        .firmware_features
        .iter()
        .flat_map(|f| &f.features)
        .map(|f| (f.name.word(), f.enabled == YesNo::Yes))
        .collect();
    if let Some(secure) = loader.secure {
        features.push(("requires-smm", secure == YesNo::Yes));
    }
    if let Some(security) = &domain.launch_security {
        match security.kind {
            LaunchSecurityType::Sev => {
                // Bit 2 of the policy asks for encrypted state.
                let encrypted_state = security.policy.is_some_and(|p| p.0 & 4 != 0);
                features.push((
                    if encrypted_state {
                        "amd-sev-es"
                    } else {
                        "amd-sev"
                    },
                    true,
                ));
            }
            LaunchSecurityType::SevSnp => features.push(("amd-sev-snp", true)),
            LaunchSecurityType::S390Pv => {}
        }
    }
    let smm = domain.features.as_ref().and_then(|f| f.smm.as_ref());
    let wish = Wish {
        interface: match kind {
            FirmwareKind::Bios => "bios",
            FirmwareKind::Efi => "uefi",
        },
        arch: arch.qemu_name(),
        machine: domain.os.kind.machine.as_deref().unwrap_or_default(),
        features,
        code: path,
        template: nvram.and_then(|n| n.template.as_deref()),
        format,
        writable: loader.readonly == Some(YesNo::No),
        stateless: match (loader.stateless, nvram) {
            (Some(stateless), _) => Some(stateless == YesNo::Yes),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        },
        flash: loader.kind.map(|kind| kind == LoaderType::Pflash),
        smm: smm.map(|smm| smm.state.is_on()),
    };
    firmware::select(descriptors, &wish)
}

fn format(name: &str) -> Option<FlashFormat> {
    FlashFormat::from_word(name)
}

/// Puts what was chosen into the definition.
fn apply(domain: &mut Domain, kind: FirmwareKind, descriptor: &Descriptor) {
    domain.os.firmware = Some(kind);
    let loader = domain.os.loader.get_or_insert_default();
    let mut with_keys = true;
    match &descriptor.mapping {
        Mapping::Flash {
            mode,
            executable,
            nvram_template,
        } => {
            loader.kind = Some(LoaderType::Pflash);
            loader.readonly = Some(YesNo::from(*mode != FlashMode::Combined));
            loader.format = format(&executable.format);
            loader.path = Some(executable.filename.clone());
            if *mode == FlashMode::Stateless {
                loader.stateless = Some(YesNo::Yes);
            }
            if *mode == FlashMode::Split {
                let nvram = domain.os.nvram.get_or_insert_default();
                with_keys = is_local(nvram);
                if let Some(template) = nvram_template.as_ref().filter(|_| with_keys) {
                    nvram.template = Some(template.filename.clone());
                    nvram.template_format = format(&template.format);
                }
                nvram.format = nvram_template
                    .as_ref()
                    .and_then(|t| format(&t.format))
                    .or(loader.format)
                    .filter(|_| with_keys)
                    .or(nvram.format)
                    .or(Some(FlashFormat::Raw));
            }
        }
        Mapping::Memory { filename } | Mapping::Kernel { filename } => {
            loader.kind = Some(LoaderType::Rom);
            loader.path = Some(filename.clone());
        }
    }
    if descriptor.has("requires-smm") {
        loader.secure = Some(YesNo::Yes);
        let features = domain.features.get_or_insert_with(Features::default);
        features.smm.get_or_insert(Smm {
            state: OnOff::On,
            tseg: None,
        });
    }
    if kind == FirmwareKind::Efi {
        let feature = |name: FirmwareFeatureName| FirmwareFeature {
            enabled: YesNo::from(descriptor.has(name.word())),
            name,
        };
        let mut features = Vec::new();
        if with_keys {
            features.push(feature(FirmwareFeatureName::EnrolledKeys));
        }
        features.push(feature(FirmwareFeatureName::SecureBoot));
        domain.os.firmware_features = Some(FirmwareFeatures { features });
    }
}

/// Whether the variables are in a file or device of the host, which can be made from a template.
fn is_local(nvram: &OsNvram) -> bool {
    nvram.source.as_ref().is_none_or(|source| {
        matches!(
            source.location,
            Location::File { .. } | Location::Block { .. }
        )
    })
}

/// Firmware that has no descriptor but is known by its paths.
fn known_pair(domain: &mut Domain, context: &Context) {
    let Some(loader) = &domain.os.loader else {
        return;
    };
    let (Some(LoaderType::Pflash), Some(path)) = (loader.kind, &loader.path) else {
        return;
    };
    if loader.readonly != Some(YesNo::Yes) || loader.stateless == Some(YesNo::Yes) {
        return;
    }
    let pair = context
        .config
        .nvram
        .iter()
        .find(|(code, _)| code == Path::new(path));
    let Some((_, template)) = pair else { return };
    let nvram = domain.os.nvram.get_or_insert_default();
    if nvram.template.is_none() && is_local(nvram) {
        nvram.template = Some(template.to_string_lossy().into_owned());
    }
    if nvram.template.is_some() {
        nvram.template_format.get_or_insert(FlashFormat::Raw);
    }
}

/// Where the variables are kept, for firmware that has some.
fn variables(domain: &mut Domain, context: &Context) {
    let Some(loader) = &domain.os.loader else {
        return;
    };
    // What can be written to keeps its variables itself.
    // Firmware that is still to be chosen says where they are once it is.
    let chosen = domain.os.firmware.is_none() || domain.os.nvram.is_some();
    let split =
        chosen && loader.readonly == Some(YesNo::Yes) && loader.stateless != Some(YesNo::Yes);
    if loader.kind != Some(LoaderType::Pflash) || loader.path.is_none() || !split {
        let nvram = domain.os.nvram.take();
        domain.os.nvram = nvram.filter(|nvram| *nvram != OsNvram::default());
        return;
    }
    let code = loader.format;
    let nvram = domain.os.nvram.get_or_insert_default();
    let format = match nvram.path.is_some() || nvram.source.is_some() {
        true => nvram.format,
        // A file that is still to be made is what it is made from.
        false => nvram.template_format,
    };
    let format = format.or(code);
    let format = format.unwrap_or(FlashFormat::Raw);
    nvram.format = Some(format);
    if nvram.path.is_none() && nvram.source.is_none() {
        let ending = match format {
            FlashFormat::Raw => "fd",
            FlashFormat::Qcow2 => "qcow2",
        };
        let name = format!("{}_VARS.{ending}", domain.name);
        let path = context.config.nvram_dir.join(name);
        nvram.path = Some(path.to_string_lossy().into_owned());
    }
}
