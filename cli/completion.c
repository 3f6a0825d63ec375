/* SPDX-License-Identifier: MIT
 * `xent completion`: scripts by which shells complete verbs, flags, words and files. */
#include "completion.h"
#include "complain.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static const example EXAMPLES[] = {
    {"source <(xent completion bash)", "Completion in this bash, or in all if it is in ~/.bashrc."},
    {"xent completion zsh > ~/.zfunc/_xent", "For zsh, if ~/.zfunc is a folder of $fpath."},
    {"xent completion fish > ~/.config/fish/completions/xent.fish", "For fish."},
};

const command COMPLETION_COMMAND = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .operand_kind = OPERAND_WORD,
    .brief = "script for completion in a shell",
    .summary = "Prints a script by which the shell completes verbs, flags, their words and files.",
    .description = "An installed xent has brought the scripts along: nothing is left to do then.",
    .least = 1,
    .most = 1,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

typedef struct shell {
    const char *name;
    void (*print)(void);
} shell;

static const shell SHELLS[] = {
    {"bash", print_bash_completion},
    {"zsh", print_zsh_completion},
    {"fish", print_fish_completion},
};

int run_completion(int argc, char **argv) {
    const char *name;
    int code = parse_flags(&COMPLETION_COMMAND, argc, argv, NULL, &name);
    if (code != EX_OK)
        return code;
    for (size_t i = 0; i < sizeof SHELLS / sizeof *SHELLS; i++) {
        if (strcmp(SHELLS[i].name, name) == 0) {
            SHELLS[i].print();
            return EX_OK;
        }
    }
    return complain(EX_USAGE, "completion", "'%s' is not one of %s", name,
                    COMPLETION_COMMAND.operands);
}

/* ---- what scripts are made of ---------------------------------------------------------------- */

void print_words(const char *words) {
    for (; *words; words++)
        putchar(*words == '|' ? ' ' : *words);
}

void print_verbs(void) {
    for (int i = 0; i < VERB_COUNT; i++)
        printf("%s%s", i ? " " : "", VERBS[i].shown->name);
}

void print_operand_words(const command *shown) {
    if (shown->operand_kind == OPERAND_VERB)
        print_verbs();
    else
        print_words(shown->operands);
}

void print_escaped(const char *text, const char *special) {
    for (; *text; text++) {
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}
