/* SPDX-License-Identifier: MIT
 * Choosing one of several arrays in a file. */
#include "members.h"
#include "../complain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10, LIST_TEXT = 600 };

/* Characters of a name without the ending that may be left out. */
static size_t stem_length(const member_list *list, const char *name) {
    size_t length = strlen(name), ending = strlen(list->ending);
    bool ends = length > ending && strcmp(name + length - ending, list->ending) == 0;
    return ends ? length - ending : length;
}

static bool is_meant(const member_list *list, const char *name, const char *wanted) {
    size_t stem = stem_length(list, name);
    return strcmp(name, wanted) == 0 || (strlen(wanted) == stem && !strncmp(name, wanted, stem));
}

/* Names come from the file: nothing in them may reach the terminal as a command. */
static bool is_printable(const char *name) {
    for (; *name; name++) {
        if ((unsigned char)*name < ' ' || *name == 0x7f)
            return false;
    }
    return true;
}

/* ---- sentences ------------------------------------------------------------------------------- */

/* "a, b, c and 7 more", of names that can be chosen, as far as they fit; returns the first. */
static const char *list_names(const member_list *list, char text[LIST_TEXT]) {
    const char *first = NULL;
    size_t used = 0;
    int64_t shown = 0, hidden = 0;
    for (int64_t i = 0; i < list->count; i++) {
        const char *name = list->name(list->context, i);
        if (!name)
            continue;
        size_t stem = stem_length(list, name);
        if (shown == SHOWN || !is_printable(name) || used + stem + 32 > LIST_TEXT) {
            hidden++;
            continue;
        }
        first = first ? first : name;
        used += (size_t)snprintf(text + used, LIST_TEXT - used, "%s%.*s", shown++ ? ", " : "",
                                 (int)stem, name);
    }
    if (hidden > 0)
        snprintf(text + used, LIST_TEXT - used, "%s%" PRId64 " more", shown ? " and " : "", hidden);
    return first;
}

/* "try:" with the member's name after the file's, where that leads to the member. */
static void suggest_member(const sought *what, const member_list *list, const char *name) {
    if (!what->typed || !what->path || !name)
        return;
    size_t file = strlen(what->path) - (what->member ? strlen(what->member) + 1 : 0);
    size_t stem = stem_length(list, name), size = file + stem + 2;
    char *word = malloc(size);
    if (!word)
        return;
    snprintf(word, size, "%.*s:%.*s", (int)file, what->path, (int)stem, name);
    const replacement changes[2] = {{what->path, word}, {NULL, NULL}};
    suggest_command(what->typed, changes, "%s", "");
    free(word);
}

static int refuse_choice(const source *file, const sought *what, const member_list *list) {
    char names[LIST_TEXT] = "";
    const char *first = list_names(list, names);
    if (what->member)
        complain(EX_DATAERR, file->path, "there is no such array in the %s file, which holds %s",
                 list->format, names);
    else
        complain(EX_DATAERR, file->path,
                 "is a %s file of several arrays: say which by file:name. It holds %s",
                 list->format, names);
    suggest_member(what, list, first);
    return EX_DATAERR;
}

/* ---- choosing -------------------------------------------------------------------------------- */

int choose_member(const source *file, const sought *what, const member_list *list,
                  int64_t *chosen) {
    int64_t present = 0, fitting = 0;
    for (int64_t i = 0; i < list->count; i++) {
        const char *name = list->name(list->context, i);
        if (!name)
            continue;
        present++;
        if (!what->member || is_meant(list, name, what->member)) {
            fitting++;
            *chosen = i;
        }
    }
    if (present == 0)
        return complain(EX_DATAERR, file->path, "is a %s file that holds no array", list->format);
    if (fitting > 1 && what->member)
        return complain(EX_DATAERR, file->path,
                        "the %s file holds more than one array of this name: which one is meant "
                        "cannot be said",
                        list->format);
    return fitting == 1 ? EX_OK : refuse_choice(file, what, list);
}
