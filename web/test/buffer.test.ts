import { expect, test } from 'vitest';
import { Backlog } from '../src/live/backlog';
import { Cushion, chase, type Spans, trimTo } from '../src/live/edge';

const bytes = (...values: readonly number[]) => new Uint8Array(values).buffer;
const span = (start: number, end: number): Spans => [[start, end]];

test('what waits comes out in order, as one piece up to a size', () => {
  const backlog = new Backlog();
  for (const chunk of [bytes(1, 2), bytes(3), bytes(4, 5, 6)]) expect(backlog.push(chunk)).toBe(true);
  expect([...(backlog.take(4) ?? [])]).toEqual([1, 2, 3]);
  expect(backlog.bytes).toBe(3);
  expect([...(backlog.take(1) ?? [])]).toEqual([4, 5, 6]);
  expect(backlog.take()).toBeNull();
  expect(backlog.bytes).toBe(0);
});

test('the backlog never holds more than its bytes', () => {
  const backlog = new Backlog(3);
  expect(backlog.push(bytes(1, 2))).toBe(true);
  expect(backlog.push(bytes(3, 4))).toBe(false);
  expect(backlog.bytes).toBe(2);
  expect(backlog.push(bytes(3))).toBe(true);
  backlog.clear();
  expect(backlog.push(bytes(1, 2, 3))).toBe(true);
});

test('near the edge it plays on as it is', () => {
  expect(chase(span(0, 10), 9.6, 1, 0.3, false)).toEqual({ seek: null, rate: 1 });
  expect(chase([], 0, 1.3, 0.3, false)).toEqual({ seek: null, rate: 1 });
});

test('a burst of kept pictures is skipped while it arrives, and not later', () => {
  expect(chase(span(0, 2), 0, 1, 0.3, true)).toEqual({ seek: 1.7, rate: 1 });
  expect(chase(span(0, 2), 0, 1, 0.3, false)).toEqual({ seek: null, rate: 1.1 });
});

test('the further behind, the faster; beyond 8 s it jumps', () => {
  const rates = [3.1, 4, 5.5, 7.9].map((gap) => chase(span(0, 20), 20 - gap, 1, 0.3, false).rate);
  expect(rates).toEqual([1.1, 1.2, 1.3, 1.5]);
  expect(chase(span(0, 20), 11.9, 1.5, 0.3, false)).toEqual({ seek: 19.7, rate: 1 });
});

test('once faster it stays so until it is close, so that the pace does not flutter', () => {
  expect(chase(span(0, 10), 9.5, 1, 0.3, false).rate).toBe(1);
  expect(chase(span(0, 10), 9.5, 1.1, 0.3, false).rate).toBe(1.1);
  expect(chase(span(0, 10), 9.7, 1.1, 0.3, false).rate).toBe(1);
});

test('it leaves holes, and what lies before or beyond all media', () => {
  const spans: Spans = [
    [0, 4],
    [6, 10],
  ];
  expect(chase(spans, 4, 1, 0.3, false).seek).toBeCloseTo(9.7);
  expect(chase(span(100, 100.2), 0, 1, 0.3, false).seek).toBe(100);
  expect(chase(span(0, 5), 60, 1, 0.3, false).seek).toBeCloseTo(4.7);
  expect(chase(span(0, 5), 5.05, 1, 0.3, false).seek).toBeNull();
});

test('a picture that runs dry asks for more distance, for a minute, within a bound', () => {
  const cushion = new Cushion();
  expect(cushion.seconds(0)).toBeCloseTo(0.3);
  cushion.ranDry(1000);
  cushion.ranDry(2000);
  expect(cushion.seconds(3000)).toBeCloseTo(0.7);
  expect(cushion.seconds(61_500)).toBeCloseTo(0.5);
  for (let at = 0; at < 1000; at += 100) cushion.ranDry(70_000 + at);
  expect(cushion.seconds(71_000)).toBeCloseTo(0.5);
  for (let at = 0; at < 20; at += 1) cushion.ranDry(71_000 + at * 1000);
  expect(cushion.seconds(91_000)).toBe(1.5);
});

test('10 s are kept behind the picture, removed in strides', () => {
  expect(trimTo(span(0, 14), 14)).toBeNull();
  expect(trimTo(span(0, 16), 15.5)).toBeCloseTo(5.5);
  expect(trimTo([], 100)).toBeNull();
});
