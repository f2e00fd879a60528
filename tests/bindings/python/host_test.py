"""What the Python binding promises of stores whose records are in a database of the program's own: here a dict, as the
master's and as the replica's, inside of the realm of tests/common/realm.sh."""

import gc
import os
import sys
import weakref

import krbrepl
import node_test
from runner import check, equal, main, raises, scratch, until


class _Oops(Exception):
    pass


class _Dict(krbrepl.Store):
    """Raises `fault` instead of doing what `broken` names."""

    def __init__(self):
        self.records = {}
        self.pos = None
        self.broken = self.fault = None
        self.applied = []

    def may(self, what):
        if what == self.broken:
            raise self.fault

    def change(self, records, change):
        if change.op == krbrepl.Op.PUT:
            records[change.table, change.key] = change.value
        else:
            records.pop((change.table, change.key), None)

    def get(self, table, key):
        self.may("get")
        return self.records.get((table, key))

    def apply(self, changes, pos):
        self.may("apply")
        for change in changes:
            self.change(self.records, change)
        self.pos = pos or self.pos
        self.applied.append(len(changes))


class _Importing(_Dict):
    new = None
    imports = 0

    def import_begin(self):
        self.may("import_begin")
        self.new = {}

    def import_change(self, change):
        self.may("import_change")
        self.change(self.new, change)

    def import_commit(self, pos):
        self.may("import_commit")
        self.records, self.new, self.pos = self.new, None, pos
        self.imports += 1

    def import_abort(self):
        self.new = None


class _Stepping(_Importing):
    """Takes over a record a step."""

    steps = 0

    def import_step(self):
        self.may("import_step")
        self.steps += 1
        missing = [key for key in self.new if self.records.get(key) != self.new[key]]
        for key in missing[:1]:
            self.records[key] = self.new[key]
        return len(missing) > 1


def _open(db, dir=None, master=True):
    dir = dir or os.path.join(scratch(), "store")
    krbrepl.create(dir, master=master, hosted=True)
    return krbrepl.DirStore(dir, host=db)


def _put(store, key, value):
    with store.begin(who="tester") as txn:
        txn.put("principal", key, value)
    return txn.pos


class _Pair(node_test._Pair):
    def __init__(self, db=_Importing, **more):
        self.dbs = {True: _Dict(), False: db()}
        super().__init__(**more)

    def trim(self):
        """From now on the master keeps hardly any journal: a replica that is new is copied."""
        self.master_store.set_retention(krbrepl.Retention(entries=1))

    def _store(self, dir, master):
        return _open(self.dbs[master], dir, master)


def what_is_committed_is_in_the_database():
    db = _Dict()
    with _open(db) as store:
        with store.begin() as txn:
            txn.put("principal", b"alice", b"k\0y")
            txn.put("principal", b"bob", b"")
        equal((db.records, db.pos), ({("principal", b"alice"): b"k\0y", ("principal", b"bob"): b""}, txn.pos))
        with store.begin() as txn:
            equal(txn.delete("principal", b"bob"), True)
        equal(list(db.records), [("principal", b"alice")])
        with store.view() as view:
            equal([record.value for record in view.records("principal")], [b"k\0y"])
            equal((view.get("principal", b"alice"), view.get("principal", b"bob")), (b"k\0y", None))
            equal(view.digest().records, 1)
        check(store.info().flags & krbrepl.StoreFlag.HOSTED)


def what_get_and_apply_raise_comes_out_of_the_outer_call():
    db = _Dict()
    with _open(db) as store:
        pos = _put(store, b"a", b"1")
        db.broken, db.fault = "apply", _Oops("mine")
        check(raises(_Oops, _put, store, b"a", b"2") is db.fault)
        db.broken, db.fault = None, None
        with store.begin() as txn:
            equal(txn.get("principal", b"a"), b"1")
        equal((store.info().pos, db.records["principal", b"a"]), (pos, b"1"))
        for mine in (_Oops("mine"), KeyboardInterrupt()):
            db.broken, db.fault = "get", mine
            with store.view() as view:
                check(raises(type(mine), view.get, "principal", b"a") is mine)
                check(raises(type(mine), view.digest) is mine)
                check(raises(type(mine), view.each, lambda _: None) is mine)
            db.broken = None
            with store.view() as view:
                equal(view.get("principal", b"a"), b"1")


