#!/usr/bin/env python3
"""Writes the seeds that were made by hand, one file each, below the directory of this script.

    seeds.py [DIR]

Each is named for what is wrong with it. The kinds of mistakes are those that replication of Kerberos databases
has had before: a count that says more than the lengths do, a length that says more than there is, texts without
an end or with one inside, names of which only the beginning is compared, sizes that wrap around, versions and
messages that are empty. The other files of the corpora were recorded from good conversations and dumps.
"""
import hashlib
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def u8(n):
    return struct.pack(">B", n)


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def vec16(b):
    return u16(len(b)) + b


def vec32(b):
    return u32(len(b)) + b


def write(root, corpus, seeds):
    folder = os.path.join(root, corpus)
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


# ---- the stream: docs/protocol.md ---------------------------------------------------------------------

HELLO, WELCOME, REFUSE, COMMITS, COPY_BEGIN, COPY_SLICE, COPY_END, ACK, PING, PONG, BYE, CHECK = range(1, 13)


def position(lineage=b"\x11" * 16, epoch=1, seq=7, chain=b"\x22" * 32):
    return lineage + u64(epoch) + u64(seq) + chain


NOWHERE = bytes(64)


def field(tag, value):
    return u16(tag) + vec16(value)


def hello(**change):
    fields = {1: u64(1), 2: u64(1), 3: bytes(16), 5: b"kdc2", 6: u64(2), 7: u64(0), 8: NOWHERE,
              9: u16(0), 10: b"", 11: u64(1 << 22)}
    for tag, value in change.items():
        fields[int(tag[1:])] = value
    return b"".join(field(tag, value) for tag, value in sorted(fields.items()) if value is not None)


def welcome(**change):
    fields = {1: u64(1), 2: u64(1), 3: b"\x07" * 16, 5: b"kdc1", 7: u64(1), 8: position(b"\x01" * 16, 1, 1),
              9: u16(0), 12: u64(5000), 13: u64(60000), 14: u64(1), 15: u64(1)}
    for tag, value in change.items():
        fields[int(tag[1:])] = value
    return b"".join(field(tag, value) for tag, value in sorted(fields.items()) if value is not None)


HELLOS = {
    "hello-good": hello(),
    "hello-version-empty": hello(t1=b""),
    "hello-version-zero": hello(t1=u64(0)),
    "hello-version-highest": hello(t1=u64(2**64 - 1)),
    "hello-name-unterminated-255": hello(t5=b"n" * 255),
    "hello-name-too-long": hello(t5=b"n" * 256),
    "hello-name-with-nul": hello(t5=b"kdc2\0.example.org"),
    "hello-name-empty": hello(t5=b""),
    "hello-ancestry-count-above-length": hello(t9=u16(65535) + position()),
    "hello-ancestry-count-below-length": hello(t9=u16(0) + position()),
    "hello-ancestry-257": hello(t9=u16(257) + position() * 257),
    "hello-marks-not-whole": hello(t10=bytes(41)),
    "hello-marks-9": hello(t10=bytes(40 * 9)),
    "hello-window-wraps": hello(t11=u64(2**64 - 1)),
    "hello-window-zero": hello(t11=u64(0)),
    "hello-seq-highest": hello(t8=position(seq=2**64 - 1)),
    "hello-epoch-highest": hello(t7=u64(2**64 - 1)),
    "hello-nothing": b"",
    "hello-field-twice": hello() + field(11, u64(1)),
    "hello-field-length-above-end": hello() + u16(29) + u16(65535) + u64(6),
    "hello-required-unknown": hello() + field(0x8fff, b""),
}


def commit(seq=2, kind=1, count=1, changes=None, cumulative=2, who=b"w", why=b"", version=1, flags=0):
    body = changes if changes is not None else u32(count) + change()
    return (u8(version) + u8(kind) + u16(flags) + u64(seq) + u64(1) + b"\x01" * 16 + u64(1700000000000000)
            + u64(cumulative) + vec16(who) + vec16(why) + body)


def change(op=1, table=b"principal", key=b"a@B", value=b"v"):
    return u8(op) + u8(len(table)) + table + vec16(key) + (vec32(value) if op == 1 else b"")


COMMIT_SEEDS = {
    "good": commit(),
    "count-above-changes": commit(count=65536),
    "count-wraps": commit(count=2**32 - 1),
    "count-zero": commit(changes=u32(0)),
    "count-below-changes": commit(changes=u32(1) + change() * 2),
    "value-length-wraps": commit(changes=u32(1) + u8(1) + u8(9) + b"principal" + vec16(b"k") + u32(2**32 - 1)),
    "value-length-above-end": commit(changes=u32(1) + u8(1) + u8(9) + b"principal" + vec16(b"k") + u32(9) + b"v"),
    "key-empty": commit(changes=u32(1) + change(key=b"")),
    "table-empty": commit(changes=u32(1) + change(table=b"")),
    "table-33": commit(changes=u32(1) + change(table=b"t" * 33)),
    "table-with-nul": commit(changes=u32(1) + change(table=b"princ\0pal")),
    "who-too-long": commit(who=b"w" * 1025),
    "who-with-nul": commit(who=b"root\0admin"),
    "version-empty": b"",
    "version-zero": commit(version=0),
    "seq-zero": commit(seq=0),
    "seq-highest": commit(seq=2**64 - 1),
    "reset-short": commit(kind=2, changes=u64(1) + bytes(31)),
    "lineage-empty": commit(kind=3, changes=b""),
    "delete-with-value": commit(changes=u32(1) + change(op=2) + vec32(b"v")),
}


