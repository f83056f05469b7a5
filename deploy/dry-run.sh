#!/usr/bin/env bash
# Run the Dockerfile's steps without a container engine, in a clean folder: take the files that its build may use, build and
# install the wheel, check that it refuses to serve everybody, serve, and run the health check.
#   deploy/dry-run.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
clean=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; wait; rm -rf "$clean"' EXIT

mkdir "$clean/source" "$clean/home"
sed -n 's/^!//p' .dockerignore | tar -cf - --exclude __pycache__ --exclude vendor -T - | tar -xf - -C "$clean/source"
"$python" -m venv "$clean/build"
"$clean/build/bin/pip" --quiet wheel --no-deps --wheel-dir "$clean/wheels" "$clean/source"
"$python" -m venv "$clean/opt"
"$clean/opt/bin/pip" --quiet install --constraint "$clean/source/constraints.txt" "$(ls "$clean"/wheels/*.whl)[openvino]"

as=(
    env -i PATH="$clean/opt/bin:$PATH" HOME="$clean/home" SIGHTLINE_HOST=0.0.0.0 SIGHTLINE_PORT=8765
    SIGHTLINE_DATA="$clean/home/data" SIGHTLINE_CACHE="$clean/home/cache"
)
cd "$clean/home"
if "${as[@]}" sightline serve; then
    echo "It serves without TLS and tokens whoever comes." >&2
    exit 1
fi
"${as[@]}" SIGHTLINE_INSECURE=true sightline serve &
server=$!
for _ in {1..60}; do
    if "${as[@]}" python "$clean/source/deploy/healthcheck.py" 2>/dev/null; then
        du -sh "$clean/opt" | sed 's/\t.*/ installed/'
        echo "The image's steps work."
        exit 0
    fi
    sleep 1
done
echo "The health check fails." >&2
exit 1
