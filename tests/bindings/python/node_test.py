"""What the Python binding promises of nodes: a real master and a real replica, inside of the realm of
tests/common/realm.sh."""

import asyncio
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import warnings

import krbrepl
from krbrepl.status import Waiting
from runner import check, equal, in_child, main, raises, scratch, until

_REALM = os.environ["REALM"]
_KEYTABS = {}


class _Oops(Exception):
    pass


def _principal(name):
    return f"krbrepl/py-{name}@{_REALM}"


def _keytab(name):
    if name not in _KEYTABS:
        _KEYTABS[name] = os.path.join(os.environ["REALM_DIR"], f"py-{name}.keytab")
        subprocess.run([os.environ["REALM_SH"], "--princ", f"krbrepl/py-{name}", _KEYTABS[name]], check=True)
    return _KEYTABS[name]


def _allow(principal, address):
    return krbrepl.Allow.REPLICA if principal == _principal("replica") else 0


class _Pair:
    """A master and a replica of it on this machine, not started."""

    def __init__(self, authorize=_allow, at_replica=None, **at_master):
        top = scratch()
        self.master_store = self._store(top + "/master", master=True)
        self.replica_store = self._store(top + "/replica", master=False)
        self.master = krbrepl.Node(self.master_store, authorize=authorize, **at_master)
        self.replica = krbrepl.Node(self.replica_store, **(at_replica or {}))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.at = f"127.0.0.1:{s.getsockname()[1]}"

    def _store(self, dir, master):
        krbrepl.create(dir, master=master)
        return krbrepl.DirStore(dir)

    def start(self):
        self.start_master()
        self.start_replica()

    def start_master(self):
        self.master.start_master(listen=self.at, service=_principal("master"), keytab=_keytab("master"))

    def start_replica(self):
        self.replica.start_replica(self.at, service=_principal("master"), principal=_principal("replica"),
                                   keytab=_keytab("replica"), retry_max_ms=200)

    def commit(self, key, value):
        with self.master_store.begin(who="tester") as txn:
            txn.put("principal", key, value)
        return txn.pos

    def arrived(self, pos):
        return krbrepl.wait(self.master_store.dir, pos.seq, level=krbrepl.Level.APPLIED, timeout=60).reached

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in (self.replica, self.master, self.replica_store, self.master_store):
            one.close()


def _turn(*nodes):
    """As a program's own loop does it."""
    waits = [node.timeout for node in nodes]
    select.select(nodes, [], [], min([0.05, *(w for w in waits if w is not None)]))
    for node in nodes:
        node.process()


def commits_of_a_master_arrive_at_its_replica():
    with _Pair() as p:
        p.commit(b"before", b"1")
        p.start()
        p.master.spawn()
        p.replica.spawn()
        p.commit(b"alice", b"secret")
        pos = p.commit(b"bob", b"secret too")
        check(p.arrived(pos))
        with p.replica_store.view() as there, p.master_store.view() as here:
            equal(there.pos, pos)
            equal(there.get("principal", b"alice"), b"secret")
            equal(there.digest(), here.digest())
        equal([peer.principal for peer in p.master.peers()], [_principal("replica")])
        answer = krbrepl.fetch_status(p.replica_store.dir)
        equal((answer.status.state, answer.status.pos), (krbrepl.State.STREAMING, pos))
        p.replica.stop()
        until(lambda: [slot.principal for slot in p.master_store.slots()] == [_principal("replica")], "the slot")
        raises(krbrepl.StateError, p.master_store.reset_slot, _principal("replica"))
        equal(p.master_store.reset_slot("nobody@NOWHERE"), False)
        p.master.close()
        equal(krbrepl.fetch_status(p.master_store.dir), None)


def a_node_that_follows_a_master_of_another_kind_serves_native_replicas():
    with _Pair() as p:
        pos = p.commit(b"alice", b"secret")
        serve = krbrepl.MasterOptions(p.at, _principal("master"), _keytab("master"), repairs_max=2, heimdal=True,
                                      heimdal_service=_principal("master"), heimdal_keytab=_keytab("master"))
        p.master.start_replica("127.0.0.1:1", service=_principal("other"), principal=_principal("master"),
                               keytab=_keytab("master"), dialect=krbrepl.Dialect.HEIMDAL, replace=True, serve=serve)
        p.start_replica()
        p.master.spawn()
        p.replica.spawn()
        until(lambda: p.replica_store.info().pos == pos, "the commit arrives")
        equal(p.master.status().upstream_dialect, krbrepl.Dialect.HEIMDAL)


