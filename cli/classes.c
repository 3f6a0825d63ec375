/* SPDX-License-Identifier: MIT
 * Which classes the labels of a training hold. */
#include "classes.h"
#include "blocks.h"
#include "complain.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list -------------------------------------------------------------------------------- */

/* The place of a value in the list, or where it belongs. */
static int64_t place_of(const class_list *list, int64_t value) {
    int64_t low = 0, high = list->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (list->values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for twice as many whenever the list is full, at a power of two. */
static bool make_room(class_list *list) {
    enum { FIRST = 16 };
    int64_t count = list->count;
    if (count > 0 && (count < FIRST || (count & (count - 1)) != 0))
        return true;
    size_t room = (size_t)(count > 0 ? 2 * count : FIRST);
    int64_t *values = realloc(list->values, room * sizeof *values);
    if (!values)
        return false;
    list->values = values;
    return true;
}

static int add_value(class_list *list, int64_t value) {
    int64_t at = place_of(list, value);
    if (at < list->count && list->values[at] == value)
        return EX_OK;
    if (!make_room(list) || list->count == INT32_MAX)
        return complain(EX_SOFTWARE, list->labels->path, "not enough memory for its classes");
    memmove(list->values + at + 1, list->values + at,
            (size_t)(list->count - at) * sizeof *list->values);
    list->values[at] = value;
    list->count++;
    return EX_OK;
}

/* A uint64 above INT64_MAX equals no ignore value. */
static bool is_left_out(const class_list *list, int64_t value, const whole_list *ignore) {
    if (list->labels->tensor.dtype == XENT_U64 && value < 0)
        return false;
    for (size_t i = 0; i < ignore->count; i++) {
        if (ignore->values[i] == value)
            return true;
    }
    return false;
}

static int list_values(class_list *list, const whole_list *ignore) {
    const xent_tensor *labels = &list->labels->tensor;
    const int64_t rows = element_count(labels);
    int64_t last = 0;
    bool has_last = false;
    for (int64_t row = 0; row < rows; row++) {
        int64_t value = label_at(labels, row);
        if ((has_last && value == last) || is_left_out(list, value, ignore))
            continue;
        int code = add_value(list, value);
        if (code != EX_OK)
            return code;
        last = value;
        has_last = true;
    }
    return EX_OK;
}

static int code_rows(class_list *list, const whole_list *ignore) {
    const xent_tensor *labels = &list->labels->tensor;
    const int64_t rows = element_count(labels);
    int code = EX_OK;
    list->codes = take_numbers(rows, sizeof *list->codes, list->labels, &code);
    list->rows = take_numbers(list->count, sizeof *list->rows, list->labels, &code);
    for (int64_t row = 0; row < rows && code == EX_OK; row++) {
        int64_t value = label_at(labels, row);
        bool out = is_left_out(list, value, ignore);
        list->codes[row] = out ? -1 : (int32_t)place_of(list, value);
        if (!out)
            list->rows[list->codes[row]]++;
        list->counted += !out;
        list->ignored += out;
    }
    return code;
}

/* ---- what cannot be learnt ------------------------------------------------------------------- */

static int64_t first_row_of(const class_list *list, int64_t value) {
    int64_t row = 0;
    while (label_at(&list->labels->tensor, row) != value)
        row++;
    return row;
}

/* Two classes may be called -1 and 1; else a negative label is likely a mark. A uint64 above
 * INT64_MAX is taken for one too. */
static int check_negative(const command_line *typed, const class_list *list) {
    char position[SHAPE_TEXT], label[LABEL_TEXT];
    const xent_tensor *labels = &list->labels->tensor;
    bool is_pair = list->count == 2 && list->values[0] == -1 && list->values[1] == 1;
    if (list->count == 0 || list->values[0] >= 0 || (is_pair && labels->dtype != XENT_U64))
        return EX_OK;
    int64_t value = list->values[0];
    complain(EX_DATAERR, list->labels->path,
             "row %s has the label %s: classes are whole numbers from 0 to 2^63 - 1. If it marks "
             "rows to leave out, say so",
             write_position(position, labels, first_row_of(list, value)),
             write_label(label, labels, value));
    if (labels->dtype != XENT_U64)
        suggest_command(typed, NULL, " --ignore %s", label);
    return EX_DATAERR;
}

static int check_count(const class_list *list, const whole_list *ignore) {
    const int64_t rows = element_count(&list->labels->tensor);
    if (rows == 0)
        return complain(EX_DATAERR, list->labels->path, "has no rows: there is nothing to learn");
    if (list->count == 0)
        return complain(EX_DATAERR, list->labels->path,
                        "all its %" PRId64 " labels are ignored: there is nothing to learn", rows);
    if (list->count > 1)
        return EX_OK;
    return complain(EX_DATAERR, list->labels->path,
                    "every row%s has the label %" PRId64
                    ": with a single class there is nothing to tell apart. Give rows of at least "
                    "two classes",
                    ignore->count > 0 ? " that is not ignored" : "", list->values[0]);
}

int find_classes(const command_line *typed, const array *labels, const whole_list *ignore,
                 class_list *found) {
    *found = (class_list){.labels = labels};
    int code = list_values(found, ignore);
    if (code == EX_OK)
        code = check_negative(typed, found);
    if (code == EX_OK)
        code = check_count(found, ignore);
    return code == EX_OK ? code_rows(found, ignore) : code;
}

void free_classes(class_list *held) {
    free(held->values);
    free(held->rows);
    free(held->codes);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool has_gaps(const class_list *held) {
    return held->values[0] != 0 || held->values[held->count - 1] != held->count - 1;
}

/* "3, 5 and 8", or "3, 5, 7 and 40 more": what is not there below the last. */
static void write_missing(char *text, size_t size, const class_list *held) {
    enum { SHOWN = 3 };
    const int64_t missing = held->values[held->count - 1] + 1 - held->count;
    int64_t at = 0, shown = 0;
    size_t used = 0;
    for (int64_t value = 0; shown < SHOWN && shown < missing; value++) {
        if (at < held->count && held->values[at] == value) {
            at++;
            continue;
        }
        const char *before = shown == 0 ? "" : shown + 1 == missing ? " and " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, before, value);
        shown++;
    }
    if (shown < missing)
        snprintf(text + used, size - used, " and %" PRId64 " more", missing - shown);
}

void note_gaps(const class_list *held, bool quiet) {
    char missing[128];
    if (!has_gaps(held) || held->values[0] < 0)
        return;
    write_missing(missing, sizeof missing, held);
    note(quiet,
         "%s: no row has the label%s %s: the model has the %" PRId64
         " classes that are there, and keeps their labels (%" PRId64 " to %" PRId64
         ") as names, which `xent predict` writes",
         held->labels->path, held->values[held->count - 1] > held->count ? "s" : "", missing,
         held->count, held->values[0], held->values[held->count - 1]);
}

json_t *name_classes(const class_list *held, bool *failed) {
    *failed = false;
    if (!has_gaps(held))
        return NULL;
    json_t *names = json_array();
    for (int64_t i = 0; i < held->count && !*failed; i++)
        *failed = json_array_append_new(names, json_integer(held->values[i])) != 0;
    return names;
}

/* ---- weights --------------------------------------------------------------------------------- */

int weigh_classes(const class_list *held, const array *weights, xent_tensor *found) {
    const xent_tensor *from = &weights->tensor;
    const int64_t last = held->values[held->count - 1], length = from->shape[0];
    char shape[SHAPE_TEXT];
    int code = EX_OK;
    if (from->dtype != XENT_F32 && from->dtype != XENT_F64)
        return complain(EX_DATAERR, weights->path,
                        "holds %s, but weights must be float32 or float64: convert them, "
                        "a.astype(numpy.float64)",
                        type_name(from->dtype));
    if (from->ndim != 1 || (length != held->count && length != last + 1))
        return complain(EX_DATAERR, weights->path,
                        "has shape %s, but must have one weight for each of the %" PRId64
                        " classes of %s: shape [%" PRId64 "]",
                        write_shape(shape, from->ndim, from->shape), held->count,
                        held->labels->path, held->count);
    double *values = take_numbers(held->count, sizeof *values, weights, &code);
    for (int64_t i = 0; i < held->count && code == EX_OK; i++) {
        int64_t at = length == held->count ? i : held->values[i];
        values[i] = real_at(from, at);
        if (!(values[i] >= 0.0 && values[i] < 1.0 / 0.0))
            code = complain(EX_DATAERR, weights->path,
                            "class %" PRId64 " has the weight %g, but the weights of classes must "
                            "be finite and >= 0",
                            held->values[i], values[i]);
    }
    *found = xent_vector(values, XENT_F64, held->count);
    return code;
}
