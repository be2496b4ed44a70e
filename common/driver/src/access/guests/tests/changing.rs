//! Policies that change while they are asked.

use std::sync::Mutex;

use proptest::prelude::*;
use tokio::sync::watch;
use virt_rpc::protocol::decisions::{Acknowledge, PolicyChanged, PolicyChangedMsg};
use virt_rpc::server::Client;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What a virtacld has in force: a bit for each guest that may be seen.
struct Policy {
    now: Mutex<(u64, u8)>,
    drivers: Mutex<Vec<Client>>,
    acknowledged: watch::Sender<u64>,
}

impl Policy {
    /// Puts another one in force; it is confirmed when this returns.
    async fn change(&self, seen: u8) {
        let generation = {
            let mut now = self.now.lock().unwrap();
            *now = (now.0 + 1, seen);
            now.0
        };
        let mut confirmed = self.acknowledged.subscribe();
        let drivers: Vec<_> = self.drivers.lock().unwrap().drain(..).collect();
        for driver in &drivers {
            driver.event::<PolicyChanged>(&PolicyChangedMsg { generation });
        }
        if !drivers.is_empty() {
            confirmed
                .wait_for(|last| *last >= generation)
                .await
                .unwrap();
        }
        self.drivers.lock().unwrap().extend(drivers);
    }

    fn answer(&self, question: &Question) -> Answer {
        let (generation, seen) = *self.now.lock().unwrap();
        let allows = |target: &Target| {
            let name = target.details.first().map(|(_, name)| name.as_str());
            NAMES
                .iter()
                .position(|known| Some(*known) == name)
                .is_none_or(|place| seen & (1 << place) != 0)
        };
        Answer {
            generation,
            valid_ms: None,
            allowed: question.targets.iter().map(allows).collect(),
            refusal: None,
        }
    }
}

fn serve(policy: &Arc<Policy>, socket: &std::path::Path) -> Server<()> {
    let mut router = Router::new(&[Program::Decisions], |_, _| Ok(()));
    let all = Arc::clone(policy);
    router.call::<Watch>(move |call| {
        let (generation, _) = *all.now.lock().unwrap();
        all.drivers.lock().unwrap().push(call.client().clone());
        Ok(WatchRet { generation })
    });
    let all = Arc::clone(policy);
    router.call::<Acknowledge>(move |call| {
        all.acknowledged
            .send_modify(|last| *last = (*last).max(call.args.generation));
        Ok(())
    });
    let all = Arc::clone(policy);
    router.task::<Decide, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            let answer = Internal(all.answer(&call.args.question.0));
            // The answer is late: the policy may have changed and the driver been told.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            Ok(DecideRet { answer })
        }
    });
    served(router, socket)
}

async fn listed(guests: &Guests<Plain>) -> Vec<String> {
    let args = ConnectListAllDomainsArgs {
        need_results: 1,
        flags: 0,
    };
    let call = From::new(args, 1000);
    let all = call
        .served(|call| guests.list::<ConnectListAllDomains>(call, false))
        .await
        .unwrap();
    let mut names: Vec<_> = all.iter().map(|guest| guest.name().to_string()).collect();
    names.sort();
    names
}

async fn alone(guests: &Guests<Plain>) -> Vec<String> {
    let mut names = Vec::new();
    for name in NAMES {
        let dom = guest(name).on_the_wire();
        let call = From::new(DomainGetXmlDescArgs { dom, flags: 0 }, 1000);
        if read(guests, &call).await.is_ok() {
            names.push(name.to_owned());
        }
    }
    names
}

async fn play(changes: Vec<(u8, bool)>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("virtacld-sock");
    let policy = Arc::new(Policy {
        now: Mutex::new((1, 0)),
        drivers: Mutex::default(),
        acknowledged: watch::channel(0).0,
    });
    let _server = serve(&policy, &socket);
    let remembering = Arc::new(asking(&NAMES, socket.clone(), false));
    for (seen, asked_meanwhile) in changes {
        let under_way = asked_meanwhile.then(|| {
            let guests = Arc::clone(&remembering);
            tokio::task::spawn_local(async move { listed(&guests).await })
        });
        tokio::task::yield_now().await;
        policy.change(seen).await;
        // From here on nothing that was decided before may be used.
        let names = NAMES.iter().enumerate();
        let expected: Vec<_> = names
            .filter(|(place, _)| seen & (1 << place) != 0)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        assert_eq!(listed(&remembering).await, expected);
        if let Some(under_way) = under_way {
            under_way.await.unwrap();
        }
        assert_eq!(listed(&remembering).await, expected, "as remembered");
        assert_eq!(alone(&remembering).await, expected, "each alone");
        let fresh = asking(&NAMES, socket.clone(), false);
        assert_eq!(
            listed(&fresh).await,
            expected,
            "by one who remembers nothing"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A list is what asking for each alone gives; what is remembered is what would be answered; and
    /// once a change is confirmed nothing decided before it is used.
    #[test]
    fn what_is_remembered_is_what_is_in_force(
        changes in proptest::collection::vec((0..16_u8, any::<bool>()), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, play(changes));
    }
}
