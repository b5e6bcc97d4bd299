/** What a player knows of a way in which media comes to its video element. */

export interface Source {
  /** Seconds between the picture and the newest one that arrived; null where nobody knows. */
  readonly behind: number | null;
  /** Called once a second: keeps the picture near the live edge, as far as that is ours to do. */
  follow(): void;
  /** The picture stands still for want of media. */
  ranDry(): void;
  /** Its part of a teardown before the element's own. */
  close(): void;
  /** Its part after the element has let go. */
  forget(): void;
}
