/* SPDX-License-Identifier: MIT
 * .safetensors: the length of a JSON header, the header, the tensors' bytes without a gap. One
 * tensor of it is an array. */
#include "members.h"
#include "safetensors_head.h"

#include "../complain.h"

static bool recognise(const unsigned char *head, size_t size) {
    return size > SAFETENSORS_LENGTH && head[SAFETENSORS_LENGTH] == '{' &&
           head[SAFETENSORS_LENGTH - 1] == 0 && head[SAFETENSORS_LENGTH - 2] == 0;
}

static const char *entry_name(const void *context, int64_t i) {
    const safetensors_head *head = context;
    return head->entries[i].name;
}

static int read_safetensors(source *file, const sought *what, contents *found) {
    safetensors_head head;
    int64_t chosen = 0;
    int code = read_safetensors_head(file, &head);
    const member_list list = {.format = ".safetensors",
                              .count = head.count,
                              .name = entry_name,
                              .context = &head,
                              .ending = ""};
    if (code == EX_OK)
        code = choose_member(file, what, &list, &chosen);
    if (code == EX_OK)
        code = find_safetensors_elements(&head, &head.entries[chosen], found);
    free_safetensors_head(&head);
    return code;
}

const format SAFETENSORS_FORMAT = {
    .name = ".safetensors", .has_members = true, .recognise = recognise, .read = read_safetensors};
