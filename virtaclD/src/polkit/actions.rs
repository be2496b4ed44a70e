//! polkit's own files about our actions (polkit(8), "DECLARING ACTIONS"), made from the table.

use crate::kinds::Kind;
use crate::permissions::{ACTIONS, Action, Unasked};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/PolicyKit/1.0/policyconfig.dtd">
"#;
/// Whom polkitd lets ask about other people, beside root.
const OWNER: &str =
    "    <annotate key=\"org.freedesktop.policykit.owner\">unix-user:virtacld</annotate>\n";

/// What connecting is called: for everything, and for reading only.
const CONNECTING: [(&str, &str, &str); 2] = [
    (
        "org.libvirt.unix.monitor",
        "Look at virtual machines",
        "yes",
    ),
    (
        "org.libvirt.unix.manage",
        "Manage virtual machines",
        "auth_admin_keep",
    ),
];

/// The action of connecting.
pub fn connecting(readonly: bool) -> &'static str {
    CONNECTING[usize::from(!readonly)].0
}

/// `org.libvirt.api.policy`: every permission.
pub fn api_policy() -> String {
    let mut text = format!(
        "{HEAD}<!-- Made by the command actions of virtacld from its table of permissions. -->\n<policyconfig>\n"
    );
    for action in ACTIONS {
        let unasked = match action.unasked {
            Unasked::Allowed => "yes",
            Unasked::Refused => "no",
        };
        text.push_str(&entry(&action.polkit_id(), &words(*action), unasked));
    }
    text.push_str("</policyconfig>\n");
    text
}

/// `org.libvirt.unix.policy`: connecting.
pub fn connect_policy() -> String {
    let mut text =
        format!("{HEAD}<!-- Made by the command actions of virtacld. -->\n<policyconfig>\n");
    for (id, words, unasked) in CONNECTING {
        text.push_str(&entry(id, words, unasked));
    }
    text.push_str("</policyconfig>\n");
    text
}

fn entry(id: &str, words: &str, unasked: &str) -> String {
    format!(
        "  <action id=\"{id}\">
    <description>{words}</description>
    <message>{words}: the system's policy has the last word</message>
    <defaults>
      <allow_any>{unasked}</allow_any>
      <allow_inactive>{unasked}</allow_inactive>
      <allow_active>{unasked}</allow_active>
    </defaults>
{OWNER}  </action>\n"
    )
}

fn words(action: Action) -> String {
    let permission = action.permission.name().replace('_', " ");
    let object = Kind::of(action.object).object.name().replace('_', " ");
    format!("{object}: {permission}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_installed_are_these() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/polkit");
        for (name, made) in [
            ("org.libvirt.api.policy", api_policy()),
            ("org.libvirt.unix.policy", connect_policy()),
        ] {
            let installed = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
            assert_eq!(
                installed, made,
                "{name}: make it anew with virtacld actions"
            );
        }
        assert_eq!(api_policy().matches("<action id=").count(), 106);
    }
}
