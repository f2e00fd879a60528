#!/bin/bash
# ends_test.sh PROGRAMS TAKELOG PROMISE: what the end of a session with Heimdal's ipropd-slave costs, whatever ended it.
#
# A complete database is for a slave that was killed while it wrote, and for nobody else.
# shellcheck source=case.sh
. "$(dirname "$0")/case.sh"
# shellcheck source=served.sh
. "$(dirname "$0")/served.sh"

no_other_complete_database()
{
    says "complete database begins" && fail "there was a complete database"
    says "cannot apply" && fail "a slave could not apply something"
    return 0
}

# Many changes of many kinds in the realm, which become commits only with the next take.
many() # NAME
{
    local i
    for i in $(seq 60); do
        echo "add --random-key --use-defaults $1$i"
        [ $((i % 3)) != 0 ] || echo "modify --max-ticket-life=3h $1$((i - 1))"
        [ $((i % 4)) != 0 ] || echo "modify --alias=nick-$1$i $1$i"
        [ $((i % 5)) != 0 ] || echo "delete $1$((i - 2))"
    done >"$WORK/commands"
    heimdal_kadmin <"$WORK/commands" >"$WORK/kadmin.out" 2>&1
}

# The version in the log of a slave is another one than this.
moved() { [ "$(heimdal_version "$1")" != "$2" ]; }

# ---- promises -----------------------------------------------------------------------------------

# Between the slaves and their master. Where these are on one machine the answer to a master that was killed comes to
# an error at once, for it is two writes and the first one tells that there is nobody; in a network, as here, it is
# gone by then. Cuts each connection after so many bytes of the master's, in one of these ways:
#   never    not at all
#   end      both ends see the end of it
#   silence  the master sees the end of it, and the slave nothing more
#   reset    both see it at once, and what the slave says then comes to an error
# or, once $WORK/steal is there, as somebody on the way may do who cannot read what is said:
#   steal    the next message of records is taken out, the one behind it passes, and both see the end
between() # WAY
{
    # shellcheck disable=SC2094
    heimdal_daemon between python3 -c '
import os, random, select, socket, struct, sys, threading
way, to, steal = sys.argv[1], int(sys.argv[2]), sys.argv[3]
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
draw = random.Random(1)

def read(end):
    try:
        return end.recv(65536)
    except OSError:
        return b""

# What passes of what the master has said; at the beginning there is a byte, and then each message with its length.
class Thief:
    def __init__(self):
        self.kept, self.begun, self.stolen = b"", False, False

    def passes(self, said):
        out, self.kept = b"", self.kept + said
        if not self.begun and self.kept:
            out, self.kept, self.begun = self.kept[:1], self.kept[1:], True
        while len(self.kept) >= 4:
            end = 4 + struct.unpack(">I", self.kept[:4])[0]
            if len(self.kept) < end:
                break
            message, self.kept = self.kept[:end], self.kept[end:]
            # Records are longer than whatever else there is, but for complete databases.
            if not self.stolen and len(message) > 500 and os.path.exists(steal):
                self.stolen = True
                continue
            out += message
            if self.stolen:
                os.unlink(steal)
                return out, True
        return out, False

def serve(slave, limit):
    thief = Thief()
    try:
        master = socket.create_connection(("127.0.0.1", to))
    except OSError:
        slave.close()
        return
    left = limit if way not in ("never", "steal") else 1 << 60
    while left > 0:
        ready = select.select([slave, master], [], [])[0]
        if slave in ready:
            said = read(slave)
            if not said:
                break
            try:
                master.sendall(said)
            except OSError:
                break
        if master in ready:
            said = read(master)
            if not said:
                break
            over = False
            if way == "steal":
                said, over = thief.passes(said)
            try:
                slave.sendall(said[:left])
            except OSError:
                break
            left = 0 if over else left - len(said)
    if left <= 0:
        print("cut", flush=True)
    if way == "reset":
        for end in slave, master:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    master.close()
    if way in ("never", "end", "steal"):
        try:
            slave.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    if way != "reset":
        # In the end a network that is silent tells, too.
        slave.settimeout(5)
        while read(slave):
            pass
    slave.close()

while True:
    slave = listener.accept()[0]
    threading.Thread(target=serve, args=(slave, draw.randrange(600, 100000)), daemon=True).start()
' "$1" "$HEIMDAL_IPROP_PORT" "$WORK/steal"
    must heimdal_until 20 grep -q port "$HEIMDAL_DIR/between.out"
    SLAVE_PORT=$(awk '/^port/ { print $2 }' "$HEIMDAL_DIR/between.out")
}

cuts() { grep -c cut "$HEIMDAL_DIR/between.out"; }

# Has what there is through cut connections; each ends after a few changes.
is_cut() # WAY COUNT
{
    local i=0 before
    begin
    serve
    follow s1
    arrives s1
    heimdal_slave_down s1
    between "$1"
    unserve
    serve
    slave_port s1 --time-lost=2s
    while [ "$(cuts)" -lt "$2" ]; do
        i=$((i + 1))
        many "user$i"
        take
        arrives s1 120
    done
}

a_master_killed_in_a_burst_costs_no_complete_database()
{
    local i before
    begin
    serve
    between never
    follow s1 s2
    arrives s1
    arrives s2
    unserve
    serve
    for i in $(seq 4); do
        many "user$i"
        before=$(heimdal_version s1)
        take &
        must heimdal_until 20 moved s1 "$before"
        unserve KILL
        wait $!
        no_other_complete_database
        serve
        arrives s1 120
        arrives s2 120
        no_other_complete_database
    done
}

a_connection_that_ends_in_a_burst_costs_no_complete_database()
{
    is_cut end 12
    no_other_complete_database
}

a_network_that_falls_silent_in_a_burst_costs_no_complete_database()
{
    is_cut silence 6
    no_other_complete_database
}

# As long as it writes nothing.
a_slave_that_is_killed_while_it_is_idle_goes_on_with_increments()
{
    local i
    begin
    serve
    follow s1
    arrives s1
    unserve
    serve
    for i in $(seq 4); do
        add "user$i"
        take
        arrives s1
        must heimdal_until 20 sealed s1
        heimdal_slave_down s1 KILL
        # The master forgets what it was answered for, too.
        [ $((i % 2)) = 0 ] || unserve KILL
        add "late$i"
        take
        [ $((i % 2)) = 0 ] || serve
        slave_port s1
        arrives s1
        no_other_complete_database
    done
}

# A slave that cannot say any more what it has done stops there, as one that was killed.
a_slave_whose_connection_is_reset_converges()
{
    is_cut reset 12
}

a_message_that_is_taken_out_on_the_way_is_missed()
{
    local i
    begin
    serve
    follow s1
    arrives s1
    heimdal_slave_down s1
    between steal
    unserve
    serve
    slave_port s1 --time-lost=2s
    arrives s1
    for i in $(seq 3); do
        touch "$WORK/steal"
        many "user$i"
        take
        arrives s1 120
        [ "$(cuts)" = "$i" ] || fail "nothing was taken out"
    done
}

"$PROMISE"
