//! Back ends of character devices: `-chardev`.
//!
//! Facts: qemu-system(1) "Character device options"; `chardev-add` of QEMU 10.0's QMP schema.

use super::command_line::Builder;
use super::context::{FileUse, StartContext, Tls};
use super::props::{OptionList, Props};
use crate::caps::CapFlag;
use serde_json::{Value, json};
use std::path::Path;
use virt_domain::devices::chardev::{
    CharBackend, CharSource, MouseMode, Reconnect, SourceMode, TcpProtocol,
};
use virt_domain::devices::storage::SecretRef;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// What is behind the SPICE channel of a device without a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpicePurpose {
    Agent,
    Smartcard,
    UsbRedirection,
}

impl SpicePurpose {
    fn word(self) -> &'static str {
        match self {
            Self::Agent => "vdagent",
            Self::Smartcard => "smartcard",
            Self::UsbRedirection => "usbredir",
        }
    }
}

/// A back end in both forms: option list and JSON.
struct Form {
    kind: &'static str,
    list: OptionList,
    data: Props,
}

impl Form {
    fn new(kind: &'static str, id: &str) -> Self {
        Self {
            kind,
            list: OptionList::starting(kind).with("id", id),
            data: Props::new(),
        }
    }

    fn both(mut self, key: &str, json_key: &str, value: &str) -> Self {
        self.list.put(key, value);
        self.data.put(json_key, value);
        self
    }

    fn switch(mut self, key: &str, on: bool) -> Self {
        self.list.put(key, super::props::on_off(on));
        self.data.put(key, on);
        self
    }
}

/// Appends a back end and gives its id, `charALIAS`.
///
/// # Errors
/// What opening descriptors failed with; CONFIG_UNSUPPORTED for other drivers' back ends.
pub(super) fn append(
    b: &mut Builder,
    context: &mut StartContext,
    source: &CharSource,
    alias: &str,
    purpose: SpicePurpose,
) -> Result<String> {
    let id = format!("char{alias}");
    let mut form = form(b, context, source, alias, &id, purpose)?;
    if let Some(log) = &source.log {
        let append = log.append;
        if context.descriptors.names_files() {
            form = form.both("logfile", "logfile", &log.file);
            if let Some(append) = append {
                form = form.switch("logappend", append.is_on());
            }
        } else {
            let append = append.is_some_and(|a| a.is_on());
            let file = Path::new(&log.file);
            let fd = context
                .descriptors
                .char_file(alias, FileUse::Log, file, append)?;
            let path = b.fdset(&[(fd, format!("{alias}-log"))]);
            form = form.both("logfile", "logfile", &path);
            form = form.switch("logappend", true);
        }
    }
    finish(b, &id, form);
    Ok(id)
}

fn finish(b: &mut Builder, id: &str, form: Form) {
    if b.caps.has(CapFlag::ChardevJson) {
        let backend = json!({ "type": form.kind, "data": Value::from(form.data) });
        let whole = Props::of("id", id).with("backend", backend);
        b.option("-chardev", whole.json());
    } else {
        b.option("-chardev", form.list.finish());
    }
}

fn form(
    b: &mut Builder,
    context: &mut StartContext,
    source: &CharSource,
    alias: &str,
    id: &str,
    purpose: SpicePurpose,
) -> Result<Form> {
    let plain = |kind| Form::new(kind, id);
    Ok(match &source.backend {
        CharBackend::Null => plain("null"),
        CharBackend::Vc => plain("vc"),
        CharBackend::Pty { .. } => plain("pty"),
        CharBackend::Stdio => plain("stdio"),
        CharBackend::Dev { path } => {
            let kind = if alias.starts_with("parallel") {
                "parallel"
            } else {
                "serial"
            };
            plain(kind).both("path", "device", path)
        }
        CharBackend::Pipe { path } => plain("pipe").both("path", "device", path),
        CharBackend::File { path, append } if context.descriptors.names_files() => {
            let form = plain("file").both("path", "out", path);
            match append {
                Some(append) => form.switch("append", append.is_on()),
                None => form,
            }
        }
        CharBackend::File { path, append } => {
            let keep = append.is_some_and(|a| a.is_on());
            let used = FileUse::Source;
            let fd = context
                .descriptors
                .char_file(alias, used, Path::new(path), keep)?;
            let set = b.fdset(&[(fd, format!("{alias}-source"))]);
            // The log daemon or we have truncated it already where that is wanted.
            plain("file")
                .both("path", "out", &set)
                .switch("append", true)
        }
        CharBackend::Unix {
            mode,
            path,
            reconnect,
        } => {
            let path = path.as_deref().ok_or_else(|| no_path(alias))?;
            match mode {
                SourceMode::Bind => {
                    let mut form = plain("socket");
                    let address = if context.descriptors.names_files() {
                        form.list.put("path", path);
                        json!({ "type": "unix", "data": { "path": path } })
                    } else {
                        let fd = context.descriptors.listen_unix(alias, Path::new(path))?;
                        form.list.put("fd", fd);
                        json!({ "type": "fd", "data": { "str": fd.to_string() } })
                    };
                    form.list.word("server=on,wait=off");
                    form.data.put("addr", address);
                    form.data.put("server", true);
                    form.data.put("wait", false);
                    form
                }
                SourceMode::Connect => connect_unix(b, id, path, *reconnect),
            }
        }
        CharBackend::Tcp { .. } => tcp(b, context, &source.backend, id)?,
        CharBackend::Udp { connect, bind } => {
            let mut form = plain("udp");
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let inet = |host: String, port: String| json!({ "type": "inet", "data": { "host": host, "port": port } });
            let (host, port) = (text(&connect.host), text(&connect.service));
            form.list.put("host", &host);
            form.list.put("port", &port);
            form.list.put("localaddr", text(&bind.host));
            let local_port = bind.service.clone().unwrap_or_else(|| "0".to_owned());
            form.list.put("localport", &local_port);
            form.data.put("remote", inet(host, port));
            if bind.host.is_some() || bind.service.is_some() {
                form.data.put("local", inet(text(&bind.host), local_port));
            }
            form
        }
        CharBackend::Spicevmc => plain("spicevmc").both("name", "type", purpose.word()),
        CharBackend::Spiceport { channel } => plain("spiceport").both("name", "fqdn", channel),
        CharBackend::Dbus { channel } => plain("dbus").both("name", "name", channel),
        CharBackend::QemuVdagent { clipboard, mouse } => {
            let mut form = plain("qemu-vdagent");
            form.list.put("name", SpicePurpose::Agent.word());
            let mut form = match clipboard {
                Some(on) => form.switch("clipboard", on.is_yes()),
                None => form,
            };
            if let Some(mode) = mouse {
                form = form.switch("mouse", *mode == MouseMode::Client);
            }
            form
        }
        CharBackend::Nmdm { .. } => {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!("QEMU has no character device of type 'nmdm' for '{alias}'"),
            ));
        }
    })
}

