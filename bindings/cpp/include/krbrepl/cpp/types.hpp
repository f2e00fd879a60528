/* types.hpp: bytes, positions, structs that know their size, and how an exception gets through C. */
#ifndef KRBREPL_CPP_TYPES_HPP
#define KRBREPL_CPP_TYPES_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <krbrepl/cpp/error.hpp>
#include <krbrepl/types.h>
#include <krbrepl/version.h>

namespace krbrepl
{

/* A C struct with everything zero, which means the default, and its size set. */
template <class T> struct sized : T {
    sized() noexcept : T()
    {
        this->size = sizeof(T);
    }
    /* A copy of what the library handed out: of a shorter struct the rest stays zero. */
    explicit sized(const T &from) noexcept : T()
    {
        std::memcpy(static_cast<T *>(this), &from, from.size < sizeof(T) ? from.size : sizeof(T));
        this->size = sizeof(T);
    }
};

/* Record values hold keys: memory that held them is wiped before it is given back. */
template <class T> struct wiping_allocator : std::allocator<T> {
    template <class U> struct rebind {
        using other = wiping_allocator<U>;
    };
    wiping_allocator() noexcept = default;
    template <class U> wiping_allocator(const wiping_allocator<U> &) noexcept
    {
    }
    void deallocate(T *p, std::size_t n)
    {
        /* Through volatile, so that it is not left out as a write that nobody reads. */
        volatile unsigned char *b = reinterpret_cast<volatile unsigned char *>(p);

        for (std::size_t i = 0; i < n * sizeof(T); i++)
            b[i] = 0;
        std::allocator<T>::deallocate(p, n);
    }
};

using bytes = std::vector<std::uint8_t, wiping_allocator<std::uint8_t>>;

/* A point in the life of a database: krbrepl_pos that can be compared. */
struct position : krbrepl_pos {
    position() noexcept : krbrepl_pos()
    {
    }
    position(const krbrepl_pos &p) noexcept : krbrepl_pos(p)
    {
    }
    friend bool operator==(const position &a, const position &b) noexcept
    {
        return a.epoch == b.epoch && a.seq == b.seq &&
               std::memcmp(a.lineage, b.lineage, sizeof a.lineage) == 0 &&
               std::memcmp(a.chain, b.chain, sizeof a.chain) == 0;
    }
    friend bool operator!=(const position &a, const position &b) noexcept
    {
        return !(a == b);
    }
};

using progress_fn = std::function<void(const char *phase, std::uint64_t done, std::uint64_t total)>;

namespace detail
{

inline krbrepl_bytes in(std::string_view v) noexcept
{
    return {v.data(), v.size()};
}

inline std::string_view out(krbrepl_bytes b) noexcept
{
    return {static_cast<const char *>(b.data), b.len};
}

inline const char *text(const char *s) noexcept
{
    return s != nullptr ? s : "";
}

/* The library that the program meets may be older than the headers that it was compiled with. */
inline void check_version()
{
    if (krbrepl_version(KRBREPL_VERSION_NUMBER) == nullptr)
        raise(KRBREPL_ERR_ABI,
              "krbrepl: the library is older than the headers that this program was "
              "compiled with; install version " KRBREPL_VERSION_TEXT " or a newer one");
}

/* A callback's exception, from where it was thrown to where the C function returns. The first is kept:
 * what fails after it is a consequence more often than not. */
class carrier
{
  public:
    /* Runs `f`; true when it returned. */
    template <class F> bool guard(F &&f) noexcept
    {
        try {
            f();
            return true;
        } catch (...) {
            if (!thrown_)
                thrown_ = std::current_exception();
            return false;
        }
    }
    explicit operator bool() const noexcept
    {
        return thrown_ != nullptr;
    }
    void rethrow()
    {
        if (thrown_)
            std::rethrow_exception(std::exchange(thrown_, nullptr));
    }

  private:
    std::exception_ptr thrown_;
};

/* What a callback of a walk answers to C: go on, an end that was asked for, an exception. */
enum : int { GO_ON = 0, STOPPED = 1, THREW = KRBREPL_ERR_HOST };

/* A walk's visitor may return nothing, or false to end the walk. */
template <class F, class... A> bool visit(F &f, A &&...a)
{
    if constexpr (std::is_void_v<std::invoke_result_t<F &, A...>>) {
        f(std::forward<A>(a)...);
        return true;
    } else {
        return static_cast<bool>(f(std::forward<A>(a)...));
    }
}

template <class F> struct walker {
    F &f;
    carrier thrown;

    template <class... A> int step(A &&...a) noexcept
    {
        bool more = false;

        if (!thrown.guard([&] { more = visit(f, std::forward<A>(a)...); }))
            return THREW;
        return more ? GO_ON : STOPPED;
    }
};

/* Keeps what a listener throws until C has returned. */
struct listener {
    progress_fn fn;
    carrier thrown;

    static void progress(void *ctx, const char *phase, std::uint64_t done, std::uint64_t total)
    {
        listener *to = static_cast<listener *>(ctx);

        to->thrown.guard([&] { to->fn(phase, done, total); });
    }
};

} // namespace detail

} // namespace krbrepl

#endif
