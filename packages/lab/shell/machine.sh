# PID 1 of a light machine. Runs in mount, PID, UTS and IPC namespaces of its own (see light-machine.ts), so that
# the end of this one process is the end of everything the machine runs: a power cut is one SIGKILL.
#
# Arguments: directory of the machine, host name, name of the lab's control group.
# The environment (HOME, XDG_*, DBUS_SESSION_BUS_ADDRESS) is the machine's already.
set -eu
directory=$1
name=$2
lab_group=$3

. "$(dirname "$0")/join-group.sh"
join_machine_group "$lab_group" "$name"

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
# systemd --user refuses to start where the host was not booted by systemd, and this is how it tells.
mkdir -p /run/systemd/system
mount --bind "$directory/machine-id" /etc/machine-id
hostname "$name"

# What the distribution hangs into every user manager (a second message bus, gpg agents, desktop parts) is no
# business of the machine's.
for wants in /usr/lib/systemd/user/*.wants /etc/systemd/user/*.wants; do
  if [ -d "$wants" ]; then mount -t tmpfs tmpfs "$wants"; fi
done

# systemd joins a session bus only through its own dbus.socket and dbus.service. Written here, because not every
# host has the package that brings them.
units=$XDG_RUNTIME_DIR/systemd/user
mkdir -p "$units/sockets.target.wants" "$units/default.target.wants"
cat >"$units/dbus.socket" <<'UNIT'
[Socket]
ListenStream=%t/bus
UNIT
cat >"$units/dbus.service" <<'UNIT'
[Unit]
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
UNIT
ln -s ../dbus.socket "$units/sockets.target.wants/dbus.socket"
ln -s ../dbus.service "$units/default.target.wants/dbus.service"

for manager in /usr/lib/systemd/systemd /lib/systemd/systemd; do
  if [ -x "$manager" ]; then break; fi
done
"$manager" --user --log-target=console &
# Reaps whatever is reparented to it, and takes the machine down when its manager ends.
wait $!
