"""Makes the extension module krbrepl._krbrepl out of the installed library (cffi, API mode).

pkg-config finds the library; PKG_CONFIG_PATH names the place when that is not a usual one. The declarations that
cffi wants are taken from the installed headers by the preprocessor, so there is no copy of them that could become
another one, and the C compiler checks each once more when it compiles the module. The preprocessor is $CC, or
else cc."""

import os
import re
import shlex
import subprocess

from cffi import FFI

INCLUDE = "#include <krbrepl/krbrepl.h>\n"

# What Python shows to C: one function for each kind of callback.
CALLBACKS = """
extern "Python" {
    int krbrepl_py_authorize(void *ctx, const char *principal, const char *address);
    void krbrepl_py_peer_event(void *ctx, const krbrepl_peer *peer, int err);
    void krbrepl_py_state(void *ctx, uint64_t was, uint64_t is, int err);
    void krbrepl_py_log(void *ctx, int level, const char *area, const char *msg, size_t len);
    int krbrepl_py_peer(void *ctx, const krbrepl_peer *peer);
    int krbrepl_py_slot(void *ctx, const krbrepl_slot *slot);
    int krbrepl_py_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value);
    int krbrepl_py_commit(void *ctx, const krbrepl_commit *c);
    void krbrepl_py_progress(void *ctx, const char *phase, uint64_t done, uint64_t total);
    int krbrepl_py_host_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
    int krbrepl_py_host_apply(void *ctx, const krbrepl_change *const *change, size_t n, const krbrepl_pos *to);
    int krbrepl_py_host_import_begin(void *ctx);
    int krbrepl_py_host_import_change(void *ctx, const krbrepl_change *change);
    int krbrepl_py_host_import_commit(void *ctx, const krbrepl_pos *to);
    int krbrepl_py_host_import_step(void *ctx, int *more);
    void krbrepl_py_host_import_abort(void *ctx);
    int krbrepl_py_host_journal_append(void *ctx, uint64_t first, const krbrepl_bytes *commit, size_t n);
    int krbrepl_py_host_journal_read(void *ctx, uint64_t seq, krbrepl_bytes *commit);
    int krbrepl_py_host_journal_cut(void *ctx, uint64_t first, uint64_t last);
}
"""


def pkg_config(*options):
    done = subprocess.run(["pkg-config", *options, "krbrepl"], stdout=subprocess.PIPE, check=True)
    return shlex.split(done.stdout.decode())


def preprocess(cflags, *options):
    cc = shlex.split(os.environ.get("CC", "cc"))
    done = subprocess.run([*cc, "-E", *options, *cflags, "-x", "c", "-"], input=INCLUDE.encode(),
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def declarations(cflags):
    """What the headers of krbrepl declare, without what they include."""
    kept, ours = [], False
    for line in preprocess(cflags).splitlines():
        marker = re.match(r'#(?:line)?\s+\d+\s+"([^"]*)"', line)
        if marker:
            ours = re.search(r"(^|/)krbrepl/[a-z]+\.h$", marker.group(1)) is not None
        elif ours:
            kept.append(line)
    return re.sub(r"__attribute__\s*\(\(.*?\)\)(?=\s)", "", "\n".join(kept))


def constants(cflags):
    """The names of the macros that are numbers; their values are left to the compiler."""
    found = re.findall(r"^#define (KRBREPL_\w+) \(*(?:\d|KRBREPL_).*$", preprocess(cflags, "-dM"), flags=re.M)
    return "".join(f"#define {name} ...\n" for name in sorted(found))


def array_lengths(text, cflags):
    """cffi reads declarations before the compiler does, and wants the lengths of arrays as numbers."""
    macros = preprocess(cflags, "-dM")

    def number(match):
        value = re.search(rf"^#define {match.group(1)} (\d+)$", macros, flags=re.M)
        return f"[{value.group(1)}]" if value else match.group(0)

    return re.sub(r"\[(KRBREPL_\w+)\]", number, text)


def make():
    cflags = pkg_config("--cflags")
    ffi = FFI()
    ffi.cdef(array_lengths(declarations(cflags), cflags))
    ffi.cdef(constants(cflags))
    ffi.cdef(CALLBACKS)
    libs = pkg_config("--libs")
    ffi.set_source(
        "krbrepl._krbrepl", INCLUDE, extra_compile_args=cflags,
        libraries=[flag[2:] for flag in libs if flag.startswith("-l")],
        library_dirs=[flag[2:] for flag in libs if flag.startswith("-L")],
        extra_link_args=[flag for flag in libs if not flag.startswith(("-l", "-L"))])
    return ffi


ffi = make()
