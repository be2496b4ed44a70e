//! The options that say what a question is about: `--domain NAME` and its like. What they leave out of a
//! guest is asked of its driver.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use virt_daemon::Paths;
use virt_daemon::conf::{Document, Value as ConfValue};
use virt_error::{Error, ErrorCode};
use virt_owners::{NAMESPACE, Owners};
use virt_rpc::client::Connection;
use virt_rpc::protocol::Object;
use virt_rpc::protocol::decisions::{Purpose, Question, Subject, Target};
use virt_rpc::protocol::remote::{
    DomainGetMetadata, DomainGetMetadataArgs, DomainLookupByName, DomainLookupByNameArgs,
};

use super::connection;
use crate::back_end::BackEnd;
use crate::kinds::{Kind, detail};
use crate::permissions::Action;

/// What the options are.
pub(super) const HELP: &str = "\
  --domain NAME         the guest; its UUID and its owners are asked of its driver, unless they are
                        given, as they must be for one that is not there yet
  --uuid UUID           its UUID
  --owner-user NAME     an owner of the guest's, as its metadata name them; may be repeated
  --owner-group NAME    likewise a group
  --detail KEY=VALUE    another detail, for other kinds of objects; may be repeated
  --connect DRIVER      the driver: QEMU (default), LXC, network, storage ...
  --readonly            as over a read-only connection
  --back-end NAME       ask polkit, cedar; may be repeated. Default: those of the driver's
                        configuration and of virtacld.conf
  --root DIR            the daemon's files are below DIR
  --json                as JSON";

/// What a command has beside the options about the object.
pub(super) enum Own<'a> {
    /// A word that is no option.
    Word(&'a str),
    /// An option, and how to get its value.
    Option(&'a str, &'a mut dyn FnMut() -> Result<String, String>),
}

/// One element of a guest's metadata, by its namespace (`virDomainMetadataType`).
const METADATA_ELEMENT: i32 = 2;

/// What the options said.
#[derive(Debug, Default)]
pub(super) struct Options {
    details: Vec<(String, String)>,
    owner_users: Vec<String>,
    owner_groups: Vec<String>,
    driver: Option<String>,
    readonly: bool,
    back_ends: Vec<String>,
    pub root: Option<PathBuf>,
    pub json: bool,
}

/// Drivers of guests: their names, daemons and URIs.
const DRIVERS: &[(&str, &str, &str)] = &[
    ("QEMU", "virtqemud", "qemu:///system"),
    ("LXC", "virtlxcd", "lxc:///system"),
];

impl Options {
    /// Reads a command line. What is none of these options is `own`'s, which says whether it took it.
    /// Nothing when help was asked for and given.
    pub(super) fn read(
        arguments: Vec<OsString>,
        usage: &str,
        mut own: impl FnMut(Own<'_>) -> Result<bool, String>,
    ) -> Result<Option<Self>, String> {
        let mut options = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
            let taken = match argument {
                Short('h') | Long("help") => {
                    println!("{usage}\n{HELP}");
                    return Ok(None);
                }
                Short(letter) => return Err(format!("no option -{letter}\n{usage}\n{HELP}")),
                Value(word) => {
                    let word = word.string().map_err(|e| e.to_string())?;
                    own(Own::Word(&word))?
                }
                Long(option) => {
                    let option = option.to_owned();
                    options.take(&option, &mut parser)?
                        || own(Own::Option(&option, &mut || value(&mut parser)))?
                }
            };
            if !taken {
                return Err(format!("too much, or no such option\n{usage}\n{HELP}"));
            }
        }
        Ok(Some(options))
    }