fn no_path(alias: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!("the UNIX socket of character device '{alias}' has no path"),
    )
}

/// A connection to a UNIX socket, which other devices need as well.
fn connect_unix(b: &Builder, id: &str, path: &str, again: Option<Reconnect>) -> Form {
    let mut form = Form::new("socket", id);
    form.list.put("path", path);
    form.data
        .put("addr", json!({ "type": "unix", "data": { "path": path } }));
    form.data.put("server", false);
    reconnect(b, &mut form, again);
    form
}

/// Appends a connection to a UNIX socket.
pub(super) fn append_unix(b: &mut Builder, id: &str, path: &str, again: Option<Reconnect>) {
    let form = connect_unix(b, id, path, again);
    finish(b, id, form);
}

/// Appends a UNIX socket that QEMU itself makes and waits at.
pub(super) fn append_unix_server(b: &mut Builder, id: &str, path: &str) {
    let list = OptionList::starting("socket")
        .with("id", id)
        .with("path", path)
        .with("server", "on");
    b.option("-chardev", list.finish());
}

fn reconnect(b: &Builder, form: &mut Form, again: Option<Reconnect>) {
    let Some(again) = again else { return };
    let seconds = match again.enabled {
        YesNo::Yes => again.timeout.unwrap_or(0),
        YesNo::No => 0,
    };
    let (key, value) = if b.caps.has(CapFlag::ChardevReconnectMiliseconds) {
        ("reconnect-ms", u64::from(seconds) * 1000)
    } else {
        ("reconnect", u64::from(seconds))
    };
    form.list.put(key, value);
    form.data.put(key, value);
}

fn tcp(
    b: &mut Builder,
    context: &mut StartContext,
    backend: &CharBackend,
    id: &str,
) -> Result<Form> {
    let mut form = Form::new("socket", id);
    let CharBackend::Tcp {
        mode,
        host,
        service,
        protocol,
        tls,
        reconnect: again,
        ..
    } = backend
    else {
        return Ok(form);
    };
    let server = *mode == SourceMode::Bind;
    form.list.put("host", host);
    form.list.put("port", service);
    form.data.put(
        "addr",
        json!({ "type": "inet", "data": { "host": host, "port": service } }),
    );
    let telnet = *protocol == TcpProtocol::Telnet;
    if telnet {
        form.list.put("telnet", "on");
    }
    form.data.put("telnet", telnet);
    form.data.put("server", server);
    if server {
        form.list.word("server=on,wait=off");
        form.data.put("wait", false);
    }
    reconnect(b, &mut form, *again);
    if tls.map_or(context.config.chardev_tls, YesNo::is_yes) {
        let credentials = tls_credentials(b, context, id, server)?;
        form.list.put("tls-creds", &credentials);
        form.data.put("tls-creds", credentials);
    }
    Ok(form)
}

/// Appends the certificates of a TCP connection and gives their id.
fn tls_credentials(
    b: &mut Builder,
    context: &mut StartContext,
    id: &str,
    server: bool,
) -> Result<String> {
    let tls = &context.config.chardev_certificates;
    let name = format!("obj{id}_tls0");
    let object = Props::of("qom-type", "tls-creds-x509")
        .with("id", name.clone())
        .with("dir", tls.dir.display().to_string())
        .with("endpoint", if server { "server" } else { "client" })
        .with("verify-peer", if server { tls.verify } else { true });
    let object = object.maybe("passwordid", key_password(b, context, tls, id)?);
    b.object(&object);
    Ok(name)
}

/// Appends the secret that opens the key of certificates and gives its id, where there is one.
///
/// # Errors
/// As the look-up of secrets.
pub(super) fn key_password(
    b: &mut Builder,
    context: &mut StartContext,
    tls: &Tls,
    user: &str,
) -> Result<Option<String>> {
    let Some(uuid) = &tls.secret else {
        return Ok(None);
    };
    let wanted = SecretRef {
        kind: Some("tls".to_owned()),
        uuid: uuid.parse().ok(),
        usage: None,
    };
    let sealed = context.secrets.sealed(&wanted)?;
    let id = format!("{user}-secret0");
    let secret = Props::of("qom-type", "secret")
        .with("id", id.clone())
        .with("data", sealed.data)
        .with("keyid", "masterKey0")
        .with("iv", sealed.iv)
        .with("format", "base64");
    b.object(&secret);
    Ok(Some(id))
}
