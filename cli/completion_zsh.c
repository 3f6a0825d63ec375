/* SPDX-License-Identifier: MIT
 * Completion in zsh: the specifications that _arguments reads. */
#include "completion.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static const char BEGIN[] =
    "#compdef xent\n"
    "# zsh completion for xent, printed by `xent completion zsh`.\n"
    "_xent() {\n"
    "    local curcontext=$curcontext state line\n"
    "    typeset -A opt_args\n"
    "    local -a verbs\n"
    "    _arguments -C '(- *)'{-h,--help}'[print help]' '(- *)--version[print the version]' \\\n"
    "        '1:verb:->verb' '*::word:->rest'\n"
    "    case $state in\n"
    "    verb)\n"
    "        verbs=(\n";
static const char VERBS_END[] = "        )\n"
                                "        _describe verb verbs ;;\n"
                                "    rest)\n"
                                "        case $words[1] in\n";
/* The file may be loaded by name, as zsh does it, or be sourced. */
static const char END[] = "        esac ;;\n"
                          "    esac\n"
                          "}\n"
                          "if [[ $funcstack[1] == _xent ]]; then\n"
                          "    _xent \"$@\"\n"
                          "else\n"
                          "    compdef _xent xent\n"
                          "fi\n";

/* Text between apostrophes, in the place of a description. */
static void print_description(const char *text) {
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else
            printf("%s%c", strchr("\\[]:", *text) ? "\\" : "", *text);
    }
}

static void print_verb(const command *shown) {
    printf("            '%s:", shown->name);
    print_description(shown->brief);
    printf("'\n");
}

/* What follows the name of an argument: ":(mean sum)", ":_files" or nothing to choose from. */
static void print_values(const flag_row *row) {
    printf(":%s:", row->argument);
    if (row->kind == FLAG_CHOICE) {
        printf("(");
        print_words(row->argument);
        printf(")");
    } else if (row->kind == FLAG_INPUT || row->kind == FLAG_OUTPUT) {
        printf("_files");
    }
}

static void print_flag(const flag_row *row) {
    printf(" \\\n            '");
    if (row->letter)
        printf("(-%c %s)'{-%c,%s}'", row->letter, row->name, row->letter, row->name);
    else
        printf("%s%s%s", row->kind == FLAG_LIST ? "*" : "", row->name, row->argument ? "=" : "");
    printf("[");
    print_description(row->help);
    printf("]");
    if (row->argument)
        print_values(row);
    printf("'");
}

/* Each operand has a name of its own if they are files: "LOGITS.npy LABELS.npy". */
static void print_operands(const command *shown) {
    const char *name = shown->operands;
    for (int i = 1; i <= shown->most; i++) {
        int length = (int)strcspn(name, " ");
        if (shown->operand_kind == OPERAND_FILE) {
            printf(" \\\n            '%d:%.*s:_files'", i, length, name);
        } else {
            printf(" \\\n            '%d:word:(", i);
            print_operand_words(shown);
            printf(")'");
        }
        name += length + (name[length] == ' ');
    }
}

static void print_rest(const command *shown) {
    printf("        %s)\n            _arguments '(- *)'{-h,--help}'[print help]'", shown->name);
    for (size_t i = 0; i < shown->flag_count; i++) {
        if (shown->flags[i].kind != FLAG_HEADING)
            print_flag(&shown->flags[i]);
    }
    print_operands(shown);
    printf(" ;;\n");
}

void print_zsh_completion(void) {
    fputs(BEGIN, stdout);
    for (int i = 0; i < VERB_COUNT; i++)
        print_verb(VERBS[i].shown);
    fputs(VERBS_END, stdout);
    for (int i = 0; i < VERB_COUNT; i++)
        print_rest(VERBS[i].shown);
    fputs(END, stdout);
}
