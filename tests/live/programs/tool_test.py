"""krbrepl SUBCOMMAND as its users meet it."""

import hashlib
import os
import re
import subprocess
import sys
import time

import runner
from runner import check, equal, krbrepl, run, until

HOSTILE = [b"\x00", b"\xff\xfe", b"a b\tc", b'"quoted\\"', b"line\nline\r\n", bytes(range(256)), b"0x41", b"#x",
           "äöü€😀".encode(), b" ", b"-", b"--json", b"'", b"\xc3\x28", b"k" * 600, b"k" * 65535]

COMMANDS = ["init", "adopt", "promote", "demote", "status", "watch", "wait", "log", "verify", "load", "dump", "put",
            "get", "delete", "list", "batch", "backup", "restore", "retention", "slot", "resolve", "upgrade",
            "check-config", "replay", "trim"]


def path(name):
    return os.path.join(runner.DIR, name)


def master(name="m", database="00112233445566778899aabbccddeeff"):
    """Roots can be compared between stores of one database only, so all get the same id."""
    krbrepl("init", "-q", "--master", "--database-id", database, name)
    return name


def seq(store):
    return krbrepl("log", "--json", "--last", "1", store).json["position"]["seq"]


def word(data):
    return b"0x" + data.hex().encode()


def root(store):
    return krbrepl("verify", "--json", store).json["stores"][0]["root"]


def wrong_command_lines_exit_with_2_and_help():
    for args in ([], ["nonsense"], ["help", "nonsense"], ["init"], ["init", "a", "b"], ["init", "--nonsense", "a"],
                 ["put", "m", "t"], ["init", "--database-id", "12", "a"], ["log", "--from", "x", "m"],
                 ["wait", "--timeout", "soon", "m"], ["status", "--max-lag", "much", "m"], ["verify"],
                 ["init", "m", "--master"], ["wait", "--level", "deep", "m"],
                 ["retention", "--keep-bytes", "some", "m"], ["log"], ["log", "--last-version", "m"],
                 ["log", "--heimdal-log", "f", "m"], ["replay", "m"]):
        r = krbrepl(*args, code=2)
        check(len(r.err) > 20, f"{args}: says nothing: {r.err!r}")
        equal(os.listdir(runner.DIR), [])
    check("options stand before" in krbrepl("init", "m", "--master", code=2).err)


def every_subcommand_explains_itself():
    usage = krbrepl("help").text
    for name in COMMANDS:
        check(re.search(rf"^  {name} ", usage, re.M), f"{name} is not in the list")
        text = krbrepl("help", name).text
        equal(text, krbrepl(name, "--help").text)
        check(text.startswith(f"usage: krbrepl {name} [options]"), name)
        check("--json" in text, name)
    equal(len(re.findall(r"^  [\w-]+ ", usage, re.M)), len(COMMANDS))
    check("krbrepl" in krbrepl("--version").text)


def a_record_is_put_shown_listed_and_deleted():
    m = master()
    equal(krbrepl("put", m, "color", "sky", "blue").text, "commit 2\n")
    equal(krbrepl("put", m, "color", "grass", "green").text, "commit 3\n")
    equal(krbrepl("put", m, "size", "ant", "small").text, "commit 4\n")
    equal(krbrepl("get", m, "color", "sky").text, "blue\n")
    equal(krbrepl("list", m).lines, ["color grass", "color sky", "size ant"])
    equal(krbrepl("list", m, "color").lines, ["color grass", "color sky"])
    equal(krbrepl("list", "--reverse", m, "color").lines, ["color sky", "color grass"])
    equal(krbrepl("list", "-v", m, "color", "s").lines, ["color sky blue"])
    equal(krbrepl("list", "--count", m).text, "3\n")
    equal(krbrepl("list", "--limit", "1", m).lines, ["color grass"])
    equal(krbrepl("delete", m, "color", "sky").text, "commit 5\n")
    r = krbrepl("get", m, "color", "sky", code=1)
    check("NOTFOUND" in r.err and "krbrepl list" in r.err, r.err)
    krbrepl("delete", m, "color", "sky", code=1)
    equal(seq(m), 5)
    krbrepl("put", m, "Bad Table", "k", "v", code=1)


