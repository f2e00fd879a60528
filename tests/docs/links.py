"""Every relative link of the pages leads to something: to a file, and to a heading of it where it names one.

links.py installed BUILD_DIR WORK_DIR        of what is installed
links.py tree DIR [PAGE_OR_DIR...]           of these pages of a tree, all relative to DIR"""

import re
import shutil
import subprocess
import sys
from pathlib import Path


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))


def headings(page):
    """The names by which a page's headings are linked: small letters, without signs, with dashes for spaces."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    names = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for title in re.findall(r"^#+ (.*)$", text, flags=re.M):
        names.add(re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", title.lower()).strip()))
    return names


def broken(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists():
            yield f"{page}: {link} leads nowhere"
        elif heading and heading not in headings(target):
            yield f"{page}: {target.name} has no heading for {link}"


def check(pages):
    bad = [line for page in pages for line in broken(page)]
    print("\n".join(bad + [f"{len(pages)} pages"]))
    return 1 if bad or not pages else 0


def installed(build, work):
    prefix = Path(work, "prefix")
    shutil.rmtree(prefix, ignore_errors=True)
    try:
        subprocess.run(["cmake", "--install", build, "--prefix", str(prefix)], check=True, stdout=subprocess.DEVNULL)
        return check(sorted(prefix.rglob("*.md")))
    finally:
        shutil.rmtree(prefix, ignore_errors=True)


def tree(root, *places):
    pages = []
    for place in (Path(root, name) for name in places):
        pages += sorted(place.rglob("*.md")) if place.is_dir() else [place]
    return check(pages)


sys.exit({"installed": installed, "tree": tree}[sys.argv[1]](*sys.argv[2:]))
