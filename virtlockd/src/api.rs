//! The calls of the lock program, and our own two of the leases program.

use std::sync::Arc;

use virt_error::Result;
use virt_rpc::protocol::Program;
use virt_rpc::protocol::leases::{
    self, Break, BreakArgs, BreakRet, Check, HOLDERS_MAX, LEASES_MAX, List, ListRet,
};
use virt_rpc::protocol::lock::*;
use virt_rpc::server::{Call, Router};

use crate::departure;
use crate::guests::Guest;
use crate::holder::Holder;
use crate::lease_file::{Kept, Mode};
use crate::leases::Leases;
use crate::lockspaces::Name;
use crate::session::Session;

/// Bits of ACQUIRE_RESOURCE's flags.
mod flag {
    pub const SHARED: u32 = 1;
    pub const AUTOCREATE: u32 = 2;
}

/// The handlers.
pub fn router(leases: &Arc<Leases>) -> Router<Session> {
    let mut router = Router::new(&[Program::Lock, Program::Leases], |client, _| {
        let socket = client.socket().as_ref().map(Arc::downgrade);
        Ok(Session::new(&client.identity(), socket.unwrap_or_default()))
    });
    let all = Arc::clone(leases);
    router.on_leave(move |session: &Arc<Session>| {
        if let Some(process) = session.own_process() {
            departure::connection_closed(&all, process);
        }
    });
    who(&mut router, leases);
    resources(&mut router, leases);
    administration(&mut router, leases);
    questions(&mut router, leases);
    router
}

fn who(router: &mut Router<Session>, leases: &Arc<Leases>) {
    router.call::<Register>(|call| {
        call.only_flags(0)?;
        call.session().register(&call.args.owner)
    });
    let all = Arc::clone(leases);
    router.call::<Restrict>(move |call| {
        call.only_flags(0)?;
        let session = call.session();
        session.restrict()?;
        if let (Some(process), Some(socket)) = (session.own_process(), session.socket()) {
            all.guest_connected(Guest {
                process,
                socket: Arc::downgrade(&socket),
                keepsake: None,
            });
            departure::watch(Arc::clone(&all), process);
        }
        Ok(())
    });
}

fn resources(router: &mut Router<Session>, leases: &Arc<Leases>) {
    // Whom a call is for is asked when it comes, not when its turn does: what the client says
    // afterwards is of later calls.
    let all = Arc::clone(leases);
    router.task::<New, _, _>(move |call| {
        let all = Arc::clone(&all);
        let checked = call.only_flags(0).and_then(|()| call.session().owner());
        async move {
            checked?;
            all.add_space(&call.args.path, false).await
        }
    });
    let all = Arc::clone(leases);
    router.task::<CreateLockspace, _, _>(move |call| {
        let all = Arc::clone(&all);
        let checked = call.session().unrestricted();
        async move {
            checked?;
            all.add_space(&call.args.path, true).await
        }
    });
    let all = Arc::clone(leases);
    router.task::<CreateResource, _, _>(move |call| {
        let all = Arc::clone(&all);
        let flags = call.only_flags(0);
        let checked = flags.and_then(|()| call.session().owner());
        async move {
            checked?;
            all.create(&name(&call.args.path, &call.args.name)).await
        }
    });
    let all = Arc::clone(leases);
    router.task::<DeleteResource, _, _>(move |call| {
        let all = Arc::clone(&all);
        let flags = call.only_flags(0);
        let checked = flags.and_then(|()| call.session().owner());
        async move {
            checked?;
            all.delete(&name(&call.args.path, &call.args.name)).await
        }
    });
    let (now, all) = (Arc::clone(leases), Arc::clone(leases));
    router.call_or_task::<AcquireResource, _, _>(
        move |call| match acquisition(call) {
            Ok((name, owner, mode, kept)) => now.acquire_now(&name, &owner, mode, kept),
            Err(refused) => Some(Err(refused)),
        },
        move |call| {
            let all = Arc::clone(&all);
            let wanted = acquisition(&call);
            async move {
                let (name, owner, mode, kept) = wanted?;
                all.acquire(&name, &owner, mode, kept).await
            }
        },
    );
    let (now, all) = (Arc::clone(leases), Arc::clone(leases));
    router.call_or_task::<ReleaseResource, _, _>(
        move |call| match release(call) {
            Ok((name, pid)) => now.release_now(&name, pid),
            Err(refused) => Some(Err(refused)),
        },
        move |call| {
            let all = Arc::clone(&all);
            let wanted = release(&call);
            async move {
                let (name, pid) = wanted?;
                all.release(&name, pid).await
            }
        },
    );
}

