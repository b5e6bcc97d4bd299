/** Holds one lease at a time: gets it, keeps it alive, renews it, gives it back. What the end of one means is not
 * decided here. */

import { BEAT_AGAIN_MS, type Lease } from './lease';
import type { Beaten, Leases, Wish } from './leases';
import { endsLease, type Why } from './why';

export interface KeeperPorts {
  readonly leases: Leases;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  /** There is a lease, another one, none any more, or its time has changed. */
  readonly changed: (lease: Lease | null) => void;
  /** A heartbeat found the lease ended. */
  readonly ended: (why: Why) => void;
}

export class LeaseKeeper {
  lease: Lease | null = null;
  private readonly ports: KeeperPorts;
  private beatAt = Number.POSITIVE_INFINITY;
  private cancelBeat: () => void = () => {};
  /** Asking and giving back follow one another: a user has one opened view at a time. */
  private settled: Promise<void> = Promise.resolve();

  constructor(ports: KeeperPorts) {
    this.ports = ports;
  }

  /** Null once the lease is held, or when it was no longer wanted: then it is given back at once. */
  acquire(wish: Wish, wanted: () => boolean): Promise<Why | null> {
    return this.inTurn(async () => {
      if (!wanted()) return null;
      const answer = await this.ports.leases.grant(wish);
      if ('why' in answer) return answer.why;
      if (wanted()) {
        this.hold(answer.lease);
        this.arm(answer.lease.heartbeatMs);
      } else await this.ports.leases.release(answer.lease.id);
      return null;
    });
  }

  /** A heartbeat now; null when the lease is still there. */
  async check(): Promise<Why | null> {
    return this.touch((id) => this.ports.leases.heartbeat(id));
  }

  /** The viewer confirmed: the time begins anew. */
  async renew(): Promise<void> {
    this.judge(await this.touch((id) => this.ports.leases.renew(id)));
  }

  /** Timers sleep in a hidden page; media does not, and reminds of the heartbeat. */
  heard(): void {
    if (this.ports.now() >= this.beatAt) void this.beat();
  }

  release(): void {
    const { lease } = this;
    this.forget();
    if (lease === null) return;
    // Asked for at once, since the page may be going away; only what comes later waits for it.
    const released = this.ports.leases.release(lease.id);
    void this.inTurn(() => released);
  }

  /** It is over already. */
  forget(): void {
    this.cancelBeat();
    this.beatAt = Number.POSITIVE_INFINITY;
    if (this.lease !== null) this.hold(null);
  }

  private async beat(): Promise<void> {
    if (this.lease !== null) this.arm(this.lease.heartbeatMs);
    this.judge(await this.check());
  }

  /** What did not reach the server is said again soon. */
  private judge(why: Why | null): void {
    if (why === null) return;
    if (endsLease(why)) this.ports.ended(why);
    else this.arm(BEAT_AGAIN_MS);
  }

  private async touch(request: (id: string) => Promise<Beaten>): Promise<Why | null> {
    const asked = this.lease?.id;
    if (asked === undefined) return null;
    const answer = await request(asked);
    const { lease } = this;
    // Meanwhile it was given back, or replaced.
    if (lease?.id !== asked) return null;
    if ('why' in answer) return answer.why;
    this.arm(lease.heartbeatMs);
    if (answer.expiresAt !== null) this.hold({ ...lease, expiresAt: answer.expiresAt });
    return null;
  }

  private arm(ms: number): void {
    this.cancelBeat();
    if (this.lease === null) return;
    this.beatAt = this.ports.now() + ms;
    this.cancelBeat = this.ports.after(ms, () => void this.beat());
  }

  private hold(lease: Lease | null): void {
    this.lease = lease;
    this.ports.changed(lease);
  }

  private inTurn<T>(request: () => Promise<T>): Promise<T> {
    const turn = this.settled.then(request);
    this.settled = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }
}
