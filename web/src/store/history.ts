/** The stored pictures of one camera, fetched anew when it has a newer one. */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { fetchList } from '../api';
import type { Frame } from '../wire';

export interface History {
  readonly frames: readonly Frame[];
  readonly failed: boolean;
}

const NONE: History = { frames: [], failed: false };

/** Frames older than `newest`, newest first, at most `limit`; null while the first answer is on its way. */
export function useHistory(camera: string, newest: number | null, limit: number): History | null {
  const state = useSignal<{ readonly camera: string; readonly history: History } | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    const path = `/api/v1/cameras/${encodeURIComponent(camera)}/history?limit=${limit + 1}`;
    fetchList<Frame>(path, controller.signal).then(
      (frames) => {
        const earlier = frames.filter(({ id }) => id !== newest).slice(0, limit);
        state.value = { camera, history: { frames: earlier, failed: false } };
      },
      () => {
        if (!controller.signal.aborted) state.value = { camera, history: { ...NONE, failed: true } };
      },
    );
    return () => controller.abort();
  }, [camera, newest, limit, state]);
  return state.value?.camera === camera ? state.value.history : null;
}
