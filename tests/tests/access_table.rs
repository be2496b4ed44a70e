//! Every procedure of the tables, on both drivers, called by someone who may nothing and by someone
//! who may just what its row says. No list is kept here: the tables are walked, and arguments made
//! from their shapes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use virt_error::{Error, ErrorCode};
use virt_rpc::client::Connection;
use virt_rpc::protocol::remote::{
    ConnectRegisterCloseCallback, ConnectSetIdentity, ConnectSetIdentityArgs,
    ConnectUnregisterCloseCallback, DomainDefineXml, DomainDefineXmlArgs, NonnullDomain,
    TypedParam,
};
use virt_rpc::protocol::{Connection as Server, Procedure, Program, Row, RowKind};
use virt_rpc::xdr::{Described, Encode, Encoder, Shape};
use virt_tests::acld::Acld;
use virt_tests::containers;

/// A driver that is walked.
struct Driver {
    uri: &'static str,
    /// The program of its own beside the common one.
    own: Program,
    /// The guest that all calls are about.
    xml: &'static str,
    /// So many calls it serves at least; fewer are a walk that misses some.
    serves: usize,
}

const QEMU: Driver = Driver {
    uri: "qemu:///system",
    own: Program::Qemu,
    xml: MACHINE,
    serves: 150,
};

const LXC: Driver = Driver {
    uri: "lxc:///system",
    own: Program::Lxc,
    xml: CONTAINER,
    serves: 40,
};

const CONTAINER: &str = "<domain type='lxc'><name>walked</name>\
    <uuid>7d3d2b2c-5a0e-4c5e-9a57-f1f3c8ad7be0</uuid><memory unit='MiB'>16</memory>\
    <os><type>exe</type><init>/bin/false</init></os></domain>";

const MACHINE: &str = "<domain type='qemu'><name>walked</name>\
    <uuid>7d3d2b2c-5a0e-4c5e-9a57-f1f3c8ad7be0</uuid><memory unit='MiB'>16</memory>\
    <os><type arch='x86_64' machine='pc'>hvm</type></os>\
    <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>";

const ROOT: &str = "permit(principal == User::\"root\", action, resource);\n";

/// A user that is everywhere and whom no other test's policies name.
const NOBODY: (&str, u32) = ("nobody", 65534);

/// The guest that all calls are about, and a file that it was saved to.
struct Walked {
    xml: &'static str,
    dom: NonnullDomain,
    image: String,
}

/// Arguments of that shape that are about the guest.
fn arguments(shape: &Shape, name: &str, guest: &Walked, out: &mut Vec<u8>) {
    match shape {
        Shape::Void => {}
        Shape::Int | Shape::Unsigned | Shape::Char | Shape::Uchar | Shape::Ushort => {
            out.extend([0; 4]);
        }
        Shape::Hyper | Shape::Uhyper | Shape::Double => out.extend([0; 8]),
        Shape::String { max } => {
            let text = match name.contains("xml") {
                true => guest.xml,
                false if name == "name" => &guest.dom.name,
                // Whose an image is is in the image.
                false if ["from", "file"].contains(&name) => &guest.image,
                false => "x",
            };
            Encoder::new(out).string(text, *max).unwrap();
        }
        // A list, or bytes, of none.
        Shape::Opaque { .. } | Shape::Array { .. } | Shape::Optional(_) => out.extend([0; 4]),
        Shape::OpaqueFixed { len: 16 } => out.extend(guest.dom.uuid),
        Shape::OpaqueFixed { len } => out.resize(out.len() + len.next_multiple_of(4), 0),
        Shape::FixedArray { elem, len } => {
            for _ in 0..*len {
                arguments(elem, name, guest, out);
            }
        }
        shape if *shape == *NonnullDomain::SHAPE => {
            guest.dom.encode(&mut Encoder::new(out)).unwrap();
        }
        Shape::Struct { fields, .. } => {
            for field in *fields {
                arguments(field.shape, field.name, guest, out);
            }
        }
        Shape::Union { arms, .. } => {
            out.extend(arms[0].case.to_be_bytes());
            arguments(arms[0].shape, name, guest, out);
        }
        Shape::Enum { values, .. } => out.extend(values[0].1.to_be_bytes()),
    }
}

/// What the server answers itself, of a client that it let open: whether the connection's end is told,
/// and for whom it is used, which takes the server's trust and no permission.
const OF_THE_CONNECTION: [&Row; 3] = [
    ConnectRegisterCloseCallback::ROW,
    ConnectUnregisterCloseCallback::ROW,
    ConnectSetIdentity::ROW,
];

/// The rows that a driver may serve and that ask for something.
fn rows(driver: &Driver) -> impl Iterator<Item = &'static Row> + use<> {
    let tables = [Program::Remote, driver.own].map(Program::table);
    tables.into_iter().flatten().copied().filter(|row| {
        row.kind == RowKind::Call
            && row.conn == Server::Hypervisor
            && !row.acl.is_empty()
            && !OF_THE_CONNECTION.iter().any(|own| own.name == row.name)
    })
}

/// What a row asks for when all its numbers are zero, in policies' names.
fn wanted(row: &Row) -> Vec<String> {
    let zero = |condition: &virt_rpc::protocol::Condition| condition.holds(Some(0), |_| Some(0));
    let rules = row.acl.iter();
    let rules = rules.filter(|rule| rule.condition.as_ref().is_none_or(zero));
    let mut names: Vec<_> = rules
        .map(|rule| format!("{}.{}", rule.object.name(), rule.permission.name()))
        .collect();
    names.sort();
    names.dedup();
    names
}