def frame(kind, body, flags=0, reserved=0, length=None):
    return u8(kind) + u8(flags) + u16(reserved) + u32(len(body) if length is None else length) + body


FRAMES = {
    "length-wraps": frame(HELLO, hello(), length=2**32 - 1),
    "length-above-limit": frame(ACK, b"", length=4097),
    "length-zero": frame(HELLO, b""),
    "unknown-optional-empty": frame(200, b"", flags=1),
    "unknown-required": frame(200, b"x"),
    "flags-unknown": frame(PING, field(8, position()), flags=0x80),
    "reserved-set": frame(PING, field(8, position()), reserved=1),
    "check-without-root": frame(CHECK, field(27, u64(7))),
    "check-root-short": frame(CHECK, field(27, u64(7)) + field(28, bytes(31))),
    "cut-in-head": frame(PING, b"")[:7],
}


def plain(name, *frames, piece=3):
    return u8(piece) + u8(len(name)) + name + b"".join(frames)


REPLICA = b"krbrepl/replica@EXAMPLE.ORG"
MASTER = b"krbrepl/master@EXAMPLE.ORG"


def master_seeds():
    seeds = {name: plain(REPLICA, frame(HELLO, body)) for name, body in HELLOS.items()}
    seeds.update({
        "peer-name-empty": plain(b""),
        "peer-name-cut": u8(9) + u8(200) + b"krbrepl/",
        "hello-twice": plain(REPLICA, frame(HELLO, hello()), frame(HELLO, hello())),
        "ack-before-hello": plain(REPLICA, frame(ACK, field(22, u64(0)))),
        "ack-of-what-was-not-sent": plain(REPLICA, frame(HELLO, hello()), frame(
            ACK, field(22, u64(2**63)) + field(23, u64(2**64 - 1)) + field(24, u64(2**64 - 1)))),
        "ack-chain-short": plain(REPLICA, frame(HELLO, hello()), frame(
            ACK, field(22, u64(0)) + field(24, u64(1)) + field(26, bytes(31)))),
        "check-root-of-the-future": plain(REPLICA, frame(HELLO, hello()), frame(
            CHECK, field(27, u64(2**64 - 1)) + field(28, bytes(32)))),
        "commits-from-a-replica": plain(REPLICA, frame(HELLO, hello()), frame(COMMITS, u64(9) + vec32(commit()))),
    })
    return seeds


def replica_seeds():
    start = frame(WELCOME, welcome())
    copy = welcome(t14=u64(2), t15=None, t16=u64(1))
    begin = field(8, position(b"\x01" * 16)) + field(9, u16(0)) + field(16, u64(1)) + field(20, u64(5)) + field(
        21, u64(2))
    row = vec32(b"principal\0a") + vec32(b"1")
    seeds = {
        "welcome-version-empty": plain(MASTER, frame(WELCOME, welcome(t1=b""))),
        "welcome-from-wraps": plain(MASTER, frame(WELCOME, welcome(t15=u64(2**64 - 1)))),
        "welcome-from-zero": plain(MASTER, frame(WELCOME, welcome(t15=u64(0)))),
        "welcome-epoch-highest": plain(MASTER, frame(WELCOME, welcome(t7=u64(2**64 - 1)))),
        "welcome-seq-highest": plain(MASTER, frame(WELCOME, welcome(t8=position(seq=2**64 - 1)))),
        "commits-length-wraps": plain(MASTER, start, frame(COMMITS, u64(9) + u32(2**32 - 1))),
        "commits-length-zero": plain(MASTER, start, frame(COMMITS, u64(9) + u32(0) * 100)),
        "commits-without-last": plain(MASTER, start, frame(COMMITS, b"")),
        "copy-length-wraps": plain(MASTER, frame(WELCOME, copy), frame(COPY_BEGIN, begin),
                                   frame(COPY_SLICE, u32(2**32 - 1) + row)),
        "copy-out-of-order": plain(MASTER, frame(WELCOME, copy), frame(COPY_BEGIN, begin),
                                   frame(COPY_SLICE, row + row)),
        "copy-count-above-records": plain(MASTER, frame(WELCOME, copy), frame(COPY_BEGIN, begin),
                                          frame(COPY_SLICE, row), frame(
            COPY_END, field(8, position(b"\x01" * 16)) + field(21, u64(2**64 - 1)))),
        "copy-end-without-begin": plain(MASTER, frame(WELCOME, copy), frame(
            COPY_END, field(8, position()) + field(21, u64(0)))),
        "text-with-controls": plain(MASTER, frame(REFUSE, field(18, u64(23)) + field(19, b"\x1b[2J\0%n%s" * 10))),
    }
    return seeds


