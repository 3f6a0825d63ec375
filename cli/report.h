/* SPDX-License-Identifier: MIT
 * What `xent loss` found, for people and as JSON. */
#ifndef XENT_CLI_REPORT_H
#define XENT_CLI_REPORT_H

#include "loss.h"

/* The result to stdout, notes about rows that were left out or are not finite to stderr. EX_OK or
 * EX_SOFTWARE (no memory). */
int report_loss(const loss_call *call);

#endif
