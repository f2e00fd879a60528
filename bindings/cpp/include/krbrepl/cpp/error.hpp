/* error.hpp: the numbers of <krbrepl/error.h> as std::error_code, their advice as std::error_condition, and
 * the exceptions. */
#ifndef KRBREPL_CPP_ERROR_HPP
#define KRBREPL_CPP_ERROR_HPP

#include <cstring>
#include <string>
#include <system_error>

#include <krbrepl/error.h>
#include <krbrepl/types.h>

namespace krbrepl
{

/* errc::DIVERGED and so on: the table of the C header, so that the two cannot disagree. */
enum class errc : int {
    OK = 0,
#define X(name, value, advice, text) name = value,
    KRBREPL_ERROR_MAP(X)
#undef X
};

/* What to do about an error: `if (e.code() == krbrepl::advice::retry)`. */
enum class advice : int {
    none = KRBREPL_ADVICE_NONE,
    retry = KRBREPL_ADVICE_RETRY,
    resync = KRBREPL_ADVICE_RESYNC,
    operator_ = KRBREPL_ADVICE_OPERATOR,
    bug = KRBREPL_ADVICE_BUG
};

} // namespace krbrepl

template <> struct std::is_error_code_enum<krbrepl::errc> : std::true_type {
};
template <> struct std::is_error_condition_enum<krbrepl::advice> : std::true_type {
};

namespace krbrepl
{

namespace detail
{

class advice_category final : public std::error_category
{
  public:
    const char *name() const noexcept override
    {
        return "krbrepl advice";
    }
    std::string message(int value) const override
    {
        switch (value) {
        case KRBREPL_ADVICE_RETRY:
            return "the same call can work later";
        case KRBREPL_ADVICE_RESYNC:
            return "the library mends it by copying";
        case KRBREPL_ADVICE_OPERATOR:
            return "a person has to change something";
        case KRBREPL_ADVICE_BUG:
            return "the calling program is wrong";
        default:
            return "nothing has to be done";
        }
    }
};

inline const std::error_category &advices() noexcept
{
    static const advice_category one;
    return one;
}

class error_category final : public std::error_category
{
  public:
    const char *name() const noexcept override
    {
        return "krbrepl";
    }
    std::string message(int value) const override
    {
        return krbrepl_strerror(value);
    }
    /* Where the standard has a word for it, so that code which knows nothing of krbrepl can ask. */
    std::error_condition default_error_condition(int value) const noexcept override
    {
        switch (value) {
        case KRBREPL_ERR_NOMEM:
            return std::errc::not_enough_memory;
        case KRBREPL_ERR_INVALID:
            return std::errc::invalid_argument;
        case KRBREPL_ERR_TIMEOUT:
            return std::errc::timed_out;
        case KRBREPL_ERR_NOTFOUND:
            return std::errc::no_such_file_or_directory;
        case KRBREPL_ERR_EXISTS:
            return std::errc::file_exists;
        case KRBREPL_ERR_IO:
            return std::errc::io_error;
        case KRBREPL_ERR_LOCKED:
            return std::errc::device_or_resource_busy;
        case KRBREPL_ERR_NOSPACE:
            return std::errc::no_space_on_device;
        case KRBREPL_ERR_NET:
            return std::errc::host_unreachable;
        case KRBREPL_ERR_PROTO:
            return std::errc::protocol_error;
        case KRBREPL_ERR_DENIED:
            return std::errc::permission_denied;
        default:
            return {value, *this};
        }
    }
    bool equivalent(int value, const std::error_condition &asked) const noexcept override
    {
        if (asked.category() == advices())
            return value != 0 && krbrepl_err_advice(value) == asked.value();
        return default_error_condition(value) == asked;
    }
};

} // namespace detail

inline const std::error_category &category() noexcept
{
    static const detail::error_category one;
    return one;
}

inline std::error_code make_error_code(errc e) noexcept
{
    return {static_cast<int>(e), category()};
}

inline std::error_condition make_error_condition(advice a) noexcept
{
    return {static_cast<int>(a), detail::advices()};
}

/* What the library answered with `value`, which is 0 or one of KRBREPL_ERR_... */
inline std::error_code code_of(std::int64_t value) noexcept
{
    return {static_cast<int>(value), category()};
}

/* A call failed. what() is the one line that says where, why, and what to do next. */
class error : public std::system_error
{
  public:
    explicit error(const krbrepl_errinfo &info) : std::system_error(code_of(info.code)), info_(info)
    {
    }
    const char *what() const noexcept override
    {
        return info_.text[0] != '\0' ? info_.text : krbrepl_strerror(info_.code);
    }
    krbrepl::advice advice() const noexcept
    {
        return static_cast<krbrepl::advice>(krbrepl_err_advice(info_.code));
    }
    /* "DIVERGED" and the like, for logs and metrics. */
    const char *name() const noexcept
    {
        return krbrepl_err_name(info_.code);
    }
    int host_code() const noexcept
    {
        return info_.host_code;
    }
    int sys_errno() const noexcept
    {
        return info_.sys_errno;
    }

  private:
    krbrepl_errinfo info_;
};

struct retry_error : error {
    using error::error;
};
struct resync_error : error {
    using error::error;
};
struct operator_error : error {
    using error::error;
};
struct bug_error : error {
    using error::error;
};

namespace detail
{

[[noreturn]] inline void raise(const krbrepl_errinfo &info)
{
    switch (krbrepl_err_advice(info.code)) {
    case KRBREPL_ADVICE_RETRY:
        throw retry_error(info);
    case KRBREPL_ADVICE_RESYNC:
        throw resync_error(info);
    case KRBREPL_ADVICE_OPERATOR:
        throw operator_error(info);
    case KRBREPL_ADVICE_BUG:
        throw bug_error(info);
    default:
        throw error(info);
    }
}

/* For what has no detail: the binding's own refusals, and calls that fail before there is a handle. */
[[noreturn]] inline void raise(int code, const char *text = "")
{
    krbrepl_errinfo info;

    KRBREPL_INIT(&info);
    info.code = code;
    std::strncpy(info.text, text, sizeof info.text - 1);
    raise(info);
}

/* The detail belongs to `code` only when it says so: an earlier failure may have left it. */
[[noreturn]] inline void raise_detailed(int code, const krbrepl_errinfo &info)
{
    if (info.code == code)
        raise(info);
    raise(code);
}

} // namespace detail

} // namespace krbrepl

#endif
