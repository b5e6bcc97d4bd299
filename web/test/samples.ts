/** Small objects for unit tests. */

import { en } from '../src/i18n/en';
import { fill, type Translate } from '../src/i18n/translate';
import type { Camera, LogEvent, Snapshot, Status, Subnet } from '../src/wire';

export const T0 = Date.parse('2026-11-22T05:00:00.000Z');
export const t: Translate = (key, params = {}) => fill(en[key], params);

export function iso(at: number): string {
  return new Date(at).toISOString();
}

export function camera(name: string, change: Partial<Camera> = {}): Camera {
  return {
    name,
    displayName: name.toUpperCase(),
    subnet: 'north',
    address: '127.0.0.1',
    device: '127.0.0.1:554',
    enabled: true,
    limit: 2,
    failures: 0,
    nextCaptureAt: null,
    codec: 'h264',
    connections: { total: 0, ours: 0, foreign: 0, heldBy: [] },
    conditions: [],
    lastFrame: frame(1, T0),
    state: {
      badge: 'ok',
      reason: 'Captured',
      message: 'captured',
      since: null,
      next: { kind: 'capture', at: iso(T0 + 30_000) },
    },
    ...change,
  };
}

export function frame(id: number, at: number): NonNullable<Camera['lastFrame']> {
  return { id, capturedAt: iso(at), backend: 'native', width: 640, height: 360, bytes: 31_000 };
}

export function event(seq: number, change: Partial<LogEvent> = {}): LogEvent {
  return {
    seq,
    cameraId: 'a',
    capturedAt: iso(T0 + seq),
    primaryEvent: 'motion',
    severity: 1,
    summary: 'motion seen',
    attributes: {},
    frameId: null,
    ...change,
  };
}

export function subnet(name: string, interval = 60): Subnet {
  return { name, cameras: 1, ready: 1, interval, suspended: false, sweeping: false, nextSweepAt: null };
}

export function status(serverTime = T0): Status {
  return {
    version: '1',
    instance: 'i',
    startedAt: iso(T0),
    serverTime: iso(serverTime),
    generation: 1,
    revision: null,
    configValid: true,
    cameras: { total: 1, ready: 1, enabled: 1 },
    connections: { used: 0, limit: 2 },
    liveViews: { used: 0, limit: 35 },
    orphansKilled: 0,
    memoryBytes: 1,
    nextSweep: null,
    health: { status: 'True', reason: '', message: '' },
    held: [],
    refreshPage: '03:00',
  };
}

export function snapshot(events: readonly LogEvent[], cameras: readonly Camera[] = [camera('a')]): Snapshot {
  return { type: 'snapshot', status: status(), cameras, subnets: [subnet('north')], events };
}
