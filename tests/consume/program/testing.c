/* A host runs its own records through simulated realms: accounts, between which money is moved. Whatever happens,
 * no commit is there in half, so that the sum is always 0.
 *
 * testing FROM TO */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <krbrepl/krbrepl.h>
#include <krbrepl/testing.h>

#define ACCOUNTS 20

static krbrepl_bytes account(unsigned n, char room[16])
{
    krbrepl_bytes key = {room, 0};

    key.len = (size_t)snprintf(room, 16, "account%02u", n % ACCOUNTS);
    return key;
}

static int add(krbrepl_txn *t, unsigned n, long amount)
{
    krbrepl_bytes key, value;
    char name[16], text[24] = "";
    int rc;

    key = account(n, name);
    rc = krbrepl_txn_get(t, "account", key, &value);
    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return rc;
    if (rc == 0 && value.len < sizeof text)
        memcpy(text, value.data, value.len);
    value.len = (size_t)snprintf(text, sizeof text, "%ld", strtol(text, NULL, 10) + amount);
    value.data = text;
    return krbrepl_txn_put(t, "account", key, value);
}

static int change(void *ctx, krbrepl_txn *t, uint64_t random)
{
    long amount = (long)(random % 1000);
    int rc = add(t, (unsigned)(random >> 16) % ACCOUNTS, amount);

    (void)ctx;
    return rc == 0 ? add(t, (unsigned)(random >> 32) % ACCOUNTS, -amount) : rc;
}

static int count(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    char text[24] = "";

    (void)table;
    (void)key;
    if (value.len < sizeof text)
        memcpy(text, value.data, value.len);
    *(long *)ctx += strtol(text, NULL, 10);
    return 0;
}

static int check(void *ctx, krbrepl_view *v)
{
    long sum = 0;
    int rc = krbrepl_view_each(v, "account", NULL, NULL, 0, count, &sum);

    ++*(unsigned long *)ctx;
    return rc != 0 || sum != 0;
}

int main(int argc, char **argv)
{
    unsigned long seed, checks = 0, commits = 0;
    krbrepl_testing_options opt;
    krbrepl_testing_result result;
    int bad = 0;

    if (argc != 3)
        return 2;
    memset(&opt, 0, sizeof opt);
    opt.size = sizeof opt;
    opt.ctx = &checks;
    opt.change = change;
    opt.check = check;
    for (seed = strtoul(argv[1], NULL, 10); seed <= strtoul(argv[2], NULL, 10); seed++) {
        memset(&result, 0, sizeof result);
        result.size = sizeof result;
        opt.seed = seed;
        bad |= krbrepl_testing_run(&opt, &result) != 0;
        commits += (unsigned long)result.commits;
    }
    printf("%lu commits, %lu looks at the records\n", commits, checks);
    return bad || commits == 0 || checks < commits;
}
