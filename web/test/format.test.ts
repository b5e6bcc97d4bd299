import { expect, test } from 'vitest';
import { bytes, clockSeconds, clockTime, due, duration, shortRevision } from '../src/format';
import { ja } from '../src/i18n/ja';
import { translator } from '../src/i18n/translate';
import { t } from './samples';

const at = (text: string) => new Date(text).getTime();

test.each([
  [-500, '0 s'],
  [12_900, '12 s'],
  [99_999, '99 s'],
  [100_000, '1 min'],
  [540_000, '9 min'],
  [7_200_000, '2 h'],
  [86_400_000 * 3, '3 d'],
])('%i ms is %s', (ms, text) => {
  expect(duration(ms, t)).toBe(text);
});

test('ages read naturally in Japanese', () => {
  expect(duration(12_000, translator(ja))).toBe('12秒');
});

test('what is near is counted, what is far is named by the clock', () => {
  const now = at('2026-11-22T14:00:00');
  expect(due(now + 12_000, now, t, 'en')).toBe('in 12 s');
  expect(due(now - 5_000, now, t, 'en')).toBe('now');
  expect(due(now + 300_000, now, t, 'en')).toBe('at 14:05');
});

test('a time of another day has its date', () => {
  const now = at('2026-11-22T14:00:00');
  expect(clockTime(at('2026-11-22T09:05:00'), now, 'en')).toBe('09:05');
  expect(clockSeconds(at('2026-11-22T09:05:07'), now, 'en')).toBe('09:05:07');
  expect(clockTime(at('2026-11-20T09:05:00'), now, 'en')).toBe('Nov 20 09:05');
});

test.each([
  [999, '999 B'],
  [31_022, '31 kB'],
  [58_000_000, '58 MB'],
  [999_600, '1 MB'],
  [1_240_000_000, '1.2 GB'],
])('%i bytes are %s', (count, text) => {
  expect(bytes(count)).toBe(text);
});

test('a commit is shortened, a tag is not', () => {
  expect(shortRevision('8f3c2d1e5a7b9c0d8f3c2d1e5a7b9c0d8f3c2d1e')).toBe('8f3c2d1');
  expect(shortRevision('release-2026-11')).toBe('release-2026-11');
});
