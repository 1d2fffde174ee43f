#!/bin/bash
# A careful cutover by hand: one node after the other, never without another one that is ready, back in
# rotation only when it is ready and what it should be. No journal, no way back, no guards.
#   FLEET=folder VERSION=2.4.0 cutover.sh FRONT_URL POLL_S NAME=URL…
set -euo pipefail
front=$1 poll=$2
shift 2
node=$(dirname "$0")/node
ask() { curl --silent --fail --max-time 5 "$1"; }

for entry in "$@"; do
	name=${entry%%=*} url=${entry#*=}
	ask "$front/api/ready" >/dev/null || { echo "nothing is ready behind $front" >&2 && exit 1; }
	"$node" detach "$name"
	until [ "$("$node" connections "$name")" = 0 ]; do sleep "$poll"; done
	"$node" stop "$name"
	"$node" start "$name"
	deadline=$((SECONDS + 60))
	until ask "$url/api/ready" >/dev/null; do
		[ $SECONDS -lt $deadline ] || { echo "$name does not get ready" >&2 && exit 1; }
		sleep "$poll"
	done
	info=$(ask "$url/api/cluster/info")
	[[ $info == *"\"version\":\"$VERSION\""* && $info == *"\"server_id\":\"$name\""* ]] || {
		echo "$name came up, but is not $VERSION" >&2
		exit 1
	}
	"$node" attach "$name"
	ask "$url/api/ready" >/dev/null || { echo "$name is not ready any more" >&2 && exit 1; }
done
