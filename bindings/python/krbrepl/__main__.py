"""python -m krbrepl status DIR [--json]: what `krbrepl status` shows, from Python.

Only the version of the master key is not there: it is in the records of a realm of MIT krb5, which libkrbrepl-mit
reads, and the binding is one of libkrbrepl alone.

Exit codes are those of krbrepl(1): 0, 1 when it failed, 2 for a wrong command line."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from typing import Any

from . import CopyReason, Dialect, DirStore, Error, Peer, Position, Role, Status, StoreFlag, StoreInfo, fetch_status
from .errors import class_of


def stamp(us: int) -> str | None:
    if us == 0:
        return None
    seconds, ms = divmod(us // 1000, 1000)
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(f"%Y-%m-%dT%H:%M:%S.{ms:03d}Z")


def low(value: Any) -> str:
    """A member of an enumeration as the C programs write it."""
    return str(value.name).lower()


def error_name(code: int) -> str:
    return class_of(code)("", code).name if code != 0 else ""


def position(pos: Position) -> dict[str, Any]:
    return {"seq": pos.seq, "epoch": pos.epoch, "lineage": pos.lineage.hex(), "chain": pos.chain.hex()}


def common(dir: str, running: bool, state: str, of: Status | StoreInfo) -> dict[str, Any]:
    return {
        "dir": dir, "running": running, "role": low(of.role), "state": state,
        "nosync": bool(of.flags & StoreFlag.NOSYNC), "gives_up": bool(of.flags & StoreFlag.GIVES_UP),
        "old": bool(of.flags & StoreFlag.OLD), "hosted": bool(of.flags & StoreFlag.HOSTED),
        "journaled": bool(of.flags & StoreFlag.JOURNALED),
        "database_id": of.database_id.hex(), "position": position(of.pos), "known_epoch": of.known_epoch,
        "records": of.records,
        "journal": {"first": of.journal_first, "last": of.journal_last, "bytes": of.journal_bytes}}


def counters(st: Status) -> dict[str, Any]:
    copies, repairs = ({low(r): of[r] for r in CopyReason if r != CopyReason.NONE}
                       for of in (st.copies_by_reason, st.repairs_by_reason))
    held = {"slots": st.slots, "slots_cut": st.slots_cut, "from": st.held_from, "commits": st.held_commits,
            "bytes": st.held_bytes, "hard_cap": st.hard_cap, "headroom_commits": st.headroom_commits}
    return {
        "pid": st.pid, "started": stamp(st.started_us), "upstream_seq": st.upstream_seq,
        "upstream_dialect": "heimdal-iprop" if st.upstream_dialect == Dialect.HEIMDAL else "",
        "upstream_version": st.upstream_version,
        "lag_commits": st.lag_commits, "lag_us": st.lag_us, "last_heard": stamp(st.last_heard_us),
        "last_copy": stamp(st.last_copy_us), "last_copy_reason": low(st.last_copy_reason),
        "commits_in": st.commits_in, "commits_out": st.commits_out, "bytes_in": st.bytes_in,
        "bytes_out": st.bytes_out, "copies_in": st.copies_in, "copies_out": st.copies_out,
        "copies_by_reason": copies, "repairs_by_reason": repairs, "repair_records": st.repair_records,
        "repair_bytes": st.repair_bytes, **({"held": held} if st.role == Role.MASTER else {}), "refused": st.refused,
        "unauthenticated": st.unauth, "proved_seq": st.proved_seq, "proved": stamp(st.proved_us),
        "proofs": st.proofs, "differs": st.differs, "last_error": error_name(st.last_err),
        "last_error_text": st.last_error}


def peer(p: Peer) -> dict[str, Any]:
    return {
        "id": p.id, "principal": p.principal, "address": p.address, "name": p.name, "state": low(p.state),
        "received": p.received, "durable": p.durable, "applied": p.applied, "lag_commits": p.lag_commits,
        "lag_us": p.lag_us, "connected": stamp(p.connected_us), "last_seen": stamp(p.last_seen_us),
        "last_copy": stamp(p.last_copy_us), "last_copy_reason": low(p.last_copy_reason),
        "bytes_out": p.bytes_out, "bytes_in": p.bytes_in, "proved_seq": p.proved_seq, "proved": stamp(p.proved_us),
        "dialect": low(p.dialect), "version": p.version, "last_error": error_name(p.last_err)}


def gather(dir: str, timeout: float) -> dict[str, Any]:
    """The object that `krbrepl status --json` prints, without its `master_key`."""
    answer = fetch_status(dir, timeout=timeout)
    if answer is None:
        with DirStore(dir, readonly=True) as store:
            return {**common(dir, False, "stopped", store.info()), "peers": []}
    st = answer.status
    return {**common(dir, True, low(st.state), st), **counters(st), "peers": [peer(p) for p in answer.peers]}


def show(what: dict[str, Any]) -> None:
    node = f"{what['state']}, process {what['pid']}" if what["running"] else "none runs; this is what the store says"
    print(what["dir"])
    print(f"  role      {what['role']}\n  node      {node}\n  database  {what['database_id']}")
    print(f"  position  {what['position']['seq']} of epoch {what['position']['epoch']}")
    print(f"  records   {what['records']}")
    if what["running"] and what["role"] != "master":
        print(f"  lag       {what['lag_commits']} commits, {what['lag_us'] / 1e6:.3f} s")
    if what.get("last_error"):
        print(f"  last error {what['last_error_text']} ({what['last_error']})")
    for p in what["peers"]:
        print(f"  {p['principal']} {p['state']}: received {p['received']}, durable {p['durable']}, "
              f"applied {p['applied']}, lag {p['lag_commits']} commits")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m krbrepl")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="the store in DIR, and the node that runs on it")
    status.add_argument("dir", metavar="DIR")
    status.add_argument("--json", action="store_true", help="one JSON object")
    status.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="for the node to answer (5)")
    args = parser.parse_args(argv)
    try:
        what = gather(args.dir, args.timeout)
    except Error as exc:
        print(f"python -m krbrepl: {exc} ({exc.name})", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(what))
    else:
        show(what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
