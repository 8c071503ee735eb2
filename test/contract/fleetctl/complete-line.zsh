# Prints what is offered at the end of the line $1. zsh completes on a terminal only: what it would be told is printed.
compdef() { :; }
compadd() { print -rl -- "${(@P)@[-1]}"; }
_files() { :; }
source <(fleetctl completion zsh)
words=("${(@s: :)1}")
CURRENT=$#words
_fleetctl
