/* SPDX-License-Identifier: MIT
 * `xent help`: all verbs at a glance, or all about one, in 80 columns. */
#include "help.h"
#include "complain.h"
#include "terminal.h"
#include "verbs.h"

#include <string.h>

enum { SCREEN = 80, FLAG_COLUMN = 26, VERB_COLUMN = 36 };

const exit_row EXITS[EXIT_COUNT] = {
    {0, "fine"},
    {1, "xent check: a mistake or a warning was found"},
    {64, "usage: a verb, a flag, a value, the number of files; an output that is an input"},
    {65, "bad data: a corrupt file, shapes or types that do not fit, bad labels, a mean of "
         "nothing"},
    {66, "a file that does not exist or cannot be read"},
    {70, "internal: out of memory"},
    {73, "an output cannot be created"},
    {74, "an output, or stdout, cannot be written"},
    {130, "interrupted (Ctrl-C): each output is the old file or the whole new one"},
    {141, "stdout was closed by its reader, as `head` does; nothing is said"},
    {143, "ended by SIGTERM (129: by SIGHUP), as by Ctrl-C"},
};

static const example EXAMPLES[] = {
    {"xent help loss", "All about one verb."},
};

const command HELP_COMMAND = {
    .name = "help",
    .operands = "[VERB]",
    .operand_kind = OPERAND_VERB,
    .brief = "this page, or all about one verb",
    .summary = "Prints all verbs at a glance, or all about one. `xent VERB --help` does the same.",
    .most = 1,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

/* ---- text ------------------------------------------------------------------------------------ */

/* What is explained on the left, the explanation on the right or, if there is no room, below. */
static void print_row(FILE *stream, int column, const char *left, const char *right) {
    bool fits = (int)strlen(left) + 4 <= column;
    fprintf(stream, "  %-*s", fits ? column - 2 : 0, left);
    if (!fits)
        fprintf(stream, "\n%*s", column, "");
    print_wrapped(stream, column, SCREEN, right);
}

/* ---- one verb -------------------------------------------------------------------------------- */

static void print_flag(const flag_row *row) {
    char left[128], letter[8] = "";
    if (row->kind == FLAG_HEADING) {
        printf("\n%s\n", row->help);
        return;
    }
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(left, sizeof left, "%s%s%s%s", letter, row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
    print_row(stdout, FLAG_COLUMN, left, row->help);
}

static void print_flags(const command *verb) {
    if (verb->flag_count == 0 || verb->flags[0].kind != FLAG_HEADING)
        printf("\nFlags\n");
    for (size_t i = 0; i < verb->flag_count; i++)
        print_flag(&verb->flags[i]);
    print_row(stdout, FLAG_COLUMN, "-h, --help", "print this page");
}

void print_help(const command *verb) {
    printf("usage: xent %s%s%s%s\n\n", verb->name, *verb->operands ? " " : "", verb->operands,
           verb->flag_count ? " [flags]" : "");
    print_wrapped(stdout, 0, SCREEN, verb->summary);
    print_flags(verb);
    printf("\nExamples\n");
    for (size_t i = 0; i < verb->example_count; i++)
        printf("  %s\n", verb->examples[i].line);
}

/* ---- all verbs ------------------------------------------------------------------------------- */

void print_overview(FILE *stream) {
    char left[128];
    fputs("xent: sparse categorical cross-entropy of logits and labels in files\n\n"
          "usage: xent VERB [flags]\n\n",
          stream);
    for (int i = 0; i < VERB_COUNT; i++) {
        const command *shown = VERBS[i].shown;
        snprintf(left, sizeof left, "xent %s %s", shown->name, shown->operands);
        print_row(stream, VERB_COLUMN, left, shown->brief);
    }
    print_row(stream, VERB_COLUMN, "xent VERB --help", "all about one verb; also -h");
    print_row(stream, VERB_COLUMN, "xent --version", "the version");
    fputs("\nResults go to stdout, everything else to stderr.\n\nExit codes\n", stream);
    for (int i = 0; i < EXIT_COUNT; i++) {
        snprintf(left, sizeof left, "%-3d", EXITS[i].code);
        print_row(stream, 8, left, EXITS[i].meaning);
    }
}

int run_help(int argc, char **argv) {
    const verb_row *found;
    int code = read_verb(&HELP_COMMAND, argc, argv, &found);
    if (code != EX_OK)
        return code;
    if (found)
        print_help(found->shown);
    else
        print_overview(stdout);
    return EX_OK;
}
