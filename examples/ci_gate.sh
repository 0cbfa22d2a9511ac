#!/bin/sh
# A gate for a pipeline or cron: exit 0 lets the work run, anything else stops it.
# Run it from the checkout: PATH=$PWD/.venv/bin:$PATH examples/ci_gate.sh DEPENDENCY...
set -u
worst=0
for dependency in "$@"; do
  gonogo check drift "$dependency" >&2
  case $? in
    0) ;;
    1) echo "caution: a person should look at $dependency" >&2 ;;
    2) echo "no-go: $dependency is not fit" >&2; worst=2 ;;
    3) echo "unknown: $dependency has too little evidence" >&2; [ "$worst" -eq 2 ] || worst=3 ;;
    *) exit 70 ;;
  esac
done
exit "$worst"
