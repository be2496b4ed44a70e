# Containers of one daemon in the machine of a script. Sourced after hosts.sh.

lxc() {
    "$tools/lib/ld-linux-x86-64.so.2" --library-path "$tools/lib" "$tools/virsh" \
        -q -c "lxc:///system?socket=/run/libvirt/virtlxcd-sock" "$@"
}
daemon_log() { journalctl -b --no-pager -u virtlxcd | tail -n 30; fail "$@"; }

# daemon_of_containers [LINES]: it answers, with those lines of lxc.conf
daemon_of_containers() {
    mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt
    printf 'auth_unix_rw = "none"\n' >/etc/libvirt/virtlxcd.conf
    printf '%s\n' "${1:-}" >/etc/libvirt/lxc.conf
    systemctl stop virtlxcd 2>/dev/null || true
    systemctl start virtlogd-records.socket
    systemctl start virtlxcd.socket virtlxcd-ro.socket virtlxcd-admin.socket virtlxcd-metrics.socket
    wait_for lxc list --all
}

# installed: our programs and units
installed() {
    for program in virtlogd virtacld virtlxcd virtlxc-controller; do install -m 0755 "$tools/$program" /usr/sbin/; done
    cp "$tools"/systemd/*.service "$tools"/systemd/*.socket /etc/systemd/system/
    systemctl daemon-reload
}

# box: a root for containers
box() {
    mkdir -p /srv/box/bin
    cp /bin/busybox /srv/box/bin/
    for program in sh cat sleep touch; do ln -sf busybox "/srv/box/bin/$program"; done
}

# container NAME SECLABEL: its definition
container() {
    cat >"/$1.xml" <<X
<domain type='lxc'>
  <name>$1</name>
  <memory unit='MiB'>32</memory>
  <os><type>exe</type><init>/bin/sh</init><initarg>-c</initarg><initarg>trap 'exit 0' TERM; while :; do sleep 1; done</initarg></os>
  $2
  <devices>
    <filesystem type='mount'><source dir='/srv/box'/><target dir='/'/></filesystem>
    <filesystem type='ram'><source usage='1' units='MiB'/><target dir='/ram'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
X
}

# init NAME: the number of its first process
init() {
    controller=$(lxc domid "$1")
    tr -d ' ' <"/proc/$controller/task/$controller/children"
}

# label NAME: of its first process, as the kernel has it
label() { tr -d '\0\n' <"/proc/$(init "$1")/attr/current"; }

# told NAME WORDS: the audit trail has these of its label
told() { ausearch --input-logs --raw -m VIRT_MACHINE_ID 2>/dev/null | grep "vm=\"$1\"" | grep -q "$2"; }

# refused WORDS SECLABEL: a container with that label is not started, for that reason
refused() {
    container no "$2"
    if error=$(lxc create /no.xml 2>&1); then fail "it was started: $2"; fi
    case $error in
        *"$1"*) echo "  $error" | tail -n 1 ;;
        *) fail "it is refused for another reason: $error" ;;
    esac
}
