import { expect, test } from 'vitest';
import { backoff, DEAD_AFTER_MS, deadline, INITIAL_LINK, type Input, type Link, step } from '../src/link';
import type { Message } from '../src/wire';
import { event, iso, snapshot, T0 } from './samples';

const hello = (seq: number): Message => ({
  type: 'hello',
  instance: 'i',
  version: '1',
  seq,
  serverTime: iso(T0),
});
const hear = (message: Message | null): Input => ({ kind: 'heard', message });

function run(link: Link, ...inputs: readonly Input[]) {
  let current = link;
  const kinds: string[] = [];
  for (const input of inputs) {
    const next = step(current, input, T0, 0.5);
    current = next.link;
    kinds.push(
      ...next.effects.map((effect) => (effect.kind === 'open' ? `open:${effect.since}` : effect.kind)),
    );
  }
  return { link: current, kinds };
}

const connected = run(
  INITIAL_LINK,
  { kind: 'start' },
  hear(hello(3)),
  hear(snapshot([event(2), event(3)])),
).link;

test('a connection counts as such from the snapshot on', () => {
  const opening = run(INITIAL_LINK, { kind: 'start' }, hear(hello(3)));
  expect(opening.link.phase).toBe('connecting');
  expect(connected).toMatchObject({ phase: 'connected', failures: 0, seq: 3 });
});

test('an attempt that ends between hello and snapshot asks for the newest events again', () => {
  const { kinds } = run(INITIAL_LINK, { kind: 'start' }, hear(hello(9)), { kind: 'lost' }, { kind: 'wake' });
  expect(kinds).toEqual(['open:null', 'deliver', 'close', 'open:null']);
});

test('an empty log starts at the number of the hello', () => {
  const { link } = run(INITIAL_LINK, { kind: 'start' }, hear(hello(41)), hear(snapshot([])));
  expect(link.seq).toBe(41);
  expect(run(link, hear({ type: 'event', event: event(42) })).kinds).toEqual(['deliver']);
});

test('events that the server no longer has do not make it reconnect for ever', () => {
  const lost = run(connected, { kind: 'lost' }, { kind: 'wake' }).link;
  const { link, kinds } = run(
    lost,
    hear(hello(200)),
    hear(snapshot([])),
    hear({ type: 'event', event: event(201) }),
  );
  expect(kinds).toEqual(['deliver', 'deliver', 'deliver']);
  expect(link).toMatchObject({ phase: 'connected', seq: 201 });
});

test('events in order are delivered and a repeated one is not', () => {
  const { link, kinds } = run(
    connected,
    hear({ type: 'event', event: event(4) }),
    hear({ type: 'event', event: event(4) }),
  );
  expect(kinds).toEqual(['deliver']);
  expect(link.seq).toBe(4);
});

test('a gap closes the connection and resumes after the last event that was seen', () => {
  const { link, kinds } = run(connected, hear({ type: 'event', event: event(5) }));
  expect(kinds).toEqual(['close']);
  expect(link).toMatchObject({ phase: 'waiting', failures: 0, seq: 3 });
  const later = step(link, { kind: 'time' }, link.retryAt, 0.5);
  expect(later.effects).toEqual([{ kind: 'open', since: 3 }]);
});

test('a resync is no failure', () => {
  const { link, kinds } = run(connected, hear({ type: 'resync', reason: 'slow' }));
  expect(kinds).toEqual(['close']);
  expect(link).toMatchObject({ phase: 'waiting', failures: 0 });
});

test('a log that began anew is asked for from its start', () => {
  const lost = run(connected, { kind: 'lost' }, { kind: 'wake' }).link;
  expect(run(lost, hear(hello(1))).kinds).toEqual(['deliver', 'close', 'open:null']);
});

test('silence ends the link after 45 s and any message, even an unknown one, keeps it', () => {
  expect(deadline(connected)).toBe(T0 + DEAD_AFTER_MS);
  const alive = step(connected, hear(null), T0 + 40_000, 0.5).link;
  expect(step(alive, { kind: 'time' }, T0 + DEAD_AFTER_MS, 0.5).link.phase).toBe('connected');
  const dead = step(connected, { kind: 'time' }, T0 + DEAD_AFTER_MS, 0.5);
  expect(dead.link).toMatchObject({ phase: 'waiting', failures: 1 });
  expect(dead.effects).toEqual([{ kind: 'close' }]);
});

test('failures double the pause up to 30 s, with jitter, without end', () => {
  expect([1, 2, 3, 4, 5, 6, 60].map((failures) => backoff(failures, 0.5))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
  expect(backoff(3, 0)).toBe(3000);
  expect(backoff(3, 0.999)).toBeLessThan(5000);
  let link: Link = connected;
  for (let round = 1; round <= 8; round += 1) {
    link = step(link, { kind: 'lost' }, T0, 0.5).link;
    expect(link.failures).toBe(round);
    link = step(link, { kind: 'time' }, link.retryAt, 0.5).link;
    expect(link.phase).toBe('connecting');
  }
});

test('a snapshot ends the row of failures', () => {
  const lost = run(connected, { kind: 'lost' }, { kind: 'wake' }, { kind: 'lost' }, { kind: 'wake' });
  expect(lost.link.failures).toBe(2);
  expect(run(lost.link, hear(hello(3))).link.failures).toBe(2);
  expect(run(lost.link, hear(hello(3)), hear(snapshot([]))).link.failures).toBe(0);
});

test('waking up tries at once instead of waiting', () => {
  const lost = run(connected, { kind: 'lost' });
  expect(run(lost.link, { kind: 'wake' }).kinds).toEqual(['open:3']);
  expect(run(connected, { kind: 'wake' }).kinds).toEqual([]);
});
