/* SPDX-License-Identifier: MIT
 * The command-line tool: hands what was typed to its verb. */
#define _POSIX_C_SOURCE 200809L
#include "complain.h"
#include "formats/output.h"
#include "help.h"
#include "suggest.h"
#include "verbs.h"
#include "xent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_help(argv[i]))
            return true;
    }
    return false;
}

/* Files without a verb are most likely to be scored. */
static void suggest_loss(int argc, char **argv) {
    static char loss[] = "loss";
    enum { WORDS = 16 };
    char *words[WORDS] = {argv[0], loss};
    if (argc < 3 || argc >= WORDS || access(argv[1], F_OK) != 0)
        return;
    memcpy(words + 2, argv + 1, (size_t)(argc - 1) * sizeof *argv);
    const command_line typed = {argc + 1, words};
    suggest_command(&typed, NULL, "%s", "");
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        print_overview(stderr);
        return EX_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("xent %s\n", xent_version());
        return EX_OK;
    }
    if (is_help(word))
        return run_help(argc, argv);
    const verb_row *found = find_verb(word);
    if (!found) {
        int code = refuse_verb(word);
        suggest_loss(argc, argv);
        return code;
    }
    if (!asks_for_help(argc, argv))
        return found->run(argc, argv);
    print_help(found->shown);
    return EX_OK;
}

int main(int argc, char **argv) {
    clean_up_on_signals();
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write, not a death */
    int code = run(argc, argv);
    int reason = fflush(stdout) != 0 ? errno : 0; /* that of an earlier failure is forgotten */
    if ((reason != 0 || ferror(stdout)) && code == EX_OK)
        code = complain(EX_IOERR, "stdout", "cannot write the result%s%s", reason ? ": " : "",
                        reason ? strerror(reason) : "");
    return code;
}
