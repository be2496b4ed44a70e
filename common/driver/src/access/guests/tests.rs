use super::*;
use crate::tests::{Plain, guest};
use virt_rpc::protocol::Permission;
use virt_rpc::protocol::remote::{
    ConnectListAllDomains, ConnectListAllDomainsArgs, DomainGetXmlDesc, DomainGetXmlDescArgs,
};

/// Lets everyone look and nobody write or see secrets; "hidden" is seen by nobody.
#[derive(Debug)]
struct Look;

impl AccessDriver for Look {
    fn allows(&self, who: &Identity, subject: Subject<'_>, permission: Permission) -> bool {
        let hidden = matches!(subject, Subject::Domain { name: "hidden", .. });
        who.uid != 0
            && !hidden
            && matches!(
                permission,
                Permission::Read | Permission::Getattr | Permission::SearchDomains
            )
    }
}

struct From<A>(A, u32);

impl<P: Procedure> Caller<P> for From<P::Args> {
    fn arguments(&self) -> &P::Args {
        &self.0
    }

    fn identity(&self) -> Arc<Identity> {
        let uid = self.1;
        Arc::new(Identity {
            uid,
            ..Identity::default()
        })
    }
}

fn guests(names: &[&str]) -> Guests<Plain> {
    let registry = Arc::new(Registry::new());
    for name in names {
        assert!(registry.insert_found(guest(name)));
    }
    Guests::new(registry, Arc::new(Look), "QEMU", ErrorDomain::Qemu)
}

fn xml(flags: u32) -> From<DomainGetXmlDescArgs> {
    let dom = guest("a").on_the_wire();
    From(DomainGetXmlDescArgs { dom, flags }, 1000)
}

#[test]
fn the_rules_of_the_row_are_checked_with_the_flags_of_the_call() {
    let guests = guests(&["a"]);
    let call = xml(0);
    assert!(guests.get::<DomainGetXmlDesc>(&call, &call.0.dom).is_ok());
    let call = xml(1);
    let error = guests
        .get::<DomainGetXmlDesc>(&call, &call.0.dom)
        .unwrap_err();
    assert!(error.is(ErrorCode::AccessDenied));
    assert_eq!(error.domain_number(), ErrorDomain::Access.number());
}

#[test]
fn missing_is_said_before_denied() {
    let guests = guests(&[]);
    let call = From(xml(1).0, 0);
    let error = guests
        .get::<DomainGetXmlDesc>(&call, &call.0.dom)
        .unwrap_err();
    assert!(error.is(ErrorCode::NoDomain), "{error}");
}

#[test]
fn a_list_leaves_out_what_the_caller_may_not_see() {
    let guests = guests(&["a", "hidden"]);
    let args = ConnectListAllDomainsArgs {
        need_results: 1,
        flags: 0,
    };
    let call = From(args.clone(), 1000);
    let listed = guests.list::<ConnectListAllDomains>(&call, false).unwrap();
    assert_eq!(listed.len(), 1);
    let nobody = From(args, 0);
    assert!(
        guests
            .list::<ConnectListAllDomains>(&nobody, false)
            .is_err()
    );
}
