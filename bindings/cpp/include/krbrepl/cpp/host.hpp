/* host.hpp: a store whose records, or commits, stay in a database of the program's own, of <krbrepl/host.h>. */
#ifndef KRBREPL_CPP_HOST_HPP
#define KRBREPL_CPP_HOST_HPP

#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <krbrepl/cpp/types.hpp>
#include <krbrepl/host.h>

namespace krbrepl
{

/* Borrowed until the callback returns. */
struct change {
    krbrepl_op op;
    std::string_view table, key, value;
};

/* The program's database: derive from it, and open a store with it. What these throw comes out of the call that they
 * ran in, on the store or on a node; with spawn, out of the node's check or stop. They must not call the library on
 * the same store. With spawn they are called from a thread of the library's as well. */
class host
{
  public:
    virtual ~host() = default;
    /* Puts the value of a record into `value`, which is empty; false when there is no such record. */
    virtual bool get(std::string_view table, std::string_view key, bytes &value) = 0;
    /* Makes these changes in their order, durably. `to` is the position that they lead to (nullptr: to none), which is
     * not asked for. Doing it a second time must change nothing; deleting what is not there is no failure. A
     * std::system_error with errc::CORRUPT says that other records may be lost as well: see KRBREPL_HOST_TEARS. */
    virtual void apply(const std::vector<change> &changes, const position *to) = 0;
    /* KRBREPL_HOST_...; asked once, when the store is opened. */
    virtual std::uint64_t flags() const
    {
        return 0;
    }
};

/* One that can take a whole new content beside the present one. With any other, a full copy changes the present content
 * piece by piece. */
class importing_host : public host
{
  public:
    virtual void import_begin() = 0;
    virtual void import_change(const change &c) = 0;
    virtual void import_commit(const position *to) = 0;
    virtual void import_abort() = 0;
};

/* One that has much to do between the last change of an import and its commit. */
class stepping_host : public importing_host
{
  public:
    /* A piece of it; true to be called again, after whatever else a node has to do. From its first call on the present
     * content may be changed, and counts as none until import_commit. */
    virtual bool import_step() = 0;
};

/* The program's journal, of a store made with KRBREPL_CREATE_JOURNALED. What is said of `host` is true of it. */
class journal
{
  public:
    virtual ~journal() = default;
    /* Takes these commits, the first of which has the seq `first`, durably, in the place of whatever it has from `first`
     * on. */
    virtual void append(std::uint64_t first, const std::vector<std::string_view> &commits) = 0;
    /* Puts the commit `seq` into `commit`, which is empty; false when it has none. */
    virtual bool read(std::uint64_t seq, bytes &commit) = 0;
    /* Only the commits from `from` to `to` are wanted any more; `from` above `to`: none. */
    virtual void cut(std::uint64_t from, std::uint64_t to) = 0;
};

/* What a store has in the program's own databases; either may be nullptr, but not both. */
struct databases {
    std::shared_ptr<host> records;
    std::shared_ptr<journal> commits;
};

namespace detail
{

/* What C calls for as long as a store is open. */
class hosted
{
  public:
    explicit hosted(databases in)
        : host_(std::move(in.records)), journal_(std::move(in.commits)),
          import_(dynamic_cast<importing_host *>(host_.get())),
          steps_(dynamic_cast<stepping_host *>(host_.get()))
    {
        if (host_ == nullptr && journal_ == nullptr)
            raise(KRBREPL_ERR_INVALID, "krbrepl: a hosted store was to be opened without a host");
        commits.append = &append;
        commits.read = &read;
        commits.cut = &cut;
        ops.get = &get;
        ops.apply = &apply;
        ops.flags = host_ != nullptr ? host_->flags() : 0;
        if (import_ != nullptr) {
            ops.import_begin = &import_begin;
            ops.import_change = &import_change;
            ops.import_commit = &import_commit;
            ops.import_abort = &import_abort;
        }
        if (steps_ != nullptr)
            ops.import_step = &import_step;
    }
    hosted(const hosted &) = delete;
    hosted &operator=(const hosted &) = delete;

    /* Throws what was thrown in this thread. */
    void rethrow()
    {
        throw_again(std::this_thread::get_id(), false);
    }
    /* Or in any other, as is right for a node that runs in a thread of the library's. */
    void rethrow_any()
    {
        rethrow();
        throw_again({}, true);
    }

    void put_into(krbrepl_store_options &o)
    {
        if (host_ != nullptr) {
            o.host = &ops;
            o.host_ctx = this;
        }
        if (journal_ != nullptr) {
            o.journal = &commits;
            o.journal_ctx = this;
        }
    }

