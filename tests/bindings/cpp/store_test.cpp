/* What the C++ binding promises of stores: handles, errors, exceptions through C, structs of other ages. */
#include "test.hpp"

#include <algorithm>
#include <type_traits>

namespace
{

template <class T>
constexpr bool only_moves = std::is_nothrow_move_constructible_v<T> &&std::is_move_assignable_v<T> &&
                            !std::is_copy_constructible_v<T>;

static_assert(only_moves<krbrepl::txn> && only_moves<krbrepl::view> && only_moves<krbrepl::load>);
static_assert(std::is_nothrow_move_constructible_v<krbrepl::store> &&
              !std::is_copy_constructible_v<krbrepl::store>);
static_assert(only_moves<krbrepl::node>);
static_assert(sizeof(krbrepl::store_options) == sizeof(krbrepl_store_options));

void put(krbrepl::store &s, std::string_view key, std::string_view value)
{
    krbrepl::txn t = s.begin("tester", "a test");

    t.put("principal", key, value);
    t.commit();
}

krbrepl::store with_three(const test::scratch &dir)
{
    krbrepl::store s = dir.master();

    put(s, "a", "1");
    put(s, "b", "2");
    put(s, "c", "3");
    return s;
}

std::string keys(krbrepl::view &v, std::optional<std::string_view> from = {},
                 std::optional<std::string_view> to = {}, bool reverse = false)
{
    std::string all;

    v.each(
        "principal", [&](std::string_view, std::string_view key, std::string_view) { all += key; },
        from, to, reverse);
    return all;
}

} // namespace

PROMISE(a_commit_is_read_back)
{
    test::scratch dir;
    krbrepl::store s = dir.master();
    krbrepl::txn t = s.begin("kadmind", "create");

    t.put("principal", "alice", std::string_view("k\0y", 3));
    CHECK(t.get("principal", "alice").value().size() == 3);
    krbrepl::position pos = t.commit();
    krbrepl::view v = s.open_view();
    CHECK(v.pos() == pos);
    CHECK(v.get("principal", "alice") == std::string_view("k\0y", 3));
    CHECK(s.info().pos.seq == pos.seq);
    CHECK(s.info().role == KRBREPL_ROLE_MASTER);
    CHECK(v.digest().records == 1);
}

PROMISE(what_is_not_there_is_no_exception)
{
    test::scratch dir;
    krbrepl::store s = dir.master();
    krbrepl::txn t = s.begin();

    CHECK(!t.get("principal", "nobody"));
    CHECK(!t.remove("principal", "nobody"));
    t.abort();
    CHECK(!s.open_view().get("principal", "nobody"));
    CHECK(!s.local_get("principal", "nobody"));
    CHECK(!s.local_remove("principal", "nobody"));
    CHECK(!s.drop_slot("nobody@NOWHERE"));
    CHECK(!s.reset_slot("nobody@NOWHERE"));
    CHECK(!krbrepl::fetch_status(s.dir()));
}

PROMISE(a_failure_says_what_where_and_what_to_do)
{
    test::scratch dir;

    try {
        krbrepl::store s(dir.path("nothing here"));
        CHECK(false);
    } catch (const krbrepl::error &e) {
        CHECK(e.code() == krbrepl::errc::NOTFOUND);
        CHECK(e.code() == std::errc::no_such_file_or_directory);
        CHECK(e.code().category() == krbrepl::category());
        CHECK(std::string(e.what()).find("nothing here") != std::string::npos);
        CHECK(std::string(e.name()) == "NOTFOUND");
    }
    krbrepl::create_options o;
    o.flags = KRBREPL_CREATE_MASTER;
    krbrepl::store::create(dir.path("twice"), o);
    REFUSES(EXISTS, krbrepl::store::create(dir.path("twice"), o));
    krbrepl::store::create(dir.path("replica"));
    krbrepl::store replica(dir.path("replica"));
    try {
        replica.begin();
        CHECK(false);
    } catch (const krbrepl::operator_error &e) {
        CHECK(e.code() == krbrepl::errc::NOT_MASTER);
        CHECK(e.code() == krbrepl::advice::operator_);
        CHECK(e.code() != krbrepl::advice::retry);
    }
}

