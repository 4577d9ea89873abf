/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - error codes. An int function returns 0 or a negative ERR_*. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err {
	ERR_OK = 0,
#define ERR(name, num, text) ERR_##name = (num),
#include "base/err.def"
#undef ERR
};

/* Text of an ERR_* (never NULL); lower case, no trailing dot. */
const char *err_str(int err);

/* The ERR_* nearest to an errno value. */
int err_from_errno(int e);

/* Writes one line for the user into err (cut to size) and returns code. */
int err_say(char *err, size_t size, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif /* BASE_ERR_H */
