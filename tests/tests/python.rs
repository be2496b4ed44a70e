//! The distribution's Python bindings, as management programs use them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use virt_tests::guest;
use virt_tests::host::Host;

#[test]
fn define_list_start_and_look() {
    let host = Host::start();
    let xml = host.write("py.xml", &guest::firmware_only("py", ""));
    let said = host.python(&format!(
        r#"
assert conn.getType() == "QEMU"
assert conn.getURI().startswith("qemu:///"), conn.getURI()
assert conn.getVersion() > 0 and conn.getLibVersion() > 0
assert conn.getHostname()
assert conn.isAlive() == 1 and conn.isSecure() == 1 and conn.isEncrypted() == 0
node = conn.getInfo()
assert node[0] == "x86_64" and node[1] > 0 and node[2] > 0, node
assert "<capabilities>" in conn.getCapabilities()
assert "<domainCapabilities>" in conn.getDomainCapabilities(None, "x86_64", "pc", "qemu", 0)

dom = conn.defineXML(open({xml:?}).read())
assert dom.name() == "py" and dom.ID() == -1 and dom.isPersistent() == 1 and dom.isActive() == 0
assert [d.name() for d in conn.listAllDomains()] == ["py"]
assert conn.listDefinedDomains() == ["py"] and conn.numOfDefinedDomains() == 1
assert conn.lookupByUUIDString(dom.UUIDString()).name() == "py"
dom.create()
assert dom.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED], dom.state()
assert dom.info()[1:4] == [32768, 32768, 1], dom.info()
assert conn.listDomainsID() == [dom.ID()] and conn.lookupByID(dom.ID()).UUID() == dom.UUID()
assert dom.maxMemory() == 32768 and dom.OSType() == "hvm"

(found, stats), = conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_VCPU)
assert found.name() == "py" and stats["state.state"] == 1 and stats["vcpu.current"] == 1, stats
assert stats["cpu.time"] > 0

dom.setAutostart(1)
assert dom.autostart() == 1
dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "said from Python", None, None)
assert dom.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None) == "said from Python"
dom.suspend()
assert dom.state()[0] == libvirt.VIR_DOMAIN_PAUSED
dom.resume()
dom.destroy()
dom.undefine()
assert conn.listAllDomains() == []
for call in (lambda: conn.lookupByName("py"), lambda: conn.lookupByUUID(b"0" * 16)):
    try:
        call()
    except libvirt.libvirtError as error:
        assert error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN, error
        assert error.get_error_domain() == libvirt.VIR_FROM_QEMU, error
    else:
        raise AssertionError("found")
conn.close()
print("done")
"#
    ));
    assert_eq!(said.ok(), "done\n");
}

#[test]
fn events_come_in_both_styles() {
    let host = Host::start();
    let xml = host.write("loud.xml", &guest::firmware_only("loud", ""));
    let said = host.python(&format!(
        r#"
import threading
libvirt.virEventRegisterDefaultImpl()
# Keepalive needs a connection opened after the event loop was registered.
conn.close()
conn = libvirt.open(None)
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
conn.setKeepAlive(1, 3)

heard = []
more = threading.Condition()
def hear(*what):
    with more:
        heard.append(what)
        more.notify_all()
def wait_for(what):
    with more:
        assert more.wait_for(lambda: what in heard, 60), (what, heard)

def lifecycle(conn, dom, event, detail, tag):
    hear(tag, dom.name(), event, detail)
# The old call registers for lifecycle alone; the newer ones take one guest, or all.
conn.domainEventRegister(lifecycle, "old")
dom = conn.defineXML(open({xml:?}).read())
one = conn.domainEventRegisterAny(dom, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, "one")
every = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, "all")
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, lambda conn, dom, tag: hear(tag, dom.name()), "reboot")
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, lambda conn, dom, kind, uri, tag: hear(tag, dom.name(), kind, uri), "metadata")

