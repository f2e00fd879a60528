/* The reader of dump files: every form of a line, and every way in which one can be wrong. */
#include "mitcase.h"

#include "seen.h"

#define PRINC "princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n"

static int parse(const char *text, entry *out, krbrepl_errinfo *ei)
{
    return text_parse(text, strlen(text), 0, out, out != NULL ? 1 : 0, ei);
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void principal_line_is_read_field_by_field(void **state)
{
    char text[4096] = V7;
    krbrepl_mit_principal *p;
    krbrepl_errinfo ei;
    entry e;

    (void)state;
    strcat(text, "princ\t38\t4\t2\t2\t2\ta@BC\t-5\t1\t2\t3\t4\t5\t6\t7\t"
                 "11\t4\t6b007600\t-3\t0\t-1\t1\t9\t18\t2\tABcd\t2\t10\t17\t0\t-1\t4\t1\t5a\tbeef;\n");
    assert_int_equal(parse(text, &e, &ei), 1);
    assert_string_equal(e.table, "principal");
    assert_int_equal(e.line, 2);
    assert_int_equal(e.key_len, 4);
    assert_memory_equal(e.key, "a@BC", 4);
    assert_int_equal(e.lockout.last_success, 5);
    assert_int_equal(e.lockout.last_failed, 6);
    assert_int_equal(e.lockout.failures, 7);
    assert_int_equal(krbrepl_mit_principal_decode(entry_value(&e), &p, &ei), 0);
    assert_int_equal(p->base_length, 38);
    assert_int_equal(p->attributes, -5);
    assert_int_equal(p->max_life, 1);
    assert_int_equal(p->max_renewable_life, 2);
    assert_int_equal(p->expiration, 3);
    assert_int_equal(p->pw_expiration, 4);
    assert_int_equal(p->ntl, 2);
    assert_int_equal(p->tl[0].type, 11);
    assert_memory_equal(p->tl[0].data.data, "k\0v\0", 4);
    assert_int_equal(p->tl[1].type, -3);
    assert_int_equal(p->tl[1].data.len, 0);
    assert_int_equal(p->nkeys, 2);
    assert_int_equal(p->keys[0].version, 1);
    assert_int_equal(p->keys[0].kvno, 9);
    assert_memory_equal(p->keys[0].part[0].data.data, "\xab\xcd", 2);
    assert_int_equal(p->keys[1].version, 2);
    assert_int_equal(p->keys[1].part[1].type, 4);
    assert_memory_equal(p->keys[1].part[1].data.data, "Z", 1);
    assert_memory_equal(p->extra.data, "\xbe\xef", 2);
    krbrepl_mit_principal_free(p);
    entries_free(&e, 1);
}

/* Formats 4 to 6 leave the last fields of a policy out; kdb5_util reads them as zeros and no list. */
static void policy_of_every_format_is_read(void **state)
{
    static const struct {
        const char *text;
        uint32_t max_failures, duration, attributes;
        const char *keysalts;
    } c[] = {
        {"kdb5_util load_dump version 4\npolicy\tp\t1\t2\t3\t4\t5\t6\n", 0, 0, 0, NULL},
        {"kdb5_util load_dump version 5\npolicy\tp\t1\t2\t3\t4\t5\t6\n", 0, 0, 0, NULL},
        {"kdb5_util load_dump version 6\npolicy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\n", 7, 9, 0, NULL},
        {V7 "policy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t0\n", 7, 9, 10, NULL},
        {V7 "policy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\ta:b\t1\t5\t1\t00\n", 7, 9, 10, "a:b"},
        {"iprop 12 1700000000 5\npolicy\tp\t1\t2\t3\t4\t5\t6\n", 0, 0, 0, NULL},
        {"ipropx 0 12 1700000000 5\npolicy\tp\t1\t2\t3\t4\t5\t6\n", 0, 0, 0, NULL},
        {"ipropx 1 12 1700000000 5\npolicy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\n", 7, 9, 0, NULL},
        {"ipropx 1 12 1700000000 5\npolicy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t0\n", 7, 9, 10,
         NULL},
    };
    krbrepl_mit_policy *p;
    krbrepl_errinfo ei;
    size_t i;
    entry e;

    (void)state;
    for (i = 0; i < sizeof c / sizeof *c; i++) {
        assert_int_equal(parse(c[i].text, &e, &ei), 1);
        assert_string_equal(e.table, "policy");
        assert_int_equal(e.key_len, 1);
        assert_int_equal(krbrepl_mit_policy_decode(entry_value(&e), &p, &ei), 0);
        assert_int_equal(p->min_life, 1);
        assert_int_equal(p->references, 6);
        assert_int_equal(p->max_failures, c[i].max_failures);
        assert_int_equal(p->lockout_duration, c[i].duration);
        assert_int_equal(p->attributes, c[i].attributes);
        if (c[i].keysalts == NULL)
            assert_null(p->keysalts.data);
        else
            assert_memory_equal(p->keysalts.data, c[i].keysalts, p->keysalts.len);
        krbrepl_mit_policy_free(p);
        entries_free(&e, 1);
    }
}

static void signs_of_32_bit_values_do_not_matter(void **state)
{
    krbrepl_mit_principal *p;
    krbrepl_errinfo ei;
    entry e;

    (void)state;
    assert_int_equal(
        parse(V7 "princ\t38\t3\t0\t0\t0\tx@Y\t4294967295\t4294967294\t0\t-1\t-2147483648\t-1\t0\t"
                 "4294967293\t-1;\n",
              &e, &ei),
        1);
    assert_int_equal(krbrepl_mit_principal_decode(entry_value(&e), &p, &ei), 0);
    assert_int_equal(p->attributes, -1);
    assert_int_equal(p->max_life, -2);
    assert_int_equal(p->expiration, 0xffffffffu);
    assert_int_equal(p->pw_expiration, 0x80000000u);
    assert_int_equal(e.lockout.last_success, 0xffffffffu);
    assert_int_equal(e.lockout.failures, 0xfffffffdu);
    krbrepl_mit_principal_free(p);
    entries_free(&e, 1);
}

static void largest_fields_are_read(void **state)
{
    char *text = malloc(400000), *at = text;
    krbrepl_mit_principal *p;
    krbrepl_errinfo ei;
    size_t i;
    entry e;

    (void)state;
    assert_non_null(text);
    at += sprintf(at, V7 "princ\t38\t65535\t1\t1\t0\t");
    memset(at, 'n', 65535);
    at += 65535;
    at += sprintf(at, "\t0\t0\t0\t0\t0\t0\t0\t0\t11\t65535\t");
    for (i = 0; i < 65535; i++)
        at += sprintf(at, "%02x", (unsigned)(i & 0xff));
    at += sprintf(at, "\t1\t1\t18\t65535\t");
    for (i = 0; i < 65535; i++)
        at += sprintf(at, "5a");
    sprintf(at, "\t-1;\n");
    assert_int_equal(parse(text, &e, &ei), 1);
    assert_int_equal(e.key_len, 65535);
    assert_int_equal(krbrepl_mit_principal_decode(entry_value(&e), &p, &ei), 0);
    assert_int_equal(p->tl[0].data.len, 65535);
    assert_int_equal(((const uint8_t *)p->tl[0].data.data)[300], 300 & 0xff);
    assert_int_equal(p->keys[0].part[0].data.len, 65535);
    krbrepl_mit_principal_free(p);
    entries_free(&e, 1);
    free(text);
}

static void pieces_of_the_file_do_not_matter(void **state)
{
    char text[16384] = V7;
    entry whole[32], bits[32];
    krbrepl_errinfo ei;
    size_t i, piece;

    (void)state;
    for (i = 0; i < golden_count; i++)
        strcat(text, golden_line[i]);
    assert_int_equal(text_parse(text, strlen(text), 0, whole, 32, &ei), (int)golden_count);
    for (piece = 1; piece < 9; piece += 2) {
        assert_int_equal(text_parse(text, strlen(text), piece, bits, 32, &ei), (int)golden_count);
        for (i = 0; i < golden_count; i++) {
            assert_int_equal(bits[i].line, i + 2);
            assert_int_equal(bits[i].value_len, whole[i].value_len);
            assert_memory_equal(bits[i].value, whole[i].value, whole[i].value_len);
            assert_memory_equal(bits[i].key, whole[i].key, whole[i].key_len);
        }
        entries_free(bits, golden_count);
    }
    entries_free(whole, golden_count);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused_at(const char *text, int code, const char *where, const char *why)
{
    krbrepl_errinfo ei;
    int rc = parse(text, NULL, &ei);

    if (rc != code || strstr(ei.text, where) != ei.text || strstr(ei.text, why) == NULL)
        fail_msg("%s\n  gave %d \"%s\"\n  want %d \"%s ... %s\"", text, rc, rc < 0 ? ei.text : "", code,
                 where, why);
}

static void unknown_header_is_refused_with_advice(void **state)
{
    (void)state;
    refused_at("", KRBREPL_ERR_INPUT, "FILE:1:", "empty");
    refused_at("kdb5_util load_dump version 7", KRBREPL_ERR_INPUT, "FILE:1:", "truncated");
    refused_at("kdb5_util load_dump version 8\n", KRBREPL_ERR_FORMAT, "FILE:1:", "version 8");
    refused_at("kdb5_util load_dump version 3\n", KRBREPL_ERR_FORMAT,
               "FILE:1:", "`kdb5_util dump FILE`");
    refused_at("kdb5_util load_dump version 77\n", KRBREPL_ERR_FORMAT, "FILE:1:", "is not read");
    refused_at("OpenV*Secure V1.0\t\n", KRBREPL_ERR_FORMAT, "FILE:1:", "is not read");
    refused_at("ipropx 2 1 2 3\n", KRBREPL_ERR_FORMAT, "FILE:1:", "is not read");
    refused_at("iprop 1 2\n", KRBREPL_ERR_FORMAT, "FILE:1:", "is not read");
    refused_at("some text\n" PRINC, KRBREPL_ERR_INPUT, "FILE:1:", "no file made by");
    refused_at("\177ELF\n", KRBREPL_ERR_INPUT, "FILE:1:", "no file made by");
}

static void malformed_line_is_refused_with_its_number(void **state)
{
    static const struct {
        const char *line, *why;
    } c[] = {
        {"\n", "begin with princ or policy"},
        {"princ 38\n", "begin with princ or policy"},
        {"principal\t38\n", "begin with princ or policy"},
        {"princ\n", "begin with princ or policy"},
        {"princ\tx\n", "base length: a decimal number"},
        {"princ\t38\t3\n", "name length: the line ends here"},
        {"princ\t38 3\t0\t0\t0\tx@Y\t0\n", "base length: the byte 0x20"},
        {"princ\t38x3\t0\t0\t0\tx@Y\t0\n", "base length: the character 'x'"},
        {"princ\t65536\t3\t0\t0\t0\tx@Y\n", "base length: 65536 is not between"},
        {"princ\t38\t0\t0\t0\t0\t\t0\n", "name length: 0 is not between"},
        {"princ\t38\t65536\t0\t0\t0\tx\n", "name length: 65536"},
        {"princ\t38\t3\t32768\t0\t0\tx\n", "number of tagged data: 32768"},
        {"princ\t38\t3\t0\t-1\t0\tx\n", "number of keys: -1"},
        {"princ\t38\t3\t0\t0\t65536\tx\n", "extra data length: 65536"},
        {"princ\t38\t4\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
         "name: it does not end after its length 4"},
        {"princ\t38\t99\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
         "name: it is shorter than its length 99"},
        {"princ\t38\t2\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n", "name: it does not end"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t4294967296\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
         "attributes: 4294967296"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t0\t99999999999999999999\t0\n",
         "maximum life: the number is too long"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t+1\t0\t0\t0\t0\t-1;\n", "expiration: a decimal number"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\n", "last failure: the line ends here"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1\n", "a ';' has to stand"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t;\n", "-1 has to stand"},
        {"princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1; \n", "goes on behind the ';'"},
        {"princ\t38\t3\t0\t0\t2\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\tab;\n",
         "extra data: 4 hexadecimal digits"},
        {"princ\t38\t3\t1\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t1\t2\tabcg\t-1;\n",
         "tagged data: 4 hexadecimal"},
        {"princ\t38\t3\t1\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t1\t2\tabcdef\t-1;\n",
         "tagged data: the character 'e'"},
        {"princ\t38\t3\t1\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t65536\t0\t-1\t-1;\n",
         "tagged data: 65536"},
        {"princ\t38\t3\t2\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t1\t0\t-1\t-1;\n",
         "tagged data: the character ';'"},
        {"princ\t38\t3\t0\t1\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t3\t1\t1\t0\t-1\t-1;\n", "key version: 3"},
        {"princ\t38\t3\t0\t1\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t0\t1\t1\t0\t-1\t-1;\n", "key version: 0"},
        {"princ\t38\t3\t0\t1\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t1\t65536\t1\t0\t-1\t-1;\n",
         "kvno: 65536"},
        {"princ\t38\t3\t0\t1\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t2\t1\t1\t0\t-1\t-1;\n",
         "salt: the character ';'"},
        {"policy\t\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t0\n", "policy name: it is empty"},
        {"policy\tp\n", "policy name: the line ends here"},
        {"policy\tp\t1\t2\t3\t4\t5\t6\n", "the line has 7 fields, but a policy in this format has 14"},
        {"policy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\n", "key/salt types: the line ends here"},
        {"policy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t\t0\n", "key/salt types: it is empty"},
        {"policy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t1\n",
         "tagged data of the policy: the line ends"},
        {"policy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t0\t5\n", "goes on behind the policy"},
        {"policy\tp\t1\tx\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t0\n", "maximum life: a decimal number"},
    };
    char text[1024];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof c / sizeof *c; i++) {
        snprintf(text, sizeof text, "%s%s%s%s", V7, PRINC, c[i].line, PRINC);
        refused_at(text, KRBREPL_ERR_INPUT, "FILE:3:", c[i].why);
    }
    refused_at(
        "kdb5_util load_dump version 5\npolicy\tp\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t-\t0\n",
        KRBREPL_ERR_INPUT, "FILE:2:", "has 7 fields, but the line has more");
    refused_at("ipropx 1 1 2 3\npolicy\tp\t1\t2\t3\t4\t5\t6\n", KRBREPL_ERR_INPUT,
               "FILE:2:", "7 fields");
}

/* A cut at the end of a line leaves a file that nothing can tell from a shorter dump. */
static void file_cut_anywhere_but_between_lines_is_refused(void **state)
{
    char text[16384] = V7;
    krbrepl_errinfo ei;
    size_t i, n;
    int rc;

    (void)state;
    for (i = 0; i < golden_count; i++)
        strcat(text, golden_line[i]);
    for (n = 0; n < strlen(text); n++) {
        rc = text_parse(text, n, 0, NULL, 0, &ei);
        if (n > 0 && text[n - 1] == '\n')
            assert_true(rc >= 0);
        else
            assert_int_equal(rc, KRBREPL_ERR_INPUT);
    }
}

static void nul_byte_is_refused(void **state)
{
    static const char text[] = V7 "princ\t38\t3\t0\t0\t0\tx\0Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n";
    static const char more[] = V7 "princ\t38\0\t3\n";
    krbrepl_errinfo ei;

    (void)state;
    assert_int_equal(text_parse(text, sizeof text - 1, 0, NULL, 0, &ei), KRBREPL_ERR_INPUT);
    assert_int_equal(text_parse(more, sizeof more - 1, 0, NULL, 0, &ei), KRBREPL_ERR_INPUT);
}

/* 32,767 items of 65,535 bytes would be 2 GiB: the reader stops at the largest record there is. */
static void record_larger_than_the_store_takes_is_refused(void **state)
{
    size_t one = 2 * 65535 + 16, room = 260 * one + 4096, i;
    char *text = malloc(room), *at = text;
    krbrepl_errinfo ei;

    (void)state;
    assert_non_null(text);
    at += sprintf(at, V7 "princ\t38\t3\t300\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0");
    for (i = 0; i < 260; i++) {
        at += sprintf(at, "\t1\t65535\t");
        memset(at, 'a', 2 * 65535);
        at += 2 * 65535;
    }
    assert_int_equal(text_parse(text, (size_t)(at - text), 0, NULL, 0, &ei), KRBREPL_ERR_INPUT);
    assert_non_null(strstr(ei.text, "FILE:2: the record is larger than 16 MiB"));
    free(text);
}

static void failed_read_is_told_apart_from_truncation(void **state)
{
    krbrepl__mit_reader *r;
    krbrepl_errinfo ei;
    int fd = -1;

    (void)state;
    r = krbrepl__mit_reader_new("FILE", krbrepl__mit_read_fd, &fd);
    assert_non_null(r);
    assert_int_equal(krbrepl__mit_reader_begin(r, &ei), KRBREPL_ERR_IO);
    assert_true(ei.sys_errno != 0);
    krbrepl__mit_reader_free(r);
}

/* Damage of any kind may be refused or not, but it does no harm, and what is read can be decoded. */
static void damaged_files_do_no_harm(void **state)
{
    krbrepl_mit_principal *p;
    krbrepl_mit_policy *q;
    char text[16384], was;
    krbrepl_errinfo ei;
    size_t i, len, at;
    rnd r = {4};
    entry e[32];
    int round, n;

    (void)state;
    strcpy(text, V7);
    for (i = 0; i < golden_count; i++)
        strcat(text, golden_line[i]);
    len = strlen(text);
    for (round = 0; round < 4000; round++) {
        at = rnd_below(&r, (uint32_t)len);
        was = text[at];
        text[at] = "\t\n;-0917fx\0\377"[rnd_below(&r, 12)];
        n = text_parse(text, len, 0, e, 32, &ei);
        for (i = 0; n > 0 && i < (size_t)n; i++) {
            if (strcmp(e[i].table, "policy") == 0) {
                assert_int_equal(krbrepl_mit_policy_decode(entry_value(&e[i]), &q, NULL), 0);
                krbrepl_mit_policy_free(q);
            } else {
                assert_int_equal(krbrepl_mit_principal_decode(entry_value(&e[i]), &p, NULL), 0);
                krbrepl_mit_principal_free(p);
            }
        }
        entries_free(e, n > 0 ? (size_t)n : 0);
        text[at] = was;
    }
}

static void record_given_twice_is_found_with_both_lines(void **state)
{
    krbrepl__mit_seen *s = krbrepl__mit_seen_new();
    uint64_t first = 0, second = 0;
    char key[16];
    uint64_t i;

    (void)state;
    assert_non_null(s);
    for (i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%u", (unsigned)i);
        assert_int_equal(
            krbrepl__mit_seen_add(s, "principal", (krbrepl_bytes){key, strlen(key)}, i + 2), 0);
    }
    assert_int_equal(krbrepl__mit_seen_add(s, "policy", BYTES("k7"), 6000), 0);
    assert_int_equal(krbrepl__mit_seen_twice(s, &first, &second), 0);
    assert_int_equal(krbrepl__mit_seen_add(s, "principal", BYTES("k9"), 6002), 0);
    assert_int_equal(krbrepl__mit_seen_add(s, "principal", BYTES("k7"), 6001), 0);
    assert_int_equal(krbrepl__mit_seen_twice(s, &first, &second), 1);
    assert_int_equal(first, 9);
    assert_int_equal(second, 6001);
    krbrepl__mit_seen_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(principal_line_is_read_field_by_field),
        cmocka_unit_test(policy_of_every_format_is_read),
        cmocka_unit_test(signs_of_32_bit_values_do_not_matter),
        cmocka_unit_test(largest_fields_are_read),
        cmocka_unit_test(pieces_of_the_file_do_not_matter),
        cmocka_unit_test(unknown_header_is_refused_with_advice),
        cmocka_unit_test(malformed_line_is_refused_with_its_number),
        cmocka_unit_test(file_cut_anywhere_but_between_lines_is_refused),
        cmocka_unit_test(nul_byte_is_refused),
        cmocka_unit_test(record_larger_than_the_store_takes_is_refused),
        cmocka_unit_test(failed_read_is_told_apart_from_truncation),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(record_given_twice_is_found_with_both_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