def hostile_bytes_survive_put_and_get():
    m = master()
    for i, data in enumerate(HOSTILE):
        krbrepl("put", "--hex", m, "t", f"{i:02x}", data.hex())
        equal(krbrepl("get", "--raw", "--hex-key", m, "t", f"{i:02x}").out, data)
        equal(krbrepl("get", "--hex", "--hex-key", m, "t", f"{i:02x}").text, data.hex() + "\n")
    for data in HOSTILE:
        krbrepl("batch", m, stdin=b"put k " + word(data) + b" " + word(data) + b"\ncommit\n")
    found = []
    for record in krbrepl("list", "-v", "--json", m, "k").jsons:
        key = bytes.fromhex(record["key_hex"]) if "key_hex" in record else record["key"].encode()
        value = bytes.fromhex(record["value_hex"]) if "value_hex" in record else record["value"].encode()
        check(("key" in record) != ("key_hex" in record))
        equal(key, value)
        found.append(key)
    equal(sorted(found), sorted(HOSTILE))
    check(krbrepl("put", "--hex", m, "t", "0", "00", code=1).err != "")


def values_come_from_files_and_standard_input():
    m = master()
    data = os.urandom(1 << 20)
    with open(path("value"), "wb") as f:
        f.write(data)
    krbrepl("put", "--file", "value", m, "t", "file")
    krbrepl("put", m, "t", "stdin", stdin=data)
    krbrepl("put", m, "t", "dash", "-", stdin=data)
    krbrepl("put", m, "t", "empty", "")
    for key in ("file", "stdin", "dash"):
        equal(krbrepl("get", "--raw", m, "t", key).out, data)
    equal(krbrepl("get", "--raw", m, "t", "empty").out, b"")
    krbrepl("put", "--file", "nothing", m, "t", "x", code=1)
    krbrepl("put", "--file", "value", m, "t", "x", "y", code=1)
    r = krbrepl("put", m, "t", "x", stdin=bytes((16 << 20) + 1), code=1)
    check("16 MiB" in r.err, r.err)
    krbrepl("put", m, "t", "largest", stdin=bytes(16 << 20))
    equal(krbrepl("list", "--count", m).text, "5\n")


def keys_of_principals_are_not_printed():
    m = master()
    secret = "s3cr3tkeybytes"
    krbrepl("put", m, "principal", "alice@X", secret)
    for args in (["get", m, "principal", "alice@X"], ["list", "-v", m], ["log", "--values", m],
                 ["log", "--json", "--values", m], ["list", "-v", "--json", m],
                 ["get", "--json", m, "principal", "alice@X"], ["log", "-v", m], ["status", m]):
        r = krbrepl(*args)
        for form in (secret, secret.encode().hex()):
            check(form not in r.text and form not in r.err, f"{args} shows the key: {r.text}")
    equal(krbrepl("get", "--raw", m, "principal", "alice@X").text, secret)


def a_batch_makes_many_commits_and_prints_their_numbers():
    m = master()
    text = b"# a comment\n\n"
    for i in range(100):
        text += b'put t "key %d" 0x%02x\nput t fixed word\ncommit "number %d"\n' % (i, i, i)
    text += b"delete t fixed\ncommit\n"
    equal(krbrepl("batch", m, stdin=text).lines, [str(i) for i in range(2, 103)])
    equal(krbrepl("list", "--count", m).text, "100\n")
    equal(krbrepl("get", "--hex", m, "t", "key 65").text, "41\n")
    equal(krbrepl("log", "--json", "--from", "3", "--to", "3", m).json["why"], "number 1")
    equal(krbrepl("batch", m, stdin=b"").text, "")
    krbrepl("batch", "--missing-ok", m, stdin=b"delete t nothing\nput t a b\ncommit\n")


def a_batch_answers_each_commit_while_its_input_stays_open():
    m = master()
    p = subprocess.Popen([os.path.join(runner.BIN, "krbrepl"), "batch", m], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, cwd=runner.DIR)
    for i in range(2, 6):
        p.stdin.write(b"put t k v%d\ncommit\n" % i)
        p.stdin.flush()
        equal(p.stdout.readline(), b"%d\n" % i)
        if i == 3:
            # Others can write while a batch waits for its next line.
            p.stdin.write(b"put t half done\n")
            p.stdin.flush()
            krbrepl("put", m, "t", "other", "x")
            p.stdin.write(b"commit\n")
            p.stdin.flush()
            equal(p.stdout.readline(), b"5\n")
            break
    p.stdin.close()
    equal(p.wait(), 0)
    p.stdout.close()


