/* SPDX-License-Identifier: MIT
 * A .npy file that is written part by part, and whole or not there. */
#include "npy_output.h"
#include "../complain.h"
#include "../tensors.h"
#include "npy.h"

int begin_npy(const char *path, const xent_tensor *tensor, bool fortran_order, npy_output *npy) {
    char head[NPY_HEAD];
    int64_t size = element_count(tensor) * (int64_t)type_size(tensor->dtype);
    if (!path)
        return EX_OK;
    npy->head_size = (int64_t)write_npy_head(head, tensor, fortran_order);
    int code = begin_output(path, npy->head_size + size, &npy->file);
    return code == EX_OK ? write_output(&npy->file, 0, head, npy->head_size) : code;
}

int write_npy_run(void *context, int64_t offset, int64_t size, char *memory) {
    const npy_output *npy = context;
    return write_output(&npy->file, npy->head_size + offset, memory, size);
}