struct Walk {
    acld: Acld,
    uri: &'static str,
    socket: PathBuf,
    guest: Walked,
    root: Connection,
}

impl Walk {
    async fn start(driver: &Driver) -> Option<Self> {
        let mut acld = Acld::start(ROOT)?;
        let socket = match driver.own {
            Program::Lxc => {
                containers::build();
                containers::spawn_virtlxcd(&acld.host);
                containers::our_socket(&acld.host)
            }
            _ => {
                acld.host.start_daemon();
                acld.host.socket()
            }
        };
        let root = Connection::connect(&socket).await.unwrap();
        root.open(driver.uri, false).await.unwrap();
        let dom = define(&root, driver.xml).await;
        let image = acld
            .host
            .work()
            .join("image")
            .to_string_lossy()
            .into_owned();
        if driver.own == Program::Qemu {
            acld.host.virsh(&["start", "walked"]).ok();
            acld.host.virsh(&["save", "walked", &image]).ok();
        }
        let xml = driver.xml;
        let guest = Walked { xml, dom, image };
        Some(Self {
            acld,
            uri: driver.uri,
            socket,
            guest,
            root,
        })
    }

    /// What may be done by nobody, which is in force when this returns.
    async fn grant(&self, permissions: &[String]) {
        let (name, _) = NOBODY;
        let all: Vec<_> = permissions
            .iter()
            .map(|permission| format!("Action::\"{permission}\""))
            .collect();
        let all = all.join(", ");
        let before = self.acld.generation().await;
        self.acld.write_policies(&format!(
            "{ROOT}permit(principal == User::\"{name}\", action in [{all}], resource);\n"
        ));
        while self.acld.generation().await == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A connection on nobody's behalf.
    async fn nobody(&self) -> Connection {
        let (_, uid) = NOBODY;
        let connection = Connection::connect(&self.socket).await.unwrap();
        connection.open(self.uri, false).await.unwrap();
        let params = vec![
            TypedParam::ullong("unix-user-id", uid),
            TypedParam::ullong("unix-group-id", uid),
        ];
        let identity = ConnectSetIdentityArgs { params, flags: 0 };
        connection
            .call::<ConnectSetIdentity>(&identity)
            .await
            .unwrap();
        connection
    }

    async fn call(&self, nobody: &Connection, row: &'static Row) -> Result<(), Error> {
        // Whatever the call before did to it.
        define(&self.root, self.guest.xml).await;
        let mut payload = Vec::new();
        arguments(row.args, "", &self.guest, &mut payload);
        let answered = nobody.call_raw(row, &payload, Vec::new());
        let answered = tokio::time::timeout(Duration::from_secs(60), answered).await;
        answered
            .unwrap_or_else(|_| panic!("{} does not answer", row.name))
            .map(|_| ())
    }
}

async fn define(root: &Connection, xml: &str) -> NonnullDomain {
    let xml = xml.to_owned();
    let args = DomainDefineXmlArgs { xml };
    let defined = root.call::<DomainDefineXml>(&args);
    defined.await.unwrap().dom
}

async fn refused_to_those_who_may_nothing(driver: &Driver) {
    let Some(walk) = Walk::start(driver).await else {
        return;
    };
    let nobody = walk.nobody().await;
    let mut served = 0;
    for row in rows(driver) {
        match walk.call(&nobody, row).await {
            Err(refused) if refused.is(ErrorCode::AccessDenied) => served += 1,
            // Not served at all, to nobody.
            Err(unknown) if unknown.is(ErrorCode::NoSupport) => {}
            // What isn't there is said before what may not be done (WIRE.md section 15): number 0 is
            // nobody's.
            Err(missing) if missing.is(ErrorCode::NoDomain) => {}
            other => panic!("{} answers {other:?} to one who may nothing", row.name),
        }
    }
    assert!(served >= driver.serves, "only {served} calls are served");
}

async fn served_to_those_who_may_what_its_row_says(driver: &Driver) {
    let Some(walk) = Walk::start(driver).await else {
        return;
    };
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for row in rows(driver) {
        groups.entry(wanted(row)).or_default().push(row);
    }
    let nobody = walk.nobody().await;
    for (permissions, rows) in groups {
        walk.grant(&permissions).await;
        for row in rows {
            if let Err(error) = walk.call(&nobody, row).await {
                assert!(
                    !error.is(ErrorCode::AccessDenied),
                    "{} with {permissions:?}: {error}",
                    row.name
                );
            }
        }
    }
}

#[tokio::test]
async fn every_call_about_machines_is_refused_to_those_who_may_nothing() {
    refused_to_those_who_may_nothing(&QEMU).await;
}

#[tokio::test]
async fn every_call_about_machines_is_served_to_those_who_may_what_its_row_says() {
    served_to_those_who_may_what_its_row_says(&QEMU).await;
}

#[tokio::test]
async fn every_call_about_containers_is_refused_to_those_who_may_nothing() {
    refused_to_those_who_may_nothing(&LXC).await;
}

#[tokio::test]
async fn every_call_about_containers_is_served_to_those_who_may_what_its_row_says() {
    served_to_those_who_may_what_its_row_says(&LXC).await;
}
