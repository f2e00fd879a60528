"""What the C headers have, the bindings have: every function, every field of every struct, every constant.

complete.py cpp|python BINDING_DIR HEADER_DIR...

Read from the text of both, so that it needs no build. What a binding leaves out on purpose stands in LEFT_OUT with its
reason; an entry there that is not needed any more fails too."""

import ast
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "abi"))
import headers

# Of `cpp`: a program includes the C headers with the binding, so that constants and plain functions are there.
C_IS_THERE = "takes and answers plain values; a C++ program calls the C function, which the binding's headers declare"
ENUM = "an enumeration of Python's has the names"
LEFT_OUT = {
    "cpp": {
        "krbrepl_copy_reason_name": C_IS_THERE,
        "krbrepl_dialect_name": C_IS_THERE,
        "krbrepl_role_name": C_IS_THERE,
        "krbrepl_state_name": C_IS_THERE,
        **{f"krbrepl_info.{name}": C_IS_THERE for name in ("text", "number", "protocol", "format", "flags")},
    },
    "python": {
        "krbrepl_copy_reason_name": ENUM,
        "krbrepl_dialect_name": ENUM,
        "krbrepl_role_name": ENUM,
        "krbrepl_state_name": ENUM,
        "krbrepl_node_run": "Node.run is a loop of Python's own, so that signals are handled as they come",
        "krbrepl_info.number": "the module compares it with the headers' when it is imported; __version__ is its text",
        "krbrepl_info.protocol": "for the programs' --version, which tells it",
        "krbrepl_info.format": "DirStore.info tells the format of a store",
        "krbrepl_info.flags": "has no meaning yet",
        "KRBREPL_OK": "no exception",
        "KRBREPL_COPY_REASONS": "the length of a tuple",
    },
}

# Which classes of Python's stand for which constants: the prefix without KRBREPL_.
ENUMS = {"Advice": "ADVICE_", "Role": "ROLE_", "State": "STATE_", "CopyReason": "COPY_", "Dialect": "DIALECT_",
         "Level": "LEVEL_", "Op": "", "CommitKind": "COMMIT_", "Cause": "CAUSE_", "Resolve": "RESOLVE_",
         "LogLevel": "LOG_", "Allow": "ALLOW_", "StoreFlag": "STORE_", "HostFlag": "HOST_"}

# By what names the binding's text calls a struct where it neither hands it out whole nor makes it in one call.
NAMED = {
    "cpp": {"krbrepl_bytes": ["b"], "krbrepl_change": ["c"], "krbrepl_config": ["config"], "krbrepl_events": ["calls"],
            "krbrepl_errinfo": ["info", "info_"], "krbrepl_host_ops": ["ops"], "krbrepl_journal_ops": ["commits"],
            "krbrepl_load_options": ["options"], "krbrepl_prove_options": ["options"],
            "krbrepl_txn_options": ["options"]},
    "python": {"krbrepl_bytes": ["c"], "krbrepl_pos": ["c"], "krbrepl_change": ["c"], "krbrepl_commit": ["c"],
               "krbrepl_events": ["calls"], "krbrepl_errinfo": ["info"], "krbrepl_load_result": ["result"],
               "krbrepl_load_options": ["opt.c"], "krbrepl_prove_options": ["opt.c"], "krbrepl_store_options": ["opt"],
               "krbrepl_wait_options": ["self._opt.c"], "krbrepl_info": ["_lib.krbrepl_version(0)"]},
}


def sources(folder, suffix):
    return {path: path.read_text(encoding="utf-8") for path in sorted(Path(folder).rglob("*" + suffix))}


def named_fields(text, names):
    """Fields of the things that go by these names: `name.field` and `name->field`."""
    found = set()
    for name in names:
        found |= set(re.findall(rf"(?<![\w.]){re.escape(name)}(?:\.|->)(\w+)", text))
    return found


# ---- C++


class Cpp:
    def __init__(self, folder):
        whole = "\n".join(sources(folder, ".hpp").values())
        self.text = re.sub(r"//.*", " ", re.sub(r"/\*.*?\*/", " ", whole, flags=re.S))

    def has_function(self, name):
        return re.search(rf"\b{name}\b", self.text) is not None

    def has_fields(self, struct):
        """None: all of them, for programs are handed the C struct or hand it in."""
        whole = (rf"using \w+ = sized<{struct}>;", rf"(?<!sized<)const {struct} &", rf"struct \w+ : {struct} ",
                 rf"&step<[^;]*, {struct}>")
        if struct not in NAMED["cpp"] and any(re.search(pattern, self.text) for pattern in whole):
            return None
        return named_fields(self.text, NAMED["cpp"].get(struct, []))

    @staticmethod
    def has_constant(_name, _value):
        return True


