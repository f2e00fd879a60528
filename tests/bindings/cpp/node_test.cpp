/* What the C++ binding promises of nodes: a real master and a real replica, inside of the realm of
 * tests/common/realm.sh. */
#include "pair.hpp"

#include <atomic>
#include <csignal>
#include <cstring>
#include <unistd.h>

namespace
{

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
