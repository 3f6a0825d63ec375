/* SPDX-License-Identifier: MIT
 * What a mistyped word was meant to be. */
#include "nearest.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 40 }; /* more letters are no slip of the hand */

static int least(int a, int b, int c) {
    int smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* How many letters must be added, dropped, changed or swapped with their neighbour. row[j] is the
 * distance of the letters so far to the first j letters of the word. */
static int edit_distance(const char *typed, size_t length, const char *word) {
    int before[LONGEST + 1] = {0}, above[LONGEST + 1] = {0}, row[LONGEST + 1] = {0};
    size_t columns = strlen(word);
    if (length > LONGEST || columns > LONGEST)
        return INT_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= length; i++) {
        memcpy(before, above, sizeof before);
        memcpy(above, row, sizeof above);
        row[0] = (int)i;
        for (size_t j = 1; j <= columns; j++) {
            bool same = typed[i - 1] == word[j - 1];
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && typed[i - 1] == word[j - 2] && typed[i - 2] == word[j - 1])
                row[j] = least(row[j], before[j - 2] + 1, INT_MAX);
        }
    }
    return row[columns];
}

/* Whether the typed word, without dashes at its front, is part of the known one. */
static bool is_part(const nearest *found, const char *word) {
    enum { LETTERS = 3 };
    char part[LONGEST + 1];
    size_t dashes = strspn(found->typed, "-");
    if (found->length > LONGEST || found->length < dashes + LETTERS)
        return false;
    memcpy(part, found->typed + dashes, found->length - dashes);
    part[found->length - dashes] = '\0';
    return strstr(word, part) != NULL;
}

/* Whether the typed word is the known one and more: "--ignore-index". */
static bool is_longer(const nearest *found, const char *word) {
    enum { LETTERS = 4 };
    size_t length = strlen(word);
    return length >= strspn(word, "-") + LETTERS && found->length > length &&
           strncmp(found->typed, word, length) == 0;
}

nearest look_for(const char *typed) {
    return (nearest){.typed = typed, .length = strcspn(typed, "="), .distance = INT_MAX};
}

void consider(nearest *found, const char *word) {
    int distance = edit_distance(found->typed, found->length, word);
    bool near =
        distance <= (int)(found->length / 3) || is_part(found, word) || is_longer(found, word);
    if (near && distance < found->distance) {
        found->word = word;
        found->distance = distance;
    }
}

const char *write_meant(char *text, const nearest *found) {
    *text = '\0';
    if (found->word)
        snprintf(text, MEANT_TEXT, " (did you mean %s?)", found->word);
    return text;
}
