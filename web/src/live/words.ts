/** A live view in words. Pure; the words themselves stand in the catalogue. */

import { knownKey, type Translate } from '../i18n/translate';
import type { Phase } from './session';
import type { Why } from './why';

/** For these the server's or the browser's own words say more than ours. */
const DETAILED: ReadonlySet<string> = new Set(['engine', 'unsupported', 'refused', 'revoked']);

export function whyText({ word, detail }: Why, t: Translate): string {
  const key = knownKey(`live.why.${word}`);
  if (key === null) return detail ?? t('live.why.refused');
  const why = t(key);
  return detail !== null && DETAILED.has(word) ? t('live.detail', { why, detail }) : why;
}

/** What goes on, in one sentence that does not count. */
export function phaseText(phase: Phase, quality: 'sub' | 'main', t: Translate): string {
  switch (phase.kind) {
    case 'idle':
      return '';
    case 'asking':
    case 'opening':
      return t(`live.${phase.kind}`);
    case 'playing':
      return t(`live.playing.${quality}`);
    case 'waiting':
    case 'stopped':
      return whyText(phase.why, t);
  }
}

/** What a person can do about a view that does not play. */
export type Remedy = 'takeOver' | 'useSub' | 'reconnect';

export function remedy(phase: Phase, quality: 'sub' | 'main'): Remedy | null {
  if (phase.kind === 'waiting') return 'reconnect';
  if (phase.kind !== 'stopped') return null;
  const { word } = phase.why;
  if (word === 'USER_ALREADY_HAS_MODAL') return 'takeOver';
  if (word === 'unsupported' || word === 'STREAM_NOT_DECLARED') return quality === 'main' ? 'useSub' : null;
  return word === 'noMse' || word === 'camera_removed' ? null : 'reconnect';
}
