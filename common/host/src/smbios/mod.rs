//! What the firmware says of the host: SMBIOS tables to `<sysinfo type='smbios'>` (formatdomain,
//! SMBIOS System Information). The kernel keeps the tables for root only.

mod table;
mod words;

use std::io::Read;

use virt_xml::Writer;

use crate::cpu::Signature;
use crate::sysfs::Tree;
use table::Structure;

/// The kernel's copy of the table; the specification's lengths allow for no more than this.
const MAX_TABLE: u64 = 1 << 20;

/// The blocks of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SysInfo {
    blocks: Vec<Block>,
    oem_strings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    name: &'static str,
    entries: Vec<(&'static str, String)>,
}

/// The host's; `None` when it has no such tables, or they are closed to us.
pub fn read(tree: &Tree) -> Option<SysInfo> {
    let file = std::fs::File::open(tree.path("/sys/firmware/dmi/tables/DMI")).ok()?;
    let mut table = Vec::new();
    file.take(MAX_TABLE).read_to_end(&mut table).ok()?;
    parse(&table)
}

/// The table's; `None` when nothing in it is of interest.
pub fn parse(table: &[u8]) -> Option<SysInfo> {
    let all = table::structures(table);
    let mut info = SysInfo::default();
    let order: [(u8, &str, Describe); 6] = [
        (0, "bios", bios),
        (1, "system", system),
        (2, "baseBoard", base_board),
        (3, "chassis", chassis),
        (4, "processor", processor),
        (17, "memory_device", memory_device),
    ];
    for (kind, name, describe) in order {
        let of_kind = all.iter().filter(|structure| structure.kind == kind);
        // There is one firmware, system and chassis, whatever the table says.
        let count = if matches!(kind, 0 | 1 | 3) {
            1
        } else {
            usize::MAX
        };
        for structure in of_kind.take(count) {
            let entries: Vec<_> = describe(structure)
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            if !entries.is_empty() {
                info.blocks.push(Block { name, entries });
            }
        }
    }
    for structure in all.iter().filter(|structure| structure.kind == 11) {
        let strings = 1..=structure.byte(4).unwrap_or(0);
        info.oem_strings
            .extend(strings.filter_map(|number| structure.numbered(number)));
    }
    (!info.blocks.is_empty()).then_some(info)
}

