// SPDX-License-Identifier: Apache-2.0
// Purdue levels; null is of a zone that no policy has.
import { t } from "../i18n";

export type Level = number | null;
// What is in no policy comes first: it is outside.
export const byLevel = (a: Level, b: Level) => (b ?? 6) - (a ?? 6);
export const levelTag = (l: Level) => (l === null ? "" : `L${l}`);
export const levelName = (l: Level) => t(`map.level.${(l ?? "none") as 0}`);
export const levelText = (l: Level) => (l === null ? t("map.level.none") : t("map.level", { n: l }));
