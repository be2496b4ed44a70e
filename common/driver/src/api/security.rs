//! Security models and labels of guests.

use virt_label::{Model, Shown};
use virt_rpc::protocol::remote::{
    DomainGetSecurityLabel, DomainGetSecurityLabelList, DomainGetSecurityLabelListRet,
    DomainGetSecurityLabelRet, NodeGetSecurityModel, NodeGetSecurityModelRet,
};
use virt_rpc::server::Router;

use super::Session;

/// The handlers.
pub fn register<S: Session>(router: &mut Router<S>) {
    router.call::<NodeGetSecurityModel>(|call| {
        let permitted = call.session().permit(call)?;
        Ok(NodeGetSecurityModelRet {
            model: terminated(call.session().security_model(&permitted).name()),
            doi: terminated("0"),
        })
    });
    router.call::<DomainGetSecurityLabel>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        Ok(told(&call.session().shown_label(&guest)?))
    });
    router.call::<DomainGetSecurityLabelList>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let session = call.session();
        let labels = match session.security_model(&guest) {
            Model::None => Vec::new(),
            Model::Selinux | Model::Apparmor => vec![told(&session.shown_label(&guest)?)],
        };
        Ok(DomainGetSecurityLabelListRet {
            ret: i32::try_from(labels.len()).unwrap_or(i32::MAX),
            labels,
        })
    });
}

fn told(shown: &Shown) -> DomainGetSecurityLabelRet {
    DomainGetSecurityLabelRet {
        label: terminated(&shown.label),
        enforcing: shown.enforcing.into(),
    }
}

/// Zero-terminated, as C clients expect.
fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}
