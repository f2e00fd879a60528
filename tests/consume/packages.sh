# shellcheck shell=bash
# packages.sh: what apt installs is made, looked at, unpacked and used; sourced by consume.sh.
# shellcheck disable=SC2154 # work, build, cc and here are consume.sh's

no() { # TEXT: the check that was just made has failed
    echo "$*"
    exit 1
}

field() { # PACKAGE FIELD
    dpkg-deb -f "$work/deb/$1"_*.deb "$2"
}

depends() { # PACKAGE TEXT
    field "$1" Depends | grep -qF -- "$2" || no "$1 does not depend on $2: $(field "$1" Depends)"
}

stays_without() { # PACKAGE PATTERN
    ! field "$1" Depends | grep -E -- "$2" || no "$1 depends on something of $2"
}

made() { [ -e "$(echo "$work/deb/$1"_*.deb)" ]; }
heimdal_inside() { grep -qF heimdal-gssapi "$(find "$root" -name krbrepl.pc)"; }

# Each is by itself, has what belongs to it, and says who answers for it.
packages_are_apart() {
    local file package
    for file in "$work"/deb/*.deb; do
        package=$(dpkg-deb -f "$file" Package)
        dpkg-deb -x "$file" "$root"
        dpkg-deb -c "$file" | awk '$1 !~ /^d/ { print $6 }' | sort >"$work/$package.files"
        grep -q "/doc/$package/copyright$" "$work/$package.files" || no "$package has no copyright"
        field "$package" Maintainer | grep -Eq '^[^<>]+ <[^ @]+@[^ @]+\.[^ @]+>$' || no "$package: who maintains it?"
        echo "$package" >>"$work/packages"
    done
    for package in krbrepl-kdb krbrepl-hdb python3-krbrepl; do
        made "$package" || echo "left out: $package was not made (Debian: libkrb5-dev, heimdal-multidev, python3-cffi," \
            "python3-dev, python3-setuptools; then configure anew, or with KRBREPL_BUILD_KDB, _HDB and _PYTHON)"
    done
    cat "$work"/*.files | sort | uniq -d >"$work/twice"
    [ ! -s "$work/twice" ] || no "in two packages: $(cat "$work/twice")"
}

# Programs run without the headers, and compilers find what stands in the package for them.
packages_have_their_own() {
    local pattern='/include/|/pkgconfig/|/man3/|\.a$|libkrbrepl[^/]*\.so$' package
    for package in $(cat "$work/packages"); do
        [ "$package" != libkrbrepl-dev ] || continue
        ! grep -E "$pattern" "$work/$package.files" || no "this is in $package and belongs to libkrbrepl-dev"
    done
    ! grep -lE '/(krbrepl|hdb_krbrepl)\.so$' "$work"/*.files | grep -vE '/krbrepl-[kh]db\.files$' || no "a module is here"
    for package in krbrepl-kdb:/kdb/krbrepl.so krbrepl-hdb:/hdb_krbrepl.so krbrepl:/sbin/krbrepl-master; do
        made "${package%%:*}" || continue
        grep -q "${package#*:}$" "$work/${package%%:*}.files" || no "${package%%:*} lacks ${package#*:}"
    done
}

# What is loaded is stripped, and says nothing of the machine that it was built on.
packages_are_stripped() {
    local file
    find "$root" -type f \( -name '*.so' -o -name '*.so.*' -o -path '*/*bin/krbrepl*' \) >"$work/loaded"
    test -s "$work/loaded"
    while read -r file; do
        ! LC_ALL=C readelf -S "$file" | grep -q '\.debug_info' || no "not stripped: $file"
        ! grep -qF -- "$build" "$file" || no "$build is named in $file"
    done <"$work/loaded"
}

