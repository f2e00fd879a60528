#!/usr/bin/env bash
# Runs a program that loads a library with AddressSanitizer: its run time has to come first.
#
# preloaded.sh LIBASAN COMMAND...
export LD_PRELOAD=$1 ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
shift
exec "$@"
