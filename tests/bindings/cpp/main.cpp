#include "test.hpp"

#include <sys/wait.h>
#include <unistd.h>

bool test::in_child(const std::function<bool()> &f)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        bool good = false;
        try {
            good = f();
        } catch (const std::exception &e) {
            std::fprintf(stderr, "in the child: %s\n", e.what());
        }
        _exit(good ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main()
{
    return test::run_all();
}
