//! The caller's identity as one daemon tells it to another (WIRE.md section 14).

use virt_rpc::protocol::remote::TypedParam;

pub use virt_rpc::server::Identity;

/// What CONNECT_SET_IDENTITY carries about `identity`.
pub fn to_params(identity: &Identity) -> Vec<TypedParam> {
    let mut params = Vec::new();
    let mut text = |field: &str, value: &Option<String>| {
        if let Some(value) = value {
            params.push(TypedParam::string(field, value.as_str()));
        }
    };
    text("user-name", &identity.user_name);
    text("group-name", &identity.group_name);
    text("selinux-context", &identity.selinux_context);
    params.push(TypedParam::ullong("unix-user-id", identity.uid));
    params.push(TypedParam::ullong("unix-group-id", identity.gid));
    if let Some(pid) = identity.pid {
        params.push(TypedParam::llong("process-id", pid));
    }
    if let Some(time) = identity.start_time {
        params.push(TypedParam::ullong("process-time", time));
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_told() {
        let identity = Identity {
            uid: 1000,
            gid: u32::MAX,
            pid: Some(42),
            user_name: Some("someone".into()),
            ..Identity::default()
        };
        assert_eq!(
            to_params(&identity),
            [
                TypedParam::string("user-name", "someone"),
                TypedParam::ullong("unix-user-id", 1000_u64),
                TypedParam::ullong("unix-group-id", u64::from(u32::MAX)),
                TypedParam::llong("process-id", 42),
            ]
        );
    }
}
