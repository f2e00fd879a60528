"""Makes the reference out of the public headers: manual pages of section 3, one for each group of calls, and the
same as Markdown.

reference.py OUTPUT_DIR VERSION DATE_FROM HEADER...

OUTPUT_DIR/man3 gets the manual pages, with one for each function and struct that leads to its group's; OUTPUT_DIR/reference
the Markdown, with an index. DATE_FROM is a manual page whose date is taken. A group is a section of a header, or
a header without sections, and is named after its first function; sections of one name become one page."""

import re
import sys
from pathlib import Path

import header

RETURNS = """Functions that answer an
.Vt int
answer 0, or one of the negative numbers of
.Xr krbrepl_error 3
unless something else is said above."""


class Page:
    def __init__(self, name, title):
        self.name, self.title = name, title
        self.intro, self.includes, self.parts = "", [], []  # parts: (title, groups)

    def functions(self):
        return [f for _, groups in self.parts for g in groups for f in g.functions()]

    def structs(self):
        code = "\n".join(c for _, groups in self.parts for g in groups for c in g.code)
        return re.findall(r"^typedef struct (\w+) \{$", code, flags=re.M)


def page_name(head, section):
    functions = section.functions()
    if not section.title or not functions:
        return "krbrepl_" + re.sub(r"\W.*", "", head.name.split("/")[-1])
    name = header.name_of(functions[0])
    parts = name.split("_")
    keep = 3 if parts[1] in ("mit", "heimdal") else 2
    return "_".join(parts[:keep]) if len(parts) > keep else name


def pages(heads):
    found = {}
    for head in heads:
        if head.name.endswith("/krbrepl.h"):
            page = found.setdefault("libkrbrepl", Page("libkrbrepl", head.title))
            page.intro = head.intro
            page.includes.append(head.name)
            continue
        named = [s for s in head.sections if s.functions()]
        for section in head.sections:
            # What comes before the first section, or has no functions, belongs to the first that has some.
            owner = section if section.functions() else (named[0] if named else section)
            name = page_name(head, owner)
            page = found.setdefault(name, Page(name, owner.title or head.title))
            if head.name not in page.includes:
                page.includes.append(head.name)
                if owner is (named[0] if named else section):
                    page.intro = head.intro
            page.parts.append((section.title, section.groups))
    return found


# ---- manual pages --------------------------------------------------------------------------------

def escape(line):
    line = line.replace("\\", "\\e").replace("---", "\\(em")
    return "\\&" + line if line.startswith((".", "'")) else line


def sentences(text):
    """A new sentence begins a new line, as manual pages want it."""
    text = re.sub(r"\s*\n\s*", " ", text.strip())
    return re.sub(r"([a-z0-9)\"'_A-Z]{2}[.;:?])  ?(?=[A-Z`\"(])", r"\1\n", text).splitlines()


def prose(text):
    out = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        if any(re.match(r"[A-Z]{4,}  +\S| {2,}\S", line) for line in lines):
            out += [".Bd -literal", *(escape(line) for line in lines), ".Ed"]
        else:
            out += [".Pp", *(escape(line) for line in sentences(paragraph))]
    return out[1:] if out and out[0] == ".Pp" else out


def quoted(argument):
    return '"' + argument.replace("\\", "\\e").replace('"', "\\(dq") + '"'


def synopsis(page):
    out = [f".In {include}" for include in page.includes]
    for function in page.functions():
        answer, name, parameters = header.parts_of(function)
        out += [f".Ft {quoted(answer)}", f".Fo {name}", *(f".Fa {quoted(p)}" for p in parameters), ".Fc"]
    return out


def described(group):
    out = []
    code = [c for c, k in zip(group.code, group.kinds) if k != "function"]
    functions = group.functions()
    if functions:
        out.append(".Pp")
        out.append(".Bl -tag -width Ds -compact" if not group.text else ".Bl -tag -width Ds")
        for function in functions[:-1]:
            out.append(f".It Fn {header.name_of(function)}")
        out.append(f".It Fn {header.name_of(functions[-1])}")
        out += prose(group.text) if group.text else ["\\&"]
        out.append(".El")
    elif group.text:
        out += [".Pp", *prose(group.text)]
    if code:
        out += [".Bd -literal -offset indent", *(escape(line) for c in code for line in c.splitlines()), ".Ed"]
    return out


