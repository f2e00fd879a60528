/* What the C++ binding promises of nodes: a real master and a real replica, inside of the realm of
 * tests/common/realm.sh. */
#include "test.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

std::string env(const char *name)
{
    const char *value = std::getenv(name);

    CHECK(value != nullptr);
    return value;
}

unsigned free_port()
{
    sockaddr_in sin{};
    socklen_t len = sizeof sin;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, reinterpret_cast<sockaddr *>(&sin), sizeof sin) == 0);
    CHECK(getsockname(fd, reinterpret_cast<sockaddr *>(&sin), &len) == 0);
    close(fd);
    return ntohs(sin.sin_port);
}

/* The two principals of all promises here, made once. */
std::string keytab(const char *name)
{
    static const bool made = [] {
        for (const char *one : {"master", "replica"}) {
            const std::string file = env("REALM_DIR") + "/cpp-" + one + ".keytab";

            CHECK(std::system(
                      ("\"$REALM_SH\" --princ krbrepl/cpp-" + std::string(one) + " '" + file + "'")
                          .c_str()) == 0);
        }
        return true;
    }();

    (void)made;
    return env("REALM_DIR") + "/cpp-" + name + ".keytab";
}

std::string principal(const char *name)
{
    return "krbrepl/cpp-" + std::string(name) + "@" + env("REALM");
}

/* A master and a replica of it on this machine, not started. */
struct pair {
    explicit pair(krbrepl::events at_master = allow(), krbrepl::events at_replica = {})
        : port(std::to_string(free_port())), master_store(dir.master()), replica_store(empty(dir)),
          master(master_store, std::move(at_master)), replica(replica_store, std::move(at_replica))
    {
    }
    static krbrepl::events allow()
    {
        krbrepl::events e;

        e.authorize = [](const std::string &who, const std::string &) {
            return who == principal("replica") ? KRBREPL_ALLOW_REPLICA : 0;
        };
        return e;
    }
    static krbrepl::store empty(const test::scratch &where)
    {
        krbrepl::store::create(where.path("replica"));
        return krbrepl::store(where.path("replica"));
    }
    void start_master()
    {
        const std::string listen = "127.0.0.1:" + port, keys = keytab("master"),
                          service = principal("master");
        krbrepl::master_options o;

        o.listen = listen.c_str();
        o.keytab = keys.c_str();
        o.service = service.c_str();
        master.start_master(o);
    }
    void start_replica()
    {
        const std::string at = "127.0.0.1:" + port, keys = keytab("replica"),
                          own = principal("replica"), service = principal("master");
        krbrepl::replica_options o;

        o.master = at.c_str();
        o.keytab = keys.c_str();
        o.principal = own.c_str();
        o.service = service.c_str();
        o.retry_max_ms = 200;
        replica.start_replica(o);
    }
    krbrepl::position commit(std::string_view key, std::string_view value)
    {
        krbrepl::txn t = master_store.begin("tester");

        t.put("principal", key, value);
        return t.commit();
    }
    bool arrived(const krbrepl::position &pos)
    {
        krbrepl::wait_options w;

        w.seq = pos.seq;
        w.level = KRBREPL_LEVEL_APPLIED;
        w.timeout_ms = 60000;
        return krbrepl::wait(master_store.dir(), w).reached;
    }

    test::scratch dir;
    std::string port;
    krbrepl::store master_store, replica_store;
    krbrepl::node master, replica;
};

/* As a program's own loop does it. */
void turn(krbrepl::node &n)
{
    pollfd p{n.fd(), POLLIN, 0};
    int wait = n.timeout();

    (void)poll(&p, 1, wait < 0 || wait > 50 ? 50 : wait);
    n.process();
}

krbrepl::events throwing(std::atomic<int> &times, int which)
{
    krbrepl::events e;

    e.authorize = [&times, which](const std::string &, const std::string &) -> int {
        times++;
        throw test::oops(which);
    };
    return e;
}

} // namespace

PROMISE(commits_of_a_master_arrive_at_its_replica)
{
    pair p;

    p.commit("before", "1");
    p.start_master();
    p.start_replica();
    p.master.spawn();
    p.replica.spawn();
    p.commit("alice", "secret");
    krbrepl::position pos = p.commit("bob", "secret too");
    CHECK(p.arrived(pos));
    krbrepl::view there = p.replica_store.open_view();
    CHECK(there.pos() == pos);
    CHECK(there.get("principal", "alice") == "secret");
    CHECK(there.digest() == p.master_store.open_view().digest());
    int peers = 0;
    p.master.each_peer([&](const krbrepl_peer &peer) {
        CHECK(peer.principal == principal("replica"));
        peers++;
    });
    CHECK(peers == 1);
    CHECK(krbrepl::fetch_status(p.replica_store.dir())->state == KRBREPL_STATE_STREAMING);
    p.replica.stop();
    p.master.close();
    CHECK(!krbrepl::fetch_status(p.master_store.dir()));
}

