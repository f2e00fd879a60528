#!/usr/bin/env bash
# Builds and runs small programs against an installed tree, in one of the ways an embedder would.
#
# consume.sh WAY BUILD_DIR SOURCE_DIR WORK_DIR CC CXX LIBDIR
set -euo pipefail

way=$1 build=$2 source=$3 work=$4/$1 cc=$5 cxx=$6 libdir=$7
here=$source/tests/consume
prefix=$work/prefix

# The programs make their stores outside of the build directory, which may be on a file system that
# cannot hold a map of LMDB.
stores=$(mktemp -d)
trap 'rm -rf "$stores" "$work"' EXIT

install_tree() { cmake --install "$build" --prefix "$prefix" >"$work/install.log"; }

run() { # PROGRAM...
    local program
    for program in "$@"; do
        "$program" "$stores/$(basename "$program")"
    done
}

# The program uses the library of the tree and no other that the machine may have.
linked_with_tree() { # PROGRAM
    LC_ALL=C ldd "$1" | grep -F "libkrbrepl.so" | grep -qF "$prefix/$libdir/" ||
        { echo "$1 is not linked with the installed library"; return 1; }
}

not_linked_shared() { # PROGRAM
    if LC_ALL=C ldd "$1" | grep -F "libkrbrepl.so"; then
        echo "$1 was to be linked statically"
        return 1
    fi
}

pkg() { PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig pkg-config "$@"; }
has_cpp() { [ -e "$prefix/include/krbrepl/krbrepl.hpp" ]; }
has_mit() { [ -e "$prefix/$libdir/pkgconfig/krbrepl-mit.pc" ]; }
has_kdb5() { [ -e "$prefix/$libdir/pkgconfig/krbrepl-kdb5.pc" ]; }
has_heimdal() { [ -e "$prefix/$libdir/pkgconfig/krbrepl-heimdal.pc" ]; }
has_testing() { [ -e "$prefix/$libdir/pkgconfig/krbrepl-testing.pc" ]; }

# A KDC of MIT's finds the module where the .pc file says, and the module the libraries that were installed with it.
kdb_module_is_where_its_pc_says() {
    local dir major
    [ -e "$prefix/$libdir/pkgconfig/krbrepl-kdb.pc" ] || return 0
    dir=$(pkg --variable=kdbdir krbrepl-kdb)
    test -e "$dir/krbrepl.so"
    # shellcheck disable=SC2046
    major=$(echo '#include <kdb.h>' | "$cc" -E -dM $(pkg --cflags krb5) - | awk '$2 == "KRB5_KDB_DAL_MAJOR_VERSION" { print $3 }')
    [ "$(pkg --variable=dal_major krbrepl-kdb)" = "$major" ]
    [ "$(pkg --modversion krbrepl-kdb)" = "$(pkg --modversion krbrepl)" ]
    mkdir "$stores/kdb"
    printf '[libdefaults]\n default_realm = A.TEST\n[realms]\n A.TEST = {\n database_module = m\n key_stash_file = %s/stash\n }
[dbmodules]\n db_module_dir = %s\n m = {\n db_library = krbrepl\n database_name = %s/store\n }\n' \
        "$stores/kdb" "$dir" "$stores/kdb" >"$stores/kdb/kdc.conf"
    env -u LD_LIBRARY_PATH PATH="$PATH:/usr/sbin" KRB5_CONFIG="$stores/kdb/kdc.conf" KRB5_KDC_PROFILE="$stores/kdb/kdc.conf" \
        bash -c 'kdb5_util create -s -P throw-away && kadmin.local addprinc -nokey alice && kadmin.local getprinc alice' \
        >"$work/kdb" 2>&1 || { cat "$work/kdb"; return 1; }
    env -u LD_LIBRARY_PATH "$prefix/bin/krbrepl" get "$stores/kdb/store" principal alice@A.TEST >"$work/kdb"
}

# Programs that are installed find the library that is installed with them, wherever that is.
programs_run() {
    [ ! -e "$prefix/bin/krbrepl" ] || env -u LD_LIBRARY_PATH "$prefix/bin/krbrepl" --version
}

