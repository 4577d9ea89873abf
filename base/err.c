/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const char *
err_str(int err)
{
	switch (err) {
	case ERR_OK:
		return "success";
#define ERR(name, num, text) \
	case num: \
		return text;
#include "base/err.def"
#undef ERR
	default:
		return "unknown error";
	}
}

int
err_from_errno(int e)
{
	switch (e) {
	case 0:
		return 0;
	case ENOMEM:
		return ERR_NOMEM;
	case EAGAIN:
	case EINTR:
		return ERR_AGAIN;
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_PERM;
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPC;
	default:
		return ERR_IO;
	}
}

int
err_say(char *err, size_t size, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return code;
}
