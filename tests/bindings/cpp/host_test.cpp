/* What the C++ binding promises of stores whose records are in a database of the program's own. */
#include "pair.hpp"

#include <atomic>
#include <map>

namespace
{

using records = std::map<std::string, std::string>;

/* Throws in place of what `broken` names. */
class memory : public krbrepl::importing_host
{
  public:
    bool get(std::string_view, std::string_view key, krbrepl::bytes &value) override
    {
        may("get");
        auto at = now.find(std::string(key));

        if (at == now.end())
            return false;
        value.assign(at->second.begin(), at->second.end());
        return true;
    }
    void apply(const std::vector<krbrepl::change> &changes, const krbrepl::position *) override
    {
        may("apply");
        for (const krbrepl::change &c : changes)
            make(now, c);
    }
    void import_begin() override
    {
        may("import_begin");
        next.clear();
    }
    void import_change(const krbrepl::change &c) override
    {
        make(next, c);
    }
    void import_commit(const krbrepl::position *) override
    {
        now = next;
        imports++;
    }
    void import_abort() override
    {
        next.clear();
    }

    records now, next;
    std::string broken;
    int imports = 0;

  private:
    static void make(records &in, const krbrepl::change &c)
    {
        if (c.op == KRBREPL_PUT)
            in[std::string(c.key)] = std::string(c.value);
        else
            in.erase(std::string(c.key));
    }
    void may(const char *what) const
    {
        if (broken == what)
            throw test::oops(7);
    }
};

/* Takes over a record a step. */
class stepping : public krbrepl::stepping_host
{
  public:
    bool get(std::string_view table, std::string_view key, krbrepl::bytes &value) override
    {
        return all.get(table, key, value);
    }
    void apply(const std::vector<krbrepl::change> &changes, const krbrepl::position *to) override
    {
        all.apply(changes, to);
    }
    void import_begin() override
    {
        all.import_begin();
    }
    void import_change(const krbrepl::change &c) override
    {
        all.import_change(c);
    }
    bool import_step() override
    {
        if (broken.exchange(false))
            throw test::oops(7);
        for (const auto &r : all.next)
            if (all.now[r.first] != r.second) {
                all.now[r.first] = r.second;
                steps++;
                return true;
            }
        return false;
    }
    void import_commit(const krbrepl::position *to) override
    {
        all.import_commit(to);
    }
    void import_abort() override
    {
        all.import_abort();
    }

    memory all;
    std::atomic<bool> broken{false};
    int steps = 0;
};

/* A write that fails takes another record with it. */
class tearing : public memory
{
  public:
    std::uint64_t flags() const override
    {
        return KRBREPL_HOST_TEARS;
    }
    void apply(const std::vector<krbrepl::change> &changes, const krbrepl::position *to) override
    {
        if (tear.exchange(false)) {
            now.erase("a");
            throw std::system_error(krbrepl::errc::CORRUPT, "the write has failed half-way");
        }
        memory::apply(changes, to);
    }

    std::atomic<bool> tear{false};
};

class commits : public krbrepl::journal
{
  public:
    void append(std::uint64_t first, const std::vector<std::string_view> &all) override
    {
        if (broken == "append")
            throw test::oops(7);
        at.erase(at.lower_bound(first), at.end());
        for (std::string_view c : all)
            at[first++] = std::string(c);
    }
    bool read(std::uint64_t seq, krbrepl::bytes &commit) override
    {
        auto found = at.find(seq);

        if (broken == "read")
            throw test::oops(8);
        if (found == at.end())
            return false;
        commit.assign(found->second.begin(), found->second.end());
        return true;
    }
    void cut(std::uint64_t from, std::uint64_t) override
    {
        at.erase(at.begin(), at.lower_bound(from));
    }

    std::map<std::uint64_t, std::string> at;
    std::string broken;
};

krbrepl::position put(krbrepl::store &s, std::string_view key, std::string_view value)
{
    krbrepl::txn t = s.begin("tester");

    t.put("principal", key, value);
    return t.commit();
}

} // namespace

PROMISE(what_the_host_throws_comes_out_of_the_outer_call)
{
    test::scratch dir;
    auto db = std::make_shared<memory>();
    krbrepl::store s = pair::hosted(dir.path("store"), db, true);

    put(s, "a", "1");
    CHECK((db->now == records{{"a", "1"}}));
    db->broken = "apply";
    CHECK(test::number_thrown([&] { put(s, "a", "2"); }) == 7);
    db->broken = "get";
    CHECK(test::number_thrown([&] { s.open_view().get("principal", "a"); }) == 7);
    CHECK(test::number_thrown([&] { s.open_view().digest(); }) == 7);
    db->broken.clear();
    CHECK(s.open_view().get("principal", "a").value() == "1");
    CHECK(!s.open_view().get("principal", "b"));
}

PROMISE(a_prepared_commit_is_written_by_the_program)
{
    test::scratch dir;
    auto db = std::make_shared<memory>();
    krbrepl::store s = pair::hosted(dir.path("store"), db, true);
    krbrepl::txn t = s.begin();

    t.put("principal", "a", "1");
    t.prepare();
    CHECK(db->now.empty());
    REFUSES(STATE, t.put("principal", "b", "1"));
    db->now["a"] = "1";
    const krbrepl::position at = t.commit();
    CHECK(at == krbrepl::position(s.info().pos));
    t = s.begin();
    t.put("principal", "a", "2");
    t.prepare();
    t.abort();
    put(s, "b", "1");
    CHECK(s.open_view().get("principal", "a").value() == "1");
    REFUSES(INVALID, krbrepl::store(dir.path("store"), std::shared_ptr<krbrepl::host>()));
}

