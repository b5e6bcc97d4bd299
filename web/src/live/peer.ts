/** Media over WebRTC, straight from the engine. The browser receives one video and connects to the addresses of the
 * answer; nobody else is asked for addresses. Knows no socket: offer and answer are carried by whoever made it. */

import { after, type Cancel } from '../schedule';
import { quietly } from './feed';
import type { Source } from './source';
import { because, type Why } from './why';

/** From the answer to a connection. A browser by itself would hope for half a minute. */
const CONNECT_MS = 6_000;

export interface PeerEvents {
  readonly offered: (sdp: string) => void;
  readonly failed: (why: Why) => void;
}

export class Peer implements Source {
  readonly behind = null;
  private readonly video: HTMLVideoElement;
  private readonly events: PeerEvents;
  private readonly listeners = new AbortController();
  private connection: RTCPeerConnection | null;
  private connected = false;
  private stopWaiting: Cancel = () => {};

  constructor(video: HTMLVideoElement, events: PeerEvents) {
    this.video = video;
    this.events = events;
    const connection = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle' });
    this.connection = connection;
    connection.addTransceiver('video', { direction: 'recvonly' });
    const { signal } = this.listeners;
    connection.addEventListener('track', ({ track }) => this.play(track), { signal });
    connection.addEventListener('connectionstatechange', () => this.look(connection), { signal });
    void this.offer(connection);
  }

  /** The server's answer; a second one is ignored. */
  async answer(sdp: string): Promise<void> {
    const { connection } = this;
    if (connection?.signalingState !== 'have-local-offer') return;
    this.stopWaiting = after(CONNECT_MS, () => {
      if (!this.connected) this.fail(because('unreached'));
    });
    try {
      await connection.setRemoteDescription({ type: 'answer', sdp });
    } catch {
      this.fail(because('unsupported', 'WebRTC'));
    }
  }

  follow(): void {}

  ranDry(): void {}

  close(): void {
    this.listeners.abort();
    this.stopWaiting();
    for (const receiver of this.connection?.getReceivers() ?? []) quietly(() => receiver.track.stop());
    quietly(() => {
      this.video.srcObject = null;
    });
  }

  forget(): void {
    const { connection } = this;
    this.connection = null;
    quietly(() => connection?.close());
  }

  private async offer(connection: RTCPeerConnection): Promise<void> {
    try {
      const { sdp } = await connection.createOffer();
      await connection.setLocalDescription({ type: 'offer', ...(sdp === undefined ? {} : { sdp }) });
      // Without addresses: the browser is the one that connects.
      if (this.connection === connection && sdp !== undefined) this.events.offered(sdp);
    } catch {
      this.fail(because('unsupported', 'WebRTC'));
    }
  }

  private play(track: MediaStreamTrack): void {
    this.video.srcObject = new MediaStream([track]);
    void this.video.play().catch(() => {});
  }

  private look(connection: RTCPeerConnection): void {
    if (connection.connectionState === 'connected') this.connected = true;
    if (connection.connectionState === 'failed') this.fail(because(this.connected ? 'lost' : 'unreached'));
  }

  private fail(why: Why): void {
    if (this.connection !== null && !this.listeners.signal.aborted) this.events.failed(why);
  }
}
