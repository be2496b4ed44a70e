//! Operations on snapshots, checkpoints and backups.

use super::arguments::Arguments;
use super::settings::Settings;
use super::{Failure, completed, counting};
use serde_json::Value;
use uuid::Uuid;
use virt_domain::backup::Backup;
use virt_domain::checkpoint::{Checkpoint, CheckpointDisk, CheckpointKind};
use virt_domain::devices::disk::Disk;
use virt_domain::snapshot::{DomainSnapshot, Purpose, SnapshotState, SnapshotView};

fn text<'s>(settings: &'s Settings, key: &str) -> Option<&'s str> {
    settings.json.get(key).and_then(Value::as_str)
}

fn flag(settings: &Settings, key: &str) -> bool {
    settings.json.get(key).and_then(Value::as_bool) == Some(true)
}

fn purpose(settings: &Settings) -> Purpose {
    if flag(settings, "redefine") {
        Purpose::Redefine
    } else {
        Purpose::New
    }
}

fn creation_time(settings: &Settings) -> Option<i64> {
    settings.json.get("creation_time").and_then(Value::as_i64)
}

pub(super) fn snapshot(
    xml: &str,
    arguments: &Arguments,
    settings: &Settings,
) -> Result<String, Failure> {
    let read = DomainSnapshot::read(xml, purpose(settings), counting);
    let mut snapshot = read.map_err(Failure::Refused)?;
    for domain in [&mut snapshot.domain, &mut snapshot.inactive_domain]
        .into_iter()
        .flatten()
    {
        completed(domain, arguments, settings)?;
    }
    if let Some(now) = creation_time(settings) {
        snapshot.make(now);
    }
    if let Some(state) = text(settings, "force_state") {
        snapshot.state = SnapshotState::from_word(state);
    }
    Ok(snapshot.to_xml(&SnapshotView {
        secure: true,
        internal: flag(settings, "internal"),
        domain_uuid: text(settings, "domain_uuid").and_then(|text| Uuid::try_parse(text).ok()),
    }))
}

pub(super) fn checkpoint(
    xml: &str,
    arguments: &Arguments,
    settings: &Settings,
) -> Result<String, Failure> {
    let read = Checkpoint::read(xml, purpose(settings), counting);
    let mut checkpoint = read.map_err(Failure::Refused)?;
    if let Some(mut domain) = checkpoint.domain.take() {
        completed(&mut domain, arguments, settings)?;
        let aligned = checkpoint.align(&domain.devices.disks);
        aligned.map_err(Failure::Refused)?;
        checkpoint.domain = Some(domain);
    }
    if let Some(now) = creation_time(settings) {
        checkpoint.make(now);
    }
    if let Some(parent) = text(settings, "force_parent") {
        checkpoint.parent = Some(parent.to_owned());
    }
    if let Some(name) = text(settings, "force_first_disk_bitmap") {
        let first = CheckpointDisk {
            name: name.to_owned(),
            checkpoint: CheckpointKind::Bitmap,
            bitmap: checkpoint.name.clone(),
            size: settings
                .json
                .get("force_first_disk_size")
                .and_then(Value::as_u64),
        };
        match checkpoint.disks.first_mut() {
            Some(disk) => *disk = first,
            None => checkpoint.disks.push(first),
        }
    }
    Ok(checkpoint.to_xml(true))
}

pub(super) fn backup(xml: &str, settings: &Settings) -> Result<String, Failure> {
    let internal = flag(settings, "internal");
    let mut backup = Backup::read(xml, internal).map_err(Failure::Refused)?;
    let disks = settings.json.get("domain_disks").and_then(Value::as_array);
    let disks = disks.into_iter().flatten().map(disk);
    let disks = disks.collect::<Result<Vec<_>, _>>()?;
    let suffix = text(settings, "suffix").unwrap_or_default();
    backup.align(&disks, suffix).map_err(Failure::Refused)?;
    Ok(backup.to_xml(internal))
}

/// A made-up disk of the guest.
fn disk(described: &Value) -> Result<Disk, Failure> {
    let word = |key: &str| {
        described
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let attribute = match word("type") {
        "block" => "dev",
        _ => "file",
    };
    let text = format!(
        "<disk type='{}'><driver type='{}'/><source {attribute}='{}'/><target dev='vda'/></disk>",
        word("type"),
        word("format"),
        word("source"),
    );
    let (mut disk, _) = virt_xml::read::<Disk>(&text).map_err(Failure::Refused)?;
    // A name that no definition takes is fine here.
    word("target").clone_into(&mut disk.target.dev);
    Ok(disk)
}
