/** Starting and ending programs for tests. */

import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The first start of the cameras encodes their pictures. */
export const START_MS = 120_000;

/** A program of a debug build. */
export const built = (name: string): string =>
  fileURLToPath(new URL(`../../target/debug/${name}`, import.meta.url));

/** Ends a program in good order. */
export async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await gone;
}

/** What a program says about itself in its first line. */
export function said(child: ChildProcess, what: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the cameras did not start in time')), START_MS);
    child.once('exit', (code) => reject(new Error(`the cameras ended with ${code}`)));
    child.once('error', reject);
    let text = '';
    child.stdout?.on('data', (part) => {
      text += String(part);
      const found = what.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(late);
      resolve(found);
    });
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** An address of this program's own. */
export function ownAddress(network = 7, last = 1): string {
  return `127.${100 + (process.pid % 100)}.${network}.${last}`;
}
