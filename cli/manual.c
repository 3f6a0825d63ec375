/* SPDX-License-Identifier: MIT
 * `xent manual`: manual pages in roff, made from the tables that are behind --help. */
#include "manual.h"
#include "complain.h"
#include "help.h"
#include "verbs.h"
#include "xent.h"

#include <ctype.h>
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

/* A character that roff takes for nothing else; every dash is one that can be typed. */
static void print_character(char c) {
    static const char SPECIAL[] = "\\-'`^~";
    static const char *const NAMES[] = {"\\e", "\\-", "\\(aq", "\\(ga", "\\(ha", "\\(ti"};
    const char *found = strchr(SPECIAL, c);
    if (found)
        fputs(NAMES[found - SPECIAL], stdout);
    else
        putchar(c);
}

static void print_line(const char *before, const char *text, const char *after) {
    fputs(before, stdout);
    for (; *text; text++)
        print_character(*text);
    fputs(after, stdout);
}

/* Lines of text; an empty one begins a paragraph. No line begins with a point, which is for
 * requests. */
static void print_prose(const char *text) {
    enum { LONG_ENOUGH = 60 };
    for (int column = 0; *text; text++) {
        bool begins = column++ == 0;
        if (*text == '.' && begins)
            fputs("\\&", stdout);
        if (*text == '\n') {
            fputs("\n.PP\n", stdout);
            text += strspn(text, "\n") - 1;
            column = 0;
        } else if (*text == ' ' && column > LONG_ENOUGH) {
            putchar('\n');
            column = 0;
        } else {
            print_character(*text);
        }
    }
    putchar('\n');
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void print_title(const char *page, const char *what) {
    printf(".TH \"");
    for (; *page; page++)
        print_character((char)toupper((unsigned char)*page));
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
    putchar('\n');
    print_prose(row->help);
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
        print_prose(EXITS[i].meaning);
    }
}

static void print_examples(const command *shown) {
    printf(".SH EXAMPLES\n");
    for (size_t i = 0; i < shown->example_count; i++) {
        printf(".TP\n.B ");
        print_line("", shown->examples[i].line, "\n");
        print_prose(shown->examples[i].meaning);
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
    print_prose(shown->summary);
    if (shown->description) {
        printf(".PP\n");
        print_prose(shown->description);
    }
    print_options(shown);
    print_exits();
    if (shown->files) {
        printf(".SH FILES\n");
        print_prose(shown->files);
    }
    print_examples(shown);
    print_others(shown);
}

static void print_main_page(void) {
    print_title("xent",
                "xent \\- sparse categorical cross\\-entropy of logits and labels in files\n");
    printf(".SH SYNOPSIS\n\\fBxent\\fR \\fIVERB\\fR [\\fIflags\\fR]\n.SH DESCRIPTION\n");
    print_prose("Scores logits against the index of each row's true class, and says what is "
                "wrong where the two do not fit. Each verb has a manual of its own.");
    for (int i = 0; i < VERB_COUNT; i++) {
        const command *shown = VERBS[i].shown;
        printf(".TP\n\\fB%s\\fR", shown->name);
        print_line(shown->operand_kind == OPERAND_WORD ? " \\fB" : " \\fI", shown->operands,
                   "\\fR\n");
        print_prose(shown->brief);
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
