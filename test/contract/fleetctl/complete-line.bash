# Prints what is offered at the end of the line $1. $2 are the word breaks, bash's own when it is absent.
source <(fleetctl completion bash)
complete -p fleetctl >/dev/null || exit 1
if [[ -n $2 ]]; then COMP_WORDBREAKS=$2; fi
COMP_LINE=$1 COMP_POINT=${#1}
_fleetctl fleetctl
printf '%s\n' "${COMPREPLY[@]}"
