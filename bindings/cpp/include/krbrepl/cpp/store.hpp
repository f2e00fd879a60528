/* store.hpp: stores, transactions, views and loads of <krbrepl/store.h>. */
#ifndef KRBREPL_CPP_STORE_HPP
#define KRBREPL_CPP_STORE_HPP

#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <krbrepl/cpp/host.hpp>
#include <krbrepl/cpp/types.hpp>
#include <krbrepl/store.h>

namespace krbrepl
{

using create_options = sized<krbrepl_create_options>;
using store_options = sized<krbrepl_store_options>;
using store_info = sized<krbrepl_store_info>;
using retention = sized<krbrepl_retention>;
using load_result = sized<krbrepl_load_result>;

/* What two stores of one database are compared by. */
struct digest {
    std::array<std::uint8_t, 32> root{};
    std::uint64_t records = 0;

    friend bool operator==(const digest &a, const digest &b) noexcept
    {
        return a.root == b.root && a.records == b.records;
    }
    friend bool operator!=(const digest &a, const digest &b) noexcept
    {
        return !(a == b);
    }
};

namespace detail
{

/* One open store. Transactions, views, loads and nodes share it, so that it outlives them. */
class store_handle
{
  public:
    explicit store_handle(krbrepl_store *c_handle, std::unique_ptr<hosted> host) noexcept
        : s(c_handle), h_(std::move(host))
    {
    }
    store_handle(const store_handle &) = delete;
    store_handle &operator=(const store_handle &) = delete;
    ~store_handle()
    {
        krbrepl_store_close(s);
    }
    void check(int rc) const
    {
        krbrepl_errinfo info;

        if (h_ != nullptr)
            h_->rethrow();
        if (rc == 0)
            return;
        KRBREPL_INIT(&info);
        (void)krbrepl_store_errinfo(s, &info);
        raise_detailed(rc, info);
    }
    /* For a node: what the host has thrown there. */
    void rethrow(bool any_thread) const
    {
        if (h_ == nullptr)
            return;
        if (any_thread)
            h_->rethrow_any();
        else
            h_->rethrow();
    }

    krbrepl_store *const s;

  private:
    const std::unique_ptr<hosted> h_;
};

using shared_store = std::shared_ptr<const store_handle>;

/* What a txn, a view or a load has: the C handle, the store that it keeps open, and how it is given up. It is
 * shared with a walk that is under way, so that a callback may let go of what is being walked over. */
template <class C, void (*End)(C *)> class part
{
  public:
    struct held {
        held(C *c_handle, shared_store of) noexcept : c(c_handle), s(std::move(of))
        {
        }
        held(const held &) = delete;
        held &operator=(const held &) = delete;
        ~held()
        {
            if (c != nullptr)
                End(c);
        }
        void check(int rc) const
        {
            s->check(rc);
        }

        C *c;
        shared_store s;
    };

    part(C *c, shared_store s, const char *gone) : gone_(gone)
    {
        try {
            h_ = std::make_shared<held>(c, std::move(s));
        } catch (...) {
            End(c);
            throw;
        }
    }
    part(part &&) noexcept = default;
    part &operator=(part &&) noexcept = default;
    held &get() const
    {
        if (h_ == nullptr)
            raise(KRBREPL_ERR_STATE, gone_);
        return *h_;
    }
    std::shared_ptr<held> hold() const
    {
        (void)get();
        return h_;
    }
    /* For the C function that frees the handle in any case; the store is kept for the detail of its failure. */
    std::pair<C *, shared_store> release()
    {
        std::shared_ptr<held> mine;

        (void)get();
        if (h_.use_count() > 1)
            raise(KRBREPL_ERR_STATE,
                  "krbrepl: this was called from inside of a callback of the same handle");
        mine = std::move(h_);
        return {std::exchange(mine->c, nullptr), std::move(mine->s)};
    }
    void close() noexcept
    {
        h_.reset();
    }
    explicit operator bool() const noexcept
    {
        return h_ != nullptr;
    }

  private:
    std::shared_ptr<held> h_;
    const char *gone_;
};

/* Reads what is handed out by copying, for what is not there or fails in the usual way. */
inline bool found(int rc, const store_handle &s)
{
    s.check(rc == KRBREPL_ERR_NOTFOUND ? 0 : rc);
    return rc == 0;
}

} // namespace detail

/* ---- a commit being made ----------------------------------------------------------------------- */

class txn
{
  public:
    void put(const char *table, std::string_view key, std::string_view value)
    {
        auto &h = t_.get();

        h.check(krbrepl_txn_put(h.c, table, detail::in(key), detail::in(value)));
    }
    /* False when there is no such record. */
    bool remove(const char *table, std::string_view key)
    {
        auto &h = t_.get();

        return detail::found(krbrepl_txn_delete(h.c, table, detail::in(key)), *h.s);
    }
    /* Borrowed until the next call on the transaction. */
    std::optional<std::string_view> get(const char *table, std::string_view key)
    {
        krbrepl_bytes value{};
        auto &h = t_.get();

        if (!detail::found(krbrepl_txn_get(h.c, table, detail::in(key), &value), *h.s))
            return std::nullopt;
        return detail::out(value);
    }
    /* Makes the changes durable as a promise, so that the program may write its own database now. Afterwards only commit
     * and abort are legal. */
    void prepare()
    {
        auto &h = t_.get();

        h.check(krbrepl_txn_prepare(h.c));
    }
    /* Durable when it returns. The transaction is gone in any case; when this throws, nothing was changed, but on a
     * hosted store it may count all the same when some of it was written. */
    position commit()
    {
        position pos;

        same_thread();
        auto [t, s] = t_.release();

        s->check(krbrepl_txn_commit(t, &pos));
        return pos;
    }
    void abort()
    {
        if (!t_)
            return;
        same_thread();
        t_.close();
    }
    explicit operator bool() const noexcept
    {
        return static_cast<bool>(t_);
    }

