/* A program that embeds libkrbrepl-heimdal: puts a dump of kadmin into a store, and takes it out again. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/heimdal.h>
#include <krbrepl/krbrepl.h>

static const char line[] = "user@EXAMPLE.ORG 1 20260101000000:UNKNOWN - - - - - - 126 - -\n";

static int there_and_back(krbrepl_store *s, const char *file, krbrepl_errinfo *ei)
{
    char back[sizeof line] = "";
    FILE *f = fopen(file, "w");
    int ret;

    if (f == NULL)
        return KRBREPL_ERR_IO;
    ret = fputs(line, f) < 0;
    ret |= fclose(f) != 0;
    if (ret == 0)
        ret = krbrepl_heimdal_load(s, file, NULL, NULL, ei);
    if (ret == 0)
        ret = krbrepl_heimdal_dump(s, file, NULL, NULL, ei);
    f = fopen(file, "r");
    if (f == NULL)
        return KRBREPL_ERR_IO;
    if (ret == 0 && (fgets(back, sizeof back, f) == NULL || strcmp(back, line) != 0))
        ret = KRBREPL_ERR_CORRUPT;
    fclose(f);
    remove(file);
    return ret;
}

int main(int argc, char **argv)
{
    krbrepl_create_options create;
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;
    char file[4096];
    int ret;

    if (argc != 2 || strlen(argv[1]) + sizeof ".dump" > sizeof file)
        return 2;
    sprintf(file, "%s.dump", argv[1]);
    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&create);
    create.flags = KRBREPL_CREATE_MASTER;
    ret = krbrepl_store_create(argv[1], &create, &ei);
    if (ret == 0)
        ret = krbrepl_store_open(&s, argv[1], NULL, &ei);
    if (ret == 0)
        ret = there_and_back(s, file, &ei);
    krbrepl_store_close(s);
    if (ret != 0)
        fprintf(stderr, "%s: %s\n", krbrepl_strerror(ret), ei.text);
    return ret == 0 ? 0 : 1;
}
