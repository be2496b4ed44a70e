use super::*;
use crate::tests::guest;
use virt_rpc::protocol::EventMessage;
use virt_rpc::protocol::remote::{
    DomainEventCallbackLifecycle, DomainEventCallbackLifecycleMsg, DomainEventCallbackPmwakeup,
    DomainEventCallbackPmwakeupMsg, DomainEventLifecycle, DomainEventLifecycleMsg,
    DomainEventPmwakeup, DomainEventPmwakeupMsg,
};
use virt_rpc::xdr;

#[derive(Debug, Default)]
struct Client(Mutex<Vec<(&'static Row, Vec<u8>)>>);

impl Listener for Client {
    fn event(&self, row: &'static Row, payload: &[u8]) {
        self.0.lock().unwrap().push((row, payload.to_vec()));
    }

    fn identity(&self) -> Arc<Identity> {
        Arc::default()
    }

    fn is_readonly(&self) -> bool {
        false
    }
}

impl Client {
    fn take<E: EventMessage>(&self) -> Vec<E::Msg> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        all.into_iter()
            .map(|(row, payload)| {
                assert_eq!(row.number, E::ROW.number);
                xdr::from_bytes(&payload).unwrap()
            })
            .collect()
    }

    fn count(&self) -> usize {
        std::mem::take(&mut *self.0.lock().unwrap()).len()
    }
}

fn setup() -> (Arc<Events>, Arc<Client>, Subscriber) {
    let events = Events::new(Access::All);
    let client = Arc::new(Client::default());
    let subscriber = events.subscriber(client.clone());
    (events, client, subscriber)
}

const STARTED: Event = Event::Lifecycle {
    event: 2,
    detail: 0,
};

#[test]
fn each_registration_gets_its_own_message() {
    let (events, client, subscriber) = setup();
    let (a, b) = (guest("a"), guest("b"));
    let all = subscriber.register(0, None).unwrap();
    let only = subscriber.register(0, Some(a.uuid())).unwrap();
    subscriber.register(1, None).unwrap();
    events.emit(&*a, STARTED);
    let told: Vec<DomainEventCallbackLifecycleMsg> = client.take::<DomainEventCallbackLifecycle>();
    let ids: Vec<i32> = told.iter().map(|m| m.callbackID).collect();
    assert_eq!(ids, [all, only]);
    assert_eq!(told[0].msg.dom, a.on_the_wire());
    assert_eq!(told[0].msg.event, 2);
    events.emit(&*b, STARTED);
    assert_eq!(client.count(), 1);
}

#[test]
fn the_old_style_has_no_callback_id_and_no_reason() {
    let (events, client, subscriber) = setup();
    let a = guest("a");
    subscriber.register_legacy(0).unwrap();
    subscriber.register_legacy(11).unwrap();
    events.emit(&*a, STARTED);
    let told: Vec<DomainEventLifecycleMsg> = client.take::<DomainEventLifecycle>();
    assert_eq!(told[0].dom, a.on_the_wire());
    events.emit(&*a, Event::PmWakeup);
    let told: Vec<DomainEventPmwakeupMsg> = client.take::<DomainEventPmwakeup>();
    assert_eq!(told[0].dom, a.on_the_wire());
    subscriber.deregister_legacy(11).unwrap();
    let callback = subscriber.register(11, None).unwrap();
    events.emit(&*a, Event::PmWakeup);
    let told: Vec<DomainEventCallbackPmwakeupMsg> = client.take::<DomainEventCallbackPmwakeup>();
    assert_eq!((told[0].callbackID, told[0].reason), (callback, 0));
    assert!(subscriber.register_legacy(16).is_err());
}

#[test]
fn nothing_after_the_end_of_a_registration() {
    let (events, client, subscriber) = setup();
    let a = guest("a");
    let callback = subscriber.register(0, None).unwrap();
    subscriber.deregister(callback).unwrap();
    assert!(subscriber.deregister(callback).is_err());
    subscriber.register(0, None).unwrap();
    drop(subscriber);
    events.emit(&*a, STARTED);
    assert_eq!(client.count(), 0);
    assert!(!events.is_wanted(0));
}

#[test]
fn one_client_cannot_end_anothers() {
    let (events, _, one) = setup();
    let other = events.subscriber(Arc::new(Client::default()));
    let callback = one.register(0, None).unwrap();
    assert!(other.deregister(callback).is_err());
}

#[test]
fn the_number_of_registrations_is_bounded() {
    let (_, _, subscriber) = setup();
    for _ in 0..MAX_REGISTRATIONS {
        subscriber.register(3, None).unwrap();
    }
    assert!(subscriber.register(3, None).is_err());
    assert!(
        subscriber
            .register_monitor(MonitorFilter::All, None)
            .is_err()
    );
}

#[test]
fn every_kind_is_encoded_under_its_own_row() {
    let alias = || String::from("x");
    let all = [
        STARTED,
        Event::Reboot,
        Event::RtcChange { offset: 1 },
        Event::Watchdog { action: 1 },
        Event::DiskChange {
            old: None,
            new: None,
            alias: alias(),
            reason: 0,
        },
        Event::BlockJob2 {
            target: alias(),
            kind: 0,
            status: 0,
        },
        Event::Tunable(Vec::new()),
        Event::MetadataChange { kind: 0, uri: None },
        Event::NicMacChange {
            alias: alias(),
            old: alias(),
            new: alias(),
        },
    ];
    let rows = [318, 319, 320, 321, 327, 339, 346, 379, 453];
    for (event, row) in all.into_iter().zip(rows) {
        let kind = event.kind();
        let encoded = event.encode(guest("a").on_the_wire()).unwrap();
        assert_eq!(encoded.row.number, row);
        assert_eq!(encoded.legacy.is_some(), kind < LEGACY_KINDS);
    }
}

#[test]
fn monitor_events_are_filtered_by_name() {
    let (events, client, subscriber) = setup();
    let a = guest("a");
    let event = MonitorEvent {
        name: "RTC_CHANGE".into(),
        seconds: 1,
        micros: 2,
        details: None,
    };
    for (name, flags, wanted) in [
        (None, 0, true),
        (Some("RTC_CHANGE"), 0, true),
        (Some("rtc_change"), 0, false),
        (Some("rtc_change"), 2, true),
        (Some("^RTC"), 1, true),
        (Some("^STOP|RESUME$"), 1, false),
        (Some("c.ange$"), 3, true),
    ] {
        let filter = MonitorFilter::new(name, flags).unwrap();
        let callback = subscriber.register_monitor(filter, None).unwrap();
        events.emit_monitor(&*a, &event);
        assert_eq!(client.count() == 1, wanted, "{name:?} {flags}");
        subscriber.deregister_monitor(callback).unwrap();
    }
    assert!(MonitorFilter::new(Some("("), 1).is_err());
    assert!(MonitorFilter::new(None, 4).is_err());
    assert!(!events.is_monitor_wanted());
}
