import { expect, test } from 'vitest';
import { en } from '../src/i18n/en';
import { ja } from '../src/i18n/ja';
import { fill, type Key, pieces, preferredLanguage } from '../src/i18n/translate';

/** What cameras' states are called beyond the kinds of failures, which `contract.test.ts` reads. */
const REASONS =
  'Captured Capturing Waiting Disabled Suspended QuietHours NoSlot BackingOff Stale OverLimit ForeignClient';

const keys = Object.keys(en) as Key[];
const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test('both languages have the same keys', () => {
  expect(Object.keys(ja).sort()).toEqual([...keys].sort());
});

test.each(keys)('%s has text and the same placeholders in both languages', (key) => {
  expect(en[key].trim()).not.toBe('');
  expect(ja[key].trim()).not.toBe('');
  expect(holes(ja[key])).toEqual(holes(en[key]));
});

test('every reason of the plan has a text', () => {
  for (const reason of REASONS.split(' ')) expect(keys).toContain(`reason.${reason}`);
});

test('texts are cut at their placeholders and filled', () => {
  expect(pieces('{used} of {limit} in use')).toEqual([
    { name: 'used' },
    { text: ' of ' },
    { name: 'limit' },
    { text: ' in use' },
  ]);
  expect(fill('{a} and {b}', { a: 1 })).toBe('1 and {b}');
});

test('the language is the first one of the reader that there is', () => {
  expect(preferredLanguage(['', 'fr-FR', 'ja-JP', 'en'])).toBe('ja');
  expect(preferredLanguage(['en-GB', 'ja'])).toBe('en');
  expect(preferredLanguage(['fr'])).toBe('en');
});
