/** Ages, sizes and times as text. Pure: the time and the language are given. */

import type { Language, Translate } from './i18n/translate';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** One number and one unit: "12 s", "9 min", "2 h", "3 d". */
export function duration(ms: number, t: Translate): string {
  const span = Math.max(0, ms);
  if (span < 100_000) return t('age.s', { n: Math.floor(span / 1000) });
  if (span < 100 * MINUTE) return t('age.min', { n: Math.floor(span / MINUTE) });
  if (span < 48 * HOUR) return t('age.h', { n: Math.floor(span / HOUR) });
  return t('age.d', { n: Math.floor(span / DAY) });
}

/** When something to come comes: counted while it is near, by the clock when it is far. */
export function due(at: number, now: number, t: Translate, language: Language): string {
  const wait = at - now;
  if (wait < 1000) return t('age.now');
  if (wait < 100_000) return t('age.in', { age: t('age.s', { n: Math.ceil(wait / 1000) }) });
  return t('age.at', { time: clockTime(at, now, language) });
}

/** "14:03" for today, with the date otherwise. */
export function clockTime(at: number, now: number, language: Language): string {
  return onDay(at, now) ? time(at, false) : `${date(at, language)} ${time(at, false)}`;
}

/** As `clockTime`, with seconds. */
export function clockSeconds(at: number, now: number, language: Language): string {
  return onDay(at, now) ? time(at, true) : `${date(at, language)} ${time(at, true)}`;
}

/** Decimal units with at most three figures: "31 kB", "58 MB", "1.2 GB". */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 2 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A commit's first seven digits; anything else as it is. */
export function shortRevision(revision: string): string {
  return /^[0-9a-f]{8,64}$/.test(revision) ? revision.slice(0, 7) : revision;
}

function onDay(at: number, now: number): boolean {
  const [a, b] = [new Date(at), new Date(now)];
  return a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();
}

function time(at: number, seconds: boolean): string {
  const when = new Date(at);
  const parts = [when.getHours(), when.getMinutes(), ...(seconds ? [when.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

function date(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { month: 'short', day: 'numeric' }).format(at);
}
