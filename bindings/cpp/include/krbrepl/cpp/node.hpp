/* node.hpp: a running master or replica of <krbrepl/node.h>. */
#ifndef KRBREPL_CPP_NODE_HPP
#define KRBREPL_CPP_NODE_HPP

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include <krbrepl/cpp/status.hpp>
#include <krbrepl/cpp/store.hpp>
#include <krbrepl/node.h>

namespace krbrepl
{

using master_options = sized<krbrepl_master_options>;
using replica_options = sized<krbrepl_replica_options>;

/* Each may be empty. Without `authorize` nobody may connect to a master. Arguments are borrowed until the callback
 * returns. They are called from where the node is driven; with spawn that is a thread of the library's. */
struct events {
    /* Answers KRBREPL_ALLOW_... or 0. */
    std::function<int(const std::string &principal, const std::string &address)> authorize;
    std::function<void(const krbrepl_peer &peer, std::error_code err)> peer;
    std::function<void(krbrepl_state was, krbrepl_state is, std::error_code err)> state;
    std::function<void(krbrepl_log_level level, std::string_view area, std::string_view msg)> log;
};

struct node_options {
    std::string name;            /* empty: the host name */
    std::uint64_t log_level = 0; /* 0: KRBREPL_LOG_INFO */
};

class node
{
  public:
    node(const store &s, events e, const node_options &options = {}) : n_(new impl(s.s_, std::move(e)))
    {
        sized<krbrepl_events> calls;
        sized<krbrepl_config> config;
        krbrepl_errinfo info;

        KRBREPL_INIT(&info);
        n_->fill(calls);
        config.store = s.get();
        config.events = &calls;
        config.events_ctx = n_.get();
        config.name = options.name.empty() ? nullptr : options.name.c_str();
        config.log_level = options.log_level;
        if (int rc = krbrepl_node_new(&n_->n, &config, &info))
            detail::raise_detailed(rc, info);
    }
    node(node &&) noexcept = default;
    node &operator=(node &&other) noexcept
    {
        node mine(std::move(other));

        std::swap(n_, mine.n_);
        return *this;
    }
    /* Stops the node if needed. What callbacks throw meanwhile is lost: call stop to have it. */
    ~node()
    {
        if (n_ == nullptr || n_->end() == 0)
            return;
        /* Another thread is in run, or this is a callback of the node: it still uses what lies here. */
        (void)n_.release();
    }

    void start_master(const master_options &options = {})
    {
        finish(krbrepl_master_start(get(), &options));
    }
    void start_replica(const replica_options &options)
    {
        finish(krbrepl_replica_start(get(), &options));
    }
    void stop()
    {
        finish(krbrepl_node_stop(get()));
    }
    /* Stops the node and frees it. Refuses, and changes nothing, while another thread is in run. */
    void close()
    {
        int rc;

        if (n_ == nullptr)
            return;
        rc = n_->end();
        if (rc != 0)
            raise(rc);
        std::unique_ptr<impl> last = std::move(n_);
        last->rethrow();
    }
    explicit operator bool() const noexcept
    {
        return n_ != nullptr;
    }
    /* The C handle, for what this binding does not have. Borrowed. */
    krbrepl_node *handle() const
    {
        return get();
    }

    /* ---- the loop */
    int fd() const
    {
        int fd = krbrepl_node_fd(get());

        if (fd < 0)
            raise(fd);
        return fd;
    }
    /* Milliseconds until process is due; -1: never. */
    int timeout() const
    {
        return krbrepl_node_timeout(get());
    }
    void process()
    {
        finish(krbrepl_node_process(get()));
    }
    /* Returns after quit. Throws when a callback did, or when the node stopped by itself with an error. */
    void run()
    {
        krbrepl_node *c = get();
        impl *i = n_.get();
        int rc;

        i->ends_run = true;
        rc = krbrepl_node_run(c);
        i->ends_run = false;
        finish(rc);
    }
    void spawn()
    {
        krbrepl_node *c = get();

        n_->spawned = true;
        finish(krbrepl_node_spawn(c));
    }
    /* Throws what a callback has thrown since the last time, in a node that is driven by spawn. */
    void check()
    {
        get();
        n_->rethrow();
    }

    /* ---- from any thread, and from a signal handler; the node must not be closed meanwhile */
    std::error_code wake() const noexcept
    {
        return code_of(krbrepl_node_wake(n_ != nullptr ? n_->n : nullptr));
    }
    std::error_code quit() const noexcept
    {
        return code_of(krbrepl_node_quit(n_ != nullptr ? n_->n : nullptr));
    }
    std::error_code reauthorize() const noexcept
    {
        return code_of(krbrepl_node_reauthorize(n_ != nullptr ? n_->n : nullptr));
    }