  private:
    friend class store;
    txn(krbrepl_txn *t, detail::shared_store s)
        : t_(t, std::move(s), "krbrepl: this transaction is over; begin another one")
    {
    }
    /* The writer lock belongs to a thread. */
    void same_thread() const
    {
        if (thread_ != std::this_thread::get_id())
            detail::raise(KRBREPL_ERR_STATE,
                          "krbrepl: a transaction is committed or aborted by the thread that began it");
    }
    detail::part<krbrepl_txn, krbrepl_txn_abort> t_;
    std::thread::id thread_ = std::this_thread::get_id();
};

/* ---- all records at one position ----------------------------------------------------------------- */

class view
{
  public:
    position pos() const
    {
        auto &h = v_.get();
        position p;

        h.check(krbrepl_view_pos(h.c, &p));
        return p;
    }
    /* Borrowed until the view is closed. */
    std::optional<std::string_view> get(const char *table, std::string_view key)
    {
        krbrepl_bytes value{};
        auto &h = v_.get();

        if (!detail::found(krbrepl_view_get(h.c, table, detail::in(key), &value), *h.s))
            return std::nullopt;
        return detail::out(value);
    }
    /* Calls f(std::string_view table, std::string_view key, std::string_view value) for each record of `table`
     * (nullptr: of all) whose key lies between the bounds. False when `f` ended the walk. */
    template <class F>
    bool each(const char *table, F &&f, std::optional<std::string_view> from = std::nullopt,
              std::optional<std::string_view> to = std::nullopt, bool reverse = false)
    {
        detail::walker<std::remove_reference_t<F>> w{f, {}};
        const krbrepl_bytes low = detail::in(from.value_or("")), high = detail::in(to.value_or(""));
        auto h = v_.hold();
        int rc = krbrepl_view_each(h->c, table, from ? &low : nullptr, to ? &high : nullptr,
                                   reverse ? KRBREPL_EACH_REVERSE : 0, &step<decltype(w)>, &w);

        w.thrown.rethrow();
        if (rc == detail::STOPPED)
            return false;
        h->check(rc);
        return true;
    }
    /* Reads every record; two stores of one database with equal digests have equal content. */
    krbrepl::digest digest()
    {
        auto &h = v_.get();
        krbrepl::digest d;

        h.check(krbrepl_view_digest(h.c, d.root.data(), &d.records));
        return d;
    }
    void close()
    {
        v_.close();
    }
    explicit operator bool() const noexcept
    {
        return static_cast<bool>(v_);
    }

  private:
    friend class store;
    view(krbrepl_view *v, detail::shared_store s)
        : v_(v, std::move(s), "krbrepl: this view is closed; open another one")
    {
    }
    template <class W>
    static int step(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
    {
        return static_cast<W *>(ctx)->step(std::string_view(table), detail::out(key),
                                           detail::out(value));
    }
    detail::part<krbrepl_view, krbrepl_view_close> v_;
};

/* ---- a whole new content being brought in ---------------------------------------------------------- */

class load
{
  public:
    using progress_fn = krbrepl::progress_fn;

