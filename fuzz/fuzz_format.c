/* SPDX-License-Identifier: MIT
 * Fuzzes the reader of one format, FUZZED. What it would not recognise is none of its business. */
#include "feed.h"
#include "formats/format.h"
#include "target.h"

#include <sysexits.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || !FUZZED.recognise(data, size < FORMAT_HEAD ? size : FORMAT_HEAD))
        return 0;
    feed(data, size, NULL, size % 2);
    if (FUZZED.has_members)
        feed(data, size, "a", size % 2);
    return 0;
}
