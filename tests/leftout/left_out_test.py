"""`scripts/test` names what was left out, and with --complete fails for it.

left_out_test.py SOURCE_DIR PROMISE

run_tests of scripts/lib.sh is given build directories with a few tests that CTest runs, and a list of its own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CMOCKA = r"""printf 'left out: %s\n[  SKIPPED ] %s\n[ RUN      ] other\n[       OK ] other\n' 'no mount' full"""
TESTS = {
    "passes": ("exit 0", ""),
    "skipped": ("echo something; echo 'left out: abidiff is not here (Debian: abigail-tools)'; exit 77",
                "SKIP_RETURN_CODE 77"),
    "silent": ("exit 77", "SKIP_RETURN_CODE 77"),
    "stand_in": ("echo 'left out: slapd was not found'", 'SKIP_REGULAR_EXPRESSION "^left out: "'),
    "inside": (CMOCKA + r"; printf '[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] full\n'", ""),
    "bare": ("echo '[  SKIPPED ] mute'", ""),
    "partly": (r"printf 'left out: half of it\n[       OK ] mine\n'", ""),
    "talks": ("head -c 300000 /dev/zero | tr '\\\\0' x; echo; echo 'left out: a check'", ""),
    "disabled": ("exit 0", "DISABLED TRUE"),
    "fails": ("exit 1", ""),
}


class Tree:
    """A project with the scripts, a list, and a build directory with some of TESTS."""

    def __init__(self, source, work, tests, allowed=""):
        self.root, self.build = work / "project", work / "build"
        self.build.mkdir(parents=True)
        (self.root / "scripts").mkdir(parents=True)
        (self.root / "tests/leftout").mkdir(parents=True)
        shutil.copy(source / "scripts/lib.sh", self.root / "scripts")
        shutil.copy(source / "tests/leftout/left_out.py", self.root / "tests/leftout")
        (self.root / "tests/leftout/allowed.txt").write_text("# a list\n\n" + allowed, encoding="utf-8")
        lines = []
        for name in tests:
            command, properties = TESTS[name]
            lines.append(f'add_test({name} "sh" "-c" [[{command}]])\n')
            if properties:
                lines.append(f"set_tests_properties({name} PROPERTIES {properties})\n")
        (self.build / "CTestTestfile.cmake").write_text("".join(lines), encoding="utf-8")

    def run(self, mode, *options):
        """(whether it succeeded, what it said after CTest had ended)"""
        done = subprocess.run(["bash", "-c", 'source "$1"; shift; run_tests "$@"', "run",
                               str(self.root / "scripts/lib.sh"), str(self.build), mode, *options],
                              capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout.split("Total Test time")[-1] + done.stderr


def expect(truth, told):
    if not truth:
        sys.exit(f"not as it should be:\n{told}")


LEFT_OUT = ["skipped", "silent", "stand_in", "inside", "bare", "partly", "talks", "disabled"]
NAMED = ["skipped: abidiff is not here (Debian: abigail-tools)", "silent: it does not say why",
         "stand_in: slapd was not found", "full: no mount", "mute: it does not say why", "mine: half of it",
         "talks: a check", "disabled: Disabled"]


def what_was_left_out_is_named_with_its_reason(source, work):
    for mode, title in (("told", "Tests that were left out"), ("complete", "This run is not complete")):
        tree = Tree(source, work / mode, ["passes", *LEFT_OUT])
        good, told = tree.run(mode)
        expect(good == (mode == "told") and title in told, told)
        listed = [line[4:] for line in told[told.find(title):].splitlines() if line.startswith("    ")]
        expect(listed == sorted(NAMED), told)


def a_complete_run_has_nothing_left_out_but_what_is_allowed(source, work):
    good, told = Tree(source, work / "whole", ["passes"]).run("complete")
    expect(good and "left out" not in told, told)
    for number, missing in enumerate(NAMED):
        allowed = "".join(f"{line}\n" for line in NAMED if line != missing)
        good, told = Tree(source, work / str(number), ["passes", *LEFT_OUT], allowed).run("complete")
        expect(not good, told)
        about = told[told.find("This run is not complete"):].splitlines()
        expect(len(about) == 3 and about[1] == f"    {missing}", told)
    good, told = Tree(source, work / "all", ["passes", *LEFT_OUT], allowed + f"{missing}\n").run("complete")
    expect(good and "    full: no mount\n" in told and "not complete" not in told, told)
    good, told = Tree(source, work / "part", ["passes", *LEFT_OUT]).run("complete", "-R", "passes")
    expect(good, told)


def what_is_allowed_for_one_reason_is_not_allowed_for_another(source, work):
    for why in ("no mount", "no mount at all", "no", "a sanitizer"):
        good, told = Tree(source, work / why, ["inside"], f"full: {why}\n").run("complete")
        expect(good == (why == "no mount"), told)


def a_failure_of_a_test_is_a_failure_of_the_run(source, work):
    for mode in ("told", "complete"):
        good, told = Tree(source, work / mode, ["passes", "fails", "skipped"], NAMED[0] + "\n").run(mode)
        expect(not good and "\n    skipped: " in told, told)


def a_log_that_was_not_written_is_a_failure_of_a_complete_run(source, work):
    for mode in ("told", "complete"):
        tree = Tree(source, work / mode, ["passes"])
        # One of another run is not taken for it.
        tree.run(mode)
        good, told = tree.run(mode, "--version")
        expect(good == (mode == "told") and "nobody knows" in told, told)


def each_line_of_the_list_is_whole_and_about_a_test_that_is_there(source, work):
    for number, wrong in enumerate(("full", "full:", "full: ", "full no mount", " full: no mount")):
        good, told = Tree(source, work / str(number), ["inside"], f"full: no mount\n{wrong}\n").run("complete")
        expect(not good and "allowed.txt:4: a line is NAME: WHY" in told, told)
    words, texts = set(), []
    for path in (source / "tests").rglob("*"):
        if path.suffix in (".c", ".sh", ".py") or path.name == "CMakeLists.txt":
            texts.append(re.sub(r'"\s*"', "", path.read_text(encoding="utf-8", errors="replace")))
            words.update(re.findall(r"\w+", texts[-1]))
    lines = (source / "tests/leftout/allowed.txt").read_text(encoding="utf-8").splitlines()
    for name, why in (line.split(": ", 1) for line in lines if line and not line.startswith("#")):
        # CMake puts the name of the area before that of the promise.
        expect(any(name == w or name.endswith("_" + w) for w in words if 2 * len(w) > len(name)), f"there is no {name}")
        expect(any(why in text for text in texts), f"nobody says: {why}")


def main():
    # The outer CTest is nobody's business here.
    for name in [n for n in os.environ if n.startswith("CTEST_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as work:
        globals()[sys.argv[2]](Path(sys.argv[1]), Path(work))
    return 0


if __name__ == "__main__":
    sys.exit(main())
