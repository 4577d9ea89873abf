#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the GitHub Action and the GitLab job both do: check the policy, judge the captures,
# leave interlock.xml (JUnit), interlock.sarif and interlock.txt here.
# environment: POLICY, CAPTURES (patterns), PROGRAM (default interlock), STRICT (true or false)
set -u
shopt -s nullglob globstar

program=${PROGRAM:-interlock}
command -v "$program" >/dev/null || program=interlock
command -v "$program" >/dev/null || { echo "$program: not installed" >&2; exit 2; }
strict=()
[ "${STRICT:-false}" = true ] && strict=(--strict)

# shellcheck disable=SC2206 # patterns are to be expanded
captures=($CAPTURES)
if [ ${#captures[@]} -eq 0 ]; then
	echo "no capture matches: $CAPTURES" >&2
	status=2
elif "$program" policy check "${strict[@]}" "$POLICY"; then
	"$program" replay -p "$POLICY" --junit interlock.xml --sarif interlock.sarif "${captures[@]}" >interlock.txt
	status=$?
	cat interlock.txt
	if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
		{ echo '```'; cat interlock.txt; echo '```'; } >>"$GITHUB_STEP_SUMMARY"
	fi
else
	status=$?
fi
[ -n "${GITHUB_OUTPUT:-}" ] && echo "status=$status" >>"$GITHUB_OUTPUT"
exit "$status"
