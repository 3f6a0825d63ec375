/* SPDX-License-Identifier: MIT
 * What `xent check` found, for people and as JSON. */
#ifndef XENT_CLI_FINDINGS_H
#define XENT_CLI_FINDINGS_H

#include "loss.h"
#include "xent_diagnose.h"

#include <stdbool.h>

/* To stdout. EX_OK or EX_SOFTWARE (no memory). */
int report_findings(const loss_call *call, const xent_diagnosis *diagnosis);

/* Whether there is more than notes. */
bool finds_fault(const xent_diagnosis *diagnosis);

#endif
