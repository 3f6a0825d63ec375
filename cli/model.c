/* SPDX-License-Identifier: MIT
 * A linear classifier in a .safetensors file: what `xent train` writes and `xent predict` reads. */
#include "model.h"
#include "complain.h"
#include "formats/bundle.h"
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char MARK[] = "xent", KIND[] = "classifier 1", CLASSES[] = "classes";

/* ---- tensors --------------------------------------------------------------------------------- */

static bool all_finite(const xent_tensor *tensor) {
    const int64_t count = element_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(real_at(tensor, i)))
            return false;
    }
    return true;
}

/* Puts the same numbers in the type `dtype`, exactly where it is the wider one. */
static int convert(const char *path, int32_t dtype, xent_tensor *tensor) {
    xent_error error;
    if (tensor->dtype == dtype)
        return EX_OK;
    int64_t count = element_count(tensor);
    void *memory = malloc((size_t)(count > 0 ? count : 1) * type_size(dtype));
    if (!memory)
        return complain(EX_SOFTWARE, path, "not enough memory");
    xent_tensor flat = *tensor, wide = xent_ndarray(memory, dtype, tensor->ndim, tensor->shape);
    xent_status status = xent_prepare_features(&flat, NULL, NULL, &wide, &error);
    free(tensor->data);
    *tensor = wide;
    return status == XENT_OK ? EX_OK : complain(EX_SOFTWARE, path, "%s", error.message);
}

/* Loads a tensor of floating-point numbers, which are finite. Not there: data is NULL. */
static int load(const bundle *file, const char *name, xent_tensor *tensor) {
    const safetensors_entry *entry = find_in_bundle(file, name);
    *tensor = (xent_tensor){.data = NULL};
    if (!entry)
        return EX_OK;
    int code = load_from_bundle(file, entry, tensor);
    if (code != EX_OK)
        return code;
    if (!is_float(tensor->dtype))
        return complain(EX_DATAERR, file->file.path, "has a tensor '%s' of %s: not a classifier's",
                        name, type_name(tensor->dtype));
    if (!all_finite(tensor))
        return complain(EX_DATAERR, file->file.path,
                        "has NaN or infinity in '%s': the training that wrote it has failed", name);
    return EX_OK;
}

static int check_vector(const model *held, const char *name, const xent_tensor *tensor,
                        int64_t length, const char *one_per) {
    char shape[SHAPE_TEXT];
    if (!tensor->data || (tensor->ndim == 1 && tensor->shape[0] == length))
        return EX_OK;
    return complain(EX_DATAERR, held->path,
                    "has '%s' of shape %s, but there must be one number for each %s of 'weight': "
                    "shape [%" PRId64 "]",
                    name, write_shape(shape, tensor->ndim, tensor->shape), one_per, length);
}

static int check_shapes(model *held) {
    const xent_training_parameters *p = &held->parameters;
    char shape[SHAPE_TEXT];
    if (!p->weight.data)
        return complain(EX_DATAERR, held->path,
                        "has no tensor 'weight': it is no linear classifier. One has weight [C, D] "
                        "and, if it needs them, bias [C], mean [D] and scale [D]");
    if (p->weight.ndim != 2 || p->weight.shape[0] < 1 || p->weight.shape[1] < 1)
        return complain(EX_DATAERR, held->path,
                        "has 'weight' of shape %s, but that of a linear classifier is [classes, "
                        "features]",
                        write_shape(shape, p->weight.ndim, p->weight.shape));
    held->classes = p->weight.shape[0];
    held->features = p->weight.shape[1];
    int code = check_vector(held, "bias", &p->bias, held->classes, "row");
    if (code == EX_OK)
        code = check_vector(held, "mean", &p->mean, held->features, "column");
    if (code == EX_OK)
        code = check_vector(held, "scale", &p->scale, held->features, "column");
    return code;
}

static int load_parameters(const bundle *file, model *held) {
    xent_training_parameters *p = &held->parameters;
    int code = load(file, "weight", &p->weight);
    if (code == EX_OK)
        code = load(file, "bias", &p->bias);
    if (code == EX_OK)
        code = load(file, "mean", &p->mean);
    if (code == EX_OK)
        code = load(file, "scale", &p->scale);
    return code == EX_OK ? check_shapes(held) : code;
}

static int convert_parameters(model *held) {
    xent_training_parameters *p = &held->parameters;
    int32_t lane = p->weight.dtype == XENT_F64 ? XENT_F64 : XENT_F32;
    int code = convert(held->path, lane, &p->weight);
    if (code == EX_OK && p->bias.data)
        code = convert(held->path, lane, &p->bias);
    if (code == EX_OK && p->mean.data)
        code = convert(held->path, XENT_F64, &p->mean);
    if (code == EX_OK && p->scale.data)
        code = convert(held->path, XENT_F64, &p->scale);
    return code;
}

/* ---- names of classes ------------------------------------------------------------------------ */

/* As many as classes, all of one kind. */
static bool are_names(const json_t *names, int64_t classes) {
    const json_t *first = json_array_get(names, 0);
    if ((int64_t)json_array_size(names) != classes ||
        !(json_is_integer(first) || json_is_string(first)))
        return false;
    for (size_t i = 1; i < json_array_size(names); i++) {
        if (json_typeof(json_array_get(names, i)) != json_typeof(first))
            return false;
    }
    return true;
}

static int read_names(const bundle *file, model *held) {
    const char *text = safetensors_note(&file->head, CLASSES);
    if (!text)
        return EX_OK;
    held->names = json_loads(text, 0, NULL);
    if (are_names(held->names, held->classes))
        return EX_OK;
    return complain(EX_DATAERR, held->path,
                    "has metadata 'classes' that are not the names of its %" PRId64
                    " classes: a JSON array of as many whole numbers, or of as many strings",
                    held->classes);
}

bool has_words(const model *held) {
    return json_is_string(json_array_get(held->names, 0));
}

int64_t class_number(const model *held, int64_t class) {
    const json_t *name = json_array_get(held->names, (size_t) class);
    return class >= 0 && json_is_integer(name) ? json_integer_value(name) : class;
}

/* ---- the whole ------------------------------------------------------------------------------- */

int read_model(const char *path, model *found) {
    bundle file;
    *found = (model){.path = path};
    int code = open_bundle(path, &file);
    if (code == EX_OK)
        code = load_parameters(&file, found);
    if (code == EX_OK)
        code = convert_parameters(found);
    if (code == EX_OK)
        code = read_names(&file, found);
    close_bundle(&file);
    return code;
}

void free_model(model *held) {
    free(held->parameters.weight.data);
    free(held->parameters.bias.data);
    free(held->parameters.mean.data);
    free(held->parameters.scale.data);
    json_decref(held->names);
}

int write_model(const model *held, json_t *metadata) {
    const xent_training_parameters *p = &held->parameters;
    const named_tensor all[] = {
        {"mean", p->mean}, {"scale", p->scale}, {"weight", p->weight}, {"bias", p->bias}};
    named_tensor given[sizeof all / sizeof *all];
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].tensor.data)
            given[count++] = all[i];
    }
    json_t *all_metadata = json_copy(metadata);
    char *names = held->names ? json_dumps(held->names, JSON_COMPACT) : NULL;
    int failed = json_object_set_new(all_metadata, MARK, json_string(KIND));
    if (held->names)
        failed |= json_object_set_new(all_metadata, CLASSES, names ? json_string(names) : NULL);
    int code = failed ? complain(EX_SOFTWARE, held->path, "not enough memory")
                      : write_bundle(held->path, given, count, all_metadata);
    free(names);
    json_decref(all_metadata);
    return code;
}
