#!/usr/bin/env bash
# Install Sightline into this checkout, if that is not done yet, and serve.
#   deploy/start.sh [--tunnel] [options of sightline serve]
# --tunnel makes it reachable from the internet, through the first installed program of cloudflared, ngrok and ssh.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=()
for argument in "$@"; do
    if [[ $argument != --tunnel ]]; then
        arguments+=("$argument")
        continue
    fi
    for program in cloudflared ngrok ssh ""; do
        if [[ -n $program ]] && command -v "$program" >/dev/null; then break; fi
    done
    if [[ -z $program ]]; then
        echo "--tunnel needs one of cloudflared, ngrok and ssh, and none of them is installed here" >&2
        exit 1
    fi
    arguments+=(--tunnel "$program")
done

make --no-print-directory .venv/.serve >&2
exec .venv/bin/sightline serve ${arguments[@]+"${arguments[@]}"}
