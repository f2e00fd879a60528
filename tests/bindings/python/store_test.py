"""What the Python binding promises of stores: handles, errors, exceptions through C."""

import gc
import json
import os
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import krbrepl
from krbrepl import errors, values
from krbrepl._krbrepl import ffi, lib
from runner import check, equal, in_child, main, raises, scratch


class _Oops(Exception):
    pass


def _master(*keys):
    dir = os.path.join(scratch(), "master")
    krbrepl.create(dir, master=True)
    store = krbrepl.DirStore(dir)
    for key in keys:
        _put(store, key, b"value of " + key)
    return store


def _put(store, key, value):
    with store.begin(who="tester", why="a test") as txn:
        txn.put("principal", key, value)


def _keys(view, *bounds, **more):
    return b"".join(record.key for record in view.records("principal", *bounds, **more))


def a_commit_is_read_back():
    with _master() as store:
        with store.begin(who="kadmind", why="create") as txn:
            txn.put("principal", b"alice", b"k\0y")
            txn.put("principal", bytearray(b"bob"), memoryview(b""))
            equal(txn.get("principal", b"alice"), b"k\0y")
        with store.view() as view:
            equal(view.pos, txn.pos)
            equal(view.get("principal", b"alice"), b"k\0y")
            equal(view.get("principal", b"bob"), b"")
            equal(view.digest().records, 2)
        commit = list(store.commits())[-1]
        equal((commit.who, commit.why, commit.kind), ("kadmind", "create", krbrepl.CommitKind.CHANGES))
        equal(commit.changes[0], krbrepl.Change(krbrepl.Op.PUT, "principal", b"alice", b"k\0y"))
        equal(commit.pos, store.info().pos)
        equal(store.info().role, krbrepl.Role.MASTER)


def what_is_not_there_is_no_exception():
    with _master() as store:
        txn = store.begin()
        equal(txn.get("principal", b"nobody"), None)
        equal(txn.delete("principal", b"nobody"), False)
        txn.abort()
        with store.view() as view:
            equal(view.get("principal", b"nobody"), None)
        equal(store.local_get("principal", b"nobody"), None)
        equal(store.local_delete("principal", b"nobody"), False)
        equal(store.drop_slot("nobody@NOWHERE"), False)
        equal(store.slots(), [])
        equal(krbrepl.fetch_status(store.dir), None)


def a_failure_says_what_where_and_what_to_do():
    exc = raises(krbrepl.NotFound, krbrepl.DirStore, "/nothing/here")
    check("/nothing/here" in str(exc))
    equal((exc.code, exc.name, exc.advice), (-8, "NOTFOUND", krbrepl.Advice.NONE))
    with _master() as store:
        raises(krbrepl.Exists, krbrepl.create, store.dir, master=True)
        raises(krbrepl.TooBig, store.begin, who="x" * 2000)
        raises(krbrepl.Invalid, store.begin, who="a\0b")
        raises(krbrepl.Invalid, krbrepl.create, scratch(), database_id=b"short")
        txn = store.begin()
        raises(krbrepl.Invalid, txn.put, "No Table", b"k", b"v")
        raises(krbrepl.StateError, txn.put, "principal", b"k", b"v")
        txn.abort()
    other = scratch()
    krbrepl.create(other)
    with krbrepl.DirStore(other) as store:
        exc = raises(krbrepl.NotMaster, store.begin)
        check(isinstance(exc, krbrepl.OperatorError) and isinstance(exc, krbrepl.Error))


def every_number_has_a_class_below_its_advice():
    bases = {lib.KRBREPL_ADVICE_RETRY: krbrepl.RetryError, lib.KRBREPL_ADVICE_RESYNC: krbrepl.ResyncError,
             lib.KRBREPL_ADVICE_OPERATOR: krbrepl.OperatorError, lib.KRBREPL_ADVICE_BUG: krbrepl.BugError}
    numbers = {getattr(lib, name): name[len("KRBREPL_ERR_"):] for name in dir(lib) if name.startswith("KRBREPL_ERR_")}
    check(len(numbers) > 20)
    equal(set(errors.CLASSES), set(numbers))
    for number, name in numbers.items():
        cls = errors.CLASSES[number]
        equal(cls.__name__.upper(), name.replace("_", ""))
        for advice, base in bases.items():
            equal(issubclass(cls, base), lib.krbrepl_err_advice(number) == advice)
        equal(cls("text").name, name)
    equal(errors.class_of(-9999), krbrepl.Error)