def a_mistake_in_a_batch_is_named_by_its_line_and_changes_nothing():
    m = master()
    before = seq(m)
    for text in (b"put t a b\nnonsense\n", b"put t a\nput t a\n", b'put t a b\nput t a "open\n',
                 b"put t a b\nput t a 0x1\n", b"put t a b\ndelete t nothing\ncommit\n", b"put t a b\ncommit a b\n",
                 b"put t a b\nput Bad_Table k v\ncommit\n", b"put t a b\nput t a b c d\n",
                 b"put t a b\ncommit", b"put t a b\n\xff\n", b"put t a b\nput t a a\x00b\n"):
        r = krbrepl("batch", m, stdin=text, code=1)
        check(re.search(r"line [12]\b", r.err), f"{text}: {r.err}")
        equal(seq(m), before)
    r = krbrepl("batch", m, stdin=b"put t a b\n", code=1)
    check("line 1" in r.err and "without `commit`" in r.err, r.err)
    r = krbrepl("batch", m, stdin=b"put t a b\ncommit\nput t c d\nbad\n", code=1)
    check("line 4" in r.err)
    equal(r.lines, ["2"])
    r = krbrepl("batch", m, stdin=b"put t k v\n" * 65537 + b"commit\n", code=1)
    check("65,536" in r.err and "line 65537" in r.err, r.err)
    equal(seq(m), 2)


def the_log_shows_what_was_asked_for():
    m = master()
    for i in range(10):
        krbrepl("put", "--why", f"reason {i}", m, "t", "k", f"value {i}")
    everything = krbrepl("log", "--json", m).jsons
    equal([c["position"]["seq"] for c in everything], list(range(1, 12)))
    equal(everything[0]["kind"], "lineage")
    equal(everything[0]["cause"], "create")
    equal(everything[1]["why"], "reason 0")
    equal(everything[1]["changes"], [{"op": "put", "table": "t", "key": "k", "length": 7}])
    equal(krbrepl("log", "--json", "--values", "--last", "1", m).json["changes"][0]["value"], "value 9")
    equal([c["position"]["seq"] for c in krbrepl("log", "--json", "--from", "4", "--to", "6", m).jsons], [4, 5, 6])
    equal([c["position"]["seq"] for c in krbrepl("log", "--json", "-n", "3", m).jsons], [9, 10, 11])
    equal(len(krbrepl("log", m).lines), 11)
    check("reason 3" in krbrepl("log", m).text)
    check("value 3" not in krbrepl("log", "-v", m).text)
    check("value 3" in krbrepl("log", "--values", m).text)
    equal(krbrepl("log", "--from", "100", m).text, "")
    krbrepl("retention", "--keep-entries", "3", m)
    krbrepl("batch", "-q", m, stdin=b"put t k v\ncommit\n" * 200)
    r = krbrepl("log", "--from", "1", m, code=1)
    check("TRIMMED" in r.err and "--from" in r.err, r.err)


def the_log_follows_new_commits():
    m = master()
    p = subprocess.Popen([os.path.join(runner.BIN, "krbrepl"), "log", "--follow", "--from", "2", "--to", "4", m],
                         stdout=subprocess.PIPE, cwd=runner.DIR)
    for i in range(2, 5):
        krbrepl("put", m, "t", "k", f"{i}")
        check(p.stdout.readline().startswith(b"%d " % i))
    equal(p.wait(timeout=60), 0)
    p.stdout.close()


def fill(store):
    lines = []
    for i, data in enumerate(HOSTILE):
        lines += [b"put t " + word(data) + b" " + word(data * 3), b"put other " + word(b"%d" % i) + b" 0x"]
    krbrepl("batch", "-q", store, stdin=b"\n".join(lines) + b"\ncommit\n")


