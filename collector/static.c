/* SPDX-License-Identifier: Apache-2.0 */
/* static.c - see static.h. */
#include "collector/static.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/collector.h"

#define FILE_MAX (16 << 20)

static const struct {
	const char *end, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
    {".yaml", "application/yaml; charset=utf-8"},
};

void
static_headers(struct MHD_Response *r, bool tls)
{
	static const char *const h[][2] = {
	    {"Content-Security-Policy",
		"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
		" object-src 'none'"},
	    {"X-Content-Type-Options", "nosniff"},
	    {"X-Frame-Options", "DENY"},
	    {"Referrer-Policy", "no-referrer"},
	    {"Cross-Origin-Opener-Policy", "same-origin"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=()"},
	};

	for (size_t i = 0; i < sizeof(h) / sizeof(h[0]); i++)
		(void)MHD_add_response_header(r, h[i][0], h[i][1]);
	if (tls)
		(void)MHD_add_response_header(r, "Strict-Transport-Security", "max-age=31536000");
}

/* Segment by segment, so that no link and no ".." is ever followed.  -1: there is none. */
static int
open_below(const char *root, const char *path)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0) {
		char seg[256];
		size_t n;
		int next;

		while (*path == '/')
			path++;
		n = strcspn(path, "/");
		if (n == 0 || n >= sizeof(seg) || *path == '.' || memchr(path, '\\', n)) {
			(void)close(fd);
			return -1;
		}
		memcpy(seg, path, n);
		seg[n] = '\0';
		path += n;
		next = openat(fd, seg,
		    *path ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
			  : O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		(void)close(fd);
		if (!*path)
			return next;
		fd = next;
	}
	return -1;
}

static void
send_file(struct call *c, int fd, const char *name)
{
	const char *type = "application/octet-stream", *dot = strrchr(name, '.');
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		if (fd >= 0)
			(void)close(fd);
		call_error(c, MHD_HTTP_NOT_FOUND, "not_found", "there is no such file");
		return;
	}
	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i].end) == 0)
			type = types[i].type;
	c->response = MHD_create_response_from_fd((size_t)st.st_size, fd);
	if (!c->response) {
		(void)close(fd);
		return;
	}
	c->status = MHD_HTTP_OK;
	(void)MHD_add_response_header(c->response, "Content-Type", type);
}

void
static_file(struct call *c)
{
	const char *last = strrchr(c->path, '/'), *path = c->path;
	const char *root = c->co->conf.web;

	if (!root) {
		call_error(c, MHD_HTTP_NOT_FOUND, "no_page", "started without the page (--web)");
		return;
	}
	if (!last || !strchr(last, '.'))
		path = "/index.html"; /* the page's own routes */
	c->immutable =
	    strncmp(path, "/assets/", 8) == 0; /* their names have a hash of what is in them */
	send_file(c, open_below(root, path), path);
	if (c->status != MHD_HTTP_OK)
		c->immutable = false;
}

void
static_openapi(struct call *c)
{
	const char *path = c->co->conf.openapi;

	send_file(c, path ? open(path, O_RDONLY | O_CLOEXEC) : -1, "openapi.yaml");
}