def message_seeds():
    seeds = {name: u8(HELLO) + body for name, body in HELLOS.items()}
    for kind in (REFUSE, BYE):
        seeds["parting-%d-text-unterminated" % kind] = u8(kind) + field(18, u64(1)) + field(19, b"t" * 200)
        seeds["parting-%d-text-too-long" % kind] = u8(kind) + field(18, u64(1)) + field(19, b"t" * 201)
        seeds["parting-%d-code-wraps" % kind] = u8(kind) + field(18, u64(2**64 - 23))
    for kind in (COPY_BEGIN, COPY_END, ACK, PING, PONG, CHECK, WELCOME):
        seeds["message-%d-empty" % kind] = u8(kind)
    seeds["welcome-good"] = u8(WELCOME) + welcome()
    seeds["ack-numbers-short"] = u8(ACK) + field(22, bytes(7))
    seeds["ack-good"] = u8(ACK) + field(22, u64(1)) + field(23, u64(2)) + field(24, u64(3)) + field(26, bytes(32))
    seeds["ping-good"] = u8(PING) + field(8, position())
    seeds["check-good"] = u8(CHECK) + field(27, u64(7)) + field(28, bytes(32))
    return seeds


# ---- before TLS: docs/protocol-security.md ------------------------------------------------------------

def preface(low=1, high=1):
    return b"KRBREPL\n" + u16(low) + u16(high) + u32(0)


def token(body, length=None):
    return u8(1) + u32(len(body) if length is None else length) + body


def refusal(reason, text, length=None):
    body = u16(reason) + u16(len(text) if length is None else length) + text
    return u8(2) + vec32(body)


CLEAR = {
    "good": preface() + token(b"token"),
    "version-zero": preface(0, 0),
    "version-upside-down": preface(5, 1),
    "version-highest": preface(65535, 65535),
    "version-missing": b"KRBREPL\n",
    "prefix-of-the-magic": b"KRBREP",
    "token-empty": preface() + token(b""),
    "token-largest": preface() + token(b"t" * 65536),
    "token-too-large": preface() + token(b"t", 65537),
    "token-length-wraps": preface() + token(b"t", 2**32 - 1),
    "refusal-good": preface() + refusal(2, b"not authorized"),
    "refusal-text-longer-than-frame": preface() + refusal(2, b"x", 80),
    "refusal-text-with-controls": preface() + refusal(2, b"\x1b]0;\x07\0%s"),
    "refusal-without-text": preface() + u8(2) + vec32(u16(2)),
    "refusal-empty": preface() + u8(2) + vec32(b""),
    "refusal-unknown": preface() + refusal(65535, b"?"),
    "http": b"GET / HTTP/1.1\r\n\r\n",
}

TLS_HELLO = bytes.fromhex("160303002e0200002a0303") + bytes(32) + bytes.fromhex("00130200000000")
CHANNEL = {name: u8(15) + data for name, data in CLEAR.items()}
CHANNEL.update({
    "two-tokens": u8(15) + preface() + token(b"one") + token(b"two"),
    "a-token-too-many": u8(15) + preface() + token(b"a") * 9,
    "step-fails": u8(15) + preface() + token(b"-"),
    "tls-behind-tokens": u8(15) + preface() + token(b"=") + TLS_HELLO,
    "tls-in-pieces": u8(1) + preface() + token(b"=") + TLS_HELLO,
    "tls-record-length-wraps": u8(15) + preface() + token(b"=") + bytes.fromhex("160303ffff") + bytes(64),
    "tls-record-empty": u8(15) + preface() + token(b"=") + bytes.fromhex("1603030000") * 40,
    "tls-alert": u8(15) + preface() + token(b"=") + bytes.fromhex("15030300020228"),
    "tls-application-data-early": u8(15) + preface() + token(b"=") + bytes.fromhex("1703030005") + b"hello",
    "refusal-behind-token": u8(15) + preface() + token(b"a") + refusal(3, b"too slow"),
})

# ---- the control socket: src/node/ctlmsg.h ------------------------------------------------------------


def control(kind, body, version=1, length=None):
    return u32(len(body) + 2 if length is None else length) + u8(version) + u8(kind) + body


def fields(*values, count=None):
    return u16(len(values) if count is None else count) + b"".join(u64(v) for v in values)


def peer(principal=b"krbrepl/a@B", address=b"127.0.0.1:1", name=b"a"):
    return control(66, fields(*range(16)) + vec16(principal) + vec16(address) + vec16(name))


CONTROL = {
    "ask-status": control(1, b""),
    "ask-wait": control(2, u64(7) + u64(1) + u64(2) + u64(1000)),
    "ask-wait-cut": control(2, u64(7) + u64(1)),
    "ask-level-highest": control(2, u64(7) + u64(1) + u64(2**64 - 1) + u64(2**64 - 1)),
    "status": control(65, fields(*range(50)) + bytes(16) + position() + vec16(b"text")),
    "status-count-above-fields": control(65, fields(1, 2, 3, count=65535) + bytes(80)),
    "status-no-fields": control(65, fields() + bytes(16) + position() + vec16(b"")),
    "status-text-too-long": control(65, fields() + bytes(16) + position() + vec16(b"t" * 1000)),
    "status-text-with-nul": control(65, fields() + bytes(16) + position() + vec16(b"a\0b")),
    "peer": peer(),
    "peer-principal-longest": peer(principal=b"p" * 1024),
    "peer-principal-too-long": peer(principal=b"p" * 1025),
    "peer-name-with-nul": peer(name=b"a\0b"),
    "waited": control(68, u32(0) + u64(2)),
    "waited-code-wraps": control(68, u32(2**31) + u64(2)),
    "error": control(69, u32(7) + vec16(b"no")),
    "error-without-code": control(69, u32(0) + vec16(b"no")),
    "error-text-too-long": control(69, u32(7) + vec16(b"n" * 200)),
    "version-zero": control(1, b"", version=0),
    "length-zero": control(1, b"", length=0),
    "length-one": control(1, b"", length=1),
    "length-wraps": control(1, b"", length=2**32 - 1),
    "end-and-more": control(67, b"") + peer() + control(67, b""),
}

