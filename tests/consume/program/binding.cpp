// The C++ binding, as it is installed: makes a store, commits a record, reads it back.
#include <cstdio>

#include <krbrepl/krbrepl.hpp>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    try {
        krbrepl::create_options options;
        options.flags = KRBREPL_CREATE_MASTER;
        krbrepl::store::create(argv[1], options);
        krbrepl::store store(argv[1]);
        krbrepl::txn txn = store.begin("consumer", "first commit");
        txn.put("principal", "alice", "keys");
        std::printf("committed %llu\n", static_cast<unsigned long long>(txn.commit().seq));
        return store.open_view().get("principal", "alice") == "keys" ? 0 : 1;
    } catch (const krbrepl::error &e) {
        std::fprintf(stderr, "%s: %s\n", e.name(), e.what());
        return 1;
    }
}