# What an author would copy is compiled as he would, with nothing but the installed tree.
examples_compile() {
    local example flags files name
    for example in $(grep -l '^int main(' "$source"/examples/embed/*.c); do
        flags=$(pkg --cflags --libs krbrepl)
        files=$example
        # A header beside it has its other half beside it too.
        for name in $(sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$example"); do
            files="$files $source/examples/embed/$name.c"
        done
        # shellcheck disable=SC2086 # files and flags are words
        if grep -q '<verto.h>' $files; then
            pkg --exists libverto || continue
            flags="$flags $(pkg --cflags --libs libverto)"
        elif grep -q '<sqlite3.h>' $files; then
            pkg --exists sqlite3 || continue
            flags="$flags $(pkg --cflags --libs sqlite3)"
        fi
        # Heimdal's KDC is in one process with a library that is linked with Heimdal, and with no other.
        if grep -q '<kdc.h>' $files; then
            [ -e "$prefix/include/krbrepl/hdb.h" ] || continue
            flags="-L$prefix/$libdir -lkrbrepl-hdb $flags $(pkg --cflags --libs heimdal-krb5) -lkdc -lhdb"
        fi
        # shellcheck disable=SC2086
        "$cc" -Wall -Wextra -Werror $files $flags -o "$work/$(basename "$example" .c)"
    done
}

pkgconfig_shared() {
    install_tree
    # shellcheck disable=SC2046 # flags are words
    "$cc" -std=c99 -Wall -Wextra -Werror "$here/program/first.c" $(pkg --cflags --libs krbrepl) -o "$work/c"
    # shellcheck disable=SC2046
    "$cxx" -std=c++11 -Wall -Wextra -Werror "$here/program/first.cpp" $(pkg --cflags --libs krbrepl) -o "$work/cxx"
    export LD_LIBRARY_PATH=$prefix/$libdir
    linked_with_tree "$work/c"
    linked_with_tree "$work/cxx"
    run "$work/c" "$work/cxx"
    if has_cpp; then
        # shellcheck disable=SC2046
        "$cxx" -std=c++17 -Wall -Wextra -Werror "$here/program/binding.cpp" $(pkg --cflags --libs krbrepl) -o "$work/cpp"
        linked_with_tree "$work/cpp"
        run "$work/cpp"
    fi
    if has_mit; then
        # shellcheck disable=SC2046
        "$cc" -std=c99 "$here/program/mit.c" $(pkg --cflags --libs krbrepl-mit) -o "$work/mit"
        "$work/mit"
    fi
    if has_kdb5; then
        # shellcheck disable=SC2046
        "$cc" -std=c99 "$here/program/kdb5.c" $(pkg --cflags --libs krbrepl-kdb5) -o "$work/kdb5"
        "$work/kdb5"
    fi
    if has_heimdal; then
        # shellcheck disable=SC2046
        "$cc" -std=c99 -Wall -Wextra -Werror "$here/program/heimdal.c" $(pkg --cflags --libs krbrepl-heimdal) -o "$work/heimdal"
        linked_with_tree "$work/heimdal"
        run "$work/heimdal"
    fi
    programs_run
    kdb_module_is_where_its_pc_says
    examples_compile
}

# The static library leaves nothing to guess: Requires.private and Libs.private name all it needs.
pkgconfig_static() {
    install_tree
    rm "$prefix/$libdir"/lib*.so*
    # shellcheck disable=SC2046
    "$cc" "$here/program/first.c" $(pkg --cflags --libs --static krbrepl) -o "$work/c"
    # shellcheck disable=SC2046
    "$cxx" -std=c++11 "$here/program/first.cpp" $(pkg --cflags --libs --static krbrepl) -o "$work/cxx"
    not_linked_shared "$work/c"
    run "$work/c" "$work/cxx"
    if has_cpp; then
        # shellcheck disable=SC2046
        "$cxx" -std=c++17 "$here/program/binding.cpp" $(pkg --cflags --libs --static krbrepl) -o "$work/cpp"
        not_linked_shared "$work/cpp"
        run "$work/cpp"
    fi
    if has_mit; then
        # shellcheck disable=SC2046
        "$cc" "$here/program/mit.c" $(pkg --cflags --libs --static krbrepl-mit) -o "$work/mit"
        not_linked_shared "$work/mit"
        "$work/mit"
    fi
    if has_heimdal; then
        # shellcheck disable=SC2046
        "$cc" -std=c99 "$here/program/heimdal.c" $(pkg --cflags --libs --static krbrepl-heimdal) -o "$work/heimdal"
        not_linked_shared "$work/heimdal"
        run "$work/heimdal"
    fi
    if has_testing; then
        # shellcheck disable=SC2046
        "$cc" -std=c99 -Wall -Wextra -Werror "$here/program/testing.c" $(pkg --cflags --libs krbrepl-testing) -o "$work/testing"
        not_linked_shared "$work/testing"
        "$work/testing" 1 2
    fi
}

find_package() {
    install_tree
    cmake -S "$here/find_package" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$work/configure.log"
    cmake --build "$work/build"
    linked_with_tree "$work/build/shared"
    not_linked_shared "$work/build/static"
    run "$work/build/shared" "$work/build/static" "$work/build/cxx"
    ! has_cpp || run "$work/build/cpp"
    ! has_mit || "$work/build/mit"
    ! has_kdb5 || "$work/build/kdb5"
    ! has_heimdal || run "$work/build/heimdal" "$work/build/heimdal-static"
}

subdirectory() {
    cmake -S "$here/subdirectory" -B "$work/build" -DKRBREPL_SOURCE_DIR="$source" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$work/configure.log"
    cmake --build "$work/build"
    run "$work/build/shared" "$work/build/static" "$work/build/cxx"
    [ ! -e "$work/build/cpp" ] || run "$work/build/cpp"
}

# A package builder's way: the prefix is named at configuration, DESTDIR at installation. No installed
# text file may name DESTDIR or the build directory.
destdir() {
    DESTDIR=$work/stage cmake --install "$build" --prefix /opt/krbrepl >"$work/install.log"
    local root=$work/stage/opt/krbrepl
    grep -qx "prefix=/opt/krbrepl" "$root/$libdir/pkgconfig/krbrepl.pc"
    grep -qx "libdir=/opt/krbrepl/$libdir" "$root/$libdir/pkgconfig/krbrepl.pc"
    grep -qx "includedir=/opt/krbrepl/include" "$root/$libdir/pkgconfig/krbrepl.pc"
    if grep -rIlF -e "$work/stage" -e "$build" "$root"; then
        echo "installed files name paths of the build"
        return 1
    fi
    test -e "$root/$libdir/libkrbrepl.so"
    test -s "$root/share/man/man3/krbrepl_txn_begin.3"
    test -s "$root/share/doc/krbrepl/reference/index.md"
    LC_ALL=C readelf -d "$root/$libdir/libkrbrepl.so" | grep -F 'SONAME' | grep -F 'libkrbrepl.so.'
}

# The daemons have Heimdal's names where the build was told so, and nowhere else. Of a build that was told only the
# installation of the programs is run, on those that are built already.
iprop_names() {
    local role name
    install_tree
    [ -z "$(find "$prefix" -name 'ipropd-*')" ] || { echo "names of Heimdal's are installed without being asked for"; return 1; }
    cmake -S "$source" -B "$work/build" -G "$CMAKE_GENERATOR" -DCMAKE_C_COMPILER="$cc" \
        -DKRBREPL_INSTALL_IPROP_NAMES=ON -DCMAKE_SKIP_RPATH=ON -DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX="$work/named" \
        >"$work/configure.log"
    cp "$build"/examples/krbrepl "$build"/examples/krbrepl-master "$build"/examples/krbrepl-replica "$work/build/examples/"
    cmake -P "$work/build/examples/cmake_install.cmake" >"$work/install.log"
    for role in master slave; do
        name=$(echo "$work"/named/sbin/ipropd-$role)
        LD_LIBRARY_PATH=$prefix/$libdir "$name" --help | grep -q "^usage: ipropd-$role "
    done
}

# shellcheck source=tests/consume/packages.sh
source "$here/packages.sh"

rm -rf "$work"
mkdir -p "$work"
"$way"
