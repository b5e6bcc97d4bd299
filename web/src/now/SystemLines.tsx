/** How the server is, in sentences: health, memory, processes that it had to end, and what it wants but holds back. */

import { bytes, duration } from '../format';
import { heldText } from '../reasons';
import { language, t } from '../store/settings';
import { serverNow, status } from '../store/store';
import type { HeldAction, Status } from '../wire';
import { heldToShow } from './held';

/** Enough for what a person must decide; back-offs of a whole fleet must not push the pictures away. */
const HELD_MOST = 3;

export function SystemLines() {
  const current = status.value;
  if (current === null) return null;
  const { health, held, configValid, orphansKilled } = current;
  return (
    <div class="system">
      <p>
        {health.status === 'True' ? (
          <b>{t('system.healthy')}</b>
        ) : (
          <b class="alarm">{t('system.unwell', { message: health.message })}</b>
        )}{' '}
        <Memory status={current} />
      </p>
      {orphansKilled > 0 && <p>{t('system.killed', { n: orphansKilled })}</p>}
      {!configValid && <p class="alarm">{t('system.invalid')}</p>}
      <HeldLines held={held} />
    </div>
  );
}

function HeldLines({ held }: { readonly held: readonly HeldAction[] }) {
  const { shown, more } = heldToShow(held, HELD_MOST);
  return (
    <>
      {shown.map((action) => (
        <p key={`${action.kind} ${action.object}`} class="held">
          {heldText(action, serverNow.value, t, language.value)}
        </p>
      ))}
      {more > 0 && <p>{t('system.heldMore', { n: more })}</p>}
    </>
  );
}

function Memory({ status: current }: { readonly status: Status }) {
  const uptime = duration(serverNow.value - Date.parse(current.startedAt), t);
  if (current.memoryBytes === null) return <>{t('system.noMemory', { uptime })}</>;
  return <>{t('system.memory', { memory: bytes(current.memoryBytes), uptime })}</>;
}