def a_loop_of_ones_own_drives_both():
    log, came, states = [], [], []
    with _Pair(log=lambda *line: log.append(line), peer=lambda peer, err: came.append((peer.principal, err)),
               at_replica={"state": lambda was, now, err: states.append(now)}) as p:
        p.start()
        pos = p.commit(b"alice", b"secret")
        until(lambda: _turn(p.master, p.replica) or p.replica_store.info().pos == pos, "the commit arrives")
        equal(came, [(_principal("replica"), None)])
        equal(states[-1], krbrepl.State.STREAMING)
        check(all(isinstance(level, krbrepl.LogLevel) and area and msg for level, area, msg in log) and log)
        p.replica.stop()
        equal(states[-1], krbrepl.State.STOPPED)
        until(lambda: _turn(p.master) or len(came) == 2, "the peer goes")


def a_proof_compares_what_both_have():
    told, mine = [], _Oops("mine")

    def fail(*_):
        raise mine

    with _Pair() as p:
        raises(krbrepl.NotFound, krbrepl.prove, p.master_store.dir, timeout=0.1)
        p.start()
        p.master.spawn()
        p.replica.spawn()
        pos = p.commit(b"alice", b"secret")
        check(p.arrived(pos))
        proved = krbrepl.prove(p.master_store.dir, timeout=60, progress=lambda *step: told.append(step))
        equal(proved, krbrepl.Proved(seq=pos.seq, records=1, compared=1, differed=0))
        check(told and all(isinstance(phase, str) for phase, _, _ in told))
        equal(krbrepl.prove(p.replica_store.dir, timeout=60).compared, 1)
        check(raises(_Oops, krbrepl.prove, p.master_store.dir, timeout=60, progress=fail) is mine)


def a_wait_that_is_not_fulfilled_says_so():
    with _Pair() as p:
        raises(krbrepl.NotFound, krbrepl.wait, p.master_store.dir, timeout=0.1)
        p.start_master()
        p.master.spawn()
        pos = p.commit(b"a", b"1")
        waiting = Waiting(p.master_store.dir, 0, 1, krbrepl.Level.DURABLE, 60)
        equal(waiting.look(), None)
        p.commit(b"b", b"2")
        equal(waiting.look(), None)
        equal(waiting._opt.c.seq, pos.seq)
        equal(krbrepl.wait(p.master_store.dir, pos.seq, timeout=0.6), krbrepl.Waited(False, 0))


def an_authorize_that_raises_refuses_the_peer_and_comes_out_of_process():
    mine, asked = _Oops("mine"), []

    def authorize(principal, address):
        asked.append(principal)
        raise mine

    with _Pair(authorize) as p:
        p.start()
        p.replica.spawn()
        check(raises(_Oops, until, lambda: _turn(p.master), "the exception") is mine)
        equal(asked, [_principal("replica")])
        equal(p.replica_store.info().pos.seq, 0)
        # The node goes on: what it does about that is for the program to say.
        equal(p.master.status().state, krbrepl.State.SERVING)


def what_a_callback_raises_ends_run():
    def authorize(principal, address):
        raise _Oops()

    with _Pair(authorize) as p:
        p.start()
        p.replica.spawn()
        raises(_Oops, p.master.run)
        raises(_Oops, p.master.run)


def what_a_callback_raises_in_the_thread_of_the_library_waits_for_check():
    asked = []

    def authorize(principal, address):
        asked.append(threading.get_ident())
        raise _Oops(len(asked))

    lost = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda u: lost.append(type(u.exc_value))
    try:
        with _Pair(authorize) as p:
            p.start()
            p.master.spawn()
            p.replica.spawn()
            until(lambda: asked, "the callback is called")
            check(asked[0] != threading.get_ident())
            until(lambda: p.master._events, "the exception is kept")
            raises(_Oops, p.master.check)
            until(lambda: len(asked) > 3, "the callback is called again")
            raises(_Oops, p.master.stop)
            p.master.stop()
        # Of those that came before the first was raised, none was lost.
        equal(set(lost), {_Oops})
    finally:
        sys.unraisablehook = hook


