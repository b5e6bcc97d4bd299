/** Media that waits to be appended, bounded in bytes. It decodes nothing and knows no browser. */

/** More than this waiting means that the player is stuck: the connection begins anew. */
export const BACKLOG_BYTES = 8 * 1024 * 1024;
/** One append takes at most so much, so that a burst does not block the decoder in one piece. */
export const APPEND_BYTES = 1024 * 1024;

export class Backlog {
  private chunks: ArrayBuffer[] = [];
  private held = 0;
  private readonly limit: number;

  constructor(limit: number = BACKLOG_BYTES) {
    this.limit = limit;
  }

  get bytes(): number {
    return this.held;
  }

  /** False when the chunk does not fit any more; it is not kept then. */
  push(chunk: ArrayBuffer): boolean {
    if (this.held + chunk.byteLength > this.limit) return false;
    this.chunks.push(chunk);
    this.held += chunk.byteLength;
    return true;
  }

  /** The oldest chunks as one piece, at least one of them; null when nothing waits. */
  take(most: number = APPEND_BYTES): Uint8Array<ArrayBuffer> | null {
    let count = 0;
    let size = 0;
    for (const chunk of this.chunks) {
      if (count > 0 && size + chunk.byteLength > most) break;
      count += 1;
      size += chunk.byteLength;
    }
    if (count === 0) return null;
    const piece = new Uint8Array(size);
    let at = 0;
    for (const chunk of this.chunks.splice(0, count)) {
      piece.set(new Uint8Array(chunk), at);
      at += chunk.byteLength;
    }
    this.held -= size;
    return piece;
  }

  clear(): void {
    this.chunks = [];
    this.held = 0;
  }
}
