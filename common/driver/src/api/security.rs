//! Security models and labels: none yet, and said as the stock daemon says it without them.

use virt_rpc::protocol::remote::{
    DomainGetSecurityLabel, DomainGetSecurityLabelList, DomainGetSecurityLabelListRet,
    DomainGetSecurityLabelRet, NodeGetSecurityModel, NodeGetSecurityModelRet,
};
use virt_rpc::server::Router;

use super::Session;

/// The handlers.
pub fn register<S: Session>(router: &mut Router<S>) {
    router.call::<NodeGetSecurityModel>(|call| {
        call.session().permit(call)?;
        // Zero-terminated, as C clients expect.
        Ok(NodeGetSecurityModelRet {
            model: b"none\0".to_vec(),
            doi: b"0\0".to_vec(),
        })
    });
    router.call::<DomainGetSecurityLabel>(|call| {
        call.session().guest(call, &call.args.dom)?;
        Ok(DomainGetSecurityLabelRet {
            label: b"\0".to_vec(),
            enforcing: 0,
        })
    });
    router.call::<DomainGetSecurityLabelList>(|call| {
        call.session().guest(call, &call.args.dom)?;
        Ok(DomainGetSecurityLabelListRet {
            labels: Vec::new(),
            ret: 0,
        })
    });
}