def run_ends_by_quit_from_another_thread_and_from_a_signal_handler():
    with _Pair() as p:
        p.start_master()
        ended = []
        thread = threading.Thread(target=lambda: ended.append(p.master.run()))
        thread.start()
        until(lambda: p.master._inside.calls > 0, "run is entered")
        raises(krbrepl.StateError, p.master.close)
        p.master.wake()
        p.master.quit()
        thread.join()
        equal(ended, [None])
        before = signal.signal(signal.SIGUSR1, lambda *_: p.master.quit())
        try:
            kill = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
            kill.start()
            p.master.run()
        finally:
            signal.signal(signal.SIGUSR1, before)


def a_signal_handler_that_raises_ends_run_and_wait():
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with _Pair() as p:
            p.start_master()
            for call in (p.master.run, lambda: p.master.spawn() or krbrepl.wait(p.master_store.dir, timeout=60)):
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
                raises(KeyboardInterrupt, call)
    finally:
        signal.signal(signal.SIGUSR1, before)


def a_callback_may_ask_and_not_more():
    seen = []

    def log(level, area, msg):
        if node:
            equal(node[0].status().role, krbrepl.Role.MASTER)
            node[0].peers()
            raises(krbrepl.StateError, node[0].process)
            raises(krbrepl.StateError, node[0].close)
            raises(krbrepl.StateError, node[0].stop)
            seen.append(msg)

    node = []
    with _Pair(log=log) as p:
        p.start()
        node.append(p.master)
        p.replica.spawn()
        until(lambda: _turn(p.master) or seen, "a line of the log")
        node.clear()


def a_node_that_is_closed_refuses():
    with _Pair() as p:
        raises(krbrepl.StateError, p.master_store.close)
        raises(krbrepl.StateError, p.replica.process)  # it is not running
        p.master.close()
        p.master.close()
        for call in (p.master.start_master, p.master.process, p.master.run, p.master.status, p.master.peers,
                     p.master.fileno, p.master.wake, p.master.quit, p.master.stop, p.master.spawn, p.master.check,
                     lambda: p.master.timeout):
            raises(krbrepl.StateError, call)
        check(p.master.closed)


def a_node_that_cannot_start_says_what_to_do():
    with _Pair() as p:
        check("krbrepl promote" in str(raises(krbrepl.StateError, p.replica.start_master)))
        p.start_master()
        with krbrepl.Node(p.master_store) as second:
            raises(krbrepl.Locked, second.start_master, listen=p.at, keytab=_keytab("master"))


def a_forgotten_node_is_stopped_and_told():
    p = _Pair()
    p.start_master()
    p.master.spawn()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        p.master = None
        gc.collect()
    equal([str(w.message) for w in warned], ["a Node was not closed"])
    equal(krbrepl.fetch_status(p.master_store.dir), None)
    for one in (p.replica, p.replica_store, p.master_store):
        one.close()


_FORGOTTEN = """
import atexit

@atexit.register
def nothing_is_left():  # after what the package does at the end: no thread calls into an interpreter that ends
    assert not krbrepl._own.stranded

import gc, krbrepl, sys, time
lines, box = [], []

def log(level, area, msg):
    box.clear()  # the node is forgotten in its own callback
    gc.collect()
    lines.append(msg)

def serve():
    store = krbrepl.DirStore(sys.argv[1])
    box.append(krbrepl.Node(store, authorize=lambda *_: krbrepl.Allow.REPLICA, log=log,
                            log_level=krbrepl.LogLevel.DEBUG))
    node = box[0]
    node.start_master(listen=sys.argv[2], service=sys.argv[3], keytab=sys.argv[4])
    box.append(node)
    node.spawn()

serve()
with krbrepl.DirStore(sys.argv[5]) as copy, krbrepl.Node(copy) as replica:
    replica.start_replica(sys.argv[2], service=sys.argv[3], principal=sys.argv[6], keytab=sys.argv[7])
    replica.spawn()
    while copy.info().pos.seq == 0:
        time.sleep(0.01)
assert len(lines) > 3, lines
assert not box and krbrepl._own.stranded
"""


def a_node_that_is_forgotten_in_its_own_callback_goes_on():
    with _Pair() as p:
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", _FORGOTTEN, p.master_store.dir, p.at,
                               _principal("master"), _keytab("master"), p.replica_store.dir, _principal("replica"),
                               _keytab("replica")], capture_output=True, timeout=60)
        equal((done.returncode, done.stderr), (0, b""))


def a_child_of_a_running_node_is_refused():
    def child():
        for call in (p.master.process, p.master.status, p.master.stop, p.master.run, p.master.quit):
            raises(krbrepl.Forked, call)
        p.master.close()
        check(p.master.closed)

    with _Pair() as p:
        p.start()
        in_child(child)
        p.master.spawn()
        p.replica.spawn()
        in_child(child)
        check(p.arrived(p.commit(b"after", b"the child")))


