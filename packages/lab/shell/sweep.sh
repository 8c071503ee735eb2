# Ends and removes everything a lab can leave behind: processes, control groups, its network, its directory.
# Mounts need no sweep: they are made in mount namespaces of their own, which end with their processes.
#
# Usage: sweep.sh [--after-stdin] DIRECTORY
# With --after-stdin it first waits for the end of its standard input. The lab holds the other end of that pipe,
# so the sweep happens however the lab ends, SIGKILL included.
set -u
if [ "$1" = --after-stdin ]; then
  trap '' HUP INT TERM
  cat >/dev/null
  shift
fi
directory=$1
id=$(cat "$directory/id" 2>/dev/null) || exit 0
[ -n "$id" ] || exit 0

# Field 22 of /proc/PID/stat is the start time: a reused process id is left alone.
start_time() {
  sed -n 's/^.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

end_processes() {
  if [ -f "$directory/processes" ]; then
    while read -r pid started; do
      if [ "$(start_time "$pid")" = "$started" ]; then kill -KILL "$pid" 2>/dev/null; fi
    done <"$directory/processes"
  fi
  for procs in $(find /sys/fs/cgroup -path "*/fleet-lab-$id/*" -name cgroup.procs 2>/dev/null); do
    # Pid 0 is a process of another PID namespace, which this one cannot name.
    while read -r pid; do [ "$pid" -gt 0 ] && kill -KILL "$pid" 2>/dev/null; done <"$procs"
  done
}

remove_groups() {
  left=0
  for group in $(find /sys/fs/cgroup -type d -name "fleet-lab-$id" 2>/dev/null); do
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -d "$group" ] && left=1
  done
  return $left
}

attempts=0
end_processes
# Killed processes leave their groups a moment later.
until remove_groups || [ $attempts -ge 100 ]; do
  attempts=$((attempts + 1))
  sleep 0.05
  end_processes
done
if [ -e "/sys/class/net/fl-$id" ]; then ip link delete "fl-$id" 2>/dev/null; fi
rm -rf "$directory"
# The last one takes the directory of all labs along, unless somebody chose it.
root=$(dirname "$directory")
case $root in */fleet-lab-[0-9]*) rmdir "$root" 2>/dev/null ;; esac
exit 0
