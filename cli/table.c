/* SPDX-License-Identifier: MIT
 * Rows of numbers or words that a verb writes: a .npy file, a file of text, or lines on stdout. */
#include "table.h"
#include "complain.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

bool is_text_name(const char *path) {
    return ends_with(path, ".csv") || ends_with(path, ".tsv") || ends_with(path, ".txt");
}

int begin_table(const char *path, const xent_tensor *whole, table *begun) {
    enum { ROOM = 1 << 16 };
    *begun = (table){.path = path, .is_npy = path && !is_text_name(path), .room = ROOM};
    begun->line = malloc(ROOM);
    if (!begun->line)
        return complain(EX_SOFTWARE, path, "not enough memory");
    if (begun->is_npy)
        return begin_npy(path, whole, false, &begun->npy);
    return path ? begin_output(path, 0, &begun->npy.file) : EX_OK;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Writes the text that has gathered. Errors of stdout show when the program ends. */
static int flush_text(table *to) {
    int code = EX_OK;
    if (to->path)
        code = write_output(&to->npy.file, to->written, to->line, (int64_t)to->used);
    else
        fwrite(to->line, 1, to->used, stdout);
    to->written += (int64_t)to->used;
    to->used = 0;
    return code;
}

static int add_bytes(table *to, const char *text, size_t size) {
    int code = EX_OK;
    while (size > 0 && code == EX_OK) {
        size_t part = size < to->room - to->used ? size : to->room - to->used;
        memcpy(to->line + to->used, text, part);
        to->used += part;
        text += part;
        size -= part;
        if (to->used == to->room)
            code = flush_text(to);
    }
    return code;
}

/* As many digits as read back to the same number. */
static size_t write_number(char *text, size_t size, const xent_tensor *from, int64_t i) {
    if (from->dtype == XENT_I64)
        return (size_t)snprintf(text, size, "%" PRId64, label_at(from, i));
    return (size_t)snprintf(text, size, "%.*g", from->dtype == XENT_F32 ? 9 : 17, real_at(from, i));
}

static int add_text(table *to, const xent_tensor *rows) {
    const int64_t columns = rows->ndim > 1 ? rows->shape[1] : 1, count = element_count(rows);
    char number[32];
    int code = EX_OK;
    for (int64_t i = 0; i < count && code == EX_OK; i++) {
        size_t length = write_number(number, sizeof number - 1, rows, i);
        number[length++] = (i + 1) % columns == 0 ? '\n' : ',';
        code = add_bytes(to, number, length);
    }
    return code;
}

int add_word(table *to, const char *word) {
    bool quoted = strpbrk(word, ",;\"\t\r\n") != NULL || !*word;
    int code = quoted ? add_bytes(to, "\"", 1) : EX_OK;
    for (; *word && code == EX_OK; word++)
        code = add_bytes(to, *word == '"' ? "\"\"" : word, *word == '"' ? 2 : 1);
    return code == EX_OK ? add_bytes(to, quoted ? "\"\n" : "\n", quoted ? 2 : 1) : code;
}

/* ---- either ---------------------------------------------------------------------------------- */

int add_rows(table *to, const xent_tensor *rows) {
    if (!to->is_npy)
        return add_text(to, rows);
    int64_t size = element_count(rows) * (int64_t)type_size(rows->dtype);
    int code = write_npy_run(&to->npy, to->written, size, rows->data);
    to->written += size;
    return code;
}

int finish_table(table *done) {
    int code = done->is_npy ? EX_OK : flush_text(done);
    return code == EX_OK ? finish_output(&done->npy.file) : code;
}

void drop_table(table *begun) {
    drop_output(&begun->npy.file);
    free(begun->line);
    begun->line = NULL;
}