PROMISE(every_number_becomes_the_exception_of_its_advice)
{
    struct {
        int code;
        int advice;
    } const table[] = {
#define X(name, value, advice, text) {value, KRBREPL_ADVICE_##advice},
        KRBREPL_ERROR_MAP(X)
#undef X
    };

    for (const auto &row : table) {
        try {
            krbrepl::detail::raise(row.code);
        } catch (const krbrepl::error &e) {
            CHECK((dynamic_cast<const krbrepl::retry_error *>(&e) != nullptr) ==
                  (row.advice == KRBREPL_ADVICE_RETRY));
            CHECK((dynamic_cast<const krbrepl::resync_error *>(&e) != nullptr) ==
                  (row.advice == KRBREPL_ADVICE_RESYNC));
            CHECK((dynamic_cast<const krbrepl::operator_error *>(&e) != nullptr) ==
                  (row.advice == KRBREPL_ADVICE_OPERATOR));
            CHECK((dynamic_cast<const krbrepl::bug_error *>(&e) != nullptr) ==
                  (row.advice == KRBREPL_ADVICE_BUG));
            CHECK(e.code() == static_cast<krbrepl::advice>(row.advice));
            CHECK(e.what() == std::string(krbrepl_strerror(row.code)));
        }
    }
}

PROMISE(a_walk_goes_where_it_is_sent_and_ends_when_told)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::view v = s.open_view();
    int seen = 0;

    CHECK(keys(v) == "abc");
    CHECK(keys(v, "b") == "bc");
    CHECK(keys(v, "a", "b") == "ab");
    CHECK(keys(v, {}, {}, true) == "cba");
    CHECK(!v.each(nullptr,
                  [&](std::string_view, std::string_view, std::string_view) { return ++seen < 2; }));
    CHECK(seen == 2);
    std::string who;
    CHECK(s.each_commit(2, 3, [&](const krbrepl_commit &c) { who += c.who; }));
    CHECK(who == "testertester");
    CHECK(s.each_commit(99, 100, [](const krbrepl_commit &) { CHECK(false); }));
}

PROMISE(what_a_visitor_throws_comes_out_of_the_walk)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::view v = s.open_view();
    int seen = 0;

    CHECK(test::number_thrown([&] {
              v.each("principal", [&](std::string_view, std::string_view, std::string_view) {
                  if (++seen == 2)
                      throw test::oops(42);
              });
          }) == 42);
    CHECK(seen == 2);
    CHECK(test::number_thrown([&] {
              s.each_commit(0, 0, [](const krbrepl_commit &) { throw test::oops(43); });
          }) == 43);
    /* Nothing is left behind of it. */
    CHECK(keys(v) == "abc");
}

PROMISE(what_progress_throws_comes_out_of_the_load)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::load l = s.begin_load("tester", "", [](const char *phase, std::uint64_t, std::uint64_t) {
        if (std::string(phase) == "done")
            throw test::oops(44);
    });

    CHECK(l.put("principal", "x", "9"));
    CHECK(!l.put("principal", "x", "8"));
    CHECK(test::number_thrown([&] { l.commit(); }) == 44);
    REFUSES(STATE, l.commit());
    krbrepl::view v = s.open_view();
    CHECK(keys(v) == "x");
}

PROMISE(a_handle_that_is_over_refuses)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::txn t = s.begin();
    krbrepl::load l = s.begin_load();
    krbrepl::view v = s.open_view();

    t.commit();
    REFUSES(STATE, t.commit());
    REFUSES(STATE, t.put("principal", "a", "1"));
    REFUSES(STATE, t.get("principal", "a"));
    t.abort();
    l.abort();
    l.abort();
    REFUSES(STATE, l.put("principal", "a", "1"));
    REFUSES(STATE, l.commit());
    v.close();
    v.close();
    REFUSES(STATE, v.get("principal", "a"));
    REFUSES(STATE, v.digest());
    REFUSES(STATE, keys(v));
    krbrepl::store moved = std::move(s);
    REFUSES(STATE, s.info());
    CHECK(moved.info().records == 3);
    moved.close();
    moved.close();
    REFUSES(STATE, moved.info());
    REFUSES(STATE, moved.begin());
    REFUSES(STATE, moved.open_view());
    REFUSES(STATE, moved.each_commit(0, 0, [](const krbrepl_commit &) {}));
    CHECK(!moved && !t && !l && !v);
}

PROMISE(a_store_outlives_what_was_opened_on_it)
{
    test::scratch dir;
    std::optional<krbrepl::view> v;
    {
        krbrepl::store s = with_three(dir);

        v.emplace(s.open_view());
        REFUSES(STATE, s.close());
        CHECK(static_cast<bool>(s));
    }
    CHECK(keys(*v) == "abc");
    v.reset();
    /* Now nobody has it open: the environment of this process is empty, and a child may open it. */
    CHECK(test::in_child([&] { return krbrepl::store(dir.path("master")).info().records == 3; }));
}

