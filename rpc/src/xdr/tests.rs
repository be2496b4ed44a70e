//! Any bytes in: an error or a value, never a panic, never an allocation beyond what arrived.

use proptest::prelude::*;

use super::*;
use crate::protocol::{EventMessage, Procedure, Program, Visitor, admin, keepalive, lock, log};
use crate::protocol::{lxc, lxc_monitor, qemu, remote};

/// Decodes `bytes` as the arguments, the reply or the event of every procedure; what decodes must
/// encode again, and then decode to the same value.
struct EveryType<'a> {
    bytes: &'a [u8],
    decoded: usize,
}

impl EveryType<'_> {
    fn check<T: crate::protocol::Wire>(&mut self) {
        let Ok(value) = from_bytes::<T>(self.bytes) else {
            return;
        };
        self.decoded += 1;
        let again = to_bytes(&value).expect("what was decoded is within its bounds");
        let value_again = from_bytes::<T>(&again).expect("what was encoded decodes");
        // Compared as bytes, since a double may be one that equals nothing.
        assert_eq!(to_bytes(&value_again).unwrap(), again);
        // The value is what arrived, not what a length claimed.
        assert!(again.len() <= self.bytes.len());
    }
}

impl Visitor for EveryType<'_> {
    fn call<P: Procedure>(&mut self) {
        self.check::<P::Args>();
        self.check::<P::Ret>();
    }

    fn event<E: EventMessage>(&mut self) {
        self.check::<E::Msg>();
    }
}

fn every_type(bytes: &[u8]) -> usize {
    let mut visitor = EveryType { bytes, decoded: 0 };
    remote::visit(&mut visitor);
    qemu::visit_all(&mut visitor);
    lxc::visit_all(&mut visitor);
    admin::visit_all(&mut visitor);
    lock::visit_all(&mut visitor);
    log::visit_all(&mut visitor);
    keepalive::visit_all(&mut visitor);
    lxc_monitor::visit_all(&mut visitor);
    visitor.decoded
}

/// Words as they occur in messages: small numbers, lengths, text.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => (0..4_u32).prop_map(u32::to_be_bytes),
        2 => (0..40_u32).prop_map(u32::to_be_bytes),
        2 => Just(*b"name"),
        1 => any::<[u8; 4]>(),
        1 => Just([0xff; 4]),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        every_type(&bytes);
    }

    #[test]
    fn plausible_bytes_are_an_error_or_a_value(bytes in plausible()) {
        every_type(&bytes);
    }

    #[test]
    fn values_come_back(
        text in "\\PC{0,40}", number in any::<i64>(), double in any::<f64>(), flag in any::<bool>(),
    ) {
        let params = remote::ConnectSetIdentityArgs {
            params: vec![
                remote::TypedParam::string("user-name", text.clone()),
                remote::TypedParam::llong(text.clone(), number),
                remote::TypedParam::double("d", double),
                remote::TypedParam::boolean("b", flag),
            ],
            flags: 7,
        };
        let bytes = to_bytes(&params).unwrap();
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(from_bytes::<remote::ConnectSetIdentityArgs>(&bytes).unwrap(), params);
    }
}

#[test]
fn zeroes_are_a_value_of_nearly_every_type() {
    // So that the tests above are known to reach beyond errors.
    let decoded = every_type(&[0; 40_000]);
    let rows: usize = Program::ALL.iter().map(|p| p.table().len()).sum();
    assert!(decoded > rows, "{decoded} of {rows} rows' types");
}

#[test]
fn a_claimed_length_is_refused_before_it_is_allocated() {
    let claim = |count: u32| [&count.to_be_bytes()[..], &[0; 64]].concat();
    for count in [20, 16_384, 16_385, u32::MAX] {
        let names = from_bytes::<remote::ConnectListDefinedDomainsRet>(&claim(count));
        assert!(names.is_err(), "{count}");
        let uri = from_bytes::<remote::ConnectGetUriRet>(&claim(count.max(65)));
        assert!(uri.is_err(), "{count}");
    }
    let bytes = claim(16_384);
    let error = Decoder::new(&bytes).array::<[u8; 16]>(16_384).unwrap_err();
    assert_eq!(
        error,
        XdrError::Truncated {
            needed: 65_536,
            remaining: 64
        }
    );
}

#[test]
fn texts_are_whole_and_utf8() {
    let text = |bytes: &[u8]| {
        let mut message = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        message.extend(bytes);
        message.resize(message.len().next_multiple_of(4), 0);
        from_bytes::<String>(&message)
    };
    assert_eq!(text("naïve".as_bytes()).as_deref(), Ok("naïve"));
    assert_eq!(text(&[0xff]), Err(XdrError::NotUtf8));
    assert_eq!(text(b"a\0b"), Err(XdrError::NulInString));
    assert!(matches!(
        from_bytes::<String>(&[0, 0, 0, 2, b'a', b'b']),
        Err(XdrError::Truncated { .. })
    ));
}

#[test]
fn chars_take_four_bytes_each() {
    let info = remote::NodeGetInfoRet {
        model: *b"x86_64\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        memory: 1,
        cpus: 2,
        mhz: 3,
        nodes: 4,
        sockets: 5,
        cores: 6,
        threads: 7,
    };
    let bytes = to_bytes(&info).unwrap();
    assert_eq!(bytes.len(), 32 * 4 + 8 + 6 * 4);
    assert_eq!(bytes[..8], [0, 0, 0, b'x', 0, 0, 0, b'8']);
    assert_eq!(from_bytes::<remote::NodeGetInfoRet>(&bytes).unwrap(), info);
}
