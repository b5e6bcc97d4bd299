/** The only module that sets timers. Every timer has an owner that can cancel it. */

export type Cancel = () => void;

export function now(): number {
  return Date.now();
}

export function after(ms: number, run: () => void): Cancel {
  const id = setTimeout(run, ms);
  return () => clearTimeout(id);
}

export function every(ms: number, run: () => void): Cancel {
  const id = setInterval(run, ms);
  return () => clearInterval(id);
}

/** Resolves after `ms`; rejects at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const listening = new AbortController();
    const cancel = after(ms, () => {
      listening.abort();
      resolve();
    });
    signal.addEventListener(
      'abort',
      () => {
        cancel();
        reject(signal.reason);
      },
      { once: true, signal: listening.signal },
    );
  });
}
