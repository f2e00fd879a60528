# shellcheck shell=bash
# lib.sh: what the scripts share; sourced by bash. Nothing here depends on the directory it is called from.

set -euo pipefail

KRBREPL_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)
# The KDC and its tools stand where Debian's users who are not root do not look.
PATH=$PATH:/usr/sbin:/sbin
export KRBREPL_ROOT PATH

KRBREPL_BUILD_PACKAGES=(gcc g++ libc6-dev cmake ninja-build pkgconf libssl-dev liblmdb-dev libkrb5-dev
    libcmocka-dev libverto-dev libsqlite3-dev heimdal-multidev)
KRBREPL_BINDING_PACKAGES=(python3-cffi python3-dev python3-setuptools mypy)
KRBREPL_RUN_PACKAGES=(krb5-kdc krb5-admin-server krb5-kpropd krb5-user python3 openssl procps libverto-libev1
    abigail-tools mandoc dpkg-dev file)
# Heimdal's own programs cannot be installed beside MIT's: they are unpacked into the build directory.
KRBREPL_HEIMDAL_PACKAGES=(heimdal-kdc heimdal-clients heimdal-servers)
# A realm whose database is in a directory, to be moved out of it.
KRBREPL_LDAP_PACKAGES=(slapd ldap-utils krb5-kdc-ldap)
# What bench/mit has krbrepl beside.
KRBREPL_MIT_BENCH_PACKAGES=(krb5-kpropd iproute2)
KRBREPL_FUZZ_PACKAGES=(clang libclang-rt-14-dev)

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' blue=$'\e[34m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' blue='' plain=''
fi

say() { printf '%s\n' "$*"; }
section() { printf '\n%s%s%s\n' "$bold$blue" "$*" "$plain"; }
die() {
    printf '%s%s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

# ---- packages -----------------------------------------------------------------------------------

missing_packages() { # PACKAGE...
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# Runs COMMAND and shows what it printed only when it fails.
quietly() { # COMMAND...
    local log code=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || code=$?
    [ $code = 0 ] || cat "$log" >&2
    rm -f "$log"
    return $code
}

# The KDC's packages start a KDC of the system when they are installed. A realm that nobody has set up yet
# cannot start, and this machine may not want one: tell the package scripts to start nothing meanwhile.
apt_install() { # PACKAGE...
    as_root env DEBIAN_FRONTEND=noninteractive bash -euc '
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap "rm -f $policy" EXIT
            printf "#!/bin/sh\nexit 101\n" >$policy
            chmod 755 $policy
        fi
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@"
    ' apt_install "$@"
}

# True when apt's lists know all of them.
apt_knows() { # PACKAGE...
    local package
    for package in "$@"; do
        apt-cache show --no-all-versions "$package" >/dev/null 2>&1 || return 1
    done
}

# Installs what is missing. Touches neither apt nor the network when nothing is.
ensure_packages() { # PACKAGE...
    local missing command
    if ! command -v dpkg-query >/dev/null; then
        say "This is not a Debian system: it is taken for granted that these are here in some form: $*"
        return
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    command="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null && as_root true; }; then
        die "These packages are missing, and installing them takes root. As root, run once: $command"
    fi
    section "Installing ${#missing[@]} packages: ${missing[*]}"
    if ! apt_knows "${missing[@]}"; then
        as_root apt-get -qq -o DPkg::Lock::Timeout=300 update || die "apt-get update failed; is there a network?"
    fi
    quietly apt_install "${missing[@]}" && return
    # Lists of last month name versions that the mirror has replaced.
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 update || true
    quietly apt_install "${missing[@]}" || die "Installing failed. Try by hand: $command"
}

# The libraries that PACKAGEs need, directly or through other libraries, and that are not installed.
missing_libraries() { # PACKAGE...
    local package seen=" " wanted=("$@") next
    while [ ${#wanted[@]} -gt 0 ]; do
        mapfile -t next < <(apt-cache depends --important --no-pre-depends --no-recommends --no-suggests "${wanted[@]}" |
            sed -n 's/^ *|*Depends: \(lib[a-z0-9.+-]*\)$/\1/p' | sort -u)
        wanted=()
        for package in "${next[@]}"; do
            [[ $seen != *" $package "* ]] || continue
            seen+="$package "
            [ -z "$(missing_packages "$package")" ] || wanted+=("$package")
        done
        printf '%s\n' "${wanted[@]}" | sed '/^$/d'
    done
}

# Unpacks PACKAGEs, and the libraries that they lack, below DIR, without installing anything. As an ordinary user too.
unpack_packages() { # DIR PACKAGE...
    local dir=$1 libraries package
    shift
    mapfile -t libraries < <(missing_libraries "$@")
    rm -rf "$dir.part"
    mkdir -p "$dir.part/deb" "$dir.part/root"
    (cd "$dir.part/deb" && timeout 300 apt-get -qq download "$@" "${libraries[@]}" 2>/dev/null) || return 1
    for package in "$dir.part/deb/"*.deb; do
        dpkg -x "$package" "$dir.part/root" || return 1
    done
    rm -rf "$dir"
    mv "$dir.part/root" "$dir" && rm -rf "$dir.part"
}

# Heimdal's KDC and its tools below DIR, for the tests that run them; once. Without them these tests are left out.
fetch_heimdal() { # DIR
    local dir=$1
    [ ! -e "$dir/.unpacked" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
        say "This is not a Debian system: the tests with Heimdal's programs are left out."
        return 0
    }
    section "Unpacking Heimdal's programs in $dir"
    if ! apt_knows "${KRBREPL_HEIMDAL_PACKAGES[@]}"; then
        as_root apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null 2>&1 || true
    fi
    if unpack_packages "$dir" "${KRBREPL_HEIMDAL_PACKAGES[@]}"; then
        : >"$dir/.unpacked"
    else
        rm -rf "$dir.part"
        say "They could not be fetched; the tests with Heimdal's programs are left out. With a network, try by hand:"
        say "    apt-get download ${KRBREPL_HEIMDAL_PACKAGES[*]}"
    fi
}

# ---- building -----------------------------------------------------------------------------------

# True when this user can build in DIR, which need not exist yet.
can_build_in() { # DIR
    local dir=$1
    if [ -e "$dir/CMakeCache.txt" ]; then
        [ -w "$dir" ] && [ -w "$dir/CMakeCache.txt" ]
        return
    fi
    while [ ! -e "$dir" ]; do
        dir=$(dirname "$dir")
    done
    [ -d "$dir" ] && [ -w "$dir" ]
}

# Where PRESET is built: in the project, or, when that belongs to somebody else, in a directory of this
# user, one for each copy of the project.
build_dir() { # PRESET
    local key dir
    key=$(printf '%s' "$KRBREPL_ROOT" | sha256sum | cut -c1-12)
    for dir in "$KRBREPL_ROOT/build" "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/krbrepl/$key" \
        "${TMPDIR:-/tmp}/krbrepl-$(id -u)-$key"; do
        # A directory in /tmp is ours only when we own it.
        if can_build_in "$dir/$1" && { [ ! -e "$dir" ] || [ -O "$dir" ] || [ "$dir" = "$KRBREPL_ROOT/build" ]; }
        then
            echo "$dir/$1"
            return
        fi
    done
    die "There is no directory to build in. Set XDG_CACHE_HOME to one that you can write."
}

# Configures and builds PRESET; sets BUILD to where. More arguments are targets.
build_preset() { # PRESET [TARGET...]
    local preset=$1 quiet=() fresh=() home
    shift
    BUILD=$(build_dir "$preset")
    section "Building in $BUILD"
    (umask 077 && mkdir -p "$BUILD")
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$BUILD/CMakeCache.txt" 2>/dev/null || true)
    # A copied or moved project has a cache that speaks of the old place.
    [ -z "$home" ] || [ "$home" = "$KRBREPL_ROOT" ] || fresh=(--fresh)
    (cd "$KRBREPL_ROOT" && cmake --preset "$preset" "${fresh[@]}" -B "$BUILD" --log-level=WARNING >/dev/null)
    [ -t 1 ] || quiet=(-- --quiet)
    cmake --build "$BUILD" ${1:+--target "$@"} "${quiet[@]}"
}

# ---- testing ------------------------------------------------------------------------------------

# Runs the tests of BUILD and names those that were left out, for whatever reason. With `complete` for MODE it is a
# failure when tests/leftout/allowed.txt does not have one of them; else MODE is `told`.
run_tests() { # BUILD MODE [CTEST OPTION]...
    local build=$1 mode=$2 code=0 log=$1/Testing/log.xml here=$KRBREPL_ROOT/tests/leftout
    shift 2
    rm -f "$log"
    # Two for each processor: tests with real daemons spend most of their time waiting for them. The log is to have all
    # of what a test says, for a program in which something was left out passes.
    ctest --test-dir "$build" --output-junit "$log" --test-output-size-passed 100000000 --output-on-failure \
        --no-tests=error --parallel $(($(nproc) * 2)) "$@" || code=$?
    python3 -B "$here/left_out.py" "$log" "$here/allowed.txt" "$mode" || code=1
    return $code
}
