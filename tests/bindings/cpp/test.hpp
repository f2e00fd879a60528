/* test.hpp: promises, checks and waiting for the tests of the C++ binding. */
#ifndef TEST_HPP
#define TEST_HPP

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <krbrepl/krbrepl.hpp>

#define PROMISE(name)                                           \
    static void name();                                         \
    static const bool name##_kept = test::promise(#name, name); \
    static void name()
#define CHECK(what) test::check(what, #what, __FILE__, __LINE__)
/* Runs `call`, which must throw a krbrepl::error with `err`. */
#define REFUSES(err, call) \
    test::refuses(         \
        krbrepl::errc::err, [&] { (void)(call); }, #call, __LINE__)

namespace test
{

inline std::vector<std::pair<const char *, void (*)()>> &promises()
{
    static std::vector<std::pair<const char *, void (*)()>> all;
    return all;
}

inline bool promise(const char *name, void (*fn)())
{
    promises().emplace_back(name, fn);
    return true;
}

inline void check(bool good, const char *what, const char *file, int line)
{
    if (!good)
        throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

inline void refuses(krbrepl::errc err, const std::function<void()> &call, const char *what, int line)
{
    try {
        call();
    } catch (const krbrepl::error &e) {
        if (e.code() == err)
            return;
        throw std::runtime_error("line " + std::to_string(line) + ": " + what + " answered " +
                                 e.name() + ": " + e.what());
    }
    throw std::runtime_error("line " + std::to_string(line) + ": " + what + " was not refused");
}

/* Waits for a condition; the bound is there to end a test that has failed. */
inline void until(const char *what, const std::function<bool()> &condition)
{
    for (int i = 0; i < 6000; i++) {
        if (condition())
            return;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error(std::string("this did not come true: ") + what);
}

/* An exception that can be told from any other. */
struct oops : std::runtime_error {
    explicit oops(int which) : std::runtime_error("oops"), number(which)
    {
    }
    int number;
};

template <class F> int number_thrown(F &&f)
{
    try {
        f();
    } catch (const oops &o) {
        return o.number;
    }
    return -1;
}

/* A directory of its own for each promise. */
class scratch
{
  public:
    scratch()
    {
        std::string name = (std::filesystem::temp_directory_path() / "krcpp.XXXXXX").string();

        if (mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary directory");
        top_ = name;
    }
    scratch(const scratch &) = delete;
    scratch &operator=(const scratch &) = delete;
    ~scratch()
    {
        std::error_code ignored;

        std::filesystem::remove_all(top_, ignored);
    }
    std::string path(const char *name) const
    {
        return top_ + "/" + name;
    }
    krbrepl::store master(const char *name = "master") const
    {
        krbrepl::create_options o;

        o.flags = KRBREPL_CREATE_MASTER;
        krbrepl::store::create(path(name), o);
        return krbrepl::store(path(name));
    }

  private:
    std::string top_;
};

/* Runs `f` in a forked child; true when it returned true there. */
bool in_child(const std::function<bool()> &f);

inline int run_all()
{
    int failed = 0;

    for (const auto &[name, fn] : promises()) {
        try {
            fn();
            std::printf("kept    %s\n", name);
        } catch (const std::exception &e) {
            std::printf("BROKEN  %s: %s\n", name, e.what());
            failed++;
        }
        std::fflush(stdout);
    }
    return failed == 0 ? 0 : 1;
}

} // namespace test

#endif
