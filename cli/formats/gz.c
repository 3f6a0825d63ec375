/* SPDX-License-Identifier: MIT
 * Files packed by gzip (RFC 1952): unpacked, then read as what they hold. */
#include "../complain.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 1 << 16, GZIP_ONLY = 16 /* told to zlib: not its own format */ };

typedef struct unpacking {
    const source *file;
    source spool;
    z_stream stream;
    int64_t at;    /* bytes of the file that the stream has been given */
    bool finished; /* between two members, or after the last */
    unsigned char packed[PIECE], unpacked[PIECE];
} unpacking;

static bool recognise(const unsigned char *head, size_t size) {
    return size >= 2 && head[0] == 0x1f && head[1] == 0x8b;
}

static int refuse(const unpacking *work, int status) {
    if (status == Z_MEM_ERROR)
        return complain(EX_SOFTWARE, work->file->path, "not enough memory");
    return complain(EX_DATAERR, work->file->path,
                    "is a damaged gzip file (%s): copy or download it again",
                    work->stream.msg ? work->stream.msg : "it needs a dictionary");
}

static int give_piece(unpacking *work) {
    int64_t left = work->file->size - work->at;
    int64_t size = left < PIECE ? left : PIECE;
    int code = read_source(work->file, work->at, size, work->packed);
    work->at += size;
    work->stream.next_in = work->packed;
    work->stream.avail_in = (uInt)size;
    return code;
}

/* What follows a member: padding of zeros, which ends with the file, or another member. */
static bool skip_padding(unpacking *work) {
    z_stream *stream = &work->stream;
    while (stream->avail_in > 0 && *stream->next_in == 0) {
        stream->next_in++;
        stream->avail_in--;
    }
    return stream->avail_in == 0;
}

/* Unpacks some of what the stream has been given. */
static int unpack_some(unpacking *work) {
    z_stream *stream = &work->stream;
    if (work->finished && skip_padding(work))
        return EX_OK;
    if (work->finished)
        inflateReset(stream);
    stream->next_out = work->unpacked;
    stream->avail_out = PIECE;
    int status = inflate(stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        return refuse(work, status);
    work->finished = status == Z_STREAM_END;
    return write_spool(&work->spool, work->unpacked, PIECE - stream->avail_out);
}

static int unpack_all(unpacking *work) {
    int code = open_spool(work->file->path, &work->spool);
    bool full = false; /* there may be more to come without more being given */
    while (code == EX_OK && (full || work->stream.avail_in > 0 || work->at < work->file->size)) {
        if (!full && work->stream.avail_in == 0)
            code = give_piece(work);
        if (code == EX_OK)
            code = unpack_some(work);
        full = !work->finished && work->stream.avail_out == 0;
    }
    if (code == EX_OK && !work->finished)
        code = complain(EX_DATAERR, work->file->path,
                        "is a gzip file that ends too soon: it is cut off; copy it again");
    return code;
}

static int unpack(source *file) {
    unpacking *work = calloc(1, sizeof *work);
    if (!work || inflateInit2(&work->stream, MAX_WBITS + GZIP_ONLY) != Z_OK) {
        free(work);
        return complain(EX_SOFTWARE, file->path, "not enough memory");
    }
    work->file = file;
    int code = unpack_all(work);
    inflateEnd(&work->stream);
    source spool = work->spool;
    free(work);
    if (code == EX_OK)
        replace_source(file, &spool);
    else
        close_source(&spool);
    return code;
}

static int read_gz(source *file, const sought *what, contents *found) {
    sought inside = *what;
    inside.unpacked = true;
    int code = unpack(file);
    if (code == EX_OK)
        code = read_elements(file, &inside, found);
    found->python = NULL;
    return code;
}

const format GZ_FORMAT = {
    .name = "gzip", .has_members = true, .unpacks = true, .recognise = recognise, .read = read_gz};
