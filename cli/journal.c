/* SPDX-License-Identifier: MIT
 * The folder that --log names: a line of JSON for each pass, and a curve. */
#define _POSIX_C_SOURCE 200809L
#include "journal.h"
#include "complain.h"
#include "curve.h"
#include "formats/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* folder/name in new memory; NULL: there is none. */
static char *path_in(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static int cannot_write(const journal *to) {
    return complain(EX_IOERR, to->lines_path, "cannot write the log: %s", strerror(errno));
}

static int write_line(const journal *to, const history *held, int64_t i) {
    json_t *pass = json_pass(held, i);
    int failed = json_dumpf(pass, to->lines, JSON_COMPACT | JSON_REAL_PRECISION(17));
    bool no_memory = !pass;
    json_decref(pass);
    if (no_memory)
        return complain(EX_SOFTWARE, to->lines_path, "not enough memory");
    return failed || fputc('\n', to->lines) == EOF ? cannot_write(to) : EX_OK;
}

static int flush_lines(const journal *to) {
    return fflush(to->lines) == 0 ? EX_OK : cannot_write(to);
}

int begin_journal(const char *folder, const history *held, const char *title, journal *begun) {
    int code = EX_OK;
    *begun = (journal){.title = title};
    if (!folder)
        return EX_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return complain(EX_CANTCREAT, folder, "cannot make the folder: %s", strerror(errno));
    begun->lines_path = path_in(folder, "log.jsonl");
    begun->curve_path = path_in(folder, "loss.svg");
    if (!begun->lines_path || !begun->curve_path)
        return complain(EX_SOFTWARE, folder, "not enough memory");
    code = check_output(begun->lines_path);
    if (code != EX_OK)
        return code;
    begun->lines = fopen(begun->lines_path, "w");
    if (!begun->lines)
        return complain(EX_CANTCREAT, begun->lines_path, "cannot create the file: %s",
                        strerror(errno));
    for (int64_t i = 0; i < held->count && code == EX_OK; i++)
        code = write_line(begun, held, i);
    return code == EX_OK ? flush_lines(begun) : code;
}

int add_to_journal(journal *to, const history *held) {
    if (!to->lines)
        return EX_OK;
    int code = write_line(to, held, held->count - 1);
    return code == EX_OK ? flush_lines(to) : code;
}

int draw_journal(const journal *from, const history *held) {
    return from->lines ? draw_curve(from->curve_path, held, from->title) : EX_OK;
}

void end_journal(journal *begun) {
    if (begun->lines)
        fclose(begun->lines);
    free(begun->lines_path);
    free(begun->curve_path);
}