    /* False when the key was given before; the load goes on. */
    bool put(const char *table, std::string_view key, std::string_view value)
    {
        auto h = l_.hold();
        auto told = told_;
        int rc = krbrepl_load_put(h->c, table, detail::in(key), detail::in(value));

        told->thrown.rethrow();
        if (rc != KRBREPL_ERR_EXISTS)
            h->check(rc);
        return rc == 0;
    }
    /* The load is gone in any case. An exception of `progress` comes out of here after the work was done: the
     * library cannot be stopped by it any more. */
    load_result commit()
    {
        load_result result;
        auto [l, s] = l_.release();
        auto told = std::move(told_);

        s->check(krbrepl_load_commit(l, &result));
        told->thrown.rethrow();
        return result;
    }
    void abort()
    {
        l_.close();
    }
    explicit operator bool() const noexcept
    {
        return static_cast<bool>(l_);
    }

  private:
    friend class store;
    load(krbrepl_load *l, detail::shared_store s, std::shared_ptr<detail::listener> told)
        : told_(std::move(told)), l_(l, std::move(s), "krbrepl: this load is over; begin another one")
    {
    }
    /* Above the handle, so that it is destroyed after it. */
    std::shared_ptr<detail::listener> told_;
    detail::part<krbrepl_load, krbrepl_load_abort> l_;
};

/* ---- the store -------------------------------------------------------------------------------------- */

class store
{
  public:
    static void create(const std::string &dir, const create_options &options = {})
    {
        krbrepl_errinfo info;

        detail::check_version();
        KRBREPL_INIT(&info);
        if (int rc = krbrepl_store_create(dir.c_str(), &options, &info))
            detail::raise_detailed(rc, info);
    }
    explicit store(const std::string &dir, const store_options &options = {})
        : store(dir, std::unique_ptr<detail::hosted>(), options)
    {
    }
    /* A store whose records are in `host`, which is kept for as long as the store is open. */
    store(const std::string &dir, std::shared_ptr<host> database, const store_options &options = {})
        : store(dir, databases{std::move(database), nullptr}, options)
    {
    }
    /* One whose commits are in `in.commits`, with its records in `in.records` or not. */
    store(const std::string &dir, databases in, const store_options &options = {})
        : store(dir, std::make_unique<detail::hosted>(std::move(in)), options)
    {
    }
    store(store &&) noexcept = default;
    store &operator=(store &&) noexcept = default;

    /* Refuses while a txn, a view, a load or a node uses the store. The destructor does not refuse: the store is
     * closed when the last of these is gone. */
    void close()
    {
        if (s_.use_count() > 1)
            detail::raise(KRBREPL_ERR_STATE,
                          "krbrepl: a transaction, view, load or node uses this store; end that first");
        s_.reset();
    }
    explicit operator bool() const noexcept
    {
        return s_ != nullptr;
    }
    /* The C handle, for what this binding does not have. Borrowed. */
    krbrepl_store *get() const
    {
        return open().s;
    }

    store_info info() const
    {
        store_info i;

        check(krbrepl_store_info_get(get(), &i));
        return i;
    }
    std::string dir() const
    {
        return detail::text(krbrepl_store_dir(get()));
    }
    void set_retention(const retention &r)
    {
        check(krbrepl_store_set_retention(get(), &r));
    }

    /// Drops the oldest commits of the journal until `keep` remain, but none that a known replica still needs. How
    /// many went.
    std::uint64_t trim(std::uint64_t keep)
    {
        std::uint64_t dropped = 0;

        check(krbrepl_store_trim(get(), keep, &dropped));
        return dropped;
    }

    /* ---- roles, backups. An empty `who` is "uid N". */
    position promote(const std::string &who = {})
    {
        position p;

        check(krbrepl_promote(get(), named(who), &p));
        return p;
    }
    position demote(const std::string &who = {})
    {
        position p;

        check(krbrepl_demote(get(), named(who), &p));
        return p;
    }
    position resolve(krbrepl_resolve_which which, const std::string &who = {})
    {
        position p;

        check(krbrepl_resolve(get(), which, named(who), &p));
        return p;
    }
    void backup(const std::string &file)
    {
        check(krbrepl_backup(get(), file.c_str()));
    }
    static void restore(const std::string &file, const std::string &dir, const std::string &who = {})
    {
        krbrepl_errinfo info;

        detail::check_version();
        KRBREPL_INIT(&info);
        if (int rc = krbrepl_restore(file.c_str(), dir.c_str(), named(who), &info))
            detail::raise_detailed(rc, info);
    }
    static void upgrade(const std::string &dir)
    {
        krbrepl_errinfo info;

        detail::check_version();
        KRBREPL_INIT(&info);
        if (int rc = krbrepl_upgrade(dir.c_str(), &info))
            detail::raise_detailed(rc, info);
    }