def a_callback_that_uses_the_same_store_is_refused():
    class Asks(_Dict):
        store = None

        def get(self, table, key):
            if self.store is not None:
                self.store.info()
            return super().get(table, key)

    db = Asks()
    with _open(db) as store:
        _put(store, b"a", b"1")
        with store.view() as view:
            equal(view.get("principal", b"a"), b"1")
        db.store = store
        with store.view() as view:
            raises(krbrepl.StateError, view.get, "principal", b"a")
        db.store = None


def a_prepared_commit_is_written_by_the_program():
    db = _Dict()
    with _open(db) as store:
        with store.begin() as txn:
            txn.put("principal", b"a", b"1")
            txn.prepare()
            equal(db.records, {})
            raises(krbrepl.StateError, txn.put, "principal", b"b", b"1")
            db.records["principal", b"a"] = b"1"
        equal((store.info().pos, db.applied), (txn.pos, []))
        # Nothing was written: the commit never happened.
        txn = store.begin()
        txn.put("principal", b"a", b"2")
        txn.prepare()
        txn.abort()
        equal(_put(store, b"z", b"1").seq, 3)
        with store.view() as view:
            equal(view.get("principal", b"a"), b"1")
        # It was written after all: the commit counts.
        txn = store.begin()
        txn.put("principal", b"a", b"3")
        txn.prepare()
        db.records["principal", b"a"] = b"3"
        txn.abort()
        equal(_put(store, b"z", b"2").seq, 5)
        equal([c.changes[0].value for c in store.commits(4, 4)], [b"3"])
    dir = os.path.join(scratch(), "own")
    krbrepl.create(dir, master=True)
    with krbrepl.DirStore(dir) as store:
        txn = store.begin()
        txn.put("principal", b"a", b"1")
        raises(krbrepl.StateError, txn.prepare)
        txn.abort()


def a_database_with_a_part_of_an_import_is_refused():
    class Part(_Dict):
        def import_begin(self):
            pass

    dir = os.path.join(scratch(), "store")
    krbrepl.create(dir, master=True, hosted=True)
    check("import_commit" in str(raises(krbrepl.Invalid, krbrepl.DirStore, dir, host=Part())))


def the_database_is_kept_for_as_long_as_the_store_is_open():
    db = _Dict()
    there = weakref.ref(db)
    store = _open(db)
    del db
    gc.collect()
    _put(store, b"a", b"1")
    with store.view() as view:
        equal(view.get("principal", b"a"), b"1")
    store.close()
    del store, view
    gc.collect()
    equal(there(), None)


def commits_and_a_full_copy_arrive_in_the_database_of_a_replica():
    for kind in (_Importing, _Stepping, _Dict):
        with _Pair(kind) as p:
            p.trim()
            for i in range(100):
                pos = p.commit(b"before %d" % i, b"%d" % i)
            p.start()
            p.master.spawn()
            p.replica.spawn()
            check(p.arrived(pos))
            pos = p.commit(b"alice", b"secret")
            check(p.arrived(pos))
            equal(p.dbs[False].records, p.dbs[True].records)
            equal((len(p.dbs[False].records), p.dbs[False].pos), (101, pos))
            equal(krbrepl.prove(p.replica_store.dir, timeout=60).differed, 0)
            equal(getattr(p.dbs[False], "imports", None), 1 if kind is not _Dict else None)
            equal(getattr(p.dbs[False], "steps", None), 100 if kind is _Stepping else None)
            equal(p.replica.status().copies_in, 1)
            p.replica.check()
            p.master.check()


def what_the_database_raises_in_a_node_comes_out_of_the_call_that_drives_it():
    for broken in ("import_begin", "import_change", "import_step", "import_commit"):
        with _Pair(_Stepping) as p:
            mine = _Oops(broken)
            p.dbs[False].broken, p.dbs[False].fault = broken, mine
            p.trim()
            for i in range(100):
                p.commit(b"alice", b"secret %d" % i)
            p.start()
            p.master.spawn()
            check(raises(_Oops, until, lambda: node_test._turn(p.replica), "the exception") is mine)
            p.dbs[False].broken = None
            until(lambda: node_test._turn(p.replica) or p.dbs[False].records == p.dbs[True].records, "the copy")