    /// Takes an option; false if it is none of these.
    fn take(&mut self, option: &str, parser: &mut lexopt::Parser) -> Result<bool, String> {
        let mut value = || value(parser);
        match option {
            "domain" => self.details.push(("domain_name".to_owned(), value()?)),
            "uuid" => self.details.push(("domain_uuid".to_owned(), value()?)),
            "owner-user" => self.owner_users.push(value()?),
            "owner-group" => self.owner_groups.push(value()?),
            "detail" => {
                let text = value()?;
                let (key, value) = text.split_once('=').ok_or_else(|| {
                    format!("--detail {text}: it is KEY=VALUE, such as network_name=default")
                })?;
                self.details.push((key.to_owned(), value.to_owned()));
            }
            "connect" => self.driver = Some(value()?),
            "readonly" => self.readonly = true,
            "back-end" => {
                let name = value()?;
                BackEnd::named(&name)?;
                self.back_ends.push(name);
            }
            "root" => self.root = Some(PathBuf::from(value()?)),
            "json" => self.json = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The question whether `subject` may do `action`.
    pub(super) fn question(mut self, subject: Subject, action: Action) -> Result<Question, String> {
        let driver = self.driver.take().unwrap_or_else(|| "QEMU".to_owned());
        if self.back_ends.is_empty() {
            self.back_ends = self.configured(&driver)?;
        }
        let kind = Kind::of(action.object);
        for key in kind.always {
            if !self.details.iter().any(|(known, _)| known == key) {
                let object = action.object.name();
                return Err(match action.object {
                    Object::Domain => format!("{action} is about a guest: add --domain NAME"),
                    _ => format!("{action} is about a {object}: add --detail {key}=VALUE"),
                });
            }
        }
        let mut target = Target {
            object: action.object,
            details: std::mem::take(&mut self.details),
            owner_users: std::mem::take(&mut self.owner_users),
            owner_groups: std::mem::take(&mut self.owner_groups),
        };
        if action.object == Object::Domain {
            self.look_up(&driver, &mut target);
        }
        Ok(Question {
            subject,
            driver,
            back_ends: self.back_ends,
            readonly: self.readonly,
            call: "virtacld check".to_owned(),
            purpose: Purpose::Call,
            permissions: vec![action.permission],
            targets: vec![target],
        })
    }

    /// What `access_drivers` of the driver's own configuration says.
    fn configured(&self, driver: &str) -> Result<Vec<String>, String> {
        let Some((_, daemon, _)) = DRIVERS.iter().find(|(name, ..)| *name == driver) else {
            return Ok(Vec::new());
        };
        let paths = Paths::system(self.root.as_deref());
        let file = paths.config.join(format!("{daemon}.conf"));
        let mut document = Document::read(&file, false).map_err(|e| e.to_string())?;
        Ok(match document.take("access_drivers") {
            Some((_, ConfValue::List(names))) => names,
            Some((_, ConfValue::Text(name))) => vec![name],
            _ => Vec::new(),
        })
    }

    /// Asks the guest's driver for what was not given of it. Without an answer the question is asked
    /// without it, and what is assumed is said.
    fn look_up(&self, driver: &str, target: &mut Target) {
        let known_uuid = detail(target, "domain_uuid").is_some();
        let known_owners = !(target.owner_users.is_empty() && target.owner_groups.is_empty());
        if known_uuid && known_owners {
            return;
        }
        let name = detail(target, "domain_name").unwrap_or_default().to_owned();
        match self.ask_driver(driver, name) {
            Ok((uuid, owners)) => {
                if !known_uuid {
                    let uuid = in_words(uuid);
                    target.details.push(("domain_uuid".to_owned(), uuid));
                }
                if !known_owners {
                    (target.owner_users, target.owner_groups) = (owners.users, owners.groups);
                }
            }
            Err(text) => {
                let mut assumed = Vec::new();
                if !known_uuid {
                    assumed.push("no UUID (--uuid gives one)");
                }
                if !known_owners {
                    assumed.push("no owners (--owner-user and --owner-group give some)");
                }
                eprintln!(
                    "virtacld: the guest's driver does not say more of it ({text}): assumed are {}",
                    assumed.join(" and ")
                );
            }
        }
    }

    fn ask_driver(&self, driver: &str, name: String) -> Result<([u8; 16], Owners), String> {
        let found = DRIVERS.iter().find(|(known, ..)| *known == driver);
        let (_, daemon, uri) = found.ok_or_else(|| format!("no driver of guests is {driver}"))?;
        let paths = Paths::system(self.root.as_deref());
        let socket = paths.run.join(format!("{daemon}-sock"));
        connection::run(async {
            let failed = |e: Error| e.to_string();
            let connection = Connection::connect(&socket).await.map_err(failed)?;
            connection.open(uri, true).await.map_err(failed)?;
            let args = DomainLookupByNameArgs { name };
            let found = connection.call::<DomainLookupByName>(&args).await;
            let dom = found.map_err(failed)?.dom;
            let uuid = dom.uuid;
            let args = DomainGetMetadataArgs {
                dom,
                r#type: METADATA_ELEMENT,
                uri: Some(NAMESPACE.to_owned()),
                flags: 0,
            };
            let owners = match connection.call::<DomainGetMetadata>(&args).await {
                Ok(found) => Owners::within(&virt_xml::parse(&found.metadata).map_err(failed)?),
                Err(error) if error.is(ErrorCode::NoDomainMetadata) => Owners::default(),
                Err(error) => return Err(failed(error)),
            };
            Ok((uuid, owners))
        })
    }
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value.string().map_err(|e| e.to_string())
}

/// A UUID as it is written.
fn in_words(uuid: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in uuid.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_as_libvirt_writes_it() {
        let uuid: [u8; 16] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        assert_eq!(in_words(uuid), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
