"""The manual pages, those that are written and those that are made out of the headers.

pages.py clean PAGE_OR_DIR...                    mandoc finds nothing to warn of; exit code 77 without mandoc
pages.py complete MAN3_DIR REFERENCE_DIR ABI_DIR HEADER_DIR...
                                                 each public function, type and constant is on its page
pages.py changes CHANGELOG                       each version has its headings"""

import re
import shutil
import subprocess
import sys
from pathlib import Path


def clean(*places):
    mandoc = shutil.which("mandoc")
    if not mandoc:
        print("left out: mandoc, which checks the manual pages, is not installed (Debian has it in mandoc)")
        return 77
    pages = []
    for place in map(Path, places):
        pages += sorted(place.iterdir()) if place.is_dir() else [place]
    bad = 0
    for page in pages:
        if page.read_text(encoding="utf-8").startswith(".so "):
            continue
        done = subprocess.run([mandoc, "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            print(done.stdout, end="")
            bad += 1
    print(f"{len(pages)} pages")
    return 1 if bad or not pages else 0


def page_of(directory, name):
    """The text of a manual page, that of its group where it only leads there."""
    text = (directory / f"{name}.3").read_text(encoding="utf-8")
    lead = re.match(r"\.so man3/(.*)\n", text)
    return (directory / lead.group(1)).read_text(encoding="utf-8") if lead else text


def complete(man3, reference, abi, *dirs):
    sys.path.insert(0, abi)
    import headers
    paths = headers.headers(dirs)
    man3, reference = Path(man3), Path(reference)
    whole = "".join(p.read_text(encoding="utf-8") for p in man3.iterdir())
    markdown = "".join(p.read_text(encoding="utf-8") for p in reference.iterdir())
    bad = []
    for name in headers.functions(paths):
        if not (man3 / f"{name}.3").exists():
            bad.append(f"{name}: there is no {name}(3)")
        elif f".Fo {name}\n" not in page_of(man3, name) or f".It Fn {name}\n" not in page_of(man3, name):
            bad.append(f"{name}: its page does not describe it")
    for name, _ in headers.structs(paths):
        if not (man3 / f"{name}.3").exists() or f"typedef struct {name} {{" not in page_of(man3, name):
            bad.append(f"{name}: there is no {name}(3) that has it")
    names = [n for n, _ in headers.structs(paths)] + [c for c in headers.constants(paths) if "_ERR_" not in c]
    for name in headers.functions(paths) + names:
        if not re.search(rf"\b{name}\b", markdown) or not re.search(rf"\b{name}\b", whole):
            bad.append(f"{name}: not in the reference")
    print("\n".join(bad) if bad else f"{len(names)} names and their functions")
    return 1 if bad else 0


def changes(path):
    versions = re.split(r"^## ", Path(path).read_text(encoding="utf-8"), flags=re.M)[1:]
    bad = 0
    for version in versions:
        for heading in ("### Upgrade considerations", "### Wire and disk"):
            if not re.search(rf"^{heading}\n\n- ", version, flags=re.M):
                print(f"{version.splitlines()[0]}: nothing under {heading[4:]}")
                bad += 1
    return 1 if bad or not versions else 0


if __name__ == "__main__":
    sys.exit({"clean": clean, "complete": complete, "changes": changes}[sys.argv[1]](*sys.argv[2:]))
