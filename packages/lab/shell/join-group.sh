# Moves this shell into the control group of a machine. Sourced by the first process of every machine.
#
# Without a group per machine, two light ones would share `app.slice/<unit>`, and stopping a unit on one would kill
# it on the other; and a sweep finds by the group what a dead lab has left running.
#
# Usage: join_machine_group LAB_GROUP MACHINE

join_group() {
  mkdir -p "$1"
  echo $$ >"$1/cgroup.procs"
}

join_machine_group() {
  groups=$(cat /proc/self/cgroup)
  printf '%s\n' "$groups" | while IFS=: read -r _ controllers path; do
    [ "$path" = / ] && path=
    case $controllers in
    '')
      if [ -f /sys/fs/cgroup/cgroup.controllers ]; then join_group "/sys/fs/cgroup$path/$1/$2"; fi
      if [ -d /sys/fs/cgroup/unified ]; then join_group "/sys/fs/cgroup/unified$path/$1/$2"; fi
      ;;
    name=systemd) join_group "/sys/fs/cgroup/systemd$path/$1/$2" ;;
    esac
  done
}
