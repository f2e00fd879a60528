#!/usr/bin/env bash
# Builds the Python package as its users do, from a copy of its source, against an installed library.
#
# build.sh PYTHON SOURCE WORK PKGCONFIG_DIR CC
set -euo pipefail

python=$1 source=$2 work=$3 cc=$5
export PKG_CONFIG_PATH=$4 CC=$cc PYTHONDONTWRITEBYTECODE=1

rm -rf "$work"
mkdir -p "$work"
cp -R "$source" "$work/source"
cd "$work/source"
"$python" -W ignore setup.py -q build --build-base "$work/build" --build-lib "$work/lib"
