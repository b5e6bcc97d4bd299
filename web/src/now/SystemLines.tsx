/** How the server is, in sentences: health, memory, and what it wants but holds back. */

import { bytes, duration } from '../format';
import { heldText } from '../reasons';
import { language, t } from '../store/settings';
import { serverNow, status } from '../store/store';
import type { Status } from '../wire';

export function SystemLines() {
  const current = status.value;
  if (current === null) return null;
  const { health, orphansKilled, held, configValid } = current;
  return (
    <div class="system">
      <p>
        {health.status === 'True' ? (
          <b>{t('system.healthy')}</b>
        ) : (
          <b class="alarm">{t('system.unwell', { message: health.message })}</b>
        )}{' '}
        <Memory status={current} />{' '}
        {orphansKilled === 0 ? t('system.noOrphans') : t('system.orphans', { n: orphansKilled })}
      </p>
      {!configValid && <p class="alarm">{t('system.invalid')}</p>}
      {held.map((action) => (
        <p key={`${action.kind} ${action.object}`} class="held">
          {heldText(action, serverNow.value, t, language.value)}
        </p>
      ))}
    </div>
  );
}

function Memory({ status: current }: { readonly status: Status }) {
  const uptime = duration(serverNow.value - Date.parse(current.startedAt), t);
  return <>{t('system.memory', { memory: bytes(current.memoryBytes), uptime })}</>;
}