def enumerations_are_those_of_the_headers():
    for cls, prefix in ((values.Advice, "ADVICE"), (values.Role, "ROLE"), (values.State, "STATE"),
                        (values.CopyReason, "COPY"), (values.Dialect, "DIALECT"), (values.Level, "LEVEL"), (values.CommitKind, "COMMIT"),
                        (values.Cause, "CAUSE"), (values.Resolve, "RESOLVE"), (values.LogLevel, "LOG")):
        found = {name[len(prefix) + 9:]: getattr(lib, name) for name in dir(lib)
                 if name.startswith(f"KRBREPL_{prefix}_") and name != "KRBREPL_COPY_REASONS"}
        mine = {member.name: member.value for member in cls if member.name in found or member.name != "NONE"}
        equal(mine, found)
    equal(values.Role(77).name, "UNKNOWN_77")


def structs_have_the_fields_of_the_headers():
    for cls, struct in ((values.Peer, "krbrepl_peer"), (values.Status, "krbrepl_status"), (values.Slot, "krbrepl_slot"),
                        (values.StoreInfo, "krbrepl_store_info"), (values.Retention, "krbrepl_retention"),
                        (values.LoadResult, "krbrepl_load_result"), (values.Position, "krbrepl_pos"),
                        (krbrepl.Proved, "krbrepl_proved")):
        theirs = [name for name, _ in ffi.typeof(struct).fields if name != "size"]
        equal(list(cls.__dataclass_fields__), theirs)


def what_a_shorter_struct_does_not_have_is_zero():
    peer = ffi.new("krbrepl_peer *")
    empty = ffi.new("char[]", b"")
    peer.principal = peer.address = peer.name = empty
    peer.applied, peer.lag_commits, peer.proved_seq = 7, 9, 11
    peer.size = ffi.offsetof("krbrepl_peer", "lag_commits")
    mine = values.from_struct(values.Peer, peer)
    equal((mine.applied, mine.lag_commits, mine.proved_seq), (7, 0, 0))


def a_walk_goes_where_it_is_sent_and_ends_when_told():
    with _master(b"a", b"b", b"c") as store, store.view() as view:
        equal(_keys(view), b"abc")
        equal(_keys(view, b"b"), b"bc")
        equal(_keys(view, b"a", b"b"), b"ab")
        equal(_keys(view, reverse=True), b"cba")
        seen = []
        equal(view.each(lambda record: seen.append(record) or len(seen) < 2), False)
        equal(len(seen), 2)
        equal(view.each(lambda record: None), True)
        equal([c.pos.seq for c in store.commits(2, 3)], [2, 3])
        equal(list(store.commits(99)), [])


def an_iterator_crosses_its_batches_without_losing_or_doubling_a_record():
    keys = [b"%04d" % i for i in range(1000)] + [b"9" * 480 + b"%03d" % i for i in range(300)]
    with _master() as store:
        with store.begin() as txn:
            for key in keys:
                txn.put("principal", key, b"x" * 5000)
        with store.view() as view:
            forward = [record.key for record in view.records("principal")]
            equal(sorted(forward), sorted(keys))
            equal([record.key for record in view.records("principal", reverse=True)], forward[::-1])
        for i in range(300):
            _put(store, b"n", b"%d" % i)
        equal([c.pos.seq for c in store.commits()], list(range(1, store.info().pos.seq + 1)))


