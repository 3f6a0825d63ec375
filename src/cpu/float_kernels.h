/* SPDX-License-Identifier: MIT
 * The kernels with float lanes: F32, BF16, F16. Include after a f32_<isa>.h vocabulary, with ISA
 * defined. */
#include "lane_f32.h"

#include "exp2_template.h"

#include "block_template.h"

#include "transpose_template.h"

#include "product_template.h"

static inline void store_two_f32(void *p, svec a, svec b) {
    s_store_f32(p, a);
    s_store_f32((float *)p + S_WIDTH, b);
}

static inline void store_two_f16(void *p, svec a, svec b) {
    s_store_f16(p, a);
    s_store_f16((uint16_t *)p + S_WIDTH, b);
}

#define TYPE f32
#define ELEM float
#define LOAD s_load_f32
#define STORE s_store_f32
#define STORE_TWO store_two_f32
#define LOAD_SOME s_load_some_f32
#define STORE_SOME s_store_some_f32
#define LOAD_FOURS s_load_fours_f32
#define STORE_FOURS s_store_fours_f32
#define LOWEST (-INFINITY)
#include "element_template.h"

#define TYPE bf16
#define ELEM uint16_t
#define LOAD s_load_bf16
#define STORE s_store_bf16
#define STORE_TWO s_store_two_bf16
#define LOAD_SOME s_load_some_bf16
#define STORE_SOME s_store_some_bf16
#define LOAD_FOURS s_load_fours_bf16
#define STORE_FOURS s_store_fours_bf16
#define LOWEST 0xff80
#include "element_template.h"

#define TYPE f16
#define ELEM uint16_t
#define LOAD s_load_f16
#define STORE s_store_f16
#define STORE_TWO store_two_f16
#define LOAD_SOME s_load_some_f16
#define STORE_SOME s_store_some_f16
#define LOAD_FOURS s_load_fours_f16
#define STORE_FOURS s_store_fours_f16
#define LOWEST 0xfc00
#include "element_template.h"
