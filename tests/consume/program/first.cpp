// The same headers from C++: links, and handles what the library hands out.
#include <cstdio>
#include <memory>

#include <krbrepl/krbrepl.h>

namespace
{
struct closer {
    void operator()(krbrepl_store *s) const
    {
        krbrepl_store_close(s);
    }
};

int open_new(const char *dir, std::unique_ptr<krbrepl_store, closer> &out, krbrepl_errinfo &ei)
{
    krbrepl_create_options create;
    krbrepl_store *s = nullptr;

    KRBREPL_INIT(&create);
    create.flags = KRBREPL_CREATE_MASTER;
    int ret = krbrepl_store_create(dir, &create, &ei);
    if (ret == KRBREPL_OK)
        ret = krbrepl_store_open(&s, dir, nullptr, &ei);
    out.reset(s);
    return ret;
}
} // namespace

int main(int argc, char **argv)
{
    std::unique_ptr<krbrepl_store, closer> store;
    krbrepl_store_info info;
    krbrepl_errinfo ei;

    if (argc != 2)
        return 2;
    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&info);
    int ret = open_new(argv[1], store, ei);
    if (ret == KRBREPL_OK)
        ret = krbrepl_store_info_get(store.get(), &info);
    if (ret != KRBREPL_OK) {
        std::fprintf(stderr, "%s: %s\n", krbrepl_err_name(ret), ei.text);
        return 1;
    }
    std::printf("%s at %llu\n", krbrepl_role_name(info.role),
                static_cast<unsigned long long>(info.pos.seq));
    return info.role == KRBREPL_ROLE_MASTER && info.pos.seq == 1 ? 0 : 1;
}
