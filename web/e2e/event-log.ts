/** Invented events for the fake server. */

import type { LogEvent } from '../src/wire';
import { cameraName, iso } from './fleet';

const LOG: readonly (readonly [number, string, number, string, Record<string, unknown>])[] = [
  [26, 'camera_lost', 4, 'camera lost: wrong credentials', { reason: 'AuthFailed' }],
  [20, 'motion', 1, 'motion', {}],
  [20, 'motion', 1, 'motion', {}],
  [20, 'motion', 1, 'motion', {}],
  [8, 'animal', 1, 'animal', {}],
  [
    17,
    'camera_lost',
    4,
    'camera lost: no answer at DESCRIBE, 3 tries',
    { reason: 'Timeout', stage: 'describe' },
  ],
  [-1, 'config_applied', 0, 'set 41 applied (2 cameras changed)', { generation: 41 }],
  [0, 'vehicle', 1, 'vehicle', {}],
  [16, 'motion', 1, 'motion', {}],
  [16, 'motion', 1, 'motion', {}],
  [5, 'camera_issue', 2, 'picture is covered', {}],
  [10, 'camera_recovered', 1, 'camera back after 4 min', {}],
  [2, 'human', 2, 'person at the roller door', {}],
]; // prettier-ignore

export function makeLog(now: number): LogEvent[] {
  return LOG.map(([camera, kind, severity, summary, attributes], index) => ({
    ...makeEvent(
      index + 1,
      kind,
      camera < 0 ? null : cameraName(camera),
      now - (LOG.length - index) * 95_000,
    ),
    severity,
    summary,
    attributes,
    frameId: camera < 0 ? null : 1000 + camera,
  }));
}

export function makeEvent(seq: number, kind: string, cameraId: string | null, at: number): LogEvent {
  return {
    seq,
    cameraId,
    capturedAt: iso(at),
    primaryEvent: kind,
    severity: 1,
    summary: kind,
    attributes: {},
    frameId: null,
  };
}