/// What is to be taken, for whom, and how.
fn acquisition(call: &Call<AcquireResource, Session>) -> Result<(Name, Owner, Mode, Kept)> {
    let args = &call.args;
    call.only_flags(flag::SHARED | flag::AUTOCREATE)?;
    let mode = match args.flags & flag::SHARED {
        0 => Mode::Exclusive,
        _ => Mode::Shared,
    };
    let kept = match args.flags & flag::AUTOCREATE {
        0 => Kept::File,
        _ => Kept::Lease,
    };
    let owner = call.session().owner()?;
    Ok((name(&args.path, &args.name), owner, mode, kept))
}

/// What is to be given back, and by which process.
fn release(call: &Call<ReleaseResource, Session>) -> Result<(Name, u32)> {
    call.only_flags(0)?;
    let owner = call.session().owner()?;
    Ok((name(&call.args.path, &call.args.name), owner.pid))
}

fn administration(router: &mut Router<Session>, leases: &Arc<Leases>) {
    let all = Arc::clone(leases);
    router.call::<List>(move |call| {
        call.session().unrestricted()?;
        let inner = all.lock();
        let from = call.args.from as usize;
        let mut page: Vec<_> = inner
            .spaces
            .held()
            .skip(from)
            .take(LEASES_MAX + 1)
            .map(|(space, name, held)| leases::Lease {
                space: space.to_owned(),
                name: name.to_owned(),
                shared: i32::from(held.mode == Mode::Shared),
                transient: i32::from(held.file.kept() == Kept::Lease),
                holders: on_the_wire(&held.holders, |pid| inner.guests.guards(pid)),
            })
            .collect();
        let more = i32::from(page.len() > LEASES_MAX);
        page.truncate(LEASES_MAX);
        Ok(ListRet { leases: page, more })
    });
    let all = Arc::clone(leases);
    router.task::<Break, _, _>(move |call| {
        let all = Arc::clone(&all);
        let checked = call.session().unrestricted();
        async move {
            checked?;
            break_lease(&all, &call.args).await
        }
    });
}

async fn break_lease(leases: &Arc<Leases>, args: &BreakArgs) -> Result<BreakRet> {
    let (space, name) = (&args.space, &args.name);
    let (mode, kept, holders) = leases.break_lease(&self::name(space, name)).await?;
    for holder in &holders {
        tracing::warn!("the lease '{name}' is taken from {holder}: an operator broke it");
    }
    Ok(BreakRet {
        lease: leases::Lease {
            space: space.clone(),
            name: name.clone(),
            shared: i32::from(mode == Mode::Shared),
            transient: i32::from(kept == Kept::Lease),
            holders: on_the_wire(&holders, |_| false),
        },
    })
}

fn questions(router: &mut Router<Session>, leases: &Arc<Leases>) {
    let all = Arc::clone(leases);
    router.call::<Check>(move |call| {
        call.session().unrestricted()?;
        let mode = match call.args.shared {
            0 => Mode::Exclusive,
            _ => Mode::Shared,
        };
        let mut inner = all.lock();
        // A space that nobody has made yet has no holders.
        match inner.spaces.space(&call.args.space) {
            Ok(space) => space.check(&call.args.name, mode),
            Err(_) => Ok(()),
        }
    });
}

fn on_the_wire(holders: &[Holder], guarded: impl Fn(u32) -> bool) -> Vec<leases::Holder> {
    let holders = holders.iter().take(HOLDERS_MAX);
    holders
        .map(|holder| leases::Holder {
            owner: holder.owner(),
            since: holder.since_seconds(),
            guarded: i32::from(guarded(holder.pid)),
        })
        .collect()
}

fn name(space: &str, resource: &str) -> Name {
    Name {
        space: space.to_owned(),
        resource: resource.to_owned(),
    }
}