class _Tearing(_Importing):
    """A write that fails takes another record with it."""

    flags = krbrepl.HostFlag.TEARS
    tear = None

    def apply(self, changes, pos):
        if self.tear is not None:
            mine, self.tear = self.tear, None
            del self.records["principal", b"a"]
            raise mine
        super().apply(changes, pos)


def a_write_that_tears_the_database_of_a_replica_is_mended_by_a_copy():
    with _Pair(_Tearing) as p:
        p.start()
        p.master.spawn()
        p.replica.spawn()
        p.commit(b"a", b"1")
        check(p.arrived(p.commit(b"b", b"1")))
        mine = p.dbs[False].tear = krbrepl.Corrupt("the write has failed half-way")
        pos = p.commit(b"b", b"2")
        until(lambda: p.dbs[False].tear is None, "the write fails")
        check(p.arrived(pos))
        equal(p.dbs[False].records, p.dbs[True].records)
        check(raises(krbrepl.Corrupt, p.replica.check) is mine)


class _Journal(krbrepl.Store):
    def __init__(self):
        self.commits = {}
        self.fault = None

    def journal_append(self, first, commits):
        if self.fault:
            raise self.fault
        self.commits = {seq: commit for seq, commit in self.commits.items() if seq < first}
        self.commits.update(enumerate(commits, first))

    def journal_read(self, seq):
        return self.commits.get(seq)

    def journal_cut(self, first, last):
        self.commits = {seq: commit for seq, commit in self.commits.items() if first <= seq <= last}


class _Both(_Journal, _Dict):
    def __init__(self):
        _Dict.__init__(self)
        _Journal.__init__(self)


class _HalfAJournal(krbrepl.Store):
    def journal_read(self, seq):
        return None


def commits_are_in_the_journal_of_the_program():
    for kind, hosted in ((_Journal, False), (_Both, True)):
        db, dir = kind(), os.path.join(scratch(), "store")
        krbrepl.create(dir, master=True, journaled=True, hosted=hosted)
        with krbrepl.DirStore(dir, host=db) as store:
            _put(store, b"a", b"1")
            pos = _put(store, b"a", b"2")
            equal(sorted(db.commits), [1, 2, 3])
            equal([commit.pos.seq for commit in store.commits()], [1, 2, 3])
            check(store.info().flags & krbrepl.StoreFlag.JOURNALED)
            db.fault = _Oops("mine")
            check(raises(_Oops, _put, store, b"a", b"3") is db.fault)
            db.fault = None
            equal(store.info().pos, pos)
            db.commits[2] = db.commits[3]
            raises(krbrepl.Corrupt, lambda: list(store.commits()))
        with krbrepl.DirStore(dir) as store:
            raises(krbrepl.StateError, lambda: list(store.commits()))
        raises(krbrepl.Invalid, krbrepl.DirStore, dir, host=_HalfAJournal())


def what_the_database_raises_in_the_thread_of_the_library_waits_for_check():
    lost = []
    with _Pair() as p:
        p.start()
        p.master.spawn()
        p.replica.spawn()
        check(p.arrived(p.commit(b"a", b"1")))
        db = p.dbs[False]
        hook, sys.unraisablehook = sys.unraisablehook, lambda u: lost.append(type(u.exc_value))
        try:
            db.fault = _Oops("mine")
            db.broken = "apply"
            pos = p.commit(b"b", b"2")
            until(lambda: p.replica_store._use.host.of_nodes, "the exception is kept")
            equal(p.replica_store.info().pos.seq, pos.seq - 1)
            check(raises(_Oops, p.replica.check) is db.fault)
            db.broken = None
            check(p.arrived(pos))
        finally:
            sys.unraisablehook = hook
        try:
            p.replica.check()
        except _Oops:
            pass
        equal(db.records, p.dbs[True].records)
        equal(set(lost) - {_Oops}, set())


if __name__ == "__main__":
    main(sys.modules[__name__])
