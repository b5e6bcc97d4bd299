/** The live engines that tests with the real server run through: the server's own, a stand-in for go2rtc, and
 * go2rtc itself where `GO2RTC` names it or it is on the PATH. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { built } from './programs';

export interface Engine {
  readonly name: 'native' | 'go2rtc-double' | 'go2rtc';
  /** What the server's manifest says of it. */
  readonly spec: Readonly<Record<string, unknown>>;
}

export const NATIVE: Engine = { name: 'native', spec: { live: { engine: 'native' } } };

export function engines(): readonly Engine[] {
  const double = gateway('go2rtc-double', process.env.GO2RTC_DOUBLE ?? built('go2rtc-double'));
  const program = process.env.GO2RTC ?? onPath('go2rtc');
  return [NATIVE, double, ...(program === undefined ? [] : [gateway('go2rtc', program)])];
}

function gateway(name: Engine['name'], binary: string): Engine {
  return { name, spec: { live: { engine: 'go2rtc' }, gateway: { binary } } };
}

function onPath(program: string): string | undefined {
  const files = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
