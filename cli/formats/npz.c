/* SPDX-License-Identifier: MIT
 * .npz and other zip archives: one member is unpacked, then read as what it holds. */
#define _POSIX_C_SOURCE 200809L
#include "../complain.h"
#include "members.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

/* Deflate makes at most 1032 bytes of one; the rest is for archives that round. */
enum { PIECE = 1 << 16, HIGHEST_RATIO = 1032, SLACK = 1 << 16 };

static bool recognise(const unsigned char *head, size_t size) {
    return size >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

static int refuse(const source *file, zip_error_t *error) {
    int code = zip_error_code_zip(error) == ZIP_ER_MEMORY ? EX_SOFTWARE : EX_DATAERR;
    complain(code, file->path, "is a damaged or cut off zip archive (%s): copy it or save it again",
             zip_error_strerror(error));
    zip_error_fini(error);
    return code;
}

/* An archive with a descriptor of its own; NULL after saying why, with *code set. */
static zip_t *open_archive(const source *file, int *code) {
    zip_error_t error;
    zip_error_init(&error);
    int descriptor = fcntl(file->descriptor, F_DUPFD_CLOEXEC, 3);
    FILE *stream = descriptor >= 0 ? fdopen(descriptor, "rb") : NULL;
    if (!stream) {
        if (descriptor >= 0)
            close(descriptor);
        *code = complain(EX_SOFTWARE, file->path, "cannot be opened twice");
        return NULL;
    }
    zip_source_t *from = zip_source_filep_create(stream, 0, -1, &error);
    zip_t *archive = from ? zip_open_from_source(from, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (archive)
        return archive;
    if (from)
        zip_source_free(from);
    else
        fclose(stream);
    *code = refuse(file, &error);
    return NULL;
}

/* ---- choosing a member ----------------------------------------------------------------------- */

/* Folders are entries too, whose names end in a slash. */
static const char *entry_name(const void *context, int64_t i) {
    zip_t *archive = (zip_t *)(uintptr_t)context;
    const char *name = zip_get_name(archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
    size_t length = name ? strlen(name) : 0;
    return length > 0 && name[length - 1] != '/' ? name : NULL;
}

/* What torch.save makes: "NAME/data.pkl", and the numbers of each tensor beside it. */
static bool is_of_torch(zip_t *archive) {
    static const char PICKLE[] = "/data.pkl";
    const size_t length = sizeof PICKLE - 1;
    for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); i++) {
        const char *name = entry_name(archive, i);
        if (name && strlen(name) > length && strcmp(name + strlen(name) - length, PICKLE) == 0)
            return true;
    }
    return false;
}

static int choose_entry(const source *file, const sought *what, zip_t *archive, int64_t *chosen) {
    if (!what->member && is_of_torch(archive))
        return refuse_foreign(file, "a PyTorch file of torch.save");
    const member_list list = {.format = ".npz",
                              .count = zip_get_num_entries(archive, 0),
                              .name = entry_name,
                              .context = archive,
                              .ending = ".npy"};
    return choose_member(file, what, &list, chosen);
}

/* ---- unpacking it ---------------------------------------------------------------------------- */

/* Judges what the archive says of a member before a byte of it is unpacked. */
static int check_entry(const source *file, const zip_stat_t *entry) {
    const zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if ((entry->valid & needed) != needed || entry->comp_size > (zip_uint64_t)file->size)
        return complain(EX_DATAERR, file->path, "is a damaged zip archive: a member has no size");
    if (entry->encryption_method != ZIP_EM_NONE)
        return complain(EX_DATAERR, file->path,
                        "is encrypted: unpack it with its password, then give the file inside");
    if (entry->comp_method != ZIP_CM_STORE && entry->comp_method != ZIP_CM_DEFLATE)
        return complain(EX_DATAERR, file->path,
                        "is packed by method %d; stored and deflated members can be read, as "
                        "numpy.savez and numpy.savez_compressed write them",
                        entry->comp_method);
    if (entry->comp_method == ZIP_CM_STORE ? entry->size != entry->comp_size
                                           : entry->size / HIGHEST_RATIO > entry->comp_size + SLACK)
        return complain(EX_DATAERR, file->path,
                        "claims %" PRIu64 " bytes in %" PRIu64
                        " packed ones, which cannot be: the archive is damaged",
                        entry->size, entry->comp_size);
    return EX_OK;
}

/* The size and the check sum are right if reading comes to the end without an error. */
static int unpack_stream(const source *file, const zip_stat_t *entry, zip_file_t *from,
                         source *spool) {
    char piece[PIECE];
    zip_int64_t got = 0;
    int code = EX_OK;
    do {
        got = zip_fread(from, piece, sizeof piece);
        if (got < 0)
            return refuse(file, zip_file_get_error(from));
        code = write_spool(spool, piece, (size_t)got);
    } while (got > 0 && code == EX_OK && (zip_uint64_t)spool->size <= entry->size);
    if (code == EX_OK && (zip_uint64_t)spool->size != entry->size)
        code = complain(EX_DATAERR, file->path,
                        "holds another number of bytes than the %" PRIu64
                        " that the archive says: it is damaged",
                        entry->size);
    return code;
}

static int unpack_entry(const source *file, zip_t *archive, int64_t chosen, source *spool) {
    zip_stat_t entry;
    if (zip_stat_index(archive, (zip_uint64_t)chosen, 0, &entry) != 0)
        return refuse(file, zip_get_error(archive));
    int code = check_entry(file, &entry);
    if (code != EX_OK)
        return code;
    zip_file_t *from = zip_fopen_index(archive, (zip_uint64_t)chosen, 0);
    if (!from)
        return refuse(file, zip_get_error(archive));
    code = open_spool(file->path, spool);
    if (code == EX_OK)
        code = unpack_stream(file, &entry, from, spool);
    zip_fclose(from);
    return code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int unpack(source *file, const sought *what) {
    source spool = {.descriptor = -1};
    int64_t chosen = 0;
    int code = EX_OK;
    zip_t *archive = open_archive(file, &code);
    if (!archive)
        return code;
    code = choose_entry(file, what, archive, &chosen);
    if (code == EX_OK)
        code = unpack_entry(file, archive, chosen, &spool);
    zip_discard(archive);
    if (code == EX_OK)
        replace_source(file, &spool);
    else
        close_source(&spool);
    return code;
}

static int read_npz(source *file, const sought *what, contents *found) {
    const sought inside = {
        .reals = what->reals, .unpacked = true, .path = what->path, .typed = what->typed};
    int code = unpack(file, what);
    if (code == EX_OK)
        code = read_elements(file, &inside, found);
    if (code == EX_OK && found->python)
        found->python = what->member ? "numpy.load(sys.argv[1])[sys.argv[3]]"
                                     : "next(iter(numpy.load(sys.argv[1]).values()))";
    return code;
}

const format NPZ_FORMAT = {
    .name = ".npz", .has_members = true, .unpacks = true, .recognise = recognise, .read = read_npz};
