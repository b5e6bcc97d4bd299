import { expect, test } from 'vitest';
import { ja } from '../src/i18n/ja';
import { translator } from '../src/i18n/translate';
import { eventText, heldText, needsWords, nextStep, stateLine, stateReason } from '../src/reasons';
import type { Camera, CameraState } from '../src/wire';
import { camera, event, iso, T0, t } from './samples';

const state = (change: Partial<CameraState>): CameraState => ({
  badge: 'bad',
  reason: 'Unreachable',
  message: 'server sentence',
  since: null,
  next: { kind: 'retry', at: iso(T0 + 12_000) },
  ...change,
});

test('a timeout names the step that got no answer', () => {
  expect(stateReason(camera('a', { state: state({ reason: 'Timeout', stage: 'describe' }) }), t)).toBe(
    'no answer at DESCRIBE',
  );
  expect(stateReason(camera('a', { state: state({ reason: 'Timeout', stage: 'new' }) }), t)).toBe(
    'no answer in time',
  );
});

const vlc = { command: 'vlc', pid: 4711, connections: 1 };
const held = (reason: string, connections: Partial<Camera['connections']>) =>
  camera('a', {
    state: state({ reason }),
    connections: { total: 2, ours: 0, foreign: 2, heldBy: [], ...connections },
  });

test('a full camera says how many connections others hold', () => {
  expect(stateReason(held('CameraFull', {}), t)).toBe('full: 2 of 2 in use, 2 by others');
});

test('who holds a camera is named in either language, as far as known', () => {
  const one = { ours: 1, foreign: 1, heldBy: [vlc] };
  expect(stateReason(held('CameraFull', one), t)).toBe('full: 2 of 2 in use, 1 held by vlc (4711)');
  expect(stateReason(held('ForeignClient', one), translator(ja))).toBe('vlc (4711) が 2 本中 1 本使用中');
  expect(stateReason(held('ForeignClient', { heldBy: [vlc] }), t)).toBe(
    '2 of 2 connections held by vlc (4711) and others',
  );
  // Nobody is to blame for a silent camera.
  expect(stateReason(held('Unreachable', one), t)).toBe('host unreachable');
});

test('an unknown reason is shown in the server’s words', () => {
  expect(stateReason(camera('a', { state: state({ reason: 'FromTheFuture' }) }), t)).toBe('server sentence');
});

test('reason and next step make one line', () => {
  expect(stateLine(camera('a', { state: state({}) }), T0, t, 'en')).toBe(
    'host unreachable · next try in 12 s',
  );
  const stuck = camera('a', { state: state({ reason: 'SecretMissing', next: { kind: 'none', at: null } }) });
  expect(stateLine(stuck, T0, t, 'en')).toBe(
    'password is missing on the server · waits for a change of the manifests',
  );
});

test('a camera in order needs no words and waits for nothing', () => {
  const fine = state({ badge: 'ok', reason: 'Captured', next: { kind: 'none', at: null } });
  expect(nextStep(fine, T0, t, 'en')).toBe('');
  const words = (change: Partial<Camera>) => needsWords(camera('a', change));
  expect([words({ state: fine }), words({ state: fine, lastFrame: null })]).toEqual([false, true]);
  expect([words({ state: state({ badge: 'off' }) }), words({ state: state({}) })]).toEqual([true, true]);
});

test('an event is told by its kind and reason in either language', () => {
  const lost = event(1, { primaryEvent: 'camera_lost', attributes: { reason: 'Timeout', stage: 'play' } });
  expect(eventText(lost, t, 'en')).toBe('camera lost: no answer at PLAY');
  expect(eventText(lost, translator(ja), 'ja')).toBe('カメラ断: PLAY に応答がありません');
});

test('an event that the catalogue does not know is told in the server’s words', () => {
  expect(eventText(event(1, { primaryEvent: 'comet', summary: 'a comet' }), translator(ja), 'ja')).toBe(
    'a comet',
  );
});

test('a reason whose numbers are missing is left out', () => {
  const full = event(1, { primaryEvent: 'camera_lost', summary: '', attributes: { reason: 'CameraFull' } });
  expect(eventText(full, t, 'en')).toBe('camera lost');
});

test('a held action is a sentence', () => {
  const held = {
    kind: 'Forget',
    object: 'camera/yard-old',
    reason: 'Guard',
    message: 'waits for confirmation',
    until: null,
  };
  expect(heldText(held, T0, t, 'en')).toBe('Held: forget camera yard-old: waits for confirmation');
  expect(heldText({ ...held, until: iso(T0 + 5_000) }, T0, t, 'en')).toContain('(until in 5 s)');
});
