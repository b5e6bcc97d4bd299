/** The messages and objects that the server sends, as its wire contract names them. No behaviour but parsing. */

export type Badge = 'ok' | 'busy' | 'warn' | 'bad' | 'off';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

export interface FrameSummary {
  readonly id: number;
  readonly capturedAt: string;
  readonly backend: string;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
}

export interface Frame extends FrameSummary {
  readonly thumbnail: string;
  readonly image: string;
}

export interface NextStep {
  readonly kind: 'capture' | 'retry' | 'none';
  readonly at: string | null;
}

export interface CameraState {
  readonly badge: Badge;
  /** A word of the catalogue (`reason.…`); a newer server may know more, then `message` is shown. */
  readonly reason: string;
  /** The RTSP step that got no answer; only with the reason `Timeout`. */
  readonly stage?: string;
  /** English sentence, the fallback for an unknown reason. */
  readonly message: string;
  readonly since: string | null;
  readonly next: NextStep;
}

/** A process that the server did not start. */
export interface ForeignHolder {
  readonly command: string;
  readonly pid: number;
  readonly connections: number;
}

export interface ConnectionCount {
  readonly total: number;
  readonly ours: number;
  readonly foreign: number;
  /** Who holds the foreign ones, as far as known; most connections first. */
  readonly heldBy: readonly ForeignHolder[];
}

export interface Camera {
  readonly name: string;
  readonly displayName: string;
  readonly subnet: string;
  readonly address: string;
  readonly device: string;
  readonly enabled: boolean;
  readonly limit: number;
  readonly failures: number;
  readonly nextCaptureAt: string | null;
  readonly codec: string | null;
  readonly connections: ConnectionCount;
  readonly conditions: readonly Condition[];
  readonly lastFrame: FrameSummary | null;
  readonly state: CameraState;
}

export interface Subnet {
  readonly name: string;
  readonly cameras: number;
  readonly ready: number;
  /** Seconds from one sweep's start to the next. */
  readonly interval: number;
  readonly suspended: boolean;
  readonly sweeping: boolean;
  readonly nextSweepAt: string | null;
}

export interface LogEvent {
  readonly seq: number;
  /** Null for events of the server itself. */
  readonly cameraId: string | null;
  readonly capturedAt: string;
  readonly primaryEvent: string;
  /** 0 to 3; a lost camera is 4. */
  readonly severity: number;
  /** English, the fallback for an event that the catalogue does not know. */
  readonly summary: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly frameId: number | null;
}

export interface HeldAction {
  readonly kind: string;
  readonly object: string;
  readonly reason: string;
  readonly message: string;
  readonly until: string | null;
}

export interface Usage {
  /** Null while the server cannot count. */
  readonly used: number | null;
  readonly limit: number;
}

export interface Status {
  readonly version: string;
  readonly instance: string;
  readonly startedAt: string;
  readonly serverTime: string;
  readonly generation: number;
  readonly revision: string | null;
  readonly configValid: boolean;
  readonly cameras: { readonly total: number; readonly ready: number; readonly enabled: number };
  readonly connections: Usage;
  readonly liveViews: Usage;
  /** Left-over processes that the server had to end since its start. */
  readonly orphansKilled: number;
  /** Null while the server cannot read it. */
  readonly memoryBytes: number | null;
  readonly nextSweep: { readonly subnet: string; readonly at: string } | null;
  readonly health: { readonly status: string; readonly reason: string; readonly message: string };
  readonly held: readonly HeldAction[];
  /** Local time of day at which the page reloads itself, "03:00". */
  readonly refreshPage: string;
}

export interface Hello {
  readonly type: 'hello';
  readonly instance: string;
  readonly version: string;
  readonly seq: number;
  readonly serverTime: string;
}

export interface Snapshot {
  readonly type: 'snapshot';
  readonly status: Status;
  readonly cameras: readonly Camera[];
  readonly subnets: readonly Subnet[];
  /** After the asked sequence number, or the newest ones; oldest first. */
  readonly events: readonly LogEvent[];
}

export type Message =
  | Hello
  | Snapshot
  | { readonly type: 'event'; readonly event: LogEvent }
  | { readonly type: 'camera'; readonly camera: Camera }
  | { readonly type: 'cameraRemoved'; readonly name: string }
  | { readonly type: 'subnet'; readonly subnet: Subnet }
  | { readonly type: 'subnetRemoved'; readonly name: string }
  | { readonly type: 'status'; readonly status: Status }
  | { readonly type: 'heartbeat'; readonly serverTime: string }
  | { readonly type: 'resync'; readonly reason: string };

const TYPES: ReadonlySet<string> = new Set<Message['type']>([
  'hello',
  'snapshot',
  'event',
  'camera',
  'cameraRemoved',
  'subnet',
  'subnetRemoved',
  'status',
  'heartbeat',
  'resync',
]);

/** A text frame as a message; null for what this wall does not know (a newer server may say more). */
export function parseMessage(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('type' in value)) return null;
  return typeof value.type === 'string' && TYPES.has(value.type) ? (value as Message) : null;
}
