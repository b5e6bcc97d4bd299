/** A live session without browser and server: it writes down what was done, and the test answers. */

import type { Beaten, Granted } from '../src/live/leases';
import { LiveSession, type View } from '../src/live/session';
import type { ViewKind } from '../src/live/why';

interface Bench {
  /** What was done, in order: requests and the player's commands. */
  readonly log: string[];
  /** Requests for a lease that wait for their answer. */
  readonly grants: ((answer: Granted) => void)[];
  readonly views: View[];
  readonly beats: () => Beaten;
}

export function makeSession(kind: ViewKind, { log, grants, views, beats }: Bench): LiveSession {
  const said = <T>(text: string, answer: T) => {
    log.push(text);
    return Promise.resolve(answer);
  };
  return new LiveSession(kind, {
    leases: {
      grant: ({ camera, quality, takeOver }) => {
        log.push(`ask ${camera} ${quality}${takeOver ? ' taking over' : ''}`);
        return new Promise((resolve) => grants.push(resolve));
      },
      heartbeat: (id) => said(`beat ${id}`, beats()),
      renew: (id) => said(`renew ${id}`, beats()),
      release: (id) => said(`release ${id}`, undefined),
    },
    player: {
      play: ({ path }) => log.push(`play ${path}`),
      stop: () => log.push('stop'),
      freeze: () => {},
    },
    codecs: () => [],
    means: () => ({ mse: true, webrtc: false, hls: false }),
    now: Date.now,
    after: (ms, run) => {
      const id = setTimeout(run, ms);
      return () => clearTimeout(id);
    },
    random: () => 0.5,
    changed: (view) => views.push(view),
  });
}
