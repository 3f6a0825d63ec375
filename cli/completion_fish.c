/* SPDX-License-Identifier: MIT
 * Completion in fish: one line a verb, an operand or a flag. */
#include "completion.h"
#include "verbs.h"

#include <stdio.h>

static const char BEGIN[] = "# fish completion for xent, printed by `xent completion fish`.\n"
                            "function __xent_verb\n"
                            "    set -l words (commandline -opc)\n"
                            "    test \"$words[2]\" = \"$argv[1]\"\n"
                            "end\n"
                            "complete -c xent -f\n"
                            "complete -c xent -s h -l help -d 'print help'\n";

/* Between apostrophes. */
static void print_description(const char *text) {
    printf(" -d '");
    print_escaped(text, "\\'");
    printf("'\n");
}

static void print_verb(const command *shown) {
    printf("complete -c xent -n '__xent_verb \"\"' -a %s", shown->name);
    print_description(shown->brief);
}

static void print_operands(const command *shown) {
    if (shown->most == 0)
        return;
    printf("complete -c xent -n '__xent_verb %s'", shown->name);
    if (shown->operand_kind == OPERAND_FILE) {
        printf(" -F\n");
        return;
    }
    printf(" -a '");
    print_operand_words(shown);
    printf("'\n");
}

static void print_flag(const command *shown, const flag_row *row) {
    printf("complete -c xent -n '__xent_verb %s' -l %s", shown->name, row->name + 2);
    if (row->letter)
        printf(" -s %c", row->letter);
    if (row->kind == FLAG_CHOICE) {
        printf(" -x -a '");
        print_words(row->argument);
        printf("'");
    } else if (row->kind == FLAG_INPUT || row->kind == FLAG_OUTPUT) {
        printf(" -r -F");
    } else if (row->argument) {
        printf(" -x");
    }
    print_description(row->help);
}

void print_fish_completion(void) {
    fputs(BEGIN, stdout);
    for (int i = 0; i < VERB_COUNT; i++)
        print_verb(VERBS[i].shown);
    printf("complete -c xent -n '__xent_verb \"\"' -l version -d 'print the version'\n");
    for (int i = 0; i < VERB_COUNT; i++) {
        const command *shown = VERBS[i].shown;
        print_operands(shown);
        for (size_t k = 0; k < shown->flag_count; k++) {
            if (shown->flags[k].kind != FLAG_HEADING)
                print_flag(shown, &shown->flags[k]);
        }
    }
}
