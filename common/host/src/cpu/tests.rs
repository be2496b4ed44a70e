//! Decoding with a small map of its own; the installed one is tried where there is one.

use std::path::Path;

use super::*;

const FEATURES: &str = "<cpus>
  <feature name='a'><cpuid eax_in='1' edx='1'/></feature>
  <feature name='b'><alias name='bee'/><cpuid eax_in='1' edx='0x2'/></feature>
  <feature name='c'><cpuid eax_in='7' ecx_in='1' ebx='0x1'/></feature>
  <feature name='d' migratable='no'><msr index='0x10a' eax='1' edx='0'/></feature>
</cpus>";

const MODELS: &str = "<cpus>
  <model name='small'>
    <decode host='on' guest='on'/>
    <feature name='a'/>
  </model>
  <model name='big'>
    <decode host='on' guest='on'/>
    <signature family='6' model='30' stepping='2-4'/>
    <vendor name='Intel'/>
    <feature name='a'/>
    <feature name='b'/>
    <feature name='d' removed='yes'/>
  </model>
  <model name='big-v1'>
    <decode host='on' guest='off'/>
    <model name='big'/>
  </model>
</cpus>";

pub(super) fn map() -> CpuMap {
    let folder = tempfile::tempdir().unwrap();
    let index = "<cpus><arch name='x86'><include filename='v.xml'/><include filename='f.xml'/>\
                 <group name='g'><include filename='m.xml'/></group></arch></cpus>";
    let vendors = "<cpus><vendor name='Intel' string='GenuineIntel'/></cpus>";
    for (name, text) in [
        ("index.xml", index),
        ("v.xml", vendors),
        ("f.xml", FEATURES),
        ("m.xml", MODELS),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    CpuMap::load(folder.path()).unwrap()
}

fn data(edx: u32, stepping: u32) -> CpuData {
    let mut data = CpuData::default();
    data.set(Key::leaf(1), [0, 0, 0, edx]);
    data.set_vendor("GenuineIntel");
    data.set_signature(Signature {
        family: 6,
        model: 30,
        stepping,
    });
    data
}

fn named(map: &CpuMap, data: &CpuData, purpose: Purpose) -> Named {
    decode::name(&map.x86, &Cpu::of(&map.x86, data), purpose, None).unwrap()
}

#[test]
fn a_host_is_called_by_the_latest_version_of_what_it_has_in_full() {
    let map = map();
    let host = named(&map, &data(3, 2), Purpose::Host);
    assert_eq!((host.model.as_str(), host.extra.len()), ("big-v1", 0));
    let host = named(&map, &data(1, 2), Purpose::Host);
    assert_eq!((host.model.as_str(), host.missing.len()), ("small", 0));
    assert_eq!(host.vendor.as_deref(), Some("Intel"));
}

#[test]
fn a_guest_is_called_by_its_signature_and_what_is_missing_is_switched_off() {
    let map = map();
    let guest = named(&map, &data(1, 3), Purpose::Guest);
    assert_eq!(guest.model, "big");
    assert_eq!(guest.missing, ["b", "d"]);
    let other = named(&map, &data(1, 9), Purpose::Guest);
    assert_eq!(other.model, "small");
}

#[test]
fn only_offered_models_are_chosen_and_their_blockers_switched_off() {
    let map = map();
    let cpu = Cpu::of(&map.x86, &data(3, 3));
    let blockers = ["bee".to_owned()];
    let offers = [Offer {
        name: "big",
        blockers: &blockers,
    }];
    let guest = decode::name(&map.x86, &cpu, Purpose::Guest, Some(&offers)).unwrap();
    assert_eq!(guest.missing, ["b", "d"]);
    assert!(decode::name(&map.x86, &cpu, Purpose::Guest, Some(&[])).is_none());
}

#[test]
fn features_need_their_bits_in_their_place() {
    let map = map();
    let mut data = data(2, 0);
    data.set(
        Key::Leaf {
            eax_in: 7,
            ecx_in: 1,
        },
        [0, 1, 0, 0],
    );
    data.set(Key::Msr(0x10a), [1, 0, 0, 0]);
    let features = map.x86.features_of(&data);
    assert_eq!(map.x86.names(&features), ["b", "c", "d"]);
    assert_eq!(map.x86.names(&map.x86.not_migratable()), ["d"]);
}

#[test]
fn a_missing_map_names_the_package_to_install() {
    let error = CpuMap::load(Path::new("/nonexistent")).unwrap_err();
    assert!(error.message().contains("libvirt-common"), "{error}");
}

#[test]
fn a_model_of_unknown_features_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = "<cpus><arch name='x86'><include filename='m.xml'/></arch></cpus>";
    std::fs::write(folder.path().join("index.xml"), index).unwrap();
    std::fs::write(folder.path().join("m.xml"), MODELS).unwrap();
    let error = CpuMap::load(folder.path()).unwrap_err();
    assert!(
        error.message().contains("m.xml: model small: no feature a"),
        "{error}"
    );
}

#[test]
fn the_installed_map_is_understood() {
    let folder = Path::new(CpuMap::FOLDER);
    if !folder.exists() {
        return; // nothing to try: the tests above use maps of their own
    }
    let map = CpuMap::load(folder).unwrap();
    assert_eq!(map.names("i686").unwrap().first(), Some(&"486"));
    assert!(map.names("ppc64").unwrap().contains(&"POWER9"));
    let model = map.x86.model("Westmere").unwrap();
    assert_eq!(model.vendor.as_deref(), Some("Intel"));
    let aes = map.x86.feature("aes").unwrap();
    assert!(model.features.contains(aes));
}
