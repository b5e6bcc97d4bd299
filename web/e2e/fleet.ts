/** Invented cameras, subnets and status for the fake server: the only place of the wall that makes data up. */

import type { Badge, Camera, CameraState, Frame, Status, Subnet } from '../src/wire';

export const NAMES: readonly string[] = [
  'Gate north | Gate south | Loading dock east | Loading dock west | Barn 1 | Barn 2',
  'Barn 3 feed | Office door | Parking A | Parking B | Silo | Workshop',
  'Greenhouse 1 | Greenhouse 2 | Cold store | Packing line | Yard | Fuel tank',
  'Pump house | Fence 1 | Fence 2 | Fence 3 | Kitchen | Reception',
  '第三倉庫 東側 搬入口カメラ | Corridor 2F | Roof | Substation | Water intake | Chapel',
].flatMap((line) => line.split(' | '));

const MINUTE = 60_000;

export function iso(at: number): string {
  return new Date(at).toISOString();
}

export function cameraName(index: number): string {
  return `cam-${String(index + 1).padStart(3, '0')}`;
}

export function makeCamera(index: number, now: number, problems: boolean): Camera {
  const name = cameraName(index);
  const state = (problems && problem(index, now)) || inOrder(index, now);
  const age = problems ? ({ 17: 9 * MINUTE, 26: 125 * MINUTE }[index] ?? 0) : 0;
  return {
    name,
    displayName: NAMES[index] ?? `Camera ${index + 1}`,
    subnet: index % 3 === 0 ? 'south' : 'north',
    address: `127.125.0.${(index % 240) + 11}`,
    device: `127.125.0.${(index % 240) + 11}:10554`,
    enabled: state.badge !== 'off',
    limit: 2,
    failures: state.badge === 'bad' ? 3 : 0,
    nextCaptureAt: iso(now + 20_000),
    codec: 'h264',
    connections:
      state.reason === 'CameraFull' || state.reason === 'ForeignClient'
        ? { total: 2, ours: 0, foreign: 2, heldBy: [{ command: 'vlc', pid: 4711, connections: 2 }] }
        : { total: 1, ours: 1, foreign: 0, heldBy: [] },
    conditions: conditions(state, now),
    lastFrame:
      index === 22 && problems ? null : makeFrame(1000 + index, now - age - ((index * 7) % 48) * 1000),
    state,
  };
}

export function makeFrame(id: number, at: number): Frame {
  return {
    id,
    capturedAt: iso(at),
    backend: 'native',
    width: 640,
    height: 360,
    bytes: 31_022,
    thumbnail: `/api/v1/frames/${id}/thumbnail.jpg`,
    image: `/api/v1/frames/${id}.jpg`,
  };
}

function inOrder(index: number, now: number): CameraState {
  const capturing = index === 8 || index === 9;
  return makeState(capturing ? 'busy' : 'ok', capturing ? 'Capturing' : 'Captured', now, 20_000);
}

function problem(index: number, now: number): CameraState | null {
  switch (index) {
    case 5:
      return makeState('warn', 'CameraFull', now, 41_000);
    case 12:
      return { ...makeState('off', 'Disabled', now, 0), next: { kind: 'none', at: null } };
    case 17:
      return { ...makeState('bad', 'Timeout', now, 100 * 1000), stage: 'describe' };
    case 22:
      return makeState('busy', 'Waiting', now, 5_000);
    case 24:
      return makeState('warn', 'ForeignClient', now, 30_000);
    case 26:
      return makeState('bad', 'AuthFailed', now, 5 * MINUTE);
    default:
      return null;
  }
}

export function makeState(badge: Badge, reason: string, now: number, nextIn: number): CameraState {
  const kind = badge === 'ok' || badge === 'busy' ? 'capture' : 'retry';
  return {
    badge,
    reason,
    message: `server says ${reason}`,
    since: iso(now),
    next: { kind, at: iso(now + nextIn) },
  };
}

function conditions(state: CameraState, now: number): Camera['conditions'] {
  const bad = state.badge === 'bad';
  const condition = (type: string, ok: boolean) => ({
    type,
    status: ok ? ('True' as const) : ('False' as const),
    reason: ok ? 'Captured' : state.reason,
    message: ok ? 'last attempt succeeded' : state.message,
    lastTransitionTime: iso(now - 12 * MINUTE),
  });
  return [
    condition('Ready', !bad),
    condition('Reachable', state.reason !== 'Timeout'),
    condition('WithinLimit', true),
    condition('Fresh', !bad),
  ];
}

export function makeSubnet(name: string, cameras: number, now: number): Subnet {
  return {
    name,
    cameras,
    ready: cameras - 2,
    interval: 60,
    suspended: false,
    sweeping: name === 'south',
    nextSweepAt: iso(now + 12_000),
  };
}

export function makeStatus(total: number, now: number, instance: string, problems: boolean): Status {
  return {
    version: '0.1.0',
    instance,
    startedAt: iso(now - 6 * 24 * 60 * MINUTE),
    serverTime: iso(now),
    generation: 41,
    revision: '8f3c2d1',
    configValid: true,
    cameras: { total, ready: Math.max(0, total - (problems ? 3 : 0)), enabled: total },
    connections: { used: Math.min(9, total), limit: total * 2 },
    liveViews: { used: 0, limit: 35 },
    orphansKilled: 0,
    memoryBytes: 58_000_000,
    nextSweep: total === 0 ? null : { subnet: 'north', at: iso(now + 12_000) },
    health: { status: 'True', reason: 'Healthy', message: '' },
    held: problems
      ? [
          {
            kind: 'Forget',
            object: 'camera/yard-old',
            reason: 'RemovalGuard',
            message: 'waits for confirmation, 12 of 30 cameras would go.',
            until: null,
          },
        ]
      : [],
    refreshPage: '03:00',
  };
}