    sized<krbrepl_host_ops> ops;
    sized<krbrepl_journal_ops> commits;

  private:
    void throw_again(std::thread::id of, bool any)
    {
        carrier one;

        {
            std::lock_guard<std::mutex> lock(mutex_);
            auto at = any ? thrown_.begin() : thrown_.find(of);

            if (at == thrown_.end())
                return;
            one = std::move(at->second);
            thrown_.erase(at);
        }
        one.rethrow();
    }
    template <class F> static int guard(void *ctx, F &&f) noexcept
    {
        hosted *h = static_cast<hosted *>(ctx);
        carrier one;

        if (one.guard([&] { f(*h); }))
            return 0;
        /* Without memory for it the exception is lost, and the error of the call remains. */
        carrier ignored;
        ignored.guard([&] {
            std::lock_guard<std::mutex> lock(h->mutex_);
            h->thrown_.emplace(std::this_thread::get_id(), std::move(one));
        });
        return THREW;
    }
    /* The value that C borrows until the next call in this thread. */
    bytes &lent()
    {
        std::lock_guard<std::mutex> lock(mutex_);

        return lent_[std::this_thread::get_id()];
    }
    static change change_of(const krbrepl_change &c)
    {
        return {static_cast<krbrepl_op>(c.op), c.table, out(c.key), out(c.value)};
    }
    /* f(const position *) */
    template <class F> static void with_position(const krbrepl_pos *to, F &&f)
    {
        const position p = to != nullptr ? position(*to) : position();

        f(to != nullptr ? &p : nullptr);
    }

    static int get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
    {
        bool found = false;
        int rc = guard(ctx, [&](hosted &h) {
            bytes &room = h.lent();

            bytes().swap(room);
            found = h.host_->get(table, out(key), room);
            *value = {room.data(), room.size()};
        });

        return rc != 0 || found ? rc : KRBREPL_ERR_NOTFOUND;
    }
    static int apply(void *ctx, const krbrepl_change *const *changes, std::size_t n,
                     const krbrepl_pos *to)
    {
        bool torn = false;
        int rc = guard(ctx, [&](hosted &h) {
            std::vector<change> all;

            all.reserve(n);
            for (std::size_t i = 0; i < n; i++)
                all.push_back(change_of(*changes[i]));
            try {
                with_position(to, [&](const position *p) { h.host_->apply(all, p); });
            } catch (const std::system_error &e) {
                torn = e.code() == errc::CORRUPT;
                throw;
            }
        });

        return torn ? KRBREPL_ERR_CORRUPT : rc;
    }
    static int import_begin(void *ctx)
    {
        return guard(ctx, [](hosted &h) { h.import_->import_begin(); });
    }
    static int import_change(void *ctx, const krbrepl_change *c)
    {
        return guard(ctx, [&](hosted &h) { h.import_->import_change(change_of(*c)); });
    }
    static int import_commit(void *ctx, const krbrepl_pos *to)
    {
        return guard(ctx, [&](hosted &h) {
            with_position(to, [&](const position *p) { h.import_->import_commit(p); });
        });
    }
    static int import_step(void *ctx, int *more)
    {
        return guard(ctx, [&](hosted &h) { *more = h.steps_->import_step() ? 1 : 0; });
    }
    static void import_abort(void *ctx)
    {
        (void)guard(ctx, [](hosted &h) { h.import_->import_abort(); });
    }

    static int append(void *ctx, std::uint64_t first, const krbrepl_bytes *commit, std::size_t n)
    {
        return guard(ctx, [&](hosted &h) {
            std::vector<std::string_view> all;

            all.reserve(n);
            for (std::size_t i = 0; i < n; i++)
                all.push_back(out(commit[i]));
            h.journal_->append(first, all);
        });
    }
    static int read(void *ctx, std::uint64_t seq, krbrepl_bytes *commit)
    {
        bool found = false;
        int rc = guard(ctx, [&](hosted &h) {
            bytes &room = h.lent();

            bytes().swap(room);
            found = h.journal_->read(seq, room);
            *commit = {room.data(), room.size()};
        });

        return rc != 0 || found ? rc : KRBREPL_ERR_NOTFOUND;
    }
    static int cut(void *ctx, std::uint64_t from, std::uint64_t to)
    {
        return guard(ctx, [&](hosted &h) { h.journal_->cut(from, to); });
    }

    const std::shared_ptr<host> host_;
    const std::shared_ptr<journal> journal_;
    importing_host *const import_;
    stepping_host *const steps_;
    std::mutex mutex_;
    std::map<std::thread::id, bytes> lent_;
    std::map<std::thread::id, carrier> thrown_;
};

} // namespace detail

} // namespace krbrepl

#endif
