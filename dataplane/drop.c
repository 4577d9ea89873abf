/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/drop.h"

static const struct {
	const char *name, *text;
} drops[] = {
    {"none", "not dropped"},
#define DROP(id, name, text) {name, text},
#include "dataplane/drop.def"
#undef DROP
};

const char *
drop_name(unsigned reason)
{
	return reason < DROP__MAX ? drops[reason].name : "unknown";
}

const char *
drop_text(unsigned reason)
{
	return reason < DROP__MAX ? drops[reason].text : "unknown";
}