# ---- the store: docs/store-format.md ------------------------------------------------------------------

RECORD, JOURNAL, STATE, META, SLOT, CHAIN = range(6)
SIGNED = 1


def at(what, value, how=0, key=None):
    return u8(what) + u8(how) + (b"" if key is None else u8(len(key)) + key) + value


USER1 = b"principal\0user1"


def row(value=b"new", flags=0, full=None, digest=bytes(16)):
    return digest + u8(flags) + (b"" if full is None else vec32(full)) + value


def state(role=1, live=0, other=0, seq=6, epoch=1, records=5, cumulative=5, first=1, chains=1, version=1):
    return (u8(version) + u8(role) + u8(live) + u8(other) + position(b"\x01" * 16, epoch, seq) + u64(epoch)
            + u64(records) + u64(cumulative) + u64(first) + u64(500) + u64(chains) + u64(chains) + bytes(16))


def slot(principal=b"krbrepl/a@B", more=b""):
    return vec16(principal) + u64(3) + u64(2) + u64(0) + u64(0) + u32(1) + u32(1) + more




def meta(which, value):
    # The same order as in store_fuzz.c.
    names = ["id", "ancestors", "retention", "slots", "fork", "give_up", "format", "created"]
    return u8(META) + u8(0) + u8(names.index(which)) + value


STORE = {
    "record-empty": at(RECORD, b"", 0, USER1),
    "record-digest-alone": at(RECORD, bytes(16), 0, USER1),
    "record-head-alone": at(RECORD, bytes(17), 0, USER1),
    "record-signed": at(RECORD, row(), SIGNED, USER1),
    "record-flag-without-long-key": at(RECORD, row(flags=1, full=USER1), SIGNED, USER1),
    "record-flags-unknown": at(RECORD, row(flags=0xfe), SIGNED, USER1),
    "record-full-key-length-wraps": at(RECORD, bytes(16) + u8(1) + u32(2**32 - 1) + b"x", SIGNED, USER1),
    "record-key-without-table": at(RECORD, row(), SIGNED, b"user9"),
    "record-key-without-name": at(RECORD, row(), SIGNED, b"principal\0"),
    "record-key-with-long-table": at(RECORD, row(), SIGNED, b"t" * 40 + b"\0k"),
    "record-key-of-another-order": at(RECORD, row(), SIGNED, b"\0k"),
    "record-key-is-a-prefix": at(RECORD, row(), SIGNED, b"principal\0user"),
    "journal-empty": at(JOURNAL, b"", 0),
    "journal-chain-alone": at(JOURNAL, bytes(32), 0),
    "journal-as-if-the-host-had-it": at(JOURNAL, bytes(48), 0),
    "journal-signed": at(JOURNAL, bytes(32) + commit(seq=6, cumulative=5), SIGNED),
    "journal-wrong-seq": at(JOURNAL, bytes(32) + commit(seq=9, cumulative=5), SIGNED),
    "journal-cumulative-falls": at(JOURNAL, bytes(32) + commit(seq=6, cumulative=0), SIGNED),
    "journal-count-above-changes": at(JOURNAL, bytes(32) + commit(seq=6, count=65536), SIGNED),
    "journal-reset": at(JOURNAL, bytes(32) + commit(seq=6, kind=2, changes=u64(5) + bytes(32)), SIGNED),
    "state-empty": at(STATE, b"", 0),
    "state-signed": at(STATE, state(), SIGNED),
    "state-short": at(STATE, state()[:-1], SIGNED),
    "state-role-unknown": at(STATE, state(role=9), SIGNED),
    "state-live-unknown": at(STATE, state(live=2), SIGNED),
    "state-live-other": at(STATE, state(live=1), SIGNED),
    "state-other-unknown": at(STATE, state(other=200), SIGNED),
    "state-seq-highest": at(STATE, state(seq=2**64 - 1), SIGNED),
    "state-journal-begins-behind-its-end": at(STATE, state(first=2**63), SIGNED),
    "state-journal-begins-at-zero": at(STATE, state(first=0), SIGNED),
    "state-nothing-yet": at(STATE, state(seq=0, epoch=0, records=0, cumulative=0), SIGNED),
    "state-records-highest": at(STATE, state(records=2**64 - 1), SIGNED),
    "state-version-zero": at(STATE, state(version=0), SIGNED),
    "id-empty": meta("id", b""),
    "id-17": meta("id", bytes(17)),
    "ancestors-empty": meta("ancestors", b""),
    "ancestors-count-above-length": meta("ancestors", u16(65535) + position()),
    "ancestors-one": meta("ancestors", u16(1) + position()),
    "retention-short": meta("retention", bytes(31)),
    "retention-highest": meta("retention", b"\xff" * 32),
    "slots-highest": meta("slots", b"\xff" * 8),
    "slots-long": meta("slots", bytes(9)),
    "fork-short": meta("fork", position()),
    "fork-at-position": meta("fork", position(b"\x01" * 16, 1, 6) + u64(2**64 - 1) + bytes(32)),
    "give-up-who-cut": meta("give_up", position() + u64(1) + u16(500) + b"me"),
    "format-empty": meta("format", b""),
    "format-zero": meta("format", u32(0)),
    "format-newer": meta("format", u32(2)),
    "slot-good": at(SLOT, slot(), 0, b"krbrepl/a@B"),
    "slot-empty": at(SLOT, b"", 0, b"krbrepl/a@B"),
    "slot-principal-too-long": at(SLOT, slot(b"p" * 1025), 0, b"p"),
    "slot-principal-with-nul": at(SLOT, slot(b"a\0b"), 0, b"a"),
    "slot-principal-length-wraps": at(SLOT, u16(65535) + b"a", 0, b"a"),
    "slot-longer": at(SLOT, slot(more=bytes(40)), 0, b"krbrepl/a@B"),
    "chain-short": at(CHAIN, bytes(31), 0),
    "chain-good": at(CHAIN, bytes(32), 0),
}

