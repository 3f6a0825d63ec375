/* SPDX-License-Identifier: MIT
 * The command-line tool: a table of verbs. */
#define _POSIX_C_SOURCE 200809L
#include "complain.h"
#include "formats/output.h"
#include "info.h"
#include "loss.h"
#include "xent.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct verb {
    const command *shown;
    int (*run)(int argc, char **argv);
} verb;

static const verb VERBS[] = {
    {&LOSS_COMMAND, run_loss},
    {&INFO_COMMAND, run_info},
};
enum { VERB_COUNT = sizeof VERBS / sizeof *VERBS };

static const verb *find_verb(const char *name) {
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(VERBS[i].shown->name, name) == 0)
            return &VERBS[i];
    }
    return NULL;
}

static void print_usage(FILE *stream) {
    fputs("usage: xent VERB ...\n\n"
          "  xent loss LOGITS.npy LABELS.npy   cross-entropy of logits against labels\n"
          "  xent info                         version, instruction set, threads\n"
          "  xent help [VERB]                  this, or all about one verb\n"
          "  xent --version                    the version\n\n"
          "Results go to stdout, everything else to stderr. Exit codes: 0 fine, 64 usage, 65 bad "
          "data,\n"
          "66 no such file to read, 70 internal, 73 cannot create a file, 74 cannot write it.\n",
          stream);
}

static int unknown_verb(const char *name) {
    return complain(EX_USAGE, name, "there is no such verb; `xent help` lists them");
}

static int help(const char *name) {
    const verb *found = name ? find_verb(name) : NULL;
    if (name && !found)
        return unknown_verb(name);
    if (found)
        print_help(found->shown);
    else
        print_usage(stdout);
    return EX_OK;
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return EX_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "--version") == 0) {
        printf("xent %s\n", xent_version());
        return EX_OK;
    }
    const verb *found = find_verb(word);
    if (!found)
        return unknown_verb(word);
    return asks_for_help(argc, argv) ? help(word) : found->run(argc, argv);
}

int main(int argc, char **argv) {
    clean_up_on_signals();
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write, not a death */
    int code = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EX_OK)
        code = complain(EX_IOERR, "stdout", "cannot write the result");
    return code;
}
