/* SPDX-License-Identifier: MIT
 * The verbs: what is typed after `xent`. */
#include "verbs.h"
#include "bench.h"
#include "check.h"
#include "complain.h"
#include "completion.h"
#include "help.h"
#include "info.h"
#include "loss.h"
#include "manual.h"
#include "nearest.h"
#include "predict.h"
#include "train.h"

#include <string.h>

const verb_row VERBS[VERB_COUNT] = {
    {&LOSS_COMMAND, run_loss},
    {&CHECK_COMMAND, run_check},
    {&TRAIN_COMMAND, run_train},
    {&PREDICT_COMMAND, run_predict},
    {&BENCH_COMMAND, run_bench},
    {&INFO_COMMAND, run_info},
    {&COMPLETION_COMMAND, run_completion},
    {&MANUAL_COMMAND, run_manual},
    {&HELP_COMMAND, run_help},
};

const verb_row *find_verb(const char *name) {
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(VERBS[i].shown->name, name) == 0)
            return &VERBS[i];
    }
    return NULL;
}

int refuse_verb(const char *name) {
    nearest found = look_for(name);
    char meant[MEANT_TEXT];
    for (int i = 0; i < VERB_COUNT; i++)
        consider(&found, VERBS[i].shown->name);
    consider(&found, "--version");
    return complain(EX_USAGE, name, "there is no such verb%s; `xent help` lists them",
                    write_meant(meant, &found));
}

int read_verb(const command *shown, int argc, char **argv, const verb_row **found) {
    const char *name = NULL;
    int code = parse_flags(shown, argc, argv, NULL, &name);
    *found = name ? find_verb(name) : NULL;
    return code == EX_OK && name && !*found ? refuse_verb(name) : code;
}