def a_native_dump_is_loaded_again_byte_for_byte():
    m, n = master(), master("n")
    fill(m)
    krbrepl("put", n, "t", "goes", "away")
    krbrepl("dump", "--format", "native", m, "dump")
    equal(os.stat(path("dump")).st_mode & 0o777, 0o600)
    with open(path("dump"), "rb") as f:
        content = f.read()
    equal(krbrepl("dump", "--format", "native", m).out, content)
    body, last = content[:content.rindex(b"end ")], content[content.rindex(b"end "):]
    equal(last, b"end %d 0x%s\n" % (2 * len(HOSTILE), hashlib.sha256(body).hexdigest().encode()))
    r = krbrepl("load", "--json", n, "dump").json
    equal((r["added"], r["deleted"], r["commit"]), (2 * len(HOSTILE), 1, "changes"))
    equal(root(m), root(n))
    equal(krbrepl("load", "--json", n, "dump").json["commit"], "none")
    krbrepl("load", "--format", "native", master("o"), "-", stdin=content)
    equal(root(m), root("o"))
    krbrepl("batch", "-q", master("b"), stdin=b"\n".join(body.split(b"\n")[3:]) + b"commit\n")
    equal(root(m), root("b"))
    equal(sorted(os.listdir(runner.DIR)), ["b", "dump", "m", "n", "o"])


