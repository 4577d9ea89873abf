#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The collector's page in a real browser, before the real collector, behind it a real sensor.
exec bash "$(dirname "$0")/web.sh" --real "$@"
