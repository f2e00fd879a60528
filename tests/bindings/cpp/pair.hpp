/* pair.hpp: a real master and a real replica, inside of the realm of tests/common/realm.sh. */
#ifndef PAIR_HPP
#define PAIR_HPP

#include "test.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

inline std::string env(const char *name)
{
    const char *value = std::getenv(name);

    CHECK(value != nullptr);
    return value;
}

inline unsigned free_port()
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
inline std::string keytab(const char *name)
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

inline std::string principal(const char *name)
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
    pair(std::shared_ptr<krbrepl::host> at_master, std::shared_ptr<krbrepl::host> at_replica)
        : port(std::to_string(free_port())), master_store(hosted(dir.path("master"), at_master, true)),
          replica_store(hosted(dir.path("replica"), at_replica, false)), master(master_store, allow()),
          replica(replica_store, {})
    {
    }
    static krbrepl::store hosted(const std::string &where, std::shared_ptr<krbrepl::host> in,
                                 bool master)
    {
        krbrepl::create_options o;

        o.flags = KRBREPL_CREATE_HOSTED | (master ? KRBREPL_CREATE_MASTER : 0u);
        krbrepl::store::create(where, o);
        return krbrepl::store(where, std::move(in));
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
inline void turn(krbrepl::node &n)
{
    pollfd p{n.fd(), POLLIN, 0};
    int wait = n.timeout();

    (void)poll(&p, 1, wait < 0 || wait > 50 ? 50 : wait);
    n.process();
}

#endif
