/** States, next steps and events in words. Pure; the words themselves stand in the catalogue. */

import { due } from './format';
import { knownKey, type Language, type Translate } from './i18n/translate';
import type { Camera, CameraState, HeldAction, LogEvent } from './wire';

/** Programs named in one line. */
const HOLDERS_MOST = 3;

/** Why the camera is in its state; the server's own sentence where the catalogue knows no better. */
export function stateReason(camera: Camera, t: Translate): string {
  const { state } = camera;
  const stage = state.reason === 'Timeout' ? knownKey(`stage.${state.stage ?? ''}`) : null;
  const key = stage ?? knownKey(`reason.${state.reason}`);
  if (key === null) return state.message;
  const who = heldBy(camera, t);
  const named = who === '' ? null : knownKey(`${key}By`);
  return t(named ?? key, {
    total: camera.connections.total,
    foreign: camera.connections.foreign,
    limit: camera.limit,
    failures: camera.failures,
    who,
  });
}

/** The other programs that are connected, as far as known: `vlc (4711)`; empty when none is. */
export function heldBy({ connections: { foreign, heldBy } }: Camera, t: Translate): string {
  const named = heldBy.slice(0, HOLDERS_MOST);
  const who = named.map(({ command, pid }) => `${command} (${pid})`).join(', ');
  const known = named.reduce((sum, { connections }) => sum + connections, 0);
  return named.length > 0 && known < foreign ? t('reason.andOthers', { who }) : who;
}

/** What the server does next and when; empty for a camera in order with nothing planned. */
export function nextStep(state: CameraState, now: number, t: Translate, language: Language): string {
  const { kind, at } = state.next;
  if (kind === 'none' || at === null)
    return state.badge === 'warn' || state.badge === 'bad' ? t('next.none') : '';
  return t(`next.${kind}`, { when: due(Date.parse(at), now, t, language) });
}

/** Reason and next step in one line, as a tile shows it. */
export function stateLine(camera: Camera, now: number, t: Translate, language: Language): string {
  return [stateReason(camera, t), nextStep(camera.state, now, t, language)].filter(Boolean).join(' · ');
}

/** A camera shows its reason when something is not as it should be, is off on purpose, or has no picture yet. */
export function needsWords({ state, lastFrame }: Camera): boolean {
  return lastFrame === null || state.badge === 'warn' || state.badge === 'bad' || state.badge === 'off';
}

export function eventText(event: LogEvent, t: Translate, language: Language): string {
  const key = knownKey(`event.${event.primaryEvent}`);
  if (key === null) return event.summary;
  const reason = eventReason(event, t);
  if (reason !== null) return t('events.cause', { what: t(key), reason });
  // The server's English summary says more than the bare kind.
  return language === 'en' && event.summary !== '' ? event.summary : t(key);
}

function eventReason(event: LogEvent, t: Translate): string | null {
  const { reason, stage } = event.attributes;
  if (typeof reason !== 'string') return null;
  const key = (reason === 'Timeout' && knownKey(`stage.${String(stage)}`)) || knownKey(`reason.${reason}`);
  if (key === null) return null;
  const text = t(key, numbers(event.attributes));
  return /\{\w+\}/.test(text) ? null : text;
}

function numbers(attributes: LogEvent['attributes']): Record<string, number> {
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

export function heldText(held: HeldAction, now: number, t: Translate, language: Language): string {
  const key = knownKey(`held.${held.kind}`);
  const action = key === null ? held.kind : t(key);
  const sentence = t('system.held', { action, object: held.object.replace('/', ' '), message: held.message });
  if (held.until === null) return sentence;
  return `${sentence} (${t('system.heldUntil', { time: due(Date.parse(held.until), now, t, language) })})`;
}