# ---- what people and other programs write -------------------------------------------------------------

ACL = {
    "good": b"# replicas\n\nkrbrepl/a.example.org@EXAMPLE.ORG\n  krbrepl/b@EXAMPLE.ORG\t\r\n",
    "without-realm": b"krbrepl/a\n",
    "prefix-of-another": b"krbrepl/a\nkrbrepl/a.example.org\n",
    "pattern": b"*\n",
    "pattern-inside": b"krbrepl/*@EXAMPLE.ORG\n",
    "two-realms": b"a@B@C\n",
    "realm-empty": b"krbrepl/a@\n",
    "name-empty": b"@EXAMPLE.ORG\n",
    "second-word": b"krbrepl/a@EXAMPLE.ORG aes256-cts\n",
    "nul-inside": b"krbrepl/a@EXAMPLE.ORG\0.evil\n",
    "nul-in-last-line": b"krbrepl/a@EXAMPLE.ORG\0.evil",
    "nul-first": b"\0krbrepl/a\n",
    "no-newline": b"krbrepl/a@EXAMPLE.ORG",
    "escaped-at": b"a\\@b@EXAMPLE.ORG\n",
    "backslash-last": b"krbrepl/a\\",
    "longest-line": b"p" * 1023 + b"\n",
    "too-long-line": b"p" * 5000 + b"\n",
    "comment-alone": b"#\n",
    "empty": b"",
    "control-character-behind-backslash": b"a\\\x01b@EXAMPLE.ORG\n",
    "control-character": b"krbrepl/\x1b[2Ja@EXAMPLE.ORG\n",
}

CONF = {
    "good": b"[krbrepl]\n\tstore = /var/lib/krbrepl\n\tlisten = 0.0.0.0:2121\n\tlisten = [::]:2121\n"
            b"\tkeep_entries = 1000\n\tkeep_bytes = 64 MiB\n\ttime_gone = 1 min 30 s\n\tdetach = yes\n"
            b"\tdatabase_id = 000102030405060708090a0b0c0d0e0f\n",
    "of-a-realm": b"[krbrepl]\n\tEXAMPLE.ORG = {\n\t\tstore = /a\n\t}\n\tstore = /b\n",
    "kdc": b"[realms]\n\tEXAMPLE.ORG = {\n\t\tkey_stash_file = FILE:/etc/stash\n\t}\n",
    "value-empty": b"[krbrepl]\n\tstore =\n\tkeep_entries =\n",
    "value-quoted": b"[krbrepl]\n\tstore = \"a\\tb\\n\"\n",
    "number-wraps": b"[krbrepl]\n\tkeep_entries = 18446744073709551616\n",
    "size-wraps": b"[krbrepl]\n\tkeep_bytes = 18014398509481984 KiB\n",
    "time-wraps": b"[krbrepl]\n\ttime_gone = 9223372036854775807 y\n",
    "id-short": b"[krbrepl]\n\tdatabase_id = 00\n",
    "brace-open": b"[krbrepl]\n\tEXAMPLE.ORG = {\n",
    "brace-twice": b"[krbrepl]\n\tEXAMPLE.ORG = {\n\tstore = {\n\t}\n\t}\n",
    "section-open": b"[krbrepl\nstore = a\n",
    "no-section": b"store = a\n",
    "final": b"[krbrepl]*\n\tstore* = a\n\tstore = b\n",
}

NATIVE_HEAD = (b"krbrepl-dump 1\ndatabase 0x000102030405060708090a0b0c0d0e0f\n"
               b"position 7 1 0x00112233445566778899aabbccddeeff 0x00\n")


def native(body, end=None):
    text = NATIVE_HEAD + body
    if end is None:
        end = b"end %d 0x%s\n" % (body.count(b"\n"), hashlib.sha256(text).hexdigest().encode())
    return text + end


