"""The C examples of the documentation compile: every block of README.md and docs/ that includes a header.

examples.py CC WORK_DIR SOURCE_DIR HEADER_DIR..."""

import re
import subprocess
import sys
from pathlib import Path


def main():
    cc, work, source, *dirs = sys.argv[1:]
    work, source = Path(work), Path(source)
    work.mkdir(parents=True, exist_ok=True)
    roots = [f"-I{r}" for r in sorted({str(Path(d).parent) for d in dirs})]
    seen = bad = 0
    for page in [source / "README.md", *sorted((source / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```c\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for number, block in enumerate((b for b in blocks if "#include" in b), 1):
            file = work / f"{page.stem}_{number}.c"
            file.write_text(block, encoding="utf-8")
            flags = ["-std=c99", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-fsyntax-only"]
            done = subprocess.run([cc, *flags, *roots, str(file)], check=False)
            seen += 1
            if done.returncode != 0:
                print(f"{page.name}: example {number} does not compile")
                bad += 1
    if seen == 0:
        print("no example was found")
    return 1 if bad or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
