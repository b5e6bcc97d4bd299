/** The event log as rows: newest first, filtered, repeats in one row. Pure. */

import type { LogEvent } from '../wire';

export interface Row {
  /** Sequence number of the oldest event in the row: it stays the same while the row grows. */
  readonly key: number;
  readonly newest: LogEvent;
  readonly count: number;
}

/** `upTo` holds the log still while someone reads it; null shows everything. */
export function rows(events: readonly LogEvent[], kind: string | null, upTo: number | null): readonly Row[] {
  const result: Row[] = [];
  for (const event of events) {
    if (!fits(event, kind) || (upTo !== null && event.seq > upTo)) continue;
    const last = result.at(-1);
    if (last !== undefined && repeats(last.newest, event)) {
      result[result.length - 1] = { key: last.key, newest: event, count: last.count + 1 };
    } else {
      result.push({ key: event.seq, newest: event, count: 1 });
    }
  }
  return result.reverse();
}

/** How many events came since the log was held. */
export function newSince(events: readonly LogEvent[], kind: string | null, upTo: number): number {
  return events.filter((event) => event.seq > upTo && fits(event, kind)).length;
}

/** The kinds in the log, in alphabetical order. */
export function kinds(events: readonly LogEvent[]): readonly string[] {
  return [...new Set(events.map(({ primaryEvent }) => primaryEvent))].sort();
}

export function severityClass(severity: number): string {
  return `s${Math.max(0, Math.min(3, Math.trunc(severity)))}`;
}

function fits(event: LogEvent, kind: string | null): boolean {
  return kind === null || event.primaryEvent === kind;
}

function repeats(a: LogEvent, b: LogEvent): boolean {
  return (
    a.cameraId === b.cameraId &&
    a.primaryEvent === b.primaryEvent &&
    a.attributes.reason === b.attributes.reason &&
    a.attributes.stage === b.attributes.stage
  );
}