wait_for(("old", "loud", libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_ADDED))
dom.create()
for tag in "old", "one", "all":
    wait_for((tag, "loud", libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED))
dom.suspend()
for tag in "old", "one", "all":
    wait_for((tag, "loud", libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED))
dom.resume()
dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "a title", None, None)
wait_for(("metadata", "loud", libvirt.VIR_DOMAIN_METADATA_TITLE, None))
dom.reset()
wait_for(("reboot", "loud"))

conn.domainEventDeregisterAny(one)
conn.domainEventDeregister(lifecycle)
with more:
    heard.clear()
dom.destroy()
wait_for(("all", "loud", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED))
dom.undefine()
wait_for(("all", "loud", libvirt.VIR_DOMAIN_EVENT_UNDEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED_REMOVED))
assert {{what[0] for what in heard}} == {{"all"}}, heard
# Long enough for keepalive to have ended a connection whose pings go unanswered.
time.sleep(5)
assert conn.isAlive() == 1 and conn.getHostname()
print("done", flush=True)
os._exit(0)
"#
    ));
    assert_eq!(said.ok(), "done\n");
}

#[test]
fn a_console_is_a_stream() {
    let host = Host::start();
    let log = host.work().join("hello");
    std::fs::write(&log, "").unwrap();
    let xml = host.write("talk.xml", &guest::linux("talk", ""));
    let said = host.python(&format!(
        r#"
dom = conn.createXML(open({xml:?}).read())
stream = conn.newStream()
dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
text = b""
def read_until(marker):
    global text
    while marker not in text:
        text += stream.recv(4096)
    text = text.split(marker, 1)[1]
read_until(b"GUEST READY")
read_until(b"\x23 ")
stream.send(b"echo sum=$((20 + 3))\n")
read_until(b"sum=23")
# A second reader takes it over only by force.
other = conn.newStream()
try:
    dom.openConsole(None, other, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
    other.abort()
except libvirt.libvirtError as error:
    assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED, error
else:
    raise AssertionError("two readers of one console")
stream.finish()
again = conn.newStream()
dom.openConsole(None, again, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
again.abort()
dom.destroy()
print("done")
"#
    ));
    assert_eq!(said.ok(), "done\n");
}

#[test]
fn a_screenshot_is_a_stream() {
    let host = Host::start();
    let video = "<graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>";
    let xml = host.write("seen.xml", &guest::firmware_only("seen", video));
    let said = host.python(&format!(
        r#"
dom = conn.createXML(open({xml:?}).read())
stream = conn.newStream()
mime = dom.screenshot(stream, 0)
picture = bytearray()
stream.recvAll(lambda stream, data, _: picture.extend(data), None)
stream.finish()
start = {{"image/png": b"\x89PNG\r\n", "image/x-portable-pixmap": b"P6\n"}}[mime]
assert picture.startswith(start) and len(picture) > 500, (mime, len(picture))
dom.destroy()
print("done")
"#
    ));
    assert_eq!(said.ok(), "done\n");
}

#[test]
fn a_read_only_connection_only_reads() {
    let host = Host::start();
    host.define(&guest::firmware_only("seen", ""));
    let said = host.python(
        r#"
uri = os.environ["LIBVIRT_DEFAULT_URI"]
quiet = lambda *_: None
libvirt.registerErrorHandler(quiet, None)
# A user's own daemon has no socket for readers.
for uri in [uri] + [uri + "-ro"] * (os.geteuid() == 0):
    conn = libvirt.openReadOnly(uri)
    dom = conn.lookupByName("seen")
    dom.XMLDesc()
    conn.getCapabilities()
    for change in (
        dom.create, dom.undefine,
        lambda: dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE),
        lambda: conn.createXML("<domain/>"),
    ):
        try:
            change()
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED, error
        else:
            raise AssertionError("changed")
    conn.close()
print("done")
"#,
    );
    assert_eq!(said.ok(), "done\n");
}
