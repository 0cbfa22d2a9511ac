#!/bin/sh
# Ask a golden set once and say something only when it is not well: cron mails what is printed.
# Try it beside stub_endpoint.py:   PATH=$PWD/.venv/bin:$PATH examples/cron_probe/probe.sh sums
# In a crontab:                     7 * * * *  PATH=/path/to/gonogo/.venv/bin:$PATH /path/to/probe.sh sums
set -u
export GONOGO_CONFIG="${GONOGO_CONFIG:-$(dirname "$0")/gonogo.toml}"
said=$(gonogo probe "$1" --once 2>&1)
status=$?
case $status in
  0) exit 0 ;;
  1) echo "probe $1: some answers failed or were wrong" ;;
  2) echo "probe $1: nothing answered" ;;
  3) echo "probe $1: it could not be asked or checked" ;;
  *) echo "probe $1: gonogo itself failed" ;;
esac
echo "$said"
exit "$status"
