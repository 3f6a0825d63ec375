/* SPDX-License-Identifier: MIT
 * `xent manual`: manual pages in roff, made from the tables that are behind --help. */
#include "manual.h"
#include "complain.h"
#include "help.h"
#include "verbs.h"
#include "xent.h"

#include <stdio.h>
#include <string.h>

static const example EXAMPLES[] = {
    {"xent manual loss | man -l -", "Reads the manual of a verb."},
};

const command MANUAL_COMMAND = {
    .name = "manual",
    .operands = "[VERB]",
    .operand_kind = OPERAND_VERB,
    .brief = "manual page of xent or of a verb, for man",
    .summary = "Prints the manual page of xent or of one verb in roff, the language of man.",
    .description = "An installed xent has brought its pages along: `man xent`, `man xent-loss`.",
    .most = 1,
    .examples = EXAMPLES,
    .example_count = sizeof EXAMPLES / sizeof *EXAMPLES,
};

/* ---- text ------------------------------------------------------------------------------------ */

/* Prints text that roff takes for nothing else. Every dash is one that can be typed. */
static void print_text(const char *text) {
    static const char SPECIAL[] = "\\-'`^~";
    static const char *const NAMES[] = {"\\e", "\\-", "\\(aq", "\\(ga", "\\(ha", "\\(ti"};
    if (*text == '.')
        printf("\\&");
    for (; *text; text++) {
        const char *found = strchr(SPECIAL, *text);
        if (found)
            fputs(NAMES[found - SPECIAL], stdout);
        else
            putchar(*text);
    }
}

static void print_line(const char *before, const char *text, const char *after) {
    fputs(before, stdout);
    print_text(text);
    fputs(after, stdout);
}

/* Paragraphs, divided by empty lines. */
static void print_paragraphs(const char *text) {
    for (const char *end; *text; text = end + 2 * (*end != '\0')) {
        char paragraph[1024];
        end = strstr(text, "\n\n");
        end = end ? end : text + strlen(text);
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)(end - text), text);
        print_line("", paragraph, "\n");
        if (*end)
            printf(".PP\n");
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void print_title(const char *page, const char *what) {
    printf(".TH \"");
    for (; *page; page++) {
        char upper = *page >= 'a' && *page <= 'z' ? (char)(*page - 'a' + 'A') : *page;
        print_text((char[]){upper, '\0'});
    }
    printf("\" \"1\" \"\" \"xent %s\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\n%s", xent_version(),
           what);
}

static void print_flag(const flag_row *row) {
    if (row->kind == FLAG_HEADING) {
        print_line(".SS ", row->help, "\n");
        return;
    }
    printf(".TP\n");
    if (row->letter)
        printf("\\fB\\-%c\\fR, ", row->letter);
    print_line("\\fB", row->name, "\\fR");
    if (row->argument)
        print_line(row->kind == FLAG_CHOICE ? " \\fB" : " \\fI", row->argument, "\\fR");
    print_line("\n", row->help, "\n");
}

static void print_options(const command *shown) {
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < shown->flag_count; i++)
        print_flag(&shown->flags[i]);
    printf(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint help\n");
}

static void print_exits(void) {
    printf(".SH \"EXIT STATUS\"\n");
    for (int i = 0; i < EXIT_COUNT; i++) {
        printf(".TP\n.B %d\n", EXITS[i].code);
        print_line("", EXITS[i].meaning, "\n");
    }
}

static void print_examples(const command *shown) {
    printf(".SH EXAMPLES\n");
    for (size_t i = 0; i < shown->example_count; i++) {
        printf(".TP\n.B ");
        print_line("", shown->examples[i].line, "\n");
        print_line("", shown->examples[i].meaning, "\n");
    }
}

/* The pages but this one; NULL is that of xent. */
static void print_others(const command *self) {
    const char *comma = "";
    printf(".SH \"SEE ALSO\"\n");
    if (self) {
        printf(".BR xent (1)");
        comma = ",\n";
    }
    for (int i = 0; i < VERB_COUNT; i++) {
        if (VERBS[i].shown == self)
            continue;
        printf("%s.BR xent\\-%s (1)", comma, VERBS[i].shown->name);
        comma = ",\n";
    }
    printf("\n");
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void print_verb_page(const command *shown) {
    char page[64];
    snprintf(page, sizeof page, "xent-%s", shown->name);
    print_title(page, "");
    print_line("", page, " \\- ");
    print_line("", shown->brief, "\n.SH SYNOPSIS\n");
    printf("\\fBxent %s\\fR", shown->name);
    print_line(shown->operand_kind == OPERAND_WORD ? " \\fB" : " \\fI", shown->operands, "\\fR");
    printf("%s\n.SH DESCRIPTION\n", shown->flag_count ? " [\\fIflags\\fR]" : "");
    print_paragraphs(shown->summary);
    if (shown->description) {
        printf(".PP\n");
        print_paragraphs(shown->description);
    }
    print_options(shown);
    print_exits();
    if (shown->files)
        print_line(".SH FILES\n", shown->files, "\n");
    print_examples(shown);
    print_others(shown);
}

static void print_main_page(void) {
    print_title("xent",
                "xent \\- sparse categorical cross\\-entropy of logits and labels in files\n");
    printf(".SH SYNOPSIS\n\\fBxent\\fR \\fIVERB\\fR [\\fIflags\\fR]\n.SH DESCRIPTION\n");
    print_paragraphs("Scores logits against the index of each row's true class, and says what is "
                     "wrong where the two do not fit. Each verb has a manual of its own.");
    for (int i = 0; i < VERB_COUNT; i++) {
        const command *shown = VERBS[i].shown;
        printf(".TP\n\\fB%s\\fR", shown->name);
        print_line(shown->operand_kind == OPERAND_WORD ? " \\fB" : " \\fI", shown->operands,
                   "\\fR\n");
        print_line("", shown->brief, "\n");
    }
    printf(".SH OPTIONS\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint help; after a verb, its own\n"
           ".TP\n\\fB\\-\\-version\\fR\nprint the version\n");
    print_exits();
    print_examples(&HELP_COMMAND);
    print_others(NULL);
}

int run_manual(int argc, char **argv) {
    const char *name = NULL;
    int code = parse_flags(&MANUAL_COMMAND, argc, argv, NULL, &name);
    if (code != EX_OK)
        return code;
    const verb_row *found = name ? find_verb(name) : NULL;
    if (name && !found)
        return refuse_verb(name);
    if (found)
        print_verb_page(found->shown);
    else
        print_main_page();
    return EX_OK;
}