type Entries = Vec<(&'static str, Option<String>)>;
type Describe = fn(&Structure) -> Entries;

fn bios(of: &Structure) -> Entries {
    let release = of
        .byte(0x14)
        .zip(of.byte(0x15))
        .filter(|release| *release != (0xff, 0xff))
        .map(|(major, minor)| format!("{major}.{minor}"));
    vec![
        ("vendor", of.string(4)),
        ("version", of.string(5)),
        ("date", of.string(8)),
        ("release", release),
    ]
}

fn system(of: &Structure) -> Entries {
    let uuid = of
        .bytes::<16>(8)
        .filter(|bytes| *bytes != [0; 16] && *bytes != [0xff; 16])
        // The first three fields are little-endian.
        .map(|bytes| uuid::Uuid::from_bytes_le(bytes).hyphenated().to_string());
    vec![
        ("manufacturer", of.string(4)),
        ("product", of.string(5)),
        ("version", of.string(6)),
        ("serial", of.string(7)),
        ("uuid", uuid),
        ("sku", of.string(0x19)),
        ("family", of.string(0x1a)),
    ]
}

fn base_board(of: &Structure) -> Entries {
    vec![
        ("manufacturer", of.string(4)),
        ("product", of.string(5)),
        ("version", of.string(6)),
        ("serial", of.string(7)),
        ("asset", of.string(8)),
        ("location", of.string(0xa)),
    ]
}

fn chassis(of: &Structure) -> Entries {
    // The SKU is behind a list of contained elements, whose number and size come first.
    let contained = of.byte(0x13).zip(of.byte(0x14));
    let sku = contained.and_then(|(count, size)| {
        let at = 0x15 + usize::from(count) * usize::from(size);
        of.string(at)
    });
    vec![
        ("manufacturer", of.string(4)),
        ("version", of.string(6)),
        ("serial", of.string(7)),
        ("asset", of.string(8)),
        ("sku", sku),
    ]
}

fn processor(of: &Structure) -> Entries {
    let family = match of.byte(6) {
        // 0xfe: it does not fit, and is further behind.
        Some(0xfe) => of.word(0x28),
        number => number.map(u16::from),
    };
    let mhz = |at| {
        of.word(at)
            .filter(|mhz| *mhz != 0)
            .map(|mhz| format!("{mhz} MHz"))
    };
    let x86 = !matches!(family, Some(0x100..=0x1ff));
    let signature = of.double_word(8).filter(|id| x86 && *id != 0).map(|id| {
        let Signature {
            family,
            model,
            stepping,
        } = Signature::from_eax(id);
        let kind = id >> 12 & 3;
        format!("Type {kind}, Family {family}, Model {model}, Stepping {stepping}")
    });
    let word = |text: Option<&str>| text.map(str::to_owned);
    vec![
        ("socket_destination", of.string(4)),
        ("type", word(of.byte(5).and_then(words::processor_type))),
        ("family", word(family.and_then(words::processor_family))),
        ("manufacturer", of.string(7)),
        ("signature", signature),
        ("version", of.string(0x10)),
        ("external_clock", mhz(0x12)),
        ("max_speed", mhz(0x14)),
        ("status", word(of.byte(0x18).map(words::processor_status))),
        ("serial_number", of.string(0x20)),
        ("part_number", of.string(0x22)),
    ]
}

fn memory_device(of: &Structure) -> Entries {
    let word = |text: Option<&str>| text.map(str::to_owned);
    let speed = of
        .word(0x15)
        .filter(|speed| *speed != 0 && *speed != 0xffff)
        .map(|speed| format!("{speed} MT/s"));
    vec![
        ("size", size(of)),
        (
            "form_factor",
            word(of.byte(0xe).and_then(words::form_factor)),
        ),
        ("locator", of.string(0x10)),
        ("bank_locator", of.string(0x11)),
        ("type", word(of.byte(0x12).and_then(words::memory_type))),
        ("type_detail", of.word(0x13).and_then(words::type_detail)),
        ("speed", speed),
        ("manufacturer", of.string(0x17)),
        ("serial_number", of.string(0x18)),
        ("part_number", of.string(0x1a)),
    ]
}

/// 0xffff is unknown, 0x7fff stands for the extended field in MiB; bit 15 tells KiB from MiB.
fn size(of: &Structure) -> Option<String> {
    let kib = match of.word(0xc)? {
        0 => return Some("No Module Installed".to_owned()),
        0xffff => return None,
        0x7fff => u64::from(of.double_word(0x1c)? & 0x7fff_ffff) << 10,
        kib if kib & 0x8000 != 0 => u64::from(kib & 0x7fff),
        mib => u64::from(mib) << 10,
    };
    Some(match kib {
        kib if kib.is_multiple_of(1 << 20) => format!("{} GB", kib >> 20),
        kib if kib.is_multiple_of(1 << 10) => format!("{} MB", kib >> 10),
        kib => format!("{kib} kB"),
    })
}

impl SysInfo {
    /// The document's text.
    pub fn to_xml(&self) -> String {
        let mut out = Writer::new();
        let entry = |out: &mut Writer, name: Option<&str>, value: &String| {
            out.open(
                "entry",
                |tag| {
                    if let Some(name) = name {
                        tag.text("name", name);
                    }
                },
                |out| out.text(value),
            );
        };
        out.open(
            "sysinfo",
            |tag| tag.text("type", "smbios"),
            |out| {
                for block in &self.blocks {
                    out.open(
                        block.name,
                        |_| {},
                        |out| {
                            for (name, value) in &block.entries {
                                entry(out, Some(name), value);
                            }
                        },
                    );
                }
                if !self.oem_strings.is_empty() {
                    out.open(
                        "oemStrings",
                        |_| {},
                        |out| {
                            for value in &self.oem_strings {
                                entry(out, None, value);
                            }
                        },
                    );
                }
            },
        );
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(kind: u8, area: &[u8], strings: &[&str]) -> Vec<u8> {
        let mut bytes = vec![kind, area.len() as u8 + 4, 0, 0];
        bytes.extend(area);
        for string in strings {
            bytes.extend(string.as_bytes());
            bytes.push(0);
        }
        if strings.is_empty() {
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    fn table() -> Vec<u8> {
        let mut bios = [0; 0x14];
        (bios[0], bios[1], bios[4]) = (1, 2, 3);
        (bios[0x10], bios[0x11]) = (4, 15);
        let mut system = [0; 0x17];
        (system[0], system[1]) = (1, 2);
        system[4..20].copy_from_slice(&[
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ]);
        let mut cpu = [0; 0x1f];
        (cpu[0], cpu[1], cpu[2], cpu[0x14]) = (1, 3, 0xb3, 0x41);
        cpu[4..8].copy_from_slice(&0x0002_06d7u32.to_le_bytes());
        cpu[0x10..0x12].copy_from_slice(&3300u16.to_le_bytes());
        let mut memory = [0; 0x18];
        memory[8..10].copy_from_slice(&0x2000u16.to_le_bytes());
        (memory[0xa], memory[0xe]) = (9, 0x1a);
        memory[0xf..0x11].copy_from_slice(&0x80u16.to_le_bytes());
        [
            structure(0, &bios, &["Maker", "1.0 <x>", "01/02/2024"]),
            structure(1, &system, &["Me", "Box\u{7}"]),
            structure(4, &cpu, &["CPU 0"]),
            structure(17, &memory, &[]),
            structure(11, &[2], &["one", "two"]),
            structure(127, &[], &[]),
        ]
        .concat()
    }

    #[test]
    fn the_tables_become_the_document() {
        assert_eq!(
            parse(&table()).unwrap().to_xml(),
            "<sysinfo type='smbios'>
  <bios>
    <entry name='vendor'>Maker</entry>
    <entry name='version'>1.0 &lt;x&gt;</entry>
    <entry name='date'>01/02/2024</entry>
    <entry name='release'>4.15</entry>
  </bios>
  <system>
    <entry name='manufacturer'>Me</entry>
    <entry name='product'>Box.</entry>
    <entry name='uuid'>00112233-4455-6677-8899-aabbccddeeff</entry>
  </system>
  <processor>
    <entry name='socket_destination'>CPU 0</entry>
    <entry name='type'>Central Processor</entry>
    <entry name='family'>Xeon</entry>
    <entry name='signature'>Type 0, Family 6, Model 45, Stepping 7</entry>
    <entry name='max_speed'>3300 MHz</entry>
    <entry name='status'>Populated, Enabled</entry>
  </processor>
  <memory_device>
    <entry name='size'>8 GB</entry>
    <entry name='form_factor'>DIMM</entry>
    <entry name='type'>DDR4</entry>
    <entry name='type_detail'>Synchronous</entry>
  </memory_device>
  <oemStrings>
    <entry>one</entry>
    <entry>two</entry>
  </oemStrings>
</sysinfo>
"
        );
    }

    #[test]
    fn a_table_cut_anywhere_gives_what_is_whole() {
        let table = table();
        for length in 0..table.len() {
            let blocks = parse(&table[..length]).map_or(0, |info| info.blocks.len());
            assert!(blocks <= 4);
        }
        assert!(parse(&[]).is_none());
        assert!(parse(&[0; 64]).is_none());
        assert!(parse(&[0xff; 64]).is_none());
    }
}