PROMISE(a_loop_of_ones_own_drives_both)
{
    std::string log;
    krbrepl::events at_master = pair::allow();
    std::vector<krbrepl_state> states;
    int came = 0;

    at_master.log = [&](krbrepl_log_level, std::string_view area, std::string_view msg) {
        log.append(area).append(": ").append(msg).append("\n");
    };
    at_master.peer = [&](const krbrepl_peer &peer, std::error_code err) {
        CHECK(peer.principal == principal("replica"));
        came += err ? 0 : 1;
    };
    krbrepl::events at_replica;
    at_replica.state = [&](krbrepl_state, krbrepl_state is, std::error_code) { states.push_back(is); };
    pair p(std::move(at_master), std::move(at_replica));
    p.start_master();
    p.start_replica();
    krbrepl::position pos = p.commit("alice", "secret");
    for (int i = 0; i < 12000 && p.replica_store.info().pos.seq < pos.seq; i++) {
        turn(p.master);
        turn(p.replica);
    }
    CHECK(p.replica_store.open_view().get("principal", "alice") == "secret");
    CHECK(came == 1);
    CHECK(!states.empty() && states.back() == KRBREPL_STATE_STREAMING);
    CHECK(!log.empty());
    p.replica.stop();
    CHECK(states.back() == KRBREPL_STATE_STOPPED);
}

PROMISE(an_authorize_that_throws_refuses_the_peer_and_comes_out_of_process)
{
    std::atomic<int> times{0};
    pair p(throwing(times, 7));

    p.start_master();
    p.start_replica();
    p.replica.spawn();
    CHECK(test::number_thrown([&] {
              for (int i = 0; i < 12000; i++)
                  turn(p.master);
          }) == 7);
    CHECK(times == 1);
    CHECK(p.replica_store.info().pos.seq == 0);
    /* The node goes on: what it does about that is for the program to say. */
    CHECK(p.master.status().state == KRBREPL_STATE_SERVING);
}

PROMISE(what_a_callback_throws_ends_run)
{
    std::atomic<int> times{0};
    pair p(throwing(times, 8));

    p.start_master();
    p.start_replica();
    p.replica.spawn();
    CHECK(test::number_thrown([&] { p.master.run(); }) == 8);
    CHECK(times == 1);
    /* The quit that ended it does not end the next one. */
    CHECK(test::number_thrown([&] { p.master.run(); }) == 8);
    CHECK(times == 2);
}

PROMISE(what_a_callback_throws_in_the_thread_of_the_library_waits_for_check)
{
    std::atomic<int> times{0};
    pair p(throwing(times, 9));

    p.start_master();
    p.start_replica();
    p.master.spawn();
    p.replica.spawn();
    test::until("the callback throws", [&] { return times > 0; });
    CHECK(test::number_thrown([&] {
              test::until("it comes out", [&] {
                  p.master.check();
                  return false;
              });
          }) == 9);
    int seen = times;
    test::until("the callback throws again", [&] { return times > seen + 1; });
    CHECK(test::number_thrown([&] { p.master.stop(); }) == 9);
    p.master.stop();
}

PROMISE(run_ends_by_quit_from_another_thread)
{
    pair p;

    p.start_master();
    std::thread other([&] {
        /* A node that another thread runs is neither stopped nor closed. */
        test::until("the node runs", [&] {
            try {
                p.master.process();
            } catch (const krbrepl::bug_error &) {
                return true;
            }
            return false;
        });
        REFUSES(STATE, p.master.close());
        CHECK(!p.master.wake());
        CHECK(!p.master.quit());
    });
    p.master.run();
    other.join();
    p.master.close();
}

PROMISE(a_callback_may_ask_and_not_more)
{
    krbrepl::events e = pair::allow();
    krbrepl::node *self = nullptr;
    int asked = 0;

    e.log = [&](krbrepl_log_level, std::string_view, std::string_view) {
        if (self == nullptr)
            return;
        CHECK(self->status().role == KRBREPL_ROLE_MASTER);
        CHECK(self->each_peer([](const krbrepl_peer &) {}));
        REFUSES(STATE, self->process());
        REFUSES(STATE, self->close());
        asked++;
    };
    pair p(std::move(e));
    p.start_master();
    self = &p.master;
    p.start_replica();
    p.replica.spawn();
    for (int i = 0; i < 12000 && asked == 0; i++)
        turn(p.master);
    CHECK(asked > 0);
    self = nullptr;
}

PROMISE(a_node_that_is_closed_refuses)
{
    pair p;

    REFUSES(STATE, p.master_store.close());
    p.master.close();
    p.master.close();
    REFUSES(STATE, p.master.start_master());
    REFUSES(STATE, p.master.process());
    REFUSES(STATE, p.master.run());
    REFUSES(STATE, p.master.status());
    REFUSES(STATE, p.master.fd());
    CHECK(p.master.wake() == krbrepl::errc::INVALID);
    p.master_store.close();
    REFUSES(STATE, krbrepl::node(p.master_store, {}));
    krbrepl::node moved = std::move(p.replica);
    REFUSES(STATE, p.replica.process());
    REFUSES(STATE, moved.process()); /* it is not running */
}

PROMISE(a_node_that_cannot_start_says_what_to_do)
{
    pair p;

    try {
        p.replica.start_master();
        CHECK(false);
    } catch (const krbrepl::error &e) {
        CHECK(e.code() == krbrepl::errc::STATE);
        CHECK(std::string(e.what()).find("krbrepl promote") != std::string::npos);
    }
    REFUSES(INVALID, p.replica.start_replica(krbrepl::replica_options()));
}

PROMISE(a_child_of_a_running_node_is_refused)
{
    pair p;

    p.start_master();
    CHECK(test::in_child([&] {
        REFUSES(FORKED, p.master.process());
        REFUSES(FORKED, p.master.status());
        REFUSES(FORKED, p.master.stop());
        CHECK(p.master.wake() == krbrepl::errc::FORKED);
        p.master.close();
        return true;
    }));
    p.start_replica();
    p.master.spawn();
    p.replica.spawn();
    CHECK(p.arrived(p.commit("after", "the child")));
}