PROMISE(a_view_that_is_let_go_in_its_walk_lasts_until_the_end_of_it)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    std::optional<krbrepl::view> v(s.open_view());
    std::string all;

    v->each("principal", [&](std::string_view, std::string_view key, std::string_view) {
        if (all.empty())
            v->close();
        all += key;
    });
    CHECK(all == "abc");
    CHECK(!*v);
    s.each_commit(0, 0, [&](const krbrepl_commit &) { REFUSES(STATE, s.close()); });
}

PROMISE(what_was_not_committed_never_was)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);

    CHECK(test::number_thrown([&] {
              krbrepl::txn t = s.begin();

              t.put("principal", "d", "4");
              throw test::oops(1);
          }) == 1);
    {
        krbrepl::load l = s.begin_load();
        l.put("principal", "z", "26");
    }
    krbrepl::view v = s.open_view();
    CHECK(keys(v) == "abc");
    put(s, "e", "5"); /* the writer lock is free again */
}

PROMISE(a_transaction_stays_with_its_thread)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::txn t = s.begin();

    t.put("principal", "d", "4");
    std::thread([&] {
        REFUSES(STATE, t.commit());
        REFUSES(STATE, t.abort());
    }).join();
    t.commit();
    CHECK(s.open_view().get("principal", "d") == "4");
}

PROMISE(a_child_is_refused)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::view v = s.open_view();
    std::optional<krbrepl::txn> t(s.begin());

    CHECK(test::in_child([&] {
        REFUSES(FORKED, s.info());
        REFUSES(FORKED, s.begin());
        REFUSES(FORKED, v.get("principal", "a"));
        REFUSES(FORKED, keys(v));
        REFUSES(FORKED, t->put("principal", "child", "1"));
        REFUSES(FORKED, t->commit());
        t.reset();
        v.close();
        s.close();
        return true;
    }));
    t->put("principal", "d", "4");
    t->commit();
    CHECK(keys(v) == "abc");
}

PROMISE(local_entries_are_copied_out)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    const std::string large(3000, 'x');

    s.local_put("principal", "a", large);
    krbrepl::bytes got = s.local_get("principal", "a").value();
    CHECK(std::equal(got.begin(), got.end(), large.begin(), large.end()));
    CHECK(s.local_remove("principal", "a"));
    REFUSES(TOOBIG, s.local_get("principal", std::string(70000, 'k')));
}

PROMISE(options_of_other_ages_follow_the_rules_of_growth)
{
    struct newer : krbrepl_store_options {
        std::uint64_t added;
    };
    test::scratch dir;
    krbrepl::store s = dir.master();
    krbrepl::sized<newer> o;

    CHECK(o.size == sizeof(newer));
    s.close();
    const auto &as_today =
        reinterpret_cast<const krbrepl::store_options &>(static_cast<const krbrepl_store_options &>(o));
    CHECK(krbrepl::store(dir.path("master"), as_today).info().role == KRBREPL_ROLE_MASTER);
    o.added = 1;
    REFUSES(ABI, krbrepl::store(dir.path("master"), as_today));
    /* What a shorter struct does not have is zero. */
    krbrepl_peer older;
    KRBREPL_INIT(&older);
    older.applied = 7;
    older.lag_commits = 9;
    older.size = offsetof(krbrepl_peer, lag_commits);
    krbrepl::sized<krbrepl_peer> now(older);
    CHECK(now.size == sizeof(krbrepl_peer) && now.applied == 7 && now.lag_commits == 0);
}

PROMISE(backups_roles_and_retention_are_within_reach)
{
    test::scratch dir;
    krbrepl::store s = with_three(dir);
    krbrepl::retention keep;

    s.backup(dir.path("backup"));
    krbrepl::store::restore(dir.path("backup"), dir.path("restored"), "tester");
    krbrepl::store r(dir.path("restored"));
    CHECK(r.open_view().digest() == s.open_view().digest());
    CHECK(s.demote("tester").seq == s.info().pos.seq);
    CHECK(s.info().role == KRBREPL_ROLE_REPLICA);
    CHECK(s.promote("tester").epoch == 2);
    keep.entries = 5;
    s.set_retention(keep);
    CHECK(s.info().retention_entries == 5);
    const std::uint64_t had = s.info().journal_last + 1 - s.info().journal_first;
    CHECK(had > 1);
    CHECK(s.trim(1) == had - 1);
    CHECK(s.info().journal_first == s.info().journal_last);
    CHECK(s.each_slot([](const krbrepl_slot &) {}));
}
