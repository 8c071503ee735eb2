# Prints what is offered for the last of the words that are the arguments.
source <(fleetctl completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_fleetctl
printf '%s\n' "${COMPREPLY[@]}"
