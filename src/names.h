/* SPDX-License-Identifier: MIT
 * What the functions that files of src/ share are called outside: in the static library they lie
 * beside a program's own, which may well have a `fail`. */
#ifndef XENT_SRC_NAMES_H
#define XENT_SRC_NAMES_H

#define accept_denominator xent_private_accept_denominator
#define accept_labels xent_private_accept_labels
#define add_rows xent_private_add_rows
#define bend_block xent_private_bend_block
#define block_factor xent_private_block_factor
#define block_length xent_private_block_length
#define check_arguments xent_private_check_arguments
#define check_count_arguments xent_private_check_count_arguments
#define check_labels xent_private_check_labels
#define check_options xent_private_check_options
#define check_overlap xent_private_check_overlap
#define check_tensor xent_private_check_tensor
#define choose_group_rows xent_private_choose_group_rows
#define classify_labels xent_private_classify_labels
#define count_elements xent_private_count_elements
#define count_labels xent_private_count_labels
#define divide_scratch xent_private_divide_scratch
#define dtype_name xent_private_dtype_name
#define dtype_size xent_private_dtype_size
#define fail xent_private_fail
#define find_range xent_private_find_range
#define finish_rows xent_private_finish_rows
#define finish_sum xent_private_finish_sum
#define gradient_denominator xent_private_gradient_denominator
#define kept_terms xent_private_kept_terms
#define label_bits xent_private_label_bits
#define lane_size xent_private_lane_size
#define list_outputs xent_private_list_outputs
#define make_formula xent_private_make_formula
#define make_label_layout xent_private_make_label_layout
#define make_layout xent_private_make_layout
#define make_plan xent_private_make_plan
#define merge_stats xent_private_merge_stats
#define read_labels xent_private_read_labels
#define read_options xent_private_read_options
#define read_outputs xent_private_read_outputs
#define row_address xent_private_row_address
#define row_addresses xent_private_row_addresses
#define row_run xent_private_row_run
#define row_weight_at xent_private_row_weight_at
#define run_rows xent_private_run_rows
#define run_tasks xent_private_run_tasks
#define same_lengths xent_private_same_lengths
#define same_shape xent_private_same_shape
#define set_columns xent_private_set_columns
#define shape_text xent_private_shape_text
#define stats_of_column xent_private_stats_of_column
#define sweep_rows xent_private_sweep_rows
#define task_width xent_private_task_width
#define view_rows xent_private_view_rows
#define weight_at xent_private_weight_at
#define weights_from xent_private_weights_from
#define write_gradients xent_private_write_gradients

#endif
