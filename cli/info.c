/* SPDX-License-Identifier: MIT
 * `xent info`: what this program is and what it found of the machine. */
#include "info.h"
#include "complain.h"
#include "json.h"
#include "xent.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct info_request {
    int32_t json;
} info_request;

static const flag_row FLAGS[] = {
    {FLAG_SWITCH, "--json", NULL, offsetof(info_request, json), .help = "print JSON", .value = 1},
};

static const example EXAMPLES[] = {
    {"xent info", "What a report of a fault should quote."},
    {"XENT_ISA=scalar xent info --json", "The same with plain C kernels in use, as JSON."},
};

const command INFO_COMMAND = {
    .name = "info",
    .operands = "",
    .brief = "version, instruction set, threads",
    .summary = "Prints the version, the instruction set in use and the number of threads.",
    .description = "The best instruction set that the processor has is used. XENT_ISA in the "
                   "environment may name a lesser one: scalar, avx2, avx512 or neon. Results do "
                   "not depend on it, nor on the number of threads.",
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof *FLAGS,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

static int print_json(void) {
    const json_field fields[] = {
        {"version", json_string(xent_version())},
        {"isa", json_string(xent_isa())},
        {"threads", json_integer(xent_thread_count())},
    };
    return print_and_free(json_of(fields, sizeof fields / sizeof *fields));
}

int run_info(int argc, char **argv) {
    info_request request = {0};
    int code = parse_flags(&INFO_COMMAND, argc, argv, &request, NULL);
    if (code != EX_OK)
        return code;
    if (request.json)
        return print_json();
    printf("version           %s\n", xent_version());
    printf("instruction set   %s\n", xent_isa());
    printf("threads           %" PRId32 "\n", xent_thread_count());
    return EX_OK;
}
