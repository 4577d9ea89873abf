#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A collector with PostgreSQL beside its twin with SQLite; the server gone, and back.  About 25 s.
cd "$(dirname "$0")/../.." || exit 2
for f in +collector +pg; do
	grep -F -- "$f" <<<"$("$INTERLOCK" --version)" >/dev/null || { echo "built without ${f#+}"; exit 77; }
done
[ -n "$(compgen -G '/usr/lib/postgresql/*/bin/initdb')" ] || { echo "no PostgreSQL server is installed"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/postgres.py
