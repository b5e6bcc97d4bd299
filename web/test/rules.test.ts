import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const files = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(tsx?|css|mjs)$/.test(name))
    .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(join(root, folder, name), 'utf8') }));
const sources = files('src');

test.each(['src', 'test', 'e2e'].flatMap(files))('$name has at most 200 lines', ({ text }) => {
  expect(text.split('\n').length).toBeLessThanOrEqual(201);
});

test.each(sources.filter(({ name }) => /\.tsx?$/.test(name)))('$name says what it is for', ({ text }) => {
  expect(text).toMatch(/^\/\*\* /);
});

test.each(sources)('$name sets timers only if it is the scheduler', ({ name, text }) => {
  if (name === 'src/schedule.ts') return;
  expect(text).not.toMatch(/\b(setInterval|setTimeout|requestAnimationFrame|requestIdleCallback)\b/);
});

test.each(sources)('$name gives every listener a signal', ({ text }) => {
  for (const call of text.split('.addEventListener(').slice(1)) {
    expect(argumentsOf(call)).toMatch(/\bsignal\b/);
  }
});

test.each(sources)('$name writes no markup and no inline style', ({ text }) => {
  expect(text).not.toMatch(/dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|\bstyle=/);
});

const MAKES: Readonly<Record<string, readonly string[]>> = {
  'src/live/screen.ts': ["'canvas'", "'video'"],
  'src/store/still.ts': ["'canvas'"],
};

test.each(sources)('$name makes elements only if that is its task', ({ name, text }) => {
  const made = [...text.matchAll(/createElement\(([^)]*)\)|<(video|audio)\b/g)].map(([, kind]) => kind);
  expect(made).toEqual(MAKES[name] ?? []);
});

test.each(sources)('$name opens sockets and media sources only if that is its task', ({ name, text }) => {
  if (name !== 'src/store/store.ts' && name !== 'src/live/reception.ts') {
    expect(text).not.toMatch(/\bnew WebSocket\(/);
  }
  if (name !== 'src/live/feed.ts') expect(text).not.toMatch(/createObjectURL/);
  if (name !== 'src/live/peer.ts') expect(text).not.toMatch(/srcObject|RTCPeerConnection\(/);
});

/** The text of a call up to its closing parenthesis. */
function argumentsOf(call: string): string {
  let depth = 1;
  for (const [index, letter] of [...call].entries()) {
    if (letter === '(') depth += 1;
    if (letter === ')') depth -= 1;
    if (depth === 0) return call.slice(0, index);
  }
  return call;
}
