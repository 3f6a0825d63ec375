/* SPDX-License-Identifier: MIT
 * Completion in bash: one `case` of "verb,the word before,the word". */
#include "completion.h"
#include "verbs.h"

#include <stdio.h>

/* Files are left to bash itself, which knows about folders, blanks and tildes. */
static const char BEGIN[] =
    "# bash completion for xent, printed by `xent completion bash`.\n"
    "_xent() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words= files=\n"
    "    # --flag=value comes as three words.\n"
    "    if [[ $word == = ]]; then\n"
    "        word=\n"
    "    elif [[ $before == = ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    local verb=${COMP_WORDS[1]}\n"
    "    ((COMP_CWORD > 1)) || verb= before=\n"
    "    case $verb,$before,$word in\n";
static const char END[] = "    esac\n"
                          "    COMPREPLY=()\n"
                          "    if [[ $files ]]; then\n"
                          "        compopt -o default\n"
                          "    else\n"
                          "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                          "    fi\n"
                          "}\n"
                          "complete -F _xent xent\n";

/* What follows a flag that takes an argument. */
static void print_argument(const command *shown, const flag_row *row) {
    if (!row->argument)
        return;
    printf("    %s,%s,*) ", shown->name, row->name);
    if (row->kind == FLAG_CHOICE) {
        printf("words='");
        print_words(row->argument);
        printf("' ");
    } else if (row->kind == FLAG_INPUT || row->kind == FLAG_OUTPUT) {
        printf("files=1 ");
    }
    printf(";;\n");
}

static void print_flags(const command *shown) {
    printf("    %s,*,-*) words='", shown->name);
    for (size_t i = 0; i < shown->flag_count; i++) {
        if (shown->flags[i].kind != FLAG_HEADING)
            printf("%s ", shown->flags[i].name);
    }
    printf("--help' ;;\n");
}

static void print_operands(const command *shown) {
    if (shown->most == 0)
        return;
    printf("    %s,*) ", shown->name);
    if (shown->operand_kind == OPERAND_FILE) {
        printf("files=1 ;;\n");
        return;
    }
    printf("words='");
    print_operand_words(shown);
    printf("' ;;\n");
}

void print_bash_completion(void) {
    fputs(BEGIN, stdout);
    printf("    ,*) words='");
    print_verbs();
    printf(" --help --version' ;;\n");
    for (int i = 0; i < VERB_COUNT; i++) {
        const command *shown = VERBS[i].shown;
        for (size_t k = 0; k < shown->flag_count; k++)
            print_argument(shown, &shown->flags[k]);
        print_flags(shown);
        print_operands(shown);
    }
    fputs(END, stdout);
}
