/** The wall has a text for whatever the server may say: read from the server's own sources. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { en } from '../src/i18n/en';
import { ja } from '../src/i18n/ja';
import { whyRefused } from '../src/live/leases';
import { whyClosed } from '../src/live/why';

/** The words that a function of an enum of the server answers with, such as `as_str`. */
function words(file: string, name: string, method = 'as_str'): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../src', file), 'utf8');
  const body = text.split(`\nimpl ${name} {\n`)[1]?.split('\n}\n')[0]?.split(`pub fn ${method}(`)[1];
  const found = [...(body?.split('\n    }\n')[0] ?? '').matchAll(/^ +Self::\w+.* => "(\w+)",$/gm)];
  return found.map(([, word]) => String(word));
}

function expectTexts(key: string): void {
  expect(en, 'English').toHaveProperty([key]);
  expect(ja, 'Japanese').toHaveProperty([key]);
}

const KINDS = words('model/event.rs', 'EventKind');
const ENDS = words('model/lease.rs', 'EndReason');
const REFUSALS = words('model/admission.rs', 'Refusal', 'code');
const FAILURES = words('model/failure.rs', 'FailureKind');
const STAGES = words('model/failure.rs', 'Stage');
const ACTIONS = words('model/plan.rs', 'Action', 'kind');
/** They are never put off: they are carried out, or given up with their sweep. */
const NEVER_HELD = 'SkipCamera Destruct FinishSweep AbortSweep CancelCapture ReapProcess EndLease'.split(' ');

test('the sources are read whole', () => {
  const declared = (file: string, constant: RegExp) =>
    Number(constant.exec(readFileSync(join(import.meta.dirname, '../../src', file), 'utf8'))?.[1]);
  expect(KINDS).toHaveLength(declared('model/event.rs', /ALL: \[Self; (\d+)\]/));
  expect(ENDS).toHaveLength(declared('model/lease.rs', /ALL: \[Self; (\d+)\]/));
  for (const list of [REFUSALS, FAILURES, STAGES, ACTIONS]) expect(list.length).toBeGreaterThan(5);
});

test.each(KINDS)('the event %s has texts', (kind) => expectTexts(`event.${kind}`));

test.each(ENDS)('the end %s of a live view has texts', (reason) => expectTexts(`live.why.${reason}`));

test.each(FAILURES)('the failure %s has texts', (kind) => expectTexts(`reason.${kind}`));

test.each(STAGES)('the stage %s has texts', (stage) => expectTexts(`stage.${stage}`));

test.each(ACTIONS.filter((kind) => !NEVER_HELD.includes(kind)))('the action %s, put off, has texts', (kind) =>
  expectTexts(`held.${kind}`),
);

test.each(REFUSALS)('the refusal %s has texts of its own', (code) => {
  const { word } = whyRefused({ status: code === 'NOT_FOUND' ? 404 : 409, body: { code } });
  expect(word).not.toBe('refused');
  expectTexts(`live.why.${word}`);
});

test('a live socket closes with the code that the wall takes for its reason', () => {
  const media = readFileSync(join(import.meta.dirname, '../../src/http/media.rs'), 'utf8');
  const model = readFileSync(join(import.meta.dirname, '../../src/model/lease.rs'), 'utf8');
  const codes = [...media.matchAll(/EndReason::(\w+) => (4\d{3})/g)];
  expect(codes).toHaveLength(ENDS.length);
  for (const [, name, code] of codes) {
    const word = new RegExp(`Self::${name} => "(\\w+)"`).exec(model)?.[1];
    expect(whyClosed(Number(code), '').word).toBe(word);
  }
});