NATIVE = {
    "good": native(b'put policy "default" 0x0001\nput principal "a b@X" ""\n'),
    "records": b'+put policy "default" 0x0001\nput principal "a b@X" "v"\n',
    "count-above-records": native(b'put a "b" ""\n', b"end 2 0x" + b"00" * 32 + b"\n"),
    "count-wraps": native(b'put a "b" ""\n', b"end 18446744073709551617 0x" + b"00" * 32 + b"\n"),
    "count-longest-word": native(b"", b"end " + b"1" * 40 + b" 0x" + b"00" * 32 + b"\n"),
    "count-empty": native(b"", b'end "" 0x' + b"00" * 32 + b"\n"),
    "digest-short": native(b"", b"end 0 0x00\n"),
    "cut": native(b'put a "b" ""\n')[:-70],
    "no-last-newline": native(b"")[:-1],
    "end-twice": native(b"") + b"end 0 0x00\n",
    "table-longest": b"+put " + b"t" * 32 + b' "k" ""\n',
    "table-too-long": b"+put " + b"t" * 33 + b' "k" ""\n',
    "table-with-nul": b'+put "a\\x00b" "k" ""\n',
    "hex-odd": b"+put a 0x123 0x\n",
    "hex-cut": b"+put a 0x1\n",
    "quote-open": b'+put a "b\n',
    "escape-cut": b'+put a "b\\x0" ""\n',
    "escape-last": b'+put a "b\\\n',
    "five-words": b'+put a "b" "c" "d"\n',
    "six-words": b'+put a "b" "c" "d" "e"\n',
    "blank-line": b"+\n\n",
    "end-as-record": b'+end 0 0x00\nput a "b" ""\n',
    "magic-alone": b"krbrepl-dump 1\n",
    "version-missing": b"krbrepl-dump \n",
    "version-2": b"krbrepl-dump 2\n",
    "nul-in-magic": b"krbrepl-dump 1\0\n",
}

OPTS = {
    "good": b"--store\0/a\0-d\0--entries=7\0-b64M\0dir\0",
    "value-missing": b"--store\0",
    "value-empty": b"--store=\0",
    "prefix-of-a-name": b"--stor\0/a\0",
    "longer-than-a-name": b"--storex\0/a\0",
    "flag-with-value": b"--detach=yes\0",
    "letters-together": b"-dds\0/a\0",
    "letter-with-value": b"-t5min\0x\0",
    "number-wraps": b"-e\00018446744073709551616\0",
    "size-wraps": b"-b\00018446744073709551615T\0",
    "id-short": b"-i\0" + b"0" * 31 + b"\0",
    "id-good": b"-i\0" + b"0f" * 16 + b"\0",
    "list": b"-la\0-lb\0-lc\0x\0",
    "dashes": b"--\0--store\0a\0",
    "dash": b"-\0",
    "help": b"--help\0",
    "empty-word": b"\0\0\0",
    "too-many": b"a\0b\0c\0",
    "option-behind-operand": b"a\0--detach\0c\0",
}

TEXT = {
    "number": b"300", "time": b"1 h 30 min", "time-plural": b"2 days, 3 hours", "size": b"256 MiB",
    "number-highest": b"18446744073709551615", "number-wraps": b"18446744073709551616",
    "time-longest": b"9223372036854775 s", "time-wraps": b"9223372036854776 s",
    "sum-wraps": b"292471 y 292471 y", "unit-alone": b"min", "unit-unknown": b"5 parsecs", "bare-second": b"5 3 min",
    "size-wraps": b"16777216 T", "size-largest": b"16777215 T", "negative": b"-1", "hex": b"0x10", "blank": b" , ",
    "empty": b"", "month": b"1 month", "ms": b"5ms", "s-alone": b"5 s s",
    "address": b"127.0.0.1:2121", "address-6": b"[::1]:2121", "address-6-bare": b"::1",
    "address-any": b"*:2121", "port-empty": b"127.0.0.1:", "port-wraps": b"127.0.0.1:65537",
    "bracket-open": b"[::1", "bracket-more": b"[::1]x", "bracket-empty": b"[]:1", "host-longest": b"h" * 255,
    "host-too-long": b"h" * 256, "port-long": b"h:" + b"1" * 32,
}

TOKEN = {
    "batch": b'put principal a@B "v"\ndelete policy 0x6162\ncommit "why \\" \\\\ \\n \\t \\r \\x7f"\n',
    "hex-empty": b"0x\n", "hex-odd": b"0x1\n", "hex-not": b"0xgg\n", "hex-upper": b"0XAB\n",
    "quote-open": b'"a\n', "quote-empty": b'""\n', "quote-then-word": b'"a"b\n', "escape-unknown": b'"\\q"\n',
    "escape-cut": b'"\\x\n', "escape-half": b'"\\x1"\n', "escape-last": b'"\\\n', "nul": b"a\0b\n", "nul-quoted": b'"a\0b"\n',
    "not-ascii": b'"\xc3\xa9" \xc3\xa9\n', "utf8-cut": b'"\xc3"\n', "blanks": b" \t \n", "no-newline": b"put",
    "looks-like-hex": b'"0x12"\n', "many": b"a " * 200 + b"\n",
}


def keytab_entry(kvno=1, realm=b"EXAMPLE.ORG", parts=(b"K", b"M"), count=None, key=b"k" * 32, more=b""):
    return (u16(len(parts) if count is None else count) + vec16(realm) + b"".join(vec16(p) for p in parts)
            + u32(1) + u32(0) + u8(kvno & 255) + u16(18) + vec16(key) + more)


def keytab(*slots):
    return b"\x05\x02" + b"".join(slots)