_AT_EXIT = """
import krbrepl, sys, threading
store = krbrepl.DirStore(sys.argv[1])
node = krbrepl.Node(store, authorize=lambda *_: 0, log=lambda *line: print(*line), log_level=krbrepl.LogLevel.DEBUG)
node.start_master(listen=sys.argv[2], service=sys.argv[3], keytab=sys.argv[4])
if sys.argv[5] == "spawn":
    node.spawn()
else:
    threading.Thread(target=node.run, daemon=True).start()
"""


def a_program_that_ends_with_a_live_node_ends_well():
    with _Pair() as p:
        dir = p.master_store.dir
        for how in ("spawn", "thread"):
            done = subprocess.run([sys.executable, "-c", _AT_EXIT, dir, p.at, _principal("master"),
                                   _keytab("master"), how], capture_output=True, timeout=60)
            equal((done.returncode, done.stderr), (0, b""))
            check(b"state is stopped" in done.stdout)


# ---- asyncio


def one_event_loop_drives_master_and_replica():
    async def story(p):
        # The replica finds nobody at first, and comes back when its time has come.
        p.start_replica()
        tasks = [asyncio.create_task(krbrepl.aio.run(p.replica))]
        while not warned:
            await asyncio.sleep(0.01)
        p.start_master()
        tasks.insert(0, asyncio.create_task(krbrepl.aio.run(p.master)))
        pos = p.commit(b"alice", b"secret")
        waited = await krbrepl.aio.wait(p.master_store.dir, pos.seq, level=krbrepl.Level.APPLIED, timeout=60)
        equal(waited, krbrepl.Waited(True, 1))
        equal((await krbrepl.aio.fetch_status(p.replica_store.dir)).status.pos, pos)
        with p.replica_store.view() as view:
            equal(view.get("principal", b"alice"), b"secret")
        p.master.quit()
        await tasks[0]
        tasks[1].cancel()
        equal(type((await asyncio.gather(tasks[1], return_exceptions=True))[0]), asyncio.CancelledError)
        # It can be driven again.
        again = asyncio.create_task(krbrepl.aio.run(p.master))
        p.master.reauthorize()
        await asyncio.sleep(0)
        p.master.quit()
        await again

    warned = []
    with _Pair(at_replica={"log": lambda *line: warned.append(line), "log_level": krbrepl.LogLevel.WARN}) as p:
        asyncio.run(story(p))


def what_a_callback_raises_comes_out_of_the_task():
    async def story(p, cls):
        p.start()
        other = asyncio.create_task(krbrepl.aio.run(p.replica))
        try:
            await krbrepl.aio.run(p.master)
        finally:
            other.cancel()

    for mine in (_Oops("mine"), StopIteration("mine too")):
        def authorize(principal, address):
            raise mine

        with _Pair(authorize) as p:
            if isinstance(mine, StopIteration):
                # A coroutine cannot raise it; Python says so, with the cause.
                check(raises(RuntimeError, asyncio.run, story(p, type(mine))).__cause__ is mine)
            else:
                check(raises(_Oops, asyncio.run, story(p, _Oops)) is mine)


# ---- the command


def the_status_of_a_running_node_is_that_of_the_program():
    def ask(*command):
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    with _Pair() as p:
        p.start()
        p.master.spawn()
        p.replica.spawn()
        check(p.arrived(p.commit(b"alice", b"secret")))
        for dir in (p.master_store.dir, p.replica_store.dir):
            mine = ask(sys.executable, "-m", "krbrepl", "status", "--json", dir)
            theirs = ask(os.environ["KRBREPL_BIN"] + "/krbrepl", "status", "--json", dir)
            theirs.pop("master_key")  # of a realm of MIT krb5, of which the binding knows nothing
            theirs.pop("complaint")
            equal(_shape(mine), _shape(theirs))
            for same in ("role", "state", "position", "database_id", "pid", "records", "journal", "started"):
                equal(mine[same], theirs[same])
        text = subprocess.run([sys.executable, "-m", "krbrepl", "status", p.master_store.dir], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
        check(_principal("replica") in text)


def _shape(value):
    """Keys and types: the numbers go on while the two ask."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return "str" if value is None else type(value).__name__  # a time that was not yet


if __name__ == "__main__":
    main(sys.modules[__name__])