def a_damaged_dump_changes_nothing():
    m = master()
    krbrepl("put", m, "t", "k", "v")
    krbrepl("put", m, "t", "k2", "v2")
    content = krbrepl("dump", "--format", "native", m).out
    n = master("n")
    krbrepl("put", n, "old", "content", "stays")
    before = krbrepl("verify", "--json", n).json
    for damaged in (content[:-1], content[:-20], content[:len(content) // 2], content.replace(b'"v"', b'"w"'),
                    content.replace(b"end 2", b"end 1"), content + b"\n", content.replace(b"dump 1", b"dump 9"),
                    content.replace(b'put t "k"', b'put t "k" x'), b""):
        with open(path("bad"), "wb") as f:
            f.write(damaged)
        for options in ([], ["--update"]):
            r = krbrepl("load", "--format", "native", *options, n, "bad", code=1)
            check("INPUT" in r.err and "line " in r.err, r.err)
            equal(krbrepl("verify", "--json", n).json, before)
    krbrepl("load", n, "nothing", code=1)
    krbrepl("dump", "--format", "native", m, "no/such/dir/file", code=1)


def an_update_leaves_other_records_alone():
    m, n = master(), master("n")
    krbrepl("put", m, "t", "a", "new")
    krbrepl("dump", "--format", "native", m, "dump")
    krbrepl("put", n, "t", "a", "old")
    krbrepl("put", n, "t", "b", "stays")
    krbrepl("load", "--update", n, "dump")
    equal(krbrepl("list", "-v", n).lines, ["t a new", "t b stays"])


def a_store_without_role_says_how_to_get_one():
    krbrepl("init", "u")
    with open(path("dump"), "wb") as f:
        f.write(b"x")
    for args in (["load", "u", "dump"], ["put", "u", "t", "k", "v"]):
        r = krbrepl(*args, code=1)
        check("krbrepl promote" in r.err, r.err)
    check("init --master" in krbrepl("load", "u", "dump", code=1).err)
    equal(krbrepl("status", "--json", "u").json["role"], "unset")
    r = krbrepl("init", "u", code=1)
    check("EXISTS" in r.err, r.err)
    r = krbrepl("status", "nowhere", code=1)
    check("krbrepl init" in r.err, r.err)
    r = krbrepl("init", "--group", "no-such-group-here", "g", code=1)
    check("no-such-group-here" in r.err, r.err)


def roles_change_and_are_recorded():
    m = master()
    first = krbrepl("status", "--json", m).json["position"]
    krbrepl("demote", "--who", "operator", m)
    equal(krbrepl("status", "--json", m).json["role"], "replica")
    check("NOT_MASTER" in krbrepl("put", m, "t", "k", "v", code=1).err)
    krbrepl("demote", m, code=1)
    r = krbrepl("promote", "--json", "--who", "operator", m).json
    equal((r["role"], r["position"]["epoch"]), ("master", first["epoch"] + 1))
    check(r["position"]["lineage"] != first["lineage"])
    causes = [(c["cause"], c["who"]) for c in krbrepl("log", "--json", m).jsons]
    equal([c for c, _ in causes], ["create", "demote", "promote"])
    equal([w for _, w in causes[1:]], ["operator", "operator"])
    fixed = "00112233445566778899aabbccddeeff"
    equal(krbrepl("init", "--json", "--master", "--database-id", fixed, "n").json["database_id"], fixed)


def a_fork_is_resolved_by_naming_one_side():
    m = master()
    for wrong in ([m], ["--keep-master", "--keep-replica", m], ["--keep-master"]):
        krbrepl("resolve", *wrong, code=2)
    r = krbrepl("resolve", "--keep-master", m, code=1)
    check("STATE" in r.err and "demote" in r.err, r.err)
    krbrepl("init", "-q", "empty")
    krbrepl("resolve", "--keep-master", "empty", code=1)
    krbrepl("demote", "-q", m)
    before = krbrepl("status", "--json", m).json["position"]
    r = krbrepl("resolve", "--json", "--keep-master", m).json
    equal((r["role"], r["position"]), ("replica", before))
    check("evidence" in krbrepl("resolve", "--keep-master", m).text)
    equal(krbrepl("status", "--json", m).json["gives_up"], True)
    r = krbrepl("resolve", "--json", "--keep-replica", "--who", "operator", m).json
    equal((r["role"], r["position"]["epoch"]), ("master", before["epoch"] + 1))
    equal(krbrepl("status", "--json", m).json["gives_up"], False)
    last = krbrepl("log", "--json", m).jsons[-1]
    equal((last["cause"], last["who"]), ("resolve", "operator"))


def a_backup_is_restored_with_a_new_lineage():
    m = master()
    fill(m)
    krbrepl("backup", m, "backup")
    equal(os.stat(path("backup")).st_mode & 0o077, 0)
    krbrepl("backup", m, "backup", code=1)
    krbrepl("put", m, "t", "later", "x")
    r = krbrepl("restore", "--json", "backup", "r").json
    equal(r["role"], "master")
    check(r["position"]["lineage"] != krbrepl("status", "--json", m).json["position"]["lineage"])
    krbrepl("delete", m, "t", "later")
    equal(root(m), root("r"))
    krbrepl("restore", "backup", "r", code=1)
    with open(path("cut"), "wb") as f, open(path("backup"), "rb") as b:
        f.write(b.read(5000))
    krbrepl("restore", "cut", "c", code=1)
    krbrepl("upgrade", "r", code=None)


def stores_are_compared():
    m = master()
    fill(m)
    r = krbrepl("verify", "--json", m).json
    equal(len(r["stores"][0]["root"]), 64)
    equal(r["stores"][0]["records"], 2 * len(HOSTILE))
    equal(r["stores"][0]["commits"], 2)
    krbrepl("backup", m, "backup")
    krbrepl("restore", "backup", "n")
    r = krbrepl("verify", m, "n", code=3)
    check("position" in r.err, r.err)
    krbrepl("put", "n", "t", "more", "x")
    check("content differs" in krbrepl("verify", m, "n", code=3).err)
    krbrepl("put", m, "t", "less", "x")
    krbrepl("put", "n", "t", "both", "x")
    krbrepl("put", m, "t", "both", "y")
    r = krbrepl("verify", m, "n", code=3).text
    check("only in first t less" in r and "only in other t more" in r and "different     t both" in r, r)
    r = krbrepl("verify", "--list", "1", m, "n", code=3).text
    check("and 2 more" in r and r.count("\n  only in ") + r.count("\n  different ") == 1, r)
    r = krbrepl("verify", "--json", m, "n", code=3).json
    equal([(d["key"], d["is"]) for d in r["differences"]],
          [("both", "different"), ("less", "only in first"), ("more", "only in other")])
    equal(r["different"], 3)
    check("different databases" in krbrepl("verify", m, master("o", "ff" * 16), code=3).err)
    check(krbrepl("verify", "--json", m, "n", code=3).json["equal"] is False)
    check("equal: 2 stores" in krbrepl("verify", m, m).text)
    krbrepl("verify", m, "nowhere", code=1)


def retention_is_stored():
    krbrepl("init", "--master", "--keep-entries", "5", "--keep-bytes", "2 MiB", "--keep-age", "2 days", "m")
    kept = krbrepl("retention", "--json", "--keep-entries", "7", "--keep-age", "1 h", "m").json["journal"]
    # What was not given is as it was; 0 brings the default back.
    equal((kept["keep_entries"], kept["keep_seconds"], kept["keep_bytes"]), (7, 3600, 2 << 20))
    kept = krbrepl("retention", "--json", "--keep-bytes", "0", "--keep-age", "0", "m").json["journal"]
    equal((kept["keep_entries"], kept["keep_seconds"], kept["keep_bytes"]), (7, 0, 268435456))
    krbrepl("batch", "-q", "m", stdin=b"put t k v\ncommit\n" * 300)
    journal = krbrepl("status", "--json", "m").json["journal"]
    equal(journal["last"], 301)
    # Trimming begins a little above the limit, so that most commits trim nothing.
    check(7 <= journal["last"] - journal["first"] + 1 <= 7 + 64, f"{journal}")


def a_journal_is_trimmed_when_told():
    krbrepl("init", "--master", "m")
    krbrepl("batch", "-q", "m", stdin=b"put t k v\ncommit\n" * 300)
    equal(krbrepl("trim", "--json", "-K", "10", "m").json["dropped"], 291)
    journal = krbrepl("status", "--json", "m").json["journal"]
    equal((journal["first"], journal["last"]), (292, 301))
    equal(krbrepl("trim", "m").text, "0 commits dropped from the journal\n")


def slots_are_listed_and_dropped():
    m = master()
    equal(krbrepl("slot", "--json", "list", m).json, {"slots": []})
    equal(krbrepl("slot", "list", m).text, "")
    r = krbrepl("slot", "drop", m, "krbrepl/nobody@R", code=1)
    check("NOTFOUND" in r.err and "krbrepl/nobody@R" in r.err, r.err)
    for wrong in (["list"], ["drop", m], ["list", m, "x"], ["nonsense", m]):
        krbrepl("slot", *wrong, code=2)
    kept = krbrepl("retention", "--json", "--keep-slots", "2 h", m).json["journal"]
    equal(kept["keep_slots_seconds"], 7200)
    kept = krbrepl("retention", "--json", "--keep-slots", "0", m).json["journal"]
    equal(kept["keep_slots_seconds"], 14 * 86400)


def a_check_without_a_node_fails_and_says_so():
    m = master()
    check("none runs" in krbrepl("status", m).text)
    for limit in ("5", "30 s"):
        r = krbrepl("status", "--json", "--max-lag", limit, m, code=3)
        check("no node runs" in r.err and "no node runs" in r.json["complaint"], r.err)
    krbrepl("status", "--replicas", "1", m, code=3)
    r = krbrepl("status", "-q", "--replicas", "1", m, code=3)
    check(r.text == "" and "no node runs" in r.err, r.text + r.err)
    check("role" in krbrepl("status", "-q", m).text)
    r = krbrepl("wait", "--timeout", "0", m, code=1)
    check("krbrepl-master" in r.err, r.err)
    equal(len(krbrepl("watch", "--count", "3", "--interval", "1 ms", "--json", m).jsons), 3)


def every_answer_is_json_when_asked():
    m = master()
    fill(m)
    krbrepl("init", "--json", "j").json
    krbrepl("put", "--json", m, "t", "k", "v").json
    krbrepl("delete", "--json", m, "t", "k").json
    krbrepl("batch", "--json", m, stdin=b"put t k v\ncommit\nput t k w\ncommit\n").jsons
    krbrepl("list", "-v", "--json", m).jsons
    krbrepl("list", "--count", "--json", m).json
    krbrepl("log", "--json", "--values", m).jsons
    krbrepl("get", "--json", m, "t", "k").json
    krbrepl("get", "--json", "--hex", m, "t", "k").json
    krbrepl("status", "--json", m).json
    krbrepl("verify", "--json", m).json
    krbrepl("dump", "--json", "--format", "native", m, "d").json
    krbrepl("load", "--json", m, "d").json
    krbrepl("backup", "--json", m, "b").json
    krbrepl("restore", "--json", "b", "r").json
    krbrepl("demote", "--json", m).json
    krbrepl("promote", "--json", m).json
    error = krbrepl("get", "--json", m, "t", "none", code=1).json["error"]
    equal((error["name"], error["code"], error["advice"]), ("NOTFOUND", -8, "none"))
    check(error["text"] != "" and error["hint"] != "")
    equal(krbrepl("load", "--json", "--format", "native", "j", "d", code=1).json["error"]["name"], "PROGRAM")


def a_full_output_is_a_failure():
    m = master()
    fill(m)
    with open("/dev/full", "wb") as full:
        for args in (["list", m], ["dump", "--format", "native", m], ["log", "-v", m], ["verify", m]):
            done = subprocess.run([os.path.join(runner.BIN, "krbrepl"), *args], stdout=full, cwd=runner.DIR,
                                  stderr=subprocess.PIPE, timeout=60)
            equal(done.returncode, 1)
            check(done.stderr != b"", f"{args} says nothing")


if __name__ == "__main__":
    runner.main(sys.modules["__main__"])