# ---- Python


class Python:
    def __init__(self, folder):
        files = {p: t for p, t in sources(folder, ".py").items() if p.name not in ("build_krbrepl.py", "setup.py")}
        self.trees = {path.stem: ast.parse(text) for path, text in files.items()}
        self.text = "\n".join(files.values())
        self.nodes = [node for tree in self.trees.values() for node in ast.walk(tree)]
        self.used = {node.attr for node in self.nodes
                     if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                     and node.value.id in ("lib", "_lib")}
        self.classes = self._classes(self.nodes)
        self.values = self._classes(self.trees["values"].body)
        self.errors = self._classes(self.trees["errors"].body)

    @staticmethod
    def _classes(nodes):
        return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}

    def has_function(self, name):
        return name in self.used

    def _made(self, struct):
        """The keywords of Given("struct", field=...)."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Given" and node.args \
                    and getattr(node.args[0], "value", None) == struct:
                yield from (keyword.arg for keyword in node.keywords)

    def _dataclass(self, struct):
        """The fields of the class that from_struct fills: those of krbrepl_store_info are in StoreInfo."""
        name = "".join(word.capitalize() for word in struct.removeprefix("krbrepl_").split("_"))
        if f"from_struct({name}," not in self.text and f"from_struct, {name}," not in self.text:
            return
        yield from (item.target.id for item in self.classes[name].body if isinstance(item, ast.AnnAssign))

    def _by_setattr(self, struct):
        """host_ops has optional functions, which are set by their names."""
        if struct == "krbrepl_host_ops" and "setattr(self.ops.c, name" in self.text:
            tuples = [n for n in self.trees["host"].body if isinstance(n, ast.Assign) and n.targets[0].id == "_IMPORT"]
            yield from ast.literal_eval(tuples[0].value)

    def has_fields(self, struct):
        return ({*self._made(struct), *self._dataclass(struct), *self._by_setattr(struct)}
                | named_fields(self.text, NAMED["python"].get(struct, [])))

    def has_constant(self, name, value):
        if name in self.used:
            return True
        short = name.removeprefix("KRBREPL_")
        if short.startswith("ERR_"):
            return any(self._member(cls, "code") == value for cls in self.errors.values())
        for cls, prefix in ENUMS.items():
            if short.startswith(prefix) and self._member(self.values[cls], short[len(prefix):]) == value:
                return True
        return False

    @staticmethod
    def _member(cls, name):
        for item in cls.body:
            if isinstance(item, ast.Assign) and item.targets[0].id == name:
                return ast.literal_eval(item.value)
        return None


# ---- the comparison


def values(paths):
    """{constant: value} where the header tells the value in one number."""
    found = {}
    for path in paths:
        text = headers.text_of(path)
        pairs = re.findall(r"\b(KRBREPL_\w+)\s*=\s*(-?\d+)", text)
        pairs += re.findall(r"#\s*define\s+(KRBREPL_\w+)\s+(\d+)u?\s", text)
        pairs += [(f"KRBREPL_ERR_{n}", v) for n, v in re.findall(r"\bX\((\w+),\s*(-\d+)", text)]
        found.update((name, int(value)) for name, value in pairs)
    return found


def missing(binding, paths):
    for name in headers.functions(paths):
        if not binding.has_function(name):
            yield name
    for struct, fields in headers.structs(paths):
        has = binding.has_fields(struct)
        for field in fields if has is not None else ():
            if field != "size" and field not in has:
                yield f"{struct}.{field}"
    numbers = values(paths)
    for name in headers.constants(paths):
        if not binding.has_constant(name, numbers.get(name)):
            yield name


def main():
    language, folder, *dirs = sys.argv[1:]
    binding = {"cpp": Cpp, "python": Python}[language](folder)
    gone = set(missing(binding, headers.headers(dirs)))
    allowed = LEFT_OUT[language]
    for name in sorted(gone - set(allowed)):
        print(f"{name}: in the C headers, not in the {language} binding")
    for name in sorted(set(allowed) - gone):
        print(f"{name}: said to be left out of the {language} binding, but it is there, or nowhere")
    return 1 if gone != set(allowed) else 0


if __name__ == "__main__":
    sys.exit(main())
