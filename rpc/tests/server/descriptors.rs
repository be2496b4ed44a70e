//! Descriptors with calls and replies (WIRE.md section 10).

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

use virt_rpc::protocol::remote::{
    DomainCreateXmlWithFiles, DomainOpenGraphics, DomainOpenGraphicsArgs, DomainOpenGraphicsFd,
    DomainOpenGraphicsFdArgs, NonnullDomain,
};

use crate::fixture::{connect, router, server};

fn dom() -> NonnullDomain {
    NonnullDomain {
        name: "a".to_owned(),
        uuid: [1; 16],
        id: 1,
    }
}

fn file(content: &str) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}

fn read(descriptor: OwnedFd) -> String {
    let mut content = String::new();
    File::from(descriptor).read_to_string(&mut content).unwrap();
    content
}

#[tokio::test]
async fn descriptors_arrive_with_their_own_call() {
    let mut router = router();
    router.call::<DomainOpenGraphics>(|call| {
        let mut descriptors = call.take_fds();
        assert_eq!(descriptors.len(), 1);
        assert_eq!(
            read(descriptors.remove(0)),
            format!("for {}", call.args.idx)
        );
        assert!(rustix::io::fcntl_getfd(file("")).is_ok());
        Ok(())
    });
    // Nothing takes these; they are closed, and the next call's are not mixed up with them.
    router.call::<DomainCreateXmlWithFiles>(|call| {
        Ok(virt_rpc::protocol::remote::DomainCreateXmlWithFilesRet {
            dom: NonnullDomain {
                name: call.args.xml_desc.clone(),
                ..dom()
            },
        })
    });
    let server = server(router);
    let connection = connect(&server).await;
    let open = |idx| {
        let connection = connection.clone();
        async move {
            let args = DomainOpenGraphicsArgs {
                dom: dom(),
                idx,
                flags: 0,
            };
            let descriptor = file(&format!("for {idx}"));
            connection
                .call_with_fds::<DomainOpenGraphics>(&args, vec![descriptor])
                .await
                .unwrap();
        }
    };
    let unused = {
        let connection = connection.clone();
        async move {
            let args = virt_rpc::protocol::remote::DomainCreateXmlWithFilesArgs {
                xml_desc: "x".to_owned(),
                flags: 0,
            };
            let files = vec![file("one"), file("two")];
            connection
                .call_with_fds::<DomainCreateXmlWithFiles>(&args, files)
                .await
                .unwrap();
        }
    };
    tokio::join!(open(1), unused, open(2), open(3));
}

#[tokio::test]
async fn descriptors_come_back_with_a_reply() {
    let mut router = router();
    router.task::<DomainOpenGraphicsFd, _, _>(|call| async move {
        call.reply_fds(vec![file(&format!("reply {}", call.args.idx))]);
        Ok(())
    });
    let server = server(router);
    let connection = connect(&server).await;
    for idx in 0..3 {
        let args = DomainOpenGraphicsFdArgs {
            dom: dom(),
            idx,
            flags: 0,
        };
        let (_, mut descriptors) = connection
            .call_with_fds::<DomainOpenGraphicsFd>(&args, Vec::new())
            .await
            .unwrap();
        assert_eq!(read(descriptors.remove(0)), format!("reply {idx}"));
        assert!(descriptors.is_empty());
    }
}
