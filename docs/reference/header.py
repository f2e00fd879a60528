"""Reads a public header: its sections, and in each the comments with what they speak of.

The headers are the reference, and are written in one plain way: a comment stands before what it is about, up to
the next empty line; a comment by itself is text; `/* ---- title ---- */` begins a section."""

import re
import sys
from pathlib import Path


# Those of a static library carry no mark.
FUNCTION = re.compile(r"KRBREPL_API |(?!typedef)[\w *]*\bkrbrepl_\w+\(")


class Group:
    """One comment and the declarations that it speaks of. `kinds` has "function", "type" or "macro" for each."""

    def __init__(self, text):
        self.text = text
        self.code, self.kinds = [], []

    def functions(self):
        return [c for c, k in zip(self.code, self.kinds) if k == "function"]


class Section:
    def __init__(self, title):
        self.title, self.groups = title, []

    def functions(self):
        return [f for g in self.groups for f in g.functions()]


class Header:
    def __init__(self, path, name):
        self.name = name
        lines = guarded(Path(path).read_text(encoding="utf-8").splitlines(), path)
        self.intro, at = comment(lines, 0)
        self.title = re.sub(r"^\w[\w.]*: ", "", self.intro.split("\n\n")[0].replace("\n", " "))
        self.title = self.title.split(". ")[0].rstrip(".")
        self.sections = sections(lines[at:], path)


def name_of(function):
    return re.search(r"\b(krbrepl_\w+)\s*\(", function).group(1)


def parts_of(function):
    """(what it answers, name, [parameter, ...])."""
    text = re.sub(r"\s+", " ", re.sub(r"^KRBREPL_API ", "", function)).rstrip(";")
    answer, name, inner = re.fullmatch(r"(.*?)(krbrepl_\w+) ?\((.*)\)", text).groups()
    return answer.strip(), name, [p.strip() for p in re.split(r",(?![^(]*\))", inner)]


def guarded(lines, path):
    """Without the guard, the includes, and what is for C++."""
    kept, skip = [], 0
    for line in lines:
        if re.match(r"#\s*(ifdef __cplusplus|if defined\(__GNUC__\))", line):
            skip += 1
        elif skip and re.match(r"#\s*endif", line):
            skip -= 1
        elif not skip and not re.match(r"#\s*(include|ifndef KRBREPL_\w+_H$|define KRBREPL_\w+_H$|endif)", line):
            kept.append(line)
    if skip:
        sys.exit(f"{path}: a directive is not closed")
    return kept


def comment(lines, at):
    """(text, the line after it) of the comment that begins at a line; paragraphs and lists stay apart."""
    found = []
    for number in range(at, len(lines)):
        line = lines[number]
        found.append(re.sub(r"\s*\*/.*$", "", re.sub(r"^\s*(/\*|\*(?!/))? ?", "", line)).rstrip())
        if "*/" in line:
            return "\n".join(found).strip("\n"), number + 1
    sys.exit(f"a comment is not closed: {lines[at]}")


def without_comments(line, inside):
    """(the line without them, whether it ends inside of one)."""
    bare = ""
    while line:
        before, mark, line = line.partition("*/" if inside else "/*")
        bare += "" if inside else before
        inside = bool(mark) != inside
    return bare, inside


def declaration(lines, at):
    """(code, the line after it): up to the semicolon that is inside of nothing, or the end of a macro."""
    if lines[at].startswith("#"):
        end = at
        while lines[end].endswith("\\"):
            end += 1
        return "\n".join(lines[at:end + 1]), end + 1
    depth, inside = 0, False
    for number in range(at, len(lines)):
        bare, inside = without_comments(lines[number], inside)
        depth += bare.count("{") + bare.count("(") - bare.count("}") - bare.count(")")
        if depth == 0 and ";" in bare:
            return "\n".join(lines[at:number + 1]), number + 1
    sys.exit(f"a declaration does not end: {lines[at]}")


def kind_of(code):
    if code.startswith("#"):
        return "macro"
    return "function" if FUNCTION.match(code) else "type"


def sections(lines, path):
    found, group, at = [Section("")], None, 0
    while at < len(lines):
        line = lines[at]
        title = re.match(r"/\* -{3,} (.*?) -+( \*/| \*)?$", line)
        if not line.strip():
            group = None
            at += 1
        elif title:
            found.append(Section(title.group(1)))
            text, at = comment(lines, at)
            text = text.split("\n", 1)[1].strip() if "\n" in text else ""
            if text:
                found[-1].groups.append(Group(text))
            group = None
        elif line.startswith("/*"):
            text, at = comment(lines, at)
            group = Group(text)
            found[-1].groups.append(group)
        elif line.startswith(("typedef", "enum", "#", "struct")) or FUNCTION.match(line):
            code, at = declaration(lines, at)
            aside = re.search(r";\s*/\*(.*?)\*/$", code, flags=re.S)
            if group is None or (aside and kind_of(code) == "function"):
                group = Group(aside.group(1).strip() if aside and kind_of(code) == "function" else "")
                found[-1].groups.append(group)
            if aside and kind_of(code) == "function":
                code = code[:aside.start() + 1]
            group.code.append(code)
            group.kinds.append(kind_of(code))
        else:
            sys.exit(f"{path}: not understood: {line}")
    return [s for s in found if s.groups]
