#!/usr/bin/env bash
# The gate of action.yml: asks for a preflight, writes the summary of the job, and ends as it was asked to.
set -uo pipefail

stops_at=${GATE_STOPS_AT:-no_go}
case $stops_at in
  no_go | unknown | caution) ;;
  *) echo "stops-at is no_go, unknown or caution, not '$stops_at'." >&2; exit 64 ;;
esac

arguments=()
while IFS= read -r name; do
  [[ -z "${name// /}" ]] || arguments+=(--dependency "$name")
done <<< "${GATE_DEPENDENCIES:-}"
[[ -z "${GATE_WORKLOAD:-}" ]] || arguments+=("$GATE_WORKLOAD")
[[ -z "${GATE_PLANNED_CALLS:-}" ]] || arguments+=(--planned-calls "$GATE_PLANNED_CALLS")
[[ -z "${GATE_JUNIT:-}" ]] || arguments+=(--junit "$GATE_JUNIT" --fails-at "$stops_at")

# A runner takes lines of a log for its commands (`::set-output …`): what a name holds is none, in answers and errors.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '::stop-commands::%s\n' "$token"
said=$(gonogo check preflight "${arguments[@]}")
status=$?
printf '%s\n::%s::\n' "$said" "$token"
case $status in
  0) verdict=go ;;
  1) verdict=caution ;;
  2) verdict=no_go ;;
  3) verdict=unknown ;;
  *) exit "$status" ;;
esac
echo "verdict=$verdict" >> "${GITHUB_OUTPUT:-/dev/null}"
# Indented, so that no name in it is taken for Markdown.
{ printf '### gonogo: %s\n\n' "$verdict"; sed 's/^/    /' <<< "$said"; } >> "${GITHUB_STEP_SUMMARY:-/dev/null}"

# What stops the job: no_go always; with "unknown" or "caution" also what is less sure than that.
case "$stops_at:$verdict" in
  *:go | no_go:caution | no_go:unknown | unknown:caution) exit 0 ;;
  *) exit "$status" ;;
esac
