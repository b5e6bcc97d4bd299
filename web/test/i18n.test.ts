import { expect, test } from 'vitest';
import { en } from '../src/i18n/en';
import { ja } from '../src/i18n/ja';
import { fill, type Key, pieces, preferredLanguage } from '../src/i18n/translate';

/** What the server may say. */
const REASONS =
  'Captured Capturing Waiting Disabled Suspended QuietHours NoSlot BackingOff Unreachable Refused Timeout AuthFailed CameraFull NotFound UnsupportedCodec NoKeyFrame ProtocolError DecodeFailed SecretMissing Stale OverLimit ForeignClient UnsupportedProtocol ConnectionLost CameraError Cancelled StoreFailed Host';

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

test('every reason and every event of the contract has a text', () => {
  const kinds = [
    'human',
    'animal',
    'vehicle',
    'motion',
    'unknown',
    'camera_issue',
    'camera_lost',
    'camera_recovered',
  ];
  const system = ['config_applied', 'config_refused', 'config_held', 'sweep_overrun', 'server_started'];
  const store = ['events_dropped', 'store_lost', 'store_recovered'];
  const processes = ['process_killed', 'process_undead'];
  for (const reason of REASONS.split(' ')) expect(keys).toContain(`reason.${reason}`);
  for (const kind of [...kinds, ...system, ...store, ...processes]) expect(keys).toContain(`event.${kind}`);
  for (const stage of ['connect', 'options', 'describe', 'setup', 'play', 'stream', 'teardown']) {
    expect(keys).toContain(`stage.${stage}`);
  }
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
