#!/usr/bin/env bash
# Bindings that were compiled with the headers of a newer library refuse the one that is there, and say so.
#
# skew.sh PREFIX LIBDIR SOURCE WORK CC CXX PYTHON
set -euo pipefail

prefix=$1 libdir=$2 source=$3 work=$4 cc=$5 cxx=$6 python=$7

rm -rf "$work"
mkdir -p "$work/pkgconfig"
cp -R "$prefix/include" "$work/include"
sed -i 's/^#define KRBREPL_VERSION_PATCH .*/#define KRBREPL_VERSION_PATCH 999/' "$work/include/krbrepl/version.h"
sed "s|^includedir=.*|includedir=$work/include|" "$prefix/$libdir/pkgconfig/krbrepl.pc" >"$work/pkgconfig/krbrepl.pc"
export PKG_CONFIG_PATH=$work/pkgconfig LD_LIBRARY_PATH=$prefix/$libdir PYTHONDONTWRITEBYTECODE=1

refused() { # COMMAND...
    if "$@" 2>"$work/stderr"; then
        echo "$* was not refused"
        return 1
    fi
    grep -q "older than the headers" "$work/stderr" || { cat "$work/stderr"; return 1; }
}

if [ -e "$prefix/include/krbrepl/krbrepl.hpp" ]; then
    # shellcheck disable=SC2046 # flags are words
    "$cxx" -std=c++17 "$source/tests/consume/program/binding.cpp" $(pkg-config --cflags --libs krbrepl) -o "$work/cpp"
    refused "$work/cpp" "$work/store"
fi
"$source/tests/bindings/python/build.sh" "$python" "$source/bindings/python" "$work/python" "$work/pkgconfig" "$cc"
PYTHONPATH=$work/python/lib refused "$python" -c "import krbrepl"