STASH = {
    "good": keytab(vec32(keytab_entry())),
    "kvno-32-bits": keytab(vec32(keytab_entry(1, more=u32(300)))),
    "hole": keytab(u32(2**32 - 4) + bytes(4), vec32(keytab_entry(2))),
    "hole-longest": keytab(u32(2**31)),
    "hole-above-end": keytab(u32(2**32 - 400), bytes(4)),
    "size-zero": keytab(u32(0), vec32(keytab_entry())),
    "size-above-end": keytab(u32(2**31 - 1), keytab_entry()),
    "count-above-parts": keytab(vec32(keytab_entry(count=65535))),
    "count-zero": keytab(vec32(keytab_entry(count=0))),
    "count-negative": keytab(vec32(keytab_entry(count=65534))),
    "key-length-above-end": keytab(vec32(keytab_entry()[:-33] + u16(65535) + b"k")),
    "realm-prefix": keytab(vec32(keytab_entry(realm=b"EXAMPLE.ORG.EVIL"))),
    "realm-shorter": keytab(vec32(keytab_entry(realm=b"EXAMPLE"))),
    "name-prefix": keytab(vec32(keytab_entry(parts=(b"K", b"Mx")))),
    "name-with-nul": keytab(vec32(keytab_entry(parts=(b"K\0", b"M")))),
    "format-1": b"\x05\x01" + vec32(keytab_entry()),
    "version-alone": b"\x05",
    "empty": b"",
}

# ---- MIT dumps ----------------------------------------------------------------------------------------

DUMP7 = b"kdb5_util load_dump version 7\n"


def princ(*numbers, name=b"a@B", tail=b"-1;"):
    words = [b"%d" % n if isinstance(n, int) else n for n in numbers]
    return DUMP7 + b"princ\t" + b"\t".join(words) + b"\t" + name + b"\t" + b"\t".join([b"0"] * 8) + b"\t" + tail + b"\n"


DUMP = {
    "keys-above-line": princ(38, 3, 0, 65535, 0),
    "keys-wrap": princ(38, 3, 0, 4294967297, 0),
    "keys-negative": princ(38, 3, 0, -1, 0),
    "tl-data-above-line": princ(38, 3, 65535, 0, 0),
    "tl-data-wraps": princ(38, 3, 32768, 0, 0),
    "name-length-above-name": princ(38, 4096, 0, 0, 0),
    "name-length-below-name": princ(38, 1, 0, 0, 0),
    "name-length-zero": princ(38, 0, 0, 0, 0, name=b""),
    "name-length-negative": princ(38, -1, 0, 0, 0),
    "extra-length-wraps": princ(38, 3, 0, 0, 4294967295),
    "data-length-above-data": princ(38, 3, 1, 0, 0, tail=b"2\t65535\t00\t-1;"),
    "data-odd": princ(38, 3, 1, 0, 0, tail=b"2\t1\t0\t-1;"),
    "name-with-nul": princ(38, 3, 0, 0, 0, name=b"a\0B"),
    "no-semicolon": princ(38, 3, 0, 0, 0, tail=b"-1"),
    "no-newline": princ(38, 3, 0, 0, 0)[:-1],
    "header-alone": DUMP7,
    "header-cut": DUMP7[:-2],
    "version-empty": b"kdb5_util load_dump version \n",
    "version-0": b"kdb5_util load_dump version 0\n",
    "version-wraps": b"kdb5_util load_dump version 4294967303\n",
    "iprop-empty": b"iprop\n",
    "iprop-numbers-wrap": b"iprop 99999999999999999999 99999999999999999999 99999999999999999999\n",
    "policy-name-empty": DUMP7 + b"policy\t\t1\t2\t3\t4\t5\t6\n",
    "policy-numbers-wrap": DUMP7 + b"policy\tp\t99999999999\t-99999999999\t3\t4\t5\t6\t7\t8\t9\t0\t0\t0\t-\t0\n",
    "record-unknown": DUMP7 + b"princess\t1\n",
}

# A record: docs/records-mit.md, sections 2 and 3.
PRINC = u8(1) + u8(0) + u16(38) + bytes(20)
POLICY = u8(1) + u8(1) + bytes(48)
RECORD_SEEDS = {
    "principal-tagged-count-above-length": b"p" + PRINC + u16(32767) + u16(0) + vec16(b""),
    "principal-key-count-above-length": b"p" + PRINC + u16(0) + u16(32767) + vec16(b""),
    "principal-counts-wrap": b"p" + PRINC + u16(65535) + u16(65535) + vec16(b""),
    "principal-key-version-zero": b"p" + PRINC + u16(0) + u16(1) + u8(0) + u16(1) + vec16(b""),
    "principal-key-version-3": b"p" + PRINC + u16(0) + u16(1) + u8(3) + u16(1) + bytes(12) + vec16(b""),
    "principal-data-length-above-end": b"p" + PRINC + u16(1) + u16(2) + u16(65535) + b"x",
    "principal-policy-name-unterminated": b"p" + PRINC + u16(1) + u16(3) + vec16(
        bytes.fromhex("12345c01") + u32(2**32 - 1) + b"pol") + u16(0) + vec16(b""),
    "principal-more-behind": b"p" + PRINC + u16(0) + u16(0) + vec16(b"") + b"x",
    "principal-cut": b"p" + PRINC,
    "principal-version-zero": b"p" + u8(0) + PRINC[1:],
    "principal-version-missing": b"p",
    "policy-version-missing": b"o",
    "policy-version-255": b"o" + u8(255) + bytes(60),
    "policy-keysalts-empty": b"o" + POLICY + u16(0) + u16(0),
    "policy-keysalts-with-nul": b"o" + POLICY + vec16(b"aes\0x") + u16(0),
    "policy-keysalts-length-above-end": b"o" + POLICY + u16(65535) + b"aes",
    "policy-count-above-length": b"o" + POLICY + vec16(b"aes") + u16(32767),
}


# ---- Kerberos on the channel of iprop: RFC 4120 ----------------------------------------------------------