def manual(page, others, version, date):
    names = [header.name_of(f) for f in page.functions()]
    listed = [n for n in [page.name, *names] if n]
    listed = list(dict.fromkeys(listed))
    out = [f".Dd {date}", f".Dt {page.name.upper()} 3", f".Os krbrepl {version}", ".Sh NAME"]
    out += [f".Nm {n} ," for n in listed[:-1]] + [f".Nm {listed[-1]}", f".Nd {page.title}"]
    out += [".Sh SYNOPSIS", *synopsis(page), ".Sh DESCRIPTION"]
    intro = re.sub(r"^\w[\w.]*: [^\n]*(\n(?!\n)[^\n]*)*\n*", "", page.intro)
    body = prose(intro) if intro.strip() else []
    for title, groups in page.parts:
        if title and len(page.parts) > 1:
            body += [f".Ss {title[0].upper()}{title[1:]}"]
        for group in groups:
            body += described(group)
    while body and body[0] == ".Pp":
        body.pop(0)
    out += body or [f"This is {page.title}."]
    if page.name != "krbrepl_error" and any(header.parts_of(f)[0] == "int" for f in page.functions()):
        out += [".Sh RETURN VALUES", *RETURNS.splitlines()]
    see = sorted(n for n in others if n != page.name)
    out += [".Sh SEE ALSO", *(f".Xr {n} 3 ," for n in see[:-1]), f".Xr {see[-1]} 3"]
    text = re.sub(r"(\.S[hs] [^\n]*\n)\.Pp\n", r"\1", "\n".join(out) + "\n")
    return re.sub(r"\.Pp\n(\.Bd|\.Ss|\.Sh|\.Bl)", r"\1", text)


# ---- Markdown ------------------------------------------------------------------------------------

def markdown(page):
    out = [f"# {page.name}", "", page.title[0].upper() + page.title[1:] + ".", ""]
    out += ["```c", *(f"#include <{include}>" for include in page.includes), "```", ""]
    intro = re.sub(r"^\w[\w.]*: [^\n]*(\n(?!\n)[^\n]*)*\n*", "", page.intro)
    if intro.strip():
        literal = any(re.match(r"[A-Z]{4,}  +\S", line) for line in intro.splitlines())
        out += ["```text", intro, "```", ""] if literal else [intro, ""]
    for title, groups in page.parts:
        if title and len(page.parts) > 1:
            out += [f"## {title[0].upper()}{title[1:]}", ""]
        for group in groups:
            if group.functions():
                out += ["### " + ", ".join(f"`{header.name_of(f)}`" for f in group.functions()), ""]
            if group.code:
                out += ["```c", *(re.sub(r"^KRBREPL_API ", "", c) for c in group.code), "```", ""]
            if group.text:
                out += [group.text, ""]
    return "\n".join(out)


def index(found):
    out = ["# Reference", "", "Made out of the headers; each page is a manual page of section 3 too.", ""]
    for page in found.values():
        calls = ", ".join(f"`{header.name_of(f)}`" for f in page.functions())
        out.append(f"* [{page.name}]({page.name}.md): {page.title}" + (f" ({calls})" if calls else ""))
    return "\n".join(out) + "\n"


# ---- all of it -----------------------------------------------------------------------------------

def write(directory, name, text):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text, encoding="utf-8")


def main():
    output, version, date_from, *paths = sys.argv[1:]
    date = re.search(r"^\.Dd (.*)$", Path(date_from).read_text(encoding="utf-8"), flags=re.M).group(1)
    heads = [header.Header(p, f"{Path(p).parent.name}/{Path(p).name}") for p in paths]
    heads.sort(key=lambda h: not h.name.endswith("/krbrepl.h"))
    found = pages([h for h in heads if not h.name.endswith("/export.h")])
    man, reference = Path(output, "man3"), Path(output, "reference")
    for directory in (man, reference):
        for old in directory.glob("*"):
            old.unlink()
    for page in found.values():
        write(man, f"{page.name}.3", manual(page, found, version, date))
        write(reference, f"{page.name}.md", markdown(page))
        for name in [header.name_of(f) for f in page.functions()] + page.structs():
            if name not in found:
                write(man, f"{name}.3", f".so man3/{page.name}.3\n")
    write(reference, "index.md", index(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
