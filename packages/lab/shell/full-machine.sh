# The hardware of a full machine: mounts its disk and runs systemd-nspawn, which boots it. Runs in mount and PID
# namespaces of its own (see full-machine.ts): its end is the end of the container too, which would survive the
# death of systemd-nspawn alone, and no mount is ever seen on the host.
#
# Arguments: directory of the machine, its name in the lab, name of the lab's control group, port of the bridge,
# and the command that boots the mounted disk.
set -eu
directory=$1
name=$2
lab_group=$3
port=$4
shift 4

. "$(dirname "$0")/join-group.sh"
join_machine_group "$lab_group" "$name"

mount --make-rprivate /
# systemd-nspawn keeps locks and directories for every container there, and leaves them behind when it is killed.
mount -t tmpfs -o mode=755 tmpfs /run
disk=$directory/disk
mkdir -p "$disk/work" "$disk/root"
# What is written is kept on the "disk", over power cuts too; the host's own files show through, and stay as they are.
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" "$disk/root"

# Services that the host's administrator has installed are no business of the machine's. What the machine itself
# has there lies in the upper directory.
for entry in "$disk"/root/etc/systemd/system/* "$disk"/root/etc/systemd/network/* "$disk"/root/etc/rc?.d/*; do
  own=$disk/upper${entry#"$disk/root"}
  if [ ! -e "$own" ] && [ ! -L "$own" ]; then rm -rf "$entry"; fi
done

# Exit code 133 is systemd-nspawn's for "the machine wants to be booted again".
status=133
while [ $status -eq 133 ]; do
  # The kernel may still be taking down the port of the previous boot.
  ip link delete "$port" 2>/dev/null || true
  # Not exec: as process 1 systemd-nspawn would believe that it boots the host, and log to the kernel.
  "$@" &
  status=0
  wait $! || status=$?
done
