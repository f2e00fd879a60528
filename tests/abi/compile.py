"""Every public header compiles alone, as C99 and as C++11, without a warning, and twice in one file.

compile.py CC CXX WORK_DIR HEADER_DIR..."""

import subprocess
import sys
from pathlib import Path

import headers

WARN = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Wshadow", "-Werror", "-fsyntax-only"]
LANGUAGES = (
    ("C99", ["-std=c99", "-x", "c", "-Wstrict-prototypes"]),
    ("C11", ["-std=c11", "-x", "c"]),
    ("C++11", ["-std=c++11", "-x", "c++", "-Wold-style-cast"]),
    ("C++17", ["-std=c++17", "-x", "c++"]),
)


def main():
    cc, cxx, work, *dirs = sys.argv[1:]
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    roots = [f"-I{r}" for r in sorted({str(Path(d).parent) for d in dirs})]
    bad = 0
    paths = headers.headers(dirs)
    for path in paths:
        source = work / f"alone_{path.stem}.inc"
        include = f"#include <krbrepl/{path.name}>\n"
        source.write_text(include * 2 + "int main(void);\nint main(void)\n{\n    return 0;\n}\n",
                          encoding="utf-8")
        for language, flags in LANGUAGES:
            compiler = cxx if "++" in language else cc
            done = subprocess.run([compiler, *flags, *WARN, *roots, str(source)], check=False)
            if done.returncode != 0:
                print(f"{path.name}: does not compile alone as {language}")
                bad += 1
    print(f"{len(paths)} headers, {len(LANGUAGES)} languages")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