# Nobody gets the libraries of a KDC that he does not run.
packages_depend_on_what_they_need() {
    local version package
    version=$(field libkrbrepl-dev Version)
    libs=$(grep -xE 'libkrbrepl[0-9.]+' "$work/packages")
    depends "$libs" libssl3
    depends "$libs" "liblmdb0 (>= 0.9.24)"
    for package in krbrepl krbrepl-kdb python3-krbrepl libkrbrepl-dev libkrbrepl-kdb5-"${libs#libkrbrepl}"; do
        ! made "$package" || depends "$package" "$libs (= $version)"
    done
    stays_without "$libs" libkdb5
    if made krbrepl-kdb; then
        depends krbrepl-kdb libkdb5-
        stays_without krbrepl-kdb heimdal
        depends krbrepl "libkrbrepl-kdb5-${libs#libkrbrepl} (= $version)"
        field krbrepl-kdb Suggests | grep -q krb5-kdc
    fi
    if made krbrepl-hdb; then
        depends krbrepl-hdb libhdb9-heimdal
        depends krbrepl-hdb "liblmdb0 (>= 0.9.24)"
        stays_without krbrepl-hdb 'libkrb5-3|libgssapi-krb5|libkdb5|libkrbrepl'
        field krbrepl-hdb Suggests | grep -q heimdal-kdc
    fi
    # Whose Kerberos the library is linked with, its programs are built with.
    if heimdal_inside; then
        depends libkrbrepl-dev "libssl-dev, liblmdb-dev, heimdal-multidev"
    else
        depends libkrbrepl-dev "libssl-dev, liblmdb-dev, libkrb5-dev"
        for package in $(grep -vx krbrepl-hdb "$work/packages"); do
            stays_without "$package" heimdal
        done
    fi
}

# Other packages get their dependencies from this, and the loader is told.
libraries_are_announced() {
    local package soname
    for package in $(grep -E '^libkrbrepl.*[0-9]$' "$work/packages"); do
        dpkg-deb --ctrl-tarfile "$work/deb/$package"_*.deb | tar -xO ./triggers | grep -q ldconfig
        dpkg-deb --ctrl-tarfile "$work/deb/$package"_*.deb | tar -xO ./shlibs >"$work/shlibs"
        sed -n 's,.*/\(libkrbrepl[a-z0-9-]*\)\.so\.\([0-9]*\.[0-9]*\)$,^\1 \2 ,p' "$work/$package.files" >"$work/sonames"
        test -s "$work/sonames"
        while read -r soname; do grep -q "$soname.*$package (= " "$work/shlibs"; done <"$work/sonames"
    done
}

packages_work() {
    local pc
    pc=$(find "$root" -name krbrepl.pc)
    # shellcheck disable=SC2046 # flags are words
    "$cc" -std=c99 -Wall -Wextra -Werror "$here/program/first.c" \
        $(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=${pc%/*} pkg-config --cflags --libs krbrepl) -o "$work/c"
    export LD_LIBRARY_PATH=${pc%/pkgconfig/*}
    LC_ALL=C ldd "$work/c" | grep -F "libkrbrepl.so" | grep -qF "$root/"
    run "$work/c"
    if made python3-krbrepl; then
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(dirname "$(dirname "$(find "$root" -path '*/krbrepl/_krbrepl.pyi')")") \
            "$(PATH=/usr/bin:$PATH command -v python3)" -c 'import krbrepl; print("Python has", krbrepl.__version__)'
    fi
    prefix=$(dirname "$LD_LIBRARY_PATH")
    [ -e "$prefix/bin/krbrepl" ] || prefix=$(dirname "$prefix")
    programs_run
    test -s "$prefix/share/doc/krbrepl/embedding.md"
    test -s "$prefix/share/doc/krbrepl/examples/embed/host-store.c"
}

debian_packages() {
    local root=$work/root libs
    cpack --config "$build/CPackConfig.cmake" -B "$work/deb" >"$work/cpack.log" 2>&1 || {
        cat "$work/cpack.log"
        return 1
    }
    packages_are_apart
    packages_have_their_own
    packages_are_stripped
    packages_depend_on_what_they_need
    libraries_are_announced
    packages_work
}
