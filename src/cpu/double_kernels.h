/* SPDX-License-Identifier: MIT
 * The kernels with double lanes: F64, and the functions on arrays of doubles, in the table
 * xent_math_<ISA>. Include after a f64_<isa>.h vocabulary, with ISA and MATH_TABLE defined. */
#include "lane_f64.h"

#include "exp2_template.h"

#include "math_template.h"

#include "terms_template.h"

#include "block_template.h"

#include "transpose_template.h"

#include "product_template.h"

const xent_math MATH_TABLE = {.exp = math_exp,
                              .log = math_log,
                              .log1p = math_log1p,
                              .bend = math_bend,
                              .add = math_add,
                              .finish = math_finish};

static inline void store_two_f64(void *p, dvec a, dvec b) {
    d_store(p, a);
    d_store((double *)p + D_WIDTH, b);
}

#define TYPE f64
#define ELEM double
#define LOAD d_load
#define STORE d_store
#define STORE_TWO store_two_f64
#define LOAD_SOME d_load_some
#define STORE_SOME d_store_some
#define LOAD_FOURS d_load_fours
#define STORE_FOURS d_store_fours
#define LOWEST (-INFINITY)
#include "element_template.h"
