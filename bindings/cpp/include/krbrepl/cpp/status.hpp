/* status.hpp: asking the node that runs on a store, from any process. */
#ifndef KRBREPL_CPP_STATUS_HPP
#define KRBREPL_CPP_STATUS_HPP

#include <optional>
#include <string>

#include <krbrepl/cpp/types.hpp>
#include <krbrepl/status.h>

namespace krbrepl
{

using status = sized<krbrepl_status>;
using wait_options = sized<krbrepl_wait_options>;

namespace detail
{

template <class W> int step_peer(void *ctx, const krbrepl_peer *peer)
{
    const sized<krbrepl_peer> now(*peer);

    return static_cast<W *>(ctx)->step(static_cast<const krbrepl_peer &>(now));
}

} // namespace detail

/* What the node on the store in `dir` says of itself, and f(const krbrepl_peer &) for each of its peers; empty when
 * no node runs. */
template <class F>
std::optional<status> fetch_status(const std::string &dir, std::uint64_t timeout_ms, F &&f)
{
    bool more = true;
    /* The status is told whether the peers are looked at to the end or not. */
    auto unless_over = [&](const krbrepl_peer &p) { more = more && detail::visit(f, p); };
    detail::walker<decltype(unless_over)> w{unless_over, {}};
    std::optional<status> s(std::in_place);
    krbrepl_errinfo info;
    int rc;

    detail::check_version();
    KRBREPL_INIT(&info);
    rc = krbrepl_status_fetch(dir.c_str(), timeout_ms, &*s, &detail::step_peer<decltype(w)>, &w, &info);
    w.thrown.rethrow();
    if (rc == KRBREPL_ERR_NOTFOUND)
        return std::nullopt;
    if (rc != 0)
        detail::raise_detailed(rc, info);
    return s;
}

inline std::optional<status> fetch_status(const std::string &dir, std::uint64_t timeout_ms = 5000)
{
    return fetch_status(dir, timeout_ms, [](const krbrepl_peer &) {});
}

struct wait_result {
    bool reached;       /* false: the time allowed has passed */
    std::uint64_t have; /* how many replicas had the commit at the end */
};

/* Waits until enough replicas have a commit; see krbrepl_wait. */
inline wait_result wait(const std::string &dir, const wait_options &options)
{
    wait_result r{true, 0};
    krbrepl_errinfo info;
    int rc;

    detail::check_version();
    KRBREPL_INIT(&info);
    rc = krbrepl_wait(dir.c_str(), &options, &r.have, &info);
    if (rc != 0 && rc != KRBREPL_ERR_TIMEOUT)
        detail::raise_detailed(rc, info);
    r.reached = rc == 0;
    return r;
}

using proved = sized<krbrepl_proved>;

/* Has the node on the store in `dir` read every record again and compare its content; see krbrepl_prove. 0 is an hour.
 * What `progress` throws comes out of here when the proof is over. */
inline proved prove(const std::string &dir, std::uint64_t timeout_ms = 0, progress_fn progress = {})
{
    detail::listener told{std::move(progress), {}};
    sized<krbrepl_prove_options> options;
    krbrepl_errinfo info;
    proved result;
    int rc;

    detail::check_version();
    KRBREPL_INIT(&info);
    options.timeout_ms = timeout_ms;
    if (told.fn) {
        options.progress = &detail::listener::progress;
        options.progress_ctx = &told;
    }
    rc = krbrepl_prove(dir.c_str(), &options, &result, &info);
    told.thrown.rethrow();
    if (rc != 0)
        detail::raise_detailed(rc, info);
    return result;
}

} // namespace krbrepl

#endif
