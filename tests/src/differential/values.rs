//! Values of attributes and texts: from a schema's datatypes, and wrong ones.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::random::Random;

/// Numbers at which programs change their mind.
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    10,
    15,
    16,
    31,
    32,
    63,
    64,
    100,
    127,
    128,
    255,
    256,
    512,
    1000,
    1024,
    1500,
    2048,
    4096,
    8192,
    16384,
    32767,
    32768,
    65535,
    65536,
    131_072,
    1_048_576,
    2_147_483_647,
    2_147_483_648,
    4_294_967_295,
    4_294_967_296,
    9_223_372_036_854_775_807,
];

/// What no attribute means, or some do.
const WRONG: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "auto",
    "default",
    "nonsense",
    "0x10",
    "010",
    " 1",
    "1 ",
    "+1",
    "1.5",
    "99999999999999999999",
    "a,b=c",
    "x y",
    "ä",
    "'\"<&>",
    "YES",
];

/// Values for what the schema only describes by a rule, by the name of the rule.
fn customary(rule: &str) -> &'static [&'static str] {
    match rule {
        "UUID" => &[
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6ba7b8119dad11d180b400c04fd430c8",
        ],
        "uniMacAddr" | "macAddr" => &["52:54:00:11:22:33", "00:11:22:AA:BB:CC"],
        "absFilePath" | "filePath" | "absDirPath" | "dirPath" => &[
            "/var/tmp/a.img",
            "/var/tmp/b.qcow2",
            "/dev/sdb",
            "/srv/c,d.img",
            "/var/tmp/a b",
        ],
        "deviceName" => &["eth0", "br0", "vnet7", "tap-a"],
        "dnsName" => &["example.org", "node-1.example.org"],
        "ipAddr" | "ipv4Addr" => &["192.0.2.7", "127.0.0.1", "0.0.0.0"],
        "ipv6Addr" => &["2001:db8::7", "::1"],
        "objectNameWithSlash" | "objectName" | "genericName" => &["alpha", "beta.1"],
        "diskTarget" => &[
            "vda", "vdb", "sda", "sdb", "hda", "hdc", "fda", "xvda", "ubda",
        ],
        "aliasName" => &["ua-one", "ua-two.3"],
        _ => &[],
    }
}

/// A value for a rule of that name, if there is a customary one.
pub fn of_rule(rule: &str, random: &mut Random) -> Option<String> {
    let values = customary(rule);
    (!values.is_empty()).then(|| (*random.pick(values)).to_owned())
}

/// A value that is probably wrong.
pub fn wrong(random: &mut Random) -> String {
    (*random.pick(WRONG)).to_owned()
}

/// Any text.
pub fn text(random: &mut Random) -> String {
    let texts = ["one", "two-2", "/var/tmp/three", "a b", "x"];
    (*random.pick(&texts)).to_owned()
}

/// A value of a datatype of XML Schema.
pub fn of_datatype(kind: &str, params: &[(String, String)], random: &mut Random) -> String {
    let param = |name: &str| {
        let found = params.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    if kind == "string" {
        return match param("pattern") {
            Some(pattern) => of_pattern(pattern, random),
            None => text(random),
        };
    }
    let bound = |name: &str| param(name).and_then(|text| text.parse::<i128>().ok());
    let (least, most) = (bound("minInclusive"), bound("maxInclusive"));
    let number = i128::from(*random.pick(NUMBERS));
    let number = match kind {
        "int" | "integer" | "long" if random.chance(10) => -number,
        "positiveInteger" => number.max(1),
        "unsignedShort" | "short" => number % 65536,
        _ => number,
    };
    let number = match (least, most) {
        (Some(least), Some(most)) => least + number % (most - least + 1),
        (least, most) => number
            .max(least.unwrap_or(number))
            .min(most.unwrap_or(number)),
    };
    number.to_string()
}

/// A text of a regular expression.
fn of_pattern(pattern: &str, random: &mut Random) -> String {
    let hir = regex_syntax::parse(pattern).expect("a schema's expression");
    let mut out = String::new();
    write(&hir, random, &mut out);
    out
}

fn write(hir: &Hir, random: &mut Random, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => out.push(one(class, random)),
        HirKind::Repetition(repeated) => {
            let most = repeated
                .max
                .unwrap_or(repeated.min + 6)
                .min(repeated.min + 8);
            let more = random.below((most - repeated.min + 1) as usize);
            for _ in 0..repeated.min as usize + more {
                write(&repeated.sub, random, out);
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, random, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, random, out)),
        HirKind::Alternation(parts) => write(random.pick(parts), random, out),
    }
}

/// One of a class: mostly a letter or digit, if it has any.
fn one(class: &Class, random: &mut Random) -> char {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class
            .iter()
            .map(|range| (range.start() as u32, range.end() as u32))
            .collect(),
        Class::Bytes(class) => class
            .iter()
            .map(|range| (range.start().into(), range.end().into()))
            .collect(),
    };
    let within = |c: char| {
        ranges
            .iter()
            .any(|&(from, to)| (from..=to).contains(&(c as u32)))
    };
    if random.chance(90) {
        let plain: Vec<char> = ('0'..='9')
            .chain('a'..='z')
            .chain('A'..='F')
            .filter(|c| within(*c))
            .collect();
        if !plain.is_empty() {
            return *random.pick(&plain);
        }
    }
    let &(from, to) = random.pick(&ranges);
    let to = to.min(from.max(0x17f));
    let code = from + u32::try_from(random.below((to - from + 1) as usize)).unwrap_or_default();
    // Control characters are no XML.
    char::from_u32(code)
        .filter(|c| !c.is_control())
        .unwrap_or('x')
}
