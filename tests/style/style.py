"""What a reader of the source may rely on, checked by reading the source.

style.py SOURCE_DIR RULE"""

import re
import sys
from pathlib import Path

CODE = ("include", "src", "hosts", "examples", "bench", "testing", "tests", "bindings")
WRITTEN = CODE + ("docs", "scripts", "cmake", "pkgconfig", ".ci")
LIBRARY = ("include", "src", "hosts")
PRODUCT = LIBRARY + ("examples",)


def files(root, folders, suffixes):
    found = [p for f in folders for p in sorted((root / f).rglob("*"))
             if p.is_file() and "__pycache__" not in p.parts and p.suffix in suffixes]
    if not found:
        sys.exit(f"no files in {folders}")
    return found


def without_comments(text):
    """The text with comments and string contents blanked; lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0)) if match.group(0)[0] == "/" else '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def each_match(root, paths, pattern, code_only=False):
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")  # corpora are bytes
        if code_only:
            text = without_comments(text)
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                yield f"{path.relative_to(root)}:{number}: {line.strip()}"


def nothing_is_left_unfinished(root):
    words = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "not " + "implemented"))
    paths = files(root, WRITTEN, {".c", ".h", ".in", ".py", ".sh", ".cmake", ".txt", ".md", ".cpp", ""})
    return each_match(root, paths, rf"\b({words})\b")


def a_source_file_has_at_most_600_lines(root):
    for path in files(root, PRODUCT + ("bench",), {".c", ".h"}):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > 600:
            yield f"{path.relative_to(root)}: {lines} lines"


def public_headers_stand_alone(root):
    paths = files(root, ("include",), {".h", ".in"})
    return each_match(root, paths, r'#\s*include\s*(<(?!krbrepl/|stddef\.h|stdint\.h|string\.h)|")')


def the_library_leaves_the_process_alone(root):
    calls = ("fork", "vfork", "execv", "execve", "execvp", "execl", "execlp", "system", "popen", "exit",
             "_exit", "abort", "signal", "sigaction", "setenv", "unsetenv", "putenv", "clearenv", "chdir",
             "umask", "setlocale", "openlog", "syslog", "printf", "puts", "perror", "putchar")
    return each_match(root, files(root, LIBRARY, {".c", ".h"}), rf"(?<![\w.>])({'|'.join(calls)})\s*\(",
                      code_only=True)


def no_function_that_cannot_know_its_room(root):
    calls = "strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|strncpy|strncat|atoi|atol|rand"
    return each_match(root, files(root, PRODUCT, {".c", ".h"}), rf"(?<![\w.>])({calls})\s*\(", code_only=True)


def layers_of(root):
    """{layer: [lower layer, ...]} as src/<layer>/CMakeLists.txt says."""
    uses = {}
    for path in sorted((root / "src").glob("*/CMakeLists.txt")):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"USES((?:\s+(?!LIBS\b)[a-z]+)*)", text)
        uses[path.parent.name] = found.group(1).split() if found else []
    return uses


def includes_point_downwards(root):
    uses = layers_of(root)
    owner = {p.name: p.parent.name for p in (root / "src").glob("*/*.h")}
    order = re.search(r"foreach\(layer ([a-z ]+)\)", (root / "src/CMakeLists.txt").read_text(encoding="utf-8"))
    rank = {layer: n for n, layer in enumerate(order.group(1).split())}
    for layer, lower in uses.items():
        for other in lower:
            if rank[other] >= rank[layer]:
                yield f"src/{layer}: uses {other}, which is not below it"
    for path in sorted((root / "src").glob("*/*.[ch]")):
        for name in re.findall(r'#\s*include\s*"([^"]+)"', path.read_text(encoding="utf-8")):
            at = owner.get(name)
            if at is None:
                yield f"{path.relative_to(root)}: includes {name}, which no layer has"
            elif at != path.parent.name and at not in uses[path.parent.name]:
                yield f"{path.relative_to(root)}: includes {name} of {at}"


def header_names_are_unique(root):
    seen = {}
    for path in sorted((root / "src").glob("*/*.h")):
        if path.name in seen:
            yield f"{path.name}: in {seen[path.name]} and {path.parent.name}"
        seen[path.name] = path.parent.name


def sessions_do_no_io(root):
    calls = ("socket", "connect", "accept", "send", "recv", "read", "write", "open", "openat", "poll", "select",
             "time", "clock_gettime", "gettimeofday", "getrandom", "RAND_bytes", "pthread_create", "getenv",
             "usleep", "nanosleep", "sleep")
    paths = files(root, ("src/session", "src/wire", "src/digest", "src/record"), {".c", ".h"})
    return each_match(root, paths, rf"(?<![\w.>])({'|'.join(calls)})\s*\(", code_only=True)


def an_embedding_example_is_short_and_uses_the_public_headers_alone(root):
    for path in files(root, ("examples/embed",), {".c", ".h"}):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        allowed = 199 if path.name == "kdc.c" else 119  # that one is a whole KDC, on UDP and TCP
        if "int main(" in text and len(lines) > allowed:
            yield f"{path.relative_to(root)}: {len(lines)} lines, {allowed} are allowed"
        for number, line in enumerate(lines, 1):
            own = re.match(r'\s*#\s*include\s*"([^"]*)"', line)
            if own and not (path.parent / own.group(1)).exists():
                yield f"{path.relative_to(root)}:{number}: {line.strip()}"


# Names that CMake puts together: what stands in its files is the rest.
MADE = (r"live_road_(.*)", r"live_programs_(.*)", r"live_kdb_(.*)", r"store_(.*)_test", r"fuzz_mit_(.*)", r"sim_finds_(.*)", r"programs_(.*)_test")


def tests_that_the_documentation_names_are_there(root):
    words = set()
    for path in files(root, ("tests",), {".c", ".py", ".sh", ".txt"}):
        words.update(re.findall(r"\w+", path.read_text(encoding="utf-8", errors="replace")))
    for number, line in enumerate((root / "docs/reliability.md").read_text(encoding="utf-8").splitlines(), 1):
        for name in re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`", line):
            rest = [m.group(1) for m in (re.fullmatch(pattern, name) for pattern in MADE) if m]
            if not words.intersection([name, *rest]):
                yield f"docs/reliability.md:{number}: there is no {name}"


RULES = {f.__name__: f for f in (
    nothing_is_left_unfinished, a_source_file_has_at_most_600_lines, public_headers_stand_alone,
    the_library_leaves_the_process_alone, no_function_that_cannot_know_its_room, includes_point_downwards,
    header_names_are_unique, sessions_do_no_io, an_embedding_example_is_short_and_uses_the_public_headers_alone,
    tests_that_the_documentation_names_are_there)}


def main():
    bad = list(RULES[sys.argv[2]](Path(sys.argv[1])))
    print("\n".join(bad) if bad else "nothing found")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