    /* ---- these two also from inside of a callback */
    krbrepl::status status() const
    {
        krbrepl::status s;

        if (int rc = krbrepl_node_status(get(), &s))
            raise(rc);
        return s;
    }
    /* Calls f(const krbrepl_peer &); false when `f` ended the walk by returning false. */
    template <class F> bool each_peer(F &&f) const
    {
        detail::walker<std::remove_reference_t<F>> w{f, {}};
        int rc = krbrepl_node_peers(get(), &detail::step_peer<decltype(w)>, &w);

        w.thrown.rethrow();
        if (rc != 0 && rc != detail::STOPPED)
            raise(rc);
        return rc == 0;
    }

  private:
    /* Where the callbacks point to; it does not move when the node does. */
    struct impl {
        impl(detail::shared_store used, events e) : store(std::move(used)), on(std::move(e))
        {
        }
        impl(const impl &) = delete;
        impl &operator=(const impl &) = delete;
        ~impl()
        {
            (void)end();
        }

        void fill(krbrepl_events &calls) noexcept
        {
            if (on.authorize)
                calls.authorize = &authorize;
            if (on.peer)
                calls.peer = &peer;
            if (on.state)
                calls.state = &state;
            if (on.log)
                calls.log = &log;
        }
        /* Stops and frees the C handle, unless somebody is at work in it. A child owns nothing but memory. */
        int end() noexcept
        {
            int rc = n != nullptr ? krbrepl_node_stop(n) : 0;

            if (rc != 0 && rc != KRBREPL_ERR_FORKED)
                return rc;
            krbrepl_node_free(std::exchange(n, nullptr));
            return 0;
        }
        /* The callbacks of a spawned node run in its thread. */
        template <class F> bool guard(F &&f) noexcept
        {
            detail::carrier one;

            if (one.guard(f))
                return true;
            std::lock_guard<std::mutex> lock(mutex);
            if (!thrown)
                thrown = std::move(one);
            /* For run to return; quit may be called at any time, as from a signal handler. */
            if (ends_run)
                (void)krbrepl_node_quit(n);
            return false;
        }
        void rethrow()
        {
            detail::carrier one;

            {
                std::lock_guard<std::mutex> lock(mutex);
                std::swap(one, thrown);
            }
            one.rethrow();
            store->rethrow(spawned);
        }

        static int authorize(void *ctx, const char *principal, const char *address)
        {
            impl *i = static_cast<impl *>(ctx);
            int allow = 0;

            return i->guard([&] { allow = i->on.authorize(principal, address); }) ? allow : 0;
        }
        static void peer(void *ctx, const krbrepl_peer *p, int err)
        {
            impl *i = static_cast<impl *>(ctx);

            i->guard([&] { i->on.peer(sized<krbrepl_peer>(*p), code_of(err)); });
        }
        static void state(void *ctx, std::uint64_t was, std::uint64_t is, int err)
        {
            impl *i = static_cast<impl *>(ctx);

            i->guard([&] {
                i->on.state(static_cast<krbrepl_state>(was), static_cast<krbrepl_state>(is),
                            code_of(err));
            });
        }
        static void log(void *ctx, int level, const char *area, const char *msg, std::size_t len)
        {
            impl *i = static_cast<impl *>(ctx);

            i->guard([&] {
                i->on.log(static_cast<krbrepl_log_level>(level), area, std::string_view(msg, len));
            });
        }

        const detail::shared_store store;
        events on;
        krbrepl_node *n = nullptr;
        std::atomic<bool> spawned{false};
        std::atomic<bool> ends_run{false}; /* a callback that throws ends run */
        std::mutex mutex;
        detail::carrier thrown;
    };

    krbrepl_node *get() const
    {
        if (n_ == nullptr)
            detail::raise(KRBREPL_ERR_STATE, "krbrepl: this node is closed; make another one");
        return n_->n;
    }
    [[noreturn]] void raise(int rc) const
    {
        krbrepl_errinfo info;

        KRBREPL_INIT(&info);
        (void)krbrepl_node_errinfo(n_->n, &info);
        detail::raise_detailed(rc, info);
    }
    /* The exception of a callback goes before the error of the call, of which it may be the cause. */
    void finish(int rc) const
    {
        n_->rethrow();
        if (rc != 0)
            raise(rc);
    }

    std::unique_ptr<impl> n_;
};

} // namespace krbrepl

#endif
