# What the scripts of this folder have in common: hosts in a throw-away virtual machine, each below a
# folder of its own, with guests whose disks are locked. Sourced, as root.
#
# $tools is the folder with virtlockd, virtqemud, and virsh with its libraries; stock/, where it is
# there, has libvirt's own daemons, which use the machine's own folders: their host is called "".
set -eu
tools=$(cd "$(dirname "$0")" && pwd)

fail() { echo "FAILED: $*"; tail -n 30 /one/*.log /two/*.log /stock-*.log 2>/dev/null || true; exit 1; }
step() { echo "- $*"; }

# wait_for COMMAND: until it succeeds, but for no more than so many times; a machine without KVM is slow
patience=${patience:-600}
wait_for() {
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1)); [ $n -lt $patience ] || fail "in vain: $*"
        sleep 0.2
    done
}

virsh() {
    root=$1; shift
    socket=virtqemud-sock
    [ -n "$root" ] || socket=${main_socket:-libvirt-sock}
    "$tools/lib/ld-linux-x86-64.so.2" --library-path "$tools/lib" "$tools/virsh" \
        -c "qemu:///system?socket=$root/run/libvirt/$socket" "$@"
}

# lockd ROOT: its virtlockd, which answers
lockd() {
    if [ -z "$1" ]; then
        /usr/sbin/virtlockd >>/stock-lockd.log 2>&1 &
    else
        "$tools/virtlockd" --root "$1" --verbose >>"$1/lockd.log" 2>&1 &
    fi
    echo $! >"$1/lockd.pid"
    wait_for test -S "$1/run/libvirt/virtlockd-sock"
    [ -z "$1" ] || wait_for "$tools/virtlockd" leases --root "$1"
}

# over_nfs VERSION: an image in a folder $images, which is also mounted from this machine's own server,
# at $through
over_nfs() {
    images=/srv/images
    through=/mnt/images
    mkdir -p "$images" "$through"
    systemctl start rpcbind nfs-server
    exportfs -o rw,no_root_squash,insecure,fsid=1 "localhost:$images"
    mount -t nfs -o "vers=$1" "localhost:$images" "$through"
    dd if=/dev/zero of="$images/disk.raw" bs=1M count=1 2>/dev/null
}

# disk FOLDER: that image as a disk
disk() { echo "<disk type='file'><driver name='qemu' type='raw'/><source file='$1/disk.raw'/><target dev='vda' bus='virtio'/></disk>"; }

# configured ROOT [LINES]: its folders and files, with those lines of qemu-lockd.conf
configured() {
    for below in etc/libvirt run/libvirt run/lock var/lib/libvirt var/log/libvirt var/cache/libvirt; do
        mkdir -p "$1/$below"
    done
    printf 'stdio_handler = "file"\nlock_manager = "lockd"\nuser = "root"\ngroup = "root"\nsecurity_driver = "none"\n' >"$1/etc/libvirt/qemu.conf"
    echo "${2:-}" >"$1/etc/libvirt/qemu-lockd.conf"
}

# driver ROOT: its virtqemud, which answers
driver() {
    "$tools/virtqemud" --root "$1" >>"$1/daemon.log" 2>&1 &
    wait_for virsh "$1" uri
}

# host ROOT [LINES]: its daemons, with those lines of qemu-lockd.conf
host() {
    root=$1
    if [ -z "$root" ]; then
        cp -a -n "$tools/stock/." /
        ldconfig
        # Debian's package makes it, and the daemon looks for it whoever guests run as.
        id libvirt-qemu >/dev/null 2>&1 || useradd --system --user-group libvirt-qemu
    fi
    configured "$root" "${2:-}"
    lockd "$root"
    if [ -n "$root" ]; then
        driver "$root"
        return
    fi
    LIBVIRT_LOG_OUTPUTS=3:stderr /usr/sbin/libvirtd >>/stock-libvirtd.log 2>&1 &
    wait_for virsh "" uri
}

# guest ROOT NAME DEVICES: one that never leaves its firmware
guest() {
    cat >"$1/guest.xml" <<X
<domain type='qemu'>
  <name>$2</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    $3
  </devices>
</domain>
X
    virsh "$1" define "$1/guest.xml" >/dev/null
}

# starts ROOT GUEST
starts() { virsh "$1" start "$2" >/dev/null || fail "$2 does not start"; }

# refused ROOT GUEST: it is, by the lock and not by anything else
refused() {
    if error=$(virsh "$1" start "$2" 2>&1); then fail "guest $2 was started beside the other"; fi
    case $error in
        *"is locked"*) echo "  $error" | tail -n 1 ;;
        *) fail "guest $2 is refused for another reason: $error" ;;
    esac
}

# ends ROOT GUEST
ends() { virsh "$1" destroy "$2" >/dev/null || fail "$2 does not end"; }

# dies ROOT: its virtlockd, at once and without a word
dies() {
    kill -KILL "$(cat "$1/lockd.pid")"
    sleep 2
}

# again ROOT GUEST: a new virtlockd, which knows what the guest has
again() {
    lockd "$1"
    "$tools/virtlockd" leases --root "$1" | grep -q "$2" || fail "the new one knows nothing of $2"
}