def what_a_visitor_raises_comes_out_of_the_walk():
    mine = _Oops("mine")
    seen = []

    def visit(record):
        seen.append(record.key)
        if len(seen) == 2:
            raise mine

    def fail(_):
        raise mine

    with _master(b"a", b"b", b"c") as store, store.view() as view:
        check(raises(_Oops, view.each, visit) is mine)
        equal(seen, [b"a", b"b"])
        check(raises(_Oops, store.each_commit, fail) is mine)
        check(raises(_Oops, next, (fail(c) for c in store.commits())) is mine)
        # Not every exception is an Exception.
        raises(KeyboardInterrupt, view.each, lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
        equal(_keys(view), b"abc")


def what_progress_raises_comes_out_of_the_load():
    mine = _Oops("mine")

    def progress(phase, done, total):
        if phase == "done":
            raise mine

    with _master(b"a") as store:
        load = store.load(who="tester", progress=progress)
        equal(load.put("principal", b"x", b"9"), True)
        equal(load.put("principal", b"x", b"8"), False)
        check(raises(_Oops, load.commit) is mine)
        raises(krbrepl.StateError, load.commit)
        with store.view() as view:
            equal(_keys(view), b"x")
        with store.load() as load:
            load.put("principal", b"y", b"1")
        equal((load.result.added, load.result.deleted), (1, 1))


def exceptions_leave_nothing_behind():
    def fail(_):
        raise _Oops()

    def round():
        raises(_Oops, store.each_commit, fail)
        with store.view() as view:
            raises(_Oops, view.each, fail)
        try:
            with store.begin() as txn:
                txn.put("principal", b"b", b"2")
                raise _Oops()
        except _Oops:
            pass

    def count():
        gc.collect()
        return (sum(isinstance(o, (krbrepl.View, krbrepl.Txn, _Oops)) for o in gc.get_objects()),
                len(os.listdir("/proc/self/fd")))

    with _master(b"a") as store:
        round()
        before = count()
        for _ in range(200):
            round()
        equal(count(), before)
        equal(len(store._use.owned), 0)


def a_handle_that_is_over_refuses():
    store = _master(b"a")
    txn, view, load = store.begin(), store.view(), store.load()
    txn.commit()
    for call in (txn.commit, txn.abort, lambda: txn.put("principal", b"a", b"1"), lambda: txn.get("principal", b"a")):
        raises(krbrepl.StateError, call)
    load.abort()
    for call in (load.commit, load.abort, lambda: load.put("principal", b"a", b"1")):
        raises(krbrepl.StateError, call)
    view.close()
    view.close()
    for call in (lambda: view.get("principal", b"a"), lambda: _keys(view), view.digest, lambda: view.pos):
        raises(krbrepl.StateError, call)
    store.close()
    store.close()
    for call in (store.info, store.begin, store.view, store.load, store.promote, store.slots,
                 lambda: list(store.commits()), lambda: store.dir, lambda: krbrepl.Node(store)):
        raises(krbrepl.StateError, call)
    check(store.closed and view.closed and txn.closed and load.closed)


def a_store_that_closes_ends_what_was_opened_on_it():
    store = _master(b"a")
    view, txn, load = store.view(), store.begin(), store.load()
    txn.put("principal", b"b", b"2")
    dir = store.dir
    store.close()
    for call in (txn.commit, load.commit, view.digest):
        raises(krbrepl.StateError, call)
    with krbrepl.DirStore(dir) as store, store.view() as view:
        equal(_keys(view), b"a")


def what_is_forgotten_is_closed_and_told():
    def forget():
        store = _master(b"a")
        dir = store.dir
        view, txn = store.view(), store.begin()
        txn.put("principal", b"b", b"2")
        del store
        equal(view.get("principal", b"a"), b"value of a")
        del view, txn
        gc.collect()
        return dir

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        dir = forget()
    equal({w.category for w in warned}, {ResourceWarning})
    equal(len(warned), 3)
    with krbrepl.DirStore(dir) as store:
        _put(store, b"c", b"3")  # nobody has the writer lock
        equal(store.info().records, 2)


def a_callback_does_not_end_what_calls_it():
    with _master(b"a", b"b") as store, store.view() as view:
        seen = []

        def visit(record):
            raises(krbrepl.StateError, view.close)
            raises(krbrepl.StateError, store.close)
            equal(view.get("principal", b"b"), b"value of b")
            equal(_keys(view), b"ab")
            seen.append(record.key)

        view.each(visit)
        equal(seen, [b"a", b"b"])


def another_thread_is_refused():
    with _master(b"a") as store:
        inside, done, answers = threading.Event(), threading.Event(), []
        txn = store.begin()

        def other():
            inside.wait()
            for call in (store.info, store.close, lambda: txn.put("principal", b"x", b"1"), txn.commit):
                try:
                    answers.append(call())
                except krbrepl.Error as exc:
                    answers.append(type(exc))
            done.set()

        def visit(_):
            inside.set()
            check(done.wait(60))

        thread = threading.Thread(target=other)
        thread.start()
        store.each_commit(visit, 1, 1)
        thread.join()
        equal(answers, [krbrepl.StateError] * 4)
        # Free again, but a transaction stays with its thread.
        inside.clear()
        answers.clear()
        thread = threading.Thread(target=lambda: (inside.set(), other()))
        thread.start()
        thread.join()
        equal([answers[0].role] + answers[1:], [krbrepl.Role.MASTER] + [krbrepl.StateError] * 3)
        txn.commit()


def a_transaction_that_another_thread_forgets_is_aborted_by_its_own():
    with _master(b"a") as store:
        box = [store.begin()]
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            thread = threading.Thread(target=box.clear)
            thread.start()
            thread.join()
        equal(len(store._use.owned), 1)
        _put(store, b"b", b"2")
        equal(len(store._use.owned), 0)


def a_child_is_refused():
    store = _master(b"a")
    view, txn = store.view(), store.begin()

    def child():
        for call in (store.info, store.begin, txn.commit, lambda: txn.put("principal", b"x", b"1"),
                     lambda: view.get("principal", b"a"), lambda: _keys(view)):
            raises(krbrepl.Forked, call)
        store.close()
        with krbrepl.DirStore(dir) as own:
            equal(own.info().records, 1)

    dir = store.dir
    in_child(child)
    txn.put("principal", b"b", b"2")
    txn.commit()
    equal(_keys(view), b"a")
    store.close()


def local_entries_are_copied_out():
    with _master(b"a") as store:
        store.local_put("principal", b"a", b"x" * 3000)
        equal(store.local_get("principal", b"a"), b"x" * 3000)
        equal(store.local_delete("principal", b"a"), True)
        raises(krbrepl.TooBig, store.local_get, "principal", b"k" * 70000)


def backups_roles_and_retention_are_within_reach():
    with _master(b"a", b"b") as store:
        top = scratch()
        store.backup(Path(top) / "backup")
        krbrepl.restore(Path(top) / "backup", Path(top) / "restored", who="tester")
        with krbrepl.DirStore(Path(top) / "restored") as other, other.view() as theirs, store.view() as mine:
            equal(theirs.digest(), mine.digest())
        equal(store.demote("tester").seq, store.info().pos.seq)
        equal(store.info().role, krbrepl.Role.REPLICA)
        equal(store.promote("tester").epoch, 2)
        store.set_retention(krbrepl.Retention(entries=5))
        equal(store.info().retention_entries, 5)
        had = store.info().journal_last + 1 - store.info().journal_first
        equal(store.trim(1), had - 1)
        equal(store.info().journal_first, store.info().journal_last)
        keep = krbrepl.Retention(entries=3, slot_seconds=77)
        krbrepl.create(Path(top) / "kept", master=True, retention=keep, database_id=b"0123456789abcdef")
        with krbrepl.DirStore(Path(top) / "kept", readonly=True) as kept:
            equal((kept.info().retention_entries, kept.info().retention_slot_seconds), (3, 77))
            equal(kept.info().database_id, b"0123456789abcdef")
            raises(krbrepl.StateError, kept.begin)


def the_status_of_a_store_without_a_node_is_that_of_the_program():
    with _master(b"a") as store:
        run = [sys.executable, "-m", "krbrepl", "status", store.dir]
        mine = json.loads(subprocess.run([*run, "--json"], check=True, stdout=subprocess.PIPE).stdout)
        program = [os.environ["KRBREPL_BIN"] + "/krbrepl", "status", "--json", store.dir]
        theirs = json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)
        theirs.pop("master_key")  # of a realm of MIT krb5, of which the binding knows nothing
        theirs.pop("complaint")
        equal(mine, theirs)
        text = subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout.decode()
        check("role      master" in text and "none runs" in text)
    equal(subprocess.run([*run[:-1], "/nothing/here"], stderr=subprocess.DEVNULL).returncode, 1)
    equal(subprocess.run(run[:-2], stderr=subprocess.DEVNULL).returncode, 2)


def the_package_has_the_version_of_the_library():
    project = (Path(os.environ["KRBREPL_SOURCE"]) / "bindings/python/pyproject.toml").read_text(encoding="utf-8")
    equal(re.search(r'^version = "(.*)"$', project, flags=re.M).group(1), krbrepl.__version__)


if __name__ == "__main__":
    main(sys.modules[__name__])