def der(tag, content):
    """One element, its length in the shortest form."""
    n = len(content)
    if n < 128:
        length = u8(n)
    elif n < 256:
        length = b"\x81" + u8(n)
    else:
        length = b"\x82" + u16(n)
    return u8(tag) + length + content


def ctx(n, *content):
    return der(0xA0 + n, b"".join(content))


def seq(*content):
    return der(0x30, b"".join(content))


def number(n):
    return der(2, u8(n))


def text(b):
    return der(0x1B, b)


def address(kind, b):
    return seq(ctx(0, number(kind)), ctx(1, der(4, b)))


def krb_error(*fields, pvno=5, kind=30):
    return der(0x7E, seq(ctx(0, number(pvno)), ctx(1, number(kind)), *fields))


def krb_priv(etype=18, cipher=bytes(40), pvno=5, more=b""):
    return der(0x75, seq(ctx(0, number(pvno)), ctx(1, number(21)),
                         ctx(3, seq(ctx(0, number(etype)), ctx(2, der(4, cipher)))), more))


def priv_part(*fields):
    return der(0x7C, seq(*fields))


KRB_TIME = der(0x18, b"20310203235959Z")
KRB_DATA = ctx(0, der(4, b"\0\0\0\1message"))
KRBPRIV = {
    "error": krb_error(ctx(4, KRB_TIME), ctx(5, number(1)), ctx(6, number(60)), ctx(9, text(b"A.TEST")),
                       ctx(10, seq(ctx(0, number(1)), ctx(1, seq(text(b"iprop"), text(b"a"))))),
                       ctx(11, text(b"not on the list"))),
    "error-code-alone": krb_error(ctx(6, number(1))),
    "error-code-missing": krb_error(ctx(11, text(b"why"))),
    "error-code-twice": krb_error(ctx(6, number(1)), ctx(6, number(2))),
    "error-text-with-controls": krb_error(ctx(6, number(1)), ctx(11, text(b"a\n\x1b[2J\0b\xff"))),
    "error-text-above-room": krb_error(ctx(6, number(1)), ctx(11, text(b"x" * 101))),
    "error-text-empty": krb_error(ctx(6, number(1)), ctx(11, text(b""))),
    "error-text-of-another-type": krb_error(ctx(6, number(1)), ctx(11, number(3))),
    "error-length-above-end": krb_error(ctx(6, number(1)))[:-1],
    "priv": krb_priv(),
    "priv-cipher-empty": krb_priv(cipher=b""),
    "priv-cipher-short": krb_priv(cipher=b"x"),
    "priv-etype-of-another-key": krb_priv(etype=17),
    "priv-version-four": krb_priv(pvno=4),
    "priv-more-behind": krb_priv() + b"\0",
    "part": priv_part(KRB_DATA, ctx(1, KRB_TIME), ctx(2, number(7)), ctx(4, address(2, bytes(4))),
                      ctx(5, address(24, bytes(16)))),
    "part-time-missing": priv_part(KRB_DATA, ctx(4, address(2, bytes(4)))),
    "part-data-missing": priv_part(ctx(1, KRB_TIME)),
    "part-data-empty": priv_part(ctx(0, der(4, b"")), ctx(1, KRB_TIME)),
    "part-time-before-1970": priv_part(KRB_DATA, ctx(1, der(0x18, b"19691231235959Z"))),
    "part-month-thirteen": priv_part(KRB_DATA, ctx(1, der(0x18, b"20311303235959Z"))),
    "part-february-31": priv_part(KRB_DATA, ctx(1, der(0x18, b"20310231235960Z"))),
    "part-year-9999": priv_part(KRB_DATA, ctx(1, der(0x18, b"99991231235959Z"))),
    "part-microseconds-above-a-second": priv_part(KRB_DATA, ctx(1, KRB_TIME), ctx(2, der(2, b"\x0f\x42\x40"))),
    "part-address-of-five-bytes": priv_part(KRB_DATA, ctx(1, KRB_TIME), ctx(4, address(2, bytes(5)))),
    "part-address-unknown": priv_part(KRB_DATA, ctx(1, KRB_TIME), ctx(4, address(3, bytes(4)))),
    "part-address-list": priv_part(KRB_DATA, ctx(1, KRB_TIME), ctx(4, seq(address(2, bytes(4))))),
    "part-more-behind": priv_part(KRB_DATA, ctx(1, KRB_TIME)) + b"\0",
}


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else HERE
    write(root, "corpus/message", message_seeds())
    write(root, "corpus/frame", FRAMES)
    write(root, "corpus/commit", COMMIT_SEEDS)
    write(root, "corpus/master", master_seeds())
    write(root, "corpus/replica", replica_seeds())
    write(root, "corpus/clear", CLEAR)
    write(root, "corpus/channel", CHANNEL)
    write(root, "corpus/control", CONTROL)
    write(root, "corpus/krbpriv", KRBPRIV)
    write(root, "corpus/store", STORE)
    write(root, "programs/acl", ACL)
    write(root, "programs/conf", CONF)
    write(root, "programs/native", NATIVE)
    write(root, "programs/opts", OPTS)
    write(root, "programs/text", TEXT)
    write(root, "programs/token", TOKEN)
    write(root, "mit/stash", STASH)
    write(root, "mit/dump", DUMP)
    write(root, "mit/record", RECORD_SEEDS)


if __name__ == "__main__":
    main()