PROMISE(the_host_is_kept_for_as_long_as_something_uses_the_store)
{
    test::scratch dir;
    auto db = std::make_shared<memory>();
    std::weak_ptr<memory> there = db;
    {
        std::optional<krbrepl::view> v;
        {
            krbrepl::store s = pair::hosted(dir.path("store"), std::move(db), true);

            put(s, "a", "1");
            v = s.open_view();
        }
        CHECK(v->get("principal", "a").value() == "1");
        CHECK(!there.expired());
    }
    CHECK(there.expired());
}

PROMISE(commits_are_in_the_journal_of_the_program_and_what_it_throws_comes_out)
{
    for (bool records : {false, true}) {
        test::scratch dir;
        auto db = records ? std::make_shared<memory>() : nullptr;
        auto j = std::make_shared<commits>();
        krbrepl::create_options o;
        int seen = 0;
        auto count = [&](const krbrepl_commit &) { seen++; };

        o.flags =
            KRBREPL_CREATE_MASTER | KRBREPL_CREATE_JOURNALED | (records ? KRBREPL_CREATE_HOSTED : 0u);
        krbrepl::store::create(dir.path("store"), o);
        krbrepl::store s(dir.path("store"), krbrepl::databases{db, j});
        put(s, "a", "1");
        put(s, "a", "2");
        CHECK(j->at.size() == 3);
        s.each_commit(0, 0, count);
        CHECK(seen == 3);
        j->broken = "append";
        CHECK(test::number_thrown([&] { put(s, "a", "3"); }) == 7);
        j->broken = "read";
        CHECK(test::number_thrown([&] { s.each_commit(0, 0, count); }) == 8);
        j->broken.clear();
        CHECK(s.open_view().get("principal", "a").value() == "2");
        j->at[2][40] ^= 1;
        try {
            s.each_commit(0, 0, count);
            CHECK(false);
        } catch (const krbrepl::error &e) {
            CHECK(e.code().value() == KRBREPL_ERR_CORRUPT);
        }
    }
}

PROMISE(a_full_copy_and_commits_arrive_in_the_host_of_a_replica)
{
    auto here = std::make_shared<memory>(), there = std::make_shared<memory>();
    pair p(here, there);
    krbrepl::retention little;

    little.entries = 1;
    p.master_store.set_retention(little);
    for (int i = 0; i < 100; i++)
        p.commit("before " + std::to_string(i), "1");
    there->broken = "import_begin";
    p.start_master();
    p.start_replica();
    p.master.spawn();
    CHECK(test::number_thrown(
              [&] { test::until("the exception", [&] { return turn(p.replica), false; }); }) == 7);
    there->broken.clear();
    p.replica.spawn();
    CHECK(p.arrived(p.commit("alice", "secret")));
    CHECK(there->imports == 1 && there->now == here->now && there->now.size() == 101);

    krbrepl::proved all = krbrepl::prove(p.replica_store.dir(), 60000);
    CHECK(all.compared == 1 && all.differed == 0 && all.records == 101);
    CHECK(test::number_thrown([&] {
              krbrepl::prove(p.replica_store.dir(), 60000,
                             [](const char *, std::uint64_t, std::uint64_t) { throw test::oops(9); });
          }) == 9);
    p.replica.stop();
    p.master.stop();
}

PROMISE(a_full_copy_is_taken_over_in_steps)
{
    auto here = std::make_shared<memory>();
    auto there = std::make_shared<stepping>();
    pair p(here, there);
    krbrepl::retention little;

    little.entries = 1;
    p.master_store.set_retention(little);
    for (int i = 0; i < 100; i++)
        p.commit("before " + std::to_string(i), "1");
    there->broken = true;
    p.start_master();
    p.start_replica();
    p.master.spawn();
    CHECK(test::number_thrown(
              [&] { test::until("the exception", [&] { return turn(p.replica), false; }); }) == 7);
    p.replica.spawn();
    CHECK(p.arrived(p.commit("alice", "secret")));
    CHECK(there->steps >= 100 && there->all.imports == 1 && there->all.now == here->now);
    p.replica.stop();
    p.master.stop();
}

PROMISE(a_write_that_tears_the_host_of_a_replica_is_mended_by_a_copy)
{
    auto here = std::make_shared<memory>();
    auto there = std::make_shared<tearing>();
    pair p(here, there);

    p.start_master();
    p.start_replica();
    p.master.spawn();
    p.replica.spawn();
    p.commit("a", "1");
    CHECK(p.arrived(p.commit("b", "1")));
    there->tear = true;
    CHECK(p.arrived(p.commit("b", "2")));
    CHECK(!there->tear);
    CHECK(there->now == here->now && there->now.size() == 2);
    try {
        p.replica.check();
        CHECK(false);
    } catch (const std::system_error &e) {
        CHECK(e.code() == krbrepl::errc::CORRUPT);
    }
    p.replica.stop();
    p.master.stop();
}
