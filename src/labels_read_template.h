/* SPDX-License-Identifier: MIT
 * The reader of one label dtype: define LABEL_READER (its name) and LABEL_TYPE, then include. */

/* Reads count labels, step bytes apart at any alignment, as 64 bits each. */
static void LABEL_READER(const char *address, int64_t step, int64_t count, int64_t *values) {
    if (step == sizeof(int64_t) && sizeof(LABEL_TYPE) == sizeof(int64_t)) {
        memcpy(values, address, (size_t)count * sizeof *values);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        LABEL_TYPE label;
        memcpy(&label, address + i * step, sizeof label);
        values[i] = (int64_t)label;
    }
}

#undef LABEL_READER
#undef LABEL_TYPE