    /* ---- writing and reading */
    txn begin(const std::string &who = {}, const std::string &why = {})
    {
        sized<krbrepl_txn_options> options;
        krbrepl_txn *t = nullptr;

        options.who = named(who);
        options.why = named(why);
        check(krbrepl_txn_begin(get(), &t, &options));
        return txn(t, s_);
    }
    view open_view() const
    {
        krbrepl_view *v = nullptr;

        check(krbrepl_view_open(get(), &v));
        return view(v, s_);
    }
    load begin_load(const std::string &who = {}, const std::string &why = {},
                    load::progress_fn progress = {})
    {
        auto told = std::make_shared<detail::listener>();
        sized<krbrepl_load_options> options;
        krbrepl_load *l = nullptr;

        options.who = named(who);
        options.why = named(why);
        told->fn = std::move(progress);
        if (told->fn) {
            options.progress = &detail::listener::progress;
            options.progress_ctx = told.get();
        }
        check(krbrepl_load_begin(get(), &l, &options));
        return load(l, s_, std::move(told));
    }
    /* Calls f(const krbrepl_commit &) for the commits from `from` to `to` (0: the last). False when `f` ended
     * the walk by returning false. */
    template <class F> bool each_commit(std::uint64_t from, std::uint64_t to, F &&f) const
    {
        return walk(f, [&](auto &w) {
            return krbrepl_journal_each(get(), from, to,
                                        &step<std::decay_t<decltype(w)>, krbrepl_commit>, &w);
        });
    }

    /* ---- what a master remembers of its replicas */
    template <class F> bool each_slot(F &&f) const
    {
        return walk(f, [&](auto &w) {
            return krbrepl_slot_each(get(), &step<std::decay_t<decltype(w)>, krbrepl_slot>, &w);
        });
    }
    /* False when there is no such slot. */
    bool drop_slot(const std::string &principal)
    {
        return detail::found(krbrepl_slot_drop(get(), principal.c_str()), open());
    }
    /* A slave of Heimdal's gets its complete database anew. False when there is no such slot. */
    bool reset_slot(const std::string &principal)
    {
        return detail::found(krbrepl_slot_reset(get(), principal.c_str()), open());
    }

    /* ---- what belongs to this node alone */
    void local_put(const char *table, std::string_view key, std::string_view value)
    {
        check(krbrepl_local_put(get(), table, detail::in(key), detail::in(value)));
    }
    std::optional<bytes> local_get(const char *table, std::string_view key) const
    {
        bytes value(256);
        int rc;

        do {
            std::size_t len = value.size();

            rc = krbrepl_local_get(get(), table, detail::in(key), value.data(), &len);
            if (rc == 0 || (rc == KRBREPL_ERR_TOOBIG && len > value.size()))
                value.resize(len);
            else if (rc == KRBREPL_ERR_TOOBIG)
                break;
        } while (rc == KRBREPL_ERR_TOOBIG);
        if (!detail::found(rc, open()))
            return std::nullopt;
        return value;
    }
    bool local_remove(const char *table, std::string_view key)
    {
        return detail::found(krbrepl_local_delete(get(), table, detail::in(key)), open());
    }

  private:
    friend class node;

    store(const std::string &dir, std::unique_ptr<detail::hosted> h, const store_options &options)
    {
        krbrepl_store *s = nullptr;
        krbrepl_errinfo info;

        detail::check_version();
        KRBREPL_INIT(&info);
        /* As they are where there is no host: they may be of another age, and so of another length. */
        store_options with = options;
        if (h != nullptr) {
            h->put_into(with);
        }
        if (int rc = krbrepl_store_open(&s, dir.c_str(), h != nullptr ? &with : &options, &info))
            detail::raise_detailed(rc, info);
        s_ = std::make_shared<const detail::store_handle>(s, std::move(h));
    }
    static const char *named(const std::string &s) noexcept
    {
        return s.empty() ? nullptr : s.c_str();
    }
    const detail::store_handle &open() const
    {
        if (s_ == nullptr)
            detail::raise(KRBREPL_ERR_STATE, "krbrepl: this store is closed; open it again");
        return *s_;
    }
    void check(int rc) const
    {
        open().check(rc);
    }
    template <class W, class T> static int step(void *ctx, const T *what)
    {
        const sized<T> now(*what);

        return static_cast<W *>(ctx)->step(static_cast<const T &>(now));
    }
    template <class F, class Call> bool walk(F &f, Call &&call) const
    {
        /* Keeps the store open when the visitor lets go of it. */
        const detail::shared_store held = s_;
        detail::walker<F> w{f, {}};
        int rc = call(w);

        w.thrown.rethrow();
        if (rc == detail::STOPPED)
            return false;
        held->check(rc);
        return true;
    }

    detail::shared_store s_;
};

} // namespace krbrepl

#endif
